/* What encoding did to a run of weights, in one pass: sums, extremes, the largest error and its
 * place. Every CPU level adds up the same eight interleaved partial sums and folds them in the same
 * order, products rounded before the sums, so the figures have the same bits everywhere. A partial
 * sum is a float for at most 32 values and goes into a double then: figures are good to 1e-6.
 *
 * A level brings only the loop over whole eights (nk_measure_fn); the driver below does the rest.
 */
#ifndef NIBBLE_MEASURE_H
#define NIBBLE_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NK_MEASURE_LANES = 8, NK_MEASURE_RUN = 256 /* weights between two looks */ };

typedef struct nk_measured {
    double w, w2, w4, e, e2; /* sums of weight, its powers, error = decoded - source, its square */
    float min, max;          /* of the weights; FLT_MAX, -FLT_MAX if there are none */
    float max_err;           /* signed error of largest magnitude, 0 if none is beyond `known` */
    size_t max_err_at;       /* of equal ones the first */
    size_t n_zero;           /* weights of either zero */
} nk_measured;

/* Lane k holds values i with i % 8 == k. */
typedef struct nk_measure_lanes {
    double w[NK_MEASURE_LANES], w2[NK_MEASURE_LANES], w4[NK_MEASURE_LANES];
    double e[NK_MEASURE_LANES], e2[NK_MEASURE_LANES];
    float min[NK_MEASURE_LANES], max[NK_MEASURE_LANES], err[NK_MEASURE_LANES];
    int32_t zero[NK_MEASURE_LANES];
} nk_measure_lanes;

/* Adds n values, n % 8 == 0, n <= NK_MEASURE_RUN: sums in float, then the doubles. */
typedef void nk_measure_fn(const float *src, const float *dec, size_t n, nk_measure_lanes *t);
nk_measure_fn nk_measure_eights; /* the C reference */

/* src, dec [n]; known: the largest error met so far, smaller ones need no place. Values that are
 * not finite make w2 or e2 so; the other fields then mean nothing. */
void nk_measure(nk_measure_fn *eights, const float *src, const float *dec, size_t n, float known,
                nk_measured *out);

/* True if all n are finite. */
typedef bool nk_finite_fn(const float *v, size_t n);
nk_finite_fn nk_all_finite; /* the C reference */

/* The same for n 16-bit floats, bytes at any address, whose exponent bits these are. */
typedef bool nk_halves_fn(const void *v, size_t n, uint16_t exponent);
nk_halves_fn nk_finite_halves; /* the C reference */

/* Start of the first group at or behind `from` that holds an error larger than `share` times the
 * spread (greatest - least) of its decoded values; n if there is none. group: 16 or 32; from and n
 * are multiples of it. */
typedef size_t nk_far_fn(const float *src, const float *dec, size_t from, size_t n, size_t group,
                         float share);
nk_far_fn nk_find_far; /* the C reference */

#endif
