#include "kernels/x86/avx2.h"
#include "kernels/dot_rows.h"
#include "kernels/x86/x86.h"

/* Simple blocks against q8_0 or q8_1, and floats against f32.
 *
 * Signed codes go through |w| * (sign of w applied to x): vpsignb cannot negate -128, and no
 * encoder of activations produces it (codes are value * 127 / absmax, rounded), so pair sums stay
 * within 2 * 128 * 127 < 2^15 and every integer is exact. */

typedef __m256i codes_fn(const void *block);
typedef __m128 scales_fn(const char *p, size_t block_size, const int nb);

/* What of one type makes up the loop below. With a min the block starts d, m and x is q8_1. */
typedef struct simple_type {
    codes_fn *codes;
    scales_fn *scales;         /* of w */
    size_t block_size, x_size; /* bytes of a block on each side */
    bool is_signed;            /* codes, and then no min */
} simple_type;

/* nb blocks against nc columns; acc in lanes over codes, min[c] gathers m * s. */
NK_INLINE void blocks_dot(const simple_type t, const char *b, const char *x, size_t stride,
                          __m256 *acc, __m128 *min, const int nb, const int nc)
{
    const __m256i ones = _mm256_set1_epi16(1);
    _Alignas(16) float scale[4][4];
    __m128 d = t.scales(b, t.block_size, nb);
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++) {
        const char *a = x + (size_t)c * stride;
        _mm_store_ps(scale[c], _mm_mul_ps(d, f16_of_blocks(a, t.x_size, nb)));
        if (!t.is_signed)
            min[c] = _mm_fmadd_ps(f16_of_blocks(b + 2, t.block_size, nb),
                                  f16_of_blocks(a + 2, t.x_size, nb), min[c]);
    }
#pragma GCC unroll 4
    for (int k = 0; k < nb; k++) {
        __m256i q = t.codes(b + (size_t)k * t.block_size);
        __m256i size = t.is_signed ? _mm256_abs_epi8(q) : q;
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            __m256i a =
                load32(x + (size_t)c * stride + (size_t)k * t.x_size + (t.is_signed ? 2 : 4));
            __m256i pair = _mm256_maddubs_epi16(size, t.is_signed ? _mm256_sign_epi8(a, q) : a);
            __m256 sum = _mm256_cvtepi32_ps(_mm256_madd_epi16(pair, ones));
            acc[c] = _mm256_fmadd_ps(sum, _mm256_broadcast_ss(&scale[c][k]), acc[c]);
        }
    }
}

NK_INLINE void simple_dot(const simple_type t, size_t n, const void *w, const void *x,
                          size_t stride, float *y, const int nc)
{
    __m256 acc[4];
    __m128 min[4];
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++) {
        acc[c] = _mm256_setzero_ps();
        min[c] = _mm_setzero_ps();
    }
    const char *b = w, *a = x;
    size_t left = n / NK_LEN;
    for (; left >= 4; left -= 4) {
        blocks_dot(t, b, a, stride, acc, min, 4, nc);
        b += 4 * t.block_size;
        a += 4 * t.x_size;
    }
    for (; left > 0; left--) {
        blocks_dot(t, b, a, stride, acc, min, 1, nc);
        b += t.block_size;
        a += t.x_size;
    }
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++)
        y[c] = hsum8(acc[c]) + (t.is_signed ? 0 : hsum4(min[c]));
}

static const simple_type q4_0 = {codes_q4_0, f16_of_blocks, sizeof(nk_block_q4_0),
                                 sizeof(nk_block_q8_0), true};
static const simple_type q4_1 = {codes_q4_1, f16_of_blocks, sizeof(nk_block_q4_1),
                                 sizeof(nk_block_q8_1), false};
static const simple_type q5_0 = {codes_q5_0, f16_of_blocks, sizeof(nk_block_q5_0),
                                 sizeof(nk_block_q8_0), true};
static const simple_type q5_1 = {codes_q5_1, f16_of_blocks, sizeof(nk_block_q5_1),
                                 sizeof(nk_block_q8_1), false};
static const simple_type q8_0 = {codes_q8_0, f16_of_blocks, sizeof(nk_block_q8_0),
                                 sizeof(nk_block_q8_0), true};
static const simple_type iq4_nl = {codes_iq4_nl, f16_of_blocks, sizeof(nk_block_iq4_nl),
                                   sizeof(nk_block_q8_0), true};
static const simple_type mxfp4 = {codes_mxfp4, e8m0_of_blocks, sizeof(nk_block_mxfp4),
                                  sizeof(nk_block_q8_0), true};

NK_SIMPLE_TYPES(NK_SIMPLE_PAIR)
NK_LEVEL_TYPES(NK_SIMPLE_PAIR)

/* --- floats ----------------------------------------------------------------------------------- */

typedef __m256 eight_fn(const void *w, size_t i); /* weights i..i+7 */

NK_INLINE __m256 eight_f32(const void *w, size_t i)
{
    return _mm256_loadu_ps((const float *)w + i);
}

NK_INLINE __m256 eight_f16(const void *w, size_t i)
{
    return _mm256_cvtph_ps(load16((const nk_f16 *)w + i));
}

NK_INLINE __m256 eight_bf16(const void *w, size_t i)
{
    __m256i v = _mm256_cvtepu16_epi32(load16((const uint16_t *)w + i));
    return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
}

NK_INLINE __m256 eight_x(const char *x, size_t stride, int c, size_t i)
{
    return _mm256_loadu_ps((const float *)(const void *)(x + (size_t)c * stride) + i);
}

/* The last n % 8 weights, zero-filled to eight. */
NK_INLINE __m256 tail_of(eight_fn *eight, size_t size, const void *w, size_t i, size_t n)
{
    unsigned char last[32] = {0};
    memcpy(last, (const char *)w + i * size, (n - i) * size);
    return eight(last, 0);
}

NK_INLINE void float_dot(eight_fn *eight, size_t size, size_t n, const void *w, const void *x,
                         size_t stride, float *y, const int nc)
{
    const char *a = x;
    __m256 even[4], odd[4];
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++)
        even[c] = odd[c] = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256 w0 = eight(w, i), w1 = eight(w, i + 8);
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            even[c] = _mm256_fmadd_ps(w0, eight_x(a, stride, c, i), even[c]);
            odd[c] = _mm256_fmadd_ps(w1, eight_x(a, stride, c, i + 8), odd[c]);
        }
    }
    for (; i < n; i += 8) {
        bool whole = i + 8 <= n;
        __m256 w0 = whole ? eight(w, i) : tail_of(eight, size, w, i, n);
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            __m256 x0 = whole ? eight_x(a, stride, c, i)
                              : tail_of(eight_f32, 4, a + (size_t)c * stride, i, n);
            even[c] = _mm256_fmadd_ps(w0, x0, even[c]);
        }
    }
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++)
        y[c] = hsum8(_mm256_add_ps(even[c], odd[c]));
}

static float dot_f32(size_t n, const void *w, const void *x)
{
    float y;
    float_dot(eight_f32, 4, n, w, x, 0, &y, 1);
    return y;
}

static void dot4_f32(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    float_dot(eight_f32, 4, n, w, x, x_stride, y, 4);
}

static float dot_f16(size_t n, const void *w, const void *x)
{
    float y;
    float_dot(eight_f16, 2, n, w, x, 0, &y, 1);
    return y;
}

static void dot4_f16(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    float_dot(eight_f16, 2, n, w, x, x_stride, y, 4);
}

static float dot_bf16(size_t n, const void *w, const void *x)
{
    float y;
    float_dot(eight_bf16, 2, n, w, x, 0, &y, 1);
    return y;
}

static void dot4_bf16(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    float_dot(eight_bf16, 2, n, w, x, x_stride, y, 4);
}

void nk_x86_dot_avx2(nk_ops *ops)
{
    static const struct {
        nk_type_id id;
        nk_dot_fn *dot;
        nk_dot4_fn *dot4;
    } rows[] = {
        {NK_F32, dot_f32, dot4_f32},
        {NK_F16, dot_f16, dot4_f16},
        {NK_BF16, dot_bf16, dot4_bf16},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ops->dot[rows[i].id] = rows[i].dot;
        ops->dot4[rows[i].id] = rows[i].dot4;
    }
    NK_SIMPLE_TYPES(NK_DOT_SET)
    NK_LEVEL_TYPES(NK_DOT_SET)
}
