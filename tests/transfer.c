#include "tests/transfer.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/base/job.h"
#include "tests/check.h"
#include "tests/util.h"

void rig_open(rig *r, int timeout)
{
    static unsigned count;
    char name[32];
    *r = (rig){.patience = 5 * RIG_SLOW};
    check(fake_hub_start(&r->hub, NULL, &r->err) == NB_OK, "%s", r->err.msg);
    r->repo = fake_hub_add(r->hub, &(fake_repo_info){.id = "ns/repo"});
    snprintf(name, sizeof name, "home-%d-%u", (int)getpid(), count++);
    const char *home = test_path(test_tmpdir(), name);
    snprintf(r->env.endpoint, sizeof r->env.endpoint, "%s", fake_hub_origin(r->hub, FAKE_HUB));
    snprintf(r->env.home, sizeof r->env.home, "%s", home);
    snprintf(r->env.hub, sizeof r->env.hub, "%s/hub", home);
    r->env.etag_timeout = r->env.download_timeout = timeout < 5 ? timeout : timeout * RIG_SLOW;
    check(nb_mkdirs(r->env.hub, &r->err) == NB_OK, "%s", r->err.msg);
}

void rig_net(rig *r)
{
    r->opt.env = r->env;
    check(dl_cache_open(&r->cache, &r->env, &r->err) == NB_OK, "%s", r->err.msg);
    check(dl_net_open(&r->net, &r->opt, &r->err) == NB_OK, "%s", r->err.msg);
}

void rig_close_net(rig *r)
{
    dl_net_close(&r->net);
}

void rig_close(rig *r)
{
    rig_close_net(r);
    fake_hub_stop(&r->hub);
}

static void on_progress(void *ud, const nb_progress *p)
{
    rig *r = ud;
    const dl_fetch_view *v = p->detail;
    r->backwards = r->backwards || v->have < r->view.have;
    r->view = *v;
    r->reports++;
    if (r->watch)
        r->watch(r, v);
    if (r->cancel_at && v->have >= r->cancel_at && !atomic_load(&r->cancel)) {
        atomic_store(&r->cancel, true);
        r->canceled_at = nb_now();
    }
}

static bool on_canceled(void *ud)
{
    rig *r = ud;
    return atomic_load(&r->cancel);
}

/* Size and content id of a file as the tree lists them. */
static void listed(rig *r, const char *path, uint64_t *size, char oid[65])
{
    check(fake_repo_listed(r->repo, path, size, oid), "the hub has no %s", path);
}

nb_status rig_try(rig *r, const char *path)
{
    char oid[65] = "";
    uint64_t size = UINT64_MAX;
    nb_hooks hooks = {on_progress, on_canceled, r};
    if (!r->ask && !fake_repo_listed(r->repo, path, &size, oid))
        return nb_fail(&r->err, NB_ERROR, "the hub has no %s", path);
    dl_fetch_request rq = {.repo = "ns/repo",
                           .commit = fake_repo_head(r->repo),
                           .path = path,
                           .revision = r->revision,
                           .oid = oid,
                           .size = size,
                           .queued_bytes = r->queued_bytes,
                           .ignore_space = r->ignore_space,
                           .share = r->share,
                           .patience = r->patience};
    r->view = (dl_fetch_view){0};
    r->err = (nb_err){0};
    r->reports = 0;
    double start = nb_now();
    r->status = dl_fetch(r->net, &r->cache, &rq, &r->got, &r->trouble, &hooks, &r->err);
    r->seconds = nb_now() - start;
    return r->status;
}

nb_status rig_fetch(rig *r, const char *path)
{
    if (!r->net)
        rig_net(r);
    nb_status st = rig_try(r, path);
    check((st == NB_OK) == (r->err.msg[0] == '\0'), "status %d with \"%s\"", st, r->err.msg);
    check((st == NB_OK || st == NB_CANCELED) == (r->trouble == DL_OK), "%s: trouble %d", r->err.msg,
          r->trouble);
    return st;
}

static void file_oid(const char *path, const char *like, char out[65])
{
    struct stat st;
    enum { CHUNK = 1 << 20 };
    nb_hash *h = NULL;
    nb_err err = {0};
    uint8_t *buf = malloc(CHUNK);
    int fd = open(path, O_RDONLY);
    check(fd >= 0 && fstat(fd, &st) == 0, "%s is missing", path);
    check(nb_hash_open(&h, strlen(like), (uint64_t)st.st_size, &err) == NB_OK, "%s", err.msg);
    for (ssize_t n; (n = read(fd, buf, CHUNK)) > 0;)
        nb_hash_add(h, buf, (size_t)n);
    nb_hash_hex(h, out);
    nb_hash_close(&h);
    close(fd);
    free(buf);
}

static size_t scan(rig *r, const char *prefix, const char *suffix, const char **first)
{
    static char found[1600];
    size_t n = 0;
    DIR *d = opendir(rig_path(r, "blobs"));
    found[0] = '\0';
    for (const struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.' || strncmp(e->d_name, prefix, strlen(prefix)) != 0 ||
            !nb_has_suffix(e->d_name, suffix))
            continue;
        if (n++ == 0)
            snprintf(found, sizeof found, "%s/%s", rig_path(r, "blobs"), e->d_name);
    }
    if (d)
        closedir(d);
    *first = found;
    return n;
}

void rig_expect_landed(rig *r, const char *path)
{
    char want[65], oid[65], link[256] = "", rest[300];
    const char *left;
    uint64_t size;
    struct stat st;
    listed(r, path, &size, want);
    check(r->err.status == NB_OK, "%s", r->err.msg);
    snprintf(rest, sizeof rest, "snapshots/%s/%s", fake_repo_head(r->repo), path);
    check(strcmp(r->got.path, rig_path(r, rest)) == 0, "landed at %s", r->got.path);
    check(readlink(r->got.path, link, sizeof link - 1) > 0, "%s is no link", r->got.path);
    check(strcmp(nb_path_base(link), want) == 0, "leads to %s", link);
    check(stat(r->got.path, &st) == 0 && (uint64_t)st.st_size == size, "size %lld",
          (long long)st.st_size);
    file_oid(r->got.path, want, oid);
    check(strcmp(oid, want) == 0, "content %s, listed %s", oid, want);
    check(scan(r, want, "incomplete", &left) == 0, "%s is left", left);
    check(!r->backwards, "progress went backwards");
    check(r->got.size == size && strcmp(r->got.oid, want) == 0, "told %" PRIu64 " %s", r->got.size,
          r->got.oid);
}

void rig_expect_nothing(rig *r, const char *path)
{
    char want[65], rest[300];
    uint64_t size;
    struct stat st;
    listed(r, path, &size, want);
    snprintf(rest, sizeof rest, "snapshots/%s/%s", fake_repo_head(r->repo), path);
    check(lstat(rig_path(r, rest), &st) != 0, "%s is there", rest);
    snprintf(rest, sizeof rest, "blobs/%s", want);
    check(lstat(rig_path(r, rest), &st) != 0, "%s is there", rest);
}

void rig_fault(rig *r, const char *line)
{
    nb_err err = {0};
    check(fake_hub_fault(r->hub, line, &err) == NB_OK, "%s: %s", line, err.msg);
}

const char *rig_path(rig *r, const char *rest)
{
    static char ring[8][1600];
    static unsigned at;
    char *out = ring[at++ % 8];
    snprintf(out, sizeof ring[0], "%s/models--ns--repo/%s", r->env.hub, rest);
    return out;
}

size_t rig_count_blobs(rig *r, const char *suffix)
{
    const char *first;
    return scan(r, "", suffix, &first);
}

const char *rig_find_blob(rig *r, const char *suffix)
{
    const char *first;
    scan(r, "", suffix, &first);
    return first;
}

uint64_t rig_served(rig *r, const char *path)
{
    char glob[300];
    snprintf(glob, sizeof glob, "/ns/repo/%s", path);
    uint64_t n = fake_hub_bytes(r->hub, FAKE_CDN, glob);
    snprintf(glob, sizeof glob, "/api/resolve-cache/*/%s", path);
    return n + fake_hub_bytes(r->hub, FAKE_HUB, glob);
}

size_t rig_body_requests(rig *r, const char *path)
{
    char glob[300];
    snprintf(glob, sizeof glob, "/ns/repo/%s", path);
    size_t n = fake_hub_count(r->hub, FAKE_CDN, "GET", glob);
    snprintf(glob, sizeof glob, "/api/resolve-cache/*/%s", path);
    return n + fake_hub_count(r->hub, FAKE_HUB, "GET", glob);
}
