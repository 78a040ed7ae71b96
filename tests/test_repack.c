/* Packed weights of other projects into blocks: each written here from its published layout
 * (quant.md 2.4), decoded two ways, by the formula and through the block. */
#include "tests/check.h"
#include "tests/rows.h"

#include "kernels/blocks.h"
#include "kernels/fp.h"
#include "kernels/repack.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

enum { COLS = 512, MAX_BYTES = COLS * 2 };

/* A row of integers with f16 scales. */
typedef struct ints {
    uint8_t code[COLS];
    float scale[COLS / 32], zero[COLS / 32];
    nk_int_row row;
} ints;

static void make_ints(ints *x, test_rng *r, int bits, size_t group, bool symmetric)
{
    for (size_t i = 0; i < COLS; i++)
        x->code[i] = (uint8_t)test_below(r, 1u << bits);
    for (size_t g = 0; g < COLS / group; g++) {
        x->scale[g] = nk_f16_to_f32(nk_f32_to_f16(test_uniform(r) * 0.1f + 0.001f));
        x->zero[g] = symmetric ? (float)(1 << (bits - 1)) : (float)test_below(r, 1u << bits);
    }
    x->row = (nk_int_row){x->code, x->scale, x->zero, COLS, group};
}

/* Largest distance of the decoded block from the formula, which the loss must tell as well. */
static double check_ints(const nk_type *t, const ints *x, const uint8_t *bytes, const nk_loss *loss)
{
    float w[COLS];
    double worst = 0;
    uint64_t differ = 0;
    t->decode(bytes, w, COLS);
    for (size_t i = 0; i < COLS; i++) {
        size_t g = i / x->row.group;
        double want = (double)x->scale[g] * (x->code[i] - (double)x->zero[g]);
        double d = fabs((double)w[i] - want);
        differ += d != 0;
        worst = d > worst ? d : worst;
    }
    check(loss->max == worst && loss->differ == differ, "%s: loss %g, seen %g", t->name, loss->max,
          worst);
    check(loss->next == COLS, "%s: next", t->name);
    return worst;
}

CHECK_TEST(repack, integers_with_whole_zeros_are_exact)
{
    static const struct {
        int bits;
        bool symmetric;
        const nk_type *type;
    } cases[] = {
        {4, true, &nk_type_q4_0},  {3, true, &nk_type_q4_0},  {2, true, &nk_type_q4_0},
        {3, false, &nk_type_q4_0}, {2, false, &nk_type_q4_0}, {1, false, &nk_type_q4_0},
        {4, false, &nk_type_q5_0}, {5, true, &nk_type_q5_0},  {8, true, &nk_type_q8_0},
        {7, false, &nk_type_q8_0},
    };
    static const size_t groups[] = {32, 64, 128, COLS};
    test_rng r = test_rng_make(31);
    for (size_t k = 0; k < countof(cases) * countof(groups); k++) {
        int bits = cases[k % countof(cases)].bits;
        const nk_type *t = cases[k % countof(cases)].type;
        ints x;
        uint8_t bytes[MAX_BYTES];
        nk_loss loss = {0};
        make_ints(&x, &r, bits, groups[k / countof(cases)], cases[k % countof(cases)].symmetric);
        check(nk_repack_int(t, &x.row, bytes, &loss), "%d bits into %s", bits, t->name);
        check(check_ints(t, &x, bytes, &loss) == 0, "%d bits into %s: %g at %llu", bits, t->name,
              loss.max, (unsigned long long)loss.at);
    }
}

/* The codes stay; only min = -zero * scale is rounded to f16, 2^-11 of it at most. */
CHECK_TEST(repack, a_min_costs_its_rounding_and_no_more)
{
    static const nk_type *const types[] = {&nk_type_q4_1, &nk_type_q5_1};
    test_rng r = test_rng_make(32);
    for (int k = 0; k < 40; k++) {
        const nk_type *t = types[k % 2];
        int bits = k % 2 ? 5 : 4;
        ints x;
        uint8_t bytes[MAX_BYTES];
        nk_loss loss = {0};
        make_ints(&x, &r, bits, 64, false);
        for (size_t g = 0; g < COLS / 64; g++)
            x.zero[g] += k < 20 ? 0.0f : 0.3f; /* HQQ's zeros have fractions */
        check(nk_repack_int(t, &x.row, bytes, &loss), "%s", t->name);
        double worst = check_ints(t, &x, bytes, &loss), bound = 0;
        for (size_t g = 0; g < COLS / 64; g++) {
            double m = (double)x.zero[g] * (double)x.scale[g];
            /* half a unit of the min, and the f32 sum's own rounding */
            bound = fmax(bound, m * 0x1p-11 + 64 * (double)x.scale[g] * 0x1p-24);
        }
        check(worst <= bound && worst > 0, "%s: %g, bound %g", t->name, worst, bound);
    }
}

CHECK_TEST(repack, scales_beyond_f16_are_told_with_their_place)
{
    test_rng r = test_rng_make(33);
    ints x;
    uint8_t bytes[MAX_BYTES];
    nk_loss loss = {.next = 5 * COLS};
    make_ints(&x, &r, 4, 128, true);
    x.scale[2] = 1.0f + 0x1p-12f; /* not an f16 */
    x.code[300] = 0;              /* -8 of them, in group 2 */
    check(nk_repack_int(&nk_type_q4_0, &x.row, bytes, &loss), "q4_0");
    check(loss.max == 8 * 0x1p-12, "%g", loss.max);
    check(loss.at >= 5 * COLS + 256 && loss.at <= 5 * COLS + 300 && x.code[loss.at - 5 * COLS] == 0,
          "at %llu", (unsigned long long)loss.at);
    check(loss.next == 6 * COLS, "next");
    x.scale[2] = NAN;
    check(nk_repack_int(&nk_type_q4_0, &x.row, bytes, &loss) && isinf(loss.max), "NaN hidden");
}

CHECK_TEST(repack, refuses_what_does_not_fit_and_leaves_all_alone)
{
    test_rng r = test_rng_make(34);
    ints x;
    uint8_t bytes[MAX_BYTES], before[MAX_BYTES];
    nk_loss loss = {.max = 3, .at = 4, .next = 5};
    memset(bytes, 0x5a, sizeof bytes);
    memcpy(before, bytes, sizeof bytes);
    make_ints(&x, &r, 4, 64, true);
    x.code[77] = 16; /* 16 - 8 is no nibble */
    check(!nk_repack_int(&nk_type_q4_0, &x.row, bytes, &loss), "16");
    check(!nk_repack_int(&nk_type_q4_1, &x.row, bytes, &loss), "16 with a min");
    x.code[77] = 15;
    x.zero[1] = 7.5f;
    check(!nk_repack_int(&nk_type_q4_0, &x.row, bytes, &loss), "half a zero");
    x.zero[1] = NAN;
    check(!nk_repack_int(&nk_type_q4_0, &x.row, bytes, &loss), "NaN as zero");
    x.zero[1] = 1e30f;
    check(!nk_repack_int(&nk_type_q8_0, &x.row, bytes, &loss), "zero out of reach");
    x.zero[1] = 8;
    check(!nk_repack_int(&nk_type_q4_k, &x.row, bytes, &loss), "q4_K has no such groups");
    x.row.group = 48;
    check(!nk_repack_int(&nk_type_q4_0, &x.row, bytes, &loss), "groups of 48");
    x.row.group = 0;
    check(!nk_repack_int(&nk_type_q4_0, &x.row, bytes, &loss), "no groups");
    check(memcmp(bytes, before, sizeof bytes) == 0 && loss.max == 3 && loss.at == 4 &&
              loss.next == 5 && loss.differ == 0,
          "touched");
}

CHECK_TEST(repack, each_width_has_its_smallest_type)
{
    check(nk_repack_int_type(4, true, true) == &nk_type_q4_0, "4 symmetric");
    check(nk_repack_int_type(4, false, true) == &nk_type_q4_1, "4");
    check(nk_repack_int_type(4, true, false) == &nk_type_q4_1, "4 with fractions");
    check(nk_repack_int_type(3, false, true) == &nk_type_q4_0, "3");
    check(nk_repack_int_type(2, false, false) == &nk_type_q4_1, "2 with fractions");
    check(nk_repack_int_type(8, true, true) == &nk_type_q8_0, "8 symmetric");
    check(!nk_repack_int_type(8, false, true) && !nk_repack_int_type(5, true, false), "8");
    check(!nk_repack_int_type(0, true, true) && !nk_repack_int_type(9, true, true), "ends");
}

/* Values of e2m1 in code order (OCP microscaling formats 1.0, table 6). */
static const double e2m1[16] = {0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6};

static void random_bytes(test_rng *r, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)test_u64(r);
}

CHECK_TEST(repack, mxfp4_keeps_every_value_under_every_scale)
{
    test_rng r = test_rng_make(35);
    for (int e = 0; e < 255; e++) {
        uint8_t packed[COLS / 2], scale[COLS / 32], bytes[MAX_BYTES];
        float w[COLS];
        nk_loss loss = {0};
        random_bytes(&r, packed, sizeof packed);
        memset(scale, e, sizeof scale);
        check(nk_repack_mxfp4(packed, scale, COLS, bytes, &loss), "e %d", e);
        nk_type_mxfp4.decode(bytes, w, COLS);
        for (size_t i = 0; i < COLS; i++) {
            int code = i % 2 ? packed[i / 2] >> 4 : packed[i / 2] & 15;
            double want = ldexp(e2m1[code], e - 127);
            /* 2^128 and up is beyond f32 in any reader */
            check((double)w[i] == want || (fabs(want) > (double)FLT_MAX && isinf(w[i])),
                  "e %d [%zu]", e, i);
        }
        check(e > 252 || (loss.max == 0 && loss.differ == 0), "e %d: loss %g", e, loss.max);
    }
    uint8_t packed[16] = {0}, scale[1] = {255}, bytes[17];
    nk_loss loss = {0};
    check(!nk_repack_mxfp4(packed, scale, 32, bytes, &loss), "a NaN scale");
}

CHECK_TEST(repack, nvfp4_keeps_every_value_under_every_scale)
{
    test_rng r = test_rng_make(36);
    for (int e = 0; e < 256; e++) {
        uint8_t packed[COLS / 2], scale[COLS / 16], bytes[MAX_BYTES];
        float w[COLS];
        nk_loss loss = {0};
        random_bytes(&r, packed, sizeof packed);
        for (size_t g = 0; g < sizeof scale; g++)
            scale[g] = (uint8_t)(g == 9 ? e : (int)test_below(&r, 0x7f));
        bool done = nk_repack_nvfp4(packed, scale, COLS, bytes, &loss);
        check(done == (e < 0x7f), "scale %02x", e);
        if (!done)
            continue;
        nk_type_nvfp4.decode(bytes, w, COLS);
        for (size_t i = 0; i < COLS; i++) {
            int code = i % 2 ? packed[i / 2] >> 4 : packed[i / 2] & 15;
            int s = scale[i / 16], exp = s >> 3, man = s & 7;
            double d = exp ? ldexp(8 + man, exp - 10) : ldexp(man, -9);
            check((double)w[i] == e2m1[code] * d, "scale %02x [%zu]: %g", s, i, (double)w[i]);
        }
        check(loss.max == 0 && loss.differ == 0 && loss.next == COLS, "loss %g", loss.max);
    }
}

/* Row r of out rows: plane r / (out / 4) of packed row r % (out / 4). */
CHECK_TEST(repack, bitnet_planes_are_exact)
{
    enum { OUT = 8 };
    static const nk_type *const types[] = {&nk_type_tq1_0, &nk_type_tq2_0};
    test_rng r = test_rng_make(37);
    const float scale = nk_f16_to_f32(nk_f32_to_f16(0.0371f));
    int trit[OUT][COLS];
    uint8_t packed[OUT / 4][COLS];
    memset(packed, 0, sizeof packed);
    for (int o = 0; o < OUT; o++)
        for (size_t i = 0; i < COLS; i++) {
            trit[o][i] = o == 3 && i < 256 ? 0 : (int)test_below(&r, 3) - 1; /* a block of zeros */
            packed[o % (OUT / 4)][i] |= (uint8_t)((trit[o][i] + 1) << 2 * (o / (OUT / 4)));
        }
    for (int k = 0; k < 2; k++) {
        nk_loss loss = {0};
        for (int o = 0; o < OUT; o++) {
            uint8_t bytes[MAX_BYTES];
            float w[COLS];
            check(nk_repack_trits(types[k], packed[o % (OUT / 4)], o / (OUT / 4), scale, COLS,
                                  bytes, &loss),
                  "row %d", o);
            types[k]->decode(bytes, w, COLS);
            for (size_t i = 0; i < COLS; i++)
                check(w[i] == (float)trit[o][i] * scale, "%s row %d [%zu]", types[k]->name, o, i);
        }
        check(loss.max == 0 && loss.differ == 0 && loss.next == OUT * COLS, "loss %g", loss.max);
    }
    uint8_t bytes[MAX_BYTES];
    nk_loss loss = {0};
    check(nk_repack_trits(&nk_type_tq2_0, packed[0], 0, 0.0371f, COLS, bytes, &loss), "tq2_0");
    check(loss.max == fabs((double)scale - (double)0.0371f) && loss.differ, "scale is no f16");
    check(!nk_repack_trits(&nk_type_q2_k, packed[0], 0, scale, COLS, bytes, &loss), "q2_K");
    packed[0][5] |= 3;
    check(!nk_repack_trits(&nk_type_tq1_0, packed[0], 0, scale, COLS, bytes, &loss), "code 3");
}

/* bitsandbytes' two 4-bit tables: functional.py, get_4bit_type. */
static const float bnb_fp4[16] = {
    0,     0.0625f / 12,  8.0f / 12,  1,  4.0f / 12,  6.0f / 12,  2.0f / 12,  3.0f / 12,
    -0.0f, -0.0625f / 12, -8.0f / 12, -1, -4.0f / 12, -6.0f / 12, -2.0f / 12, -3.0f / 12};
static const float bnb_nf4[16] = {
    -1,         -0.6961928f, -0.5250731f, -0.3949175f, -0.28444138f, -0.18477343f, -0.09105004f, 0,
    0.0795803f, 0.1609302f,  0.2461123f,  0.33791524f, 0.44070983f,  0.562617f,    0.72295684f,  1};

CHECK_TEST(repack, fp4_steps_miss_only_the_smallest_code)
{
    test_rng r = test_rng_make(38);
    float x[COLS], step[COLS / 32];
    int code[COLS];
    uint8_t bytes[MAX_BYTES];
    nk_loss loss = {0};
    double largest = 0;
    for (size_t i = 0; i < COLS; i++) {
        if (i % 64 == 0) { /* blocks of 64 share one; 12 times an f16 */
            step[i / 32] = nk_f16_to_f32(nk_f32_to_f16(test_uniform(&r) + 0.01f));
            step[i / 32 + 1] = step[i / 32];
        }
        code[i] = (int)test_below(&r, 16);
        x[i] = bnb_fp4[code[i]] * (12 * step[i / 32]);
    }
    check(nk_repack_steps(x, step, COLS, bytes, &loss), "steps");
    float w[COLS];
    nk_type_q8_0.decode(bytes, w, COLS);
    for (size_t i = 0; i < COLS; i++) {
        double d = fabs((double)w[i] - (double)x[i]), s = (double)step[i / 32];
        bool smallest = code[i] % 8 == 1;
        check(d <= (smallest ? s / 15 : 12 * s * 0x1p-23), "[%zu]: code %d off by %g", i, code[i],
              d);
        largest = d > largest ? d : largest;
    }
    check(loss.max == largest && code[loss.at] % 8 == 1, "loss %g", loss.max);
    x[9] = step[0] * 200;
    check(!nk_repack_steps(x, step, COLS, bytes, &loss), "200 steps");
    x[9] = 1;
    step[0] = NAN;
    check(!nk_repack_steps(x, step, COLS, bytes, &loss), "a NaN step");
}

CHECK_TEST(repack, nf4_goes_by_the_encoders_and_says_what_it_costs)
{
    static const struct {
        const nk_type *type;
        double of_absmax; /* largest error; quant.md 2.5 */
    } cases[] = {{&nk_type_q8_0, 0.0042}, {&nk_type_iq4_nl, 0.11}};
    test_rng r = test_rng_make(39);
    for (size_t k = 0; k < countof(cases); k++) {
        float x[COLS], w[COLS];
        uint8_t bytes[MAX_BYTES];
        nk_loss loss = {0};
        for (size_t i = 0; i < COLS; i++)
            x[i] = 0.5f * bnb_nf4[test_below(&r, 16)];
        nk_repack_floats(cases[k].type, x, COLS, bytes, &loss);
        cases[k].type->decode(bytes, w, COLS);
        double largest = 0;
        for (size_t i = 0; i < COLS; i++)
            largest = fmax(largest, fabs((double)w[i] - (double)x[i]));
        check(loss.max == largest && loss.max > 0 && loss.max <= 0.5 * cases[k].of_absmax, "%s: %g",
              cases[k].type->name, loss.max);
    }
}

CHECK_TEST(repack, losses_merge_in_any_order)
{
    static const nk_loss part[] = {{0, 0, 0, 10}, {2, 25, 3, 30}, {2, 12, 1, 20}, {1, 31, 9, 40}};
    static const int order[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}};
    for (size_t k = 0; k < countof(order); k++) {
        nk_loss sum = {0};
        for (int i = 0; i < 4; i++)
            nk_loss_merge(&sum, &part[order[k][i]]);
        check(sum.max == 2 && sum.at == 12 && sum.differ == 13 && sum.next == 40, "order %zu", k);
    }
}
