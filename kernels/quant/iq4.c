/* 4-bit codes into a table of 16 levels, denser near zero: iq4_nl, 32 weights under one f16, 4.5
 * bits per weight; iq4_xs, 256 under an f16 and a 6-bit scale per 32, 4.25 bits. */
#include "kernels/fp.h"
#include "kernels/quant/levels.h"
#include "kernels/quant/pack.h"
#include "kernels/scale.h"

#include <math.h>

enum { TRIES = 7, GROUPS = NK_XS_GROUPS };

/* --- the scale of 32 weights ------------------------------------------------------------------ */

/* Number of each weight's nearest level, the higher one on ties: of the 15 middles between levels
 * those at or below it. The reference halves the table and compares x - low < high - x; both are
 * exact where it matters, near a middle (best_index_int8). */
static void nearest_levels(const float *x, float inverse, int32_t code[NK_LEN])
{
    for (int j = 0; j < NK_LEN; j++)
        code[j] = 0;
    for (int k = 0; k + 1 < NK_LEVELS; k++) {
        float middle = (float)(nk_levels_iq4[k] + nk_levels_iq4[k + 1]) * 0.5f;
        for (int j = 0; j < NK_LEN; j++)
            code[j] += inverse * x[j] >= middle;
    }
}

/* sum w q x and sum w q^2 of the levels nearest to x / scale */
static void weigh(const float *x, const float *w, float inverse, float *qx, float *qq)
{
    int32_t code[NK_LEN];
    nearest_levels(x, inverse, code);
    *qx = *qq = 0;
    for (int j = 0; j < NK_LEN; j++) {
        float q = (float)nk_levels_iq4[code[j]];
        *qx += w[j] * q * x[j];
        *qq += w[j] * q * q;
    }
}

/* Least squares under w for the levels that 1 + 15 first scales pick: the greatest value on the
 * other end's magnitude, then on 120..134 of the table's -127. 0 for a group of zeros or without
 * weight. quantize_row_iq4_nl_impl, ntry 7. */
static float fit(const float *x, const float *w)
{
    float max = nk_absmax_signed(x, NK_LEN), qx, qq;
    if (!(fabsf(max) >= NK_GROUP_EPS))
        return 0;
    float d = -max / (float)nk_levels_iq4[0];
    weigh(x, w, 1 / d, &qx, &qq);
    d = qq > 0 ? qx / qq : 0;
    float best = d * qx;
    for (int k = -TRIES; k <= TRIES; k++) {
        weigh(x, w, (float)(k + nk_levels_iq4[0]) / max, &qx, &qq);
        if (qq > 0 && qx * qx > best * qq) {
            d = qx / qq;
            best = d * qx;
        }
    }
    return d;
}

static void code_all(const float *x, float scale, uint8_t code[NK_LEN])
{
    int32_t nearest[NK_LEN];
    nearest_levels(x, scale != 0 ? 1 / scale : 0, nearest);
    for (int j = 0; j < NK_LEN; j++)
        code[j] = (uint8_t)nearest[j];
}

/* importance * sqrt(2 mean x^2 of the block + x^2), or x^2. */
static void weights_of(const float *x, const float *importance, float sigma2, float w[NK_LEN])
{
    if (importance)
        nk_importance_weights(x, importance, sigma2, w, NK_LEN);
    else
        for (int j = 0; j < NK_LEN; j++)
            w[j] = x[j] * x[j];
}

/* --- iq4_nl ----------------------------------------------------------------------------------- */

static void decode_nl(const void *src, float *dst, size_t n)
{
    const nk_block_iq4_nl *b = src;
    for (size_t i = 0; i < n / NK_LEN; i++, dst += NK_LEN) {
        uint8_t code[NK_LEN];
        nk_unpack_nibbles(b[i].qs, code, NK_LEN / 2);
        nk_levels_decode(nk_levels_iq4, code, nk_f16_to_f32(b[i].d), dst, NK_LEN);
    }
}

static void encode_nl(const float *src, void *dst, size_t nrows, size_t ncols,
                      const float *importance)
{
    nk_block_iq4_nl *b = dst;
    for (size_t r = 0; r < nrows; r++)
        for (size_t c = 0; c < ncols; c += NK_LEN, b++, src += NK_LEN) {
            float w[NK_LEN], sigma2 = nk_sum_squares(src, NK_LEN) * (2.0f / NK_LEN);
            uint8_t code[NK_LEN];
            weights_of(src, importance ? importance + c : NULL, sigma2, w);
            float d = fit(src, w);
            code_all(src, d, code);
            b->d = nk_f32_to_f16(d);
            nk_pack_nibbles(b->qs, code, NK_LEN / 2);
        }
}

static float dot_nl(size_t n, const void *w, const void *x)
{
    const nk_block_iq4_nl *b = w;
    const nk_block_q8_0 *a = x;
    double sum = 0;
    for (size_t i = 0; i < n / NK_LEN; i++) {
        uint8_t code[NK_LEN];
        nk_unpack_nibbles(b[i].qs, code, NK_LEN / 2);
        sum += (double)nk_f16_to_f32(b[i].d) * nk_f16_to_f32(a[i].d) *
               nk_levels_dot(nk_levels_iq4, code, a[i].qs, NK_LEN);
    }
    return (float)sum;
}

static void explain_nl(const void *block, nk_block_view *v)
{
    const nk_block_iq4_nl *b = block;
    uint8_t code[NK_LEN];
    nk_unpack_nibbles(b->qs, code, NK_LEN / 2);
    nk_levels_view(v, nk_levels_iq4, code, NK_LEN, NK_LEN);
    v->scale[0] = v->d = nk_f16_to_f32(b->d);
    v->scale_code[0] = 1;
}

const nk_type nk_type_iq4_nl = {
    .name = "iq4_nl",
    .id = NK_IQ4_NL,
    .block_len = NK_LEN,
    .block_size = sizeof(nk_block_iq4_nl),
    .decode = decode_nl,
    .encode = encode_nl,
    .dot = dot_nl,
    .explain = explain_nl,
    .dot_with = NK_Q8_0,
    .max_rmse = 0.0946f,
    .max_dot_err = 0.0176f,
};

/* --- iq4_xs ----------------------------------------------------------------------------------- */

/* sc - 32 of each group */
static void unpack_scales(const nk_block_iq4_xs *b, int8_t scale[GROUPS])
{
    for (int g = 0; g < GROUPS; g++) {
        int low = b->scales_l[g / 2] >> g % 2 * 4 & 15, top = b->scales_h[g / 4] >> g % 4 * 2 & 3;
        scale[g] = (int8_t)((low | top << 4) - 32);
    }
}

static void pack_scales(nk_block_iq4_xs *b, const int8_t scale[GROUPS])
{
    for (int g = 0; g < GROUPS; g += 2) {
        int even = scale[g] + 32, odd = scale[g + 1] + 32;
        b->scales_l[g / 2] = (uint8_t)((even & 15) | (odd & 15) << 4);
    }
    for (int h = 0; h < 2; h++) {
        unsigned bits = 0;
        for (int k = 0; k < 4; k++)
            bits |= (unsigned)(scale[4 * h + k] + 32) >> 4 << 2 * k;
        b->scales_h[h] = (uint8_t)bits;
    }
}

static void decode_xs(const void *src, float *dst, size_t n)
{
    const nk_block_iq4_xs *b = src;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++) {
        int8_t scale[GROUPS];
        unpack_scales(&b[i], scale);
        for (int g = 0; g < GROUPS; g++, dst += NK_LEN) {
            uint8_t code[NK_LEN];
            nk_unpack_nibbles(b[i].qs + g * NK_LEN / 2, code, NK_LEN / 2);
            nk_levels_decode(nk_levels_iq4, code, nk_f16_to_f32(b[i].d) * (float)scale[g], dst,
                             NK_LEN);
        }
    }
}

void nk_scales_iq4_xs(nk_block_iq4_xs *b, float scale[NK_XS_GROUPS])
{
    float max = 0, amax = 0;
    int8_t sc[GROUPS];
    for (int g = 0; g < GROUPS; g++)
        if (fabsf(scale[g]) > amax) {
            amax = fabsf(scale[g]);
            max = scale[g];
        }
    float d = -max / 32, inverse = d != 0 ? 1 / d : 0;
    b->d = nk_f32_to_f16(d);
    for (int g = 0; g < GROUPS; g++) {
        sc[g] = (int8_t)nk_clamp(nk_nearest(inverse * scale[g]), -32, 31);
        scale[g] = d * (float)sc[g];
    }
    pack_scales(b, sc);
}

static void encode_block(const float *x, const float *importance, nk_block_iq4_xs *b)
{
    float scale[GROUPS], w[NK_LEN];
    float sigma2 = nk_sum_squares(x, NK_SUPER_LEN) * (2.0f / NK_SUPER_LEN);
    for (int g = 0; g < GROUPS; g++) {
        const float *xg = x + g * NK_LEN;
        weights_of(xg, importance ? importance + g * NK_LEN : NULL, sigma2, w);
        scale[g] = fit(xg, w);
    }
    nk_scales_iq4_xs(b, scale);
    for (int g = 0; g < GROUPS; g++) {
        uint8_t code[NK_LEN];
        code_all(x + g * NK_LEN, scale[g], code);
        nk_pack_nibbles(b->qs + g * NK_LEN / 2, code, NK_LEN / 2);
    }
}

static void encode_xs(const float *src, void *dst, size_t nrows, size_t ncols,
                      const float *importance)
{
    nk_block_iq4_xs *b = dst;
    for (size_t r = 0; r < nrows; r++, src += ncols)
        for (size_t c = 0; c < ncols; c += NK_SUPER_LEN)
            encode_block(src + c, importance ? importance + c : NULL, b++);
}

static float dot_xs(size_t n, const void *w, const void *x)
{
    const nk_block_iq4_xs *b = w;
    const nk_block_q8_k *a = x;
    double sum = 0;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++) {
        int8_t scale[GROUPS];
        int scaled = 0;
        unpack_scales(&b[i], scale);
        for (int g = 0; g < GROUPS; g++) {
            uint8_t code[NK_LEN];
            nk_unpack_nibbles(b[i].qs + g * NK_LEN / 2, code, NK_LEN / 2);
            scaled += scale[g] * nk_levels_dot(nk_levels_iq4, code, a[i].qs + g * NK_LEN, NK_LEN);
        }
        sum += (double)nk_f16_to_f32(b[i].d) * a[i].d * scaled;
    }
    return (float)sum;
}

static void explain_xs(const void *block, nk_block_view *v)
{
    const nk_block_iq4_xs *b = block;
    uint8_t code[NK_SUPER_LEN];
    int8_t scale[GROUPS];
    for (int g = 0; g < GROUPS; g++)
        nk_unpack_nibbles(b->qs + g * NK_LEN / 2, code + g * NK_LEN, NK_LEN / 2);
    nk_levels_view(v, nk_levels_iq4, code, NK_SUPER_LEN, NK_LEN);
    unpack_scales(b, scale);
    v->d = nk_f16_to_f32(b->d);
    for (int g = 0; g < GROUPS; g++) {
        v->scale_code[g] = (int32_t)scale[g];
        v->scale[g] = v->d * (float)scale[g];
    }
}

const nk_type nk_type_iq4_xs = {
    .name = "iq4_xs",
    .id = NK_IQ4_XS,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_iq4_xs),
    .decode = decode_xs,
    .encode = encode_xs,
    .dot = dot_xs,
    .explain = explain_xs,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.0951f,
    .max_dot_err = 0.0228f,
};
