/* What the bf16 kernels use of AVX-512 beside emulate_rows512.h, in the same manner. */
#ifndef NIBBLE_TEST_EMULATE_BF16_H
#define NIBBLE_TEST_EMULATE_BF16_H

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

#define _mm512_unpacklo_epi16 emu_unpacklo_epi16
#define _mm512_unpackhi_epi16 emu_unpackhi_epi16
#define _mm512_cvtneps_pbh    emu_cvtneps_pbh
#define _mm512_sub_ps         emu_sub_ps

#endif
#endif
