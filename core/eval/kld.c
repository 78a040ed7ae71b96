/* Statistics: kl_divergence of tools/perplexity/perplexity.cpp, llama.cpp @ 050ee92 (MIT), retold
 * in quant.md 4.2; here in doubles, and over every token of the vocabulary where the reference is
 * not coded. */
#include "core/eval/kld.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/job.h"
#include "core/base/str.h"

enum { SLICE_BYTES = 64 << 20, SLICE_LEAST = 16, SLICE_MOST = NB_HEAD_BATCH };

/* --- one position ------------------------------------------------------------------------------
 */

static uint32_t top_of(const float *v, uint32_t n)
{
    uint32_t top = 0;
    for (uint32_t i = 1; i < n; i++)
        top = v[i] > v[top] ? i : top;
    return top;
}

/* Of log-probabilities below -16 the coding says no more than that; they are left out. */
static const float CODED_FLOOR = -16.0F;

nb_kld_point nb_kld_measure(const float *logits, const float *base, bool coded, uint32_t n,
                            int32_t target)
{
    uint32_t top = top_of(logits, n), base_top = top_of(base, n);
    float max = logits[top], base_max = coded ? 0 : base[base_top];
    double sum = 0, base_sum = 0, gap = 0; /* gap: sum of e^base (base - logit) */
    for (uint32_t i = 0; i < n; i++) {
        sum += (double)expf(logits[i] - max);
        if (coded && base[i] <= CODED_FLOOR)
            continue;
        double e = (double)expf(base[i] - base_max);
        base_sum += e;
        gap += e * ((double)base[i] - (double)logits[i]);
    }
    // cppcheck-suppress invalidFunctionArg
    double lse = (double)max + log(sum); /* sum >= 1: the maximum's own term */
    double base_lse = coded ? 0 : (double)base_max + log(base_sum);
    nb_kld_point p = {.nll = lse - (double)logits[target],
                      .base_nll = base_lse - (double)base[target],
                      .same_top = top == base_top};
    p.kld = coded ? gap + base_sum * lse : gap / base_sum + lse - base_lse;
    p.dp = exp(-p.nll) - exp(-p.base_nll);
    return p;
}

/* --- who gives the reference -------------------------------------------------------------------
 */

typedef struct catcher {
    float *out;
    size_t from, width;
} catcher;

static void catch_logits(void *arg, size_t pos, const float *logits)
{
    const catcher *c = arg;
    memcpy(c->out + (pos - c->from) * c->width, logits, c->width * sizeof *logits);
}

static nb_status session_rows(nb_session *s, const int32_t *ids, uint32_t from, uint32_t n,
                              float *out, const nb_hooks *hooks, nb_err *err)
{
    catcher c = {.out = out, .from = from, .width = nb_session_model(s)->hp.n_vocab};
    return nb_session_extend(s, ids, (size_t)from + n, from, catch_logits, &c, hooks, err);
}

static nb_status live_rows(nb_reference *r, uint32_t chunk, const int32_t *ids, uint32_t from,
                           uint32_t n, float *out, const nb_hooks *hooks, nb_err *err)
{
    (void)chunk;
    return session_rows(((nb_live *)r)->session, ids, from, n, out, hooks, err);
}

void nb_live_init(nb_live *out, nb_session *s)
{
    *out = (nb_live){.ref = {.rows = live_rows, .n_vocab = nb_session_model(s)->hp.n_vocab},
                     .session = s};
}

void nb_head_of(const nb_model *m, nk_matrix *w, float *scale, float *cap)
{
    *w = m->head;
    *scale = m->hp.logit_scale;
    *cap = m->hp.logit_cap;
}

nb_status nb_head_init(nb_head *out, const nk_matrix *w, float scale, float cap, const nk_ops *ops,
                       nk_pool *pool, nb_err *err)
{
    *out = (nb_head){.w = *w, .scale = scale, .cap = cap, .ops = ops, .pool = pool};
    out->scratch = nb_alloc(nk_matmul_scratch(w->cols, NB_HEAD_BATCH), 1, "scratch", err);
    return out->scratch ? NB_OK : NB_NOMEM;
}

/* As the engine's own last step (forward.c), so that its bits come out. */
void nb_head_logits(const nb_head *h, const float *x, size_t n, float *out)
{
    size_t all = n * h->w.rows;
    nk_matmul(h->ops, h->pool, out, h->w.rows, &h->w, x, n, h->scratch);
    if (h->scale < 1 || h->scale > 1)
        for (size_t i = 0; i < all; i++)
            out[i] *= h->scale;
    for (size_t i = 0; h->cap > 0 && i < all; i++)
        out[i] = h->cap * tanhf(out[i] / h->cap);
}

void nb_head_free(nb_head *h)
{
    free(h->scratch);
    *h = (nb_head){0};
}

static nb_status held_rows(nb_reference *r, uint32_t chunk, const int32_t *ids, uint32_t from,
                           uint32_t n, float *out, const nb_hooks *hooks, nb_err *err)
{
    const nb_held *h = (const nb_held *)r;
    (void)ids;
    if (nb_canceled(hooks))
        return nb_fail(err, NB_CANCELED, "cancelled");
    size_t row = (size_t)chunk * h->count + (from - h->first);
    nb_head_logits(&h->head, h->state + row * h->head.w.cols, n, out);
    return NB_OK;
}

typedef struct keeper {
    const nb_session *s;
    float *state;
    size_t first, last, width;
} keeper;

static void keep_state(void *arg, size_t pos, const float *logits)
{
    const keeper *k = arg;
    (void)logits;
    if (pos <= k->last)
        memcpy(k->state + (pos - k->first) * k->width, nb_session_hidden(k->s),
               k->width * sizeof *k->state);
}

nb_status nb_held_open(nb_held *out, nb_session *s, const nk_ops *ops, nk_pool *pool,
                       const nb_reading *rd, const nb_hooks *hooks, nb_err *err)
{
    const nb_model *m = nb_session_model(s);
    nb_held h = {.ref = {.rows = held_rows, .n_vocab = m->hp.n_vocab},
                 .first = rd->first,
                 .count = rd->count};
    nk_matrix w;
    float scale, cap;
    nb_head_of(m, &w, &scale, &cap);
    NB_TRY(nb_head_init(&h.head, &w, scale, cap, ops, pool, err));
    size_t row = (size_t)rd->count * m->hp.n_embd;
    int32_t *chunk = nb_alloc(rd->n_ctx, sizeof *chunk, "chunk", err);
    h.state = chunk ? nb_alloc((uint64_t)rd->chunks * row, sizeof *h.state,
                               "hidden states of the reference", err)
                    : NULL;
    nb_status st = h.state ? NB_OK : NB_NOMEM;
    nb_hooks quiet = nb_quiet(hooks);
    for (uint32_t c = 0; c < rd->chunks && st == NB_OK; c++) {
        keeper k = {s, h.state + c * row, rd->first, rd->n_ctx - 2, m->hp.n_embd};
        nb_reading_chunk(rd, c, chunk);
        st = nb_session_score(s, chunk, rd->n_ctx, rd->first, keep_state, &k, &quiet, err);
        nb_report(hooks, &(nb_progress){.what = "reference", .done = c + 1, .total = rd->chunks});
    }
    free(chunk);
    if (st == NB_OK)
        *out = h;
    else
        nb_held_close(&h);
    return st;
}

void nb_held_close(nb_held *h)
{
    nb_head_free(&h->head);
    free(h->state);
    *h = (nb_held){0};
}

/* --- sums --------------------------------------------------------------------------------------
 */

typedef struct tally {
    nb_sums nll;    /* model, reference */
    nb_sums kld_dp; /* kld, dp */
    nb_sums more;   /* nll - base nll, dp^2 */
    uint64_t same_top;
    float *kld, *dp; /* [reading's positions] */
} tally;

static void tally_add(tally *t, const nb_kld_point *p)
{
    uint64_t at = t->nll.n;
    nb_sums_add(&t->nll, p->nll, p->base_nll);
    nb_sums_add(&t->kld_dp, p->kld, p->dp);
    nb_sums_add(&t->more, p->nll - p->base_nll, p->dp * p->dp);
    t->same_top += p->same_top;
    t->kld[at] = (float)p->kld;
    t->dp[at] = (float)p->dp;
}

static double root_of_sum(double v)
{
    return v > 0 ? sqrt(v) : 0;
}

/* Uncertainties as llama-perplexity propagates them, first order. */
static void figures(nb_kld *k, const tally *t)
{
    nb_means m = nb_sums_means(&t->nll), d = nb_sums_means(&t->kld_dp), r = nb_sums_means(&t->more);
    double n = (double)t->nll.n;
    k->scored = t->nll.n;
    k->ppl = exp(m.a);
    k->ppl_err = k->ppl * m.a_err;
    k->base_ppl = exp(m.b);
    k->base_ppl_err = k->base_ppl * m.b_err;
    k->cor = m.a_err > 0 && m.b_err > 0 ? m.cov / (m.a_err * m.b_err) : 0;
    k->ln_ratio = m.a - m.b;
    k->ln_ratio_err = r.a_err; /* sqrt(a_err^2 + b_err^2 - 2 cov) without its cancellation */
    k->ratio = exp(k->ln_ratio);
    k->ratio_err = k->ratio * k->ln_ratio_err;
    k->diff = k->ppl - k->base_ppl;
    k->diff_err = root_of_sum(k->ppl_err * k->ppl_err + k->base_ppl_err * k->base_ppl_err -
                              2 * k->ppl * k->base_ppl * m.cov);
    k->kld.mean = d.a;
    k->kld.err = d.a_err;
    k->dp.mean = d.b;
    k->dp.err = d.b_err;
    k->rms_dp = root_of_sum(r.b);
    k->rms_dp_err = k->rms_dp > 0 ? 0.5 / k->rms_dp * r.b_err : 0;
    k->n_same_top = t->same_top;
    k->same_top = n > 0 ? (double)t->same_top / n : 0;
    k->same_top_err = n > 1 ? sqrt(k->same_top * (1 - k->same_top) / (n - 1)) : 0;
    nb_wilson(t->same_top, t->nll.n, &k->same_top_lo, &k->same_top_hi);
}

/* --- the run -----------------------------------------------------------------------------------
 */

typedef struct slices {
    nb_session *s;
    nb_reference *ref;
    nk_pool *pool;
    const nb_hooks *hooks;
    int32_t *ids;        /* [n_ctx] of the chunk */
    float *mine, *base;  /* [most, n_vocab] */
    nb_kld_point *point; /* [most] */
    uint32_t n_vocab, most, from;
} slices;

static void measure_rows(void *arg, size_t begin, size_t end, int thread)
{
    slices *w = arg;
    (void)thread;
    for (size_t i = begin; i < end; i++)
        w->point[i] = nb_kld_measure(w->mine + i * w->n_vocab, w->base + i * w->n_vocab,
                                     w->ref->coded, w->n_vocab, w->ids[w->from + i + 1]);
}

static nb_status run_chunk(slices *w, const nb_reading *rd, uint32_t c, tally *t, nb_err *err)
{
    nb_reading_chunk(rd, c, w->ids);
    uint32_t end = rd->first + rd->count;
    nb_hooks quiet = nb_quiet(w->hooks);
    for (w->from = rd->first; w->from < end; w->from += w->most) {
        uint32_t n = end - w->from < w->most ? end - w->from : w->most;
        if (nb_canceled(w->hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        NB_TRY(w->ref->rows(w->ref, c, w->ids, w->from, n, w->base, &quiet, err));
        NB_TRY(session_rows(w->s, w->ids, w->from, n, w->mine, &quiet, err));
        nk_parallel(w->pool, n, 1, measure_rows, w);
        for (uint32_t i = 0; i < n; i++) {
            if (!isfinite(w->point[i].kld)) /* the engine refuses such logits: the reference's */
                return nb_fail(err, NB_FORMAT,
                               "chunk %u, position %u: the reference's figures are not finite", c,
                               w->from + i);
            tally_add(t, &w->point[i]);
        }
    }
    return NB_OK;
}

static nb_status check_run(const nb_session *s, const nb_reference *ref, const nb_reading *rd,
                           nb_err *err)
{
    uint32_t n_vocab = nb_session_model(s)->hp.n_vocab;
    if (n_vocab != ref->n_vocab)
        return nb_fail(err, NB_REFUSED,
                       "vocabularies differ: the model has %u tokens, the "
                       "reference %u",
                       n_vocab, ref->n_vocab);
    if (rd->n_ctx > nb_session_ctx(s))
        return nb_fail(err, NB_REFUSED, "context %u asked, the session holds %u", rd->n_ctx,
                       nb_session_ctx(s));
    return NB_OK;
}

static nb_status run_chunks(nb_kld *out, slices *w, const nb_reading *rd, tally *t, nb_kld_fn *fn,
                            void *arg, nb_err *err)
{
    nb_kld k = {.n_ctx = rd->n_ctx};
    double start = nb_now();
    for (uint32_t c = 0; c < rd->chunks; c++) {
        NB_TRY(run_chunk(w, rd, c, t, err));
        figures(&k, t);
        k.chunks = c + 1;
        k.seconds = nb_now() - start;
        k.tok_per_s = k.seconds > 0 ? (double)k.chunks * rd->n_ctx / k.seconds : 0;
        if (fn)
            fn(arg, &k);
        nb_report(w->hooks,
                  &(nb_progress){
                      .what = "KL divergence", .done = c + 1, .total = rd->chunks, .detail = &k});
    }
    nb_spread_of(&k.kld, t->kld, (size_t)t->nll.n);
    nb_spread_of(&k.dp, t->dp, (size_t)t->nll.n);
    *out = k;
    return NB_OK;
}

nb_status nb_kld_run(nb_kld *out, nb_session *s, nb_reference *ref, nk_pool *pool,
                     const nb_reading *rd, nb_kld_fn *fn, void *arg, const nb_hooks *hooks,
                     nb_err *err)
{
    NB_TRY(check_run(s, ref, rd, err));
    uint64_t row = (uint64_t)ref->n_vocab * sizeof(float), most = SLICE_BYTES / row;
    most = most < SLICE_LEAST ? SLICE_LEAST : most > SLICE_MOST ? SLICE_MOST : most;
    slices w = {.s = s,
                .ref = ref,
                .pool = pool,
                .hooks = hooks,
                .n_vocab = ref->n_vocab,
                .most = (uint32_t)most};
    tally t = {0};
    nb_status st = NB_NOMEM;
    uint64_t points = (uint64_t)rd->chunks * rd->count;
    if (!(w.ids = nb_alloc(rd->n_ctx, sizeof *w.ids, "chunk", err)) ||
        !(w.mine = nb_alloc(most, row, "logits", err)) ||
        !(w.base = nb_alloc(most, row, "logits of the reference", err)) ||
        !(w.point = nb_alloc(most, sizeof *w.point, "measures", err)) ||
        !(t.kld = nb_alloc(points, sizeof *t.kld, "divergences", err)) ||
        !(t.dp = nb_alloc(points, sizeof *t.dp, "differences", err)))
        goto out;
    st = run_chunks(out, &w, rd, &t, fn, arg, err);
out:
    free(w.ids);
    free(w.mine);
    free(w.base);
    free(w.point);
    free(t.kld);
    free(t.dp);
    return st;
}
