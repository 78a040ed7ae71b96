/* lanes_avx2.h for sixteen lanes. */
#ifndef NIBBLE_X86_LANES_AVX512_H
#define NIBBLE_X86_LANES_AVX512_H

#include "kernels/x86/avx2.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

#define NK_LANES /* for lanes_fit.h and what stands on it */
enum { LANES = 16 };
typedef __m512 lanes;
typedef __m512i lane_ints;
typedef __mmask16 lane_mask;

NK_INLINE lanes lanes_set(float v)
{
    return _mm512_set1_ps(v);
}

/* Four registers that hold rows k, k + 4, k + 8 and k + 12 of four -> columns, in place. */
NK_INLINE void turn_fours(lanes r[4])
{
    lanes t[4];
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        t[i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[i + 2] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        r[2 * i] = _mm512_shuffle_ps(t[2 * i], t[2 * i + 1], 0x44);
        r[2 * i + 1] = _mm512_shuffle_ps(t[2 * i], t[2 * i + 1], 0xee);
    }
}

/* out[i]: lane k from p[at[k] + i]; n is a multiple of 4. */
NK_INLINE void lanes_columns(const float *p, const int32_t at[LANES], const int n, lanes *out)
{
    for (int i = 0; i < n; i += 4) {
        lanes r[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            r[k] = _mm512_castps128_ps512(_mm_loadu_ps(p + at[k] + i));
            r[k] = _mm512_insertf32x4(r[k], _mm_loadu_ps(p + at[k + 4] + i), 1);
            r[k] = _mm512_insertf32x4(r[k], _mm_loadu_ps(p + at[k + 8] + i), 2);
            r[k] = _mm512_insertf32x4(r[k], _mm_loadu_ps(p + at[k + 12] + i), 3);
        }
        turn_fours(r);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            out[i + k] = r[k];
    }
}

NK_INLINE lanes lanes_load(const float p[LANES])
{
    return _mm512_loadu_ps(p);
}

NK_INLINE void lanes_store(float p[LANES], lanes v)
{
    _mm512_storeu_ps(p, v);
}

NK_INLINE lanes lanes_add(lanes a, lanes b)
{
    return _mm512_add_ps(a, b);
}

NK_INLINE lanes lanes_sub(lanes a, lanes b)
{
    return _mm512_sub_ps(a, b);
}

NK_INLINE lanes lanes_mul(lanes a, lanes b)
{
    return _mm512_mul_ps(a, b);
}

NK_INLINE lanes lanes_div(lanes a, lanes b)
{
    return _mm512_div_ps(a, b);
}

NK_INLINE lanes lanes_sqrt(lanes a)
{
    return _mm512_sqrt_ps(a);
}

NK_INLINE lanes lanes_abs(lanes a)
{
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
}

NK_INLINE lanes lanes_neg(lanes a)
{
    return _mm512_xor_ps(_mm512_set1_ps(-0.0f), a);
}

/* a < b ? a : b, and b where either is no number. */
NK_INLINE lanes lanes_min(lanes a, lanes b)
{
    return _mm512_min_ps(a, b);
}

NK_INLINE lanes lanes_max(lanes a, lanes b)
{
    return _mm512_max_ps(a, b);
}

/* a < b; false where either is no number. */
NK_INLINE lane_mask lanes_less(lanes a, lanes b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

/* a <= b; false where either is no number. */
NK_INLINE lane_mask lanes_less_or_equal(lanes a, lanes b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}

/* Not a < b; true where either is no number. */
NK_INLINE lane_mask lanes_reach(lanes a, lanes b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ);
}

/* a != b; true where either is no number. */
NK_INLINE lane_mask lanes_differ(lanes a, lanes b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ);
}

NK_INLINE lane_mask lanes_both(lane_mask a, lane_mask b)
{
    return a & b;
}

NK_INLINE bool lanes_any(lane_mask m)
{
    return m != 0;
}

NK_INLINE bool lanes_all(lane_mask m)
{
    return m == 0xffff;
}

/* m ? a : b */
NK_INLINE lanes lanes_pick(lane_mask m, lanes a, lanes b)
{
    return _mm512_mask_blend_ps(m, b, a);
}

/* nk_clamp(nk_nearest(v), low, high) + up of scale.h, for every bit pattern. */
NK_INLINE lane_ints lanes_whole(lanes v, int low, int high, int up)
{
    const int zero = 0x00400000;
    __m512i q = _mm512_castps_si512(_mm512_add_ps(v, _mm512_set1_ps(12582912.0f)));
    q = _mm512_and_si512(q, _mm512_set1_epi32(0x007fffff));
    q = _mm512_sub_epi32(q, _mm512_set1_epi32(zero - up));
    q = _mm512_max_epi32(q, _mm512_set1_epi32(low + up));
    return _mm512_min_epi32(q, _mm512_set1_epi32(high + up));
}

NK_INLINE lanes lanes_from_ints(lane_ints v)
{
    return _mm512_cvtepi32_ps(v);
}

/* Of whole numbers. */
NK_INLINE lane_ints lanes_to_ints(lanes v)
{
    return _mm512_cvttps_epi32(v);
}

NK_INLINE lane_ints lanes_pick_ints(lane_mask m, lane_ints a, lane_ints b)
{
    return _mm512_mask_blend_epi32(m, b, a);
}

/* The same without `up`, as a float. */
NK_INLINE lanes lanes_code(lanes v, int low, int high)
{
    return lanes_from_ints(lanes_whole(v, low, high, 0));
}

/* Halves to even. */
NK_INLINE lanes lanes_nearest_whole(lanes v)
{
    return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* v 2^n, n whole; results may be subnormal or infinite. */
NK_INLINE lanes lanes_scaled(lanes v, lanes n)
{
    return _mm512_scalef_ps(v, n);
}

NK_INLINE lanes lanes_scaled_far(lanes v, lanes n)
{
    return _mm512_scalef_ps(v, n);
}

/* v, or 0 where it is negative, for numbers: as integers their bits compare the same way, and the
 * adders are what encoders wait for. */
NK_INLINE lanes lanes_not_negative(lanes v)
{
    return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(v), _mm512_setzero_si512()));
}

NK_INLINE lane_mask lanes_negative(lanes v)
{
    return _mm512_movepi32_mask(_mm512_castps_si512(v));
}

/* a * b + c, a * b - c and c - a * b, rounded once. */
NK_INLINE lanes lanes_mul_add(lanes a, lanes b, lanes c)
{
    return _mm512_fmadd_ps(a, b, c);
}

NK_INLINE lanes lanes_mul_sub(lanes a, lanes b, lanes c)
{
    return _mm512_fmsub_ps(a, b, c);
}

NK_INLINE lanes lanes_neg_mul_add(lanes a, lanes b, lanes c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

NK_INLINE lane_mask lanes_equal(lanes a, lanes b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

/* The lesser of numbers that are not negative: their bits compare the same way. What is no number
 * is greater than all. */
NK_INLINE lanes lanes_lesser(lanes a, lanes b)
{
    return _mm512_castsi512_ps(_mm512_min_epu32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}

/* Those bits of v, as they are. */
NK_INLINE lanes lanes_low_bits(lanes v, int mask)
{
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(mask)));
}

/* Those whose bits are below `bound` as whole numbers. */
NK_INLINE lane_mask lanes_bits_below(lanes v, int bound)
{
    return _mm512_cmplt_epi32_mask(_mm512_castps_si512(v), _mm512_set1_epi32(bound));
}

/* 32..63 have their last digit at 2^-18. */
enum { LANES_STEP_DIGITS = 18 };

typedef struct lane_steps {
    int whole;
} lane_steps;

/* From 32 + whole on. */
#define NK_LANE_STEPS(whole)                                                                       \
    {                                                                                              \
        (whole)                                                                                    \
    }

/* *at < from + k for numbers that begin there. There are registers for all the bounds. */
NK_INLINE lane_mask lanes_passed(const lanes *at, const lane_steps *s, const int k)
{
    return _mm512_cmp_ps_mask(*at, _mm512_set1_ps((float)(32 + s->whole + k)), _CMP_LT_OQ);
}

/* A table of sixteen in order, and of the middles between its neighbours. */
typedef struct lane_table {
    __m512 value, middle; /* middle[15] is never reached */
} lane_table;

NK_INLINE lane_table lanes_table(const float value[16], const float middle[16])
{
    return (lane_table){_mm512_loadu_ps(value), _mm512_loadu_ps(middle)};
}

/* Number of the value nearest to v: of the 15 middles those at or below it. */
NK_INLINE lane_ints lanes_nearest(const lane_table *t, lanes v)
{
    __m512i at = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int step = 8; step; step /= 2) {
        __m512i next = _mm512_add_epi32(at, _mm512_set1_epi32(step));
        __m512 middle =
            _mm512_permutexvar_ps(_mm512_add_epi32(at, _mm512_set1_epi32(step - 1)), t->middle);
        at = _mm512_mask_mov_epi32(at, _mm512_cmp_ps_mask(v, middle, _CMP_GE_OQ), next);
    }
    return at;
}

NK_INLINE lanes lanes_look_up(const lane_table *t, lane_ints at)
{
    return _mm512_permutexvar_ps(at, t->value);
}

NK_INLINE lane_ints lanes_low_byte(lane_ints v)
{
    return _mm512_and_si512(v, _mm512_set1_epi32(255));
}

/* The low byte of whole numbers below 2^22, 0..255. */
NK_INLINE lanes lanes_byte(lanes v)
{
    return lanes_from_ints(lanes_low_byte(lanes_to_ints(v)));
}

/* Whole numbers -128..255 to the low bytes of p[LANES]. */
NK_INLINE void lanes_store_bytes(uint8_t p[LANES], lanes v)
{
    _mm_storeu_si128((__m128i_u *)p, _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(v)));
}

/* r[i]: codes 4 i .. 4 i + 3 of each lane, a byte each. Sixteen bytes to to[k] + at for the first
 * `used` lanes. */
NK_INLINE void store_quads(uint8_t *const to[LANES], int at, int used, __m512i r[4])
{
    lanes row[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        row[i] = _mm512_castsi512_ps(r[i]);
    turn_fours(row);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const __m512i v = _mm512_castps_si512(row[i]);
        if (i < used)
            _mm_storeu_si128((__m128i_u *)(to[i] + at), _mm512_castsi512_si128(v));
        if (i + 4 < used)
            _mm_storeu_si128((__m128i_u *)(to[i + 4] + at), _mm512_extracti32x4_epi32(v, 1));
        if (i + 8 < used)
            _mm_storeu_si128((__m128i_u *)(to[i + 8] + at), _mm512_extracti32x4_epi32(v, 2));
        if (i + 12 < used)
            _mm_storeu_si128((__m128i_u *)(to[i + 12] + at), _mm512_extracti32x4_epi32(v, 3));
    }
}

/* Numbers 0..255: column k of code[n] to to[k][n], for the first `used` lanes; n is 16 or 32. */
NK_INLINE void lanes_store_rows(uint8_t *const to[LANES], int used, const lane_ints *code,
                                const int n)
{
    for (int half = 0; half < n; half += 16) {
        __m512i r[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            const lane_ints *c = code + half + 4 * i;
            __m512i low = _mm512_or_si512(c[0], _mm512_slli_epi32(c[1], 8));
            __m512i high = _mm512_or_si512(c[2], _mm512_slli_epi32(c[3], 8));
            r[i] = _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
        }
        store_quads(to, half, used, r);
    }
}

/* What stands in for x[i] / d: products with 1 / d, off by three roundings. False where one of
 * those of 64 at most could be on the other side of the middle between two whole numbers. */
NK_INLINE bool near_quotients(const lanes x[16], lanes d, lanes v[16])
{
    const lanes inverse = lanes_div(lanes_set(1), d), size = lanes_abs(d);
    lanes off = lanes_set(0);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        v[i] = lanes_mul(x[i], inverse);
        off = _mm512_range_ps(_mm512_reduce_ps(v[i], 0), off, 0x0b); /* greater magnitude */
    }
    return lanes_all(lanes_both(
        lanes_both(lanes_less(lanes_set(0x1p-100f), size), lanes_less(size, lanes_set(0x1p100f))),
        lanes_less(off, lanes_set(0.5f - 0x1p-15f))));
}

/* The same for what lanes_whole makes of the sixteen x[i] / d, given that all of them are below
 * 2^22 either way; low..high is within -64..63. */
NK_INLINE void lanes_store_quotients(uint8_t *const to[LANES], int used, const lanes x[16], lanes d,
                                     const int low, const int high, const int up)
{
    const __m512i quads =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    NK_UNSET lanes v[16];
    __m512i r[4];
    if (!near_quotients(x, d, v))
        for (int i = 0; i < 16; i++)
            v[i] = lanes_div(x[i], d);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m512i q[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            q[k] = _mm512_cvtps_epi32(v[4 * i + k]);
        r[i] = _mm512_packs_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3]));
        r[i] = _mm512_min_epi8(_mm512_max_epi8(r[i], _mm512_set1_epi8((char)low)),
                               _mm512_set1_epi8((char)high));
        r[i] = _mm512_shuffle_epi8(_mm512_add_epi8(r[i], _mm512_set1_epi8((char)up)), quads);
    }
    store_quads(to, 0, used, r);
}

#endif
#endif
