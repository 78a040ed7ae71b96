/* Vectors of AVX2 by the names that kernels use which are the same for all lengths of them, with
 * VNNI where the file has it. Included only by files compiled for AVX2. */
#ifndef NIBBLE_X86_VECTORS_AVX2_H
#define NIBBLE_X86_VECTORS_AVX2_H

#include "kernels/x86/avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#define NK_VECTORS

typedef __m256i iv;
typedef __m256 fv;
enum { FV_LEN = 8 };

NK_INLINE iv iv_zero(void)
{
    return _mm256_setzero_si256();
}

NK_INLINE iv iv_ones(void)
{
    return _mm256_set1_epi16(1);
}

NK_INLINE iv iv_load(const void *p)
{
    return _mm256_load_si256(p);
}

NK_INLINE void iv_store(void *p, iv v)
{
    _mm256_store_si256(p, v);
}

NK_INLINE iv iv_set(int32_t v)
{
    return _mm256_set1_epi32(v);
}

/* Four bytes for all lanes. */
NK_INLINE iv iv_four(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}

NK_INLINE iv iv_maddubs(iv w, iv x)
{
    return _mm256_maddubs_epi16(w, x);
}

NK_INLINE iv iv_madd(iv a, iv b)
{
    return _mm256_madd_epi16(a, b);
}

NK_INLINE iv iv_add16(iv a, iv b)
{
    return _mm256_add_epi16(a, b);
}

/* v, of which the compiler knows nothing and which it computes here: it would else regroup long
 * sums, load lines again for each use and run out of registers. */
NK_INLINE iv iv_hold(iv v)
{
    __asm__("" : "+x"(v));
    return v;
}

/* Has v wait in memory, not in a register. */
NK_INLINE void iv_put_away(iv *v)
{
    __asm__ volatile("" : "+m"(*v));
}

NK_INLINE void fv_put_away(fv *v)
{
    __asm__ volatile("" : "+m"(*v));
}

NK_INLINE iv iv_add(iv a, iv b)
{
    return _mm256_add_epi32(a, b);
}

NK_INLINE iv iv_sub(iv a, iv b)
{
    return _mm256_sub_epi32(a, b);
}

NK_INLINE iv iv_shift(iv v, int left)
{
    return _mm256_slli_epi32(v, left);
}

NK_INLINE iv iv_and(iv a, iv b)
{
    return _mm256_and_si256(a, b);
}

NK_INLINE iv iv_or(iv a, iv b)
{
    return _mm256_or_si256(a, b);
}

NK_INLINE iv iv_sub8(iv a, iv b)
{
    return _mm256_sub_epi8(a, b);
}

NK_INLINE iv iv_set8(int v)
{
    return _mm256_set1_epi8((char)v);
}

/* Words of 16 bits shifted. */
NK_INLINE iv iv_left16(iv v, int n)
{
    return _mm256_slli_epi16(v, n);
}

NK_INLINE iv iv_right16(iv v, int n)
{
    return _mm256_srli_epi16(v, n);
}

NK_INLINE iv iv_right16_signed(iv v, int n)
{
    return _mm256_srai_epi16(v, n);
}

/* Bytes `order` of each lane, lowest first; one of 0x80 is a zero. */
NK_INLINE iv iv_bytes(iv v, const uint32_t order)
{
    const __m128i at = _mm_add_epi32(_mm_set1_epi32((int)order),
                                     _mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(at));
}

/* 16 bytes, and one of them for the lower four bits of every byte, whose top bit is not set. */
NK_INLINE iv iv_table(const void *p)
{
    return _mm256_broadcastsi128_si256(load16(p));
}

NK_INLINE iv iv_look_up(iv table, iv at)
{
    return _mm256_shuffle_epi8(table, at);
}

NK_INLINE iv iv_abs(iv v)
{
    return _mm256_abs_epi8(v);
}

/* v with the sign of w. */
NK_INLINE iv iv_sign(iv v, iv w)
{
    return _mm256_sign_epi8(v, w);
}

NK_INLINE fv fv_zero(void)
{
    return _mm256_setzero_ps();
}

NK_INLINE fv fv_of(iv v)
{
    return _mm256_cvtepi32_ps(v);
}

NK_INLINE fv fv_load(const void *p)
{
    return _mm256_loadu_ps(p);
}

NK_INLINE void fv_store(float *p, fv v)
{
    _mm256_storeu_ps(p, v);
}

NK_INLINE fv fv_set(float v)
{
    return _mm256_set1_ps(v);
}

NK_INLINE fv fv_mul(fv a, fv b)
{
    return _mm256_mul_ps(a, b);
}

/* a * b + c, c - a * b */
NK_INLINE fv fv_fma(fv a, fv b, fv c)
{
    return _mm256_fmadd_ps(a, b, c);
}

NK_INLINE fv fv_fnma(fv a, fv b, fv c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

#if defined(__AVXVNNI__)
#define NK_LANES_VNNI

/* sum + four products of unsigned w and signed x in each lane */
NK_INLINE iv iv_dpbusd(iv sum, iv w, iv x)
{
    return _mm256_dpbusd_avx_epi32(sum, w, x);
}

/* sum + a * b of the pairs of 16 bits */
NK_INLINE iv iv_dpwssd(iv sum, iv a, iv b)
{
    return _mm256_dpwssd_avx_epi32(sum, a, b);
}

/* The lower 16 bits alone. */
NK_INLINE iv iv_lower(iv v)
{
    return _mm256_blend_epi16(v, _mm256_setzero_si256(), 0xaa);
}

NK_INLINE iv iv_right_signed(iv v, int n)
{
    return _mm256_srai_epi32(v, n);
}

NK_INLINE iv iv_mul(iv a, iv b)
{
    return _mm256_mullo_epi32(a, b);
}

/* The upper 16 bits of each lane, signed. */
NK_INLINE iv iv_upper(iv v)
{
    return _mm256_srai_epi32(v, 16);
}

/* Signed bytes as unsigned ones, 128 higher. */
NK_INLINE iv iv_flip(iv v)
{
    return _mm256_xor_si256(v, _mm256_set1_epi8(-128));
}
#endif

#if !defined(NK_LANES_VNNI)
NK_INLINE iv iv_dpwssd(iv sum, iv a, iv b)
{
    return iv_add(sum, iv_madd(a, b));
}
#endif

#endif
#endif
