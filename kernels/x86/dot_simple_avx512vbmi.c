#include "kernels/x86/fours_avx512.h"
#include "kernels/x86/x86.h"

/* One column's products of the simple types whose blocks are not whole words, or not nibbles alone,
 * with AVX-512 and VBMI: fours_avx512.h's, by bytes. */

#if defined(__AVX512VBMI__)

/* Bytes for the permutation of four blocks: in 128 bits k byte i is byte `at` + i % count of block
 * k. */
NK_INLINE __m512i bytes_at(const int at, const int count, const int size)
{
    __m128i v[FOUR];
#pragma GCC unroll 4
    for (int k = 0; k < FOUR; k++) {
        char b[16];
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            int byte = k * size + at + i % count;
            b[i] = (char)(byte < 64 ? byte : byte + 128 - FOUR * size);
        }
        v[k] = _mm_setr_epi8(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
                             b[11], b[12], b[13], b[14], b[15]);
    }
    return four_quarters(v[0], v[1], v[2], v[3]);
}

NK_INLINE void four_nibbles(four v, const int qs, const int size, __m512i q[2])
{
    const __m512i low4 = _mm512_set1_epi8(15);
    __m512i both = _mm512_permutex2var_epi8(v.first, bytes_at(qs, 16, size), v.last);
    q[0] = _mm512_and_si512(both, low4);
    q[1] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low4);
}

/* Behind `qs` - 4 bytes four of fifth bits, which are shifted to bit 4 of their codes' bytes. */
NK_INLINE void four_fives(four v, const int qs, const int size, __m512i q[2])
{
    const __m512i to_bit4 =
        _mm512_broadcast_i32x4(_mm_set_epi64x(0x0b0a090807060504, 0x030201003f3e3d3c));
    const __m512i bit4 = _mm512_set1_epi8(16);
    __m512i high = _mm512_permutex2var_epi8(v.first, bytes_at(qs - 4, 4, size), v.last);
    four_nibbles(v, qs, size, q);
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m512i at = _mm512_add_epi8(to_bit4, _mm512_set1_epi8((char)(16 * h)));
        /* q | (bits & bit4) */
        q[h] = _mm512_ternarylogic_epi32(q[h], _mm512_multishift_epi64_epi8(at, high), bit4, 0xf8);
    }
}

NK_INLINE void four_codes_q5_0(four v, __m512i q[2])
{
    four_fives(v, offsetof(nk_block_q5_0, qs), sizeof(nk_block_q5_0), q);
}

NK_INLINE void four_codes_q5_1(four v, __m512i q[2])
{
    four_fives(v, offsetof(nk_block_q5_1, qs), sizeof(nk_block_q5_1), q);
}

FOUR_HALVES(q5_0)
FOUR_HALVES(q5_1)

/* Levels, 12 higher. */
NK_INLINE void four_codes_mxfp4(four v, __m512i q[2])
{
    __m512i levels = _mm512_broadcast_i32x4(load16(nk_levels_fp4));
    levels = _mm512_add_epi8(levels, _mm512_set1_epi8(12));
    four_nibbles(v, offsetof(nk_block_mxfp4, qs), sizeof(nk_block_mxfp4), q);
    q[0] = _mm512_shuffle_epi8(levels, q[0]);
    q[1] = _mm512_shuffle_epi8(levels, q[1]);
}

/* As e8m0_of_8. */
NK_INLINE void d_mxfp4(const four v[SIDE], __m512 d[2])
{
    const __m512i from = _mm512_castsi256_si512(_mm256_setr_epi64x(
        0, 0x0101010101010101 * 17, 0x0101010101010101 * 34, 0x0101010101010101 * 51));
    const __m512i one = _mm512_set1_epi32(1);
    __m512i all = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int r = 0; r < SIDE; r++)
        all = _mm512_mask_blend_epi8((uint64_t)0x01010101 << r, all,
                                     _mm512_permutexvar_epi8(from, v[r].first));
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m256i two = _mm512_castsi512_si256(all);
        __m512i e = _mm512_cvtepu8_epi32(h ? _mm256_extracti128_si256(two, 1)
                                           : _mm256_castsi256_si128(two));
        __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, one), 23);
        __m512i tiny = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
        __mmask16 is_tiny = _mm512_cmple_epi32_mask(e, one);
        d[h] = _mm512_castsi512_ps(_mm512_mask_blend_epi32(is_tiny, normal, tiny));
    }
}

static const four_type four_mxfp4 = {&row_mxfp4, four_codes_mxfp4, d_mxfp4};

FOUR_ROWS(Q5_0, q5_0)
FOUR_ROWS(Q5_1, q5_1)
FOUR_ROWS(MXFP4, mxfp4)

void nk_x86_dot_simple_avx512vbmi(nk_ops *ops)
{
    NK_ROWS_SET(Q5_0, q5_0)
    NK_ROWS_SET(Q5_1, q5_1)
    NK_ROWS_SET(MXFP4, mxfp4)
}

#endif
