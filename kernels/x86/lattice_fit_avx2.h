/* Searches of the IQ encoders, eight at a time, equal to the C reference bit for bit: a sum over
 * the weights of a point keeps its order, and eight neighbours, or eight tried scales, are added up
 * side by side. What a level of a weight contributes is computed once per level and looked up by
 * code. Included only by files compiled for AVX2 and above. */
#ifndef NIBBLE_X86_LATTICE_FIT_AVX2_H
#define NIBBLE_X86_LATTICE_FIT_AVX2_H

#include "kernels/quant/lattice_fit.h"
#include "kernels/x86/avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include <float.h>

/* Three lanes' worth of terms, one per level, as eight tables of four: that of weight i at
 * LEVEL_TABLE(i). */
NK_INLINE void store_levels(__m256 a, __m256 b, __m256 c, float table[32])
{
    __m256 lo = _mm256_unpacklo_ps(a, b), hi = _mm256_unpackhi_ps(a, b);
    __m256 lo_c = _mm256_unpacklo_ps(c, c), hi_c = _mm256_unpackhi_ps(c, c);
    _mm256_storeu_ps(table, _mm256_shuffle_ps(lo, lo_c, 0x44));
    _mm256_storeu_ps(table + 8, _mm256_shuffle_ps(lo, lo_c, 0xee));
    _mm256_storeu_ps(table + 16, _mm256_shuffle_ps(hi, hi_c, 0x44));
    _mm256_storeu_ps(table + 24, _mm256_shuffle_ps(hi, hi_c, 0xee));
}

NK_INLINE int level_table(int i)
{
    return i % 4 * 8 + i / 4 * 4;
}

NK_INLINE __m256 load_levels(const float *table)
{
    return _mm256_broadcast_ps((const __m128 *)(const void *)table);
}

/* (w d) d, d = q - x */
NK_INLINE __m256 level_error(__m256 w, __m256 q, __m256 x)
{
    __m256 d = _mm256_sub_ps(q, x);
    return _mm256_mul_ps(_mm256_mul_ps(w, d), d);
}

/* The lanes that hold the least of all eight. */
NK_INLINE __m256 lanes_of_least(__m256 least)
{
    __m128 v = _mm_min_ps(_mm256_castps256_ps128(least), _mm256_extractf128_ps(least, 1));
    v = _mm_min_ps(v, _mm_movehl_ps(v, v));
    v = _mm_min_ss(v, _mm_movehdup_ps(v));
    return _mm256_cmp_ps(least, _mm256_broadcastss_ps(v), _CMP_EQ_OQ);
}

/* Entry number of the least of eight lanes, of equal ones the least number. */
NK_INLINE int first_of_least(__m256 least, __m256i at)
{
    __m256 equal = lanes_of_least(least);
    at = _mm256_blendv_epi8(_mm256_set1_epi32(INT32_MAX), at, _mm256_castps_si256(equal));
    __m128i n = _mm_min_epi32(_mm256_castsi256_si128(at), _mm256_extracti128_si256(at, 1));
    n = _mm_min_epi32(n, _mm_shuffle_epi32(n, 0x4e));
    n = _mm_min_epi32(n, _mm_shuffle_epi32(n, 0xb1));
    return _mm_cvtsi128_si32(n);
}

/* Eight codes of a list. */
NK_INLINE __m256i eight_codes(const uint16_t *list)
{
    return _mm256_cvtepu16_epi32(load16(list));
}

/* As nk_grid_nearest for points of eight weights in three levels; q: scale times level. */
NK_INLINE unsigned nearest_of_8(const nk_grid *g, int point, __m256 x, __m256 w, const float q[3])
{
    const uint16_t *list = g->near + g->first[point];
    _Alignas(32) float table[32];
    __m256 t[8], least = _mm256_set1_ps(FLT_MAX);
    __m256i best = _mm256_setzero_si256(), at = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    store_levels(level_error(w, _mm256_set1_ps(q[0]), x), level_error(w, _mm256_set1_ps(q[1]), x),
                 level_error(w, _mm256_set1_ps(q[2]), x), table);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        t[i] = load_levels(table + level_table(i));
    for (int k = 0; k < list[0]; k += 8) {
        __m256i code = eight_codes(list + 1 + k);
        __m256 sum = _mm256_permutevar_ps(t[0], code);
#pragma GCC unroll 7
        for (int i = 1; i < 8; i++)
            sum = _mm256_add_ps(sum, _mm256_permutevar_ps(t[i], _mm256_srli_epi32(code, 2 * i)));
        __m256 less = _mm256_cmp_ps(sum, least, _CMP_LT_OQ);
        least = _mm256_blendv_ps(least, sum, less);
        best = _mm256_blendv_epi8(best, at, _mm256_castps_si256(less));
        at = _mm256_add_epi32(at, _mm256_set1_epi32(8));
    }
    return list[1 + first_of_least(least, best)];
}

/* 1, 3, .. 15 */
NK_INLINE __m256 odd_levels(void)
{
    return _mm256_setr_ps(1, 3, 5, 7, 9, 11, 13, 15);
}

/* Of eight points of four weights; t[i]: by level of weight i. */
NK_INLINE __m256 error_of_4(const __m256 t[4], __m256i code)
{
    __m256 sum = _mm256_permutevar8x32_ps(t[0], code);
#pragma GCC unroll 3
    for (int i = 1; i < 4; i++)
        sum = _mm256_add_ps(sum, _mm256_permutevar8x32_ps(t[i], _mm256_srli_epi32(code, 3 * i)));
    return sum;
}

/* nearest_of_8 for points of four weights in eight levels. */
NK_INLINE unsigned nearest_of_4(const nk_grid *g, int point, const float *x, const float *w,
                                float scale)
{
    const uint16_t *list = g->near + g->first[point];
    __m256 t[4], least = _mm256_set1_ps(FLT_MAX),
                 q = _mm256_mul_ps(_mm256_set1_ps(scale), odd_levels());
    __m256i best = _mm256_setzero_si256(), at = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        t[i] = level_error(_mm256_set1_ps(w[i]), q, _mm256_set1_ps(x[i]));
    if (list[0] <= 8) { /* three lists of four, or more */
        __m256 sum = _mm256_min_ps(error_of_4(t, eight_codes(list + 1)), least);
        return list[1 + __builtin_ctz((unsigned)_mm256_movemask_ps(lanes_of_least(sum)))];
    }
    for (int k = 0; k < list[0]; k += 8) {
        __m256 sum = error_of_4(t, eight_codes(list + 1 + k));
        __m256 less = _mm256_cmp_ps(sum, least, _CMP_LT_OQ);
        least = _mm256_blendv_ps(least, sum, less);
        best = _mm256_blendv_epi8(best, at, _mm256_castps_si256(less));
        at = _mm256_add_epi32(at, _mm256_set1_epi32(8));
    }
    return list[1 + first_of_least(least, best)];
}

/* nk_nearest of eight, 2^22 too high: the integer part of v + 1.5 * 2^23. */
NK_INLINE __m256i nearest_biased(__m256 v)
{
    __m256i bits = _mm256_castps_si256(_mm256_add_ps(v, _mm256_set1_ps(12582912.0f)));
    return _mm256_and_si256(bits, _mm256_set1_epi32(0x007fffff));
}

/* Lanes where v is a level above 0, above 1 -> sum of level[i] * 3^i, levels cut to 0..2. */
NK_INLINE int point_of_masks(unsigned above0, unsigned above1)
{
    static const int8_t low[16] = {0, 1, 3, 4, 9, 10, 12, 13, 27, 28, 30, 31, 36, 37, 39, 40};
    return low[above0 & 15] + low[above1 & 15] + 81 * (low[above0 >> 4] + low[above1 >> 4]);
}

/* Importance weights and their roots; order of operations of nk_importance_weights. */
NK_INLINE void weigh_group(const nk_lattice *l, const float *x, const float *importance,
                           float sigma2, float *w)
{
    if (!importance) {
        l->plain_weights(x, sigma2, w, l->group);
        return;
    }
    for (int i = 0; i < l->group; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i);
        v = _mm256_sqrt_ps(_mm256_add_ps(_mm256_set1_ps(sigma2), _mm256_mul_ps(v, v)));
        _mm256_storeu_ps(w + i, _mm256_mul_ps(_mm256_loadu_ps(importance + i), v));
    }
}

#endif
#endif
