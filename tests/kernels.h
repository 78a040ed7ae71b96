/* What the kernel tests share: the function tables of every level this machine has, [0] the pure-C
 * reference all others are measured against. */
#ifndef NIBBLE_TEST_KERNELS_H
#define NIBBLE_TEST_KERNELS_H

#include "kernels/cpu.h"
#include "kernels/ops.h"

#include <string.h>

enum { MAX_LEVELS = 8 };

typedef struct test_level {
    const char *name;
    nk_ops ops;
} test_level;

static inline size_t test_levels(test_level out[MAX_LEVELS])
{
    static const char *const names[] = {"scalar", "avx2", "avxvnni", "avx512",
                                        "amx",    "neon", "dotprod", "i8mm"};
    unsigned have = nk_cpu_detect(), flags;
    size_t n = 0;
    for (size_t i = 0; i < countof(names); i++) {
        if (nk_cpu_cap(have, names[i], &flags, NULL) != NB_OK)
            continue;
        out[n].name = names[i];
        nk_ops_init(&out[n].ops, flags);
        /* a level without kernels of its own is the one below: once is enough */
        const size_t skip = offsetof(nk_ops, dot);
        if (n == 0 || memcmp((char *)&out[n].ops + skip, (char *)&out[n - 1].ops + skip,
                             sizeof(nk_ops) - skip) != 0)
            n++;
    }
    return n;
}

#endif
