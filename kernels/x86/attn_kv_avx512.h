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

/* Sixteen rows, by fours: addresses that one instruction can add up. */
typedef struct sixteen {
    bytes *at[4];
    size_t stride, three; /* strides */
} sixteen;

NK_INLINE sixteen sixteen_rows(bytes *row, size_t stride)
{
    sixteen r = {.stride = stride, .three = 3 * stride};
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++, row += 4 * stride)
        r.at[k] = row;
    __asm__("" : "+r"(r.at[1]), "+r"(r.at[2]), "+r"(r.at[3]), "+r"(r.three));
    return r;
}

NK_INLINE void skip(sixteen *r, size_t n)
{
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        r->at[k] += n;
}

NK_INLINE __m128i some_of(const sixteen *r, int k, int j)
{
    return load16(r->at[k] + (j == 3 ? r->three : (size_t)j * r->stride));
}

/* 16 bytes of rows j, j + 4, j + 8 and j + 12. */
NK_INLINE __m512i four_rows(const sixteen *r, int j)
{
    __m512i v = _mm512_broadcast_i32x4(some_of(r, 0, j));
    v = _mm512_mask_broadcast_i32x4(v, 0x00f0, some_of(r, 1, j));
    v = _mm512_mask_broadcast_i32x4(v, 0x0f00, some_of(r, 2, j));
    return _mm512_mask_broadcast_i32x4(v, 0xf000, some_of(r, 3, j));
}

/* Of 16 bytes of every row the four words: out[w] has that of row k in lane k. */
NK_INLINE void turn_words(const sixteen *r, __m512i out[4])
{
    __m512i a = four_rows(r, 0), b = four_rows(r, 1), c = four_rows(r, 2), d = four_rows(r, 3);
    __m512i low = _mm512_unpacklo_epi32(a, b), more = _mm512_unpacklo_epi32(c, d);
    out[0] = _mm512_unpacklo_epi64(low, more);
    out[1] = _mm512_unpackhi_epi64(low, more);
    low = _mm512_unpackhi_epi32(a, b);
    more = _mm512_unpackhi_epi32(c, d);
    out[2] = _mm512_unpacklo_epi64(low, more);
    out[3] = _mm512_unpackhi_epi64(low, more);
}

/* And the eight halves: out[h * WIDE + k]. */
NK_INLINE void turn_halves(const sixteen *r, uint16_t *out)
{
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    __m512i a = four_rows(r, 0), b = four_rows(r, 1), c = four_rows(r, 2), d = four_rows(r, 3);
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++, out += 4 * WIDE) {
        __m512i ab = h ? _mm512_unpackhi_epi16(a, b) : _mm512_unpacklo_epi16(a, b);
        __m512i cd = h ? _mm512_unpackhi_epi16(c, d) : _mm512_unpacklo_epi16(c, d);
        __m512i two = _mm512_unpacklo_epi32(ab, cd), more = _mm512_unpackhi_epi32(ab, cd);
        _mm512_storeu_si512(out, _mm512_permutexvar_epi64(order, two));
        _mm512_storeu_si512(out + 2 * WIDE, _mm512_permutexvar_epi64(order, more));
    }
}

/* The last bytes of every row, fewer than 16, zero-filled. */
NK_INLINE sixteen last_bytes(bytes *row, size_t stride, size_t from, size_t to,
                             unsigned char rest[LANES][16])
{
    memset(rest, 0, LANES * sizeof rest[0]);
    for (int k = 0; k < LANES; k++, row += stride)
        memcpy(rest[k], row + from, to - from);
    return sixteen_rows(rest[0], sizeof rest[0]);
}

/* Elements of floats of 16 bits, all of them, as they are: out[i * WIDE + lane]. So many rows are
 * asked for meanwhile. */
static void turned_halves(bytes *row, size_t stride, size_t dim, uint16_t *out, ahead *soon,
                          size_t rows)
{
    const size_t steps = dim / 8;
    size_t asked = 0;
    sixteen r = sixteen_rows(row, stride);
    for (size_t i = 0; i < steps; i++) {
        for (; asked < rows * (i + 1) / steps; asked++)
            ask_for_next(soon);
        turn_halves(&r, out + 8 * i * WIDE);
        skip(&r, 16);
    }
    if (steps * 8 < dim) {
        NK_UNSET unsigned char rest[LANES][16];
        r = last_bytes(row, stride, steps * 16, dim * 2, rest);
        turn_halves(&r, out + steps * 8 * WIDE);
    }
    ask_for(soon, rows - asked);
}

/* Widened, by way of spare. */
NK_INLINE void keys_of_halves(bytes *row, size_t stride, size_t dim, float *out, float *spare,
                              const int mode, ahead *soon)
{
    turned_halves(row, stride, dim, (uint16_t *)(void *)spare, soon, LANES);
#pragma GCC unroll 4
    for (size_t i = 0; i < dim; i++)
        _mm512_storeu_ps(out + i * WIDE, kv_floats((bytes *)spare, i * WIDE, mode));
}

static void keys_of_floats(bytes *row, size_t stride, size_t dim, float *out, ahead *soon)
{
    const size_t steps = dim / 4;
    ask_for(soon, LANES);
    NK_UNSET __m512i word[4];
    sixteen r = sixteen_rows(row, stride);
    for (size_t i = 0; i < steps; i++) {
        turn_words(&r, word);
#pragma GCC unroll 4
        for (size_t w = 0; w < 4; w++)
            _mm512_storeu_si512(out + (4 * i + w) * WIDE, word[w]);
        skip(&r, 16);
    }
    if (steps * 4 < dim) {
        NK_UNSET unsigned char rest[LANES][16];
        r = last_bytes(row, stride, steps * 16, dim * 4, rest);
        turn_words(&r, word);
        memcpy(out + steps * 4 * WIDE, word, (dim - steps * 4) * sizeof *word);
    }
}

/* Two pairs of codes, even and odd, are turned at a time, as they lie in memory. */
static void keys_of_q8_0(bytes *row, size_t stride, size_t dim, float *out, const uint16_t *scales,
                         ahead *soon)
{
    const size_t blocks = dim / NK_LEN, each = LANES / (2 * blocks);
    float *step = out + codes_size(dim);
    sixteen r = sixteen_rows(row + offsetof(nk_block_q8_0, qs), stride);
    for (size_t b = 0; b < blocks; b++, out += NK_LEN / 2 * WIDE) {
        _mm512_storeu_ps(step + b * WIDE, _mm512_cvtph_ps(load32(scales + b * LANES)));
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; h++) {
            NK_UNSET __m512i word[4];
            ask_for(soon, each);
            turn_words(&r, word);
#pragma GCC unroll 4
            for (size_t w = 0; w < 4; w++) {
                float *to = out + (8 * h + 2 * w) * WIDE;
                __m512i even = _mm512_slli_epi16(word[w], 8);
                _mm512_storeu_si512(to, _mm512_srai_epi16(even, 8));
                _mm512_storeu_si512(to + WIDE, _mm512_srai_epi16(word[w], 8));
            }
            skip(&r, h ? sizeof(nk_block_q8_0) - 16 : 16);
        }
    }
    ask_for(soon, LANES - 2 * blocks * each);
}

#endif
#endif
