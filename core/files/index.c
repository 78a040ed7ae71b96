#include "core/files/index.h"

#include <stdlib.h>

#include "core/base/str.h"

/* FNV-1a with a final mix. Names are bounded in number (65,536 keys, 2^20 tensors), so crafted
 * collisions cost at most a bounded walk of one cluster. */
uint32_t nb_index_hash(const char *name, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)name[i]) * 0x100000001b3u;
    h ^= h >> 32;
    return (uint32_t)(h * 0x9e3779b1u >> 3) ^ (uint32_t)h;
}

static void put(uint32_t *slot, uint32_t *hash, size_t cap, uint32_t h, uint32_t value)
{
    size_t i = h & (cap - 1);
    while (slot[i])
        i = (i + 1) & (cap - 1);
    slot[i] = value;
    hash[i] = h;
}

nb_status nb_index_grow(nb_index *x, nb_err *err)
{
    if ((x->n + 1) * 2 <= x->cap)
        return NB_OK;
    size_t cap = x->cap ? x->cap * 2 : 64;
    uint32_t *slot = nb_alloc(cap, sizeof *slot, "name index", err);
    uint32_t *hash = slot ? nb_alloc(cap, sizeof *hash, "name index", err) : NULL;
    if (!hash) {
        free(slot);
        return NB_NOMEM;
    }
    for (size_t i = 0; i < x->cap; i++)
        if (x->slot[i])
            put(slot, hash, cap, x->hash[i], x->slot[i]);
    free(x->slot);
    free(x->hash);
    x->slot = slot;
    x->hash = hash;
    x->cap = cap;
    return NB_OK;
}

size_t nb_index_find(const nb_index *x, uint32_t hash, bool (*same)(const void *arg, size_t item),
                     const void *arg)
{
    if (!x->cap)
        return SIZE_MAX;
    for (size_t i = hash & (x->cap - 1); x->slot[i]; i = (i + 1) & (x->cap - 1))
        if (x->hash[i] == hash && same(arg, x->slot[i] - 1))
            return x->slot[i] - 1;
    return SIZE_MAX;
}

void nb_index_add(nb_index *x, uint32_t hash, size_t item)
{
    put(x->slot, x->hash, x->cap, hash, (uint32_t)(item + 1));
    x->n++;
}

void nb_index_free(nb_index *x)
{
    free(x->slot);
    free(x->hash);
    *x = (nb_index){0};
}
