#include "core/base/digest.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

struct nb_hash {
    EVP_MD_CTX *ctx;
    unsigned digits;
};

static void hex(const uint8_t *digest, unsigned n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < n; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * n] = '\0';
}

nb_status nb_hash_open(nb_hash **out, size_t digits, uint64_t size, nb_err *err)
{
    const bool git = digits == 40;
    const char *name = git ? "sha-1" : "sha-256";
    if (!git && digits != 64)
        return nb_fail(err, NB_UNSUPPORTED, "content id of %zu digits, expected 40 or 64", digits);
    nb_hash *h = nb_alloc(1, sizeof *h, name, err);
    if (!h)
        return NB_NOMEM;
    h->digits = (unsigned)digits;
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex(h->ctx, git ? EVP_sha1() : EVP_sha256(), NULL) != 1) {
        nb_hash_close(&h);
        return nb_fail(err, NB_NOMEM, "%s: libcrypto cannot start", name);
    }
    if (git) {
        char head[32];
        int n = snprintf(head, sizeof head, "blob %" PRIu64, size) + 1; /* with its NUL */
        nb_hash_add(h, head, (size_t)n);
    }
    *out = h;
    return NB_OK;
}

void nb_hash_add(nb_hash *h, const void *bytes, size_t n)
{
    EVP_DigestUpdate(h->ctx, bytes, n); /* cannot fail on an initialised context */
}

void nb_hash_hex(nb_hash *h, char out[65])
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    EVP_DigestFinal_ex(h->ctx, digest, NULL);
    hex(digest, h->digits / 2, out);
}

void nb_hash_close(nb_hash **h)
{
    if (!*h)
        return;
    EVP_MD_CTX_free((*h)->ctx);
    free(*h);
    *h = NULL;
}

nb_status nb_sha256_open(nb_sha256 **out, nb_err *err)
{
    return nb_hash_open(out, 64, 0, err);
}

void nb_sha256_add(nb_sha256 *h, const void *bytes, size_t n)
{
    nb_hash_add(h, bytes, n);
}

void nb_sha256_hex(nb_sha256 *h, char out[65])
{
    nb_hash_hex(h, out);
}

void nb_sha256_close(nb_sha256 **h)
{
    nb_hash_close(h);
}

nb_status nb_sha256_of(const void *bytes, size_t n, char out[65], nb_err *err)
{
    nb_sha256 *h = NULL;
    nb_status status = nb_sha256_open(&h, err);
    if (!h)
        return status;
    nb_sha256_add(h, bytes, n);
    nb_sha256_hex(h, out);
    nb_sha256_close(&h);
    return NB_OK;
}

nb_status nb_git_sha1_of(const void *bytes, size_t n, char out[41], nb_err *err)
{
    char digits[65];
    nb_hash *h = NULL;
    nb_status status = nb_hash_open(&h, 40, n, err);
    if (!h)
        return status;
    nb_hash_add(h, bytes, n);
    nb_hash_hex(h, digits);
    nb_hash_close(&h);
    memcpy(out, digits, 41);
    return NB_OK;
}

/* Murmur3's 64-bit finalizer (public domain): every input bit reaches every output bit. */
static uint64_t mix(uint64_t v)
{
    v = (v ^ v >> 33) * 0xff51afd7ed558ccdu;
    v = (v ^ v >> 33) * 0xc4ceb9fe1a85ec53u;
    return v ^ v >> 33;
}

static uint64_t absorb(uint64_t hash, const uint8_t *at, uint64_t n)
{
    for (uint64_t i = 0; i < n; i += 8) {
        uint64_t word = 0;
        size_t take = n - i < 8 ? (size_t)(n - i) : 8;
        for (size_t k = 0; k < take; k++)
            word |= (uint64_t)at[i + k] << 8 * k;
        hash = mix(hash ^ word) + 0x9e3779b97f4a7c15u;
    }
    return hash;
}

uint64_t nb_fingerprint(const void *bytes, uint64_t n)
{
    enum { PAGE = 4096, HEADER = 16 * PAGE, SAMPLES = 64 };
    const uint8_t *at = bytes;
    uint64_t hash = mix(n + 0x9e3779b97f4a7c15u);
    if (n <= HEADER + (uint64_t)SAMPLES * PAGE)
        return mix(absorb(hash, at, n));
    hash = absorb(hash, at, HEADER);
    uint64_t last = n - PAGE, span = last - HEADER;
    for (uint64_t i = 0; i < SAMPLES; i++) /* evenly spread, first behind the header, last at end */
        hash = absorb(hash, at + HEADER + span / (SAMPLES - 1) * i, PAGE);
    return mix(absorb(hash, at + last, PAGE));
}
