/* Dot products of arm64, written once for every level (codes.h, dot16). Products are exact in
 * int16, sums in int32; floats stand in the order of gemm.h. Columns share the unpacking. */
#ifndef NIBBLE_ARM_DOT_H
#define NIBBLE_ARM_DOT_H

#if defined(__aarch64__)

#include "kernels/arm/codes_k.h"
#include "kernels/ops.h"

/* What of one type makes up the loop below. With a min the block starts d, m and x is q8_1. */
typedef struct simple_type {
    codes (*codes)(const void *row, size_t i);
    float (*scale)(const void *row, size_t i, int h); /* of the first or the second 16 of them */
    size_t block_size, x_size;                        /* bytes of a block on each side */
    bool has_min;
    bool halves; /* each 16 have a scale; else h is 0 */
} simple_type;

NK_INLINE float simple_min(const simple_type t, const void *row, size_t i)
{
    return t.has_min ? f16_at((const char *)row + i * t.block_size + 2) : 0;
}

NK_INLINE void simple_dot(const simple_type t, size_t n, const void *w, const void *x,
                          size_t stride, float *y, const int nc)
{
    float acc[4] = {0, 0, 0, 0};
    const char *a = x;
    for (size_t i = 0; i < n / NK_LEN; i++, a += t.x_size) {
        codes q = t.codes(w, i);
        float d = t.scale(w, i, 0), second = t.halves ? t.scale(w, i, 1) : d;
        float m = simple_min(t, w, i);
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            const char *col = a + (size_t)c * stride;
            const int8_t *v = (const int8_t *)col + (t.has_min ? 4 : 2);
            int32x4_t s = dot16(vdupq_n_s32(0), q.lo, vld1q_s8(v));
            if (t.halves) {
                acc[c] = __builtin_fmaf((float)vaddvq_s32(s), d * f16_at(col), acc[c]);
                s = vdupq_n_s32(0);
            }
            s = dot16(s, q.hi, vld1q_s8(v + 16));
            acc[c] = __builtin_fmaf((float)vaddvq_s32(s), second * f16_at(col), acc[c]);
            if (t.has_min)
                acc[c] = __builtin_fmaf(m, f16_at(col + 2), acc[c]);
        }
    }
    for (int c = 0; c < nc; c++)
        y[c] = acc[c];
}

typedef struct super_type {
    codes (*codes)(const void *block, int g);
    void (*scales)(const void *block, super_scales *s);
    size_t block_size;
    bool has_min;
    bool per32; /* scales and mins of a pair of groups of 16 are the same */
} super_type;

NK_INLINE int32_t min_part(const super_scales *s, const char *column)
{
    int16_t sums[16];
    memcpy(sums, column + offsetof(nk_block_q8_k, bsums), sizeof sums);
    int32x4_t acc = vdupq_n_s32(0);
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4)
        acc = vmlal_s16(acc, vld1_s16(s->min + i), vld1_s16(sums + i));
    return vaddvq_s32(acc);
}

NK_INLINE void super_dot(const super_type t, size_t n, const void *w, const void *x, size_t stride,
                         float *y, const int nc)
{
    float acc[4] = {0, 0, 0, 0};
    const char *b = w, *a = x;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, b += t.block_size, a += sizeof(nk_block_q8_k)) {
        super_scales s;
        t.scales(b, &s);
        int32x4_t sum[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++) {
            codes q = t.codes(b, g);
#pragma GCC unroll 4
            for (int c = 0; c < nc; c++) {
                const int8_t *v = (const int8_t *)a + (size_t)c * stride + 4 + 32 * g;
                int32x4_t lo = dot16(vdupq_n_s32(0), q.lo, vld1q_s8(v));
                int32x4_t hi = dot16(vdupq_n_s32(0), q.hi, vld1q_s8(v + 16));
                sum[c] = vmlaq_n_s32(sum[c], lo, s.scale[2 * g]);
                sum[c] = vmlaq_n_s32(sum[c], hi, s.scale[2 * g + 1]);
            }
        }
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            const char *col = a + (size_t)c * stride;
            float d, whole = (float)vaddvq_s32(sum[c]);
            memcpy(&d, col, sizeof d);
            if (t.has_min) {
                float part = __builtin_fmaf(-s.dmin, (float)min_part(&s, col), whole * s.d);
                acc[c] = __builtin_fmaf(part, d, acc[c]);
            } else {
                acc[c] = __builtin_fmaf(whole, s.d * d, acc[c]);
            }
        }
    }
    for (int c = 0; c < nc; c++)
        y[c] = acc[c];
}

#endif
#endif
