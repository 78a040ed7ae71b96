/* Norm, rope, softmax, silu, add and attention of every level against doubles: perf.md 7. */
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/util.h"

#include "kernels/fp.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_N = 4100 };

/* Distance in representable floats; NaN is far from everything. */
static double ulps(float got, double exact)
{
    float e = (float)exact;
    if (got == e)
        return 0;
    if (!isfinite(got) || !isfinite(e))
        return INFINITY;
    double ulp = (double)(nextafterf(fabsf(e), INFINITY) - fabsf(e));
    return fabs((double)got - exact) / ulp;
}

static void fill(test_rng *r, float *x, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++)
        x[i] = test_normal(r) * scale;
}

static size_t next_n(size_t n)
{
    return n < 40 ? n + 1 : n * 2 + 3;
}

CHECK_TEST(kernels, rmsnorm_is_within_3_ulp)
{
    test_rng r = test_rng_make(1);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    static float x[MAX_N], w[MAX_N], y[MAX_N];
    for (size_t n = 1; n < MAX_N; n = next_n(n)) {
        fill(&r, x, n, n % 3 ? 1.0f : 1e15f);
        fill(&r, w, n, 1.0f);
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (double)x[i] * (double)x[i];
        double scale = 1 / sqrt(sum / (double)n + 1e-5);
        for (size_t l = 0; l < levels; l++) {
            lv[l].ops.rmsnorm(y, x, w, n, 1e-5f);
            for (size_t i = 0; i < n; i++)
                check(ulps(y[i], (double)x[i] * scale * (double)w[i]) <= 3, "%s n %zu: y[%zu] %g",
                      lv[l].name, n, i, (double)y[i]);
        }
    }
}

CHECK_TEST(kernels, rope_and_add_are_equal_bit_for_bit)
{
    test_rng r = test_rng_make(2);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    static float x[3 * 140], want[3 * 140], got[3 * 140], cs[140];
    for (size_t dim = 2; dim <= 140; dim += 2)
        for (size_t n_rot = dim; n_rot + 8 > dim && n_rot > 0; n_rot -= 2)
            for (int kind = 0; kind < 2; kind++) {
                fill(&r, x, 3 * dim, 1.0f);
                fill(&r, cs, n_rot, 1.0f);
                memcpy(want, x, sizeof x);
                lv[0].ops.rope(want, 3, dim, cs, n_rot, (nk_rope_kind)kind);
                check(memcmp(want, x, 3 * dim * 4) != 0, "rope did nothing");
                check(memcmp(want + n_rot, x + n_rot, (dim - n_rot) * 4) == 0, "rest turned");
                for (size_t l = 1; l < levels; l++) {
                    memcpy(got, x, sizeof x);
                    lv[l].ops.rope(got, 3, dim, cs, n_rot, (nk_rope_kind)kind);
                    check(memcmp(got, want, 3 * dim * 4) == 0, "%s dim %zu n_rot %zu kind %d",
                          lv[l].name, dim, n_rot, kind);
                    lv[l].ops.add(got, x, 3 * dim);
                    for (size_t i = 0; i < 3 * dim; i++)
                        check(got[i] == want[i] + x[i], "%s add[%zu]", lv[l].name, i);
                }
            }
}

/* The definition of both pairings, on a right angle: (a, b) -> (-b, a). */
CHECK_TEST(kernels, rope_turns_the_pairs_of_its_kind)
{
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    for (size_t l = 0; l < levels; l++) {
        float cs[8] = {0, 1, 0, 1, 0, 1, 0, 1};
        float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        const float norm[8] = {-2, 1, -4, 3, -6, 5, -8, 7}, neox[8] = {-5, -6, -7, -8, 1, 2, 3, 4};
        lv[l].ops.rope(x, 1, 8, cs, 8, NK_ROPE_NORM);
        lv[l].ops.rope(y, 1, 8, cs, 8, NK_ROPE_NEOX);
        check(memcmp(x, norm, sizeof x) == 0 && memcmp(y, neox, sizeof y) == 0, "%s", lv[l].name);
    }
}

CHECK_TEST(kernels, silu_is_within_4_ulp_over_the_whole_range)
{
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    static float g[MAX_N], up[MAX_N], y[MAX_N];
    for (size_t i = 0; i < MAX_N; i++) {
        g[i] = ((float)i - MAX_N / 2) * 0.05f;
        up[i] = 1.0f + (float)(i % 7);
    }
    const float special[] = {0.0f, -0.0f, 1e-40f, -1e-30f, 88.7f, -88.7f, -103.9f, 1e30f, -1e30f};
    memcpy(g, special, sizeof special);
    for (size_t l = 0; l < levels; l++)
        for (size_t n = MAX_N - 9; n <= MAX_N; n++) {
            lv[l].ops.glu[NK_GLU_SILU](y, g, up, n);
            for (size_t i = 0; i < n; i++) {
                double exact = (double)g[i] / (1 + exp(-(double)g[i]));
                if (g[i] < -88.0f ||
                    fabs(exact) < (double)FLT_MIN) /* e^-g overflows, or subnormal */
                    check(fabsf(y[i]) < 1e-35f, "%s silu(%g) = %g", lv[l].name, (double)g[i],
                          (double)y[i]);
                else
                    check(ulps(y[i], exact * (double)up[i]) <= 4, "%s silu(%g) = %g", lv[l].name,
                          (double)g[i], (double)y[i]);
            }
        }
}

/* Centred values, so that what is taken away is not what is compared. */
CHECK_TEST(kernels, layernorm_is_within_3_ulp_of_its_size)
{
    test_rng r = test_rng_make(8);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    static float x[MAX_N], w[MAX_N], b[MAX_N], y[MAX_N];
    for (size_t n = 2; n < MAX_N; n = next_n(n)) {
        fill(&r, x, n, 3.0f);
        fill(&r, w, n, 1.0f);
        fill(&r, b, n, 1.0f);
        double mean = 0, var = 0;
        for (size_t i = 0; i < n; i++)
            mean += (double)x[i] / (double)n;
        for (size_t i = 0; i < n; i++)
            var += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
        double scale = 1 / sqrt(var + 1e-5);
        for (size_t l = 0; l < 2 * levels; l++) {
            const float *bias = l % 2 ? b : NULL;
            memcpy(y, x, n * sizeof *y);
            lv[l / 2].ops.layernorm(y, y, w, bias, n, 1e-5f);
            for (size_t i = 0; i < n; i++) {
                double part = ((double)x[i] - mean) * scale * (double)w[i];
                double add = bias ? (double)b[i] : 0, size = fabs(part) + fabs(add);
                check(fabs((double)y[i] - part - add) <= 3 * FLT_EPSILON * size + 1e-12,
                      "%s n %zu: y[%zu] %g", lv[l / 2].name, n, i, (double)y[i]);
            }
        }
    }
}

static double exact_glu(nk_glu_kind kind, double x, double up)
{
    switch (kind) {
    case NK_GLU_SILU:
        return x / (1 + exp(-x)) * up;
    case NK_GLU_GELU:
        return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x))) * up;
    case NK_GLU_GELU_ERF:
        return 0.5 * x * erfc(-x / sqrt(2.0)) * up;
    case NK_GLU_RELU2:
        return (x > 0 ? x * x : 0) * up;
    default:
        x = fmin(x, 7);
        return x / (1 + exp(-1.702 * x)) * (fmax(-7, fmin(up, 7)) + 1);
    }
}

/* Relative to what the sum 1 + tanh or 1 + erf loses where it is near 0: absolute there. */
CHECK_TEST(kernels, every_activation_is_near_its_formula_with_and_without_a_gate)
{
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    static float g[1003], up[1003], y[1003];
    for (size_t i = 0; i < countof(g); i++) {
        g[i] = ((float)i - 500) * 0.021f;
        up[i] = (float)(i % 23) - 11;
    }
    const float ends[] = {1e15f, -1e15f, 120.0f, -120.0f, 14.0f, -14.0f, -0.0f, 1e-40f};
    memcpy(g, ends, sizeof ends);
    for (size_t l = 0; l < levels; l++)
        for (int kind = 0; kind < NK_GLU_COUNT; kind++)
            for (int alone = 0; alone < 2; alone++) {
                if (alone && kind == NK_GLU_OAI)
                    continue; /* only ever gated */
                memcpy(y, g, sizeof y);
                lv[l].ops.glu[kind](y, y, alone ? NULL : up, countof(g));
                for (size_t i = 0; i < countof(g); i++) {
                    double u = alone ? 1 : (double)up[i];
                    double exact = exact_glu((nk_glu_kind)kind, (double)g[i], u);
                    double bound = 8 * FLT_EPSILON * (fabs(exact) + fabs((double)g[i] * u) / 2);
                    check(fabs((double)y[i] - exact) <= bound, "%s act %d (%g, %g) = %g, exact %g",
                          lv[l].name, kind, (double)g[i], u, (double)y[i], exact);
                }
            }
}

CHECK_TEST(kernels, softmax_is_within_tolerance_and_sums_to_one)
{
    test_rng r = test_rng_make(3);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    static float x[MAX_N], y[MAX_N];
    for (size_t n = 1; n < MAX_N; n = next_n(n)) {
        float scale = n % 2 ? 0.125f : 1.0f;
        fill(&r, x, n, n % 5 ? 4.0f : 60.0f);
        if (n % 7 == 0)
            x[n / 2] = -INFINITY;
        double max = -INFINITY, sum = 0;
        for (size_t i = 0; i < n; i++)
            max = fmax(max, (double)(x[i] * scale));
        for (size_t i = 0; i < n; i++)
            sum += exp((double)(x[i] * scale) - max);
        for (size_t l = 0; l < levels; l++) {
            double total = 0;
            lv[l].ops.softmax(y, x, n, scale);
            for (size_t i = 0; i < n; i++) {
                double arg = (double)(x[i] * scale) - max, exact = exp(arg) / sum;
                double bound = (double)FLT_MIN;
                if (exact > 0)
                    bound += exact * FLT_EPSILON * (4 + fabs(arg));
                check(fabs((double)y[i] - exact) <= bound, "%s n %zu: y[%zu] = %g, exact %g",
                      lv[l].name, n, i, (double)y[i], exact);
                total += (double)y[i];
            }
            check(fabs(total - 1) < 1e-5, "%s n %zu: sum %g", lv[l].name, n, total);
        }
    }
}

CHECK_TEST(kernels, nan_is_not_hidden_by_any_op)
{
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    for (size_t l = 0; l < levels; l++)
        for (size_t at = 0; at < 19; at++) {
            float x[19] = {0}, y[19], w[19];
            for (size_t i = 0; i < 19; i++)
                w[i] = 1;
            x[at] = NAN;
            lv[l].ops.softmax(y, x, 19, 1);
            check(isnan(y[at]) && isnan(y[(at + 1) % 19]), "%s softmax", lv[l].name);
            lv[l].ops.rmsnorm(y, x, w, 19, 0);
            check(isnan(y[at]) && isnan(y[(at + 1) % 19]), "%s rmsnorm", lv[l].name);
            lv[l].ops.glu[NK_GLU_SILU](y, x, w, 19);
            check(isnan(y[at]) && y[(at + 1) % 19] == 0, "%s silu", lv[l].name);
            lv[l].ops.layernorm(y, x, w, NULL, 19, 0);
            check(isnan(y[at]) && isnan(y[(at + 1) % 19]), "%s layernorm", lv[l].name);
            for (int kind = 0; kind < NK_GLU_COUNT; kind++) {
                lv[l].ops.glu[kind](y, x, w, 19);
                check(isnan(y[at]), "%s activation %d hides the gate's NaN", lv[l].name, kind);
                lv[l].ops.glu[kind](y, w, x, 19);
                check(isnan(y[at]), "%s activation %d hides the other's NaN", lv[l].name, kind);
            }
        }
}
