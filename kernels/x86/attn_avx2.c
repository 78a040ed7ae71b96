#include "kernels/x86/attn_kv_avx2.h"

#include "kernels/x86/math_lanes.h"
#include "kernels/x86/x86.h"

/* Lanes whose positions i.. are in [from, to). */
NK_INLINE lane_mask seen(size_t i, size_t from, size_t to)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i p = _mm256_add_epi32(lane, _mm256_set1_epi32((int)i));
    __m256i in = _mm256_and_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32((int)to), p),
                                  _mm256_cmpgt_epi32(p, _mm256_set1_epi32((int)from - 1)));
    return _mm256_castsi256_ps(in);
}

NK_INLINE float largest(lanes v)
{
    return max_of(v);
}

/* Of a strip. */
NK_INLINE float sum_of(const lanes v[2])
{
    return hsum8(_mm256_add_ps(v[0], v[1]));
}

NK_INLINE lanes pair(float a, float b)
{
    return _mm256_setr_ps(a, b, 0, 0, 0, 0, 0, 0);
}

/* The one whose bits are greater, of numbers that are not negative: what is no number wins. */
NK_INLINE lanes lanes_larger(lanes a, lanes b)
{
    return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}

NK_INLINE float largest_of(lanes v)
{
    __m256i w = _mm256_castps_si256(v);
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(m));
}

NK_INLINE lane_ints no_ints(void)
{
    return _mm256_setzero_si256();
}

NK_INLINE lane_ints ints_load(const float *p)
{
    return load32(p);
}

NK_INLINE void ints_store(float *p, lane_ints v)
{
    store32(p, v);
}

/* Two codes in every lane. */
NK_INLINE lane_ints ints_pair(const int16_t *code)
{
    int32_t two;
    memcpy(&two, code, sizeof two);
    return _mm256_set1_epi32(two);
}

/* Of pairs of 16 bits. */
NK_INLINE lane_ints ints_add_products(lane_ints sum, lane_ints a, lane_ints b)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

/* The products of a strip as nearest whole numbers of 16 bits. */
NK_INLINE void store_codes(int16_t to[WIDE], const float *a, const float *b)
{
    __m256i low = _mm256_cvtps_epi32(lanes_mul(lanes_load(a), lanes_load(b)));
    __m256i high = _mm256_cvtps_epi32(lanes_mul(lanes_load(a + LANES), lanes_load(b + LANES)));
    store32(to, _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8));
}

/* Code i of a and of b in lane i. */
NK_INLINE lane_ints pair_codes(const int8_t *a, const int8_t *b)
{
    __m256i low = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i_u *)a));
    __m256i high = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i_u *)b));
    return _mm256_blend_epi16(low, _mm256_slli_epi32(high, 16), 0xaa);
}

/* 2 LANES codes as 16 bits, then those of two rows in pairs, and such pairs, or what was added up
 * of them, in order. */
NK_INLINE lane_ints code_words(const int8_t *q)
{
    return _mm256_cvtepi8_epi16(load16(q));
}

NK_INLINE lane_ints low_pairs(lane_ints a, lane_ints b)
{
    return _mm256_unpacklo_epi16(a, b);
}

NK_INLINE lane_ints high_pairs(lane_ints a, lane_ints b)
{
    return _mm256_unpackhi_epi16(a, b);
}

NK_INLINE void in_order(lane_ints low, lane_ints high, lane_ints out[2])
{
    out[0] = _mm256_permute2x128_si256(low, high, 0x20);
    out[1] = _mm256_permute2x128_si256(low, high, 0x31);
}

/* Sixteen registers: few rows take several strips at once, so that sums do not wait for each other.
 */
#define NK_ATTN_STRIPS(rows) ((rows) == 1 ? 4 : (rows) == 2 ? 2 : 1)
#define NK_ATTN_VALUES(rows) ((rows) <= 2 ? 4 : 2)
#define NK_ATTN_MIXED        6
#define NK_ATTN_SHORT        64
#define NK_ATTN_CODED        2
#define NK_ATTN_BLOCKS(rows) 1
#include "kernels/x86/attn_lanes.h"

void nk_x86_attn_avx2(nk_ops *ops)
{
    ops->attn_span = attend;
    ops->attn_join = join;
}
