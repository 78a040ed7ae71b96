/* Simple blocks against q8_0 or q8_1, in the order of gemm.h, eight rows side by side: their sums
 * are reduced together and lie in one vector. Included by one file of each level, which has its own
 * products (vnni_avx2.h).
 *
 * Without VNNI signed codes go through |w| * (sign of w applied to x): vpsignb cannot negate -128,
 * and no encoder of activations produces it (codes are value * 127 / absmax, rounded), so pair sums
 * stay within 2 * 128 * 127 < 2^15 and every integer is exact. */
#ifndef NIBBLE_X86_ROWS_SIMPLE_AVX2_H
#define NIBBLE_X86_ROWS_SIMPLE_AVX2_H

#include "kernels/dot_rows.h"
#include "kernels/x86/side_avx2.h"
#include "kernels/x86/simple_avx2.h"
#include "kernels/x86/vnni_avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

/* A block of 32 against eight rows. Unsigned codes need neither |w| nor its sign: what they are too
 * large by is taken off the sums, from x alone. VNNI, which has no signed by signed, takes all
 * codes as unsigned ones. */
typedef struct row_type {
    simple_codes_fn *codes;
    size_t block_size, x_size;
    enum { SIGNED, LESS, WITH_MIN, LESS_POWER } kind; /* POWER: scales are e8m0 */
    int less;
    bool near; /* asked for in L1 whatever its size */
} row_type;

NK_INLINE __m256i codes_q4_0_less_8(const void *block)
{
    return nibbles(((const nk_block_q4_0 *)block)->qs);
}

NK_INLINE __m256i codes_q5_0_less_16(const void *block)
{
    const nk_block_q5_0 *b = block;
    __m256i set = _mm256_and_si256(spread_bits(b->qh), _mm256_set1_epi8(16));
    return _mm256_or_si256(nibbles(b->qs), set);
}

NK_INLINE __m256i codes_mxfp4_less_12(const void *block)
{
    __m256i levels = _mm256_broadcastsi128_si256(load16(nk_levels_fp4));
    levels = _mm256_add_epi8(levels, _mm256_set1_epi8(12));
    return _mm256_shuffle_epi8(levels, nibbles(((const nk_block_mxfp4 *)block)->qs));
}

#if defined(NK_VNNI)
NK_INLINE __m256i codes_q8_0_less_128(const void *block)
{
    return _mm256_xor_si256(codes_q8_0(block), _mm256_set1_epi8(-128));
}

NK_INLINE __m256i codes_iq4_nl_less_128(const void *block)
{
    __m256i levels = _mm256_broadcastsi128_si256(load16(nk_levels_iq4));
    levels = _mm256_xor_si256(levels, _mm256_set1_epi8(-128));
    return _mm256_shuffle_epi8(levels, nibbles(((const nk_block_iq4_nl *)block)->qs));
}
#endif

#define ROW_TYPE(sym, codes, q8, kind, less)                                                       \
    static const row_type row_##sym = {                                                            \
        codes, sizeof(nk_block_##sym), sizeof(nk_block_##q8), kind, less, false};
ROW_TYPE(q4_0, codes_q4_0_less_8, q8_0, LESS, 8)
ROW_TYPE(q4_1, codes_q4_1, q8_1, WITH_MIN, 0)
ROW_TYPE(q5_0, codes_q5_0_less_16, q8_0, LESS, 16)
ROW_TYPE(q5_1, codes_q5_1, q8_1, WITH_MIN, 0)
#if defined(NK_VNNI)
ROW_TYPE(q8_0, codes_q8_0_less_128, q8_0, LESS, 128)
ROW_TYPE(iq4_nl, codes_iq4_nl_less_128, q8_0, LESS, 128)
#else
ROW_TYPE(q8_0, codes_q8_0, q8_0, SIGNED, 0)
ROW_TYPE(iq4_nl, codes_iq4_nl, q8_0, SIGNED, 0)
#endif
ROW_TYPE(mxfp4, codes_mxfp4_less_12, q8_0, LESS_POWER, 12)

#if defined(NK_VNNI)
/* Sums of eight rows, row r's in lane r. Each begins at what its codes are too large by. */
NK_INLINE __m256i block_sums(const row_type t, const char *const w[SIDE], size_t at, __m256i a)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i sum[SIDE], begin = zero;
    if (t.less)
        begin = _mm256_sub_epi32(zero, dp_bytes(zero, _mm256_set1_epi8((char)t.less), a));
#pragma GCC unroll 8
    for (int r = 0; r < SIDE; r++)
        sum[r] = dp_bytes(begin, t.codes(w[r] + at), a);
    return sums_of_8(sum);
}
#else
/* The sum of 32 codes of x, times `by`, in every lane. */
NK_INLINE __m256i sum_times(__m256i x, const int by)
{
    __m256i s = _mm256_maddubs_epi16(_mm256_set1_epi8((char)by), x);
    s = _mm256_madd_epi16(s, _mm256_set1_epi16(1));
    s = _mm256_add_epi32(s, _mm256_permute2x128_si256(s, s, 1));
    s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0x4e));
    return _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0xb1));
}

NK_INLINE __m256i block_sums(const row_type t, const char *const w[SIDE], size_t at, __m256i a)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sum[SIDE];
#pragma GCC unroll 8
    for (int r = 0; r < SIDE; r++) {
        __m256i q = t.codes(w[r] + at);
        __m256i pair = t.kind == SIGNED
                           ? _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(a, q))
                           : _mm256_maddubs_epi16(q, a);
        sum[r] = _mm256_madd_epi16(pair, ones);
    }
    __m256i total = sums_of_8(sum);
    return t.less ? _mm256_sub_epi32(total, sum_times(a, t.less)) : total;
}
#endif

/* Blocks begin..end-1, added to acc. */
NK_INLINE __m256 simple_blocks(const row_type t, size_t begin, size_t end,
                               const char *const w[SIDE], size_t row_size, const char *x,
                               __m256 acc)
{
    const char *next = w[0] + SIDE * (row_size + begin * t.block_size);
    size_t at = begin * t.block_size;
    x += begin * t.x_size;
    for (size_t i = begin; i < end; i++, at += t.block_size, x += t.x_size) {
        __m256i a = load32(x + (t.kind == WITH_MIN ? 4 : 2));
        ask_ahead(next, 0, SIDE * t.block_size, !t.near && t.block_size >= sizeof(nk_block_q8_0));
        next += SIDE * t.block_size;
        __m256i total = block_sums(t, w, at, a);
        __m256 d = t.kind == LESS_POWER ? e8m0_of_8(w, at) : f16_of_8(w, at);
        acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(total), _mm256_mul_ps(d, f16_all(x)), acc);
        if (t.kind == WITH_MIN)
            acc = _mm256_fmadd_ps(f16_of_8(w, at + 2), f16_all(x + 2), acc);
    }
    return acc;
}

NK_INLINE __m256 simple_side(const row_type t, size_t n, const char *const w[SIDE], size_t row_size,
                             const char *x)
{
    return simple_blocks(t, 0, n / NK_LEN, w, row_size, x, _mm256_setzero_ps());
}

NK_INLINE void simple_rows(const row_type t, size_t n, const void *w, size_t row_size, size_t rows,
                           const void *x, float *y)
{
    NK_EACH_SIDE(simple_side(t, n, at, row_size, x));
}

#define SIMPLE_ROWS(ID, sym) NK_ROWS_PAIR(simple_rows, row_##sym, sym)

#endif
#endif
