/* HOLD of kernels/burst_loop.h for x86-64; emulated vectors are in no register. */
#ifndef NIBBLE_X86_BURST_H
#define NIBBLE_X86_BURST_H

#ifndef HOLD
#define HOLD(v) __asm__ volatile("" : "+v"(v))
#endif

#include "kernels/burst_loop.h"

#endif
