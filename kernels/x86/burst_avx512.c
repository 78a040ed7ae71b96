#include "kernels/x86/avx2.h"
#include "kernels/x86/burst.h"
#include "kernels/x86/x86.h"

static uint64_t int8(size_t turns)
{
    NK_UNSET __m512i sum[CHAINS];
    __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-5);
#pragma GCC unroll 10
    for (int k = 0; k < CHAINS; k++)
        sum[k] = _mm512_setzero_si512();
    for (size_t i = 0; i < turns; i++)
#pragma GCC unroll 10
        for (int k = 0; k < CHAINS; k++) {
            HOLD(a);
            sum[k] = _mm512_dpbusd_epi32(sum[k], a, b);
        }
#pragma GCC unroll 10
    for (int k = 0; k < CHAINS; k++)
        HOLD(sum[k]);
    return (uint64_t)turns * CHAINS * sizeof(__m512i);
}

static uint64_t f32(size_t turns)
{
    NK_UNSET __m512 sum[CHAINS];
    __m512 a = _mm512_set1_ps(1), b = _mm512_set1_ps(0x1p-20F);
#pragma GCC unroll 10
    for (int k = 0; k < CHAINS; k++)
        sum[k] = _mm512_setzero_ps();
    for (size_t i = 0; i < turns; i++)
#pragma GCC unroll 10
        for (int k = 0; k < CHAINS; k++) {
            HOLD(a);
            sum[k] = _mm512_fmadd_ps(a, b, sum[k]);
        }
#pragma GCC unroll 10
    for (int k = 0; k < CHAINS; k++)
        HOLD(sum[k]);
    return (uint64_t)turns * CHAINS * (sizeof(__m512) / sizeof(float));
}

void nk_x86_burst_avx512(nk_ops *ops)
{
    ops->burst = (nk_bursts){.int8 = int8, .f32 = f32};
}
