/* Ternary weights -d, 0, d for models trained that way: 256 under one f16. tq1_0 packs five trits a
 * byte, 1.6875 bits per weight; tq2_0 spends two bits a trit, 2.0625. Importance changes nothing.
 */
#include "kernels/fp.h"
#include "kernels/quant/pack.h"
#include "kernels/scale.h"
#include "kernels/type.h"

#include <math.h>

/* A block taken apart: w = (code - 1) * d. */
typedef struct trits {
    uint8_t code[NK_SUPER_LEN];
    nk_f16 d;
} trits;

typedef void unpack_fn(const void *block, trits *t);
typedef void pack_fn(const trits *t, void *block);

/* --- layouts ---------------------------------------------------------------------------------- */

/* digits of `bytes` bytes: digit n of byte m is code[n * bytes + m] */
static void unpack_digits(const uint8_t *p, int bytes, int digits, uint8_t *code)
{
    static const uint8_t pow3[5] = {1, 3, 9, 27, 81};
    for (int n = 0; n < digits; n++)
        for (int m = 0; m < bytes; m++) {
            uint8_t rest = (uint8_t)(p[m] * pow3[n]); /* earlier digits shifted out at the top */
            code[n * bytes + m] = (uint8_t)(rest * 3 >> 8);
        }
}

static void pack_digits(uint8_t *p, int bytes, int digits, const uint8_t *code)
{
    for (int m = 0; m < bytes; m++) {
        int v = 0;
        for (int n = 0; n < 5; n++)
            v = v * 3 + (n < digits ? code[n * bytes + m] : 0);
        p[m] = (uint8_t)((v * 256 + 242) / 243); /* rounded up, so that each digit floors right */
    }
}

static void unpack_tq1(const void *block, trits *t)
{
    const nk_block_tq1_0 *b = block;
    unpack_digits(b->qs, 32, 5, t->code);
    unpack_digits(b->qs + 32, 16, 5, t->code + 160);
    unpack_digits(b->qh, 4, 4, t->code + 240);
    t->d = b->d;
}

static void pack_tq1(const trits *t, void *block)
{
    nk_block_tq1_0 *b = block;
    pack_digits(b->qs, 32, 5, t->code);
    pack_digits(b->qs + 32, 16, 5, t->code + 160);
    pack_digits(b->qh, 4, 4, t->code + 240);
    b->d = t->d;
}

static void unpack_tq2(const void *block, trits *t)
{
    const nk_block_tq2_0 *b = block;
    nk_unpack_pairs(b->qs, t->code);
    t->d = b->d;
}

static void pack_tq2(const trits *t, void *block)
{
    nk_block_tq2_0 *b = block;
    nk_pack_pairs(b->qs, t->code, 0);
    b->d = t->d;
}

/* --- what both do with trits ------------------------------------------------------------------ */

static void decode_rows(unpack_fn *unpack, size_t block_size, const void *src, float *dst, size_t n)
{
    const char *b = src;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, b += block_size, dst += NK_SUPER_LEN) {
        trits t;
        unpack(b, &t);
        float d = nk_f16_to_f32(t.d);
        for (int j = 0; j < NK_SUPER_LEN; j++)
            dst[j] = (float)(t.code[j] - 1) * d;
    }
}

/* d = the greatest magnitude (quantize_row_tq1_0_ref, quantize_row_tq2_0_ref). Past the reach of a
 * finite 1 / d a weight is 0, as lroundf's overflow makes it there. */
static void encode_rows(pack_fn *pack, size_t block_size, const float *src, void *dst, size_t n)
{
    char *b = dst;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, b += block_size, src += NK_SUPER_LEN) {
        trits t;
        float amax = 0;
        for (int j = 0; j < NK_SUPER_LEN; j++)
            amax = amax > fabsf(src[j]) ? amax : fabsf(src[j]);
        float id = amax != 0 ? 1.0f / amax : 0.0f;
        t.d = nk_f32_to_f16(amax);
        for (int j = 0; j < NK_SUPER_LEN; j++) {
            float v = src[j] * id;
            t.code[j] = (uint8_t)(fabsf(v) < 1.5f ? (int)roundf(v) + 1 : 1);
        }
        pack(&t, b);
    }
}

static float dot_rows(unpack_fn *unpack, size_t block_size, size_t n, const void *w, const void *x)
{
    const char *b = w;
    const nk_block_q8_k *a = x;
    double sum = 0;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, b += block_size) {
        trits t;
        int s = 0;
        unpack(b, &t);
        for (int j = 0; j < NK_SUPER_LEN; j++)
            s += (t.code[j] - 1) * a[i].qs[j];
        sum += (double)nk_f16_to_f32(t.d) * a[i].d * s;
    }
    return (float)sum;
}

static void view(unpack_fn *unpack, const void *block, int code_max, nk_block_view *v)
{
    trits t;
    unpack(block, &t);
    v->len = v->group = NK_SUPER_LEN;
    v->code_min = -1;
    v->code_max = code_max;
    v->code_step = 1;
    v->scale[0] = v->d = nk_f16_to_f32(t.d);
    v->offset[0] = -0.0f;
    v->scale_code[0] = 1;
    v->min_code[0] = 0;
    v->dmin = 0;
    for (int j = 0; j < NK_SUPER_LEN; j++)
        v->code[j] = (int16_t)(t.code[j] - 1);
}

/* --- rows ------------------------------------------------------------------------------------- */

static void decode_tq1(const void *src, float *dst, size_t n)
{
    decode_rows(unpack_tq1, sizeof(nk_block_tq1_0), src, dst, n);
}

static void encode_tq1(const float *src, void *dst, size_t nrows, size_t ncols,
                       const float *importance)
{
    (void)importance;
    encode_rows(pack_tq1, sizeof(nk_block_tq1_0), src, dst, nrows * ncols);
}

static float dot_tq1(size_t n, const void *w, const void *x)
{
    return dot_rows(unpack_tq1, sizeof(nk_block_tq1_0), n, w, x);
}

static void explain_tq1(const void *block, nk_block_view *v)
{
    view(unpack_tq1, block, 1, v);
}

const nk_type nk_type_tq1_0 = {
    .name = "tq1_0",
    .id = NK_TQ1_0,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_tq1_0),
    .decode = decode_tq1,
    .encode = encode_tq1,
    .dot = dot_tq1,
    .explain = explain_tq1,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.994f,
    .max_dot_err = 0.203f,
};

static void decode_tq2(const void *src, float *dst, size_t n)
{
    decode_rows(unpack_tq2, sizeof(nk_block_tq2_0), src, dst, n);
}

static void encode_tq2(const float *src, void *dst, size_t nrows, size_t ncols,
                       const float *importance)
{
    (void)importance;
    encode_rows(pack_tq2, sizeof(nk_block_tq2_0), src, dst, nrows * ncols);
}

static float dot_tq2(size_t n, const void *w, const void *x)
{
    return dot_rows(unpack_tq2, sizeof(nk_block_tq2_0), n, w, x);
}

static void explain_tq2(const void *block, nk_block_view *v)
{
    view(unpack_tq2, block, 2, v);
}

const nk_type nk_type_tq2_0 = {
    .name = "tq2_0",
    .id = NK_TQ2_0,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_tq2_0),
    .decode = decode_tq2,
    .encode = encode_tq2,
    .dot = dot_tq2,
    .explain = explain_tq2,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.994f,
    .max_dot_err = 0.153f,
};
