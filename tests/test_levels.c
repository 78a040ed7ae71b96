/* Blocks of the newer types, written by hand from the published layout, against the formula in
 * quant.md 1.3 (OCP microscaling formats 1.0 for the 4-bit floats); the products ggml's own text
 * spells out are worked by hand beside them. */
#include "tests/check.h"
#include "tests/rows.h"

#include "kernels/blocks.h"
#include "kernels/fp.h"
#include "kernels/type.h"

#include <math.h>
#include <string.h>

static const int iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                            1,    13,   25,  38,  53,  69,  89,  113};
static const double e2m1[16] = {0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6};

static int bits(const uint8_t *bytes, size_t first, int width)
{
    int v = 0;
    for (int i = 0; i < width; i++)
        v |= (bytes[(first + (size_t)i) / 8] >> ((first + (size_t)i) % 8) & 1) << i;
    return v;
}

static double half_at(const uint8_t *p)
{
    return (double)nk_f16_to_f32((uint16_t)(p[0] | p[1] << 8));
}

/* Weight i of a block by the sentence of quant.md 1.3 about its type. */
static double iq4_nl_by_text(const uint8_t *b, int i)
{
    return half_at(b) * iq4[i < 16 ? b[2 + i] & 15 : b[2 + i - 16] >> 4];
}

static double iq4_xs_by_text(const uint8_t *b, int i)
{
    int g = i / 32, k = i % 32;
    int sc = bits(b + 4, (size_t)g * 4, 4) | bits(b + 2, (size_t)g * 2, 2) << 4;
    int code = k < 16 ? b[8 + 16 * g + k] & 15 : b[8 + 16 * g + k - 16] >> 4;
    return half_at(b) * (sc - 32) * iq4[code];
}

static double tq2_0_by_text(const uint8_t *b, int i)
{
    int half = i / 128, m = i % 32, n = i % 128 / 32;
    return (bits(b + 32 * half + m, (size_t)n * 2, 2) - 1) * half_at(b + 64);
}

static double tq1_0_by_text(const uint8_t *b, int i)
{
    int byte = i < 160 ? i % 32 : i < 240 ? 32 + (i - 160) % 16 : 48 + (i - 240) % 4;
    int n = i < 160 ? i / 32 : i < 240 ? (i - 160) / 16 : (i - 240) / 4;
    unsigned power = 1;
    for (int k = 0; k < n; k++)
        power *= 3;
    return ((int)(b[byte] * power % 256 * 3 >> 8) - 1) * half_at(b + 52);
}

static double mxfp4_by_text(const uint8_t *b, int i)
{
    return ldexp(e2m1[i < 16 ? b[1 + i] & 15 : b[1 + i - 16] >> 4], b[0] - 127);
}

static double nvfp4_by_text(const uint8_t *b, int i)
{
    int g = i / 16, k = i % 16, s = b[g] & 0x7f, man = s & 7, exp = s >> 3;
    double scale = exp ? ldexp(8 + man, exp - 10) : ldexp(man, -9);
    int code = k < 8 ? b[4 + 8 * g + k] & 15 : b[4 + 8 * g + k - 8] >> 4;
    return (b[g] == 0x7f ? 0 : scale) * e2m1[code];
}

static const struct {
    const nk_type *type;
    double (*weight)(const uint8_t *block, int i);
} texts[] = {
    {&nk_type_iq4_nl, iq4_nl_by_text}, {&nk_type_iq4_xs, iq4_xs_by_text},
    {&nk_type_tq1_0, tq1_0_by_text},   {&nk_type_tq2_0, tq2_0_by_text},
    {&nk_type_mxfp4, mxfp4_by_text},   {&nk_type_nvfp4, nvfp4_by_text},
};

CHECK_TEST(levels, any_block_means_what_the_text_says)
{
    test_rng r = test_rng_make(51);
    for (size_t k = 0; k < countof(texts); k++) {
        const nk_type *t = texts[k].type;
        for (int round = 0; round < 400; round++) {
            uint8_t block[256];
            float w[NK_SUPER_LEN];
            for (size_t i = 0; i < t->block_size; i++)
                block[i] = (uint8_t)test_u64(&r);
            if (t == &nk_type_mxfp4)
                block[0] = (uint8_t)(round % 253); /* above: 6 of them are no f32 */
            t->decode(block, w, t->block_len);
            for (uint32_t i = 0; i < t->block_len; i++) {
                double want = texts[k].weight(block, (int)i);
                bool same = (double)w[i] == (double)(float)want || (isnan(w[i]) && isnan(want));
                check(same, "%s[%u]: %a, text %a", t->name, i, (double)w[i], want);
            }
        }
    }
}

static void expect(const nk_type *t, const void *block, uint32_t i, float want)
{
    float w[NK_SUPER_LEN];
    t->decode(block, w, t->block_len);
    check(w[i] == want, "%s[%u] = %.9g, by hand %.9g", t->name, i, (double)w[i], (double)want);
}

CHECK_TEST(levels, blocks_worked_by_hand)
{
    /* d = 0.5; byte 0 = 0xf0: weight 0 level 0 = -127, weight 16 level 15 = 113 */
    const uint8_t nl[18] = {0x00, 0x38, 0xf0, 0x87};
    expect(&nk_type_iq4_nl, nl, 0, -63.5f);
    expect(&nk_type_iq4_nl, nl, 16, 56.5f);
    expect(&nk_type_iq4_nl, nl, 1, -5.0f);
    expect(&nk_type_iq4_nl, nl, 17, 0.5f);
    /* d = 2; group 3: low four in the high nibble of scales_l[1] = 9, top two at bit 6 of scales_h
     * = 2, so sc = 41 - 32 = 9; its first byte is at 8 + 48 */
    uint8_t xs[136] = {0x00, 0x40, 0x80, 0x00, 0x00, 0x90};
    xs[8 + 48] = 0x9c;
    expect(&nk_type_iq4_xs, xs, 96, 2 * 9 * 53.0f);
    expect(&nk_type_iq4_xs, xs, 112, 2 * 9 * 13.0f);
    expect(&nk_type_iq4_xs, xs, 0, 2 * -32 * -127.0f);
    /* trits 2 0 1 2 2: 81 * 2 + 9 + 6 + 2 = 179; ceil(179 * 256 / 243) = 189. d = 0.25 */
    uint8_t t1[54] = {189};
    t1[53] = 0x34;
    const float digits[5] = {0.25f, -0.25f, 0, 0.25f, 0.25f};
    for (uint32_t n = 0; n < 5; n++)
        expect(&nk_type_tq1_0, t1, 32 * n, digits[n]);
    t1[32 + 15] = 189;
    expect(&nk_type_tq1_0, t1, 160 + 15, 0.25f);
    expect(&nk_type_tq1_0, t1, 160 + 32 + 15, 0);
    /* trits 1 2 0 2, shifted up by one: (27 + 18 + 2) * 3 = 141; ceil(141 * 256 / 243) = 149 */
    t1[48 + 2] = 149;
    expect(&nk_type_tq1_0, t1, 242, 0);
    expect(&nk_type_tq1_0, t1, 246, 0.25f);
    expect(&nk_type_tq1_0, t1, 250, -0.25f);
    expect(&nk_type_tq1_0, t1, 254, 0.25f);
    /* byte 33 = second half, m = 1: 2 1 0 2 from the low bits up = 0x86. d = -1 */
    uint8_t t2[66] = {0};
    t2[33] = 0x86;
    t2[65] = 0xbc;
    expect(&nk_type_tq2_0, t2, 129, -1);
    expect(&nk_type_tq2_0, t2, 161, 0);
    expect(&nk_type_tq2_0, t2, 193, 1);
    expect(&nk_type_tq2_0, t2, 225, -1);
    /* e = 130: 2^3; 0xe7: weight 0 is 6, weight 16 is -4 */
    const uint8_t mx[17] = {130, 0xe7};
    expect(&nk_type_mxfp4, mx, 0, 48);
    expect(&nk_type_mxfp4, mx, 16, -32);
    const uint8_t tiny[17] = {0, 0x01}; /* half of 2^-127 */
    expect(&nk_type_mxfp4, tiny, 0, 0x1p-128f);
    /* scales 1, 1.5 * 2^3, 7 / 512 and 0; sub-block 1 begins at byte 4 + 8 */
    uint8_t nv[36] = {0x38, 0x54, 0x07, 0x7f};
    nv[4 + 8] = 0x3d; /* weight 16: -3, weight 24: 1.5 */
    nv[4 + 23] = 0x10;
    nv[4 + 31] = 0xff;
    expect(&nk_type_nvfp4, nv, 16, -36);
    expect(&nk_type_nvfp4, nv, 24, 18);
    expect(&nk_type_nvfp4, nv, 47, 0.5f * 7 / 512);
    expect(&nk_type_nvfp4, nv, 63, 0);
}

/* What a checkpoint of trits holds comes back whole, whatever the encoder's float steps. */
CHECK_TEST(levels, ternary_weights_survive_both_packings)
{
    static const nk_type *const types[] = {&nk_type_tq1_0, &nk_type_tq2_0};
    test_rng r = test_rng_make(52);
    for (int k = 0; k < 600; k++) {
        const nk_type *t = types[k % 2];
        float x[NK_SUPER_LEN], w[NK_SUPER_LEN];
        uint8_t block[66];
        uint16_t h = (uint16_t)(1 + test_below(&r, 0x7bff)); /* every finite scale */
        for (int i = 0; i < NK_SUPER_LEN; i++)
            x[i] = (float)((int)test_below(&r, 3) - 1) * nk_f16_to_f32(h);
        t->encode(x, block, 1, NK_SUPER_LEN, NULL);
        t->decode(block, w, NK_SUPER_LEN);
        for (int i = 0; i < NK_SUPER_LEN; i++)
            check(w[i] == x[i], "%s[%d], scale %04x: %g of %g", t->name, i, h, (double)w[i],
                  (double)x[i]);
    }
}
