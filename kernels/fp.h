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

/* --- eight bits: OCP 8-bit floating point 1.0, microscaling formats 1.0 ------------------------
 */

/* Sign, 4 exponent bits of bias 7, 3 of mantissa; no infinity, NaN is 0x7f and 0xff. */
static inline float nk_e4m3_to_f32(uint8_t v)
{
    if ((v & 0x7f) == 0x7f)
        return nk_bits_f32((uint32_t)(v & 0x80) << 24 | 0x7fc00000u);
    /* f16 with the exponent field one bit shorter: its bias is 15, so 2^8 too small */
    return nk_f16_to_f32((uint16_t)((v & 0x80) << 8 | (v & 0x7f) << 7)) * 256.0f;
}

/* Scale of an mxfp4 block, 2^(v - 128): levels are doubled, so it is half of e8m0, and 255 is a
 * number (ggml_e8m0_to_fp32_half, ggml-impl.h @ 0096646). */
static inline float nk_mxfp4_scale(uint8_t v)
{
    return nk_bits_f32(v < 2 ? 0x00200000u << v : (uint32_t)(v - 1) << 23);
}

/* Scale of 16 nvfp4 weights: half of e4m3 without its sign; 0x7f is 0, 0xff is 240
 * (ggml_ue4m3_to_fp32, ggml-impl.h @ 0096646). */
static inline float nk_nvfp4_scale(uint8_t v)
{
    return v == 0x7f ? 0.0f : nk_f16_to_f32((uint16_t)((v & 0x7f) << 7)) * 128.0f;
}

/* The nvfp4 scale code for x >= 0, half up, 448 at most (ggml_fp32_to_ue4m3). */
static inline uint8_t nk_f32_to_nvfp4(float x)
{
    if (!(x > 0))
        return 0;
    x = x > 448.0f ? 448.0f : x;
    uint32_t u = nk_f32_bits(x);
    if (u < 0x3c800000u) { /* below 2^-6: units of 2^-9, at most 7 of them */
        unsigned units = (unsigned)(x * 512.0f + 0.5f);
        return (uint8_t)(units > 7 ? 7 : units);
    }
    u = ((u >> 19) - (120u << 4) + 1) >> 1; /* exponent bias 127 -> 7, the 4th mantissa bit up */
    return u > 0x7e || u >> 3 == 15 ? 0x7e : (uint8_t)u;
}

#endif
