/* One tensor read value by value, alone or against the same tensor of another file, whatever types
 * and shards the two lie in. Inspect, `inspect` and `show --diff` read with it. */
#ifndef NIBBLE_DIFF_H
#define NIBBLE_DIFF_H

#include "core/files/weights.h"
#include "core/quant/hist.h"

typedef struct nb_diff {
    nb_stats stats; /* of a, errors are b - a; of b without an a */
    nb_hist hist;   /* of b */
    nb_hist error;  /* of b - a; empty without an a */
    double ab, bb;  /* sums of products, of b's squares, over pairs of finite values */
    bool compared;  /* there was an a */
} nb_diff;

/* The tensor of `other` that v can be held against: same name and shape, a type that decodes. NULL:
 * there is none; *why (may be NULL) then says so, constant. other NULL: no tensor. */
const nb_view *nb_diff_twin(const nb_weights *other, const nb_view *v, const char **why);
/* Reads b, which decodes, and a (NULL: b alone) row by row; cancel is polled at each. ops NULL =
 * the C reference; the figures are the same. Nothing is kept on failure. */
nb_status nb_diff_read(nb_diff *out, const nb_view *b, const nb_view *a, const nk_ops *ops,
                       const nb_hooks *hooks, nb_err *err);
/* Of the angle between the two as vectors; 1 when both are zero. */
double nb_diff_cosine(const nb_diff *d);

#endif
