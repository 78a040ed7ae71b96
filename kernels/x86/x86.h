/* Who overrides what on x86-64: one function per file and level, called by init.c in order. Each
 * is compiled with its own level's flags and may run only when the flags say so. */
#ifndef NIBBLE_X86_X86_H
#define NIBBLE_X86_X86_H

#include "kernels/crc32c.h"
#include "kernels/ops.h"

void nk_x86_dot_avx2(nk_ops *ops);         /* simple and float types, q1_0 */
void nk_x86_dot_k_avx2(nk_ops *ops);       /* K types and trits */
void nk_x86_dot_levels_avx2(nk_ops *ops);  /* nvfp4 */
void nk_x86_dot_grid_avx2(nk_ops *ops);    /* IQ types on grids, iq4_xs */
void nk_x86_flat_avx2(nk_ops *ops);        /* their flat blocks, and making these */
void nk_x86_dot_lattice_avx2(nk_ops *ops); /* panels of these and of q1_0 */
void nk_x86_few_avx2(nk_ops *ops);         /* a few columns of simple types and K types */
void nk_x86_few_float_avx2(nk_ops *ops);
void nk_x86_gemm_avx2(nk_ops *ops);     /* panels of all other types */
void nk_x86_dot_avxvnni(nk_ops *ops);   /* simple types with VNNI */
void nk_x86_dot_k_avxvnni(nk_ops *ops); /* K types and trits */
void nk_x86_dot_grid_avxvnni(nk_ops *ops);
void nk_x86_gemm_avxvnni(nk_ops *ops); /* products of panels */
void nk_x86_few_avxvnni(nk_ops *ops);
void nk_x86_dot_avx512(nk_ops *ops);
void nk_x86_dot_k_avx512(nk_ops *ops);
void nk_x86_dot_grid_avx512(nk_ops *ops);
void nk_x86_dot_levels_avx512(nk_ops *ops); /* nvfp4, q1_0 */
void nk_x86_dot_simple_avx512vbmi(nk_ops *ops);
void nk_x86_dot_iq3_avx512vbmi(nk_ops *ops); /* grids in registers, panels of these types too */
void nk_x86_dot_iq2_avx512vbmi(nk_ops *ops);
void nk_x86_dot_iq1_avx512vbmi(nk_ops *ops); /* pays on AMD alone */
void nk_x86_gemm_avx512(nk_ops *ops);
void nk_x86_gemm_ports_avx512(nk_ops *ops);    /* the same of CPUs with four ports */
void nk_x86_gemm_float_avx512(nk_ops *ops);    /* panels and products */
void nk_x86_gemm_bf16_avx512bf16(nk_ops *ops); /* all products of bf16; pays on AMD alone */
void nk_x86_few_avx512(nk_ops *ops);
void nk_x86_few_float_avx512(nk_ops *ops);
void nk_x86_gemm_amx(nk_ops *ops);      /* wide products of the same types */
void nk_x86_gemm_bf16_amx(nk_ops *ops); /* all products of f16 and bf16 */
void nk_x86_decode_avx2(nk_ops *ops);   /* rows to floats, equal to the C reference's */
void nk_x86_decode_lattice_avx2(nk_ops *ops);
void nk_x86_enc_avx2(nk_ops *ops);        /* activations; bytes equal to the C reference's */
void nk_x86_enc_halves_avx2(nk_ops *ops); /* straight from f16 and bf16 */
void nk_x86_enc_halves_avx512(nk_ops *ops);
void nk_x86_enc_k_avx2(nk_ops *ops); /* types whose scales are searched for, likewise */
void nk_x86_enc_k_avx512(nk_ops *ops);
void nk_x86_enc_small_avx2(nk_ops *ops);   /* 4-bit floats, trits and signs, likewise */
void nk_x86_enc_lattice_avx2(nk_ops *ops); /* IQ types on grids, likewise */
void nk_x86_enc_lattice_avx512(nk_ops *ops);
void nk_x86_enc_iq1_avx2(nk_ops *ops);
void nk_x86_measure_avx2(nk_ops *ops); /* statistics, equal to the C reference's */
void nk_x86_measure_avx512(nk_ops *ops);
void nk_x86_burst_avx2(nk_ops *ops); /* what the level could multiply at most */
void nk_x86_burst_avxvnni(nk_ops *ops);
void nk_x86_burst_avx512(nk_ops *ops);
void nk_x86_ops_avx2(nk_ops *ops); /* norm, rope, softmax, silu */
void nk_x86_attn_avx2(nk_ops *ops);
void nk_x86_attn_avx512(nk_ops *ops); /* with the same bits */

/* Blocks of 32 without importance, AVX2. */
typedef void nk_x86_plain_fn(const float *src, void *dst, size_t nrows, size_t ncols);
nk_x86_plain_fn nk_x86_plain_q4_0, nk_x86_plain_q4_1, nk_x86_plain_q5_0, nk_x86_plain_q5_1;

nk_crc32c_fn nk_x86_crc32c_sse42; /* called through nk_crc32c */

#endif
