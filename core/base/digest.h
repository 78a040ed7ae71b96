/* Digests through libcrypto (which libcurl brings): SHA-256 and git's SHA-1 of a blob. */
#ifndef NIBBLE_DIGEST_H
#define NIBBLE_DIGEST_H

#include "kernels/nb.h"

/* Running hash of one blob by the Hub's name for it: 64 digits = sha256 of the bytes (LFS files),
 * 40 = git's sha1 of "blob <size>\0" + bytes (all others), for which size must be right. */
typedef struct nb_hash nb_hash;
nb_status nb_hash_open(nb_hash **out, size_t digits, uint64_t size, nb_err *err);
void nb_hash_add(nb_hash *h, const void *bytes, size_t n);
/* `digits` hex digits + NUL; the hash is spent. */
void nb_hash_hex(nb_hash *h, char out[65]);
void nb_hash_close(nb_hash **h);

/* The same for plain SHA-256. */
typedef nb_hash nb_sha256;
nb_status nb_sha256_open(nb_sha256 **out, nb_err *err);
void nb_sha256_add(nb_sha256 *h, const void *bytes, size_t n);
void nb_sha256_hex(nb_sha256 *h, char out[65]);
void nb_sha256_close(nb_sha256 **h);

nb_status nb_sha256_of(const void *bytes, size_t n, char out[65], nb_err *err);
/* sha1("blob <len>\0" + bytes), 40 hex digits: the Hub's id of small files. */
nb_status nb_git_sha1_of(const void *bytes, size_t n, char out[41], nb_err *err);
/* 64-bit identity of an opened model for stored results: size, mtime-independent sample of the
 * bytes (header and 64 spread pages). Not cryptographic. */
uint64_t nb_fingerprint(const void *bytes, uint64_t n);

#endif
