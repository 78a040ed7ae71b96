/* Ends of a whole block at a time and codes of sixteen weights, packed for four blocks together. */
#include "kernels/x86/enc_halves.h"

#if defined(__AVX512F__) && defined(__AVX512BW__)

NK_INLINE __m512i further(__m512i a, __m512i b, const end_kind kind)
{
    return kind == END_HIGH ? _mm512_max_epi16(a, b) : _mm512_max_epu16(a, b);
}

/* Each step halves what is left of a block and joins it to another's. */
NK_INLINE __m256i ends_of_blocks(const uint16_t *x, const end_kind kind)
{
    __m512i v[BESIDE];
#pragma GCC unroll 16
    for (int k = 0; k < BESIDE; k++) {
        v[k] = _mm512_loadu_si512(x + k * NK_LEN);
        if (kind == END_BARE)
            v[k] = _mm512_and_si512(v[k], _mm512_set1_epi16(0x7fff));
    }
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++)
        v[k] = further(_mm512_unpacklo_epi16(v[2 * k], v[2 * k + 1]),
                       _mm512_unpackhi_epi16(v[2 * k], v[2 * k + 1]), kind);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        v[k] = further(_mm512_unpacklo_epi32(v[2 * k], v[2 * k + 1]),
                       _mm512_unpackhi_epi32(v[2 * k], v[2 * k + 1]), kind);
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++)
        v[k] = further(_mm512_unpacklo_epi64(v[2 * k], v[2 * k + 1]),
                       _mm512_unpackhi_epi64(v[2 * k], v[2 * k + 1]), kind);
    __m512i both = further(_mm512_shuffle_i64x2(v[0], v[1], 0x88),
                           _mm512_shuffle_i64x2(v[0], v[1], 0xdd), kind); /* 0 0 1 1 */
    both = further(_mm512_shuffle_i64x2(both, both, 0x88), _mm512_shuffle_i64x2(both, both, 0xdd),
                   kind);
    return _mm512_castsi512_si256(both);
}

/* Sixteen halves as floats. */
NK_INLINE __m512 wide(const uint16_t *x, const nk_half_kind kind)
{
    if (kind == NK_HALF_F16)
        return _mm512_cvtph_ps(load32(x));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load32(x)), 16));
}

NK_INLINE __m512i codes_up(const uint16_t *x, float inverse, const nk_half_kind kind)
{
    __m512 v = _mm512_mul_ps(wide(x, kind), _mm512_set1_ps(inverse));
    return _mm512_cvttps_epi32(_mm512_add_ps(v, _mm512_set1_ps(8.5f)));
}

/* Two blocks' bytes of codes as words: four of the one, four of the other, and so on. */
NK_INLINE __m512i nibbles_of_two(const uint16_t *x, const float inverse[2], const nk_half_kind kind)
{
    const __m512i most = _mm512_set1_epi16(15);
    __m512i low =
        _mm512_packus_epi32(codes_up(x, inverse[0], kind), codes_up(x + NK_LEN, inverse[1], kind));
    __m512i high = _mm512_packus_epi32(codes_up(x + 16, inverse[0], kind),
                                       codes_up(x + NK_LEN + 16, inverse[1], kind));
    return _mm512_or_si512(_mm512_min_epi16(low, most),
                           _mm512_slli_epi16(_mm512_min_epi16(high, most), 4));
}

/* Four bytes of each of four in turn -> sixteen bytes of each. */
NK_INLINE __m512i by_sixteen(__m512i v)
{
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), v);
}

NK_INLINE void quad_q4_0(const uint16_t *x, const float inverse[QUAD], const nk_half_kind kind,
                         void *to)
{
    nk_block_q4_0 *b = to;
    __m512i v = by_sixteen(_mm512_packus_epi16(nibbles_of_two(x, inverse, kind),
                                               nibbles_of_two(x + 2 * NK_LEN, inverse + 2, kind)));
    _mm_storeu_si128((__m128i_u *)b[0].qs, _mm512_castsi512_si128(v));
    _mm_storeu_si128((__m128i_u *)b[1].qs, _mm512_extracti32x4_epi32(v, 1));
    _mm_storeu_si128((__m128i_u *)b[2].qs, _mm512_extracti32x4_epi32(v, 2));
    _mm_storeu_si128((__m128i_u *)b[3].qs, _mm512_extracti32x4_epi32(v, 3));
}

/* roundf below 2^22, as round_away of avx2.h. */
NK_INLINE __m512i rounded(const uint16_t *x, float inverse, const nk_half_kind kind)
{
    __m512 v = _mm512_mul_ps(wide(x, kind), _mm512_set1_ps(inverse));
    __m512i half = _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(INT32_MIN));
    half = _mm512_or_si512(half, _mm512_castps_si512(_mm512_set1_ps(0x1.fffffep-2f)));
    return _mm512_cvttps_epi32(_mm512_add_ps(v, _mm512_castsi512_ps(half)));
}

NK_INLINE void quad_q8_0(const uint16_t *x, const float inverse[QUAD], const nk_half_kind kind,
                         void *to)
{
    nk_block_q8_0 *b = to;
#pragma GCC unroll 2
    for (int k = 0; k < QUAD; k += 2, x += 2 * NK_LEN) {
        __m512i first =
            _mm512_packs_epi32(rounded(x, inverse[k], kind), rounded(x + 16, inverse[k], kind));
        __m512i second = _mm512_packs_epi32(rounded(x + NK_LEN, inverse[k + 1], kind),
                                            rounded(x + NK_LEN + 16, inverse[k + 1], kind));
        __m512i v = by_sixteen(_mm512_packs_epi16(first, second));
        store32(b[k].qs, _mm512_castsi512_si256(v));
        store32(b[k + 1].qs, _mm512_extracti64x4_epi64(v, 1));
    }
}

HALVES_TYPES(HALVES_ENCODE)

void nk_x86_enc_halves_avx512(nk_ops *ops)
{
    HALVES_TYPES(HALVES_SET)
}

#endif
