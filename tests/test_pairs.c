/* Products of f16 and bf16 weights on pairs of bf16 (kernels/pairs.h): the bits of their
 * definition whatever the shape, as close to the exact value as their parts allow, and nothing that
 * is not finite goes unseen. */
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/pairs.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>

static const nk_type *const types[] = {&nk_type_f16, &nk_type_bf16};

/* A level and a type of which it has such products. */
typedef struct paired {
    test_level lv;
    const nk_type *type;
} paired;

static size_t all_pairs(paired out[2 * MAX_LEVELS])
{
    test_level all[MAX_LEVELS];
    size_t n = 0, count = test_levels(all);
    bool parts[3] = {false};
    for (size_t i = 0; i < count * countof(types); i++) {
        const test_level *lv = &all[i / countof(types)];
        const nk_type *t = types[i % countof(types)];
        if (!lv->ops.pairs[t->id].run)
            continue;
        out[n++] = (paired){*lv, t};
        parts[lv->ops.pairs[t->id].parts] = true;
    }
    check((parts[1] && parts[2]) || !(nk_cpu_detect() & NK_CPU_AVX2),
          "activations of one part or of two have no level, not even by emulation");
    return n;
}

static void noise(test_rng *r, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = test_normal(r);
}

static bool same_bits(float a, float b)
{
    return nk_f32_bits(a) == nk_f32_bits(b);
}

/* y[m, rows] of one level, type and matrix, all of them touching unreadable pages. */
static void check_shape(const test_level *lv, const nk_type *t, size_t rows, size_t cols, size_t m,
                        nk_pool *pool, test_rng *r)
{
    int side = (int)(rows + m) % 2;
    float *src = malloc(rows * cols * sizeof *src), *x = test_guard(m * cols * sizeof *x, side);
    uint16_t *w = test_guard(rows * cols * sizeof *w, side);
    float *y = test_guard(m * rows * sizeof *y, side);
    void *scratch = test_guard(nk_matmul_scratch(cols, m), side);
    check(src && x && w && y && scratch, "memory");
    noise(r, src, rows * cols);
    noise(r, x, m * cols);
    t->encode(src, w, rows, cols, NULL);
    nk_matrix mat = {.data = w, .type = t, .rows = rows, .cols = cols, .row_size = 2 * cols};
    nk_matmul(&lv->ops, pool, y, rows, &mat, x, m, scratch);
    check(test_emulated_tiles_idle(), "%s leaves tiles configured", lv->name);
    for (size_t j = 0; j < m; j++)
        for (size_t i = 0; i < rows; i++) {
            float want = test_dot_of(&lv->ops, t, cols, w + i * cols, x + j * cols);
            check(same_bits(y[j * rows + i], want),
                  "%s %s, %zu rows of %zu, %zu columns: row %zu of column %zu is %.9g, not %.9g",
                  lv->name, t->name, rows, cols, m, i, j, (double)y[j * rows + i], (double)want);
        }
    free(src);
    test_guard_free(x);
    test_guard_free(w);
    test_guard_free(y);
    test_guard_free(scratch);
}

/* Rows that end inside a panel, row lengths that end inside a product or a chunk, one column and
 * groups with and without a rest: one column alone has the bits it has among forty, so a text goes
 * on as it would have been read. */
CHECK_TEST(pairs, every_shape_and_thread_count_has_the_bits_of_the_definition)
{
    static const int threads[] = {1, 2, 3, 7};
    static const size_t heights[] = {1, 15, 16, 17, 33, 64, 65, 70};
    static const size_t lengths[] = {1, 8, 31, 32, 33, 40, 248, 256, 257, 520, 776};
    paired p[2 * MAX_LEVELS];
    size_t count = all_pairs(p), turn = 0;
    test_rng r = test_rng_make(71);
    nk_pool *pool[countof(threads)];
    for (size_t k = 0; k < countof(threads); k++)
        check(nk_pool_open(&pool[k], threads[k], NULL) == NB_OK, "pool");
    for (size_t l = 0; l < count; l++)
        for (size_t m = 1; m <= 40; m++)
            for (size_t i = 0; i < 3; i++, turn++)
                check_shape(&p[l].lv, p[l].type, heights[turn % countof(heights)],
                            lengths[turn % countof(lengths)], m, pool[turn % countof(threads)], &r);
    for (size_t k = 0; k < countof(threads); k++)
        nk_pool_close(&pool[k]);
}

/* --- accuracy ----------------------------------------------------------------------------------
 */

enum { ACCURATE_ROWS = 16, ACCURATE_M = 64 };

/* Errors of many dots, each by the norm of its products. */
typedef struct errors {
    double sum, squares, rounded; /* rounded: squares with activations rounded to the type */
    size_t n;
} errors;

static void add_errors(errors *e, const paired *p, size_t n, const float *w, const float *x,
                       float got)
{
    const nk_type *t = p->type;
    const double left = p->lv.ops.pairs[t->id].parts == 1 ? 0x1p-9 : 0x1p-15 + 0x1p-17;
    double exact = 0, size = 0, norm = 0, rounded = 0;
    for (size_t k = 0; k < n; k++) {
        double v = (double)w[k], product = v * (double)x[k];
        float near = t->id == NK_F16 ? nk_f16_to_f32(nk_f32_to_f16(x[k])) : test_to_bf16(x[k]);
        exact += product;
        rounded += v * (double)near;
        size += fabs(product);
        norm += product * product;
    }
    double error = (double)got - exact;
    double bound = (left + (4 + 4 * log2((double)n + 1)) * (double)FLT_EPSILON) * size;
    check(fabs(error) <= bound, "%s n %zu: got %.9g, exact %.9g, bound %g", t->name, n, (double)got,
          exact, bound);
    e->sum += error / sqrt(norm);
    e->squares += error * error / norm;
    e->rounded += (rounded - exact) * (rounded - exact) / norm;
    e->n++;
}

/* positive: all of one sign, so that what rounding takes away always would add up. */
static errors errors_of(const paired *p, size_t n, bool positive, test_rng *r)
{
    const nk_type *t = p->type;
    errors e = {0};
    float *w = malloc(ACCURATE_ROWS * n * sizeof *w), *x = malloc(ACCURATE_M * n * sizeof *x);
    uint16_t *enc = malloc(ACCURATE_ROWS * n * sizeof *enc);
    void *scratch = malloc(nk_matmul_scratch(n, ACCURATE_M));
    float y[ACCURATE_M * ACCURATE_ROWS];
    check(w && x && enc && scratch, "memory");
    noise(r, w, ACCURATE_ROWS * n);
    noise(r, x, ACCURATE_M * n);
    for (size_t i = 0; positive && i < ACCURATE_ROWS * n; i++)
        w[i] = fabsf(w[i]);
    for (size_t i = 0; positive && i < ACCURATE_M * n; i++)
        x[i] = fabsf(x[i]);
    t->encode(w, enc, ACCURATE_ROWS, n, NULL);
    t->decode(enc, w, ACCURATE_ROWS * n);
    nk_matrix mat = {.data = enc, .type = t, .rows = ACCURATE_ROWS, .cols = n, .row_size = 2 * n};
    nk_matmul(&p->lv.ops, NULL, y, ACCURATE_ROWS, &mat, x, ACCURATE_M, scratch);
    for (size_t i = 0; i < ACCURATE_ROWS * ACCURATE_M; i++)
        add_errors(&e, p, n, w + i % ACCURATE_ROWS * n, x + i / ACCURATE_ROWS * n, y[i]);
    free(w);
    free(x);
    free(enc);
    free(scratch);
    return e;
}

/* llama.cpp rounds activations to the weights' type. One part is as close; two keep 16 bits: errors
 * are below a 12th of those with f16 weights, whose cut part times x's low one is left out, and
 * below a 100th with bf16 ones, even where thousands of one sign are added up in f32. */
CHECK_TEST(pairs, sums_are_as_close_as_with_activations_of_the_weights_type_or_far_closer)
{
    static const size_t lengths[] = {64, 1024, 4096};
    paired p[2 * MAX_LEVELS];
    size_t levels = all_pairs(p);
    test_rng r = test_rng_make(72);
    for (size_t i = 0; i < levels * countof(lengths) * 2; i++) {
        size_t n = lengths[i % countof(lengths)];
        bool positive = i / countof(lengths) % 2;
        const paired *now = &p[i / countof(lengths) / 2];
        const nk_type *t = now->type;
        errors e = errors_of(now, n, positive, &r);
        double count = (double)e.n, mean = e.sum / count, rms = sqrt(e.squares / count);
        double rounded = sqrt(e.rounded / count);
        int parts = now->lv.ops.pairs[t->id].parts;
        double times = parts == 1 ? 0.999 : t->id == NK_F16 ? 12 : 100;
        printf("%s n %zu, parts %d: rms 2^%.2f, rounded activations 2^%.2f, mean / rms %.3f\n",
               t->name, n, parts, log2(rms), log2(rounded), mean / rms);
        check(rms * times < rounded, "%s n %zu: rms %g, rounded %g", t->name, n, rms, rounded);
        /* of one column the errors of all rows hang together: x's low parts */
        check(fabs(mean) < 4 * rms / sqrt(ACCURATE_M), "%s n %zu: mean %g, rms %g", t->name, n,
              mean, rms);
    }
}

/* One weight that is not 0 times a power of two is just that: all 11 bits of every f16 survive
 * being split, subnormals too; a subnormal bf16 counts as 0. */
CHECK_TEST(pairs, every_finite_weight_is_multiplied_exactly)
{
    enum { COLS = 32, ROWS = 1 << 16 };
    paired p[2 * MAX_LEVELS];
    size_t levels = all_pairs(p);
    uint16_t *w = calloc(ROWS * COLS, sizeof *w);
    float *y = malloc(ROWS * sizeof *y), x[COLS] = {0};
    void *scratch = malloc(nk_matmul_scratch(COLS, 1));
    check(w && y && scratch, "memory");
    for (size_t i = 0; i < ROWS; i++)
        w[i * COLS + i % COLS] = (uint16_t)i;
    for (size_t k = 0; k < COLS; k++)
        x[k] = 0x1p20f;
    for (size_t i = 0; i < levels; i++) {
        const nk_type *t = p[i].type;
        nk_matrix mat = {.data = w, .type = t, .rows = ROWS, .cols = COLS, .row_size = 2 * COLS};
        nk_matmul(&p[i].lv.ops, NULL, y, ROWS, &mat, x, 1, scratch);
        for (size_t k = 0; k < ROWS; k++) {
            uint16_t code = (uint16_t)k;
            float v;
            t->decode(&code, &v, 1);
            v = test_flush(v) * 0x1p20f;
            check(isfinite(v) ? y[k] == v : !isfinite(y[k]), "%s %04x: %g, not %g", t->name,
                  (unsigned)k, (double)y[k], (double)v);
        }
    }
    free(w);
    free(y);
    free(scratch);
}

/* --- what is not finite ------------------------------------------------------------------------
 */

enum { HURT_ROWS = 20, HURT_COLS = 300, HURT_M = 5 };

typedef struct hurt {
    uint16_t w[HURT_ROWS * HURT_COLS];
    float x[HURT_M * HURT_COLS], sound[HURT_M * HURT_ROWS], y[HURT_M * HURT_ROWS];
    unsigned char *scratch;
} hurt;

static void multiply_hurt(const test_level *lv, const nk_type *t, hurt *h, float *y)
{
    nk_matrix mat = {
        .data = h->w, .type = t, .rows = HURT_ROWS, .cols = HURT_COLS, .row_size = 2 * HURT_COLS};
    nk_matmul(&lv->ops, NULL, y, HURT_ROWS, &mat, h->x, HURT_M, h->scratch);
}

/* Row `row` or column `column` (the other is negative) is not finite, all else is as it was. */
static void check_hurt(const test_level *lv, const nk_type *t, hurt *h, int row, int column)
{
    multiply_hurt(lv, t, h, h->y);
    for (int j = 0; j < HURT_M; j++)
        for (int i = 0; i < HURT_ROWS; i++) {
            float y = h->y[j * HURT_ROWS + i];
            check(i == row || j == column ? !isfinite(y)
                                          : same_bits(y, h->sound[j * HURT_ROWS + i]),
                  "%s %s: row %d of column %d is %g, hurt: row %d, column %d", lv->name, t->name, i,
                  j, (double)y, row, column);
        }
}

/* NaN of every payload and infinities, in a weight or in an activation: sums that meet them say so,
 * which the engine refuses, and no other changes. */
CHECK_TEST(pairs, what_is_not_finite_shows_where_it_is_and_nowhere_else)
{
    static const uint32_t bad[] = {0x7f800000, 0xff800000, 0x7fc00000,
                                   0x7fffffff, 0xffffffff, 0x7f800001};
    paired p[2 * MAX_LEVELS];
    size_t levels = all_pairs(p);
    test_rng r = test_rng_make(73);
    hurt *h = malloc(sizeof *h);
    float src[HURT_ROWS * HURT_COLS];
    check(h && (h->scratch = malloc(nk_matmul_scratch(HURT_COLS, HURT_M))), "memory");
    for (size_t i = 0; i < levels * countof(bad); i++) {
        const nk_type *t = p[i / countof(bad)].type;
        const test_level *l = &p[i / countof(bad)].lv;
        uint32_t code = bad[i % countof(bad)];
        noise(&r, src, countof(src));
        noise(&r, h->x, countof(h->x));
        t->encode(src, h->w, HURT_ROWS, HURT_COLS, NULL);
        multiply_hurt(l, t, h, h->sound);
        int row = (int)test_below(&r, HURT_ROWS), column = (int)test_below(&r, HURT_M);
        size_t k = test_below(&r, HURT_COLS);
        uint16_t kept = h->w[(size_t)row * HURT_COLS + k];
        float value = nk_bits_f32(code);
        t->encode(&value, &h->w[(size_t)row * HURT_COLS + k], 1, 1, NULL);
        check_hurt(l, t, h, row, -1);
        h->w[(size_t)row * HURT_COLS + k] = kept;
        h->x[(size_t)column * HURT_COLS + k] = value;
        check_hurt(l, t, h, -1, column);
    }
    free(h->scratch);
    free(h);
}
