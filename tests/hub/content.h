/* What a file holds, by what it is made of: bytes, a file on disk, or seeded noise that is nowhere
 * stored. Digests are computed when first asked for. Any thread may call anything here at once. */
#ifndef NIBBLE_TEST_HUB_CONTENT_H
#define NIBBLE_TEST_HUB_CONTENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "kernels/nb.h"

typedef struct content {
    struct content *next; /* the hub's list of all */
    uint64_t size;        /* bytes */
    uint64_t seed;
    uint8_t *head; /* first bytes, owned; for plain bytes all of them */
    size_t head_n;
    int fd; /* of a file on disk, else -1 */
    char xet[65];
    pthread_mutex_t lock; /* over the rest */
    bool hashed, cache_asked;
    char sha256[65], git[41];
    _Atomic(uint8_t *) cached; /* [size], owned; set once */
} content;

/* All own their copies; content_free takes NULL. sha256 NULL = to be computed. */
content *content_of_bytes(const void *bytes, size_t n, const char *sha256);
content *content_of_noise(uint64_t seed, uint64_t size, const void *head, size_t head_n,
                          const char *sha256);
nb_status content_of_disk(content **out, const char *path, const char *sha256, nb_err *err);
void content_free(content *c);

/* Bytes [offset, offset + n), which must lie inside. False when a file on disk is no longer what
 * it was. */
bool content_read(content *c, uint64_t offset, void *out, size_t n);
/* The whole in memory, or NULL. The first call may make it so, taking its size from *budget. */
const uint8_t *content_cache(content *c, _Atomic uint64_t *budget);
/* 64 hex digits: the ones told, else computed; for noise of over 4 GiB ones that match nothing. */
enum { CONTENT_HASHED_GIB = 4 };
const char *content_sha256(content *c);
void content_true_sha256(content *c,
                         char out[65]); /* whatever was told and however long it takes */
/* git's id of the blob: 40 hex digits. Not for files over 64 MB. */
const char *content_git(content *c);
/* The LFS pointer that stands for it in git: text, its git id, returns its length in bytes. */
size_t content_pointer(content *c, char text[256], char sha1[41]);

#endif
