/* A24 for one matmul: the same bits for any number of threads and columns, for every type that runs
 * here and every level, and those of one dot per element. */
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/pairs.h"
#include "tests/util.h"

#include <stdlib.h>
#include <string.h>

enum { COLS = 512, ROWS = 75, MAX_M = 17, STRIDE = ROWS + 5 };

static bool runs(const nk_type *t)
{
    return t->decode && t->dot && t->encode && !t->wants_imatrix;
}

typedef struct setup {
    float x[MAX_M * COLS], src[ROWS * COLS];
    float want[MAX_M * STRIDE], got[(MAX_M + 4) * STRIDE];
    unsigned char w[ROWS * COLS * 4];
} setup;

static setup *make_setup(void)
{
    setup *s = malloc(sizeof *s);
    check(s, "memory");
    test_rng r = test_rng_make(24);
    for (size_t i = 0; i < MAX_M * COLS; i++)
        s->x[i] = test_normal(&r);
    for (size_t i = 0; i < ROWS * COLS; i++)
        s->src[i] = test_normal(&r);
    return s;
}

static nk_matrix encode_matrix(setup *s, const nk_type *t, size_t rows)
{
    uint64_t row_size;
    check(nk_row_size(t, COLS, &row_size), "row size");
    t->encode(s->src, s->w, rows, COLS, NULL);
    return (nk_matrix){
        .data = s->w, .type = t, .rows = rows, .cols = COLS, .row_size = (size_t)row_size};
}

static void dot_by_dot(const nk_ops *ops, setup *s, const nk_matrix *w)
{
    unsigned char column[COLS * 4];
    for (size_t j = 0; j < MAX_M; j++) {
        ops->encode[w->type->dot_with](s->x + j * COLS, column, 1, COLS, NULL);
        for (size_t r = 0; r < w->rows; r++)
            s->want[j * STRIDE + r] =
                test_dot_of(ops, w->type, COLS, (const char *)w->data + r * w->row_size, column) *
                (w->scale ? *w->scale : 1);
    }
}

/* The first m columns have the wanted bits; nothing else of got (filled with 0xff) was written. */
static void check_same(const setup *s, size_t m, size_t rows, const char *level, const char *type,
                       int threads)
{
    for (size_t j = 0; j < MAX_M + 4; j++)
        for (size_t r = 0; r < STRIDE; r++) {
            uint32_t want = UINT32_MAX, got;
            if (j < m && r < rows)
                memcpy(&want, &s->want[j * STRIDE + r], sizeof want);
            memcpy(&got, &s->got[j * STRIDE + r], sizeof got);
            check(got == want, "%s %s: row %zu of column %zu of %zu differs with %d threads", level,
                  type, r, j, m, threads);
        }
}

CHECK_TEST(kernels, matmul_has_the_same_bits_for_any_threads_and_columns)
{
    static const int threads[] = {1, 2, 3, 4, 8};
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv), count;
    const nk_type *const *rows = nk_type_all(&count);
    setup *s = make_setup();
    nk_pool *pool[countof(threads)];
    for (size_t k = 0; k < countof(threads); k++)
        check(nk_pool_open(&pool[k], threads[k], NULL) == NB_OK, "pool");
    for (size_t i = 0; i < count; i++) {
        for (size_t l = 0; runs(rows[i]) && l < levels; l++) {
            nk_matrix w = encode_matrix(s, rows[i], ROWS);
            dot_by_dot(&lv[l].ops, s, &w);
            for (size_t m = 1; m <= MAX_M; m += 1 + (l == 0) * 5) {
                size_t k = (m + i) % countof(threads);
                void *scratch = test_guard(nk_matmul_scratch(COLS, m), 1);
                memset(s->got, 0xff, sizeof s->got);
                nk_matmul(&lv[l].ops, m % 6 ? pool[k] : NULL, s->got, STRIDE, &w, s->x, m, scratch);
                check_same(s, m, ROWS, lv[l].name, rows[i]->name, threads[k]);
                test_guard_free(scratch);
            }
        }
    }
    for (size_t k = 0; k < countof(threads); k++)
        nk_pool_close(&pool[k]);
    free(s);
}

/* q, k, v of different types and heights share the columns; every output is as if alone, and times
 * its matrix's own factor. */
CHECK_TEST(kernels, matmul_many_equals_each_matmul)
{
    static const nk_type_id ids[][3] = {{NK_Q4_K, NK_Q6_K, NK_F32},
                                        {NK_Q4_0, NK_Q4_1, NK_Q6_K},
                                        {NK_Q8_0, NK_F16, NK_Q8_0},
                                        {NK_F16, NK_F32, NK_BF16}};
    static const size_t heights[] = {64, 1, 33};
    static const float factor = 0.3f;
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv), m = 6;
    nk_pool *pool;
    check(nk_pool_open(&pool, 3, NULL) == NB_OK, "pool");
    setup *s[3] = {make_setup(), make_setup(), make_setup()};
    for (size_t v = 0; v < countof(ids) * levels; v++) {
        const nk_ops *ops = &lv[v % levels].ops;
        nk_matrix w[3];
        float *y[3];
        const nk_matrix *ws[3];
        size_t stride[3] = {STRIDE, STRIDE, STRIDE};
        void *scratch = test_guard(nk_matmul_scratch(COLS, m), 1);
        for (size_t k = 0; k < 3; k++) {
            w[k] = encode_matrix(s[k], nk_type_get(ids[v / levels][k]), heights[k]);
            ws[k] = &w[k];
            w[k].scale = k == v % 3 ? &factor : NULL;
            y[k] = s[k]->got;
            memset(s[k]->got, 0xff, sizeof s[k]->got);
            dot_by_dot(ops, s[k], &w[k]);
        }
        nk_matmul_many(ops, pool, y, stride, ws, 3, s[0]->x, m, scratch);
        for (size_t k = 0; k < 3; k++)
            check_same(s[k], m, heights[k], lv[v % levels].name, w[k].type->name, 3);
        test_guard_free(scratch);
    }
    for (size_t k = 0; k < 3; k++)
        free(s[k]);
    nk_pool_close(&pool);
}
