/* kernels/x86/dot_levels_avx512.c on a machine with AVX2. Emulated instructions are functions:
 * inlined, all these loops take long to compile. */
#define EMU       static __attribute__((noinline, unused))
#define NK_INLINE static __attribute__((noinline, unused))
#include <stdbool.h>

#include "tests/x86/emulate_vbmi512.h"

#define nk_x86_dot_levels_avx512 test_emulated_dot_levels_avx512
#define __AVX512BW__             1
#define __AVX512DQ__             1
#define __AVX512VNNI__           1
#define __AVX512VL__             1
#include "kernels/x86/dot_levels_avx512.c"
