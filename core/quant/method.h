/* How codes are chosen, as rows: the form, --method and the help come from the table. */
#ifndef NIBBLE_METHOD_H
#define NIBBLE_METHOD_H

#include "kernels/ops.h"

typedef struct nb_method {
    const char *name; /* "reference" */
    const char *help;
    bool needs_calibration;
    /* rows of one tensor -> blocks; ops gives the encoder of this CPU. */
    void (*encode)(const nk_ops *ops, const nk_type *type, const float *src, void *dst, size_t rows,
                   size_t cols, const float *importance);
} nb_method;

const nb_method *const *nb_methods(size_t *count); /* first = default */
const nb_method *nb_method_find(const char *name); /* case ignored; NULL if unknown */

#endif
