/* Exponentials of eight floats at once. Rules of inclusion as in avx2.h. */
#ifndef NIBBLE_X86_MATH_AVX2_H
#define NIBBLE_X86_MATH_AVX2_H

#include "kernels/x86/avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

/* Lanes 0..n-1 set, n <= 8. */
NK_INLINE __m256i first_lanes(size_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}

/* x = k ln 2 + r with |r| <= ln 2 / 2: e^r; k goes to *k. Taylor to r^7 leaves 6e-9. */
NK_INLINE __m256 exp8_part(__m256 x, __m256i *k)
{
    __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(0x1.715476p+0f)),
                               _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.62e4p-1f), x); /* 16 bits: exact product */
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.7f7d1cp-20f), r);
    static const float coef[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
    __m256 p = _mm256_set1_ps(1.0f / 5040);
#pragma GCC unroll 7
    for (int i = 0; i < 7; i++)
        p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(coef[i]));
    *k = _mm256_cvtps_epi32(n);
    return p;
}

/* e^x within 2 ulp, 0 and Inf at the ends, NaN kept. 2^k goes in by halves, so that results may be
 * subnormal or infinite. */
NK_INLINE __m256 exp8(__m256 x)
{
    __m256i n;
    x = _mm256_max_ps(_mm256_set1_ps(-104.0f), _mm256_min_ps(_mm256_set1_ps(89.0f), x));
    __m256 p = exp8_part(x, &n);
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i half = _mm256_srai_epi32(n, 1), rest = _mm256_sub_epi32(n, half);
    __m256 a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    __m256 b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(p, a), b);
}

/* e^x within 2 ulp for x <= 0; below -87 that of -87, 1e-38. NaN kept. */
NK_INLINE __m256 exp8_neg(__m256 x)
{
    __m256i n;
    __m256 p = exp8_part(_mm256_max_ps(_mm256_set1_ps(-87.0f), x), &n);
    __m256i bits = _mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(p, _mm256_castsi256_ps(bits));
}

#endif
#endif
