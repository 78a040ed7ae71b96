#include "core/quant/import.h"

#include <math.h>

#include "core/quant/run.h"

bool nb_import_of(nb_import *out, const nb_planned *p, const nb_stats *stats)
{
    const char *packing = p->src ? nb_weights_packing(p->src) : NULL;
    if (!packing)
        return false;
    uint64_t cols = nb_tensor_cols(&p->src->t);
    if (cols > NB_TILE_WEIGHTS || (stats && stats->n == 0))
        stats = NULL; /* rows in pieces are not held against the checkpoint; nothing measured */
    *out = (nb_import){.packing = packing, .lost = nb_weights_loss(p->src, p->type->id)};
    out->sorted = nb_weights_sorted(p->src);
    out->exact = stats ? stats->max_err == 0 : !out->lost;
    if (stats && !out->exact) {
        out->most = stats->max_err;
        out->row = stats->max_err_at / cols;
        out->col = stats->max_err_at % cols;
    }
    return true;
}

void nb_import_add(nb_import_sum *sum, const nb_planned *p, size_t i, const nb_stats *stats)
{
    nb_import one;
    if (!nb_import_of(&one, p, stats))
        return;
    sum->packing = one.packing;
    sum->n++;
    sum->sorted += one.sorted;
    sum->exact += one.exact;
    sum->equal += one.exact ? p->n : 0;
    if (fabsf(one.most) > fabsf(sum->worst.most)) {
        sum->worst = one;
        sum->worst_at = i;
    }
}
