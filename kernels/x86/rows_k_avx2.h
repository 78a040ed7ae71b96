/* Super-blocks, K types and trits, against q8_K, in the order of gemm.h. Codes are unsigned bytes,
 * so one maddubs gives exact int16 pair sums (at most 2 * 63 * 128), one madd by the int16 scale
 * gives int32; nothing is rounded before the float products of a super-block. Eight rows go side by
 * side: their scales are taken apart together, their sums are reduced together, and a vector holds
 * one number of each. What is done for every row on its own is kept little: of two threads of one
 * core each has half its vector units, and memory is faster than that.
 *
 * With VNNI (vnni_avx2.h) one instruction is madd and the addition after it, of trits maddubs too.
 * Included by one file of each level, which makes the functions of its types. */
#ifndef NIBBLE_X86_ROWS_K_AVX2_H
#define NIBBLE_X86_ROWS_K_AVX2_H

#include "kernels/x86/vectors_avx2.h"

#include "kernels/x86/scales_lanes.h"
#include "kernels/x86/side_avx2.h"
#include "kernels/x86/super_types_avx2.h"
#include "kernels/x86/vnni_avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

/* --- what rows share: a super-block of x --------------------------------------------------------
 */

typedef struct column {
    const int8_t *q;
    _Alignas(32) int16_t sum32[8][2]; /* sums of groups of 32: [0] holds those of groups 0 and 2,
                                         [1] 1 and 3, [4] 4 and 6, [5] 5 and 7 */
    __m256i sum16, less16; /* of groups of 16, the even ones first; PER_16_LESS: minus those */
    __m256i total;         /* of all, in every lane */
    float d;
} column;

NK_INLINE void read_column(column *c, const nk_block_q8_k *a)
{
    __m256i sums = load32(a->bsums), s = _mm256_madd_epi16(sums, _mm256_set1_epi16(1));
    const __m256i order =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 0, 1, 4, 5, 2, 3, 6, 7));
    c->q = a->qs;
    c->d = a->d;
    c->sum16 = even_words_first(sums);
    _mm256_store_si256((__m256i *)c->sum32, _mm256_shuffle_epi8(_mm256_packs_epi32(s, s), order));
    s = _mm256_add_epi32(s, _mm256_permute2x128_si256(s, s, 1));
    s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0x4e));
    c->total = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0xb1));
}

/* --- what eight super-blocks hold besides codes -------------------------------------------------
 */

typedef struct side {
    /* q4_K, q5_K: scale of row r, group g, twice, at [r % 4][g / 4][r / 4][2 * (g % 4)] */
    _Alignas(32) int16_t scale[4][2][2][8];
    _Alignas(32) int8_t bytes[SIDE][16]; /* q3_K: scales of 16 */
    __m256 d, dmin;                      /* row r in lane r */
    __m256i min;                         /* likewise: sums of min * x */
} side;

/* One byte per group of 32, four groups a lane, times x's sums of them. */
NK_INLINE __m256i bytes_by_sums(__m256i bytes, const int16_t sum32[2][2])
{
    const __m256i low = _mm256_set1_epi16(255);
    __m256i even = _mm256_madd_epi16(_mm256_and_si256(bytes, low), pair_all(sum32[0]));
    __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(bytes, 8), pair_all(sum32[1]));
    return _mm256_add_epi32(even, odd);
}

typedef void side_fn(const char *const w[SIDE], size_t at, const column *c, side *s);

/* q4_K and q5_K begin d, dmin, then 6-bit scales and mins of eight groups in 12 bytes. scale: a row
 * a lane, groups 0..3, then 4..7. */
NK_INLINE void six_bits_of_8(const char *const w[SIDE], size_t at, const column *c, side *s,
                             __m256i scale[2])
{
    __m256i v[4], min[2];
    words_of_8(w, at, false, v);
    floats_of(v[0], &s->d, &s->dmin);
    six_bits(v, scale, min);
    s->min = _mm256_add_epi32(bytes_by_sums(min[0], c->sum32), bytes_by_sums(min[1], c->sum32 + 4));
}

NK_INLINE void side_six_bits(const char *const w[SIDE], size_t at, const column *c, side *s)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i scale[2];
    six_bits_of_8(w, at, c, s, scale);
    __m256i row[2] = {_mm256_unpacklo_epi32(scale[0], scale[1]),
                      _mm256_unpackhi_epi32(scale[0], scale[1])};
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        __m256i one = row[k / 2];
        one = k % 2 ? _mm256_unpackhi_epi8(one, one) : _mm256_unpacklo_epi8(one, one);
        _mm256_store_si256((__m256i *)s->scale[k][0], _mm256_unpacklo_epi8(one, zero));
        _mm256_store_si256((__m256i *)s->scale[k][1], _mm256_unpackhi_epi8(one, zero));
    }
}

NK_INLINE void side_q2_k(const char *const w[SIDE], size_t at, const column *c, side *s)
{
    (void)c;
    floats_of(word_of_8(w, at + offsetof(nk_block_q2_k, d)), &s->d, &s->dmin);
}

/* 16 scales in 12 bytes: four bits each, then two more of each. d follows them. */
NK_INLINE void scales_q3_k_of_8(const char *const w[SIDE], size_t at, const bool even_first,
                                side *s)
{
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
    __m256i v[4], b[4];
    words_of_8(w, at + offsetof(nk_block_q3_k, scales) - 2, true, v);
    six_bits_q3_k(v, b);
    __m256i t0 = _mm256_unpacklo_epi32(b[0], b[1]), t1 = _mm256_unpackhi_epi32(b[0], b[1]);
    __m256i t2 = _mm256_unpacklo_epi32(b[2], b[3]), t3 = _mm256_unpackhi_epi32(b[2], b[3]);
    __m256i row[4] = {_mm256_unpacklo_epi64(t0, t2), _mm256_unpackhi_epi64(t0, t2),
                      _mm256_unpacklo_epi64(t1, t3), _mm256_unpackhi_epi64(t1, t3)};
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        if (even_first)
            row[k] = _mm256_shuffle_epi8(row[k], order);
        _mm_store_si128((__m128i *)s->bytes[k], _mm256_castsi256_si128(row[k]));
        _mm_store_si128((__m128i *)s->bytes[k + 4], _mm256_extracti128_si256(row[k], 1));
    }
    floats_of(v[3], &s->d, &s->dmin);
}

NK_INLINE void side_q3_k(const char *const w[SIDE], size_t at, const column *c, side *s)
{
    (void)c;
    scales_q3_k_of_8(w, at, true, s);
}

/* d is what a block ends with. */
NK_INLINE void last_d(const char *const w[SIDE], size_t end, side *s)
{
    __m256 before;
    floats_of(word_of_8(w, end - 4), &before, &s->d);
}

NK_INLINE void side_q6_k(const char *const w[SIDE], size_t at, const column *c, side *s)
{
    (void)c;
    last_d(w, at + sizeof(nk_block_q6_k), s);
}

NK_INLINE void side_tq1_0(const char *const w[SIDE], size_t at, const column *c, side *s)
{
    (void)c;
    last_d(w, at + sizeof(nk_block_tq1_0), s);
}

NK_INLINE void side_tq2_0(const char *const w[SIDE], size_t at, const column *c, side *s)
{
    (void)c;
    last_d(w, at + sizeof(nk_block_tq2_0), s);
}

/* --- types --------------------------------------------------------------------------------------
 */

typedef __m128i bytes_fn(const char *block, const side *s, int r); /* scales of 16, even first */

NK_INLINE __m128i bytes_q2_k(const char *block, const side *s, int r)
{
    (void)s;
    (void)r;
    return even_bytes_first(load16(((const nk_block_q2_k *)(const void *)block)->scales));
}

NK_INLINE __m128i bytes_q3_k(const char *block, const side *s, int r)
{
    (void)block;
    return _mm_load_si128((const __m128i *)s->bytes[r]);
}

NK_INLINE __m128i bytes_q6_k(const char *block, const side *s, int r)
{
    (void)s;
    (void)r;
    return even_bytes_first(load16(((const nk_block_q6_k *)(const void *)block)->scales));
}

enum scaling {
    PER_32,      /* scales of 32 weights, mins in side */
    PER_16_MIN,  /* bytes: scale in the lower nibble, min in the upper */
    PER_16_LESS, /* bytes: scale, codes less 2^shift */
    UNIT,        /* codes up to 3, less 1 */
};

typedef struct row_type {
    super_codes_fn *codes;
    side_fn *side;
    bytes_fn *bytes;
    size_t block_size;
    enum scaling scaling;
    int shift;
} row_type;

#define ROW_TYPE(sym, side, bytes, scaling, shift)                                                 \
    static const row_type row_##sym = {codes_##sym, side, bytes, sizeof(nk_block_##sym),           \
                                       scaling,     shift};
ROW_TYPE(q2_k, side_q2_k, bytes_q2_k, PER_16_MIN, 0)
ROW_TYPE(q3_k, side_q3_k, bytes_q3_k, PER_16_LESS, 2)
ROW_TYPE(q4_k, side_six_bits, NULL, PER_32, 0)
ROW_TYPE(q5_k, side_six_bits, NULL, PER_32, 0)
ROW_TYPE(q6_k, side_q6_k, bytes_q6_k, PER_16_LESS, 5)
ROW_TYPE(tq1_0, side_tq1_0, NULL, UNIT, 0)
ROW_TYPE(tq2_0, side_tq2_0, NULL, UNIT, 0)

/* --- sums ---------------------------------------------------------------------------------------
 */

#if defined(NK_VNNI)
NK_INLINE __m256i add_scaled(__m256i sum, __m256i pairs, __m256i scale)
{
    sum = dp_words(sum, pairs, scale);
    __asm__("" : "+v"(sum)); /* as add_now */
    return sum;
}

NK_INLINE __m256i add_unscaled(__m256i sum, __m256i q, __m256i x)
{
    return dp_bytes(sum, q, x);
}

NK_INLINE __m256i all_unscaled(const __m256i sum[2])
{
    return _mm256_add_epi32(sum[0], sum[1]);
}
#else
NK_INLINE __m256i add_scaled(__m256i sum, __m256i pairs, __m256i scale)
{
    return add_now(sum, _mm256_madd_epi16(pairs, scale));
}

/* Trits in 16 bits: two sums of at most 4 * 2 * 3 * 128 each. */
NK_INLINE __m256i add_unscaled(__m256i sum, __m256i q, __m256i x)
{
    return _mm256_add_epi16(sum, _mm256_maddubs_epi16(q, x));
}

NK_INLINE __m256i all_unscaled(const __m256i sum[2])
{
    return _mm256_madd_epi16(_mm256_add_epi16(sum[0], sum[1]), _mm256_set1_epi16(1));
}
#endif

/* The integer sums of one super-block in eight lanes, of q2_K its mins' too. */
NK_INLINE __m256i row_sum(const row_type t, const char *block, const column *c, const side *s,
                          int r, __m256i *min)
{
    const __m256i low4 = _mm256_set1_epi16(15);
    __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()}, scale = sum[0];
    /* scales of 16 are as many loads as x: there some of x may stay in registers */
    const int8_t *x = t.scaling == PER_16_LESS ? c->q : read_again(c->q);
    const int16_t *scale32 = s->scale[r % 4][0][r / 4];
    if (t.scaling == PER_16_MIN || t.scaling == PER_16_LESS)
        scale = _mm256_cvtepi8_epi16(t.bytes(block, s, r));
    if (t.scaling == PER_16_LESS)
        sum[1] = _mm256_madd_epi16(_mm256_slli_epi16(scale, t.shift), c->less16);
    if (t.scaling == PER_16_MIN) {
        *min = _mm256_madd_epi16(_mm256_and_si256(_mm256_srli_epi16(scale, 4), low4), c->sum16);
        scale = _mm256_and_si256(scale, low4);
    }
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        __m256i q = t.codes(block, g), v = load32(x + NK_LEN * g);
        if (t.scaling == UNIT) {
            sum[g % 2] = add_unscaled(sum[g % 2], q, v);
            continue;
        }
        __m256i p = _mm256_maddubs_epi16(q, v);
        __m256i by = t.scaling == PER_32 ? pair_all(scale32 + g / 4 * 16 + g % 4 * 2)
                                         : scale_of_group(scale, g);
        if (g == 0 || (g == 1 && t.scaling != PER_16_LESS))
            sum[g] = _mm256_madd_epi16(p, by);
        else
            sum[g % 2] = add_scaled(sum[g % 2], p, by);
    }
    return t.scaling == UNIT ? all_unscaled(sum) : add_now(sum[0], sum[1]);
}

NK_INLINE __m256 super_side(const row_type t, size_t n, const char *const w[SIDE], size_t row_size,
                            const nk_block_q8_k *a)
{
    const bool has_min = t.scaling == PER_32 || t.scaling == PER_16_MIN;
    __m256 acc = _mm256_setzero_ps();
    const char *next = w[0] + SIDE * row_size;
    size_t at = 0;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, a++, at += t.block_size) {
        NK_UNSET column c;
        NK_UNSET side s;
        NK_UNSET __m256i sum[SIDE];
        NK_UNSET __m256i min[SIDE];
        read_column(&c, a);
        if (t.scaling == PER_16_LESS)
            c.less16 = _mm256_sub_epi16(_mm256_setzero_si256(), c.sum16);
        t.side(w, at, &c, &s);
        __asm__("" : "+m"(s.scale), "+m"(c.sum32));
#pragma GCC unroll 8
        for (int r = 0; r < SIDE; r++) {
            ask_for_row(next, t.block_size, r);
            sum[r] = row_sum(t, w[r] + at, &c, &s, r, &min[r]);
        }
        next += SIDE * t.block_size;
        __m256i total = sums_of_8(sum);
        if (t.scaling == UNIT)
            total = _mm256_sub_epi32(total, c.total);
        __m256 part = _mm256_cvtepi32_ps(total), dx = _mm256_set1_ps(c.d);
        if (has_min) {
            __m256i m = t.scaling == PER_32 ? s.min : sums_of_8(min);
            part = _mm256_mul_ps(part, s.d);
            part = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(m), s.dmin, part);
            acc = _mm256_fmadd_ps(part, dx, acc);
        } else {
            acc = _mm256_fmadd_ps(part, _mm256_mul_ps(s.d, dx), acc);
        }
    }
    return acc;
}

NK_INLINE void super_rows(const row_type t, size_t n, const void *w, size_t row_size, size_t rows,
                          const void *x, float *y)
{
    NK_EACH_SIDE(super_side(t, n, at, row_size, x));
}

#define SUPER_ROWS(ID, sym) NK_ROWS_PAIR(super_rows, row_##sym, sym)

#endif
#endif
