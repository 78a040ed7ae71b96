/* Types whose 4-bit codes index a table of 16 uneven levels: iq4_nl, iq4_xs, mxfp4, nvfp4. The
 * tables (kvalues_iq4nl, kvalues_mxfp4 of ggml-common.h @ 01243c5) serve the SIMD kernels too. */
#ifndef NIBBLE_QUANT_LEVELS_H
#define NIBBLE_QUANT_LEVELS_H

#include "kernels/blocks.h"
#include "kernels/type.h"

enum { NK_LEVELS = 16 };

static const int8_t nk_levels_iq4[NK_LEVELS] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                1,    13,   25,  38,  53,  69,  89,  113};
/* e2m1 (OCP microscaling formats 1.0: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives), doubled.
 * Code 8, the negative zero, is a plain 0. */
static const int8_t nk_levels_fp4[NK_LEVELS] = {0, 1,  2,  3,  4,  6,  8,  12,
                                                0, -1, -2, -3, -4, -6, -8, -12};

/* Scale codes of an iq4_xs block by the greatest, which becomes -32, into its d and scales.
 * scale[g] becomes what group g's weights are coded with: the f32 product, before d is rounded to
 * f16, as the reference does. */
enum { NK_XS_GROUPS = NK_SUPER_LEN / NK_LEN };
void nk_scales_iq4_xs(nk_block_iq4_xs *b, float scale[NK_XS_GROUPS]);

/* dst[n] = level of code * scale */
void nk_levels_decode(const int8_t levels[NK_LEVELS], const uint8_t *code, float scale, float *dst,
                      int n);
/* Sum of level of code * x over n. */
int nk_levels_dot(const int8_t levels[NK_LEVELS], const uint8_t *code, const int8_t *x, int n);
/* All of a view but d, scale and scale_code, which are the caller's. code[len]. */
void nk_levels_view(nk_block_view *v, const int8_t levels[NK_LEVELS], const uint8_t *code,
                    uint32_t len, uint32_t group);

#endif
