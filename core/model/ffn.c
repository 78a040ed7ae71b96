/* The feed-forward block: dense, or a mixture of experts of which each column reads a few. An
 * expert's columns are gathered, pass it together and are added back in the order of expert
 * numbers, so a column's sum knows nothing of its neighbours. Routing: llm_build_moe_ffn of
 * src/llama.cpp @ c392e50; gpt-oss takes the softmax over the chosen (build_moe_ffn of
 * src/llama-graph.cpp, SOFTMAX_WEIGHT). */
#include "core/model/forward.h"

#include <math.h>
#include <string.h>

enum { SLICE = 1024 }; /* elements of act * up done in one go; fixed, so lanes never shift */

/* Bias of part of a projection; may be absent. */
static void finish(const nb_session *s, float *y, const float *bias, size_t n)
{
    if (bias)
        s->ops->add(y, bias, n);
}

static void gated(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    const nk_matrix *w = p->l->w;
    const float *up_bias = w[NB_FFN_UP_BIAS].data, *gate_bias = w[NB_FFN_GATE_BIAS].data;
    bool alone = s->model->hp.features & NB_ARCH_NO_GATE;
    size_t n = s->model->hp.n_ff, slices = (n + SLICE - 1) / SLICE;
    nk_glu_fn *glu = s->ops->glu[s->model->hp.act];
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        size_t from = i % slices * SLICE, at = i / slices * n + from;
        size_t len = n - from < SLICE ? n - from : SLICE;
        float *gate = s->gate + at, *up = s->up + at;
        finish(s, up, up_bias ? up_bias + from : NULL, len);
        if (!alone)
            finish(s, gate, gate_bias ? gate_bias + from : NULL, len);
        glu(gate, alone ? up : gate, alone ? NULL : up, len);
    }
}

static void sub_norm(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    size_t n = s->model->hp.n_ff;
    (void)thread;
    for (size_t j = begin; j < end; j++)
        nb_norm_row(s, s->gate + j * n, s->gate + j * n, p->l->w[NB_FFN_SUB_NORM].data, NULL, n);
}

void nb_ffn_up(nb_step *p)
{
    nb_session *s = p->s;
    const nb_layer *l = p->l;
    size_t n_ff = s->model->hp.n_ff, m = p->m - p->first; /* kept columns move to the front */
    const float *norm = s->norm + p->first * s->model->hp.n_embd;
    float *const y[] = {s->up, s->gate};
    const nk_matrix *const w[] = {&l->w[NB_FFN_UP], &l->w[NB_FFN_GATE]};
    const size_t stride[] = {n_ff, n_ff};
    nk_matmul_many(s->ops, s->pool, y, stride, w, w[1]->data ? 2 : 1, norm, m, s->matmul);
    nb_adapt(s, p->layer, NB_FFN_UP, s->up, n_ff, norm, m);
    nb_adapt(s, p->layer, NB_FFN_GATE, s->gate, n_ff, norm, m);
    nb_step_run(s, m * ((n_ff + SLICE - 1) / SLICE), 4 * m * n_ff, gated, p);
    if (l->w[NB_FFN_SUB_NORM].data)
        nb_step_run(s, m, m * n_ff, sub_norm, p);
}

void nb_ffn_down(nb_step *p)
{
    nb_session *s = p->s;
    const nk_matrix *down = &p->l->w[NB_FFN_DOWN];
    size_t m = p->m - p->first;
    float *norm = s->norm + p->first * s->model->hp.n_embd;
    nk_matmul(s->ops, s->pool, norm, down->rows, down, s->gate, m, s->matmul);
    nb_adapt(s, p->layer, NB_FFN_DOWN, norm, down->rows, s->gate, m);
}

/* --- experts ----------------------------------------------------------------------------------
 */

/* The n_expert_used largest of x, largest first, the earlier of equals first. */
static void pick(const float *x, uint32_t n_expert, uint32_t used, uint32_t column, nb_routed *out)
{
    uint32_t n = 0;
    for (uint32_t e = 0; e < n_expert; e++) {
        if (n == used && !(x[e] > out[n - 1].weight))
            continue;
        n += n < used;
        uint32_t at = n - 1;
        for (; at > 0 && x[e] > out[at - 1].weight; at--)
            out[at] = out[at - 1];
        out[at] = (nb_routed){.expert = e, .column = column, .weight = x[e]};
    }
}

/* Each column's experts and how much of each is taken. Softmax is over all experts, or over the
 * chosen; columns begin at 0. */
static void route(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    const float *bias = p->l->w[NB_MOE_ROUTER_BIAS].data;
    bool late = hp->features & NB_ARCH_ROUTE_LATE, norm = hp->features & NB_ARCH_ROUTE_NORM;
    uint32_t used = hp->n_expert_used;
    (void)thread;
    for (size_t j = begin; j < end; j++) {
        float *x = s->route + j * hp->n_expert;
        nb_routed *chosen = s->routed + j * used;
        if (bias)
            s->ops->add(x, bias, hp->n_expert);
        if (!late)
            s->ops->softmax(x, x, hp->n_expert, 1.0f);
        pick(x, hp->n_expert, used, (uint32_t)j, chosen);
        float max = chosen[0].weight;
        double sum = 0;
        for (uint32_t i = 0; i < used; i++) {
            chosen[i].weight = late ? expf(chosen[i].weight - max) : chosen[i].weight;
            sum += (double)chosen[i].weight;
        }
        double scale = (double)hp->expert_scale / (late || norm ? sum : 1.0);
        for (uint32_t i = 0; i < used; i++)
            chosen[i].weight = (float)((double)chosen[i].weight * scale);
    }
}

/* routed, column by column, becomes by_expert with start[]. */
static void sort_by_expert(nb_session *s, size_t m)
{
    const nb_hparams *hp = &s->model->hp;
    size_t n = m * hp->n_expert_used;
    memset(s->start, 0, (hp->n_expert + 1) * sizeof *s->start);
    for (size_t i = 0; i < n; i++)
        s->start[s->routed[i].expert + 1]++;
    for (uint32_t e = 0; e < hp->n_expert; e++)
        s->start[e + 1] += s->start[e];
    for (size_t i = 0; i < n; i++) /* start[e] runs to the end of e ... */
        s->by_expert[s->start[s->routed[i].expert]++] = s->routed[i];
    for (uint32_t e = hp->n_expert; e > 0; e--) /* ... which is where e + 1 began */
        s->start[e] = s->start[e - 1];
    s->start[0] = 0;
}

static nk_matrix expert_of(const nk_matrix *all, const nb_hparams *hp, uint32_t e)
{
    nk_matrix w = *all;
    w.rows = all->rows / hp->n_expert;
    w.data = (const uint8_t *)all->data + (size_t)e * w.rows * w.row_size;
    w.scale = all->scale ? all->scale + e : NULL;
    return w;
}

static const float *bias_of(const nk_matrix *all, uint32_t e)
{
    return all->data ? (const float *)all->data + (size_t)e * all->cols : NULL;
}

/* Inputs of this expert's columns, side by side. */
static void take(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    size_t n = s->model->hp.n_embd;
    const nb_routed *mine = s->by_expert + s->start[p->expert];
    (void)thread;
    for (size_t i = begin; i < end; i++)
        memcpy(s->taken + i * n, s->norm + (p->first + mine[i].column) * n, n * sizeof(float));
}

static void expert_gated(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    size_t n = s->model->hp.n_expert_ff;
    const nk_matrix *w = p->l->w;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        float *gate = s->gate + i * n, *up = s->up + i * n;
        finish(s, gate, bias_of(&w[NB_MOE_GATE_BIAS], p->expert), n);
        finish(s, up, bias_of(&w[NB_MOE_UP_BIAS], p->expert), n);
        s->ops->glu[s->model->hp.act](gate, gate, up, n);
    }
}

/* out += weight * (given + bias), for this expert's columns; no two are the same column. */
static void give(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    size_t n = s->model->hp.n_embd;
    const nb_routed *mine = s->by_expert + s->start[p->expert];
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        float *y = s->given + i * n, *out = s->out + (p->first + mine[i].column) * n;
        finish(s, y, bias_of(&p->l->w[NB_MOE_DOWN_BIAS], p->expert), n);
        for (size_t k = 0; k < n; k++)
            out[k] += mine[i].weight * y[k];
    }
}

static void run_expert(nb_step *p, uint32_t e)
{
    nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    const nk_matrix *w = p->l->w;
    size_t m = s->start[e + 1] - s->start[e], n_ff = hp->n_expert_ff;
    if (m == 0)
        return;
    p->expert = e;
    nk_matrix gate = expert_of(&w[NB_MOE_GATE], hp, e), up = expert_of(&w[NB_MOE_UP], hp, e);
    nk_matrix down = expert_of(&w[NB_MOE_DOWN], hp, e);
    float *const y[] = {s->gate, s->up};
    const nk_matrix *const both[] = {&gate, &up};
    const size_t stride[] = {n_ff, n_ff};
    nb_step_run(s, m, m * hp->n_embd, take, p);
    nk_matmul_many(s->ops, s->pool, y, stride, both, 2, s->taken, m, s->matmul);
    nb_tap_rows(s, p->layer, NB_MOE_GATE, e, s->taken, m);
    nb_tap_rows(s, p->layer, NB_MOE_UP, e, s->taken, m);
    nb_step_run(s, m, 16 * m * n_ff, expert_gated, p);
    nb_tap_rows(s, p->layer, NB_MOE_DOWN, e, s->gate, m);
    nk_matmul(s->ops, s->pool, s->given, hp->n_embd, &down, s->gate, m, s->matmul);
    nb_step_run(s, m, m * hp->n_embd, give, p);
}

static void shared_gated(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    size_t n = s->model->hp.n_shared_ff;
    (void)thread;
    for (size_t i = begin; i < end; i++)
        s->ops->glu[s->model->hp.act](s->gate + i * n, s->gate + i * n, s->up + i * n, n);
}

/* out += given * sigmoid(its own gate's word on the column), or all of it. */
static void shared_give(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    size_t n = s->model->hp.n_embd;
    const float *gate = p->l->w[NB_SHARED_ROUTER].data;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        const float *x = s->norm + (p->first + i) * n, *y = s->given + i * n;
        float *out = s->out + (p->first + i) * n;
        double sum = 0;
        for (size_t k = 0; gate && k < n; k++)
            sum += (double)gate[k] * (double)x[k];
        float weight = gate ? (float)(1 / (1 + exp(-sum))) : 1;
        for (size_t k = 0; k < n; k++)
            out[k] += weight * y[k];
    }
}

static void run_shared(nb_step *p, size_t m)
{
    nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    const nb_layer *l = p->l;
    size_t n_ff = hp->n_shared_ff;
    float *const y[] = {s->gate, s->up};
    const nk_matrix *const w[] = {&l->w[NB_SHARED_GATE], &l->w[NB_SHARED_UP]};
    const size_t stride[] = {n_ff, n_ff};
    const float *x = s->norm + p->first * hp->n_embd;
    nk_matmul_many(s->ops, s->pool, y, stride, w, 2, x, m, s->matmul);
    nb_adapt(s, p->layer, NB_SHARED_GATE, s->gate, n_ff, x, m);
    nb_adapt(s, p->layer, NB_SHARED_UP, s->up, n_ff, x, m);
    nb_tap_rows(s, p->layer, NB_SHARED_ROUTER, 0, x, m);
    nb_step_run(s, m, 16 * m * n_ff, shared_gated, p);
    nk_matmul(s->ops, s->pool, s->given, hp->n_embd, &l->w[NB_SHARED_DOWN], s->gate, m, s->matmul);
    nb_adapt(s, p->layer, NB_SHARED_DOWN, s->given, hp->n_embd, s->gate, m);
    nb_step_run(s, m, m * hp->n_embd, shared_give, p);
}

void nb_experts_block(nb_step *p)
{
    nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    size_t m = p->m - p->first;
    const float *x = s->norm + p->first * hp->n_embd;
    nk_matmul(s->ops, s->pool, s->route, hp->n_expert, &p->l->w[NB_MOE_ROUTER], x, m, s->matmul);
    nb_tap_rows(s, p->layer, NB_MOE_ROUTER, 0, x, m);
    nb_step_run(s, m, 16 * m * hp->n_expert, route, p);
    sort_by_expert(s, m);
    memset(s->out + p->first * hp->n_embd, 0, m * hp->n_embd * sizeof(float));
    for (uint32_t e = 0; e < hp->n_expert; e++)
        run_expert(p, e);
    if (hp->features & NB_ARCH_SHARED)
        run_shared(p, m);
}
