/* q6_K: 16 groups of 16, codes -32..31, 8-bit signed scales. 6.5625 bits per weight. */
#include "kernels/quant/pack.h"
#include "kernels/quant/super.h"

#include <math.h>

enum { BIAS = 32 };

static void pack_codes(nk_block_q6_k *b, const uint8_t code[NK_SUPER_LEN])
{
    nk_pack_pairs(b->qh, code, 4);
    nk_pack_nibbles(b->ql, code, 64);
    nk_pack_nibbles(b->ql + 64, code + 128, 64);
}

static void unpack(const nk_block_q6_k *b, nk_symmetric_block *s)
{
    uint8_t high[NK_SUPER_LEN];
    s->d = b->d;
    memcpy(s->sc, b->scales, sizeof b->scales);
    nk_unpack_pairs(b->qh, high);
    nk_unpack_nibbles(b->ql, s->code, 64);
    nk_unpack_nibbles(b->ql + 64, s->code + 128, 64);
    for (int i = 0; i < NK_SUPER_LEN; i++)
        s->code[i] = (uint8_t)(s->code[i] | high[i] << 4);
}

static void decode(const void *src, float *dst, size_t n)
{
    const nk_block_q6_k *b = src;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, dst += NK_SUPER_LEN) {
        nk_symmetric_block a;
        unpack(&b[i], &a);
        nk_symmetric_decode(&a, BIAS, dst);
    }
}

void nk_pack_q6_k(nk_block_q6_k *b, const nk_symmetric_block *s)
{
    b->d = s->d;
    memcpy(b->scales, s->sc, sizeof b->scales);
    pack_codes(b, s->code);
}

/* The largest of 16 scales -> d and sc; false: none counts. */
static bool code_scales(const float scale[16], nk_symmetric_block *s)
{
    float max = 0;
    for (int g = 0; g < 16; g++)
        max = fabsf(scale[g]) > fabsf(max) ? scale[g] : max;
    if (fabsf(max) < NK_GROUP_EPS)
        return false;
    float inverse = -128.0f / max;
    for (int g = 0; g < 16; g++) {
        int sc = nk_nearest(inverse * scale[g]);
        s->sc[g] = (int8_t)(sc < 127 ? sc : 127);
    }
    s->d = nk_f32_to_f16(1 / inverse);
    return true;
}

/* quantize_row_q6_K_ref and _impl: they differ in the weights alone. */
static void encode_block(const float *x, const float *importance, nk_block_q6_k *b)
{
    nk_symmetric_block s;
    float scale[16];
    for (int g = 0; g < 16; g++) {
        const float *xg = x + 16 * g;
        float square[16];
        for (int i = 0; i < 16; i++)
            square[i] = xg[i] * xg[i];
        scale[g] = nk_fit_symmetric(xg, importance ? importance + 16 * g : square, 16, BIAS,
                                    (int8_t *)s.code + 16 * g);
    }
    if (!code_scales(scale, &s)) {
        memset(b, 0, sizeof *b);
        return;
    }
    nk_symmetric_recode(x, BIAS, &s);
    nk_pack_q6_k(b, &s);
}

static void encode(const float *src, void *dst, size_t nrows, size_t ncols, const float *importance)
{
    nk_block_q6_k *b = dst;
    for (size_t r = 0; r < nrows; r++, src += ncols)
        for (size_t c = 0; c < ncols; c += NK_SUPER_LEN)
            encode_block(src + c, importance ? importance + c : NULL, b++);
}

static float dot(size_t n, const void *w, const void *x)
{
    const nk_block_q6_k *b = w;
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

const nk_type nk_type_q6_k = {
    .name = "q6_K",
    .id = NK_Q6_K,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_q6_k),
    .decode = decode,
    .encode = encode,
    .dot = dot,
    .explain = explain,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.022f,
    .max_dot_err = 0.005f,
};
