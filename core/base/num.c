/* Decimal numbers without the locale. snprintf and strtod do the arithmetic (both round
 * correctly in glibc and musl); what they do differently per locale is the radix character alone,
 * which is put in before reading and taken out after writing. */
#include "core/base/str.h"

#include <errno.h>
#include <langinfo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 1000 }; /* characters of one number; more are refused */

static const char *radix(void)
{
    const char *r = nl_langinfo(RADIXCHAR);
    return *r ? r : ".";
}

/* Replaces the locale's radix in text by a dot. */
static void to_dot(char *text)
{
    const char *r = radix();
    if (strcmp(r, ".") == 0)
        return;
    char *at = strstr(text, r);
    if (!at)
        return;
    *at = '.';
    memmove(at + 1, at + strlen(r), strlen(at + strlen(r)) + 1);
}

const char *nb_fmt_double(char out[32], double v)
{
    char text[64] = "null"; /* at most 24 characters and a radix of several bytes */
    /* Fifteen digits survive decimal -> double -> decimal for every normal number, so the shortest
     * form has either at most 15 digits, and %.15g drops its zeros, or 16, or 17. Subnormals have
     * fewer good digits: there every length is tried. */
    int from = v != 0 && fabs(v) < 2.2250738585072014e-308 ? 1 : 15;
    for (int digits = from; digits <= 17 && isfinite(v); digits++) {
        double back;
        snprintf(text, sizeof text, "%.*g", digits, v);
        to_dot(text);
        if (nb_parse_double(text, &back) && back == v)
            break;
    }
    memcpy(out, text, strnlen(text, 31) + 1);
    out[31] = '\0';
    return out;
}

const char *nb_fmt_fixed(char out[48], double v, int decimals)
{
    int n = snprintf(out, 48, "%.*f", decimals, v);
    if (n < 0 || n >= 48)
        snprintf(out, 48, "%.17g", v);
    to_dot(out);
    return out;
}

/* Checks [+-] digits [. digits] [e [+-] digits], at least one digit before the exponent. Fills the
 * digits' value and the power of ten as far as they fit; *exact is false when they do not. */
static bool scan(const char *s, uint64_t *digits, int *exp10, bool *exact)
{
    uint64_t m = 0;
    int e = 0, seen = 0;
    *exact = true;
    if (*s == '+' || *s == '-')
        s++;
    for (bool point = false; (*s >= '0' && *s <= '9') || (*s == '.' && !point); s++) {
        if (*s == '.') {
            point = true;
            continue;
        }
        seen++;
        e -= point;
        if (m > (UINT64_MAX >> 11) / 10)
            *exact = false;
        else
            m = m * 10 + (uint64_t)(*s - '0');
    }
    if (!seen)
        return false;
    if (*s == 'e' || *s == 'E') {
        int x = 0, sign = 1;
        s++;
        if (*s == '+' || *s == '-')
            sign = *s++ == '-' ? -1 : 1;
        if (*s < '0' || *s > '9')
            return false;
        for (; *s >= '0' && *s <= '9'; s++)
            x = x < 100000 ? x * 10 + (*s - '0') : x;
        e += sign * x;
    }
    *digits = m;
    *exp10 = e;
    return !*s;
}

/* The hard cases: a copy with the locale's radix, then strtod. */
static bool parse_slow(const char *s, double *out)
{
    char copy[NUMBER_MAX + 16]; /* s is no longer than NUMBER_MAX, a radix has a few bytes */
    const char *r = radix(), *dot = strchr(s, '.');
    size_t head = dot ? (size_t)(dot - s) : strlen(s);
    char *end;
    snprintf(copy, sizeof copy, "%.*s%s%s", (int)head, s, dot ? r : "", dot ? dot + 1 : "");
    double v = strtod(copy, &end);
    if (*end || !isfinite(v))
        return false;
    *out = v;
    return true;
}

bool nb_parse_double(const char *s, double *out)
{
    static const double pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    uint64_t m;
    int e;
    bool exact;
    if (strnlen(s, NUMBER_MAX + 1) > NUMBER_MAX || !scan(s, &m, &e, &exact))
        return false;
    if (!exact || m > (1ull << 53) || e < -22 || e > 22)
        return parse_slow(s, out);
    /* Both factors are exact doubles, so one operation rounds once (Clinger 1990, fast path). */
    double v = e < 0 ? (double)m / pow10[-e] : (double)m * pow10[e];
    *out = *s == '-' ? -v : v;
    return true;
}

bool nb_parse_u64(const char *s, uint64_t *out)
{
    uint64_t v = 0;
    if (!*s)
        return false;
    for (; *s; s++)
        if (*s < '0' || *s > '9' || !nb_mul(v, 10, &v) || !nb_add(v, (uint64_t)(*s - '0'), &v))
            return false;
    *out = v;
    return true;
}

bool nb_parse_i64(const char *s, int64_t *out)
{
    bool negative = *s == '-';
    uint64_t v;
    if (!nb_parse_u64(s + negative, &v) || v > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}
