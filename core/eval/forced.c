#include "core/eval/forced.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/str.h"

enum { SLICE_BYTES = 32 << 20, SLICE_LEAST = 8, SLICE_MOST = 64 };

typedef struct scoring {
    const nb_forced_text *t;
    nk_pool *pool;
    const nb_hooks *hooks;
    size_t most, from, n; /* rows of a slice; its first position, its rows */
    uint32_t n_vocab;
    float *base, *mine; /* [most, n_vocab] */
    nb_kld_point *point;
    uint64_t done, total, reported; /* tokens of all models */
} scoring;

/* --- progress ----------------------------------------------------------------------------------
 */

static void report(scoring *w, uint64_t done)
{
    w->reported = done > w->reported ? done : w->reported;
    nb_report(w->hooks, &(nb_progress){.what = "answer", .done = w->reported, .total = w->total});
}

/* A session tells how far it is in the text: of the first slice that is the prompt as well. */
static void on_progress(void *ud, const nb_progress *p)
{
    scoring *w = ud;
    uint64_t before = w->from + 1 == w->t->prompt ? 0 : w->from;
    report(w, w->done + (p->done > before ? p->done - before : 0));
}

static bool on_canceled(void *ud)
{
    const scoring *w = ud;
    return nb_canceled(w->hooks);
}

/* --- rows --------------------------------------------------------------------------------------
 */

static nb_status rows(scoring *w, nb_session *s, float *out, nb_err *err)
{
    nb_live live;
    const nb_hooks hooks = {on_progress, on_canceled, w};
    nb_live_init(&live, s);
    NB_TRY(live.ref.rows(&live.ref, 0, w->t->ids, (uint32_t)w->from, (uint32_t)w->n, out, &hooks,
                         err));
    w->done += w->n + (w->from + 1 == w->t->prompt ? w->from : 0);
    report(w, w->done);
    return NB_OK;
}

static void measure(void *arg, size_t begin, size_t end, int thread)
{
    const scoring *w = arg;
    (void)thread;
    for (size_t i = begin; i < end; i++)
        w->point[i] = nb_kld_measure(w->mine + i * w->n_vocab, w->base + i * w->n_vocab, false,
                                     w->n_vocab, w->t->ids[w->from + i + 1]);
}

static nb_status slice(scoring *w, nb_session *ref, const nb_forced_model *with, size_t n,
                       nb_err *err)
{
    size_t first = w->from + 1 - w->t->prompt;
    NB_TRY(rows(w, ref, w->base, err));
    for (size_t k = 0; k < n; k++) {
        NB_TRY(rows(w, with[k].session, w->mine, err));
        w->point = with[k].point + first;
        nk_parallel(w->pool, w->n, 1, measure, w);
        for (size_t i = 0; i < w->n; i++)
            if (!isfinite(w->point[i].kld))
                return nb_fail(err, NB_FORMAT, "%s: token %zu of the answer: no finite divergence",
                               with[k].name, first + i);
    }
    return NB_OK;
}

static nb_status slices(scoring *w, nb_session *ref, const nb_forced_model *with, size_t n,
                        nb_err *err)
{
    size_t end = w->t->prompt + w->t->answer - 1;
    for (w->from = w->t->prompt - 1; w->from < end; w->from += w->most) {
        w->n = end - w->from < w->most ? end - w->from : w->most;
        NB_TRY(slice(w, ref, with, n, err));
    }
    return NB_OK;
}

/* --- the run -----------------------------------------------------------------------------------
 */

static nb_status check(const nb_forced_text *t, const nb_session *s, const char *name,
                       uint32_t n_vocab, nb_err *err)
{
    uint32_t here = nb_session_model(s)->hp.n_vocab, room = nb_session_ctx(s);
    size_t need = t->prompt + t->answer - 1; /* nothing is asked of the last token */
    if (here != n_vocab)
        return nb_fail(err, NB_REFUSED, "%s has a vocabulary of %u tokens, the reference one of %u",
                       name, here, n_vocab);
    if (need > room)
        return nb_fail(err, NB_REFUSED,
                       "%s: the answer and its context have %zu tokens, room for %u", name, need,
                       room);
    return NB_OK;
}

nb_status nb_forced_run(const nb_forced_text *t, nb_session *ref, const nb_forced_model *with,
                        size_t n, nk_pool *pool, const nb_hooks *hooks, nb_err *err)
{
    scoring w = {
        .t = t, .pool = pool, .hooks = hooks, .n_vocab = nb_session_model(ref)->hp.n_vocab};
    if (t->prompt < 1 || t->answer < 1 || t->prompt + t->answer > UINT32_MAX)
        return nb_fail(err, NB_USAGE, "an answer of %zu tokens behind %zu: there must be both",
                       t->answer, t->prompt);
    NB_TRY(check(t, ref, "the reference", w.n_vocab, err));
    for (size_t k = 0; k < n; k++)
        NB_TRY(check(t, with[k].session, with[k].name, w.n_vocab, err));
    uint64_t row = (uint64_t)w.n_vocab * sizeof(float);
    w.most = (size_t)(SLICE_BYTES / row);
    w.most = w.most < SLICE_LEAST ? SLICE_LEAST : w.most > SLICE_MOST ? SLICE_MOST : w.most;
    w.most = w.most > t->answer ? t->answer : w.most;
    w.total = (n + 1) * (uint64_t)(t->prompt + t->answer - 1);
    nb_status st = NB_NOMEM;
    if ((w.base = nb_alloc(w.most, row, "logits of the reference", err)) &&
        (w.mine = nb_alloc(w.most, row, "logits", err)))
        st = slices(&w, ref, with, n, err);
    free(w.base);
    free(w.mine);
    return st;
}

nb_forced_sum nb_forced_sum_of(const nb_kld_point *p, size_t n)
{
    nb_forced_sum s = {.n = n};
    nb_sums sums = {0};
    for (size_t i = 0; i < n; i++) {
        nb_sums_add(&sums, p[i].kld, 0);
        s.n_same += p[i].same_top;
        if (i == 0 || p[i].kld > s.kld_max) {
            s.kld_max = p[i].kld;
            s.max_at = i;
        }
    }
    nb_means m = nb_sums_means(&sums);
    s.kld = m.a;
    s.kld_err = m.a_err;
    s.same = n ? (double)s.n_same / (double)n : 0;
    nb_wilson(s.n_same, n, &s.same_lo, &s.same_hi);
    return s;
}
