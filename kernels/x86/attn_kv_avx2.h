/* Eight rows of keys at once. Included by attn_avx2.c alone. */
#ifndef NIBBLE_X86_ATTN_KV_AVX2_H
#define NIBBLE_X86_ATTN_KV_AVX2_H

#include "kernels/x86/lanes_avx2.h"

#include "kernels/x86/attn_kv.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

NK_INLINE lanes kv_floats(bytes *row, size_t i, const int mode)
{
    if (mode == KV_F16)
        return _mm256_cvtph_ps(load16(row + 2 * i));
    if (mode == KV_BF16)
        return _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(row + 2 * i)), 16));
    return _mm256_loadu_ps((const float *)(const void *)(row + 4 * i));
}

/* Codes times the scale of their block. */
NK_INLINE lanes kv_codes(const int8_t *q, lanes scale)
{
    __m256i v = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i_u *)q));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(v), scale);
}

/* Elements i..dim-1, fewer than eight: out[j * WIDE + lane]. A loop of its own, because rows
 * indexed by a variable lie in memory. */
NK_INLINE void last_keys(bytes *const row[8], size_t i, size_t dim, float *out, const int mode)
{
    NK_UNSET __m256 r[8];
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++)
        r[j] = kv_rest(row[j], i, dim, mode);
    turn_eight(r);
    for (size_t j = 0; j < dim - i; j++)
        _mm256_storeu_ps(out + j * WIDE, r[j]);
}

/* Elements i..dim-1 of eight positions: out[i * WIDE + lane]. */
NK_INLINE void keys_from(bytes *const row[8], size_t i, size_t dim, float *out, const int mode)
{
    for (; i + 8 <= dim; i += 8) {
        NK_UNSET __m256 r[8];
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++)
            r[j] = kv_floats(row[j], i, mode);
        turn_eight(r);
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++)
            _mm256_storeu_ps(out + (i + (size_t)j) * WIDE, r[j]);
    }
    if (i < dim)
        last_keys(row, i, dim, out + i * WIDE, mode);
}

/* Sixteen elements of eight positions: they are turned before they are widened. */
NK_INLINE void sixteen_keys(bytes *const row[8], size_t i, float *out)
{
    NK_UNSET __m256i a[8], b[8];
#pragma GCC unroll 4
    for (int j = 0; j < 8; j += 2) {
        __m256i one = load32(row[j] + 2 * i), two = load32(row[j + 1] + 2 * i);
        a[j] = _mm256_unpacklo_epi16(one, two);
        a[j + 1] = _mm256_unpackhi_epi16(one, two);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        int k = j / 2 * 4 + j % 2; /* of rows 0 to 3, then 4 to 7 */
        b[2 * j] = _mm256_unpacklo_epi32(a[k], a[k + 2]);
        b[2 * j + 1] = _mm256_unpackhi_epi32(a[k], a[k + 2]);
    }
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        __m256i four = b[j / 2], more = b[j / 2 + 4];
        __m256i v = j % 2 ? _mm256_unpackhi_epi64(four, more) : _mm256_unpacklo_epi64(four, more);
        _mm256_storeu_ps(out + j * WIDE, _mm256_cvtph_ps(_mm256_castsi256_si128(v)));
        _mm256_storeu_ps(out + (j + 8) * WIDE, _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1)));
    }
}

/* All elements of eight rows of 16 bits each: out[i * WIDE + lane]. */
NK_INLINE void keys_of_halves(bytes *const row[8], size_t dim, float *out, float *spare,
                              const int mode)
{
    size_t i = 0;
    (void)spare;
    for (; mode == KV_F16 && i + 16 <= dim; i += 16)
        sixteen_keys(row, i, out + i * WIDE);
    keys_from(row, i, dim, out, mode);
}

static void keys_of_floats(bytes *const row[8], size_t dim, float *out)
{
    keys_from(row, 0, dim, out, KV_F32);
}

/* Byte t of each 32 bits, times 2^24. */
NK_INLINE __m256i byte_on_top(__m256i v, const int t)
{
    const char z = (char)0x80, b = (char)t;
    const __m256i pick = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(z, z, z, b, z, z, z, b + 4, z, z, z, b + 8, z, z, z, b + 12));
    return _mm256_shuffle_epi8(v, pick);
}

/* Codes are turned four at a time, as they lie in memory; 2^24 comes off with the scale, exactly.
 */
static void keys_of_q8_0(bytes *const row[8], size_t dim, float *out, const uint16_t *scales)
{
    const __m256 down = _mm256_set1_ps(0x1p-24f);
    for (size_t b = 0; b < dim / NK_LEN; b++, out += NK_LEN * WIDE) {
        NK_UNSET __m256 r[8];
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) {
            const nk_block_q8_0 *block = (const nk_block_q8_0 *)(const void *)row[j] + b;
            r[j] = _mm256_castsi256_ps(load32(block->qs));
        }
        turn_eight(r);
        __m256 scale = _mm256_mul_ps(_mm256_cvtph_ps(load16(scales + b * LANES)), down);
#pragma GCC unroll 8
        for (size_t c = 0; c < 8; c++)
#pragma GCC unroll 4
            for (int t = 0; t < 4; t++) {
                __m256i one = byte_on_top(_mm256_castps_si256(r[c]), t);
                _mm256_storeu_ps(out + (4 * c + (size_t)t) * WIDE,
                                 _mm256_mul_ps(_mm256_cvtepi32_ps(one), scale));
            }
    }
}

#endif
#endif
