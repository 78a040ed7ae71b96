/* What the AVX2 kernel files share: loads, horizontal sums, and how each block's codes come out of
 * its bytes, one function per type, used by dot and decode alike. Included by *_avx2.c only; the
 * layouts are drawn in blocks.h. All functions are static and always inlined, so no AVX code can
 * leak into a baseline object. */
#ifndef NIBBLE_X86_AVX2_H
#define NIBBLE_X86_AVX2_H

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include "kernels/blocks.h"

#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#define NK_INLINE static inline __attribute__((always_inline))

NK_INLINE __m256i load32(const void *p)
{
    return _mm256_loadu_si256((const __m256i_u *)p);
}

NK_INLINE __m128i load16(const void *p)
{
    return _mm_loadu_si128((const __m128i_u *)p);
}

/* One f16 in memory -> eight equal floats. */
NK_INLINE __m256 f16_all(const void *p)
{
    int16_t h;
    memcpy(&h, p, sizeof h);
    return _mm256_cvtph_ps(_mm_set1_epi16(h));
}

NK_INLINE float f16_one(nk_f16 h)
{
    return _cvtsh_ss(h);
}

/* The f16 at p of nb <= 4 blocks as floats. Gathered by the scalar ports: the vector ports are what
 * these dot kernels wait for. */
NK_INLINE __m128 f16_of_blocks(const char *p, size_t block_size, const int nb)
{
    uint64_t all = 0;
#pragma GCC unroll 4
    for (int k = 0; k < nb; k++) {
        uint16_t h;
        memcpy(&h, p + (size_t)k * block_size, sizeof h);
        all |= (uint64_t)h << (16 * k);
    }
    return _mm_cvtph_ps(_mm_cvtsi64_si128((long long)all));
}

/* Fixed order: lanes i and i+4, then i and i+2, then 0 and 1. */
NK_INLINE float hsum4(__m128 v)
{
    v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
}

NK_INLINE float hsum8(__m256 v)
{
    return hsum4(_mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
}

/* 16 bytes of nibbles -> 32 codes: low nibbles, then high. */
NK_INLINE __m256i nibbles(const void *p)
{
    __m256i twice = _mm256_broadcastsi128_si256(load16(p));
    __m256i both = _mm256_srlv_epi64(twice, _mm256_setr_epi64x(0, 0, 4, 4));
    return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

/* 32 bits -> bytes 0x00 or 0xff in order. */
NK_INLINE __m256i spread_bits(const void *p)
{
    int32_t bits;
    memcpy(&bits, p, sizeof bits);
    const __m256i byte =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201u);
    __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32(bits), byte);
    return _mm256_cmpeq_epi8(_mm256_and_si256(v, bit), bit);
}

/* --- simple blocks: 32 codes, signed where the type has no min ------------------------------- */

NK_INLINE __m256i codes_q4_0(const void *block)
{
    const nk_block_q4_0 *b = block;
    return _mm256_sub_epi8(nibbles(b->qs), _mm256_set1_epi8(8));
}

NK_INLINE __m256i codes_q4_1(const void *block)
{
    const nk_block_q4_1 *b = block;
    return nibbles(b->qs);
}

NK_INLINE __m256i codes_q5_0(const void *block)
{
    const nk_block_q5_0 *b = block;
    /* bit clear: subtract 16, that is, set the upper four bits */
    __m256i clear = _mm256_andnot_si256(spread_bits(b->qh), _mm256_set1_epi8((char)0xf0));
    return _mm256_or_si256(nibbles(b->qs), clear);
}

NK_INLINE __m256i codes_q5_1(const void *block)
{
    const nk_block_q5_1 *b = block;
    __m256i set = _mm256_and_si256(spread_bits(b->qh), _mm256_set1_epi8(16));
    return _mm256_or_si256(nibbles(b->qs), set);
}

NK_INLINE __m256i codes_q8_0(const void *block)
{
    const nk_block_q8_0 *b = block;
    return load32(b->qs);
}

/* --- super-blocks: group g of 32 unsigned codes; g must be a constant after inlining --------- */

/* Bits [from, from + width) of every byte, moved to bit `to`; all constants. */
NK_INLINE __m256i bits_of(__m256i v, int from, int width, int to)
{
    __m256i mask = _mm256_set1_epi8((char)(((1 << width) - 1) << to));
    __m256i moved = from > to ? _mm256_srli_epi16(v, from - to) : _mm256_slli_epi16(v, to - from);
    return _mm256_and_si256(moved, mask);
}

NK_INLINE __m256i codes_q2_k(const void *block, int g)
{
    const nk_block_q2_k *b = block;
    return bits_of(load32(b->qs + g / 4 * 32), g % 4 * 2, 2, 0);
}

NK_INLINE __m256i codes_q3_k(const void *block, int g)
{
    const nk_block_q3_k *b = block;
    return _mm256_or_si256(bits_of(load32(b->qs + g / 4 * 32), g % 4 * 2, 2, 0),
                           bits_of(load32(b->hmask), g, 1, 2));
}

NK_INLINE __m256i codes_q4_k(const void *block, int g)
{
    const nk_block_q4_k *b = block;
    return bits_of(load32(b->qs + g / 2 * 32), g % 2 * 4, 4, 0);
}

NK_INLINE __m256i codes_q5_k(const void *block, int g)
{
    const nk_block_q5_k *b = block;
    return _mm256_or_si256(bits_of(load32(b->qs + g / 2 * 32), g % 2 * 4, 4, 0),
                           bits_of(load32(b->qh), g, 1, 4));
}

NK_INLINE __m256i codes_q6_k(const void *block, int g)
{
    const nk_block_q6_k *b = block;
    int k = g % 4;
    __m256i low = load32(b->ql + g / 4 * 64 + k % 2 * 32);
    return _mm256_or_si256(bits_of(low, k / 2 * 4, 4, 0),
                           bits_of(load32(b->qh + g / 4 * 32), 2 * k, 2, 4));
}

/* --- super-blocks: scales and mins, one int16 per 16 weights --------------------------------- */

/* sum = d * (scale . (code . x)) - dmin * (min . bsums); where the type has an offset instead of
 * mins, min holds scale * offset and takes the same d. */
typedef struct super_scales {
    __m256i scale, min;
    float d, dmin;
} super_scales;

/* The 12 bytes of q4_K and q5_K as eight scales, then eight mins. */
NK_INLINE __m128i six_bit_pairs(const uint8_t s[12])
{
    uint32_t a, b, c;
    memcpy(&a, s, 4);
    memcpy(&b, s + 4, 4);
    memcpy(&c, s + 8, 4);
    const uint32_t top = 0x03030303, low4 = 0x0f0f0f0f, low6 = 0x3f3f3f3f;
    return _mm_setr_epi32((int)(a & low6), (int)((c & low4) | (a >> 6 & top) << 4), (int)(b & low6),
                          (int)((c >> 4 & low4) | (b >> 6 & top) << 4));
}

/* Eight bytes, low or high half, each for two groups of 16 -> sixteen int16. */
NK_INLINE __m256i pairs_of_bytes(__m128i v, int high)
{
    v = high ? _mm_unpackhi_epi8(v, v) : _mm_unpacklo_epi8(v, v);
    return _mm256_cvtepu8_epi16(v);
}

NK_INLINE super_scales scales_q2_k(const void *block)
{
    const nk_block_q2_k *b = block;
    __m128i v = load16(b->scales), low4 = _mm_set1_epi8(15);
    return (super_scales){_mm256_cvtepu8_epi16(_mm_and_si128(v, low4)),
                          _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(v, 4), low4)),
                          f16_one(b->d), f16_one(b->dmin)};
}

NK_INLINE super_scales scales_q3_k(const void *block)
{
    const nk_block_q3_k *b = block;
    uint32_t a, c, t;
    memcpy(&a, b->scales, 4);
    memcpy(&c, b->scales + 4, 4);
    memcpy(&t, b->scales + 8, 4);
    const uint32_t low4 = 0x0f0f0f0f, top = 0x03030303;
    __m128i v = _mm_setr_epi32(
        (int)((a & low4) | (t & top) << 4), (int)((c & low4) | (t >> 2 & top) << 4),
        (int)((a >> 4 & low4) | (t >> 4 & top) << 4), (int)((c >> 4 & low4) | (t >> 6 & top) << 4));
    __m256i scale = _mm256_sub_epi16(_mm256_cvtepu8_epi16(v), _mm256_set1_epi16(32));
    return (super_scales){scale, _mm256_slli_epi16(scale, 2), f16_one(b->d), 0};
}

NK_INLINE super_scales scales_q4_k(const void *block)
{
    const nk_block_q4_k *b = block;
    __m128i v = six_bit_pairs(b->scales);
    return (super_scales){pairs_of_bytes(v, 0), pairs_of_bytes(v, 1), f16_one(b->d),
                          f16_one(b->dmin)};
}

NK_INLINE super_scales scales_q5_k(const void *block)
{
    const nk_block_q5_k *b = block;
    __m128i v = six_bit_pairs(b->scales);
    return (super_scales){pairs_of_bytes(v, 0), pairs_of_bytes(v, 1), f16_one(b->d),
                          f16_one(b->dmin)};
}

NK_INLINE super_scales scales_q6_k(const void *block)
{
    const nk_block_q6_k *b = block;
    __m256i scale = _mm256_cvtepi8_epi16(load16(b->scales));
    return (super_scales){scale, _mm256_slli_epi16(scale, 5), f16_one(b->d), 0};
}

#endif
#endif
