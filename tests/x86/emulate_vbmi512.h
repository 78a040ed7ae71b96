/* VBMI, GFNI and what else of AVX-512 the grids in registers use: bytes looked up, chosen and
 * shifted one by one; after emulate_words512.h and in its way, in plain C over bytes. */
#ifndef NIBBLE_TEST_EMULATE_VBMI512_H
#define NIBBLE_TEST_EMULATE_VBMI512_H

#include "tests/x86/emulate_words512.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

EMU_INTS(unpacklo_epi8, _mm256_unpacklo_epi8)
EMU_INTS(unpackhi_epi8, _mm256_unpackhi_epi8)
EMU_INTS(unpacklo_epi16, _mm256_unpacklo_epi16)
EMU_INTS(unpackhi_epi16, _mm256_unpackhi_epi16)
EMU_INTS(packs_epi32, _mm256_packs_epi32)
EMU_SHIFT(srli_epi64, _mm256_srli_epi64)
EMU_SET(set1_epi64, long long, _mm256_set1_epi64x)

typedef struct emu_bytes {
    uint8_t at[64];
} emu_bytes;

EMU emu_bytes emu_bytes_of(__m512i v)
{
    emu_bytes b;
    memcpy(&b, &v, sizeof b);
    return b;
}

/* VPERMI2B with a mask: of a's bytes, then b's, by seven bits of `at`; `at` where a bit is clear.
 */
EMU __m512i emu_mask2_permutex2var_epi8(__m512i a, __m512i at, uint64_t mask, __m512i b)
{
    emu_bytes x = emu_bytes_of(a), y = emu_bytes_of(b), to = emu_bytes_of(at);
    for (int i = 0; i < 64; i++)
        if (mask >> i & 1)
            to.at[i] = (to.at[i] & 64 ? y : x).at[to.at[i] % 64];
    return emu_loadu_si512(&to);
}

EMU __m512i emu_permutex2var_epi8(__m512i a, __m512i at, __m512i b)
{
    return emu_mask2_permutex2var_epi8(a, at, UINT64_MAX, b);
}

/* VPERMB: byte i is v's at[i] modulo 64. */
EMU __m512i emu_permutexvar_epi8(__m512i at, __m512i v)
{
    emu_bytes x = emu_bytes_of(v), to = emu_bytes_of(at);
    for (int i = 0; i < 64; i++)
        to.at[i] = x.at[to.at[i] % 64];
    return emu_loadu_si512(&to);
}

/* VPMULTISHIFTQB: eight bits of the same 64 of v, around their end, from bit at[i] modulo 64 on. */
EMU void emu_multishift(uint8_t *to, const uint8_t *at, const uint8_t *v, int n)
{
    for (int i = 0; i < n; i++) {
        unsigned byte = 0;
        for (unsigned k = 0; k < 8; k++) {
            unsigned bit = (at[i] + k) % 64;
            byte |= (v[i / 8 * 8 + (int)(bit / 8)] >> bit % 8 & 1u) << k;
        }
        to[i] = (uint8_t)byte;
    }
}

EMU __m512i emu_multishift_epi64_epi8(__m512i at, __m512i v)
{
    emu_bytes by = emu_bytes_of(at), from = emu_bytes_of(v), to;
    emu_multishift(to.at, by.at, from.at, 64);
    return emu_loadu_si512(&to);
}

EMU __m256i emu_multishift_epi64_epi8_256(__m256i at, __m256i v)
{
    uint8_t by[32], from[32], to[32];
    memcpy(by, &at, sizeof by);
    memcpy(from, &v, sizeof from);
    emu_multishift(to, by, from, 32);
    memcpy(&v, to, sizeof v);
    return v;
}

/* VGF2P8AFFINEQB: bit k is bit k of `add` and the parity of v's bits that byte 7 - k of the same 64
 * bits of m selects. */
EMU void emu_affine(uint8_t *to, const uint8_t *v, const uint8_t *m, int add, int n)
{
    for (int i = 0; i < n; i++) {
        int byte = add;
        for (int k = 0; k < 8; k++)
            byte ^= __builtin_parity(m[i / 8 * 8 + 7 - k] & v[i]) << k;
        to[i] = (uint8_t)byte;
    }
}

EMU __m512i emu_gf2p8affine_epi64_epi8(__m512i v, __m512i m, int add)
{
    emu_bytes from = emu_bytes_of(v), by = emu_bytes_of(m), to;
    emu_affine(to.at, from.at, by.at, add, 64);
    return emu_loadu_si512(&to);
}

EMU __m256i emu_gf2p8affine_epi64_epi8_256(__m256i v, __m256i m, int add)
{
    uint8_t from[32], by[32], to[32];
    memcpy(from, &v, sizeof from);
    memcpy(by, &m, sizeof by);
    emu_affine(to, from, by, add, 32);
    memcpy(&v, to, sizeof v);
    return v;
}

/* Bytes of b where the mask is set, of a elsewhere. */
EMU __m512i emu_mask_blend_epi8(uint64_t mask, __m512i a, __m512i b)
{
    emu_bytes x = emu_bytes_of(a), y = emu_bytes_of(b);
    for (int i = 0; i < 64; i++)
        x.at[i] = (mask >> i & 1 ? y : x).at[i];
    return emu_loadu_si512(&x);
}

EMU uint64_t emu_movepi8_mask(__m512i v)
{
    emu_bytes x = emu_bytes_of(v);
    uint64_t mask = 0;
    for (int i = 0; i < 64; i++)
        mask |= (uint64_t)(x.at[i] >> 7) << i;
    return mask;
}

EMU uint64_t emu_cmpeq_epi8_mask(__m512i a, __m512i b)
{
    emu_bytes x = emu_bytes_of(a), y = emu_bytes_of(b);
    uint64_t mask = 0;
    for (int i = 0; i < 64; i++)
        mask |= (uint64_t)(x.at[i] == y.at[i]) << i;
    return mask;
}

/* VPERMD: element i is v's at[i] modulo 16. */
EMU __m512i emu_permutexvar_epi32(__m512i at, __m512i v)
{
    uint32_t index[16], from[16], to[16];
    memcpy(index, &at, sizeof index);
    memcpy(from, &v, sizeof from);
    for (int i = 0; i < 16; i++)
        to[i] = from[index[i] % 16];
    return emu_loadu_si512(to);
}

/* VPERMI2D: of a's elements, then b's. */
EMU __m512i emu_permutex2var_epi32(__m512i a, __m512i at, __m512i b)
{
    uint32_t index[16], from[32], to[16];
    memcpy(index, &at, sizeof index);
    memcpy(from, &a, sizeof a);
    memcpy(from + 16, &b, sizeof b);
    for (int i = 0; i < 16; i++)
        to[i] = from[index[i] % 32];
    return emu_loadu_si512(to);
}

/* VPSHUFD: of the same 128 bits, by two bits of `how` each. */
EMU __m512i emu_shuffle_epi32(__m512i v, int how)
{
    uint32_t from[16], to[16];
    memcpy(from, &v, sizeof from);
    for (int i = 0; i < 16; i++)
        to[i] = from[i / 4 * 4 + (how >> i % 4 * 2 & 3)];
    return emu_loadu_si512(to);
}

/* The first argument is element 0. */
EMU __m512i emu_setr_epi32(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j,
                           int k, int l, int m, int n, int o, int p)
{
    const int v[16] = {a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p};
    return emu_loadu_si512(v);
}

EMU __m512i emu_cvtepi16_epi32(__m256i v)
{
    emu_ints x = {.half = {_mm256_cvtepi16_epi32(_mm256_castsi256_si128(v)),
                           _mm256_cvtepi16_epi32(_mm256_extracti128_si256(v, 1))}};
    return x.z;
}

EMU __m512i emu_cvtepu32_epi64(__m256i v)
{
    emu_ints x = {.half = {_mm256_cvtepu32_epi64(_mm256_castsi256_si128(v)),
                           _mm256_cvtepu32_epi64(_mm256_extracti128_si256(v, 1))}};
    return x.z;
}

EMU __m512i emu_cvtepu16_epi64(__m128i v)
{
    emu_ints x = {.half = {_mm256_cvtepu16_epi64(v), _mm256_cvtepu16_epi64(_mm_srli_si128(v, 8))}};
    return x.z;
}

/* VPMOVWB, VPMOVDB, VPMOVQW: the lowest part of each. */
EMU __m256i emu_cvtepi16_epi8(__m512i v)
{
    emu_bytes from = emu_bytes_of(v);
    uint8_t to[32];
    for (int i = 0; i < 32; i++)
        to[i] = from.at[2 * i];
    return _mm256_loadu_si256((const __m256i_u *)to);
}

EMU __m128i emu_cvtepi32_epi8(__m512i v)
{
    emu_bytes from = emu_bytes_of(v);
    uint8_t to[16];
    for (int i = 0; i < 16; i++)
        to[i] = from.at[4 * i];
    return _mm_loadu_si128((const __m128i_u *)to);
}

EMU __m128i emu_cvtepi64_epi16(__m512i v)
{
    emu_words from = emu_words_of(v);
    uint16_t to[8];
    for (int i = 0; i < 8; i++)
        to[i] = from.at[4 * i];
    return _mm_loadu_si128((const __m128i_u *)to);
}

EMU __m512i emu_cvtepu8_epi32(__m128i v)
{
    emu_ints x = {.half = {_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_srli_si128(v, 8))}};
    return x.z;
}

EMU_INTS(sllv_epi32, _mm256_sllv_epi32)

EMU uint16_t emu_cmple_epi32_mask(__m512i a, __m512i b)
{
    int32_t x[16], y[16];
    unsigned mask = 0;
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 16; i++)
        mask |= (unsigned)(x[i] <= y[i]) << i;
    return (uint16_t)mask;
}

/* Elements of b where the mask is set, of a elsewhere. */
EMU __m512i emu_mask_blend_epi32(uint16_t mask, __m512i a, __m512i b)
{
    uint32_t x[16], y[16];
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 16; i++)
        x[i] = mask >> i & 1 ? y[i] : x[i];
    return emu_loadu_si512(x);
}

#undef _mm512_gf2p8affine_epi64_epi8
#undef _mm256_gf2p8affine_epi64_epi8
#undef _mm512_shuffle_epi32
#undef _mm512_srli_epi64
#undef _mm512_setr_epi32
#undef _mm512_cmpeq_epi8_mask
#undef _mm512_cmple_epi32_mask
#define _mm512_unpacklo_epi8           emu_unpacklo_epi8
#define _mm512_unpackhi_epi8           emu_unpackhi_epi8
#define _mm512_unpacklo_epi16          emu_unpacklo_epi16
#define _mm512_unpackhi_epi16          emu_unpackhi_epi16
#define _mm512_packs_epi32             emu_packs_epi32
#define _mm512_cvtepi16_epi8           emu_cvtepi16_epi8
#define _mm512_cvtepi32_epi8           emu_cvtepi32_epi8
#define _mm512_cvtepi64_epi16          emu_cvtepi64_epi16
#define _mm512_cvtepu8_epi32           emu_cvtepu8_epi32
#define _mm512_sllv_epi32              emu_sllv_epi32
#define _mm512_cmple_epi32_mask        emu_cmple_epi32_mask
#define _mm512_mask_blend_epi32        emu_mask_blend_epi32
#define _mm512_srli_epi64              emu_srli_epi64
#define _mm512_set1_epi64              emu_set1_epi64
#define _mm512_mask2_permutex2var_epi8 emu_mask2_permutex2var_epi8
#define _mm512_permutex2var_epi8       emu_permutex2var_epi8
#define _mm512_permutexvar_epi8        emu_permutexvar_epi8
#define _mm512_multishift_epi64_epi8   emu_multishift_epi64_epi8
#define _mm256_multishift_epi64_epi8   emu_multishift_epi64_epi8_256
#define _mm512_gf2p8affine_epi64_epi8  emu_gf2p8affine_epi64_epi8
#define _mm256_gf2p8affine_epi64_epi8  emu_gf2p8affine_epi64_epi8_256
#define _mm512_mask_blend_epi8         emu_mask_blend_epi8
#define _mm512_movepi8_mask            emu_movepi8_mask
#define _mm512_cmpeq_epi8_mask         emu_cmpeq_epi8_mask
#define _mm512_permutexvar_epi32       emu_permutexvar_epi32
#define _mm512_permutex2var_epi32      emu_permutex2var_epi32
#define _mm512_shuffle_epi32           emu_shuffle_epi32
#define _mm512_setr_epi32              emu_setr_epi32
#define _mm512_cvtepi16_epi32          emu_cvtepi16_epi32
#define _mm512_cvtepu32_epi64          emu_cvtepu32_epi64
#define _mm512_cvtepu16_epi64          emu_cvtepu16_epi64

#endif
#endif
