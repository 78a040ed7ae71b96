/* q5_K: 8 groups of 32, codes 0..31, 6-bit scales and mins. 5.5 bits per weight. */
#include "kernels/quant/pack.h"
#include "kernels/quant/super.h"

static void pack_scales(void *block, const nk_affine_block *a)
{
    nk_block_q5_k *b = block;
    nk_pack_scales6(b->scales, a->sc, a->m);
    b->d = a->d;
    b->dmin = a->dmin;
}

static void unpack_scales(const void *block, nk_affine_block *a)
{
    const nk_block_q5_k *b = block;
    nk_unpack_scales6(b->scales, a->sc, a->m);
    a->d = b->d;
    a->dmin = b->dmin;
}

static void pack_codes(void *block, const nk_affine_block *a)
{
    nk_block_q5_k *b = block;
    for (int i = 0; i < 4; i++)
        nk_pack_nibbles(b->qs + 32 * i, a->code + 64 * i, 32);
    nk_pack_plane(b->qh, a->code, 4);
}

static void unpack(const nk_block_q5_k *b, nk_affine_block *a)
{
    unpack_scales(b, a);
    for (int i = 0; i < 4; i++)
        nk_unpack_nibbles(b->qs + 32 * i, a->code + 64 * i, 32);
    nk_unpack_plane(b->qh, a->code, 4);
}

const nk_affine_codec nk_codec_q5_k = {
    .block_size = sizeof(nk_block_q5_k),
    .group = 32,
    .code_max = 31,
    .scale_max = 63,
    .plain = {.first = -0.5f, .step = 0.1f, .last = 15},
    .weighted = {.first = -0.9f, .step = 0.05f, .last = 36},
    .plain_clamps = true,
    .weighted_clamps = true,
    .sigma_factor = 2,
    .plain_rms = true,
    .pack_scales = pack_scales,
    .unpack_scales = unpack_scales,
    .pack_codes = pack_codes,
};

static void decode(const void *src, float *dst, size_t n)
{
    const nk_block_q5_k *b = src;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, dst += NK_SUPER_LEN) {
        nk_affine_block a;
        unpack(&b[i], &a);
        nk_affine_decode(&a, 32, dst);
    }
}

static void encode(const float *src, void *dst, size_t nrows, size_t ncols, const float *importance)
{
    nk_affine_encode(&nk_codec_q5_k, src, dst, nrows, ncols, importance);
}

static float dot(size_t n, const void *w, const void *x)
{
    const nk_block_q5_k *b = w;
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
    nk_affine_view(&a, 32, nk_codec_q5_k.code_max, v);
}

const nk_type nk_type_q5_k = {
    .name = "q5_K",
    .id = NK_Q5_K,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_q5_k),
    .decode = decode,
    .encode = encode,
    .dot = dot,
    .explain = explain,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.0446f,
    .max_dot_err = 0.011f,
};
