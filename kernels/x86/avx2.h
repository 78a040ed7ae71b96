/* What the x86 kernel files share: loads, horizontal sums, and how the codes of simple blocks come
 * out of their bytes, one function per type, used by dot and decode alike. Included only by files
 * compiled for AVX2 and above; the layouts are drawn in blocks.h. All functions are static and
 * always inlined, so no AVX code can leak into a baseline object. */
#ifndef NIBBLE_X86_AVX2_H
#define NIBBLE_X86_AVX2_H

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include "kernels/blocks.h"
#include "kernels/quant/levels.h"

#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#ifndef NK_INLINE /* emulated, what is inlined takes minutes to compile */
#define NK_INLINE static inline __attribute__((always_inline))
#endif
/* Of a buffer that is written before it is read: the build zeroes all others at every entry
 * (-ftrivial-auto-var-init), which inside a loop costs more than what the loop does. */
#define NK_UNSET __attribute__((uninitialized))

NK_INLINE __m256i load32(const void *p)
{
    return _mm256_loadu_si256((const __m256i_u *)p);
}

NK_INLINE void store32(void *p, __m256i v)
{
    _mm256_storeu_si256((__m256i_u *)p, v);
}

NK_INLINE __m128i load16(const void *p)
{
    return _mm_loadu_si128((const __m128i_u *)p);
}

NK_INLINE __m256 magnitude(__m256 v)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

/* roundf below 2^22: halves away from zero. What is added is the last number before a half, so that
 * sums below a whole number stay below it, and those of halves are rounded up to one. */
NK_INLINE __m256i round_away(__m256 v)
{
    __m256 sign = _mm256_and_ps(v, _mm256_set1_ps(-0.0f));
    return _mm256_cvttps_epi32(
        _mm256_add_ps(v, _mm256_or_ps(_mm256_set1_ps(0x1.fffffep-2f), sign)));
}

NK_INLINE float max_of(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
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

/* The scales of nb <= 4 mxfp4 blocks at p: 2^(e - 128), subnormal below e = 2. */
NK_INLINE __m128 e8m0_of_blocks(const char *p, size_t block_size, const int nb)
{
    uint32_t all = 0;
#pragma GCC unroll 4
    for (int k = 0; k < nb; k++)
        all |= (uint32_t)(unsigned char)p[(size_t)k * block_size] << (8 * k);
    __m128i e = _mm_cvtepu8_epi32(_mm_cvtsi32_si128((int)all));
    __m128i normal = _mm_slli_epi32(_mm_sub_epi32(e, _mm_set1_epi32(1)), 23);
    __m128i tiny = _mm_sllv_epi32(_mm_set1_epi32(0x00200000), e);
    return _mm_castsi128_ps(_mm_blendv_epi8(normal, tiny, _mm_cmpgt_epi32(_mm_set1_epi32(2), e)));
}

/* One of them eight times. */
NK_INLINE __m256 e8m0_all(const void *p)
{
    return _mm256_broadcastss_ps(e8m0_of_blocks(p, 1, 1));
}

/* The scales of the four groups of an nvfp4 block. f16 has e4m3's subnormals too, 2^8 smaller. */
NK_INLINE __m128 scales_nvfp4(const void *block)
{
    int32_t bytes;
    memcpy(&bytes, block, sizeof bytes);
    __m128i v = _mm_cvtsi32_si128(bytes);
    v = _mm_andnot_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)), v);
    v = _mm_cvtepu8_epi16(_mm_and_si128(v, _mm_set1_epi8(0x7f)));
    return _mm_mul_ps(_mm_cvtph_ps(_mm_slli_epi16(v, 7)), _mm_set1_ps(128.0f));
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

/* hsum8 of four vectors, in its order. */
NK_INLINE __m128 hsums8(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m128 v0 = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 v1 = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    __m128 v2 = _mm_add_ps(_mm256_castps256_ps128(c), _mm256_extractf128_ps(c, 1));
    __m128 v3 = _mm_add_ps(_mm256_castps256_ps128(d), _mm256_extractf128_ps(d, 1));
    _MM_TRANSPOSE4_PS(v0, v1, v2, v3);
    return _mm_add_ps(_mm_add_ps(v0, v2), _mm_add_ps(v1, v3));
}

/* Neighbours of two vectors added: a's in the lower half of each 128 bits, b's in the upper. As two
 * shuffles, which is one instruction less than vphaddd is made of. */
NK_INLINE __m256i neighbours(__m256i a, __m256i b)
{
    __m256 x = _mm256_castsi256_ps(a), y = _mm256_castsi256_ps(b);
    return _mm256_add_epi32(_mm256_castps_si256(_mm256_shuffle_ps(x, y, 0x88)),
                            _mm256_castps_si256(_mm256_shuffle_ps(x, y, 0xdd)));
}

/* The sums of eight vectors. */
NK_INLINE __m256i sums_of_8(const __m256i v[8])
{
    __m256i a = neighbours(neighbours(v[0], v[1]), neighbours(v[2], v[3]));
    __m256i b = neighbours(neighbours(v[4], v[5]), neighbours(v[6], v[7]));
    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                            _mm256_permute2x128_si256(a, b, 0x31));
}

/* Rows and columns of 8 x 8 words of 32 bits exchanged. */
NK_INLINE void transpose8(__m256i r[8])
{
    __m256i t[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        r[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x31);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        r[i] = t[i];
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

/* Low bytes of 32 integers, in order. */
NK_INLINE __m256i low_bytes(const __m256i v[4])
{
    const __m256i byte = _mm256_set1_epi32(255);
    __m256i a = _mm256_packus_epi32(_mm256_and_si256(v[0], byte), _mm256_and_si256(v[1], byte));
    __m256i b = _mm256_packus_epi32(_mm256_and_si256(v[2], byte), _mm256_and_si256(v[3], byte));
    return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b),
                                       _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* Codes j and j + 16 share byte j. */
NK_INLINE void store_nibbles(uint8_t qs[16], __m256i codes)
{
    codes = _mm256_and_si256(codes, _mm256_set1_epi8(15));
    __m128i high = _mm_slli_epi16(_mm256_extracti128_si256(codes, 1), 4);
    _mm_storeu_si128((__m128i_u *)qs, _mm_or_si128(_mm256_castsi256_si128(codes), high));
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

/* --- codes that index a table ------------------------------------------------------------------
 */

NK_INLINE __m256i levels_of(__m256i codes, const int8_t levels[NK_LEVELS])
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load16(levels)), codes);
}

NK_INLINE __m256i codes_iq4_nl(const void *block)
{
    return levels_of(nibbles(((const nk_block_iq4_nl *)block)->qs), nk_levels_iq4);
}

NK_INLINE __m256i codes_mxfp4(const void *block)
{
    return levels_of(nibbles(((const nk_block_mxfp4 *)block)->qs), nk_levels_fp4);
}

/* Group g of 32 of eight. */
NK_INLINE __m256i codes_iq4_xs(const void *block, int g)
{
    return levels_of(nibbles(((const nk_block_iq4_xs *)block)->qs + 16 * g), nk_levels_iq4);
}

/* Half h of 32 of two: 16 weights in eight bytes, low nibbles first. */
NK_INLINE __m256i codes_nvfp4(const void *block, int h)
{
    __m256i v = nibbles(((const nk_block_nvfp4 *)block)->qs + 16 * h);
    return levels_of(_mm256_permute4x64_epi64(v, 0xd8), nk_levels_fp4);
}

/* The scales of the eight groups of an iq4_xs block. */
NK_INLINE void scales_iq4_xs(const void *block, int16_t scale[8])
{
    const nk_block_iq4_xs *b = block;
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        int low = b->scales_l[g / 2] >> g % 2 * 4 & 15, top = b->scales_h[g / 4] >> g % 4 * 2 & 3;
        scale[g] = (int16_t)((low | top << 4) - 32);
    }
}

/* Pointers to `side` rows from r on; those past the end are the last one. */
NK_INLINE void rows_side_by_side(const char **at, size_t side, const void *w, size_t row_size,
                                 size_t r, size_t rows)
{
    const char *first = (const char *)w + r * row_size;
    size_t last = rows - r - 1;
    for (size_t k = 0; k < side; k++)
        at[k] = first + (k < last ? k : last) * row_size;
}

#endif
#endif
