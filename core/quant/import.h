/* What became of weights that another quantizer had packed: equal to what the checkpoint defines,
 * or what was lost on the way, how much of it at most, and where. */
#ifndef NIBBLE_IMPORT_H
#define NIBBLE_IMPORT_H

#include "core/quant/quantize.h"

typedef struct nb_import {
    const char *packing; /* "gptq" */
    const char *lost;    /* a sentence's end, "steps are rounded to float16"; NULL: nothing is */
    bool sorted;         /* in another order than the checkpoint's (nb_weights_sorted) */
    bool exact;          /* measured: every weight is equal */
    float most;          /* largest difference, signed, and its place */
    uint64_t row, col;
} nb_import;

/* stats NULL: before the run; exact is false then unless nothing can be lost. False: the tensor is
 * not packed. */
bool nb_import_of(nb_import *out, const nb_planned *p, const nb_stats *stats);

typedef struct nb_import_sum {
    size_t n, exact, sorted; /* tensors */
    uint64_t equal;          /* weights of the exact ones */
    const char *packing;
    nb_import worst; /* most 0: all are exact */
    size_t worst_at; /* in the plan */
} nb_import_sum;
/* Adds tensor i of a plan. */
void nb_import_add(nb_import_sum *sum, const nb_planned *p, size_t i, const nb_stats *stats);

#endif
