/* What quantizing a second time costs: weights of a quantized source are off already, and the new
 * type's error comes on top; the two are independent, so squares add. */
#ifndef NIBBLE_REQUANTIZE_H
#define NIBBLE_REQUANTIZE_H

#include "core/quant/recipe.h"
#include "kernels/ops.h"

typedef struct nb_requantized {
    const nk_type *from, *to;
    size_t tensors;
    double source;   /* usual rms(error) / rms(weight) of the source's type: quant.md 4.4 */
    double step;     /* of the new type on the source's weights, from a sample of rows */
    double expected; /* both together */
} nb_requantized;

enum { NB_MAX_REQUANTIZED = 32 };
/* One row per pair of types, coarsest source first; *n of them at most NB_MAX_REQUANTIZED. */
nb_status nb_plan_requantized(const nb_plan *plan, const nk_ops *ops,
                              nb_requantized out[NB_MAX_REQUANTIZED], size_t *n, nb_err *err);

#endif
