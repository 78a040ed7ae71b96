/* Every architecture's forward pass against itself: any split, any thread count, any level, and no
 * tensor without effect. What the numbers ought to be: goldens (NumPy) and tests/peers (llama.cpp).
 */
#include "tests/arch_rows.h"
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include "core/model/session.h"
#include "kernels/cpu.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_IDS = 40, N_VOCAB = 300 };

typedef struct rig {
    nb_weights *weights;
    nb_model *model;
    nk_ops ops;
    nk_pool *pool;
} rig;

static void rig_open(rig *r, const char *path, unsigned flags, int threads)
{
    nb_err err = {0};
    *r = (rig){0};
    check(nb_weights_open(&r->weights, path, &err) == NB_OK, "%s", err.msg);
    check(nb_model_open(&r->model, r->weights, &err) == NB_OK, "%s: %s", path, err.msg);
    check(nk_pool_open(&r->pool, threads, &err) == NB_OK, "%s", err.msg);
    nk_ops_init(&r->ops, flags);
}

static void rig_close(rig *r)
{
    nk_pool_close(&r->pool);
    nb_model_close(&r->model);
    nb_weights_close(&r->weights);
}

static const char *row_path(const arch_row *row, nk_type_id type)
{
    char name[96];
    snprintf(name, sizeof name, "%s-%s.gguf", row->label, nk_type_get(type)->name);
    const char *path = test_path(test_tmpdir(), name);
    arch_row_write(path, row, type);
    return path;
}

static void some_ids(int32_t ids[N_IDS])
{
    test_rng rng = test_rng_make(4);
    for (size_t i = 0; i < N_IDS; i++)
        ids[i] = (int32_t)test_below(&rng, N_VOCAB);
}

/* Logits after the last of ids, fed in calls of `step` tokens. */
static void logits_with(rig *r, const int32_t ids[N_IDS], nb_session_options opt, size_t step,
                        float out[N_VOCAB])
{
    nb_session *s = NULL;
    nb_err err = {0};
    check(nb_session_open(&s, r->model, &r->ops, r->pool, &opt, &err) == NB_OK, "%s", err.msg);
    for (size_t n = step; n < N_IDS + step; n += step)
        check(nb_session_feed(s, ids, n < N_IDS ? n : N_IDS, NULL, NULL, &err) == NB_OK, "%s",
              err.msg);
    memcpy(out, nb_session_logits(s), N_VOCAB * sizeof *out);
    nb_session_close(&s);
}

static void logits_of(rig *r, const int32_t ids[N_IDS], uint32_t n_batch, size_t step,
                      float out[N_VOCAB])
{
    logits_with(r, ids, (nb_session_options){.n_ctx = 64, .n_batch = n_batch}, step, out);
}

CHECK_TEST(archs, no_split_and_no_thread_count_changes_a_bit)
{
    static const nk_type_id types[] = {NK_F32, NK_Q8_0};
    const arch_row *rows;
    int32_t ids[N_IDS];
    size_t n = arch_rows(&rows);
    some_ids(ids);
    for (size_t i = 0; i < 2 * n; i++) {
        static float want[N_VOCAB], have[N_VOCAB];
        const char *path = row_path(&rows[i / 2], types[i % 2]);
        rig one, two;
        rig_open(&one, path, nk_cpu_detect(), 1);
        rig_open(&two, path, nk_cpu_detect(), 3);
        logits_of(&one, ids, 64, N_IDS, want);
        static const struct {
            uint32_t batch;
            size_t step;
        } how[] = {{1, N_IDS}, {7, N_IDS}, {64, 1}, {16, 11}};
        for (size_t k = 0; k < countof(how); k++) {
            logits_of(k % 2 ? &one : &two, ids, how[k].batch, how[k].step, have);
            check(memcmp(want, have, sizeof want) == 0, "%s: batch %u, step %zu", rows[i / 2].label,
                  how[k].batch, how[k].step);
        }
        rig_close(&one);
        rig_close(&two);
    }
}

static double distance(const float *a, const float *b)
{
    double most = 0, off = 0;
    for (size_t i = 0; i < N_VOCAB; i++) {
        most = fmax(most, fabs((double)a[i]));
        off = fmax(off, fabs((double)a[i] - (double)b[i]));
    }
    return off / most;
}

CHECK_TEST(archs, every_level_is_near_the_c_reference)
{
    const arch_row *rows;
    int32_t ids[N_IDS];
    size_t n = arch_rows(&rows);
    some_ids(ids);
    for (size_t i = 0; i < n; i++) {
        static float want[N_VOCAB], have[N_VOCAB];
        const char *path = row_path(&rows[i], NK_F32);
        rig c, best;
        rig_open(&c, path, 0, 1);
        rig_open(&best, path, nk_cpu_detect(), 1);
        logits_of(&c, ids, 64, N_IDS, want);
        logits_of(&best, ids, 64, N_IDS, have);
        check(distance(want, have) < 1e-3, "%s: %g", rows[i].label, distance(want, have));
        rig_close(&c);
        rig_close(&best);
    }
}

/* --- types of the cache ------------------------------------------------------------------------
 */

static const arch_row *row_named(const char *label)
{
    const arch_row *rows;
    size_t n = arch_rows(&rows);
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].label, label) == 0)
            return &rows[i];
    check(false, "%s", label);
}

CHECK_TEST(archs, each_cache_type_is_as_near_as_its_bits)
{
    static const struct {
        const char *name;
        double off, bits;
    } types[] = {{"f16", 5e-3, 16}, {"bf16", 4e-2, 16}, {"q8_0", 5e-2, 8.5}, {"q4_0", 0.6, 4.5}};
    int32_t ids[N_IDS];
    some_ids(ids);
    rig r;
    rig_open(&r, row_path(row_named("gemma3"), NK_F32), nk_cpu_detect(), 2);
    static float want[N_VOCAB], have[N_VOCAB], again[N_VOCAB];
    logits_with(&r, ids, (nb_session_options){.n_ctx = 64, .kv_f32 = true}, N_IDS, want);
    for (size_t i = 0; i < 2 * countof(types); i++) {
        const nk_type *t = nb_session_kv_type(types[i / 2].name);
        nb_session_options opt = {.n_ctx = 64, .kv_f32 = true, .k_type = t};
        if (i % 2)
            opt.v_type = t;
        logits_with(&r, ids, opt, N_IDS, have);
        double off = distance(want, have);
        check(off > 0 && off < types[i / 2].off, "%s: %g", t->name, off);
        opt.n_batch = 5;
        logits_with(&r, ids, opt, 7, again);
        check(memcmp(have, again, sizeof have) == 0, "%s: another split", t->name);
        uint64_t kv, scratch;
        nb_session_plan(&r.model->hp, &opt, &kv, &scratch);
        double bits = 8.0 * (double)kv / (64.0 * 7 * 2 * 32), other = i % 2 ? 0 : 32;
        check(fabs(bits - (i % 2 ? 2 * types[i / 2].bits : types[i / 2].bits + other)) < 1e-9,
              "%s: %g bits", t->name, bits);
    }
    rig_close(&r);
}

CHECK_TEST(archs, a_cache_type_that_heads_do_not_fill_is_refused)
{
    rig r;
    rig_open(&r, row_path(row_named("llama"), NK_F32), nk_cpu_detect(), 1); /* heads of 16 */
    nb_session *s = NULL;
    nb_err err = {0};
    nb_session_options opt = {.n_ctx = 64, .v_type = nb_session_kv_type("q8_0")};
    check(nb_session_open(&s, r.model, &r.ops, NULL, &opt, &err) == NB_USAGE && !s, "opened");
    check(strstr(err.msg, "q8_0") && strstr(err.msg, "16"), "%s", err.msg);
    static const char *const none[] = {"q4_K", "q5_1", "i8", "", "f64"};
    for (size_t i = 0; i < countof(none); i++)
        check(!nb_session_kv_type(none[i]), "%s", none[i]);
    rig_close(&r);
    rig_open(&r, row_path(row_named("gpt2"), NK_F32), nk_cpu_detect(), 1);
    opt = (nb_session_options){.n_ctx = 129};
    check(nb_session_open(&s, r.model, &r.ops, NULL, &opt, &err) == NB_USAGE && !s, "opened");
    check(strstr(err.msg, "129") && strstr(err.msg, "128"), "%s", err.msg);
    rig_close(&r);
}

/* The name of the i-th tensor, then every value of it times 1.5. */
typedef struct spoiler {
    const char *name;
} spoiler;

static bool spoil(void *arg, nb_tensor *t, float *values)
{
    const spoiler *s = arg;
    for (uint64_t i = 0; s->name && strcmp(t->name, s->name) == 0 && i < nb_tensor_count(t); i++)
        values[i] = values[i] * 1.5f + 0.01f * (float)(i % 7);
    return true;
}

CHECK_TEST(archs, no_tensor_is_without_effect)
{
    const arch_row *rows;
    int32_t ids[N_IDS];
    size_t n = arch_rows(&rows);
    some_ids(ids);
    const char *path = test_path(test_tmpdir(), "spoiled.gguf");
    for (size_t i = 0; i < n; i++) {
        static float want[N_VOCAB], have[N_VOCAB];
        rig r;
        rig_open(&r, row_path(&rows[i], NK_F32), nk_cpu_detect(), 1);
        static char names[2048][NB_MAX_NAME + 1];
        size_t n_names = nb_weights_count(r.weights);
        for (size_t k = 0; k < n_names && k < countof(names); k++)
            snprintf(names[k], sizeof names[k], "%s", nb_weights_at(r.weights, k)->t.name);
        rig_close(&r);
        spoiler s = {0};
        tiny_hooks hooks = {.tensor = spoil, .arg = &s};
        for (size_t k = 0; k <= n_names; k++) { /* first as it is */
            s.name = k ? names[k - 1] : NULL;
            if (k && (k + i) % TEST_THIN != 0)
                continue; /* an instrumented build spoils others in the next architecture */
            if (k && strncmp(s.name, "blk.", 4) == 0 && strncmp(s.name, "blk.0.", 6) != 0)
                continue;
            if (k && strcmp(s.name, "rope_factors_short.weight") == 0 &&
                strcmp(rows[i].label, "phi3-longrope") == 0)
                continue; /* the other half of the pair has its own row */
            if (k && strcmp(s.name, "rope_factors_long.weight") == 0 &&
                strcmp(rows[i].label, "phi3-shortrope") == 0)
                continue;
            tiny_write(path, &rows[i].model, &hooks);
            rig_open(&r, path, nk_cpu_detect(), 1);
            logits_of(&r, ids, 64, N_IDS, k ? have : want);
            rig_close(&r);
            check(k == 0 || memcmp(want, have, sizeof want) != 0, "%s: %s", rows[i].label, s.name);
        }
    }
}

/* --- several sequences -------------------------------------------------------------------------
 */

/* The next token of each, chosen by its own sampler. */
static nb_status step_each(nb_session *s, const uint32_t *seq, size_t n, nb_sampler *const *smp,
                           nb_choice *c, nb_err *err)
{
    int32_t ids[NB_MAX_SEQ];
    for (size_t i = 0; i < n; i++) {
        size_t have;
        nb_session_use_seq(s, seq[i]);
        const int32_t *recent = nb_session_tokens(s, &have);
        check(nb_sampler_pick(smp[i], nb_session_logits(s), recent, have, &c[i], err) == NB_OK,
              "%s", err->msg);
        ids[i] = c[i].id;
    }
    return nb_session_append_each(s, seq, n, ids, NULL, err);
}

/* Three timelines of other lengths, stepped together, are what each is alone. */
static void check_sequences(const arch_row *row, uint32_t n_batch)
{
    enum { SEQS = 3, STEPS = 6 };
    static const size_t length[SEQS] = {11, 1, 23};
    int32_t ids[N_IDS], chosen[SEQS][STEPS];
    static float want[SEQS][N_VOCAB];
    nb_sampler *smp[SEQS] = {0};
    nb_session *alone = NULL, *s = NULL;
    nb_choice c[SEQS];
    nb_err err = {0};
    rig r;
    some_ids(ids);
    rig_open(&r, row_path(row, NK_Q8_0), nk_cpu_detect(), 2);
    nb_sampling greedy = nb_sampling_greedy();
    nb_session_options opt = {.n_ctx = 64, .n_batch = n_batch};
    check(nb_session_open(&alone, r.model, &r.ops, r.pool, &opt, &err) == NB_OK, "%s", err.msg);
    opt.n_seq = SEQS;
    check(nb_session_open(&s, r.model, &r.ops, r.pool, &opt, &err) == NB_OK, "%s", err.msg);
    for (uint32_t q = 0; q < SEQS; q++) {
        check(nb_sampler_open(&smp[q], &greedy, N_VOCAB, &err) == NB_OK, "%s", err.msg);
        check(nb_session_feed(alone, ids + q, length[q], NULL, NULL, &err) == NB_OK, "feed");
        for (int i = 0; i < STEPS; i++) {
            check(nb_session_next(alone, smp[q], c, NULL, &err) == NB_OK, "%s", err.msg);
            chosen[q][i] = c->id;
        }
        memcpy(want[q], nb_session_logits(alone), sizeof want[q]);
        nb_session_use_seq(s, q);
        check(nb_session_feed(s, ids + q, length[q], NULL, NULL, &err) == NB_OK, "feed");
    }
    static const uint32_t order[SEQS] = {2, 0, 1};
    nb_sampler *const by_order[SEQS] = {smp[2], smp[0], smp[1]};
    for (int i = 0; i < STEPS; i++) {
        check(step_each(s, order, SEQS, by_order, c, &err) == NB_OK, "%s", err.msg);
        for (int k = 0; k < SEQS; k++)
            check(c[k].id == chosen[order[k]][i], "%s: step %d of %u", row->label, i, order[k]);
    }
    for (uint32_t q = 0; q < SEQS; q++) {
        size_t n;
        nb_session_use_seq(s, q);
        check(nb_session_tokens(s, &n) && n == length[q] + STEPS, "%zu tokens", n);
        check(memcmp(want[q], nb_session_logits(s), sizeof want[q]) == 0, "%s: sequence %u",
              row->label, q);
        nb_sampler_close(&smp[q]);
    }
    nb_session_close(&alone);
    nb_session_close(&s);
    rig_close(&r);
}

CHECK_TEST(archs, sequences_side_by_side_are_what_each_is_alone)
{
    static const char *const labels[] = {"llama",    "gemma3",  "gpt2",
                                         "qwen3moe", "gpt-oss", "falcon"};
    for (size_t i = 0; i < countof(labels); i++)
        check_sequences(row_named(labels[i]), i % 2 ? 2 : 16);
}

CHECK_TEST(archs, a_branch_shares_its_past_and_goes_its_own_way)
{
    int32_t ids[N_IDS], other[N_IDS];
    static float want[N_VOCAB];
    nb_session *s = NULL;
    nb_err err = {0};
    rig r;
    some_ids(ids);
    memcpy(other, ids, sizeof ids);
    for (int i = 30; i < N_IDS; i++)
        other[i] = (ids[i] + 1) % N_VOCAB;
    rig_open(&r, row_path(row_named("gemma2"), NK_F32), nk_cpu_detect(), 1);
    nb_session_options opt = {.n_ctx = 64, .n_seq = 2};
    logits_with(&r, other, (nb_session_options){.n_ctx = 64}, N_IDS, want);
    check(nb_session_open(&s, r.model, &r.ops, NULL, &opt, &err) == NB_OK, "%s", err.msg);
    check(nb_session_feed(s, ids, N_IDS, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    nb_session_use_seq(s, 1);
    check(!nb_session_logits(s), "nothing yet");
    nb_session_copy_seq(s, 0);
    size_t reused;
    check(nb_session_logits(s), "the copy's logits");
    check(nb_session_feed(s, other, N_IDS, &reused, NULL, &err) == NB_OK, "%s", err.msg);
    check(reused == 30, "%zu reused", reused);
    check(memcmp(want, nb_session_logits(s), sizeof want) == 0, "bits of the branch");
    nb_session_use_seq(s, 0);
    logits_with(&r, ids, (nb_session_options){.n_ctx = 64}, N_IDS, want);
    check(memcmp(want, nb_session_logits(s), sizeof want) == 0, "the trunk is untouched");
    nb_session_close(&s);
    opt.n_seq = NB_MAX_SEQ + 1;
    check(nb_session_open(&s, r.model, &r.ops, NULL, &opt, &err) == NB_USAGE, "too many");
    rig_close(&r);
}

/* One without room fails all of them, and nobody's state moves. */
CHECK_TEST(archs, a_sequence_without_room_is_named)
{
    int32_t ids[N_IDS];
    nb_session *s = NULL;
    nb_err err = {0};
    rig r;
    some_ids(ids);
    rig_open(&r, row_path(row_named("llama"), NK_F32), nk_cpu_detect(), 1);
    nb_session_options opt = {.n_ctx = 16, .n_seq = 2};
    static const uint32_t seq[] = {0, 1};
    static const int32_t bad[] = {5, N_VOCAB};
    check(nb_session_open(&s, r.model, &r.ops, NULL, &opt, &err) == NB_OK, "%s", err.msg);
    check(nb_session_sequences(s) == 2, "%u", nb_session_sequences(s));
    check(nb_session_feed(s, ids, 5, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    nb_session_use_seq(s, 1);
    check(nb_session_feed(s, ids, 16, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    check(nb_session_append_each(s, seq, 2, ids, NULL, &err) == NB_REFUSED, "full");
    check(strstr(err.msg, "sequence 1: context full"), "%s", err.msg);
    check(nb_session_append_each(s, seq, 2, bad, NULL, &err) == NB_FORMAT, "%s", err.msg);
    nb_session_use_seq(s, 0);
    size_t n;
    check(nb_session_tokens(s, &n) && n == 5 && nb_session_logits(s), "sequence 0 moved");
    nb_session_close(&s);
    rig_close(&r);
}

/* The plan a fit is told by, for every kind of session of every architecture. */
CHECK_TEST(archs, plan_is_what_every_session_holds)
{
    const arch_row *rows;
    size_t n = arch_rows(&rows);
    for (size_t i = 0; i < n; i++) {
        rig r;
        rig_open(&r, row_path(&rows[i], NK_F32), 0, 1);
        for (uint32_t k = 0; k < 4; k++) {
            nb_session_options opt = {.n_ctx = 7 + k, .n_batch = 1 + 9 * k, .n_seq = k};
            uint64_t kv, scratch, have_kv, have_scratch;
            nb_session *s = NULL;
            nb_err err = {0};
            nb_session_plan(&r.model->hp, &opt, &kv, &scratch);
            check(nb_session_open(&s, r.model, &r.ops, NULL, &opt, &err) == NB_OK, "%s", err.msg);
            nb_session_bytes(s, &have_kv, &have_scratch);
            check(kv == have_kv && scratch == have_scratch, "%s, options %u", rows[i].label, k);
            nb_session_close(&s);
        }
        rig_close(&r);
    }
}

/* --- the program ------------------------------------------------------------------------------
 */

static child run(const char *const *args)
{
    child_how how = {0};
    for (int i = 0; i < CHILD_ARGS && args[i]; i++)
        how.args[i] = args[i];
    return child_run(&how);
}

CHECK_TEST(archs, commands_take_a_cache_type_and_refuse_others)
{
    const char *demo = NB_TEST_ROOT "/tests/data/nibble-demo", *text = test_data("eval.txt");
    child plain = run((const char *const[]){"eval", demo, "-f", text, "-c", "64", "--chunks", "1",
                                            "--json", NULL});
    child small =
        run((const char *const[]){"eval", demo, "-f", text, "-c", "64", "--chunks", "1", "--json",
                                  "--cache-type-k", "Q8_0", "--cache-type-v", "q4_0", NULL});
    check(plain.code == 0 && small.code == 0, "%s%s", plain.err, small.err);
    check(strcmp(plain.out, small.out) != 0, "the same figures: %s", plain.out);
    child wrong =
        run((const char *const[]){"chat", demo, "-p", "a", "--cache-type-v", "q5_0", NULL});
    check(wrong.code == 2 && strstr(wrong.err, "cache-type-v") && strstr(wrong.err, "q8_0"),
          "status %d: %s", wrong.code, wrong.err);
    child_free(&plain);
    child_free(&small);
    child_free(&wrong);
}

/* What another cache gave is not the file's own figure: it is told and not kept. */
CHECK_TEST(archs, figures_of_another_cache_are_not_kept)
{
    static const char *const other[][4] = {
        {"--kv-f32"}, {"--cache-type-k", "bf16"}, {"--cache-type-v", "q8_0"}, {NULL}};
    const char *demo = NB_TEST_ROOT "/tests/data/nibble-demo", *text = test_data("eval.txt");
    const char *state = test_path(test_tmpdir(), "state");
    char env[1100];
    size_t n;
    snprintf(env, sizeof env, "XDG_STATE_HOME=%s", state);
    for (size_t i = 0; i < countof(other); i++) {
        child c = child_run(&(child_how){.args = {"eval", demo, "-f", text, "-c", "64", "--chunks",
                                                  "1", other[i][0], other[i][1]},
                                         .env = {env}});
        check(c.code == 0, "%s", c.err);
        child_free(&c);
        char *runs = test_slurp(test_path(state, "nibble/runs.jsonl"), &n);
        check((runs != NULL) == (other[i][0] == NULL), "%s: %s", other[i][0], runs);
        free(runs);
    }
}
