/* Vectors of AVX-512 with VNNI, as vectors_avx2.h has AVX2's. Included only by files compiled for
 * these. */
#ifndef NIBBLE_X86_VECTORS_AVX512_H
#define NIBBLE_X86_VECTORS_AVX512_H

#include "kernels/x86/avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#ifndef NK_REGISTER /* emulated, a vector has none */
#define NK_REGISTER "+v"
#endif

#define NK_VECTORS

typedef __m512i iv;
typedef __m512 fv;
enum { FV_LEN = 16 };

NK_INLINE iv iv_zero(void)
{
    return _mm512_setzero_si512();
}

NK_INLINE iv iv_load(const void *p)
{
    return _mm512_load_si512(p);
}

NK_INLINE void iv_store(void *p, iv v)
{
    _mm512_store_si512(p, v);
}

NK_INLINE iv iv_set(int32_t v)
{
    return _mm512_set1_epi32(v);
}

/* Four bytes for all lanes. */
NK_INLINE iv iv_four(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}

/* sum + a * b of the pairs of 16 bits */
NK_INLINE iv iv_dpwssd(iv sum, iv a, iv b)
{
    return _mm512_dpwssd_epi32(sum, a, b);
}

/* sum + four products of unsigned w and signed x in each lane */
NK_INLINE iv iv_dpbusd(iv sum, iv w, iv x)
{
    return _mm512_dpbusd_epi32(sum, w, x);
}

NK_INLINE iv iv_mul(iv a, iv b)
{
    return _mm512_mullo_epi32(a, b);
}

/* The upper 16 bits of each lane, signed. */
NK_INLINE iv iv_upper(iv v)
{
    return _mm512_srai_epi32(v, 16);
}

/* The lower 16 bits alone. */
NK_INLINE iv iv_lower(iv v)
{
    return _mm512_and_si512(v, _mm512_set1_epi32(0xffff));
}

/* The lower 16 bits of a's lanes, and of b's above them. */
NK_INLINE iv iv_pair(iv a, iv b)
{
    return _mm512_mask_blend_epi16(0xaaaaaaaa, a, _mm512_slli_epi32(b, 16));
}

NK_INLINE iv iv_right_signed(iv v, int n)
{
    return _mm512_srai_epi32(v, (unsigned)n);
}

/* Signed bytes as unsigned ones, 128 higher. */
NK_INLINE iv iv_flip(iv v)
{
    return _mm512_xor_si512(v, _mm512_set1_epi8(-128));
}

NK_INLINE iv iv_add(iv a, iv b)
{
    return _mm512_add_epi32(a, b);
}

NK_INLINE iv iv_sub(iv a, iv b)
{
    return _mm512_sub_epi32(a, b);
}

NK_INLINE iv iv_shift(iv v, int left)
{
    return _mm512_sll_epi32(v, _mm_cvtsi32_si128(left));
}

NK_INLINE iv iv_and(iv a, iv b)
{
    return _mm512_and_si512(a, b);
}

NK_INLINE iv iv_or(iv a, iv b)
{
    return _mm512_or_si512(a, b);
}

NK_INLINE iv iv_sub8(iv a, iv b)
{
    return _mm512_sub_epi8(a, b);
}

NK_INLINE iv iv_set8(int v)
{
    return _mm512_set1_epi8((char)v);
}

/* Words of 16 bits shifted. */
NK_INLINE iv iv_left16(iv v, int n)
{
    return _mm512_slli_epi16(v, (unsigned)n);
}

NK_INLINE iv iv_right16(iv v, int n)
{
    return _mm512_srli_epi16(v, (unsigned)n);
}

NK_INLINE iv iv_right16_signed(iv v, int n)
{
    return _mm512_srai_epi16(v, (unsigned)n);
}

/* Bytes `order` of each lane, lowest first; one of 0x80 is a zero. */
NK_INLINE iv iv_bytes(iv v, const uint32_t order)
{
    const __m128i at = _mm_add_epi32(_mm_set1_epi32((int)order),
                                     _mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(at));
}

/* 16 bytes, and one of them for the lower four bits of every byte, whose top bit is not set. */
NK_INLINE iv iv_table(const void *p)
{
    return _mm512_broadcast_i32x4(load16(p));
}

NK_INLINE iv iv_look_up(iv table, iv at)
{
    return _mm512_shuffle_epi8(table, at);
}

/* As in vectors_avx2.h. */
NK_INLINE iv iv_hold(iv v)
{
    __asm__("" : NK_REGISTER(v));
    return v;
}

NK_INLINE fv fv_zero(void)
{
    return _mm512_setzero_ps();
}

NK_INLINE fv fv_of(iv v)
{
    return _mm512_cvtepi32_ps(v);
}

NK_INLINE fv fv_load(const void *p)
{
    return _mm512_loadu_ps(p);
}

NK_INLINE void fv_store(float *p, fv v)
{
    _mm512_storeu_ps(p, v);
}

NK_INLINE fv fv_set(float v)
{
    return _mm512_set1_ps(v);
}

NK_INLINE fv fv_mul(fv a, fv b)
{
    return _mm512_mul_ps(a, b);
}

/* a * b + c, c - a * b */
NK_INLINE fv fv_fma(fv a, fv b, fv c)
{
    return _mm512_fmadd_ps(a, b, c);
}

NK_INLINE fv fv_fnma(fv a, fv b, fv c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

/* Has v wait in memory, not in a register: here there are enough of them. */
NK_INLINE void fv_put_away(fv *v)
{
    (void)v;
}

#define NK_LANES_VNNI

#endif
#endif
