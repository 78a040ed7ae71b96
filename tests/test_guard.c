/* A27: kernels never touch memory outside their operands. Inputs and outputs end or begin right at
 * an unreadable page; inputs also start at every offset 0..63 of a line. */
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BLOCKS = 257, SLACK = 64 };

static size_t bytes_of(const nk_type *t, size_t n)
{
    return n / t->block_len * t->block_size;
}

/* A copy of size bytes that touches an unreadable page in front (side 0) or behind (side 1). */
static unsigned char *guarded(const void *bytes, size_t size, int side)
{
    unsigned char *p = test_guard(size, side);
    if (size)
        memcpy(p, bytes, size);
    return p;
}

typedef struct sample {
    const nk_type *type, *with;
    size_t n, w_size, x_size;
    float *src;
    unsigned char *w, *x; /* x: four columns */
} sample;

static sample make_row(const nk_type *t, test_rng *r, size_t blocks)
{
    sample v = {.type = t, .with = nk_type_get(t->dot_with), .n = blocks * t->block_len};
    v.w_size = bytes_of(t, v.n);
    v.x_size = bytes_of(v.with, v.n);
    v.src = malloc(4 * v.n * sizeof(float) + 1);
    v.w = malloc(v.w_size + SLACK);
    v.x = malloc(4 * v.x_size + SLACK);
    check(v.src && v.w && v.x, "memory");
    for (size_t i = 0; i < 4 * v.n; i++)
        v.src[i] = test_uniform(r) - 0.5f;
    t->encode(v.src, v.w, 1, v.n, NULL);
    v.with->encode(v.src, v.x, 4, v.n, NULL);
    return v;
}

static void free_row(sample *v)
{
    free(v->src);
    free(v->w);
    free(v->x);
}

static void check_row_at_guard(const test_level *lv, const sample *v, int side)
{
    nk_type_id id = v->type->id;
    unsigned char *w = guarded(v->w, v->w_size, side), *x = guarded(v->x, 4 * v->x_size, side);
    float *src = (float *)(void *)guarded(v->src, v->n * sizeof(float), side);
    float *out = test_guard(v->n * sizeof(float), side);
    unsigned char *enc = test_guard(v->w_size, side), *act = test_guard(v->x_size, side);
    float four[4], one = lv->ops.dot[id](v->n, w, x);
    if (lv->ops.dot4[id]) {
        lv->ops.dot4[id](v->n, w, x, v->x_size, four);
        check(memcmp(&one, four, sizeof one) == 0, "%s %s", lv->name, v->type->name);
    }
    lv->ops.decode[id](w, out, v->n);
    lv->ops.encode[id](src, enc, 1, v->n, NULL);
    check(memcmp(enc, v->w, v->w_size) == 0, "%s %s", lv->name, v->type->name);
    lv->ops.encode[v->with->id](src, act, 1, v->n, NULL);
    check(memcmp(act, v->x, v->x_size) == 0, "%s %s", lv->name, v->with->name);
    void *all[] = {w, x, src, out, enc, act};
    for (size_t i = 0; i < countof(all); i++)
        test_guard_free(all[i]);
}

static void check_row_at_offset(const test_level *lv, sample *v, size_t offset)
{
    nk_type_id id = v->type->id;
    float at0 = lv->ops.dot[id](v->n, v->w, v->x);
    memmove(v->w + offset, v->w, v->w_size);
    float moved = lv->ops.dot[id](v->n, v->w + offset, v->x);
    memmove(v->w, v->w + offset, v->w_size);
    check(memcmp(&at0, &moved, sizeof at0) == 0, "%s %s offset %zu", lv->name, v->type->name,
          offset);
}

/* A seeded dozen of block counts per type; all 0..257 in the long form (NB_TEST_LONG). */
CHECK_TEST(kernels, rows_stay_inside_their_memory)
{
    const uint64_t seed = 27;
    printf("seed %llu\n", (unsigned long long)seed);
    test_rng r = test_rng_make(seed);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv), count, every = getenv("NB_TEST_LONG") ? 1 : 22;
    const nk_type *const *rows = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = rows[i];
        if (!t->decode || !t->dot || !t->encode || t->wants_imatrix)
            continue;
        for (size_t blocks = test_below(&r, 3) % every; blocks <= MAX_BLOCKS;
             blocks += 1 + test_below(&r, 2 * (uint32_t)every - 1)) {
            sample v = make_row(t, &r, blocks);
            for (size_t l = 0; l < levels; l++) {
                check_row_at_guard(&lv[l], &v, 0);
                check_row_at_guard(&lv[l], &v, 1);
                for (size_t k = 0; k < 4; k++)
                    check_row_at_offset(&lv[l], &v, test_below(&r, 64));
            }
            free_row(&v);
        }
    }
}

static void check_attention_at_guard(const test_level *lv, size_t n_pos, size_t dim, nk_type_id kv,
                                     int side)
{
    const nk_type *t = nk_type_get(kv);
    size_t size = dim / t->block_len * t->block_size, stride = size + 8;
    size_t bytes = (n_pos - 1) * stride + size, queries = n_pos < 3 ? n_pos : 3;
    void *k = test_guard(bytes, side), *v = test_guard(bytes, side);
    void *q = test_guard(queries * dim * 4, side), *out = test_guard(queries * dim * 4, side);
    void *scratch = test_guard(nk_attn_scratch(dim, queries) * sizeof(float), side);
    memset(k, 0x31, bytes);
    memset(v, 0x31, bytes);
    memset(q, 0x31, queries * dim * 4);
    if (kv == NK_Q8_0)
        nk_attn_encode(q, queries * dim, dim);
    nk_attn a = {.q = q,
                 .out = out,
                 .q_stride = dim,
                 .out_stride = dim,
                 .k = k,
                 .v = v,
                 .k_stride = stride,
                 .v_stride = stride,
                 .k_type = kv,
                 .v_type = kv,
                 .head_dim = dim,
                 .group = 1,
                 .n_query = queries,
                 .pos = n_pos - queries,
                 .scale = 0.1f};
    nk_attn_run(&lv->ops, &a, scratch);
    void *all[] = {k, v, q, out, scratch};
    for (size_t i = 0; i < countof(all); i++)
        test_guard_free(all[i]);
}

static void check_elementwise_at_guard(const test_level *lv, size_t n, int side)
{
    void *p[4];
    for (size_t i = 0; i < countof(p); i++)
        p[i] = memset(test_guard(n * 4, side), 0x3f, n * 4);
    float *x = p[0], *y = p[1], *w = p[2], *cs = p[3];
    lv->ops.rmsnorm(y, x, w, n, 1e-5f);
    lv->ops.softmax(y, x, n, 0.5f);
    lv->ops.softmax(x, x, n, 0.5f);
    lv->ops.glu[NK_GLU_SILU](y, x, w, n);
    lv->ops.add(y, x, n);
    lv->ops.rope(y, 1, n, cs, n / 2 * 2, NK_ROPE_NORM);
    lv->ops.rope(y, 1, n, cs, n / 2 * 2, NK_ROPE_NEOX);
    for (size_t i = 0; i < countof(p); i++)
        test_guard_free(p[i]);
}

CHECK_TEST(kernels, ops_stay_inside_their_memory)
{
    static const size_t dims[] = {1, 8, 12, 20, 32, 64, 72, 100, 128};
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    for (size_t l = 0; l < levels; l++)
        for (int side = 0; side < 2; side++) {
            for (size_t n = 1; n <= 33; n++)
                check_elementwise_at_guard(&lv[l], n, side);
            for (size_t d = 0; d < countof(dims); d++)
                for (size_t n_pos = 1; n_pos <= 33; n_pos += 4) {
                    check_attention_at_guard(&lv[l], n_pos, dims[d], NK_F32, side);
                    check_attention_at_guard(&lv[l], n_pos, dims[d], NK_F16, side);
                    if (dims[d] % NK_ATTN_BLOCK == 0)
                        check_attention_at_guard(&lv[l], n_pos, dims[d], NK_Q8_0, side);
                }
        }
}
