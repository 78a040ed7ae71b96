/* Bits to codes and back, for the shapes several blocks share (pictures: blocks.h). A block type's
 * decode, dot, explain and encode all go through the same pair, so its layout is written once. */
#ifndef NIBBLE_QUANT_PACK_H
#define NIBBLE_QUANT_PACK_H

#include "kernels/blocks.h"

/* 2 * half codes of 4 bits: low nibbles the first half, high nibbles the second. */
static inline void nk_pack_nibbles(uint8_t *qs, const uint8_t *code, int half)
{
    for (int j = 0; j < half; j++)
        qs[j] = (uint8_t)((code[j] & 15) | (code[j + half] & 15) << 4);
}

static inline void nk_unpack_nibbles(const uint8_t *qs, uint8_t *code, int half)
{
    for (int j = 0; j < half; j++) {
        code[j] = qs[j] & 15;
        code[j + half] = qs[j] >> 4;
    }
}

/* Bit 4 of 32 codes in the u32 qh: bit j of it belongs to code j. */
static inline void nk_pack_fifth(uint8_t qh[4], const uint8_t code[NK_LEN])
{
    for (int b = 0; b < 4; b++) {
        unsigned bits = 0;
        for (int j = 0; j < 8; j++)
            bits |= (code[8 * b + j] >> 4 & 1u) << j;
        qh[b] = (uint8_t)bits;
    }
}

static inline void nk_unpack_fifth(const uint8_t qh[4], uint8_t code[NK_LEN])
{
    for (int j = 0; j < NK_LEN; j++)
        code[j] = (uint8_t)(code[j] | (qh[j / 8] >> (j % 8) & 1) << 4);
}

/* 256 codes of 2 bits (code & 3): per half of 128, byte l bits 2k = code l + 32k. */
static inline void nk_pack_pairs(uint8_t qs[64], const uint8_t code[NK_SUPER_LEN])
{
    for (int i = 0; i < 64; i++) {
        const uint8_t *c = code + i / 32 * 128 + i % 32;
        qs[i] = (uint8_t)((c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | (c[96] & 3) << 6);
    }
}

static inline void nk_unpack_pairs(const uint8_t qs[64], uint8_t code[NK_SUPER_LEN])
{
    for (int i = 0; i < NK_SUPER_LEN; i++)
        code[i] = qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

/* One bit per code of 256, number `bit` of it: byte l bit k = code l + 32k. */
static inline void nk_pack_plane(uint8_t plane[32], const uint8_t code[NK_SUPER_LEN], int bit)
{
    for (int l = 0; l < 32; l++) {
        unsigned bits = 0;
        for (int k = 0; k < 8; k++)
            bits |= (code[l + 32 * k] >> bit & 1u) << k;
        plane[l] = (uint8_t)bits;
    }
}

static inline void nk_unpack_plane(const uint8_t plane[32], uint8_t code[NK_SUPER_LEN], int bit)
{
    for (int i = 0; i < NK_SUPER_LEN; i++)
        code[i] = (uint8_t)(code[i] | (plane[i % 32] >> (i / 32) & 1) << bit);
}

#endif
