#include "core/model/session.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/base/touch.h"
#include "core/model/forward.h"

enum {
    ALIGN = 64,
    DEFAULT_CTX = 4096,
    LEAST_BATCH = 128, /* tokens of a pass where the caller names none, and */
    MOST_BATCH = 512,
    BATCH_STEP = 64,
    MAX_BATCH = 4096,
    TOUCH_LEAST = 32, /* tokens whose cache is made present together, */
    TOUCH_MOST = 1024,
};

/* One part of the scratch: where its address goes, and its length. */
typedef struct part {
    size_t field; /* offset of the pointer in nb_session */
    uint64_t bytes;
} part;

typedef struct plan {
    uint32_t n_ctx, n_batch, n_seq;
    const nk_type *k_type, *v_type;
    uint64_t k_row, v_row, kv_bytes, scratch_bytes, attn_row, parts_row;
    part parts[24];
} plan;

/* Saturates: a length that cannot be is refused by the allocation. */
static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t r = UINT64_MAX / 4;
    nb_mul(a, b, &r);
    return r < UINT64_MAX / 4 ? r : UINT64_MAX / 4;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* A pass reads all weights that caches do not keep, so the more tokens the better, as long as each
 * layer's products, after parts of which a cancel is looked for, stay a fraction of a second where
 * CPUs are slow. */
static uint32_t usual_batch(const nb_hparams *hp)
{
    const double kept = 1 << 20, products = 24e9;
    bool experts = hp->features & NB_ARCH_EXPERTS;
    double q = (double)hp->n_head * hp->head_dim, kv = (double)hp->n_head_kv * hp->head_dim;
    double ff = experts ? (double)hp->n_expert_used * hp->n_expert_ff + hp->n_shared_ff : hp->n_ff;
    double layer = hp->n_embd * (2 * q + 2 * kv + 3 * ff), tokens = products / (layer + 1);
    if (layer < kept || tokens < LEAST_BATCH)
        return LEAST_BATCH;
    return tokens < MOST_BATCH ? (uint32_t)tokens / BATCH_STEP * BATCH_STEP : MOST_BATCH;
}

static plan plan_of(const nb_hparams *hp, const nb_session_options *opt)
{
    static const nb_session_options none = {0};
    const nb_session_options *o = opt ? opt : &none;
    plan p = {.n_ctx = o->n_ctx, .n_batch = o->n_batch ? o->n_batch : usual_batch(hp)};
    if (p.n_ctx == 0)
        p.n_ctx = hp->n_ctx_train < DEFAULT_CTX ? hp->n_ctx_train : DEFAULT_CTX;
    p.n_batch = p.n_batch > MAX_BATCH ? MAX_BATCH : p.n_batch;
    p.n_batch = p.n_batch > p.n_ctx ? p.n_ctx : p.n_batch;
    uint64_t kv = (uint64_t)hp->n_head_kv * hp->head_dim, q = (uint64_t)hp->n_head * hp->head_dim;
    uint64_t m = p.n_batch > NB_HEAD_ROWS ? p.n_batch : NB_HEAD_ROWS, f = sizeof(float);
    uint64_t ff = most(hp->n_ff, most(hp->n_expert_ff, hp->n_shared_ff));
    uint64_t widest = most(most(hp->n_embd, ff), q), used = m * hp->n_expert_used;
    bool experts = hp->features & NB_ARCH_EXPERTS, local = hp->features & NB_ARCH_LOCAL_ROPE;
    bool apart = hp->features & (NB_ARCH_EXPERTS | NB_ARCH_PARALLEL | NB_ARCH_MAY_PARALLEL);
    const nk_type *plain = nk_type_get(o->kv_f32 ? NK_F32 : NK_F16);
    p.k_type = o->k_type ? o->k_type : plain;
    p.v_type = o->v_type ? o->v_type : plain;
    p.k_row = kv / p.k_type->block_len * p.k_type->block_size;
    p.v_row = kv / p.v_type->block_len * p.v_type->block_size;
    p.n_seq = o->n_seq ? o->n_seq : 1;
    p.kv_bytes = times(times(times(p.k_row + p.v_row, p.n_ctx), hp->n_layer), p.n_seq);
    uint64_t group = hp->n_head_kv ? hp->n_head / hp->n_head_kv : 0; /* 0: shapes not known */
    p.attn_row = nk_attn_scratch(hp->head_dim, (size_t)most(group, NB_ATTN_ROWS));
    p.parts_row = times((p.n_ctx + NK_ATTN_SPAN - 1) / NK_ATTN_SPAN,
                        nk_attn_state_floats(hp->head_dim, (size_t)group));
    const part parts[] = {
        {offsetof(nb_session, x), m * hp->n_embd * f},
        {offsetof(nb_session, norm), m * hp->n_embd * f},
        {offsetof(nb_session, out), apart ? m * hp->n_embd * f : 0},
        {offsetof(nb_session, q), m * q * f},
        {offsetof(nb_session, att), m * q * f},
        {offsetof(nb_session, k), m * kv * f},
        {offsetof(nb_session, v), m * kv * f},
        {offsetof(nb_session, gate), m * ff * f},
        {offsetof(nb_session, up), m * ff * f},
        {offsetof(nb_session, cs[0]), m * hp->n_rot * f},
        {offsetof(nb_session, cs[1]), local && hp->window ? m * hp->n_rot * f : 0},
        {offsetof(nb_session, attn), (uint64_t)NB_ATTN_SLOTS * p.attn_row * f},
        {offsetof(nb_session, parts), times(p.parts_row * f, hp->n_head_kv)},
        {offsetof(nb_session, tile), m * sizeof(nb_tile)},
        {offsetof(nb_session, logits), (uint64_t)NB_HEAD_ROWS * hp->n_vocab * f},
        {offsetof(nb_session, kept), p.n_seq > 1 ? (uint64_t)p.n_seq * hp->n_vocab * f : 0},
        {offsetof(nb_session, ids), (uint64_t)p.n_seq * p.n_ctx * sizeof(int32_t)},
        {offsetof(nb_session, column), m * sizeof(nb_column)},
        {offsetof(nb_session, matmul), nk_matmul_scratch((size_t)widest, (size_t)m)},
        {offsetof(nb_session, route), m * hp->n_expert * f},
        {offsetof(nb_session, routed), used * sizeof(nb_routed)},
        {offsetof(nb_session, by_expert), used * sizeof(nb_routed)},
        {offsetof(nb_session, start), experts ? (hp->n_expert + 1) * sizeof(uint32_t) : 0},
        {offsetof(nb_session, taken), experts ? 2 * m * hp->n_embd * f : 0},
    };
    memcpy(p.parts, parts, sizeof parts);
    p.scratch_bytes = ALIGN;
    for (size_t i = 0; i < countof(parts); i++)
        p.scratch_bytes += (parts[i].bytes + ALIGN - 1) / ALIGN * ALIGN;
    return p;
}

void nb_session_plan(const nb_hparams *hp, const nb_session_options *opt, uint64_t *kv,
                     uint64_t *scratch)
{
    plan p = plan_of(hp, opt);
    *kv = p.kv_bytes;
    *scratch = p.scratch_bytes;
}

/* Parts of no length stay NULL. */
static void place_scratch(nb_session *s, const plan *p)
{
    uint8_t *at = s->scratch;
    at += ALIGN - (uintptr_t)at % ALIGN;
    for (size_t i = 0; i < countof(p->parts); i++) {
        if (p->parts[i].bytes)
            memcpy((uint8_t *)s + p->parts[i].field, &at, sizeof at);
        at += (p->parts[i].bytes + ALIGN - 1) / ALIGN * ALIGN;
    }
    size_t rows = s->n_batch > NB_HEAD_ROWS ? s->n_batch : NB_HEAD_ROWS;
    s->given = s->taken ? s->taken + rows * s->model->hp.n_embd : NULL;
    s->out = s->out ? s->out : s->norm;
    size_t n_vocab = s->model->hp.n_vocab;
    for (uint32_t i = 0; i < s->n_seq; i++)
        s->seq[i] = (nb_seq){.ids = s->ids + (size_t)i * s->n_ctx,
                             .logits = s->kept ? s->kept + i * n_vocab : s->logits};
}

/* longrope has other angles for contexts longer than the first training's (build_rope_factors of
 * src/llama.cpp @ c392e50: the session's size decides, so that cached keys stay right). */
static void choose_turns(nb_session *s)
{
    const nb_model *m = s->model;
    bool far = s->n_ctx > m->hp.rope.n_ctx_orig && m->rope_freq[NB_TURNS_LONG];
    nb_turns main = far ? NB_TURNS_LONG : NB_TURNS_MAIN;
    s->freq[0] = m->rope_freq[main];
    s->gain[0] = m->rope_gain[main];
    s->freq[1] = m->rope_freq[NB_TURNS_LOCAL];
    s->gain[1] = m->rope_gain[NB_TURNS_LOCAL];
}

const nk_type *nb_session_kv_type(const char *name)
{
    static const nk_type_id types[] = {NK_F32, NK_F16, NK_BF16, NK_Q8_0, NK_Q4_0};
    const nk_type *t = nk_type_find(name);
    for (size_t i = 0; t && i < countof(types); i++)
        if (t->id == types[i])
            return t;
    return NULL;
}

static nb_status check_options(const nb_hparams *hp, const plan *p, nb_err *err)
{
    if ((hp->features & NB_ARCH_LEARNED) && p->n_ctx > hp->n_ctx_train)
        return nb_fail(err, NB_USAGE, "context of %u tokens: this model has learned %u positions",
                       p->n_ctx, hp->n_ctx_train);
    if (p->n_seq > NB_MAX_SEQ)
        return nb_fail(err, NB_USAGE, "%u sequences: at most %d", p->n_seq, NB_MAX_SEQ);
    const nk_type *const types[] = {p->k_type, p->v_type};
    for (size_t i = 0; i < countof(types); i++)
        if (!types[i]->is_float && hp->head_dim % NK_ATTN_BLOCK)
            return nb_fail(err, NB_USAGE,
                           "cache in %s: heads of %u values do not consist of blocks of %d",
                           types[i]->name, hp->head_dim, NK_ATTN_BLOCK);
    return NB_OK;
}

nb_status nb_session_open(nb_session **out, const nb_model *m, const nk_ops *ops, nk_pool *pool,
                          const nb_session_options *opt, nb_err *err)
{
    plan p = plan_of(&m->hp, opt);
    NB_TRY(check_options(&m->hp, &p, err));
    nb_session *s = nb_alloc(1, sizeof *s, "session", err);
    if (!s)
        return NB_NOMEM;
    *s = (nb_session){.model = m,
                      .ops = ops,
                      .pool = pool,
                      .n_ctx = p.n_ctx,
                      .n_batch = p.n_batch,
                      .n_seq = p.n_seq,
                      .k_type = p.k_type->id,
                      .v_type = p.v_type->id,
                      .k_row = (size_t)p.k_row,
                      .v_row = (size_t)p.v_row,
                      .kv_bytes = p.kv_bytes,
                      .attn_row = (size_t)p.attn_row,
                      .parts_row = (size_t)p.parts_row,
                      .scratch_bytes = p.scratch_bytes};
    s->cache = nb_alloc(p.kv_bytes + ALIGN, 1, "KV cache", NULL);
    s->scratch = nb_alloc(p.scratch_bytes, 1, "scratch", NULL);
    if (!s->cache || !s->scratch) {
        nb_session_close(&s);
        return nb_fail(err, NB_NOMEM,
                       "context of %u tokens: no memory for %" PRIu64
                       " bytes of KV cache and %" PRIu64 " bytes of scratch",
                       p.n_ctx, p.kv_bytes, p.scratch_bytes);
    }
    s->kv = (uint8_t *)s->cache + ALIGN - (uintptr_t)s->cache % ALIGN;
    place_scratch(s, &p);
    choose_turns(s);
    *out = s;
    return NB_OK;
}

void nb_session_use_pool(nb_session *s, nk_pool *pool)
{
    s->pool = pool;
}

void nb_session_close(nb_session **sp)
{
    nb_session *s = *sp;
    if (!s)
        return;
    free(s->cache);
    free(s->scratch);
    free(s->thin);
    free(s);
    *sp = NULL;
}

static nb_status check_ids(const nb_session *s, const int32_t *ids, size_t n, nb_err *err)
{
    if (n < 1)
        return nb_fail(err, NB_REFUSED, "no tokens to evaluate");
    if (n > s->n_ctx)
        return nb_fail(err, NB_REFUSED, "context full: %zu tokens, room for %u", n, s->n_ctx);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= s->model->hp.n_vocab)
            return nb_fail(err, NB_FORMAT, "token %zu: id %d, the model has %u tokens", i, ids[i],
                           s->model->hp.n_vocab);
    return NB_OK;
}

static nb_seq *now(nb_session *s)
{
    return &s->seq[s->now];
}

/* Logits of column j of the last pass become the sequence's. */
static nb_status keep_logits(nb_session *s, nb_seq *q, size_t j, nb_err *err)
{
    NB_TRY(nb_forward_head(s, j, 1, err));
    if (q->logits != s->logits)
        memcpy(q->logits, s->logits, s->model->hp.n_vocab * sizeof *s->logits);
    q->has_logits = true;
    return NB_OK;
}

/* Rows of the cache, in all layers. */
typedef struct rows {
    const nb_session *s;
    size_t from, n;
} rows;

/* Of layer i / 2 the keys, or the values. */
static void touch_rows(void *arg, size_t begin, size_t end, int thread)
{
    const rows *r = arg;
    const nb_session *s = r->s;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        size_t row = i % 2 ? s->v_row : s->k_row;
        nb_touch(nb_kv_of(s, s->now, i / 2, i % 2) + r->from * row, (uint64_t)r->n * row);
    }
}

/* The cache of what is evaluated next is made present, of a prompt at once, not page by page. */
static void touch_cache(nb_session *s, nb_seq *q, size_t n)
{
    rows r = {.s = s, .from = q->n > q->touched ? q->n : q->touched};
    size_t end = n - q->n < TOUCH_MOST ? n : q->n + TOUCH_MOST;
    if (end < r.from + TOUCH_LEAST || q->n + s->n_batch <= q->touched)
        return;
    r.n = end - r.from;
    q->touched = end;
    nk_parallel(s->pool, 2 * (size_t)s->model->hp.n_layer, 1, touch_rows, &r);
}

/* How far a prompt is, told of the layers of one of its passes. */
typedef struct passing {
    const nb_hooks *prompt;
    uint64_t before, take, total; /* tokens */
} passing;

static void layer_done(void *ud, const nb_progress *p)
{
    const passing *b = ud;
    uint64_t done = b->before + b->take * p->done / p->total;
    nb_report(b->prompt, &(nb_progress){.what = "prompt", .done = done, .total = b->total});
}

static bool prompt_canceled(void *ud)
{
    return nb_canceled(((const passing *)ud)->prompt);
}

/* Evaluates the next chunk of ids[0..n) in the current sequence and moves its end; *m = its length.
 * Hidden states are wanted of positions >= from. */
static nb_status advance(nb_session *s, const int32_t *ids, size_t n, size_t from, size_t *m,
                         const nb_hooks *hooks, nb_err *err)
{
    nb_seq *q = now(s);
    size_t left = n - q->n, take = left < s->n_batch ? left : s->n_batch;
    size_t want = from > q->n ? from - q->n : 0;
    touch_cache(s, q, n);
    for (size_t j = 0; j < take; j++)
        s->column[j] = (nb_column){.seq = s->now, .pos = (uint32_t)(q->n + j)};
    passing by = {.prompt = hooks, .before = q->n, .take = take, .total = n};
    const nb_hooks layers = {.progress = layer_done, .canceled = prompt_canceled, .ud = &by};
    NB_TRY(nb_forward(s, ids + q->n, take, want < take ? want : take, &layers, err));
    memmove(q->ids + q->n, ids + q->n, take * sizeof *ids);
    q->n += take;
    nb_report(hooks, &(nb_progress){.what = "prompt", .done = q->n, .total = n});
    *m = take;
    return NB_OK;
}

nb_status nb_session_feed(nb_session *s, const int32_t *ids, size_t n, size_t *reused,
                          const nb_hooks *hooks, nb_err *err)
{
    nb_seq *q = now(s);
    NB_TRY(check_ids(s, ids, n, err));
    size_t keep = 0, m = 0;
    while (keep < q->n && keep < n - 1 && q->ids[keep] == ids[keep])
        keep++;
    q->n = keep;
    q->has_logits = false;
    while (q->n < n)
        NB_TRY(advance(s, ids, n, n - 1, &m, hooks, err));
    NB_TRY(keep_logits(s, q, m - 1, err));
    if (reused)
        *reused = keep;
    return NB_OK;
}

nb_status nb_session_next(nb_session *s, nb_sampler *smp, nb_choice *choice, const nb_hooks *hooks,
                          nb_err *err)
{
    nb_seq *q = now(s);
    if (!q->has_logits)
        return nb_fail(err, NB_REFUSED, "no logits to choose a token from");
    if (nb_canceled(hooks))
        return nb_fail(err, NB_CANCELED, "cancelled");
    nb_choice c;
    NB_TRY(nb_sampler_pick(smp, q->logits, q->ids, q->n, &c, err));
    *choice = c; /* stands even if its evaluation fails: logits are gone then */
    q->has_logits = false;
    if (q->n == s->n_ctx)
        return nb_fail(err, NB_REFUSED, "context full: %u tokens", s->n_ctx);
    s->column[0] = (nb_column){.seq = s->now, .pos = (uint32_t)q->n};
    const nb_hooks quiet = nb_quiet(hooks);
    NB_TRY(nb_forward(s, &c.id, 1, 0, &quiet, err));
    q->ids[q->n++] = c.id;
    return keep_logits(s, q, 0, err);
}

/* --- several sequences --------------------------------------------------------------------------
 */

void nb_session_use_seq(nb_session *s, uint32_t seq)
{
    assert(seq < s->n_seq);
    s->now = seq;
}

void nb_session_copy_seq(nb_session *s, uint32_t from)
{
    assert(from < s->n_seq);
    nb_seq *to = now(s);
    const nb_seq *src = &s->seq[from];
    if (to == src)
        return;
    for (size_t l = 0; l < s->model->hp.n_layer; l++)
        for (int values = 0; values < 2; values++)
            memcpy(nb_kv_of(s, s->now, l, values), nb_kv_of(s, from, l, values),
                   src->n * (values ? s->v_row : s->k_row));
    memcpy(to->ids, src->ids, src->n * sizeof *to->ids);
    if (src->has_logits)
        memcpy(to->logits, src->logits, s->model->hp.n_vocab * sizeof *to->logits);
    to->n = src->n;
    to->has_logits = src->has_logits;
}

static nb_status check_each(const nb_session *s, const uint32_t *seq, size_t n, nb_err *err)
{
    for (size_t i = 0; i < n; i++) {
        assert(seq[i] < s->n_seq);
        if (s->seq[seq[i]].n == s->n_ctx)
            return nb_fail(err, NB_REFUSED, "sequence %u: context full: %u tokens", seq[i],
                           s->n_ctx);
    }
    return NB_OK;
}

nb_status nb_session_append_each(nb_session *s, const uint32_t *seq, size_t n, const int32_t *ids,
                                 const nb_hooks *hooks, nb_err *err)
{
    assert(n <= s->n_seq);
    NB_TRY(check_ids(s, ids, n, err));
    NB_TRY(check_each(s, seq, n, err));
    const nb_hooks quiet = nb_quiet(hooks);
    for (size_t i = 0; i < n; i++)
        s->seq[seq[i]].has_logits = false;
    for (size_t at = 0, m; at < n; at += m) { /* as many as a pass takes */
        m = n - at < s->n_batch ? n - at : s->n_batch;
        for (size_t j = 0; j < m; j++)
            s->column[j] = (nb_column){.seq = seq[at + j], .pos = (uint32_t)s->seq[seq[at + j]].n};
        NB_TRY(nb_forward(s, ids + at, m, 0, &quiet, err));
        for (size_t j = 0; j < m; j++) {
            nb_seq *q = &s->seq[seq[at + j]];
            q->ids[q->n++] = ids[at + j];
        }
        NB_TRY(nb_forward_head(s, 0, m, err));
        for (size_t j = 0; j < m; j++) {
            nb_seq *q = &s->seq[seq[at + j]];
            size_t n_vocab = s->model->hp.n_vocab;
            memmove(q->logits, s->logits + j * n_vocab, n_vocab * sizeof *q->logits);
            q->has_logits = true;
        }
    }
    return NB_OK;
}

/* --- on trial -----------------------------------------------------------------------------------
 */

size_t nb_session_most_tried(const nb_session *s)
{
    return s->n_batch < NB_MAX_TRY ? s->n_batch : NB_MAX_TRY;
}

nb_status nb_session_try(nb_session *s, const int32_t *ids, size_t n, const nb_hooks *hooks,
                         nb_err *err)
{
    nb_seq *q = now(s);
    assert(n <= nb_session_most_tried(s));
    NB_TRY(check_ids(s, ids, n, err));
    if (n > s->n_ctx - q->n)
        return nb_fail(err, NB_REFUSED, "context full: %zu and %zu tokens, room for %u", q->n, n,
                       s->n_ctx);
    q->has_logits = false;
    for (size_t j = 0; j < n; j++)
        s->column[j] = (nb_column){.seq = s->now, .pos = (uint32_t)(q->n + j)};
    const nb_hooks quiet = nb_quiet(hooks);
    NB_TRY(nb_forward(s, ids, n, 0, &quiet, err));
    NB_TRY(nb_forward_head(s, 0, n, err));
    memmove(q->ids + q->n, ids, n * sizeof *ids);
    s->tried_at = q->n;
    s->tried = n;
    return NB_OK;
}

void nb_session_keep(nb_session *s, size_t n)
{
    nb_seq *q = now(s);
    size_t n_vocab = s->model->hp.n_vocab;
    assert(n >= 1 && n <= s->tried && s->tried_at + n > q->n);
    memmove(q->logits, s->logits + (n - 1) * n_vocab, n_vocab * sizeof *q->logits);
    q->n = s->tried_at + n;
    q->has_logits = true;
}

const float *nb_session_logits(const nb_session *s)
{
    return s->seq[s->now].has_logits ? s->seq[s->now].logits : NULL;
}

/* Logits of columns [from, m) of the last pass, whose first is position start, to fn. */
static nb_status show_logits(nb_session *s, size_t start, size_t from, size_t m, nb_logits_fn *fn,
                             void *arg, const nb_hooks *hooks, nb_err *err)
{
    size_t n_vocab = s->model->hp.n_vocab, n_embd = s->model->hp.n_embd;
    for (size_t j = from; j < m; j += NB_HEAD_ROWS) {
        size_t count = m - j < NB_HEAD_ROWS ? m - j : NB_HEAD_ROWS;
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        NB_TRY(nb_forward_head(s, j, count, err));
        for (size_t k = 0; k < count; k++) {
            s->hidden = s->norm + k * n_embd;
            fn(arg, start + j + k, s->logits + k * n_vocab);
        }
        s->hidden = NULL;
    }
    return NB_OK;
}

nb_status nb_session_extend(nb_session *s, const int32_t *ids, size_t n, size_t from,
                            nb_logits_fn *fn, void *arg, const nb_hooks *hooks, nb_err *err)
{
    nb_seq *q = now(s);
    NB_TRY(check_ids(s, ids, n, err));
    size_t keep = 0;
    while (keep < q->n && keep < from && keep < n && q->ids[keep] == ids[keep])
        keep++;
    q->n = keep;
    q->has_logits = false;
    while (q->n < n) {
        size_t start = q->n, m;
        NB_TRY(advance(s, ids, n, from, &m, hooks, err));
        NB_TRY(show_logits(s, start, from > start ? from - start : 0, m, fn, arg, hooks, err));
    }
    return NB_OK;
}

nb_status nb_session_score(nb_session *s, const int32_t *ids, size_t n, size_t from,
                           nb_logits_fn *fn, void *arg, const nb_hooks *hooks, nb_err *err)
{
    NB_TRY(check_ids(s, ids, n, err));
    nb_session_reset(s);
    return nb_session_extend(s, ids, n, from, fn, arg, hooks, err);
}

void nb_session_reset(nb_session *s)
{
    now(s)->n = 0;
    now(s)->has_logits = false;
}

const float *nb_session_hidden(const nb_session *s)
{
    return s->hidden;
}

void nb_session_tap(nb_session *s, nb_tap_fn *fn, void *ud)
{
    s->tap = fn;
    s->tap_ud = ud;
}

nb_status nb_session_watch(nb_session *s, const int32_t *ids, size_t n, bool output,
                           const nb_hooks *hooks, nb_err *err)
{
    nb_seq *q = now(s);
    NB_TRY(check_ids(s, ids, n, err));
    q->n = 0;
    q->has_logits = false;
    while (q->n < n) {
        size_t m;
        NB_TRY(advance(s, ids, n, 0, &m, hooks, err));
        for (size_t j = 0; output && j < m; j += NB_HEAD_ROWS) {
            size_t count = m - j < NB_HEAD_ROWS ? m - j : NB_HEAD_ROWS;
            if (nb_canceled(hooks))
                return nb_fail(err, NB_CANCELED, "cancelled");
            NB_TRY(nb_forward_head(s, j, count, err));
        }
    }
    return NB_OK;
}

const int32_t *nb_session_tokens(const nb_session *s, size_t *n)
{
    *n = s->seq[s->now].n;
    return s->seq[s->now].ids;
}

uint32_t nb_session_ctx(const nb_session *s)
{
    return s->n_ctx;
}

uint32_t nb_session_sequences(const nb_session *s)
{
    return s->n_seq;
}

const nb_model *nb_session_model(const nb_session *s)
{
    return s->model;
}

void nb_session_bytes(const nb_session *s, uint64_t *kv, uint64_t *scratch)
{
    *kv = s->kv_bytes;
    *scratch = s->scratch_bytes;
}
