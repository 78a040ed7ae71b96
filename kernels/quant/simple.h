/* What the 32-weight block types have in common: the walk over rows with and without importance,
 * the rounding of their plain encoders, and the view of one block. */
#ifndef NIBBLE_QUANT_SIMPLE_H
#define NIBBLE_QUANT_SIMPLE_H

#include "kernels/blocks.h"
#include "kernels/scale.h"
#include "kernels/type.h"

typedef struct nk_simple_codec {
    size_t block_size; /* bytes */
    void (*plain)(const float *x, void *block);
    void (*weighted)(const float *x, const float *w, void *block); /* w[32] */
} nk_simple_codec;

/* Encodes rows block by block; with importance, w = importance * sqrt(mean x^2 of the row + x^2)
 * (quantize_row_q4_0_impl and its like). */
void nk_encode_simple(const nk_simple_codec *codec, const float *src, void *dst, size_t nrows,
                      size_t ncols, const float *importance);

/* v + 0.5 was added by the caller: truncate through int8 as the reference does on x86, at most max.
 */
static inline uint8_t nk_byte_code(float v, int max)
{
    int t = (int8_t)nk_trunc(v);
    return (uint8_t)(t < max ? t : max);
}

/* Fills a view with one group of 32 codes, code_min added: symmetric (offset -0.0). */
void nk_view_simple(nk_block_view *v, const uint8_t code[NK_LEN], int code_min, int code_max,
                    float d);
/* Likewise for code * d + m, codes from 0. */
void nk_view_simple_min(nk_block_view *v, const uint8_t code[NK_LEN], int code_max, float d,
                        float m);
/* Likewise for len signed bytes under one scale: q8_0, q8_1, q8_K. */
void nk_view_bytes(nk_block_view *v, const int8_t *qs, uint32_t len, float d);

/* Scale that maps the greatest magnitude of 32 values to 127, and its inverse, 0 for scale 0. */
float nk_byte_scale(const float x[NK_LEN], float *inverse);

#endif
