/* q1_0: 128 signs under one f16, their mean magnitude. 1.125 bits per weight. Importance changes
 * nothing. */
#include "kernels/blocks.h"
#include "kernels/fp.h"
#include "kernels/type.h"

#include <math.h>

enum { LEN = NK_Q1_0_LEN };

static int sign_of(const nk_block_q1_0 *b, int j)
{
    return b->qs[j / 8] >> j % 8 & 1 ? 1 : -1;
}

static void decode(const void *src, float *dst, size_t n)
{
    const nk_block_q1_0 *b = src;
    for (size_t i = 0; i < n / LEN; i++, dst += LEN) {
        float d = nk_f16_to_f32(b[i].d);
        for (int j = 0; j < LEN; j++)
            dst[j] = (float)sign_of(&b[i], j) * d;
    }
}

/* quantize_row_q1_0_ref of ggml-quants.c @ 050ee92 */
static void encode(const float *src, void *dst, size_t nrows, size_t ncols, const float *importance)
{
    (void)importance;
    nk_block_q1_0 *b = dst;
    for (size_t i = 0; i < nrows * ncols / LEN; i++, src += LEN) {
        float sum = 0;
        for (int j = 0; j < LEN; j++)
            sum += fabsf(src[j]);
        b[i].d = nk_f32_to_f16(sum / LEN);
        for (int k = 0; k < LEN / 8; k++) {
            unsigned bits = 0;
            for (int j = 0; j < 8; j++)
                bits |= (unsigned)(src[8 * k + j] >= 0) << j;
            b[i].qs[k] = (uint8_t)bits;
        }
    }
}

static float dot(size_t n, const void *w, const void *x)
{
    const nk_block_q1_0 *b = w;
    const nk_block_q8_0 *a = x;
    double sum = 0;
    for (size_t i = 0; i < n / NK_LEN; i++) {
        const nk_block_q1_0 *of = &b[i / (LEN / NK_LEN)];
        int s = 0, at = (int)(i % (LEN / NK_LEN)) * NK_LEN;
        for (int j = 0; j < NK_LEN; j++)
            s += sign_of(of, at + j) * a[i].qs[j];
        sum += (double)nk_f16_to_f32(of->d) * nk_f16_to_f32(a[i].d) * s;
    }
    return (float)sum;
}

static void explain(const void *block, nk_block_view *v)
{
    const nk_block_q1_0 *b = block;
    v->len = v->group = LEN;
    v->code_min = -1;
    v->code_max = 1;
    v->code_step = 2;
    v->scale[0] = v->d = nk_f16_to_f32(b->d);
    v->offset[0] = -0.0f;
    v->scale_code[0] = 1;
    v->min_code[0] = 0;
    v->dmin = 0;
    for (int j = 0; j < LEN; j++)
        v->code[j] = (int16_t)sign_of(b, j);
}

const nk_type nk_type_q1_0 = {
    .name = "q1_0",
    .id = NK_Q1_0,
    .block_len = LEN,
    .block_size = sizeof(nk_block_q1_0),
    .decode = decode,
    .encode = encode,
    .dot = dot,
    .explain = explain,
    .dot_with = NK_Q8_0,
    .max_rmse = 0.744f,
    .max_dot_err = 0.16f,
};
