/* Bits to codes and back, for the shapes several blocks share (pictures: blocks.h). A block type's
 * decode, dot, explain and encode all go through the same pair, so its layout is written once. */
#ifndef NIBBLE_QUANT_PACK_H
#define NIBBLE_QUANT_PACK_H

#include "kernels/blocks.h"

#include <stdint.h>
#include <string.h>

/* Codes go eight at a time, a byte each: shifts then cross no code's bits that a mask keeps. */
static inline uint64_t nk_eight_codes(const uint8_t *code)
{
    uint64_t v;
    memcpy(&v, code, sizeof v);
    return v;
}

enum { NK_EIGHT = 8 };
static const uint64_t nk_each_byte = 0x0101010101010101u;

/* 2 * half codes of 4 bits: low nibbles the first half, high nibbles the second. half % 8 == 0. */
static inline void nk_pack_nibbles(uint8_t *qs, const uint8_t *code, int half)
{
    const uint64_t nibble = 15 * nk_each_byte;
    for (int j = 0; j < half; j += NK_EIGHT) {
        uint64_t v =
            (nk_eight_codes(code + j) & nibble) | (nk_eight_codes(code + j + half) & nibble) << 4;
        memcpy(qs + j, &v, sizeof v);
    }
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

/* Bits `bit` and bit + 1 of 256 codes: per half of 128, byte l bits 2k = code l + 32k. */
static inline void nk_pack_pairs(uint8_t qs[64], const uint8_t code[NK_SUPER_LEN], int bit)
{
    const uint64_t pair = 3 * nk_each_byte;
    for (int i = 0; i < 64; i += NK_EIGHT) {
        const uint8_t *c = code + i / 32 * 128 + i % 32;
        uint64_t v = 0;
        for (int k = 0; k < 4; k++)
            v |= (nk_eight_codes(c + 32 * k) >> bit & pair) << 2 * k;
        memcpy(qs + i, &v, sizeof v);
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
    for (int l = 0; l < 32; l += NK_EIGHT) {
        uint64_t bits = 0;
        for (int k = 0; k < 8; k++)
            bits |= (nk_eight_codes(code + l + 32 * k) >> bit & nk_each_byte) << k;
        memcpy(plane + l, &bits, sizeof bits);
    }
}

static inline void nk_unpack_plane(const uint8_t plane[32], uint8_t code[NK_SUPER_LEN], int bit)
{
    for (int i = 0; i < NK_SUPER_LEN; i++)
        code[i] = (uint8_t)(code[i] | (plane[i % 32] >> (i / 32) & 1) << bit);
}

#endif
