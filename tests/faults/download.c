/* A file from a fake Hub into the cache, alone and through the queue: every allocation and every
 * call on a file fails in turn (A11, A13). Whatever fails, the final name exists only with the
 * right bytes, and the next run gets the file. libcurl's own allocations are not ours to fail. */
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "downloads/listing.h"
#include "downloads/queue.h"
#include "tests/faults/faults.h"
#include "tests/hub/fake_hub.h"
#include "tests/tree.h"
#include "tests/util.h"

enum { SIZE = (2 << 20) + 300000 /* two segments */ };

static char origin[64], commit[41], oid[65];
static dl_cache cache;

/* A process of its own: its threads and allocations are not counted. */
static void serve(int out)
{
    fake_hub *hub;
    nb_err err = {0};
    char line[200], sha256[65];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fault_check(fake_hub_start(&hub, NULL, &err) == NB_OK, "%s", err.msg);
    fake_repo *repo = fake_hub_add(hub, &(fake_repo_info){.id = "ns/repo"});
    fake_repo_noise(repo, "m.gguf", SIZE, 7);
    fake_repo_text(repo, "config.json", "{}");
    fake_repo_sha256(repo, "m.gguf", sha256);
    int n = snprintf(line, sizeof line, "%s %s %s", fake_hub_origin(hub, FAKE_HUB),
                     fake_repo_head(repo), sha256);
    fault_check(write(out, line, (size_t)n) == n, "no pipe");
    for (;;)
        pause();
}

static void start_hub(void)
{
    char line[200] = "";
    int ends[2];
    fault_check(pipe(ends) == 0, "no pipe");
    if (fork() == 0)
        serve(ends[1]);
    fault_check(read(ends[0], line, sizeof line - 1) > 0 &&
                    sscanf(line, "%63s %40s %64s", origin, commit, oid) == 3,
                "no Hub");
    close(ends[0]);
    close(ends[1]);
    snprintf(cache.hub, sizeof cache.hub, "%s", test_path(tree_scratch(), "pull/hub"));
    snprintf(cache.trash, sizeof cache.trash, "%s", test_path(tree_scratch(), "pull/trash"));
}

static void start_empty(void)
{
    nb_err err = {0};
    if (!origin[0])
        start_hub();
    tree_remove(test_path(tree_scratch(), "pull"));
    fault_check(nb_mkdirs(cache.hub, &err) == NB_OK, "%s", err.msg);
}

static nb_status open_net(dl_net **out, nb_err *err)
{
    dl_options opt = {.env = {.etag_timeout = 20, .download_timeout = 20}, .connections = 2};
    snprintf(opt.env.endpoint, sizeof opt.env.endpoint, "%s", origin);
    return dl_net_open(out, &opt, err);
}

static nb_status fetch(nb_err *err)
{
    const dl_fetch_request rq = {.repo = "ns/repo",
                                 .commit = commit,
                                 .path = "m.gguf",
                                 .revision = "main",
                                 .oid = oid,
                                 .size = SIZE};
    dl_net *net = NULL;
    dl_fetched got;
    dl_trouble trouble = DL_OK;
    NB_TRY(open_net(&net, err));
    nb_status st = dl_fetch(net, &cache, &rq, &got, &trouble, NULL, err);
    dl_net_close(&net);
    return st;
}

static const char *entry(void)
{
    static char path[1400];
    snprintf(path, sizeof path, "%s/models--ns--repo/snapshots/%s/m.gguf", cache.hub, commit);
    return path;
}

/* No third state: nothing, or the file. */
static void right_or_absent(void)
{
    struct stat st;
    size_t n;
    char got[65];
    if (lstat(entry(), &st) != 0)
        return;
    char *bytes = test_slurp(entry(), &n);
    fault_check(bytes && n == SIZE, "%zu bytes under the final name", bytes ? n : 0);
    test_sha256(bytes, n, got);
    free(bytes);
    fault_check(strcmp(got, oid) == 0, "wrong bytes under the final name");
}

static void then_it_works(nb_status status)
{
    nb_err err = {0};
    struct stat st;
    right_or_absent();
    fault_check(status != NB_OK || lstat(entry(), &st) == 0, "success, but no file");
    fault_check(fetch(&err) == NB_OK && lstat(entry(), &st) == 0, "the next run: %s", err.msg);
    right_or_absent();
}
FAULT_SCENARIO(download, start_empty, fetch, then_it_works);

/* --- the queue ---------------------------------------------------------------------------------
 */

static const char *list_path(void)
{
    return test_path(tree_scratch(), "pull/state/downloads.json");
}

static nb_status add_one(dl_queue *q, nb_err *err)
{
    char path[] = "m.gguf";
    size_t index = 0;
    dl_file file = {.path = path, .size = SIZE};
    dl_repo repo = {.model = {.id = "ns/repo"}, .file = &file, .n_file = 1};
    snprintf(file.oid, sizeof file.oid, "%s", oid);
    snprintf(repo.commit, sizeof repo.commit, "%s", commit);
    const dl_choice choice = {.file = &index, .n_file = 1};
    return dl_queue_add(q, &repo, "main", &choice, NULL, err);
}

static nb_status await_end(dl_queue *q, nb_err *err)
{
    const struct timespec step = {0, 2000000};
    static dl_item x;
    do {
        nanosleep(&step, NULL);
        fault_check(dl_queue_look(q, 0, &x), "the row is gone");
    } while (x.state == DL_QUEUED || x.state == DL_RUNNING);
    fault_check(x.state == DL_DONE || x.state == DL_STOPPED, "state %d", x.state);
    if (x.state == DL_STOPPED)
        *err = x.err;
    return x.state == DL_STOPPED ? x.err.status : NB_OK;
}

static nb_status run_queue(nb_err *err)
{
    dl_net *net = NULL;
    dl_queue *q = NULL;
    nb_err odd = {.status = NB_OK}; /* about its file: the queue works without */
    NB_TRY(open_net(&net, err));
    nb_status st =
        dl_queue_open(&q, net, &cache, test_path(tree_scratch(), "pull/state"), NULL, NULL, &odd);
    if (st != NB_OK)
        *err = odd;
    if (st == NB_OK)
        st = add_one(q, err);
    if (st == NB_OK)
        st = await_end(q, err);
    dl_queue_close(&q);
    dl_net_close(&net);
    return st;
}

/* Its file is whole or absent. */
static void list_is_whole(nb_status status)
{
    nb_json *doc = NULL;
    nb_err err = {0};
    right_or_absent();
    fault_check(status != NB_OK || nb_exists(entry()), "success, but no file");
    if (!nb_exists(list_path()))
        return;
    fault_check(nb_json_load(&doc, list_path(), 1 << 20, &err) == NB_OK, "%s", err.msg);
    nb_json_close(&doc);
}
FAULT_SCENARIO(queue, start_empty, run_queue, list_is_whole);

/* --- the list of a commit ----------------------------------------------------------------------
 */

static nb_status list_files(nb_err *err)
{
    dl_net *net = NULL;
    dl_repo repo;
    dl_trouble trouble;
    NB_TRY(open_net(&net, err));
    nb_status st = dl_listing_ask(net, test_path(tree_scratch(), "pull/kept"), "ns/repo", commit,
                                  &repo, &trouble, NULL, err);
    if (st == NB_OK) {
        fault_check(repo.n_file == 2 && strcmp(repo.file[1].oid, oid) == 0, "a list of %zu files",
                    repo.n_file);
        dl_repo_free(&repo);
    }
    dl_net_close(&net);
    return st;
}

/* From the server, then from the disk if it could be kept. */
static void then_lists(nb_status status)
{
    nb_err err = {0};
    (void)status;
    fault_check(list_files(&err) == NB_OK && list_files(&err) == NB_OK, "the next: %s", err.msg);
}
FAULT_SCENARIO(listing, start_empty, list_files, then_lists);
