/* How a group of weights gets its scale: the searches the encoders share, in the exact operation
 * order of the ggml reference (ggml-quants.c @ d99724f, MIT, compiled for plain x86-64: f32
 * throughout, no FMA, sums in index order). Each function names the reference routine it must equal
 * bit for bit; tests/test_types.c holds golden bytes. A faster version may reorder across groups,
 * never inside one.
 *
 * None of them has undefined behaviour for any input, NaN and Inf included: every float becomes an
 * integer through nk_nearest or nk_trunc, which are defined for all bit patterns. */
#ifndef NIBBLE_SCALE_H
#define NIBBLE_SCALE_H

#include "kernels/fp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Below this a group of absolute values counts as zero (GROUP_MAX_EPS). */
#define NK_GROUP_EPS 1e-15f

/* Round half to even for |v| < 2^22: adding 1.5 * 2^23 leaves the integer in the low mantissa
 * bits. Elsewhere the bits are what they are; encoders clamp (nearest_int). */
static inline int nk_nearest(float v)
{
    return (int)(nk_f32_bits(v + 12582912.0f) & 0x007fffffu) - 0x00400000;
}

/* Truncation as x86's cvttss2si: INT32_MIN for NaN and everything outside int32. */
static inline int32_t nk_trunc(float v)
{
    return v >= -2147483648.0f && v < 2147483648.0f ? (int32_t)v : INT32_MIN;
}

static inline int nk_clamp(int v, int lo, int hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* The value of greatest magnitude with its sign, the first one on ties; 0 if all are zero or NaN.
 */
float nk_absmax_signed(const float *x, size_t n);
/* Sum of x^2 in index order. */
float nk_sum_squares(const float *x, size_t n);
/* w[n] = importance * sqrt(sigma2 + x^2), the weight every importance-aware search but Q6_K's uses.
 */
void nk_importance_weights(const float *x, const float *importance, float sigma2, float *w,
                           size_t n);

/* Symmetric codes -nmax..nmax-1, stored with nmax added: 19 scales around the one that maps the
 * greatest value to -nmax, least squares under weights w[n] for each, best kept. Returns the scale,
 * 0 for an all-zero group (codes 0). make_qx_quants, rmse_type 1. */
float nk_fit_symmetric(const float *x, const float *w, int n, int nmax, int8_t *code);
/* As above from one scale, then up to 5 sweeps that move one code at a time, weights x^2.
 * make_q3_quants, do_rmse. */
float nk_fit_symmetric_sweep(const float *x, int n, int nmax, int8_t *code);

/* Scales tried by nk_fit_affine: (nmax + first + step * k) / (max - min), k = 0..last. */
typedef struct nk_affine_search {
    float first, step;
    int last;
    bool absolute; /* error = sum w|e| instead of sum w e^2 */
} nk_affine_search;
/* Codes 0..nmax for x ~ scale * code - *min, *min >= 0: per tried scale a closed-form weighted fit
 * of both, lowest weighted error kept, its min the start of the trials after it. n <= 32.
 * make_qkx2_quants, make_qkx3_quants. */
float nk_fit_affine(const float *x, const float *w, int n, int nmax, const nk_affine_search *search,
                    uint8_t *code, float *min);
/* Codes 0..nmax for x >= 0: scales of a super-block, weighted; 8 scales, then up to 5 sweeps.
 * A negative x wraps to a high code as it does in the reference. make_qp_quants. */
float nk_fit_positive(const float *x, const float *w, int n, int nmax, uint8_t *code);

#endif
