/* IQ types on grids and iq4_xs against q8_K. What a super-block holds besides points (indices of
 * nine bits and more, signs, scales) is taken apart for all its groups at once; a group then costs
 * its loads of points and little else. Gathering them takes as long at best, on Zen 5 twice as
 * long. Included by one file of each level: with AVX-512 signs are masks, and where it has VBMI
 * small grids lie in registers instead (grid_avx512vbmi.h). In 256 bits with AVX-512 too: beside
 * 512-bit instructions a third of the vector units stands still, and the rest of a super-block's
 * work is not halved; that of iq4_xs is, and its rows there are dot_grid_avx512.c's. */
#ifndef NIBBLE_X86_ROWS_GRID_AVX2_H
#define NIBBLE_X86_ROWS_GRID_AVX2_H

#include "kernels/dot_rows.h"
#include "kernels/x86/groups_avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

/* --- points and signs ---------------------------------------------------------------------------
 */

NK_INLINE __m128 two_points(const uint64_t *a, const uint64_t *b)
{
    __m128 v = _mm_castsi128_ps(_mm_loadl_epi64((const __m128i_u *)a));
    return _mm_loadh_pi(v, (const __m64 *)b);
}

/* 32 weights out of four points of eight, and of eight points of four. */
NK_INLINE __m256i points_of_8(const uint64_t *a, const uint64_t *b, const uint64_t *c,
                              const uint64_t *d)
{
    return _mm256_castps_si256(_mm256_setr_m128(two_points(a, b), two_points(c, d)));
}

NK_INLINE __m256i points_of_4(const uint64_t *const at[8])
{
    __m128 lo = _mm_shuffle_ps(two_points(at[0], at[1]), two_points(at[2], at[3]), 0x88);
    __m128 hi = _mm_shuffle_ps(two_points(at[4], at[5]), two_points(at[6], at[7]), 0x88);
    return _mm256_castps_si256(_mm256_setr_m128(lo, hi));
}

/* 32 weights by four indices of 8 weights each, or eight of 4. */
NK_INLINE __m256i points(const uint64_t *grid, const uint64_t i[8], const int count)
{
    if (count == 4)
        return points_of_8(grid + i[0], grid + i[1], grid + i[2], grid + i[3]);
    const uint64_t *const at[8] = {grid + i[0], grid + i[1], grid + i[2], grid + i[3],
                                   grid + i[4], grid + i[5], grid + i[6], grid + i[7]};
    return points_of_4(at);
}

/* Indices come four a load: loads are what these loops wait for. */
NK_INLINE __m256i by_index(const uint64_t *grid, const uint16_t *q, const int count)
{
    uint64_t i[8], four;
#pragma GCC unroll 8
    for (int k = 0; k < count; k++) {
        if (k % 4 == 0)
            memcpy(&four, q + k, sizeof four);
        i[k] = four >> 16 * (k % 4) & 0xffff;
    }
    return points(grid, i, count);
}

NK_INLINE __m256i by_bytes(const uint64_t *grid, const uint8_t *q, const int count)
{
    uint64_t i[8];
#pragma GCC unroll 8
    for (int k = 0; k < count; k++)
        i[k] = (uint8_t)(load_u32(q + k / 4 * 4) >> 8 * (k % 4));
    return points(grid, i, count);
}

/* Group g of x, negative where a weight is. */
#if defined(NK_GRID_AVX512)
NK_INLINE __m256i signed_x(const int8_t *x, const parts *p, const int g)
{
    __m256i v = load32(x + NK_LEN * g);
    return _mm256_mask_sub_epi8(v, p->signs[g], _mm256_setzero_si256(), v);
}
#else
NK_INLINE __m256i signed_x(const int8_t *x, const parts *p, const int g)
{
    const long long one = 0x0202020202020202 * g, two = one + 0x0101010101010101;
    const __m256i byte = _mm256_setr_epi64x(one, two, one, two);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201u);
    __m256i v = _mm256_and_si256(_mm256_shuffle_epi8(p->signs, byte), bit);
    v = _mm256_or_si256(_mm256_cmpeq_epi8(v, bit), _mm256_set1_epi8(1));
    return _mm256_sign_epi8(load32(x + NK_LEN * g), v);
}
#endif

/* Seven signs a byte, bit 7 clear -> an even number of eight. */
NK_INLINE __m256i even_signs_of(__m256i v)
{
    const char o = (char)0x80;
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i odd =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, o, o, 0, o, 0, 0, o, o, 0, 0, o, 0, o, o, 0));
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
    __m256i top = _mm256_xor_si256(_mm256_shuffle_epi8(odd, _mm256_and_si256(v, low)),
                                   _mm256_shuffle_epi8(odd, high));
    return _mm256_or_si256(v, top);
}

/* Words of 32 bits: four times seven signs, s above -> signs, and scales 2s + 1. */
NK_INLINE void signs_and_scales(__m256i v, parts *p)
{
    __m256i s = _mm256_or_si256(_mm256_srli_epi32(v, 27), _mm256_set1_epi32(1));
    s = _mm256_or_si256(s, _mm256_slli_epi32(s, 16));
    _mm256_store_si256((__m256i *)p->scale32, s);
    __m256i a = _mm256_and_si256(v, _mm256_set1_epi32(0x7f));
    __m256i b = _mm256_and_si256(_mm256_slli_epi32(v, 1), _mm256_set1_epi32(0x7f00));
    __m256i c = _mm256_and_si256(_mm256_slli_epi32(v, 2), _mm256_set1_epi32(0x7f0000));
    __m256i d = _mm256_and_si256(_mm256_slli_epi32(v, 3), _mm256_set1_epi32(0x7f000000));
    a = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
    put_signs(p, even_signs_of(a));
}

/* --- iq2 ----------------------------------------------------------------------------------------
 */

NK_INLINE void read_iq2_xxs(const char *block, const column *c, parts *p)
{
    const uint8_t *qs = ((const nk_block_iq2_xxs *)(const void *)block)->qs;
    __m256 a = _mm256_castsi256_ps(load32(qs)), b = _mm256_castsi256_ps(load32(qs + 32));
    __m256i words = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
    (void)c;
    signs_and_scales(_mm256_permute4x64_epi64(words, 0xd8), p);
}

NK_INLINE __m256i pairs_iq2_xxs(const char *block, const int8_t *x, const parts *p,
                                const uint64_t *grid, const int g)
{
    const uint8_t *q = ((const nk_block_iq2_xxs *)(const void *)block)->qs + 8 * g;
    return _mm256_maddubs_epi16(by_bytes(grid, q, 4), signed_x(x, p, g));
}

NK_INLINE void read_iq2_xs(const char *block, const column *c, parts *p)
{
    const nk_block_iq2_xs *b = (const void *)block;
    const __m256i low9 = _mm256_set1_epi16(511);
    __m256i v = load32(b->qs), u = load32(b->qs + 32);
    (void)c;
    _mm256_store_si256((__m256i *)p->index, _mm256_and_si256(v, low9));
    _mm256_store_si256((__m256i *)(p->index + 16), _mm256_and_si256(u, low9));
    v = _mm256_packus_epi16(_mm256_srli_epi16(v, 9), _mm256_srli_epi16(u, 9));
    put_signs(p, even_signs_of(_mm256_permute4x64_epi64(v, 0xd8)));
    p->scale16 = scales_of_nibbles(b->scales);
}

NK_INLINE __m256i pairs_by_index(const char *block, const int8_t *x, const parts *p,
                                 const uint64_t *grid, const int g)
{
    (void)block;
    return _mm256_maddubs_epi16(by_index(grid, p->index + 4 * g, 4), signed_x(x, p, g));
}

NK_INLINE void read_iq2_s(const char *block, const column *c, parts *p)
{
    const nk_block_iq2_s *b = (const void *)block;
    const __m256i to_bit8 = _mm256_set1_epi64x(0x0004001000400100);
    const __m256i byte =
        _mm256_setr_epi64x((long long)0x8000800080008000u, (long long)0x8001800180018001u,
                           (long long)0x8002800280028002u, (long long)0x8003800380038003u);
    __m256i high = eight_bytes_all(b->qh);
    (void)c;
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m256i top =
            _mm256_shuffle_epi8(high, _mm256_add_epi8(byte, _mm256_set1_epi16((short)(4 * h))));
        top = _mm256_and_si256(_mm256_mullo_epi16(top, to_bit8), _mm256_set1_epi16(0x300));
        __m256i v = _mm256_or_si256(_mm256_cvtepu8_epi16(load16(b->qs + 16 * h)), top);
        _mm256_store_si256((__m256i *)(p->index + 16 * h), v);
    }
    put_signs(p, load32(b->signs));
    p->scale16 = scales_of_nibbles(b->scales);
}

/* --- iq3 ----------------------------------------------------------------------------------------
 */

NK_INLINE void read_iq3_xxs(const char *block, const column *c, parts *p)
{
    (void)c;
    signs_and_scales(load32(((const nk_block_iq3_xxs *)(const void *)block)->signs), p);
}

NK_INLINE __m256i pairs_iq3_xxs(const char *block, const int8_t *x, const parts *p,
                                const uint64_t *grid, const int g)
{
    const uint8_t *q = ((const nk_block_iq3_xxs *)(const void *)block)->qs + 8 * g;
    return _mm256_maddubs_epi16(by_bytes(grid, q, 8), signed_x(x, p, g));
}

NK_INLINE void read_iq3_s(const char *block, const column *c, parts *p)
{
    const nk_block_iq3_s *b = (const void *)block;
    const __m256i to_bit8 =
        _mm256_broadcastsi128_si256(_mm_setr_epi16(256, 128, 64, 32, 16, 8, 4, 2));
    __m256i high = eight_bytes_all(b->qh);
    (void)c;
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        const short one = (short)(0x8000 + 2 * k), two = (short)(one + 1);
        const __m256i byte = _mm256_setr_m128i(_mm_set1_epi16(one), _mm_set1_epi16(two));
        __m256i top = _mm256_mullo_epi16(_mm256_shuffle_epi8(high, byte), to_bit8);
        top = _mm256_and_si256(top, _mm256_set1_epi16(256));
        __m256i v = _mm256_or_si256(_mm256_cvtepu8_epi16(load16(b->qs + 16 * k)), top);
        _mm256_store_si256((__m256i *)(p->index + 16 * k), v);
    }
    put_signs(p, load32(b->signs));
    uint32_t nibbles = load_u32(b->scales);
    __m128i low = _mm_set1_epi8(15), v = _mm_cvtsi32_si128((int)nibbles);
    v = _mm_unpacklo_epi8(_mm_and_si128(v, low), _mm_and_si128(_mm_srli_epi16(v, 4), low));
    v = _mm_or_si128(_mm_add_epi8(v, v), _mm_set1_epi8(1));
    _mm256_store_si256((__m256i *)p->scale32, _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(v, v)));
}

NK_INLINE __m256i pairs_iq3_s(const char *block, const int8_t *x, const parts *p,
                              const uint64_t *grid, const int g)
{
    (void)block;
    return _mm256_maddubs_epi16(by_index(grid, p->index + 8 * g, 8), signed_x(x, p, g));
}

/* --- iq1: eighths, 8 * level + 1 or - 1 ---------------------------------------------------------
 */

/* With u = level + 1 the sum of a group is 8 s (u . x) + s (+-1 - 8) sum(x). */
NK_INLINE void read_iq1_s(const char *block, const column *c, parts *p)
{
    const nk_block_iq1_s *b = (const void *)block;
    const __m256i to_bit8 = _mm256_set1_epi64x(0x0000000400200100);
    const __m256i top3 = _mm256_set1_epi16(0x700);
    __m128i h = load16(b->qh);
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) {
        const short one = (short)(0x0100 + 0x0808 * k);
        const __m256i word = _mm256_setr_m128i(
            _mm_setr_epi16(one, one, one, one, one + 0x202, one + 0x202, one + 0x202, one + 0x202),
            _mm_setr_epi16(one + 0x404, one + 0x404, one + 0x404, one + 0x404, one + 0x606,
                           one + 0x606, one + 0x606, one + 0x606));
        __m256i all = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(h), word);
        __m256i top = _mm256_mullo_epi16(all, to_bit8);
        top = _mm256_blend_epi16(top, _mm256_srli_epi16(all, 1), 0x88);
        top = _mm256_and_si256(top, top3);
        __m256i v = _mm256_or_si256(_mm256_cvtepu8_epi16(load16(b->qs + 16 * k)), top);
        _mm256_store_si256((__m256i *)(p->index + 16 * k), v);
    }
    __m128i s = _mm_and_si128(_mm_srli_epi16(h, 11), _mm_set1_epi16(14));
    s = _mm_or_si128(s, _mm_set1_epi16(1));
    __m128i minus = _mm_srai_epi16(h, 15);
    __m128i shift = _mm_add_epi16(_mm_add_epi16(minus, minus), _mm_set1_epi16(-7));
    __m128i rest = _mm_madd_epi16(_mm_mullo_epi16(s, shift), c->sum32);
    p->sum = _mm256_zextsi128_si256(rest);
    s = _mm_slli_epi16(s, 3);
    _mm_store_si128((__m128i *)p->scale32[0], _mm_unpacklo_epi16(s, s));
    _mm_store_si128((__m128i *)p->scale32[4], _mm_unpackhi_epi16(s, s));
}

NK_INLINE __m256i pairs_iq1_s(const char *block, const int8_t *x, const parts *p,
                              const uint64_t *grid, const int g)
{
    (void)block;
    __m256i u = _mm256_add_epi8(by_index(grid, p->index + 4 * g, 4), _mm256_set1_epi8(1));
    return _mm256_maddubs_epi16(u, load32(x + NK_LEN * g));
}

/* With codes 8 (level + 1) + 1 +- 1 of 0..18 there are 9 too many. */
NK_INLINE void read_iq1_m(const char *block, const column *c, parts *p)
{
    const nk_block_iq1_m *b = (const void *)block;
    const __m256i to_bit8 = _mm256_set1_epi32(0x00100100), top3 = _mm256_set1_epi16(0x700);
    __m128i h = load16(b->qh), twice[2] = {_mm_unpacklo_epi8(h, h), _mm_unpackhi_epi8(h, h)};
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) {
        __m256i top = _mm256_mullo_epi16(_mm256_cvtepu8_epi16(twice[k]), to_bit8);
        __m256i v = _mm256_cvtepu8_epi16(load16(b->qs + 16 * k));
        v = _mm256_or_si256(v, _mm256_and_si256(top, top3));
        _mm256_store_si256((__m256i *)(p->index + 16 * k), v);
    }
    /* scale k: bits 3 * (k % 4) of word k / 4, brought to 9 */
    const __m256i word = _mm256_setr_epi64x(0x0302030201000100, 0x0706070605040504,
                                            0x0302030201000100, 0x0706070605040504);
    const __m256i to_bit9 = _mm256_setr_epi64x(0x0008020000080200, 0x0008020000080200,
                                               0x0001004000010040, 0x0001004000010040);
    __m256i s = _mm256_shuffle_epi8(eight_bytes_all(b->scales), word);
    s = _mm256_srli_epi16(_mm256_mullo_epi16(s, to_bit9), 8);
    s = _mm256_and_si256(s, _mm256_set1_epi16(14));
    p->scale16 = _mm256_or_si256(s, _mm256_set1_epi16(1));
    p->sum = _mm256_madd_epi16(_mm256_mullo_epi16(p->scale16, _mm256_set1_epi16(-9)), c->sum16);
}

NK_INLINE __m256i pairs_iq1_m(const char *block, const int8_t *x, const parts *p,
                              const uint64_t *grid, const int g)
{
    const uint8_t *qh = ((const nk_block_iq1_m *)(const void *)block)->qh + 2 * g;
    const __m256i bit = _mm256_setr_epi64x(0x8, 0x80, 0x800, 0x8000);
    __m256i u = _mm256_add_epi8(by_index(grid, p->index + 4 * g, 4), _mm256_set1_epi8(1));
    __m256i h = _mm256_set1_epi32((int)load_u32(qh)); /* two bytes too many, of this block */
    __m256i minus = _mm256_cmpeq_epi64(_mm256_and_si256(h, bit), bit);
    __m256i more = _mm256_andnot_si256(minus, _mm256_set1_epi8(2));
    u = _mm256_or_si256(_mm256_slli_epi16(u, 3), more);
    return _mm256_maddubs_epi16(u, load32(x + NK_LEN * g));
}

#if !defined(NK_GRID_AVX512)
/* --- iq4_xs -------------------------------------------------------------------------------------
 */

/* Scales of the even groups in the lower half, of the odd ones in the upper: four bits of each in
 * a nibble of scales_l, two more in scales_h. */
NK_INLINE void read_iq4_xs(const char *block, const column *c, parts *p)
{
    __m256i v = eight_bytes_all(block); /* d, scales_h, scales_l */
    const __m256i low_bytes = _mm256_set1_epi64x((long long)0x8007800680058004u);
    const __m256i to_bit12 = _mm256_set1_epi64x(0x0001001001001000);
    __m256i low =
        _mm256_srlv_epi64(_mm256_shuffle_epi8(v, low_bytes), _mm256_setr_epi64x(0, 0, 4, 4));
    __m256i top = _mm256_shuffle_epi8(v, _mm256_set1_epi16(0x0302));
    top = _mm256_srlv_epi64(_mm256_mullo_epi16(top, to_bit12), _mm256_setr_epi64x(8, 8, 10, 10));
    v = _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi16(15)),
                        _mm256_and_si256(top, _mm256_set1_epi16(48)));
    p->scale16 = _mm256_sub_epi16(v, _mm256_set1_epi16(32));
    (void)c;
}

NK_INLINE __m256i pairs_iq4_xs(const char *block, const int8_t *x, const parts *p,
                               const uint64_t *grid, const int g)
{
    __m256i v = load32(((const nk_block_iq4_xs *)(const void *)block)->qs + g / 2 * 32);
    (void)p;
    (void)grid;
    v = _mm256_and_si256(g % 2 ? _mm256_srli_epi16(v, 4) : v, _mm256_set1_epi8(15));
    v = _mm256_sign_epi8(levels_of(v, nk_levels_iq4), load32(x + NK_LEN * g));
    return _mm256_maddubs_epi16(load32(x + offsetof(turned, size) + NK_LEN * g), v);
}
#endif

/* --- the types -----------------------------------------------------------------------------------
 */

#define GRID_TYPE(sym, pairs, d, grid, scaling)                                                    \
    static const grid_type grid_##sym = {read_##sym,     pairs,  d, sizeof(nk_block_##sym),        \
                                         NK_GRID_##grid, scaling};
GRID_TYPE(iq2_xxs, pairs_iq2_xxs, eighth_of_8, IQ2_XXS, PER_32)
GRID_TYPE(iq2_xs, pairs_by_index, eighth_of_8, IQ2_XS, PER_16)
GRID_TYPE(iq2_s, pairs_by_index, eighth_of_8, IQ2_S, PER_16)
GRID_TYPE(iq3_xxs, pairs_iq3_xxs, quarter_of_8, IQ3_XXS, PER_32)
GRID_TYPE(iq3_s, pairs_iq3_s, first_of_8, IQ3_S, PER_32)
GRID_TYPE(iq1_s, pairs_iq1_s, eighth_of_8, IQ1, PER_32)
GRID_TYPE(iq1_m, pairs_iq1_m, iq1_m_of_8, IQ1, PER_16)

#define GRID_ROWS(ID, sym, d_of, grid_of) NK_ROWS_PAIR(grid_rows, grid_##sym, sym)
NK_LATTICE_TYPES(GRID_ROWS)
#if !defined(NK_GRID_AVX512) /* dot_grid_avx512.c has its own */
GRID_TYPE(iq4_xs, pairs_iq4_xs, first_of_8, COUNT, TURNED)
NK_ROWS_PAIR(grid_rows, grid_iq4_xs, iq4_xs)
#endif

#define GRID_SET(ID, sym, d_of, grid_of) NK_ROWS_SET(ID, sym)

NK_INLINE void set_grid_rows(nk_ops *ops)
{
    NK_LATTICE_TYPES(GRID_SET)
#if !defined(NK_GRID_AVX512)
    NK_ROWS_SET(IQ4_XS, iq4_xs)
#endif
}

#endif
#endif
