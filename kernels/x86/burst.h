/* What the bursts of x86 levels share (kernels/burst.h). */
#ifndef NIBBLE_X86_BURST_H
#define NIBBLE_X86_BURST_H

enum { CHAINS = 10 }; /* latency 4 or 5 at two a cycle */

/* v as the compiler does not know it: each turn is computed. No instruction. */
#ifndef HOLD
#define HOLD(v) __asm__ volatile("" : "+v"(v))
#endif

#endif
