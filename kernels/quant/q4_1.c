/* q4_1: 32 weights, one f16 scale and one f16 min, codes 0..15. 5 bits per weight. */
#include "kernels/fp.h"
#include "kernels/quant/pack.h"
#include "kernels/quant/simple.h"

#include <float.h>

static void unpack(const nk_block_q4_1 *b, uint8_t code[NK_LEN])
{
    nk_unpack_nibbles(b->qs, code, NK_LEN / 2);
}

static void pack(nk_block_q4_1 *b, const uint8_t code[NK_LEN])
{
    nk_pack_nibbles(b->qs, code, NK_LEN / 2);
}

static void decode(const void *src, float *dst, size_t n)
{
    const nk_block_q4_1 *b = src;
    for (size_t i = 0; i < n / NK_LEN; i++, dst += NK_LEN) {
        uint8_t code[NK_LEN];
        unpack(&b[i], code);
        float d = nk_f16_to_f32(b[i].d);
        float m = nk_f16_to_f32(b[i].m);
        for (int j = 0; j < NK_LEN; j++)
            dst[j] = (float)code[j] * d + m;
    }
}

/* Smallest value at code 0, greatest at 15 (quantize_row_q4_1_ref). */
static void encode_plain(const float *x, void *block)
{
    nk_block_q4_1 *b = block;
    uint8_t code[NK_LEN];
    float min = FLT_MAX, max = -FLT_MAX;
    for (int j = 0; j < NK_LEN; j++) {
        min = x[j] < min ? x[j] : min;
        max = x[j] > max ? x[j] : max;
    }
    float d = (max - min) / 15.0f;
    float id = d != 0 ? 1.0f / d : 0.0f;
    for (int j = 0; j < NK_LEN; j++)
        code[j] = nk_byte_code((x[j] - min) * id + 0.5f, 15);
    b->d = nk_f32_to_f16(d);
    b->m = nk_f32_to_f16(min);
    pack(b, code);
}

/* quantize_row_q4_1_impl */
static void encode_weighted(const float *x, const float *w, void *block)
{
    static const nk_affine_search search = {.first = -0.9f, .step = 0.05f, .last = 36};
    nk_block_q4_1 *b = block;
    uint8_t code[NK_LEN];
    float min;
    b->d = nk_f32_to_f16(nk_fit_affine(x, w, NK_LEN, 15, &search, code, &min));
    b->m = nk_f32_to_f16(-min);
    pack(b, code);
}

static void encode(const float *src, void *dst, size_t nrows, size_t ncols, const float *importance)
{
    static const nk_simple_codec codec = {sizeof(nk_block_q4_1), encode_plain, encode_weighted};
    nk_encode_simple(&codec, src, dst, nrows, ncols, importance);
}

static float dot(size_t n, const void *w, const void *x)
{
    const nk_block_q4_1 *b = w;
    const nk_block_q8_1 *a = x;
    double sum = 0;
    for (size_t i = 0; i < n / NK_LEN; i++) {
        uint8_t code[NK_LEN];
        unpack(&b[i], code);
        int s = 0;
        for (int j = 0; j < NK_LEN; j++)
            s += code[j] * a[i].qs[j];
        sum += (double)nk_f16_to_f32(b[i].d) * nk_f16_to_f32(a[i].d) * s;
        sum += (double)nk_f16_to_f32(b[i].m) * nk_f16_to_f32(a[i].s);
    }
    return (float)sum;
}

static void explain(const void *block, nk_block_view *v)
{
    const nk_block_q4_1 *b = block;
    uint8_t code[NK_LEN];
    unpack(b, code);
    nk_view_simple_min(v, code, 15, nk_f16_to_f32(b->d), nk_f16_to_f32(b->m));
}

const nk_type nk_type_q4_1 = {
    .name = "q4_1",
    .id = NK_Q4_1,
    .block_len = NK_LEN,
    .block_size = sizeof(nk_block_q4_1),
    .decode = decode,
    .encode = encode,
    .dot = dot,
    .explain = explain,
    .dot_with = NK_Q8_1,
    .max_rmse = 0.0963f,
    .max_dot_err = 0.019f,
};
