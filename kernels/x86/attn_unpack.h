/* Cached rows of a span into strips, in whatever lanes there are: keys with positions in lanes,
 * values with elements in lanes. Included by attn_lanes.h after attn_kv_avx2.h or attn_kv_avx512.h.
 */
#ifndef NIBBLE_X86_ATTN_UNPACK_H
#define NIBBLE_X86_ATTN_UNPACK_H

#if defined(NK_ATTN_STRIPS)

/* Rows that are read soon: while position p of a span is, row p of these is asked for, p < n. */
typedef struct ahead {
    bytes *row;
    size_t stride, size, n;
} ahead;

NK_INLINE void ask_for(const ahead *rows, size_t p)
{
    if (p < rows->n)
        for (size_t i = 0; i < rows->size; i += LINE)
            _mm_prefetch((const char *)rows->row + p * rows->stride + i, _MM_HINT_T1);
}

/* Keys or values from position `first` on, as many positions later as are AHEAD bytes. */
static ahead rows_behind(const nk_attn *a, size_t first, bool keys)
{
    const nk_type *t = nk_type_get(keys ? a->k_type : a->v_type);
    const size_t size = a->head_dim / t->block_len * t->block_size;
    const size_t end = a->pos + a->n_query, from = first + (AHEAD + size - 1) / size;
    const size_t stride = keys ? a->k_stride : a->v_stride;
    return (ahead){
        .row = from < end ? (bytes *)(keys ? a->k : a->v) + from * stride : NULL,
        .stride = stride,
        .size = size,
        .n = from < end ? end - from : 0,
    };
}

/* The scales of n rows of q8_0, those of `side` rows beside each other; the last row stands in for
 * those that fill up its side. Before anything else is done with them: read back at once they would
 * be waited for. */
static void scales_of(bytes *row, size_t stride, size_t n, size_t blocks, size_t side,
                      uint16_t *out)
{
    for (size_t p = 0; p < (n + side - 1) / side * side; p++, row += p < n ? stride : 0) {
        uint16_t *at = out + p / side * side * blocks + p % side;
        for (size_t b = 0; b < blocks; b++)
            memcpy(at + b * side, row + b * sizeof(nk_block_q8_0), sizeof *at);
    }
}

/* Positions [from, to) of a span, from a multiple of LANES, into strips: keys[strip][i][WIDE]. The
 * last position stands in for those that fill up its LANES. */
static void unpack_keys(const nk_ops *ops, const nk_attn *a, size_t first, size_t from, size_t to,
                        float *keys, float *plain)
{
    const int mode = kv_mode(a->k_type);
    const size_t dim = a->head_dim, blocks = dim / NK_LEN;
    bytes *k = (bytes *)a->k + first * a->k_stride;
    const ahead soon = rows_behind(a, first, true);
    uint16_t *scale = (uint16_t *)(void *)plain;
    if (mode == KV_Q8_0)
        scales_of(k + from * a->k_stride, a->k_stride, to - from, blocks, LANES, scale);
    for (size_t p = from; p < to; p += LANES) {
        NK_UNSET bytes *row[LANES];
        float *out = keys + p / WIDE * WIDE * dim + p % WIDE;
        for (size_t j = 0; j < LANES; j++) {
            row[j] = k + (p + j < to ? p + j : to - 1) * a->k_stride;
            ask_for(&soon, p + j);
            if (mode == KV_DECODED) {
                ops->decode[a->k_type](row[j], plain + j * dim, dim);
                row[j] = (bytes *)(plain + j * dim);
            }
        }
        if (mode == KV_F16)
            keys_of_halves(row, dim, out, plain, KV_F16);
        else if (mode == KV_BF16)
            keys_of_halves(row, dim, out, plain, KV_BF16);
        else if (mode == KV_Q8_0)
            keys_of_q8_0(row, dim, out, scale + (p - from) * blocks);
        else
            keys_of_floats(row, dim, out);
    }
}

/* Elements i.. of position p go where strip i / WIDE has them. */
NK_INLINE void put(float *values, size_t p, size_t i, lanes v)
{
    lanes_store(values + (i / WIDE * SPAN + p) * WIDE + i % WIDE, v);
}

NK_INLINE void values_of_floats(bytes *row, size_t dim, size_t p, float *values, const int mode)
{
    size_t i = 0;
    for (; i + LANES <= dim; i += LANES)
        put(values, p, i, kv_floats(row, i, mode));
    if (i < dim) {
        put(values, p, i, kv_rest(row, i, dim, mode));
        i += LANES;
    }
    if (i % WIDE)
        put(values, p, i, lanes_set(0));
}

static void values_of_q8_0(bytes *row, size_t dim, size_t p, float *values)
{
    const nk_block_q8_0 *b = (const nk_block_q8_0 *)(const void *)row;
    for (size_t i = 0; i < dim; i += NK_LEN, b++) {
        lanes scale = lanes_set(f16_one(b->d));
#pragma GCC unroll 4
        for (size_t j = 0; j < NK_LEN; j += LANES)
            put(values, p, i + j, kv_codes(b->qs + j, scale));
    }
}

/* Positions [from, to) of a span into strips: values[strip][p][WIDE], zeros behind head_dim. */
static void unpack_values(const nk_ops *ops, const nk_attn *a, size_t first, size_t from, size_t to,
                          float *values, float *plain)
{
    const int mode = kv_mode(a->v_type);
    const size_t dim = a->head_dim;
    const ahead soon = rows_behind(a, first, false);
    for (size_t p = from; p < to; p++) {
        bytes *row = (bytes *)a->v + (first + p) * a->v_stride;
        ask_for(&soon, p);
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
