/* kernels/x86/gemm_bf16_amx.c on a machine with AVX2. */
#include "tests/x86/emulate_amx.h"
#include "tests/x86/emulate_bf16.h"

#include "tests/kernels.h"

#define __AVX512BW__         1
#define nk_x86_gemm_bf16_amx test_emulated_gemm_bf16_amx
#include "kernels/x86/gemm_bf16_amx.c"

bool test_emulated_pair_tiles_idle(void)
{
    return emu_idle();
}
