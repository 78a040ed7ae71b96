/* Cached rows of a span into strips, in whatever lanes there are: keys with positions in lanes,
 * values with elements in lanes. Included by attn_lanes.h after attn_kv_avx2.h or attn_kv_avx512.h.
 */
#ifndef NIBBLE_X86_ATTN_UNPACK_H
#define NIBBLE_X86_ATTN_UNPACK_H

#if defined(NK_ATTN_STRIPS)

/* The scales of n rows of q8_0, those of `side` rows beside each other; the last row stands in for
 * those that fill up its side. Before anything else is done with them: read back at once they would
 * be waited for. */
static void scales_of(bytes *row, size_t stride, size_t n, size_t blocks, size_t side,
                      uint16_t *out)
{
    for (size_t p = 0; p < n; p += side, out += side * blocks)
        for (size_t j = 0; j < side; j++) {
#pragma GCC unroll 4
            for (size_t b = 0; b < blocks; b++)
                memcpy(out + b * side + j, row + b * sizeof(nk_block_q8_0), sizeof *out);
            row += p + j + 1 < n ? stride : 0;
        }
}

/* Rows p.. of a run of positions that ends at `to`, LANES of them, and how far they are apart:
 * where there are fewer or they are to be decoded, in scratch. The last stands in for the missing.
 */
static bytes *rows_at(const nk_ops *ops, const nk_attn *a, bytes *k, size_t p, size_t to,
                      float *plain, size_t *stride)
{
    const nk_type *t = nk_type_get(a->k_type);
    const size_t dim = a->head_dim, size = row_size(t, dim), n = to - p < LANES ? to - p : LANES;
    const bool decode = kv_mode(t->id) == KV_DECODED;
    unsigned char *into = (unsigned char *)plain;
    k += p * a->k_stride;
    *stride = a->k_stride;
    if (n == LANES && !decode)
        return k;
    *stride = decode ? dim * sizeof *plain : size;
    for (size_t j = 0; j < LANES; j++, into += *stride, k += j < n ? a->k_stride : 0)
        if (decode)
            ops->decode[t->id](k, (float *)(void *)into, dim);
        else
            memcpy(into, k, size);
    return (bytes *)plain;
}

/* Positions [from, to) of a span, from a multiple of LANES, into strips: keys[strip][i][WIDE], or
 * codes and scales of q8_0. The last position stands in for those that fill up its LANES. */
static void unpack_keys(const nk_ops *ops, const nk_attn *a, size_t first, size_t from, size_t to,
                        float *keys, float *plain)
{
    const int mode = kv_mode(a->k_type);
    const size_t dim = a->head_dim, blocks = dim / NK_LEN;
    bytes *k = (bytes *)a->k + first * a->k_stride;
    ahead soon = rows_behind(a, first + from, true);
    uint16_t *scale = (uint16_t *)(void *)plain;
    if (mode == KV_Q8_0)
        scales_of(k + from * a->k_stride, a->k_stride, to - from, blocks, LANES, scale);
    for (size_t p = from; p < to; p += LANES) {
        size_t stride;
        bytes *row = rows_at(ops, a, k, p, to, plain + LANES / 2 * dim, &stride);
        float *out = keys + p / WIDE * WIDE * dim + p % WIDE;
        if (mode == KV_F16)
            keys_of_halves(row, stride, dim, out, plain, KV_F16, &soon);
        else if (mode == KV_BF16)
            keys_of_halves(row, stride, dim, out, plain, KV_BF16, &soon);
        else if (mode == KV_Q8_0)
            keys_of_q8_0(row, stride, dim, out, scale + (p - from) * blocks, &soon);
        else
            keys_of_floats(row, stride, dim, out, &soon);
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

/* Positions [from, to) of a span into strips: values[strip][p][WIDE], zeros behind head_dim. */
static void unpack_values(const nk_ops *ops, const nk_attn *a, size_t first, size_t from, size_t to,
                          float *values, float *plain)
{
    const int mode = kv_mode(a->v_type);
    const size_t dim = a->head_dim;
    ahead soon = rows_behind(a, first + from, false);
    for (size_t p = from; p < to; p++) {
        bytes *row = (bytes *)a->v + (first + p) * a->v_stride;
        ask_for_next(&soon);
        if (mode == KV_F16) {
            values_of_floats(row, dim, p, values, KV_F16);
        } else if (mode == KV_BF16) {
            values_of_floats(row, dim, p, values, KV_BF16);
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
