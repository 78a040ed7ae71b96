/* CRC-32C (Castagnoli: iSCSI, RFC 3720 appendix B.4; reflected polynomial 0x82f63b78), the check of
 * every segment of a download. Running: start with 0, pass the result on; the usual inversions
 * before and after are inside, so that crc(a + b) = crc(crc(0, a), b).
 *
 * The CPU's own instruction where the flags have it, else eight tables (slicing-by-8). All give the
 * same value for the same bytes at any address. */
#ifndef NIBBLE_CRC32C_H
#define NIBBLE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t nk_crc32c_fn(uint32_t crc, const void *bytes, size_t n);

/* The fastest for these CPU flags (cpu.h); flags 0 = the C reference. Keep the pointer: choosing is
 * cheap, detecting flags is not. */
nk_crc32c_fn *nk_crc32c(unsigned cpu_flags);

nk_crc32c_fn nk_crc32c_c; /* the reference */

#endif
