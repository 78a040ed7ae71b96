#include "kernels/x86/float_avx2.h"
#include "kernels/x86/x86.h"

/* Products of float panels, two rows in a vector: lanes 0..7 are the eight partial sums of one row,
 * 8..15 those of the next, so each sum keeps the order of gemm.h. Panels hold rows in pairs, eight
 * weights of one and eight of the other in turn.
 *
 * VDPBF16PS of AVX-512 BF16 takes part for answers of bf16 models alone (gemm_bf16_avx512bf16.c):
 * with activations in two parts it makes 32 products in two, as many as FMA, and three are needed
 * of f16 weights. */

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

/* Lanes i and i + 4 of each row of a and b, then i and i + 2, then 0 and 1: whichever comes first,
 * the sum is the same. a's are in even fours, twos, ones of each row, b's in odd ones. */
NK_INLINE __m512 fours_added(__m512 a, __m512 b)
{
    const __m512i other =
        _mm512_setr_epi32(4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15, 24, 25, 26, 27);
    return _mm512_add_ps(_mm512_mask_blend_ps(0xf0f0, a, b), _mm512_permutex2var_ps(a, other, b));
}

NK_INLINE __m512 twos_added(__m512 a, __m512 b)
{
    const __m512i other =
        _mm512_setr_epi32(2, 3, 16, 17, 6, 7, 20, 21, 10, 11, 24, 25, 14, 15, 28, 29);
    return _mm512_add_ps(_mm512_mask_blend_ps(0xcccc, a, b), _mm512_permutex2var_ps(a, other, b));
}

NK_INLINE __m512 ones_added(__m512 a, __m512 b)
{
    const __m512i other =
        _mm512_setr_epi32(1, 16, 3, 18, 5, 20, 7, 22, 9, 24, 11, 26, 13, 28, 15, 30);
    return _mm512_add_ps(_mm512_mask_blend_ps(0xaaaa, a, b), _mm512_permutex2var_ps(a, other, b));
}

/* All rows of column a, then those of b, in the order of hsums8 and in fewer steps. */
NK_INLINE __m512 sums_of_two_columns(const __m512 a[PAIRS], const __m512 b[PAIRS])
{
    const __m512i order = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    __m512 even = twos_added(fours_added(a[0], b[0]), fours_added(a[2], b[2]));
    __m512 odd = twos_added(fours_added(a[1], b[1]), fours_added(a[3], b[3]));
    return _mm512_permutexvar_ps(order, ones_added(even, odd));
}

NK_INLINE void put_rows(const nk_product *p, float *y, __m256 sum)
{
    _mm256_storeu_ps(y, p->first ? sum : _mm256_add_ps(_mm256_loadu_ps(y), sum));
}

/* ROWS rows against nc columns. On the way asks for a column that is needed soon: asked for at
 * once, lines would wait for each other. */
NK_INLINE void float_tile(const nk_product *p, const float (*w)[NK_CHUNK],
                          const float (*x)[NK_CHUNK], float *y, const float *soon, const int nc)
{
    __m512 sum[COLUMNS][PAIRS];
#pragma GCC unroll 6
    for (int c = 0; c < nc; c++)
#pragma GCC unroll 4
        for (int k = 0; k < PAIRS; k++)
            sum[c][k] = _mm512_setzero_ps();
    for (size_t i = 0; i < p->n; i += 8) {
        _mm_prefetch((const char *)(soon + i), _MM_HINT_T1);
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
#pragma GCC unroll 3
    for (int c = 0; c < nc; c += 2) {
        const int more = c + 1 < nc;
        __m512 both = sums_of_two_columns(sum[c], sum[c + more]);
        put_rows(p, y + (size_t)c * p->y_stride, _mm512_castps512_ps256(both));
        if (more)
            put_rows(p, y + (size_t)(c + 1) * p->y_stride, _mm512_extractf32x8_ps(both, 1));
    }
}

static void gemm_floats(const nk_product *p)
{
    const nk_columns_f *x = p->x;
    const float *soon = (x + 1)->f[0]; /* the next group, of this chunk or of the next one */
    for (size_t i = 0; i < p->panels; i++)
        for (size_t r = 0; r < NK_PANEL_ROWS; r += ROWS) {
            const float(*w)[NK_CHUNK] = p->w[i].f + r;
            float *y = p->y + i * NK_PANEL_ROWS + r;
            size_t c = 0;
            for (; c + COLUMNS <= p->nc; c += COLUMNS, soon += NK_CHUNK)
                float_tile(p, w, x->f + c, y + c * p->y_stride, soon, COLUMNS);
            for (; c + 2 <= p->nc; c += 2, soon += NK_CHUNK)
                float_tile(p, w, x->f + c, y + c * p->y_stride, soon, 2);
            if (c < p->nc)
                float_tile(p, w, x->f + c, y + c * p->y_stride, soon, 1);
        }
}

void nk_x86_gemm_float_avx512(nk_ops *ops)
{
    ops->gemm[NK_F32] = (nk_gemm){unpack_f32, gemm_floats, false};
    ops->gemm[NK_F16] = (nk_gemm){unpack_f16, gemm_floats, false};
    ops->gemm[NK_BF16] = (nk_gemm){unpack_bf16, gemm_floats, false};
}
