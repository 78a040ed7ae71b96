/* kernels/x86/dot_simple_avx512vbmi.c on a machine with AVX2. Emulated instructions are functions:
 * inlined, all these loops take long to compile. */
#define EMU       static __attribute__((noinline, unused))
#define NK_INLINE static __attribute__((noinline, unused))
#include <stdbool.h>

#include "tests/x86/emulate_vbmi512.h"

#undef _mm256_dpbusd_epi32
#undef _mm256_dpwssd_epi32
#define nk_x86_dot_simple_avx512vbmi test_emulated_dot_simple_avx512vbmi
#define __AVX512BW__                 1
#define __AVX512DQ__                 1
#define __AVX512VNNI__               1
#define __AVX512VL__                 1
#define __AVX512VBMI__               1
#define _mm256_dpbusd_epi32          emu_dpbusd_avx_epi32
#define _mm256_dpwssd_epi32          emu_dpwssd_avx_epi32
#include "kernels/x86/dot_simple_avx512vbmi.c"
