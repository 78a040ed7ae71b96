/* A few columns of floats at once (nk_few), in the order of gemm.h, in whatever vectors the
 * including file has: weights are converted in registers, where SIDE_F rows meet up to TILE_COLUMNS
 * columns; a chunk of theirs stays in L1 for the next columns. A vector holds eight weights of
 * VEC_ROWS rows. The file defines these, fv and its operations, and
 *   rows_fn *       eight weights of each row of a vector
 *   fv_eights       the same from vectors of one row
 *   fv_eight_all    eight activations for all rows of a vector
 *   tile_sums       the sums of all rows of columns [0, nc) */
#ifndef NIBBLE_X86_FEW_FLOAT_LANES_H
#define NIBBLE_X86_FEW_FLOAT_LANES_H

#if defined(NK_FEW_FLOATS)

#include "kernels/ops.h"

enum { LINE = 64 };

typedef struct float_type {
    rows_fn *rows;
    eight_fn *eight;
    size_t size;
} float_type;

/* Eight weights of each row, number i of the chunk that begins at `from`. */
NK_INLINE void add_eights(const float_type t, const char *const w[SIDE_F], size_t from, size_t i,
                          const float (*x)[NK_CHUNK], fv acc[TILE_COLUMNS][VECS_F], const int nc)
{
    NK_UNSET fv v[TILE_COLUMNS];
#pragma GCC unroll 6
    for (int c = 0; c < nc; c++)
        v[c] = fv_eight_all(&x[c][i]);
#pragma GCC unroll 4
    for (int r = 0; r < VECS_F; r++) {
        fv q = t.rows(w + r * VEC_ROWS, from + i);
#pragma GCC unroll 6
        for (int c = 0; c < nc; c++)
            acc[c][r] = fv_fma(q, v[c], acc[c][r]);
    }
}

/* The same of the last weights [from + i, end), fewer than eight. */
NK_INLINE void add_tail(const float_type t, const char *const w[SIDE_F], size_t from, size_t i,
                        size_t end, const float (*x)[NK_CHUNK], fv acc[TILE_COLUMNS][VECS_F],
                        const int nc)
{
#pragma GCC unroll 4
    for (int r = 0; r < VECS_F; r++) {
        NK_UNSET __m256 eight[VEC_ROWS];
#pragma GCC unroll 2
        for (int k = 0; k < VEC_ROWS; k++)
            eight[k] = tail_of(t.eight, t.size, w[r * VEC_ROWS + k], from + i, end);
        fv q = fv_eights(eight);
#pragma GCC unroll 6
        for (int c = 0; c < nc; c++)
            acc[c][r] = fv_fma(q, fv_eight_all(&x[c][i]), acc[c][r]);
    }
}

/* Weights [from, from + n) of SIDE_F rows against nc columns. */
NK_INLINE void tile(const float_type t, const char *const w[SIDE_F], size_t from, size_t n,
                    const float (*x)[NK_CHUNK], __m128 part[TILE_COLUMNS][SIDE_F / 4], size_t ahead,
                    const int nc)
{
    const size_t line = LINE / t.size;
    NK_UNSET fv acc[TILE_COLUMNS][VECS_F];
#pragma GCC unroll 6
    for (int c = 0; c < nc; c++)
#pragma GCC unroll 4
        for (int r = 0; r < VECS_F; r++)
            acc[c][r] = fv_zero();
    size_t i = 0;
    for (; i + line <= n; i += line) {
        if (ahead)
#pragma GCC unroll 8
            for (int r = 0; r < SIDE_F; r++)
                _mm_prefetch(w[r] + (from + i) * t.size + ahead, _MM_HINT_T0);
#pragma GCC unroll 4
        for (size_t k = 0; k < line; k += 8)
            add_eights(t, w, from, i + k, x, acc, nc);
    }
    for (; i + 8 <= n; i += 8)
        add_eights(t, w, from, i, x, acc, nc);
    if (i < n)
        add_tail(t, w, from, i, from + n, x, acc, nc);
    tile_sums(acc, part, nc);
}

#define TILE_OF(nc)                                                                                \
    case nc:                                                                                       \
        tile(t, w, from, n, x, part, ahead, nc);                                                   \
        break;

/* Chunk by chunk: SIDE_F rows against all columns, sums in y[column]. */
NK_INLINE void float_side(const float_type t, const nk_few *p, const char *const w[SIDE_F],
                          __m128 y[NK_FEW][SIDE_F / 4])
{
    const char *chunk = p->x;
    for (size_t from = 0; from < p->n; from += NK_CHUNK, chunk += p->x_step) {
        const nk_columns_f *columns = (const void *)chunk;
        size_t n = p->n - from < NK_CHUNK ? p->n - from : NK_CHUNK;
        for (size_t j = 0, step; j < p->m; j += step) {
            const float(*x)[NK_CHUNK] = columns->f + j;
            NK_UNSET __m128 part[TILE_COLUMNS][SIDE_F / 4];
            size_t left = p->m - j, ahead = j == 0 ? SIDE_F * p->row_size : 0;
            step = left <= TILE_COLUMNS ? left : (left + 1) / 2;
            switch (step) {
                TILES(TILE_OF)
            }
            for (size_t c = 0; c < step; c++)
#pragma GCC unroll 2
                for (int k = 0; k < SIDE_F / 4; k++)
                    y[j + c][k] = from ? _mm_add_ps(y[j + c][k], part[c][k]) : part[c][k];
        }
    }
}

NK_INLINE void float_few(const float_type t, const nk_few *p)
{
    for (size_t r = 0; r < p->rows; r += SIDE_F) {
        const char *at[SIDE_F];
        NK_UNSET __m128 sum[NK_FEW][SIDE_F / 4];
        size_t left = p->rows - r < SIDE_F ? p->rows - r : SIDE_F;
        rows_side_by_side(at, SIDE_F, p->w, p->row_size, r, p->rows);
        float_side(t, p, at, sum);
        for (size_t j = 0; j < p->m; j++) {
            NK_UNSET float out[SIDE_F];
#pragma GCC unroll 2
            for (int k = 0; k < SIDE_F / 4; k++)
                _mm_storeu_ps(out + 4 * k, sum[j][k]);
            memcpy(p->y + j * p->y_stride + r, out, left * sizeof *out);
        }
    }
}

static void few_f32(const nk_few *p)
{
    float_few((float_type){rows_f32, eight_f32, 4}, p);
}

static void few_f16(const nk_few *p)
{
    float_few((float_type){rows_f16, eight_f16, 2}, p);
}

static void few_bf16(const nk_few *p)
{
    float_few((float_type){rows_bf16, eight_bf16, 2}, p);
}

NK_INLINE void set_few_floats(nk_ops *ops)
{
    ops->few[NK_F32] = few_f32;
    ops->few[NK_F16] = few_f16;
    ops->few[NK_BF16] = few_bf16;
}

#endif
#endif
