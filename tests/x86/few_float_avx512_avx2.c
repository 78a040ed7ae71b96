/* kernels/x86/few_float_avx512.c on a machine with AVX2. Emulated instructions are functions:
 * inlined, all these loops take minutes to compile. */
#define EMU       static __attribute__((noinline, unused))
#define NK_INLINE static __attribute__((noinline, unused))
#include <stdbool.h>

#include "tests/x86/emulate_rows512.h"

#define NK_REGISTER             "+m"
#define nk_x86_few_float_avx512 test_emulated_few_float_avx512
#include "kernels/x86/few_float_avx512.c"
