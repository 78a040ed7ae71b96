/* The rest of AVX-512 that products of one column use: words of 16 bits permuted and shifted each
 * by its own count, bytes chosen by bits, quarters and 64 bits permuted; after emulate_rows512.h
 * and in its way. */
#ifndef NIBBLE_TEST_EMULATE_WORDS512_H
#define NIBBLE_TEST_EMULATE_WORDS512_H

#include "tests/x86/emulate_rows512.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

/* Saturates, as the instruction does. */
EMU_INTS(maddubs_epi16, _mm256_maddubs_epi16)

typedef struct emu_words {
    uint16_t at[32];
} emu_words;

EMU emu_words emu_words_of(__m512i v)
{
    emu_words w;
    memcpy(&w, &v, sizeof w);
    return w;
}

EMU __m512i emu_vector_of(emu_words w)
{
    return emu_loadu_si512(&w);
}

/* VPERMW with a mask: word i is v's at[i] modulo 32, or old's where bit i is clear. */
EMU __m512i emu_mask_permutexvar_epi16(__m512i old, uint32_t mask, __m512i at, __m512i v)
{
    emu_words to = emu_words_of(old), by = emu_words_of(at), from = emu_words_of(v);
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1)
            to.at[i] = from.at[by.at[i] % 32];
    return emu_vector_of(to);
}

EMU __m512i emu_permutexvar_epi16(__m512i at, __m512i v)
{
    return emu_mask_permutexvar_epi16(v, 0xffffffff, at, v);
}

/* VPERMI2W: of a's words, then b's. */
EMU __m512i emu_permutex2var_epi16(__m512i a, __m512i at, __m512i b)
{
    emu_words x = emu_words_of(a), y = emu_words_of(b), by = emu_words_of(at), to;
    for (int i = 0; i < 32; i++)
        to.at[i] = (by.at[i] & 32 ? y : x).at[by.at[i] % 32];
    return emu_vector_of(to);
}

/* VPSLLVW, VPSRLVW: counts from 16 on leave nothing. */
EMU __m512i emu_sllv_epi16(__m512i v, __m512i by)
{
    emu_words x = emu_words_of(v), n = emu_words_of(by);
    for (int i = 0; i < 32; i++)
        x.at[i] = n.at[i] < 16 ? (uint16_t)(x.at[i] << n.at[i]) : 0;
    return emu_vector_of(x);
}

EMU __m512i emu_srlv_epi16(__m512i v, __m512i by)
{
    emu_words x = emu_words_of(v), n = emu_words_of(by);
    for (int i = 0; i < 32; i++)
        x.at[i] = n.at[i] < 16 ? (uint16_t)(x.at[i] >> n.at[i]) : 0;
    return emu_vector_of(x);
}

EMU uint64_t emu_test_epi8_mask(__m512i a, __m512i b)
{
    unsigned char x[64], y[64];
    uint64_t mask = 0;
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 64; i++)
        mask |= (uint64_t)((x[i] & y[i]) != 0) << i;
    return mask;
}

EMU __m512i emu_mask_add_epi8(__m512i old, uint64_t mask, __m512i a, __m512i b)
{
    unsigned char to[64], x[64], y[64];
    memcpy(to, &old, sizeof to);
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 64; i++)
        if (mask >> i & 1)
            to[i] = (unsigned char)(x[i] + y[i]);
    return emu_loadu_si512(to);
}

EMU __m512i emu_cvtepu8_epi16(__m256i v)
{
    emu_ints x = {.half = {_mm256_cvtepu8_epi16(_mm256_castsi256_si128(v)),
                           _mm256_cvtepu8_epi16(_mm256_extracti128_si256(v, 1))}};
    return x.z;
}

EMU __m512i emu_zextsi256_si512(__m256i v)
{
    emu_ints x = {.half = {v, _mm256_setzero_si256()}};
    return x.z;
}

EMU __m256i emu_extracti64x4_epi64(__m512i v, int i)
{
    emu_ints x = {v};
    return x.half[i];
}

EMU __m256i emu_castsi512_si256(__m512i v)
{
    return emu_extracti64x4_epi64(v, 0);
}

EMU __m512i emu_broadcast_i64x4(__m256i v)
{
    emu_ints x = {.half = {v, v}};
    return x.z;
}

EMU __m512 emu_shuffle_ps(__m512 a, __m512 b, int how)
{
    float x[16], y[16], to[16];
    __m512 v;
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 16; i++)
        to[i] = (i % 4 < 2 ? x : y)[i / 4 * 4 + (how >> i % 4 * 2 & 3)];
    memcpy(&v, to, sizeof v);
    return v;
}

EMU_INTS(add_epi8, _mm256_add_epi8)

/* VSHUFI64X2, VSHUFF32X4: the same quarters as VSHUFI32X4. */
EMU __m512i emu_shuffle_i64x2(__m512i a, __m512i b, int which)
{
    return emu_shuffle_i32x4(a, b, which);
}

EMU __m512 emu_shuffle_f32x4(__m512 a, __m512 b, int which)
{
    return emu_castsi512_ps(emu_shuffle_i32x4(emu_castps_si512(a), emu_castps_si512(b), which));
}

/* The first argument is element 0. */
EMU __m512i emu_setr_epi64(long long a, long long b, long long c, long long d, long long e,
                           long long f, long long g, long long h)
{
    return emu_set_epi64(h, g, f, e, d, c, b, a);
}

/* VPERMQ: element i is v's at[i] modulo 8. */
EMU __m512i emu_permutexvar_epi64(__m512i at, __m512i v)
{
    uint64_t index[8], from[8], to[8];
    memcpy(index, &at, sizeof index);
    memcpy(from, &v, sizeof from);
    for (int i = 0; i < 8; i++)
        to[i] = from[index[i] % 8];
    return emu_loadu_si512(to);
}

/* VPSRLVQ: counts from 64 on leave nothing. */
EMU __m512i emu_srlv_epi64(__m512i v, __m512i by)
{
    uint64_t x[8], n[8];
    memcpy(x, &v, sizeof x);
    memcpy(n, &by, sizeof n);
    for (int i = 0; i < 8; i++)
        x[i] = n[i] < 64 ? x[i] >> n[i] : 0;
    return emu_loadu_si512(x);
}

/* VMOVDQU8 with a mask: zero where a bit is clear. */
EMU __m512i emu_maskz_mov_epi8(uint64_t mask, __m512i v)
{
    unsigned char x[64];
    memcpy(x, &v, sizeof x);
    for (int i = 0; i < 64; i++)
        x[i] = mask >> i & 1 ? x[i] : 0;
    return emu_loadu_si512(x);
}

EMU uint64_t emu_cvtu64_mask64(uint64_t mask)
{
    return mask;
}

/* VPTERNLOGD: bits of a, b and c, a's the upper one, tell which bit of `table` is the result. */
EMU __m512i emu_ternarylogic_epi32(__m512i a, __m512i b, __m512i c, int table)
{
    emu_words x = emu_words_of(a), y = emu_words_of(b), z = emu_words_of(c), to;
    for (int i = 0; i < 32; i++) {
        int word = 0;
        for (int k = 0; k < 16; k++) {
            int row = (x.at[i] >> k & 1) << 2 | (y.at[i] >> k & 1) << 1 | (z.at[i] >> k & 1);
            word |= (table >> row & 1) << k;
        }
        to.at[i] = (uint16_t)word;
    }
    return emu_vector_of(to);
}

#undef _mm512_ternarylogic_epi32
#undef _mm512_shuffle_ps
#undef _mm512_shuffle_i64x2
#undef _mm512_shuffle_f32x4
#undef _mm512_setr_epi64
#undef _mm512_extracti64x4_epi64
#define _mm512_maddubs_epi16          emu_maddubs_epi16
#define _mm512_ternarylogic_epi32     emu_ternarylogic_epi32
#define _mm512_mask_permutexvar_epi16 emu_mask_permutexvar_epi16
#define _mm512_permutexvar_epi16      emu_permutexvar_epi16
#define _mm512_permutex2var_epi16     emu_permutex2var_epi16
#define _mm512_sllv_epi16             emu_sllv_epi16
#define _mm512_srlv_epi16             emu_srlv_epi16
#define _mm512_test_epi8_mask         emu_test_epi8_mask
#define _mm512_mask_add_epi8          emu_mask_add_epi8
#define _mm512_cvtepu8_epi16          emu_cvtepu8_epi16
#define _mm512_zextsi256_si512        emu_zextsi256_si512
#define _mm512_extracti64x4_epi64     emu_extracti64x4_epi64
#define _mm512_castsi512_si256        emu_castsi512_si256
#define _mm512_broadcast_i64x4        emu_broadcast_i64x4
#define _mm512_shuffle_ps             emu_shuffle_ps
#define _mm512_add_epi8               emu_add_epi8
#define _mm512_shuffle_i64x2          emu_shuffle_i64x2
#define _mm512_shuffle_f32x4          emu_shuffle_f32x4
#define _mm512_setr_epi64             emu_setr_epi64
#define _mm512_permutexvar_epi64      emu_permutexvar_epi64
#define _mm512_srlv_epi64             emu_srlv_epi64
#define _mm512_maskz_mov_epi8         emu_maskz_mov_epi8
#define _cvtu64_mask64                emu_cvtu64_mask64

#endif
#endif
