#include "kernels/x86/float_avx2.h"
#include "kernels/x86/x86.h"

/* A few columns of floats at once (nk_few), in the order of gemm.h: weights are converted in
 * registers, where four rows meet up to three columns; a chunk of theirs stays in L1 for the next
 * three. */

enum { SIDE_F = 4, TILE_COLUMNS = 3, LINE = 64 };

typedef struct float_type {
    eight_fn *eight;
    size_t size;
} float_type;

/* Eight weights of each row, number i of the chunk that begins at `from`. */
NK_INLINE void add_eights(const float_type t, const char *const w[SIDE_F], size_t from, size_t i,
                          const float (*x)[NK_CHUNK], __m256 acc[TILE_COLUMNS][SIDE_F],
                          const int nc)
{
    NK_UNSET __m256 v[TILE_COLUMNS];
#pragma GCC unroll 3
    for (int c = 0; c < nc; c++)
        v[c] = _mm256_load_ps(&x[c][i]);
#pragma GCC unroll 4
    for (int r = 0; r < SIDE_F; r++) {
        __m256 q = t.eight(w[r], from + i);
#pragma GCC unroll 3
        for (int c = 0; c < nc; c++)
            acc[c][r] = _mm256_fmadd_ps(q, v[c], acc[c][r]);
    }
}

/* Weights [from, from + n) of four rows against nc columns, four sums of each. */
NK_INLINE void tile(const float_type t, const char *const w[SIDE_F], size_t from, size_t n,
                    const float (*x)[NK_CHUNK], __m128 part[TILE_COLUMNS], size_t ahead,
                    const int nc)
{
    const size_t line = LINE / t.size;
    __m256 acc[TILE_COLUMNS][SIDE_F];
#pragma GCC unroll 3
    for (int c = 0; c < TILE_COLUMNS; c++)
#pragma GCC unroll 4
        for (int r = 0; r < SIDE_F; r++)
            acc[c][r] = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + line <= n; i += line) {
        if (ahead)
#pragma GCC unroll 4
            for (int r = 0; r < SIDE_F; r++)
                _mm_prefetch(w[r] + (from + i) * t.size + ahead, _MM_HINT_T0);
#pragma GCC unroll 4
        for (size_t k = 0; k < line; k += 8)
            add_eights(t, w, from, i + k, x, acc, nc);
    }
    for (; i + 8 <= n; i += 8)
        add_eights(t, w, from, i, x, acc, nc);
    if (i < n) {
#pragma GCC unroll 4
        for (int r = 0; r < SIDE_F; r++) {
            __m256 q = tail_of(t.eight, t.size, w[r], from + i, from + n);
#pragma GCC unroll 3
            for (int c = 0; c < nc; c++)
                acc[c][r] = _mm256_fmadd_ps(q, _mm256_load_ps(&x[c][i]), acc[c][r]);
        }
    }
    if (nc > 1) {
        __m256 two = sums_of_two(acc[0][0], acc[0][1], acc[0][2], acc[0][3], acc[1][0], acc[1][1],
                                 acc[1][2], acc[1][3]);
        part[0] = _mm256_castps256_ps128(two);
        part[1] = _mm256_extractf128_ps(two, 1);
    }
    if (nc != 2) {
        const __m256 *last = acc[nc - 1];
        part[nc - 1] = sums_of_one(last[0], last[1], last[2], last[3]);
    }
}

/* Chunk by chunk: four rows against all columns, sums in y[column]. */
NK_INLINE void float_side(const float_type t, const nk_few *p, const char *const w[SIDE_F],
                          __m128 y[NK_FEW])
{
    const char *chunk = p->x;
    for (size_t from = 0; from < p->n; from += NK_CHUNK, chunk += p->x_step) {
        const nk_columns_f *x = (const void *)chunk;
        size_t n = p->n - from < NK_CHUNK ? p->n - from : NK_CHUNK;
        for (size_t j = 0, step; j < p->m; j += step) {
            NK_UNSET __m128 part[TILE_COLUMNS];
            size_t left = p->m - j, ahead = j == 0 ? SIDE_F * p->row_size : 0;
            step = left == 4 ? 2 : left < TILE_COLUMNS ? left : TILE_COLUMNS;
            if (step == 3)
                tile(t, w, from, n, x->f + j, part, ahead, 3);
            else if (step == 2)
                tile(t, w, from, n, x->f + j, part, ahead, 2);
            else
                tile(t, w, from, n, x->f + j, part, ahead, 1);
            for (size_t c = 0; c < step; c++)
                y[j + c] = from ? _mm_add_ps(y[j + c], part[c]) : part[c];
        }
    }
}

NK_INLINE void float_few(const float_type t, const nk_few *p)
{
    for (size_t r = 0; r < p->rows; r += SIDE_F) {
        const char *at[SIDE_F];
        NK_UNSET __m128 sum[NK_FEW];
        size_t left = p->rows - r < SIDE_F ? p->rows - r : SIDE_F;
        rows_side_by_side(at, SIDE_F, p->w, p->row_size, r, p->rows);
        float_side(t, p, at, sum);
        for (size_t j = 0; j < p->m; j++) {
            float out[SIDE_F];
            _mm_storeu_ps(out, sum[j]);
            memcpy(p->y + j * p->y_stride + r, out, left * sizeof *out);
        }
    }
}

static void few_f32(const nk_few *p)
{
    float_few((float_type){eight_f32, 4}, p);
}

static void few_f16(const nk_few *p)
{
    float_few((float_type){eight_f16, 2}, p);
}

static void few_bf16(const nk_few *p)
{
    float_few((float_type){eight_bf16, 2}, p);
}

void nk_x86_few_float_avx2(nk_ops *ops)
{
    ops->few[NK_F32] = few_f32;
    ops->few[NK_F16] = few_f16;
    ops->few[NK_BF16] = few_bf16;
}
