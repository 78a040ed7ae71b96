/* Products of f16 and bf16 weights by a unit that multiplies pairs of bf16 and adds them up in f32.
 * Where a table has them for a type, nk_matmul multiplies it by nothing else, be it one column or
 * many, because their bits are not those of the other kernels: decode, drafts and prefill agree
 * with each other, whatever the shape and the number of threads. Whether a table has them must be
 * the same for all products of a machine: core/eval/tune.h decides by what is stored.
 *
 * The order of one element's sum, for every NK_DEEP weights and each product of parts:
 *   s = s + (a + b), a the sum of the products of even k and b that of odd k, each from 0 in the
 *   order of k by fma; subnormals count as 0, sums to the nearest even.
 * Parts are bf16: x = xh + xl, each rounded to the nearest even; bf16 w = wh, f16 w = wh + wl,
 * where wh is w cut off: exact. Products: wh xh, wh xl, then (f16) wl xh. What is left of x is at
 * most 2^-17 of it, (f16) wl xl below 2^-15 of w x. A weight or an activation that is no number
 * makes the sum none; so does an activation that rounds to more than the greatest bf16, 2^128 -
 * 2^120. */
#ifndef NIBBLE_PAIRS_H
#define NIBBLE_PAIRS_H

#include "kernels/gemm.h"

/* A group of activations is of min(m, NK_WIDE) columns and holds for every NK_DEEP of the chunk the
 * high parts, column by column, then the low ones, zero-filled. Columns that a last group lacks are
 * not set. */
typedef struct nk_pairs {
    nk_unpack_fn *unpack; /* NULL: the level has none of this type; asks for the rows' next chunk */
    nk_gemm_fn *run;      /* between enter and leave, made by the thread that makes them */
    /* Column c of a group of `width` from its chunk of n activations. */
    void (*pack)(void *group, size_t width, size_t c, const float *x, size_t n);
    void (*enter)(size_t width);
    void (*leave)(void);
    int products; /* of parts, for one of a weight and an activation */
} nk_pairs;

/* Bytes of a group's chunk. */
static inline size_t nk_pairs_size(size_t width)
{
    return 2 * NK_CHUNK * sizeof(uint16_t) * width;
}

#endif
