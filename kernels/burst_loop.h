/* The loop of a burst (kernels/burst.h), written once for every level. Included by files that say
 * before what HOLD is: v as the compiler does not know it, so that each turn is computed, without
 * an instruction. */
#ifndef NIBBLE_BURST_LOOP_H
#define NIBBLE_BURST_LOOP_H

#include <stddef.h>
#include <stdint.h>

enum { CHAINS = 12 }; /* latencies of 3 to 5 at two to four a cycle */

/* clang-format off */
/* name: `turns` turns of `step`, which adds `products` multiply-adds of a and b to the register sum[k]. */
#define BURST(name, vector, zero, operands, step, products)                                        \
    static uint64_t name(size_t turns)                                                             \
    {                                                                                              \
        vector sum[CHAINS];                                                                        \
        operands;                                                                                  \
        _Pragma("GCC unroll 12") for (int k = 0; k < CHAINS; k++) sum[k] = zero;                   \
        for (size_t i = 0; i < turns; i++)                                                         \
            _Pragma("GCC unroll 12") for (int k = 0; k < CHAINS; k++)                              \
            {                                                                                      \
                HOLD(a);                                                                           \
                step;                                                                              \
            }                                                                                      \
        _Pragma("GCC unroll 12") for (int k = 0; k < CHAINS; k++) HOLD(sum[k]);                    \
        return (uint64_t)turns * CHAINS * (products);                                              \
    }
/* clang-format on */

#endif
