/* Attention on spans of positions. Keys are unpacked with positions in lanes, values with elements
 * in lanes, both in strips of 16: no product needs a sum across lanes, and every score and every
 * output element is one chain in a fixed order, whatever rows it is computed beside. */
#include "kernels/x86/attn_kv_avx2.h"
#include "kernels/x86/math_avx2.h"
#include "kernels/x86/x86.h"

#include <math.h>

enum {
    ROWS = 6, /* times two registers of a strip: twelve sums under way */
    FEW = 8,  /* rows for which nothing is unpacked but what is used at once */
};

/* --- products ----------------------------------------------------------------------------------
 */

/* out[r][x] = sum over i of left[r][i] * right[i][x], x over the WIDE columns of each of so many
 * strips, i in order. Used for scores (right: keys) and for output (right: values). */
NK_INLINE void product(const float *const *left, const float *right, size_t strip, size_t n,
                       float *out, size_t stride, const int rows, const int strips)
{
    NK_UNSET __m256 sum[ROWS][8];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int x = 0; x < 2 * strips; x++)
            sum[r][x] = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i++) {
        NK_UNSET __m256 column[8];
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
 * several strips at once, so that sums do not wait for each other. Up to FEW rows in two halves. */
static void products(const float *const *left, size_t rows, const float *right, size_t strip,
                     size_t n, float *out, size_t stride, size_t count)
{
    if (rows > ROWS) {
        size_t half = rows / 2;
        products(left, half, right, strip, n, out, stride, count);
        products(left + half, rows - half, right, strip, n, out + half * stride, stride, count);
        return;
    }
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
        NK_UNSET __m256 sum[ROWS][4];
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int x = 0; x < wide; x++)
                sum[r][x] = _mm256_setzero_ps();
        bytes *row = v;
        for (size_t p = 0; p < n; p++, row += a->v_stride) {
            NK_UNSET __m256 value[4];
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

/* For 1..ROWS rows. */
NK_INLINE void mix_some(const nk_attn *a, bytes *v, const float *const *w, size_t n, float *mix,
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

NK_INLINE void mix_few(const nk_attn *a, bytes *v, const float *const *w, size_t n, float *mix,
                       size_t padded, size_t rows, const int mode)
{
    size_t half = rows > ROWS ? rows / 2 : 0; /* first of two halves */
    if (half) {
        mix_some(a, v, w, n, mix, padded, half, mode);
        w += half;
        mix += half * padded;
    }
    mix_some(a, v, w, n, mix, padded, rows - half, mode);
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

/* Rows r..r+n, n <= FEW where they are few, else ROWS, all of which see something of the span. */
static void some_rows(const share *s, size_t r, size_t n, nk_attn_state *into)
{
    const nk_attn *a = s->a;
    size_t dim = a->head_dim, padded = nk_attn_padded(dim), from[FEW], to[FEW];
    size_t low = SPAN, high = 0, first = s->span * SPAN;
    float *weight = s->rest, *mix = weight + FEW * SPAN, *plain = mix + FEW * padded;
    float max[FEW], sum[FEW];
    const float *q[FEW], *w[FEW];
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
    s.few = end - r <= FEW;
    if (!s.few) {
        nk_attn_sees(a, r, span, &low, &to);
        nk_attn_sees(a, end - 1, span, &from, &high);
        unpack_keys(ops, a, span * SPAN, low / 8 * 8, high, s.keys, s.rest);
        unpack_values(ops, a, span * SPAN, low, high, s.values, s.rest);
    }
    for (size_t n; r < end; r += n) {
        n = s.few ? end - r : end - r < ROWS ? end - r : ROWS;
        some_rows(&s, r, n, into);
    }
}

void nk_x86_attn_avx2(nk_ops *ops)
{
    ops->attn_span = attend;
    ops->attn_join = join;
}
