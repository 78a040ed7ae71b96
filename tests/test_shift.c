/* Context shift: keys are where they would be had the kept tokens stood there, and a chat goes on.
 */
#include "tests/arch_rows.h"
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include "core/base/str.h"
#include "core/model/chat.h"
#include "core/model/forward.h"
#include "core/model/session_file.h"
#include "kernels/cpu.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_IDS = 44, N_VOCAB = 300, KEEP = 3, DROP = 17 };

typedef struct rig {
    nb_weights *weights;
    nb_model *model;
    nk_ops ops;
    nk_pool *pool;
    nb_session *s;
    int32_t ids[N_IDS];
} rig;

static nb_session *session(rig *r, nb_session_options opt)
{
    nb_session *s = NULL;
    nb_err err = {0};
    check(nb_session_open(&s, r->model, &r->ops, r->pool, &opt, &err) == NB_OK, "%s", err.msg);
    return s;
}

static void rig_open(rig *r, const tiny *t, nb_session_options opt)
{
    nb_err err = {0};
    *r = (rig){0};
    arch_row row = {"shift", *t, false};
    const char *path = test_path(test_tmpdir(), "shift.gguf");
    arch_row_write(path, &row, NK_F32);
    check(nb_weights_open(&r->weights, path, &err) == NB_OK, "%s", err.msg);
    check(nb_model_open(&r->model, r->weights, &err) == NB_OK, "%s", err.msg);
    check(nk_pool_open(&r->pool, 3, &err) == NB_OK, "%s", err.msg);
    nk_ops_init(&r->ops, nk_cpu_detect());
    test_rng rng = test_rng_make(5);
    for (size_t i = 0; i < N_IDS; i++)
        r->ids[i] = (int32_t)test_below(&rng, N_VOCAB);
    r->s = session(r, opt);
}

static void rig_close(rig *r)
{
    nb_session_close(&r->s);
    nk_pool_close(&r->pool);
    nb_model_close(&r->model);
    nb_weights_close(&r->weights);
}

static const tiny *model_of(const char *label)
{
    const arch_row *rows;
    size_t n = arch_rows(&rows), i = 0;
    while (i < n && strcmp(rows[i].label, label) != 0)
        i++;
    check(i < n, "%s", label);
    return &rows[i].model;
}

static size_t feed(nb_session *s, const int32_t *ids, size_t n)
{
    nb_err err = {0};
    size_t reused = 0;
    check(nb_session_feed(s, ids, n, &reused, NULL, &err) == NB_OK, "%s", err.msg);
    return reused;
}

/* The tokens after a shift of `have`, and one more. */
static size_t shifted_ids(const rig *r, size_t have, int32_t out[N_IDS])
{
    size_t n = 0;
    for (size_t i = 0; i < have; i++)
        if (i < KEEP || i >= KEEP + DROP)
            out[n++] = r->ids[i];
    out[n++] = r->ids[have];
    return n;
}

static double furthest(const float *a, const float *b, size_t n, double *size)
{
    double far = 0;
    *size = 0;
    for (size_t i = 0; i < n; i++) {
        far = fmax(far, fabs((double)a[i] - (double)b[i]));
        *size = fmax(*size, fabs((double)b[i]));
    }
    return far;
}

/* With one layer, what is cached of a token depends on nothing before it: a shifted cache is then
 * the one of a session that was given the kept tokens alone. */
CHECK_TEST(shift, of_one_layer_gives_the_logits_of_the_kept_tokens_alone)
{
    const arch_row *rows;
    size_t n_rows = arch_rows(&rows), tried = 0;
    for (size_t i = 0; i < n_rows; i++) {
        tiny t = rows[i].model;
        int32_t ids[N_IDS];
        double size;
        rig r;
        nb_session_options opt = {.n_ctx = 64, .kv_f32 = true};
        if (strcmp(t.arch, "gpt2") == 0)
            continue;
        t.n_layer = 1;
        rig_open(&r, &t, opt);
        feed(r.s, r.ids, 40);
        check(nb_session_shift(r.s, KEEP, DROP, NULL) == NB_OK, "%s", rows[i].label);
        size_t n = shifted_ids(&r, 40, ids);
        check(feed(r.s, ids, n) == n - 1, "%s: the cache is not found again", rows[i].label);
        nb_session *fresh = session(&r, opt);
        feed(fresh, ids, n);
        double far = furthest(nb_session_logits(r.s), nb_session_logits(fresh), N_VOCAB, &size);
        check(far <= 2e-5 * size, "%s: %g of %g", rows[i].label, far, size);
        tried++;
        nb_session_close(&fresh);
        rig_close(&r);
    }
    check(tried > 30, "%zu models", tried);
}

/* A cached key of one head, turned back by `drop` positions, in doubles. */
static void turn_back(const nb_session *s, const nb_layer *l, const float *x, float *out)
{
    const nb_hparams *hp = &s->model->hp;
    uint32_t pairs = hp->n_rot / 2;
    bool neox = hp->arch->position == NB_POS_NEOX;
    memcpy(out, x, hp->head_dim * sizeof *x);
    for (uint32_t i = 0; l->turn != NB_TURN_NONE && i < pairs; i++) {
        double a = -DROP * (double)s->freq[l->turn == NB_TURN_LOCAL][i];
        uint32_t p = neox ? i : 2 * i, q = neox ? i + pairs : 2 * i + 1;
        out[p] = (float)(x[p] * cos(a) - x[q] * sin(a));
        out[q] = (float)(x[p] * sin(a) + x[q] * cos(a));
    }
}

/* Every key of every layer is what it was, turned, rounded once to the cache's type; every value is
 * what it was. Tolerance: of the largest value of its head. */
static void check_cache(const char *label, const char *type, double tolerance)
{
    rig r;
    nb_session_options opt = {.n_ctx = 64, .k_type = nb_session_kv_type(type)};
    rig_open(&r, model_of(label), opt);
    feed(r.s, r.ids, 40);
    const nb_hparams *hp = &r.model->hp;
    size_t nkv = (size_t)hp->n_head_kv * hp->head_dim, size = (size_t)r.s->kv_bytes;
    size_t k_size = 64 * r.s->k_row, v_size = 64 * r.s->v_row;
    uint8_t *before = malloc(size);
    float *old = malloc(3 * nkv * sizeof *old), *new = old + nkv, *want = new + nkv;
    check(before && old, "memory");
    memcpy(before, r.s->kv, size);
    check(nb_session_shift(r.s, KEEP, DROP, NULL) == NB_OK, "%s", label);
    for (uint32_t layer = 0; layer < hp->n_layer; layer++)
        for (size_t pos = 0; pos < 40 - DROP; pos++) {
            size_t from = pos < KEEP ? pos : pos + DROP, at = layer * (k_size + v_size);
            const uint8_t *v = before + at + k_size + from * r.s->v_row;
            r.ops.decode[r.s->k_type](before + at + from * r.s->k_row, old, nkv);
            r.ops.decode[r.s->k_type](r.s->kv + at + pos * r.s->k_row, new, nkv);
            check(memcmp(v, r.s->kv + at + k_size + pos * r.s->v_row, r.s->v_row) == 0,
                  "%s: value %zu of layer %u", label, pos, layer);
            for (uint32_t h = 0; h < hp->n_head_kv; h++) {
                double big, far;
                const float *x = old + h * hp->head_dim;
                memcpy(want, x, hp->head_dim * sizeof *x);
                if (pos >= KEEP)
                    turn_back(r.s, &r.model->layer[layer], x, want);
                far = furthest(new + h * hp->head_dim, want, hp->head_dim, &big);
                check(far <= (pos < KEEP ? 0 : tolerance) * big,
                      "%s %s: layer %u key %zu: %g of %g", label, type, layer, pos, far, big);
            }
        }
    free(before);
    free(old);
    rig_close(&r);
}

CHECK_TEST(shift, every_kind_of_rope_is_turned_back_exactly)
{
    static const char *const labels[] = {
        "llama",         "llama-factors", "llama-linear", "llama-yarn",    "smollm3",
        "granite-still", "gemma2",        "gemma3",       "phi3-longrope", "phi3-shortrope",
        "olmo3",         "stablelm",      "gpt-oss",      "command-r",     "falcon"};
    for (size_t i = 0; i < countof(labels); i++)
        check_cache(labels[i], "f32", 1e-6);
}

/* Blocks hold 32 values: rows of those models whose heads have as many. */
CHECK_TEST(shift, every_type_of_cache_is_rounded_once)
{
    static const struct {
        const char *type;
        double tolerance;
    } rows[] = {{"f16", 0x1p-11}, {"bf16", 0x1p-8}, {"q8_0", 0.57 / 127}, {"q4_0", 1.05 / 8}};
    for (size_t i = 0; i < countof(rows); i++) {
        check_cache("qwen3", rows[i].type, rows[i].tolerance);
        check_cache("gemma3", rows[i].type, rows[i].tolerance);
    }
}

CHECK_TEST(shift, is_the_same_for_any_thread_count)
{
    rig r;
    nb_session_options opt = {.n_ctx = 64};
    rig_open(&r, model_of("gemma3"), opt);
    feed(r.s, r.ids, 40);
    nb_session *one = session(&r, opt);
    nb_session_use_pool(one, NULL);
    feed(one, r.ids, 40);
    check(nb_session_shift(r.s, KEEP, DROP, NULL) == NB_OK, "three threads");
    check(nb_session_shift(one, KEEP, DROP, NULL) == NB_OK, "one");
    int32_t ids[N_IDS];
    size_t n = shifted_ids(&r, 40, ids);
    feed(r.s, ids, n);
    feed(one, ids, n);
    check(memcmp(nb_session_logits(r.s), nb_session_logits(one), N_VOCAB * sizeof(float)) == 0,
          "bits");
    nb_session_close(&one);
    rig_close(&r);
}

CHECK_TEST(shift, what_cannot_be_shifted_says_so_and_stays)
{
    rig r;
    nb_err err = {0};
    rig_open(&r, model_of("gpt2"), (nb_session_options){.n_ctx = 64});
    feed(r.s, r.ids, 20);
    check(nb_session_shift(r.s, 2, 4, &err) == NB_UNSUPPORTED, "learned positions");
    check(strstr(err.msg, "gpt2 has learned its positions"), "%s", err.msg);
    check(feed(r.s, r.ids, 21) == 20, "the session was changed");
    rig_close(&r);
    rig_open(&r, model_of("llama"), (nb_session_options){.n_ctx = 64});
    feed(r.s, r.ids, 20);
    static const size_t bad[][2] = {{21, 0}, {0, 21}, {19, 2}, {SIZE_MAX, 1}, {1, SIZE_MAX}};
    for (size_t i = 0; i < countof(bad); i++)
        check(nb_session_shift(r.s, bad[i][0], bad[i][1], &err) == NB_USAGE, "row %zu", i);
    check(feed(r.s, r.ids, 21) == 20, "the session was changed");
    check(nb_session_shift(r.s, 21, 0, &err) == NB_OK && nb_session_logits(r.s), "nothing to drop");
    check(nb_session_shift(r.s, 0, 21, &err) == NB_OK, "everything");
    size_t n;
    check(nb_session_tokens(r.s, &n) && n == 0, "%zu left", n);
    rig_close(&r);
}

CHECK_TEST(shift, a_shifted_session_is_saved_and_restored)
{
    const char *path = test_path(test_tmpdir(), "shifted");
    rig r;
    int32_t ids[N_IDS];
    nb_err err = {0};
    nb_session_options opt = {.n_ctx = 40};
    rig_open(&r, model_of("llama-yarn"), opt);
    feed(r.s, r.ids, 40);
    check(nb_session_shift(r.s, KEEP, DROP, &err) == NB_OK, "%s", err.msg);
    check(nb_session_save(r.s, path, NULL, &err) == NB_OK, "%s", err.msg);
    nb_session *back = session(&r, opt);
    check(nb_session_restore(back, path, NULL, &err) == NB_OK, "%s", err.msg);
    size_t n = shifted_ids(&r, 40, ids);
    check(feed(r.s, ids, n) == n - 1 && feed(back, ids, n) == n - 1, "reused");
    check(memcmp(nb_session_logits(r.s), nb_session_logits(back), N_VOCAB * sizeof(float)) == 0,
          "bits");
    nb_session_close(&back);
    rig_close(&r);
}

/* --- a chat goes on ----------------------------------------------------------------------------
 */

typedef struct heard {
    uint32_t n, dropped, first; /* tokens; tokens forgotten; the token before which first */
    uint32_t shifts;
} heard;

static void hear(void *arg, const nb_token_event *e)
{
    heard *h = arg;
    if (e->id < 0)
        return;
    if (e->dropped && !h->shifts++)
        h->first = e->index;
    h->dropped += e->dropped;
    h->n++;
}

static nb_local *demo(const nk_ops *ops, uint32_t n_ctx)
{
    nb_local *l = NULL;
    nb_err err = {0};
    const nb_session_options opt = {.n_ctx = n_ctx};
    check(nb_local_open(&l, test_data("nibble-demo"), ops, NULL, 0, &opt, &err) == NB_OK, "%s",
          err.msg);
    return l;
}

static nb_status ask(nb_local *l, const nb_message *msg, size_t n, uint32_t max, bool shift,
                     heard *h, nb_turn_stats *st, nb_err *err)
{
    const nb_sampling wild = {.temp = 3, .top_p = 1, .repeat_penalty = 1, .seed = 11};
    const nb_ask a = {.messages = msg,
                      .n_messages = n,
                      .max_tokens = max,
                      .shift = shift,
                      .token = hear,
                      .arg = h,
                      .sampling = wild};
    nb_responder *r = nb_local_responder(l);
    *h = (heard){0};
    return r->ask(r, &a, st, NULL, err);
}

/* At this temperature the demo does not come to an end by itself. */
CHECK_TEST(shift, an_answer_goes_on_past_the_context)
{
    nk_ops ops;
    nk_ops_init(&ops, nk_cpu_detect());
    nb_local *l = demo(&ops, 40);
    nb_message msg[] = {{NB_USER, "What is Q4_K?", 13}}; /* 11 ids, BOS and <|user|> in front */
    heard h;
    nb_turn_stats st;
    nb_err err = {0};
    check(ask(l, msg, 1, 150, false, &h, &st, &err) == NB_OK && st.stop == NB_STOP_CONTEXT, "%s",
          err.msg);
    check(h.n == 30 && !h.shifts && st.n_dropped == 0, "%u tokens, %u shifts", h.n, h.shifts);
    check(ask(l, msg, 1, 150, true, &h, &st, &err) == NB_OK && st.stop == NB_STOP_LIMIT, "%s",
          err.msg);
    check(h.n == 150 && h.shifts >= 6 && h.first == 30, "%u tokens, %u shifts, first at %u", h.n,
          h.shifts, h.first);
    check(h.dropped == st.n_dropped && h.dropped == h.shifts * 19, "%u dropped", h.dropped);
    size_t n;
    const int32_t *ids = nb_session_tokens(nb_local_session(l), &n);
    check(n <= 40 && ids[0] == nb_tok_bos(nb_local_tok(l)), "%zu tokens, the first is %d", n,
          ids[0]);
    nb_local_close(&l);
}

/* A conversation that has outgrown the context is cut where its answer was: its cache is found. */
CHECK_TEST(shift, a_long_conversation_is_cut_and_told)
{
    nk_ops ops;
    nk_ops_init(&ops, nk_cpu_detect());
    nb_local *l = demo(&ops, 40);
    static const char text[] = "Two bits have only four levels. Every weight must move to one of "
                               "them, so the errors are large and they add up from layer to layer.";
    nb_message msg[] = {{NB_USER, "Why do low bits hurt?", 21},
                        {NB_ASSISTANT, text, sizeof text - 1},
                        {NB_USER, "who are you", 11}};
    heard h;
    nb_turn_stats st;
    nb_err err = {0};
    check(ask(l, msg, 3, 5, false, &h, &st, &err) == NB_REFUSED && st.stop == NB_STOP_CONTEXT,
          "fits");
    check(strstr(err.msg, "tokens long, room for 40"), "%s", err.msg);
    check(ask(l, msg, 3, 5, true, &h, &st, &err) == NB_OK, "%s", err.msg);
    check(h.n == 5 && h.first == 0 && st.n_dropped % 19 == 0 && st.n_dropped >= 19, "%u dropped",
          st.n_dropped);
    check(st.n_prompt > 40 && st.n_prompt - st.n_dropped <= 40, "%u of %u", st.n_dropped,
          st.n_prompt);
    check(ask(l, msg, 3, 5, true, &h, &st, &err) == NB_OK && st.n_reused > 20, "%u reused",
          st.n_reused);
    nb_local_close(&l);
}

/* A26: no context is too small for a defined end. */
CHECK_TEST(shift, tiny_contexts_end_or_refuse_A26)
{
    nk_ops ops;
    nk_ops_init(&ops, nk_cpu_detect());
    for (uint32_t ctx = 1; ctx < 20; ctx++) {
        nb_local *l = demo(&ops, ctx);
        nb_message msg[] = {{NB_USER, "What is Q4_K?", 13}};
        heard h;
        nb_turn_stats st;
        nb_err err = {0};
        nb_status status = ask(l, msg, 1, 60, true, &h, &st, &err);
        if (status == NB_OK)
            check(h.n == st.n_answer && (h.n == 60 || st.stop == NB_STOP_END), "ctx %u: %u", ctx,
                  h.n);
        else
            check(status == NB_REFUSED && ctx < 6 && strstr(err.msg, "context full"), "ctx %u: %s",
                  ctx, err.msg);
        nb_local_close(&l);
    }
}

CHECK_TEST(shift, without_a_limit_an_answer_ends_all_the_same)
{
    nk_ops ops;
    nk_ops_init(&ops, nk_cpu_detect());
    nb_local *l = demo(&ops, 24);
    nb_message msg[] = {{NB_USER, "What is Q4_K?", 13}};
    heard h;
    nb_turn_stats st;
    nb_err err = {0};
    check(ask(l, msg, 1, 0, true, &h, &st, &err) == NB_OK, "%s", err.msg);
    check(h.n <= 512 && (st.stop == NB_STOP_END || (h.n == 512 && st.stop == NB_STOP_LIMIT)),
          "%u tokens, stop %d", h.n, st.stop);
    nb_local_close(&l);
}
