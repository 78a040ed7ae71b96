/* What of each block type makes up the kernels of arm64. */
#ifndef NIBBLE_ARM_TYPES_H
#define NIBBLE_ARM_TYPES_H

#if defined(__aarch64__)

#include "kernels/arm/dot.h"
#include "kernels/dot_rows.h"

#define F16_FIRST(sym)                                                                             \
    NK_INLINE float scale_##sym(const void *row, size_t i, int h)                                  \
    {                                                                                              \
        (void)h;                                                                                   \
        return f16_at((const nk_block_##sym *)row + i);                                            \
    }
F16_FIRST(q4_0)
F16_FIRST(q4_1)
F16_FIRST(q5_0)
F16_FIRST(q5_1)
F16_FIRST(q8_0)
F16_FIRST(iq4_nl)

NK_INLINE float scale_mxfp4(const void *row, size_t i, int h)
{
    (void)h;
    return nk_mxfp4_scale(((const nk_block_mxfp4 *)row)[i].e);
}

NK_INLINE float scale_nvfp4(const void *row, size_t i, int h)
{
    return nk_nvfp4_scale(((const nk_block_nvfp4 *)row)[i / 2].d[i % 2 * 2 + (size_t)h]);
}

#define SIMPLE_TYPE(sym, q8, has_min, halves)                                                      \
    static const simple_type sym = {codes_##sym,           scale_##sym, sizeof(nk_block_##sym),    \
                                    sizeof(nk_block_##q8), has_min,     halves};
SIMPLE_TYPE(q4_0, q8_0, false, false)
SIMPLE_TYPE(q4_1, q8_1, true, false)
SIMPLE_TYPE(q5_0, q8_0, false, false)
SIMPLE_TYPE(q5_1, q8_1, true, false)
SIMPLE_TYPE(q8_0, q8_0, false, false)
SIMPLE_TYPE(iq4_nl, q8_0, false, false)
SIMPLE_TYPE(mxfp4, q8_0, false, false)
SIMPLE_TYPE(nvfp4, q8_0, false, true)

static const super_type q2_k = {codes_q2_k, scales_q2_k, sizeof(nk_block_q2_k), true, false};
static const super_type q3_k = {codes_q3_k, scales_q3_k, sizeof(nk_block_q3_k), false, false};
static const super_type q4_k = {codes_q4_k, scales_q4_k, sizeof(nk_block_q4_k), true, true};
static const super_type q5_k = {codes_q5_k, scales_q5_k, sizeof(nk_block_q5_k), true, true};
static const super_type q6_k = {codes_q6_k, scales_q6_k, sizeof(nk_block_q6_k), false, false};
static const super_type iq4_xs = {codes_iq4_xs, scales_iq4_xs, sizeof(nk_block_iq4_xs), false,
                                  true};

/* X(enum suffix, symbol), as dot_rows.h */
#define ARM_SIMPLE_TYPES(X) NK_SIMPLE_TYPES(X) NK_LEVEL_TYPES(X) X(NVFP4, nvfp4)
#define ARM_SUPER_TYPES(X)  NK_SUPER_TYPES(X) X(IQ4_XS, iq4_xs)

#endif
#endif
