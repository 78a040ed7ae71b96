/* Every on-disk block nibble computes with, byte for byte. Source: ggml-common.h @ d99724f
 * (mxfp4, nvfp4 @ 01243c5), MIT; the size of each is asserted here, the meaning of each bit is
 * pinned by the golden bytes in tests/test_types.c. Integers and f16 are little-endian; structs are
 * packed because a block in a mapped file may start at any address.
 *
 * In the diagrams a cell names its field and its bytes; [k] is weight k of the block. */
#ifndef NIBBLE_BLOCKS_H
#define NIBBLE_BLOCKS_H

#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "blocks are read in place");

enum {
    NK_LEN = 32,        /* weights of a simple block */
    NK_SUPER_LEN = 256, /* weights of a super-block (K types) */
    NK_NVFP4_LEN = 64,
    NK_NVFP4_GROUP = 16, /* weights under one scale */
    NK_Q1_0_LEN = 128,
};

typedef uint16_t nk_f16; /* IEEE binary16 bits, see fp.h */

/* | d 2 | qs 16 |   w = (q - 8) * d
 * qs[j]: low nibble [j], high nibble [j + 16] */
typedef struct __attribute__((packed)) nk_block_q4_0 {
    nk_f16 d;
    uint8_t qs[NK_LEN / 2];
} nk_block_q4_0;
_Static_assert(sizeof(nk_block_q4_0) == 18, "q4_0");

/* | d 2 | m 2 | qs 16 |   w = q * d + m; nibbles as q4_0 */
typedef struct __attribute__((packed)) nk_block_q4_1 {
    nk_f16 d, m;
    uint8_t qs[NK_LEN / 2];
} nk_block_q4_1;
_Static_assert(sizeof(nk_block_q4_1) == 20, "q4_1");

/* | d 2 | qh 4 | qs 16 |   w = (q - 16) * d
 * qs as q4_0 = bits 0-3 of q; bit j of the u32 qh = bit 4 of [j] */
typedef struct __attribute__((packed)) nk_block_q5_0 {
    nk_f16 d;
    uint8_t qh[4];
    uint8_t qs[NK_LEN / 2];
} nk_block_q5_0;
_Static_assert(sizeof(nk_block_q5_0) == 22, "q5_0");

/* | d 2 | m 2 | qh 4 | qs 16 |   w = q * d + m; bits as q5_0 */
typedef struct __attribute__((packed)) nk_block_q5_1 {
    nk_f16 d, m;
    uint8_t qh[4];
    uint8_t qs[NK_LEN / 2];
} nk_block_q5_1;
_Static_assert(sizeof(nk_block_q5_1) == 24, "q5_1");

/* | d 2 | qs 32 |   w = q * d */
typedef struct __attribute__((packed)) nk_block_q8_0 {
    nk_f16 d;
    int8_t qs[NK_LEN];
} nk_block_q8_0;
_Static_assert(sizeof(nk_block_q8_0) == 34, "q8_0");

/* | d 2 | s 2 | qs 32 |   w = q * d; s = d * sum(q), so that a min of the other side costs one
 * product per block. Activations only. */
typedef struct __attribute__((packed)) nk_block_q8_1 {
    nk_f16 d, s;
    int8_t qs[NK_LEN];
} nk_block_q8_1;
_Static_assert(sizeof(nk_block_q8_1) == 36, "q8_1");

/* | scales 16 | qs 64 | d 2 | dmin 2 |   w = d * sc * q - dmin * m, one (sc, m) per 16
 * scales[g]: low nibble sc, high nibble m
 * qs: 32 bytes per half of 128; byte l of a half, bits 2k: [l + 32k] of that half */
typedef struct __attribute__((packed)) nk_block_q2_k {
    uint8_t scales[NK_SUPER_LEN / 16];
    uint8_t qs[NK_SUPER_LEN / 4];
    nk_f16 d, dmin;
} nk_block_q2_k;
_Static_assert(sizeof(nk_block_q2_k) == 84, "q2_K");

/* | hmask 32 | qs 64 | scales 12 | d 2 |   w = d * (sc - 32) * (q - 4), one sc per 16
 * qs as q2_K = bits 0-1 of q; hmask[l] bit k = bit 2 of [l + 32k]
 * scales: 16 of 6 bits. Group g: low four in byte g % 8 (low nibble g < 8, else high), top two in
 * byte 8 + g % 4 at bit 2 * (g / 4) */
typedef struct __attribute__((packed)) nk_block_q3_k {
    uint8_t hmask[NK_SUPER_LEN / 8];
    uint8_t qs[NK_SUPER_LEN / 4];
    uint8_t scales[12];
    nk_f16 d;
} nk_block_q3_k;
_Static_assert(sizeof(nk_block_q3_k) == 110, "q3_K");

/* | d 2 | dmin 2 | scales 12 | qs 128 |   w = d * sc * q - dmin * m, one (sc, m) per 32
 * scales: 8 x (6-bit sc, 6-bit m). g < 4: sc = byte g & 63, m = byte g+4 & 63; g >= 4: byte g+4
 * holds low four of sc (low nibble) and m (high), bytes g-4 and g hold their top two at bit 6
 * qs: 32 bytes per run of 64, low nibbles its first 32 */
typedef struct __attribute__((packed)) nk_block_q4_k {
    nk_f16 d, dmin;
    uint8_t scales[12];
    uint8_t qs[NK_SUPER_LEN / 2];
} nk_block_q4_k;
_Static_assert(sizeof(nk_block_q4_k) == 144, "q4_K");

/* | d 2 | dmin 2 | scales 12 | qh 32 | qs 128 |   as q4_K; qh[l] bit k = bit 4 of [l + 32k] */
typedef struct __attribute__((packed)) nk_block_q5_k {
    nk_f16 d, dmin;
    uint8_t scales[12];
    uint8_t qh[NK_SUPER_LEN / 8];
    uint8_t qs[NK_SUPER_LEN / 2];
} nk_block_q5_k;
_Static_assert(sizeof(nk_block_q5_k) == 176, "q5_K");

/* | ql 128 | qh 64 | scales 16 | d 2 |   w = d * sc * (q - 32), one signed sc per 16
 * per half of 128: ql 64 bytes, byte l low nibble [l], high nibble [l + 64]; qh 32 bytes, byte l
 * bits 2k = bits 4-5 of [l + 32k] */
typedef struct __attribute__((packed)) nk_block_q6_k {
    uint8_t ql[NK_SUPER_LEN / 2];
    uint8_t qh[NK_SUPER_LEN / 4];
    int8_t scales[NK_SUPER_LEN / 16];
    nk_f16 d;
} nk_block_q6_k;
_Static_assert(sizeof(nk_block_q6_k) == 210, "q6_K");

/* | e 1 | qs 16 |   w = level[q] * 2^(e - 128), twice the value of e2m1 under half of e8m0
 * level: quant/levels.h; nibbles as q4_0. No NaN: e 255 is 2^127 */
typedef struct __attribute__((packed)) nk_block_mxfp4 {
    uint8_t e;
    uint8_t qs[NK_LEN / 2];
} nk_block_mxfp4;
_Static_assert(sizeof(nk_block_mxfp4) == 17, "mxfp4");

/* | d 4 | qs 32 |   w = level[q] * scale(d[s]), one d per 16, scale: nk_nvfp4_scale of fp.h
 * qs: 8 bytes per 16 weights, byte j low nibble [j], high nibble [j + 8] of the 16 */
typedef struct __attribute__((packed)) nk_block_nvfp4 {
    uint8_t d[NK_NVFP4_LEN / NK_NVFP4_GROUP];
    uint8_t qs[NK_NVFP4_LEN / 2];
} nk_block_nvfp4;
_Static_assert(sizeof(nk_block_nvfp4) == 36, "nvfp4");

/* | d 2 | qs 16 |   w = level[q] * d; level: quant/levels.h; nibbles as q4_0 */
typedef struct __attribute__((packed)) nk_block_iq4_nl {
    nk_f16 d;
    uint8_t qs[NK_LEN / 2];
} nk_block_iq4_nl;
_Static_assert(sizeof(nk_block_iq4_nl) == 18, "iq4_nl");

/* | d 2 | scales_h 2 | scales_l 4 | qs 128 |   w = level[q] * d * (sc - 32), one sc per 32
 * sc of group g: low four in scales_l[g / 2] (low nibble g even), top two in the u16 scales_h at
 * bit 2g; qs: 16 bytes per group, nibbles as q4_0 */
typedef struct __attribute__((packed)) nk_block_iq4_xs {
    nk_f16 d;
    uint8_t scales_h[2];
    uint8_t scales_l[NK_SUPER_LEN / 64];
    uint8_t qs[NK_SUPER_LEN / 2];
} nk_block_iq4_xs;
_Static_assert(sizeof(nk_block_iq4_xs) == 136, "iq4_xs");

/* | qs 48 | qh 4 | d 2 |   w = (q - 1) * d, five q of 0..2 a byte
 * a byte is ceil(v * 256 / 243), v = 81 q0 + 27 q1 + 9 q2 + 3 q3 + q4, so that
 * q_n = (byte * 3^n mod 256) * 3 >> 8
 * qs[m]: q_n = [32n + m], n < 5; qs[32 + m]: [160 + 16n + m]; qh[m]: [240 + 4n + m], n < 4 */
typedef struct __attribute__((packed)) nk_block_tq1_0 {
    uint8_t qs[48];
    uint8_t qh[4];
    nk_f16 d;
} nk_block_tq1_0;
_Static_assert(sizeof(nk_block_tq1_0) == 54, "tq1_0");

/* | qs 64 | d 2 |   w = (q - 1) * d; qs as q2_K. Encoders write 0..2, a reader takes 3 as well */
typedef struct __attribute__((packed)) nk_block_tq2_0 {
    uint8_t qs[NK_SUPER_LEN / 4];
    nk_f16 d;
} nk_block_tq2_0;
_Static_assert(sizeof(nk_block_tq2_0) == 66, "tq2_0");

/* The IQ types: 8 (iq3: 4) weights are one point of a grid, named by its index; grid.h. Where signs
 * are apart from the point, a bit set is a minus. "Seven signs" are those of the first seven
 * weights, the eighth makes their number even. s are the block's small scale codes. */

/* | d 2 | qs 64 |   w = d / 8 * (2s + 1) * point, one s per 32
 * qs per 32 weights: four index bytes; u32 of four seven signs, s at bit 28 */
typedef struct __attribute__((packed)) nk_block_iq2_xxs {
    nk_f16 d;
    uint8_t qs[NK_SUPER_LEN / 4];
} nk_block_iq2_xxs;
_Static_assert(sizeof(nk_block_iq2_xxs) == 66, "iq2_xxs");

/* | d 2 | qs 64 | scales 8 |   w = d / 8 * (2s + 1) * point, one s per 16
 * qs: a u16 per 8 weights, index in bits 0-8, seven signs above; scales[g]: s of 16 weights in the
 * low nibble, of the next 16 in the high one */
typedef struct __attribute__((packed)) nk_block_iq2_xs {
    nk_f16 d;
    uint8_t qs[NK_SUPER_LEN / 4];
    uint8_t scales[NK_SUPER_LEN / 32];
} nk_block_iq2_xs;
_Static_assert(sizeof(nk_block_iq2_xs) == 74, "iq2_xs");

/* | d 2 | qs 32 | signs 32 | qh 8 | scales 8 |   as iq2_xs
 * point k: index bits 0-7 in qs[k], 8-9 in qh[k / 4] at bit 2 * (k % 4), eight signs in signs[k] */
typedef struct __attribute__((packed)) nk_block_iq2_s {
    nk_f16 d;
    uint8_t qs[NK_SUPER_LEN / 8];
    uint8_t signs[NK_SUPER_LEN / 8];
    uint8_t qh[NK_SUPER_LEN / 32];
    uint8_t scales[NK_SUPER_LEN / 32];
} nk_block_iq2_s;
_Static_assert(sizeof(nk_block_iq2_s) == 82, "iq2_s");

/* | d 2 | qs 64 | signs 32 |   w = d / 4 * (2s + 1) * point, one s per 32
 * qs: an index byte per 4 weights; signs: a u32 per 32, four seven signs, s at bit 28 */
typedef struct __attribute__((packed)) nk_block_iq3_xxs {
    nk_f16 d;
    uint8_t qs[NK_SUPER_LEN / 4];
    uint8_t signs[NK_SUPER_LEN / 8];
} nk_block_iq3_xxs;
_Static_assert(sizeof(nk_block_iq3_xxs) == 98, "iq3_xxs");

/* | d 2 | qs 64 | qh 8 | signs 32 | scales 4 |   w = d * (2s + 1) * point, one s per 32
 * point k of 4 weights: index bits 0-7 in qs[k], 8 in qh[k / 8] at bit k % 8; signs: a bit a
 * weight; scales[g]: s of 32 weights in the low nibble, of the next 32 in the high one */
typedef struct __attribute__((packed)) nk_block_iq3_s {
    nk_f16 d;
    uint8_t qs[NK_SUPER_LEN / 4];
    uint8_t qh[NK_SUPER_LEN / 32];
    uint8_t signs[NK_SUPER_LEN / 8];
    uint8_t scales[NK_SUPER_LEN / 64];
} nk_block_iq3_s;
_Static_assert(sizeof(nk_block_iq3_s) == 110, "iq3_s");

/* | d 2 | qs 32 | qh 16 |   w = d * (2s + 1) * (point +- 1/8), one s and one shift per 32
 * index of point k: bits 0-7 in qs[k], 8-10 in the u16 qh of its 32 at bit 3 * (k % 4); s in bits
 * 12-14 of that u16, bit 15: the shift is a minus */
typedef struct __attribute__((packed)) nk_block_iq1_s {
    nk_f16 d;
    uint8_t qs[NK_SUPER_LEN / 8];
    uint8_t qh[NK_SUPER_LEN / 16];
} nk_block_iq1_s;
_Static_assert(sizeof(nk_block_iq1_s) == 50, "iq1_s");

/* | qs 32 | qh 16 | scales 8 |   as iq1_s, one s per 16, one shift per 8
 * nibble k of qh: bits 0-2 index bits 8-10 of point k, bit 3 the shift is a minus; scales: four
 * u16, each four s of 3 bits, its top nibble the next four bits of the f16 d, lowest first */
typedef struct __attribute__((packed)) nk_block_iq1_m {
    uint8_t qs[NK_SUPER_LEN / 8];
    uint8_t qh[NK_SUPER_LEN / 16];
    uint8_t scales[NK_SUPER_LEN / 32];
} nk_block_iq1_m;
_Static_assert(sizeof(nk_block_iq1_m) == 56, "iq1_m");

/* | d 2 | qs 16 |   w = d where bit i % 8 of qs[i / 8] is set, else -d */
typedef struct __attribute__((packed)) nk_block_q1_0 {
    nk_f16 d;
    uint8_t qs[NK_Q1_0_LEN / 8];
} nk_block_q1_0;
_Static_assert(sizeof(nk_block_q1_0) == 18, "q1_0");

/* | d 4 | qs 256 | bsums 32 |   w = q * d; bsums[g] = sum of q over group g of 16. Activations
 * only. */
typedef struct __attribute__((packed)) nk_block_q8_k {
    float d;
    int8_t qs[NK_SUPER_LEN];
    int16_t bsums[NK_SUPER_LEN / 16];
} nk_block_q8_k;
_Static_assert(sizeof(nk_block_q8_k) == 292, "q8_K");

#endif
