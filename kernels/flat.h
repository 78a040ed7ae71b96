/* Blocks that hold what a block of an IQ type holds, in a form that is quick to read: a code for
 * every weight in place of indices into a grid and signs. They take 1.2 to 1.6 times the memory
 * (IQ1: 2) and are read at the memory's speed, where loads of points, one for four or eight
 * weights, are what the others wait for. Made at load, never in a file. Where AVX-512 has VBMI
 * points are looked up without loads (x86/grid_avx512vbmi.h), and flat ones gain nothing (measured
 * on Zen 5), but those of IQ1 on Intel's CPUs.
 *
 * The points of an IQ2 grid have three magnitudes, those of IQ3 eight (grid.h, from iq2xxs_grid and
 * its kin of ggml-common.h @ d99724f): with the sign six levels in 3 bits, sixteen in 4. IQ1
 * has three levels and two shifts, which makes six again. Super-block scale and small scales are
 * taken over as they are, and w = d * (2s + 1) * level as in quant/lattice.h: the integers that a
 * dot adds up are the same ones, so a flat block has the bits of its source on every level.
 *
 *     source                  bits per weight  flat row      bits per weight
 *     iq1_s, iq1_m            1.56 1.75        FLAT_IQ1      3.31
 *     iq2_xxs, iq2_xs, iq2_s  2.06 2.31 2.56   FLAT_IQ2      3.31
 *     iq3_xxs                 3.06             FLAT_IQ3_XXS  4.19
 *     iq3_s                   3.44             FLAT_IQ3_S    4.19
 */
#ifndef NIBBLE_FLAT_H
#define NIBBLE_FLAT_H

#include "kernels/blocks.h"
#include "kernels/type.h"

enum { NK_FLAT_PLANE = 32 };

/* | d 2 | scales 8 | qs 96 |   w = d / 8 * (2s + 1) * level[q], one s per 16
 * level: IQ1 -9, -7, -1, 1, 7, 9; IQ2 -43, -25, -8, 8, 25, 43; scales as iq2_xs
 * qs: three planes of 32 bytes. Plane p: bits 0-2 of byte j are q of [64p + j], bits 3-5 of
 * [64p + 32 + j]. Of [192 + j] bits 0-1 are bits 6-7 of plane 0, bit 2 is bit 6 of plane 2; of
 * [224 + j] bits 0-1 are bits 6-7 of plane 1, bit 2 is bit 7 of plane 2. */
typedef struct __attribute__((packed)) nk_block_flat3 {
    nk_f16 d;
    uint8_t scales[NK_SUPER_LEN / 32];
    uint8_t qs[3 * NK_FLAT_PLANE];
} nk_block_flat3;
_Static_assert(sizeof(nk_block_flat3) == 106, "flat3");

/* | d 2 | scales 4 | qs 128 |   one s per 32, scales as iq3_s
 * iq3_xxs: w = d / 4 * (2s + 1) * level[q]; level: -62, -52, -44, -36, -28, -20, -12, -4, 4, .. 62
 * iq3_s:   w = d * (2s + 1) * (2q - 15)
 * qs: 32 bytes per 64 weights, byte j low nibble [j], high nibble [j + 32] */
typedef struct __attribute__((packed)) nk_block_flat4 {
    nk_f16 d;
    uint8_t scales[NK_SUPER_LEN / 64];
    uint8_t qs[NK_SUPER_LEN / 2];
} nk_block_flat4;
_Static_assert(sizeof(nk_block_flat4) == 134, "flat4");

/* Levels by code; codes past the last one do not occur and are 0. */
enum { NK_FLAT_LEVELS = 16 };
extern const int8_t nk_flat_levels_iq1[NK_FLAT_LEVELS];
extern const int8_t nk_flat_levels_iq2[NK_FLAT_LEVELS];
extern const int8_t nk_flat_levels_iq3_xxs[NK_FLAT_LEVELS];
extern const int8_t nk_flat_levels_iq3_s[NK_FLAT_LEVELS];

/* n weights at src, of an IQ type, as flat blocks at dst. No alignment asked of either. */
typedef void nk_flatten_fn(const void *src, void *dst, size_t n);

/* The row that weights of type t become; NULL: a type that gains nothing by it. The rows have no
 * encoder and are found here alone, not by id or name. */
const nk_type *nk_flat_of(const nk_type *t);
/* The C reference for type t; NULL where nk_flat_of is. */
nk_flatten_fn *nk_flatten_of(const nk_type *t);

#endif
