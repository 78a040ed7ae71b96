#include "kernels/x86/float_avx2.h"
#include "kernels/x86/gemm_avx2.h"
#include "kernels/x86/gemm_products.h"
#include "kernels/x86/side_avx2.h"
#include "kernels/x86/simple_avx2.h"
#include "kernels/x86/super_types_avx2.h"
#include "kernels/x86/x86.h"

/* Panels of gemm.h for AVX2: simple blocks, nvfp4, K types, trits, floats. */

/* Codes less the offset `less`, signed, plus it. */
NK_INLINE void unpack_simple(const simple_type t, int less, const void *const row[NK_PANEL_ROWS],
                             size_t n, nk_panel *p)
{
    for (size_t b = 0; b < n / NK_LEN; b++) {
        for (int r = 0; r < NK_PANEL_ROWS; r++) {
            const char *block = (const char *)row[r] + b * t.block_size;
            p->d[b][r] = _mm_cvtss_f32(t.scales(block, t.block_size, 1));
            if (!t.is_signed)
                p->m[b][r] = _mm_cvtss_f32(f16_of_blocks(block + 2, t.block_size, 1));
        }
        for (int half = 0; half < 2; half++) {
            NK_UNSET __m256i q[8];
#pragma GCC unroll 8
            for (int r = 0; r < 8; r++)
                q[r] = _mm256_add_epi8(t.codes((const char *)row[8 * half + r] + b * t.block_size),
                                       _mm256_set1_epi8((char)less));
            to_lanes(p, b * NK_LEN / 4, half, q);
        }
    }
}

/* Blocks of 64 under four scales. */
NK_INLINE void unpack_halved(int less, const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    const size_t size = sizeof(nk_block_nvfp4);
    for (size_t b = 0; b < n / NK_NVFP4_LEN; b++)
        for (int half = 0; half < 2; half++) {
            const char *w[8];
            NK_UNSET __m256 d[4];
            for (int r = 0; r < 8; r++)
                w[r] = row[8 * half + r];
            scales_nvfp4_of_8(w, b * size, d);
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; h++) {
                NK_UNSET __m256i q[8];
                _mm256_store_ps(p->d[2 * b + h] + 8 * half, d[2 * h]);
                _mm256_store_ps(p->m[2 * b + h] + 8 * half, d[2 * h + 1]);
#pragma GCC unroll 8
                for (int r = 0; r < 8; r++)
                    q[r] = _mm256_add_epi8(codes_nvfp4(w[r] + b * size, (int)h),
                                           _mm256_set1_epi8((char)less));
                to_lanes(p, (2 * b + h) * NK_LEN / 4, half, q);
            }
        }
}

NK_INLINE void unpack_super(const super_type t, const void *const row[NK_PANEL_ROWS], nk_panel *p)
{
    for (int half = 0; half < 2; half++) {
        const void *const *w = row + 8 * half;
        NK_UNSET __m256i scale[8], min[8];
#pragma GCC unroll 8
        for (int r = 0; r < 8; r++) {
            super_scales s = t.scales(w[r]);
            scale[r] = s.scale;
            min[r] = s.min;
            p->d[0][8 * half + r] = s.d;
            p->m[0][8 * half + r] = s.dmin;
        }
        scales_to_lanes(p, half, t.per32, scale);
        mins_to_lanes(p, half, t.per32, min);
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++) {
            NK_UNSET __m256i q[8];
#pragma GCC unroll 8
            for (int r = 0; r < 8; r++)
                q[r] = t.codes(w[r], g);
            to_lanes(p, (size_t)g * NK_LEN / 4, half, q);
        }
    }
}

#define UNPACK_SIMPLE(ID, sym, product, less)                                                      \
    static void unpack_##sym(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)          \
    {                                                                                              \
        unpack_simple(sym, less, row, n, p);                                                       \
    }
#define UNPACK_SUPER(ID, sym, product)                                                             \
    static void unpack_##sym(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)          \
    {                                                                                              \
        (void)n;                                                                                   \
        unpack_super(sym, row, p);                                                                 \
    }
#define UNPACK_HALVED(ID, sym, product, less)                                                      \
    static void unpack_##sym(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)          \
    {                                                                                              \
        unpack_halved(less, row, n, p);                                                            \
    }
SIMPLE_PANELS(UNPACK_SIMPLE)
HALVED_PANELS(UNPACK_HALVED)
SUPER_PANELS(UNPACK_SUPER)

/* --- floats ------------------------------------------------------------------------------------
 */

enum { TILE = 4, TILE_COLUMNS = 3 };

/* A float panel here: tiles of TILE rows, eight weights of each row in turn, so that one pointer
 * walks through a tile. */
NK_INLINE size_t tile_at(size_t r, size_t i)
{
    return r / TILE * TILE * NK_CHUNK + i * TILE + r % TILE * 8;
}

NK_INLINE void unpack_floats(eight_fn *eight, size_t size, const void *const row[NK_PANEL_ROWS],
                             size_t n, nk_panel *p)
{
    for (size_t r = 0; r < NK_PANEL_ROWS; r++) {
        size_t i = 0;
        for (; i + 8 <= n; i += 8)
            _mm256_store_ps(p->f[0] + tile_at(r, i), eight(row[r], i));
        if (i < n)
            _mm256_store_ps(p->f[0] + tile_at(r, i), tail_of(eight, size, row[r], i, n));
    }
}

static void unpack_f32(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    unpack_floats(eight_f32, 4, row, n, p);
}

static void unpack_f16(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    unpack_floats(eight_f16, 2, row, n, p);
}

static void unpack_bf16(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    unpack_floats(eight_bf16, 2, row, n, p);
}

/* Eight weights of row r of a tile times eight of each column. */
#define ADD_ROW(r)                                                                                 \
    do {                                                                                           \
        __m256 q = _mm256_load_ps(w + tile_at(r, i));                                              \
        a##r = _mm256_fmadd_ps(q, v0, a##r);                                                       \
        b##r = nc > 1 ? _mm256_fmadd_ps(q, v1, b##r) : b##r;                                       \
        c##r = nc > 2 ? _mm256_fmadd_ps(q, v2, c##r) : c##r;                                       \
    } while (0)

NK_INLINE void add_one(const nk_product *p, float *y, __m128 sum)
{
    _mm_storeu_ps(y, p->first ? sum : _mm_add_ps(_mm_loadu_ps(y), sum));
}

NK_INLINE void add_two(const nk_product *p, float *y, __m256 sum)
{
    add_one(p, y, _mm256_castps256_ps128(sum));
    add_one(p, y + p->y_stride, _mm256_extractf128_ps(sum, 1));
}

/* TILE rows against nc columns: partial sums of eight lanes in registers over the chunk, a, b and c
 * those of the columns. */
NK_INLINE void float_tile(const nk_product *p, const float *w, const float (*x)[NK_CHUNK], float *y,
                          const int nc)
{
    __m256 a0 = _mm256_setzero_ps(), a1 = a0, a2 = a0, a3 = a0;
    __m256 b0 = a0, b1 = a0, b2 = a0, b3 = a0, c0 = a0, c1 = a0, c2 = a0, c3 = a0;
#pragma GCC unroll 2
    for (size_t i = 0; i < p->n; i += 8) {
        __m256 v0 = _mm256_load_ps(&x[0][i]), v1 = nc > 1 ? _mm256_load_ps(&x[1][i]) : v0;
        __m256 v2 = nc > 2 ? _mm256_load_ps(&x[2][i]) : v0;
        ADD_ROW(0);
        ADD_ROW(1);
        ADD_ROW(2);
        ADD_ROW(3);
    }
    if (nc > 1)
        add_two(p, y, sums_of_two(a0, a1, a2, a3, b0, b1, b2, b3));
    else
        add_one(p, y, sums_of_one(a0, a1, a2, a3));
    if (nc > 2)
        add_one(p, y + 2 * p->y_stride, sums_of_one(c0, c1, c2, c3));
}

static void gemm_floats(const nk_product *p)
{
    const nk_columns_f *x = p->x;
    for (size_t i = 0; i < p->panels; i++)
        for (size_t c = 0; c < p->nc; c += TILE_COLUMNS)
            for (size_t r = 0; r < NK_PANEL_ROWS; r += TILE) {
                const float *w = p->w[i].f[0] + tile_at(r, 0);
                float *y = p->y + c * p->y_stride + i * NK_PANEL_ROWS + r;
                size_t left = p->nc - c;
                if (left >= 3)
                    float_tile(p, w, x->f + c, y, 3);
                else if (left == 2)
                    float_tile(p, w, x->f + c, y, 2);
                else
                    float_tile(p, w, x->f + c, y, 1);
            }
}

#define SET_SIMPLE(ID, sym, product, less)                                                         \
    ops->gemm[NK_##ID] = (nk_gemm){unpack_##sym, gemm_##product, false};
#define SET_SUPER(ID, sym, product)                                                                \
    ops->gemm[NK_##ID] = (nk_gemm){unpack_##sym, gemm_##product, false};

void nk_x86_gemm_avx2(nk_ops *ops)
{
    SIMPLE_PANELS(SET_SIMPLE)
    HALVED_PANELS(SET_SIMPLE)
    SUPER_PANELS(SET_SUPER)
    ops->gemm[NK_F32] = (nk_gemm){unpack_f32, gemm_floats, false};
    ops->gemm[NK_F16] = (nk_gemm){unpack_f16, gemm_floats, false};
    ops->gemm[NK_BF16] = (nk_gemm){unpack_bf16, gemm_floats, false};
}
