/* q8_1: q8_0 plus s = d * sum of codes. What activations are encoded to before they meet q4_1 or
 * q5_1; never in files. */
#include "kernels/fp.h"
#include "kernels/quant/simple.h"

#include <math.h>

static void decode(const void *src, float *dst, size_t n)
{
    const nk_block_q8_1 *b = src;
    for (size_t i = 0; i < n / NK_LEN; i++, dst += NK_LEN) {
        float d = nk_f16_to_f32(b[i].d);
        for (int j = 0; j < NK_LEN; j++)
            dst[j] = (float)b[i].qs[j] * d;
    }
}

/* quantize_row_q8_1_ref */
static void encode(const float *src, void *dst, size_t nrows, size_t ncols, const float *importance)
{
    (void)importance;
    nk_block_q8_1 *b = dst;
    for (size_t i = 0; i < nrows * ncols / NK_LEN; i++, src += NK_LEN) {
        int sum = 0;
        float id, d = nk_byte_scale(src, &id);
        for (int j = 0; j < NK_LEN; j++) {
            b[i].qs[j] = (int8_t)nk_trunc(roundf(src[j] * id));
            sum += b[i].qs[j];
        }
        b[i].d = nk_f32_to_f16(d);
        b[i].s = nk_f32_to_f16((float)sum * d);
    }
}

static void explain(const void *block, nk_block_view *v)
{
    const nk_block_q8_1 *b = block;
    nk_view_bytes(v, b->qs, NK_LEN, nk_f16_to_f32(b->d));
}

const nk_type nk_type_q8_1 = {
    .name = "q8_1",
    .id = NK_Q8_1,
    .block_len = NK_LEN,
    .block_size = sizeof(nk_block_q8_1),
    .decode = decode,
    .encode = encode,
    .explain = explain,
    .dot_with = NK_Q8_1,
    .max_rmse = 0.00663f,
    .activation_only = true,
};
