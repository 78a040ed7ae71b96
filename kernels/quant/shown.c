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

/* Grids of lattice points under f16 block scales: index bytes, sign bits, 3- or 4-bit scales. */
SHOWN(IQ2_XXS, iq2_xxs, "iq2_xxs", 256, 66, .dot_with = NK_Q8_K, .wants_imatrix = true);
SHOWN(IQ2_XS, iq2_xs, "iq2_xs", 256, 74, .dot_with = NK_Q8_K, .wants_imatrix = true);
SHOWN(IQ2_S, iq2_s, "iq2_s", 256, 82, .dot_with = NK_Q8_K, .wants_imatrix = true);
SHOWN(IQ3_XXS, iq3_xxs, "iq3_xxs", 256, 98, .dot_with = NK_Q8_K, .wants_imatrix = true);
SHOWN(IQ3_S, iq3_s, "iq3_s", 256, 110, .dot_with = NK_Q8_K);
SHOWN(IQ1_S, iq1_s, "iq1_s", 256, 50, .dot_with = NK_Q8_K, .wants_imatrix = true);
SHOWN(IQ1_M, iq1_m, "iq1_m", 256, 56, .dot_with = NK_Q8_K, .wants_imatrix = true);

/* One bit a weight under an f16. */
SHOWN(Q1_0, q1_0, "q1_0", 128, 18, .dot_with = NK_Q8_0);
