/* The quantizer's files: whole or not there, whatever fails (A13, A14, A17). */
#include "tests/check.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/job.h"
#include "core/quant/run.h"

static const char *out_path(const char *name)
{
    return test_path(test_tmpdir(), name);
}

static uint64_t file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : UINT64_MAX;
}

static void file_hash(const char *path, char out[65])
{
    size_t n;
    char *bytes = test_slurp(path, &n);
    check(bytes, "%s is missing", path);
    test_sha256(bytes, n, out);
    free(bytes);
}

/* --- names (A17) and existing files ------------------------------------------------------------
 */

CHECK_TEST(output, the_input_is_never_the_output_a17)
{
    char dir[600], in[700], other[700], before[65], after[65];
    nb_err err = {0};
    snprintf(dir, sizeof dir, "%s/a17", test_tmpdir());
    check(mkdir(dir, 0700) == 0, "mkdir");
    snprintf(in, sizeof in, "%s/m.gguf", dir);
    size_t n;
    char *bytes = test_slurp(quant_source("F32"), &n);
    test_spit(in, bytes, n);
    file_hash(in, before);
    static const char *const name[] = {"%s/m.gguf",     "%s/./m.gguf",     "%s/../a17/m.gguf",
                                       "%s//m.gguf",    "%s/soft.gguf",    "%s/hard.gguf",
                                       "%s/chain.gguf", "%s/sub/../m.gguf"};
    snprintf(other, sizeof other, "%s/soft.gguf", dir);
    check(symlink("m.gguf", other) == 0, "symlink");
    snprintf(other, sizeof other, "%s/hard.gguf", dir);
    check(link(in, other) == 0, "link");
    snprintf(other, sizeof other, "%s/chain.gguf", dir);
    check(symlink("soft.gguf", other) == 0, "symlink");
    snprintf(other, sizeof other, "%s/sub", dir);
    check(mkdir(other, 0700) == 0, "mkdir");
    nb_weights *w = quant_open(in);
    for (size_t i = 0; i < countof(name); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(other, sizeof other, name[i], dir);
#pragma GCC diagnostic pop
        quant_job job = {.w = w, .preset = "Q8_0", .out = other, .force = true};
        check(quant_run(&job, &err) == NB_REFUSED, "%s was taken as output: %s", other, err.msg);
        file_hash(in, after);
        check(strcmp(before, after) == 0, "%s changed the input", other);
    }
    /* and a source that bears the name of the output's partial file */
    nb_weights_close(&w);
    snprintf(other, sizeof other, "%s/x.gguf.part", dir);
    test_spit(other, bytes, n);
    free(bytes);
    w = quant_open(other);
    snprintf(other, sizeof other, "%s/x.gguf", dir);
    check(quant_run(&(quant_job){.w = w, .preset = "Q8_0", .out = other}, &err) == NB_REFUSED,
          "the source was taken for a leftover");
    nb_weights_close(&w);
    snprintf(other, sizeof other, "%s/x.gguf.part", dir);
    file_hash(other, after);
    check(strcmp(before, after) == 0, "the source behind .part changed");
    check(quant_count(dir, ".part") == 1, "something was left");
}

CHECK_TEST(output, existing_files_stay_unless_forced)
{
    const char *out = out_path("there.gguf");
    nb_weights *w = quant_open(quant_source("F32"));
    nb_err err = {0};
    size_t n;
    test_spit(out, "precious", 8);
    quant_job job = {.w = w, .preset = "Q8_0", .out = out};
    check(quant_run(&job, &err) == NB_REFUSED && strstr(err.msg, "exists"), "%s", err.msg);
    char *bytes = test_slurp(out, &n);
    check(n == 8 && memcmp(bytes, "precious", 8) == 0, "the file changed");
    free(bytes);
    job.force = true;
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    nb_weights *q = quant_open(out);
    nb_weights_close(&q);
    job.out = test_tmpdir();
    check(quant_run(&job, &err) == NB_REFUSED && strstr(err.msg, "folder"), "%s", err.msg);
    job.out = out_path("no/such/folder.gguf");
    check(quant_run(&job, &err) == NB_NOTFOUND, "%s", err.msg);
    nb_weights_close(&w);
}

CHECK_TEST(output, two_runs_to_one_output_do_not_mix)
{
    const char *out = out_path("one.gguf"), *part = out_path("one.gguf.part");
    nb_weights *w = quant_open(quant_source("F32"));
    nb_err err = {0};
    nb_recipe r;
    nb_plan plan;
    nb_run *run = NULL;
    nb_quantize_options opt = {.force = true};
    nb_recipe_init(&r, nb_preset_find("Q8_0"));
    check(nb_plan_make(&plan, &r, w, false, &err) == NB_OK, "%s", err.msg);
    test_spit(part, "leftover of a killed run", 24); /* taken over */
    check(nb_run_open(&run, &plan, out, &opt, &err) == NB_OK, "%s", err.msg);
    quant_job job = {.w = w, .preset = "Q4_0", .out = out, .force = true};
    check(quant_run(&job, &err) == NB_REFUSED && strstr(err.msg, "another run"), "%s", err.msg);
    check(nb_run_go(run, quant_ops(), NULL, NULL, &err) == NB_OK, "%s", err.msg);
    check(nb_run_go(run, quant_ops(), NULL, NULL, &err) == NB_USAGE, "started twice");
    nb_run_close(&run);
    check(nb_run_open(&run, &plan, out, &opt, &err) == NB_OK, "%s", err.msg);
    nb_run_close(&run); /* opened, never started */
    check(!nb_exists(part) && nb_exists(out), "leftovers");
    check(symlink("elsewhere", part) == 0, "symlink");
    check(quant_run(&job, &err) == NB_REFUSED && strstr(err.msg, "symbolic"), "%s", err.msg);
    unlink(part);
    test_spit(out_path("mine"), "mine", 4);
    check(link(out_path("mine"), part) == 0, "link");
    check(quant_run(&job, &err) == NB_REFUSED, "a foreign file was taken for a leftover");
    unlink(part);
    check(file_size(out_path("mine")) == 4, "a foreign file was cut");
    nb_plan_free(&plan);
    nb_weights_close(&w);
}

/* --- cancel, a lying disk; failing calls (A13): tests/faults/quantize.c
 * -------------------------------------------------------------------
 */

typedef struct canceller {
    int polls, after;          /* cancel at this poll; -1 = when reading back */
    bool verifying, backwards; /* hooks are called by worker threads: they note, the test checks */
    uint64_t last_done;
} canceller;

static bool ask(void *ud)
{
    canceller *c = ud;
    return c->after < 0 ? c->verifying : ++c->polls > c->after;
}

static void hear(void *ud, const nb_progress *p)
{
    canceller *c = ud;
    c->backwards |= p->done < c->last_done || p->done > p->total;
    c->last_done = p->done;
    c->verifying = strcmp(p->what, "verify") == 0;
}

/* The demo takes the C reference long enough to be asked about twenty times on one thread. */
CHECK_TEST(output, cancel_leaves_nothing)
{
    static const int after[] = {0, 1, 2, 5};
    const char *out = out_path("cancel.gguf");
    nb_weights *w = quant_open(test_data("nibble-demo"));
    for (size_t i = 0; i < countof(after); i++)
        for (int threads = 0; threads <= 2; threads += 2) {
            nb_err err = {0};
            canceller c = {.after = after[i]};
            nb_hooks hooks = {.progress = hear, .canceled = ask, .ud = &c};
            quant_job job = {.w = w,
                             .preset = "Q4_K_M",
                             .out = out,
                             .threads = threads,
                             .hooks = &hooks,
                             .slow = true};
            check(quant_run(&job, &err) == NB_CANCELED, "poll %d: %s", after[i], err.msg);
            check(!c.backwards, "progress went back or past its end");
            check(quant_count(test_tmpdir(), "cancel.gguf") == 0, "poll %d left a file", after[i]);
        }
    nb_weights_close(&w);
}

/* A pause is a long stay inside `canceled`: every thread waits, and the clock stands (tui 25). */
typedef struct pauser {
    nb_run *run;
    int polls;
    double before, after; /* weights done when the pause began, and a while later */
    double elapsed;
} pauser;

static bool pause_once(void *ud)
{
    pauser *p = ud;
    nb_run_view v;
    if (++p->polls != 3)
        return p->polls > 3;
    struct timespec nap = {0, 250000000};
    nanosleep(&nap, NULL); /* the other thread reaches its next poll */
    nb_run_look(p->run, &v);
    p->before = (double)v.bytes_out;
    nap.tv_nsec = 100000000;
    nanosleep(&nap, NULL);
    nb_run_look(p->run, &v);
    p->after = (double)v.bytes_out;
    p->elapsed = v.elapsed;
    return false;
}

CHECK_TEST(output, a_pause_holds_every_thread)
{
    nb_weights *w = quant_open(test_data("nibble-demo"));
    nb_recipe r;
    nb_plan plan;
    nb_err err = {0};
    nk_pool *pool = NULL;
    pauser p = {0};
    nb_hooks hooks = {.canceled = pause_once, .ud = &p};
    nb_recipe_init(&r, nb_preset_find("Q4_K_M"));
    check(nb_plan_make(&plan, &r, w, false, &err) == NB_OK, "%s", err.msg);
    check(nb_run_open(&p.run, &plan, out_path("pause.gguf"), &(nb_quantize_options){0}, &err) ==
              NB_OK,
          "%s", err.msg);
    check(nk_pool_open(&pool, 2, &err) == NB_OK, "%s", err.msg);
    check(nb_run_go_pool(p.run, quant_slow_ops(), pool, &hooks, &err) == NB_CANCELED, "%s",
          err.msg);
    check(p.polls > 3 && p.before == p.after, "%g bytes grew to %g during the pause", p.before,
          p.after);
    check(p.elapsed < 0.3, "the pause counts as work: %g s", p.elapsed);
    nk_pool_close(&pool);
    nb_run_close(&p.run);
    nb_plan_free(&plan);
    nb_weights_close(&w);
}

/* A byte of what is already written changes behind the writer's back; reading back must see it. */
typedef struct vandal {
    const nb_plan *plan;
    const char *part;
    size_t victim; /* tensor */
    bool done;
} vandal;

static void rows_and_mischief(void *ud, const nb_planned *t, const char *name, uint64_t first,
                              float *dst, size_t n)
{
    vandal *v = ud;
    (void)name;
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)((first + i) % 251) * 0.001f;
    if (t != &v->plan->tensor[v->plan->n - 1] || v->done)
        return;
    uint8_t byte;
    off_t at = (off_t)(v->plan->tensor[v->victim].offset + v->plan->tensor[v->victim].nbytes / 2);
    int fd = open(v->part, O_RDWR);
    check(fd >= 0 && pread(fd, &byte, 1, at) == 1, "%s", v->part);
    byte ^= 0x10;
    check(pwrite(fd, &byte, 1, at) == 1, "pwrite");
    close(fd);
    v->done = true;
}

CHECK_TEST(output, a_flipped_bit_is_found_before_the_rename)
{
    const char *out = out_path("flip.gguf"), *part = out_path("flip.gguf.part");
    nb_weights *w = quant_open(quant_source("BF16"));
    nb_recipe r;
    nb_plan plan;
    nb_err err = {0};
    nb_recipe_init(&r, nb_preset_find("Q8_0"));
    check(nb_plan_make(&plan, &r, w, false, &err) == NB_OK, "%s", err.msg);
    for (size_t i = 0; i + 1 < plan.n; i += 3) {
        vandal v = {.plan = &plan, .part = part, .victim = i};
        nb_run *run = NULL;
        check(nb_run_open_rows(&run, &plan, out, &(nb_quantize_options){0}, rows_and_mischief, &v,
                               &err) == NB_OK,
              "%s", err.msg);
        nb_status st = nb_run_go(run, quant_ops(), NULL, NULL, &err);
        nb_run_close(&run);
        check(v.done && st == NB_HASH && strstr(err.msg, plan.layout[i].name), "tensor %zu: %s", i,
              err.msg);
        check(quant_count(test_tmpdir(), "flip") == 0, "tensor %zu left a file", i);
    }
    nb_plan_free(&plan);
    nb_weights_close(&w);
}

/* --- a killed run (A15) ------------------------------------------------------------------------
 */

/* One run in a process of its own that a timer ends without a word after at most `us`; true if it
 * was ended. */
static bool killed_after(const quant_job *job, uint64_t us)
{
    int how = 0;
    pid_t pid = fork();
    if (pid == 0) {
        struct itimerval t = {.it_value = {.tv_usec = (suseconds_t)us + 1}};
        signal(SIGALRM, SIG_DFL);
        setitimer(ITIMER_REAL, &t, NULL);
        _exit(quant_run(job, NULL) == NB_OK ? 0 : 1);
    }
    check(pid > 0 && waitpid(pid, &how, 0) == pid, "fork");
    check(WIFSIGNALED(how) ? WTERMSIG(how) == SIGALRM : WEXITSTATUS(how) == 0, "status %x", how);
    return WIFSIGNALED(how);
}

CHECK_TEST(output, a_kill_at_any_moment_leaves_the_old_file_or_the_new_a15)
{
    const char *out = out_path("kill.gguf"), *part = out_path("kill.gguf.part");
    char want[65], got[65];
    nb_weights *w = quant_open(quant_source("BF16"));
    quant_job job = {.w = w, .preset = "Q8_0", .out = out, .force = true};
    nb_err err = {0};
    test_rng rng = test_rng_make(15);
    int killed = 0, leftovers = 0;
    double start = nb_seconds();
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    uint64_t whole_us = (uint64_t)((nb_seconds() - start) * 1e6);
    file_hash(out, want);
    for (int round = 0; round < 20; round++) {
        test_spit(out, "precious", 8);
        bool dead =
            killed_after(&job, test_below(&rng, whole_us < 900000 ? (uint32_t)whole_us : 900000));
        killed += dead;
        leftovers += nb_exists(part);
        file_hash(out, got);
        check((dead && file_size(out) == 8) || strcmp(got, want) == 0, "round %d: a third file",
              round);
        check(quant_run(&job, &err) == NB_OK, "round %d: %s", round, err.msg);
        file_hash(out, got);
        check(strcmp(got, want) == 0, "round %d: the next run wrote something else", round);
        check(!nb_exists(part), "round %d: OUT.part stays", round);
    }
    check(killed > 0 && leftovers > 0, "%d killed, %d left a partial file", killed, leftovers);
    nb_weights_close(&w);
}

/* --- full disks (A14) --------------------------------------------------------------------------
 */

CHECK_TEST(output, a_file_size_limit_is_survived_a14)
{
    const char *out = out_path("limit.gguf");
    nb_weights *w = quant_open(quant_source("BF16"));
    uint64_t planned;
    nb_err err = {0};
    quant_job job = {.w = w, .preset = "Q8_0", .out = out, .file_bytes = &planned};
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    unlink(out);
    struct rlimit old, cut;
    getrlimit(RLIMIT_FSIZE, &old);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (int level = 0; level < 20; level++) {
        cut = old;
        cut.rlim_cur = level == 19 ? planned - 1 : planned * (unsigned)level / 20;
        setrlimit(RLIMIT_FSIZE, &cut);
        nb_status st = quant_run(&job, &err);
        setrlimit(RLIMIT_FSIZE, &old);
        check(st == NB_IO || st == NB_NOSPACE, "level %d: %s", level, nb_status_text(st));
        check(quant_count(test_tmpdir(), "limit") == 0, "level %d left a file", level);
    }
    cut.rlim_cur = planned;
    setrlimit(RLIMIT_FSIZE, &cut);
    nb_status st = quant_run(&job, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    check(st == NB_OK, "exactly enough: %s", err.msg);
    nb_weights_close(&w);
}

/* Twenty sizes of a real file system, the last one page short of enough; then one that holds it. */
CHECK_TEST(output, a_full_disk_is_refused_with_the_missing_bytes_a14)
{
    enum { LEVELS = 20, PAGE = 4096 };
    char dir[600], out[700], size[32], wrong[300] = "";
    nb_err err = {0};
    uint64_t planned = 0;
    snprintf(dir, sizeof dir, "%s/full", test_tmpdir());
    check(mkdir(dir, 0700) == 0, "mkdir");
    snprintf(out, sizeof out, "%s/m.gguf", dir);
    nb_weights *w = quant_open(quant_source("BF16"));
    quant_job job = {.w = w, .preset = "Q8_0", .out = out, .file_bytes = &planned};
    check(quant_run(&job, &err) == NB_OK && unlink(out) == 0, "%s", err.msg);
    uint64_t pages = (planned + PAGE - 1) / PAGE;
    for (uint64_t level = 1; level <= LEVELS && !wrong[0]; level++) {
        uint64_t room = level == LEVELS ? pages - 1 : 1 + pages * level / (LEVELS + 1);
        snprintf(size, sizeof size, "size=%llu", (unsigned long long)(room * PAGE));
        if (geteuid() != 0 || mount("tmpfs", dir, "tmpfs", 0, size) != 0)
            check_skip("no tmpfs can be mounted here");
        nb_status st = quant_run(&job, &err);
        if (st != NB_NOSPACE || !strstr(err.msg, "missing") || quant_count(dir, "m.gguf") != 0)
            snprintf(wrong, sizeof wrong, "%s: %s, %d files left: %.200s", size, nb_status_text(st),
                     quant_count(dir, "m.gguf"), err.msg);
        umount(dir);
    }
    check(mount("tmpfs", dir, "tmpfs", 0, "size=4m") == 0, "mount");
    nb_status again = quant_run(&job, NULL);
    umount(dir);
    check(!wrong[0], "%s", wrong);
    check(again == NB_OK, "with room it works: %s", nb_status_text(again));
    nb_weights_close(&w);
}

/* --- names for outputs -------------------------------------------------------------------------
 */

CHECK_TEST(output, output_names_count_up)
{
    char dir[600], out[700];
    nb_err err = {0};
    nb_weights *w = quant_open(quant_source("BF16"));
    snprintf(dir, sizeof dir, "%s/names", test_tmpdir());
    check(mkdir(dir, 0700) == 0, "mkdir");
    static const char *const want[] = {"synthetic-tiny-Q4_K_M.gguf", "synthetic-tiny-Q4_K_M-2.gguf",
                                       "synthetic-tiny-Q4_K_M-3.gguf"};
    for (size_t i = 0; i < countof(want); i++) {
        check(nb_output_name(out, sizeof out, dir, w, "Q4_K_M", &err) == NB_OK, "%s", err.msg);
        check(strcmp(nb_path_base(out), want[i]) == 0, "%s", out);
        test_spit(out, "", 0);
    }
    check(nb_output_name(out, 20, dir, w, "F16", &err) == NB_IO, "too long");
    nb_weights_close(&w);
}
