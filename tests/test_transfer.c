/* One file from the Hub to the cache, and what goes wrong on the way (hub 1-7;
 * test_transfer_server.c has the rest). */
#include "tests/check.h"
#include "tests/transfer.h"
#include "tests/util.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/job.h"

enum { MIB = 1 << 20 };

static void expect_file(const char *path, const char *bytes, size_t n)
{
    size_t len;
    char *text = test_slurp(path, &len);
    check(text && len == n && memcmp(text, bytes, n) == 0, "%s: %zu bytes, expected %zu", path,
          text ? len : 0, n);
    free(text);
}

CHECK_TEST(transfer, round_trip_hub_1)
{
    static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                              "# This file is a cache directory tag created by huggingface_hub.\n"
                              "# For information about cache directory tags, see:\n"
                              "#\thttps://bford.info/cachedir/\n";
    rig r;
    char link[256] = "", want[100], sha256[65];
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "sub/m.gguf", 64 * MIB, 7);
    r.revision = "refs/pr/1";
    check(rig_fetch(&r, "sub/m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "sub/m.gguf");
    fake_repo_sha256(r.repo, "sub/m.gguf", sha256);
    snprintf(want, sizeof want, "../../../blobs/%s", sha256);
    check(readlink(r.got.path, link, sizeof link - 1) > 0 && strcmp(link, want) == 0, "%s", link);
    expect_file(rig_path(&r, "refs/refs/pr/1"), fake_repo_head(r.repo), 40);
    expect_file(test_path(r.env.hub, "CACHEDIR.TAG"), tag, sizeof tag - 1);
    check(fake_hub_count(r.hub, FAKE_PORTS, "HEAD", NULL) == 0, "asked though all was listed");
    check(fake_hub_count(r.hub, FAKE_HUB, NULL, NULL) == 1, "the address was asked for twice");
    check(r.got.received == 64 * MIB && rig_served(&r, "sub/m.gguf") == 64 * MIB,
          "%" PRIu64 " bytes", rig_served(&r, "sub/m.gguf"));
    rig_close(&r);
}

/* --- already there (hub 2) ------------------------------------------------------------------- */

CHECK_TEST(transfer, already_there_is_no_request_hub_2)
{
    rig r;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", 3 * MIB, 7);
    r.revision = "main";
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    fake_hub_log_clear(r.hub);
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    r.ask = true; /* a commit says all: not even a HEAD */
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(fake_hub_count(r.hub, FAKE_PORTS, NULL, NULL) == 0, "a request was made");
    check(r.got.received == 0, "bytes came");
    rig_close(&r);
}

CHECK_TEST(transfer, a_blob_of_another_client_is_used_as_it_is_hub_2)
{
    rig r;
    char oid[65], rest[100];
    uint64_t size;
    struct stat before, after;
    uint8_t *bytes = malloc(3 * MIB);
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", 3 * MIB, 7);
    fake_noise(7, 0, bytes, 3 * MIB);
    fake_repo_listed(r.repo, "m.gguf", &size, oid);
    snprintf(rest, sizeof rest, "blobs/%s", oid);
    check(nb_mkdirs(rig_path(&r, "blobs"), &r.err) == NB_OK, "%s", r.err.msg);
    test_spit(rig_path(&r, rest), bytes, 3 * MIB);
    check(stat(rig_path(&r, rest), &before) == 0, "no blob");
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(stat(rig_path(&r, rest), &after) == 0 && before.st_ino == after.st_ino &&
              before.st_mtim.tv_nsec == after.st_mtim.tv_nsec,
          "the blob was rewritten");
    check(fake_hub_count(r.hub, FAKE_PORTS, NULL, NULL) == 0, "a request was made");
    free(bytes);
    rig_close(&r);
}

CHECK_TEST(transfer, a_shared_payload_is_used_hub_2)
{
    rig r;
    char oid[65], rest[100], shared[1200], target[200];
    static const char xet[] = "ab1d7fa19de0d63a3dc0a7f7d0a9f0cbd2c7dfb7a3b1f2f4b5c6d7e8f9a0b1c2";
    uint64_t size;
    uint8_t *bytes = malloc(3 * MIB);
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", 3 * MIB, 7);
    fake_noise(7, 0, bytes, 3 * MIB);
    fake_repo_listed(r.repo, "m.gguf", &size, oid);
    snprintf(shared, sizeof shared, "%s/blobs/ab", r.env.hub);
    check(nb_mkdirs(shared, &r.err) == NB_OK, "%s", r.err.msg);
    snprintf(shared, sizeof shared, "%s/blobs/ab/%s", r.env.hub, xet);
    test_spit(shared, bytes, 3 * MIB);
    check(chmod(shared, 0444) == 0, "chmod");
    check(nb_mkdirs(rig_path(&r, "blobs"), &r.err) == NB_OK, "%s", r.err.msg);
    snprintf(rest, sizeof rest, "blobs/%s", oid);
    snprintf(target, sizeof target, "../../blobs/ab/%s", xet);
    check(symlink(target, rig_path(&r, rest)) == 0, "symlink");
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(fake_hub_count(r.hub, FAKE_PORTS, NULL, NULL) == 0, "a request was made");
    free(bytes);
    rig_close(&r);
}

/* As another user, who may only read: nothing is written, and nothing needs to be. */
CHECK_TEST(transfer, a_cache_to_read_only_serves_hub_2)
{
    rig r;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", MIB, 7);
    r.revision = "main";
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    check(chmod(test_tmpdir(), 0755) == 0, "chmod");
    fake_hub_log_clear(r.hub);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        r.revision = "other";
        if (geteuid() == 0 && seteuid(65534) != 0)
            _exit(2);
        bool read_only = access(r.env.hub, W_OK) != 0 || geteuid() != 0;
        _exit(read_only && rig_fetch(&r, "m.gguf") == NB_OK ? 0 : 1);
    }
    int status = -1;
    check(waitpid(pid, &status, 0) == pid && status == 0, "status %x", status);
    check(fake_hub_count(r.hub, FAKE_PORTS, NULL, NULL) == 0, "a request was made");
    rig_close(&r);
}

CHECK_TEST(transfer, offline_serves_the_cache_and_asks_nobody_hub_24)
{
    rig r;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", MIB, 7);
    fake_repo_noise(r.repo, "n.gguf", MIB, 8);
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_close_net(&r);
    r.opt.offline = true;
    unsigned before = fake_hub_connections(r.hub);
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    check(rig_fetch(&r, "n.gguf") == NB_NETWORK && r.trouble == DL_OFFLINE_MODE, "%s", r.err.msg);
    check(fake_hub_connections(r.hub) == before, "a connection was made");
    rig_expect_nothing(&r, "n.gguf");
    rig_close(&r);
}

/* --- what the Hub is asked ------------------------------------------------------------------- */

CHECK_TEST(transfer, an_unlisted_file_is_asked_for_once_hub_11)
{
    rig r;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", 3 * MIB, 7);
    fake_repo_text(r.repo, "config.json", "{\"a\": 1}");
    r.ask = true;
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    /* The HEAD's redirect names the address: no second one is asked for. */
    check(fake_hub_count(r.hub, FAKE_HUB, NULL, NULL) == 1, "%zu requests",
          fake_hub_count(r.hub, FAKE_HUB, NULL, NULL));
    check(rig_fetch(&r, "config.json") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "config.json");
    rig_close(&r);
}

CHECK_TEST(transfer, small_files_come_by_git_hash_hub_7)
{
    rig r;
    rig_open(&r, 2);
    fake_repo_text(r.repo, "config.json", "{\"model_type\": \"llama\"}");
    fake_repo_text(r.repo, "empty.txt", "");
    check(rig_fetch(&r, "config.json") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "config.json");
    check(strlen(r.got.oid) == 40, "%s", r.got.oid);
    check(rig_fetch(&r, "empty.txt") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "empty.txt");
    check(rig_body_requests(&r, "empty.txt") == 0, "nothing was asked for");
    rig_close(&r);
}

/* --- breaks (hub 3-6) ------------------------------------------------------------------------ */

CHECK_TEST(transfer, drops_cost_nothing_hub_3)
{
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", 64 * MIB, 7);
    rig_fault(&r, "GET cdn:*m.gguf #1 drop_after=1");
    rig_fault(&r, "GET cdn:*m.gguf #2 drop_after=1500000");
    rig_fault(&r, "GET cdn:*m.gguf #3 drop_after=2097152");
    rig_fault(&r, "GET cdn:*m.gguf #4 drop_after=3000001");
    rig_fault(&r, "GET cdn:*m.gguf #7 drop_after=0");
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(r.view.retries >= 4, "%u retries", r.view.retries);
    check(rig_served(&r, "m.gguf") <= 64 * MIB + RIG_EXTRA, "%" PRIu64 " bytes",
          rig_served(&r, "m.gguf"));
    rig_close(&r);
}

/* Bytes [from, to) asked of the CDN in the log, each counted as often as it was sent. */
static void count_sent(rig *r, uint8_t *times, uint64_t size)
{
    fake_request *log;
    size_t n = fake_hub_log(r->hub, &log);
    for (size_t i = 0; i < n; i++)
        for (uint64_t k = 0; log[i].port == FAKE_CDN && k < log[i].body; k++)
            if (log[i].offset + k < size)
                times[log[i].offset + k]++;
    fake_hub_log_free(log, n);
}

CHECK_TEST(transfer, the_second_run_asks_only_what_is_missing_hub_4)
{
    const uint64_t size = 32 * MIB + 12345;
    rig r;
    uint8_t *times = calloc(1, size);
    uint64_t twice = 0;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", size, 7);
    rig_fault(&r, "GET cdn:*m.gguf rate=30M"); /* each: time to be interrupted */
    r.cancel_at = size * 4 / 10;
    check(rig_fetch(&r, "m.gguf") == NB_CANCELED, "%s", r.err.msg);
    check(nb_now() - r.canceled_at < test_within(.2), "cancelled after %.3f s",
          nb_now() - r.canceled_at);
    check(rig_count_blobs(&r, ".incomplete") == 2, "partial and state are not both there");
    rig_expect_nothing(&r, "m.gguf");
    uint64_t had = r.view.have;
    r.cancel_at = 0;
    atomic_store(&r.cancel, false);
    fake_hub_log_clear(r.hub);
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    uint64_t served = rig_served(&r, "m.gguf");
    check(served <= size - had + 4 * RIG_EXTRA, "had %" PRIu64 ", served %" PRIu64, had, served);
    count_sent(&r, times, size);
    for (uint64_t i = 0; i < size; i++)
        twice += times[i] > 1;
    check(twice == 0, "%" PRIu64 " bytes twice in one run", twice);
    free(times);
    rig_close(&r);
}

static void cancel_when_landing(rig *r, const dl_fetch_view *v)
{
    if (v->stage == DL_LAND)
        atomic_store(&r->cancel, true);
}

CHECK_TEST(transfer, whole_but_not_published_needs_no_byte_hub_5)
{
    rig r;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", 9 * MIB, 7);
    r.watch = cancel_when_landing;
    check(rig_fetch(&r, "m.gguf") == NB_CANCELED, "%s", r.err.msg);
    rig_expect_nothing(&r, "m.gguf");
    r.watch = NULL;
    atomic_store(&r.cancel, false);
    fake_hub_log_clear(r.hub);
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(fake_hub_count(r.hub, FAKE_PORTS, NULL, NULL) == 0, "a request was made");
    rig_close(&r);
}

static void flip_on_disk(const char *path, off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    check(fd >= 0 && pread(fd, &byte, 1, at) == 1, "%s", path);
    byte ^= 1;
    check(pwrite(fd, &byte, 1, at) == 1 && close(fd) == 0, "%s", path);
}

/* The data file of the one partial there is. */
static const char *partial_data(rig *r)
{
    static char path[1600];
    snprintf(path, sizeof path, "%s", rig_find_blob(r, ".state.incomplete"));
    size_t n = strlen(path), cut = strlen(".state.incomplete");
    check(n > cut, "no partial");
    snprintf(path + n - cut, sizeof path - (n - cut), ".incomplete");
    return path;
}

CHECK_TEST(transfer, a_byte_flipped_on_disk_costs_its_segment_hub_6a)
{
    rig r;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", 17 * MIB, 7);
    r.watch = cancel_when_landing;
    check(rig_fetch(&r, "m.gguf") == NB_CANCELED, "%s", r.err.msg);
    flip_on_disk(partial_data(&r), 3 * RIG_SEGMENT + 99);
    r.watch = NULL;
    atomic_store(&r.cancel, false);
    fake_hub_log_clear(r.hub);
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    fake_request *log;
    size_t n = fake_hub_log(r.hub, &log), cdn = 0;
    for (size_t i = 0; i < n; i++)
        if (log[i].port == FAKE_CDN) {
            cdn++;
            check(strcmp(log[i].range, "bytes=6291456-8388607") == 0, "%s", log[i].range);
        }
    fake_hub_log_free(log, n);
    check(cdn == 1, "%zu requests", cdn);
    rig_close(&r);
}

CHECK_TEST(transfer, a_byte_flipped_once_is_found_and_replaced_hub_6b)
{
    const uint64_t size = 33 * MIB;
    rig r;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", size, 7);
    r.opt.connections = 1; /* so that the first request is known to hold the byte */
    rig_fault(&r, "GET cdn:*m.gguf #1 flip_byte=5000000");
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(rig_served(&r, "m.gguf") <= 2 * size, "%" PRIu64 " bytes", rig_served(&r, "m.gguf"));
    check(rig_served(&r, "m.gguf") <= size + 8 * RIG_SEGMENT,
          "%" PRIu64 " bytes: more than the batch that held it", rig_served(&r, "m.gguf"));
    rig_close(&r);
}

CHECK_TEST(transfer, always_wrong_bytes_never_land_hub_6c)
{
    const uint64_t size = 20 * MIB;
    rig r;
    char sha256[65];
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", size, 7);
    rig_fault(&r, "GET cdn:*m.gguf flip_byte=20000000");
    check(rig_fetch(&r, "m.gguf") == NB_HASH, "%s", r.err.msg);
    check(r.trouble == DL_WRONG_HASH && nb_exit_code(NB_HASH) == 9, "trouble %d", r.trouble);
    fake_repo_sha256(r.repo, "m.gguf", sha256);
    char *said = strstr(r.err.msg, "does not match sha256 ");
    check(said && strncmp(said + 22, sha256, 64) == 0 && said[22 + 64] == '/' &&
              strlen(said) == 22 + 64 + 1 + 64,
          "%s", r.err.msg);
    check(rig_served(&r, "m.gguf") <= 2 * size, "%" PRIu64 " bytes", rig_served(&r, "m.gguf"));
    rig_expect_nothing(&r, "m.gguf");
    check(rig_count_blobs(&r, ".bad.incomplete") == 1, "not put aside");
    check(rig_count_blobs(&r, ".state.incomplete") == 0, "a state is left");
    rig_close(&r);
}

/* What the Hub lists can be old: then that is what is said. */
CHECK_TEST(transfer, a_file_changed_behind_its_commit_is_told_hub_6)
{
    rig r;
    uint8_t *bytes = malloc(MIB);
    rig_open(&r, 2);
    fake_noise(9, 0, bytes, MIB);
    fake_file file = {.path = "m.gguf", .bytes = bytes, .size = MIB, .store = FAKE_XET};
    check(fake_repo_file(r.repo, &file, &r.err) == NB_OK, "%s", r.err.msg);
    rig_fault(&r, "HEAD hub:*m.gguf bad_etag");
    rig_fault(&r, "GET cdn:*m.gguf flip_byte=7");
    check(rig_fetch(&r, "m.gguf") == NB_HASH && r.trouble == DL_CHANGED, "%s", r.err.msg);
    rig_expect_nothing(&r, "m.gguf");
    free(bytes);
    rig_close(&r);
}

typedef struct moments {
    double landing; /* nb_now */
} moments;

static void note_landing(rig *r, const dl_fetch_view *v)
{
    moments *m = r->ud;
    if (v->stage == DL_LAND && m->landing == 0)
        m->landing = nb_now();
}

CHECK_TEST(transfer, verified_soon_after_the_last_byte_hub_6)
{
    double best = 9;
    for (int round = 0; round < 5 && best >= test_within(.3);
         round++) { /* a busy machine may spoil one */
        rig r;
        moments m = {0};
        fake_request *log;
        double last = 0;
        rig_open(&r, 5);
        fake_repo_noise(r.repo, "m.gguf", 64 * MIB, 7);
        r.watch = note_landing;
        r.ud = &m;
        rig_net(&r);
        double start = nb_now();
        check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
        size_t n = fake_hub_log(r.hub, &log);
        check(n > 1 && m.landing > 0, "no request");
        for (size_t i = 0; i < n; i++)
            last = log[i].ended > last ? log[i].ended : last;
        double lag = m.landing - (start + last - log[0].at);
        best = lag < best ? lag : best;
        fake_hub_log_free(log, n);
        rig_close(&r);
    }
    check(best < test_within(.3), "%.3f s from the last byte to verified", best);
}
