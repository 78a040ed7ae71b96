/* Panels, rows side by side and single dots of every level against each other: the same bits for
 * every shape (gemm.h), with operands that touch unreadable pages. That dots are right is
 * test_kernels.c's matter: there they meet the C rows. */
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/pairs.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 33, MAX_M = 40, MAX_COLS = 3 * NK_CHUNK };

static bool has_panels(const test_level *lv, const nk_type *t)
{
    return lv->ops.gemm[t->id].unpack && t->encode;
}

/* One product and where its operands lie. */
typedef struct product {
    const test_level *lv;
    nk_matrix w;
    unsigned char *data;
    float *x; /* [MAX_M, cols] */
    size_t m;
    int side; /* of the unreadable page */
} product;

/* Weights and activations of seeded noise; w ends or begins at an unreadable page. */
static product make_product(const test_level *lv, const nk_type *t, size_t rows, size_t cols,
                            int side, test_rng *r)
{
    product p = {.lv = lv, .side = side};
    uint64_t row_size;
    check(nk_row_size(t, cols, &row_size), "row size");
    float *src = malloc(rows * cols * sizeof *src);
    p.data = test_guard(rows * row_size, side);
    p.x = test_guard(MAX_M * cols * sizeof *p.x, side);
    check(src && p.data && p.x, "memory");
    for (size_t i = 0; i < rows * cols; i++)
        src[i] = test_normal(r);
    for (size_t i = 0; i < MAX_M * cols; i++)
        p.x[i] = test_normal(r);
    t->encode(src, p.data, rows, cols, NULL);
    free(src);
    p.w = (nk_matrix){
        .data = p.data, .type = t, .rows = rows, .cols = cols, .row_size = (size_t)row_size};
    return p;
}

static void free_product(product *p)
{
    test_guard_free(p->data);
    test_guard_free(p->x);
}

static uint32_t bits_of(float v)
{
    uint32_t b;
    memcpy(&b, &v, sizeof b);
    return b;
}

/* m columns of the product equal dots, bit for bit; y touches unreadable pages. */
static void check_product(const product *p, size_t m, nk_pool *pool)
{
    const nk_ops *ops = &p->lv->ops;
    const nk_type *t = p->w.type, *with = nk_type_get(t->dot_with);
    size_t rows = p->w.rows, cols = p->w.cols;
    unsigned char column[MAX_COLS * sizeof(float)];
    float *y = test_guard(m * rows * sizeof *y, p->side);
    void *scratch = test_guard(nk_matmul_scratch(cols, m), p->side);
    nk_matmul(ops, pool, y, rows, &p->w, p->x, m, scratch);
    check(test_emulated_tiles_idle(), "%s %s leaves tiles configured", p->lv->name, t->name);
    for (size_t j = 0; j < m; j++) {
        ops->encode[with->id](p->x + j * cols, column, 1, cols, NULL);
        for (size_t r = 0; r < rows; r++) {
            float want = test_dot_of(ops, t, cols, p->data + r * p->w.row_size, column);
            check(bits_of(y[j * rows + r]) == bits_of(want),
                  "%s %s, %zu rows of %zu, %zu columns: row %zu of column %zu is %.9g, dot %.9g",
                  p->lv->name, t->name, rows, cols, m, r, j, (double)y[j * rows + r], (double)want);
        }
    }
    test_guard_free(y);
    test_guard_free(scratch);
}

/* Rows 1..33, columns 1..40, one to three chunks and what is left of them. */
CHECK_TEST(kernels, panels_of_every_shape_have_the_bits_of_dots)
{
    const uint64_t seed = 61;
    printf("seed %llu\n", (unsigned long long)seed);
    static const int threads[] = {1, 2, 3, 7};
    test_rng r = test_rng_make(seed);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv), count, products = 0;
    const nk_type *const *types = nk_type_all(&count);
    nk_pool *pool[countof(threads)];
    for (size_t k = 0; k < countof(threads); k++)
        check(nk_pool_open(&pool[k], threads[k], NULL) == NB_OK, "pool");
    for (size_t i = 0; i < count * levels; i++) {
        const nk_type *t = types[i / levels];
        if (!has_panels(&lv[i % levels], t))
            continue;
        size_t more = (lv[i % levels].emulated ? 4 : 1) * (TEST_THIN > 1 ? 3 : 1);
        for (size_t rows = 1; rows <= MAX_ROWS; rows += more) {
            size_t blocks = 1 + test_below(&r, MAX_COLS / t->block_len);
            product p =
                make_product(&lv[i % levels], t, rows, blocks * t->block_len, (int)(rows % 2), &r);
            size_t step = rows % 8 == 1 ? 1 : 1 + test_below(&r, 20);
            for (size_t m = 1; m <= MAX_M; m += step, products++)
                check_product(&p, m, pool[(rows + m) % countof(threads)]);
            free_product(&p);
        }
    }
    for (size_t k = 0; k < countof(threads); k++)
        nk_pool_close(&pool[k]);
    check(products > 0 || levels == 1, "no level has panels");
}

/* The extremes of one byte of weights: every code at either end, small scales with them. */
static void fill_weights(test_rng *r, unsigned char *w, size_t size, int byte)
{
    for (size_t i = 0; i < size; i++)
        w[i] = (unsigned char)(byte >= 0 ? byte : (int)test_below(r, 256));
}

/* Activations that encode to 127 or -127 in every place, or alternate. */
static void fill_columns(float *x, size_t n, size_t kind)
{
    for (size_t i = 0; i < n; i++)
        x[i] = kind == 0 ? 1.0f : kind == 1 ? -1.0f : i / kind % 2 ? 1.0f : -1.0f;
}

/* No sum of 16 bits may overflow: codes and activations at both ends, where a wrong run of products
 * would saturate or wrap. Scales of random bytes may be NaN, which must be NaN on both sides. */
CHECK_TEST(kernels, panels_of_extreme_codes_have_the_bits_of_dots)
{
    static const int bytes[] = {0x00, 0xff, 0x0f, 0xf0, 0x7f, 0x80, 0x55, -1, -1, -1};
    enum { ROWS = 17, M = 7 };
    test_rng r = test_rng_make(62);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv), count, compared = 0;
    const nk_type *const *types = nk_type_all(&count);
    for (size_t i = 0; i < count * levels * countof(bytes); i++) {
        const nk_type *t = types[i / countof(bytes) / levels];
        const test_level *l = &lv[i / countof(bytes) % levels];
        if (!has_panels(l, t) || t->is_float)
            continue;
        product p = make_product(l, t, ROWS, 2 * NK_CHUNK, 0, &r);
        fill_weights(&r, p.data, ROWS * p.w.row_size, bytes[i % countof(bytes)]);
        for (size_t j = 0; j < M; j++)
            fill_columns(p.x + j * p.w.cols, p.w.cols, j);
        float y[M * ROWS], one[ROWS];
        void *scratch = test_guard(nk_matmul_scratch(p.w.cols, M), 0);
        nk_matmul(&l->ops, NULL, y, ROWS, &p.w, p.x, M, scratch);
        for (size_t j = 0; j < M; j++) {
            nk_matmul(&l->ops, NULL, one, ROWS, &p.w, p.x + j * p.w.cols, 1, scratch);
            for (size_t k = 0; k < ROWS; k++, compared++)
                check(isnan(one[k]) ? isnan(y[j * ROWS + k])
                                    : bits_of(y[j * ROWS + k]) == bits_of(one[k]),
                      "%s %s byte %d: row %zu of column %zu is %.9g, alone %.9g", l->name, t->name,
                      bytes[i % countof(bytes)], k, j, (double)y[j * ROWS + k], (double)one[k]);
        }
        test_guard_free(scratch);
        free_product(&p);
    }
    check(compared > 0 || levels == 1, "no level has panels");
}

/* Panels of IQ types and floats of four bits are the same bytes at every level of x86-64, however
 * their points come. */
CHECK_TEST(kernels, panels_of_levels_are_the_same_bytes)
{
    static const nk_type_id ids[] = {NK_IQ1_S,   NK_IQ1_M, NK_IQ2_XXS, NK_IQ2_XS, NK_IQ2_S,
                                     NK_IQ3_XXS, NK_IQ3_S, NK_IQ4_XS,  NK_MXFP4,  NK_NVFP4};
    static const int bytes[] = {0x00, 0xff, 0x0f, 0xf0, 0x7f, 0x80, 0x55, 0xaa};
    enum { BLOCKS = 3 };
    if (!(nk_cpu_detect() & NK_CPU_AVX2))
        return;
    nk_panel *panel[2] = {test_guard(sizeof(nk_panel), 0), test_guard(sizeof(nk_panel), 0)};
    test_rng r = test_rng_make(63);
    test_level lv[MAX_LEVELS];
    nk_ops first;
    size_t levels = test_levels(lv);
    nk_ops_init(&first, NK_CPU_AVX2);
    for (size_t i = 0; i < countof(ids) * levels; i++) {
        const nk_type *t = nk_type_get(ids[i / levels]);
        const test_level *l = &lv[i % levels];
        if (!l->ops.gemm[t->id].unpack || l->ops.gemm[t->id].unpack == first.gemm[t->id].unpack)
            continue;
        size_t chunk = NK_CHUNK / t->block_len * t->block_size, row_size = BLOCKS * chunk;
        size_t size = NK_PANEL_ROWS * row_size;
        for (size_t round = 0; round < (l->emulated ? 16 : 200); round++) {
            unsigned char *w = test_guard(size, (int)(round % 2));
            const void *row[NK_PANEL_ROWS];
            fill_weights(&r, w, size, round < countof(bytes) ? bytes[round] : -1);
            for (size_t k = 0; k < NK_PANEL_ROWS; k++)
                row[k] = w + (round + k) % NK_PANEL_ROWS * row_size + round % BLOCKS * chunk;
            memset(panel[0], 0x5a, sizeof(nk_panel));
            memset(panel[1], 0x5a, sizeof(nk_panel));
            first.gemm[t->id].unpack(row, NK_CHUNK, panel[0]);
            l->ops.gemm[t->id].unpack(row, NK_CHUNK, panel[1]);
            check(memcmp(panel[0], panel[1], sizeof(nk_panel)) == 0, "%s %s, round %zu", l->name,
                  t->name, round);
            test_guard_free(w);
        }
    }
    test_guard_free(panel[0]);
    test_guard_free(panel[1]);
}

/* The limits that bench tells: turns cost what they say, and tiles are left as they were. */
CHECK_TEST(gemm, a_burst_counts_its_products)
{
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    for (size_t i = 0; i < levels; i++) {
        nk_burst_fn *const run[] = {lv[i].ops.burst.int8, lv[i].ops.burst.f32,
                                    lv[i].ops.burst.bf16};
        for (size_t k = 0; k < countof(run) && run[k]; k++) {
            uint64_t one = run[k](1), many = run[k](7);
            check(one > 0 && many == 7 * one && run[k](0) == 0, "%s: %llu, %llu", lv[i].name,
                  (unsigned long long)one, (unsigned long long)many);
        }
        check(lv[i].ops.burst.int8(1) >= lv[0].ops.burst.int8(1), "%s does less than C",
              lv[i].name);
        check(test_emulated_tiles_idle(), "%s leaves tiles configured", lv[i].name);
    }
}
