/* From one kernel to a dot and a dot4 per type. Each level has one kernel for the simple block
 * types and one for the super-block types, `kernel(type, n, w, x, x_stride, y, columns)`, that a
 * constant type specialises; these tables name the types once for all levels.
 * A level leaves out lists it has nothing for. */
#ifndef NIBBLE_DOT_ROWS_H
#define NIBBLE_DOT_ROWS_H

#include "kernels/ops.h"

/* X(enum suffix, symbol) */
#define NK_SIMPLE_TYPES(X) X(Q4_0, q4_0) X(Q4_1, q4_1) X(Q5_0, q5_0) X(Q5_1, q5_1) X(Q8_0, q8_0)
#define NK_LEVEL_TYPES(X)  X(IQ4_NL, iq4_nl) X(MXFP4, mxfp4) /* simple, codes through a table */
#define NK_SUPER_TYPES(X)  X(Q2_K, q2_k) X(Q3_K, q3_k) X(Q4_K, q4_k) X(Q5_K, q5_k) X(Q6_K, q6_k)

#define NK_DOT_PAIR(kernel, sym)                                                                   \
    static float dot_##sym(size_t n, const void *w, const void *x)                                 \
    {                                                                                              \
        float y;                                                                                   \
        kernel(sym, n, w, x, 0, &y, 1);                                                            \
        return y;                                                                                  \
    }                                                                                              \
    static void dot4_##sym(size_t n, const void *w, const void *x, size_t x_stride, float y[4])    \
    {                                                                                              \
        kernel(sym, n, w, x, x_stride, y, 4);                                                      \
    }
#define NK_SIMPLE_PAIR(ID, sym) NK_DOT_PAIR(simple_dot, sym)
#define NK_SUPER_PAIR(ID, sym)  NK_DOT_PAIR(super_dot, sym)

/* As above for kernels that take rows side by side, `kernel(type, n, w, row_size, rows, x, y)`: the
 * dot is one row of them. */
#define NK_ROWS_PAIR(kernel, type, sym)                                                            \
    static float dot_##sym(size_t n, const void *w, const void *x)                                 \
    {                                                                                              \
        float y;                                                                                   \
        kernel(type, n, w, 0, 1, x, &y);                                                           \
        return y;                                                                                  \
    }                                                                                              \
    static void rows_##sym(size_t n, const void *w, size_t row_size, size_t rows, const void *x,   \
                           float *y)                                                               \
    {                                                                                              \
        kernel(type, n, w, row_size, rows, x, y);                                                  \
    }
#define NK_ROWS_SET(ID, sym)                                                                       \
    ops->dot[NK_##ID] = dot_##sym;                                                                 \
    ops->rows[NK_##ID] = rows_##sym;

/* Puts a type's pair into the table `ops`. */
#define NK_DOT_SET(ID, sym)                                                                        \
    ops->dot[NK_##ID] = dot_##sym;                                                                 \
    ops->dot4[NK_##ID] = dot4_##sym;

#endif
