/* q3_K: 16 groups of 16, codes -4..3, 6-bit signed scales. 3.4375 bits per weight. */
#include "kernels/quant/pack.h"
#include "kernels/quant/super.h"

#include <math.h>

enum { BIAS = 4 };

static void pack_scales(uint8_t bytes[12], const int8_t sc[16])
{
    memset(bytes, 0, 12);
    for (int g = 0; g < 16; g++) {
        int l = sc[g] + 32;
        bytes[g % 8] = (uint8_t)(bytes[g % 8] | (l & 15) << (g / 8 * 4));
        bytes[8 + g % 4] = (uint8_t)(bytes[8 + g % 4] | l >> 4 << (g / 4 * 2));
    }
}

static void unpack(const nk_block_q3_k *b, nk_symmetric_block *s)
{
    s->d = b->d;
    for (int g = 0; g < 16; g++) {
        int low = b->scales[g % 8] >> (g / 8 * 4) & 15;
        int high = b->scales[8 + g % 4] >> (g / 4 * 2) & 3;
        s->sc[g] = (int8_t)((low | high << 4) - 32);
    }
    nk_unpack_pairs(b->qs, s->code);
    nk_unpack_plane(b->hmask, s->code, 2);
}

static void decode(const void *src, float *dst, size_t n)
{
    const nk_block_q3_k *b = src;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, dst += NK_SUPER_LEN) {
        nk_symmetric_block a;
        unpack(&b[i], &a);
        nk_symmetric_decode(&a, BIAS, dst);
    }
}

void nk_pack_q3_k(nk_block_q3_k *b, const nk_symmetric_block *s)
{
    b->d = s->d;
    pack_scales(b->scales, s->sc);
    nk_pack_pairs(b->qs, s->code, 0);
    nk_pack_plane(b->hmask, s->code, 2);
}

/* The largest of 16 scales -> d and sc. */
static void code_scales(const float scale[16], nk_symmetric_block *s)
{
    float max = 0;
    for (int g = 0; g < 16; g++)
        max = fabsf(scale[g]) > fabsf(max) ? scale[g] : max;
    s->d = 0;
    memset(s->sc, -32, sizeof s->sc);
    if (max == 0)
        return;
    float inverse = -32.0f / max;
    for (int g = 0; g < 16; g++)
        s->sc[g] = (int8_t)nk_clamp((int8_t)nk_nearest(inverse * scale[g]), -32, 31);
    s->d = nk_f32_to_f16(1 / inverse);
}

/* Group scales by the sweep, coded by the greatest (quantize_row_q3_K_ref). */
static void fit_plain(const float *x, nk_symmetric_block *s)
{
    float scale[16];
    for (int g = 0; g < 16; g++)
        scale[g] = nk_fit_symmetric_sweep(x + 16 * g, 16, BIAS, (int8_t *)s->code + 16 * g);
    code_scales(scale, s);
}

/* Group scales by the weighted search, coded by the same search under the groups' total weights
 * (quantize_row_q3_K_impl). */
static void fit_weighted(const float *x, const float *importance, nk_symmetric_block *s)
{
    float scale[16], sum_w[16], w[16];
    float sigma2 = 2 * nk_sum_squares(x, NK_SUPER_LEN) / NK_SUPER_LEN;
    for (int g = 0; g < 16; g++) {
        nk_importance_weights(x + 16 * g, importance + 16 * g, sigma2, w, 16);
        sum_w[g] = 0;
        for (int i = 0; i < 16; i++)
            sum_w[g] += w[i];
        scale[g] = nk_fit_symmetric(x + 16 * g, w, 16, BIAS, (int8_t *)s->code + 16 * g);
    }
    s->d = nk_f32_to_f16(nk_fit_symmetric(scale, sum_w, 16, 32, s->sc));
    for (int g = 0; g < 16; g++)
        s->sc[g] = (int8_t)(s->sc[g] - 32);
}

static void encode_block(const float *x, const float *importance, nk_block_q3_k *b)
{
    nk_symmetric_block s;
    if (importance)
        fit_weighted(x, importance, &s);
    else
        fit_plain(x, &s);
    nk_symmetric_recode(x, BIAS, &s);
    nk_pack_q3_k(b, &s);
}

static void encode(const float *src, void *dst, size_t nrows, size_t ncols, const float *importance)
{
    nk_block_q3_k *b = dst;
    for (size_t r = 0; r < nrows; r++, src += ncols)
        for (size_t c = 0; c < ncols; c += NK_SUPER_LEN)
            encode_block(src + c, importance ? importance + c : NULL, b++);
}

static float dot(size_t n, const void *w, const void *x)
{
    const nk_block_q3_k *b = w;
    const nk_block_q8_k *y = x;
    double sum = 0;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++) {
        nk_symmetric_block a;
        unpack(&b[i], &a);
        sum += nk_symmetric_dot(&a, BIAS, &y[i]);
    }
    return (float)sum;
}

static void explain(const void *block, nk_block_view *v)
{
    nk_symmetric_block a;
    unpack(block, &a);
    nk_symmetric_view(&a, BIAS, v);
}

const nk_type nk_type_q3_k = {
    .name = "q3_K",
    .id = NK_Q3_K,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_q3_k),
    .decode = decode,
    .encode = encode,
    .dot = dot,
    .explain = explain,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.186f,
    .max_dot_err = 0.046f,
};
