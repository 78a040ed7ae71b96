/* Products of VNNI in 256 bits, for files of levels that have them, in AVX-VNNI's form or in
 * AVX-512's. */
#ifndef NIBBLE_X86_VNNI_AVX2_H
#define NIBBLE_X86_VNNI_AVX2_H

#include "kernels/x86/avx2.h"

#if defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__))
#define NK_VNNI

/* sum + four products of unsigned w and signed x in each lane */
NK_INLINE __m256i dp_bytes(__m256i sum, __m256i w, __m256i x)
{
#if defined(__AVXVNNI__)
    return _mm256_dpbusd_avx_epi32(sum, w, x);
#else
    return _mm256_dpbusd_epi32(sum, w, x);
#endif
}

/* sum + two products of signed 16 bits in each lane */
NK_INLINE __m256i dp_words(__m256i sum, __m256i a, __m256i b)
{
#if defined(__AVXVNNI__)
    return _mm256_dpwssd_avx_epi32(sum, a, b);
#else
    return _mm256_dpwssd_epi32(sum, a, b);
#endif
}

#endif
#endif
