/* kernels/x86/gemm_amx.c on a machine with AVX2. */
#include "tests/x86/emulate_amx.h"
#include "tests/x86/emulate_avx512.h"

#include "tests/kernels.h"

#define nk_x86_gemm_amx test_emulated_gemm_amx
#include "kernels/x86/gemm_amx.c"

bool test_emulated_tiles_idle(void)
{
    return emu_idle() && test_emulated_pair_tiles_idle();
}
