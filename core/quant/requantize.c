#include "core/quant/requantize.h"

#include <math.h>
#include <stdlib.h>

#include "core/quant/sample.h"

enum { SAMPLED = 4 }; /* tensors of a pair */

static int coarsest_first(const void *a, const void *b)
{
    const nb_requantized *x = a, *y = b;
    double d = nk_type_bpw(x->from) - nk_type_bpw(y->from);
    if (d != 0)
        return d < 0 ? -1 : 1;
    d = nk_type_bpw(x->to) - nk_type_bpw(y->to);
    return d < 0 ? -1 : d > 0;
}

static nb_requantized *row_of(nb_requantized *out, size_t *n, const nk_type *from,
                              const nk_type *to)
{
    for (size_t i = 0; i < *n; i++)
        if (out[i].from == from && out[i].to == to)
            return &out[i];
    if (*n == NB_MAX_REQUANTIZED)
        return NULL;
    out[*n] = (nb_requantized){.from = from, .to = to, .source = nb_type_usual_error(from)};
    return &out[(*n)++];
}

nb_status nb_plan_requantized(const nb_plan *plan, const nk_ops *ops,
                              nb_requantized out[NB_MAX_REQUANTIZED], size_t *n, nb_err *err)
{
    nb_sample sum[NB_MAX_REQUANTIZED] = {{0}}, one;
    *n = 0;
    for (size_t i = 0; i < plan->n; i++) {
        const nb_planned *t = &plan->tensor[i];
        const nk_type *from = nk_type_get(t->src_type);
        if (from == t->type || from->is_float || t->type->is_float || !t->src)
            continue;
        nb_requantized *r = row_of(out, n, from, t->type);
        if (!r || r->tensors++ >= SAMPLED)
            continue;
        NB_TRY(nb_sample_type(&one, t->src, t->type, t->importance, ops, err));
        sum[r - out].error += one.error;
        sum[r - out].energy += one.energy;
    }
    for (size_t k = 0; k < *n; k++) {
        out[k].step = sqrt(nb_sample_share(&sum[k]));
        out[k].expected = sqrt(out[k].source * out[k].source + out[k].step * out[k].step);
    }
    qsort(out, *n, sizeof *out, coarsest_first);
    return NB_OK;
}
