#include "kernels/arm/arm.h"
#include "kernels/arm/burst.h"

BURST(int8, int32x4_t, vdupq_n_s32(0), int8x16_t a = vdupq_n_s8(3);
      const int8x16_t b = vdupq_n_s8(-5), sum[k] = vmmlaq_s32(sum[k], a, b), 32)

void nk_arm_burst_i8mm(nk_ops *ops)
{
    ops->burst.int8 = int8;
}
