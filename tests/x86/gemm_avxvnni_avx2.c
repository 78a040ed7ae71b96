/* kernels/x86/gemm_avxvnni.c on a machine with AVX2 alone. */
#include "tests/x86/emulate_avx512.h"

#define nk_x86_gemm_avxvnni     test_emulated_gemm_avxvnni
#define __AVXVNNI__             1
#define _mm256_dpbusd_avx_epi32 emu_dpbusd_avx_epi32
#define _mm256_dpwssd_avx_epi32 emu_dpwssd_avx_epi32
#include "kernels/x86/gemm_avxvnni.c"
