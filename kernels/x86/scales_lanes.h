/* Six-bit scales of K types out of words of 32 bits in lanes, a row in each, four scales of it a
 * word. Included after the vectors of vectors_avx2.h or vectors_avx512.h. */
#ifndef NIBBLE_X86_SCALES_LANES_H
#define NIBBLE_X86_SCALES_LANES_H

#if defined(NK_VECTORS)

/* The first 16 bytes of blocks of q4_K or q5_K: scales and mins of groups 0..3, then of 4..7. */
NK_INLINE void six_bits(const iv v[4], iv scale[2], iv min[2])
{
    const iv low6 = iv_set8(63), low4 = iv_set8(15), top = iv_set8(48);
    scale[0] = iv_and(v[1], low6);
    min[0] = iv_and(v[2], low6);
    scale[1] = iv_or(iv_and(v[3], low4), iv_and(iv_right16(v[1], 2), top));
    min[1] = iv_or(iv_and(iv_right16(v[3], 4), low4), iv_and(iv_right16(v[2], 2), top));
}

/* The 12 bytes of q3_K as 16 scales, signed. */
NK_INLINE void six_bits_q3_k(const iv v[3], iv scale[4])
{
    const iv low4 = iv_set8(15), top = iv_set8(48), middle = iv_set8(32);
    scale[0] = iv_and(iv_left16(v[2], 4), top);
    scale[1] = iv_and(iv_left16(v[2], 2), top);
    scale[2] = iv_and(v[2], top);
    scale[3] = iv_and(iv_right16(v[2], 2), top);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        iv low = k < 2 ? v[k] : iv_right16(v[k - 2], 4);
        scale[k] = iv_sub8(iv_or(scale[k], iv_and(low, low4)), middle);
    }
}

#endif
#endif
