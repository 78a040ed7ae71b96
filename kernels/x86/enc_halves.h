/* q4_0 and q8_0 straight from f16 or bf16 (ops.h), sixteen blocks at a time. Both kinds of half
 * order like whole numbers with a sign of their own, so that a block's ends are found on the halves
 * and only the codes need floats. Bytes equal the C reference's of the decoded values. What a level
 * does better is its own: half_codes_q4_0 and half_codes_q8_0. */
#ifndef NIBBLE_X86_ENC_HALVES_H
#define NIBBLE_X86_ENC_HALVES_H

#include "kernels/x86/avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include "kernels/x86/x86.h"

enum { BESIDE = 16 }; /* blocks: what is one number of a block is one 16-bit lane */

/* What is the greatest: of signed halves a positive one, of unsigned ones the most negative. */
typedef enum end_kind { HIGHEST, LOWEST } end_kind;

NK_INLINE __m256i further(__m256i a, __m256i b, const end_kind kind)
{
    return kind == HIGHEST ? _mm256_max_epi16(a, b) : _mm256_max_epu16(a, b);
}

/* One end of one block's halves, magnitudes alone if `bare`: sixteen candidates. */
NK_INLINE __m256i candidates(const uint16_t *x, const end_kind kind, const bool bare)
{
    __m256i a = load32(x), b = load32(x + 16), most = _mm256_set1_epi16(0x7fff);
    if (bare)
        return further(_mm256_and_si256(a, most), _mm256_and_si256(b, most), kind);
    return further(a, b, kind);
}

/* Lane k: the end of block k. Each step halves what is left of a block and joins it to another. */
NK_INLINE __m256i ends_of_blocks(const uint16_t *x, const end_kind kind, const bool bare)
{
    __m256i eight[2];
#pragma GCC unroll 2
    for (int e = 0; e < 2; e++) {
        __m256i four[2];
#pragma GCC unroll 2
        for (int f = 0; f < 2; f++) {
            __m256i two[2];
#pragma GCC unroll 2
            for (int t = 0; t < 2; t++) {
                const uint16_t *at = x + (8 * e + 4 * f + 2 * t) * NK_LEN;
                __m256i a = candidates(at, kind, bare), b = candidates(at + NK_LEN, kind, bare);
                two[t] =
                    further(_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b), kind);
            }
            four[f] = further(_mm256_unpacklo_epi32(two[0], two[1]),
                              _mm256_unpackhi_epi32(two[0], two[1]), kind);
        }
        eight[e] = further(_mm256_unpacklo_epi64(four[0], four[1]),
                           _mm256_unpackhi_epi64(four[0], four[1]), kind);
    }
    return further(_mm256_permute2x128_si256(eight[0], eight[1], 0x20),
                   _mm256_permute2x128_si256(eight[0], eight[1], 0x31), kind);
}

/* Of each block's first weight of greatest magnitude, 0 where all are zero, the half. *most: its
 * magnitude. */
NK_INLINE __m256i greatest(const uint16_t *x, __m256i *most)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i top = ends_of_blocks(x, HIGHEST, false), bottom = ends_of_blocks(x, LOWEST, false);
    __m256i height = _mm256_max_epi16(top, zero);
    __m256i depth = _mm256_and_si256(_mm256_srai_epi16(bottom, 15),
                                     _mm256_and_si256(bottom, _mm256_set1_epi16(0x7fff)));
    __m256i level = _mm256_andnot_si256(_mm256_cmpeq_epi16(height, zero),
                                        _mm256_cmpeq_epi16(height, depth));
    __m256i found = _mm256_blendv_epi8(height, bottom, _mm256_cmpgt_epi16(depth, height));
    *most = _mm256_max_epi16(height, depth);
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

typedef struct beside_scales {
    float inverse[BESIDE];
    uint16_t d[BESIDE]; /* f16 */
} beside_scales;

/* d = v / nmax and its inverse, 0 where d is 0. False: a d is beyond f16. */
NK_INLINE bool set_scales(beside_scales *s, __m256i v, const nk_half_kind kind, float nmax)
{
    __m256i infinite = _mm256_set1_epi16(0x7c00), all = _mm256_setzero_si256();
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m128i h = i ? _mm256_extracti128_si256(v, 1) : _mm256_castsi256_si128(v);
        __m256 d = _mm256_div_ps(widened(h, kind), _mm256_set1_ps(nmax));
        __m256 some = _mm256_cmp_ps(d, _mm256_setzero_ps(), _CMP_NEQ_UQ);
        __m256 inverse = _mm256_and_ps(some, _mm256_div_ps(_mm256_set1_ps(1), d));
        __m128i half = _mm256_cvtps_ph(d, _MM_FROUND_TO_NEAREST_INT);
        _mm256_storeu_ps(s->inverse + 8 * i, inverse);
        _mm_storeu_si128((__m128i_u *)(s->d + 8 * i), half);
        all = _mm256_inserti128_si256(_mm256_castsi128_si256(half),
                                      _mm256_castsi256_si128(all), 1);
    }
    __m256i beyond = _mm256_cmpeq_epi16(_mm256_and_si256(all, infinite), infinite);
    return _mm256_testz_si256(beyond, beyond);
}

/* False: a weight is infinite or not a number. */
NK_INLINE bool all_below(__m256i magnitudes, const nk_half_kind kind)
{
    short last = kind == NK_HALF_F16 ? 0x7bff : 0x7f7f;
    __m256i beyond = _mm256_cmpgt_epi16(magnitudes, _mm256_set1_epi16(last));
    return _mm256_testz_si256(beyond, beyond);
}

typedef void codes_fn(const uint16_t *x, float inverse, const nk_half_kind kind, uint8_t *qs);

NK_INLINE bool halves_q4_0(const uint16_t *x, nk_block_q4_0 *b, size_t n, const nk_half_kind kind,
                           codes_fn *codes)
{
    for (; n > 0; n--, x += BESIDE * NK_LEN, b += BESIDE) {
        __m256i most, ends = greatest(x, &most);
        beside_scales s;
        if (!all_below(most, kind) || !set_scales(&s, ends, kind, -8))
            return false;
#pragma GCC unroll 4
        for (int k = 0; k < BESIDE; k++) {
            codes(x + k * NK_LEN, s.inverse[k], kind, b[k].qs);
            b[k].d = s.d[k];
        }
    }
    return true;
}

NK_INLINE bool halves_q8_0(const uint16_t *x, nk_block_q8_0 *b, size_t n, const nk_half_kind kind,
                           codes_fn *codes)
{
    for (; n > 0; n--, x += BESIDE * NK_LEN, b += BESIDE) {
        __m256i most = ends_of_blocks(x, LOWEST, true);
        beside_scales s;
        if (!all_below(most, kind) || !set_scales(&s, most, kind, 127))
            return false;
#pragma GCC unroll 4
        for (int k = 0; k < BESIDE; k++) {
            codes(x + k * NK_LEN, s.inverse[k], kind, (uint8_t *)b[k].qs);
            b[k].d = s.d[k];
        }
    }
    return true;
}

/* The rest, filled up with zeros. Halves may lie at any address. */
typedef struct halves_rest {
    uint16_t x[BESIDE * NK_LEN];
    union {
        nk_block_q4_0 q4_0[BESIDE];
        nk_block_q8_0 q8_0[BESIDE];
    } to;
} halves_rest;

static size_t take_rest(halves_rest *r, const void *src, size_t n)
{
    size_t left = n % (BESIDE * NK_LEN);
    memset(r->x, 0, sizeof r->x);
    memcpy(r->x, (const uint16_t *)src + (n - left), left * sizeof *r->x);
    return left / NK_LEN;
}

static bool encode_q4_0(const void *src, void *dst, size_t n, nk_half_kind kind)
{
    size_t whole = n / (BESIDE * NK_LEN);
    nk_block_q4_0 *b = dst;
    bool f16 = kind == NK_HALF_F16;
    if (!(f16 ? halves_q4_0(src, b, whole, NK_HALF_F16, half_codes_q4_0)
              : halves_q4_0(src, b, whole, NK_HALF_BF16, half_codes_q4_0)))
        return false;
    NK_UNSET halves_rest r;
    size_t left = take_rest(&r, src, n);
    if (!(f16 ? halves_q4_0(r.x, r.to.q4_0, left > 0, NK_HALF_F16, half_codes_q4_0)
              : halves_q4_0(r.x, r.to.q4_0, left > 0, NK_HALF_BF16, half_codes_q4_0)))
        return false;
    memcpy(b + whole * BESIDE, r.to.q4_0, left * sizeof *b);
    return true;
}

static bool encode_q8_0(const void *src, void *dst, size_t n, nk_half_kind kind)
{
    size_t whole = n / (BESIDE * NK_LEN);
    nk_block_q8_0 *b = dst;
    bool f16 = kind == NK_HALF_F16;
    if (!(f16 ? halves_q8_0(src, b, whole, NK_HALF_F16, half_codes_q8_0)
              : halves_q8_0(src, b, whole, NK_HALF_BF16, half_codes_q8_0)))
        return false;
    NK_UNSET halves_rest r;
    size_t left = take_rest(&r, src, n);
    if (!(f16 ? halves_q8_0(r.x, r.to.q8_0, left > 0, NK_HALF_F16, half_codes_q8_0)
              : halves_q8_0(r.x, r.to.q8_0, left > 0, NK_HALF_BF16, half_codes_q8_0)))
        return false;
    memcpy(b + whole * BESIDE, r.to.q8_0, left * sizeof *b);
    return true;
}

#endif
#endif
