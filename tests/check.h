/* One way to write a test for two runners. A test is a CHECK_TEST in tests/test_*.c: compiled
 * normally it becomes a Criterion test; compiled with -DNB_PLAIN it registers itself with
 * tests/plain.c, a plain main that runs under TSan, valgrind, qemu and fuzz builds, where Criterion
 * cannot start.
 *
 *     CHECK_TEST(gguf, rejects_tensor_past_end)
 *     {
 *         ...
 *         check(st == NB_FORMAT, "status %d", st);
 *     }
 *
 * check() stops the test on failure. Cite acceptance rows in the name or first comment (A17, tui
 * 8). */
#ifndef NIBBLE_CHECK_H
#define NIBBLE_CHECK_H

#include <stdbool.h>

/* Reports file:line, the condition and the printf text, and ends the test as failed. */
void check_fail(const char *file, int line, const char *cond, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 4, 5)));
/* Ends the test as skipped, printing why (no row is skipped silently). */
void check_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define check(cond, ...)                                                                           \
    do {                                                                                           \
        if (!(cond))                                                                               \
            check_fail(__FILE__, __LINE__, #cond, __VA_ARGS__);                                    \
    } while (0)

#ifdef NB_PLAIN
typedef struct check_row {
    const char *suite, *name;
    void (*run)(void);
    struct check_row *next;
} check_row;
void check_register(check_row *row);
#define CHECK_TEST(suite_, name_)                                                                  \
    static void check_##suite_##_##name_(void);                                                    \
    __attribute__((constructor)) static void check_register_##suite_##_##name_(void)               \
    {                                                                                              \
        static check_row row = {#suite_, #name_, check_##suite_##_##name_, 0};                     \
        check_register(&row);                                                                      \
    }                                                                                              \
    static void check_##suite_##_##name_(void)
#else
#include <criterion/criterion.h>
#define CHECK_TEST(suite_, name_)                                                                  \
    static void check_##suite_##_##name_(void);                                                    \
    Test(suite_, name_)                                                                            \
    {                                                                                              \
        check_##suite_##_##name_();                                                                \
    }                                                                                              \
    static void check_##suite_##_##name_(void)
#endif

#endif
