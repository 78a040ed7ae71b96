/* AVX-512 out of AVX2, for machines without it: the intrinsics the kernels use, each by what
 * Intel's SDM (vol. 2) says of its lanes, on two halves. A test file includes this, then the source
 * of a kernel; the kernel is compiled as it stands. What has no AVX2 counterpart is spelled out in
 * C. */
#ifndef NIBBLE_TEST_EMULATE_AVX512_H
#define NIBBLE_TEST_EMULATE_AVX512_H

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#ifndef EMU
#define EMU static inline __attribute__((always_inline, unused))
#endif

typedef union emu_ints {
    __m512i z;
    __m256i half[2];
} emu_ints;

typedef union emu_floats {
    __m512 z;
    __m256 half[2];
} emu_floats;

#define EMU_INTS(name, op)                                                                         \
    EMU __m512i emu_##name(__m512i a, __m512i b)                                                   \
    {                                                                                              \
        emu_ints x = {a}, y = {b};                                                                 \
        for (int i = 0; i < 2; i++)                                                                \
            x.half[i] = op(x.half[i], y.half[i]);                                                  \
        return x.z;                                                                                \
    }
#define EMU_SHIFT(name, op)                                                                        \
    EMU __m512i emu_##name(__m512i a, unsigned n)                                                  \
    {                                                                                              \
        emu_ints x = {a};                                                                          \
        for (int i = 0; i < 2; i++)                                                                \
            x.half[i] = op(x.half[i], (int)n);                                                     \
        return x.z;                                                                                \
    }
#define EMU_SET(name, value, op)                                                                   \
    EMU __m512i emu_##name(value v)                                                                \
    {                                                                                              \
        emu_ints x;                                                                                \
        x.half[0] = x.half[1] = op(v);                                                             \
        return x.z;                                                                                \
    }
#define EMU_FLOATS(name, op)                                                                       \
    EMU __m512 emu_##name(__m512 a, __m512 b)                                                      \
    {                                                                                              \
        emu_floats x = {a}, y = {b};                                                               \
        for (int i = 0; i < 2; i++)                                                                \
            x.half[i] = op(x.half[i], y.half[i]);                                                  \
        return x.z;                                                                                \
    }
#define EMU_FMA(name, op)                                                                          \
    EMU __m512 emu_##name(__m512 a, __m512 b, __m512 c)                                            \
    {                                                                                              \
        emu_floats x = {a}, y = {b}, z = {c};                                                      \
        for (int i = 0; i < 2; i++)                                                                \
            x.half[i] = op(x.half[i], y.half[i], z.half[i]);                                       \
        return x.z;                                                                                \
    }

#define EMU_FMA_INTS(name, op)                                                                     \
    EMU __m512i emu_##name(__m512i a, __m512i b, __m512i c)                                        \
    {                                                                                              \
        emu_ints x = {a}, y = {b}, z = {c};                                                        \
        for (int i = 0; i < 2; i++)                                                                \
            x.half[i] = op(x.half[i], y.half[i], z.half[i]);                                       \
        return x.z;                                                                                \
    }

EMU_INTS(add_epi16, _mm256_add_epi16)
EMU_INTS(add_epi32, _mm256_add_epi32)
EMU_INTS(sub_epi8, _mm256_sub_epi8)
EMU_INTS(sub_epi16, _mm256_sub_epi16)
EMU_INTS(sub_epi32, _mm256_sub_epi32)
EMU_INTS(mullo_epi16, _mm256_mullo_epi16)
EMU_INTS(mullo_epi32, _mm256_mullo_epi32)
EMU_INTS(madd_epi16, _mm256_madd_epi16)
EMU_INTS(and_si512, _mm256_and_si256)
EMU_INTS(andnot_si512, _mm256_andnot_si256)
EMU_INTS(or_si512, _mm256_or_si256)
EMU_INTS(xor_si512, _mm256_xor_si256)
EMU_SHIFT(slli_epi16, _mm256_slli_epi16)
EMU_SHIFT(slli_epi32, _mm256_slli_epi32)
EMU_SHIFT(srli_epi16, _mm256_srli_epi16)
EMU_SHIFT(srli_epi32, _mm256_srli_epi32)
EMU_SHIFT(srai_epi16, _mm256_srai_epi16)
EMU_SHIFT(srai_epi32, _mm256_srai_epi32)
EMU_SET(set1_epi8, char, _mm256_set1_epi8)
EMU_SET(set1_epi16, short, _mm256_set1_epi16)
EMU_SET(set1_epi32, int, _mm256_set1_epi32)
EMU_FLOATS(mul_ps, _mm256_mul_ps)
EMU_FLOATS(add_ps, _mm256_add_ps)
EMU_FMA(fmadd_ps, _mm256_fmadd_ps)
EMU_FMA(fnmadd_ps, _mm256_fnmadd_ps)

EMU __m512i emu_sll_epi32(__m512i a, __m128i n)
{
    emu_ints x = {a};
    for (int i = 0; i < 2; i++)
        x.half[i] = _mm256_sll_epi32(x.half[i], n);
    return x.z;
}

/* Aligned loads and stores trap where the real ones do. */
EMU __m512i emu_load_si512(const void *p)
{
    emu_ints x;
    if ((uintptr_t)p % 64)
        __builtin_trap();
    memcpy(&x, p, sizeof x);
    return x.z;
}

EMU void emu_store_si512(void *p, __m512i v)
{
    if ((uintptr_t)p % 64)
        __builtin_trap();
    memcpy(p, &v, sizeof v);
}

EMU __m512 emu_loadu_ps(const void *p)
{
    emu_floats x;
    memcpy(&x, p, sizeof x);
    return x.z;
}

EMU __m512 emu_load_ps(const void *p)
{
    if ((uintptr_t)p % 64)
        __builtin_trap();
    return emu_loadu_ps(p);
}

EMU void emu_storeu_ps(void *p, __m512 v)
{
    memcpy(p, &v, sizeof v);
}

EMU __m512i emu_setzero_si512(void)
{
    return emu_set1_epi32(0);
}

EMU __m512 emu_set1_ps(float v)
{
    emu_floats x;
    x.half[0] = x.half[1] = _mm256_set1_ps(v);
    return x.z;
}

EMU __m512 emu_setzero_ps(void)
{
    return emu_set1_ps(0);
}

EMU __m512 emu_broadcast_f32x8(__m256 v)
{
    emu_floats x = {.half = {v, v}};
    return x.z;
}

EMU __m256 emu_extractf32x8_ps(__m512 v, int i)
{
    emu_floats x = {v};
    return x.half[i];
}

EMU __m256 emu_castps512_ps256(__m512 v)
{
    return emu_extractf32x8_ps(v, 0);
}

EMU __m512 emu_cvtepi32_ps(__m512i v)
{
    emu_ints x = {v};
    emu_floats y;
    for (int i = 0; i < 2; i++)
        y.half[i] = _mm256_cvtepi32_ps(x.half[i]);
    return y.z;
}

/* VPDPBUSD: a + four products of unsigned b and signed c, no saturation on the way: by widening,
 * because vpmaddubsw would saturate. */
EMU __m256i emu_dpbusd_avx_epi32(__m256i a, __m256i b, __m256i c)
{
    const __m256i low = _mm256_set1_epi16(0xff);
    __m256i even =
        _mm256_madd_epi16(_mm256_and_si256(b, low), _mm256_srai_epi16(_mm256_slli_epi16(c, 8), 8));
    __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(b, 8), _mm256_srai_epi16(c, 8));
    return _mm256_add_epi32(a, _mm256_add_epi32(even, odd));
}

EMU_FMA_INTS(dpbusd_epi32, emu_dpbusd_avx_epi32)

/* VPDPWSSD: a + two products of signed 16 bits */
EMU __m256i emu_dpwssd_avx_epi32(__m256i a, __m256i b, __m256i c)
{
    return _mm256_add_epi32(a, _mm256_madd_epi16(b, c));
}

EMU __m512i emu_dpwssd_epi32(__m512i a, __m512i b, __m512i c)
{
    return emu_add_epi32(a, emu_madd_epi16(b, c));
}

/* Words of b where the mask is set, of a elsewhere. */
EMU __m512i emu_mask_blend_epi16(uint32_t m, __m512i a, __m512i b)
{
    int16_t x[32], y[32];
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 32; i++)
        x[i] = m >> i & 1 ? y[i] : x[i];
    memcpy(&a, x, sizeof a);
    return a;
}

#undef _mm512_extractf32x8_ps
#define _mm512_broadcast_f32x8  emu_broadcast_f32x8
#define _mm512_extractf32x8_ps  emu_extractf32x8_ps
#define _mm512_castps512_ps256  emu_castps512_ps256
#define _mm512_add_epi16        emu_add_epi16
#define _mm512_add_epi32        emu_add_epi32
#define _mm512_sub_epi8         emu_sub_epi8
#define _mm512_sub_epi16        emu_sub_epi16
#define _mm512_sub_epi32        emu_sub_epi32
#define _mm512_mullo_epi16      emu_mullo_epi16
#define _mm512_mullo_epi32      emu_mullo_epi32
#define _mm512_madd_epi16       emu_madd_epi16
#define _mm512_and_si512        emu_and_si512
#define _mm512_andnot_si512     emu_andnot_si512
#define _mm512_or_si512         emu_or_si512
#define _mm512_xor_si512        emu_xor_si512
#define _mm512_slli_epi16       emu_slli_epi16
#define _mm512_slli_epi32       emu_slli_epi32
#define _mm512_srli_epi16       emu_srli_epi16
#define _mm512_srli_epi32       emu_srli_epi32
#define _mm512_srai_epi16       emu_srai_epi16
#define _mm512_srai_epi32       emu_srai_epi32
#define _mm512_sll_epi32        emu_sll_epi32
#define _mm512_set1_epi8        emu_set1_epi8
#define _mm512_set1_epi16       emu_set1_epi16
#define _mm512_set1_epi32       emu_set1_epi32
#define _mm512_load_si512       emu_load_si512
#define _mm512_store_si512      emu_store_si512
#define _mm512_setzero_si512    emu_setzero_si512
#define _mm512_load_ps          emu_load_ps
#define _mm512_loadu_ps         emu_loadu_ps
#define _mm512_mask_blend_epi16 emu_mask_blend_epi16
#define _mm512_storeu_ps        emu_storeu_ps
#define _mm512_set1_ps          emu_set1_ps
#define _mm512_setzero_ps       emu_setzero_ps
#define _mm512_mul_ps           emu_mul_ps
#define _mm512_add_ps           emu_add_ps
#define _mm512_fmadd_ps         emu_fmadd_ps
#define _mm512_fnmadd_ps        emu_fnmadd_ps
#define _mm512_cvtepi32_ps      emu_cvtepi32_ps
#define _mm512_dpbusd_epi32     emu_dpbusd_epi32
#define _mm512_dpwssd_epi32     emu_dpwssd_epi32

#endif
#endif
