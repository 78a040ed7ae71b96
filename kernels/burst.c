#include "kernels/burst.h"

enum { CHAINS = 8 };

/* v as the compiler does not know it, so that each turn is computed. */
#define HOLD(v) __asm__ volatile("" : "+r"(v))

uint64_t nk_burst_int8(size_t turns)
{
    int32_t sum[CHAINS] = {0};
    int a = 3, b = -5;
    for (size_t i = 0; i < turns; i++)
        for (int k = 0; k < CHAINS; k++) {
            HOLD(a);
            sum[k] = (int32_t)((uint32_t)sum[k] + (uint32_t)((int8_t)a * (int8_t)b));
        }
    for (int k = 0; k < CHAINS; k++)
        HOLD(sum[k]);
    return (uint64_t)turns * CHAINS;
}

uint64_t nk_burst_f32(size_t turns)
{
    float sum[CHAINS] = {0};
    uint32_t one = 1;
    HOLD(one);
    float a = (float)one, b = 0x1p-20F * (float)one;
    for (size_t i = 0; i < turns; i++)
        for (int k = 0; k < CHAINS; k++)
            sum[k] = sum[k] * a + b;
    uint32_t all = 0;
    for (int k = 0; k < CHAINS; k++)
        all += (uint32_t)sum[k];
    HOLD(all);
    return (uint64_t)turns * CHAINS;
}
