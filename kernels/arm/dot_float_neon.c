#include "kernels/arm/arm.h"

#include <arm_neon.h>
#include <string.h>

#define NK_INLINE static inline __attribute__((always_inline))

/* Float rows against f32. */

typedef const unsigned char bytes;
typedef float32x4_t four_fn(bytes *p, size_t i); /* elements i..i+3 */

NK_INLINE float32x4_t four_f32(bytes *p, size_t i)
{
    return vreinterpretq_f32_u8(vld1q_u8(p + 4 * i));
}

NK_INLINE float32x4_t four_f16(bytes *p, size_t i)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p + 2 * i)));
}

NK_INLINE float32x4_t four_bf16(bytes *p, size_t i)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p + 2 * i)), 16));
}

/* Eight partial sums of k mod 8, or eight weights. */
typedef struct eight {
    float32x4_t lo, hi;
} eight;

NK_INLINE eight eight_at(four_fn *four, bytes *p, size_t i)
{
    return (eight){four(p, i), four(p, i + 4)};
}

/* Elements i..n-1, fewer than eight, zero-filled. */
NK_INLINE eight rest_of(four_fn *four, size_t size, bytes *p, size_t i, size_t n)
{
    unsigned char last[32] = {0};
    memcpy(last, p + i * size, (n - i) * size);
    return eight_at(four, last, 0);
}

NK_INLINE eight add_products(eight sum, eight w, eight x)
{
    return (eight){vfmaq_f32(sum.lo, w.lo, x.lo), vfmaq_f32(sum.hi, w.hi, x.hi)};
}

/* In the order of gemm.h: lanes i and i+4, then i and i+2, then 0 and 1. */
NK_INLINE float sum_of(eight v)
{
    float32x4_t four = vaddq_f32(v.lo, v.hi);
    return vaddv_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)));
}

NK_INLINE float float_dot(four_fn *four, size_t size, size_t n, bytes *w, bytes *x)
{
    float whole = 0;
    for (size_t from = 0; from < n; from += NK_CHUNK) {
        size_t end = n - from < NK_CHUNK ? n : from + NK_CHUNK, i = from;
        eight sum = {vdupq_n_f32(0), vdupq_n_f32(0)};
        for (; i + 8 <= end; i += 8)
            sum = add_products(sum, eight_at(four, w, i), eight_at(four_f32, x, i));
        if (i < end)
            sum =
                add_products(sum, rest_of(four, size, w, i, end), rest_of(four_f32, 4, x, i, end));
        whole = from ? whole + sum_of(sum) : sum_of(sum);
    }
    return whole;
}

static float dot_f32(size_t n, const void *w, const void *x)
{
    return float_dot(four_f32, 4, n, w, x);
}

static float dot_f16(size_t n, const void *w, const void *x)
{
    return float_dot(four_f16, 2, n, w, x);
}

static float dot_bf16(size_t n, const void *w, const void *x)
{
    return float_dot(four_bf16, 2, n, w, x);
}

/* --- panels ------------------------------------------------------------------------------------
 */

NK_INLINE void unpack_floats(four_fn *four, size_t size, const void *const row[NK_PANEL_ROWS],
                             size_t n, nk_panel *p)
{
    for (int r = 0; r < NK_PANEL_ROWS; r++)
        for (size_t i = 0; i < n; i += 8) {
            eight v = i + 8 <= n ? eight_at(four, row[r], i) : rest_of(four, size, row[r], i, n);
            vst1q_f32(&p->f[r][i], v.lo);
            vst1q_f32(&p->f[r][i + 4], v.hi);
        }
}

static void unpack_f32(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    unpack_floats(four_f32, 4, row, n, p);
}

static void unpack_f16(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    unpack_floats(four_f16, 2, row, n, p);
}

static void unpack_bf16(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    unpack_floats(four_bf16, 2, row, n, p);
}

enum { TILE = 4, TILE_COLUMNS = 2 };

/* TILE rows against nc columns. */
NK_INLINE void float_tile(const nk_product *p, const float (*w)[NK_CHUNK],
                          const float (*x)[NK_CHUNK], float *y, const int nc)
{
    eight sum[TILE][TILE_COLUMNS];
#pragma GCC unroll 4
    for (int r = 0; r < TILE; r++)
#pragma GCC unroll 2
        for (int c = 0; c < nc; c++)
            sum[r][c] = (eight){vdupq_n_f32(0), vdupq_n_f32(0)};
    for (size_t i = 0; i < p->n; i += 8) {
        eight v[TILE_COLUMNS];
#pragma GCC unroll 2
        for (int c = 0; c < nc; c++)
            v[c] = (eight){vld1q_f32(x[c] + i), vld1q_f32(x[c] + i + 4)};
#pragma GCC unroll 4
        for (int r = 0; r < TILE; r++) {
            eight q = {vld1q_f32(w[r] + i), vld1q_f32(w[r] + i + 4)};
#pragma GCC unroll 2
            for (int c = 0; c < nc; c++)
                sum[r][c] = add_products(sum[r][c], q, v[c]);
        }
    }
    for (int r = 0; r < TILE; r++)
        for (int c = 0; c < nc; c++) {
            float *at = y + (size_t)c * p->y_stride + r;
            *at = p->first ? sum_of(sum[r][c]) : *at + sum_of(sum[r][c]);
        }
}

static void gemm_floats(const nk_product *p)
{
    const nk_columns_f *x = p->x;
    for (size_t i = 0; i < p->panels; i++)
        for (size_t c = 0; c < p->nc; c += TILE_COLUMNS)
            for (size_t r = 0; r < NK_PANEL_ROWS; r += TILE) {
                float *y = p->y + c * p->y_stride + i * NK_PANEL_ROWS + r;
                if (p->nc - c >= TILE_COLUMNS)
                    float_tile(p, p->w[i].f + r, x->f + c, y, TILE_COLUMNS);
                else
                    float_tile(p, p->w[i].f + r, x->f + c, y, 1);
            }
}

void nk_arm_float_neon(nk_ops *ops)
{
    ops->dot[NK_F32] = dot_f32;
    ops->dot[NK_F16] = dot_f16;
    ops->dot[NK_BF16] = dot_bf16;
    ops->gemm[NK_F32] = (nk_gemm){unpack_f32, gemm_floats, false};
    ops->gemm[NK_F16] = (nk_gemm){unpack_f16, gemm_floats, false};
    ops->gemm[NK_BF16] = (nk_gemm){unpack_bf16, gemm_floats, false};
}
