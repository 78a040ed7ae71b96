/* What kernels that take rows side by side share in 512 bits: loads and sums. Included only by
 * files compiled for AVX-512. */
#ifndef NIBBLE_X86_WIDE_AVX512_H
#define NIBBLE_X86_WIDE_AVX512_H

#include "kernels/x86/avx2.h"

#if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

NK_INLINE __m512i load64(const void *p)
{
    return _mm512_loadu_si512(p);
}

NK_INLINE __m512i two_halves(__m256i a, __m256i b)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

NK_INLINE __m512i four_quarters(__m128i a, __m128i b, __m128i c, __m128i d)
{
    return two_halves(_mm256_setr_m128i(a, b), _mm256_setr_m128i(c, d));
}

/* Bits of a and the others of b. The instruction writes over its first operand: mostly that is the
 * last use of a. */
NK_INLINE __m512i bits_from(__m512i bits, __m512i a, __m512i b)
{
    return _mm512_ternarylogic_epi32(a, bits, b, 0xe2);
}

/* As neighbours of avx2.h. */
NK_INLINE __m512i neighbours_512(__m512i a, __m512i b)
{
    __m512 x = _mm512_castsi512_ps(a), y = _mm512_castsi512_ps(b);
    return _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(x, y, 0x88)),
                            _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0xdd)));
}

/* The sums of each 128 bits of four vectors. */
NK_INLINE __m512i sums_of_4(const __m512i v[4])
{
    return neighbours_512(neighbours_512(v[0], v[1]), neighbours_512(v[2], v[3]));
}

/* Both halves of a added up, then those of b. */
NK_INLINE __m512i halves_added(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_shuffle_i64x2(a, b, 0x44), _mm512_shuffle_i64x2(a, b, 0xee));
}

/* Vector k holds eight lanes of row k and eight of row k + 4. */
NK_INLINE __m256i sums_of_4_twice(const __m512i v[4])
{
    __m512i s = sums_of_4(v);
    s = _mm512_add_epi32(s, _mm512_shuffle_i64x2(s, s, 0xb1));
    return _mm512_castsi512_si256(_mm512_shuffle_i64x2(s, s, 0x08));
}

/* The sums of eight vectors. */
NK_INLINE __m256i sums_of_8_wide(const __m512i v[8])
{
    NK_UNSET __m512i half[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        half[k] = halves_added(v[k], v[k + 4]);
    return sums_of_4_twice(half);
}

#endif
#endif
