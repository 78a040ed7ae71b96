/* The one helper that needs a library: kernel tests for other machines link without it. */
#include "tests/util.h"

#include <openssl/evp.h>
#include <stdio.h>

void test_sha256(const void *bytes, size_t n, char out[65])
{
    unsigned char md[32];
    EVP_Digest(bytes, n, md, NULL, EVP_sha256(), NULL);
    for (int i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", md[i]);
}
