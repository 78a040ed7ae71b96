/* One fuzz target = one file tests/fuzz/NAME.c with one FUZZ_TARGET(NAME), and seeds in
 * tests/fuzz/corpus/NAME/. Nothing else is to be edited.
 *
 *     FUZZ_TARGET(json)
 *     {
 *         ... uses (const uint8_t *bytes, size_t n); fuzz_check(invariant, "...") ...
 *     }
 *
 * `make fuzz` links each with libFuzzer (-DNB_FUZZ); everywhere else the targets register
 * themselves and tests/test_corpus.c or tests/fuzz/main.c replays files through them. bytes[n] is
 * always an exact-size heap block, so ASan sees a read past its end. A file that once broke
 * something goes into the corpus. */
#ifndef NIBBLE_FUZZ_H
#define NIBBLE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void fuzz_fn(const uint8_t *bytes, size_t n);

typedef struct fuzz_row {
    const char *name;
    fuzz_fn *run;
    struct fuzz_row *next;
} fuzz_row;

#ifdef NB_FUZZ
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
#define FUZZ_TARGET(name_)                                                                         \
    static void fuzz_##name_(const uint8_t *bytes, size_t n);                                      \
    int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)                                     \
    {                                                                                              \
        fuzz_##name_(bytes, n);                                                                    \
        return 0;                                                                                  \
    }                                                                                              \
    static void fuzz_##name_(const uint8_t *bytes, size_t n)
#else
/* All targets of this program, in no particular order; defined in tests/fuzz/replay.c. */
extern fuzz_row *fuzz_rows;
#define FUZZ_TARGET(name_)                                                                         \
    static void fuzz_##name_(const uint8_t *bytes, size_t n);                                      \
    __attribute__((constructor)) static void fuzz_register_##name_(void)                           \
    {                                                                                              \
        static fuzz_row row = {#name_, fuzz_##name_, NULL};                                        \
        row.next = fuzz_rows;                                                                      \
        fuzz_rows = &row;                                                                          \
    }                                                                                              \
    static void fuzz_##name_(const uint8_t *bytes, size_t n)

/* Runs target over every file in the folder, or over the file, path. Files run; 0 when unreadable.
 */
size_t fuzz_replay(const fuzz_row *target, const char *path);
#endif

/* A broken invariant: says which and aborts, in every kind of build. */
#define fuzz_check(cond, ...)                                                                      \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #cond);                             \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
