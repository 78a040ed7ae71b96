/* What the bursts of arm64 levels share (kernels/burst.h). */
#ifndef NIBBLE_ARM_BURST_H
#define NIBBLE_ARM_BURST_H

#if defined(__aarch64__)

#include <arm_neon.h>

enum { CHAINS = 12 }; /* latency 3 or 4 at up to four a cycle */

/* v as the compiler does not know it: each turn is computed. No instruction. */
#define HOLD(v) __asm__ volatile("" : "+w"(v))

#endif
#endif
