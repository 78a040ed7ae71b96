/* kernels/x86/gemm_bf16_avx512bf16.c on a machine with AVX2. */
#include "tests/x86/emulate_bf16.h"

#define HOLD(v)                     ((void)0)
#define __AVX512BW__                1
#define nk_x86_gemm_bf16_avx512bf16 test_emulated_gemm_bf16_avx512bf16
#include "kernels/x86/gemm_bf16_avx512bf16.c"
