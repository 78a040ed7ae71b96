/* A quantize that does not end: killed at any call, cut off with the power, gone on with. Always
 * the same bytes or none (A15, A16). */
#include "tests/check.h"
#include "tests/crash.h"
#include "tests/quantize.h"
#include "tests/tree.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/quant/journal.h"
#include "core/quant/run.h"

typedef struct rig {
    char dir[600], out[700];
    nb_weights *w;
    size_t n; /* bytes of the right file */
    char *want;
    nb_run_view view;
} rig;

static void rig_open(rig *r, const char *name)
{
    nb_err err = {0};
    memset(r, 0, sizeof *r);
    r->w = quant_open(quant_source("F32"));
    snprintf(r->dir, sizeof r->dir, "%s/%s", test_tmpdir(), name);
    snprintf(r->out, sizeof r->out, "%s.gguf", r->dir);
    check(quant_run(&(quant_job){.w = r->w, .preset = "Q4_0", .out = r->out}, &err) == NB_OK, "%s",
          err.msg);
    r->want = test_slurp(r->out, &r->n);
    check(mkdir(r->dir, 0700) == 0, "mkdir");
    snprintf(r->out, sizeof r->out, "%s/o.gguf", r->dir);
}

static void rig_close(rig *r)
{
    nb_weights_close(&r->w);
    free(r->want);
}

static nb_status go(rig *r, const char *preset, bool force, nb_err *err)
{
    return quant_run(
        &(quant_job){.w = r->w, .preset = preset, .out = r->out, .force = force, .view = &r->view},
        err);
}

static void child(void *arg)
{
    rig *r = arg;
    nb_err err = {0};
    if (go(r, "Q4_0", false, &err) != NB_OK)
        _exit(1);
}

/* Under the final name lies the right file or none. */
static bool finished(const rig *r, const char *when)
{
    size_t n = 0;
    char *got = test_slurp(r->out, &n);
    check(!got || (n == r->n && memcmp(got, r->want, n) == 0), "%s: a wrong file", when);
    free(got);
    return got != NULL;
}

static void expect_whole(rig *r, const char *when)
{
    nb_err err = {0};
    check(go(r, "Q4_0", false, &err) == NB_OK, "%s: %s", when, err.msg);
    check(finished(r, when), "%s: nothing there", when);
    check(quant_count(r->dir, ".part") == 0, "%s: leftovers", when);
    unlink(r->out);
}

/* Leaves what a run killed at its n-th call leaves; false when it ended before. */
static bool killed(rig *r, size_t n)
{
    return crash_kill(child, r, r->dir, n);
}

static size_t calls_of(rig *r)
{
    crash_log *log = crash_record(child, r, r->dir);
    if (!log)
        check_skip("the machine permits no tracing");
    size_t n = crash_calls(log);
    crash_free(log);
    unlink(r->out);
    return n;
}

CHECK_TEST(resume, a_kill_at_any_call_costs_work_but_no_byte_a15)
{
    rig r;
    rig_open(&r, "kill");
    size_t calls = calls_of(&r), kept = 0;
    uint64_t seed = getenv("NB_TEST_SEED") ? strtoull(getenv("NB_TEST_SEED"), NULL, 10) : 15;
    test_rng rng = test_rng_make(seed);
    int rounds = test_rounds(20, 200);
    for (int i = 0; i < rounds; i++) {
        char when[64];
        size_t n = 1 + test_below(&rng, (uint32_t)calls);
        snprintf(when, sizeof when, "seed %llu, call %zu", (unsigned long long)seed, n);
        if (!killed(&r, n))
            continue;
        if (finished(&r, when)) { /* killed after the rename: the next run is told so */
            unlink(r.out);
            continue;
        }
        expect_whole(&r, when);
        kept += r.view.n_kept;
    }
    check(kept > 0, "no run went on with anything in %d rounds of %zu calls", rounds, calls);
    rig_close(&r);
}

CHECK_TEST(resume, kills_one_after_the_other_get_further_each_time)
{
    rig r;
    rig_open(&r, "chain");
    size_t calls = calls_of(&r), before = 0, n_kills = 0;
    while (killed(&r, calls / 4) && !finished(&r, "chain") && n_kills < 50)
        n_kills++;
    check(n_kills > 0, "%zu calls were not enough to be killed in", calls);
    if (!finished(&r, "chain")) {
        expect_whole(&r, "chain");
        before = r.view.n_kept;
    }
    check(n_kills < 50, "it never ends: %zu tensors kept", before);
    rig_close(&r);
}

CHECK_TEST(resume, a_power_cut_leaves_the_right_file_or_none_a16)
{
    rig r;
    rig_open(&r, "power");
    crash_log *log = crash_record(child, &r, r.dir);
    if (!log)
        check_skip("the machine permits no tracing");
    unlink(r.out);
    test_rng rng = test_rng_make(16);
    char into[600];
    int rounds = test_rounds(200, 2000);
    for (int i = 0; i < rounds; i++) {
        size_t n = test_below(&rng, (uint32_t)crash_calls(log) + 1);
        snprintf(into, sizeof into, "%s/cut-%d", test_tmpdir(), i);
        crash_replay(log, n, &rng, into);
        snprintf(r.dir, sizeof r.dir, "%s", into);
        snprintf(r.out, sizeof r.out, "%s/o.gguf", into);
        if (!finished(&r, into))
            expect_whole(&r, into);
        tree_remove(into);
    }
    crash_free(log);
    rig_close(&r);
}

/* Kills late, so that tensors are whole; the last call but a few. */
static void leave_leftover(rig *r)
{
    size_t calls = calls_of(r);
    check(killed(r, calls * 3 / 4) && quant_count(r->dir, ".part") == 2,
          "%d leftovers of %zu calls", quant_count(r->dir, ".part"), calls);
}

CHECK_TEST(resume, another_run_to_the_name_is_refused_unless_forced)
{
    rig r;
    nb_err err = {0};
    rig_open(&r, "other");
    leave_leftover(&r);
    check(go(&r, "Q8_0", false, &err) == NB_REFUSED && strstr(err.msg, "o.gguf.part was begun"),
          "%s", err.msg);
    check(quant_count(r.dir, ".part") == 2, "the refusal took the leftover away");
    expect_whole(&r, "after the refusal");
    check(r.view.n_kept > 0, "nothing was kept");
    leave_leftover(&r);
    check(go(&r, "Q8_0", true, &err) == NB_OK && r.view.n_kept == 0, "%s", err.msg);
    check(quant_count(r.dir, ".part") == 0, "leftovers");
    rig_close(&r);
}

CHECK_TEST(resume, a_model_that_changed_is_another_model)
{
    rig r;
    nb_err err = {0};
    rig_open(&r, "touched");
    char path[700];
    size_t n;
    char *bytes = test_slurp(nb_weights_path(r.w), &n);
    snprintf(path, sizeof path, "%s/m.gguf", test_tmpdir());
    test_spit(path, bytes, n);
    nb_weights_close(&r.w);
    r.w = quant_open(path);
    leave_leftover(&r);
    nb_weights_close(&r.w);
    bytes[n - 1] ^= 1;
    unlink(path);
    test_spit(path, bytes, n);
    free(bytes);
    r.w = quant_open(path);
    check(go(&r, "Q4_0", false, &err) == NB_REFUSED && strstr(err.msg, "another model"), "%s",
          err.msg);
    rig_close(&r);
}

static bool stop_at_once(void *ud)
{
    return ++*(int *)ud > 1;
}

CHECK_TEST(resume, a_cancel_takes_both_files_away)
{
    rig r;
    nb_err err = {0};
    int asked = 0;
    nb_hooks hooks = {.canceled = stop_at_once, .ud = &asked};
    rig_open(&r, "cancel");
    leave_leftover(&r);
    quant_job job = {.w = r.w, .preset = "Q4_0", .out = r.out, .hooks = &hooks};
    check(quant_run(&job, &err) == NB_CANCELED, "%s", err.msg);
    check(quant_count(r.dir, ".part") == 0, "leftovers");
    rig_close(&r);
}

/* What is not as the journal says is done again, and only that. */
CHECK_TEST(resume, damage_to_what_lies_there_is_mended)
{
    rig r;
    nb_err err = {0};
    size_t n, kept, head, k;
    char part[720], journal[740];
    rig_open(&r, "damage");
    leave_leftover(&r);
    snprintf(part, sizeof part, "%s.part", r.out);
    snprintf(journal, sizeof journal, "%s.part.journal", r.out);
    char *was = test_slurp(part, &n), *log = test_slurp(journal, &k);
    check(go(&r, "Q4_0", false, &err) == NB_OK && r.view.n_kept > 2, "%zu kept: %s", r.view.n_kept,
          err.msg);
    kept = r.view.n_kept;
    unlink(r.out);
    head = r.n / 3;
    was[head] ^= 0x10;
    test_spit(part, was, n);
    test_spit(journal, log, k);
    expect_whole(&r, "a flipped bit");
    check(r.view.n_kept == kept - 1, "%zu kept of %zu", r.view.n_kept, kept);
    was[head] ^= 0x10;
    test_spit(part, was, n);
    test_spit(journal, log, k - 3);
    expect_whole(&r, "a torn record");
    check(r.view.n_kept == kept - 1, "%zu kept of %zu", r.view.n_kept, kept);
    test_spit(part, was, n);
    test_spit(journal, log, NB_JOURNAL_HEAD - 1);
    expect_whole(&r, "a torn head");
    check(r.view.n_kept == 0, "%zu kept", r.view.n_kept);
    test_spit(part, was, n / 2);
    test_spit(journal, log, k);
    expect_whole(&r, "a short part");
    check(r.view.n_kept == 0, "%zu kept", r.view.n_kept);
    free(was);
    free(log);
    rig_close(&r);
}

/* Several check what is there and note what they finish, as one does. */
CHECK_TEST(resume, any_number_of_threads_goes_on_alike)
{
    static const int threads[] = {0, 2, 5};
    rig r;
    nb_err err = {0};
    size_t n, k, kept = 0;
    char part[720], journal[740];
    rig_open(&r, "threads");
    leave_leftover(&r);
    snprintf(part, sizeof part, "%s.part", r.out);
    snprintf(journal, sizeof journal, "%s.part.journal", r.out);
    char *was = test_slurp(part, &n), *log = test_slurp(journal, &k);
    for (size_t i = 0; i < countof(threads); i++) {
        test_spit(part, was, n);
        test_spit(journal, log, k);
        quant_job job = {
            .w = r.w, .preset = "Q4_0", .out = r.out, .threads = threads[i], .view = &r.view};
        check(quant_run(&job, &err) == NB_OK, "%d threads: %s", threads[i], err.msg);
        kept = i ? kept : r.view.n_kept;
        check(finished(&r, "threads") && r.view.n_kept == kept && kept > 2, "%d threads: %zu kept",
              threads[i], r.view.n_kept);
        unlink(r.out);
    }
    free(was);
    free(log);
    rig_close(&r);
}

CHECK_TEST(resume, planted_journals_are_refused_and_left_alone)
{
    rig r;
    nb_err err = {0};
    char journal[740], victim[700];
    rig_open(&r, "planted");
    snprintf(journal, sizeof journal, "%s.part.journal", r.out);
    snprintf(victim, sizeof victim, "%s/victim", r.dir);
    test_spit(victim, "precious", 8);
    check(symlink("victim", journal) == 0, "symlink");
    check(go(&r, "Q4_0", false, &err) == NB_REFUSED && strstr(err.msg, "symbolic link"), "%s",
          err.msg);
    unlink(journal);
    check(link(victim, journal) == 0, "link");
    check(go(&r, "Q4_0", true, &err) == NB_REFUSED && strstr(err.msg, "in the way"), "%s", err.msg);
    size_t n;
    char *text = test_slurp(victim, &n);
    check(n == 8 && memcmp(text, "precious", 8) == 0, "the victim was written to");
    free(text);
    rig_close(&r);
}

CHECK_TEST(resume, figures_of_kept_tensors_are_those_they_had)
{
    static nb_tensor_report first[32], now[32];
    rig r;
    nb_err err = {0};
    rig_open(&r, "figures");
    quant_job job = {.w = r.w, .preset = "Q4_0", .out = r.out, .reports = first};
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    unlink(r.out);
    leave_leftover(&r);
    job.reports = now;
    job.view = &r.view;
    check(quant_run(&job, &err) == NB_OK && r.view.n_kept > 0, "%s", err.msg);
    for (size_t i = 0; i < nb_weights_count(r.w); i++)
        check(memcmp(&now[i].stats, &first[i].stats, sizeof now[i].stats) == 0 &&
                  strcmp(now[i].sha256, first[i].sha256) == 0,
              "%s", first[i].name);
    rig_close(&r);
}

CHECK_TEST(resume, a_journal_is_read_as_it_was_written)
{
    static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const uint64_t marks[] = {1, UINT64_MAX, 0x0123456789abcdef};
    nb_stats s = {.n = 5,
                  .sum = -1.5,
                  .sum_err2 = 1e-300,
                  .min = -3,
                  .max_err_at = 77,
                  .n_looks = 3,
                  .look_ee = 1e300,
                  .look_ew = -2,
                  .look_ww = 0.25};
    nb_str text = {0};
    char got[NB_JOURNAL_ID + 1];
    nb_journal_record rec;
    nb_journal_begin(&text, id);
    check(text.len == NB_JOURNAL_HEAD, "%zu", text.len);
    nb_journal_add(&text, 9, &s, marks, 3);
    check(text.len == NB_JOURNAL_HEAD + 8 + NB_JOURNAL_STATS + 24 + 4, "%zu", text.len);
    nb_cursor c = nb_cursor_make(text.at, text.len);
    check(nb_journal_head(&c, got) && strcmp(got, id) == 0, "head");
    check(nb_journal_next(&c, &rec) && rec.tensor == 9 && rec.n_tiles == 3, "record");
    check(rec.stats.n == 5 && rec.stats.sum == -1.5 && rec.stats.sum_err2 == 1e-300 &&
              rec.stats.min == -3 && rec.stats.max_err_at == 77 && rec.stats.n_looks == 3 &&
              rec.stats.look_ee == 1e300 && rec.stats.look_ew == -2 && rec.stats.look_ww == 0.25,
          "figures");
    for (uint32_t i = 0; i < 3; i++)
        check(nb_journal_mark(&rec, i) == marks[i], "mark %u", i);
    check(!nb_journal_next(&c, &rec) && nb_cursor_left(&c) == 0, "end");
    for (size_t i = 0; i < text.len; i++) { /* every byte counts */
        text.at[i] ^= 1;
        c = nb_cursor_make(text.at, text.len);
        check(!nb_journal_head(&c, got) || !nb_journal_next(&c, &rec), "byte %zu", i);
        text.at[i] ^= 1;
    }
    for (size_t n = 0; n < text.len; n++) { /* a cut record is none; a cut head is no journal */
        c = nb_cursor_make(text.at, n);
        bool head = nb_journal_head(&c, got);
        check(head == (n >= NB_JOURNAL_HEAD), "%zu bytes", n);
        check(!head || (!nb_journal_next(&c, &rec) && nb_cursor_pos(&c) == NB_JOURNAL_HEAD),
              "%zu bytes", n);
    }
    nb_str_free(&text);
}
