#include "core/model/forward.h"

#include <math.h>

enum {
    SLICE = 1024,        /* elements of silu * up done in one go; fixed, so lanes never shift */
    ALONE_BELOW = 32768, /* multiply-adds not worth waking other threads for */
};

/* What the workers of one step see. */
typedef struct step {
    nb_session *s;
    const int32_t *ids;
    size_t m, at;      /* columns, first position */
    size_t first;      /* columns before it end with their K and V: no more is asked of them */
    const float *norm; /* weights of the norm */
    bool residual;     /* s->norm holds a matmul's output that x is still owed */
    uint8_t *k, *v;    /* this layer's cache */
    size_t tasks, slots;
} step;

static void run(const nb_session *s, size_t n, size_t work, nk_pool_fn *fn, void *arg)
{
    nk_parallel(work < ALONE_BELOW ? NULL : s->pool, n, 1, fn, arg);
}

/* Embedding row and rotation angles of each column. */
static void embed(void *arg, size_t begin, size_t end, int thread)
{
    const step *p = arg;
    const nb_session *s = p->s;
    const nk_matrix *w = &s->model->global[NB_TOKEN_EMBD];
    size_t pairs = s->model->hp.n_rot / 2;
    (void)thread;
    for (size_t j = begin; j < end; j++) {
        s->ops->decode[w->type->id]((const uint8_t *)w->data + (size_t)p->ids[j] * w->row_size,
                                    s->x + j * w->cols, w->cols);
        for (size_t i = 0; i < pairs; i++) {
            double angle = (double)(p->at + j) * (double)s->model->rope_freq[i];
            s->cs[(j * pairs + i) * 2] = (float)cos(angle);
            s->cs[(j * pairs + i) * 2 + 1] = (float)sin(angle);
        }
    }
}

/* x += what the last matmul left in norm; norm = rmsnorm(x) */
static void add_norm(void *arg, size_t begin, size_t end, int thread)
{
    const step *p = arg;
    const nb_session *s = p->s;
    size_t n = s->model->hp.n_embd;
    (void)thread;
    for (size_t j = p->first + begin; j < p->first + end; j++) {
        if (p->residual)
            s->ops->add(s->x + j * n, s->norm + j * n, n);
        if (p->norm)
            s->ops->rmsnorm(s->norm + j * n, s->x + j * n, p->norm, n, s->model->hp.rms_eps);
    }
}

static void store(const nb_session *s, uint8_t *cache, size_t pos, const float *row)
{
    size_t n = (size_t)s->model->hp.n_head_kv * s->model->hp.head_dim;
    s->ops->encode[s->kv_type](row, cache + pos * s->kv_row, 1, n, NULL);
}

/* Rotates q and k, appends k and v to the cache. */
static void rotate_store(void *arg, size_t begin, size_t end, int thread)
{
    const step *p = arg;
    const nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    size_t nq = (size_t)hp->n_head * hp->head_dim, nkv = (size_t)hp->n_head_kv * hp->head_dim;
    nk_rope_kind kind = hp->arch->flags & NB_ARCH_ROPE_NEOX ? NK_ROPE_NEOX : NK_ROPE_NORM;
    (void)thread;
    for (size_t j = begin; j < end; j++) {
        const float *cs = s->cs + j * hp->n_rot;
        if (j >= p->first)
            s->ops->rope(s->q + j * nq, hp->n_head, hp->head_dim, cs, hp->n_rot, kind);
        s->ops->rope(s->k + j * nkv, hp->n_head_kv, hp->head_dim, cs, hp->n_rot, kind);
        store(s, p->k, p->at + j, s->k + j * nkv);
        store(s, p->v, p->at + j, s->v + j * nkv);
    }
}

/* Slot i takes tasks i, i + slots, ...: later columns look further back, so shares stay even. */
static void attend(void *arg, size_t begin, size_t end, int thread)
{
    const step *p = arg;
    const nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    size_t group = hp->n_head / hp->n_head_kv, head_bytes = s->kv_row / hp->n_head_kv;
    size_t skipped = p->first * hp->n_head;
    (void)thread;
    for (size_t slot = begin; slot < end; slot++)
        for (size_t t = skipped + slot; t < skipped + p->tasks; t += p->slots) {
            size_t j = t / hp->n_head, h = t % hp->n_head;
            nk_attn a = {
                .q = s->q + t * hp->head_dim,
                .k = p->k + h / group * head_bytes,
                .v = p->v + h / group * head_bytes,
                .k_stride = s->kv_row,
                .v_stride = s->kv_row,
                .kv_type = s->kv_type,
                .n_pos = p->at + j + 1,
                .head_dim = hp->head_dim,
                .scale = 1.0f / sqrtf((float)hp->head_dim),
                .score = s->score + slot * s->n_ctx,
                .out = s->att + t * hp->head_dim,
            };
            s->ops->attention(&a);
        }
}

static void gated(void *arg, size_t begin, size_t end, int thread)
{
    const step *p = arg;
    const nb_session *s = p->s;
    size_t n = s->model->hp.n_ff, slices = (n + SLICE - 1) / SLICE;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        size_t from = i % slices * SLICE, at = i / slices * n + from;
        size_t len = n - from < SLICE ? n - from : SLICE;
        s->ops->silu_mul(s->gate + at, s->gate + at, s->up + at, len);
    }
}

static void matmul(const nb_session *s, float *y, const nk_matrix *w, const float *x, size_t m)
{
    nk_matmul(s->ops, s->pool, y, w->rows, w, x, m, s->matmul);
}

static void norm_step(step *p, const void *weight, bool residual)
{
    p->norm = weight;
    p->residual = residual;
    size_t n = p->m - p->first;
    run(p->s, n, n * p->s->model->hp.n_embd, add_norm, p);
}

static void attention_block(step *p, const nb_layer *l)
{
    nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    size_t nq = (size_t)hp->n_head * hp->head_dim, m = p->m - p->first;
    float *norm = s->norm + p->first * hp->n_embd;
    float *const y[] = {s->k, s->v, s->q};
    const nk_matrix *const w[] = {&l->w[NB_ATTN_K], &l->w[NB_ATTN_V], &l->w[NB_ATTN_Q]};
    const size_t stride[] = {w[0]->rows, w[1]->rows, w[2]->rows};
    nk_matmul_many(s->ops, s->pool, y, stride, w, p->first ? 2 : 3, s->norm, p->m, s->matmul);
    if (p->first && m)
        matmul(s, s->q + p->first * nq, w[2], norm, m);
    run(s, p->m, p->m * (nq + 2 * w[0]->rows), rotate_store, p);
    p->tasks = m * hp->n_head;
    p->slots = p->tasks < NB_ATTN_SLOTS ? p->tasks : NB_ATTN_SLOTS;
    if (m == 0)
        return;
    run(s, p->slots, p->tasks * (p->at + p->m) * hp->head_dim, attend, p);
    matmul(s, norm, &l->w[NB_ATTN_OUT], s->att + p->first * nq, m);
}

static void ffn_block(step *p, const nb_layer *l)
{
    nb_session *s = p->s;
    size_t n_ff = s->model->hp.n_ff, m = p->m - p->first; /* kept columns move to the front */
    float *norm = s->norm + p->first * s->model->hp.n_embd;
    float *const y[] = {s->gate, s->up};
    const nk_matrix *const w[] = {&l->w[NB_FFN_GATE], &l->w[NB_FFN_UP]};
    const size_t stride[] = {n_ff, n_ff};
    nk_matmul_many(s->ops, s->pool, y, stride, w, 2, norm, m, s->matmul);
    run(s, m * ((n_ff + SLICE - 1) / SLICE), 16 * m * n_ff, gated, p);
    matmul(s, norm, &l->w[NB_FFN_DOWN], s->gate, m);
}

static nb_status check_weights(const nb_session *s, nb_err *err)
{
    if (!nb_weights_lost(s->model->weights))
        return NB_OK;
    return nb_fail(err, NB_FORMAT, "%s was changed while it was in use",
                   nb_weights_path(s->model->weights));
}

nb_status nb_forward(nb_session *s, const int32_t *ids, size_t m, size_t at, size_t want,
                     const nb_hooks *hooks, nb_err *err)
{
    step p = {.s = s, .ids = ids, .m = m, .at = at};
    size_t cache = s->n_ctx * s->kv_row;
    run(s, m, 8 * m * s->model->hp.n_embd, embed, &p);
    for (uint32_t i = 0; i < s->model->hp.n_layer; i++) {
        const nb_layer *l = &s->model->layer[i];
        p.k = s->kv + 2 * i * cache;
        p.v = p.k + cache;
        norm_step(&p, l->w[NB_ATTN_NORM].data, i > 0);
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        p.first = i + 1 == s->model->hp.n_layer ? want : 0;
        attention_block(&p, l);
        if (p.first == m)
            return check_weights(s, err);
        norm_step(&p, l->w[NB_FFN_NORM].data, true);
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        ffn_block(&p, l);
    }
    norm_step(&p, NULL, true);
    return check_weights(s, err);
}

nb_status nb_forward_head(nb_session *s, size_t first, size_t count, nb_err *err)
{
    const nb_model *model = s->model;
    const nk_matrix *out = &model->global[model->hp.tied ? NB_TOKEN_EMBD : NB_OUTPUT];
    size_t n = model->hp.n_embd;
    for (size_t j = 0; j < count; j++)
        s->ops->rmsnorm(s->norm + j * n, s->x + (first + j) * n, model->global[NB_OUTPUT_NORM].data,
                        n, model->hp.rms_eps);
    matmul(s, s->logits, out, s->norm, count);
    NB_TRY(check_weights(s, err));
    for (size_t i = 0; i < count * out->rows; i++)
        if (!isfinite(s->logits[i]))
            return nb_fail(err, NB_FORMAT,
                           "the logit of token %zu is not finite: the weights hold NaN or Inf",
                           i % out->rows);
    return NB_OK;
}
