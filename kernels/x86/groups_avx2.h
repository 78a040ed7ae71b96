/* Super-blocks of eight groups of 32 under small scales against q8_K, eight rows side by side: what
 * a group's pair sums are is the type's own affair. Sums are integers and exact, so they may be
 * regrouped: pair sums stay within 2 * 127 * 128 < 2^15. Floats stand in the order of gemm.h.
 * Included only by files compiled for AVX2 and above. */
#ifndef NIBBLE_X86_GROUPS_AVX2_H
#define NIBBLE_X86_GROUPS_AVX2_H

#include "kernels/x86/lattice_avx2.h"
#include "kernels/x86/side_avx2.h"
#include "kernels/x86/vnni_avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#if defined(__AVX512BW__) && defined(__AVX512VL__)
#define NK_GRID_AVX512
#endif

/* A super-block of x. */
typedef struct column {
    const int8_t *q;
    __m256i sum16; /* sums of groups of 16, the even ones first */
    __m128i sum32; /* of groups of 32 */
} column;

/* iq4_xs keeps two groups of 32 in 32 bytes, the first 16 weights of both in the low nibbles: x is
 * turned likewise, with |x| behind it. */
typedef struct turned {
    _Alignas(32) int8_t q[NK_SUPER_LEN];
    int8_t size[NK_SUPER_LEN];
} turned;

/* A super-block of one row. */
typedef struct parts {
    _Alignas(32) uint16_t index[NK_SUPER_LEN / 4]; /* of points */
    _Alignas(32) int16_t scale32[8][2];            /* of 32 weights, twice */
    __m256i scale16;                               /* of 16, the even ones first */
#if defined(NK_GRID_AVX512)
    _Alignas(32) uint32_t signs[8]; /* of 32, a bit a weight */
#else
    __m256i signs; /* a bit a weight, words of 16 bits, the even ones first */
#endif
    __m256i sum; /* what the groups' sums begin with */
} parts;

/* v: a bit a weight */
NK_INLINE void put_signs(parts *p, __m256i v)
{
#if defined(NK_GRID_AVX512)
    _mm256_store_si256((__m256i *)(void *)p->signs, v);
#else
    p->signs = even_words_first(v);
#endif
}

typedef void read_fn(const char *block, const column *c, parts *p);
/* Pair sums of group g, before its scale. */
typedef __m256i pairs_fn(const char *block, const int8_t *x, const parts *p, const uint64_t *grid,
                         const int g);
typedef __m256 d_of_8_fn(const char *const w[SIDE], size_t at);

typedef struct grid_type {
    read_fn *read;
    pairs_fn *pairs;
    d_of_8_fn *d;
    size_t block_size;
    nk_grid_id grid;
    enum { PER_32, PER_16, TURNED } scaling;
} grid_type;

NK_INLINE __m256i eight_bytes_all(const void *p)
{
    long long v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi64x(v);
}

/* Eight bytes of two nibbles s -> scales 2s + 1. */
NK_INLINE __m256i scales_of_nibbles(const uint8_t *nibbles)
{
    __m128i v = _mm_loadl_epi64((const __m128i_u *)nibbles), low = _mm_set1_epi8(15);
    v = _mm_unpacklo_epi64(_mm_and_si128(v, low), _mm_and_si128(_mm_srli_epi16(v, 4), low));
    v = _mm_or_si128(_mm_add_epi8(v, v), _mm_set1_epi8(1));
    return _mm256_cvtepu8_epi16(v);
}

NK_INLINE void turn_x(turned *t, const int8_t *x)
{
#pragma GCC unroll 4
    for (int k = 0; k < NK_SUPER_LEN; k += 64) {
        __m256i a = load32(x + k), b = load32(x + k + 32);
        __m256i lo = _mm256_permute2x128_si256(a, b, 0x20);
        __m256i hi = _mm256_permute2x128_si256(a, b, 0x31);
        _mm256_store_si256((__m256i *)(t->q + k), lo);
        _mm256_store_si256((__m256i *)(t->q + k + 32), hi);
        _mm256_store_si256((__m256i *)(t->size + k), _mm256_abs_epi8(lo));
        _mm256_store_si256((__m256i *)(t->size + k + 32), _mm256_abs_epi8(hi));
    }
}

/* --- scales of super-blocks ---------------------------------------------------------------------
 */

NK_INLINE __m256 first_of_8(const char *const w[SIDE], size_t at)
{
    __m256 d, rest;
    floats_of(word_of_8(w, at), &d, &rest);
    return d;
}

NK_INLINE __m256 eighth_of_8(const char *const w[SIDE], size_t at)
{
    return _mm256_mul_ps(first_of_8(w, at), _mm256_set1_ps(0.125f));
}

NK_INLINE __m256 quarter_of_8(const char *const w[SIDE], size_t at)
{
    return _mm256_mul_ps(first_of_8(w, at), _mm256_set1_ps(0.25f));
}

NK_INLINE __m256 iq1_m_of_8(const char *const w[SIDE], size_t at)
{
    float d[SIDE];
#pragma GCC unroll 8
    for (int r = 0; r < SIDE; r++)
        d[r] = d_iq1_m(w[r] + at);
    return _mm256_loadu_ps(d);
}

/* --- sums ---------------------------------------------------------------------------------------
 */

NK_INLINE __m256i row_sum(const grid_type t, const char *block, const column *c, const parts *p,
                          const uint64_t *grid)
{
    __m256i sum = p->sum;
    const int8_t *x = read_again(c->q);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        __m256i scale = t.scaling == PER_32
                            ? pair_all(p->scale32[g])
                            : scale_of_group(p->scale16, t.scaling == TURNED ? g / 2 : g);
#if defined(NK_VNNI)
        sum = dp_words(sum, t.pairs(block, x, p, grid, g), scale);
#else
        sum = add_now(sum, _mm256_madd_epi16(t.pairs(block, x, p, grid, g), scale));
#endif
    }
    return sum;
}

NK_INLINE __m256 grid_side(const grid_type t, size_t n, const char *const w[SIDE], size_t row_size,
                           const nk_block_q8_k *a)
{
    const uint64_t *grid = grid_of(t.grid);
    __m256 acc = _mm256_setzero_ps();
    const char *next = w[0] + SIDE * row_size;
    size_t at = 0;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, a++, at += t.block_size) {
        NK_UNSET column c;
        NK_UNSET turned x;
        NK_UNSET parts p[SIDE];
        NK_UNSET __m256i sum[SIDE];
        __m256i sums = load32(a->bsums);
        __m256i two = _mm256_madd_epi16(sums, _mm256_set1_epi16(1));
        c.q = t.scaling == TURNED ? x.q : a->qs;
        if (t.scaling == TURNED)
            turn_x(&x, a->qs);
        c.sum16 = even_words_first(sums);
        c.sum32 = _mm_packs_epi32(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
        for (int r = 0; r < SIDE; r++) {
            p[r].sum = _mm256_setzero_si256();
            t.read(w[r] + at, &c, &p[r]);
        }
        for (int r = 0; r < SIDE; r++) {
            ask_for_row(next, t.block_size, r);
            sum[r] = row_sum(t, w[r] + at, &c, &p[r], grid);
        }
        next += SIDE * t.block_size;
        __m256 scale = _mm256_mul_ps(t.d(w, at), _mm256_set1_ps(a->d));
        acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums_of_8(sum)), scale, acc);
    }
    return acc;
}

NK_INLINE void grid_rows(const grid_type t, size_t n, const void *w, size_t row_size, size_t rows,
                         const void *x, float *y)
{
    NK_EACH_SIDE(grid_side(t, n, at, row_size, x));
}

#endif
#endif
