#include "kernels/x86/float_avx2.h"
#include "kernels/x86/rows_simple_avx2.h"
#include "kernels/x86/x86.h"

/* Simple blocks against q8_0 or q8_1 (rows_simple_avx2.h), signs, and floats against f32, four rows
 * of them side by side, in the order of gemm.h. */

enum { SIDE_F = 4 };

/* Signs of one scale a block of 128: of x as it lies in four blocks. */
NK_INLINE __m256 signs_side(size_t n, const char *const w[SIDE], size_t row_size, const char *x)
{
    const __m256i plus8 = _mm256_set1_epi8(1), plus16 = _mm256_set1_epi16(1);
    const nk_block_q8_0 *a = (const void *)x;
    __m256 acc = _mm256_setzero_ps();
    const size_t size = sizeof(nk_block_q1_0);
    for (size_t at = 0; at < n / NK_Q1_0_LEN * size; at += size) {
        __m256 d = f16_of_8(w, at);
        for (size_t g = 0; g < NK_Q1_0_LEN / NK_LEN; g++, a++) {
            __m256i sum[SIDE], q = load32(a->qs);
#pragma GCC unroll 8
            for (int r = 0; r < SIDE; r++) {
                const nk_block_q1_0 *b = (const void *)(w[r] + at);
                __m256i minus = _mm256_xor_si256(spread_bits(b->qs + 4 * g), _mm256_set1_epi8(-1));
                __m256i v = _mm256_sign_epi8(q, _mm256_or_si256(minus, plus8));
                sum[r] = _mm256_madd_epi16(_mm256_maddubs_epi16(plus8, v), plus16);
            }
            __m256 scale = _mm256_mul_ps(d, f16_all(&a->d));
            acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums_of_8(sum)), scale, acc);
        }
#pragma GCC unroll 8
        for (int r = 0; r < SIDE; r++)
            _mm_prefetch(w[r] + at + SIDE * row_size, _MM_HINT_T0);
    }
    return acc;
}

NK_SIDE_PAIR(signs_side, q1_0)

/* --- floats ----------------------------------------------------------------------------------- */

typedef struct float_type {
    eight_fn *eight;
    size_t size;
} float_type;

NK_INLINE __m128 float_side(const float_type t, size_t n, const char *const w[SIDE_F],
                            size_t row_size, const float *x)
{
    __m128 sum = _mm_setzero_ps();
    const char *next = w[0] + SIDE_F * row_size; /* asked for as it lies, not row by row */
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
                    _mm_prefetch(next + i * t.size * SIDE_F + (size_t)r * LINE, _MM_HINT_T0);
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

NK_SIMPLE_TYPES(SIMPLE_ROWS)
NK_LEVEL_TYPES(SIMPLE_ROWS)

void nk_x86_dot_avx2(nk_ops *ops)
{
    NK_ROWS_SET(F32, f32)
    NK_ROWS_SET(F16, f16)
    NK_ROWS_SET(BF16, bf16)
    NK_SIMPLE_TYPES(NK_ROWS_SET)
    NK_LEVEL_TYPES(NK_ROWS_SET)
    NK_ROWS_SET(Q1_0, q1_0)
}
