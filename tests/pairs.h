/* One dot product as kernels/pairs.h defines it: number by number, no tiles, no vectors. */
#ifndef NIBBLE_TEST_PAIRS_H
#define NIBBLE_TEST_PAIRS_H

#include "kernels/fp.h"
#include "kernels/ops.h"

#include <float.h>
#include <math.h>

/* Subnormals as zeros of their sign. */
static inline float test_flush(float v)
{
    return fabsf(v) < FLT_MIN ? copysignf(0, v) : v;
}

static inline float test_to_bf16(float v)
{
    return nk_bf16_to_f32(nk_f32_to_bf16(test_flush(v)));
}

/* s and one product of parts, of activations in two. */
static inline float test_add_parts(const float w[NK_DEEP], const float x[NK_DEEP], float s)
{
    float half[2] = {0, 0};
    for (int k = 0; k < NK_DEEP; k++)
        half[k % 2] = test_flush(fmaf(test_flush(x[k]), test_flush(w[k]), half[k % 2]));
    return test_flush(s + test_flush(half[0] + half[1]));
}

/* NK_CHUNK weights and activations in one part. */
static inline float test_add_fours(const float w[NK_CHUNK], const float x[NK_CHUNK], float s)
{
    for (int i = 0; i < 4; i++) {
        float t = 0;
        for (int k = 2 * i; k < NK_CHUNK; k += 8)
            for (int second = 1; second >= 0; second--)
                t = test_flush(fmaf(test_flush(w[k + second]), test_flush(x[k + second]), t));
        s += t;
    }
    return s;
}

static inline float test_one_part_dot(const nk_type *t, size_t n, const void *w, const float *x)
{
    float s = 0;
    for (size_t from = 0; from < n; from += NK_CHUNK) {
        float v[NK_CHUNK] = {0}, xh[NK_CHUNK] = {0};
        size_t left = n - from < NK_CHUNK ? n - from : NK_CHUNK;
        t->decode((const uint16_t *)w + from, v, left);
        for (size_t k = 0; k < left; k++)
            xh[k] = test_to_bf16(x[from + k]);
        s = test_add_fours(v, xh, s);
    }
    return s;
}

/* parts: of an activation. */
static inline float test_pairs_dot(int parts, const nk_type *t, size_t n, const void *w,
                                   const float *x)
{
    float s = 0;
    if (parts == 1)
        return test_one_part_dot(t, n, w, x);
    for (size_t from = 0; from < n; from += NK_DEEP) {
        float wh[NK_DEEP] = {0}, wl[NK_DEEP] = {0}, xh[NK_DEEP] = {0}, xl[NK_DEEP] = {0};
        for (size_t k = 0; k < NK_DEEP && from + k < n; k++) {
            float v;
            t->decode((const uint16_t *)w + from + k, &v, 1);
            wh[k] = nk_bits_f32(nk_f32_bits(v) & 0xffff0000);
            wl[k] = v - wh[k];
            xh[k] = test_to_bf16(x[from + k]);
            xl[k] = test_to_bf16(x[from + k] - xh[k]);
        }
        s = test_add_parts(wh, xh, s);
        s = test_add_parts(wh, xl, s);
        s = t->id == NK_F16 ? test_add_parts(wl, xh, s) : s;
    }
    return s;
}

/* What an element of nk_matmul is: x as ops encodes it for t. */
static inline float test_dot_of(const nk_ops *ops, const nk_type *t, size_t n, const void *w,
                                const void *x)
{
    const nk_pairs *pairs = &ops->pairs[t->id];
    return pairs->run ? test_pairs_dot(pairs->parts, t, n, w, x) : ops->dot[t->id](n, w, x);
}

#endif
