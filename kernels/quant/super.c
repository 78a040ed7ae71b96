#include "kernels/quant/super.h"

#include <math.h>

static void clamp_codes(uint8_t *code, int n, int top)
{
    for (int i = 0; i < n; i++)
        code[i] = code[i] > top ? (uint8_t)top : code[i];
}

/* Scale codes by the greatest: code = round(value * top / max), d = max / top. */
static nk_f16 code_scales(const float *value, int groups, int top, uint8_t *code)
{
    float max = 0;
    for (int g = 0; g < groups; g++)
        max = value[g] > max ? value[g] : max;
    float inverse = max > 0 ? (float)top / max : 0.0f;
    for (int g = 0; g < groups; g++)
        code[g] = (uint8_t)nk_nearest(inverse * value[g]);
    return nk_f32_to_f16(max / (float)top);
}

void nk_affine_code_scales(const nk_affine_codec *codec, const float *scale, const float *min,
                           nk_affine_block *a)
{
    int groups = NK_SUPER_LEN / codec->group;
    a->d = code_scales(scale, groups, codec->scale_max, a->sc);
    a->dmin = code_scales(min, groups, codec->scale_max, a->m);
}

void nk_affine_clamp(const nk_affine_codec *codec, bool weighted, nk_affine_block *a)
{
    if (!(weighted ? codec->weighted_clamps : codec->plain_clamps))
        return;
    clamp_codes(a->sc, NK_SUPER_LEN / codec->group, codec->scale_max);
    clamp_codes(a->m, NK_SUPER_LEN / codec->group, codec->scale_max);
}

/* Outliers count more, nothing counts nothing. */
static void plain_weights(const nk_affine_codec *codec, const float *x, float *w)
{
    int n = codec->group;
    float rms = codec->plain_rms ? sqrtf(nk_sum_squares(x, (size_t)n) / (float)n) : 0;
    for (int i = 0; i < n; i++)
        w[i] = codec->plain_rms ? rms + fabsf(x[i]) : fabsf(x[i]);
}

static void fit_plain(const nk_affine_codec *codec, const float *x, nk_affine_block *a)
{
    float scale[NK_GROUPS_MAX], min[NK_GROUPS_MAX], w[NK_LEN];
    for (int g = 0; g < NK_SUPER_LEN / codec->group; g++) {
        int at = g * codec->group;
        plain_weights(codec, x + at, w);
        scale[g] = nk_fit_affine(x + at, w, codec->group, codec->code_max, &codec->plain,
                                 a->code + at, &min[g]);
    }
    nk_affine_code_scales(codec, scale, min, a);
}

static void fit_weighted(const nk_affine_codec *codec, const float *x, const float *importance,
                         nk_affine_block *a)
{
    int groups = NK_SUPER_LEN / codec->group;
    float scale[NK_GROUPS_MAX], min[NK_GROUPS_MAX], sum_w[NK_GROUPS_MAX], w[NK_LEN];
    float sigma2 = codec->sigma_factor * nk_sum_squares(x, NK_SUPER_LEN) / NK_SUPER_LEN;
    for (int g = 0; g < groups; g++) {
        int at = g * codec->group;
        nk_importance_weights(x + at, importance + at, sigma2, w, (size_t)codec->group);
        sum_w[g] = 0;
        for (int i = 0; i < codec->group; i++)
            sum_w[g] += w[i];
        scale[g] = nk_fit_affine(x + at, w, codec->group, codec->code_max, &codec->weighted,
                                 a->code + at, &min[g]);
    }
    a->d = nk_f32_to_f16(nk_fit_positive(scale, sum_w, groups, codec->scale_max, a->sc));
    a->dmin = nk_f32_to_f16(nk_fit_positive(min, sum_w, groups, codec->scale_max, a->m));
}

/* Codes rounded anew with the scales a reader will see. Groups of scale 0 keep their trial codes.
 */
static void recode(const nk_affine_codec *codec, const float *x, nk_affine_block *a)
{
    int n = codec->group;
    for (int g = 0; g < NK_SUPER_LEN / n; g++) {
        float d = nk_f16_to_f32(a->d) * (float)a->sc[g];
        float min = nk_f16_to_f32(a->dmin) * (float)a->m[g];
        for (int i = g * n; i < (g + 1) * n && d != 0; i++)
            a->code[i] = (uint8_t)nk_clamp(nk_nearest((x[i] + min) / d), 0, codec->code_max);
    }
}

void nk_affine_encode(const nk_affine_codec *codec, const float *src, void *dst, size_t nrows,
                      size_t ncols, const float *importance)
{
    uint8_t *block = dst;
    for (size_t r = 0; r < nrows; r++, src += ncols)
        for (size_t c = 0; c < ncols; c += NK_SUPER_LEN, block += codec->block_size) {
            nk_affine_block a;
            if (importance)
                fit_weighted(codec, src + c, importance + c, &a);
            else
                fit_plain(codec, src + c, &a);
            nk_affine_clamp(codec, importance != NULL, &a);
            codec->pack_scales(block, &a);
            codec->unpack_scales(block, &a);
            recode(codec, src + c, &a);
            codec->pack_codes(block, &a);
        }
}

void nk_affine_decode(const nk_affine_block *a, int group, float *dst)
{
    float d = nk_f16_to_f32(a->d), dmin = nk_f16_to_f32(a->dmin);
    for (int g = 0; g < NK_SUPER_LEN / group; g++) {
        float scale = d * (float)a->sc[g], min = dmin * (float)a->m[g];
        for (int i = g * group; i < (g + 1) * group; i++)
            dst[i] = scale * (float)a->code[i] - min;
    }
}

double nk_affine_dot(const nk_affine_block *a, int group, const nk_block_q8_k *x)
{
    int scaled = 0, mins = 0;
    for (int g = 0; g < NK_SUPER_LEN / group; g++) {
        int sum = 0;
        for (int i = g * group; i < (g + 1) * group; i++)
            sum += a->code[i] * x->qs[i];
        scaled += a->sc[g] * sum;
        for (int i = g * group / 16; i < (g + 1) * group / 16; i++)
            mins += a->m[g] * x->bsums[i];
    }
    return (double)nk_f16_to_f32(a->d) * x->d * scaled -
           (double)nk_f16_to_f32(a->dmin) * x->d * mins;
}

void nk_affine_view(const nk_affine_block *a, int group, int code_max, nk_block_view *v)
{
    v->len = NK_SUPER_LEN;
    v->group = (uint32_t)group;
    v->code_min = 0;
    v->code_max = code_max;
    v->code_step = 1;
    v->d = nk_f16_to_f32(a->d);
    v->dmin = nk_f16_to_f32(a->dmin);
    for (int g = 0; g < NK_SUPER_LEN / group; g++) {
        v->scale_code[g] = a->sc[g];
        v->min_code[g] = a->m[g];
        v->scale[g] = v->d * (float)a->sc[g];
        v->offset[g] = -(v->dmin * (float)a->m[g]);
    }
    for (int i = 0; i < NK_SUPER_LEN; i++)
        v->code[i] = a->code[i];
}

void nk_pack_scales6(uint8_t bytes[12], const uint8_t sc[8], const uint8_t m[8])
{
    for (int g = 0; g < 4; g++) {
        bytes[g] = (uint8_t)(sc[g] | sc[g + 4] >> 4 << 6);
        bytes[g + 4] = (uint8_t)(m[g] | m[g + 4] >> 4 << 6);
        bytes[g + 8] = (uint8_t)((sc[g + 4] & 15) | (m[g + 4] & 15) << 4);
    }
}

void nk_unpack_scales6(const uint8_t bytes[12], uint8_t sc[8], uint8_t m[8])
{
    for (int g = 0; g < 4; g++) {
        sc[g] = bytes[g] & 63;
        m[g] = bytes[g + 4] & 63;
        sc[g + 4] = (uint8_t)((bytes[g + 8] & 15) | bytes[g] >> 6 << 4);
        m[g + 4] = (uint8_t)(bytes[g + 8] >> 4 | bytes[g + 4] >> 6 << 4);
    }
}

void nk_symmetric_recode(const float *x, int bias, nk_symmetric_block *s)
{
    for (int g = 0; g < NK_SUPER_LEN / 16; g++) {
        float d = nk_f16_to_f32(s->d) * (float)s->sc[g];
        for (int i = g * 16; i < (g + 1) * 16 && d != 0; i++)
            s->code[i] = (uint8_t)(nk_clamp(nk_nearest(x[i] / d), -bias, bias - 1) + bias);
    }
}

void nk_symmetric_decode(const nk_symmetric_block *s, int bias, float *dst)
{
    float d = nk_f16_to_f32(s->d);
    for (int g = 0; g < NK_SUPER_LEN / 16; g++) {
        float scale = d * (float)s->sc[g];
        for (int i = g * 16; i < (g + 1) * 16; i++)
            dst[i] = scale * (float)(s->code[i] - bias);
    }
}

double nk_symmetric_dot(const nk_symmetric_block *s, int bias, const nk_block_q8_k *x)
{
    int scaled = 0;
    for (int g = 0; g < NK_SUPER_LEN / 16; g++) {
        int sum = 0;
        for (int i = g * 16; i < (g + 1) * 16; i++)
            sum += (s->code[i] - bias) * x->qs[i];
        scaled += s->sc[g] * sum;
    }
    return (double)nk_f16_to_f32(s->d) * x->d * scaled;
}

void nk_symmetric_view(const nk_symmetric_block *s, int bias, nk_block_view *v)
{
    v->len = NK_SUPER_LEN;
    v->group = 16;
    v->code_min = -bias;
    v->code_max = bias - 1;
    v->code_step = 1;
    v->d = nk_f16_to_f32(s->d);
    v->dmin = 0;
    for (int g = 0; g < NK_SUPER_LEN / 16; g++) {
        v->scale_code[g] = (int16_t)s->sc[g];
        v->min_code[g] = 0;
        v->scale[g] = v->d * (float)s->sc[g];
        v->offset[g] = -0.0f;
    }
    for (int i = 0; i < NK_SUPER_LEN; i++)
        v->code[i] = (int16_t)(s->code[i] - bias);
}
