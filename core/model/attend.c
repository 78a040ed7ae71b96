/* The attention block: projections, their biases and norms, rope, cache, scores, output. */
#include "core/model/forward.h"

#include <math.h>

static void add_bias(const nb_session *s, const nb_layer *l, nb_slot bias, float *row, size_t n)
{
    if (l->w[bias].data)
        s->ops->add(row, l->w[bias].data, n);
}

/* One projection of one column: row + bias, normed by head or as a whole. */
static void finish_row(const nb_session *s, const nb_layer *l, float *row, size_t heads,
                       nb_slot bias, nb_slot norm_slot)
{
    size_t dim = s->model->hp.head_dim, n = heads * dim;
    const nk_matrix *norm = &l->w[norm_slot];
    const float *weight = norm->data;
    add_bias(s, l, bias, row, n);
    if (!weight)
        return;
    if (s->model->hp.features & NB_ARCH_QK_NORM_ALL) {
        nb_norm_row(s, row, row, weight, NULL, n);
        return;
    }
    size_t step = norm->rows > 1 ? dim : 0; /* a weight for each head, or one for all */
    for (size_t h = 0; h < heads; h++)
        nb_norm_row(s, row + h * dim, row + h * dim, weight + h * step, NULL, dim);
}

static void rotate(const nb_step *p, float *row, size_t heads, size_t column)
{
    const nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    if (p->l->turn == NB_TURN_NONE)
        return;
    nk_rope_kind kind = hp->arch->position == NB_POS_NEOX ? NK_ROPE_NEOX : NK_ROPE_NORM;
    const float *cs = s->cs[p->l->turn == NB_TURN_LOCAL] + column * hp->n_rot;
    s->ops->rope(row, heads, hp->head_dim, cs, hp->n_rot, kind);
}

/* Finishes and rotates q and k, appends k and v to the cache. */
static void rotate_store(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    size_t nq = (size_t)hp->n_head * hp->head_dim, nkv = (size_t)hp->n_head_kv * hp->head_dim;
    (void)thread;
    for (size_t j = begin; j < end; j++) {
        float *q = s->q + j * nq, *k = s->k + j * nkv, *v = s->v + j * nkv;
        if (j >= p->first) {
            finish_row(s, p->l, q, hp->n_head, NB_ATTN_Q_BIAS, NB_ATTN_Q_NORM);
            rotate(p, q, hp->n_head, j);
        }
        finish_row(s, p->l, k, hp->n_head_kv, NB_ATTN_K_BIAS, NB_ATTN_K_NORM);
        add_bias(s, p->l, NB_ATTN_V_BIAS, v, nkv);
        rotate(p, k, hp->n_head_kv, j);
        uint8_t *cache = s->kv + s->column[j].seq * p->seq_size;
        size_t pos = s->column[j].pos;
        s->ops->encode[s->k_type](k, cache + p->k_at + pos * s->k_row, 1, nkv, NULL);
        s->ops->encode[s->v_type](v, cache + p->v_at + pos * s->v_row, 1, nkv, NULL);
    }
}

/* Slot i takes tasks i, i + slots, ...: later columns look further back, so shares stay even. */
static void attend(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    size_t group = hp->n_head / hp->n_head_kv;
    size_t k_head = s->k_row / hp->n_head_kv, v_head = s->v_row / hp->n_head_kv;
    size_t skipped = p->first * hp->n_head, window = p->l->window;
    const float *sinks = p->l->w[NB_ATTN_SINKS].data;
    (void)thread;
    for (size_t slot = begin; slot < end; slot++)
        for (size_t t = skipped + slot; t < skipped + p->tasks; t += p->slots) {
            size_t j = t / hp->n_head, h = t % hp->n_head, n_pos = s->column[j].pos + 1;
            size_t unseen = window && n_pos > window ? n_pos - window : 0;
            const uint8_t *cache = s->kv + s->column[j].seq * p->seq_size;
            nk_attn a = {
                .q = s->q + t * hp->head_dim,
                .k = cache + p->k_at + unseen * s->k_row + h / group * k_head,
                .v = cache + p->v_at + unseen * s->v_row + h / group * v_head,
                .k_stride = s->k_row,
                .v_stride = s->v_row,
                .k_type = s->k_type,
                .v_type = s->v_type,
                .n_pos = n_pos - unseen,
                .head_dim = hp->head_dim,
                .scale = hp->attn_scale,
                .cap = hp->attn_cap,
                .sink = sinks ? sinks + h : NULL,
                .score = s->score + slot * s->score_row,
                .out = s->att + t * hp->head_dim,
            };
            s->ops->attention(&a);
        }
}

static void sub_norm(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    size_t n = (size_t)s->model->hp.n_head * s->model->hp.head_dim;
    (void)thread;
    for (size_t j = p->first + begin; j < p->first + end; j++)
        nb_norm_row(s, s->att + j * n, s->att + j * n, p->l->w[NB_ATTN_SUB_NORM].data, NULL, n);
}

void nb_attention_block(nb_step *p)
{
    nb_session *s = p->s;
    const nb_layer *l = p->l;
    const nb_hparams *hp = &s->model->hp;
    size_t nq = (size_t)hp->n_head * hp->head_dim, m = p->m - p->first;
    size_t kept = p->first * hp->n_embd;
    float *const y[] = {s->k, s->v, s->q};
    const nk_matrix *const w[] = {&l->w[NB_ATTN_K], &l->w[NB_ATTN_V], &l->w[NB_ATTN_Q]};
    const nk_matrix *out = &l->w[NB_ATTN_OUT];
    const size_t stride[] = {w[0]->rows, w[1]->rows, w[2]->rows};
    nk_matmul_many(s->ops, s->pool, y, stride, w, p->first ? 2 : 3, s->norm, p->m, s->matmul);
    if (p->first && m)
        nk_matmul(s->ops, s->pool, s->q + p->first * nq, nq, w[2], s->norm + kept, m, s->matmul);
    nb_adapt(s, p->layer, NB_ATTN_K, s->k, stride[0], s->norm, p->m);
    nb_adapt(s, p->layer, NB_ATTN_V, s->v, stride[1], s->norm, p->m);
    if (m)
        nb_adapt(s, p->layer, NB_ATTN_Q, s->q + p->first * nq, nq, s->norm + kept, m);
    nb_step_run(s, p->m, p->m * (nq + 2 * w[0]->rows), rotate_store, p);
    p->tasks = m * hp->n_head;
    p->slots = p->tasks < NB_ATTN_SLOTS ? p->tasks : NB_ATTN_SLOTS;
    if (m == 0)
        return;
    nb_step_run(s, p->slots, p->tasks * p->reach * hp->head_dim, attend, p);
    if (l->w[NB_ATTN_SUB_NORM].data)
        nb_step_run(s, m, m * nq, sub_norm, p);
    nk_matmul(s->ops, s->pool, s->out + kept, out->rows, out, s->att + p->first * nq, m, s->matmul);
    nb_adapt(s, p->layer, NB_ATTN_OUT, s->out + kept, out->rows, s->att + p->first * nq, m);
}
