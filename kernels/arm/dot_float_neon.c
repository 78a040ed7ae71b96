#include "kernels/arm/arm.h"

#include <arm_neon.h>
#include <string.h>

#define NK_INLINE static inline __attribute__((always_inline))

/* Float rows against f32. */

typedef const unsigned char bytes;
typedef float32x4_t four_fn(bytes *p, size_t i); /* elements i..i+3 */

NK_INLINE float32x4_t four_f32(bytes *p, size_t i)
{
    return vreinterpretq_f32_u8(vld1q_u8(p + 4 * i));
}

NK_INLINE float32x4_t four_f16(bytes *p, size_t i)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p + 2 * i)));
}

NK_INLINE float32x4_t four_bf16(bytes *p, size_t i)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p + 2 * i)), 16));
}

/* Elements i..n-1, fewer than four, zero-filled. */
NK_INLINE float32x4_t rest_of(four_fn *four, size_t size, bytes *p, size_t i, size_t n)
{
    unsigned char last[16] = {0};
    memcpy(last, p + i * size, (n - i) * size);
    return four(last, 0);
}

/* Two sums apart, so that one does not wait for its own additions. */
NK_INLINE float float_dot(four_fn *four, size_t size, size_t n, bytes *w, bytes *x)
{
    float32x4_t even = vdupq_n_f32(0), odd = even;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        even = vfmaq_f32(even, four(w, i), four_f32(x, i));
        odd = vfmaq_f32(odd, four(w, i + 4), four_f32(x, i + 4));
    }
    for (; i + 4 <= n; i += 4)
        even = vfmaq_f32(even, four(w, i), four_f32(x, i));
    if (i < n)
        odd = vfmaq_f32(odd, rest_of(four, size, w, i, n), rest_of(four_f32, 4, x, i, n));
    return vaddvq_f32(vaddq_f32(even, odd));
}

static float dot_f32(size_t n, const void *w, const void *x)
{
    return float_dot(four_f32, 4, n, w, x);
}

static float dot_f16(size_t n, const void *w, const void *x)
{
    return float_dot(four_f16, 2, n, w, x);
}

static float dot_bf16(size_t n, const void *w, const void *x)
{
    return float_dot(four_bf16, 2, n, w, x);
}

void nk_arm_float_neon(nk_ops *ops)
{
    ops->dot[NK_F32] = dot_f32;
    ops->dot[NK_F16] = dot_f16;
    ops->dot[NK_BF16] = dot_bf16;
}
