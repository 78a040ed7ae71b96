#include "kernels/x86/super_avx2.h"
#include "kernels/dot_rows.h"
#include "kernels/x86/x86.h"

/* Trits against q8_K. sum (q - 1) x = sum q x - sum x, both in the same lanes, so that weights of 0
 * cancel before anything is rounded. Eight groups of pairs stay within 8 * 2 * 2 * 128 < 2^15: one
 * widening per super-block. Columns share the unpacking. */

typedef __m256i codes_fn(const void *block, int g);

typedef struct trit_type {
    codes_fn *codes;
    size_t block_size, d; /* bytes of a block, where its f16 lies */
} trit_type;

NK_INLINE const nk_block_q8_k *column(const void *x, size_t stride, int c)
{
    return (const nk_block_q8_k *)((const char *)x + (size_t)c * stride);
}

NK_INLINE void trit_dot(const trit_type t, size_t n, const void *w, const void *x, size_t stride,
                        float *y, const int nc)
{
    const __m256i one = _mm256_set1_epi8(1);
    __m256 acc[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                     _mm256_setzero_ps()};
    const char *b = w, *a = x;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++) {
        __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                          _mm256_setzero_si256()};
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++) {
            __m256i q = t.codes(b, g);
#pragma GCC unroll 4
            for (int c = 0; c < nc; c++) {
                __m256i v = load32(column(a, stride, c)->qs + 32 * g);
                __m256i pair =
                    _mm256_sub_epi16(_mm256_maddubs_epi16(q, v), _mm256_maddubs_epi16(one, v));
                sum[c] = _mm256_add_epi16(sum[c], pair);
            }
        }
        __m256 d = f16_all(b + t.d);
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            __m256i whole = _mm256_madd_epi16(sum[c], _mm256_set1_epi16(1));
            __m256 scale = _mm256_mul_ps(d, _mm256_set1_ps(column(a, stride, c)->d));
            acc[c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), scale, acc[c]);
        }
        b += t.block_size;
        a += sizeof(nk_block_q8_k);
    }
    for (int c = 0; c < nc; c++)
        y[c] = hsum8(acc[c]);
}

static const trit_type tq1_0 = {codes_tq1_0, sizeof(nk_block_tq1_0), offsetof(nk_block_tq1_0, d)};
static const trit_type tq2_0 = {codes_tq2_0, sizeof(nk_block_tq2_0), offsetof(nk_block_tq2_0, d)};

NK_DOT_PAIR(trit_dot, tq1_0)
NK_DOT_PAIR(trit_dot, tq2_0)

void nk_x86_dot_trits_avx2(nk_ops *ops)
{
    NK_DOT_SET(TQ1_0, tq1_0)
    NK_DOT_SET(TQ2_0, tq2_0)
}
