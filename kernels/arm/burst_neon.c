#include "kernels/arm/arm.h"
#include "kernels/arm/burst.h"

BURST(int8, int32x4_t, vdupq_n_s32(0), int8x8_t a = vdup_n_s8(3);
      const int8x8_t b = vdup_n_s8(-5), sum[k] = vpadalq_s16(sum[k], vmull_s8(a, b)), 8)
BURST(f32, float32x4_t, vdupq_n_f32(0), float32x4_t a = vdupq_n_f32(1);
      const float32x4_t b = vdupq_n_f32(0x1p-20F), sum[k] = vfmaq_f32(sum[k], a, b), 4)

void nk_arm_burst_neon(nk_ops *ops)
{
    ops->burst = (nk_bursts){.int8 = int8, .f32 = f32};
}
