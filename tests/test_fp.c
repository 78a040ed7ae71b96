/* f16, bf16 and 8-bit conversions over their whole domain: every half both ways, every rounding
 * boundary between neighbours, and against the CPU's own instructions where it has them. */
#include "tests/check.h"
#include "tests/util.h"

#include "kernels/cpu.h"
#include "kernels/fp.h"
#include "kernels/nb.h"

#include <math.h>

static float f16_by_definition(uint32_t h)
{
    uint32_t exp = h >> 10 & 31, man = h & 1023;
    float v = exp ? ldexpf((float)(1024 + man), (int)exp - 25) : ldexpf((float)man, -24);
    if (exp == 31)
        v = man ? NAN : INFINITY;
    return h & 0x8000 ? -v : v;
}

CHECK_TEST(fp, every_half_means_what_ieee_says)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float f = nk_f16_to_f32((uint16_t)h), want = f16_by_definition(h);
        if (want != want) {
            check(f != f && nk_f32_to_f16(f) == (h | 0x200), "NaN %04x", h);
            continue;
        }
        check(nk_f32_bits(f) == nk_f32_bits(want), "%04x: %a", h, (double)f);
        check(nk_f32_to_f16(f) == h, "%04x does not come back", h);
    }
}

/* Between two neighbours all floats up to the midpoint round down, the rest up, the midpoint to the
 * even one; testing both sides of each midpoint therefore tests every float. */
CHECK_TEST(fp, halves_round_to_nearest_even)
{
    for (uint32_t h = 0; h < 0x7c00; h++) {
        double low = (double)f16_by_definition(h);
        double high = h == 0x7bff ? 65536 : (double)f16_by_definition(h + 1);
        float mid = (float)((low + high) / 2); /* exact: one bit more than a half has */
        for (uint32_t sign = 0; sign <= 0x8000; sign += 0x8000) {
            float s = sign ? -1.0f : 1.0f;
            uint16_t even = (uint16_t)((h & 1 ? h + 1 : h) | sign);
            check(nk_f32_to_f16(s * mid) == even, "tie above %04x", h | sign);
            check(nk_f32_to_f16(s * nextafterf(mid, 0)) == (h | sign), "below %a", (double)mid);
            check(nk_f32_to_f16(s * nextafterf(mid, INFINITY)) == (h + 1) + sign, "above %a",
                  (double)mid);
        }
    }
    check(nk_f32_to_f16(3e38f) == 0x7c00 && nk_f32_to_f16(-INFINITY) == 0xfc00, "overflow");
    check(nk_f32_to_f16(0x1p-149f) == 0 && nk_f32_to_f16(-0.0f) == 0x8000, "underflow");
}

CHECK_TEST(fp, bf16_is_the_rounded_upper_half)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float f = nk_bf16_to_f32((uint16_t)h);
        check(nk_f32_bits(f) == h << 16, "%04x", h);
        if (f != f) {
            check(nk_f32_to_bf16(f) == (h | 0x40), "NaN %04x", h);
            check(nk_f32_to_bf16(nk_bits_f32(h << 16 | 1)) == (h | 0x40), "NaN %04x0001", h);
            continue;
        }
        uint16_t up = (uint16_t)(h + 1), even = h & 1 ? up : (uint16_t)h;
        check(nk_f32_to_bf16(f) == h, "%04x does not come back", h);
        if ((h & 0x7fff) == 0x7f80)
            continue; /* Inf has no neighbour above */
        check(nk_f32_to_bf16(nk_bits_f32(h << 16 | 0x7fff)) == h, "%04x7fff", h);
        check(nk_f32_to_bf16(nk_bits_f32(h << 16 | 0x8000)) == even, "%04x8000", h);
        check(nk_f32_to_bf16(nk_bits_f32(h << 16 | 0x8001)) == up, "%04x8001", h);
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("f16c"))) static float hardware_to_f32(uint16_t h)
{
    return _cvtsh_ss(h);
}

__attribute__((target("f16c"))) static uint16_t hardware_to_f16(float f)
{
    return (uint16_t)_cvtss_sh(f, _MM_FROUND_TO_NEAREST_INT);
}

CHECK_TEST(fp, halves_agree_with_f16c)
{
    if (!(nk_cpu_detect() & NK_CPU_AVX2)) /* counts F16C in */
        check_skip("this CPU has no F16C");
    for (uint32_t h = 0; h < 65536; h++)
        check(nk_f32_bits(nk_f16_to_f32((uint16_t)h)) == nk_f32_bits(hardware_to_f32((uint16_t)h)),
              "%04x", h);
    test_rng r = test_rng_make(16);
    for (int i = 0; i < 2000000; i++) { /* all bit patterns, then exponents near f16's range */
        uint32_t u = (uint32_t)test_u64(&r);
        if (i & 1)
            u = (u & 0x807fffff) | (98 + u % 48) << 23;
        float f = nk_bits_f32(u);
        check(nk_f32_to_f16(f) == hardware_to_f16(f), "%08x", u);
    }
}
#endif

static float fp8_by_definition(int v, int exp_bits, int bias)
{
    int man_bits = 7 - exp_bits, man = v & ((1 << man_bits) - 1),
        exp = v >> man_bits & ((1 << exp_bits) - 1);
    float f = exp ? ldexpf((float)((1 << man_bits) + man), exp - bias - man_bits)
                  : ldexpf((float)man, 1 - bias - man_bits);
    return v & 0x80 ? -f : f;
}

CHECK_TEST(fp, every_byte_means_what_its_format_says)
{
    for (int v = 0; v < 256; v++) {
        float e4 = nk_e4m3_to_f32((uint8_t)v);
        if ((v & 0x7f) == 0x7f)
            check(isnan(e4), "e4m3 %02x", v);
        else
            check(nk_f32_bits(e4) == nk_f32_bits(fp8_by_definition(v, 4, 7)), "e4m3 %02x: %g", v,
                  (double)e4);
        check(nk_mxfp4_scale((uint8_t)v) == ldexpf(1, v - 128), "mxfp4 scale %02x", v);
        float nv = v == 0x7f ? 0 : fp8_by_definition(v & 0x7f, 4, 7) / 2;
        check(nk_nvfp4_scale((uint8_t)v) == nv, "nvfp4 scale %02x", v);
    }
}

/* Each scale code comes back; between two of them the upper one from the middle on; 256 and up is
 * the greatest, as in ggml. */
CHECK_TEST(fp, nvfp4_scales_round_half_up)
{
    for (int v = 0; v < 0x78; v++) {
        float low = fp8_by_definition(v, 4, 7), high = fp8_by_definition(v + 1, 4, 7);
        float mid = (low + high) / 2, below = nk_bits_f32(nk_f32_bits(mid) - 1);
        int up = v == 7 ? 7 : v == 0x77 ? 0x7e : v + 1; /* 7 is the last below 2^-6 */
        check(nk_f32_to_nvfp4(low) == v, "%02x: %02x", v, nk_f32_to_nvfp4(low));
        check(nk_f32_to_nvfp4(mid) == up, "%a: %02x", (double)mid, nk_f32_to_nvfp4(mid));
        check(v < 8 || nk_f32_to_nvfp4(below) == v, /* sums of the small ones round up to it */
              "%a: %02x", (double)below, nk_f32_to_nvfp4(below));
    }
    static const float ends[] = {256, 448, 1e30f, INFINITY};
    for (size_t i = 0; i < countof(ends); i++)
        check(nk_f32_to_nvfp4(ends[i]) == 0x7e, "%g", (double)ends[i]);
    check(nk_f32_to_nvfp4(0) == 0 && nk_f32_to_nvfp4(-1) == 0 && nk_f32_to_nvfp4(NAN) == 0, "zero");
}
