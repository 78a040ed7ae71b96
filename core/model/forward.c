#include "core/model/forward.h"

#include <math.h>
#include <string.h>

enum { ALONE_BELOW = 32768 }; /* multiply-adds not worth waking other threads for */

void nb_step_run(const nb_session *s, size_t n, size_t work, nk_pool_fn *fn, void *arg)
{
    nk_parallel(work < ALONE_BELOW ? NULL : s->pool, n, 1, fn, arg);
}

void nb_norm_row(const nb_session *s, float *y, const float *x, const float *weight,
                 const float *bias, size_t n)
{
    const nb_hparams *hp = &s->model->hp;
    if (hp->features & NB_ARCH_LAYER_NORM)
        s->ops->layernorm(y, x, weight, bias, n, hp->norm_eps);
    else
        s->ops->rmsnorm(y, x, weight, n, hp->norm_eps);
}

static void times(float *x, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= scale;
}

/* cos and sin of one column's angles. */
static void turn(const nb_session *s, size_t column, size_t pos)
{
    size_t pairs = s->model->hp.n_rot / 2;
    for (int t = 0; t < 2; t++) {
        float *cs = s->cs[t] + 2 * pairs * column;
        for (size_t i = 0; s->cs[t] && i < pairs; i++) {
            double angle = (double)pos * (double)s->freq[t][i];
            cs[2 * i] = (float)cos(angle) * s->gain[t];
            cs[2 * i + 1] = (float)sin(angle) * s->gain[t];
        }
    }
}

/* Row of each column's token, its position's where those are learned, and rotation angles. */
static void embed(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    const nk_matrix *w = &s->model->global[NB_TOKEN_EMBD];
    const nk_matrix *pos = &s->model->global[NB_POSITION_EMBD];
    float scale = s->model->hp.embd_scale;
    (void)thread;
    for (size_t j = begin; j < end; j++) {
        float *x = s->x + j * w->cols, *add = s->norm + j * w->cols;
        s->ops->decode[w->type->id]((const uint8_t *)w->data + (size_t)p->ids[j] * w->row_size, x,
                                    w->cols);
        if (scale < 1 || scale > 1)
            times(x, w->cols, scale);
        if (pos->data) {
            s->ops->decode[pos->type->id](
                (const uint8_t *)pos->data + s->column[j].pos * pos->row_size, add, w->cols);
            s->ops->add(x, add, w->cols);
        }
        turn(s, j, s->column[j].pos);
    }
}

static void pay(const nb_session *s, const nb_owed *o, float *x, float *y)
{
    size_t n = s->model->hp.n_embd;
    float scale = s->model->hp.block_scale;
    if (o->bias)
        s->ops->add(y, o->bias, n);
    if (o->post_norm)
        nb_norm_row(s, y, y, o->post_norm, NULL, n);
    if (scale < 1 || scale > 1)
        times(y, n, scale);
    s->ops->add(x, y, n);
}

/* x += what the blocks left; norm = norm(x) */
static void add_norm(void *arg, size_t begin, size_t end, int thread)
{
    const nb_step *p = arg;
    const nb_session *s = p->s;
    size_t n = s->model->hp.n_embd;
    (void)thread;
    for (size_t j = p->first + begin; j < p->first + end; j++) {
        float *x = s->x + j * n;
        for (size_t i = 0; i < countof(p->owed); i++)
            if (p->owed[i].y)
                pay(s, &p->owed[i], x, p->owed[i].y + j * n);
        if (p->weight)
            nb_norm_row(s, s->norm + j * n, x, p->weight, p->bias, n);
        else if (p->l)
            memcpy(s->norm + j * n, x, n * sizeof *x); /* blocks that read x itself */
    }
}

static void norm_step(nb_step *p, const nb_layer *l, nb_slot weight, nb_slot bias)
{
    p->l = l;
    p->weight = l ? l->w[weight].data : NULL;
    p->bias = l ? l->w[bias].data : NULL;
    size_t n = p->m - p->first;
    nb_step_run(p->s, n, n * p->s->model->hp.n_embd, add_norm, p);
    memset(p->owed, 0, sizeof p->owed);
}

static nb_status check_weights(const nb_session *s, nb_err *err)
{
    if (!nb_weights_lost(s->model->weights))
        return NB_OK;
    return nb_fail(err, NB_FORMAT, "%s was changed while it was in use",
                   nb_weights_path(s->model->weights));
}

static void owe(nb_owed *o, float *y, const nb_layer *l, nb_slot bias, nb_slot post)
{
    *o = (nb_owed){.y = y, .bias = l->w[bias].data, .post_norm = l->w[post].data};
}

/* The second half of a layer, attention done: what both blocks gave is owed then. False where it
 * was canceled on the way. */
static bool finish_layer(nb_step *p, bool parallel, const nb_hooks *hooks)
{
    nb_session *s = p->s;
    const nb_layer *l = p->l;
    nb_owed att;
    owe(&att, s->out, l, NB_ATTN_OUT_BIAS, NB_ATTN_POST_NORM);
    if (parallel && l->w[NB_ATTN_NORM_2].data) { /* falcon 40B: attention had its own norm */
        norm_step(p, l, NB_ATTN_NORM, NB_ATTN_NORM_BIAS);
    } else if (!parallel) {
        p->owed[0] = att;
        norm_step(p, l, NB_FFN_NORM, NB_FFN_NORM_BIAS);
    }
    if (parallel)
        p->owed[1] = att;
    if (s->model->hp.features & NB_ARCH_EXPERTS) {
        nb_experts_block(p);
        owe(&p->owed[0], s->out, l, NB_FFN_DOWN_BIAS, NB_FFN_POST_NORM);
    } else {
        nb_ffn_up(p);
        if (nb_canceled(hooks))
            return false;
        nb_ffn_down(p);
        owe(&p->owed[0], s->norm, l, NB_FFN_DOWN_BIAS, NB_FFN_POST_NORM);
    }
    return true;
}

nb_status nb_forward(nb_session *s, const int32_t *ids, size_t m, size_t want,
                     const nb_hooks *hooks, nb_err *err)
{
    const nb_hparams *hp = &s->model->hp;
    size_t k_size = s->n_ctx * s->k_row, v_size = s->n_ctx * s->v_row;
    nb_step p = {.s = s, .ids = ids, .m = m, .seq_size = hp->n_layer * (k_size + v_size)};
    for (size_t j = 0; j < m; j++)
        p.reach = s->column[j].pos >= p.reach ? s->column[j].pos + 1 : p.reach;
    nb_step_run(s, m, 8 * m * hp->n_embd, embed, &p);
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        const nb_layer *l = &s->model->layer[i];
        bool parallel = (hp->features & NB_ARCH_PARALLEL) ||
                        ((hp->features & NB_ARCH_MAY_PARALLEL) && !l->w[NB_FFN_NORM].data);
        bool two = l->w[NB_ATTN_NORM_2].data;
        p.layer = i;
        p.k_at = i * (k_size + v_size);
        p.v_at = p.k_at + k_size;
        norm_step(&p, l, two ? NB_ATTN_NORM_2 : NB_ATTN_NORM,
                  two ? NB_ATTN_NORM_2_BIAS : NB_ATTN_NORM_BIAS);
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        p.first = i + 1 == hp->n_layer ? want : 0;
        nb_attention_block(&p);
        if (p.first == m)
            return check_weights(s, err);
        if (nb_canceled(hooks) || !finish_layer(&p, parallel, hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        nb_report(hooks, &(nb_progress){.what = "layer", .done = i + 1, .total = hp->n_layer});
    }
    norm_step(&p, NULL, NB_OUTPUT_NORM, NB_OUTPUT_NORM_BIAS);
    return check_weights(s, err);
}

/* cap * tanh(x / cap), after the scale. */
static void bend_logits(const nb_session *s, size_t n)
{
    float scale = s->model->hp.logit_scale, cap = s->model->hp.logit_cap;
    if (scale < 1 || scale > 1)
        times(s->logits, n, scale);
    for (size_t i = 0; cap > 0 && i < n; i++)
        s->logits[i] = cap * tanhf(s->logits[i] / cap);
}

nb_status nb_forward_head(nb_session *s, size_t first, size_t count, nb_err *err)
{
    const nb_model *model = s->model;
    const nk_matrix *out = &model->global[model->hp.tied ? NB_TOKEN_EMBD : NB_OUTPUT];
    size_t n = model->hp.n_embd;
    for (size_t j = 0; j < count; j++)
        nb_norm_row(s, s->norm + j * n, s->x + (first + j) * n, model->global[NB_OUTPUT_NORM].data,
                    model->global[NB_OUTPUT_NORM_BIAS].data, n);
    nk_matmul(s->ops, s->pool, s->logits, out->rows, out, s->norm, count, s->matmul);
    nb_adapt(s, 0, NB_OUTPUT, s->logits, out->rows, s->norm, count);
    bend_logits(s, count * out->rows);
    NB_TRY(check_weights(s, err));
    for (size_t i = 0; i < count * out->rows; i++)
        if (!isfinite(s->logits[i]))
            return nb_fail(err, NB_FORMAT,
                           "the logit of token %zu is not finite: the weights hold NaN or Inf",
                           i % out->rows);
    return NB_OK;
}
