#include "kernels/x86/float_avx2.h"
#include "kernels/x86/x86.h"

/* Products of float panels, two rows in a vector: lanes 0..7 are the eight partial sums of one row,
 * 8..15 those of the next, so each sum keeps the order of gemm.h. Panels hold rows in pairs, eight
 * weights of one and eight of the other in turn.
 *
 * VDPBF16PS of AVX-512 BF16 has no path: activations in two parts take two of it for 32 products,
 * as many as FMA takes, and on Sapphire Rapids each keeps the multipliers and port 5 busy twice
 * where FMA takes a multiplier once (LLVM's X86SchedSapphireRapids.td @ 0f79242). Counted, not
 * measured. */

enum {
    PAIRS = 4,   /* of rows, in registers with */
    COLUMNS = 6, /* columns: 24 sums, and what is multiplied */
    ROWS = 2 * PAIRS,
};

/* Weights i.. of row r of a panel. */
NK_INLINE float *pair_at(nk_panel *p, int r, size_t i)
{
    return p->f[r / 2 * 2] + 2 * i + (size_t)(r % 2) * 8;
}

NK_INLINE void unpack_pairs(eight_fn *eight, size_t size, const void *const row[NK_PANEL_ROWS],
                            size_t n, nk_panel *p)
{
    for (int r = 0; r < NK_PANEL_ROWS; r++) {
        size_t i = 0;
        for (; i + 8 <= n; i += 8)
            _mm256_store_ps(pair_at(p, r, i), eight(row[r], i));
        if (i < n)
            _mm256_store_ps(pair_at(p, r, i), tail_of(eight, size, row[r], i, n));
    }
}

static void unpack_f32(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    unpack_pairs(eight_f32, 4, row, n, p);
}

static void unpack_f16(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    unpack_pairs(eight_f16, 2, row, n, p);
}

static void unpack_bf16(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    unpack_pairs(eight_bf16, 2, row, n, p);
}

/* ROWS rows against nc columns. */
NK_INLINE void float_tile(const nk_product *p, const float (*w)[NK_CHUNK],
                          const float (*x)[NK_CHUNK], float *y, const int nc)
{
    __m512 sum[COLUMNS][PAIRS];
#pragma GCC unroll 6
    for (int c = 0; c < nc; c++)
#pragma GCC unroll 4
        for (int k = 0; k < PAIRS; k++)
            sum[c][k] = _mm512_setzero_ps();
    for (size_t i = 0; i < p->n; i += 8) {
        __m512 q[PAIRS];
#pragma GCC unroll 4
        for (int k = 0; k < PAIRS; k++)
            q[k] = _mm512_load_ps(w[2 * k] + 2 * i);
#pragma GCC unroll 6
        for (int c = 0; c < nc; c++) {
            __m512 v = _mm512_broadcast_f32x8(_mm256_load_ps(x[c] + i));
#pragma GCC unroll 4
            for (int k = 0; k < PAIRS; k++)
                sum[c][k] = _mm512_fmadd_ps(q[k], v, sum[c][k]);
        }
    }
#pragma GCC unroll 6
    for (int c = 0; c < nc; c++)
#pragma GCC unroll 2
        for (int k = 0; k < PAIRS; k += 2) {
            float *at = y + (size_t)c * p->y_stride + 2 * k;
            __m128 four = hsums8(
                _mm512_castps512_ps256(sum[c][k]), _mm512_extractf32x8_ps(sum[c][k], 1),
                _mm512_castps512_ps256(sum[c][k + 1]), _mm512_extractf32x8_ps(sum[c][k + 1], 1));
            _mm_storeu_ps(at, p->first ? four : _mm_add_ps(_mm_loadu_ps(at), four));
        }
}

static void gemm_floats(const nk_product *p)
{
    const nk_columns_f *x = p->x;
    for (size_t i = 0; i < p->panels; i++)
        for (size_t r = 0; r < NK_PANEL_ROWS; r += ROWS) {
            const float(*w)[NK_CHUNK] = p->w[i].f + r;
            float *y = p->y + i * NK_PANEL_ROWS + r;
            size_t c = 0;
            for (; c + COLUMNS <= p->nc; c += COLUMNS)
                float_tile(p, w, x->f + c, y + c * p->y_stride, COLUMNS);
            for (; c + 2 <= p->nc; c += 2)
                float_tile(p, w, x->f + c, y + c * p->y_stride, 2);
            if (c < p->nc)
                float_tile(p, w, x->f + c, y + c * p->y_stride, 1);
        }
}

void nk_x86_gemm_float_avx512(nk_ops *ops)
{
    ops->gemm[NK_F32] = (nk_gemm){unpack_f32, gemm_floats, false};
    ops->gemm[NK_F16] = (nk_gemm){unpack_f16, gemm_floats, false};
    ops->gemm[NK_BF16] = (nk_gemm){unpack_bf16, gemm_floats, false};
}
