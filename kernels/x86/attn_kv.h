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
