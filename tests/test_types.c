/* The table of tensor types and what every row promises: ggml's names and sizes, decode = explain
 * bit for bit, round-trip and dot-product error within the row's bounds (quant.md 4.4). What encode
 * writes is test_encode.c's matter. */
#include "tests/check.h"
#include "tests/rows.h"

#include "kernels/blocks.h"
#include "kernels/fp.h"
#include "kernels/type.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CHECK_TEST(types, rows_equal_ggmls_names_and_sizes)
{
    /* type_traits in ggml.c @ d99724f */
    static const struct {
        uint32_t id;
        const char *name;
        uint32_t len, size;
    } ggml[] = {
        {0, "f32", 1, 4},         {1, "f16", 1, 2},         {2, "q4_0", 32, 18},
        {3, "q4_1", 32, 20},      {6, "q5_0", 32, 22},      {7, "q5_1", 32, 24},
        {8, "q8_0", 32, 34},      {9, "q8_1", 32, 36},      {10, "q2_K", 256, 84},
        {11, "q3_K", 256, 110},   {12, "q4_K", 256, 144},   {13, "q5_K", 256, 176},
        {14, "q6_K", 256, 210},   {15, "q8_K", 256, 292},   {16, "iq2_xxs", 256, 66},
        {17, "iq2_xs", 256, 74},  {18, "iq3_xxs", 256, 98}, {19, "iq1_s", 256, 50},
        {20, "iq4_nl", 32, 18},   {21, "iq3_s", 256, 110},  {22, "iq2_s", 256, 82},
        {23, "iq4_xs", 256, 136}, {24, "i8", 1, 1},         {25, "i16", 1, 2},
        {26, "i32", 1, 4},        {27, "i64", 1, 8},        {28, "f64", 1, 8},
        {29, "iq1_m", 256, 56},   {30, "bf16", 1, 2},       {34, "tq1_0", 256, 54},
        {35, "tq2_0", 256, 66},   {39, "mxfp4", 32, 17},    {40, "nvfp4", 64, 36},
        {41, "q1_0", 128, 18},
    };
    size_t count;
    const nk_type *const *all = nk_type_all(&count);
    check(count == countof(ggml), "%zu rows", count);
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = all[i];
        check(t->id == ggml[i].id && strcmp(t->name, ggml[i].name) == 0, "row %zu: %s", i, t->name);
        check(t->block_len == ggml[i].len && t->block_size == ggml[i].size, "%s: %u/%u", t->name,
              t->block_len, t->block_size);
        check(nk_type_get(t->id) == t && nk_type_find(t->name) == t, "%s not found", t->name);
        check(nk_type_bpw(t) == 8.0 * ggml[i].size / ggml[i].len, "%s bpw", t->name);
    }
}

CHECK_TEST(types, lookups_refuse_what_has_no_row)
{
    static const uint32_t dead[] = {4, 5, 31, 33, 36, 38, 42, 255, UINT32_MAX};
    for (size_t i = 0; i < countof(dead); i++)
        check(!nk_type_get(dead[i]), "id %u has a row", dead[i]);
    check(nk_type_find("q4_k") == &nk_type_q4_k && nk_type_find("Q4_K") == &nk_type_q4_k, "case");
    static const char *const unknown[] = {"", "q4", "q4_K_M", "q4_Kx", " q4_K", "f\xc4\xb1"};
    for (size_t i = 0; i < countof(unknown); i++)
        check(!nk_type_find(unknown[i]), "\"%s\" found", unknown[i]);
}

CHECK_TEST(types, rows_are_whole_or_only_shown)
{
    size_t count;
    const nk_type *const *all = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = all[i];
        check(t->decode || (!t->encode && !t->dot && !t->explain), "%s half a row", t->name);
        check(!t->activation_only || (t->encode && !t->dot), "%s", t->name);
        check(!t->decode || t->is_float != (t->explain != NULL), "%s explain", t->name);
        check(!t->explain || t->block_len <= NK_VIEW_LEN, "%s view", t->name);
        const nk_type *with = nk_type_get(t->dot_with);
        check(!t->dot || (with && with->encode), "%s meets a type without encode", t->name);
        check(!t->dot || t->block_len % with->block_len == 0 || with->block_len == t->block_len,
              "%s and %s", t->name, with->name);
    }
}

CHECK_TEST(types, rows_know_their_partner_and_their_need)
{
    static const nk_type_id q8_0[] = {NK_Q4_0,  NK_Q5_0,  NK_Q8_0, NK_IQ4_NL,
                                      NK_MXFP4, NK_NVFP4, NK_Q1_0};
    static const nk_type_id f32[] = {NK_F32, NK_F16, NK_BF16, NK_F64,
                                     NK_I8,  NK_I16, NK_I32,  NK_I64};
    static const nk_type_id need[] = {NK_IQ1_S,  NK_IQ1_M, NK_IQ2_XXS,
                                      NK_IQ2_XS, NK_IQ2_S, NK_IQ3_XXS};
    nk_type_id with[NK_TYPE_SLOTS];
    bool needs[NK_TYPE_SLOTS] = {false};
    for (size_t i = 0; i < countof(with); i++)
        with[i] = NK_Q8_K;
    for (size_t i = 0; i < countof(q8_0); i++)
        with[q8_0[i]] = NK_Q8_0;
    for (size_t i = 0; i < countof(f32); i++)
        with[f32[i]] = NK_F32;
    with[NK_Q4_1] = with[NK_Q5_1] = with[NK_Q8_1] = NK_Q8_1;
    for (size_t i = 0; i < countof(need); i++)
        needs[need[i]] = true;
    size_t count;
    const nk_type *const *all = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) { /* quant.md 1.3 and 1.4 */
        check(all[i]->dot_with == with[all[i]->id], "%s partner", all[i]->name);
        check(all[i]->wants_imatrix == needs[all[i]->id], "%s imatrix", all[i]->name);
    }
}

CHECK_TEST(types, row_size_refuses_odd_widths_and_overflow)
{
    uint64_t bytes = 7;
    check(nk_row_size(&nk_type_q4_k, 4096, &bytes) && bytes == 2304, "%zu", (size_t)bytes);
    check(nk_row_size(&nk_type_q4_0, 0, &bytes) && bytes == 0, "empty row");
    bytes = 7;
    check(!nk_row_size(&nk_type_q4_k, 896, &bytes) && bytes == 7, "896 is no multiple of 256");
    check(!nk_row_size(&nk_type_q8_0, 31, &bytes) && bytes == 7, "31");
    check(!nk_row_size(&nk_type_f32, UINT64_MAX / 2, &bytes) && bytes == 7, "overflow");
    check(!nk_row_size(&nk_type_q8_0, UINT64_MAX - 31, &bytes) && bytes == 7, "overflow of q8_0");
    check(nk_row_size(&nk_type_q2_k, UINT64_MAX - 255, &bytes), "fewer bytes than weights fit");
}

static bool same_bits(float a, float b)
{
    return nk_f32_bits(a) == nk_f32_bits(b) || (a != a && b != b);
}

static void check_view(const nk_type *t, const void *block, const float *decoded)
{
    nk_block_view v;
    memset(&v, 0xa5, sizeof v);
    t->explain(block, &v);
    check(v.len == t->block_len && v.group && v.len % v.group == 0, "%s: %u by %u", t->name, v.len,
          v.group);
    check(v.len / v.group <= NK_VIEW_GROUPS, "%s groups", t->name);
    for (uint32_t i = 0; i < v.len; i++) {
        check(v.code[i] >= v.code_min && v.code[i] <= v.code_max, "%s code %d", t->name, v.code[i]);
        check(same_bits(nk_view_weight(&v, i), decoded[i]), "%s[%u]: view %a decode %a", t->name, i,
              (double)nk_view_weight(&v, i), (double)decoded[i]);
    }
    check(v.code_step >= 1 && v.code_step <= v.code_max - v.code_min, "%s step", t->name);
    for (uint32_t g = 0; g < v.len / v.group; g++) {
        check(same_bits(v.scale[g], v.d * (float)v.scale_code[g]), "%s scale %u", t->name, g);
        float min = v.len == NK_SUPER_LEN ? -(v.dmin * (float)v.min_code[g]) : v.dmin;
        check(same_bits(v.offset[g], v.code_min == 0 ? min : -0.0f), "%s offset %u", t->name, g);
    }
}

/* Encoded rows, then random bytes: every bit pattern is a valid block, NaN scales included. */
CHECK_TEST(types, explain_agrees_with_decode_bit_for_bit)
{
    enum { N = 512 };
    test_rng r = test_rng_make(11);
    size_t count;
    const nk_type *const *all = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = all[i];
        if (!t->explain)
            continue;
        size_t blocks = N / t->block_len;
        for (int k = 0; k < ROWS_FAMILIES + 24; k++) {
            float x[N], y[N];
            uint8_t bytes[N * 2];
            rows_fill(&r, k % ROWS_FAMILIES, x, N);
            if (t->encode)
                t->encode(x, bytes, 1, N, NULL);
            bool random = k >= ROWS_FAMILIES || !t->encode;
            for (size_t b = 0; random && b < blocks * t->block_size; b++)
                bytes[b] = (uint8_t)test_u64(&r);
            t->decode(bytes, y, N);
            for (size_t b = 0; b < blocks; b++)
                check_view(t, bytes + b * t->block_size, y + b * t->block_len);
        }
    }
}

CHECK_TEST(types, explain_shows_the_integers_of_the_format)
{
    nk_block_view v;
    nk_block_q4_0 q4 = {.d = nk_f32_to_f16(0.5f), .qs = {0x80, 0x0f}};
    nk_type_q4_0.explain(&q4, &v);
    check(v.code_min == -8 && v.code_max == 7 && v.code[0] == -8 && v.code[16] == 0, "q4_0 ends");
    check(v.code[1] == 7 && v.code[17] == -8 && v.d == 0.5f && nk_view_weight(&v, 1) == 3.5f,
          "q4_0");
    nk_block_q4_k k = {.d = nk_f32_to_f16(0.25f),
                       .dmin = nk_f32_to_f16(2),
                       .scales = {0xc3, 0, 0, 0, 0x41, 0, 0, 0, 0x95},
                       .qs = {0x2f}};
    nk_type_q4_k.explain(&k, &v);
    check(v.group == 32 && v.code[0] == 15 && v.code[32] == 2, "q4_K codes");
    check(v.scale_code[0] == 3 && v.min_code[0] == 1, "q4_K group 0");
    check(v.scale_code[4] == (5 | 3 << 4) && v.min_code[4] == (9 | 1 << 4), "q4_K group 4");
    check(nk_view_weight(&v, 0) == 0.25f * 3 * 15 - 2.0f, "q4_K weight");
    nk_block_q6_k k6 = {.d = nk_f32_to_f16(1), .scales = {-5}, .ql = {0x0a}, .qh = {0x02}};
    nk_type_q6_k.explain(&k6, &v);
    check(v.code[0] == (10 | 2 << 4) - 32 && v.scale[0] == -5.0f, "q6_K %d", v.code[0]);
    nk_block_q3_k k3 = {
        .hmask = {1}, .qs = {0x02}, .scales = {7, 0, 0, 0, 0, 0, 0, 0, 1}, .d = 0x3c00};
    nk_type_q3_k.explain(&k3, &v);
    check(v.code[0] == 2 && v.code[1] == -4 && v.scale_code[0] == (7 | 1 << 4) - 32, "q3_K");
}

/* Of tables the codes are the levels; a step is the widest gap, so that no rounded weight counts
 * as clipped. */
CHECK_TEST(types, explain_shows_the_levels_of_tables)
{
    nk_block_view v;
    nk_block_iq4_nl nl = {.d = nk_f32_to_f16(0.5f), .qs = {0xf0}};
    nk_type_iq4_nl.explain(&nl, &v);
    check(v.code_min == -127 && v.code_max == 113 && v.code_step == 24, "iq4_nl ends");
    check(v.code[0] == -127 && v.code[16] == 113 && nk_view_weight(&v, 16) == 56.5f, "iq4_nl");
    nk_block_iq4_xs xs = {.d = 0x3c00, .scales_h = {0x03, 0x02}, .scales_l = {0xf5}, .qs = {0x80}};
    nk_type_iq4_xs.explain(&xs, &v);
    check(v.group == 32 && v.scale_code[0] == (5 | 3 << 4) - 32 && v.scale_code[1] == 15 - 32 &&
              v.scale_code[4] == 0,
          "iq4_xs scales %d %d", v.scale_code[0], v.scale_code[1]);
    check(v.code[0] == -127 && v.code[16] == 1, "iq4_xs");
    nk_block_nvfp4 nv = {.d = {0x38, 1, 0x7e}, .qs = {0x9f}};
    nk_type_nvfp4.explain(&nv, &v);
    check(v.group == 16 && v.code_step == 4 && v.code[0] == -12 && v.code[8] == -1, "nvfp4");
    check(v.scale[0] == 0.5f && v.scale_code[0] == 512 && v.scale_code[1] == 1 &&
              v.scale[2] == 224.0f,
          "nvfp4 scales");
    nk_block_q1_0 q1 = {.d = 0x3c00, .qs = {0x02}};
    nk_type_q1_0.explain(&q1, &v);
    check(v.code_min == -1 && v.code_max == 1 && v.code_step == 2 && v.code[0] == -1 &&
              v.code[1] == 1,
          "q1_0");
    nk_block_tq1_0 t1 = {.qs = {255, 0}, .d = 0x3c00};
    nk_type_tq1_0.explain(&t1, &v);
    check(v.code_min == -1 && v.code_max == 1 && v.code[0] == 1 && v.code[1] == -1, "tq1_0");
}

static double norm(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sqrt(sum);
}

/* The bound holds, and holds tightly: measured * 1.25 (dot: the worst of eight seeds), so both a
 * better and a worse encoder show.
 * NB_TEST_MEASURE in the environment prints what to put into the rows. */
static void check_bound(const char *name, const char *what, double measured, double bound,
                        double slack)
{
    if (getenv("NB_TEST_MEASURE")) {
        fprintf(stderr, "%-5s %-9s %.3g -> %.3g\n", name, what, measured, measured * 1.25);
        return;
    }
    check(measured <= bound, "%s: %s %g, bound %g", name, what, measured, bound);
    check(measured * slack >= bound, "%s: %s %g, bound %g is slack", name, what, measured, bound);
}

CHECK_TEST(types, round_trip_error_is_within_the_rows_bound)
{
    enum { ROWS = 32, N = 512 };
    static float x[ROWS * N], y[ROWS * N];
    static uint8_t bytes[ROWS * N * 4];
    test_rng r = test_rng_make(4);
    for (size_t i = 0; i < ROWS * N; i++)
        x[i] = rows_normal(&r);
    size_t count;
    const nk_type *const *all = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = all[i];
        if (!t->encode)
            continue;
        t->encode(x, bytes, ROWS, N, NULL);
        t->decode(bytes, y, ROWS * N);
        for (size_t k = 0; k < ROWS * N; k++)
            y[k] -= x[k];
        check_bound(t->name, "rmse", norm(y, ROWS * N) / norm(x, ROWS * N), (double)t->max_rmse,
                    1.5);
    }
}

/* dot is exact on what is stored: against decoded operands in double only the last rounding shows;
 * against the weights before encoding it stays within max_dot_err. */
CHECK_TEST(types, dot_is_exact_on_codes_and_close_on_weights)
{
    enum { N = 256, RUNS = 256 };
    test_rng r = test_rng_make(5);
    size_t count;
    const nk_type *const *all = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = all[i], *with = nk_type_get(all[i]->dot_with);
        double worst = 0;
        for (int k = 0; t->dot && t->encode && k < RUNS; k++) {
            float w[N], x[N], wd[N], xd[N];
            uint8_t wb[N * 4 + 1], xb[N * 4 + 1];
            for (size_t j = 0; j < N; j++) {
                w[j] = rows_normal(&r);
                x[j] = rows_normal(&r);
            }
            t->encode(w, wb + 1, 1, N, NULL); /* + 1: no alignment is asked for */
            with->encode(x, xb + 1, 1, N, NULL);
            t->decode(wb + 1, wd, N);
            with->decode(xb + 1, xd, N);
            double stored = 0, truth = 0, mass = 0;
            for (size_t j = 0; j < N; j++) {
                stored += (double)wd[j] * xd[j];
                mass += fabs((double)wd[j] * xd[j]);
                truth += (double)w[j] * x[j];
            }
            double got = t->dot(N, wb + 1, xb + 1);
            /* q8_1 keeps its block sums in f16: 2^-11 of |m| |s|, a part of the mass */
            double slack = with->id == NK_Q8_1 ? 0x1p-11 : 0x1p-22;
            check(fabs(got - stored) <= slack * mass, "%s: dot %.9g, decoded %.9g", t->name, got,
                  stored);
            worst = fmax(worst, fabs(got - truth) / (norm(w, N) * norm(x, N)));
        }
        if (t == &nk_type_f32) /* nothing is lost: room for the order of SIMD sums, 4 log2(n) eps */
            check(worst <= (double)t->max_dot_err, "f32 dot error %g", worst);
        else if (t->dot && t->encode)
            check_bound(t->name, "dot error", worst, (double)t->max_dot_err, 3);
    }
}

/* Extreme codes on both sides must not overflow the integer sums (perf.md 7). */
CHECK_TEST(types, dot_takes_every_code_at_its_end)
{
    enum { N = 256 };
    static const uint8_t fill[] = {0x00, 0xff, 0x80, 0x7f};
    size_t count;
    const nk_type *const *all = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = all[i];
        for (size_t k = 0; t->dot && t->explain && k < countof(fill); k++) {
            const nk_type *with = nk_type_get(t->dot_with);
            uint8_t wb[N * 2], xb[N * 2];
            float wd[N], xd[N];
            memset(wb, fill[k], sizeof wb);
            memset(xb, 0, sizeof xb);
            for (size_t b = 0; b < N / with->block_len; b++) {
                uint8_t *block = xb + b * with->block_size;
                int ones = 0x3f800000;
                memset(block, 0x80, with->block_size); /* codes -128 */
                if (with->id == NK_Q8_K) {
                    memcpy(block, &ones, 4);
                    for (int g = 0; g < 16; g++)
                        memcpy(block + 260 + 2 * g, &(int16_t){-2048}, 2);
                } else {
                    memcpy(block, &(uint16_t){0x3c00}, 2);
                    if (with->id == NK_Q8_1)
                        memcpy(block + 2, &(uint16_t){0xec00}, 2); /* -4096 */
                }
            }
            t->decode(wb, wd, N);
            with->decode(xb, xd, N);
            double sum = 0;
            for (size_t j = 0; j < N; j++)
                sum += (double)wd[j] * xd[j];
            float got = t->dot(N, wb, xb);
            check(same_bits(got, (float)sum) || fabs(got - sum) <= 1e-6 * fabs(sum),
                  "%s of %02x: %g, decoded %g", t->name, fill[k], (double)got, sum);
        }
    }
}
