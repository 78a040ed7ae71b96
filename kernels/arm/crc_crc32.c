#include "kernels/arm/arm.h"

#include <arm_acle.h>
#include <string.h>

/* One chain, 8 bytes an instruction; as kernels/x86/crc_sse42.c. */
uint32_t nk_arm_crc32c_crc32(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    uint32_t state = ~crc;
    for (; n >= 8; n -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        state = __crc32cd(state, word);
    }
    for (; n; n--)
        state = __crc32cb(state, *at++);
    return ~state;
}
