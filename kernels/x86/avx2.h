/* What the x86 kernel files share: loads, horizontal sums, and how the codes of simple blocks come
 * out of their bytes, one function per type, used by dot and decode alike. Included only by files
 * compiled for AVX2 and above; the layouts are drawn in blocks.h. All functions are static and
 * always inlined, so no AVX code can leak into a baseline object. */
#ifndef NIBBLE_X86_AVX2_H
#define NIBBLE_X86_AVX2_H

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include "kernels/blocks.h"

#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#define NK_INLINE static inline __attribute__((always_inline))

NK_INLINE __m256i load32(const void *p)
{
    return _mm256_loadu_si256((const __m256i_u *)p);
}

NK_INLINE __m128i load16(const void *p)
{
    return _mm_loadu_si128((const __m128i_u *)p);
}

/* One f16 in memory -> eight equal floats. */
NK_INLINE __m256 f16_all(const void *p)
{
    int16_t h;
    memcpy(&h, p, sizeof h);
    return _mm256_cvtph_ps(_mm_set1_epi16(h));
}

NK_INLINE float f16_one(nk_f16 h)
{
    return _cvtsh_ss(h);
}

/* The f16 at p of nb <= 4 blocks as floats. Gathered by the scalar ports: the vector ports are what
 * these dot kernels wait for. */
NK_INLINE __m128 f16_of_blocks(const char *p, size_t block_size, const int nb)
{
    uint64_t all = 0;
#pragma GCC unroll 4
    for (int k = 0; k < nb; k++) {
        uint16_t h;
        memcpy(&h, p + (size_t)k * block_size, sizeof h);
        all |= (uint64_t)h << (16 * k);
    }
    return _mm_cvtph_ps(_mm_cvtsi64_si128((long long)all));
}

/* Fixed order: lanes i and i+4, then i and i+2, then 0 and 1. */
NK_INLINE float hsum4(__m128 v)
{
    v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
}

NK_INLINE float hsum8(__m256 v)
{
    return hsum4(_mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
}

/* 16 bytes of nibbles -> 32 codes: low nibbles, then high. */
NK_INLINE __m256i nibbles(const void *p)
{
    __m256i twice = _mm256_broadcastsi128_si256(load16(p));
    __m256i both = _mm256_srlv_epi64(twice, _mm256_setr_epi64x(0, 0, 4, 4));
    return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

/* 32 bits -> bytes 0x00 or 0xff in order. */
NK_INLINE __m256i spread_bits(const void *p)
{
    int32_t bits;
    memcpy(&bits, p, sizeof bits);
    const __m256i byte =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201u);
    __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32(bits), byte);
    return _mm256_cmpeq_epi8(_mm256_and_si256(v, bit), bit);
}

/* --- simple blocks: 32 codes, signed where the type has no min ------------------------------- */

NK_INLINE __m256i codes_q4_0(const void *block)
{
    const nk_block_q4_0 *b = block;
    return _mm256_sub_epi8(nibbles(b->qs), _mm256_set1_epi8(8));
}

NK_INLINE __m256i codes_q4_1(const void *block)
{
    const nk_block_q4_1 *b = block;
    return nibbles(b->qs);
}

NK_INLINE __m256i codes_q5_0(const void *block)
{
    const nk_block_q5_0 *b = block;
    /* bit clear: subtract 16, that is, set the upper four bits */
    __m256i clear = _mm256_andnot_si256(spread_bits(b->qh), _mm256_set1_epi8((char)0xf0));
    return _mm256_or_si256(nibbles(b->qs), clear);
}

NK_INLINE __m256i codes_q5_1(const void *block)
{
    const nk_block_q5_1 *b = block;
    __m256i set = _mm256_and_si256(spread_bits(b->qh), _mm256_set1_epi8(16));
    return _mm256_or_si256(nibbles(b->qs), set);
}

NK_INLINE __m256i codes_q8_0(const void *block)
{
    const nk_block_q8_0 *b = block;
    return load32(b->qs);
}

#endif
#endif
