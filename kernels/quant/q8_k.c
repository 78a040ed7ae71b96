/* q8_K: 256 weights, one f32 scale, codes -127..127, and the sum of each 16 codes. What activations
 * are encoded to before they meet a K type; never in files. */
#include "kernels/quant/simple.h"

static void decode(const void *src, float *dst, size_t n)
{
    const nk_block_q8_k *b = src;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, dst += NK_SUPER_LEN)
        for (int j = 0; j < NK_SUPER_LEN; j++)
            dst[j] = b[i].d * (float)b[i].qs[j];
}

/* The value of greatest magnitude becomes -127 (quantize_row_q8_K_ref; its sums of an all-zero
 * block are left as they were, ours are zero). */
static void encode_block(const float *x, nk_block_q8_k *b)
{
    float max = nk_absmax_signed(x, NK_SUPER_LEN);
    memset(b, 0, sizeof *b);
    if (max == 0)
        return;
    float iscale = -127.0f / max;
    for (int j = 0; j < NK_SUPER_LEN; j++) {
        int q = nk_nearest(iscale * x[j]);
        b->qs[j] = (int8_t)(q < 127 ? q : 127);
    }
    for (int g = 0; g < NK_SUPER_LEN / 16; g++) {
        int sum = 0;
        for (int j = 0; j < 16; j++)
            sum += b->qs[16 * g + j];
        b->bsums[g] = (int16_t)sum;
    }
    b->d = 1 / iscale;
}

static void encode(const float *src, void *dst, size_t nrows, size_t ncols, const float *importance)
{
    (void)importance;
    nk_block_q8_k *b = dst;
    for (size_t i = 0; i < nrows * ncols / NK_SUPER_LEN; i++, src += NK_SUPER_LEN)
        encode_block(src, &b[i]);
}

static void explain(const void *block, nk_block_view *v)
{
    const nk_block_q8_k *b = block;
    nk_view_bytes(v, b->qs, NK_SUPER_LEN, b->d);
}

const nk_type nk_type_q8_k = {
    .name = "q8_K",
    .id = NK_Q8_K,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_q8_k),
    .decode = decode,
    .encode = encode,
    .explain = explain,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.00839f,
    .activation_only = true,
};
