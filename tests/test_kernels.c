/* Every op of every level this machine has against the pure-C table: perf.md 7. Integer encoders
 * and decoders must agree byte for byte; dot products within c * eps * sum|w x|, a bound that knows
 * the condition of the sum; results of matmul must not depend on threads or columns (A24); kernels
 * must not touch memory outside their rows (A27). */
#include "tests/check.h"
#include "tests/util.h"

#include "kernels/cpu.h"
#include "kernels/fp.h"
#include "kernels/ops.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEVELS = 8, MAX_N = 257 * 256, MAX_BYTES = MAX_N * 4 };

typedef struct level {
    const char *name;
    nk_ops ops;
} level;

/* Levels from the C table upward; [0] is always the reference. */
static size_t all_levels(level out[MAX_LEVELS])
{
    static const char *const names[] = {"scalar", "avx2", "avxvnni", "avx512",
                                        "amx",    "neon", "dotprod", "i8mm"};
    unsigned have = nk_cpu_detect(), flags;
    size_t n = 0;
    for (size_t i = 0; i < countof(names); i++) {
        if (nk_cpu_cap(have, names[i], &flags, NULL) != NB_OK)
            continue;
        out[n].name = names[i];
        nk_ops_init(&out[n++].ops, flags);
    }
    return n;
}

/* Rows that can be multiplied: decode and dot. */
static const nk_type *runnable(const nk_type *t)
{
    return t->decode && t->dot && !t->activation_only ? t : NULL;
}

typedef struct buffers {
    unsigned char *w, *x; /* encoded row and columns */
    unsigned char *spare;
    float *wf, *xf; /* what they decode to */
    float *src;
} buffers;

static buffers make_buffers(void)
{
    buffers b = {malloc(MAX_BYTES), malloc(4 * MAX_BYTES), malloc(MAX_BYTES),
                 malloc(MAX_BYTES), malloc(MAX_BYTES),     malloc(MAX_BYTES)};
    check(b.w && b.x && b.spare && b.wf && b.xf && b.src, "memory");
    return b;
}

static void free_buffers(buffers *b)
{
    free(b->w);
    free(b->x);
    free(b->spare);
    free(b->wf);
    free(b->xf);
    free(b->src);
}

static size_t bytes_of(const nk_type *t, size_t n)
{
    return n / t->block_len * t->block_size;
}

static void random_row(const nk_type *t, test_rng *r, buffers *b, unsigned char *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        b->src[i] = test_normal(r);
    t->encode(b->src, dst, 1, n, NULL);
}

/* Where the codes of a type with mins lie in its block: zeroed, a block decodes to its mins alone.
 */
static const struct {
    nk_type_id id;
    size_t codes, len;
} mins[] = {
    {NK_Q4_1, 4, 16}, {NK_Q5_1, 4, 20}, {NK_Q2_K, 16, 64}, {NK_Q4_K, 16, 128}, {NK_Q5_K, 16, 160}};

/* Sum of the magnitudes a dot of row b->w and column x adds up: |w x|, and where w = a code's part
 * plus a min, both parts, since they may cancel in w. */
static double dot_size(const nk_type *t, size_t n, const buffers *b, const unsigned char *x)
{
    double size = 0;
    t->decode(b->w, b->wf, n);
    nk_type_get(t->dot_with)->decode(x, b->xf, n);
    for (size_t i = 0; i < n; i++)
        size += fabs((double)b->wf[i] * (double)b->xf[i]);
    for (size_t k = 0; k < countof(mins); k++) {
        if (mins[k].id != t->id)
            continue;
        memcpy(b->spare, b->w, bytes_of(t, n));
        for (size_t i = 0; i < n / t->block_len; i++)
            memset(b->spare + i * t->block_size + mins[k].codes, 0, mins[k].len);
        t->decode(b->spare, b->wf, n);
        for (size_t i = 0; i < n; i++)
            size += 2 * fabs((double)b->wf[i] * (double)b->xf[i]);
    }
    return size;
}

/* |got - ref| <= c * eps * size; the reference sums exact integers in double, so it stands for the
 * exact value. c leaves room for the f32 products of scales and the additions of one lane. */
static void check_dot(const char *level_name, const nk_type *t, size_t n, const buffers *b,
                      const unsigned char *x, float got)
{
    double ref = (double)t->dot(n, b->w, x);
    double bound = (4 + 4 * log2((double)n + 1)) * FLT_EPSILON * dot_size(t, n, b, x) + FLT_MIN;
    check(fabs((double)got - ref) <= bound, "%s %s n %zu: got %.9g, reference %.9g, bound %g",
          level_name, t->name, n, (double)got, ref, bound);
}

CHECK_TEST(kernels, dots_agree_with_the_reference)
{
    const uint64_t seed = 20261121;
    printf("seed %llu\n", (unsigned long long)seed);
    test_rng r = test_rng_make(seed);
    level lv[MAX_LEVELS];
    size_t levels = all_levels(lv), count;
    const nk_type *const *rows = nk_type_all(&count);
    buffers b = make_buffers();
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = runnable(rows[i]);
        if (!t || !t->encode)
            continue;
        size_t step = t->block_len == 1 ? 5 : t->block_len;
        for (size_t blocks = 0; blocks <= 33; blocks++) {
            size_t n = blocks * step;
            random_row(t, &r, &b, b.w, n);
            random_row(nk_type_get(t->dot_with), &r, &b, b.x, n);
            for (size_t l = 0; l < levels; l++)
                check_dot(lv[l].name, t, n, &b, b.x, lv[l].ops.dot[t->id](n, b.w, b.x));
        }
    }
    free_buffers(&b);
}
