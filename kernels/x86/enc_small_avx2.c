#include "kernels/fp.h"
#include "kernels/quant/pack.h"
#include "kernels/scale.h"
#include "kernels/x86/lanes_avx2.h"
#include "kernels/x86/x86.h"

#include <math.h>

/* Encoders without a search: 4-bit floats, trits, signs. Bytes equal the C reference's for every
 * finite input. */

/* Greatest magnitude of n, a multiple of 8. */
NK_INLINE float absmax(const float *x, const int n)
{
    __m256 most = _mm256_setzero_ps();
    for (int i = 0; i < n; i += 8)
        most = _mm256_max_ps(magnitude(_mm256_loadu_ps(x + i)), most);
    return max_of(most);
}

/* --- mxfp4, nvfp4 ------------------------------------------------------------------------------
 */

/* The levels under a scale; of the two zeros the first is met first and wins. */
typedef struct scaled_levels {
    __m256 value[NK_LEVELS];
} scaled_levels;

NK_INLINE void scale_levels(scaled_levels *s, float scale)
{
    for (int k = 0; k < NK_LEVELS; k++)
        s->value[k] = _mm256_set1_ps((float)nk_levels_fp4[k] * scale);
}

/* Number of the nearest of the levels, the first of equals. */
NK_INLINE __m256i nearest_levels(const scaled_levels *s, __m256 x)
{
    __m256 best = _mm256_setzero_ps(), least = magnitude(_mm256_sub_ps(s->value[0], x));
#pragma GCC unroll 16
    for (int k = 1; k < NK_LEVELS; k++) {
        __m256 err = magnitude(_mm256_sub_ps(s->value[k], x));
        __m256 nearer = _mm256_cmp_ps(err, least, _CMP_LT_OQ);
        least = _mm256_blendv_ps(least, err, nearer);
        best = _mm256_blendv_ps(best, _mm256_castsi256_ps(_mm256_set1_epi32(k)), nearer);
    }
    return _mm256_castps_si256(best);
}

static void encode_mxfp4(const float *src, void *dst, size_t nrows, size_t ncols,
                         const float *importance)
{
    (void)importance;
    nk_block_mxfp4 *b = dst;
    for (size_t i = 0; i < nrows * ncols / NK_LEN; i++, src += NK_LEN) {
        NK_UNSET scaled_levels s;
        __m256i code[4];
        float amax = absmax(src, NK_LEN);
        b[i].e = amax > 0 ? (uint8_t)nk_trunc(floorf(log2f(amax)) - 2.0f + 127.0f) : 0;
        scale_levels(&s, nk_mxfp4_scale(b[i].e));
        for (int k = 0; k < 4; k++)
            code[k] = nearest_levels(&s, _mm256_loadu_ps(src + 8 * k));
        store_nibbles(b[i].qs, low_bytes(code));
    }
}

static void encode_nvfp4(const float *src, void *dst, size_t nrows, size_t ncols,
                         const float *importance)
{
    (void)importance;
    enum { GROUP = NK_NVFP4_GROUP, GROUPS = NK_NVFP4_LEN / GROUP };
    nk_block_nvfp4 *b = dst;
    for (size_t i = 0; i < nrows * ncols / NK_NVFP4_LEN; i++)
        for (int g = 0; g < GROUPS; g++, src += GROUP) {
            NK_UNSET scaled_levels s;
            b[i].d[g] = nk_f32_to_nvfp4(absmax(src, GROUP) / 6.0f);
            scale_levels(&s, nk_nvfp4_scale(b[i].d[g]));
            /* codes j and j + 8 share byte j */
            __m256i low = nearest_levels(&s, _mm256_loadu_ps(src));
            __m256i high = nearest_levels(&s, _mm256_loadu_ps(src + 8));
            __m256i both = _mm256_or_si256(low, _mm256_slli_epi32(high, 4));
            __m128i v =
                _mm_packus_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
            _mm_storel_epi64((__m128i_u *)(b[i].qs + g * GROUP / 2), _mm_packus_epi16(v, v));
        }
}

/* --- tq1_0, tq2_0 ------------------------------------------------------------------------------
 */

/* 256 weights -> codes 0, 1, 2; returns d. */
NK_INLINE float trits_of(const float *x, uint8_t code[NK_SUPER_LEN])
{
    float amax = absmax(x, NK_SUPER_LEN);
    const __m256 id = _mm256_set1_ps(amax != 0 ? 1.0f / amax : 0.0f);
    const __m256 half = _mm256_set1_ps(0.5f), reach = _mm256_set1_ps(1.5f);
    const __m256i one = _mm256_set1_epi32(1);
    for (int i = 0; i < NK_SUPER_LEN; i += NK_LEN) {
        __m256i q[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i + 8 * k), id), size = magnitude(v);
            __m256 out = _mm256_and_ps(_mm256_cmp_ps(size, half, _CMP_GE_OQ),
                                       _mm256_cmp_ps(size, reach, _CMP_LT_OQ));
            __m256i sign = _mm256_or_si256(_mm256_srai_epi32(_mm256_castps_si256(v), 31), one);
            q[k] = _mm256_add_epi32(one, _mm256_and_si256(_mm256_castps_si256(out), sign));
        }
        _mm256_storeu_si256((__m256i_u *)(code + i), low_bytes(q));
    }
    return amax;
}

/* Sixteen numbers v < 243 -> (256 v + 242) / 243 = v + (13 v + 242) / 243. */
NK_INLINE __m256i fraction_of(__m256i v)
{
    __m256i y =
        _mm256_add_epi16(_mm256_mullo_epi16(v, _mm256_set1_epi16(13)), _mm256_set1_epi16(242));
    /* y / 243 for y < 4096: 4316 = 2^20 / 243, rounded up */
    y = _mm256_srli_epi16(_mm256_mulhi_epu16(y, _mm256_set1_epi16(4316)), 4);
    return _mm256_add_epi16(v, y);
}

/* Five digits a byte, the first the highest: digit n of byte m is code[n * bytes + m]; 32 or 16
 * bytes. */
NK_INLINE void pack_five(uint8_t *p, const int bytes, const uint8_t *code)
{
    for (int m = 0; m < bytes; m += 16) {
        __m256i v = _mm256_setzero_si256();
#pragma GCC unroll 5
        for (int n = 0; n < 5; n++) {
            __m256i c = _mm256_cvtepu8_epi16(load16(code + n * bytes + m));
            v = _mm256_add_epi16(_mm256_mullo_epi16(v, _mm256_set1_epi16(3)), c);
        }
        v = fraction_of(v);
        __m128i low = _mm256_castsi256_si128(v), high = _mm256_extracti128_si256(v, 1);
        _mm_storeu_si128((__m128i_u *)(p + m), _mm_packus_epi16(low, high));
    }
}

static void encode_tq1_0(const float *src, void *dst, size_t nrows, size_t ncols,
                         const float *importance)
{
    (void)importance;
    nk_block_tq1_0 *b = dst;
    for (size_t i = 0; i < nrows * ncols / NK_SUPER_LEN; i++, src += NK_SUPER_LEN) {
        NK_UNSET uint8_t code[NK_SUPER_LEN];
        b[i].d = nk_f32_to_f16(trits_of(src, code));
        pack_five(b[i].qs, 32, code);
        pack_five(b[i].qs + 32, 16, code + 160);
        for (int m = 0; m < 4; m++) { /* four digits, then a zero */
            const uint8_t *c = code + 240 + m;
            int v = ((c[0] * 3 + c[4]) * 3 + c[8]) * 3 + c[12];
            b[i].qh[m] = (uint8_t)((v * 3 * 256 + 242) / 243);
        }
    }
}

static void encode_tq2_0(const float *src, void *dst, size_t nrows, size_t ncols,
                         const float *importance)
{
    (void)importance;
    nk_block_tq2_0 *b = dst;
    for (size_t i = 0; i < nrows * ncols / NK_SUPER_LEN; i++, src += NK_SUPER_LEN) {
        NK_UNSET uint8_t code[NK_SUPER_LEN];
        b[i].d = nk_f32_to_f16(trits_of(src, code));
        nk_pack_pairs(b[i].qs, code, 0);
    }
}

/* --- q1_0 --------------------------------------------------------------------------------------
 */

/* Sums of magnitudes run in index order, so those of eight blocks run side by side; of fewer the
 * last stands in for what is missing. */
NK_INLINE void mean_magnitudes(const float *src, size_t blocks, float mean[LANES])
{
    int32_t at[LANES];
    for (int k = 0; k < LANES; k++)
        at[k] = (k < (int)blocks ? k : (int)blocks - 1) * NK_Q1_0_LEN;
    lanes sum = lanes_set(0);
    for (int i = 0; i < NK_Q1_0_LEN; i += 8) {
        NK_UNSET lanes x[8];
        lanes_columns(src + i, at, 8, x);
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++)
            sum = lanes_add(sum, lanes_abs(x[k]));
    }
    lanes_store(mean, lanes_div(sum, lanes_set(NK_Q1_0_LEN)));
}

static void encode_q1_0(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    (void)importance;
    nk_block_q1_0 *b = dst;
    size_t blocks = nrows * ncols / NK_Q1_0_LEN;
    for (size_t first = 0; first < blocks; first += LANES) {
        size_t n = blocks - first < LANES ? blocks - first : LANES;
        float mean[LANES];
        mean_magnitudes(src, n, mean);
        for (size_t i = 0; i < n; i++, b++, src += NK_Q1_0_LEN) {
            b->d = nk_f32_to_f16(mean[i]);
            for (int k = 0; k < NK_Q1_0_LEN / 8; k++) {
                __m256 x = _mm256_loadu_ps(src + 8 * k);
                __m256 up = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GE_OQ);
                b->qs[k] = (uint8_t)_mm256_movemask_ps(up);
            }
        }
    }
}

void nk_x86_enc_small_avx2(nk_ops *ops)
{
    ops->encode[NK_MXFP4] = encode_mxfp4;
    ops->encode[NK_NVFP4] = encode_nvfp4;
    ops->encode[NK_TQ1_0] = encode_tq1_0;
    ops->encode[NK_TQ2_0] = encode_tq2_0;
    ops->encode[NK_Q1_0] = encode_q1_0;
}
