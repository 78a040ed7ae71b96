/* What the 256-weight K types have in common. Affine ones (q2_K, q4_K, q5_K): groups of 16 or 32
 * weights w = d * sc * q - dmin * m, with small integers sc and m under two f16 super-scales. The
 * symmetric ones (q3_K, q6_K) have groups of 16 and no m. */
#ifndef NIBBLE_QUANT_SUPER_H
#define NIBBLE_QUANT_SUPER_H

#include "kernels/blocks.h"
#include "kernels/scale.h"
#include "kernels/type.h"

enum { NK_GROUPS_MAX = 16 };

/* A super-block taken apart. */
typedef struct nk_affine_block {
    uint8_t code[NK_SUPER_LEN];
    uint8_t sc[NK_GROUPS_MAX], m[NK_GROUPS_MAX];
    nk_f16 d, dmin;
} nk_affine_block;

/* How one affine type is encoded; the differences between quantize_row_q{2,4,5}_K_{ref,impl}. */
typedef struct nk_affine_codec {
    size_t block_size; /* bytes */
    int group;         /* weights per (sc, m) */
    int code_max;      /* 3, 15, 31 */
    int scale_max;     /* 15, 63 */
    nk_affine_search plain, weighted;
    bool plain_rms; /* without importance a weight counts its group's rms + |x|, else |x| */
    bool plain_clamps, weighted_clamps; /* wrapped scale codes are cut to scale_max */
    float sigma_factor;                 /* weight = importance * sqrt(factor * mean x^2 + x^2) */
    void (*pack_scales)(void *block, const nk_affine_block *a);
    void (*unpack_scales)(const void *block, nk_affine_block *a);
    void (*pack_codes)(void *block, const nk_affine_block *a);
} nk_affine_codec;

extern const nk_affine_codec nk_codec_q2_k, nk_codec_q4_k, nk_codec_q5_k;

/* Rows to blocks by a codec: nk_encode_fn. */
void nk_affine_encode(const nk_affine_codec *codec, const float *src, void *dst, size_t nrows,
                      size_t ncols, const float *importance);
/* Super-scales of group scales and mins: d and dmin, sc and m, not yet cut to the block's bits. */
void nk_affine_code_scales(const nk_affine_codec *codec, const float *scale, const float *min,
                           nk_affine_block *a);
/* Scale codes cut to scale_max where the codec wants it. */
void nk_affine_clamp(const nk_affine_codec *codec, bool weighted, nk_affine_block *a);

/* Decode, dot with q8_K and view of an unpacked block; `group` as in the codec. */
void nk_affine_decode(const nk_affine_block *a, int group, float *dst);
double nk_affine_dot(const nk_affine_block *a, int group, const nk_block_q8_k *x);
void nk_affine_view(const nk_affine_block *a, int group, int code_max, nk_block_view *v);

/* 8 x (6-bit sc, 6-bit m) in 12 bytes: q4_K and q5_K (get_scale_min_k4). */
void nk_pack_scales6(uint8_t bytes[12], const uint8_t sc[8], const uint8_t m[8]);
void nk_unpack_scales6(const uint8_t bytes[12], uint8_t sc[8], uint8_t m[8]);

/* A symmetric super-block taken apart: w = d * sc * (code - bias). */
typedef struct nk_symmetric_block {
    uint8_t code[NK_SUPER_LEN];
    int8_t sc[NK_GROUPS_MAX];
    nk_f16 d;
} nk_symmetric_block;

/* Into the block's bits. */
void nk_pack_q3_k(nk_block_q3_k *b, const nk_symmetric_block *s);
void nk_pack_q6_k(nk_block_q6_k *b, const nk_symmetric_block *s);

void nk_symmetric_recode(const float *x, int bias, nk_symmetric_block *s);
void nk_symmetric_decode(const nk_symmetric_block *s, int bias, float *dst);
double nk_symmetric_dot(const nk_symmetric_block *s, int bias, const nk_block_q8_k *x);
void nk_symmetric_view(const nk_symmetric_block *s, int bias, nk_block_view *v);

#endif
