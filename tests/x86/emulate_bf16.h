/* What the bf16 kernels use of AVX-512 beside emulate_rows512.h, in the same manner. */
#ifndef NIBBLE_TEST_EMULATE_BF16_H
#define NIBBLE_TEST_EMULATE_BF16_H

#include "tests/x86/emulate_pairs.h"
#include "tests/x86/emulate_rows512.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

EMU_INTS(unpacklo_epi16, _mm256_unpacklo_epi16)
EMU_INTS(unpackhi_epi16, _mm256_unpackhi_epi16)
EMU_FLOATS(sub_ps, _mm256_sub_ps)

/* VCVTNEPS2BF16, whatever MXCSR says: to the nearest even, subnormals as zeros of their sign, NaN
 * cut off and made quiet. */
EMU __m256i emu_cvtneps_pbh(__m512 v)
{
    uint32_t x[16];
    uint16_t y[16];
    memcpy(x, &v, sizeof x);
    for (int i = 0; i < 16; i++) {
        uint32_t magnitude = x[i] & 0x7fffffff;
        if (magnitude < 0x00800000)
            y[i] = (uint16_t)(x[i] >> 16 & 0x8000);
        else if (magnitude > 0x7f800000)
            y[i] = (uint16_t)(x[i] >> 16 | 0x40);
        else
            y[i] = (uint16_t)((x[i] + 0x7fff + (x[i] >> 16 & 1)) >> 16);
    }
    return _mm256_loadu_si256((const void *)y);
}

/* VDPBF16PS: of every pair the second product is added, then the first, each by fma to the nearest
 * even, DAZ = FTZ = 1. */
EMU __m512 emu_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b)
{
    emu_floats s = {sum};
    emu_ints x = {(__m512i)a}, y = {(__m512i)b};
    for (int i = 0; i < 2; i++) {
        s.half[i] = emu_flush(s.half[i]);
        for (int second = 1; second >= 0; second--)
            s.half[i] = emu_flush(_mm256_fmadd_ps(emu_of_pairs(x.half[i], second),
                                                  emu_of_pairs(y.half[i], second), s.half[i]));
    }
    return s.z;
}

/* Words that a mask leaves out are not read. */
EMU __m512i emu_maskz_loadu_epi16(uint32_t mask, const void *p)
{
    uint16_t word[32] = {0};
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1)
            memcpy(&word[i], (const char *)p + 2 * i, sizeof word[i]);
    return emu_loadu_si512(word);
}

/* In every 128 bits element i is the one that two bits of `which` tell. */
EMU __m512 emu_permute_ps(__m512 v, int which)
{
    float from[16], to[16];
    memcpy(from, &v, sizeof from);
    for (int i = 0; i < 16; i++)
        to[i] = from[i / 4 * 4 + (which >> i % 4 * 2 & 3)];
    memcpy(&v, to, sizeof v);
    return v;
}

#define _mm512_dpbf16_ps         emu_dpbf16_ps
#define _mm512_permute_ps        emu_permute_ps
#define _mm512_maskz_loadu_epi16 emu_maskz_loadu_epi16
#define _mm512_unpacklo_epi16    emu_unpacklo_epi16
#define _mm512_unpackhi_epi16    emu_unpackhi_epi16
#define _mm512_cvtneps_pbh       emu_cvtneps_pbh
#define _mm512_sub_ps            emu_sub_ps

#endif
#endif
