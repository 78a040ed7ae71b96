/* q4_0: 32 weights, one f16 scale, codes -8..7. 4.5 bits per weight. */
#include "kernels/fp.h"
#include "kernels/quant/pack.h"
#include "kernels/quant/simple.h"

static void unpack(const nk_block_q4_0 *b, uint8_t code[NK_LEN])
{
    nk_unpack_nibbles(b->qs, code, NK_LEN / 2);
}

static void pack(nk_block_q4_0 *b, const uint8_t code[NK_LEN])
{
    nk_pack_nibbles(b->qs, code, NK_LEN / 2);
}

static void decode(const void *src, float *dst, size_t n)
{
    const nk_block_q4_0 *b = src;
    for (size_t i = 0; i < n / NK_LEN; i++, dst += NK_LEN) {
        uint8_t code[NK_LEN];
        unpack(&b[i], code);
        float d = nk_f16_to_f32(b[i].d);
        for (int j = 0; j < NK_LEN; j++)
            dst[j] = (float)(code[j] - 8) * d;
    }
}

/* The value of greatest magnitude becomes code -8 exactly (quantize_row_q4_0_ref). */
static void encode_plain(const float *x, void *block)
{
    nk_block_q4_0 *b = block;
    uint8_t code[NK_LEN];
    float d = nk_absmax_signed(x, NK_LEN) / -8.0f;
    float id = d != 0 ? 1.0f / d : 0.0f;
    for (int j = 0; j < NK_LEN; j++)
        code[j] = nk_byte_code(x[j] * id + 8.5f, 15);
    b->d = nk_f32_to_f16(d);
    pack(b, code);
}

/* quantize_row_q4_0_impl */
static void encode_weighted(const float *x, const float *w, void *block)
{
    nk_block_q4_0 *b = block;
    int8_t code[NK_LEN];
    b->d = nk_f32_to_f16(nk_fit_symmetric(x, w, NK_LEN, 8, code));
    pack(b, (const uint8_t *)code);
}

static void encode(const float *src, void *dst, size_t nrows, size_t ncols, const float *importance)
{
    static const nk_simple_codec codec = {sizeof(nk_block_q4_0), encode_plain, encode_weighted};
    nk_encode_simple(&codec, src, dst, nrows, ncols, importance);
}

static float dot(size_t n, const void *w, const void *x)
{
    const nk_block_q4_0 *b = w;
    const nk_block_q8_0 *a = x;
    double sum = 0;
    for (size_t i = 0; i < n / NK_LEN; i++) {
        uint8_t code[NK_LEN];
        unpack(&b[i], code);
        int s = 0;
        for (int j = 0; j < NK_LEN; j++)
            s += (code[j] - 8) * a[i].qs[j];
        sum += (double)nk_f16_to_f32(b[i].d) * nk_f16_to_f32(a[i].d) * s;
    }
    return (float)sum;
}

static void explain(const void *block, nk_block_view *v)
{
    const nk_block_q4_0 *b = block;
    uint8_t code[NK_LEN];
    unpack(b, code);
    nk_view_simple(v, code, -8, 7, nk_f16_to_f32(b->d));
}

const nk_type nk_type_q4_0 = {
    .name = "q4_0",
    .id = NK_Q4_0,
    .block_len = NK_LEN,
    .block_size = sizeof(nk_block_q4_0),
    .decode = decode,
    .encode = encode,
    .dot = dot,
    .explain = explain,
    .dot_with = NK_Q8_0,
    .max_rmse = 0.106f,
    .max_dot_err = 0.025f,
};
