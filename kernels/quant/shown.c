/* Types a file may hold that nibble lists with their true sizes but does not compute with: no
 * decode, no encode, no dot. Sizes: ggml-common.h and type_traits in ggml.c @ d99724f. A type
 * leaves this file for one of its own when its kernels are written. */
#include "kernels/type.h"

#define SHOWN(NAME, sym, text, len, size, ...)                                                     \
    const nk_type nk_type_##sym = {                                                                \
        .name = text, .id = NK_##NAME, .block_len = (len), .block_size = (size), __VA_ARGS__}

SHOWN(I8, i8, "i8", 1, 1, .dot_with = NK_F32);
SHOWN(I16, i16, "i16", 1, 2, .dot_with = NK_F32);
SHOWN(I32, i32, "i32", 1, 4, .dot_with = NK_F32);
SHOWN(I64, i64, "i64", 1, 8, .dot_with = NK_F32);
