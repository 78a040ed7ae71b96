/* Panels of gemm.h on arm64, written once for every level (dot_lanes): rows lie in lanes, a line of
 * four weights of four rows is one vector, a line of four columns another. Codes are signed bytes,
 * offsets taken off, so integers need no corrections. Included after rows.h and rows_k.h, whose
 * types these are. */
#ifndef NIBBLE_ARM_PANELS_H
#define NIBBLE_ARM_PANELS_H

#if defined(__aarch64__)

#include "kernels/arm/unpack.h"

enum { SIDE = 2 }; /* quads whose sums stay in registers */

/* acc[r] + the four products of row r and column c: w holds four rows, x four columns. */
NK_INLINE int32x4_t dot_lanes(int32x4_t acc, int8x16_t w, int8x16_t x, const int c)
{
#if defined(__ARM_FEATURE_DOTPROD)
    switch (c) { /* the lane is part of the instruction */
    case 0:
        return vdotq_laneq_s32(acc, w, x, 0);
    case 1:
        return vdotq_laneq_s32(acc, w, x, 1);
    case 2:
        return vdotq_laneq_s32(acc, w, x, 2);
    default:
        return vdotq_laneq_s32(acc, w, x, 3);
    }
#else
    int32_t four;
    memcpy(&four, (const char *)&x + 4 * c, sizeof four);
    int8x16_t column = vreinterpretq_s8_s32(vdupq_n_s32(four));
    /* pairs fit 16 bits: 2 * 128 * 127 */
    int16x8_t lo = vmull_s8(vget_low_s8(w), vget_low_s8(column));
    int16x8_t hi = vmull_high_s8(w, column);
    return vpadalq_s16(acc, vpaddq_s16(lo, hi));
#endif
}

/* --- products ----------------------------------------------------------------------------------
 */

typedef struct sums {
    int32x4_t v[SIDE][NK_GROUP];
} sums;

/* n lines from i on of SIDE quads against all columns of a group: those it lacks cost as much. */
NK_INLINE sums sum_lines(const nk_panel *w, const nk_columns *x, size_t i, const int n, int quad)
{
    sums s;
#pragma GCC unroll 2
    for (int v = 0; v < SIDE; v++)
#pragma GCC unroll 4
        for (int c = 0; c < NK_GROUP; c++)
            s.v[v][c] = vdupq_n_s32(0);
#pragma GCC unroll 8
    for (int k = 0; k < n; k++) {
        int8x16_t column = vld1q_s8(x->q[i + (size_t)k][0]);
#pragma GCC unroll 2
        for (int v = 0; v < SIDE; v++) {
            int8x16_t line = vreinterpretq_s8_u8(vld1q_u8(w->q[i + (size_t)k][4 * (quad + v)]));
#pragma GCC unroll 4
            for (int c = 0; c < NK_GROUP; c++)
                s.v[v][c] = dot_lanes(s.v[v][c], line, column, c);
        }
    }
    return s;
}

NK_INLINE float *y_at(const nk_product *p, float *y, size_t c, int quad)
{
    return y + c * p->y_stride + 4 * quad;
}

NK_INLINE float32x4_t y_load(const nk_product *p, float *y, size_t c, int quad)
{
    return p->first || c >= p->nc ? vdupq_n_f32(0) : vld1q_f32(y_at(p, y, c, quad));
}

NK_INLINE void simple_step(const simple_type t, const nk_product *p, const nk_panel *w, float *y,
                           int quad)
{
    const nk_columns *x = p->x;
    float32x4_t sum[SIDE][NK_GROUP];
    for (int v = 0; v < SIDE; v++)
        for (size_t c = 0; c < NK_GROUP; c++)
            sum[v][c] = y_load(p, y, c, quad + v);
    const int parts = t.halves ? 2 : 1, lines = BLOCK_LINES / parts;
    for (size_t b = 0; b < p->n / NK_LEN; b++)
#pragma GCC unroll 2
        for (int h = 0; h < parts; h++) {
            sums s = sum_lines(w, x, b * BLOCK_LINES + (size_t)(h * lines), lines, quad);
#pragma GCC unroll 2
            for (int v = 0; v < SIDE; v++) {
                float32x4_t d = vld1q_f32(&(h ? w->m : w->d)[b][4 * (quad + v)]);
                float32x4_t m = vld1q_f32(&w->m[b][4 * (quad + v)]);
#pragma GCC unroll 4
                for (int c = 0; c < NK_GROUP; c++) {
                    float32x4_t whole = vcvtq_f32_s32(s.v[v][c]);
                    sum[v][c] = vfmaq_f32(sum[v][c], whole, vmulq_n_f32(d, x->d[b][c]));
                    if (t.has_min)
                        sum[v][c] = vfmaq_n_f32(sum[v][c], m, x->s[b][c]);
                }
            }
        }
    for (int v = 0; v < SIDE; v++)
        for (size_t c = 0; c < p->nc; c++)
            vst1q_f32(y_at(p, y, c, quad + v), sum[v][c]);
}

/* The mins of a quad against the sums of column c. */
NK_INLINE int32x4_t min_lanes(const super_type t, const nk_panel *w, const nk_columns *x, size_t c,
                              int quad)
{
    int32x4_t acc = vdupq_n_s32(0);
    for (int i = 0; i < (t.per32 ? 4 : 8); i++) {
        int32_t both;
        memcpy(&both, t.per32 ? x->sum32[i][c] : x->sum16[i][c], sizeof both);
        int16x8_t pair = vreinterpretq_s16_s32(vdupq_n_s32(both));
        int16x8_t min = vld1q_s16(w->min[i][4 * quad]);
        acc = vaddq_s32(acc, vpaddq_s32(vmull_s16(vget_low_s16(min), vget_low_s16(pair)),
                                        vmull_high_s16(min, pair)));
    }
    return acc;
}

NK_INLINE void super_step(const super_type t, const nk_product *p, const nk_panel *w, float *y,
                          int quad)
{
    const nk_columns *x = p->x;
    const int lines = t.per32 ? 8 : 4;
    sums acc = {0};
    for (size_t g = 0; g < NK_CHUNK / 4 / (size_t)lines; g++) {
        sums part = sum_lines(w, x, g * (size_t)lines, lines, quad);
#pragma GCC unroll 2
        for (int v = 0; v < SIDE; v++) {
            int32x4_t scale = vreinterpretq_s32_s16(vld1q_s16(w->scale[g][4 * (quad + v)]));
            scale = vshrq_n_s32(scale, 16);
#pragma GCC unroll 4
            for (int c = 0; c < NK_GROUP; c++)
                acc.v[v][c] = vmlaq_s32(acc.v[v][c], part.v[v][c], scale);
        }
    }
#pragma GCC unroll 2
    for (int v = 0; v < SIDE; v++) {
        float32x4_t d = vld1q_f32(&w->d[0][4 * (quad + v)]);
        float32x4_t m = vld1q_f32(&w->m[0][4 * (quad + v)]);
#pragma GCC unroll 4
        for (size_t c = 0; c < NK_GROUP; c++) {
            float32x4_t sum = y_load(p, y, c, quad + v), whole = vcvtq_f32_s32(acc.v[v][c]);
            if (c >= p->nc)
                break;
            if (t.has_min) {
                float32x4_t min = vcvtq_f32_s32(min_lanes(t, w, x, c, quad + v));
                sum = vfmaq_n_f32(sum, vfmsq_f32(vmulq_f32(whole, d), min, m), x->d[0][c]);
            } else {
                sum = vfmaq_f32(sum, whole, vmulq_n_f32(d, x->d[0][c]));
            }
            vst1q_f32(y_at(p, y, c, quad + v), sum);
        }
    }
}

#define PANEL_PRODUCT(kind, sym)                                                                   \
    static void gemm_##sym(const nk_product *p)                                                    \
    {                                                                                              \
        for (size_t i = 0; i < p->panels; i++)                                                     \
            for (int quad = 0; quad < QUADS; quad += SIDE)                                         \
                kind##_step(sym, p, p->w + i, p->y + i * NK_PANEL_ROWS, quad);                     \
    }
#define SIMPLE_PANEL(ID, sym)                                                                      \
    UNPACK_SIMPLE(sym)                                                                             \
    PANEL_PRODUCT(simple, sym)
#define SUPER_PANEL(ID, sym)                                                                       \
    UNPACK_SUPER(sym, AS_THEY_ARE)                                                                 \
    PANEL_PRODUCT(super, sym)
ARM_SIMPLE_TYPES(SIMPLE_PANEL)
ARM_SUPER_TYPES(SUPER_PANEL)

#define SET_PANEL(ID, sym) ops->gemm[NK_##ID] = (nk_gemm){unpack_##sym, gemm_##sym, false};

/* Puts this level's panels into the table. */
NK_INLINE void set_panels(nk_ops *ops)
{
    ARM_SIMPLE_TYPES(SET_PANEL)
    ARM_SUPER_TYPES(SET_PANEL)
}

#endif
#endif
