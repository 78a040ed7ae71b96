#include "kernels/x86/avx2.h"
#include "kernels/x86/burst.h"
#include "kernels/x86/x86.h"

static uint64_t int8(size_t turns)
{
    NK_UNSET __m256i sum[CHAINS];
    __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(-5);
#pragma GCC unroll 10
    for (int k = 0; k < CHAINS; k++)
        sum[k] = _mm256_setzero_si256();
    for (size_t i = 0; i < turns; i++)
#pragma GCC unroll 10
        for (int k = 0; k < CHAINS; k++) {
            HOLD(a);
            sum[k] = _mm256_dpbusd_avx_epi32(sum[k], a, b);
        }
#pragma GCC unroll 10
    for (int k = 0; k < CHAINS; k++)
        HOLD(sum[k]);
    return (uint64_t)turns * CHAINS * sizeof(__m256i);
}

void nk_x86_burst_avxvnni(nk_ops *ops)
{
    ops->burst.int8 = int8;
}
