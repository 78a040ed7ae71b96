/* Eight weights of a float type as floats, and sums of vectors, for dots and panels alike. Included
 * only by files compiled for AVX2 and above. */
#ifndef NIBBLE_X86_FLOAT_AVX2_H
#define NIBBLE_X86_FLOAT_AVX2_H

#include "kernels/x86/avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

typedef __m256 eight_fn(const void *w, size_t i); /* weights i..i+7 */

NK_INLINE __m256 eight_f32(const void *w, size_t i)
{
    return _mm256_loadu_ps((const float *)w + i);
}

NK_INLINE __m256 eight_f16(const void *w, size_t i)
{
    return _mm256_cvtph_ps(load16((const nk_f16 *)w + i));
}

NK_INLINE __m256 eight_bf16(const void *w, size_t i)
{
    __m256i v = _mm256_cvtepu16_epi32(load16((const uint16_t *)w + i));
    return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
}

/* Weights i..n-1, fewer than eight of `size` bytes, zero-filled. */
NK_INLINE __m256 tail_of(eight_fn *eight, size_t size, const void *w, size_t i, size_t n)
{
    unsigned char last[32] = {0};
    memcpy(last, (const char *)w + i * size, (n - i) * size);
    return eight(last, 0);
}

/* Lanes i and i + 4 of both: a's in the lower half, b's in the upper. */
NK_INLINE __m256 halves_added(__m256 a, __m256 b)
{
    return _mm256_add_ps(_mm256_blend_ps(a, b, 0xf0), _mm256_permute2f128_ps(a, b, 0x21));
}

/* Lanes i and i + 2 of each half of both. */
NK_INLINE __m256 pairs_added(__m256 a, __m256 b)
{
    __m256d x = _mm256_castps_pd(a), y = _mm256_castps_pd(b);
    return _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(x, y)),
                         _mm256_castpd_ps(_mm256_unpackhi_pd(x, y)));
}

/* The sums of four vectors of column a and four of b, in the order of hsums8 and in fewer steps. */
NK_INLINE __m256 sums_of_two(__m256 a0, __m256 a1, __m256 a2, __m256 a3, __m256 b0, __m256 b1,
                             __m256 b2, __m256 b3)
{
    __m256 low = pairs_added(halves_added(a0, b0), halves_added(a1, b1));
    __m256 high = pairs_added(halves_added(a2, b2), halves_added(a3, b3));
    return _mm256_add_ps(_mm256_shuffle_ps(low, high, 0x88), _mm256_shuffle_ps(low, high, 0xdd));
}

/* And of one column. */
NK_INLINE __m128 sums_of_one(__m256 a0, __m256 a1, __m256 a2, __m256 a3)
{
    __m256 both = pairs_added(halves_added(a0, a2), halves_added(a1, a3));
    __m128 low = _mm256_castps256_ps128(both), high = _mm256_extractf128_ps(both, 1);
    return _mm_add_ps(_mm_shuffle_ps(low, high, 0x88), _mm_shuffle_ps(low, high, 0xdd));
}

#endif
#endif
