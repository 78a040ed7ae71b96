/* The attention block: projections, their biases and norms, rope, cache, scores, output. */
#include "core/model/forward.h"

/* One projection of heads h..h+n of a column: row + bias, normed by head or as a whole. */
static void finish_row(const nb_session *s, const nb_layer *l, float *row, size_t h, size_t n,
                       nb_slot bias_slot, nb_slot norm_slot)
{
    size_t dim = s->model->hp.head_dim;
    const nk_matrix *norm = &l->w[norm_slot];
    const float *weight = norm->data, *bias = l->w[bias_slot].data;
    if (bias)
        s->ops->add(row + h * dim, bias + h * dim, n * dim);
    if (!weight)
        return;
    if (s->model->hp.features & NB_ARCH_QK_NORM_ALL) {
        nb_norm_row(s, row, row, weight, NULL, n * dim);
        return;
    }
    size_t step = norm->rows > 1 ? dim : 0; /* a weight for each head, or one for all */
    for (; n > 0; n--, h++)
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

/* Of column j, KV heads h..h+n and the query heads that read them: finishes and rotates q and k,
 * puts k and v into the cache. All heads at once where they are normed as a whole. */
static void place(const nb_step *p, size_t j, size_t h, size_t n)
{
    const nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    size_t dim = hp->head_dim, group = hp->n_head / hp->n_head_kv, nkv = hp->n_head_kv * dim;
    float *q = s->q + j * hp->n_head * dim, *k = s->k + j * nkv, *v = s->v + j * nkv;
    if (j >= p->first) {
        finish_row(s, p->l, q, h * group, n * group, NB_ATTN_Q_BIAS, NB_ATTN_Q_NORM);
        rotate(p, q + h * group * dim, n * group, j);
        if (s->k_type == NK_Q8_0)
            nk_attn_encode(q + h * group * dim, n * group * dim, dim);
    }
    finish_row(s, p->l, k, h, n, NB_ATTN_K_BIAS, NB_ATTN_K_NORM);
    rotate(p, k + h * dim, n, j);
    const float *bias = p->l->w[NB_ATTN_V_BIAS].data;
    if (bias)
        s->ops->add(v + h * dim, bias + h * dim, n * dim);
    uint8_t *cache = s->kv + s->column[j].seq * p->seq_size;
    size_t pos = s->column[j].pos, k_head = s->k_row / hp->n_head_kv;
    size_t v_head = s->v_row / hp->n_head_kv;
    s->ops->encode[s->k_type](k + h * dim, cache + p->k_at + pos * s->k_row + h * k_head, 1,
                              n * dim, NULL);
    s->ops->encode[s->v_type](v + h * dim, cache + p->v_at + pos * s->v_row + h * v_head, 1,
                              n * dim, NULL);
}

static void place_columns(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    (void)thread;
    for (size_t j = begin; j < end; j++)
        place(p, j, 0, p->s->model->hp.n_head_kv);
}

/* Query heads to a task: the more, the less often keys and values are unpacked, but threads are to
 * have some tasks each. */
static size_t task_rows(const nb_step *p)
{
    size_t threads = p->s->pool ? (size_t)nk_pool_count(p->s->pool) : 1;
    size_t rows = (p->m - p->first) * p->s->model->hp.n_head;
    return rows < threads * NB_ATTN_SHARES * NB_ATTN_ROWS ? NB_ATTN_ROWS / 2 : NB_ATTN_ROWS;
}

/* Runs of columns that follow each other in one sequence, in parts of so many query heads to one KV
 * head at most, as even as can be. Their number. */
static size_t cut_tiles(const nb_step *p)
{
    const nb_session *s = p->s;
    size_t group = s->model->hp.n_head / s->model->hp.n_head_kv, count = 0, rows = task_rows(p);
    size_t most = group < rows ? rows / group : 1;
    for (size_t j = p->first, end; j < p->m; j = end) {
        for (end = j + 1; end < p->m && s->column[end].seq == s->column[j].seq &&
                          s->column[end].pos == s->column[end - 1].pos + 1;)
            end++;
        for (size_t parts = (end - j + most - 1) / most; parts > 0; parts--) {
            size_t n = (end - j) / parts;
            s->tile[count++] = (nb_tile){.first = (uint32_t)j, .n = (uint32_t)n};
            j += n;
        }
    }
    return count;
}

static nk_attn attn_of(const nb_step *p, const nb_tile *tile, size_t h)
{
    const nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    size_t group = hp->n_head / hp->n_head_kv, row = (size_t)hp->n_head * hp->head_dim;
    size_t at = tile->first * row + h * group * hp->head_dim;
    const uint8_t *cache = s->kv + s->column[tile->first].seq * p->seq_size;
    const float *sinks = p->l->w[NB_ATTN_SINKS].data;
    return (nk_attn){
        .q = s->q + at,
        .out = s->att + at,
        .q_stride = row,
        .out_stride = row,
        .k = cache + p->k_at + h * (s->k_row / hp->n_head_kv),
        .v = cache + p->v_at + h * (s->v_row / hp->n_head_kv),
        .k_stride = s->k_row,
        .v_stride = s->v_row,
        .k_type = s->k_type,
        .v_type = s->v_type,
        .head_dim = hp->head_dim,
        .group = group,
        .n_query = tile->n,
        .pos = s->column[tile->first].pos,
        .window = p->l->window,
        .scale = hp->attn_scale,
        .cap = hp->attn_cap,
        .sink = sinks ? sinks + h * group : NULL,
    };
}

/* Whether every thread has scratch of its own, which stays in its cache; else every slot has. */
static bool own_scratch(const nb_session *s)
{
    return !s->pool || nk_pool_count(s->pool) <= NB_ATTN_SLOTS;
}

static float *scratch_of(const nb_session *s, size_t slot, int thread)
{
    return s->attn + (own_scratch(s) ? (size_t)thread : slot) * s->attn_row;
}

/* Slot i takes tasks i, i + slots, ...: later tiles look further back, so shares stay even. */
static void attend(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    size_t heads = s->model->hp.n_head_kv;
    for (size_t slot = begin; slot < end; slot++)
        for (size_t t = slot; t < p->tasks; t += p->slots) {
            for (size_t j = 0; p->placing && j < p->m; j++)
                place(p, j, t, 1);
            nk_attn a = attn_of(p, &s->tile[t / heads], t % heads);
            nk_attn_run(s->ops, &a, scratch_of(s, slot, thread));
        }
}

/* One column's spans, all KV heads of one after the other: the cache is read as it lies. */
static void attend_parts(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    size_t heads = s->model->hp.n_head_kv;
    for (size_t slot = begin; slot < end; slot++)
        for (size_t t = slot; t < p->tasks; t += p->slots) {
            size_t from, to, h = t % heads;
            nk_attn a = attn_of(p, &s->tile[0], h);
            a.turn = h;
            a.turns = heads;
            nk_attn_spans(&a, &from, &to);
            nk_attn_part(s->ops, &a, from + t / heads, s->parts + h * s->parts_row,
                         scratch_of(s, slot, thread));
        }
}

static void join_parts(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    (void)thread;
    for (size_t h = begin; h < end; h++) {
        nk_attn a = attn_of(p, &s->tile[0], h);
        nk_attn_finish(s->ops, &a, s->parts + h * s->parts_row, s->attn);
    }
}

static void run_slots(nb_step *p, size_t tasks, nk_pool_fn *fn)
{
    const nb_hparams *hp = &p->s->model->hp;
    p->tasks = tasks;
    p->slots = own_scratch(p->s) || tasks < NB_ATTN_SLOTS ? tasks : NB_ATTN_SLOTS;
    nb_step_run(p->s, p->slots, (p->m - p->first) * hp->n_head * p->reach * hp->head_dim, fn, p);
}

/* The cache's new rows, then attention of columns first..m. A thread that has a KV head to itself
 * for the whole pass puts that head's rows into the cache too. */
static void place_and_attend(nb_step *p)
{
    const nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    size_t dim = hp->head_dim, heads = hp->n_head_kv, from = 0, to = 0;
    size_t tiles = cut_tiles(p);
    bool one = tiles == 1 && s->tile[0].n == 1;
    if (one) {
        nk_attn a = attn_of(p, &s->tile[0], 0);
        nk_attn_spans(&a, &from, &to);
    }
    p->spans = to - from;
    bool split = one && p->spans > 1;
    p->placing = tiles == 1 && !split && !(hp->features & NB_ARCH_QK_NORM_ALL);
    if (!p->placing)
        nb_step_run(s, p->m, p->m * dim * (hp->n_head + 2 * heads), place_columns, p);
    if (split) {
        run_slots(p, heads * p->spans, attend_parts);
        join_parts(p, 0, heads, 0);
    } else if (tiles > 0) {
        run_slots(p, tiles * heads, attend);
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
    place_and_attend(p);
    if (m == 0)
        return;
    if (l->w[NB_ATTN_SUB_NORM].data)
        nb_step_run(s, m, m * nq, sub_norm, p);
    nk_matmul(s->ops, s->pool, s->out + kept, out->rows, out, s->att + p->first * nq, m, s->matmul);
    nb_adapt(s, p->layer, NB_ATTN_OUT, s->out + kept, out->rows, s->att + p->first * nq, m);
}
