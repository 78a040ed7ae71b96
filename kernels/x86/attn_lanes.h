/* Attention on spans of positions. Keys are unpacked with positions in lanes, values with elements
 * in lanes, both in strips of 16: no product needs a sum across lanes, and every score and every
 * output element is one chain in a fixed order, whatever rows it is computed beside and in how many
 * lanes.
 *
 * Included by attn_avx2.c and attn_avx512.c after they have said how rows are read (attn_kv.h), how
 * sums share the registers and what is theirs alone of the softmax. */
#ifndef NIBBLE_X86_ATTN_LANES_H
#define NIBBLE_X86_ATTN_LANES_H

#if defined(NK_ATTN_STRIPS)

#include "kernels/x86/attn_unpack.h"

#include <math.h>

enum {
    PARTS = WIDE / LANES,         /* vectors of a strip */
    ROWS = 6,                     /* times those of NK_ATTN_STRIPS(rows) strips: sums under way */
    FEW = 8,                      /* rows for which nothing is unpacked but what is used at once */
    MOST = 4 * 2,                 /* vectors side by side */
    CODED = NK_ATTN_CODED,        /* rows that share codes of values in registers */
    WORDS = NK_LEN / (2 * LANES), /* vectors of the codes of a block as 16 bits */
};

#include "kernels/x86/attn_codes.h"

/* --- products ----------------------------------------------------------------------------------
 */

/* out[r][x] = sum over i of left[r][i] * right[i][x], x over the WIDE columns of each of so many
 * strips, i in order. Used for scores (right: keys) and for output (right: values). */
NK_INLINE void product(const float *const *left, const float *right, size_t strip, size_t n,
                       float *out, size_t stride, const int rows, const int strips)
{
    const int wide = strips * PARTS;
    NK_UNSET lanes sum[ROWS][MOST];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int x = 0; x < wide; x++)
            sum[r][x] = lanes_set(0);
    for (size_t i = 0; i < n; i++) {
        NK_UNSET lanes column[MOST];
#pragma GCC unroll 8
        for (int x = 0; x < wide; x++)
            column[x] = lanes_load(right + (size_t)(x / PARTS) * strip + i * WIDE +
                                   (size_t)(x % PARTS * LANES));
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            lanes one = lanes_set(left[r][i]);
#pragma GCC unroll 8
            for (int x = 0; x < wide; x++)
                sum[r][x] = lanes_mul_add(one, column[x], sum[r][x]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int x = 0; x < wide; x++)
            lanes_store(out + (size_t)r * stride + (size_t)(x * LANES), sum[r][x]);
}

/* What is multiplied: floats, queries and keys of q8_0, or weights and values of q8_0. */
enum { FLOATS, KEYS, VALUES };

/* step: of VALUES. */
NK_INLINE void product_of(const float *const *left, const float *right, size_t strip, size_t n,
                          float *out, size_t stride, const float *step, const int rows,
                          const int strips, const int what)
{
    if (what == KEYS)
        key_product(left, right, strip, n, out, stride, rows, strips);
    else if (what == VALUES)
        value_product(left, right, strip, n, out, stride, step, rows, strips);
    else
        product(left, right, strip, n, out, stride, rows, strips);
}

NK_INLINE void strips_of(const float *const *left, const float *right, size_t strip, size_t n,
                         float *out, size_t stride, size_t count, const float *step, const int rows,
                         const int what)
{
    const int all = NK_ATTN_STRIPS(rows), block = NK_LEN / WIDE;
    const int most = what == VALUES && all > block ? block : all;
    size_t s = 0;
    for (; s + (size_t)most <= count; s += (size_t)most)
        product_of(left, right + s * strip, strip, n, out + s * WIDE, stride, step, rows, most,
                   what);
    for (; s < count; s++)
        product_of(left, right + s * strip, strip, n, out + s * WIDE, stride, step, rows, 1, what);
}

NK_INLINE void rows_of(const float *const *left, size_t rows, const float *right, size_t strip,
                       size_t n, float *out, size_t stride, size_t count, const float *step,
                       const int what)
{
    switch (rows) {
    case 1:
        strips_of(left, right, strip, n, out, stride, count, step, 1, what);
        break;
    case 2:
        strips_of(left, right, strip, n, out, stride, count, step, 2, what);
        break;
    case 3:
        strips_of(left, right, strip, n, out, stride, count, step, 3, what);
        break;
    case 4:
        strips_of(left, right, strip, n, out, stride, count, step, 4, what);
        break;
    case 5:
        strips_of(left, right, strip, n, out, stride, count, step, 5, what);
        break;
    default:
        strips_of(left, right, strip, n, out, stride, count, step, ROWS, what);
    }
}

/* The same over `count` strips that lie `strip` floats apart, for 1..ROWS rows; few rows take
 * several strips at once, so that sums do not wait for each other. Up to FEW rows in two halves. */
static void products(const float *const *left, size_t rows, const float *right, size_t strip,
                     size_t n, float *out, size_t stride, size_t count)
{
    size_t half = rows > ROWS ? rows / 2 : 0;
    if (half)
        rows_of(left, half, right, strip, n, out, stride, count, NULL, FLOATS);
    rows_of(left + half, rows - half, right, strip, n, out + half * stride, stride, count, NULL,
            FLOATS);
}

/* Of queries and keys. */
static void scores(const nk_attn *a, const float *const *q, size_t rows, const float *keys,
                   float *out, size_t count)
{
    const size_t dim = a->head_dim, half = rows > ROWS ? rows / 2 : 0;
    if (a->k_type != NK_Q8_0) {
        products(q, rows, keys, WIDE * dim, dim, out, SPAN, count);
        return;
    }
    if (half)
        rows_of(q, half, keys, WIDE * dim, dim, out, SPAN, count, NULL, KEYS);
    rows_of(q + half, rows - half, keys, WIDE * dim, dim, out + half * SPAN, SPAN, count, NULL,
            KEYS);
}

/* --- softmax -----------------------------------------------------------------------------------
 */

NK_INLINE lanes bend(const nk_attn *a, lanes s)
{
    s = lanes_mul(s, lanes_set(a->scale));
    if (a->cap <= 0)
        return s;
    /* tanh x = 1 - 2 / (e^2x + 1) */
    const lanes one = lanes_set(1.0f), two = lanes_set(2.0f);
    lanes e = lanes_exp(lanes_mul(s, lanes_set(2.0f / a->cap)));
    lanes t = lanes_sub(one, lanes_div(two, lanes_add(e, one)));
    return lanes_mul(t, lanes_set(a->cap));
}

/* Products of one row with positions [from, to) become e^(score - max), zeros elsewhere in [low,
 * high), whole strips. Their sum is one of every lane of a strip. */
static void weigh(const nk_attn *a, float *w, size_t low, size_t high, size_t from, size_t to,
                  float *max, float *sum)
{
    const lanes none = lanes_set(-INFINITY), zero = lanes_set(0);
    size_t begin = from / WIDE * WIDE, end = (to + WIDE - 1) / WIDE * WIDE;
    lanes most = none, total[PARTS];
    for (size_t i = low; i < begin; i += LANES)
        lanes_store(w + i, zero);
    for (size_t i = end; i < high; i += LANES)
        lanes_store(w + i, zero);
    for (size_t i = begin; i < end; i += LANES) {
        lanes s = bend(a, lanes_load(w + i));
        if (i < from || i + LANES > to)
            s = lanes_pick(seen(i, from, to), s, none);
        lanes_store(w + i, s);
        most = lanes_max(s, most);
    }
    *max = largest(most);
    most = lanes_set(*max);
#pragma GCC unroll 2
    for (int x = 0; x < PARTS; x++)
        total[x] = zero;
    for (size_t i = begin; i < end; i += WIDE)
#pragma GCC unroll 2
        for (int x = 0; x < PARTS; x++) {
            size_t at = i + (size_t)(x * LANES);
            lanes e = lanes_exp_neg(lanes_sub(lanes_load(w + at), most));
            if (at < from || at + LANES > to)
                e = lanes_pick(seen(at, from, to), e, zero);
            lanes_store(w + at, e);
            total[x] = lanes_add(total[x], e);
        }
    *sum = sum_of(total);
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
        float e[LANES];
        lanes_store(e, lanes_exp_neg(pair(into->max[r] - top, from->max[r] - top)));
        lanes old = lanes_set(e[0]), new = lanes_set(e[1]);
        size_t i = 0;
        for (; i + LANES <= dim; i += LANES) {
            lanes kept = lanes_mul(lanes_load(mine + i), old);
            lanes_store(mine + i, lanes_mul_add(lanes_load(more + i), new, kept));
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

static void score_few(const nk_ops *ops, const nk_attn *a, size_t first, const float *const *q,
                      size_t n, size_t begin, size_t high, float *weight, float *keys, float *plain)
{
    size_t dim = a->head_dim, step = dim > NK_ATTN_SHORT ? 32 : 64; /* positions */
#if defined(NK_ATTN_DIRECTLY)
    if (score_directly(ops, a, first, q, n, begin, high, weight, keys, plain))
        return;
#endif
    for (size_t p = begin; p < high; p += step) {
        size_t count = high - p < step ? high - p : step;
        unpack_keys(ops, a, first + p, 0, count, keys, plain);
        scores(a, q, n, keys, weight + p, (count + WIDE - 1) / WIDE);
    }
}

/* Values of a run of positions, what they are weighed by and where their sums go. */
typedef struct mixing {
    const nk_attn *a;
    bytes *v;       /* the first position's */
    const float *w; /* [rows, SPAN] */
    size_t n, padded;
    float *mix; /* [rows, padded] */
    ahead soon;
} mixing;

/* Elements i.. of so many rows, `wide` vectors of them. */
NK_INLINE void mix_some(const mixing *m, size_t i, ahead *soon, const int rows, const int wide,
                        const int mode)
{
    const size_t stride = m->a->v_stride;
    NK_UNSET lanes sum[FEW][8];
    bytes *row = m->v + row_size(nk_type_get(m->a->v_type), i);
    const float *w = m->w;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int x = 0; x < wide; x++)
            sum[r][x] = lanes_set(0);
    for (const float *end = w + m->n; w < end; w++, row += stride) {
        NK_UNSET lanes value[8];
        ask_for_next(soon);
#pragma GCC unroll 8
        for (int x = 0; x < wide; x++)
            value[x] = kv_floats(row, (size_t)(x * LANES), mode);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            lanes one = lanes_set(w[r * SPAN]);
#pragma GCC unroll 8
            for (int x = 0; x < wide; x++)
                sum[r][x] = lanes_mul_add(one, value[x], sum[r][x]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int x = 0; x < wide; x++)
            lanes_store(m->mix + (size_t)r * m->padded + i + (size_t)(x * LANES), sum[r][x]);
}

/* head_dim is a multiple of NK_ATTN_BLOCK, of the vectors taken at a time perhaps not. */
NK_INLINE void mix_all(const mixing *m, const int rows, const int mode)
{
    const int wide = NK_ATTN_VALUES(rows), narrow = NK_ATTN_BLOCK / LANES;
    const size_t dim = m->a->head_dim;
    ahead soon = m->soon;
    size_t i = 0;
    for (; i + (size_t)(LANES * wide) <= dim; i += (size_t)(LANES * wide)) {
        mix_some(m, i, &soon, rows, wide, mode);
        soon.left = 0;
    }
    for (; wide > narrow && i < dim; i += NK_ATTN_BLOCK) {
        mix_some(m, i, &soon, rows, narrow, mode);
        soon.left = 0;
    }
}

/* For 1..NK_ATTN_MIXED rows. */
NK_INLINE void mix_of(const mixing *m, size_t rows, const int mode)
{
    if (NK_ATTN_MIXED > 6 && rows == 8)
        mix_all(m, 8, mode);
    else if (NK_ATTN_MIXED > 6 && rows == 7)
        mix_all(m, 7, mode);
    else if (rows == 6)
        mix_all(m, 6, mode);
    else if (rows == 5)
        mix_all(m, 5, mode);
    else if (rows == 4)
        mix_all(m, 4, mode);
    else if (rows == 3)
        mix_all(m, 3, mode);
    else if (rows == 2)
        mix_all(m, 2, mode);
    else
        mix_all(m, 1, mode);
}

NK_INLINE void mix_few(mixing m, size_t rows, const int mode)
{
    size_t half = rows > NK_ATTN_MIXED ? rows / 2 : 0; /* first of two halves */
    if (half) {
        mix_of(&m, half, mode);
        m.w += half * SPAN;
        m.mix += half * m.padded;
    }
    mix_of(&m, rows - half, mode);
}

/* Weights of positions [low, high) of a span. False: values of this kind are to be unpacked first.
 */
static bool mix_directly(const nk_attn *a, size_t first, size_t low, size_t high, const float *w,
                         float *mix, size_t padded, size_t rows)
{
    const int mode = kv_mode(a->v_type);
    const mixing m = {
        .a = a,
        .v = (bytes *)a->v + (first + low) * a->v_stride,
        .w = w + low,
        .n = high - low,
        .padded = padded,
        .mix = mix,
        .soon = rows_behind(a, first + low, false),
    };
    if (a->head_dim % NK_ATTN_BLOCK || mode == KV_DECODED)
        return false;
    if (mode == KV_F16)
        mix_few(m, rows, KV_F16);
    else if (mode == KV_BF16)
        mix_few(m, rows, KV_BF16);
    else
        mix_few(m, rows, KV_F32);
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

/* Where the scales of values of q8_0 are: behind their codes, which take half of a float each. */
static float *scales_behind(float *values, size_t dim)
{
    return values + SPAN / 2 * dim;
}

static void unpack_q8_0(const share *s, size_t low, size_t high)
{
    const nk_attn *a = s->a;
    const size_t even = low / 2 * 2, first = s->span * SPAN + even;
    bytes *v = (bytes *)a->v + first * a->v_stride;
    ahead soon = rows_behind(a, first, false);
    scales_by_block(v, a->v_stride, even, high, a->head_dim / NK_LEN,
                    scales_behind(s->values, a->head_dim), (uint16_t *)(void *)s->rest, &soon);
    value_pairs(v, a->v_stride, even, high, a->head_dim, s->values, &soon);
}

/* Values of q8_0 for n rows that see positions [from[i], to[i]) of a span, the union of which is
 * [low, high): weights w [n, SPAN] to mix. */
static void mix_q8_0(const share *s, const float *w, const size_t *from, const size_t *to,
                     size_t low, size_t high, size_t n, float *mix, float *plain)
{
    const nk_attn *a = s->a;
    const size_t dim = a->head_dim, blocks = dim / NK_LEN, even = low / 2 * 2;
    bytes *v = (bytes *)a->v + (s->span * SPAN + even) * a->v_stride;
    const weight_codes c = {
        .d = scales_behind(s->values, dim),
        .code = (int16_t *)(void *)plain,
        .by = plain + blocks * FEW * SPAN / 2,
        .step = plain + blocks * (FEW + 2) * SPAN / 2,
        .blocks = blocks,
        .begin = low / WIDE * WIDE,
        .end = (high + WIDE - 1) / WIDE * WIDE,
    };
    ahead soon = rows_behind(a, s->span * SPAN + even, false);
    if (s->few)
        scales_by_block(v, a->v_stride, even, high, blocks, scales_behind(s->values, dim),
                        (uint16_t *)(void *)plain, &soon);
    encode_weights(&c, w, n, from, to);
    if (s->few) {
        const code_mixing m = {v, a->v_stride, even, high, dim, &c, mix};
        mix_few_codes(&m, n, dim, &soon);
        return;
    }
    for (size_t b = 0; b < blocks; b++) {
        const float *code[ROWS], *at = s->values + b * NK_LEN * (SPAN / 2) + even / 2 * WIDE;
        for (size_t i = 0; i < n; i++)
            code[i] = (const float *)(const void *)(c.code + (b * FEW + i) * SPAN + even);
        rows_of(code, n, at, SPAN / 2 * WIDE, high - even, mix + b * NK_LEN, dim, NK_LEN / WIDE,
                c.step + b * FEW, VALUES);
    }
}

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
        scores(a, q, n, s->keys + begin * dim, weight + begin, (end - begin) / WIDE);
    for (size_t i = 0; i < n; i++) {
        weigh(a, weight + i * SPAN, begin, end, from[i], to[i], &max[i], &sum[i]);
        w[i] = weight + i * SPAN + low;
    }
    if (a->v_type == NK_Q8_0) {
        mix_q8_0(s, weight, from, to, low, high, n, mix, plain);
    } else if (!s->few || !mix_directly(a, first, low, high, weight, mix, padded, n)) {
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
        unpack_keys(ops, a, span * SPAN, low / LANES * LANES, high, s.keys, s.rest);
        if (a->v_type == NK_Q8_0)
            unpack_q8_0(&s, low, high);
        else
            unpack_values(ops, a, span * SPAN, low, high, s.values, s.rest);
    }
    for (size_t n; r < end; r += n) {
        n = s.few ? end - r : end - r < ROWS ? end - r : ROWS;
        some_rows(&s, r, n, into);
    }
}

#endif
#endif
