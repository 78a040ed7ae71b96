/* How codes come out of the bytes of simple blocks on arm64, and the one step in which its levels
 * differ: dot16. Included by dot_*.c only, each compiled with its level's flags. Codes are signed
 * bytes, offsets taken off. Layouts: blocks.h. */
#ifndef NIBBLE_ARM_CODES_H
#define NIBBLE_ARM_CODES_H

#if defined(__aarch64__)

#include "kernels/blocks.h"
#include "kernels/fp.h"
#include "kernels/quant/levels.h"

#include <arm_neon.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define NK_INLINE static inline __attribute__((always_inline))

/* acc + products of 16 signed bytes, in four lanes. */
NK_INLINE int32x4_t dot16(int32x4_t acc, int8x16_t a, int8x16_t b)
{
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(acc, a, b);
#else
    acc = vpadalq_s16(acc, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(acc, vmull_high_s8(a, b));
#endif
}

NK_INLINE float f16_at(const void *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))), 0);
}

NK_INLINE uint8x16_t bytes_at(const void *p)
{
    return vld1q_u8(p);
}

/* Bits [from, from + width) of every byte, moved to bit `to`. */
NK_INLINE uint8x16_t bits_of(uint8x16_t v, int from, int width, int to)
{
    v = vshlq_u8(v, vdupq_n_s8((int8_t)(to - from)));
    return vandq_u8(v, vdupq_n_u8((uint8_t)(((1 << width) - 1) << to)));
}

typedef struct codes {
    int8x16_t lo, hi; /* 32 codes in order */
} codes;

NK_INLINE codes as_codes(uint8x16_t lo, uint8x16_t hi)
{
    return (codes){vreinterpretq_s8_u8(lo), vreinterpretq_s8_u8(hi)};
}

NK_INLINE codes nibbles(const void *p)
{
    uint8x16_t v = bytes_at(p);
    return as_codes(vandq_u8(v, vdupq_n_u8(15)), vshrq_n_u8(v, 4));
}

/* 16 where the bit of a code is set, two bytes of bits for 16 codes. */
NK_INLINE uint8x16_t fifth_bits(const uint8_t *p)
{
    static const uint8_t bit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t v = vcombine_u8(vdup_n_u8(p[0]), vdup_n_u8(p[1]));
    return vandq_u8(vtstq_u8(v, vld1q_u8(bit)), vdupq_n_u8(16));
}

NK_INLINE codes with_fifths(codes c, const uint8_t *qh)
{
    return as_codes(vorrq_u8(vreinterpretq_u8_s8(c.lo), fifth_bits(qh)),
                    vorrq_u8(vreinterpretq_u8_s8(c.hi), fifth_bits(qh + 2)));
}

NK_INLINE codes minus(codes c, int8_t offset)
{
    return (codes){vsubq_s8(c.lo, vdupq_n_s8(offset)), vsubq_s8(c.hi, vdupq_n_s8(offset))};
}

/* --- simple blocks: 32 codes from number 32 * i of a row on -------------------------------------
 */

NK_INLINE codes codes_q4_0(const void *row, size_t i)
{
    const nk_block_q4_0 *b = (const nk_block_q4_0 *)row + i;
    return minus(nibbles(b->qs), 8);
}

NK_INLINE codes codes_q4_1(const void *row, size_t i)
{
    const nk_block_q4_1 *b = (const nk_block_q4_1 *)row + i;
    return nibbles(b->qs);
}

NK_INLINE codes codes_q5_0(const void *row, size_t i)
{
    const nk_block_q5_0 *b = (const nk_block_q5_0 *)row + i;
    return minus(with_fifths(nibbles(b->qs), b->qh), 16);
}

NK_INLINE codes codes_q5_1(const void *row, size_t i)
{
    const nk_block_q5_1 *b = (const nk_block_q5_1 *)row + i;
    return with_fifths(nibbles(b->qs), b->qh);
}

NK_INLINE codes codes_q8_0(const void *row, size_t i)
{
    const nk_block_q8_0 *b = (const nk_block_q8_0 *)row + i;
    return (codes){vld1q_s8(b->qs), vld1q_s8(b->qs + 16)};
}

/* --- codes that index a table ------------------------------------------------------------------
 */

NK_INLINE codes levels_of(codes c, const int8_t levels[NK_LEVELS])
{
    int8x16_t table = vld1q_s8(levels);
    return (codes){vqtbl1q_s8(table, vreinterpretq_u8_s8(c.lo)),
                   vqtbl1q_s8(table, vreinterpretq_u8_s8(c.hi))};
}

NK_INLINE codes codes_iq4_nl(const void *row, size_t i)
{
    return levels_of(nibbles(((const nk_block_iq4_nl *)row)[i].qs), nk_levels_iq4);
}

NK_INLINE codes codes_mxfp4(const void *row, size_t i)
{
    return levels_of(nibbles(((const nk_block_mxfp4 *)row)[i].qs), nk_levels_fp4);
}

/* Half a block: 16 weights in eight bytes, low nibbles first. */
NK_INLINE codes codes_nvfp4(const void *row, size_t i)
{
    codes c = nibbles(((const nk_block_nvfp4 *)row)[i / 2].qs + i % 2 * 16);
    int64x2_t low = vreinterpretq_s64_s8(c.lo), high = vreinterpretq_s64_s8(c.hi);
    c.lo = vreinterpretq_s8_s64(vzip1q_s64(low, high));
    c.hi = vreinterpretq_s8_s64(vzip2q_s64(low, high));
    return levels_of(c, nk_levels_fp4);
}

#endif
#endif
