/* Runs the CHECK_TESTs without Criterion:
 * `plain [--list|--suites] [--times] [--exclude SUITE]... [SUITE[/NAME]]...`; --times tells the
 * seconds of every test. Exit status 1 when a test failed. Used under sanitizers, valgrind and
 * qemu. */
#include "tests/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static check_row *rows;
static jmp_buf back;
enum { PASSED, FAILED, SKIPPED };

void check_register(check_row *row)
{
    row->next = rows;
    rows = row;
}

void check_fail(const char *file, int line, const char *cond, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "%s:%d: %s: ", file, line, cond);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    longjmp(back, FAILED);
}

void check_skip(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("skipped: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    longjmp(back, SKIPPED);
}

static bool matches(const check_row *row, const char *pattern)
{
    size_t n = strlen(row->suite);
    if (strncmp(pattern, row->suite, n) != 0)
        return false;
    return pattern[n] == '\0' || (pattern[n] == '/' && strcmp(pattern + n + 1, row->name) == 0);
}

static bool wanted(const check_row *row, int argc, char **argv)
{
    bool any = false, hit = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--exclude") == 0 && i + 1 < argc) {
            if (matches(row, argv[++i]))
                return false;
        } else if (argv[i][0] != '-') {
            any = true;
            hit = hit || matches(row, argv[i]);
        }
    }
    return hit || !any;
}

static bool option(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return false;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int list(int argc, char **argv)
{
    bool suites = option(argc, argv, "--suites");
    for (check_row *row = rows; row; row = row->next) {
        check_row *later = row->next;
        while (suites && later && strcmp(later->suite, row->suite) != 0)
            later = later->next;
        if (wanted(row, argc, argv) && !(suites && later))
            printf("%s%s%s\n", row->suite, suites ? "" : "/", suites ? "" : row->name);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static volatile int count[3];
    static double start;
    volatile bool times = option(argc, argv, "--times"); /* read behind a longjmp */
    if (option(argc, argv, "--list") || option(argc, argv, "--suites"))
        return list(argc, argv);
    for (check_row *volatile row = rows; row; row = row->next) {
        if (!wanted(row, argc, argv))
            continue;
        start = now();
        int result = setjmp(back);
        if (result == 0)
            row->run();
        count[result]++;
        if (result == FAILED)
            fprintf(stderr, "FAILED %s/%s\n", row->suite, row->name);
        if (times)
            printf("%8.3f %s/%s\n", now() - start, row->suite, row->name);
    }
    if (count[SKIPPED])
        printf("%d passed, %d failed, %d skipped\n", count[PASSED], count[FAILED], count[SKIPPED]);
    else
        printf("%d passed, %d failed\n", count[PASSED], count[FAILED]);
    bool none = count[PASSED] + count[FAILED] + count[SKIPPED] == 0;
    if (none)
        fprintf(stderr, "no test has that name\n");
    return count[FAILED] || none ? 1 : 0;
}
