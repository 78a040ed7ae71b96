/* Codes of eight weights at a time; what halves are read for is in enc_halves.h. */
#include "kernels/x86/avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include "kernels/ops.h"

/* Eight halves as floats. */
NK_INLINE __m256 eight(const uint16_t *x, const nk_half_kind kind)
{
    if (kind == NK_HALF_F16)
        return _mm256_cvtph_ps(load16(x));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(x)), 16));
}

NK_INLINE void half_codes_q4_0(const uint16_t *x, float inverse, const nk_half_kind kind,
                               uint8_t *qs)
{
    __m256i q[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m256 v = _mm256_mul_ps(eight(x + 8 * i, kind), _mm256_set1_ps(inverse));
        q[i] = _mm256_cvttps_epi32(_mm256_add_ps(v, _mm256_set1_ps(8.5f)));
    }
    store_nibbles(qs, _mm256_min_epi8(low_bytes(q), _mm256_set1_epi8(15)));
}

NK_INLINE void half_codes_q8_0(const uint16_t *x, float inverse, const nk_half_kind kind,
                               uint8_t *qs)
{
    __m256i q[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        q[i] = round_away(_mm256_mul_ps(eight(x + 8 * i, kind), _mm256_set1_ps(inverse)));
    store32(qs, low_bytes(q));
}

#include "kernels/x86/enc_halves.h"

void nk_x86_enc_halves_avx2(nk_ops *ops)
{
    ops->encode_halves[NK_Q4_0] = encode_q4_0;
    ops->encode_halves[NK_Q8_0] = encode_q8_0;
}

#endif
