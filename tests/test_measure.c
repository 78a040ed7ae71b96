/* Statistics kernels: every level the bits of the C reference (A24), nothing outside (A27). What
 * the sums mean is checked in test_hist.c. */
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/util.h"

#include <math.h>
#include <string.h>

enum { MOST = 2100 };

static void fill(test_rng *r, float *src, float *dec, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        src[i] = test_below(r, 9) ? test_normal(r) : test_below(r, 2) ? 0.0f : -0.0f;
        dec[i] = src[i] + 0.01f * (float)(int)(test_below(r, 9) - 4); /* ties among the errors */
    }
}

CHECK_TEST(measure, figures_have_the_same_bits_at_every_level)
{
    test_rng r = test_rng_make(1);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    for (size_t n = 0; n <= MOST; n += n < 40 ? 1 : 97) {
        float *src = test_guard(n * sizeof *src, n % 2), *dec = test_guard(n * sizeof *dec, n % 2);
        nk_measured want, got;
        fill(&r, src, dec, n);
        nk_measure(lv[0].ops.measure, src, dec, n, 0, &want);
        for (size_t l = 1; l < levels; l++) {
            nk_measure(lv[l].ops.measure, src, dec, n, 0, &got);
            check(memcmp(&got.w, &want.w, offsetof(nk_measured, max_err_at)) == 0 &&
                      got.max_err_at == want.max_err_at && got.n_zero == want.n_zero,
                  "%s n %zu: sums %g %g, error %g at %zu, want %g %g, %g at %zu", lv[l].name, n,
                  got.w, got.e2, (double)got.max_err, got.max_err_at, want.w, want.e2,
                  (double)want.max_err, want.max_err_at);
        }
        nk_measure(lv[levels - 1].ops.measure, src, dec, n, fabsf(want.max_err), &got);
        check(got.max_err == 0, "n %zu: an error that is no larger than the known was looked for",
              n);
        if (n > 0 && want.max_err != 0)
            for (size_t i = 0; i < want.max_err_at; i++)
                check(fabsf(dec[i] - src[i]) < fabsf(want.max_err), "not the first: %zu", i);
        test_guard_free(src);
        test_guard_free(dec);
    }
}

CHECK_TEST(measure, one_bad_value_anywhere_is_seen_at_every_level)
{
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    for (size_t n = 0; n < 70; n++) {
        float *v = test_guard(n * sizeof *v, 1);
        for (size_t i = 0; i < n; i++)
            v[i] = i % 2 ? 3.4e38f : -1e-45f;
        for (size_t l = 0; l < levels; l++) {
            check(lv[l].ops.all_finite(v, n), "%s n %zu", lv[l].name, n);
            for (size_t i = 0; i < n; i++) {
                float kept = v[i];
                v[i] = bad[i % countof(bad)];
                check(!lv[l].ops.all_finite(v, n), "%s n %zu: %zu passed", lv[l].name, n, i);
                v[i] = kept;
            }
        }
        test_guard_free(v);
    }
}

CHECK_TEST(measure, far_errors_are_found_alike_and_none_is_passed_over)
{
    test_rng r = test_rng_make(2);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv), found = 0, passed = 0;
    for (size_t n = 0; n <= 1024; n += 32) {
        float *src = test_guard(n * sizeof *src, 1), *dec = test_guard(n * sizeof *dec, 1);
        fill(&r, src, dec, n);
        for (size_t k = 0; k < n / 64; k++) { /* groups of one value, and lone errors */
            size_t at = test_below(&r, (uint32_t)n);
            dec[at] += k % 2 ? 3.0f : 0.3f;
        }
        for (size_t group = 16; group <= 32; group += 16)
            for (size_t from = 0; from < n; from += group) {
                size_t want = lv[0].ops.find_far(src, dec, from, n, group, 0.1f);
                found += want < n;
                passed += want > from;
                for (size_t l = 1; l < levels; l++)
                    check(lv[l].ops.find_far(src, dec, from, n, group, 0.1f) == want,
                          "%s n %zu from %zu", lv[l].name, n, from);
            }
        test_guard_free(src);
        test_guard_free(dec);
    }
    check(found > 0 && passed > 0, "%zu found, %zu passed over", found, passed);
}

CHECK_TEST(measure, one_bad_half_anywhere_is_seen_at_every_level)
{
    static const struct {
        uint16_t exponent, most;
    } kind[] = {{0x7c00, 0x7bff}, {0x7f80, 0x7f7f}};
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    for (size_t n = 0; n < 70; n++)
        for (size_t k = 0; k < countof(kind); k++) {
            uint16_t *v = test_guard(n * sizeof *v, 1);
            for (size_t i = 0; i < n; i++)
                v[i] = i % 2 ? kind[k].most : 0x8001;
            for (size_t l = 0; l < levels; l++) {
                check(lv[l].ops.finite_halves(v, n, kind[k].exponent), "%s n %zu", lv[l].name, n);
                for (size_t i = 0; i < n; i++) {
                    uint16_t kept = v[i];
                    v[i] = (uint16_t)(kind[k].exponent | (i % 3 ? 0x8000 : 0) | i % 2);
                    check(!lv[l].ops.finite_halves(v, n, kind[k].exponent), "%s n %zu: %zu passed",
                          lv[l].name, n, i);
                    v[i] = kept;
                }
            }
            test_guard_free(v);
        }
}
