/* What rows side by side share in 512 bits. Included only by files compiled for AVX-512. */
#ifndef NIBBLE_X86_SIDE_AVX512_H
#define NIBBLE_X86_SIDE_AVX512_H

#include "kernels/x86/side_avx2.h"

#if defined(__AVX512BW__)

NK_INLINE __m512i halves(__m256i first, __m256i second)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
}

NK_INLINE __m512i quarters(__m128i a, __m128i b, __m128i c, __m128i d)
{
    return halves(_mm256_setr_m128i(a, b), _mm256_setr_m128i(c, d));
}

/* As `neighbours` of avx2.h. */
NK_INLINE __m512i wide_neighbours(__m512i a, __m512i b)
{
    __m512 x = _mm512_castsi512_ps(a), y = _mm512_castsi512_ps(b);
    return _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(x, y, 0x88)),
                            _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0xdd)));
}

/* The sums of each 128 bits of four vectors. */
NK_INLINE __m512i sums_of_4(const __m512i v[4])
{
    return wide_neighbours(wide_neighbours(v[0], v[1]), wide_neighbours(v[2], v[3]));
}

/* `more` added to a code where its bit in v is set. */
NK_INLINE __m512i add_where(__m512i codes, __m512i v, __m512i bit, const int more)
{
    return _mm512_mask_add_epi8(codes, _mm512_test_epi8_mask(v, bit), codes,
                                _mm512_set1_epi8((char)more));
}

#endif
#endif
