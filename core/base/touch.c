#include "core/base/touch.h"

#include <sys/mman.h>
#include <unistd.h>

void nb_touch(void *at, uint64_t n)
{
#ifdef MADV_POPULATE_WRITE
    long page = sysconf(_SC_PAGESIZE);
    uintptr_t begin = (uintptr_t)at & ~((uintptr_t)(page > 0 ? page : 4096) - 1);
    (void)madvise((void *)begin, (uintptr_t)at + (uintptr_t)n - begin, MADV_POPULATE_WRITE);
#else
    (void)at, (void)n;
#endif
}
