/* Attention on spans of positions. Keys are unpacked with positions in lanes, values with elements
 * in lanes, both in strips of 16: no product needs a sum across lanes, and every score and every
 * output element is one chain in a fixed order, whatever rows it is computed beside. */
#include "kernels/x86/math_avx2.h"
#include "kernels/x86/x86.h"

#include <math.h>

enum {
    SPAN = NK_ATTN_SPAN,
    WIDE = NK_ATTN_LANES, /* a strip */
    ROWS = 6,             /* times two registers of a strip: twelve sums under way */
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
    __m256 a[8], b[8];
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

/* Elements 0..dim-1 of eight positions: out[i * WIDE + lane]. */
NK_INLINE void keys_of_floats(bytes *const row[8], size_t dim, float *out, const int mode)
{
    size_t i = 0;
    for (; i < dim; i += 8) {
        __m256 r[8];
        size_t n = dim - i < 8 ? dim - i : 8;
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++)
            r[j] = n == 8 ? kv8(row[j], i, mode) : kv_rest(row[j], i, dim, mode);
        turn8(r);
        if (n == 8) {
#pragma GCC unroll 8
            for (int j = 0; j < 8; j++)
                _mm256_storeu_ps(out + (i + (size_t)j) * WIDE, r[j]);
            continue;
        }
        for (size_t j = 0; j < n; j++)
            _mm256_storeu_ps(out + (i + j) * WIDE, r[j]);
    }
}

/* Codes are turned four at a time, as they lie in memory. */
static void keys_of_q8_0(bytes *const row[8], size_t dim, float *out)
{
    for (size_t b = 0; b < dim / NK_LEN; b++, out += NK_LEN * WIDE) {
        uint16_t d[8];
        __m256 r[8];
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) {
            const nk_block_q8_0 *block = (const nk_block_q8_0 *)(const void *)row[j] + b;
            memcpy(&d[j], &block->d, sizeof d[j]);
            r[j] = _mm256_castsi256_ps(load32(block->qs));
        }
        turn8(r);
        __m256 scale = _mm256_cvtph_ps(load16(d));
#pragma GCC unroll 8
        for (size_t c = 0; c < 8; c++) {
            __m256i four = _mm256_castps_si256(r[c]);
#pragma GCC unroll 4
            for (int t = 0; t < 4; t++) {
                __m256i one = _mm256_srai_epi32(_mm256_slli_epi32(four, 24 - 8 * t), 24);
                _mm256_storeu_ps(out + (4 * c + (size_t)t) * WIDE,
                                 _mm256_mul_ps(_mm256_cvtepi32_ps(one), scale));
            }
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
        bytes *row[8];
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
            keys_of_floats(row, dim, out, KV_F16);
        else if (mode == KV_BF16)
            keys_of_floats(row, dim, out, KV_BF16);
        else if (mode == KV_Q8_0)
            keys_of_q8_0(row, dim, out);
        else
            keys_of_floats(row, dim, out, KV_F32);
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

/* --- products ----------------------------------------------------------------------------------
 */

/* out[r][x] = sum over i of left[r][i] * right[i][x], x over the WIDE columns of each of so many
 * strips, i in order. Used for scores (right: keys) and for output (right: values). */
NK_INLINE void product(const float *const *left, const float *right, size_t strip, size_t n,
                       float *out, size_t stride, const int rows, const int strips)
{
    __m256 sum[ROWS][8];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int x = 0; x < 2 * strips; x++)
            sum[r][x] = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i++) {
        __m256 column[8];
#pragma GCC unroll 8
        for (int x = 0; x < 2 * strips; x++)
            column[x] =
                _mm256_loadu_ps(right + (size_t)(x / 2) * strip + i * WIDE + (size_t)(x % 2 * 8));
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            __m256 one = _mm256_broadcast_ss(left[r] + i);
#pragma GCC unroll 8
            for (int x = 0; x < 2 * strips; x++)
                sum[r][x] = _mm256_fmadd_ps(one, column[x], sum[r][x]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int x = 0; x < 2 * strips; x++)
            _mm256_storeu_ps(out + (size_t)r * stride + 8 * (size_t)x, sum[r][x]);
}

NK_INLINE void strips_of(const float *const *left, const float *right, size_t strip, size_t n,
                         float *out, size_t stride, size_t count, const int rows, const int strips)
{
    size_t s = 0;
    for (; s + (size_t)strips <= count; s += (size_t)strips)
        product(left, right + s * strip, strip, n, out + s * WIDE, stride, rows, strips);
    for (; s < count; s++)
        product(left, right + s * strip, strip, n, out + s * WIDE, stride, rows, 1);
}

/* The same over `count` strips that lie `strip` floats apart, for 1..ROWS rows; few rows take
 * several strips at once, so that sums do not wait for each other. */
static void products(const float *const *left, size_t rows, const float *right, size_t strip,
                     size_t n, float *out, size_t stride, size_t count)
{
    switch (rows) {
    case 1:
        strips_of(left, right, strip, n, out, stride, count, 1, 4);
        break;
    case 2:
        strips_of(left, right, strip, n, out, stride, count, 2, 2);
        break;
    case 3:
        strips_of(left, right, strip, n, out, stride, count, 3, 1);
        break;
    case 4:
        strips_of(left, right, strip, n, out, stride, count, 4, 1);
        break;
    case 5:
        strips_of(left, right, strip, n, out, stride, count, 5, 1);
        break;
    default:
        strips_of(left, right, strip, n, out, stride, count, ROWS, 1);
    }
}

/* --- softmax -----------------------------------------------------------------------------------
 */

NK_INLINE __m256 bend8(const nk_attn *a, __m256 s)
{
    s = _mm256_mul_ps(s, _mm256_set1_ps(a->scale));
    if (a->cap <= 0)
        return s;
    /* tanh x = 1 - 2 / (e^2x + 1) */
    const __m256 one = _mm256_set1_ps(1.0f), two = _mm256_set1_ps(2.0f);
    __m256 e = exp8(_mm256_mul_ps(s, _mm256_set1_ps(2.0f / a->cap)));
    __m256 t = _mm256_sub_ps(one, _mm256_div_ps(two, _mm256_add_ps(e, one)));
    return _mm256_mul_ps(t, _mm256_set1_ps(a->cap));
}

/* Lanes whose positions i.. are in [from, to). */
NK_INLINE __m256 seen8(size_t i, size_t from, size_t to)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i p = _mm256_add_epi32(lane, _mm256_set1_epi32((int)i));
    __m256i in = _mm256_and_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32((int)to), p),
                                  _mm256_cmpgt_epi32(p, _mm256_set1_epi32((int)from - 1)));
    return _mm256_castsi256_ps(in);
}

/* Products of one row with positions [from, to) become e^(score - max), zeros elsewhere in [low,
 * high), whole strips. */
static void weigh(const nk_attn *a, float *w, size_t low, size_t high, size_t from, size_t to,
                  float *max, float *sum)
{
    const __m256 none = _mm256_set1_ps(-INFINITY);
    size_t begin = from / 8 * 8, end = (to + 7) / 8 * 8;
    __m256 most = none, total = _mm256_setzero_ps();
    for (size_t i = low; i < begin; i += 8)
        _mm256_storeu_ps(w + i, _mm256_setzero_ps());
    for (size_t i = end; i < high; i += 8)
        _mm256_storeu_ps(w + i, _mm256_setzero_ps());
    for (size_t i = begin; i < end; i += 8) {
        __m256 s = bend8(a, _mm256_loadu_ps(w + i));
        if (i < from || i + 8 > to)
            s = _mm256_blendv_ps(none, s, seen8(i, from, to));
        _mm256_storeu_ps(w + i, s);
        most = _mm256_max_ps(s, most);
    }
    most = _mm256_max_ps(most, _mm256_permute2f128_ps(most, most, 1));
    most = _mm256_max_ps(most, _mm256_permute_ps(most, 0x4e));
    most = _mm256_max_ps(most, _mm256_permute_ps(most, 0xb1));
    for (size_t i = begin; i < end; i += 8) {
        __m256 e = exp8_neg(_mm256_sub_ps(_mm256_loadu_ps(w + i), most));
        if (i < from || i + 8 > to)
            e = _mm256_and_ps(e, seen8(i, from, to));
        _mm256_storeu_ps(w + i, e);
        total = _mm256_add_ps(total, e);
    }
    *max = _mm256_cvtss_f32(most);
    *sum = hsum8(total);
}

static void join(nk_attn_state *into, const nk_attn_state *from, size_t n, size_t dim)
{
    for (size_t r = 0; r < n; r++) {
        float *mine = into->mix + r * into->stride;
        const float *more = from->mix + r * from->stride;
        if (from->sum[r] <= 0) /* it saw nothing */
            continue;
        if (into->sum[r] <= 0) {
            memcpy(mine, more, dim * sizeof *mine);
            into->max[r] = from->max[r];
            into->sum[r] = from->sum[r];
            continue;
        }
        float top = into->max[r] > from->max[r] ? into->max[r] : from->max[r];
        __m256 both = _mm256_setr_ps(into->max[r], from->max[r], 0, 0, 0, 0, 0, 0);
        float e[8];
        _mm256_storeu_ps(e, exp8_neg(_mm256_sub_ps(both, _mm256_set1_ps(top))));
        __m256 old = _mm256_set1_ps(e[0]), new = _mm256_set1_ps(e[1]);
        size_t i = 0;
        for (; i + 8 <= dim; i += 8) {
            __m256 kept = _mm256_mul_ps(_mm256_loadu_ps(mine + i), old);
            _mm256_storeu_ps(mine + i, _mm256_fmadd_ps(_mm256_loadu_ps(more + i), new, kept));
        }
        for (; i < dim; i++)
            mine[i] = fmaf(more[i], e[1], mine[i] * e[0]);
        into->sum[r] = fmaf(from->sum[r], e[1], into->sum[r] * e[0]);
        into->max[r] = top;
    }
}

/* --- few rows ----------------------------------------------------------------------------------
 * Nothing that is unpacked is used again: keys go through a buffer that stays in the nearest cache,
 * values through registers. The chains of sums are those of products(). */

static size_t key_step(size_t dim)
{
    return dim > 64 ? 32 : 64; /* positions: a buffer of 16 KiB */
}

static void score_few(const nk_ops *ops, const nk_attn *a, size_t first, const float *const *q,
                      size_t n, size_t begin, size_t high, float *weight, float *keys, float *plain)
{
    size_t step = key_step(a->head_dim), dim = a->head_dim;
    for (size_t p = begin; p < high; p += step) {
        size_t count = high - p < step ? high - p : step;
        unpack_keys(ops, a, first + p, 0, count, keys, plain);
        products(q, n, keys, WIDE * dim, dim, weight + p, SPAN, (count + WIDE - 1) / WIDE);
    }
}

/* Elements i.. of a row of values, `wide` registers of one block. */
NK_INLINE void values8(bytes *row, size_t i, __m256 *out, const int wide, const int mode)
{
    const nk_block_q8_0 *b = (const nk_block_q8_0 *)(const void *)row + i / NK_LEN;
    __m256 scale = mode == KV_Q8_0 ? f16_all(&b->d) : _mm256_setzero_ps();
#pragma GCC unroll 4
    for (int x = 0; x < wide; x++) {
        if (mode != KV_Q8_0) {
            out[x] = kv8(row, i + 8 * (size_t)x, mode);
            continue;
        }
        const int8_t *q = b->qs + i % NK_LEN + 8 * x;
        __m256i v = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i_u *)q));
        out[x] = _mm256_mul_ps(_mm256_cvtepi32_ps(v), scale);
    }
}

/* mix[r][i..] = sum over positions of w[r][p] * value, wide registers of elements at a time. */
NK_INLINE void mix_rows(const nk_attn *a, bytes *v, const float *const *w, size_t n, float *mix,
                        size_t padded, const int rows, const int wide, const int mode)
{
    size_t size = row_bytes(a->v_type, a->head_dim);
    for (size_t i = 0; i < a->head_dim; i += 8 * (size_t)wide) {
        __m256 sum[ROWS][4];
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int x = 0; x < wide; x++)
                sum[r][x] = _mm256_setzero_ps();
        bytes *row = v;
        for (size_t p = 0; p < n; p++, row += a->v_stride) {
            __m256 value[4];
            if (i == 0 && p + AHEAD < n)
                ask_for(row + AHEAD * a->v_stride, size);
            values8(row, i, value, wide, mode);
#pragma GCC unroll 6
            for (int r = 0; r < rows; r++) {
                __m256 one = _mm256_broadcast_ss(w[r] + p);
#pragma GCC unroll 4
                for (int x = 0; x < wide; x++)
                    sum[r][x] = _mm256_fmadd_ps(one, value[x], sum[r][x]);
            }
        }
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int x = 0; x < wide; x++)
                _mm256_storeu_ps(mix + (size_t)r * padded + i + 8 * (size_t)x, sum[r][x]);
    }
}

NK_INLINE void mix_few(const nk_attn *a, bytes *v, const float *const *w, size_t n, float *mix,
                       size_t padded, size_t rows, const int mode)
{
    switch (rows) {
    case 1:
        mix_rows(a, v, w, n, mix, padded, 1, 4, mode);
        break;
    case 2:
        mix_rows(a, v, w, n, mix, padded, 2, 4, mode);
        break;
    case 3:
        mix_rows(a, v, w, n, mix, padded, 3, 2, mode);
        break;
    case 4:
        mix_rows(a, v, w, n, mix, padded, 4, 2, mode);
        break;
    case 5:
        mix_rows(a, v, w, n, mix, padded, 5, 2, mode);
        break;
    default:
        mix_rows(a, v, w, n, mix, padded, ROWS, 2, mode);
    }
}

/* False: values of this kind are to be unpacked first. */
static bool mix_directly(const nk_attn *a, size_t first, const float *const *w, size_t n,
                         float *mix, size_t padded, size_t rows)
{
    bytes *v = (bytes *)a->v + first * a->v_stride;
    int mode = kv_mode(a->v_type);
    if (a->head_dim % NK_ATTN_BLOCK || mode == KV_DECODED)
        return false;
    if (mode == KV_F16)
        mix_few(a, v, w, n, mix, padded, rows, KV_F16);
    else if (mode == KV_BF16)
        mix_few(a, v, w, n, mix, padded, rows, KV_BF16);
    else if (mode == KV_Q8_0)
        mix_few(a, v, w, n, mix, padded, rows, KV_Q8_0);
    else
        mix_few(a, v, w, n, mix, padded, rows, KV_F32);
    return true;
}

/* --- a span ------------------------------------------------------------------------------------
 */

/* What rows share of a span: unpacked, or still to be unpacked where they are few. */
typedef struct share {
    const nk_ops *ops;
    const nk_attn *a;
    size_t span;
    bool few;
    float *keys, *values, *rest; /* scratch */
} share;

/* Rows r..r+n, n <= ROWS, all of which see something of the span. */
static void some_rows(const share *s, size_t r, size_t n, nk_attn_state *into)
{
    const nk_attn *a = s->a;
    size_t dim = a->head_dim, padded = nk_attn_padded(dim), from[ROWS], to[ROWS];
    size_t low = SPAN, high = 0, first = s->span * SPAN;
    float *weight = s->rest, *mix = weight + ROWS * SPAN, *plain = mix + ROWS * padded;
    float max[ROWS], sum[ROWS];
    const float *q[ROWS], *w[ROWS];
    for (size_t i = 0; i < n; i++) {
        nk_attn_sees(a, r + i, s->span, &from[i], &to[i]);
        low = from[i] < low ? from[i] : low;
        high = to[i] > high ? to[i] : high;
        q[i] = a->q + (r + i) / a->group * a->q_stride + (r + i) % a->group * dim;
    }
    size_t begin = low / WIDE * WIDE, end = (high + WIDE - 1) / WIDE * WIDE;
    if (s->few)
        score_few(s->ops, a, first, q, n, begin, high, weight, s->keys, plain);
    else
        products(q, n, s->keys + begin * dim, WIDE * dim, dim, weight + begin, SPAN,
                 (end - begin) / WIDE);
    for (size_t i = 0; i < n; i++) {
        weigh(a, weight + i * SPAN, begin, end, from[i], to[i], &max[i], &sum[i]);
        w[i] = weight + i * SPAN + low;
    }
    if (!s->few || !mix_directly(a, first + low, w, high - low, mix, padded, n)) {
        if (s->few)
            unpack_values(s->ops, a, first, low, high, s->values, plain);
        products(w, n, s->values + low * WIDE, SPAN * WIDE, high - low, mix, padded, padded / WIDE);
    }
    nk_attn_state mine = {
        .max = into->max + r,
        .sum = into->sum + r,
        .mix = into->mix + r * into->stride,
        .stride = into->stride,
    };
    join(&mine, &(nk_attn_state){.max = max, .sum = sum, .mix = mix, .stride = padded}, n, dim);
}

static void attend(const nk_ops *ops, const nk_attn *a, size_t span, nk_attn_state *into,
                   float *scratch)
{
    size_t rows = a->n_query * a->group, r = 0, end = rows, from, to, low = SPAN, high = 0;
    share s = {.ops = ops, .a = a, .span = span, .keys = scratch};
    s.values = s.keys + SPAN * a->head_dim;
    s.rest = s.values + SPAN * nk_attn_padded(a->head_dim);
    while (r < end && !nk_attn_sees(a, r, span, &from, &to)) /* positions too early, */
        r++;
    while (end > r && !nk_attn_sees(a, end - 1, span, &from, &to)) /* or too late */
        end--;
    if (r == end)
        return;
    s.few = end - r <= ROWS;
    if (!s.few) {
        nk_attn_sees(a, r, span, &low, &to);
        nk_attn_sees(a, end - 1, span, &from, &high);
        unpack_keys(ops, a, span * SPAN, low / 8 * 8, high, s.keys, s.rest);
        unpack_values(ops, a, span * SPAN, low, high, s.values, s.rest);
    }
    for (size_t n; r < end; r += n) {
        n = end - r < ROWS ? end - r : ROWS;
        some_rows(&s, r, n, into);
    }
}

void nk_x86_attn_avx2(nk_ops *ops)
{
    ops->attn_span = attend;
    ops->attn_join = join;
}
