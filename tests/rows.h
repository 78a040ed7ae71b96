/* Weight rows for tests of encoders and kernels: the same bits on every machine, compiler and libm,
 * because only IEEE + - * / sqrt and powers of two touch them. Golden hashes depend on every line
 * here: append families, never change one. */
#ifndef NIBBLE_TEST_ROWS_H
#define NIBBLE_TEST_ROWS_H

#include "tests/util.h"

#include <math.h>
#include <stddef.h>

/* test_rng_make without NB_TEST_SEED: what is hashed must not follow the environment. */
static inline test_rng rows_rng(uint64_t seed)
{
    return (test_rng){{seed * 0x9e3779b97f4a7c15u + 1, seed ^ 0xd1b54a32d192ed03u}};
}

/* Twelve uniforms: mean 0, variance 1, tails to +-6. */
static inline float rows_normal(test_rng *r)
{
    float sum = 0;
    for (int i = 0; i < 12; i++)
        sum += test_uniform(r);
    return sum - 6.0f;
}

/* Student's t with 3 degrees of freedom: what layers with outliers look like. */
static inline float rows_t3(test_rng *r)
{
    float n = rows_normal(r), chi = 0x1p-20f;
    for (int i = 0; i < 3; i++) {
        float a = rows_normal(r);
        chi += a * a;
    }
    return n / sqrtf(chi / 3.0f);
}

static inline float rows_exp2(int e)
{
    float v = 1;
    for (; e > 0; e--)
        v *= 2.0f;
    for (; e < 0; e++)
        v *= 0.5f;
    return v;
}

enum {
    ROWS_NORMAL,    /* sigma 0.02 */
    ROWS_T3,        /* heavy tails */
    ROWS_POSITIVE,  /* all above zero */
    ROWS_NEGATIVE,  /* all below zero */
    ROWS_SPARSE,    /* nearly all zero */
    ROWS_ONE_HOT,   /* one value per 32 */
    ROWS_MIXED,     /* magnitudes 2^-12 .. 2^11 side by side */
    ROWS_LARGE,     /* f16's edge: up to +-65504 */
    ROWS_TINY,      /* 2^-20 .. 2^-60: f16 scales underflow */
    ROWS_SUBNORMAL, /* f32 subnormals */
    ROWS_CONSTANT,  /* one value everywhere */
    ROWS_TWO_LEVEL, /* ternary checkpoints look like this */
    ROWS_ZERO,
    ROWS_RAMP,
    ROWS_OUTLIER, /* normal, every 64th value 50 times as large */
    ROWS_HUGE,    /* 2^17 .. 2^30: scales overflow f16, no sum overflows f32 */
    ROWS_FAMILIES
};

static inline void rows_fill(test_rng *r, int family, float *x, size_t n)
{
    float s = rows_exp2((int)test_below(r, 12) - 8);
    int tiny = -20 - (int)test_below(r, 41), big = 17 + (int)test_below(r, 14);
    for (size_t i = 0; i < n; i++) {
        float v = rows_normal(r);
        switch (family) {
        case ROWS_NORMAL:
            v *= 0.02f;
            break;
        case ROWS_T3:
            v = rows_t3(r) * s;
            break;
        case ROWS_POSITIVE:
            v = (test_uniform(r) + 0.5f) * s;
            break;
        case ROWS_NEGATIVE:
            v = -(test_uniform(r) + 0x1p-10f) * s;
            break;
        case ROWS_SPARSE:
            v *= test_below(r, 16) == 0 ? s : 0.0f;
            break;
        case ROWS_ONE_HOT:
            v *= i % 32 == i / 32 * 7 % 32 ? s : 0.0f;
            break;
        case ROWS_MIXED:
            v *= rows_exp2((int)test_below(r, 24) - 12);
            break;
        case ROWS_LARGE:
            v = test_below(r, 3) ? v * 5000.0f : v < 0 ? -65504.0f : 65504.0f;
            break;
        case ROWS_TINY:
            v *= rows_exp2(tiny);
            break;
        case ROWS_SUBNORMAL:
            v *= rows_exp2(-128 - (int)test_below(r, 20));
            break;
        case ROWS_CONSTANT:
            v = -s;
            break;
        case ROWS_TWO_LEVEL:
            v = v < 0.7f && v > -0.7f ? 0.0f : v < 0 ? -s : s;
            break;
        case ROWS_ZERO:
            v = 0;
            break;
        case ROWS_RAMP:
            v = s * ((float)i - (float)(n / 3));
            break;
        case ROWS_OUTLIER:
            v *= i % 64 == 17 ? s * 50.0f : s;
            break;
        default:
            v *= rows_exp2(big);
            break;
        }
        x[i] = v;
    }
}

/* Mean squares of activations: positive, some columns silent, a few dominant. */
static inline void rows_importance(test_rng *r, float *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float a = rows_t3(r);
        w[i] = test_below(r, 8) == 0 ? 0.0f : a * a;
    }
}

/* Importance that leaves one column per 32, the case where weighted fits degenerate. */
static inline void rows_importance_one_hot(test_rng *r, float *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        w[i] = i % 32 == i / 32 * 11 % 32 ? test_uniform(r) + 0.5f : 0.0f;
}

#endif
