/* kernels/x86/dot_avx512.c on a machine with AVX2. */
#include "tests/x86/emulate_words512.h"

#undef _mm256_dpbusd_epi32
#undef _mm256_dpwssd_epi32
#define nk_x86_dot_avx512   test_emulated_dot_avx512
#define __AVX512BW__        1
#define __AVX512DQ__        1
#define __AVX512VNNI__      1
#define __AVX512VL__        1
#define _mm256_dpbusd_epi32 emu_dpbusd_avx_epi32
#define _mm256_dpwssd_epi32 emu_dpwssd_avx_epi32
#include "kernels/x86/dot_avx512.c"
