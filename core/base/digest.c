#include "core/base/digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

struct nb_sha256 {
    EVP_MD_CTX *ctx;
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

nb_status nb_sha256_open(nb_sha256 **out, nb_err *err)
{
    nb_sha256 *h = nb_alloc(1, sizeof *h, "sha-256", err);
    if (!h)
        return NB_NOMEM;
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1) {
        nb_sha256_close(&h);
        return nb_fail(err, NB_NOMEM, "sha-256: libcrypto cannot start");
    }
    *out = h;
    return NB_OK;
}

void nb_sha256_add(nb_sha256 *h, const void *bytes, size_t n)
{
    EVP_DigestUpdate(h->ctx, bytes, n); /* cannot fail on an initialised SHA-256 context */
}

void nb_sha256_hex(nb_sha256 *h, char out[65])
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    EVP_DigestFinal_ex(h->ctx, digest, NULL);
    hex(digest, 32, out);
}

void nb_sha256_close(nb_sha256 **h)
{
    if (!*h)
        return;
    EVP_MD_CTX_free((*h)->ctx);
    free(*h);
    *h = NULL;
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
    char head[32];
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    int head_len = snprintf(head, sizeof head, "blob %zu", n) + 1; /* with its NUL */
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, head, (size_t)head_len) == 1 &&
              EVP_DigestUpdate(ctx, bytes, n) == 1 && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    if (!ok)
        return nb_fail(err, NB_NOMEM, "sha-1: libcrypto cannot start");
    hex(digest, 20, out);
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
