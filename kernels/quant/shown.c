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

/* A table of 16 uneven levels. */
SHOWN(IQ4_NL, iq4_nl, "iq4_nl", 32, 18, .dot_with = NK_Q8_0);
SHOWN(IQ4_XS, iq4_xs, "iq4_xs", 256, 136, .dot_with = NK_Q8_K);

/* Ternary: five trits a byte; two bits a trit. */
SHOWN(TQ1_0, tq1_0, "tq1_0", 256, 54, .dot_with = NK_Q8_K);
SHOWN(TQ2_0, tq2_0, "tq2_0", 256, 66, .dot_with = NK_Q8_K);

/* 4-bit floats under an 8-bit exponent per 32, or an 8-bit float per 16; one bit under f16. */
SHOWN(MXFP4, mxfp4, "mxfp4", 32, 17, .dot_with = NK_Q8_0);
SHOWN(NVFP4, nvfp4, "nvfp4", 64, 36, .dot_with = NK_Q8_0);
SHOWN(Q1_0, q1_0, "q1_0", 128, 18, .dot_with = NK_Q8_0);
