/* Pairs of bf16 as f32, for the emulations of what multiplies them. */
#ifndef NIBBLE_TEST_EMULATE_PAIRS_H
#define NIBBLE_TEST_EMULATE_PAIRS_H

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include <immintrin.h>
#include <stdbool.h>

/* Subnormals as zeros of their sign. */
static inline __m256 emu_flush(__m256 v)
{
    const __m256i exponent = _mm256_set1_epi32(0x7f800000),
                  sign = _mm256_set1_epi32((int)(1u << 31));
    __m256i bits = _mm256_castps_si256(v);
    __m256i tiny = _mm256_cmpeq_epi32(_mm256_and_si256(bits, exponent), _mm256_setzero_si256());
    return _mm256_castsi256_ps(_mm256_andnot_si256(_mm256_andnot_si256(sign, tiny), bits));
}

/* The first or the second bf16 of every pair as f32. */
static inline __m256 emu_of_pairs(__m256i v, bool second)
{
    v = second ? _mm256_and_si256(v, _mm256_set1_epi32((int)0xffff0000)) : _mm256_slli_epi32(v, 16);
    return emu_flush(_mm256_castsi256_ps(v));
}

#endif
#endif
