/* Grids of IQ types in registers: points' levels are packed, those of four weights in one byte, and
 * 64 points are looked up at once, 128 entries of a table at a time, with the parts of the index
 * above its bit 6 as masks. No load waits for an index. Weights with their signs are then looked up
 * raised to be unsigned, so that vpdpbusd multiplies them by x; what they are too large by is where
 * the sums begin. Included only by files compiled for AVX-512 with VBMI and GFNI. */
#ifndef NIBBLE_X86_GRID_AVX512VBMI_H
#define NIBBLE_X86_GRID_AVX512VBMI_H

#include "kernels/quant/grid.h"
#include "kernels/x86/groups_avx2.h"

#if defined(__AVX512VBMI__) && defined(__GFNI__)

enum { PART = 128 }; /* entries of two registers */

NK_INLINE __m512i load64(const void *p)
{
    return _mm512_loadu_si512(p);
}

NK_INLINE __m512i two_halves(__m256i a, __m256i b)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

/* A table of `count` parts. The compiler may not look through this: it would load them again and
 * again. */
NK_INLINE void hold(const uint8_t *table, const int count, __m512i held[])
{
#pragma GCC unroll 8
    for (int k = 0; k < 2 * count; k++) {
        held[k] = load64(table + k * PART / 2);
        __asm__("" : "+v"(held[k]));
    }
}

/* Entries of a table by the low 7 bits of i; part[k] has the lanes of part k. A lane keeps its
 * index until its part's turn. */
NK_INLINE __m512i looked_up(const __m512i held[], __m512i i, const __mmask64 *part, const int count)
{
#pragma GCC unroll 8
    for (int k = 0; k < count; k++)
        i = _mm512_mask2_permutex2var_epi8(held[2 * k], i, part[k], held[2 * k + 1]);
    return i;
}

NK_INLINE void two_parts(__m512i i, __mmask64 part[2])
{
    part[1] = _mm512_movepi8_mask(i);
    part[0] = _knot_mask64(part[1]);
}

/* bit8: of the index */
NK_INLINE void four_parts(__m512i i, __mmask64 bit8, __mmask64 part[4])
{
    __mmask64 bit7 = _mm512_movepi8_mask(i);
    part[0] = _knot_mask64(_kor_mask64(bit7, bit8));
    part[1] = _kandn_mask64(bit8, bit7);
    part[2] = _kandn_mask64(bit7, bit8);
    part[3] = _kand_mask64(bit7, bit8);
}

/* Bits of a and the others of b. */
NK_INLINE __m512i bits_of(__m512i bits, __m512i a, __m512i b)
{
    return _mm512_ternarylogic_epi32(bits, a, b, 0xca);
}

/* Seven signs a byte -> an even number of eight, for vgf2p8affineqb: output bit i is the parity of
 * the input's bits in byte 7 - i. */
static const long long even_of_low = 0x010204081020407f;

/* The sums of 16 lanes of eight vectors. */
NK_INLINE __m512i neighbours_512(__m512i a, __m512i b)
{
    __m512 x = _mm512_castsi512_ps(a), y = _mm512_castsi512_ps(b);
    return _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(x, y, 0x88)),
                            _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0xdd)));
}

/* Vector k holds eight lanes of row k and eight of row k + 4. */
NK_INLINE __m256i sums_of_4_twice(const __m512i v[4])
{
    __m512i s = neighbours_512(neighbours_512(v[0], v[1]), neighbours_512(v[2], v[3]));
    s = _mm512_add_epi32(s, _mm512_shuffle_i64x2(s, s, 0xb1));
    return _mm512_castsi512_si256(_mm512_shuffle_i64x2(s, s, 0x08));
}

NK_INLINE __m256i sums_of_8_wide(const __m512i v[8])
{
    NK_UNSET __m512i half[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        half[k] = _mm512_add_epi32(_mm512_shuffle_i64x2(v[k], v[k + 4], 0x44),
                                   _mm512_shuffle_i64x2(v[k], v[k + 4], 0xee));
    return sums_of_4_twice(half);
}

#endif
#endif
