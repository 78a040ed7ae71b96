/* kernels/x86/few_avxvnni.c on a machine with AVX2 alone. Emulated instructions are functions:
 * inlined, all these loops take minutes to compile. */
#define EMU       static __attribute__((noinline, unused))
#define NK_INLINE static __attribute__((noinline, unused))
#include "tests/x86/emulate_avx512.h"

#define nk_x86_few_avxvnni      test_emulated_few_avxvnni
#define __AVXVNNI__             1
#define _mm256_dpbusd_avx_epi32 emu_dpbusd_avx_epi32
#define _mm256_dpwssd_avx_epi32 emu_dpwssd_avx_epi32
#include "kernels/x86/few_avxvnni.c"
