/* A set of shards is written as one (--keep-split): whatever ends it, what opens under the final
 * names is all of the old set or all of the new one, and the next run makes it whole (A15, A16). */
#include "tests/check.h"
#include "tests/crash.h"
#include "tests/quantize.h"
#include "tests/run_child.h"
#include "tests/tree.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/quant/journal.h"
#include "core/quant/shards.h"

enum { SHARDS = 3 };

typedef struct set { /* the bytes of all shards */
    char *at[SHARDS];
    size_t n[SHARDS];
} set;

typedef struct rig {
    char dir[600], out[700], source[700];
    nb_weights *w;
    set old, want; /* Q8_0 and Q4_0 */
    size_t n_kept; /* tensors of the last run that were there */
} rig;

static const char *shard(const rig *r, size_t i)
{
    static char path[4][800];
    static int turn;
    char *at = path[turn = (turn + 1) % 4];
    check(nb_shard_path(at, sizeof path[0], r->out, i + 1, SHARDS, NULL) == NB_OK, "path");
    return at;
}

static nb_status go(rig *r, const char *preset, bool force, const nb_hooks *hooks, nb_err *err)
{
    nb_recipe recipe;
    nb_plan whole, *plan = NULL;
    nb_shards *s = NULL;
    nb_quantize_options opt = {.force = force, .figures = NB_FIGURES_SAMPLE};
    size_t n = 0;
    nb_recipe_init(&recipe, nb_preset_find(preset));
    recipe.keep_split = true;
    NB_TRY(nb_plan_make(&whole, &recipe, r->w, false, err));
    nb_status st = nb_plan_shards(&plan, &n, &whole, err);
    if (st == NB_OK)
        st = nb_shards_open(&s, plan, n, r->out, &opt, err);
    if (st == NB_OK)
        st = nb_shards_go(s, quant_ops(), NULL, hooks, err);
    r->n_kept = 0;
    for (size_t i = 0; i < n && st == NB_OK; i++) {
        nb_run_view v;
        nb_run_look(nb_shards_run(s, i), &v);
        r->n_kept += v.n_kept;
    }
    nb_shards_close(&s);
    nb_plans_free(&plan, n);
    nb_plan_free(&whole);
    return st;
}

static void take(rig *r, set *out)
{
    for (size_t i = 0; i < SHARDS; i++) {
        out->at[i] = test_slurp(shard(r, i), &out->n[i]);
        check(out->at[i], "no %s", shard(r, i));
        unlink(shard(r, i));
    }
}

static void put(const rig *r, const set *s)
{
    for (size_t i = 0; i < SHARDS; i++)
        test_spit(shard(r, i), s->at[i], s->n[i]);
}

static void rig_open(rig *r, const char *name)
{
    nb_err err = {0};
    memset(r, 0, sizeof *r);
    snprintf(r->dir, sizeof r->dir, "%s", test_path(tree_scratch(), name));
    snprintf(r->out, sizeof r->out, "%s/o.gguf", r->dir);
    snprintf(r->source, sizeof r->source, "%s/%s-source", test_tmpdir(), name);
    check(mkdir(r->dir, 0700) == 0, "mkdir %s", r->dir);
    quant_split(quant_source("F32"), r->source, SHARDS);
    snprintf(r->source, sizeof r->source, "%s/%s-source-00001-of-00003.gguf", test_tmpdir(), name);
    r->w = quant_open(r->source);
    check(go(r, "Q8_0", false, NULL, &err) == NB_OK, "%s", err.msg);
    take(r, &r->old);
    check(go(r, "Q4_0", false, NULL, &err) == NB_OK, "%s", err.msg);
    take(r, &r->want);
    check(quant_count(r->dir, "o") == 0, "%d leftovers", quant_count(r->dir, "o"));
}

static void rig_close(rig *r)
{
    nb_weights_close(&r->w);
    for (size_t i = 0; i < SHARDS; i++) {
        free(r->old.at[i]);
        free(r->want.at[i]);
    }
    tree_remove(r->dir);
}

static size_t count_equal(const rig *r, const set *s)
{
    size_t equal = 0, n = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        char *got = test_slurp(shard(r, i), &n);
        equal += got && n == s->n[i] && memcmp(got, s->at[i], n) == 0;
        free(got);
    }
    return equal;
}

/* Whether the new set stands. A set that opens is of one piece. */
static bool finished(const rig *r, const char *when)
{
    nb_weights *w = NULL;
    bool opens = nb_weights_open(&w, shard(r, 0), NULL) == NB_OK;
    nb_weights_close(&w);
    size_t fresh = count_equal(r, &r->want), old = count_equal(r, &r->old);
    check(!opens || fresh == SHARDS || old == SHARDS, "%s: %zu new and %zu old shards open as one",
          when, fresh, old);
    check(opens || fresh < SHARDS, "%s: all are there and do not open", when);
    return fresh == SHARDS;
}

static void expect_whole(rig *r, bool force, const char *when)
{
    nb_err err = {0};
    check(go(r, "Q4_0", force, NULL, &err) == NB_OK, "%s: %s", when, err.msg);
    check(finished(r, when), "%s: not the new set", when);
    check(quant_count(r->dir, ".part") == 0, "%s: leftovers", when);
}

static void clear(const rig *r)
{
    tree_remove(r->dir);
    check(mkdir(r->dir, 0700) == 0, "mkdir");
}

static void child_new(void *arg)
{
    nb_err err = {0};
    if (go(arg, "Q4_0", true, NULL, &err) != NB_OK)
        _exit(1);
}

static void child_old_and_new(void *arg)
{
    nb_err err = {0};
    if (go(arg, "Q8_0", true, NULL, &err) != NB_OK || go(arg, "Q4_0", true, NULL, &err) != NB_OK)
        _exit(1);
}

/* --- kills ----------------------------------------------------------------------------------- */

/* Every call of the naming, some before it. */
CHECK_TEST(shards, a_kill_at_any_call_leaves_one_set_or_none_a15)
{
    enum { NAMING = 24 };
    rig r;
    rig_open(&r, "kill");
    crash_log *log = crash_record(child_new, &r, r.dir);
    if (!log)
        check_skip("the machine permits no tracing");
    /* Two more where an old first shard goes and the folder is synced. */
    size_t calls = crash_calls(log) + 2, kept = 0, gone = 0;
    crash_free(log);
    test_rng rng = test_rng_make(15);
    int early = test_rounds(10, 200);
    for (int i = 0; i < early + NAMING; i++) {
        char when[64];
        size_t n = i < early ? 1 + test_below(&rng, (uint32_t)(calls - NAMING))
                             : calls - (size_t)(early + NAMING - 1 - i);
        snprintf(when, sizeof when, "killed before call %zu of %zu", n, calls);
        clear(&r);
        put(&r, &r.old);
        check(crash_kill(child_new, &r, r.dir, n), "%s: it ended", when);
        gone += access(shard(&r, 0), F_OK) != 0;
        if (finished(&r, when))
            continue; /* only journals were to go */
        expect_whole(&r, true, when);
        kept += r.n_kept;
    }
    clear(&r);
    put(&r, &r.old);
    check(!crash_kill(child_new, &r, r.dir, calls + 1), "more than %zu calls", calls);
    check(kept > 0 && gone >= SHARDS, "%zu tensors kept, no first shard after %zu kills", kept,
          gone);
    rig_close(&r);
}

typedef struct moment {
    const char *kill;
    bool old; /* there is a set to be replaced */
} moment;

/* The same through the command: the next one finishes the naming, forced or not as the first. */
CHECK_TEST(shards, killed_behind_each_rename_and_run_again_a15)
{
    static const moment moments[] = {
        {"NB_KILL_AFTER=rename 1", false}, {"NB_KILL_AFTER=rename 2", false},
        {"NB_KILL_AFTER=rename 3", false}, {"NB_KILL_AFTER=unlink 1", true},
        {"NB_KILL_AFTER=rename 1", true},  {"NB_KILL_AFTER=rename 2", true},
        {"NB_KILL_AFTER=rename 3", true},
    };
    if (TEST_THIN > 1)
        check_skip("nothing can be preloaded before a sanitizer");
    char preload[600];
    rig r;
    rig_open(&r, "rename");
    snprintf(preload, sizeof preload, "LD_PRELOAD=%.*s/tests/preload.so",
             (int)(strrchr(child_nibble, '/') - child_nibble), child_nibble);
    for (size_t i = 0; i < countof(moments); i++) {
        const moment *m = &moments[i];
        child_how how = {.args = {"quantize", r.source, "-t", "Q4_0", "--keep-split", "-o", r.out,
                                  "--threads", "1", m->old ? "--force" : NULL},
                         .env = {preload, m->kill},
                         .may_die = true};
        clear(&r);
        if (m->old)
            put(&r, &r.old);
        child c = child_run(&how);
        check(c.code == 1009, "%s: status %d: %s", m->kill, c.code, c.err);
        child_free(&c);
        bool all = strstr(m->kill, "rename 3") != NULL;
        check(finished(&r, m->kill) == all, "%s: the new set stands: %d", m->kill, !all);
        how.env[0] = how.env[1] = NULL;
        how.may_die = false;
        c = child_run(&how);
        check(all && !m->old ? c.code == 10 && strstr(c.err, "exists already: --force") != NULL
                             : c.code == 0,
              "%s: %s", m->kill, c.err);
        check(all || strstr(c.out, "were whole since an earlier run"), "%s: %s", m->kill, c.out);
        child_free(&c);
        check(finished(&r, m->kill), "%s: not the new set", m->kill);
    }
    rig_close(&r);
}

/* --- power cuts ------------------------------------------------------------------------------ */

CHECK_TEST(shards, a_power_cut_leaves_one_set_or_none_a16)
{
    rig r;
    rig_open(&r, "power");
    crash_log *log = crash_record(child_old_and_new, &r, r.dir);
    if (!log)
        check_skip("the machine permits no tracing");
    tree_remove(r.dir);
    test_rng rng = test_rng_make(16);
    int rounds = test_rounds(100, 2000);
    for (int i = 0; i < rounds; i++) {
        char when[64];
        size_t calls = crash_calls(log);
        uint32_t back = test_below(&rng, (uint32_t)calls + 1);
        size_t n = calls - (i % 2 ? back : back % 24); /* half of them around the naming */
        snprintf(when, sizeof when, "round %d, power off after call %zu", i, n);
        crash_replay(log, n, &rng, r.dir);
        if (!finished(&r, when))
            expect_whole(&r, true, when);
        tree_remove(r.dir);
    }
    crash_free(log);
    check(mkdir(r.dir, 0700) == 0, "mkdir");
    rig_close(&r);
}

/* --- what is not ours ------------------------------------------------------------------------ */

/* A set whose naming was cut off: the second and third shard have their names. */
static bool leave_half_named(rig *r)
{
    clear(r);
    crash_log *log = crash_record(child_new, r, r->dir);
    if (!log)
        return false;
    size_t n = crash_calls(log);
    crash_free(log);
    do {
        clear(r);
        check(n > 0 && crash_kill(child_new, r, r->dir, n--), "it ended");
    } while (nb_exists(shard(r, 0)));
    return nb_exists(shard(r, 1)) && nb_exists(shard(r, 2));
}

CHECK_TEST(shards, a_named_shard_is_taken_only_as_its_journal_says)
{
    rig r;
    nb_err err = {0};
    rig_open(&r, "altered");
    if (!leave_half_named(&r))
        check_skip("the machine permits no tracing");
    char *bytes = strdup(shard(&r, 1));
    size_t n, m;
    char *was = test_slurp(bytes, &n);
    was[n - 1] ^= 1;
    test_spit(bytes, was, n);
    check(go(&r, "Q4_0", false, NULL, &err) == NB_REFUSED &&
              strstr(err.msg, "o-00002-of-00003.gguf exists already"),
          "%s", err.msg);
    char *now = test_slurp(bytes, &m);
    check(now && m == n && memcmp(now, was, n) == 0, "another's file was written to");
    check(!nb_exists(shard(&r, 0)) && quant_count(r.dir, "00001-of-00003.gguf.part") == 2,
          "the refusal took the leftover away");
    was[n - 1] ^= 1;
    test_spit(bytes, was, n);
    expect_whole(&r, false, "as it was again");
    check(r.n_kept == nb_weights_count(r.w), "%zu tensors kept", r.n_kept);
    check(leave_half_named(&r), "not half named");
    was[n - 1] ^= 1;
    test_spit(bytes, was, n);
    expect_whole(&r, true, "forced");
    check(r.n_kept < nb_weights_count(r.w), "all kept");
    free(now);
    free(was);
    free(bytes);
    rig_close(&r);
}

CHECK_TEST(shards, other_options_do_not_finish_a_half_named_set)
{
    rig r;
    nb_err err = {0};
    rig_open(&r, "other");
    if (!leave_half_named(&r))
        check_skip("the machine permits no tracing");
    check(go(&r, "Q8_0", false, NULL, &err) == NB_REFUSED && strstr(err.msg, "was begun with"),
          "%s", err.msg);
    check(go(&r, "Q8_0", true, NULL, &err) == NB_OK, "%s", err.msg);
    check(count_equal(&r, &r.old) == SHARDS && quant_count(r.dir, ".part") == 0, "%zu shards",
          count_equal(&r, &r.old));
    rig_close(&r);
}

CHECK_TEST(shards, one_taken_name_stops_all_before_the_first_byte)
{
    rig r;
    nb_err err = {0};
    rig_open(&r, "taken");
    test_spit(shard(&r, 2), "mine", 4);
    check(go(&r, "Q4_0", false, NULL, &err) == NB_REFUSED && strstr(err.msg, "00003-of-00003"),
          "%s", err.msg);
    check(quant_count(r.dir, "o") == 1, "%d files", quant_count(r.dir, "o"));
    rig_close(&r);
}

/* Asked at the start of each shard at least. */
static bool second_has_begun(void *ud)
{
    char journal[820];
    struct stat st;
    snprintf(journal, sizeof journal, "%s.part.journal", shard(ud, 1));
    return stat(journal, &st) == 0 && st.st_size > NB_JOURNAL_HEAD;
}

CHECK_TEST(shards, a_cancel_takes_the_whole_ones_away_too)
{
    rig r;
    nb_err err = {0};
    rig_open(&r, "cancel");
    put(&r, &r.old);
    nb_hooks hooks = {.canceled = second_has_begun, .ud = &r};
    check(go(&r, "Q4_0", true, &hooks, &err) == NB_CANCELED, "%s", err.msg);
    check(count_equal(&r, &r.old) == SHARDS, "the old set suffered");
    check(quant_count(r.dir, "o") == SHARDS, "%d files", quant_count(r.dir, "o"));
    rig_close(&r);
}
