/* How codes, scales and mins come out of the bytes of super-blocks on arm64: group g of 32 codes,
 * signed bytes with offsets taken off, and one scale and min per 16. g must be a constant after
 * inlining. Layouts: blocks.h. */
#ifndef NIBBLE_ARM_CODES_K_H
#define NIBBLE_ARM_CODES_K_H

#if defined(__aarch64__)

#include "kernels/arm/codes.h"

NK_INLINE codes codes_q2_k(const void *block, int g)
{
    const uint8_t *p = ((const nk_block_q2_k *)block)->qs + g / 4 * 32;
    return as_codes(bits_of(bytes_at(p), g % 4 * 2, 2, 0),
                    bits_of(bytes_at(p + 16), g % 4 * 2, 2, 0));
}

/* Adds bit g of a plane of 32 bytes as bit `to`. */
NK_INLINE codes with_plane(codes c, const uint8_t *plane, int g, int to)
{
    return as_codes(vorrq_u8(vreinterpretq_u8_s8(c.lo), bits_of(bytes_at(plane), g, 1, to)),
                    vorrq_u8(vreinterpretq_u8_s8(c.hi), bits_of(bytes_at(plane + 16), g, 1, to)));
}

NK_INLINE codes codes_q3_k(const void *block, int g)
{
    const nk_block_q3_k *b = block;
    const uint8_t *p = b->qs + g / 4 * 32;
    codes c =
        as_codes(bits_of(bytes_at(p), g % 4 * 2, 2, 0), bits_of(bytes_at(p + 16), g % 4 * 2, 2, 0));
    return minus(with_plane(c, b->hmask, g, 2), 4);
}

NK_INLINE codes half_bytes(const uint8_t *p, int g)
{
    return as_codes(bits_of(bytes_at(p), g * 4, 4, 0), bits_of(bytes_at(p + 16), g * 4, 4, 0));
}

NK_INLINE codes codes_q4_k(const void *block, int g)
{
    return half_bytes(((const nk_block_q4_k *)block)->qs + g / 2 * 32, g % 2);
}

NK_INLINE codes codes_q5_k(const void *block, int g)
{
    const nk_block_q5_k *b = block;
    return with_plane(half_bytes(b->qs + g / 2 * 32, g % 2), b->qh, g, 4);
}

NK_INLINE codes codes_q6_k(const void *block, int g)
{
    const nk_block_q6_k *b = block;
    const uint8_t *high = b->qh + g / 4 * 32;
    codes c = half_bytes(b->ql + g / 4 * 64 + g % 2 * 32, g % 4 / 2);
    uint8x16_t lo = bits_of(bytes_at(high), g % 4 * 2, 2, 4);
    uint8x16_t hi = bits_of(bytes_at(high + 16), g % 4 * 2, 2, 4);
    return minus(
        as_codes(vorrq_u8(vreinterpretq_u8_s8(c.lo), lo), vorrq_u8(vreinterpretq_u8_s8(c.hi), hi)),
        32);
}

NK_INLINE codes codes_iq4_xs(const void *block, int g)
{
    return levels_of(nibbles(((const nk_block_iq4_xs *)block)->qs + 16 * g), nk_levels_iq4);
}

/* Scale and min of each 16 weights; offsets are already in the codes. */
typedef struct super_scales {
    int16_t scale[16], min[16];
    float d, dmin;
} super_scales;

NK_INLINE void scales_q2_k(const void *block, super_scales *s)
{
    const nk_block_q2_k *b = block;
    for (int g = 0; g < 16; g++) {
        s->scale[g] = b->scales[g] & 15;
        s->min[g] = b->scales[g] >> 4;
    }
    s->d = f16_at(&b->d);
    s->dmin = f16_at(&b->dmin);
}

NK_INLINE void scales_q3_k(const void *block, super_scales *s)
{
    const nk_block_q3_k *b = block;
    for (int g = 0; g < 16; g++) {
        int low = b->scales[g % 8] >> g / 8 * 4 & 15, top = b->scales[8 + g % 4] >> g / 4 * 2 & 3;
        s->scale[g] = (int16_t)((low | top << 4) - 32);
    }
    s->d = f16_at(&b->d);
}

/* The 12 bytes of q4_K and q5_K. */
NK_INLINE void six_bit_pairs(const uint8_t *p, super_scales *s)
{
    for (int g = 0; g < 8; g++) {
        int sc = g < 4 ? p[g] & 63 : (p[g + 4] & 15) | p[g - 4] >> 6 << 4;
        int m = g < 4 ? p[g + 4] & 63 : p[g + 4] >> 4 | p[g] >> 6 << 4;
        s->scale[2 * g] = s->scale[2 * g + 1] = (int16_t)sc;
        s->min[2 * g] = s->min[2 * g + 1] = (int16_t)m;
    }
}

NK_INLINE void scales_q4_k(const void *block, super_scales *s)
{
    const nk_block_q4_k *b = block;
    six_bit_pairs(b->scales, s);
    s->d = f16_at(&b->d);
    s->dmin = f16_at(&b->dmin);
}

NK_INLINE void scales_q5_k(const void *block, super_scales *s)
{
    const nk_block_q5_k *b = block;
    six_bit_pairs(b->scales, s);
    s->d = f16_at(&b->d);
    s->dmin = f16_at(&b->dmin);
}

NK_INLINE void scales_q6_k(const void *block, super_scales *s)
{
    const nk_block_q6_k *b = block;
    for (int g = 0; g < 16; g++)
        s->scale[g] = b->scales[g];
    s->d = f16_at(&b->d);
}

NK_INLINE void scales_iq4_xs(const void *block, super_scales *s)
{
    const nk_block_iq4_xs *b = block;
    for (int g = 0; g < 8; g++) {
        int low = b->scales_l[g / 2] >> g % 2 * 4 & 15, top = b->scales_h[g / 4] >> g % 4 * 2 & 3;
        s->scale[2 * g] = s->scale[2 * g + 1] = (int16_t)((low | top << 4) - 32);
    }
    s->d = f16_at(&b->d);
}

#endif
#endif
