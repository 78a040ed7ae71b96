#include "tests/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef NB_PLAIN
void check_fail(const char *file, int line, const char *cond, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s:%d: %s: %s\n", file, line, cond, text);
    cr_assert_fail("%s:%d: %s: %s", file, line, cond, text);
    abort();
}

void check_skip(const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "skipped: %s\n", text);
    cr_skip_test("%s", text);
    abort();
}
#endif
