/* q4_K: 8 groups of 32, codes 0..15, 6-bit scales and mins. 4.5 bits per weight. */
#include "kernels/quant/pack.h"
#include "kernels/quant/super.h"

#include <math.h>

static void pack_scales(nk_block_q4_k *b, const nk_affine_block *a)
{
    nk_pack_scales6(b->scales, a->sc, a->m);
    b->d = a->d;
    b->dmin = a->dmin;
}

static void unpack_scales(const nk_block_q4_k *b, nk_affine_block *a)
{
    nk_unpack_scales6(b->scales, a->sc, a->m);
    a->d = b->d;
    a->dmin = b->dmin;
}

static void pack_codes(nk_block_q4_k *b, const nk_affine_block *a)
{
    for (int i = 0; i < 4; i++)
        nk_pack_nibbles(b->qs + 32 * i, a->code + 64 * i, 32);
}

static void unpack(const nk_block_q4_k *b, nk_affine_block *a)
{
    unpack_scales(b, a);
    for (int i = 0; i < 4; i++)
        nk_unpack_nibbles(b->qs + 32 * i, a->code + 64 * i, 32);
}

/* Root mean square of the group plus |x|: outliers count more, nothing counts nothing. */
static void plain_weights(const float *x, float *w, int n)
{
    float rms = sqrtf(nk_sum_squares(x, (size_t)n) / (float)n);
    for (int i = 0; i < n; i++)
        w[i] = rms + fabsf(x[i]);
}

static const nk_affine_codec codec = {
    .group = 32,
    .code_max = 15,
    .scale_max = 63,
    .plain = {.first = -1.0f, .step = 0.1f, .last = 20},
    .weighted = {.first = -0.9f, .step = 0.05f, .last = 36},
    .plain_clamps = true,
    .sigma_factor = 2,
    .plain_weights = plain_weights,
};

static void decode(const void *src, float *dst, size_t n)
{
    const nk_block_q4_k *b = src;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, dst += NK_SUPER_LEN) {
        nk_affine_block a;
        unpack(&b[i], &a);
        nk_affine_decode(&a, 32, dst);
    }
}

static void encode_block(const float *x, const float *importance, nk_block_q4_k *b)
{
    nk_affine_block a;
    nk_affine_fit(&codec, x, importance, &a);
    pack_scales(b, &a);
    unpack_scales(b, &a);
    nk_affine_recode(&codec, x, &a);
    pack_codes(b, &a);
}

static void encode(const float *src, void *dst, size_t nrows, size_t ncols, const float *importance)
{
    nk_block_q4_k *b = dst;
    for (size_t r = 0; r < nrows; r++, src += ncols)
        for (size_t c = 0; c < ncols; c += NK_SUPER_LEN)
            encode_block(src + c, importance ? importance + c : NULL, b++);
}

static float dot(size_t n, const void *w, const void *x)
{
    const nk_block_q4_k *b = w;
    const nk_block_q8_k *y = x;
    double sum = 0;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++) {
        nk_affine_block a;
        unpack(&b[i], &a);
        sum += nk_affine_dot(&a, 32, &y[i]);
    }
    return (float)sum;
}

static void explain(const void *block, nk_block_view *v)
{
    nk_affine_block a;
    unpack(block, &a);
    nk_affine_view(&a, 32, codec.code_max, v);
}

const nk_type nk_type_q4_k = {
    .name = "q4_K",
    .id = NK_Q4_K,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_q4_k),
    .decode = decode,
    .encode = encode,
    .dot = dot,
    .explain = explain,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.0877f,
    .max_dot_err = 0.018f,
};
