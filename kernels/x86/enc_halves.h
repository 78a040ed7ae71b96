/* q4_0 and q8_0 straight from f16 or bf16 (ops.h), sixteen blocks at a time. Both kinds of half
 * order like whole numbers with a sign of their own, so that a block's ends are found on the halves
 * and only the codes need floats. Bytes equal the C reference's of the decoded values. A level
 * brings its own way to the ends and to the codes of four blocks. */
#ifndef NIBBLE_X86_ENC_HALVES_H
#define NIBBLE_X86_ENC_HALVES_H

#include "kernels/x86/avx2.h"

/* A level brings quad_NAME of each and ends_of_blocks. Outside of its condition, as cppcheck asks.
 */
#define HALVES_TYPES(TYPE) TYPE(Q4_0, q4_0, false, -8) TYPE(Q8_0, q8_0, true, 127)

#define HALVES_ENCODE(ID, sym, bare, to)                                                           \
    static bool encode_##sym(const void *src, void *dst, size_t n, nk_half_kind kind)              \
    {                                                                                              \
        const halves_row row = {sizeof(nk_block_##sym), bare, to, quad_##sym, ends_of_blocks};     \
        return encode_halves(src, dst, n, kind, row);                                              \
    }
#define HALVES_SET(ID, sym, bare, to) ops->encode_halves[NK_##ID] = encode_##sym;

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include "kernels/x86/x86.h"

enum { BESIDE = 16, QUAD = 4 }; /* blocks; one number of each block is a 16-bit lane */

/* The greatest of a block's halves: as signed numbers a positive one, if there is any; as unsigned
 * ones the most negative, if there is any; without their signs. */
typedef enum end_kind { END_HIGH, END_LOW, END_BARE } end_kind;

/* Lane k: the end of block k of x. */
typedef __m256i ends_fn(const uint16_t *x, const end_kind kind);
/* Codes of four blocks at `b` under the scales with these inverses. */
typedef void quad_fn(const uint16_t *x, const float inverse[QUAD], const nk_half_kind kind,
                     void *b);

/* A type whose blocks are a scale and then codes; constant wherever it is used, so compiled in. */
typedef struct halves_row {
    size_t size; /* bytes of a block */
    bool bare;   /* of a block's greatest half the magnitude gets the code `to`, else it itself */
    float to;
    quad_fn *codes;
    ends_fn *ends;
} halves_row;

/* Of each block the first half of greatest magnitude, 0 where all are zero. */
NK_INLINE __m256i greatest(const uint16_t *x, ends_fn *ends)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i bottom = ends(x, END_LOW), height = _mm256_max_epi16(ends(x, END_HIGH), zero);
    __m256i depth = _mm256_and_si256(_mm256_srai_epi16(bottom, 15),
                                     _mm256_and_si256(bottom, _mm256_set1_epi16(0x7fff)));
    __m256i level =
        _mm256_andnot_si256(_mm256_cmpeq_epi16(height, zero), _mm256_cmpeq_epi16(height, depth));
    __m256i found = _mm256_blendv_epi8(height, bottom, _mm256_cmpgt_epi16(depth, height));
    unsigned ties = (unsigned)_mm256_movemask_epi8(level) & 0x55555555;
    if (ties == 0)
        return found;
    uint16_t first[BESIDE];
    store32(first, found);
    for (; ties; ties &= ties - 1) {
        int k = __builtin_ctz(ties) / 2, i = k * NK_LEN;
        while ((x[i] & 0x7fff) != first[k])
            i++;
        first[k] = x[i];
    }
    return load32(first);
}

/* Eight halves as floats. */
NK_INLINE __m256 widened(__m128i h, const nk_half_kind kind)
{
    if (kind == NK_HALF_F16)
        return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

typedef struct scales {
    float inverse[BESIDE];
    uint16_t d[BESIDE]; /* f16 */
} scales;

/* d = end / to and its inverse, 0 where d is 0. False: a d or an inverse is infinite, or an end was
 * not finite: then one of the two is. */
NK_INLINE bool set_scales(scales *s, __m256i ends, const nk_half_kind kind, const float to)
{
    const __m256 infinite = _mm256_set1_ps(__builtin_inff());
    __m256 worst = _mm256_setzero_ps();
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m128i h = i ? _mm256_extracti128_si256(ends, 1) : _mm256_castsi256_si128(ends);
        __m256 d = _mm256_div_ps(widened(h, kind), _mm256_set1_ps(to));
        __m256 some = _mm256_cmp_ps(d, _mm256_setzero_ps(), _CMP_NEQ_UQ);
        __m256 inverse = _mm256_and_ps(some, _mm256_div_ps(_mm256_set1_ps(1), d));
        __m128i half = _mm256_cvtps_ph(d, _MM_FROUND_TO_NEAREST_INT);
        _mm256_storeu_ps(s->inverse + 8 * i, inverse);
        _mm_storeu_si128((__m128i_u *)(s->d + 8 * i), half);
        __m256 beyond = _mm256_cmp_ps(magnitude(inverse), infinite, _CMP_NLT_UQ);
        worst = _mm256_or_ps(worst, beyond);
        beyond = _mm256_cmp_ps(magnitude(_mm256_cvtph_ps(half)), infinite, _CMP_NLT_UQ);
        worst = _mm256_or_ps(worst, beyond);
    }
    return _mm256_testz_si256(_mm256_castps_si256(worst), _mm256_castps_si256(worst));
}

/* Asks for the blocks of some rounds later: sources come from memory, in pages of their own. What
 * lies behind the last one is no fault to ask for. */
NK_INLINE void fetch_ahead(const uint16_t *x)
{
    enum { LINE = 64, ROUND = BESIDE * NK_LEN * sizeof *x, ROUNDS = 4 }; /* bytes */
    uintptr_t at = (uintptr_t)x + ROUNDS * ROUND;
#pragma GCC unroll 16
    for (size_t i = 0; i < ROUND; i += LINE)
        _mm_prefetch((const char *)(at + i), _MM_HINT_T0);
}

/* n times sixteen blocks. */
NK_INLINE bool rounds(const uint16_t *x, uint8_t *b, size_t n, const nk_half_kind kind,
                      const halves_row row)
{
    for (; n > 0; n--, x += BESIDE * NK_LEN, b += BESIDE * row.size) {
        NK_UNSET scales s;
        fetch_ahead(x);
        __m256i ends = row.bare ? row.ends(x, END_BARE) : greatest(x, row.ends);
        if (!set_scales(&s, ends, kind, row.to))
            return false;
        __asm__("" : "+m"(s)); /* broadcast from memory: the shuffles have enough to do */
#pragma GCC unroll 4
        for (size_t k = 0; k < BESIDE; k += QUAD)
            row.codes(x + k * NK_LEN, s.inverse + k, kind, b + k * row.size);
        for (size_t k = 0; k < BESIDE; k++)
            memcpy(b + k * row.size, &s.d[k], sizeof s.d[k]);
    }
    return true;
}

/* The blocks behind the last whole round, with zeros behind them. */
typedef struct halves_rest {
    uint16_t x[BESIDE * NK_LEN];
    uint8_t to[BESIDE * sizeof(nk_block_q8_0)]; /* the largest block there is */
} halves_rest;

NK_INLINE size_t take_rest(halves_rest *r, const uint16_t *x, size_t blocks)
{
    size_t left = blocks % BESIDE;
    if (left == 0)
        return 0;
    memset(r->x, 0, sizeof r->x);
    memcpy(r->x, x + (blocks - left) * NK_LEN, left * NK_LEN * sizeof *x);
    return left;
}

NK_INLINE bool all_blocks(const uint16_t *x, uint8_t *b, size_t blocks, const nk_half_kind kind,
                          const halves_row row)
{
    NK_UNSET halves_rest r;
    size_t left = take_rest(&r, x, blocks);
    if (!rounds(x, b, blocks / BESIDE, kind, row) || !rounds(r.x, r.to, left > 0, kind, row))
        return false;
    memcpy(b + (blocks - left) * row.size, r.to, left * row.size);
    return true;
}

/* nk_encode_halves_fn of the row. */
NK_INLINE bool encode_halves(const void *src, void *dst, size_t n, nk_half_kind kind,
                             const halves_row row)
{
    if (kind == NK_HALF_F16)
        return all_blocks(src, dst, n / NK_LEN, NK_HALF_F16, row);
    return all_blocks(src, dst, n / NK_LEN, NK_HALF_BF16, row);
}

#endif
#endif
