/* The rest of AVX-512 that attention uses: rows side by side, turned and widened, powers of two;
 * after emulate_lanes512.h and in its way. */
#ifndef NIBBLE_TEST_EMULATE_KV512_H
#define NIBBLE_TEST_EMULATE_KV512_H

#include "tests/x86/emulate_lanes512.h"

#include <math.h>

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

EMU_INTS(unpacklo_epi16, _mm256_unpacklo_epi16)
EMU_INTS(unpackhi_epi16, _mm256_unpackhi_epi16)
EMU_INTS(unpacklo_epi32, _mm256_unpacklo_epi32)
EMU_INTS(unpackhi_epi32, _mm256_unpackhi_epi32)
EMU_INTS(unpacklo_epi64, _mm256_unpacklo_epi64)
EMU_INTS(unpackhi_epi64, _mm256_unpackhi_epi64)

EMU __m512i emu_mask_broadcast_i32x4(__m512i from, __mmask16 m, __m128i v)
{
    return emu_mask_blend_epi32(m, from, emu_broadcast_i32x4(v));
}

EMU __m512i emu_setr_epi64(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f,
                           int64_t g, int64_t h)
{
    const int64_t all[] = {a, b, c, d, e, f, g, h};
    return emu_loadu_si512(all);
}

EMU __m512i emu_permutexvar_epi64(__m512i at, __m512i v)
{
    int64_t index[8], from[8], to[8];
    memcpy(index, &at, sizeof index);
    memcpy(from, &v, sizeof from);
    for (int i = 0; i < 8; i++)
        to[i] = from[index[i] & 7];
    return emu_loadu_si512(to);
}

EMU __m512 emu_cvtph_ps(__m256i v)
{
    emu_floats x;
    x.half[0] = _mm256_cvtph_ps(_mm256_castsi256_si128(v));
    x.half[1] = _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1));
    return x.z;
}

EMU __m512i emu_cvtepi8_epi32(__m128i v)
{
    emu_ints x;
    x.half[0] = _mm256_cvtepi8_epi32(v);
    x.half[1] = _mm256_cvtepi8_epi32(_mm_srli_si128(v, 8));
    return x.z;
}

EMU __m512i emu_cvtepi8_epi16(__m256i v)
{
    emu_ints x;
    x.half[0] = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(v));
    x.half[1] = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(v, 1));
    return x.z;
}

/* VPMOVWB: low bytes. */
EMU __m256i emu_cvtepi16_epi8(__m512i v)
{
    int8_t from[64], to[32];
    __m256i out;
    memcpy(from, &v, sizeof from);
    for (int i = 0; i < 32; i++)
        to[i] = from[2 * i];
    memcpy(&out, to, sizeof out);
    return out;
}

/* VPMOVSDW saturates. */
EMU __m256i emu_cvtsepi32_epi16(__m512i v)
{
    emu_ints x = {v};
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(x.half[0], x.half[1]), 0xd8);
}

EMU __m512i emu_permutex2var_epi64(__m512i a, __m512i at, __m512i b)
{
    int64_t index[8], from[16], to[8];
    memcpy(index, &at, sizeof index);
    memcpy(from, &a, sizeof a);
    memcpy(from + 8, &b, sizeof b);
    for (int i = 0; i < 8; i++)
        to[i] = from[index[i] & 15];
    return emu_loadu_si512(to);
}

EMU int emu_reduce_max_epi32(__m512i v)
{
    int32_t x[16];
    memcpy(x, &v, sizeof x);
    for (int i = 1; i < 16; i++)
        x[0] = x[i] > x[0] ? x[i] : x[0];
    return x[0];
}

EMU int emu_reduce_add_epi32(__m512i v)
{
    int32_t x[16];
    memcpy(x, &v, sizeof x);
    for (int i = 1; i < 16; i++)
        x[0] += x[i];
    return x[0];
}

/* VPMOVDW: low halves. */
EMU __m256i emu_cvtepi32_epi16(__m512i v)
{
    int16_t from[32], to[16];
    __m256i out;
    memcpy(from, &v, sizeof from);
    for (int i = 0; i < 16; i++)
        to[i] = from[2 * i];
    memcpy(&out, to, sizeof out);
    return out;
}

EMU __m512i emu_i32gather_epi32(__m512i at, const void *p, int scale)
{
    int32_t index[16], to[16];
    memcpy(index, &at, sizeof index);
    for (int i = 0; i < 16; i++)
        memcpy(to + i, (const char *)p + (ptrdiff_t)index[i] * scale, sizeof *to);
    return emu_loadu_si512(to);
}

EMU void emu_mask_storeu_ps(float *p, __mmask16 m, __m512 v)
{
    float x[16];
    memcpy(x, &v, sizeof x);
    for (int i = 0; i < 16; i++)
        if (m >> i & 1)
            p[i] = x[i];
}

/* VSCALEFPS: a 2^floor(b), rounded once; for b within float's exponents, and what is no number. */
EMU __m512 emu_scalef_ps(__m512 a, __m512 b)
{
    float x[16], y[16];
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 16; i++)
        x[i] = y[i] == y[i] ? ldexpf(x[i], (int)floorf(y[i])) : y[i];
    return emu_loadu_ps(x);
}

EMU __m512 emu_zextps128_ps512(__m128 v)
{
    emu_floats x;
    x.half[0] = _mm256_zextps128_ps256(v);
    x.half[1] = _mm256_setzero_ps();
    return x.z;
}

#undef _mm512_setr_epi64
#undef _mm512_scalef_ps
#define _mm512_unpacklo_epi16       emu_unpacklo_epi16
#define _mm512_unpackhi_epi16       emu_unpackhi_epi16
#define _mm512_unpacklo_epi32       emu_unpacklo_epi32
#define _mm512_unpackhi_epi32       emu_unpackhi_epi32
#define _mm512_unpacklo_epi64       emu_unpacklo_epi64
#define _mm512_unpackhi_epi64       emu_unpackhi_epi64
#define _mm512_mask_broadcast_i32x4 emu_mask_broadcast_i32x4
#define _mm512_setr_epi64           emu_setr_epi64
#define _mm512_permutexvar_epi64    emu_permutexvar_epi64
#define _mm512_cvtph_ps             emu_cvtph_ps
#define _mm512_cvtepi8_epi32        emu_cvtepi8_epi32
#define _mm512_cvtepi8_epi16        emu_cvtepi8_epi16
#define _mm512_cvtepi16_epi8        emu_cvtepi16_epi8
#define _mm512_cvtsepi32_epi16      emu_cvtsepi32_epi16
#define _mm512_permutex2var_epi64   emu_permutex2var_epi64
#define _mm512_reduce_max_epi32     emu_reduce_max_epi32
#define _mm512_reduce_add_epi32     emu_reduce_add_epi32
#define _mm512_cvtepi32_epi16       emu_cvtepi32_epi16
#undef _mm512_i32gather_epi32
#define _mm512_i32gather_epi32 emu_i32gather_epi32
#define _mm512_mask_storeu_ps  emu_mask_storeu_ps
#define _mm512_scalef_ps       emu_scalef_ps
#define _mm512_zextps128_ps512 emu_zextps128_ps512

#endif
#endif
