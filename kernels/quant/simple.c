#include "kernels/quant/simple.h"

#include <math.h>

void nk_encode_simple(const nk_simple_codec *codec, const float *src, void *dst, size_t nrows,
                      size_t ncols, const float *importance)
{
    uint8_t *block = dst;
    for (size_t r = 0; r < nrows; r++, src += ncols) {
        float sigma2 = importance ? nk_sum_squares(src, ncols) / (float)ncols : 0;
        for (size_t c = 0; c < ncols; c += NK_LEN, block += codec->block_size) {
            if (importance) {
                float w[NK_LEN];
                nk_importance_weights(src + c, importance + c, sigma2, w, NK_LEN);
                codec->weighted(src + c, w, block);
            } else {
                codec->plain(src + c, block);
            }
        }
    }
}

float nk_byte_scale(const float x[NK_LEN], float *inverse)
{
    float amax = 0;
    for (int j = 0; j < NK_LEN; j++)
        amax = amax > fabsf(x[j]) ? amax : fabsf(x[j]);
    float d = amax / 127.0f;
    *inverse = d != 0 ? 1.0f / d : 0.0f;
    return d;
}

static void view_one_group(nk_block_view *v, uint32_t len, int code_min, int code_max, float scale,
                           float offset)
{
    v->len = v->group = len;
    v->code_min = code_min;
    v->code_max = code_max;
    v->code_step = 1;
    v->scale[0] = v->d = scale;
    v->offset[0] = offset;
    v->scale_code[0] = 1;
}

void nk_view_simple(nk_block_view *v, const uint8_t code[NK_LEN], int code_min, int code_max,
                    float d)
{
    view_one_group(v, NK_LEN, code_min, code_max, d, -0.0f);
    v->min_code[0] = 0;
    v->dmin = 0;
    for (int i = 0; i < NK_LEN; i++)
        v->code[i] = (int16_t)(code[i] + code_min);
}

void nk_view_simple_min(nk_block_view *v, const uint8_t code[NK_LEN], int code_max, float d,
                        float m)
{
    view_one_group(v, NK_LEN, 0, code_max, d, m);
    v->min_code[0] = 1;
    v->dmin = m;
    for (int i = 0; i < NK_LEN; i++)
        v->code[i] = code[i];
}

void nk_view_bytes(nk_block_view *v, const int8_t *qs, uint32_t len, float d)
{
    view_one_group(v, len, -128, 127, d, -0.0f);
    v->min_code[0] = 0;
    v->dmin = 0;
    for (uint32_t i = 0; i < len; i++)
        v->code[i] = (int16_t)qs[i];
}
