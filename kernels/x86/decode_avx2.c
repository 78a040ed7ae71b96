#include "kernels/x86/super_avx2.h"
#include "kernels/x86/x86.h"

/* Rows to floats: embedding look-ups and the error of what was just encoded. Products and
 * differences are rounded one by one as in the C rows, never fused, so the floats are equal. */

/* Eight bytes from p as floats. */
NK_INLINE __m256 eight_bytes(const uint8_t *p, int is_signed)
{
    __m128i v = _mm_loadl_epi64((const __m128i_u *)p);
    return _mm256_cvtepi32_ps(is_signed ? _mm256_cvtepi8_epi32(v) : _mm256_cvtepu8_epi32(v));
}

NK_INLINE void simple_decode(__m256i codes_of(const void *block),
                             __m256 scale_of(const void *block), size_t block_size, int has_min,
                             const void *src, float *dst, size_t n)
{
    const char *b = src;
    for (size_t i = 0; i < n / NK_LEN; i++, b += block_size, dst += NK_LEN) {
        _Alignas(32) uint8_t code[NK_LEN];
        _mm256_store_si256((__m256i *)code, codes_of(b));
        __m256 d = scale_of(b), m = has_min ? f16_all(b + 2) : _mm256_setzero_ps();
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            __m256 w = _mm256_mul_ps(eight_bytes(code + 8 * k, !has_min), d);
            _mm256_storeu_ps(dst + 8 * k, has_min ? _mm256_add_ps(w, m) : w);
        }
    }
}

static void decode_q4_0(const void *src, float *dst, size_t n)
{
    simple_decode(codes_q4_0, f16_all, sizeof(nk_block_q4_0), 0, src, dst, n);
}

static void decode_q4_1(const void *src, float *dst, size_t n)
{
    simple_decode(codes_q4_1, f16_all, sizeof(nk_block_q4_1), 1, src, dst, n);
}

static void decode_q5_0(const void *src, float *dst, size_t n)
{
    simple_decode(codes_q5_0, f16_all, sizeof(nk_block_q5_0), 0, src, dst, n);
}

static void decode_q5_1(const void *src, float *dst, size_t n)
{
    simple_decode(codes_q5_1, f16_all, sizeof(nk_block_q5_1), 1, src, dst, n);
}

static void decode_q8_0(const void *src, float *dst, size_t n)
{
    simple_decode(codes_q8_0, f16_all, sizeof(nk_block_q8_0), 0, src, dst, n);
}

static void decode_iq4_nl(const void *src, float *dst, size_t n)
{
    simple_decode(codes_iq4_nl, f16_all, sizeof(nk_block_iq4_nl), 0, src, dst, n);
}

static void decode_mxfp4(const void *src, float *dst, size_t n)
{
    simple_decode(codes_mxfp4, e8m0_all, sizeof(nk_block_mxfp4), 0, src, dst, n);
}

static void decode_iq4_xs(const void *src, float *dst, size_t n)
{
    const nk_block_iq4_xs *b = src;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, b++) {
        int16_t scale[8];
        scales_iq4_xs(b, scale);
        for (int g = 0; g < 8; g++, dst += NK_LEN) {
            _Alignas(32) uint8_t code[NK_LEN];
            _mm256_store_si256((__m256i *)code, codes_iq4_xs(b, g));
            __m256 d = _mm256_set1_ps(f16_one(b->d) * (float)scale[g]);
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++)
                _mm256_storeu_ps(dst + 8 * k, _mm256_mul_ps(eight_bytes(code + 8 * k, 1), d));
        }
    }
}

static void decode_nvfp4(const void *src, float *dst, size_t n)
{
    const nk_block_nvfp4 *b = src;
    for (size_t i = 0; i < n / NK_NVFP4_LEN; i++, b++) {
        _Alignas(32) uint8_t code[NK_NVFP4_LEN];
        _Alignas(16) float scale[4];
        _mm_store_ps(scale, scales_nvfp4(b));
        _mm256_store_si256((__m256i *)code, codes_nvfp4(b, 0));
        _mm256_store_si256((__m256i *)code + 1, codes_nvfp4(b, 1));
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++, dst += 8)
            _mm256_storeu_ps(
                dst, _mm256_mul_ps(eight_bytes(code + 8 * k, 1), _mm256_set1_ps(scale[k / 2])));
    }
}

/* bias: what is subtracted from a code of a type without mins; -1: the type has mins. */
NK_INLINE void super_decode(__m256i codes_of(const void *block, int g),
                            super_scales scales_of(const void *block), size_t block_size, int bias,
                            const void *src, float *dst, size_t n)
{
    const char *b = src;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, b += block_size, dst += NK_SUPER_LEN) {
        _Alignas(32) uint8_t code[NK_SUPER_LEN];
        _Alignas(32) int16_t scale[16], min[16];
        super_scales s = scales_of(b);
        _mm256_store_si256((__m256i *)scale, s.scale);
        _mm256_store_si256((__m256i *)min, s.min);
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++)
            _mm256_store_si256((__m256i *)code + g, codes_of(b, g));
        for (int k = 0; k < 32; k++) {
            __m256 q = eight_bytes(code + 8 * k, 0);
            __m256 d = _mm256_set1_ps(s.d * (float)scale[k / 2]);
            __m256 m = _mm256_set1_ps(s.dmin * (float)min[k / 2]);
            __m256 w = bias < 0 ? _mm256_sub_ps(_mm256_mul_ps(d, q), m)
                                : _mm256_mul_ps(d, _mm256_sub_ps(q, _mm256_set1_ps((float)bias)));
            _mm256_storeu_ps(dst + 8 * k, w);
        }
    }
}

static void decode_q2_k(const void *src, float *dst, size_t n)
{
    super_decode(codes_q2_k, scales_q2_k, sizeof(nk_block_q2_k), -1, src, dst, n);
}

static void decode_q3_k(const void *src, float *dst, size_t n)
{
    super_decode(codes_q3_k, scales_q3_k, sizeof(nk_block_q3_k), 4, src, dst, n);
}

static void decode_q4_k(const void *src, float *dst, size_t n)
{
    super_decode(codes_q4_k, scales_q4_k, sizeof(nk_block_q4_k), -1, src, dst, n);
}

static void decode_q5_k(const void *src, float *dst, size_t n)
{
    super_decode(codes_q5_k, scales_q5_k, sizeof(nk_block_q5_k), -1, src, dst, n);
}

static void decode_q6_k(const void *src, float *dst, size_t n)
{
    super_decode(codes_q6_k, scales_q6_k, sizeof(nk_block_q6_k), 32, src, dst, n);
}

static void decode_tq1_0(const void *src, float *dst, size_t n)
{
    super_decode(codes_tq1_0, scales_tq1_0, sizeof(nk_block_tq1_0), 1, src, dst, n);
}

static void decode_tq2_0(const void *src, float *dst, size_t n)
{
    super_decode(codes_tq2_0, scales_tq2_0, sizeof(nk_block_tq2_0), 1, src, dst, n);
}

static void decode_f16(const void *src, float *dst, size_t n)
{
    const char *p = src;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(load16(p + 2 * i)));
    for (; i < n; i++) {
        nk_f16 h;
        memcpy(&h, p + 2 * i, sizeof h);
        dst[i] = f16_one(h);
    }
}

static void decode_bf16(const void *src, float *dst, size_t n)
{
    const char *p = src;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i v = _mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(p + 2 * i)), 16);
        _mm256_storeu_ps(dst + i, _mm256_castsi256_ps(v));
    }
    for (; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, sizeof h);
        uint32_t bits = (uint32_t)h << 16;
        memcpy(dst + i, &bits, sizeof bits);
    }
}

void nk_x86_decode_avx2(nk_ops *ops)
{
    ops->decode[NK_F16] = decode_f16;
    ops->decode[NK_BF16] = decode_bf16;
    ops->decode[NK_Q4_0] = decode_q4_0;
    ops->decode[NK_Q4_1] = decode_q4_1;
    ops->decode[NK_Q5_0] = decode_q5_0;
    ops->decode[NK_Q5_1] = decode_q5_1;
    ops->decode[NK_Q8_0] = decode_q8_0;
    ops->decode[NK_Q2_K] = decode_q2_k;
    ops->decode[NK_Q3_K] = decode_q3_k;
    ops->decode[NK_Q4_K] = decode_q4_k;
    ops->decode[NK_Q5_K] = decode_q5_k;
    ops->decode[NK_Q6_K] = decode_q6_k;
    ops->decode[NK_IQ4_NL] = decode_iq4_nl;
    ops->decode[NK_IQ4_XS] = decode_iq4_xs;
    ops->decode[NK_TQ1_0] = decode_tq1_0;
    ops->decode[NK_TQ2_0] = decode_tq2_0;
    ops->decode[NK_MXFP4] = decode_mxfp4;
    ops->decode[NK_NVFP4] = decode_nvfp4;
}
