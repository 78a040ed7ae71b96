#include "tests/check.h"

#include "core/base/digest.h"

#include <stdlib.h>
#include <string.h>

CHECK_TEST(digest, sha256_of_known_texts) /* FIPS 180-4 examples */
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    nb_err err = {0};
    char hex[65];
    for (size_t i = 0; i < countof(rows); i++) {
        check(nb_sha256_of(rows[i].text, strlen(rows[i].text), hex, &err) == NB_OK, "%s", err.msg);
        check(strcmp(hex, rows[i].want) == 0, "%s", hex);
    }
    nb_sha256 *h;
    check(nb_sha256_open(&h, &err) == NB_OK, "%s", err.msg);
    for (int i = 0; i < 1000000; i += 1000) {
        char a[1000];
        memset(a, 'a', sizeof a);
        nb_sha256_add(h, a, sizeof a);
    }
    nb_sha256_hex(h, hex);
    nb_sha256_close(&h);
    nb_sha256_close(&h);
    check(!h &&
              strcmp(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0") == 0,
          "a million a: %s", hex);
}

CHECK_TEST(digest, git_names_a_blob) /* git hash-object --stdin */
{
    char hex[41];
    check(nb_git_sha1_of("", 0, hex, NULL) == NB_OK &&
              strcmp(hex, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391") == 0,
          "%s", hex);
    check(nb_git_sha1_of("hello\n", 6, hex, NULL) == NB_OK &&
              strcmp(hex, "ce013625030ba8dba906f756967f9e9ca394464a") == 0,
          "%s", hex);
}

CHECK_TEST(digest, fingerprint_sees_size_header_and_samples)
{
    size_t n = 4 << 20;
    uint8_t *bytes = calloc(1, n);
    uint64_t plain = nb_fingerprint(bytes, n);
    check(plain == nb_fingerprint(bytes, n), "repeatable");
    check(plain != nb_fingerprint(bytes, n - 1) && plain != nb_fingerprint(bytes, n - 4096),
          "size");
    static const size_t seen[] = {0, 8, 65535, 65536, (4 << 20) - 4096, (4 << 20) - 1};
    for (size_t i = 0; i < countof(seen); i++) {
        bytes[seen[i]] ^= 1;
        check(nb_fingerprint(bytes, n) != plain, "byte %zu", seen[i]);
        bytes[seen[i]] ^= 1;
    }
    for (size_t len = 0; len < 20; len++)
        for (size_t other = 0; other < len; other++)
            check(nb_fingerprint(bytes, len) != nb_fingerprint(bytes, other), "%zu %zu", len,
                  other);
    free(bytes);
}
