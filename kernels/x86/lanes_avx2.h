/* Eight groups of weights side by side, one per lane, for encoders: every operation below is IEEE
 * and touches each lane alone, so a lane's sums run in the order of the C reference and its bytes
 * are the same. lanes_avx512.h has the same names for sixteen. */
#ifndef NIBBLE_X86_LANES_AVX2_H
#define NIBBLE_X86_LANES_AVX2_H

#include "kernels/fp.h"
#include "kernels/x86/avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#define NK_LANES /* for lanes_fit.h and what stands on it */
enum { LANES = 8 };
typedef __m256 lanes;
typedef __m256i lane_ints;
typedef __m256 lane_mask; /* all bits of a lane or none */

NK_INLINE lanes lanes_set(float v)
{
    return _mm256_set1_ps(v);
}

/* Rows of eight -> columns, in place. */
NK_INLINE void turn_eight(lanes r[8])
{
    lanes t[8], u[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) { /* columns i and i + 4 of rows 0-3, of rows 4-7 */
        const int from = i / 2;
        lanes a = t[from], b = t[from + 2], c = t[from + 4], d = t[from + 6];
        u[i] = i % 2 ? _mm256_shuffle_ps(a, b, 0xee) : _mm256_shuffle_ps(a, b, 0x44);
        u[i + 4] = i % 2 ? _mm256_shuffle_ps(c, d, 0xee) : _mm256_shuffle_ps(c, d, 0x44);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
    }
}

/* out[i]: lane k from p[at[k] + i]; n is a multiple of 8. */
NK_INLINE void lanes_columns(const float *p, const int32_t at[LANES], const int n, lanes *out)
{
    for (int i = 0; i < n; i += 8) {
        lanes r[8];
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++)
            r[k] = _mm256_loadu_ps(p + at[k] + i);
        turn_eight(r);
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++)
            out[i + k] = r[k];
    }
}

NK_INLINE lanes lanes_load(const float p[LANES])
{
    return _mm256_loadu_ps(p);
}

NK_INLINE void lanes_store(float p[LANES], lanes v)
{
    _mm256_storeu_ps(p, v);
}

NK_INLINE lanes lanes_add(lanes a, lanes b)
{
    return _mm256_add_ps(a, b);
}

NK_INLINE lanes lanes_sub(lanes a, lanes b)
{
    return _mm256_sub_ps(a, b);
}

NK_INLINE lanes lanes_mul(lanes a, lanes b)
{
    return _mm256_mul_ps(a, b);
}

NK_INLINE lanes lanes_div(lanes a, lanes b)
{
    return _mm256_div_ps(a, b);
}

NK_INLINE lanes lanes_sqrt(lanes a)
{
    return _mm256_sqrt_ps(a);
}

NK_INLINE lanes lanes_abs(lanes a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

NK_INLINE lanes lanes_neg(lanes a)
{
    return _mm256_xor_ps(_mm256_set1_ps(-0.0f), a);
}

/* a < b ? a : b, and b where either is no number. */
NK_INLINE lanes lanes_min(lanes a, lanes b)
{
    return _mm256_min_ps(a, b);
}

NK_INLINE lanes lanes_max(lanes a, lanes b)
{
    return _mm256_max_ps(a, b);
}

/* a < b; false where either is no number. */
NK_INLINE lane_mask lanes_less(lanes a, lanes b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

/* a <= b; false where either is no number. */
NK_INLINE lane_mask lanes_less_or_equal(lanes a, lanes b)
{
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}

/* Not a < b; true where either is no number. */
NK_INLINE lane_mask lanes_reach(lanes a, lanes b)
{
    return _mm256_cmp_ps(a, b, _CMP_NLT_UQ);
}

/* a != b; true where either is no number. */
NK_INLINE lane_mask lanes_differ(lanes a, lanes b)
{
    return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ);
}

NK_INLINE lane_mask lanes_both(lane_mask a, lane_mask b)
{
    return _mm256_and_ps(a, b);
}

NK_INLINE bool lanes_any(lane_mask m)
{
    return _mm256_movemask_ps(m) != 0;
}

NK_INLINE bool lanes_all(lane_mask m)
{
    return _mm256_movemask_ps(m) == 255;
}

/* m ? a : b, as the instruction itself, which looks at the sign of m alone: gcc 12 compares m with
 * 0 before its intrinsic. */
NK_INLINE lanes lanes_pick(lane_mask m, lanes a, lanes b)
{
    __asm__("vblendvps %3, %2, %1, %0" : "=x"(b) : "x"(b), "xm"(a), "x"(m));
    return b;
}

/* nk_clamp(nk_nearest(v), low, high) + up of scale.h, for every bit pattern. */
NK_INLINE lane_ints lanes_whole(lanes v, int low, int high, int up)
{
    const int zero = 0x00400000;
    __m256i q = _mm256_castps_si256(_mm256_add_ps(v, _mm256_set1_ps(12582912.0f)));
    q = _mm256_and_si256(q, _mm256_set1_epi32(0x007fffff));
    q = _mm256_sub_epi32(q, _mm256_set1_epi32(zero - up));
    q = _mm256_max_epi32(q, _mm256_set1_epi32(low + up));
    return _mm256_min_epi32(q, _mm256_set1_epi32(high + up));
}

NK_INLINE lanes lanes_from_ints(lane_ints v)
{
    return _mm256_cvtepi32_ps(v);
}

/* Of whole numbers. */
NK_INLINE lane_ints lanes_to_ints(lanes v)
{
    return _mm256_cvttps_epi32(v);
}

NK_INLINE lane_ints lanes_pick_ints(lane_mask m, lane_ints a, lane_ints b)
{
    return _mm256_blendv_epi8(b, a, _mm256_castps_si256(m));
}

/* The same without `up`, as a float. */
NK_INLINE lanes lanes_code(lanes v, int low, int high)
{
    return lanes_from_ints(lanes_whole(v, low, high, 0));
}

/* Halves to even. */
NK_INLINE lanes lanes_nearest_whole(lanes v)
{
    return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* v 2^n, n whole, where 2^n is a normal number. */
NK_INLINE lanes lanes_scaled(lanes v, lanes n)
{
    __m256i power = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(v, _mm256_castsi256_ps(_mm256_slli_epi32(power, 23)));
}

/* For |n| up to twice that: 2^n goes in by halves, so that results may be subnormal or infinite. */
NK_INLINE lanes lanes_scaled_far(lanes v, lanes n)
{
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i whole = _mm256_cvtps_epi32(n);
    __m256i half = _mm256_srai_epi32(whole, 1), rest = _mm256_sub_epi32(whole, half);
    __m256 a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    __m256 b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(v, a), b);
}

/* v, or 0 where it is negative, for numbers: as integers their bits compare the same way, and the
 * adders are what encoders wait for. */
NK_INLINE lanes lanes_not_negative(lanes v)
{
    return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(v), _mm256_setzero_si256()));
}

/* For lanes_pick alone: the sign of v. */
NK_INLINE lane_mask lanes_negative(lanes v)
{
    return v;
}

/* a * b + c, a * b - c and c - a * b, rounded once. */
NK_INLINE lanes lanes_mul_add(lanes a, lanes b, lanes c)
{
    return _mm256_fmadd_ps(a, b, c);
}

NK_INLINE lanes lanes_mul_sub(lanes a, lanes b, lanes c)
{
    return _mm256_fmsub_ps(a, b, c);
}

NK_INLINE lanes lanes_neg_mul_add(lanes a, lanes b, lanes c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

NK_INLINE lane_mask lanes_equal(lanes a, lanes b)
{
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}

/* The lesser of numbers that are not negative: their bits compare the same way. What is no number
 * is greater than all. */
NK_INLINE lanes lanes_lesser(lanes a, lanes b)
{
    return _mm256_castsi256_ps(_mm256_min_epu32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}

/* Those bits of v, as they are. */
NK_INLINE lanes lanes_low_bits(lanes v, int mask)
{
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(mask)));
}

/* Those whose bits are below `bound` as whole numbers. */
NK_INLINE lane_mask lanes_bits_below(lanes v, int bound)
{
    return _mm256_castsi256_ps(
        _mm256_cmpgt_epi32(_mm256_set1_epi32(bound), _mm256_castps_si256(v)));
}

/* 32..63 have their last digit at 2^-18. */
enum { LANES_STEP_DIGITS = 18 };

/* What lanes_passed takes off, as bits. */
typedef struct lane_steps {
    _Alignas(32) int32_t first[8], next[8];
} lane_steps;

/* clang-format off */
#define NK_EIGHT(v) {v, v, v, v, v, v, v, v}
/* clang-format on */
/* From 32 + whole on. */
#define NK_LANE_STEPS(whole)                                                                       \
    {                                                                                              \
        NK_EIGHT(0x42000000 + ((whole) << LANES_STEP_DIGITS)), NK_EIGHT(1 << LANES_STEP_DIGITS)    \
    }

/* *at < from + k for numbers that begin there, for lanes_pick alone, which looks at the sign. Asked
 * for k = 0, 1, ... in turn: a step is taken off *at each time, as bits, which leaves adders and
 * multipliers alone, and from memory, since sums want the registers. */
NK_INLINE lane_mask lanes_passed(lanes *at, const lane_steps *s, const int k)
{
    const __m256i *by = (const __m256i *)(const void *)(k ? s->next : s->first);
    __asm__("vpsubd %1, %0, %0" : "+x"(*at) : "m"(*by));
    return *at;
}

/* A table of sixteen in order, and of the middles between its neighbours. */
typedef struct lane_table {
    __m256 value[2], middle[2]; /* the last middle is never reached */
} lane_table;

NK_INLINE lane_table lanes_table(const float value[16], const float middle[16])
{
    return (lane_table){{_mm256_loadu_ps(value), _mm256_loadu_ps(value + 8)},
                        {_mm256_loadu_ps(middle), _mm256_loadu_ps(middle + 8)}};
}

NK_INLINE lanes lanes_of_halves(const __m256 half[2], lane_ints at)
{
    __m256 low = _mm256_permutevar8x32_ps(half[0], at),
           high = _mm256_permutevar8x32_ps(half[1], at);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(at, 28)));
}

/* Number of the value nearest to v: of the 15 middles those at or below it. */
NK_INLINE lane_ints lanes_nearest(const lane_table *t, lanes v)
{
    __m256i at = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int step = 8; step; step /= 2) {
        __m256i before = _mm256_add_epi32(at, _mm256_set1_epi32(step - 1));
        __m256 past = _mm256_cmp_ps(v, lanes_of_halves(t->middle, before), _CMP_GE_OQ);
        at = _mm256_add_epi32(at,
                              _mm256_and_si256(_mm256_castps_si256(past), _mm256_set1_epi32(step)));
    }
    return at;
}

NK_INLINE lanes lanes_look_up(const lane_table *t, lane_ints at)
{
    return lanes_of_halves(t->value, at);
}

NK_INLINE lane_ints lanes_low_byte(lane_ints v)
{
    return _mm256_and_si256(v, _mm256_set1_epi32(255));
}

/* The low byte of whole numbers below 2^22, 0..255. */
NK_INLINE lanes lanes_byte(lanes v)
{
    return lanes_from_ints(lanes_low_byte(lanes_to_ints(v)));
}

/* Whole numbers -128..255 to the low bytes of p[LANES]. */
NK_INLINE void lanes_store_bytes(uint8_t p[LANES], lanes v)
{
    __m256i q = _mm256_cvttps_epi32(v);
    q = _mm256_and_si256(q, _mm256_set1_epi32(255));
    __m128i w = _mm_packus_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
    _mm_storel_epi64((__m128i_u *)p, _mm_packus_epi16(w, w));
}

/* r[i]: codes 4 i .. 4 i + 3 of each lane, a byte each. Sixteen bytes to to[k] + at for the first
 * `used` lanes. */
NK_INLINE void store_quads(uint8_t *const to[LANES], int at, int used, const __m256i r[4])
{
    __m256i low[2], high[2], row[4]; /* lanes 0, 1, 4 and 5 of two quads; 2, 3, 6 and 7 */
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        low[i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        high[i] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    row[0] = _mm256_unpacklo_epi64(low[0], low[1]);
    row[1] = _mm256_unpackhi_epi64(low[0], low[1]);
    row[2] = _mm256_unpacklo_epi64(high[0], high[1]);
    row[3] = _mm256_unpackhi_epi64(high[0], high[1]);
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) {
        __m128i lane =
            k < 4 ? _mm256_castsi256_si128(row[k % 4]) : _mm256_extracti128_si256(row[k % 4], 1);
        if (k < used)
            _mm_storeu_si128((__m128i_u *)(to[k] + at), lane);
    }
}

/* Numbers 0..255: column k of code[n] to to[k][n], for the first `used` lanes; n is 16 or 32. */
NK_INLINE void lanes_store_rows(uint8_t *const to[LANES], int used, const lane_ints *code,
                                const int n)
{
    for (int half = 0; half < n; half += 16) {
        __m256i r[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            const lane_ints *c = code + half + 4 * i;
            __m256i low = _mm256_or_si256(c[0], _mm256_slli_epi32(c[1], 8));
            __m256i high = _mm256_or_si256(c[2], _mm256_slli_epi32(c[3], 8));
            r[i] = _mm256_or_si256(low, _mm256_slli_epi32(high, 16));
        }
        store_quads(to, half, used, r);
    }
}

/* The same for what lanes_whole makes of the sixteen x[i] / d, given that all of them are below
 * 2^22 either way; the codes fit in seven bits. */
NK_INLINE void lanes_store_quotients(uint8_t *const to[LANES], int used, const lanes x[16], lanes d,
                                     const int low, const int high, const int up)
{
    const __m256i quads = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0,
                                           4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m256i r[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m256i q[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            q[k] = _mm256_cvtps_epi32(lanes_div(x[4 * i + k], d));
        r[i] = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
        r[i] = _mm256_min_epi8(_mm256_max_epi8(r[i], _mm256_set1_epi8((char)low)),
                               _mm256_set1_epi8((char)high));
        r[i] = _mm256_shuffle_epi8(_mm256_add_epi8(r[i], _mm256_set1_epi8((char)up)), quads);
    }
    store_quads(to, 0, used, r);
}

#endif
#endif
