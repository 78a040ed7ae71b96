/* One dot and dot4 per super-block type of arm64, as rows.h. */
#ifndef NIBBLE_ARM_ROWS_K_H
#define NIBBLE_ARM_ROWS_K_H

#if defined(__aarch64__)

#include "kernels/arm/dot.h"

static const super_type q2_k = {codes_q2_k, scales_q2_k, sizeof(nk_block_q2_k), true};
static const super_type q3_k = {codes_q3_k, scales_q3_k, sizeof(nk_block_q3_k), false};
static const super_type q4_k = {codes_q4_k, scales_q4_k, sizeof(nk_block_q4_k), true};
static const super_type q5_k = {codes_q5_k, scales_q5_k, sizeof(nk_block_q5_k), true};
static const super_type q6_k = {codes_q6_k, scales_q6_k, sizeof(nk_block_q6_k), false};

static float dot_q2_k(size_t n, const void *w, const void *x)
{
    float y;
    super_dot(q2_k, n, w, x, 0, &y, 1);
    return y;
}

static void dot4_q2_k(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    super_dot(q2_k, n, w, x, x_stride, y, 4);
}

static float dot_q3_k(size_t n, const void *w, const void *x)
{
    float y;
    super_dot(q3_k, n, w, x, 0, &y, 1);
    return y;
}

static void dot4_q3_k(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    super_dot(q3_k, n, w, x, x_stride, y, 4);
}

static float dot_q4_k(size_t n, const void *w, const void *x)
{
    float y;
    super_dot(q4_k, n, w, x, 0, &y, 1);
    return y;
}

static void dot4_q4_k(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    super_dot(q4_k, n, w, x, x_stride, y, 4);
}

static float dot_q5_k(size_t n, const void *w, const void *x)
{
    float y;
    super_dot(q5_k, n, w, x, 0, &y, 1);
    return y;
}

static void dot4_q5_k(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    super_dot(q5_k, n, w, x, x_stride, y, 4);
}

static float dot_q6_k(size_t n, const void *w, const void *x)
{
    float y;
    super_dot(q6_k, n, w, x, 0, &y, 1);
    return y;
}

static void dot4_q6_k(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    super_dot(q6_k, n, w, x, x_stride, y, 4);
}

/* Puts this level's dots into the table. */
NK_INLINE void set_super_dots(nk_ops *ops)
{
    static const struct {
        nk_type_id id;
        nk_dot_fn *dot;
        nk_dot4_fn *dot4;
    } rows[] = {
        {NK_Q2_K, dot_q2_k, dot4_q2_k}, {NK_Q3_K, dot_q3_k, dot4_q3_k},
        {NK_Q4_K, dot_q4_k, dot4_q4_k}, {NK_Q5_K, dot_q5_k, dot4_q5_k},
        {NK_Q6_K, dot_q6_k, dot4_q6_k},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ops->dot[rows[i].id] = rows[i].dot;
        ops->dot4[rows[i].id] = rows[i].dot4;
    }
}

#endif
#endif
