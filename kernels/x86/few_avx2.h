/* What few_lanes.h needs in vectors of AVX2, with VNNI where the file has it: eight rows. Included
 * only by files compiled for AVX2. */
#ifndef NIBBLE_X86_FEW_AVX2_H
#define NIBBLE_X86_FEW_AVX2_H

#include "kernels/x86/side_avx2.h"
#include "kernels/x86/vectors_avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

/* 16 bytes at w[r] + at as words of 32 bits, v[k] word k of all rows; less_2: without the first two
 * bytes. */
NK_INLINE void words_of_rows(const char *const w[FV_LEN], size_t at, const bool less_2, iv v[4])
{
    words_of_8(w, at, less_2, v);
}

NK_INLINE iv word_of_rows(const char *const w[FV_LEN], size_t at)
{
    return word_of_8(w, at);
}

NK_INLINE fv f16_of_rows(const char *const w[FV_LEN], size_t at)
{
    return f16_of_8(w, at);
}

NK_INLINE fv e8m0_of_rows(const char *const w[FV_LEN], size_t at)
{
    return e8m0_of_8(w, at);
}

NK_INLINE void scales_nvfp4_of_rows(const char *const w[FV_LEN], size_t at, fv d[4])
{
    scales_nvfp4_of_8(w, at, d);
}

/* The two f16 of each lane. */
NK_INLINE void two_f16(iv v, fv *first, fv *second)
{
    floats_of(v, first, second);
}

#include "kernels/x86/few_lanes.h"

#endif
#endif
