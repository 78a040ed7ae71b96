#include "tests/spoil.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/nb.h"
#include "tests/check.h"

void spoil_ends(const char *text, size_t n, spoil_fn *fn, void *arg)
{
    char what[80];
    for (size_t i = 0; i < n; i++) {
        char *cut = malloc(i + 1); /* exactly: a byte too far is seen */
        check(cut, "memory");
        memcpy(cut, text, i);
        cut[i] = '\0';
        snprintf(what, sizeof what, "cut behind %zu of %zu bytes", i, n);
        fn(arg, cut, i, what);
        free(cut);
    }
}

void spoil_bytes(const char *text, size_t n, const char *with, spoil_fn *fn, void *arg)
{
    char what[80], *copy = malloc(n + 1);
    check(copy, "memory");
    for (size_t i = 0; i < n; i++)
        for (const char *c = with; *c; c++) {
            memcpy(copy, text, n);
            copy[n] = '\0';
            copy[i] = *c;
            snprintf(what, sizeof what, "byte %zu of %zu is '%c'", i, n, *c);
            if (*c != text[i])
                fn(arg, copy, n, what);
        }
    free(copy);
}

/* Behind the string that begins at [at]. */
static size_t string_end(const char *s, size_t n, size_t at)
{
    for (at++; at < n && s[at] != '"'; at++)
        at += s[at] == '\\';
    return at + 1;
}

/* Behind the value that begins at [at]. */
static size_t value_end(const char *s, size_t n, size_t at)
{
    int depth = 0;
    for (; at < n; at++) {
        bool open = s[at] == '{' || s[at] == '[', close = s[at] == '}' || s[at] == ']';
        if (s[at] == '"')
            at = string_end(s, n, at) - 1;
        depth += open;
        if ((close || s[at] == ',') && depth == 0)
            return at;
        depth -= close;
        if (close && depth == 0)
            return at + 1;
    }
    return n;
}

static void replace(const char *json, size_t n, size_t from, size_t to, const char *by,
                    spoil_fn *fn, void *arg)
{
    char what[160];
    size_t len = strlen(by), whole = n - (to - from) + len;
    char *text = malloc(whole + 1);
    check(text, "memory");
    memcpy(text, json, from);
    memcpy(text + from, by, len);
    memcpy(text + from + len, json + to, n - to);
    text[whole] = '\0';
    snprintf(what, sizeof what, "%.*s instead of %.*s behind %.*s", (int)len, by,
             to - from > 30 ? 30 : (int)(to - from), json + from, from > 50 ? 50 : (int)from,
             json + from - (from > 50 ? 50 : from));
    fn(arg, text, whole, what);
    free(text);
}

void spoil_values(const char *json, size_t n, spoil_fn *fn, void *arg)
{
    static const char *const by[] = {"null", "true", "-1",    "0",  "0.5", "1e99",
                                     "7",    "\"\"", "\"x\"", "[]", "{}",  "[{}]"};
    bool value = true; /* one begins here */
    for (size_t i = 0; i < n; i++) {
        char c = json[i];
        bool opens = c == '{' || c == '[';
        if (value && c != ']' && c != '}' && c != ' ') {
            size_t end = value_end(json, n, i);
            for (size_t k = 0; k < countof(by); k++)
                replace(json, n, i, end, by[k], fn, arg);
        }
        value = opens ? c == '[' : c == ':' || c == ',';
        if (c == '"')
            i = string_end(json, n, i) - 1;
    }
}
