/* kernels/x86/measure_avx512.c on a machine with AVX2. */
#include <stdbool.h>

#include "tests/x86/emulate_lanes512.h"

#define nk_x86_measure_avx512 test_emulated_measure_avx512
#include "kernels/x86/measure_avx512.c"
