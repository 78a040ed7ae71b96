#include "core/files/index.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/str.h"

enum { FIRST_CAP = 64 };

static uint64_t rotate(uint64_t v, unsigned by)
{
    return v << by | v >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein 2012; CC0), folded to 32 bits. */
static uint32_t keyed_hash(const uint64_t secret[2], const uint8_t *at, size_t len)
{
    uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du,
                     secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u};
    size_t left = len;
    for (bool last = false; !last;) {
        size_t take = left < 8 ? left : 8;
        uint64_t word = 0;
        for (size_t i = 0; i < take; i++)
            word |= (uint64_t)at[i] << 8 * i;
        last = left < 8;
        if (last)
            word |= (uint64_t)len << 56;
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
        at += take;
        left -= take;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    uint64_t h = v[0] ^ v[1] ^ v[2] ^ v[3];
    return (uint32_t)(h ^ h >> 32);
}

static void choose_secret(uint64_t secret[2])
{
    if (getentropy(secret, 2 * sizeof *secret) == 0)
        return;
    struct timespec t; /* no entropy to be had: what a file cannot know either */
    clock_gettime(CLOCK_REALTIME, &t);
    secret[0] = (uint64_t)t.tv_nsec * 0x9e3779b97f4a7c15u ^ (uint64_t)t.tv_sec;
    secret[1] = (uint64_t)(uintptr_t)secret ^ (uint64_t)getpid() << 32;
}

static void put(uint32_t *slot, uint32_t *hash, size_t cap, uint32_t h, uint32_t value)
{
    size_t i = h & (cap - 1);
    while (slot[i])
        i = (i + 1) & (cap - 1);
    slot[i] = value;
    hash[i] = h;
}

/* Room for one more item. */
static nb_status grow(nb_index *x, nb_err *err)
{
    if ((x->n + 1) * 2 <= x->cap)
        return NB_OK;
    size_t cap = x->cap ? x->cap * 2 : FIRST_CAP;
    uint32_t *slot = nb_alloc(cap, sizeof *slot, "name index", err);
    uint32_t *hash = slot ? nb_alloc(cap, sizeof *hash, "name index", err) : NULL;
    if (!hash) {
        free(slot);
        return NB_NOMEM;
    }
    if (!x->cap)
        choose_secret(x->secret);
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

size_t nb_index_find(const nb_index *x, const void *name, size_t len, nb_index_same *same,
                     const void *arg)
{
    if (!x->cap)
        return SIZE_MAX;
    uint32_t hash = keyed_hash(x->secret, name, len);
    for (size_t i = hash & (x->cap - 1); x->slot[i]; i = (i + 1) & (x->cap - 1))
        if (x->hash[i] == hash && same(arg, x->slot[i] - 1))
            return x->slot[i] - 1;
    return SIZE_MAX;
}

nb_status nb_index_add(nb_index *x, const void *name, size_t len, size_t item, nb_err *err)
{
    NB_TRY(grow(x, err));
    put(x->slot, x->hash, x->cap, keyed_hash(x->secret, name, len), (uint32_t)(item + 1));
    x->n++;
    return NB_OK;
}

void nb_index_free(nb_index *x)
{
    free(x->slot);
    free(x->hash);
    *x = (nb_index){0};
}
