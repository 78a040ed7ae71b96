/* A pull interrupted, killed, beside another one, and behind another client's lock (hub 1, 4, 17,
 * 18; A15, A18). */
#include "tests/check.h"
#include "tests/pull.h"
#include "tests/util.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/job.h"

enum { MIB = 1 << 20 };

/* --- interrupted (hub 18) -------------------------------------------------------------------- */

CHECK_TEST(pull, interrupt_keeps_what_came_and_says_so_hub_18)
{
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", 32 * MIB, 7);
    rig_fault(&r, "GET cdn:*m.gguf rate=2M"); /* each connection: 4 s, late starts included */
    child c =
        pull_how(&r, (child_how){.interrupt_after = 2}, (const char *[]){"ns/repo:m.gguf", NULL});
    check(c.code == 130 && strstr(c.err, "are kept, the same command goes on"), "status %d: %s",
          c.code, c.err);
    check(c.after_signal < test_within(.2), "%.3f s", c.after_signal);
    child_free(&c);
    check(rig_count_blobs(&r, ".incomplete") == 2, "nothing is kept");
    rig_expect_nothing(&r, "m.gguf");
    fake_hub_faults_clear(r.hub);
    fake_hub_log_clear(r.hub);
    c = pull(&r, "ns/repo:m.gguf");
    check(c.code == 0, "status %d: %s", c.code, c.err);
    pull_expect_landed(&r, "m.gguf");
    check(rig_served(&r, "m.gguf") < 28 * MIB, "%" PRIu64 " bytes", rig_served(&r, "m.gguf"));
    child_free(&c);
    rig_close(&r);
}

/* --- killed (A15, hub 1, 4) ------------------------------------------------------------------ */

enum { SIZE_A15 = 32 * MIB, SEGMENTS = SIZE_A15 / RIG_SEGMENT };

/* A state file that a kill caught before its first byte may be one that is being made just now: for
 * some seconds nobody removes it. They pass here. */
static void let_unborn_age(rig *r)
{
    static const struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    struct stat st;
    DIR *d = opendir(rig_path(r, "blobs"));
    for (const struct dirent *e; d && (e = readdir(d));)
        if (nb_has_suffix(e->d_name, ".state.incomplete") &&
            fstatat(dirfd(d), e->d_name, &st, 0) == 0 && st.st_size == 0)
            check(utimensat(dirfd(d), e->d_name, long_ago, 0) == 0, "clock");
    if (d)
        closedir(d);
}

CHECK_TEST(pull, killed_at_any_moment_and_run_again_A15)
{
    enum { REFETCH = 8 * MIB };
    const int rounds = test_rounds(20, 200);
    test_rng rng = test_rng_make(15);
    int killed = 0, kept = 0;
    for (int i = 0; i < rounds || (kept == 0 && i < 10 * rounds); i++) {
        rig r;
        bool held[SEGMENTS];
        rig_open(&r, 5);
        fake_repo_noise(r.repo, "m.gguf", SIZE_A15, 7);
        rig_fault(&r, "GET cdn:*m.gguf rate=32M"); /* each connection: a run takes .25 s */
        double after = .02 + .38 * (double)test_uniform(&rng);
        if (i >= rounds) /* a machine on which nothing was whole by then, or all of it */
            after *= 1 + test_below(&rng, 10);
        child c = pull_how(&r, (child_how){.kill_after = after, .may_die = true},
                           (const char *[]){"ns/repo:m.gguf", NULL});
        killed += c.code == 1009;
        child_free(&c);
        pull_expect_sound(&r, "m.gguf", "after the kill");
        uint64_t lost = pull_held(&r, held, SEGMENTS);
        check(lost <= REFETCH, "round %d: %" PRIu64 " bytes of unrecorded segments", i, lost);
        for (int s = 0; s < SEGMENTS; s++)
            kept += held[s];
        let_unborn_age(&r);
        fake_hub_faults_clear(r.hub);
        fake_hub_log_clear(r.hub);
        c = pull(&r, "ns/repo:m.gguf");
        check(c.code == 0, "round %d: status %d: %s", i, c.code, c.err);
        pull_expect_landed(&r, "m.gguf");
        pull_expect_not_asked(&r, held, SEGMENTS, i);
        child_free(&c);
        rig_close(&r);
    }
    check(killed > rounds / 4, "only %d were killed, of %d rounds and more", killed, rounds);
    printf("killed %d times, %d whole segments kept\n", killed, kept);
    check(kept > 0, "no kill left a whole segment");
}

CHECK_TEST(pull, killed_behind_each_step_of_publishing_hub_1)
{
    static const char *const moments[] = {"NB_KILL_AFTER=renameat 1", "NB_KILL_AFTER=unlinkat 1",
                                          "NB_KILL_AFTER=symlinkat 1", "NB_KILL_AFTER=renameat 2"};
    if (!PULL_PRELOADS)
        check_skip("nothing can be preloaded before a sanitizer");
    for (size_t i = 0; i < countof(moments); i++) {
        rig r;
        rig_open(&r, 5);
        fake_repo_noise(r.repo, "m.gguf", 3 * MIB, 7);
        child c = pull_how(&r, (child_how){.env = {moments[i]}, .may_die = true},
                           (const char *[]){"ns/repo:m.gguf", NULL});
        check(c.code == 1009, "%s: status %d: %s", moments[i], c.code, c.err);
        child_free(&c);
        pull_expect_sound(&r, "m.gguf", moments[i]);
        fake_hub_log_clear(r.hub);
        c = pull(&r, "ns/repo:m.gguf");
        check(c.code == 0, "%s: status %d: %s", moments[i], c.code, c.err);
        pull_expect_landed(&r, "m.gguf");
        check(rig_served(&r, "m.gguf") == 0, "%s: bytes were fetched again", moments[i]);
        check(access(rig_path(&r, "refs/main"), F_OK) == 0, "%s: no ref", moments[i]);
        child_free(&c);
        rig_close(&r);
    }
}

/* --- two at once (hub 17, A18) --------------------------------------------------------------- */

/* Two pulls of one file at the same moment; the exit codes of both in the output. */
static child pull_twice(rig *r, const char *no_flock)
{
    static char script[700];
    pull_env p = pull_place(r);
    snprintf(script, sizeof script,
             "N='%s/%s/nibble'; $N pull ns/repo:m.gguf & $N pull ns/repo:m.gguf; b=$?; wait $!; "
             "echo codes $? $b",
             NB_TEST_ROOT, NB_TEST_BUILD);
    child_how how = {.program = "sh", .args = {"-c", script}};
    how.env[0] = p.endpoint;
    how.env[1] = p.home;
    how.env[2] = p.timeout;
    if (no_flock) {
        how.env[3] = p.preload;
        how.env[4] = no_flock;
    }
    return child_run(&how);
}

CHECK_TEST(pull, the_second_of_two_waits_for_the_first_hub_17)
{
    enum { SIZE = 16 * MIB };
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", SIZE, 7);
    rig_fault(&r, "GET cdn:*m.gguf rate=8M");
    child c = pull_twice(&r, NULL);
    check(strstr(c.out, "codes 0 0"), "%s%s", c.out, c.err);
    check(strstr(c.err, "waiting for pid "), "nobody says that he waits: %s", c.err);
    pull_expect_landed(&r, "m.gguf");
    check(rig_served(&r, "m.gguf") <= SIZE + SIZE / 10, "%" PRIu64 " bytes",
          rig_served(&r, "m.gguf"));
    child_free(&c);
    rig_close(&r);
}

CHECK_TEST(pull, races_without_flock_end_well_A18)
{
    const int rounds = test_rounds(8, 50);
    if (!PULL_PRELOADS)
        check_skip("nothing can be preloaded before a sanitizer");
    for (int i = 0; i < rounds; i++) {
        rig r;
        rig_open(&r, 5);
        fake_repo_noise(r.repo, "m.gguf", 5 * MIB + i, 7);
        child c = pull_twice(&r, "NB_NO_FLOCK=1");
        check(strstr(c.out, "codes 0 0"), "round %d: %s%s", i, c.out, c.err);
        pull_expect_landed(&r, "m.gguf");
        child_free(&c);
        rig_close(&r);
    }
}

/* --- a Python client's lock (hub 17) --------------------------------------------------------- */

static int hold_lock(rig *r, const char *path)
{
    char oid[65], dir[1200], file[1400];
    uint64_t size;
    check(fake_repo_listed(r->repo, path, &size, oid), "no %s", path);
    snprintf(dir, sizeof dir, "%s/.locks/models--ns--repo", r->env.hub);
    check(nb_mkdirs(dir, &r->err) == NB_OK, "%s", r->err.msg);
    snprintf(file, sizeof file, "%s/%s.lock", dir, oid);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0664);
    check(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0, "%s cannot be locked", file);
    return fd;
}

CHECK_TEST(pull, a_lock_whose_file_stands_still_is_passed_after_five_seconds_hub_17)
{
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", MIB, 7);
    int fd = hold_lock(&r, "m.gguf");
    double start = nb_now();
    child c = pull(&r, "ns/repo:m.gguf");
    double took = nb_now() - start;
    close(fd);
    check(c.code == 0, "status %d: %s", c.code, c.err);
    check(took > 4.9 && took < 5 + test_within(3), "%.1f s", took);
    check(strstr(c.err, "waiting for pid "), "%s", c.err);
    pull_expect_landed(&r, "m.gguf");
    child_free(&c);
    rig_close(&r);
}

CHECK_TEST(pull, waiting_for_a_lock_can_be_cancelled_hub_17)
{
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", MIB, 7);
    int fd = hold_lock(&r, "m.gguf");
    child c =
        pull_how(&r, (child_how){.interrupt_after = .5}, (const char *[]){"ns/repo:m.gguf", NULL});
    close(fd);
    check(c.code == 130 && c.after_signal < test_within(.3), "status %d after %.2f s: %s", c.code,
          c.after_signal, c.err);
    check(fake_hub_count(r.hub, FAKE_CDN, NULL, NULL) == 0, "bytes were asked for");
    child_free(&c);
    rig_close(&r);
}
