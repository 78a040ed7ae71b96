/* Memory for the fake Hub: without it the process ends. */
#ifndef NIBBLE_TEST_HUB_MEM_H
#define NIBBLE_TEST_HUB_MEM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void *hub_alloc(size_t n) /* zeroed */
{
    void *p = calloc(1, n ? n : 1);
    if (!p) {
        fprintf(stderr, "fake hub: no memory for %zu bytes\n", n);
        abort();
    }
    return p;
}

static inline char *hub_strndup(const char *s, size_t n)
{
    char *copy = hub_alloc(n + 1);
    memcpy(copy, s, n);
    return copy;
}

/* NULL stays NULL. */
static inline char *hub_strdup(const char *s)
{
    return s ? hub_strndup(s, strlen(s)) : NULL;
}

/* Room for one more element of `size` bytes in a block of `n`, doubled at powers of two. */
static inline void *hub_grow(void *block, size_t n, size_t size)
{
    if (n & (n - 1) || (n && n < 8))
        return block;
    void *p = realloc(block, (n ? 2 * n : 8) * size);
    if (!p) {
        fprintf(stderr, "fake hub: no memory for %zu elements\n", n);
        abort();
    }
    return p;
}

#endif
