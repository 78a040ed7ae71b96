#include "kernels/x86/rows_grid_avx2.h"
#include "kernels/x86/wide_avx512.h"
#include "kernels/x86/x86.h"

/* One column's products of IQ types on grids and iq4_xs with AVX-512 and VNNI. The grids' are
 * rows_grid_avx2.h's. Of iq4_xs four groups of 32 go side by side, one in each 128 bits: the first
 * halves of a super-block's groups, which are low nibbles, are two vectors, the second halves two
 * more. Levels are taken 128 higher, and sums begin at -128 times those of x. */

/* --- x ------------------------------------------------------------------------------------------
 */

typedef struct halves {
    __m512i x[2][2]; /* of groups 0 to 3 the first 16 each, the last 16; of groups 4 to 7 */
    __m512i begin[2];
} halves;

NK_INLINE void read_halves(const nk_block_q8_k *a, halves *h)
{
    const __m512i less = _mm512_set1_epi8((char)128), zero = _mm512_setzero_si512();
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) {
        __m512i two = load64(a->qs + 128 * k), next = load64(a->qs + 128 * k + 64);
        h->x[k][0] = _mm512_shuffle_i64x2(two, next, 0x88);
        h->x[k][1] = _mm512_shuffle_i64x2(two, next, 0xdd);
        __m512i sum = _mm512_dpbusd_epi32(zero, less, h->x[k][0]);
        h->begin[k] = _mm512_sub_epi32(zero, _mm512_dpbusd_epi32(sum, less, h->x[k][1]));
    }
}

/* --- eight rows ---------------------------------------------------------------------------------
 */

/* d, scales_h and scales_l of eight rows: row r's in 64 bits r. */
NK_INLINE __m512i heads_of_8(const char *const w[SIDE], size_t at)
{
    __m128i v[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        __m128i one = _mm_loadl_epi64((const __m128i_u *)(const void *)(w[2 * k] + at));
        __m128i two = _mm_loadl_epi64((const __m128i_u *)(const void *)(w[2 * k + 1] + at));
        v[k] = _mm_unpacklo_epi64(one, two);
    }
    return four_quarters(v[0], v[1], v[2], v[3]);
}

/* Their scales, a byte a group. */
NK_INLINE __m512i scales_of_8(__m512i heads)
{
    const __m512i of_low =
        _mm512_broadcast_i32x4(_mm_setr_epi32(0x05050404, 0x07070606, 0x0d0d0c0c, 0x0f0f0e0e));
    const __m512i of_top =
        _mm512_broadcast_i32x4(_mm_setr_epi32(0x02020202, 0x03030303, 0x0a0a0a0a, 0x0b0b0b0b));
    __m512i low = _mm512_shuffle_epi8(heads, of_low), top = _mm512_shuffle_epi8(heads, of_top);
    low = bits_from(_mm512_set1_epi32(0x0f000f00), _mm512_srli_epi16(low, 4), low);
    /* two bits of each byte to bits 4 and 5 */
    __m512i pair =
        bits_from(_mm512_set1_epi32(0xff00), _mm512_slli_epi32(top, 2), _mm512_slli_epi32(top, 4));
    top = bits_from(_mm512_set1_epi32((int)0xff000000), _mm512_srli_epi32(top, 2), top);
    top = bits_from(_mm512_set1_epi32(0xffff), pair, top);
    __m512i v =
        _mm512_and_si512(bits_from(_mm512_set1_epi32(0x0f0f0f0f), low, top), _mm512_set1_epi8(63));
    return _mm512_sub_epi8(v, _mm512_set1_epi8(32));
}

/* Those of four groups of one row from its bytes, each for 128 bits. */
NK_INLINE __m512i four_scales_of(const int8_t scale[8], const int first)
{
    long long bytes;
    memcpy(&bytes, scale, sizeof bytes);
    const int top = first << 24 | 0x808080;
    const __m512i at =
        four_quarters(_mm_set1_epi32(top), _mm_set1_epi32(top + (1 << 24)),
                      _mm_set1_epi32(top + (2 << 24)), _mm_set1_epi32(top + (3 << 24)));
    return _mm512_srai_epi32(_mm512_shuffle_epi8(_mm512_set1_epi64(bytes), at), 24);
}

/* A super-block of one row. */
NK_INLINE __m512i halves_sum(const nk_block_iq4_xs *b, const halves *h, __m512i levels,
                             const int8_t scale[8])
{
    const __m512i low4 = _mm512_set1_epi8(15);
    NK_UNSET __m512i sum[2];
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) {
        __m512i v = load64(b->qs + 64 * k), top = _mm512_and_si512(_mm512_srli_epi16(v, 4), low4);
        v = _mm512_shuffle_epi8(levels, _mm512_and_si512(v, low4));
        top = _mm512_shuffle_epi8(levels, top);
        v = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(h->begin[k], v, h->x[k][0]), top, h->x[k][1]);
        sum[k] = _mm512_mullo_epi32(v, four_scales_of(scale, 4 * k));
    }
    return _mm512_add_epi32(sum[0], sum[1]);
}

NK_INLINE __m256 iq4_xs_side(size_t n, const char *const w[SIDE], size_t row_size, const void *x)
{
    const nk_block_q8_k *a = x;
    const size_t size = sizeof(nk_block_iq4_xs);
    const __m512i levels =
        _mm512_xor_si512(_mm512_broadcast_i32x4(load16(nk_levels_iq4)), _mm512_set1_epi8(-128));
    const char *next = w[0] + SIDE * row_size;
    __m256 acc = _mm256_setzero_ps();
    for (size_t at = 0; at < n / NK_SUPER_LEN * size; at += size, a++, next += SIDE * size) {
        _Alignas(64) NK_UNSET int8_t scale[SIDE][8];
        NK_UNSET halves h;
        NK_UNSET __m512i sum[SIDE];
        read_halves(a, &h);
        __m512i heads = heads_of_8(w, at);
        _mm512_store_si512(scale, scales_of_8(heads));
#pragma GCC unroll 8
        for (int r = 0; r < SIDE; r++) {
            ask_for_row(next, size, r);
            sum[r] = halves_sum((const void *)(w[r] + at), &h, levels, scale[r]);
        }
        __m256 d =
            _mm256_mul_ps(_mm256_cvtph_ps(_mm512_cvtepi64_epi16(heads)), _mm256_set1_ps(a->d));
        acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums_of_8_wide(sum)), d, acc);
    }
    return acc;
}

NK_SIDE_PAIR(iq4_xs_side, wide_iq4_xs)

void nk_x86_dot_grid_avx512(nk_ops *ops)
{
    set_grid_rows(ops);
    NK_ROWS_SET(IQ4_XS, wide_iq4_xs)
}
