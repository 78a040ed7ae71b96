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

/* Elements i..dim-1, fewer than eight: out[j * WIDE + lane]. A loop of its own, because rows
 * indexed by a variable lie in memory. */
NK_INLINE void last_keys(bytes *row, size_t stride, size_t i, size_t dim, float *out,
                         const int mode)
{
    NK_UNSET __m256 r[8];
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++, row += stride)
        r[j] = kv_rest(row, i, dim, mode);
    turn_eight(r);
    for (size_t j = 0; j < dim - i; j++)
        _mm256_storeu_ps(out + j * WIDE, r[j]);
}

/* Elements i..dim-1 of eight positions: out[i * WIDE + lane]. */
NK_INLINE void keys_from(bytes *row, size_t stride, size_t i, size_t dim, float *out,
                         const int mode)
{
    for (; i + 8 <= dim; i += 8) {
        NK_UNSET __m256 r[8];
#pragma GCC unroll 8
        for (size_t j = 0; j < 8; j++)
            r[j] = kv_floats(row + j * stride, i, mode);
        turn_eight(r);
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++)
            _mm256_storeu_ps(out + (i + (size_t)j) * WIDE, r[j]);
    }
    if (i < dim)
        last_keys(row, stride, i, dim, out + i * WIDE, mode);
}

/* Sixteen elements of eight positions: they are turned before they are widened. */
NK_INLINE void sixteen_keys(bytes *row, size_t stride, float *out)
{
    NK_UNSET __m256i a[8], b[8];
#pragma GCC unroll 4
    for (size_t j = 0; j < 8; j += 2) {
        __m256i one = load32(row + j * stride), two = load32(row + (j + 1) * stride);
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
NK_INLINE void keys_of_halves(bytes *row, size_t stride, size_t dim, float *out, float *spare,
                              const int mode, ahead *soon)
{
    const size_t steps = mode == KV_F16 ? dim / 16 : 0, each = steps ? LANES / steps : 0;
    size_t i = 0;
    (void)spare;
    for (; i < 16 * steps; i += 16) {
        ask_for(soon, each);
        sixteen_keys(row + 2 * i, stride, out + i * WIDE);
    }
    ask_for(soon, LANES - steps * each);
    keys_from(row, stride, i, dim, out, mode);
}

static void keys_of_floats(bytes *row, size_t stride, size_t dim, float *out, ahead *soon)
{
    ask_for(soon, LANES);
    keys_from(row, stride, 0, dim, out, KV_F32);
}

/* Two pairs of codes, even and odd, are turned at a time, as they lie in memory. */
static void keys_of_q8_0(bytes *row, size_t stride, size_t dim, float *out, const uint16_t *scales,
                         ahead *soon)
{
    const size_t blocks = dim / NK_LEN, each = LANES / blocks;
    float *step = out + codes_size(dim);
    row += offsetof(nk_block_q8_0, qs);
    for (size_t b = 0; b < blocks; b++, out += NK_LEN / 2 * WIDE, row += sizeof(nk_block_q8_0)) {
        NK_UNSET __m256 r[8];
        ask_for(soon, each);
#pragma GCC unroll 8
        for (size_t j = 0; j < 8; j++)
            r[j] = _mm256_castsi256_ps(load32(row + j * stride));
        turn_eight(r);
        _mm256_storeu_ps(step + b * WIDE, _mm256_cvtph_ps(load16(scales + b * LANES)));
#pragma GCC unroll 8
        for (size_t c = 0; c < 8; c++) {
            __m256i four = _mm256_castps_si256(r[c]);
            store32(out + 2 * c * WIDE, _mm256_srai_epi16(_mm256_slli_epi16(four, 8), 8));
            store32(out + (2 * c + 1) * WIDE, _mm256_srai_epi16(four, 8));
        }
    }
    ask_for(soon, LANES - blocks * each);
}

#endif
#endif
