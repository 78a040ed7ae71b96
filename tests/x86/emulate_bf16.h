/* What the bf16 kernels use of AVX-512 beside emulate_avx512.h, in the same manner. */
#ifndef NIBBLE_TEST_EMULATE_BF16_H
#define NIBBLE_TEST_EMULATE_BF16_H

#include "tests/x86/emulate_avx512.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

EMU_INTS(unpacklo_epi16, _mm256_unpacklo_epi16)
EMU_INTS(unpackhi_epi16, _mm256_unpackhi_epi16)
EMU_INTS(unpacklo_epi32, _mm256_unpacklo_epi32)
EMU_INTS(unpackhi_epi32, _mm256_unpackhi_epi32)
EMU_INTS(unpacklo_epi64, _mm256_unpacklo_epi64)
EMU_INTS(unpackhi_epi64, _mm256_unpackhi_epi64)
EMU_FLOATS(sub_ps, _mm256_sub_ps)

EMU __m512i emu_castps_si512(__m512 v)
{
    return (__m512i)v;
}

EMU __m512 emu_castsi512_ps(__m512i v)
{
    return (__m512)v;
}

EMU __m512i emu_loadu_si512(const void *p)
{
    emu_ints x;
    memcpy(&x, p, sizeof x);
    return x.z;
}

EMU __m512 emu_cvtph_ps(__m256i v)
{
    emu_floats x = {.half = {_mm256_cvtph_ps(_mm256_castsi256_si128(v)),
                             _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1))}};
    return x.z;
}

EMU __m512i emu_cvtepu16_epi32(__m256i v)
{
    emu_ints x = {.half = {_mm256_cvtepu16_epi32(_mm256_castsi256_si128(v)),
                           _mm256_cvtepu16_epi32(_mm256_extracti128_si256(v, 1))}};
    return x.z;
}

/* VSHUFI32X4: two quarters of a, then two of b, by two bits of `which` each. */
EMU __m512i emu_shuffle_i32x4(__m512i a, __m512i b, int which)
{
    __m128i from[2][4], to[4];
    memcpy(from[0], &a, sizeof a);
    memcpy(from[1], &b, sizeof b);
    for (int i = 0; i < 4; i++)
        to[i] = from[i / 2][which >> 2 * i & 3];
    return emu_loadu_si512(to);
}

/* VPERMT2Q: element i is that of a, then b, at index[i], modulo 16. */
EMU __m512i emu_permutex2var_epi64(__m512i a, __m512i index, __m512i b)
{
    uint64_t at[8], from[16], to[8];
    memcpy(at, &index, sizeof at);
    memcpy(from, &a, sizeof a);
    memcpy(from + 8, &b, sizeof b);
    for (int i = 0; i < 8; i++)
        to[i] = from[at[i] % 16];
    return emu_loadu_si512(to);
}

/* The last argument is element 0. */
EMU __m512i emu_set_epi64(long long h, long long g, long long f, long long e, long long d,
                          long long c, long long b, long long a)
{
    const long long v[8] = {a, b, c, d, e, f, g, h};
    return emu_loadu_si512(v);
}

/* VCVTNEPS2BF16, whatever MXCSR says: to the nearest even, subnormals as zeros of their sign, NaN
 * cut off and made quiet. */
EMU __m256i emu_cvtneps_pbh(__m512 v)
{
    uint32_t x[16];
    uint16_t y[16];
    memcpy(x, &v, sizeof x);
    for (int i = 0; i < 16; i++) {
        uint32_t magnitude = x[i] & 0x7fffffff;
        if (magnitude < 0x00800000)
            y[i] = (uint16_t)(x[i] >> 16 & 0x8000);
        else if (magnitude > 0x7f800000)
            y[i] = (uint16_t)(x[i] >> 16 | 0x40);
        else
            y[i] = (uint16_t)((x[i] + 0x7fff + (x[i] >> 16 & 1)) >> 16);
    }
    return _mm256_loadu_si256((const void *)y);
}

#undef _mm512_shuffle_i32x4
#define _mm512_unpacklo_epi16     emu_unpacklo_epi16
#define _mm512_unpackhi_epi16     emu_unpackhi_epi16
#define _mm512_unpacklo_epi32     emu_unpacklo_epi32
#define _mm512_unpackhi_epi32     emu_unpackhi_epi32
#define _mm512_unpacklo_epi64     emu_unpacklo_epi64
#define _mm512_unpackhi_epi64     emu_unpackhi_epi64
#define _mm512_shuffle_i32x4      emu_shuffle_i32x4
#define _mm512_permutex2var_epi64 emu_permutex2var_epi64
#define _mm512_set_epi64          emu_set_epi64
#define _mm512_castps_si512       emu_castps_si512
#define _mm512_castsi512_ps       emu_castsi512_ps
#define _mm512_loadu_si512        emu_loadu_si512
#define _mm512_cvtph_ps           emu_cvtph_ps
#define _mm512_cvtepu16_epi32     emu_cvtepu16_epi32
#define _mm512_cvtneps_pbh        emu_cvtneps_pbh
#define _mm512_sub_ps             emu_sub_ps

#endif
#endif
