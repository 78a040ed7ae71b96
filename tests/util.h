/* What tests share: seeded random numbers, scratch folders, guard-page buffers, golden files.
 * Every random test prints its seed; NB_TEST_SEED in the environment repeats one. */
#ifndef NIBBLE_TEST_UTIL_H
#define NIBBLE_TEST_UTIL_H

#include <stddef.h>
#include <stdint.h>

typedef struct test_rng {
    uint64_t s[2];
} test_rng;
test_rng test_rng_make(uint64_t seed);
uint64_t test_u64(test_rng *r);
uint32_t test_below(test_rng *r, uint32_t n); /* 0..n-1 */
float test_uniform(test_rng *r);              /* [0, 1) */
float test_normal(test_rng *r);               /* N(0, 1) */

/* Instrumented builds are several times slower and look for other faults: where a test repeats the
 * same with other seeds they take a share of them, never fewer kinds of cases. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { TEST_THIN = 5 };
#else
enum { TEST_THIN = 1 };
#endif
/* Rounds of a test with random numbers: usual / TEST_THIN, at least 1; all of `full` with
 * NB_TEST_LONG in the environment. */
int test_rounds(int usual, int full);

/* A fresh folder under $TMPDIR or /tmp, removed at exit; the string stays valid. */
const char *test_tmpdir(void);
/* tmpdir/name in a static ring of 16 buffers. */
const char *test_path(const char *dir, const char *name);
/* Whole file in malloc'd memory (+1 NUL), *n its length; NULL if it cannot be read. */
char *test_slurp(const char *path, size_t *n);
void test_spit(const char *path, const void *bytes, size_t n);
/* Repository's tests/data, and ../shared (NULL when absent: say what is skipped). */
const char *test_data(const char *name);
const char *test_shared(const char *name);

/* n usable bytes ending (at_end) or starting right at a PROT_NONE page; the other side is guarded
 * too, at page granularity. test_guard_free takes the same pointer. */
void *test_guard(size_t n, int at_end);
void test_guard_free(void *p);

/* Seconds that a test grants where nibble promises `seconds`: those in the long runs, five times as
 * many elsewhere, where a busy machine must not fail what is right; more under a sanitizer. */
double test_within(double seconds);

/* Largest resident set since the last reset, in bytes; 0 where the system does not tell. */
uint64_t test_rss_peak(int reset);

/* SHA-256 of bytes as 64 hex digits in out[65]. */
void test_sha256(const void *bytes, size_t n, char out[65]);

#endif
