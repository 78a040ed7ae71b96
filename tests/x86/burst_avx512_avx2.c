/* kernels/x86/burst_avx512.c on a machine with AVX2. */
#include "tests/x86/emulate_avx512.h"

#define HOLD(v)             (void)(v)
#define nk_x86_burst_avx512 test_emulated_burst_avx512
#include "kernels/x86/burst_avx512.c"
