/* Sixteen rows of keys at once. Included by attn_avx512.c alone.
 *
 * Shuffles of 512 bits have one port, so whatever can be is done by loads: they put 16 bytes of
 * four rows side by side, and halves are widened as they are read back. */
#ifndef NIBBLE_X86_ATTN_KV_AVX512_H
#define NIBBLE_X86_ATTN_KV_AVX512_H

#include "kernels/x86/lanes_avx512.h"

#include "kernels/x86/attn_kv.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

NK_INLINE lanes kv_floats(bytes *row, size_t i, const int mode)
{
    if (mode == KV_F16)
        return _mm512_cvtph_ps(load32(row + 2 * i));
    if (mode == KV_BF16)
        return _mm512_castsi512_ps(
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(load32(row + 2 * i)), 16));
    return _mm512_loadu_ps((const float *)(const void *)(row + 4 * i));
}

/* Codes times the scale of their block. */
NK_INLINE lanes kv_codes(const int8_t *q, lanes scale)
{
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load16(q))), scale);
}

/* 16 bytes of rows j, j + 4, j + 8 and j + 12. */
NK_INLINE __m512i four_rows(bytes *const row[LANES], size_t j, size_t at)
{
    __m512i v = _mm512_broadcast_i32x4(load16(row[j] + at));
    v = _mm512_mask_broadcast_i32x4(v, 0x00f0, load16(row[j + 4] + at));
    v = _mm512_mask_broadcast_i32x4(v, 0x0f00, load16(row[j + 8] + at));
    return _mm512_mask_broadcast_i32x4(v, 0xf000, load16(row[j + 12] + at));
}

/* Of 16 bytes of every row the four words: out[w] has that of row k in lane k. */
NK_INLINE void turn_words(bytes *const row[LANES], size_t at, __m512i out[4])
{
    __m512i a = four_rows(row, 0, at), b = four_rows(row, 1, at);
    __m512i c = four_rows(row, 2, at), d = four_rows(row, 3, at);
    __m512i low = _mm512_unpacklo_epi32(a, b), more = _mm512_unpacklo_epi32(c, d);
    out[0] = _mm512_unpacklo_epi64(low, more);
    out[1] = _mm512_unpackhi_epi64(low, more);
    low = _mm512_unpackhi_epi32(a, b);
    more = _mm512_unpackhi_epi32(c, d);
    out[2] = _mm512_unpacklo_epi64(low, more);
    out[3] = _mm512_unpackhi_epi64(low, more);
}

/* And the eight halves: out[h * WIDE + k]. */
NK_INLINE void turn_halves(bytes *const row[LANES], size_t at, uint16_t *out)
{
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    __m512i a = four_rows(row, 0, at), b = four_rows(row, 1, at);
    __m512i c = four_rows(row, 2, at), d = four_rows(row, 3, at);
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++, out += 4 * WIDE) {
        __m512i ab = h ? _mm512_unpackhi_epi16(a, b) : _mm512_unpacklo_epi16(a, b);
        __m512i cd = h ? _mm512_unpackhi_epi16(c, d) : _mm512_unpacklo_epi16(c, d);
        __m512i two = _mm512_unpacklo_epi32(ab, cd), more = _mm512_unpackhi_epi32(ab, cd);
        _mm512_storeu_si512(out, _mm512_permutexvar_epi64(order, two));
        _mm512_storeu_si512(out + 2 * WIDE, _mm512_permutexvar_epi64(order, more));
    }
}

/* The last bytes of every row, fewer than 16, zero-filled, and where they are. */
NK_INLINE void last_bytes(bytes *const row[LANES], size_t from, size_t to,
                          unsigned char rest[LANES][16], bytes *at[LANES])
{
    memset(rest, 0, LANES * sizeof rest[0]);
    for (int k = 0; k < LANES; k++) {
        memcpy(rest[k], row[k] + from, to - from);
        at[k] = rest[k];
    }
}

/* Elements of floats of 16 bits, all of them: out[i * WIDE + lane], by way of spare. */
NK_INLINE void keys_of_halves(bytes *const row[LANES], size_t dim, float *out, float *spare_floats,
                              const int mode)
{
    const size_t whole = dim / 8 * 8;
    uint16_t *spare = (uint16_t *)(void *)spare_floats;
    for (size_t i = 0; i < whole; i += 8)
        turn_halves(row, 2 * i, spare + i * WIDE);
    if (whole < dim) {
        NK_UNSET unsigned char rest[LANES][16];
        NK_UNSET bytes *at[LANES];
        last_bytes(row, 2 * whole, 2 * dim, rest, at);
        turn_halves(at, 0, spare + whole * WIDE);
    }
    for (size_t i = 0; i < dim; i++)
        _mm512_storeu_ps(out + i * WIDE, kv_floats((bytes *)spare, i * WIDE, mode));
}

static void keys_of_floats(bytes *const row[LANES], size_t dim, float *out)
{
    const size_t whole = dim / 4 * 4;
    NK_UNSET __m512i word[4];
    for (size_t i = 0; i < whole; i += 4) {
        turn_words(row, 4 * i, word);
#pragma GCC unroll 4
        for (size_t w = 0; w < 4; w++)
            _mm512_storeu_si512(out + (i + w) * WIDE, word[w]);
    }
    if (whole < dim) {
        NK_UNSET unsigned char rest[LANES][16];
        NK_UNSET bytes *at[LANES];
        last_bytes(row, 4 * whole, 4 * dim, rest, at);
        turn_words(at, 0, word);
        memcpy(out + whole * WIDE, word, (dim - whole) * sizeof *word);
    }
}

/* Byte t of each 32 bits, times 2^24. */
NK_INLINE __m512i byte_on_top(__m512i v, const int t)
{
    const char z = (char)0x80, b = (char)t;
    const __m512i pick = _mm512_broadcast_i32x4(
        _mm_setr_epi8(z, z, z, b, z, z, z, b + 4, z, z, z, b + 8, z, z, z, b + 12));
    return _mm512_shuffle_epi8(v, pick);
}

/* Codes are turned four at a time, as they lie in memory; 2^24 comes off with the scale, exactly.
 */
static void keys_of_q8_0(bytes *const row[LANES], size_t dim, float *out, const uint16_t *scales)
{
    const __m512 down = _mm512_set1_ps(0x1p-24f);
    for (size_t b = 0; b < dim / NK_LEN; b++, out += NK_LEN * WIDE) {
        __m512 scale = _mm512_mul_ps(_mm512_cvtph_ps(load32(scales + b * LANES)), down);
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; h++) {
            NK_UNSET __m512i word[4];
            turn_words(row, b * sizeof(nk_block_q8_0) + offsetof(nk_block_q8_0, qs) + 16 * h, word);
#pragma GCC unroll 4
            for (size_t w = 0; w < 4; w++)
#pragma GCC unroll 4
                for (int t = 0; t < 4; t++) {
                    __m512 code = _mm512_cvtepi32_ps(byte_on_top(word[w], t));
                    _mm512_storeu_ps(out + (16 * h + 4 * w + (size_t)t) * WIDE,
                                     _mm512_mul_ps(code, scale));
                }
        }
    }
}

#endif
#endif
