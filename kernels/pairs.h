/* Products of f16 and bf16 weights by a unit that multiplies pairs of bf16 and adds them up in f32.
 * Where a table has them for a type, nk_matmul multiplies it by nothing else, be it one column or
 * many, because their bits are not those of the other kernels: decode, drafts and prefill agree
 * with each other, whatever the shape and the number of threads. Whether a table has those of two
 * parts must be the same for all products of a machine: core/eval/tune.h decides by what is stored.
 * Those of one part are in a table of their own (nk_ops_one_part), which answers are written by;
 * what a model is measured by has none.
 *
 * Parts are bf16, each rounded to the nearest even. Two: x = xh + xl; bf16 w = wh, f16 w = wh + wl,
 * where wh is w cut off: exact. Products: wh xh, wh xl, then (f16) wl xh. What is left of x is at
 * most 2^-17 of it, (f16) wl xl below 2^-15 of w x. One: x = xh, as who trained a model in bf16 and
 * llama.cpp (the vec_dot_type of GGML_TYPE_BF16) have it; what is left is at most 2^-9 of x, which
 * f16 weights do not deserve.
 *
 * The order of one element's sum: of two parts, for every NK_DEEP weights and each product of
 * parts,
 *   s = s + (a + b), a the sum of the products of even k and b that of odd k, each from 0 in the
 *   order of k by fma;
 * of one, for every NK_CHUNK weights
 *   s = (((s + t0) + t1) + t2) + t3, each t from 0 by pairs of weights k, k + 1 in their order,
 *   t = fma(w_k, x_k, fma(w_k+1, x_k+1, t)), where k / 2 mod 4 tells of which t.
 * Subnormals count as 0 (of one part in t and what it is made of), sums are rounded to the nearest
 * even. A weight or an activation that is no
 * number makes the sum none; so does an activation that rounds to more than the greatest bf16,
 * 2^128 - 2^120. */
#ifndef NIBBLE_PAIRS_H
#define NIBBLE_PAIRS_H

#include "kernels/gemm.h"

/* A group of activations is of min(m, NK_WIDE) columns and holds for every NK_DEEP of the chunk the
 * high parts, column by column, then (of two) the low ones, zero-filled. Columns that a last group
 * lacks are not set. */
typedef struct nk_pairs {
    nk_unpack_fn *unpack; /* NULL: the level has none of this type */
    nk_gemm_fn *run;      /* between enter and leave, made by the thread that makes them */
    nk_few_fn *few; /* for at most NK_FEW columns, of one group, in place of panels; NULL: none */
    /* Column c of a group of `width` from its chunk of n activations. */
    void (*pack)(void *group, size_t width, size_t c, const float *x, size_t n);
    void (*enter)(size_t width); /* NULL, both: nothing */
    void (*leave)(void);
    bool asks;    /* unpack does, for the rows' next chunk */
    int parts;    /* of an activation; the same of all types of a level */
    int products; /* of parts, for one of a weight and an activation */
} nk_pairs;

/* Bytes of a group's chunk. */
static inline size_t nk_pairs_size(size_t width, int parts)
{
    return (size_t)parts * NK_CHUNK * sizeof(uint16_t) * width;
}

#endif
