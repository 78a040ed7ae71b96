/* One column's products of simple blocks with AVX-512 and VNNI, in the order of gemm.h. Types that
 * are nibbles alone are fours_avx512.h's, by words. The others are rows_simple_avx2.h's: fifth bits
 * took as long. Where there is VBMI see dot_simple_avx512vbmi.c. */
#include "kernels/cpu.h"
#include "kernels/x86/fours_avx512.h"
#include "kernels/x86/x86.h"

#if defined(__AVX512BW__)

NK_INLINE void four_nibbles(four v, const int qs, const int words, __m512i q[2])
{
    const __m512i low4 = _mm512_set1_epi8(15);
    __m512i both = _mm512_permutex2var_epi16(v.first, words_at(qs, 1, words), v.last);
    q[0] = _mm512_and_si512(both, low4);
    q[1] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low4);
}

NK_INLINE void four_codes_q4_0(four v, __m512i q[2])
{
    four_nibbles(v, 1, sizeof(nk_block_q4_0) / 2, q);
}

NK_INLINE void four_codes_q4_1(four v, __m512i q[2])
{
    four_nibbles(v, 2, sizeof(nk_block_q4_1) / 2, q);
}

NK_INLINE void four_codes_iq4_nl(four v, __m512i q[2])
{
    __m512i levels = _mm512_broadcast_i32x4(load16(nk_levels_iq4));
    levels = _mm512_xor_si512(levels, _mm512_set1_epi8(-128));
    four_nibbles(v, 1, sizeof(nk_block_iq4_nl) / 2, q);
    q[0] = _mm512_shuffle_epi8(levels, q[0]);
    q[1] = _mm512_shuffle_epi8(levels, q[1]);
}

FOUR_HALVES(q4_0)
FOUR_HALVES(q4_1)
FOUR_HALVES(iq4_nl)
FOUR_ROWS(Q4_0, q4_0)
FOUR_ROWS(Q4_1, q4_1)
FOUR_ROWS(IQ4_NL, iq4_nl)

static const row_type row_near_q8_0 = {
    codes_q8_0_less_128, sizeof(nk_block_q8_0), sizeof(nk_block_q8_0), LESS, 128, true};
SIMPLE_ROWS(Q5_0, q5_0)
SIMPLE_ROWS(Q5_1, q5_1)
SIMPLE_ROWS(Q8_0, q8_0)
SIMPLE_ROWS(Q8_0, near_q8_0)
SIMPLE_ROWS(MXFP4, mxfp4)

void nk_x86_dot_avx512(nk_ops *ops)
{
    NK_SIMPLE_TYPES(NK_ROWS_SET)
    NK_LEVEL_TYPES(NK_ROWS_SET)
    if (ops->flags & NK_CPU_AMD) {
        NK_ROWS_SET(Q8_0, near_q8_0)
    }
}

#endif
