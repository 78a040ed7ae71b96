/* Keys and values of q8_0 as the whole numbers they are, in whatever lanes there are: products of
 * 16 bits by pairs, whose sums are exact, so neither their order nor the level matters. Included by
 * attn_lanes.h. */
#ifndef NIBBLE_X86_ATTN_CODES_H
#define NIBBLE_X86_ATTN_CODES_H

#if defined(NK_ATTN_STRIPS)

/* sum[r][x] = sum over i of left[r][i] * right[i][x], x over strips whose lanes hold two i each. */
NK_INLINE void pair_sums(const int16_t *const *left, const float *right, size_t strip, size_t n,
                         lane_ints sum[ROWS][MOST], const int rows, const int wide)
{
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int x = 0; x < wide; x++)
            sum[r][x] = no_ints();
    for (size_t i = 0; i < n; i += 2, right += WIDE) {
        NK_UNSET lane_ints column[MOST];
#pragma GCC unroll 8
        for (int x = 0; x < wide; x++)
            column[x] =
                ints_load(right + (size_t)(x / PARTS) * strip + (size_t)(x % PARTS * LANES));
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            lane_ints two = ints_pair(left[r] + i);
#pragma GCC unroll 8
            for (int x = 0; x < wide; x++)
                sum[r][x] = ints_add_products(sum[r][x], column[x], two);
        }
    }
}

/* Queries of nk_attn_code and keys as keys_of_q8_0 leaves them. */
NK_INLINE void key_product(const float *const *left, const float *right, size_t strip, size_t n,
                           float *out, size_t stride, const int rows, const int strips)
{
    const int wide = strips * PARTS;
    const float *scale = right + codes_size(n);
    for (size_t b = 0; b < n / NK_LEN; b++, right += NK_LEN / 2 * WIDE, scale += WIDE) {
        const nk_attn_code *q[ROWS];
        const int16_t *code[ROWS] = {0};
        NK_UNSET lane_ints sum[ROWS][MOST];
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            q[r] = (const nk_attn_code *)(const void *)left[r] + b;
            code[r] = q[r]->code;
        }
        pair_sums(code, right, strip, NK_LEN, sum, rows, wide);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            float *to = out + (size_t)r * stride;
#pragma GCC unroll 8
            for (int x = 0; x < wide; x++, to += LANES) {
                lanes d =
                    lanes_load(scale + (size_t)(x / PARTS) * strip + (size_t)(x % PARTS * LANES));
                lanes so_far = b ? lanes_load(to) : lanes_set(0);
                d = lanes_mul(d, lanes_set(q[r]->step));
                lanes_store(to, lanes_mul_add(lanes_from_ints(sum[r][x]), d, so_far));
            }
        }
    }
}

/* --- values ------------------------------------------------------------------------------------
 * A weight times its position's scale is a code of 16 bits too, the step of which is that of the
 * greatest scale a row sees in the span: the greatest weight there is 1. */

/* The weights of so many rows in the blocks of a row of values. */
typedef struct weight_codes {
    const float *d;            /* [blocks, SPAN] scales of values */
    float *by;                 /* [blocks, SPAN] what weights are multiplied by */
    int16_t *code;             /* [blocks, FEW, SPAN] */
    float *step;               /* [blocks, FEW] */
    size_t blocks, begin, end; /* whole strips that hold what any row sees */
} weight_codes;

#if !defined(NK_ATTN_DIRECTLY)
/* Scales of positions [low, high) of a span, from an even one, to d. Half of what is read soon is
 * asked for here, the other half while codes are read. */
static void scales_by_block(bytes *row, size_t stride, size_t low, size_t high, size_t blocks,
                            float *d, uint16_t *spare, ahead *soon)
{
    for (size_t p = low; p < high; p++, row += stride) {
        ask_for(soon, p % 2);
#pragma GCC unroll 4
        for (size_t b = 0; b < blocks; b++)
            memcpy(spare + b * SPAN + p, row + b * sizeof(nk_block_q8_0), sizeof *spare);
    }
    for (size_t b = 0; b < blocks; b++)
        for (size_t p = low / LANES * LANES; p < high; p += LANES)
            lanes_store(d + b * SPAN + p, kv_floats((bytes *)spare, b * SPAN + p, KV_F16));
}
#endif

/* Only those that positions [from, to) have. */
NK_INLINE lanes only_seen(const float *v, size_t i, size_t from, size_t to)
{
    lanes all = lanes_load(v + i);
    return i < from || i + LANES > to ? lanes_pick(seen(i, from, to), all, lanes_set(0)) : all;
}

/* For rows r.. that see positions [from, to): their steps, and zeros elsewhere in [begin, end). */
static void find_steps(const weight_codes *c, size_t r, size_t from, size_t to)
{
    const size_t first = from / LANES * LANES;
    for (size_t b = 0; b < c->blocks; b++) {
        const float *d = c->d + b * SPAN;
        float *by = c->by + b * SPAN;
        lanes most = lanes_set(0);
        for (size_t i = first; i < to; i += LANES)
            most = lanes_larger(most, lanes_abs(only_seen(d, i, from, to)));
        float top = largest_of(most);
        c->step[b * FEW + r] = top / NK_ATTN_CODE;
        lanes inverse = lanes_set(top > 0 ? NK_ATTN_CODE / top : 0);
        for (size_t i = c->begin; i < c->end; i += LANES)
            lanes_store(by + i, i < first || i >= to
                                    ? lanes_set(0)
                                    : lanes_mul(only_seen(d, i, from, to), inverse));
    }
}

/* Weights w [n, SPAN] of rows that see positions [from[r], to[r]). */
static void encode_weights(const weight_codes *c, const float *w, size_t n, const size_t *from,
                           const size_t *to)
{
    for (size_t r = 0; r < n; r++, w += SPAN) {
        bool same = r > 0 && from[r] == from[r - 1] && to[r] == to[r - 1];
        if (!same)
            find_steps(c, r, from[r], to[r]);
        for (size_t b = 0; b < c->blocks; b++) {
            const float *by = c->by + b * SPAN;
            int16_t *code = c->code + (b * FEW + r) * SPAN;
            if (same)
                c->step[b * FEW + r] = c->step[b * FEW + r - 1];
            for (size_t i = c->begin; i < c->end; i += WIDE)
                store_codes(code + i, w + i, by + i);
        }
    }
}

/* The two rows a pair of positions has: the last one stands in for the one behind it, the weight of
 * which is none. */
NK_INLINE bytes *next_row(bytes *row, size_t p, size_t high, size_t stride)
{
    return row + (p + 1 < high ? stride : 0);
}

/* Positions [low, high) of a span in pairs from an even one on into strips of values, two of which
 * lie in a lane: values[strip][p / 2][WIDE]. */
static void value_pairs(bytes *row, size_t stride, size_t low, size_t high, size_t dim,
                        float *values, ahead *soon)
{
    for (size_t p = low; p < high; p += 2, row += 2 * stride) {
        const nk_block_q8_0 *a = (const nk_block_q8_0 *)(const void *)row;
        const nk_block_q8_0 *b = (const void *)next_row(row, p, high, stride);
        float *to = values + p / 2 * WIDE;
        ask_for_next(soon);
        for (size_t i = 0; i < dim; i += LANES) {
            lane_ints two =
                pair_codes(a[i / NK_LEN].qs + i % NK_LEN, b[i / NK_LEN].qs + i % NK_LEN);
            ints_store(to + i / WIDE * (SPAN / 2 * WIDE) + i % WIDE, two);
        }
    }
}

/* Weights of a row and values as value_pairs leaves them. */
NK_INLINE void value_product(const float *const *left, const float *right, size_t strip, size_t n,
                             float *out, size_t stride, const float *step, const int rows,
                             const int strips)
{
    const int wide = strips * PARTS;
    const int16_t *code[ROWS] = {0};
    NK_UNSET lane_ints sum[ROWS][MOST];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
        code[r] = (const int16_t *)(const void *)left[r];
    pair_sums(code, right, strip, n, sum, rows, wide);
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int x = 0; x < wide; x++)
            lanes_store(out + (size_t)r * stride + (size_t)(x * LANES),
                        lanes_mul(lanes_from_ints(sum[r][x]), lanes_set(step[r])));
}

/* The same where rows are few: nothing is unpacked but in registers. */
typedef struct code_mixing {
    bytes *v; /* of position `low`, an even one */
    size_t stride, low, high, padded;
    const weight_codes *c;
    float *mix; /* [rows, padded] */
} code_mixing;

/* Blocks b.. of rows r.., so many of each. */
NK_INLINE void mix_codes(const code_mixing *m, size_t b, size_t r, ahead *soon, const int rows,
                         const int blocks)
{
    enum { SUMS = 2 * WORDS };
    NK_UNSET lane_ints sum[CODED][4 * SUMS];
    bytes *row = m->v + b * sizeof(nk_block_q8_0);
    const int16_t *code = m->c->code + (b * FEW + r) * SPAN;
    const float *step = m->c->step + b * FEW + r;
#pragma GCC unroll 4
    for (int k = 0; k < rows; k++)
#pragma GCC unroll 16
        for (int x = 0; x < blocks * SUMS; x++)
            sum[k][x] = no_ints();
    for (size_t p = m->low; p < m->high; p += 2, row += 2 * m->stride) {
        const nk_block_q8_0 *one = (const nk_block_q8_0 *)(const void *)row;
        const nk_block_q8_0 *two = (const void *)next_row(row, p, m->high, m->stride);
        ask_for_next(soon);
#pragma GCC unroll 4
        for (int x = 0; x < blocks; x++) {
            NK_UNSET lane_ints pair[SUMS];
#pragma GCC unroll 2
            for (int w = 0; w < WORDS; w++) {
                lane_ints a = code_words(one[x].qs + w * 2 * LANES);
                lane_ints c = code_words(two[x].qs + w * 2 * LANES);
                pair[2 * w] = low_pairs(a, c);
                pair[2 * w + 1] = high_pairs(a, c);
            }
#pragma GCC unroll 4
            for (int k = 0; k < rows; k++) {
                lane_ints by = ints_pair(code + (x * FEW + k) * SPAN + p);
#pragma GCC unroll 4
                for (int w = 0; w < SUMS; w++)
                    sum[k][x * SUMS + w] = ints_add_products(sum[k][x * SUMS + w], pair[w], by);
            }
        }
    }
#pragma GCC unroll 4
    for (int k = 0; k < rows; k++)
#pragma GCC unroll 4
        for (int x = 0; x < blocks; x++) {
            float *to = m->mix + (r + (size_t)k) * m->padded + (b + (size_t)x) * NK_LEN;
            lanes by = lanes_set(step[x * FEW + k]);
#pragma GCC unroll 2
            for (int w = 0; w < WORDS; w++, to += 2 * LANES) {
                lane_ints half[2];
                in_order(sum[k][x * SUMS + 2 * w], sum[k][x * SUMS + 2 * w + 1], half);
                lanes_store(to, lanes_mul(lanes_from_ints(half[0]), by));
                lanes_store(to + LANES, lanes_mul(lanes_from_ints(half[1]), by));
            }
        }
}

NK_INLINE void mix_all_codes(const code_mixing *m, size_t r, size_t dim, ahead *soon,
                             const int rows)
{
    const int most = NK_ATTN_BLOCKS(rows);
    const size_t blocks = dim / NK_LEN;
    size_t b = 0;
    for (; b + (size_t)most <= blocks; b += (size_t)most) {
        mix_codes(m, b, r, soon, rows, most);
        soon->left = 0; /* asked for already */
    }
    for (; most > 1 && b < blocks; b++) {
        mix_codes(m, b, r, soon, rows, 1);
        soon->left = 0;
    }
}

static void mix_few_codes(const code_mixing *m, size_t rows, size_t dim, ahead *soon)
{
    size_t r = 0;
    for (; CODED > 2 && r + 4 <= rows; r += 4)
        mix_all_codes(m, r, dim, soon, CODED);
    for (; r + 2 <= rows; r += 2)
        mix_all_codes(m, r, dim, soon, 2);
    for (; r < rows; r++)
        mix_all_codes(m, r, dim, soon, 1);
}

#endif
#endif
