/* What a type would cost a tensor, from a sample of its rows: encoded, decoded, compared. */
#ifndef NIBBLE_SAMPLE_H
#define NIBBLE_SAMPLE_H

#include "core/files/weights.h"
#include "kernels/ops.h"

enum { NB_SAMPLE_WEIGHTS = 16 * 1024 }; /* looked at per tensor, at least one row */

typedef struct nb_sample {
    double error;  /* sum of importance * (decoded - weight)^2 */
    double energy; /* sum of importance * weight^2 */
    uint64_t n;    /* weights looked at */
} nb_sample;

/* v's rows evenly spread over the tensor through `to`. importance: [shape[2], shape[0]] or NULL
 * = 1. NB_FORMAT for weights that are not finite. Any thread. */
nb_status nb_sample_type(nb_sample *out, const nb_view *v, const nk_type *to,
                         const float *importance, const nk_ops *ops, nb_err *err);
/* error / energy; 0 for an empty tensor. */
double nb_sample_share(const nb_sample *s);
/* What a type usually costs normal weights: rms(error) / rms(weight), quant.md 4.4. 0 for floats.
 */
double nb_type_usual_error(const nk_type *t);

#endif
