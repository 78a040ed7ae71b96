/* One dot and dot4 per simple block type of arm64, for the level whose flags the including file
 * has. */
#ifndef NIBBLE_ARM_ROWS_H
#define NIBBLE_ARM_ROWS_H

#if defined(__aarch64__)

#include "kernels/arm/dot.h"

static const simple_type q4_0 = {codes_q4_0, sizeof(nk_block_q4_0), sizeof(nk_block_q8_0), false};
static const simple_type q4_1 = {codes_q4_1, sizeof(nk_block_q4_1), sizeof(nk_block_q8_1), true};
static const simple_type q5_0 = {codes_q5_0, sizeof(nk_block_q5_0), sizeof(nk_block_q8_0), false};
static const simple_type q5_1 = {codes_q5_1, sizeof(nk_block_q5_1), sizeof(nk_block_q8_1), true};
static const simple_type q8_0 = {codes_q8_0, sizeof(nk_block_q8_0), sizeof(nk_block_q8_0), false};

static float dot_q4_0(size_t n, const void *w, const void *x)
{
    float y;
    simple_dot(q4_0, n, w, x, 0, &y, 1);
    return y;
}

static void dot4_q4_0(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    simple_dot(q4_0, n, w, x, x_stride, y, 4);
}

static float dot_q4_1(size_t n, const void *w, const void *x)
{
    float y;
    simple_dot(q4_1, n, w, x, 0, &y, 1);
    return y;
}

static void dot4_q4_1(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    simple_dot(q4_1, n, w, x, x_stride, y, 4);
}

static float dot_q5_0(size_t n, const void *w, const void *x)
{
    float y;
    simple_dot(q5_0, n, w, x, 0, &y, 1);
    return y;
}

static void dot4_q5_0(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    simple_dot(q5_0, n, w, x, x_stride, y, 4);
}

static float dot_q5_1(size_t n, const void *w, const void *x)
{
    float y;
    simple_dot(q5_1, n, w, x, 0, &y, 1);
    return y;
}

static void dot4_q5_1(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    simple_dot(q5_1, n, w, x, x_stride, y, 4);
}

static float dot_q8_0(size_t n, const void *w, const void *x)
{
    float y;
    simple_dot(q8_0, n, w, x, 0, &y, 1);
    return y;
}

static void dot4_q8_0(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    simple_dot(q8_0, n, w, x, x_stride, y, 4);
}

/* Puts this level's dots into the table. */
NK_INLINE void set_simple_dots(nk_ops *ops)
{
    static const struct {
        nk_type_id id;
        nk_dot_fn *dot;
        nk_dot4_fn *dot4;
    } rows[] = {
        {NK_Q4_0, dot_q4_0, dot4_q4_0}, {NK_Q4_1, dot_q4_1, dot4_q4_1},
        {NK_Q5_0, dot_q5_0, dot4_q5_0}, {NK_Q5_1, dot_q5_1, dot4_q5_1},
        {NK_Q8_0, dot_q8_0, dot4_q8_0},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ops->dot[rows[i].id] = rows[i].dot;
        ops->dot4[rows[i].id] = rows[i].dot4;
    }
}

#endif
#endif
