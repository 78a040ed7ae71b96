/* kernels/x86/gemm_ports_avx512.c on a machine with AVX2. */
#include "tests/x86/emulate_avx512.h"

#define NK_REGISTER              "+m"
#define nk_x86_gemm_ports_avx512 test_emulated_gemm_ports_avx512
#include "kernels/x86/gemm_ports_avx512.c"
