/* kernels/x86/gemm_float_avx512.c on a machine with AVX2. */
#include <stdbool.h>

#include "tests/x86/emulate_kv512.h"

#define nk_x86_gemm_float_avx512 test_emulated_gemm_float_avx512
#include "kernels/x86/gemm_float_avx512.c"
