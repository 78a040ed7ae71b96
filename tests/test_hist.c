/* Histograms and sums over weights: bins, columns, exactness (tui 25: totals equal the counted
 * elements). */
#include "tests/check.h"
#include "tests/util.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/quant/hist.h"
#include "core/quant/method.h"

CHECK_TEST(hist, every_value_falls_between_the_edges_of_its_bin)
{
    test_rng rng = test_rng_make(1);
    for (size_t b = 0; b < NB_HIST_BINS; b++)
        check(nb_hist_edge(b) < nb_hist_edge(b + 1), "edge %zu", b);
    for (int i = 0; i < 200000; i++) {
        uint32_t u = (uint32_t)test_u64(&rng);
        float v;
        memcpy(&v, &u, sizeof v);
        size_t bin = nb_hist_bin(v);
        check(bin < NB_HIST_BINS, "bin %zu", bin);
        if (!(fabsf(v) < 16777216.0f)) /* beyond the last edge, NaN, Inf: the outermost bin */
            check(bin == (signbit(v) ? 0 : NB_HIST_BINS - 1), "%g in bin %zu", (double)v, bin);
        else if (v > 0)
            check(v >= nb_hist_edge(bin) && v < nb_hist_edge(bin + 1), "%g", (double)v);
        else /* the negative side mirrors the positive one: upper edge included */
            check(v >= nb_hist_edge(bin) && v <= nb_hist_edge(bin + 1), "%g", (double)v);
    }
    check(nb_hist_bin(0.0f) == NB_HIST_SIDE && nb_hist_bin(-0.0f) == NB_HIST_SIDE, "zero");
    check(nb_hist_bin(0x1p-41f) == NB_HIST_SIDE, "2^-41 counts as zero");
    check(nb_hist_bin(0x1p-40f) == NB_HIST_SIDE + 1, "2^-40 is the first positive bin");
}

/* Long runs are counted by a shorter way; every bit pattern class must land in the same bin. */
CHECK_TEST(hist, long_and_short_runs_count_alike)
{
    enum { N = 40001 };
    static float v[N];
    static nb_hist whole, single;
    test_rng rng = test_rng_make(4);
    for (size_t i = 0; i < N; i++) {
        uint32_t u = (uint32_t)test_u64(&rng);
        if (i % 3)
            v[i] = test_normal(&rng) * (i % 2 ? 1.0f : 1e-13f);
        else
            memcpy(&v[i], &u, sizeof u);
    }
    for (size_t n = 1; n <= N; n = n * 5 + 1) {
        memset(&whole, 0, sizeof whole);
        memset(&single, 0, sizeof single);
        nb_hist_add(&whole, v, n);
        for (size_t i = 0; i < n; i++)
            nb_hist_add(&single, &v[i], 1);
        check(memcmp(&whole, &single, sizeof whole) == 0, "%zu weights", n);
    }
}

CHECK_TEST(hist, a_trio_holds_what_three_single_ones_do)
{
    enum { N = 30003 };
    static float v[3][N];
    static uint16_t place[N];
    static nb_hist_trio trio;
    static nb_hist single[3], read[3];
    test_rng rng = test_rng_make(5);
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < N; i++) {
            uint32_t u = (uint32_t)test_u64(&rng) << (i % 5 ? 0 : 31);
            memcpy(&v[k][i], &u, sizeof u);
        }
        nb_hist_add(&single[k], v[k], N);
        nb_hist_places(place, v[k], N);
        nb_hist_trio_add(&trio, k, place, N / 3);
        nb_hist_trio_add(&trio, k, place + N / 3, N - N / 3);
    }
    for (size_t k = 0; k < 3; k++) {
        nb_hist_trio_read(&trio, k, &read[k]);
        check(read[k].total == N && memcmp(&read[k], &single[k], sizeof read[k]) == 0, "of %zu", k);
    }
}

/* However values arrive, no 16-bit counter of a key overflows up to NB_HIST_HELD. */
CHECK_TEST(hist, keys_hold_any_number_of_equal_values)
{
    enum { N = 700000 };
    static nb_hist_keys keys;
    static nb_hist h;
    static float v[1000];
    for (size_t i = 0; i < countof(v); i++)
        v[i] = 0.75f;
    size_t n = 0;
    for (size_t step = 1; n < N; n += step) {
        step = n < 300000 ? 1 : step % countof(v) + 7 < countof(v) ? step % countof(v) + 7 : 1;
        if (keys.held + step > NB_HIST_HELD)
            nb_hist_keys_flush(&keys, &h);
        nb_hist_keys_add(&keys, v, step);
    }
    nb_hist_keys_flush(&keys, &h);
    check(h.total == n && h.count[nb_hist_bin(0.75f)] == n, "%llu of %zu",
          (unsigned long long)h.count[nb_hist_bin(0.75f)], n);
    nb_hist_keys_flush(&keys, &h);
    check(h.total == n, "an empty one adds nothing");
}

CHECK_TEST(hist, columns_hold_every_count_once)
{
    static nb_hist h, half[2];
    test_rng rng = test_rng_make(2);
    enum { N = 20000 };
    float *v = malloc(N * sizeof *v);
    for (int i = 0; i < N; i++)
        v[i] = 0.03f * test_normal(&rng);
    nb_hist_add(&h, v, N);
    nb_hist_add(&half[0], v, 777);
    nb_hist_add(&half[1], v + 777, N - 777);
    nb_hist_merge(&half[1], &half[0]);
    check(memcmp(&h, &half[1], sizeof h) == 0, "merging in another order changed counts");
    check(h.total == N, "%llu", (unsigned long long)h.total);
    for (size_t cols = 1; cols <= 200; cols += 13) {
        double out[200], below, above, sum = 0;
        nb_hist_columns(&h, -0.05, 0.05, out, cols, &below, &above);
        for (size_t c = 0; c < cols; c++) {
            check(out[c] >= 0, "column %zu is %g", c, out[c]);
            sum += out[c];
        }
        check(fabs(sum + below + above - N) < 1e-6 * N, "%zu columns hold %g + %g + %g", cols, sum,
              below, above);
        check(below > 0 && above > 0, "tails of a normal lie outside");
        if (cols == 40) /* a normal's middle is its top */
            check(out[20] > out[2] && out[19] > out[37], "shape");
    }
    double reach = nb_hist_reach(&h, 0.9999);
    check(reach > 3.5 * 0.03 && reach < 5.0 * 0.03, "reach %g", reach);
    check(nb_hist_reach(&h, 0.5) < 0.03, "half lies within one sigma");
    memset(&h, 0, sizeof h);
    check(nb_hist_reach(&h, 0.99) == 0, "empty");
    free(v);
}

/* Sums against long double, one value at a time. */
CHECK_TEST(hist, sums_agree_with_the_definition)
{
    enum { N = 4099 };
    static float src[N], dec[N];
    test_rng rng = test_rng_make(3);
    long double w1 = 0, w2 = 0, w4 = 0, e1 = 0, e2 = 0;
    float lo = FLT_MAX, hi = -FLT_MAX, worst = 0;
    size_t zeros = 0, at = 0;
    for (size_t i = 0; i < N; i++) {
        src[i] = i % 97 == 0 ? 0.0f : test_normal(&rng);
        dec[i] = src[i] + 0.01f * test_normal(&rng);
        long double w = src[i], e = (long double)dec[i] - w;
        w1 += w, w2 += w * w, w4 += w * w * w * w, e1 += e, e2 += e * e;
        lo = src[i] < lo ? src[i] : lo, hi = src[i] > hi ? src[i] : hi;
        zeros += src[i] == 0;
        if (fabsf(dec[i] - src[i]) > fabsf(worst)) {
            worst = dec[i] - src[i];
            at = i;
        }
    }
    nb_stats s, a, b;
    nb_stats_clear(&s), nb_stats_clear(&a), nb_stats_clear(&b);
    nb_stats_add(&s, NULL, src, dec, N, 1000);
    check(s.n == N && s.n_zero == zeros && s.min == lo && s.max == hi, "counts");
    check(s.max_err == worst && s.max_err_at == 1000 + at, "worst error and its place");
    /* float sums of 32 values at most */
    check(fabsl(s.sum - w1) < 1e-6L * sqrtl(N * w2) && fabsl(s.sum2 - w2) < 1e-6L * w2 &&
              fabsl(s.sum4 - w4) < 1e-6L * w4 && fabsl(s.sum_err - e1) < 1e-6L * sqrtl(N * e2) &&
              fabsl(s.sum_err2 - e2) < 1e-6L * e2,
          "sums");
    check(fabs(nb_stats_rel_rmse(&s) - (double)sqrtl(e2 / w2)) < 1e-8, "rel rmse");
    check(fabs(nb_stats_sqnr_db(&s) - (double)(10 * log10l(w2 / e2))) < 1e-5, "SQNR");
    check(fabs(nb_stats_kurtosis(&s) - 3) < 0.5, "kurtosis of a normal: %g", nb_stats_kurtosis(&s));
    nb_stats_add(&a, NULL, src, dec, 2000, 1000);
    nb_stats_add(&b, NULL, src + 2000, dec + 2000, N - 2000, 3000);
    nb_stats_merge(&a, &b);
    check(a.n == s.n && a.max_err_at == s.max_err_at &&
              fabs(a.sum_err2 - s.sum_err2) < 1e-6 * s.sum_err2,
          "merged halves");
}

/* Values whose squares no float holds are added up in doubles. */
CHECK_TEST(hist, sums_hold_far_outside_the_reach_of_float_squares)
{
    static const float size[] = {1e-42f, 1e-30f, 1e-12f, 1e9f, 1e30f};
    enum { N = 515 };
    static float src[N], dec[N];
    test_rng rng = test_rng_make(8);
    for (size_t k = 0; k < countof(size); k++) {
        long double w2 = 0, e2 = 0;
        nb_stats s;
        for (size_t i = 0; i < N; i++) {
            src[i] = size[k] * test_normal(&rng);
            dec[i] = src[i] * 1.125f;
            long double e = (long double)dec[i] - src[i];
            w2 += (long double)src[i] * src[i], e2 += e * e;
        }
        nb_stats_clear(&s);
        nb_stats_add(&s, NULL, src, dec, N, 0);
        check(s.n == N && s.n_inf == 0 && fabsl(s.sum2 - w2) < 1e-9L * w2 &&
                  fabsl(s.sum_err2 - e2) < 1e-9L * e2,
              "%g: %g %g", (double)size[k], s.sum2, s.sum_err2);
    }
}

CHECK_TEST(hist, exact_and_empty_and_unfinite_tensors_have_figures)
{
    nb_stats s;
    float zero[8] = {0}, src[5] = {1, NAN, INFINITY, 2, -INFINITY}, dec[5] = {1, 0, 0, 2.5f, 0};
    nb_stats_clear(&s);
    check(nb_stats_rel_rmse(&s) == 0 && nb_stats_std(&s) == 0, "empty");
    nb_stats_add(&s, NULL, zero, zero, 8, 0);
    check(nb_stats_rel_rmse(&s) == 0 && isinf(nb_stats_sqnr_db(&s)), "all zero, exact");
    check(s.n_zero == 8 && s.min == 0 && s.max == 0, "zeros");
    nb_stats_clear(&s);
    nb_stats_add(&s, NULL, src, dec, 5, 0);
    check(s.n == 5 && s.n_nan == 1 && s.n_inf == 2, "%llu nan %llu inf",
          (unsigned long long)s.n_nan, (unsigned long long)s.n_inf);
    check(s.sum == 3 && s.max_err == 0.5f && s.max_err_at == 3, "what is finite still counts");
}

/* q4_0 holds 8 steps one way and 7 the other: a block with two opposite peaks cuts one of them by
 * one step, which is within reach + 1.5; a code forced low is far outside. */
CHECK_TEST(hist, clips_are_errors_beyond_the_grid)
{
    nk_block_view v = {.len = 32, .group = 16, .code_step = 1};
    float src[32] = {0}, dec[32] = {0};
    nb_stats s;
    v.scale[0] = 0.5f;
    v.scale[1] = -0.25f;
    src[3] = 0.75f;   /* exactly 1.5 steps: not yet */
    src[4] = 0.7501f; /* beyond */
    src[20] = -0.38f; /* second group has half the step */
    nb_stats_clear(&s);
    nb_stats_add_clips(&s, &v, src, dec);
    check(s.n_clip == 2, "%llu clips", (unsigned long long)s.n_clip);
    v.scale[1] = 0; /* a block that decodes to zero reaches nothing */
    src[21] = 1e-30f;
    nb_stats_clear(&s);
    nb_stats_add_clips(&s, &v, src, dec);
    check(s.n_clip == 3, "%llu clips", (unsigned long long)s.n_clip);
    v.code_step = 24; /* a table's widest gap is what rounding may cost there */
    nb_stats_clear(&s);
    nb_stats_add_clips(&s, &v, src, dec);
    check(s.n_clip == 2, "%llu clips", (unsigned long long)s.n_clip);
}

CHECK_TEST(hist, methods_are_found_by_name)
{
    size_t n;
    const nb_method *const *m = nb_methods(&n);
    check(n >= 1 && strcmp(m[0]->name, "reference") == 0, "the default comes first");
    for (size_t i = 0; i < n; i++)
        check(nb_method_find(m[i]->name) == m[i] && m[i]->help[0], "%s", m[i]->name);
    check(nb_method_find("REFERENCE") == m[0] && !nb_method_find("nope"), "lookup");
}
