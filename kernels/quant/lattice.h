/* What the seven IQ types on grids share: a block taken apart, and the search for one.
 *
 * A block is 256 weights under one f16 d, groups of 16 or 32 under an odd small scale 2s + 1:
 *     w = d * (2s + 1) * value
 * where value is an integer: a level of the grid with its sign, or, for IQ1, eight times the level
 * plus or minus its shift of 1/8. Every product is exact in f32. */
#ifndef NIBBLE_QUANT_LATTICE_H
#define NIBBLE_QUANT_LATTICE_H

#include "kernels/blocks.h"
#include "kernels/quant/grid.h"
#include "kernels/type.h"

enum {
    NK_LATTICE_GROUPS = 16, /* of a block, at most */
    NK_LATTICE_POINTS = 8,  /* of a group, at most */
};

/* A block taken apart. */
typedef struct nk_lattice_block {
    int8_t value[NK_SUPER_LEN];
    uint8_t sc[NK_LATTICE_GROUPS]; /* 2s + 1 */
    float d;                       /* with the type's constant factor: 1/8, 1/4 or 1 */
} nk_lattice_block;

typedef void nk_lattice_unpack_fn(const void *block, nk_lattice_block *a);

/* decode, dot with q8_K and view of rows of such blocks, of `size` bytes; group 16 or 32. */
void nk_lattice_decode(nk_lattice_unpack_fn *unpack, size_t size, int group, const void *src,
                       float *dst, size_t n);
float nk_lattice_dot(nk_lattice_unpack_fn *unpack, size_t size, int group, size_t n, const void *w,
                     const void *x);
/* end: the greatest value; step: the widest gap between two. */
void nk_lattice_view(nk_lattice_unpack_fn *unpack, int group, int end, int step, const void *block,
                     nk_block_view *v);

/* The eight signs of seven: bit 7 makes their number even (ksigns_iq2xs of ggml-common.h). */
static inline uint8_t nk_even_signs(unsigned seven)
{
    seven &= 127;
    unsigned odd = seven ^ seven >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    return (uint8_t)(seven | (odd & 1) << 7);
}

#endif
