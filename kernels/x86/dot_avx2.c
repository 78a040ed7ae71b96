#include "kernels/x86/float_avx2.h"
#include "kernels/x86/simple_avx2.h"
#include "kernels/x86/x86.h"

/* Simple blocks against q8_0 or q8_1, and floats against f32, in the order of gemm.h. Eight rows
 * (four of floats) go side by side: their sums are reduced together and lie in one vector.
 *
 * Signed codes go through |w| * (sign of w applied to x): vpsignb cannot negate -128, and no
 * encoder of activations produces it (codes are value * 127 / absmax, rounded), so pair sums stay
 * within 2 * 128 * 127 < 2^15 and every integer is exact. */

enum { SIDE = 8, SIDE_F = 4, LINE = 64 };

/* The first scale of each of eight blocks, `at` bytes into it. */
NK_INLINE __m256 scales_of_8(const simple_type t, const char *const w[SIDE], size_t at)
{
    if (t.scales == e8m0_of_blocks) {
        float d[SIDE];
#pragma GCC unroll 8
        for (int r = 0; r < SIDE; r++)
            d[r] = _mm_cvtss_f32(e8m0_of_blocks(w[r] + at, 1, 1));
        return _mm256_loadu_ps(d);
    }
    uint64_t half[2] = {0, 0};
#pragma GCC unroll 8
    for (int r = 0; r < SIDE; r++) {
        uint16_t h;
        memcpy(&h, w[r] + at, sizeof h);
        half[r / 4] |= (uint64_t)h << (16 * (r % 4));
    }
    return _mm256_cvtph_ps(_mm_set_epi64x((long long)half[1], (long long)half[0]));
}

NK_INLINE __m256 simple_side(const simple_type t, size_t n, const char *const w[SIDE],
                             size_t row_size, const char *x)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256 acc = _mm256_setzero_ps();
    size_t at = 0;
    for (size_t i = 0; i < n / NK_LEN; i++, at += t.block_size, x += t.x_size) {
        __m256i sum[SIDE], a = load32(x + (t.is_signed ? 2 : 4));
#pragma GCC unroll 8
        for (int r = 0; r < SIDE; r++) {
            __m256i q = t.codes(w[r] + at), size = t.is_signed ? _mm256_abs_epi8(q) : q;
            __m256i pair = _mm256_maddubs_epi16(size, t.is_signed ? _mm256_sign_epi8(a, q) : a);
            sum[r] = _mm256_madd_epi16(pair, ones);
            /* the same block of the next eight rows: hardware prefetchers stop at page ends */
            _mm_prefetch(w[r] + at + SIDE * row_size, _MM_HINT_T0);
        }
        __m256 scale = _mm256_mul_ps(scales_of_8(t, w, at), f16_all(x));
        acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums_of_8(sum)), scale, acc);
        if (!t.is_signed)
            acc = _mm256_fmadd_ps(scales_of_8(t, w, at + 2), f16_all(x + 2), acc);
    }
    return acc;
}

NK_INLINE void simple_rows(const simple_type t, size_t n, const void *w, size_t row_size,
                           size_t rows, const void *x, float *y)
{
    for (size_t r = 0; r < rows; r += SIDE) {
        const char *at[SIDE];
        float out[SIDE];
        rows_side_by_side(at, SIDE, w, row_size, r, rows);
        __m256 sums = simple_side(t, n, at, row_size, x);
        if (r + SIDE <= rows) {
            _mm256_storeu_ps(y + r, sums);
            continue;
        }
        _mm256_storeu_ps(out, sums);
        memcpy(y + r, out, (rows - r) * sizeof *y);
    }
}

#define SIMPLE_ROWS(ID, sym) NK_ROWS_PAIR(simple_rows, sym, sym)
NK_SIMPLE_TYPES(SIMPLE_ROWS)
NK_LEVEL_TYPES(SIMPLE_ROWS)

/* --- floats ----------------------------------------------------------------------------------- */

typedef struct float_type {
    eight_fn *eight;
    size_t size;
} float_type;

NK_INLINE __m128 float_side(const float_type t, size_t n, const char *const w[SIDE_F],
                            size_t row_size, const float *x)
{
    __m128 sum = _mm_setzero_ps();
    for (size_t from = 0; from < n; from += NK_CHUNK) {
        size_t end = n - from < NK_CHUNK ? n : from + NK_CHUNK, i = from;
        __m256 acc[SIDE_F] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                              _mm256_setzero_ps()};
        for (; i + 8 <= end; i += 8) {
            __m256 a = _mm256_loadu_ps(x + i);
#pragma GCC unroll 4
            for (int r = 0; r < SIDE_F; r++) {
                acc[r] = _mm256_fmadd_ps(t.eight(w[r], i), a, acc[r]);
                if (i * t.size % LINE == 0)
                    _mm_prefetch(w[r] + i * t.size + SIDE_F * row_size, _MM_HINT_T0);
            }
        }
        if (i < end) {
            __m256 a = tail_of(eight_f32, 4, x, i, end);
#pragma GCC unroll 4
            for (int r = 0; r < SIDE_F; r++)
                acc[r] = _mm256_fmadd_ps(tail_of(t.eight, t.size, w[r], i, end), a, acc[r]);
        }
        __m128 part = hsums8(acc[0], acc[1], acc[2], acc[3]);
        sum = from ? _mm_add_ps(sum, part) : part;
    }
    return sum;
}

NK_INLINE void float_rows(const float_type t, size_t n, const void *w, size_t row_size, size_t rows,
                          const void *x, float *y)
{
    for (size_t r = 0; r < rows; r += SIDE_F) {
        const char *at[SIDE_F];
        float out[SIDE_F];
        rows_side_by_side(at, SIDE_F, w, row_size, r, rows);
        _mm_storeu_ps(out, float_side(t, n, at, row_size, x));
        memcpy(y + r, out, (r + SIDE_F <= rows ? SIDE_F : rows - r) * sizeof *y);
    }
}

static const float_type f32 = {eight_f32, 4}, f16 = {eight_f16, 2}, bf16 = {eight_bf16, 2};

NK_ROWS_PAIR(float_rows, f32, f32)
NK_ROWS_PAIR(float_rows, f16, f16)
NK_ROWS_PAIR(float_rows, bf16, bf16)

void nk_x86_dot_avx2(nk_ops *ops)
{
    NK_ROWS_SET(F32, f32)
    NK_ROWS_SET(F16, f16)
    NK_ROWS_SET(BF16, bf16)
    NK_SIMPLE_TYPES(NK_ROWS_SET)
    NK_LEVEL_TYPES(NK_ROWS_SET)
}
