#include "core/quant/diff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const nb_view *nb_diff_twin(const nb_weights *other, const nb_view *v, const char **why)
{
    const nb_view *o = other ? nb_weights_find(other, v->t.name) : NULL;
    const nk_type *type = o ? nk_type_get(o->t.type) : NULL;
    const char *no = !o                                                       ? "not there"
                     : memcmp(o->t.shape, v->t.shape, sizeof o->t.shape) != 0 ? "another shape"
                     : !type || !type->decode ? "a type that cannot be decoded"
                                              : NULL;
    if (why)
        *why = no;
    return no ? NULL : o;
}

/* out[cols], with room for as many behind to make the row's bytes. */
static void decode_row(const nb_view *v, uint64_t r, const nk_ops *ops, float *out)
{
    size_t cols = (size_t)nb_tensor_cols(&v->t);
    nk_decode_fn *decode = ops ? ops->decode[v->t.type] : nk_type_get(v->t.type)->decode;
    decode(nb_weights_row(v, r, out + cols), out, cols);
}

/* a and b [n]; a becomes b - a. */
static void add_pairs(nb_diff *d, float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = (double)a[i], y = (double)b[i];
        a[i] = b[i] - a[i];
        if (!isfinite(x) || !isfinite(y))
            continue;
        d->ab += x * y;
        d->bb += y * y;
    }
    nb_hist_add(&d->error, a, n);
}

static nb_status read_rows(nb_diff *d, const nb_view *b, const nb_view *a, const nk_ops *ops,
                           float *mine, float *theirs, const nb_hooks *hooks, nb_err *err)
{
    size_t cols = (size_t)nb_tensor_cols(&b->t);
    for (uint64_t r = 0; r < nb_tensor_rows(&b->t); r++) {
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        decode_row(b, r, ops, mine);
        nb_hist_add(&d->hist, mine, cols);
        if (a)
            decode_row(a, r, ops, theirs);
        nb_stats_add(&d->stats, ops, a ? theirs : mine, mine, cols, r * cols);
        if (a)
            add_pairs(d, theirs, mine, cols);
    }
    return NB_OK;
}

nb_status nb_diff_read(nb_diff *out, const nb_view *b, const nb_view *a, const nk_ops *ops,
                       const nb_hooks *hooks, nb_err *err)
{
    uint64_t cols = nb_tensor_cols(&b->t);
    nb_diff *d = nb_alloc(1, sizeof *d, "figures of a tensor", err);
    float *mine = nb_alloc(cols, 2 * sizeof *mine, "a row", err);
    float *theirs = nb_alloc(a ? cols : 1, 2 * sizeof *theirs, "a row", err);
    nb_status st = d && mine && theirs ? NB_OK : NB_NOMEM;
    if (st == NB_OK) {
        nb_stats_clear(&d->stats);
        d->compared = a != NULL;
        st = read_rows(d, b, a, ops, mine, theirs, hooks, err);
    }
    if (st == NB_OK)
        *out = *d;
    free(d);
    free(mine);
    free(theirs);
    return st;
}

double nb_diff_cosine(const nb_diff *d)
{
    double norm = sqrt(d->stats.sum2) * sqrt(d->bb);
    if (norm > 0) /* the sums are rounded apart: kernels/measure.h */
        return fmax(-1, fmin(1, d->ab / norm));
    return d->stats.sum2 > 0 || d->bb > 0 ? 0 : 1;
}
