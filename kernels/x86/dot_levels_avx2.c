#include "kernels/x86/avx2.h"
#include "kernels/dot_rows.h"
#include "kernels/x86/x86.h"

/* nvfp4: levels with four scales a block. Levels are signed: |w| * (sign of w applied to
 * x), exact for the reasons told in dot_avx2.c, pair sums within 2 * 127 * 127 < 2^15. Columns
 * share the unpacking. */

/* 32 levels against 32 of x -> pair sums of 16 bits. */
NK_INLINE __m256i level_pairs(__m256i q, __m256i size, const int8_t *x)
{
    return _mm256_maddubs_epi16(size, _mm256_sign_epi8(load32(x), q));
}

NK_INLINE void nvfp4_dot(size_t n, const void *w, const void *x, size_t stride, float *y,
                         const int nc)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256 acc[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                     _mm256_setzero_ps()};
    const nk_block_nvfp4 *b = w;
    const char *a = x;
    for (size_t i = 0; i < n / NK_NVFP4_LEN; i++, b++) {
        __m128 s = scales_nvfp4(b);
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++, a += sizeof(nk_block_q8_0)) {
            __m256i q = codes_nvfp4(b, h), size = _mm256_abs_epi8(q);
            __m256 scale = h ? _mm256_setr_m128(_mm_permute_ps(s, 0xaa), _mm_permute_ps(s, 0xff))
                             : _mm256_setr_m128(_mm_permute_ps(s, 0x00), _mm_permute_ps(s, 0x55));
#pragma GCC unroll 4
            for (int c = 0; c < nc; c++) {
                const nk_block_q8_0 *col = (const void *)(a + (size_t)c * stride);
                __m256i sum = _mm256_madd_epi16(level_pairs(q, size, col->qs), ones);
                acc[c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum),
                                         _mm256_mul_ps(scale, f16_all(&col->d)), acc[c]);
            }
        }
    }
    for (int c = 0; c < nc; c++)
        y[c] = hsum8(acc[c]);
}

static float dot_nvfp4(size_t n, const void *w, const void *x)
{
    float y;
    nvfp4_dot(n, w, x, 0, &y, 1);
    return y;
}

static void dot4_nvfp4(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    nvfp4_dot(n, w, x, x_stride, y, 4);
}

void nk_x86_dot_levels_avx2(nk_ops *ops)
{
    NK_DOT_SET(NVFP4, nvfp4)
}
