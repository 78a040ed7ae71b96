/* A hash index from names to numbers: what makes key and tensor lookups, and the refusal of
 * duplicates, linear over a file (reliability A7). Names come from files, so each index hashes with
 * a secret of its own: no file can be made whose names collide. The secret decides only where a
 * name lies, never what is found. Private to core/files. */
#ifndef NIBBLE_INDEX_H
#define NIBBLE_INDEX_H

#include "kernels/nb.h"

typedef struct nb_index {
    uint32_t *slot; /* [cap] 1 + item number; 0 = free; owned */
    uint32_t *hash; /* [cap] */
    size_t cap, n;  /* cap is a power of two, at least twice n */
    uint64_t secret[2];
} nb_index;

/* Tells whether item is the one that was asked for. */
typedef bool nb_index_same(const void *arg, size_t item);

/* The item called name, that is the one of equal hash for which same(arg, item) holds; SIZE_MAX
 * when there is none. name is any len bytes; x may be zeroed. */
size_t nb_index_find(const nb_index *x, const void *name, size_t len, nb_index_same *same,
                     const void *arg);
/* Adds item (not there yet). On failure the index is as before. */
nb_status nb_index_add(nb_index *x, const void *name, size_t len, size_t item, nb_err *err);
void nb_index_free(nb_index *x); /* frees, zeroes */

#endif
