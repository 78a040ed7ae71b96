/* How codes, scales and mins come out of the bytes of super-blocks: group g of 32 unsigned codes (g
 * a constant after inlining), and one int16 scale and min per 16 weights. Included only by files
 * compiled for AVX2 and above; the layouts are drawn in blocks.h. */
#ifndef NIBBLE_X86_SUPER_AVX2_H
#define NIBBLE_X86_SUPER_AVX2_H

#include "kernels/x86/avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

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

/* --- trits: codes 0..2 (tq2_0: 3 too) under one scale and an offset of 1 ------------------------
 */

NK_INLINE __m256i codes_tq2_0(const void *block, int g)
{
    const nk_block_tq2_0 *b = block;
    return bits_of(load32(b->qs + g / 4 * 32), g % 4 * 2, 2, 0);
}

/* (byte * power mod 256) * 3 >> 8 of every byte: the digit the power brings to the top. Bytes go
 * through the upper halves of 16-bit lanes, whose product drops what overflows. */
NK_INLINE __m256i digits_of(__m256i v, __m256i power)
{
    const __m256i three = _mm256_set1_epi16(3), odd = _mm256_set1_epi16((short)0xff00);
    __m256i lo = _mm256_mullo_epi16(_mm256_slli_epi16(v, 8), power);
    __m256i hi = _mm256_mullo_epi16(_mm256_and_si256(v, odd), power);
    return _mm256_or_si256(_mm256_mulhi_epu16(lo, three),
                           _mm256_slli_epi16(_mm256_mulhi_epu16(hi, three), 8));
}

/* Groups 0..4 are the digits of qs[0..31]; 5 to half of 7 those of qs[32..47], two a group; the
 * other half of 7 is the first four digits of qh. */
NK_INLINE __m256i codes_tq1_0(const void *block, int g)
{
    const nk_block_tq1_0 *b = block;
    static const short power[] = {1, 3, 9, 27, 81};
    if (g < 5)
        return digits_of(load32(b->qs), _mm256_set1_epi16(power[g]));
    __m128i v = load16(b->qs + 32);
    if (g < 7)
        return digits_of(
            _mm256_broadcastsi128_si256(v),
            _mm256_setr_m128i(_mm_set1_epi16(power[2 * g - 10]), _mm_set1_epi16(power[2 * g - 9])));
    int32_t last;
    memcpy(&last, b->qh, sizeof last);
    return digits_of(_mm256_setr_m128i(v, _mm_set1_epi32(last)),
                     _mm256_setr_epi16(81, 81, 81, 81, 81, 81, 81, 81, 1, 1, 3, 3, 9, 9, 27, 27));
}

NK_INLINE super_scales scales_trits(nk_f16 d)
{
    const __m256i one = _mm256_set1_epi16(1);
    return (super_scales){one, one, f16_one(d), 0};
}

NK_INLINE super_scales scales_tq1_0(const void *block)
{
    return scales_trits(((const nk_block_tq1_0 *)block)->d);
}

NK_INLINE super_scales scales_tq2_0(const void *block)
{
    return scales_trits(((const nk_block_tq2_0 *)block)->d);
}

#endif
#endif
