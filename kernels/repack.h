/* Weights that other projects have quantized already -> blocks of ours, one row a call, without a
 * way through floats that would round anew where the codes fit (quant.md 2.4, 2.5). Importers take
 * a checkpoint's tensors apart into the plain arrays asked for here and choose the type.
 *
 * Every function says what it cost: what the finished blocks decode to is compared with what the
 * source means, weight by weight, in double, where scale * code is exact. Functions that return
 * false leave dst and loss as they were. */
#ifndef NIBBLE_REPACK_H
#define NIBBLE_REPACK_H

#include "kernels/type.h"

/* What a tensor's blocks miss of its source. Zero it, set next to the index of the first weight of
 * a thread's first row; merge threads in any order. All zero but next: exact. */
typedef struct nk_loss {
    double max;      /* largest |decoded - source| */
    uint64_t at;     /* its weight, row * cols + column; of equal ones the first */
    uint64_t differ; /* weights that are not equal */
    uint64_t next;   /* index of the next row's first weight */
} nk_loss;
void nk_loss_merge(nk_loss *into, const nk_loss *from);

/* --- integers under a scale per group: GPTQ, AWQ, compressed-tensors, HQQ, Quanto, int8 ---------
 */

/* weight[i] = scale[g] * (code[i] - zero[g]), g = i / group. GPTQ v1: zero = stored + 1. Signed
 * codes come as code + 128 with zero 128. Act-order (g_idx not monotone) has no such groups: sort
 * the columns, or go by nk_repack_floats. */
typedef struct nk_int_row {
    const uint8_t *code; /* [cols] */
    const float *scale;  /* [cols / group] */
    const float *zero;   /* [cols / group]; a fraction is allowed (HQQ), for types with a min */
    size_t cols, group;  /* both multiples of 32 */
} nk_int_row;

/* The smallest type that holds all codes of so many bits: q4_0 up to 3 bits and for symmetric 4,
 * q4_1 for 4 (its min zero * scale is rounded to f16), q8_0 for symmetric 5 to 8; NULL: none.
 * symmetric: every zero is 2^(bits - 1). whole_zeros: every zero is an integer. */
const nk_type *nk_repack_int_type(int bits, bool symmetric, bool whole_zeros);
/* Into q4_0, q5_0, q8_0 (whole zeros; exact where scales are f16) or q4_1, q5_1 (codes exact, min
 * rounded). False: a code or a group does not fit t, or t is none of these. dst: nk_row_size. */
bool nk_repack_int(const nk_type *t, const nk_int_row *row, void *dst, nk_loss *loss);

/* --- 4-bit floats: the same bits in another order, exact ----------------------------------------
 */

/* gpt-oss: byte i holds weights 2i (low nibble) and 2i + 1; scale [cols / 32] e8m0. cols a multiple
 * of 32. False: a scale is NaN (255), which a block would read as a number. dst: mxfp4. */
bool nk_repack_mxfp4(const uint8_t *packed, const uint8_t *scale, size_t cols, void *dst,
                     nk_loss *loss);
/* ModelOpt, compressed-tensors: bytes as above; scale [cols / 16] e4m3. cols a multiple of 64. The
 * tensor's own f32 factor is not in the blocks: it goes into NAME.scale. False: a scale is NaN or
 * negative. dst: nvfp4. */
bool nk_repack_nvfp4(const uint8_t *packed, const uint8_t *scale, size_t cols, void *dst,
                     nk_loss *loss);

/* --- ternary: BitNet ----------------------------------------------------------------------------
 */

/* weight[i] = scale * ((packed[i] >> 2 * plane & 3) - 1). Row r of an [out, in] tensor packed as u8
 * [out / 4, in] is plane r / (out / 4) of packed row r % (out / 4). cols a multiple of 256. Exact
 * where scale is f16. False: a code is 3, or t is not tq1_0 or tq2_0. */
bool nk_repack_trits(const nk_type *t, const uint8_t *packed, int plane, float scale, size_t cols,
                     void *dst, nk_loss *loss);

/* --- floats: what has no landing type of its own ------------------------------------------------
 */

/* q8_0 with a given step per 32 weights, code = x / step to nearest: bitsandbytes FP4 (step =
 * absmax / 12) is exact but for its smallest code, absmax / 192. False: a code is outside
 * -127..127. cols a multiple of 32. */
bool nk_repack_steps(const float *x, const float *step, size_t cols, void *dst, nk_loss *loss);
/* Any type by its own encoder: NF4 -> q8_0, iq4_nl, and whatever else does not fit. x finite; t
 * encodes, cols a multiple of its block. */
void nk_repack_floats(const nk_type *t, const float *x, size_t cols, void *dst, nk_loss *loss);

#endif
