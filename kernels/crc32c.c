#include "kernels/crc32c.h"

#include "kernels/cpu.h"
#include "kernels/crc32c_table.h"
#if defined(__x86_64__)
#include "kernels/x86/x86.h"
#elif defined(__aarch64__)
#include "kernels/arm/arm.h"
#endif

/* One byte a step, as the definition has it. */
static uint32_t by_byte(uint32_t state, const uint8_t *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        state = state >> 8 ^ nk_crc32c_table[0][(state ^ at[i]) & 0xff];
    return state;
}

/* Eight bytes a step: byte k's table already holds what the 7-k bytes behind it do to it (Kounavis
 * and Berry, "A Systematic Approach to Building High Performance Software-based CRC Generators").
 */
uint32_t nk_crc32c_c(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    uint32_t state = ~crc;
    for (; n >= 8; n -= 8, at += 8) {
        uint32_t lo = state ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                               (uint32_t)at[3] << 24);
        state = nk_crc32c_table[7][lo & 0xff] ^ nk_crc32c_table[6][lo >> 8 & 0xff] ^
                nk_crc32c_table[5][lo >> 16 & 0xff] ^ nk_crc32c_table[4][lo >> 24] ^
                nk_crc32c_table[3][at[4]] ^ nk_crc32c_table[2][at[5]] ^ nk_crc32c_table[1][at[6]] ^
                nk_crc32c_table[0][at[7]];
    }
    return ~by_byte(state, at, n);
}

#if defined(__x86_64__)
nk_crc32c_fn *nk_crc32c(unsigned cpu_flags)
{
    /* SSE4.2 is older than AVX2 and has no level of its own. */
    return cpu_flags & NK_CPU_AVX2 ? nk_x86_crc32c_sse42 : nk_crc32c_c;
}
#elif defined(__aarch64__)
nk_crc32c_fn *nk_crc32c(unsigned cpu_flags)
{
    /* Optional in ARMv8.0, part of 8.1; dot products came with 8.2. */
    return cpu_flags & NK_CPU_DOTPROD ? nk_arm_crc32c_crc32 : nk_crc32c_c;
}
#else
nk_crc32c_fn *nk_crc32c(unsigned cpu_flags)
{
    (void)cpu_flags;
    return nk_crc32c_c;
}
#endif
