#include "kernels/arm/arm.h"
#include "kernels/arm/burst.h"

static uint64_t int8(size_t turns)
{
    int32x4_t sum[CHAINS];
    int8x8_t a = vdup_n_s8(3), b = vdup_n_s8(-5);
#pragma GCC unroll 12
    for (int k = 0; k < CHAINS; k++)
        sum[k] = vdupq_n_s32(0);
    for (size_t i = 0; i < turns; i++)
#pragma GCC unroll 12
        for (int k = 0; k < CHAINS; k++) {
            HOLD(a);
            sum[k] = vpadalq_s16(sum[k], vmull_s8(a, b));
        }
#pragma GCC unroll 12
    for (int k = 0; k < CHAINS; k++)
        HOLD(sum[k]);
    return (uint64_t)turns * CHAINS * 8;
}

static uint64_t f32(size_t turns)
{
    float32x4_t sum[CHAINS];
    float32x4_t a = vdupq_n_f32(1), b = vdupq_n_f32(0x1p-20F);
#pragma GCC unroll 12
    for (int k = 0; k < CHAINS; k++)
        sum[k] = vdupq_n_f32(0);
    for (size_t i = 0; i < turns; i++)
#pragma GCC unroll 12
        for (int k = 0; k < CHAINS; k++) {
            HOLD(a);
            sum[k] = vfmaq_f32(sum[k], a, b);
        }
#pragma GCC unroll 12
    for (int k = 0; k < CHAINS; k++)
        HOLD(sum[k]);
    return (uint64_t)turns * CHAINS * 4;
}

void nk_arm_burst_neon(nk_ops *ops)
{
    ops->burst = (nk_bursts){.int8 = int8, .f32 = f32};
}
