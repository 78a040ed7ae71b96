#include "kernels/x86/side_avx2.h"
#include "kernels/x86/vectors_avx512.h"
#include "kernels/x86/x86.h"

/* A few columns of block types with AVX-512 and VNNI, and panels of these types: sixteen rows in a
 * vector. */

NK_INLINE __m512i four_rows(const char *const w[FV_LEN], size_t at)
{
    __m512i v = _mm512_castsi128_si512(load16(w[0] + at));
    v = _mm512_inserti32x4(v, load16(w[4] + at), 1);
    v = _mm512_inserti32x4(v, load16(w[8] + at), 2);
    return _mm512_inserti32x4(v, load16(w[12] + at), 3);
}

/* As few_avx2.h has these. */
NK_INLINE void words_of_rows(const char *const w[FV_LEN], size_t at, const bool less_2, iv v[4])
{
    __m512i t[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        t[k] = four_rows(w + k, at);
        if (less_2)
            t[k] = _mm512_bsrli_epi128(t[k], 2);
    }
    __m512i a = _mm512_unpacklo_epi32(t[0], t[1]), b = _mm512_unpacklo_epi32(t[2], t[3]);
    __m512i c = _mm512_unpackhi_epi32(t[0], t[1]), d = _mm512_unpackhi_epi32(t[2], t[3]);
    v[0] = _mm512_unpacklo_epi64(a, b);
    v[1] = _mm512_unpackhi_epi64(a, b);
    v[2] = _mm512_unpacklo_epi64(c, d);
    v[3] = _mm512_unpackhi_epi64(c, d);
}

NK_INLINE iv word_of_rows(const char *const w[FV_LEN], size_t at)
{
    __m512i v = _mm512_castsi256_si512(word_of_8(w, at));
    return _mm512_inserti64x4(v, word_of_8(w + SIDE, at), 1);
}

NK_INLINE fv f16_of_rows(const char *const w[FV_LEN], size_t at)
{
    __m512 v = _mm512_castps256_ps512(f16_of_8(w, at));
    return _mm512_insertf32x8(v, f16_of_8(w + SIDE, at), 1);
}

NK_INLINE fv e8m0_of_rows(const char *const w[FV_LEN], size_t at)
{
    __m512 v = _mm512_castps256_ps512(e8m0_of_8(w, at));
    return _mm512_insertf32x8(v, e8m0_of_8(w + SIDE, at), 1);
}

NK_INLINE void scales_nvfp4_of_rows(const char *const w[FV_LEN], size_t at, fv d[4])
{
    NK_UNSET __m256 half[2][4];
    scales_nvfp4_of_8(w, at, half[0]);
    scales_nvfp4_of_8(w + SIDE, at, half[1]);
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++)
        d[g] = _mm512_insertf32x8(_mm512_castps256_ps512(half[0][g]), half[1][g], 1);
}

NK_INLINE void two_f16(iv v, fv *first, fv *second)
{
    *first = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v));
    *second = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(v, 16)));
}

#include "kernels/x86/few_lanes.h"
#include "kernels/x86/panel_lanes.h"

void nk_x86_few_avx512(nk_ops *ops)
{
    set_few(ops);
    set_panels(ops);
}
