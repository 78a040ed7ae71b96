#include "kernels/x86/avx2.h"
#include "kernels/x86/burst.h"
#include "kernels/x86/x86.h"

static uint64_t int8(size_t turns)
{
    NK_UNSET __m256i sum[CHAINS];
    __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(-5), one = _mm256_set1_epi16(1);
#pragma GCC unroll 10
    for (int k = 0; k < CHAINS; k++)
        sum[k] = _mm256_setzero_si256();
    for (size_t i = 0; i < turns; i++)
#pragma GCC unroll 10
        for (int k = 0; k < CHAINS; k++) {
            HOLD(a);
            __m256i pairs = _mm256_maddubs_epi16(a, b);
            sum[k] = _mm256_add_epi32(sum[k], _mm256_madd_epi16(pairs, one));
        }
#pragma GCC unroll 10
    for (int k = 0; k < CHAINS; k++)
        HOLD(sum[k]);
    return (uint64_t)turns * CHAINS * sizeof(__m256i);
}

static uint64_t f32(size_t turns)
{
    NK_UNSET __m256 sum[CHAINS];
    __m256 a = _mm256_set1_ps(1), b = _mm256_set1_ps(0x1p-20F);
#pragma GCC unroll 10
    for (int k = 0; k < CHAINS; k++)
        sum[k] = _mm256_setzero_ps();
    for (size_t i = 0; i < turns; i++)
#pragma GCC unroll 10
        for (int k = 0; k < CHAINS; k++) {
            HOLD(a);
            sum[k] = _mm256_fmadd_ps(a, b, sum[k]);
        }
#pragma GCC unroll 10
    for (int k = 0; k < CHAINS; k++)
        HOLD(sum[k]);
    return (uint64_t)turns * CHAINS * (sizeof(__m256) / sizeof(float));
}

void nk_x86_burst_avx2(nk_ops *ops)
{
    ops->burst = (nk_bursts){.int8 = int8, .f32 = f32};
}
