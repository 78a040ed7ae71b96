/* kernels/x86/dot_grid_avx512.c on a machine with AVX2. */
#include <stdbool.h>

#include "tests/x86/emulate_vbmi512.h"

/* v, where a bit of k is set a - b */
EMU __m256i emu_mask_sub_epi8(__m256i v, uint32_t k, __m256i a, __m256i b)
{
    int8_t to[32], from[32], less[32];
    memcpy(to, &v, sizeof to);
    memcpy(from, &a, sizeof from);
    memcpy(less, &b, sizeof less);
    for (int i = 0; i < 32; i++)
        to[i] = k >> i & 1 ? (int8_t)(from[i] - less[i]) : to[i];
    memcpy(&v, to, sizeof v);
    return v;
}

#undef _mm256_dpbusd_epi32
#undef _mm256_dpwssd_epi32
#define nk_x86_dot_grid_avx512 test_emulated_dot_grid_avx512
#define __AVX512VNNI__         1
#define __AVX512BW__           1
#define __AVX512DQ__           1
#define __AVX512VL__           1
#define _mm256_dpbusd_epi32    emu_dpbusd_avx_epi32
#define _mm256_dpwssd_epi32    emu_dpwssd_avx_epi32
#define _mm256_mask_sub_epi8   emu_mask_sub_epi8
#include "kernels/x86/dot_grid_avx512.c"
