/* How attention reads cached rows: keys unpacked with positions in lanes, values with elements in
 * lanes, both in strips. Included by attn_avx2.c alone. */
#ifndef NIBBLE_X86_ATTN_KV_AVX2_H
#define NIBBLE_X86_ATTN_KV_AVX2_H

#include "kernels/ops.h"
#include "kernels/x86/avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

enum {
    SPAN = NK_ATTN_SPAN,
    WIDE = NK_ATTN_LANES, /* a strip */
    LINE = 64,
    AHEAD = 32, /* positions asked for before they are needed: each lies on lines of its own */
};

typedef const unsigned char bytes;

/* How a cached row is read: floats and q8_0 are widened in registers, anything else is decoded
 * by its type first. */
enum { KV_F32, KV_F16, KV_BF16, KV_Q8_0, KV_DECODED };

static int kv_mode(nk_type_id type)
{
    return type == NK_F32    ? KV_F32
           : type == NK_F16  ? KV_F16
           : type == NK_BF16 ? KV_BF16
           : type == NK_Q8_0 ? KV_Q8_0
                             : KV_DECODED;
}

/* Elements i..i+7 of a row of floats. */
NK_INLINE __m256 kv8(bytes *row, size_t i, const int mode)
{
    if (mode == KV_F16)
        return _mm256_cvtph_ps(load16(row + 2 * i));
    if (mode == KV_BF16)
        return _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(row + 2 * i)), 16));
    return _mm256_loadu_ps((const float *)(const void *)(row + 4 * i));
}

/* Elements i..n-1, at most 8, zero-filled. */
NK_INLINE __m256 kv_rest(bytes *row, size_t i, size_t n, const int mode)
{
    unsigned char last[32] = {0};
    size_t size = mode == KV_F32 ? 4 : 2;
    memcpy(last, row + i * size, (n - i) * size);
    return kv8(last, 0, mode);
}

/* Rows become columns. */
NK_INLINE void turn8(__m256 r[8])
{
    NK_UNSET __m256 a[8], b[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
        b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
        b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
        b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
    }
}

/* --- keys --------------------------------------------------------------------------------------
 */

/* Elements i..dim-1, fewer than eight: out[j * WIDE + lane]. A loop of its own, because rows
 * indexed by a variable lie in memory. */
NK_INLINE void last_keys(bytes *const row[8], size_t i, size_t dim, float *out, const int mode)
{
    NK_UNSET __m256 r[8];
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++)
        r[j] = kv_rest(row[j], i, dim, mode);
    turn8(r);
    for (size_t j = 0; j < dim - i; j++)
        _mm256_storeu_ps(out + j * WIDE, r[j]);
}

/* Elements i..dim-1 of eight positions: out[i * WIDE + lane]. */
NK_INLINE void keys_of_floats(bytes *const row[8], size_t i, size_t dim, float *out, const int mode)
{
    for (; i + 8 <= dim; i += 8) {
        NK_UNSET __m256 r[8];
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++)
            r[j] = kv8(row[j], i, mode);
        turn8(r);
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

static inline void keys_of_f16(bytes *const row[8], size_t dim, float *out)
{
    size_t i = 0;
    for (; i + 16 <= dim; i += 16)
        sixteen_keys(row, i, out + i * WIDE);
    keys_of_floats(row, i, dim, out, KV_F16);
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
static inline void keys_of_q8_0(bytes *const row[8], size_t dim, float *out)
{
    const __m256 down = _mm256_set1_ps(0x1p-24f);
    for (size_t b = 0; b < dim / NK_LEN; b++, out += NK_LEN * WIDE) {
        NK_UNSET uint16_t d[8];
        NK_UNSET __m256 r[8];
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) {
            const nk_block_q8_0 *block = (const nk_block_q8_0 *)(const void *)row[j] + b;
            memcpy(&d[j], &block->d, sizeof d[j]);
            r[j] = _mm256_castsi256_ps(load32(block->qs));
        }
        turn8(r);
        __m256 scale = _mm256_mul_ps(_mm256_cvtph_ps(load16(d)), down);
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

/* Asks for the lines of one row. */
NK_INLINE void ask_for(bytes *row, size_t size)
{
    for (size_t i = 0; i < size; i += LINE)
        _mm_prefetch((const char *)row + i, _MM_HINT_T1);
}

static size_t row_bytes(nk_type_id type, size_t dim)
{
    const nk_type *t = nk_type_get(type);
    return dim / t->block_len * t->block_size;
}

/* Positions [from, to) of a span, from a multiple of 8, into strips: keys[strip][i][WIDE]. The last
 * position stands in for those that fill up its eight. */
static void unpack_keys(const nk_ops *ops, const nk_attn *a, size_t first, size_t from, size_t to,
                        float *keys, float *plain)
{
    const int mode = kv_mode(a->k_type);
    size_t dim = a->head_dim, end = a->pos + a->n_query, size = row_bytes(a->k_type, dim);
    bytes *k = (bytes *)a->k + first * a->k_stride;
    for (size_t p = from; p < to; p += 8) {
        NK_UNSET bytes *row[8];
        float *out = keys + p / WIDE * WIDE * dim + p % WIDE;
        for (size_t j = 0; j < 8; j++) {
            size_t at = p + j < to ? p + j : to - 1;
            row[j] = k + at * a->k_stride;
            if (first + at + AHEAD < end)
                ask_for(row[j] + AHEAD * a->k_stride, size);
            if (mode == KV_DECODED) {
                ops->decode[a->k_type](row[j], plain + j * dim, dim);
                row[j] = (bytes *)(plain + j * dim);
            }
        }
        if (mode == KV_F16)
            keys_of_f16(row, dim, out);
        else if (mode == KV_BF16)
            keys_of_floats(row, 0, dim, out, KV_BF16);
        else if (mode == KV_Q8_0)
            keys_of_q8_0(row, dim, out);
        else
            keys_of_floats(row, 0, dim, out, KV_F32);
    }
}

/* --- values ------------------------------------------------------------------------------------
 */

/* Elements i..i+7 of position p go where strip i / WIDE has them. */
NK_INLINE void put8(float *values, size_t p, size_t i, __m256 v)
{
    _mm256_storeu_ps(values + (i / WIDE * SPAN + p) * WIDE + i % WIDE, v);
}

NK_INLINE void values_of_floats(bytes *row, size_t dim, size_t p, float *values, const int mode)
{
    size_t i = 0;
    for (; i + 8 <= dim; i += 8)
        put8(values, p, i, kv8(row, i, mode));
    if (i < dim) {
        put8(values, p, i, kv_rest(row, i, dim, mode));
        i += 8;
    }
    if (i % WIDE)
        put8(values, p, i, _mm256_setzero_ps());
}

static void values_of_q8_0(bytes *row, size_t dim, size_t p, float *values)
{
    const nk_block_q8_0 *b = (const nk_block_q8_0 *)(const void *)row;
    for (size_t i = 0; i < dim; i += NK_LEN, b++) {
        __m256 scale = f16_all(&b->d);
#pragma GCC unroll 4
        for (size_t j = 0; j < NK_LEN; j += 8) {
            __m256i q = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i_u *)(b->qs + j)));
            put8(values, p, i + j, _mm256_mul_ps(_mm256_cvtepi32_ps(q), scale));
        }
    }
}

/* Positions [from, to) of a span into strips: values[strip][p][WIDE], zeros behind head_dim. */
static void unpack_values(const nk_ops *ops, const nk_attn *a, size_t first, size_t from, size_t to,
                          float *values, float *plain)
{
    const int mode = kv_mode(a->v_type);
    size_t dim = a->head_dim, end = a->pos + a->n_query, size = row_bytes(a->v_type, dim);
    for (size_t p = from; p < to; p++) {
        bytes *row = (bytes *)a->v + (first + p) * a->v_stride;
        if (first + p + AHEAD < end)
            ask_for(row + AHEAD * a->v_stride, size);
        if (mode == KV_F16) {
            values_of_floats(row, dim, p, values, KV_F16);
        } else if (mode == KV_BF16) {
            values_of_floats(row, dim, p, values, KV_BF16);
        } else if (mode == KV_Q8_0) {
            values_of_q8_0(row, dim, p, values);
        } else if (mode == KV_F32) {
            values_of_floats(row, dim, p, values, KV_F32);
        } else {
            ops->decode[a->v_type](row, plain, dim);
            values_of_floats((bytes *)plain, dim, p, values, KV_F32);
        }
    }
}

#endif
#endif
