/* How attention reads cached rows: what is said of them in whatever lanes there are. Included after
 * lanes_avx2.h or lanes_avx512.h by attn_kv_avx2.h and attn_kv_avx512.h, which turn rows of keys.
 */
#ifndef NIBBLE_X86_ATTN_KV_H
#define NIBBLE_X86_ATTN_KV_H

#if defined(NK_LANES)

#include "kernels/ops.h"

enum {
    SPAN = NK_ATTN_SPAN,
    WIDE = NK_ATTN_LANES, /* a strip */
    LINE = 64,
    AHEAD = 8704, /* bytes asked for before they are needed: each row lies on lines of its own */
};

typedef const unsigned char bytes;

/* How a cached row is read: floats are widened in registers, and so are values of q8_0; its keys
 * become codes of 16 bits. Anything else is decoded by its type first. */
enum { KV_F32, KV_F16, KV_BF16, KV_Q8_0, KV_DECODED };

static int kv_mode(nk_type_id type)
{
    return type == NK_F32    ? KV_F32
           : type == NK_F16  ? KV_F16
           : type == NK_BF16 ? KV_BF16
           : type == NK_Q8_0 ? KV_Q8_0
                             : KV_DECODED;
}

/* Floats that the codes of a strip of keys take, two to a lane; their blocks' scales follow, one a
 * lane. */
static size_t codes_size(size_t dim)
{
    return dim / 2 * WIDE;
}

/* Rows that are read soon: asked for one after the other while others are read. */
typedef struct ahead {
    const char *row;
    size_t stride, size, left;
} ahead;

NK_INLINE void ask_for_next(ahead *rows)
{
    __asm__("" : "+m"(*rows)); /* registers are for those that are read */
    if (!rows->left)
        return;
    for (size_t i = 0; i < rows->size; i += LINE)
        _mm_prefetch(rows->row + i, _MM_HINT_T1);
    rows->row += rows->stride;
    rows->left--;
}

static size_t row_size(const nk_type *t, size_t dim)
{
    return dim / t->block_len * t->block_size;
}

/* What is read soon after keys or values from position `first` on: as many positions later as are
 * AHEAD bytes, or, where heads take turns, those of the head whose turn is next, the first head's
 * in the next span after the last one's. */
static ahead rows_behind(const nk_attn *a, size_t first, bool keys)
{
    const size_t size = row_size(nk_type_get(keys ? a->k_type : a->v_type), a->head_dim);
    const size_t end = a->pos + a->n_query, stride = keys ? a->k_stride : a->v_stride;
    const char *row = keys ? a->k : a->v;
    if (a->turns) {
        const bool last = a->turn + 1 == a->turns;
        const size_t next = last ? first + SPAN : first, left = end > next ? end - next : 0;
        return (ahead){
            .row = (last ? row - a->turn * size : row + size) + next * stride,
            .stride = stride,
            .size = size,
            .left = left < SPAN ? left : SPAN,
        };
    }
    const size_t from = first + (AHEAD + size - 1) / size;
    return (ahead){
        .row = from < end ? row + from * stride : NULL,
        .stride = stride,
        .size = size,
        .left = from < end ? end - from : 0,
    };
}

NK_INLINE void ask_for(ahead *rows, size_t n)
{
    for (; n > 0; n--)
        ask_for_next(rows);
}

/* Elements i.. of a row of floats, one a lane. */
NK_INLINE lanes kv_floats(bytes *row, size_t i, const int mode);

/* Elements i..n-1, at most LANES, zero-filled. */
NK_INLINE lanes kv_rest(bytes *row, size_t i, size_t n, const int mode)
{
    unsigned char last[LANES * sizeof(float)] = {0};
    size_t size = mode == KV_F32 ? 4 : 2;
    memcpy(last, row + i * size, (n - i) * size);
    return kv_floats(last, 0, mode);
}

#endif
#endif
