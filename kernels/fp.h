/* The only f16 / bf16 / fp8 <-> f32 conversions: IEEE, round to nearest even, NaN kept a NaN,
 * subnormals kept. Scalar and exact; SIMD kernels use the CPU's own instructions, which agree bit
 * for bit. bf16 rounding as ggml_compute_fp32_to_bf16 (ggml-impl.h @ d99724f): NaN gets its quiet
 * bit. */
#ifndef NIBBLE_FP_H
#define NIBBLE_FP_H

#include <stdint.h>
#include <string.h>

static inline uint32_t nk_f32_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float nk_bits_f32(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline float nk_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exp = (h >> 10) & 31u;
    uint32_t man = h & 0x3ffu;
    if (exp == 31)
        return nk_bits_f32(sign | 0x7f800000u | (man << 13) | (man ? 0x400000u : 0));
    if (exp == 0) /* zero or subnormal: man * 2^-24, exact in f32 */
        return nk_bits_f32(sign | nk_f32_bits((float)man * 0x1p-24f));
    return nk_bits_f32(sign | ((exp + 112u) << 23) | (man << 13));
}

static inline uint16_t nk_f32_to_f16(float f)
{
    uint32_t u = nk_f32_bits(f);
    uint32_t sign = (u >> 16) & 0x8000u;
    uint32_t abs = u & 0x7fffffffu;
    if (abs >= 0x7f800000u) /* Inf, NaN */
        return (uint16_t)(sign | 0x7c00u |
                          (abs > 0x7f800000u ? 0x200u | ((abs >> 13) & 0x3ffu) : 0));
    if (abs >= 0x477ff000u) /* rounds to 65536 or more */
        return (uint16_t)(sign | 0x7c00u);
    if (abs < 0x38800000u) { /* below 2^-14: subnormal; adding 0.5 rounds to units of 2^-24 */
        float r = nk_bits_f32(abs) + 0.5f;
        return (uint16_t)(sign | (nk_f32_bits(r) - 0x3f000000u));
    }
    uint32_t odd = (abs >> 13) & 1u;
    return (uint16_t)(sign | ((abs - 0x38000000u + 0xfffu + odd) >> 13));
}

/* OCP 8-bit floats (arXiv 2209.05433): e4m3 has no infinity, S.1111.111 is NaN. */
static inline float nk_e4m3_to_f32(uint8_t b)
{
    uint32_t sign = (uint32_t)(b & 0x80u) << 24, exp = (b >> 3) & 15u, man = b & 7u;
    if (exp == 15 && man == 7)
        return nk_bits_f32(sign | 0x7fc00000u);
    if (exp == 0) /* man * 2^-9 */
        return nk_bits_f32(sign | nk_f32_bits((float)man * 0x1p-9f));
    return nk_bits_f32(sign | ((exp + 120u) << 23) | (man << 20));
}

/* e5m2 is the upper byte of an f16. */
static inline float nk_e5m2_to_f32(uint8_t b)
{
    return nk_f16_to_f32((uint16_t)((uint16_t)b << 8));
}

static inline float nk_bf16_to_f32(uint16_t h)
{
    return nk_bits_f32((uint32_t)h << 16);
}

static inline uint16_t nk_f32_to_bf16(float f)
{
    uint32_t u = nk_f32_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((u >> 16) | 64u);
    return (uint16_t)((u + (0x7fffu + ((u >> 16) & 1u))) >> 16);
}

#endif
