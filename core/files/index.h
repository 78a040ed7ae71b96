/* A hash index from NUL-terminated names to numbers: what makes key and tensor lookups, and the
 * refusal of duplicates, linear over a file (reliability A7). Private to core/files. */
#ifndef NIBBLE_INDEX_H
#define NIBBLE_INDEX_H

#include "kernels/nb.h"

typedef struct nb_index {
    uint32_t *slot; /* [cap] 1 + item number; 0 = free; owned */
    uint32_t *hash; /* [cap] */
    size_t cap, n;  /* cap is a power of two, at least twice n */
} nb_index;

uint32_t nb_index_hash(const char *name, size_t len);
/* Room for one more item. */
nb_status nb_index_grow(nb_index *x, nb_err *err);
/* Calls same(arg, item) for items of equal hash; the item that is the same, or SIZE_MAX. */
size_t nb_index_find(const nb_index *x, uint32_t hash, bool (*same)(const void *arg, size_t item),
                     const void *arg);
/* After nb_index_grow: adds item (not there yet). */
void nb_index_add(nb_index *x, uint32_t hash, size_t item);
void nb_index_free(nb_index *x);

#endif
