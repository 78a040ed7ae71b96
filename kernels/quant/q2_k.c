/* q2_K: 16 groups of 16, codes 0..3, 4-bit scales and mins. 2.625 bits per weight. */
#include "kernels/quant/pack.h"
#include "kernels/quant/super.h"

static void pack_scales(void *block, const nk_affine_block *a)
{
    nk_block_q2_k *b = block;
    for (int g = 0; g < 16; g++)
        b->scales[g] = (uint8_t)(a->sc[g] | a->m[g] << 4);
    b->d = a->d;
    b->dmin = a->dmin;
}

static void unpack_scales(const void *block, nk_affine_block *a)
{
    const nk_block_q2_k *b = block;
    for (int g = 0; g < 16; g++) {
        a->sc[g] = b->scales[g] & 15;
        a->m[g] = b->scales[g] >> 4;
    }
    a->d = b->d;
    a->dmin = b->dmin;
}

static void pack_codes(void *block, const nk_affine_block *a)
{
    nk_block_q2_k *b = block;
    nk_pack_pairs(b->qs, a->code, 0);
}

static void unpack(const nk_block_q2_k *b, nk_affine_block *a)
{
    unpack_scales(b, a);
    nk_unpack_pairs(b->qs, a->code);
}

const nk_affine_codec nk_codec_q2_k = {
    .block_size = sizeof(nk_block_q2_k),
    .group = 16,
    .code_max = 3,
    .scale_max = 15,
    .plain = {.first = -0.5f, .step = 0.1f, .last = 15, .absolute = true},
    .weighted = {.first = -0.9f, .step = 0.05f, .last = 36},
    .sigma_factor = 1,
    .pack_scales = pack_scales,
    .unpack_scales = unpack_scales,
    .pack_codes = pack_codes,
};

static void decode(const void *src, float *dst, size_t n)
{
    const nk_block_q2_k *b = src;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, dst += NK_SUPER_LEN) {
        nk_affine_block a;
        unpack(&b[i], &a);
        nk_affine_decode(&a, 16, dst);
    }
}

static void encode(const float *src, void *dst, size_t nrows, size_t ncols, const float *importance)
{
    nk_affine_encode(&nk_codec_q2_k, src, dst, nrows, ncols, importance);
}

static float dot(size_t n, const void *w, const void *x)
{
    const nk_block_q2_k *b = w;
    const nk_block_q8_k *y = x;
    double sum = 0;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++) {
        nk_affine_block a;
        unpack(&b[i], &a);
        sum += nk_affine_dot(&a, 16, &y[i]);
    }
    return (float)sum;
}

static void explain(const void *block, nk_block_view *v)
{
    nk_affine_block a;
    unpack(block, &a);
    nk_affine_view(&a, 16, nk_codec_q2_k.code_max, v);
}

const nk_type nk_type_q2_k = {
    .name = "q2_K",
    .id = NK_Q2_K,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_q2_k),
    .decode = decode,
    .encode = encode,
    .dot = dot,
    .explain = explain,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.367f,
    .max_dot_err = 0.078f,
};
