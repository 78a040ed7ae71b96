#include "kernels/arm/arm.h"
#include "kernels/arm/burst.h"

static uint64_t int8(size_t turns)
{
    int32x4_t sum[CHAINS];
    int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(-5);
#pragma GCC unroll 12
    for (int k = 0; k < CHAINS; k++)
        sum[k] = vdupq_n_s32(0);
    for (size_t i = 0; i < turns; i++)
#pragma GCC unroll 12
        for (int k = 0; k < CHAINS; k++) {
            HOLD(a);
            sum[k] = vdotq_s32(sum[k], a, b);
        }
#pragma GCC unroll 12
    for (int k = 0; k < CHAINS; k++)
        HOLD(sum[k]);
    return (uint64_t)turns * CHAINS * 16;
}

void nk_arm_burst_dotprod(nk_ops *ops)
{
    ops->burst.int8 = int8;
}
