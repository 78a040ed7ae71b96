#include "kernels/x86/attn_kv_avx512.h"

#include "kernels/fp.h"
#include "kernels/x86/math_lanes.h"
#include "kernels/x86/x86.h"

#ifndef NK_REGISTER /* emulated, such a register is memory */
#define NK_REGISTER "+v"
#endif

/* Lanes whose positions i.. are in [from, to). */
NK_INLINE lane_mask seen(size_t i, size_t from, size_t to)
{
    unsigned below_to = to < i + LANES ? 0xffffu >> (i + LANES - to) : 0xffff;
    unsigned below_from = from > i ? (1u << (from - i)) - 1 : 0;
    return (lane_mask)(below_to & ~below_from);
}

NK_INLINE float largest(lanes v)
{
    return max_of(_mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1)));
}

/* Of a strip, in AVX2's order. */
NK_INLINE float sum_of(const lanes v[1])
{
    return hsum8(_mm256_add_ps(_mm512_castps512_ps256(v[0]), _mm512_extractf32x8_ps(v[0], 1)));
}

NK_INLINE lanes pair(float a, float b)
{
    return _mm512_zextps128_ps512(_mm_setr_ps(a, b, 0, 0));
}

/* As in attn_avx2.c. */
NK_INLINE lanes lanes_larger(lanes a, lanes b)
{
    return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}

NK_INLINE float largest_of(lanes v)
{
    int32_t bits = _mm512_reduce_max_epi32(_mm512_castps_si512(v));
    return nk_bits_f32((uint32_t)bits);
}

NK_INLINE lane_ints no_ints(void)
{
    return _mm512_setzero_si512();
}

NK_INLINE lane_ints ints_load(const float *p)
{
    return _mm512_loadu_si512(p);
}

NK_INLINE void ints_store(float *p, lane_ints v)
{
    _mm512_storeu_si512(p, v);
}

NK_INLINE lane_ints ints_pair(const int16_t *code)
{
    int32_t two;
    memcpy(&two, code, sizeof two);
    return _mm512_set1_epi32(two);
}

NK_INLINE lane_ints ints_add_products(lane_ints sum, lane_ints a, lane_ints b)
{
    sum = _mm512_dpwssd_epi32(sum, a, b);
    __asm__("" : NK_REGISTER(sum)); /* gcc 12 would keep sums in memory */
    return sum;
}

NK_INLINE void store_codes(int16_t to[WIDE], const float *a, const float *b)
{
    __m512i w = _mm512_cvtps_epi32(lanes_mul(lanes_load(a), lanes_load(b)));
    store32(to, _mm512_cvtsepi32_epi16(w));
}

NK_INLINE lane_ints pair_codes(const int8_t *a, const int8_t *b)
{
    __m512i high = _mm512_slli_epi32(_mm512_cvtepi8_epi32(load16(b)), 16);
    return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_cvtepi8_epi32(load16(a)), high);
}

NK_INLINE lane_ints code_words(const int8_t *q)
{
    return _mm512_cvtepi8_epi16(load32(q));
}

NK_INLINE lane_ints low_pairs(lane_ints a, lane_ints b)
{
    return _mm512_unpacklo_epi16(a, b);
}

NK_INLINE lane_ints high_pairs(lane_ints a, lane_ints b)
{
    return _mm512_unpackhi_epi16(a, b);
}

NK_INLINE void in_order(lane_ints low, lane_ints high, lane_ints out[2])
{
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    out[0] = _mm512_permutex2var_epi64(low, first, high);
    out[1] = _mm512_permutex2var_epi64(low, second, high);
}

#define NK_ATTN_STRIPS(rows) 4
#define NK_ATTN_VALUES(rows) ((rows) <= 2 ? 8 : (rows) <= 6 ? 4 : 2)
#define NK_ATTN_MIXED        8
#define NK_ATTN_SHORT        128
#define NK_ATTN_CODED        4
#define NK_ATTN_DIRECTLY     /* score_directly of attn_few_avx512.h */
#define NK_ATTN_BLOCKS(rows) ((rows) <= 2 ? 4 : 2)
#include "kernels/x86/attn_unpack.h"

#include "kernels/x86/attn_few_avx512.h"

#include "kernels/x86/attn_lanes.h"

void nk_x86_attn_avx512(nk_ops *ops)
{
    ops->attn_span = attend;
    ops->attn_join = join;
}
