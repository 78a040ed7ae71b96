/* The product kernels of gemm_lanes.h in vectors of AVX2, and how eight rows come into the lanes of
 * a panel. Included only by files compiled for AVX2. */
#ifndef NIBBLE_X86_GEMM_AVX2_H
#define NIBBLE_X86_GEMM_AVX2_H

#include "kernels/x86/vectors_avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#define NK_GEMM_LANES
#include "kernels/x86/gemm_lanes.h"

/* --- unpacking ---------------------------------------------------------------------------------
 */

/* 32 codes of each of eight rows to lanes: eight lines from `line` on. */
NK_INLINE void to_lanes(nk_panel *p, size_t line, int half, __m256i q[8])
{
    transpose8(q);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++)
        _mm256_store_si256((__m256i *)(void *)p->q[line + i][8 * half], q[i]);
}

/* Small scales of eight rows, one per 16 weights: per 16 or, `per32`, per 32, twice each. */
NK_INLINE void scales_to_lanes(nk_panel *p, int half, bool per32, __m256i scale[8])
{
    transpose8(scale); /* i: the scales of groups 2i and 2i + 1, row by row */
    const __m256i even = _mm256_set1_epi32(0x0000ffff);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        __m256i lo = _mm256_and_si256(scale[i], even), hi = _mm256_andnot_si256(even, scale[i]);
        lo = _mm256_or_si256(lo, _mm256_slli_epi32(lo, 16));
        hi = _mm256_or_si256(hi, _mm256_srli_epi32(hi, 16));
        _mm256_store_si256((__m256i *)(void *)p->scale[per32 ? i : 2 * i][8 * half], lo);
        if (!per32)
            _mm256_store_si256((__m256i *)(void *)p->scale[2 * i + 1][8 * half], hi);
    }
}

/* Mins of eight rows, likewise; pairs of them. */
NK_INLINE void mins_to_lanes(nk_panel *p, int half, bool per32, __m256i min[8])
{
    transpose8(min);
    const __m256i even = _mm256_set1_epi32(0x0000ffff);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        if (per32 && i >= 4)
            break;
        __m256i pair = per32 ? _mm256_or_si256(_mm256_and_si256(min[2 * i], even),
                                               _mm256_slli_epi32(min[2 * i + 1], 16))
                             : min[i];
        _mm256_store_si256((__m256i *)(void *)p->min[i][8 * half], pair);
    }
}

#endif
#endif
