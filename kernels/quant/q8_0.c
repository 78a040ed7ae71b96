/* q8_0: 32 weights, one f16 scale, codes -127..127. 8.5 bits per weight; also what activations are
 * encoded to before they meet a symmetric 32-weight type. Importance changes nothing. */
#include "kernels/fp.h"
#include "kernels/quant/simple.h"

#include <math.h>

static void decode(const void *src, float *dst, size_t n)
{
    const nk_block_q8_0 *b = src;
    for (size_t i = 0; i < n / NK_LEN; i++, dst += NK_LEN) {
        float d = nk_f16_to_f32(b[i].d);
        for (int j = 0; j < NK_LEN; j++)
            dst[j] = (float)b[i].qs[j] * d;
    }
}

/* quantize_row_q8_0_ref */
static void encode(const float *src, void *dst, size_t nrows, size_t ncols, const float *importance)
{
    (void)importance;
    nk_block_q8_0 *b = dst;
    for (size_t i = 0; i < nrows * ncols / NK_LEN; i++, src += NK_LEN) {
        float id, d = nk_byte_scale(src, &id);
        b[i].d = nk_f32_to_f16(d);
        for (int j = 0; j < NK_LEN; j++)
            b[i].qs[j] = (int8_t)nk_trunc(roundf(src[j] * id));
    }
}

static float dot(size_t n, const void *w, const void *x)
{
    const nk_block_q8_0 *b = w;
    const nk_block_q8_0 *a = x;
    double sum = 0;
    for (size_t i = 0; i < n / NK_LEN; i++) {
        int s = 0;
        for (int j = 0; j < NK_LEN; j++)
            s += b[i].qs[j] * a[i].qs[j];
        sum += (double)nk_f16_to_f32(b[i].d) * nk_f16_to_f32(a[i].d) * s;
    }
    return (float)sum;
}

static void explain(const void *block, nk_block_view *v)
{
    const nk_block_q8_0 *b = block;
    nk_view_bytes(v, b->qs, NK_LEN, nk_f16_to_f32(b->d));
}

const nk_type nk_type_q8_0 = {
    .name = "q8_0",
    .id = NK_Q8_0,
    .block_len = NK_LEN,
    .block_size = sizeof(nk_block_q8_0),
    .decode = decode,
    .encode = encode,
    .dot = dot,
    .explain = explain,
    .dot_with = NK_Q8_0,
    .max_rmse = 0.00663f,
    .max_dot_err = 0.0023f,
};
