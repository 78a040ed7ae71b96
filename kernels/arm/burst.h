/* HOLD of kernels/burst_loop.h for arm64. */
#ifndef NIBBLE_ARM_BURST_H
#define NIBBLE_ARM_BURST_H

#if defined(__aarch64__)

#include <arm_neon.h>

#define HOLD(v) __asm__ volatile("" : "+w"(v))

#include "kernels/burst_loop.h"

#endif
#endif
