#include "kernels/x86/super_avx2.h"
#include "kernels/dot_rows.h"
#include "kernels/x86/x86.h"

/* Super-blocks against q8_K. Codes are unsigned bytes, so one maddubs gives exact int16 pair sums
 * (at most 2 * 63 * 128), one madd by the int16 scale gives int32; nothing is rounded before the
 * one float product per super-block. Columns share the unpacking; each runs the same operations in
 * the same order whether it comes alone or in fours. */

typedef __m256i codes_fn(const void *block, int g);
typedef super_scales scales_fn(const void *block);

/* What of one type makes up the loop below. */
typedef struct super_type {
    codes_fn *codes;
    scales_fn *scales;
    size_t block_size;
    bool has_min; /* else min is part of the integer sum */
} super_type;

/* Group g of 32 weights: its two scales, eight int16 each. */
NK_INLINE __m256i group_scale(__m256i lo, __m256i hi, int g)
{
    const short a = (short)(0x0100 + g % 4 * 0x0404), b = (short)(a + 0x0202);
    const __m256i pick = _mm256_setr_epi16(a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b);
    return _mm256_shuffle_epi8(g < 4 ? lo : hi, pick);
}

NK_INLINE const nk_block_q8_k *column(const void *x, size_t stride, int c)
{
    return (const nk_block_q8_k *)((const char *)x + (size_t)c * stride);
}

/* One super-block of one row against nc columns. */
NK_INLINE void super_block(const super_type t, const void *block, const void *x, size_t stride,
                           __m256 *acc, const int nc)
{
    super_scales s = t.scales(block);
    __m256i lo = _mm256_permute2x128_si256(s.scale, s.scale, 0x00);
    __m256i hi = _mm256_permute2x128_si256(s.scale, s.scale, 0x11);
    __m256i sum[4];
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++)
        sum[c] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        __m256i q = t.codes(block, g), scale = group_scale(lo, hi, g);
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            __m256i pair = _mm256_maddubs_epi16(q, load32(column(x, stride, c)->qs + 32 * g));
            sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(pair, scale));
        }
    }
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++) {
        const nk_block_q8_k *a = column(x, stride, c);
        __m256i min = _mm256_madd_epi16(s.min, load32(a->bsums));
        __m256 part;
        if (t.has_min)
            part = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(min), _mm256_set1_ps(s.dmin),
                                    _mm256_mul_ps(_mm256_cvtepi32_ps(sum[c]), _mm256_set1_ps(s.d)));
        else
            part = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(sum[c], min)),
                                 _mm256_set1_ps(s.d));
        acc[c] = _mm256_fmadd_ps(part, _mm256_set1_ps(a->d), acc[c]);
    }
}

NK_INLINE void super_dot(const super_type t, size_t n, const void *w, const void *x, size_t stride,
                         float *y, const int nc)
{
    __m256 acc[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                     _mm256_setzero_ps()};
    const char *b = w, *a = x;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++) {
        super_block(t, b, a, stride, acc, nc);
        b += t.block_size;
        a += sizeof(nk_block_q8_k);
    }
    for (int c = 0; c < nc; c++)
        y[c] = hsum8(acc[c]);
}

static const super_type q2_k = {codes_q2_k, scales_q2_k, sizeof(nk_block_q2_k), true};
static const super_type q3_k = {codes_q3_k, scales_q3_k, sizeof(nk_block_q3_k), false};
static const super_type q4_k = {codes_q4_k, scales_q4_k, sizeof(nk_block_q4_k), true};
static const super_type q5_k = {codes_q5_k, scales_q5_k, sizeof(nk_block_q5_k), true};
static const super_type q6_k = {codes_q6_k, scales_q6_k, sizeof(nk_block_q6_k), false};

NK_SUPER_TYPES(NK_SUPER_PAIR)

void nk_x86_dot_k_avx2(nk_ops *ops)
{
    NK_SUPER_TYPES(NK_DOT_SET)
}
