/* Dots, encoders and decoders of every level this machine has against the C rows: perf.md 7.
 * Encoders and decoders must agree byte for byte; dots within c * eps * (sum of the magnitudes
 * added up), a bound that knows the condition of the sum. A27: nothing outside a row is touched. */
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/util.h"

#include "kernels/blocks.h"
#include "kernels/fp.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a block keeps its f16 scales, and, for types with mins, the codes: zeroed codes leave a
 * block that decodes to its mins alone. */
static const struct {
    nk_type_id id;
    size_t scale[2]; /* byte offsets; equal = only one */
    size_t codes, codes_len;
} layouts[] = {
    {NK_Q4_0, {0, 0}, 0, 0},     {NK_Q4_1, {0, 2}, 4, 16},   {NK_Q5_0, {0, 0}, 0, 0},
    {NK_Q5_1, {0, 2}, 4, 20},    {NK_Q8_0, {0, 0}, 0, 0},    {NK_Q2_K, {80, 82}, 16, 64},
    {NK_Q3_K, {108, 108}, 0, 0}, {NK_Q4_K, {0, 2}, 16, 128}, {NK_Q5_K, {0, 2}, 16, 160},
    {NK_Q6_K, {208, 208}, 0, 0}, {NK_IQ4_NL, {0, 0}, 0, 0},  {NK_IQ4_XS, {0, 0}, 0, 0},
    {NK_TQ1_0, {52, 52}, 0, 0},  {NK_TQ2_0, {64, 64}, 0, 0}, {NK_IQ2_XXS, {0, 0}, 0, 0},
    {NK_IQ2_XS, {0, 0}, 0, 0},   {NK_IQ2_S, {0, 0}, 0, 0},   {NK_IQ3_XXS, {0, 0}, 0, 0},
    {NK_IQ3_S, {0, 0}, 0, 0},    {NK_IQ1_S, {0, 0}, 0, 0},   {NK_Q1_0, {0, 0}, 0, 0},
};
_Static_assert(offsetof(nk_block_q2_k, d) == 80 && offsetof(nk_block_q3_k, d) == 108 &&
                   offsetof(nk_block_q6_k, d) == 208 && offsetof(nk_block_q5_k, qh) == 16 &&
                   offsetof(nk_block_tq1_0, d) == 52 && offsetof(nk_block_tq2_0, d) == 64,
               "layouts[] follows blocks.h");

enum { MAX_N = 260 * 256 };

typedef struct arena {
    unsigned char *w, *x, *spare; /* encoded row, columns */
    float *wf, *xf, *src;
} arena;

static arena make_arena(void)
{
    arena a = {malloc(4 * MAX_N),
               malloc(16 * MAX_N),
               malloc(4 * MAX_N),
               malloc(MAX_N * sizeof(float)),
               malloc(MAX_N * sizeof(float)),
               malloc(MAX_N * sizeof(float))};
    check(a.w && a.x && a.spare && a.wf && a.xf && a.src, "memory");
    return a;
}

static void free_arena(arena *a)
{
    free(a->w);
    free(a->x);
    free(a->spare);
    free(a->wf);
    free(a->xf);
    free(a->src);
}

/* Level l encodes type t by the same function as the one below. */
static bool encodes_alike(const test_level *lv, size_t l, const nk_type *t)
{
    return lv[l].ops.encode[t->id] == lv[l - 1].ops.encode[t->id] &&
           lv[l].ops.decode[t->id] == lv[l - 1].ops.decode[t->id];
}

static size_t bytes_of(const nk_type *t, size_t n)
{
    return n / t->block_len * t->block_size;
}

/* Rows with a dot and an encoder: all that SIMD may override. */
static bool tested(const nk_type *t)
{
    return t->decode && t->dot && t->encode && !t->activation_only;
}

static void random_row(const nk_type *t, test_rng *r, arena *a, void *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        a->src[i] = test_normal(r);
    t->encode(a->src, dst, 1, n, NULL);
}

/* Sum of what a dot adds up: |w x|, and where w = code part + min, both, since they may cancel. */
static double dot_size(const nk_type *t, size_t n, const arena *a, const unsigned char *x)
{
    double size = 0;
    t->decode(a->w, a->wf, n);
    nk_type_get(t->dot_with)->decode(x, a->xf, n);
    for (size_t i = 0; i < n; i++)
        size += fabs((double)a->wf[i] * (double)a->xf[i]);
    for (size_t k = 0; k < countof(layouts); k++) {
        if (layouts[k].id != t->id || layouts[k].codes_len == 0)
            continue;
        memcpy(a->spare, a->w, bytes_of(t, n));
        for (size_t i = 0; i < n / t->block_len; i++)
            memset(a->spare + i * t->block_size + layouts[k].codes, 0, layouts[k].codes_len);
        t->decode(a->spare, a->wf, n);
        for (size_t i = 0; i < n; i++)
            size += 2 * fabs((double)a->wf[i] * (double)a->xf[i]);
    }
    return size;
}

/* The C row sums exact integers in double, so it stands for the exact value; c leaves room for the
 * f32 products of scales and the additions of one lane. */
static void check_dot(const char *level, const nk_type *t, size_t n, const arena *a,
                      const unsigned char *x, float got)
{
    double ref = (double)t->dot(n, a->w, x);
    double bound = (4 + 4 * log2((double)n + 1)) * FLT_EPSILON * dot_size(t, n, a, x) + FLT_MIN;
    check(fabs((double)got - ref) <= bound, "%s %s n %zu: got %.9g, reference %.9g, bound %g",
          level, t->name, n, (double)got, ref, bound);
}

/* dot against the reference, dot4 against dot of the same table, bit for bit. */
static void check_all_dots(const test_level *lv, size_t levels, const nk_type *t, size_t n,
                           const arena *a, size_t x_size)
{
    for (size_t l = 0; l < levels; l++) {
        float one[4], four[4];
        if (l && lv[l].ops.dot[t->id] == lv[l - 1].ops.dot[t->id] &&
            lv[l].ops.dot4[t->id] == lv[l - 1].ops.dot4[t->id])
            continue;
        for (size_t c = 0; c < 4; c++)
            one[c] = lv[l].ops.dot[t->id](n, a->w, a->x + c * x_size);
        check_dot(lv[l].name, t, n, a, a->x, one[0]);
        if (!lv[l].ops.dot4[t->id])
            continue;
        lv[l].ops.dot4[t->id](n, a->w, a->x, x_size, four);
        check(memcmp(one, four, sizeof one) == 0, "%s %s n %zu: dot4 is not dot", lv[l].name,
              t->name, n);
    }
}

CHECK_TEST(kernels, dots_of_random_rows_agree)
{
    const uint64_t seed = 20261121;
    printf("seed %llu\n", (unsigned long long)seed);
    test_rng r = test_rng_make(seed);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv), count;
    const nk_type *const *rows = nk_type_all(&count);
    arena a = make_arena();
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = rows[i];
        if (!tested(t))
            continue;
        for (size_t blocks = 0; blocks <= 33; blocks++) {
            size_t n = blocks * t->block_len;
            size_t x_size = bytes_of(nk_type_get(t->dot_with), n);
            random_row(t, &r, &a, a.w, n);
            for (size_t c = 0; c < 4; c++)
                random_row(nk_type_get(t->dot_with), &r, &a, a.x + c * x_size, n);
            check_all_dots(lv, levels, t, n, &a, x_size);
        }
    }
    free_arena(&a);
}

/* Codes and packed scales filled with one byte or random bytes, f16 scales from a list. */
static void fill_blocks(size_t layout, const nk_type *t, test_rng *r, unsigned char *w,
                        size_t blocks, int byte, uint16_t scale)
{
    for (size_t i = 0; i < blocks * t->block_size; i++)
        w[i] = (unsigned char)(byte >= 0 ? byte : (int)test_below(r, 256));
    for (size_t i = 0; i < blocks; i++)
        for (size_t k = 0; k < 2; k++)
            memcpy(w + i * t->block_size + layouts[layout].scale[k], &scale, 2);
}

/* Types whose dots turn the signs of x, which -128 does not survive. */
static bool turns_signs(const nk_type *t)
{
    return t->dot_with == NK_Q8_0 || t->id == NK_IQ4_XS || t->id == NK_IQ2_XXS ||
           t->id == NK_IQ2_XS || t->id == NK_IQ2_S || t->id == NK_IQ3_XXS || t->id == NK_IQ3_S;
}

/* Activations of rows of type t at both ends of their range; -128 only where the type allows it
 * (types with signed codes rely on encoders never producing it, see activations_stay_within_127).
 */
static void fill_columns(const nk_type *t, test_rng *r, unsigned char *x, size_t n, int kind)
{
    const nk_type *with = nk_type_get(t->dot_with);
    int low = turns_signs(t) ? -127 : -128;
    for (size_t i = 0; i < n / with->block_len; i++) {
        unsigned char *b = x + i * with->block_size;
        size_t head = with->block_size - with->block_len - (with->id == NK_Q8_K ? 32 : 0);
        int8_t *qs = (int8_t *)b + head;
        int sum = 0;
        for (size_t j = 0; j < with->block_len; j++) {
            int v = kind == 0   ? 127
                    : kind == 1 ? low
                    : kind == 2 ? (j % 2 ? 127 : low)
                                : (int)test_below(r, 255) - 127;
            qs[j] = (int8_t)v;
        }
        for (size_t j = 0; j < with->block_len; j++) {
            sum += qs[j];
            if (with->id == NK_Q8_K && j % 16 == 15) {
                int16_t s16 = (int16_t)sum;
                memcpy(b + head + 256 + j / 16 * 2, &s16, 2);
                sum = 0;
            }
        }
        const float d = 0.01f;
        uint16_t h = nk_f32_to_f16(d), s = nk_f32_to_f16(d * (float)sum);
        memcpy(b, &h, 2);
        if (with->id == NK_Q8_K)
            memcpy(b, &d, 4);
        if (with->id == NK_Q8_1)
            memcpy(b + 2, &s, 2);
    }
}

CHECK_TEST(kernels, dots_of_extreme_codes_and_scales_agree)
{
    static const int bytes[] = {0x00, 0xff, 0x80, 0x7f, -1};
    static const uint16_t scales[] = {0x3c00, 0x0000, 0x8000, 0x0001, 0x83ff, 0x7bff, 0xfbff};
    test_rng r = test_rng_make(7);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    arena a = make_arena();
    for (size_t k = 0; k < countof(layouts); k++) {
        const nk_type *t = nk_type_get(layouts[k].id), *with = nk_type_get(t->dot_with);
        size_t blocks = 512 / t->block_len + 1, n = blocks * t->block_len;
        for (size_t v = 0; v < countof(bytes) * countof(scales) * 4; v++) {
            fill_blocks(k, t, &r, a.w, blocks, bytes[v % countof(bytes)],
                        scales[v / countof(bytes) % countof(scales)]);
            for (int c = 0; c < 4; c++)
                fill_columns(t, &r, a.x + (size_t)c * bytes_of(with, n), n,
                             (int)(v / countof(bytes) / countof(scales) + (size_t)c) % 4);
            check_all_dots(lv, levels, t, n, &a, bytes_of(with, n));
        }
    }
    free_arena(&a);
}

/* Scales of one byte: every one of them with which no sum overflows f32. */
CHECK_TEST(kernels, dots_and_floats_of_every_byte_scale_agree)
{
    static const nk_type_id ids[] = {NK_MXFP4, NK_NVFP4};
    static const int bytes[] = {0x00, 0xff, 0x77, -1};
    enum { BLOCKS = 9 };
    test_rng r = test_rng_make(12);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    arena a = make_arena();
    for (size_t v = 0; v < 2 * 256 * countof(bytes); v++) {
        const nk_type *t = nk_type_get(ids[v % 2]);
        int scale = (int)(v / 2 % 256);
        size_t n = BLOCKS * t->block_len, x_size = bytes_of(nk_type_get(t->dot_with), n);
        for (size_t i = 0; i < bytes_of(t, n); i++) {
            int code = bytes[v / 512];
            a.w[i] = (unsigned char)(code >= 0 ? code : (int)test_below(&r, 256));
            if (i % t->block_size < (t->id == NK_MXFP4 ? 1u : 4u))
                a.w[i] = (unsigned char)(i % 3 ? scale : scale / 2);
        }
        for (int c = 0; c < 4; c++)
            fill_columns(t, &r, a.x + (size_t)c * x_size, n, (int)(v + (size_t)c) % 4);
        if (t->id == NK_NVFP4 || scale < 240)
            check_all_dots(lv, levels, t, n, &a, x_size);
        t->decode(a.w, a.wf, n);
        for (size_t l = 1; l < levels; l++) {
            lv[l].ops.decode[t->id](a.w, a.xf, n);
            check(memcmp(a.wf, a.xf, n * sizeof(float)) == 0, "%s %s scale %d", lv[l].name, t->name,
                  scale);
        }
    }
    free_arena(&a);
}

CHECK_TEST(kernels, a_nan_scale_surfaces)
{
    test_rng r = test_rng_make(8);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    arena a = make_arena();
    const uint16_t nan = 0x7e00;
    for (size_t k = 0; k < countof(layouts); k++) {
        const nk_type *t = nk_type_get(layouts[k].id), *with = nk_type_get(t->dot_with);
        size_t blocks = 9, n = blocks * t->block_len;
        for (size_t bad = 0; bad < 2 * blocks; bad++) {
            random_row(t, &r, &a, a.w, n);
            for (size_t c = 0; c < 4; c++)
                random_row(with, &r, &a, a.x + c * bytes_of(with, n), n);
            memcpy(a.w + bad / 2 * t->block_size + layouts[k].scale[bad % 2], &nan, 2);
            for (size_t l = 0; l < levels; l++) {
                float y[4] = {NAN, NAN, NAN, NAN};
                if (lv[l].ops.dot4[t->id])
                    lv[l].ops.dot4[t->id](n, a.w, a.x, bytes_of(with, n), y);
                y[0] = isnan(y[0]) ? lv[l].ops.dot[t->id](n, a.w, a.x) : 0;
                check(isnan(y[0]) && isnan(y[1]) && isnan(y[2]) && isnan(y[3]),
                      "%s %s: NaN in block %zu hidden", lv[l].name, t->name, bad / 2);
                lv[l].ops.decode[t->id](a.w, a.wf, n);
                check(isnan(a.wf[bad / 2 * t->block_len]), "%s %s: decode hides NaN", lv[l].name,
                      t->name);
            }
        }
    }
    free_arena(&a);
}

/* Ordinary rows, and rows of one hard case each. */
enum { HARD_KINDS = 14 };

static void hard_row(test_rng *r, float *x, size_t n, int kind)
{
    static const float scale[] = {1.0f, 1e-3f, 1e4f, 1e-38f, 1e-42f, 3e38f, 1e-20f, 1e20f};
    for (size_t i = 0; i < n; i++) {
        float v = test_normal(r);
        if (kind == 8) /* ties of the greatest magnitude, halves after scaling */
            v = (float)((int)test_below(r, 255) - 127) * 0.5f;
        else if (kind == 9)
            v = test_below(r, 8) ? 0.0f : v;
        else if (kind == 10)
            v = i % 2 ? -0.0f : 0.0f;
        else if (kind == 11)
            v = test_below(r, 2) ? 5.0f : -5.0f;
        else if (kind == 12) /* zeros of both signs at one end */
            v = test_below(r, 3) ? fabsf(v) : test_below(r, 2) ? 0.0f : -0.0f;
        else if (kind == 13)
            v = test_below(r, 3) ? -fabsf(v) : test_below(r, 2) ? 0.0f : -0.0f;
        else if (kind == 5)
            v = v > 1 ? 1 : v < -1 ? -1 : v; /* stays finite */
        x[i] = kind < 8 ? v * scale[kind] : v;
    }
}

CHECK_TEST(kernels, encoders_and_decoders_are_equal_byte_for_byte)
{
    test_rng r = test_rng_make(9);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv), count;
    const nk_type *const *rows = nk_type_all(&count);
    arena a = make_arena();
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = rows[i];
        for (int kind = 0; t->encode && kind < HARD_KINDS; kind++) {
            size_t n = t->block_len * (t->block_len == 1 ? 61 : 7), size = bytes_of(t, n);
            hard_row(&r, a.src, n, kind);
            t->encode(a.src, a.w, 1, n, NULL);
            t->decode(a.w, a.wf, n);
            for (size_t l = 1; l < levels; l++) {
                if (encodes_alike(lv, l, t))
                    continue;
                memset(a.spare, 0xa5, size + 32);
                lv[l].ops.encode[t->id](a.src, a.spare, 1, n, NULL);
                check(memcmp(a.spare, a.w, size) == 0, "%s %s kind %d: bytes differ", lv[l].name,
                      t->name, kind);
                check(a.spare[size] == 0xa5, "%s %s: wrote past the row", lv[l].name, t->name);
                for (size_t k = 0; k < n; k++)
                    a.xf[k] = fabsf(a.wf[k]); /* any importance will do */
                t->encode(a.src, a.x, 1, n, a.xf);
                lv[l].ops.encode[t->id](a.src, a.spare, 1, n, a.xf);
                check(memcmp(a.spare, a.x, size) == 0, "%s %s: importance", lv[l].name, t->name);
                a.xf[n] = 12345;
                lv[l].ops.decode[t->id](a.w, a.xf, n);
                check(memcmp(a.xf, a.wf, n * sizeof(float)) == 0, "%s %s kind %d: floats differ",
                      lv[l].name, t->name, kind);
                check(a.xf[n] == 12345, "%s %s: wrote past the floats", lv[l].name, t->name);
            }
        }
    }
    free_arena(&a);
}

/* Some kernels work on many blocks at once, over the ends of rows: every count of blocks, with
 * columns of no importance and whole rows of it. */
CHECK_TEST(kernels, encoders_take_any_number_of_rows_and_blocks)
{
    static const size_t blocks[] = {1, 2, 3, 5, 8, 9, 13};
    test_rng r = test_rng_make(12);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv), count;
    const nk_type *const *types = nk_type_all(&count);
    arena a = make_arena();
    for (size_t i = 0; i < count * countof(blocks) * 4; i++) {
        const nk_type *t = types[i % count];
        size_t rows = 1 + i / count % 4, cols = blocks[i / count / 4] * t->block_len;
        size_t size = bytes_of(t, rows * cols);
        bool important = t->wants_imatrix || test_below(&r, 3) > 0;
        if (!t->encode)
            continue;
        for (size_t row = 0; row < rows; row++)
            hard_row(&r, a.src + row * cols, cols, (int)test_below(&r, HARD_KINDS));
        for (size_t c = 0; c < cols; c++)
            a.xf[c] = test_below(&r, 4) ? (float)test_below(&r, 1000) * 0.01f : 0.0f;
        t->encode(a.src, a.w, rows, cols, important ? a.xf : NULL);
        for (size_t l = 1; l < levels; l++) {
            if (encodes_alike(lv, l, t))
                continue;
            memset(a.spare, 0xa5, size + 32);
            lv[l].ops.encode[t->id](a.src, a.spare, rows, cols, important ? a.xf : NULL);
            check(memcmp(a.spare, a.w, size) == 0, "%s %s: %zu rows of %zu%s", lv[l].name, t->name,
                  rows, cols, important ? ", importance" : "");
            check(a.spare[size] == 0xa5, "%s %s: wrote past the rows", lv[l].name, t->name);
        }
    }
    free_arena(&a);
}

/* Every f16 and bf16 there is, subnormals, infinities and NaN included. */
CHECK_TEST(kernels, half_floats_convert_alike)
{
    static const nk_type_id ids[] = {NK_F16, NK_BF16};
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv), n = 1 << 16;
    arena a = make_arena();
    for (size_t i = 0; i < n; i++) {
        uint16_t h = (uint16_t)i;
        memcpy(a.w + 2 * i, &h, 2);
    }
    for (size_t k = 0; k < countof(ids); k++)
        for (size_t l = 1; l < levels; l++) {
            lv[0].ops.decode[ids[k]](a.w, a.wf, n);
            lv[l].ops.decode[ids[k]](a.w, a.xf, n);
            check(memcmp(a.wf, a.xf, n * sizeof(float)) == 0, "%s", lv[l].name);
            for (size_t i = 0; i < n; i++) /* between two halves, and just off the middle */
                a.src[i] = nk_bits_f32(nk_f32_bits(a.wf[i]) + (uint32_t)(i % 3) * 0xfff + (i & 1));
            lv[0].ops.encode[ids[k]](a.src, a.x, 1, n, NULL);
            lv[l].ops.encode[ids[k]](a.src, a.spare, 1, n, NULL);
            check(memcmp(a.x, a.spare, 2 * n) == 0, "%s", lv[l].name);
        }
    free_arena(&a);
}

CHECK_TEST(kernels, activations_stay_within_127)
{
    static const nk_type_id ids[] = {NK_Q8_0, NK_Q8_1, NK_Q8_K};
    test_rng r = test_rng_make(10);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv), n = 1024;
    arena a = make_arena();
    for (size_t k = 0; k < countof(ids); k++)
        for (int round = 0; round < 120; round++) {
            const nk_type *t = nk_type_get(ids[k]);
            hard_row(&r, a.src, n, round % HARD_KINDS);
            for (size_t l = 0; l < levels; l++) {
                lv[l].ops.encode[t->id](a.src, a.x, 1, n, NULL);
                for (size_t i = 0; i < n; i++) {
                    size_t head = t->id == NK_Q8_0 ? 2 : 4;
                    const unsigned char *b = a.x + i / t->block_len * t->block_size + head;
                    check((int8_t)b[i % t->block_len] != -128, "%s %s", lv[l].name, t->name);
                }
            }
        }
    free_arena(&a);
}
