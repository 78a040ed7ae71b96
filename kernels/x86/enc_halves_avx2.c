/* Ends of sixteen halves and codes of eight weights at a time. */
#include "kernels/x86/enc_halves.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

NK_INLINE __m256i further(__m256i a, __m256i b, const end_kind kind)
{
    return kind == END_HIGH ? _mm256_max_epi16(a, b) : _mm256_max_epu16(a, b);
}

/* One block's: sixteen candidates. */
NK_INLINE __m256i candidates(const uint16_t *x, const end_kind kind)
{
    __m256i a = load32(x), b = load32(x + 16), bare = _mm256_set1_epi16(0x7fff);
    if (kind == END_BARE)
        return further(_mm256_and_si256(a, bare), _mm256_and_si256(b, bare), kind);
    return further(a, b, kind);
}

/* Each step halves what is left of a block and joins it to another's. */
NK_INLINE __m256i ends_of_blocks(const uint16_t *x, const end_kind kind)
{
    __m256i v[BESIDE];
#pragma GCC unroll 16
    for (int k = 0; k < BESIDE; k++)
        v[k] = candidates(x + k * NK_LEN, kind);
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++)
        v[k] = further(_mm256_unpacklo_epi16(v[2 * k], v[2 * k + 1]),
                       _mm256_unpackhi_epi16(v[2 * k], v[2 * k + 1]), kind);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        v[k] = further(_mm256_unpacklo_epi32(v[2 * k], v[2 * k + 1]),
                       _mm256_unpackhi_epi32(v[2 * k], v[2 * k + 1]), kind);
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++)
        v[k] = further(_mm256_unpacklo_epi64(v[2 * k], v[2 * k + 1]),
                       _mm256_unpackhi_epi64(v[2 * k], v[2 * k + 1]), kind);
    return further(_mm256_permute2x128_si256(v[0], v[1], 0x20),
                   _mm256_permute2x128_si256(v[0], v[1], 0x31), kind);
}

NK_INLINE void quad_q4_0(const uint16_t *x, const float inverse[QUAD], const nk_half_kind kind,
                         void *to)
{
    nk_block_q4_0 *b = to;
#pragma GCC unroll 4
    for (int k = 0; k < QUAD; k++, x += NK_LEN) {
        __m256i q[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __m256 v = _mm256_mul_ps(widened(load16(x + 8 * i), kind), _mm256_set1_ps(inverse[k]));
            q[i] = _mm256_cvttps_epi32(_mm256_add_ps(v, _mm256_set1_ps(8.5f)));
        }
        store_nibbles(b[k].qs, _mm256_min_epi8(low_bytes(q), _mm256_set1_epi8(15)));
    }
}

NK_INLINE void quad_q8_0(const uint16_t *x, const float inverse[QUAD], const nk_half_kind kind,
                         void *to)
{
    nk_block_q8_0 *b = to;
#pragma GCC unroll 4
    for (int k = 0; k < QUAD; k++, x += NK_LEN) {
        __m256i q[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            q[i] = round_away(
                _mm256_mul_ps(widened(load16(x + 8 * i), kind), _mm256_set1_ps(inverse[k])));
        store32(b[k].qs, low_bytes(q));
    }
}

HALVES_TYPES(HALVES_ENCODE)

void nk_x86_enc_halves_avx2(nk_ops *ops)
{
    HALVES_TYPES(HALVES_SET)
}

#endif
