/* The rest of AVX-512 that brings words of rows into lanes: inserts, unpacks, shuffles of bytes,
 * conversions of 16 bits; after emulate_avx512.h and in its way. */
#ifndef NIBBLE_TEST_EMULATE_ROWS512_H
#define NIBBLE_TEST_EMULATE_ROWS512_H

#include "tests/x86/emulate_avx512.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

EMU_INTS(shuffle_epi8, _mm256_shuffle_epi8)
EMU_INTS(unpacklo_epi32, _mm256_unpacklo_epi32)
EMU_INTS(unpackhi_epi32, _mm256_unpackhi_epi32)
EMU_INTS(unpacklo_epi64, _mm256_unpacklo_epi64)
EMU_INTS(unpackhi_epi64, _mm256_unpackhi_epi64)

EMU __m512i emu_castps_si512(__m512 v)
{
    return (__m512i)v;
}

EMU __m512i emu_loadu_si512(const void *p)
{
    emu_ints x;
    memcpy(&x, p, sizeof x);
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

/* Of a cast's upper part nothing is known: here it is all ones. */
EMU __m512i emu_castsi256_si512(__m256i v)
{
    emu_ints x = {.half = {v, _mm256_set1_epi32(-1)}};
    return x.z;
}

EMU __m512i emu_castsi128_si512(__m128i v)
{
    return emu_castsi256_si512(_mm256_setr_m128i(v, _mm_set1_epi32(-1)));
}

EMU __m512 emu_castps256_ps512(__m256 v)
{
    emu_floats x = {.half = {v, _mm256_castsi256_ps(_mm256_set1_epi32(-1))}};
    return x.z;
}

EMU __m512 emu_castsi512_ps(__m512i v)
{
    return (__m512)v;
}

EMU __m512i emu_inserti32x4(__m512i a, __m128i v, int i)
{
    memcpy((char *)&a + 16 * i, &v, sizeof v);
    return a;
}

EMU __m512i emu_inserti64x4(__m512i a, __m256i v, int i)
{
    emu_ints x = {a};
    x.half[i] = v;
    return x.z;
}

EMU __m512 emu_insertf32x8(__m512 a, __m256 v, int i)
{
    emu_floats x = {a};
    x.half[i] = v;
    return x.z;
}

EMU __m512i emu_broadcast_i32x4(__m128i v)
{
    emu_ints x = {.half = {_mm256_broadcastsi128_si256(v), _mm256_broadcastsi128_si256(v)}};
    return x.z;
}

/* VPSRLDQ: each 128 bits by bytes. */
EMU __m512i emu_bsrli_epi128(__m512i v, int n)
{
    unsigned char from[64], to[64];
    memcpy(from, &v, sizeof from);
    for (int i = 0; i < 64; i++)
        to[i] = i % 16 + n < 16 ? from[i + n] : 0;
    memcpy(&v, to, sizeof v);
    return v;
}

/* VPMOVDW: the low words. */
EMU __m256i emu_cvtepi32_epi16(__m512i v)
{
    int32_t from[16];
    int16_t to[16];
    __m256i out;
    memcpy(from, &v, sizeof from);
    for (int i = 0; i < 16; i++)
        to[i] = (int16_t)from[i];
    memcpy(&out, to, sizeof out);
    return out;
}

EMU __m512i emu_cvtepu16_epi32(__m256i v)
{
    emu_ints x = {.half = {_mm256_cvtepu16_epi32(_mm256_castsi256_si128(v)),
                           _mm256_cvtepu16_epi32(_mm256_extracti128_si256(v, 1))}};
    return x.z;
}

EMU __m512 emu_cvtph_ps(__m256i v)
{
    emu_floats x = {.half = {_mm256_cvtph_ps(_mm256_castsi256_si128(v)),
                             _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1))}};
    return x.z;
}

#undef _mm512_inserti32x4
#undef _mm512_shuffle_i32x4
#undef _mm512_inserti64x4
#undef _mm512_insertf32x8
#undef _mm512_bsrli_epi128
#define _mm512_castps_si512       emu_castps_si512
#define _mm512_loadu_si512        emu_loadu_si512
#define _mm512_shuffle_i32x4      emu_shuffle_i32x4
#define _mm512_permutex2var_epi64 emu_permutex2var_epi64
#define _mm512_set_epi64          emu_set_epi64
#define _mm512_shuffle_epi8       emu_shuffle_epi8
#define _mm512_unpacklo_epi32     emu_unpacklo_epi32
#define _mm512_unpackhi_epi32     emu_unpackhi_epi32
#define _mm512_unpacklo_epi64     emu_unpacklo_epi64
#define _mm512_unpackhi_epi64     emu_unpackhi_epi64
#define _mm512_castsi256_si512    emu_castsi256_si512
#define _mm512_castsi128_si512    emu_castsi128_si512
#define _mm512_castps256_ps512    emu_castps256_ps512
#define _mm512_castsi512_ps       emu_castsi512_ps
#define _mm512_inserti32x4        emu_inserti32x4
#define _mm512_inserti64x4        emu_inserti64x4
#define _mm512_insertf32x8        emu_insertf32x8
#define _mm512_broadcast_i32x4    emu_broadcast_i32x4
#define _mm512_bsrli_epi128       emu_bsrli_epi128
#define _mm512_cvtepi32_epi16     emu_cvtepi32_epi16
#define _mm512_cvtepu16_epi32     emu_cvtepu16_epi32
#define _mm512_cvtph_ps           emu_cvtph_ps

#endif
#endif
