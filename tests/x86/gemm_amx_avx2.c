/* kernels/x86/gemm_amx.c on a machine with AVX2. */
#include "tests/x86/emulate_amx.h"
#include "tests/x86/emulate_avx512.h"

#include "tests/kernels.h"

#define nk_x86_gemm_amx test_emulated_gemm_amx
#include "kernels/x86/gemm_amx.c"

bool test_emulated_tiles_idle(void)
{
    for (int t = 0; t < EMU_TILES; t++)
        if (emu_tiles[t].rows)
            return false;
    return true;
}
