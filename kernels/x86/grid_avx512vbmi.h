/* Grids of IQ types in registers: points' levels are packed, those of four weights in one byte, and
 * 64 points are looked up at once, 128 entries of a table at a time; the index's bits above tell
 * whose answer counts. No load waits for an index. Weights with their signs are then looked up
 * raised to be unsigned, so that vpdpbusd multiplies them by x; what they are too large by is where
 * the sums begin. Included only by files compiled for AVX-512 with VBMI and GFNI. */
#ifndef NIBBLE_X86_GRID_AVX512VBMI_H
#define NIBBLE_X86_GRID_AVX512VBMI_H

#include "kernels/quant/grid.h"
#include "kernels/x86/groups_avx2.h"
#include "kernels/x86/wide_avx512.h"

#if defined(__AVX512VBMI__) && defined(__GFNI__)

#ifndef NK_REGISTER /* emulated, a vector has none */
#define NK_REGISTER "+v"
#endif

enum { PART = 128 }; /* entries of two registers */

/* --- x ------------------------------------------------------------------------------------------
 */

/* Bytes 0, 4, .. 124 of two vectors, then 1, 5, .. 125. */
NK_INLINE __m512i every_4th(void)
{
    const __m256i first = _mm256_setr_epi32(0x0c080400, 0x1c181410, 0x2c282420, 0x3c383430,
                                            0x4c484440, 0x5c585450, 0x6c686460, 0x7c787470);
    return two_halves(first, _mm256_add_epi8(first, _mm256_set1_epi8(1)));
}

/* Bytes 0, 8, .. 120 of two vectors, then 1, 9, .. 121, and from 2 and 3 on. */
NK_INLINE __m512i every_8th(void)
{
    const __m128i first = _mm_setr_epi32(0x18100800, 0x38302820, 0x58504840, 0x78706860);
    const long long one = 0x0101010101010101;
    return _mm512_add_epi8(_mm512_broadcast_i32x4(first),
                           _mm512_setr_epi64(0, 0, one, one, 2 * one, 2 * one, 3 * one, 3 * one));
}

/* Bytes 0, 2, .. 126 of two vectors. */
NK_INLINE __m512i every_2nd(void)
{
    const __m128i first = _mm_setr_epi32(0x06040200, 0x0e0c0a08, 0x16141210, 0x1e1c1a18);
    const long long one = 0x2020202020202020;
    return _mm512_add_epi8(_mm512_broadcast_i32x4(first),
                           _mm512_setr_epi64(0, 0, one, one, 2 * one, 2 * one, 3 * one, 3 * one));
}

/* --- looking up ---------------------------------------------------------------------------------
 */

/* The compiler may not look through this: it would load v again and again. */
NK_INLINE __m512i held(__m512i v)
{
    __asm__("" : NK_REGISTER(v));
    return v;
}

/* A table of `count` parts. */
NK_INLINE void hold(const uint8_t *table, const int count, __m512i to[])
{
#pragma GCC unroll 8
    for (int k = 0; k < 2 * count; k++)
        to[k] = held(load64(table + k * PART / 2));
}

/* Entries of a table of 2 or 4 parts; bit8 of the index is read with 4. All parts are asked at
 * once: a lane that waited for its part's turn would wait four times as long. */
NK_INLINE __m512i looked_up(const __m512i table[], __m512i i, __mmask64 bit7, __mmask64 bit8,
                            const int count)
{
    __m512i v[4];
#pragma GCC unroll 4
    for (int k = 0; k < count; k++)
        v[k] = _mm512_permutex2var_epi8(table[2 * k], i, table[2 * k + 1]);
    __m512i low = _mm512_mask_blend_epi8(bit7, v[0], v[1]);
    return count == 2 ? low
                      : _mm512_mask_blend_epi8(bit8, low, _mm512_mask_blend_epi8(bit7, v[2], v[3]));
}

/* Seven signs a byte -> an even number of eight, for vgf2p8affineqb: output bit i is the parity of
 * the input's bits in byte 7 - i. */
static const long long even_of_low = 0x010204081020407f;

#endif
#endif
