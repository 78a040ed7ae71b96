/* Eight weights of a float type as floats, for dots and panels alike. Included only by files
 * compiled for AVX2 and above. */
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

#endif
#endif
