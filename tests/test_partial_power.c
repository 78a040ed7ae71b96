/* Power cuts while a file is on its way (A15, A16): whatever part of both files reached the disk,
 * the next run believes only what is right, and the final name never holds anything else. */
#include "tests/check.h"

#include "core/base/digest.h"
#include "core/base/file.h"
#include "downloads/partial.h"
#include "tests/crash.h"
#include "tests/tree.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char repo[] = "org/repo", commit[] = "5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e";
enum { SIZE = DL_SEGMENT + 50000 };

typedef struct job {
    dl_cache cache;
    uint8_t *bytes, *buf;
    char oid[65];
} job;

static bool write_part(const job *j, dl_partial *p, uint32_t i, size_t from, size_t to)
{
    uint64_t len, at = dl_partial_segment_at(p, i, &len);
    if (to > len)
        to = (size_t)len;
    for (size_t n; from < to; from += n) {
        n = to - from < 500000 ? to - from : 500000;
        if (dl_partial_write(p, i, at + from, j->bytes + at + from, n, NULL) != NB_OK)
            return false;
    }
    return true;
}

/* Re-reads and fetches what is missing; false when a segment that passes is not the file's. */
static bool go_on(const job *j, dl_partial *p)
{
    for (uint32_t i = 0; i < dl_partial_segments(p); i++) {
        uint64_t len, at = dl_partial_segment_at(p, i, &len);
        bool ok = false;
        if (dl_partial_state(p, i) == DL_SEG_RECORDED)
            dl_partial_check(p, i, j->buf, &ok, NULL);
        if (ok && memcmp(j->buf, j->bytes + at, (size_t)len) != 0)
            return false;
        if (!ok && !write_part(j, p, i, 0, SIZE_MAX))
            return false;
    }
    return true;
}

/* A run that is paused half-way, and one that finishes. */
static void two_runs(void *arg)
{
    const job *j = arg;
    dl_partial *p = NULL;
    if (dl_cache_prepare(&j->cache, repo, commit, NULL) != NB_OK ||
        dl_partial_open(&p, &j->cache, repo, j->oid, SIZE, commit, NULL) != NB_OK ||
        !write_part(j, p, 1, 0, SIZE_MAX) || !write_part(j, p, 0, 0, 1000000))
        _exit(1);
    dl_partial_close(&p);
    if (dl_partial_open(&p, &j->cache, repo, j->oid, SIZE, commit, NULL) != NB_OK || !go_on(j, p) ||
        dl_partial_publish(&p, &j->cache, repo, NULL) != NB_OK)
        _exit(1);
}

static void check_blob(const job *j, const char *when, bool must)
{
    char path[1300];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/models--org--repo/blobs/%s", j->cache.hub, j->oid);
    char *got = test_slurp(path, &n);
    check(got || !must, "%s: no blob", when);
    check(!got || (n == SIZE && memcmp(got, j->bytes, SIZE) == 0), "%s: a wrong blob", when);
    free(got);
}

static void check_next_run(const job *j, const char *when)
{
    dl_partial *p = NULL;
    nb_err err = {0};
    check(dl_cache_prepare(&j->cache, repo, commit, &err) == NB_OK, "%s: %s", when, err.msg);
    check(dl_partial_open(&p, &j->cache, repo, j->oid, SIZE, commit, &err) == NB_OK, "%s: %s", when,
          err.msg);
    check(go_on(j, p), "%s: wrong bytes passed their check", when);
    check(dl_partial_publish(&p, &j->cache, repo, &err) == NB_OK, "%s: %s", when, err.msg);
    check_blob(j, when, true);
}

static void job_make(job *j, const char *name)
{
    snprintf(j->cache.hub, sizeof j->cache.hub, "%s", test_path(tree_scratch(), name));
    check(nb_mkdirs(j->cache.hub, NULL) == NB_OK, "mkdir");
    j->bytes = malloc(SIZE);
    j->buf = malloc(DL_SEGMENT);
    test_rng rng = test_rng_make(8);
    for (size_t i = 0; i < SIZE; i++)
        j->bytes[i] = (uint8_t)test_u64(&rng);
    check(nb_sha256_of(j->bytes, SIZE, j->oid, NULL) == NB_OK, "digest");
}

static void job_free(job *j)
{
    free(j->bytes);
    free(j->buf);
}

CHECK_TEST(partial, a_power_cut_costs_bytes_but_never_makes_wrong_ones) /* A16 */
{
    job j = {0};
    job_make(&j, "power");
    crash_log *log = crash_record(two_runs, &j, j.cache.hub);
    if (!log)
        check_skip("no process may be traced here");
    test_rng rng = test_rng_make(61);
    const int rounds = test_rounds(200, 2000);
    for (int i = 0; i < rounds; i++) {
        char when[64];
        size_t n = test_below(&rng, (uint32_t)crash_calls(log) + 1);
        snprintf(when, sizeof when, "round %d, power off after call %d", i, (int)n);
        snprintf(j.cache.hub, sizeof j.cache.hub, "%s", test_path(tree_scratch(), "disk"));
        crash_replay(log, n, &rng, j.cache.hub);
        check_blob(&j, when, n == crash_calls(log));
        check_next_run(&j, when);
        tree_remove(j.cache.hub);
    }
    crash_free(log);
    job_free(&j);
}

CHECK_TEST(partial, a_kill_before_any_call_costs_at_most_what_was_in_flight) /* A15 */
{
    job j = {0};
    job_make(&j, "kill");
    size_t n = 1;
    for (; crash_kill(two_runs, &j, j.cache.hub, n); n++) {
        char when[64];
        snprintf(when, sizeof when, "killed before call %d", (int)n);
        check_blob(&j, when, false);
        check_next_run(&j, when);
        tree_remove(j.cache.hub);
        nb_mkdirs(j.cache.hub, NULL);
    }
    if (n == 1)
        check_skip("no process may be traced here");
    check(n > 20, "only %d calls were seen", (int)n);
    job_free(&j);
}
