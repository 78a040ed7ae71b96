/* Encoders that search for scales, on groups that lead to the ends of what they tell apart: a
 * fitted minimum beyond the group's own ends (all of one sign, a few far out, and those of no
 * importance), and codes that change exactly where a trial stands. Every level writes the C row's
 * bytes. */
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/util.h"

#include <math.h>

enum { COLS = 512, ROWS = 3, ROUNDS = 400, BYTES = ROWS * COLS * 4 };

/* Small values of one sign; one in forty is some thousand times as far from 0. */
static void one_sided(test_rng *r, float sign, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = fabsf(test_normal(r) * 0.1f + 0.5f);
        x[i] = sign * (test_below(r, 40) ? v * 1e-3f : v * 10);
    }
}

/* The levels' bytes are the C row's; of levels that share a function one, of emulated ones one row
 * in turn. */
static void check_levels(const test_level *lv, size_t levels, const nk_type *t, const float *x,
                         const float *importance)
{
    static unsigned char want[BYTES], got[BYTES];
    static size_t turn;
    size_t size = COLS / t->block_len * t->block_size;
    t->encode(x, want, ROWS, COLS, importance);
    for (size_t l = 1; l < levels; l++) {
        nk_encode_fn *encode = lv[l].ops.encode[t->id];
        if (!encode || encode == lv[l - 1].ops.encode[t->id])
            continue;
        size_t rows = lv[l].emulated ? 1 : ROWS, from = lv[l].emulated ? turn++ % ROWS : 0;
        encode(x + from * COLS, got, rows, COLS, importance);
        check(memcmp(want + from * size, got, rows * size) == 0, "%s %s%s: bytes differ",
              lv[l].name, t->name, importance ? ", importance" : "");
    }
}

CHECK_TEST(encode_ends, a_minimum_beyond_the_ends_gives_the_same_bytes)
{
    static const nk_type_id ids[] = {NK_Q2_K, NK_Q3_K, NK_Q4_K, NK_Q5_K, NK_Q6_K, NK_Q4_1, NK_Q5_1};
    static float x[ROWS * COLS], importance[COLS];
    test_rng r = test_rng_make(5);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    for (int round = 0, rounds = test_rounds(ROUNDS, ROUNDS); round < rounds; round++) {
        one_sided(&r, round % 2 ? 1.0f : -1.0f, x, ROWS * COLS);
        for (size_t c = 0; c < COLS; c++)
            importance[c] = test_below(&r, 5) ? 100 * test_uniform(&r) * test_uniform(&r) : 0.0f;
        for (size_t k = 0; k < countof(ids); k++) {
            check_levels(lv, levels, nk_type_get(ids[k]), x, importance);
            check_levels(lv, levels, nk_type_get(ids[k]), x, NULL);
        }
    }
}

/* Values that a trial of nk_fit_symmetric puts on the middle of two codes, give or take two last
 * places: group by group for each number of codes in use. */
static void on_middles(test_rng *r, float *x, size_t n)
{
    static const int codes[] = {4, 8, 16, 32};
    for (size_t g = 0; g < n; g += 16) {
        int nmax = codes[test_below(r, countof(codes))];
        float max = ldexpf(1 + test_uniform(r), (int)test_below(r, 24) - 16);
        for (size_t i = g; i < g + 16; i++) {
            float step = (float)test_below(r, 19) - 9;
            float v = (float)test_below(r, (uint32_t)nmax) + 0.5f;
            v = max * v / ((float)nmax + 0.1f * step);
            for (uint32_t k = test_below(r, 3); k > 0; k--)
                v = nextafterf(v, max);
            x[i] = test_below(r, 2) ? v : -v;
        }
        x[g + test_below(r, 16)] = test_below(r, 2) ? max : -max;
    }
}

CHECK_TEST(encode_ends, a_code_that_changes_at_a_trial_gives_the_same_bytes)
{
    static const nk_type_id ids[] = {NK_Q3_K, NK_Q6_K, NK_Q4_0, NK_Q5_0};
    static float x[ROWS * COLS], importance[COLS];
    test_rng r = test_rng_make(6);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    for (int round = 0, rounds = test_rounds(ROUNDS, ROUNDS); round < rounds; round++) {
        on_middles(&r, x, ROWS * COLS);
        for (size_t c = 0; c < COLS; c++)
            importance[c] = test_below(&r, 5) ? 100 * test_uniform(&r) : 0.0f;
        for (size_t k = 0; k < countof(ids); k++) {
            check_levels(lv, levels, nk_type_get(ids[k]), x, importance);
            check_levels(lv, levels, nk_type_get(ids[k]), x, NULL);
        }
    }
}

/* Sums of squares and products overflow long before floats do: what is then infinite or not a
 * number takes the same way on every level. */
CHECK_TEST(encode_ends, weights_of_any_size_give_the_same_bytes_A25)
{
    static float x[ROWS * COLS], importance[COLS];
    test_rng r = test_rng_make(6);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    for (int e = -126; e <= 126; e += TEST_THIN > 1 ? 12 : 4) {
        bool sparse = (e + 126) % 12 == 0;
        for (size_t i = 0; i < ROWS * COLS; i++)
            x[i] = sparse && test_below(&r, 3) ? 0 : ldexpf(test_normal(&r) / 8, e);
        for (size_t c = 0; c < COLS; c++)
            importance[c] = ldexpf(test_uniform(&r), (int)test_below(&r, 30));
        for (int id = 0; id < NK_TYPE_SLOTS; id++) {
            const nk_type *t = nk_type_get((nk_type_id)id);
            if (t && t->encode) {
                check_levels(lv, levels, t, x, importance);
                check_levels(lv, levels, t, x, NULL);
            }
        }
    }
}
