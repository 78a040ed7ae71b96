/* The same as enc_halves_avx2.c with codes of sixteen weights at a time. */
#include "kernels/x86/avx2.h"

#if defined(__AVX512F__) && defined(__AVX512BW__)

#include "kernels/ops.h"

/* Sixteen halves as floats. */
NK_INLINE __m512 wide(const uint16_t *x, const nk_half_kind kind)
{
    if (kind == NK_HALF_F16)
        return _mm512_cvtph_ps(load32(x));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load32(x)), 16));
}

/* nk_byte_code at most 15: no product is beyond int but those with an infinite inverse, whose
 * codes are 0. */
NK_INLINE __m512i coded(__m512 v, float inverse)
{
    v = _mm512_add_ps(_mm512_mul_ps(v, _mm512_set1_ps(inverse)), _mm512_set1_ps(8.5f));
    return _mm512_min_epi32(_mm512_cvttps_epi32(v), _mm512_set1_epi32(15));
}

NK_INLINE void half_codes_q4_0(const uint16_t *x, float inverse, const nk_half_kind kind, uint8_t *qs)
{
    __m512i low = coded(wide(x, kind), inverse), high = coded(wide(x + 16, kind), inverse);
    low = _mm512_or_si512(low, _mm512_slli_epi32(high, 4));
    _mm_storeu_si128((__m128i_u *)qs, _mm512_cvtepi32_epi8(low));
}

/* roundf below 2^22, as round_away of enc_avx2.c */
NK_INLINE __m128i rounded(__m512 v, float inverse)
{
    v = _mm512_mul_ps(v, _mm512_set1_ps(inverse));
    __m512i half = _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(INT32_MIN));
    half = _mm512_or_si512(half, _mm512_castps_si512(_mm512_set1_ps(0x1.fffffep-2f)));
    return _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(_mm512_add_ps(v, _mm512_castsi512_ps(half))));
}

NK_INLINE void half_codes_q8_0(const uint16_t *x, float inverse, const nk_half_kind kind, uint8_t *qs)
{
    _mm_storeu_si128((__m128i_u *)qs, rounded(wide(x, kind), inverse));
    _mm_storeu_si128((__m128i_u *)(qs + 16), rounded(wide(x + 16, kind), inverse));
}

#include "kernels/x86/enc_halves.h"

void nk_x86_enc_halves_avx512(nk_ops *ops)
{
    ops->encode_halves[NK_Q4_0] = encode_q4_0;
    ops->encode_halves[NK_Q8_0] = encode_q8_0;
}

#endif
