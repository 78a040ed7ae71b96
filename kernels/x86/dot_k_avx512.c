/* One column's products of K types and trits with AVX-512 and VNNI: what rows_k_avx2.h does, two
 * groups of 32 a vector. Where units are 512 bits wide that halves what is done for every row;
 * elsewhere two wide units do as much as three of half the width. x stays in four registers for all
 * eight rows, and a row's small scales are one vector that permutations spread over products.
 * tq1_0, whose digits are most of its work, and the scales of the others are rows_k_avx2.h's. */
#include "kernels/cpu.h"
#include "kernels/x86/rows_k_avx2.h"
#include "kernels/x86/wide_avx512.h"
#include "kernels/x86/x86.h"

#if defined(__AVX512BW__)

enum { WIDE = NK_SUPER_LEN / 64 };

/* Which groups of 32 are the halves of vector h: h and h + 4, as bits of one byte lie; those of
 * nibbles, 64 bytes of which are four groups; or neighbours. */
enum order { BITS, NIBBLES, NEXT };

NK_INLINE int first_group(const enum order o, const int h)
{
    return o == BITS ? h : o == NIBBLES ? h / 2 * 4 + h % 2 : 2 * h;
}

NK_INLINE int second_group(const enum order o, const int h)
{
    return first_group(o, h) + (o == BITS ? 4 : o == NIBBLES ? 2 : 1);
}

NK_INLINE __m512i twice(const void *p)
{
    return _mm512_broadcast_i64x4(load32(p));
}

/* --- codes of vector h --------------------------------------------------------------------------
 */

/* `width` bits of every byte from `from` on. */
NK_INLINE __m512i low_bits(__m512i v, const int from, const int width)
{
    if (from)
        v = _mm512_srli_epi16(v, (unsigned)from);
    return _mm512_and_si512(v, _mm512_set1_epi8((char)((1 << width) - 1)));
}

/* codes, and `more` where bit a of a byte of the lower half, b of the upper, is set in v. */
NK_INLINE __m512i with_bit(__m512i codes, __m512i v, const int a, const int b, const int more)
{
    const __m512i bit =
        two_halves(_mm256_set1_epi8((char)(1 << a)), _mm256_set1_epi8((char)(1 << b)));
    return _mm512_mask_add_epi8(codes, _mm512_test_epi8_mask(v, bit), codes,
                                _mm512_set1_epi8((char)more));
}

NK_INLINE __m512i wide_q2_k(const char *block, const int h)
{
    const nk_block_q2_k *b = (const void *)block;
    return low_bits(_mm512_loadu_si512(b->qs), 2 * h, 2);
}

NK_INLINE __m512i wide_q3_k(const char *block, const int h)
{
    const nk_block_q3_k *b = (const void *)block;
    __m512i low = low_bits(_mm512_loadu_si512(b->qs), 2 * h, 2);
    return with_bit(low, twice(b->hmask), h, h + 4, 4);
}

NK_INLINE __m512i wide_q4_k(const char *block, const int h)
{
    const nk_block_q4_k *b = (const void *)block;
    return low_bits(_mm512_loadu_si512(b->qs + h / 2 * 64), h % 2 * 4, 4);
}

NK_INLINE __m512i wide_q5_k(const char *block, const int h)
{
    const nk_block_q5_k *b = (const void *)block;
    __m512i low = low_bits(_mm512_loadu_si512(b->qs + h / 2 * 64), h % 2 * 4, 4);
    return with_bit(low, twice(b->qh), first_group(NIBBLES, h), second_group(NIBBLES, h), 16);
}

/* The upper two bits of groups k and k + 1 are bits 2k.. and 2k + 2.. of 32 bytes. */
NK_INLINE __m512i wide_q6_k(const char *block, const int h)
{
    const nk_block_q6_k *b = (const void *)block;
    __m512i low = low_bits(_mm512_loadu_si512(b->ql + h / 2 * 64), h % 2 * 4, 4);
    __m512i top = twice(b->qh + h / 2 * 32);
    const __m512i by = h % 2 ? two_halves(_mm256_setzero_si256(), _mm256_set1_epi16(2))
                             : two_halves(_mm256_set1_epi16(4), _mm256_set1_epi16(2));
    top = h % 2 ? _mm512_srlv_epi16(top, by) : _mm512_sllv_epi16(top, by);
    return _mm512_or_si512(_mm512_and_si512(top, _mm512_set1_epi8(48)), low);
}

NK_INLINE __m512i wide_tq2_0(const char *block, const int h)
{
    const nk_block_tq2_0 *b = (const void *)block;
    return low_bits(_mm512_loadu_si512(b->qs), 2 * h, 2);
}

/* --- what eight super-blocks hold besides codes -------------------------------------------------
 */

typedef struct wide_side {
    _Alignas(64) int16_t words[SIDE][8]; /* q4_K, q5_K: scales of 32 */
    side s;                              /* bytes, q3_K: scales of 16 in their order */
} wide_side;

typedef __m512i wide_codes_fn(const char *block, int h);

typedef struct wide_type {
    wide_codes_fn *codes;
    side_fn *side; /* NULL: scales of six bits, which wide_side has */
    size_t block_size;
    enum order order;
    enum scaling scaling;
    int shift;
    bool near;     /* for NK_CPU_AMD */
    size_t scales; /* of 16, from a block's begin on, where there is a side */
} wide_type;

NK_INLINE void wide_six_bits(const char *const w[SIDE], size_t at, const column *c, wide_side *s)
{
    __m256i scale[2];
    six_bits_of_8(w, at, c, &s->s, scale);
    __m256i a = _mm256_unpacklo_epi32(scale[0], scale[1]); /* rows 0, 1, 4, 5 */
    __m256i b = _mm256_unpackhi_epi32(scale[0], scale[1]); /* 2, 3, 6, 7 */
    _mm512_store_si512(s->words[0], _mm512_cvtepu8_epi16(_mm256_permute2x128_si256(a, b, 0x20)));
    _mm512_store_si512(s->words[4], _mm512_cvtepu8_epi16(_mm256_permute2x128_si256(a, b, 0x31)));
}

NK_INLINE void read_side(const wide_type t, const char *const w[SIDE], size_t at, const column *c,
                         wide_side *s)
{
    if (t.side)
        t.side(w, at, c, &s->s);
    else if (t.scaling == PER_32)
        wide_six_bits(w, at, c, s);
    else
        scales_q3_k_of_8(w, at, false, &s->s);
}

#define WIDE_TYPE(name, sym, side, order, scaling, shift, near, scales)                            \
    static const wide_type wide_type_##name = {                                                    \
        wide_##sym, side, sizeof(nk_block_##sym), order, scaling, shift, near, scales};
WIDE_TYPE(q2_k, q2_k, side_q2_k, BITS, PER_16_MIN, 0, false, offsetof(nk_block_q2_k, scales))
WIDE_TYPE(q3_k, q3_k, NULL, BITS, PER_16_LESS, 2, false, 0)
WIDE_TYPE(q4_k, q4_k, NULL, NIBBLES, PER_32, 0, false, 0)
WIDE_TYPE(q5_k, q5_k, NULL, NIBBLES, PER_32, 0, false, 0)
WIDE_TYPE(q6_k, q6_k, side_q6_k, NEXT, PER_16_LESS, 5, false, offsetof(nk_block_q6_k, scales))
WIDE_TYPE(tq2_0, tq2_0, side_tq2_0, BITS, UNIT, 0, false, 0)
WIDE_TYPE(near_q4_k, q4_k, NULL, NIBBLES, PER_32, 0, true, 0)
WIDE_TYPE(near_q5_k, q5_k, NULL, NIBBLES, PER_32, 0, true, 0)
WIDE_TYPE(near_q6_k, q6_k, side_q6_k, NEXT, PER_16_LESS, 5, true, offsetof(nk_block_q6_k, scales))

/* --- sums ---------------------------------------------------------------------------------------
 */

/* Eight words of index a, eight of b, eight of c, eight of d. */
NK_INLINE __m512i four_words(const int a, const int b, const int c, const int d)
{
    return four_quarters(_mm_set1_epi16((short)a), _mm_set1_epi16((short)b),
                         _mm_set1_epi16((short)c), _mm_set1_epi16((short)d));
}

/* The scales of vector h's codes out of those of a row. */
NK_INLINE __m512i spread(const wide_type t, __m512i scale, const int h)
{
    const int a = first_group(t.order, h), b = second_group(t.order, h);
    return _mm512_permutexvar_epi16(t.scaling == PER_32
                                        ? four_words(a, a, b, b)
                                        : four_words(2 * a, 2 * a + 1, 2 * b, 2 * b + 1),
                                    scale);
}

/* The integer sums of one super-block in 16 lanes, of q2_K its mins' too. */
NK_INLINE __m512i wide_sum(const wide_type t, const char *block, const __m512i x[WIDE],
                           __m256i sums, const wide_side *s, const int r, __m256i *min)
{
    const __m128i low4 = _mm_set1_epi8(15);
    __m512i sum[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()}, scale = sum[0];
    __m128i bytes = _mm_setzero_si128();
    if (t.scaling == PER_32)
        scale = _mm512_castsi128_si512(_mm_load_si128((const __m128i *)s->words[r]));
    else if (t.scaling != UNIT)
        bytes = t.side ? load16(block + t.scales) : _mm_load_si128((const __m128i *)s->s.bytes[r]);
    if (t.scaling == PER_16_MIN) {
        __m256i m = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(bytes, 4), low4));
        *min = _mm256_madd_epi16(m, sums);
        scale = _mm512_castsi256_si512(_mm256_cvtepu8_epi16(_mm_and_si128(bytes, low4)));
    }
    if (t.scaling == PER_16_LESS) {
        __m256i one = _mm256_cvtepi8_epi16(bytes);
        __m256i less = _mm256_madd_epi16(_mm256_slli_epi16(one, t.shift), sums);
        sum[0] = _mm512_zextsi256_si512(less);
        scale = _mm512_castsi256_si512(one);
    }
#pragma GCC unroll 4
    for (int h = 0; h < WIDE; h++) {
        __m512i q = t.codes(block, h);
        if (t.scaling == UNIT)
            sum[h % 2] = _mm512_dpbusd_epi32(sum[h % 2], q, x[h]);
        else
            sum[h % 2] =
                _mm512_dpwssd_epi32(sum[h % 2], _mm512_maddubs_epi16(q, x[h]), spread(t, scale, h));
    }
    return _mm512_add_epi32(sum[0], sum[1]);
}

NK_INLINE __m256 wide_step(const wide_type t, const char *const w[SIDE], size_t at,
                           const char *next, const nk_block_q8_k *a, __m256 acc)
{
    const bool has_min = t.scaling == PER_32 || t.scaling == PER_16_MIN;
    NK_UNSET column c;
    NK_UNSET wide_side s;
    NK_UNSET __m512i x[WIDE];
    NK_UNSET __m512i sum[SIDE];
    NK_UNSET __m256i min[SIDE];
    __m256i sums = load32(a->bsums);
    read_column(&c, a);
    if (t.scaling == PER_16_LESS)
        sums = _mm256_sub_epi16(_mm256_setzero_si256(), sums);
#pragma GCC unroll 4
    for (int h = 0; h < WIDE; h++)
        x[h] = two_halves(load32(a->qs + NK_LEN * first_group(t.order, h)),
                          load32(a->qs + NK_LEN * second_group(t.order, h)));
    read_side(t, w, at, &c, &s);
#pragma GCC unroll 8
    for (int r = 0; r < SIDE; r++) {
        if (t.near)
            ask_ahead(next, (size_t)r * t.block_size, (size_t)(r + 1) * t.block_size, false);
        else
            ask_for_row(next, t.block_size, r);
        sum[r] = wide_sum(t, w[r] + at, x, sums, &s, r, &min[r]);
    }
    __m256i total = sums_of_8_wide(sum);
    if (t.scaling == UNIT)
        total = _mm256_sub_epi32(total, c.total);
    __m256 part = _mm256_cvtepi32_ps(total), dx = _mm256_set1_ps(a->d);
    if (!has_min)
        return _mm256_fmadd_ps(part, _mm256_mul_ps(s.s.d, dx), acc);
    __m256i m = t.scaling == PER_32 ? s.s.min : sums_of_8(min);
    part = _mm256_mul_ps(part, s.s.d);
    part = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(m), s.s.dmin, part);
    return _mm256_fmadd_ps(part, dx, acc);
}

NK_INLINE __m256 wide_sides(const wide_type t, size_t n, const char *const w[SIDE], size_t row_size,
                            const nk_block_q8_k *a)
{
    __m256 acc = _mm256_setzero_ps();
    const char *next = w[0] + SIDE * row_size;
    size_t at = 0;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, at += t.block_size, next += SIDE * t.block_size)
        acc = wide_step(t, w, at, next, a + i, acc);
    return acc;
}

NK_INLINE void wide_rows(const wide_type t, size_t n, const void *w, size_t row_size, size_t rows,
                         const void *x, float *y)
{
    NK_EACH_SIDE(wide_sides(t, n, at, row_size, x));
}

#define WIDE_ROWS(ID, sym) NK_ROWS_PAIR(wide_rows, wide_type_##sym, sym)
NK_SUPER_TYPES(WIDE_ROWS)
WIDE_ROWS(TQ2_0, tq2_0)
SUPER_ROWS(TQ1_0, tq1_0)

/* The types whose blocks else are asked for in L2. */
#define NEAR_TYPES(X) X(Q4_K, near_q4_k) X(Q5_K, near_q5_k) X(Q6_K, near_q6_k)
NEAR_TYPES(WIDE_ROWS)

void nk_x86_dot_k_avx512(nk_ops *ops)
{
    NK_SUPER_TYPES(NK_ROWS_SET)
    NK_TRIT_TYPES(NK_ROWS_SET)
    if (ops->flags & NK_CPU_AMD) {
        NEAR_TYPES(NK_ROWS_SET)
    }
}

#endif
