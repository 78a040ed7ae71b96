#include "core/base/str.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STR_FIRST = 64 }; /* bytes of a builder's first block */

/* Makes room for n more bytes and the NUL. */
static bool str_grow(nb_str *s, size_t n)
{
    uint64_t need;
    if (s->failed || !nb_add(s->len, n, &need) || !nb_add(need, 1, &need) || need > SIZE_MAX / 2) {
        s->failed = true;
        return false;
    }
    if (need <= s->cap)
        return true;
    size_t cap = s->cap ? s->cap : STR_FIRST;
    while (cap < need)
        cap *= 2;
    char *at = realloc(s->at, cap);
    if (!at) {
        s->failed = true;
        return false;
    }
    s->at = at;
    s->cap = cap;
    return true;
}

void nb_str_addn(nb_str *s, const void *bytes, size_t n)
{
    if (!str_grow(s, n))
        return;
    if (n)
        memcpy(s->at + s->len, bytes, n);
    s->len += n;
    s->at[s->len] = '\0';
}

void nb_str_add(nb_str *s, const char *text)
{
    nb_str_addn(s, text, strlen(text));
}

void nb_str_addf(nb_str *s, const char *fmt, ...)
{
    char small[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0) {
        s->failed = true;
    } else if ((size_t)n < sizeof small) {
        nb_str_addn(s, small, (size_t)n);
    } else if (str_grow(s, (size_t)n)) {
        va_start(ap, fmt);
        vsnprintf(s->at + s->len, (size_t)n + 1, fmt, ap);
        va_end(ap);
        s->len += (size_t)n;
    }
}

void nb_str_clear(nb_str *s)
{
    s->len = 0;
    s->failed = false;
    if (s->at)
        s->at[0] = '\0';
}

void nb_str_free(nb_str *s)
{
    free(s->at);
    *s = (nb_str){0};
}

const char *nb_str_c(const nb_str *s)
{
    return s->at ? s->at : "";
}

void *nb_alloc(uint64_t count, uint64_t size, const char *what, nb_err *err)
{
    uint64_t bytes;
    if (!nb_mul(count, size, &bytes) || bytes > SIZE_MAX / 2) {
        nb_fail(err, NB_NOMEM, "%s: %" PRIu64 " x %" PRIu64 " bytes is more than memory can hold",
                what, count, size);
        return NULL;
    }
    void *p = calloc(1, bytes ? (size_t)bytes : 1);
    if (!p)
        nb_fail(err, NB_NOMEM, "%s: no memory for %" PRIu64 " bytes", what, bytes);
    return p;
}

char *nb_strdup(const char *s, nb_err *err)
{
    size_t n = strlen(s) + 1;
    char *copy = nb_alloc(n, 1, "text", err);
    if (copy)
        memcpy(copy, s, n);
    return copy;
}

const char *nb_short(char *out, size_t cap, const char *text)
{
    nb_elide(out, cap, snprintf(out, cap, "%s", text));
    return out;
}

const char *nb_human_bytes(char out[16], uint64_t bytes)
{
    static const char unit[][3] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 1000) {
        snprintf(out, 16, "%" PRIu64 " B", bytes);
        return out;
    }
    /* mantissa in thousandths of the unit, then rounded half up to three digits */
    size_t u = 0;
    uint64_t v = bytes, rest = 0;
    for (; v >= 1000; u++) {
        rest = v % 1000;
        v /= 1000;
    }
    uint64_t milli = v * 1000 + rest;
    uint64_t step = milli < 10000 ? 10 : milli < 100000 ? 100 : 1000;
    milli = (milli + step / 2) / step * step;
    if (milli >= 1000000) {
        milli /= 1000;
        u++;
    }
    unsigned whole = (unsigned)(milli / 1000), frac = (unsigned)(milli % 1000);
    const char *name = unit[u < countof(unit) ? u : countof(unit) - 1];
    if (whole < 10)
        snprintf(out, 16, "%u.%02u %s", whole, frac / 10, name);
    else if (whole < 100)
        snprintf(out, 16, "%u.%u %s", whole, frac / 100, name);
    else
        snprintf(out, 16, "%u %s", whole, name);
    return out;
}

const char *nb_human_time(char out[16], double seconds)
{
    if (!(seconds >= 0) || seconds > 1e11) {
        snprintf(out, 16, "?");
        return out;
    }
    if (seconds < 1) {
        snprintf(out, 16, "<1s");
        return out;
    }
    uint64_t s = (uint64_t)(seconds + 0.5);
    if (s < 3600)
        snprintf(out, 16, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
    else if (s < 100 * 3600)
        snprintf(out, 16, "%uh%02u", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
    else
        snprintf(out, 16, "%ud", (unsigned)(s / 86400));
    return out;
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool nb_same_word(const char *a, const char *b)
{
    while (*a && small(*a) == small(*b)) {
        a++;
        b++;
    }
    return small(*a) == small(*b);
}

/* One character of name: a whole UTF-8 sequence, or one byte of anything else. */
static size_t glob_char(const char *s)
{
    uint32_t cp;
    size_t n = nb_utf8_next(s, strlen(s) < 4 ? strlen(s) : 4, &cp, NULL);
    return n ? n : 1;
}

/* pattern stands on '['. Length of the class, or 0 when it is never closed (a literal '[').
 * *hit tells whether c is in it: bytes and a-z ranges; ! or ^ first inverts; ] first is literal. */
static size_t glob_class(const char *pattern, unsigned char c, bool *hit)
{
    size_t i = 1;
    bool invert = pattern[i] == '!' || pattern[i] == '^', in = false;
    if (invert)
        i++;
    size_t first = i;
    for (; pattern[i] != ']' || i == first; i++) {
        if (!pattern[i])
            return 0;
        unsigned char lo = (unsigned char)pattern[i], hi = lo;
        if (pattern[i + 1] == '-' && pattern[i + 2] && pattern[i + 2] != ']') {
            hi = (unsigned char)pattern[i + 2];
            i += 2;
        }
        in = in || (lo <= c && c <= hi);
    }
    *hit = in != invert;
    return i + 1;
}

/* Whether pattern's next item (not a star) takes the character at name; steps over both. */
static bool glob_item(const char **pattern, const char **name)
{
    const char *p = *pattern, *s = *name;
    size_t used = 1, width = 1;
    bool hit = *p == *s;
    if (*p == '?') {
        hit = true;
        width = glob_char(s);
    } else if (*p == '[') {
        bool in;
        size_t n = glob_class(p, (unsigned char)*s, &in);
        if (n) {
            used = n;
            hit = in;
        }
    }
    if (!hit || !*p)
        return false;
    *pattern = p + used;
    *name = s + width;
    return true;
}

/* Only the last star is ever retried: what an earlier one took can only be worse. At most
 * strlen(pattern) x strlen(name) steps, no recursion. */
bool nb_glob(const char *pattern, const char *name)
{
    const char *star = NULL, *retry = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = name;
        } else if (!glob_item(&pattern, &name)) {
            if (!star)
                return false;
            pattern = star;
            name = ++retry;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}
