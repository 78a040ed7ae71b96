#include "kernels/x86/super_avx2.h"
#include "kernels/dot_rows.h"
#include "kernels/x86/x86.h"

/* dot_k_avx2.c with 64 codes at a time: two groups of 32 side by side, maddubs to exact int16 pair
 * sums, then one VNNI step multiplies by the int16 scale and adds. Layouts: blocks.h. */

/* Groups 2*pair and 2*pair + 1, 64 unsigned codes; pair is a constant after inlining. */
typedef __m512i codes_fn(const void *block, int pair);
typedef super_scales scales_fn(const void *block);

typedef struct super_type {
    codes_fn *codes;
    scales_fn *scales;
    size_t block_size;
    bool has_min; /* else min is part of the integer sum */
} super_type;

/* The same 32 bytes twice, shifted right by lo and by hi bits; bits cross bytes: mask them. */
NK_INLINE __m512i twice(const void *p, int lo, int hi)
{
    __m512i v = _mm512_broadcast_i64x4(load32(p));
    return _mm512_srlv_epi64(v, _mm512_setr_epi64(lo, lo, lo, lo, hi, hi, hi, hi));
}

/* Adds `value` where bit 2*pair (first 32 bytes) and 2*pair + 1 (second) of the plane are set. */
NK_INLINE __m512i add_plane(__m512i codes, const void *plane, int pair, int value)
{
    const __m512i bit = _mm512_inserti64x4(_mm512_set1_epi8((char)(1 << 2 * pair)),
                                           _mm256_set1_epi8((char)(2 << 2 * pair)), 1);
    __mmask64 set = _mm512_test_epi8_mask(_mm512_broadcast_i64x4(load32(plane)), bit);
    return _mm512_mask_add_epi8(codes, set, codes, _mm512_set1_epi8((char)value));
}

NK_INLINE __m512i pairs_q2_k(const void *block, int pair)
{
    const nk_block_q2_k *b = block;
    __m512i v = twice(b->qs + pair / 2 * 32, pair % 2 * 4, pair % 2 * 4 + 2);
    return _mm512_and_si512(v, _mm512_set1_epi8(3));
}

NK_INLINE __m512i pairs_q3_k(const void *block, int pair)
{
    const nk_block_q3_k *b = block;
    __m512i v = twice(b->qs + pair / 2 * 32, pair % 2 * 4, pair % 2 * 4 + 2);
    return add_plane(_mm512_and_si512(v, _mm512_set1_epi8(3)), b->hmask, pair, 4);
}

NK_INLINE __m512i pairs_q4_k(const void *block, int pair)
{
    const nk_block_q4_k *b = block;
    return _mm512_and_si512(twice(b->qs + pair * 32, 0, 4), _mm512_set1_epi8(15));
}

NK_INLINE __m512i pairs_q5_k(const void *block, int pair)
{
    const nk_block_q5_k *b = block;
    __m512i v = _mm512_and_si512(twice(b->qs + pair * 32, 0, 4), _mm512_set1_epi8(15));
    return add_plane(v, b->qh, pair, 16);
}

NK_INLINE __m512i pairs_q6_k(const void *block, int pair)
{
    const nk_block_q6_k *b = block;
    __m512i low = _mm512_loadu_si512(b->ql + pair / 2 * 64);
    if (pair % 2)
        low = _mm512_srli_epi16(low, 4);
    __m512i high = _mm512_slli_epi16(
        _mm512_and_si512(twice(b->qh + pair / 2 * 32, pair % 2 * 4, pair % 2 * 4 + 2),
                         _mm512_set1_epi8(3)),
        4);
    return _mm512_or_si512(_mm512_and_si512(low, _mm512_set1_epi8(15)), high);
}

/* The four scales of a pair of groups, eight int16 each. */
NK_INLINE __m512i pair_scale(__m512i all, int pair)
{
    const __m512i lane =
        _mm512_setr_epi64(0, 0, 0x0001000100010001, 0x0001000100010001, 0x0002000200020002,
                          0x0002000200020002, 0x0003000300030003, 0x0003000300030003);
    __m512i pick = _mm512_add_epi16(lane, _mm512_set1_epi16((short)(4 * pair)));
    return _mm512_permutexvar_epi16(pick, all);
}

/* One super-block of one row against nc columns. */
NK_INLINE void super_block(const super_type t, const void *block, const char *x, size_t stride,
                           __m512 *acc, const int nc)
{
    super_scales s = t.scales(block);
    __m512i all = _mm512_castsi256_si512(s.scale), sum[4];
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++)
        sum[c] = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; pair++) {
        __m512i q = t.codes(block, pair), scale = pair_scale(all, pair);
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            const char *a = x + (size_t)c * stride + offsetof(nk_block_q8_k, qs);
            __m512i p = _mm512_maddubs_epi16(q, _mm512_loadu_si512(a + 64 * pair));
            sum[c] = _mm512_dpwssd_epi32(sum[c], p, scale);
        }
    }
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++) {
        const char *a = x + (size_t)c * stride;
        float d;
        memcpy(&d, a, sizeof d);
        __m256i short_min = _mm256_madd_epi16(s.min, load32(a + offsetof(nk_block_q8_k, bsums)));
        __m512i min = _mm512_zextsi256_si512(short_min);
        __m512 part;
        if (t.has_min)
            part = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(min), _mm512_set1_ps(s.dmin),
                                    _mm512_mul_ps(_mm512_cvtepi32_ps(sum[c]), _mm512_set1_ps(s.d)));
        else
            part = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(sum[c], min)),
                                 _mm512_set1_ps(s.d));
        acc[c] = _mm512_fmadd_ps(part, _mm512_set1_ps(d), acc[c]);
    }
}

NK_INLINE void super_dot(const super_type t, size_t n, const void *w, const void *x, size_t stride,
                         float *y, const int nc)
{
    __m512 acc[4];
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++)
        acc[c] = _mm512_setzero_ps();
    const char *b = w, *a = x;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++) {
        super_block(t, b, a, stride, acc, nc);
        b += t.block_size;
        a += sizeof(nk_block_q8_k);
    }
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++)
        y[c] =
            hsum8(_mm256_add_ps(_mm512_castps512_ps256(acc[c]), _mm512_extractf32x8_ps(acc[c], 1)));
}

static const super_type q2_k = {pairs_q2_k, scales_q2_k, sizeof(nk_block_q2_k), true};
static const super_type q3_k = {pairs_q3_k, scales_q3_k, sizeof(nk_block_q3_k), false};
static const super_type q4_k = {pairs_q4_k, scales_q4_k, sizeof(nk_block_q4_k), true};
static const super_type q5_k = {pairs_q5_k, scales_q5_k, sizeof(nk_block_q5_k), true};
static const super_type q6_k = {pairs_q6_k, scales_q6_k, sizeof(nk_block_q6_k), false};

NK_SUPER_TYPES(NK_SUPER_PAIR)

void nk_x86_dot_k_avx512(nk_ops *ops)
{
    NK_SUPER_TYPES(NK_DOT_SET)
}
