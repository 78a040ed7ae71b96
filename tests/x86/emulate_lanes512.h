/* The rest of AVX-512 that encoders and statistics use: comparisons into masks, blends, extremes,
 * shuffles, roundings; after emulate_avx512.h and in its way. A mask's bit k is lane k. */
#ifndef NIBBLE_TEST_EMULATE_LANES512_H
#define NIBBLE_TEST_EMULATE_LANES512_H

#include "tests/x86/emulate_avx512.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

EMU __m512i emu_castps_si512(__m512 v)
{
    return (__m512i)v;
}

EMU __m512 emu_castsi512_ps(__m512i v)
{
    return (__m512)v;
}

#define EMU_FLOATS_AS(name, op)                                                                    \
    EMU __m512 emu_##name(__m512 a, __m512 b)                                                      \
    {                                                                                              \
        return emu_castsi512_ps(emu_##op(emu_castps_si512(a), emu_castps_si512(b)));               \
    }

EMU_FLOATS(sub_ps, _mm256_sub_ps)
EMU_FLOATS(div_ps, _mm256_div_ps)
EMU_FLOATS(min_ps, _mm256_min_ps)
EMU_FLOATS(max_ps, _mm256_max_ps)
EMU_FMA(fmsub_ps, _mm256_fmsub_ps)
EMU_FLOATS_AS(xor_ps, xor_si512)
EMU_FLOATS_AS(andnot_ps, andnot_si512)
EMU_INTS(min_epi32, _mm256_min_epi32)
EMU_INTS(min_epu32, _mm256_min_epu32)
EMU_INTS(max_epi32, _mm256_max_epi32)

EMU __m512 emu_abs_ps(__m512 v)
{
    return emu_andnot_ps(emu_set1_ps(-0.0F), v);
}

EMU __m512 emu_sqrt_ps(__m512 v)
{
    emu_floats x = {v};
    for (int i = 0; i < 2; i++)
        x.half[i] = _mm256_sqrt_ps(x.half[i]);
    return x.z;
}

EMU __m512i emu_loadu_si512(const void *p)
{
    __m512i v;
    memcpy(&v, p, sizeof v);
    return v;
}

EMU_FLOATS(unpacklo_ps, _mm256_unpacklo_ps)
EMU_FLOATS(unpackhi_ps, _mm256_unpackhi_ps)
EMU_INTS(add_epi8, _mm256_add_epi8)
EMU_INTS(min_epi8, _mm256_min_epi8)
EMU_INTS(max_epi8, _mm256_max_epi8)
EMU_INTS(packs_epi16, _mm256_packs_epi16)
EMU_INTS(packs_epi32, _mm256_packs_epi32)
EMU_INTS(shuffle_epi8, _mm256_shuffle_epi8)

EMU __m512 emu_shuffle_ps(__m512 a, __m512 b, int how)
{
    emu_floats x = {a}, y = {b};
    for (int i = 0; i < 2; i++) {
        if (how == 0x44)
            x.half[i] = _mm256_shuffle_ps(x.half[i], y.half[i], 0x44);
        else if (how == 0xee)
            x.half[i] = _mm256_shuffle_ps(x.half[i], y.half[i], 0xee);
        else if (how == 0x4e)
            x.half[i] = _mm256_shuffle_ps(x.half[i], y.half[i], 0x4e);
        else if (how == 0xb1)
            x.half[i] = _mm256_shuffle_ps(x.half[i], y.half[i], 0xb1);
        else
            __builtin_trap();
    }
    return x.z;
}

/* VSHUFF32X4: four lanes at a time, by two bits of `how` each. */
EMU __m512 emu_shuffle_f32x4(__m512 a, __m512 b, int how)
{
    __m128 x[4], y[4], to[4];
    __m512 v;
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 4; i++)
        to[i] = (i < 2 ? x : y)[how >> 2 * i & 3];
    memcpy(&v, to, sizeof v);
    return v;
}

EMU __m512 emu_permutevar_ps(__m512 v, __m512i at)
{
    emu_floats x = {v};
    emu_ints y = {at};
    for (int i = 0; i < 2; i++)
        x.half[i] = _mm256_permutevar_ps(x.half[i], y.half[i]);
    return x.z;
}

EMU __m512 emu_broadcast_f32x4(__m128 v)
{
    emu_floats x;
    x.half[0] = x.half[1] = _mm256_setr_m128(v, v);
    return x.z;
}

EMU __m512i emu_cvtepu16_epi32(__m256i v)
{
    emu_ints x;
    x.half[0] = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(v));
    x.half[1] = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(v, 1));
    return x.z;
}

EMU void emu_storeu_si512(void *p, __m512i v)
{
    memcpy(p, &v, sizeof v);
}

EMU __m512 emu_castps128_ps512(__m128 v)
{
    emu_floats x;
    x.half[0] = x.half[1] = _mm256_castps128_ps256(v);
    return x.z;
}

EMU __m512i emu_broadcast_i32x4(__m128i v)
{
    emu_ints x;
    x.half[0] = x.half[1] = _mm256_broadcastsi128_si256(v);
    return x.z;
}

EMU __m512 emu_insertf32x4(__m512 v, __m128 part, int i)
{
    float x[16];
    memcpy(x, &v, sizeof x);
    memcpy(x + 4 * i, &part, sizeof part);
    return emu_loadu_ps(x);
}

EMU __m128i emu_extracti32x4_epi32(__m512i v, int i)
{
    __m128i part[4];
    memcpy(part, &v, sizeof part);
    return part[i];
}

EMU __m128i emu_castsi512_si128(__m512i v)
{
    return emu_extracti32x4_epi32(v, 0);
}

EMU __m512 emu_permutexvar_ps(__m512i at, __m512 v)
{
    int32_t index[16];
    float from[16], to[16];
    memcpy(index, &at, sizeof index);
    memcpy(from, &v, sizeof from);
    for (int i = 0; i < 16; i++)
        to[i] = from[index[i] & 15];
    return emu_loadu_ps(to);
}

/* VPERMI2PS: lanes 0..15 of a, 16..31 of b. */
EMU __m512 emu_permutex2var_ps(__m512 a, __m512i at, __m512 b)
{
    int32_t index[16];
    float from[32], to[16];
    memcpy(index, &at, sizeof index);
    memcpy(from, &a, sizeof a);
    memcpy(from + 16, &b, sizeof b);
    for (int i = 0; i < 16; i++)
        to[i] = from[index[i] & 31];
    return emu_loadu_ps(to);
}

/* --- masks -------------------------------------------------------------------------------------
 */

EMU __mmask16 emu_mask_of(__m256 low, __m256 high)
{
    return (__mmask16)(_mm256_movemask_ps(low) | _mm256_movemask_ps(high) << 8);
}

#define EMU_COMPARE(a, b, how)                                                                     \
    emu_mask_of(_mm256_cmp_ps((a).half[0], (b).half[0], how),                                      \
                _mm256_cmp_ps((a).half[1], (b).half[1], how))

EMU __mmask16 emu_cmp_ps_mask(__m512 a, __m512 b, int how)
{
    emu_floats x = {a}, y = {b};
    switch (how) {
    case _CMP_EQ_OQ:
        return EMU_COMPARE(x, y, _CMP_EQ_OQ);
    case _CMP_LT_OQ:
        return EMU_COMPARE(x, y, _CMP_LT_OQ);
    case _CMP_LE_OQ:
        return EMU_COMPARE(x, y, _CMP_LE_OQ);
    case _CMP_GE_OQ:
        return EMU_COMPARE(x, y, _CMP_GE_OQ);
    case _CMP_NLT_UQ:
        return EMU_COMPARE(x, y, _CMP_NLT_UQ);
    case _CMP_NEQ_UQ:
        return EMU_COMPARE(x, y, _CMP_NEQ_UQ);
    default:
        __builtin_trap();
    }
}

EMU __mmask16 emu_movepi32_mask(__m512i v)
{
    emu_ints x = {v};
    return emu_mask_of(_mm256_castsi256_ps(x.half[0]), _mm256_castsi256_ps(x.half[1]));
}

EMU __mmask16 emu_cmpeq_epi32_mask(__m512i a, __m512i b)
{
    emu_ints x = {a}, y = {b};
    for (int i = 0; i < 2; i++)
        x.half[i] = _mm256_cmpeq_epi32(x.half[i], y.half[i]);
    return emu_movepi32_mask(x.z);
}

EMU __mmask16 emu_cmplt_epi32_mask(__m512i a, __m512i b)
{
    emu_ints x = {a}, y = {b};
    for (int i = 0; i < 2; i++)
        x.half[i] = _mm256_cmpgt_epi32(y.half[i], x.half[i]);
    return emu_movepi32_mask(x.z);
}

/* Lanes of b where the mask is set, of a elsewhere. */
EMU __m512i emu_mask_blend_epi32(__mmask16 m, __m512i a, __m512i b)
{
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    emu_ints x = {a}, y = {b};
    for (int i = 0; i < 2; i++) {
        __m256i set = _mm256_and_si256(_mm256_set1_epi32(m >> 8 * i), bit);
        x.half[i] = _mm256_blendv_epi8(x.half[i], y.half[i], _mm256_cmpeq_epi32(set, bit));
    }
    return x.z;
}

EMU __m512 emu_mask_blend_ps(__mmask16 m, __m512 a, __m512 b)
{
    return emu_castsi512_ps(emu_mask_blend_epi32(m, emu_castps_si512(a), emu_castps_si512(b)));
}

EMU __m512i emu_mask_mov_epi32(__m512i from, __mmask16 m, __m512i v)
{
    return emu_mask_blend_epi32(m, from, v);
}

/* --- conversions -------------------------------------------------------------------------------
 */

EMU __m512i emu_cvttps_epi32(__m512 v)
{
    emu_floats x = {v};
    emu_ints y;
    for (int i = 0; i < 2; i++)
        y.half[i] = _mm256_cvttps_epi32(x.half[i]);
    return y.z;
}

EMU __m512 emu_roundscale_ps(__m512 v, int how)
{
    emu_floats x = {v};
    if (how != (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
        __builtin_trap();
    for (int i = 0; i < 2; i++)
        x.half[i] = _mm256_round_ps(x.half[i], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return x.z;
}

EMU __m512i emu_cvtps_epi32(__m512 v)
{
    emu_floats x = {v};
    emu_ints y;
    for (int i = 0; i < 2; i++)
        y.half[i] = _mm256_cvtps_epi32(x.half[i]);
    return y.z;
}

/* VREDUCEPS with 0: what the nearest whole number leaves. */
EMU __m512 emu_reduce_whole_ps(__m512 v, int how)
{
    if (how != 0)
        __builtin_trap();
    return emu_sub_ps(v, emu_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/* VRANGEPS with 1011b: the greater magnitude, without its sign. */
EMU __m512 emu_range_ps(__m512 a, __m512 b, int how)
{
    if (how != 0x0b)
        __builtin_trap();
    return emu_max_ps(emu_abs_ps(a), emu_abs_ps(b));
}

/* VPMOVDB: the low bytes. */
EMU __m128i emu_cvtepi32_epi8(__m512i v)
{
    int32_t from[16];
    int8_t to[16];
    __m128i out;
    memcpy(from, &v, sizeof from);
    for (int i = 0; i < 16; i++)
        to[i] = (int8_t)from[i];
    memcpy(&out, to, sizeof out);
    return out;
}

/* Halves, then halves of these, and so on, as the compilers spell _mm512_reduce. */
EMU float emu_reduce_ps(__m512 v, bool max)
{
    float x[16];
    memcpy(x, &v, sizeof x);
    for (int n = 8; n; n /= 2)
        for (int i = 0; i < n; i++)
            x[i] = (max ? x[i] > x[i + n] : x[i] < x[i + n]) ? x[i] : x[i + n];
    return x[0];
}

EMU float emu_reduce_max_ps(__m512 v)
{
    return emu_reduce_ps(v, true);
}

EMU float emu_reduce_min_ps(__m512 v)
{
    return emu_reduce_ps(v, false);
}

#undef _mm512_cmp_ps_mask
#undef _mm512_roundscale_ps
#undef _mm512_shuffle_ps
#undef _mm512_shuffle_f32x4
#undef _mm512_insertf32x4
#undef _mm512_extracti32x4_epi32
#undef _mm512_reduce_ps
#undef _mm512_range_ps
#undef _mm512_setr_epi32
#define _mm512_castps_si512       emu_castps_si512
#define _mm512_castsi512_ps       emu_castsi512_ps
#define _mm512_sub_ps             emu_sub_ps
#define _mm512_div_ps             emu_div_ps
#define _mm512_min_ps             emu_min_ps
#define _mm512_max_ps             emu_max_ps
#define _mm512_fmsub_ps           emu_fmsub_ps
#define _mm512_xor_ps             emu_xor_ps
#define _mm512_andnot_ps          emu_andnot_ps
#define _mm512_abs_ps             emu_abs_ps
#define _mm512_sqrt_ps            emu_sqrt_ps
#define _mm512_min_epi32          emu_min_epi32
#define _mm512_min_epu32          emu_min_epu32
#define _mm512_max_epi32          emu_max_epi32
#define _mm512_loadu_si512        emu_loadu_si512
#define _mm512_unpacklo_ps        emu_unpacklo_ps
#define _mm512_unpackhi_ps        emu_unpackhi_ps
#define _mm512_shuffle_ps         emu_shuffle_ps
#define _mm512_shuffle_f32x4      emu_shuffle_f32x4
#define _mm512_permutevar_ps      emu_permutevar_ps
#define _mm512_broadcast_f32x4    emu_broadcast_f32x4
#define _mm512_cvtepu16_epi32     emu_cvtepu16_epi32
#define _mm512_storeu_si512       emu_storeu_si512
#define _mm512_shuffle_epi8       emu_shuffle_epi8
#define _mm512_add_epi8           emu_add_epi8
#define _mm512_min_epi8           emu_min_epi8
#define _mm512_max_epi8           emu_max_epi8
#define _mm512_packs_epi16        emu_packs_epi16
#define _mm512_packs_epi32        emu_packs_epi32
#define _mm512_castps128_ps512    emu_castps128_ps512
#define _mm512_castsi512_si128    emu_castsi512_si128
#define _mm512_insertf32x4        emu_insertf32x4
#define _mm512_extracti32x4_epi32 emu_extracti32x4_epi32
#define _mm512_broadcast_i32x4    emu_broadcast_i32x4
#define _mm512_cvtps_epi32        emu_cvtps_epi32
#define _mm512_reduce_ps          emu_reduce_whole_ps
#define _mm512_range_ps           emu_range_ps
#define _mm512_permutexvar_ps     emu_permutexvar_ps
#define _mm512_permutex2var_ps    emu_permutex2var_ps
#define _mm512_setr_epi32(...)    emu_loadu_si512((const int32_t[16]){__VA_ARGS__})
#define _mm512_cmp_ps_mask        emu_cmp_ps_mask
#define _mm512_movepi32_mask      emu_movepi32_mask
#define _mm512_cmpeq_epi32_mask   emu_cmpeq_epi32_mask
#define _mm512_cmplt_epi32_mask   emu_cmplt_epi32_mask
#define _mm512_mask_blend_epi32   emu_mask_blend_epi32
#define _mm512_mask_blend_ps      emu_mask_blend_ps
#define _mm512_mask_mov_epi32     emu_mask_mov_epi32
#define _mm512_cvttps_epi32       emu_cvttps_epi32
#define _mm512_roundscale_ps      emu_roundscale_ps
#define _mm512_cvtepi32_epi8      emu_cvtepi32_epi8
#define _mm512_reduce_max_ps      emu_reduce_max_ps
#define _mm512_reduce_min_ps      emu_reduce_min_ps

#endif
#endif
