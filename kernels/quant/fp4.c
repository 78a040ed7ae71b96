/* 4-bit floats (e2m1) under a shared scale: mxfp4, 32 weights under a power of two, 4.25 bits per
 * weight; nvfp4, 16 under an 8-bit float, 4.5 bits, in blocks of 64. A tensor of nvfp4 may come
 * with one f32 for all of it, in a tensor of its own (NAME.scale), which is no matter of the block.
 * Importance changes nothing. */
#include "kernels/fp.h"
#include "kernels/quant/levels.h"
#include "kernels/quant/pack.h"
#include "kernels/scale.h"

#include <math.h>

/* Nearest of the levels under this scale, the first of equals (best_index_mxfp4). */
static uint8_t nearest_level(float x, float scale)
{
    int best = 0;
    float least = fabsf((float)nk_levels_fp4[0] * scale - x);
    for (int k = 1; k < NK_LEVELS; k++) {
        float err = fabsf((float)nk_levels_fp4[k] * scale - x);
        if (err < least) {
            least = err;
            best = k;
        }
    }
    return (uint8_t)best;
}

static float absmax(const float *x, int n)
{
    float amax = 0;
    for (int i = 0; i < n; i++)
        amax = amax < fabsf(x[i]) ? fabsf(x[i]) : amax;
    return amax;
}

/* --- mxfp4 ------------------------------------------------------------------------------------ */

static void decode_mx(const void *src, float *dst, size_t n)
{
    const nk_block_mxfp4 *b = src;
    for (size_t i = 0; i < n / NK_LEN; i++, dst += NK_LEN) {
        uint8_t code[NK_LEN];
        nk_unpack_nibbles(b[i].qs, code, NK_LEN / 2);
        nk_levels_decode(nk_levels_fp4, code, nk_mxfp4_scale(b[i].e), dst, NK_LEN);
    }
}

/* The greatest magnitude lands in 4..8 of e2m1, whose end is 6 (quantize_row_mxfp4_ref). Below
 * 2^-125 the exponent wraps as the reference's cast does on x86; the codes are all 0 then. */
static void encode_mx(const float *src, void *dst, size_t nrows, size_t ncols,
                      const float *importance)
{
    (void)importance;
    nk_block_mxfp4 *b = dst;
    for (size_t i = 0; i < nrows * ncols / NK_LEN; i++, src += NK_LEN) {
        uint8_t code[NK_LEN];
        float amax = absmax(src, NK_LEN);
        b[i].e = amax > 0 ? (uint8_t)nk_trunc(floorf(log2f(amax)) - 2.0f + 127.0f) : 0;
        float scale = nk_mxfp4_scale(b[i].e);
        for (int j = 0; j < NK_LEN; j++)
            code[j] = nearest_level(src[j], scale);
        nk_pack_nibbles(b[i].qs, code, NK_LEN / 2);
    }
}

static float dot_mx(size_t n, const void *w, const void *x)
{
    const nk_block_mxfp4 *b = w;
    const nk_block_q8_0 *a = x;
    double sum = 0;
    for (size_t i = 0; i < n / NK_LEN; i++) {
        uint8_t code[NK_LEN];
        nk_unpack_nibbles(b[i].qs, code, NK_LEN / 2);
        sum += (double)nk_mxfp4_scale(b[i].e) * nk_f16_to_f32(a[i].d) *
               nk_levels_dot(nk_levels_fp4, code, a[i].qs, NK_LEN);
    }
    return (float)sum;
}

static void explain_mx(const void *block, nk_block_view *v)
{
    const nk_block_mxfp4 *b = block;
    uint8_t code[NK_LEN];
    nk_unpack_nibbles(b->qs, code, NK_LEN / 2);
    nk_levels_view(v, nk_levels_fp4, code, NK_LEN, NK_LEN);
    v->scale[0] = v->d = nk_mxfp4_scale(b->e);
    v->scale_code[0] = 1;
}

const nk_type nk_type_mxfp4 = {
    .name = "mxfp4",
    .id = NK_MXFP4,
    .block_len = NK_LEN,
    .block_size = sizeof(nk_block_mxfp4),
    .decode = decode_mx,
    .encode = encode_mx,
    .dot = dot_mx,
    .explain = explain_mx,
    .dot_with = NK_Q8_0,
    .max_rmse = 0.144f,
    .max_dot_err = 0.034f,
};

/* --- nvfp4 ------------------------------------------------------------------------------------ */

enum { NV = NK_NVFP4_LEN, GROUP = NK_NVFP4_GROUP, GROUPS = NV / GROUP };

static void unpack_nv(const nk_block_nvfp4 *b, uint8_t code[NV])
{
    for (int g = 0; g < GROUPS; g++)
        nk_unpack_nibbles(b->qs + g * GROUP / 2, code + g * GROUP, GROUP / 2);
}

static void decode_nv(const void *src, float *dst, size_t n)
{
    const nk_block_nvfp4 *b = src;
    for (size_t i = 0; i < n / NV; i++) {
        uint8_t code[NV];
        unpack_nv(&b[i], code);
        for (int g = 0; g < GROUPS; g++, dst += GROUP)
            nk_levels_decode(nk_levels_fp4, code + g * GROUP, nk_nvfp4_scale(b[i].d[g]), dst,
                             GROUP);
    }
}

/* The greatest magnitude is 6, e2m1's end (quantize_row_nvfp4_ref). */
static void encode_nv(const float *src, void *dst, size_t nrows, size_t ncols,
                      const float *importance)
{
    (void)importance;
    nk_block_nvfp4 *b = dst;
    for (size_t i = 0; i < nrows * ncols / NV; i++)
        for (int g = 0; g < GROUPS; g++, src += GROUP) {
            uint8_t code[GROUP];
            b[i].d[g] = nk_f32_to_nvfp4(absmax(src, GROUP) / 6.0f);
            float scale = nk_nvfp4_scale(b[i].d[g]);
            for (int j = 0; j < GROUP; j++)
                code[j] = nearest_level(src[j], scale);
            nk_pack_nibbles(b[i].qs + g * GROUP / 2, code, GROUP / 2);
        }
}

static float dot_nv(size_t n, const void *w, const void *x)
{
    const nk_block_nvfp4 *b = w;
    const nk_block_q8_0 *a = x;
    double sum = 0;
    for (size_t i = 0; i < n / NV; i++, a += NV / NK_LEN) {
        uint8_t code[NV];
        unpack_nv(&b[i], code);
        for (int g = 0; g < GROUPS; g++) {
            const nk_block_q8_0 *half = &a[g * GROUP / NK_LEN];
            sum += (double)nk_nvfp4_scale(b[i].d[g]) * nk_f16_to_f32(half->d) *
                   nk_levels_dot(nk_levels_fp4, code + g * GROUP, half->qs + g * GROUP % NK_LEN,
                                 GROUP);
        }
    }
    return (float)sum;
}

/* Scales have 4 significant bits at 2^-10 and up: integers under d = 2^-10. */
static void explain_nv(const void *block, nk_block_view *v)
{
    const nk_block_nvfp4 *b = block;
    uint8_t code[NV];
    unpack_nv(b, code);
    nk_levels_view(v, nk_levels_fp4, code, NV, GROUP);
    v->d = 0x1p-10f;
    for (int g = 0; g < GROUPS; g++) {
        v->scale[g] = nk_nvfp4_scale(b->d[g]);
        v->scale_code[g] = (int32_t)(v->scale[g] * 0x1p10f);
    }
}

const nk_type nk_type_nvfp4 = {
    .name = "nvfp4",
    .id = NK_NVFP4,
    .block_len = NK_NVFP4_LEN,
    .block_size = sizeof(nk_block_nvfp4),
    .decode = decode_nv,
    .encode = encode_nv,
    .dot = dot_nv,
    .explain = explain_nv,
    .dot_with = NK_Q8_0,
    .max_rmse = 0.117f,
    .max_dot_err = 0.0217f,
};
