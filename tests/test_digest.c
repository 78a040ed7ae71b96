#include "tests/check.h"

#include "core/base/digest.h"
#include "kernels/cpu.h"
#include "kernels/crc32c.h"
#include "kernels/crc32c_table.h"
#include "tests/util.h"

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

CHECK_TEST(digest, a_running_hash_equals_the_whole) /* hub 7 */
{
    enum { N = 100000 };
    uint8_t *bytes = malloc(N);
    test_rng rng = test_rng_make(7);
    for (size_t i = 0; i < N; i++)
        bytes[i] = (uint8_t)test_u64(&rng);
    static const size_t digits[] = {40, 64};
    for (size_t k = 0; k < countof(digits); k++) {
        char whole[65], parts[65];
        nb_hash *h = NULL;
        nb_err err = {0};
        nb_status st = digits[k] == 40 ? nb_git_sha1_of(bytes, N, whole, &err)
                                       : nb_sha256_of(bytes, N, whole, &err);
        check(st == NB_OK && strlen(whole) == digits[k], "%s", err.msg);
        check(nb_hash_open(&h, digits[k], N, &err) == NB_OK, "%s", err.msg);
        for (size_t at = 0; at < N;) {
            size_t n = test_below(&rng, 5000);
            n = n < N - at ? n : N - at;
            nb_hash_add(h, bytes + at, n);
            at += n;
        }
        nb_hash_hex(h, parts);
        nb_hash_close(&h);
        check(!h && strcmp(parts, whole) == 0, "%s, whole %s", parts, whole);
    }
    nb_hash *none = NULL;
    check(nb_hash_open(&none, 32, 1, NULL) == NB_UNSUPPORTED && !none, "md5 is nobody's name here");
    free(bytes);
}

/* The definition: shift out one bit a step. */
static uint32_t crc32c_by_bit(uint32_t crc, const uint8_t *at, size_t n)
{
    uint32_t state = ~crc;
    for (size_t i = 0; i < n * 8; i++) {
        uint32_t bit = (state ^ at[i / 8] >> i % 8) & 1;
        state = state >> 1 ^ (bit ? 0x82f63b78u : 0);
    }
    return ~state;
}

CHECK_TEST(digest, crc32c_of_known_bytes) /* RFC 3720 B.4, and the catalogue's check value */
{
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
    memset(ones, 0xff, sizeof ones);
    for (uint8_t i = 0; i < 32; i++) {
        up[i] = i;
        down[i] = (uint8_t)(31 - i);
    }
    const struct {
        const void *bytes;
        size_t n;
        uint32_t want;
    } rows[] = {{zeros, 32, 0x8a9136aau}, {ones, 32, 0x62a8ab43u},       {up, 32, 0x46dd794eu},
                {down, 32, 0x113fdb5cu},  {"123456789", 9, 0xe3069283u}, {"", 0, 0}};
    nk_crc32c_fn *const fn[] = {nk_crc32c(0), nk_crc32c(nk_cpu_detect())};
    check(fn[0] == nk_crc32c_c, "no flags, no instructions");
    for (size_t k = 0; k < countof(fn); k++)
        for (size_t i = 0; i < countof(rows); i++) {
            uint32_t got = fn[k](0, rows[i].bytes, rows[i].n);
            check(got == rows[i].want, "row %d: %08x", (int)i, got);
        }
}

CHECK_TEST(digest, crc32c_table_follows_from_the_polynomial)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint8_t bytes[8] = {(uint8_t)i};
        for (size_t k = 0; k < 8; k++) /* ~0 in, ~ out: the bare register */
            check(nk_crc32c_table[k][i] == ~crc32c_by_bit(~0u, bytes, k + 1), "[%d][%d]", (int)k,
                  (int)i);
    }
}

CHECK_TEST(digest, every_crc32c_agrees_at_any_address_and_cut)
{
    enum { N = 300 };
    uint8_t *bytes = test_guard(N, 1);
    test_rng rng = test_rng_make(3);
    for (size_t i = 0; i < N; i++)
        bytes[i] = (uint8_t)test_u64(&rng);
    nk_crc32c_fn *const fast = nk_crc32c(nk_cpu_detect());
    for (size_t from = 0; from < 9; from++)
        for (size_t to = from; to <= N; to++) {
            size_t n = to - from, cut = n / 3;
            uint32_t want = crc32c_by_bit(5, bytes + from, n);
            check(nk_crc32c_c(5, bytes + from, n) == want, "C, %d bytes", (int)n);
            check(fast(5, bytes + from, n) == want, "fast, %d bytes", (int)n);
            check(fast(fast(5, bytes + from, cut), bytes + from + cut, n - cut) == want,
                  "in two parts, %d bytes", (int)n);
        }
    test_guard_free(bytes);
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
