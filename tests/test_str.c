#include "tests/check.h"

#include "core/base/job.h"
#include "core/base/str.h"
#include "tests/util.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CHECK_TEST(str, builder_grows_and_remembers_failure)
{
    nb_str s = {0};
    check(strcmp(nb_str_c(&s), "") == 0, "empty");
    for (int i = 0; i < 1000; i++)
        nb_str_addf(&s, "%d,", i % 10);
    check(s.len == 2000 && s.at[2000] == '\0' && !s.failed, "%zu", s.len);
    char big[1000];
    memset(big, 'x', 999);
    big[999] = '\0';
    nb_str_clear(&s);
    nb_str_addf(&s, "[%s]", big);
    check(s.len == 1001 && s.at[0] == '[' && s.at[1000] == ']', "long format");
    nb_str_addn(&s, "", SIZE_MAX - 4);
    check(s.failed && s.len == 1001, "overflow refused");
    nb_str_add(&s, "more");
    check(s.len == 1001, "nothing after a failure");
    nb_str_free(&s);
    check(!s.at && !s.failed, "freed");
}

CHECK_TEST(str, allocation_refuses_overflow)
{
    nb_err err = {0};
    check(!nb_alloc(1ull << 40, 1ull << 40, "tensor", &err) && err.status == NB_NOMEM &&
              strstr(err.msg, "tensor"),
          "%s", err.msg);
    check(!nb_alloc(UINT64_MAX, 1, "tensor", NULL), "too large");
    uint8_t *p = nb_alloc(0, 8, "none", &err);
    check(p, "zero bytes are fine");
    free(p);
    p = nb_alloc(3, 5, "zeros", &err);
    for (int i = 0; i < 15; i++)
        check(p[i] == 0, "zeroed");
    free(p);
}

CHECK_TEST(utf8, takes_every_scalar_value_and_nothing_else)
{
    for (uint32_t cp = 0; cp < 0x112000; cp++) {
        char s[4] = {0};
        uint32_t back = 0;
        bool scalar = cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff), cut;
        size_t n = nb_utf8_put(cp, s);
        check((n > 0) == scalar, "put U+%X", cp);
        if (!scalar)
            continue;
        check(nb_utf8_next(s, n, &back, &cut) == n && back == cp && !cut, "next U+%X", cp);
        for (size_t k = 1; k < n; k++)
            check(nb_utf8_next(s, k, &back, &cut) == 0 && cut && nb_utf8_whole(s, k) == 0,
                  "U+%X cut at %zu", cp, k);
    }
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xc3(",
        "\xe2\x82(",
        "\xf0\x9f\x98(",
    };
    for (size_t i = 0; i < countof(bad); i++) {
        uint32_t cp = 7;
        bool cut;
        size_t n = strlen(bad[i]);
        check(nb_utf8_next(bad[i], n, &cp, &cut) == 0 && !cut && cp == 7, "row %zu", i);
        check(nb_utf8_whole(bad[i], n) == n, "an invalid byte is complete, row %zu", i);
    }
}

/* A mix of everything a model may say, seeded. */
static size_t random_text(test_rng *r, char *out, size_t cap)
{
    static const char *const parts[] = {
        "a",
        "Z9 ",
        "\n",
        "\xc3\xa9",
        "e\xcc\x81",
        "\xe4\xb8\xad",
        "\xf0\x9f\x98\x80",
        "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
        "\xe2\x80\xae",
        "\xff",
        "\xe6\xad",
        "\x1b[1m",
        "\xf3\xa0\x81\xa7",
        "\xe0\xb8\x81\xe0\xb8\xb3",
        "\xe2\x9d\xa4\xef\xb8\x8f",
        "\0",
    };
    size_t n = 0;
    for (uint32_t k = test_below(r, 12); k > 0; k--) {
        const char *part = parts[test_below(r, countof(parts))];
        size_t len = *part ? strlen(part) : 1;
        if (n + len > cap)
            break;
        memcpy(out + n, part, len);
        n += len;
    }
    return n;
}

CHECK_TEST(utf8, streams_lose_nothing_at_any_split_point) /* A33: 5,000 strings, all splits */
{
    test_rng r = test_rng_make(33);
    for (int round = 0; round < 5000; round++) {
        char text[128];
        size_t n = random_text(&r, text, sizeof text);
        nb_str parts = {0};
        for (size_t split = 0; split <= n; split++) {
            size_t first = nb_utf8_whole(text, split);
            check(first <= split && split - first <= 3, "held back %zu bytes", split - first);
            nb_str_clear(&parts);
            nb_str_addn(&parts, text, first);
            nb_str_addn(&parts, text + first, nb_utf8_whole(text + first, n - first));
            /* whatever is cut off now comes whole with the rest: no U+FFFD is made by splitting */
            check(parts.len == nb_utf8_whole(text, n) && memcmp(parts.at, text, parts.len) == 0,
                  "round %d split %zu", round, split);
        }
        nb_str_free(&parts);
    }
}

CHECK_TEST(str, widths_follow_unicode_15)
{
    static const struct {
        uint32_t cp;
        int width;
    } rows[] = {
        {0, -1},      {'\n', -1},   {0x1b, -1},   {0x7f, -1},   {0x80, -1},   {0x9f, -1},
        {' ', 1},     {'~', 1},     {0xa0, 1},    {0xad, 1},    {0xe9, 1},    {0x300, 0},
        {0x36f, 0},   {0x378, 1},   {0x483, 0},   {0x591, 0},   {0x600, 1},   {0x64b, 0},
        {0x903, 1},   {0xe33, 1},   {0xe34, 0},   {0x1100, 2},  {0x1160, 0},  {0x11ff, 0},
        {0x200b, 0},  {0x200d, 0},  {0x202e, 0},  {0x2028, 1},  {0x20ac, 1},  {0x20e3, 0},
        {0x2190, 1},  {0x231a, 2},  {0x2500, 1},  {0x2588, 1},  {0x2713, 1},  {0x274c, 2},
        {0x2764, 1},  {0x27e8, 1},  {0x2800, 1},  {0x28ff, 1},  {0x3000, 2},  {0x302a, 0},
        {0x3042, 2},  {0x4dc0, 1},  {0x4e2d, 2},  {0x9fff, 2},  {0xac00, 2},  {0xd7a3, 2},
        {0xe000, 1},  {0xfe0f, 0},  {0xfeff, 0},  {0xff01, 2},  {0xff71, 1},  {0xfffd, 1},
        {0x1d165, 1}, {0x1d167, 0}, {0x1f1e9, 1}, {0x1f3fd, 2}, {0x1f600, 2}, {0x1f9ff, 2},
        {0x1fae8, 2}, {0x20000, 2}, {0x3fffd, 2}, {0xe0067, 0}, {0xe0100, 0}, {0x10fffd, 1},
    };
    for (size_t i = 0; i < countof(rows); i++)
        check(nb_cp_width(rows[i].cp) == rows[i].width, "U+%04X: %d", rows[i].cp,
              nb_cp_width(rows[i].cp));
}

static const char *safe(nb_str *s, const char *text, size_t n, unsigned flags)
{
    nb_str_clear(s);
    nb_safe_text(s, text, n, flags);
    return nb_str_c(s);
}

CHECK_TEST(safe, text_shows_what_would_be_hidden)
{
    static const struct {
        const char *in, *out, *ascii;
    } rows[] = {
        {"a\tb\nc", "a\tb\nc", "a\tb\nc"},
        {"\x1b[31m", "⟨U+001B⟩[31m", "<U+001B>[31m"},
        {"\x7f", "⟨U+007F⟩", "<U+007F>"},
        {"\xc2\x9b", "⟨U+009B⟩", "<U+009B>"},
        {"a\rb\bc", "a⟨U+000D⟩b⟨U+0008⟩c", "a<U+000D>b<U+0008>c"},
        {"\xe2\x80\xaetxt", "⟨U+202E⟩txt", "<U+202E>txt"},
        {"\xe2\x81\xa6", "⟨U+2066⟩", "<U+2066>"},
        {"a\xe2\x80\x8b", "a⟨U+200B⟩", "a<U+200B>"},
        {"\xef\xbb\xbf", "⟨U+FEFF⟩", "<U+FEFF>"},
        {"\xc2\xad", "⟨U+00AD⟩", "<U+00AD>"},
        {"\xe2\x80\xa8", "⟨U+2028⟩", "<U+2028>"},
        {"\xf3\xa0\x81\xa7", "⟨U+E0067⟩", "<U+E0067>"},
        {"\xcd\xb8", "⟨U+0378⟩", "<U+0378>"}, /* unassigned */
        {"\xef\xbf\xbf", "⟨U+FFFF⟩", "<U+FFFF>"},
        {"\xff\xe6\xad", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "???"},
        {"é中", "é中", "???"},
        {"e\xcc\x81", "e\xcc\x81", "e"},
        {"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", /* woman, ZWJ, girl */
         "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", "\?\?<U+200D>\?\?"},
        {"\xe2\x9d\xa4\xef\xb8\x8f", "\xe2\x9d\xa4\xef\xb8\x8f", "?<U+FE0F>"},
        {"1\xef\xb8\x8f\xe2\x83\xa3", "1\xef\xb8\x8f\xe2\x83\xa3", NULL},
        {"a\xe2\x80\x8d"
         "b",
         "a⟨U+200D⟩b", "a<U+200D>b"},
        {"a\xef\xb8\x8f", "a⟨U+FE0F⟩", "a<U+FE0F>"},
        {"\xf0\x9f\x91\xa9\xe2\x80\x8d", "\xf0\x9f\x91\xa9⟨U+200D⟩", "\?\?<U+200D>"},
    };
    nb_str s = {0};
    for (size_t i = 0; i < countof(rows); i++) {
        size_t n = strlen(rows[i].in);
        check(strcmp(safe(&s, rows[i].in, n, 0), rows[i].out) == 0, "row %zu: %s", i, s.at);
        if (rows[i].ascii)
            check(strcmp(safe(&s, rows[i].in, n, NB_SAFE_ASCII), rows[i].ascii) == 0, "row %zu: %s",
                  i, s.at);
    }
    check(strcmp(safe(&s, "a\tb\nc", 5, NB_SAFE_ONE_LINE), "a b c") == 0, "%s", s.at);
    check(strcmp(safe(&s, "a\0b", 3, 0), "a⟨U+0000⟩b") == 0, "%s", s.at);
    nb_str_free(&s);
}

/* Cells of safe output; fails on anything a terminal could act on. */
static int cells(const nb_str *s)
{
    int width = 0;
    for (size_t i = 0; i < s->len;) {
        uint32_t cp = 0;
        size_t n = nb_utf8_next(s->at + i, s->len - i, &cp, NULL);
        int w = nb_cp_width(cp);
        check(n > 0 && (w >= 0 || cp == '\n' || cp == '\t'), "byte %zu of %s", i, s->at);
        width += w > 0 ? w : 0;
        i += n;
    }
    return width;
}

CHECK_TEST(safe, text_disarms_three_hundred_payloads) /* A32 */
{
    static const char *const heads[] = {"\x1b",     "\xc2\x9b", "\x1b\x1b", "\xc2\x90", "\x1bP",
                                        "\xc2\x9d", "\r\x1b",   "\b\x1b",   "\x07\x1b", "\x0e\x1b"};
    static const char *const bodies[] = {
        "[2J",
        "[H",
        "[31m",
        "[?1049h",
        "[?1000h",
        "[6n",
        "[c",
        "]0;owned\x07",
        "]52;c;cm0gLXJm\x07",
        "]8;;http://x\x1b\\a\x1b]8;;\x1b\\",
        "P$q\"p\x1b\\",
        "_Gf=100\x1b\\",
        "^pm\x1b\\",
        "c",
        "#8",
        "(0",
        "N",
        "O",
        "=",
        ">",
        "7",
        "8",
        "D",
        "M",
        "[1;1H\x1b[J",
        "[4i",
        "[5i",
        "[21t",
        "[>c",
        "]4;1;?\x07",
    };
    nb_str s = {0};
    int payloads = 0;
    for (size_t h = 0; h < countof(heads); h++)
        for (size_t b = 0; b < countof(bodies); b++, payloads++) {
            char text[128];
            int n = snprintf(text, sizeof text, "t%s%s\n", heads[h], bodies[b]);
            for (unsigned flags = 0; flags < 4; flags++) {
                safe(&s, text, (size_t)n, flags);
                check(cells(&s) > 8, "%s", s.at);
                check(!memchr(s.at, 0x1b, s.len) && !memchr(s.at, '\r', s.len), "payload %d",
                      payloads);
            }
        }
    check(payloads == 300, "%d payloads", payloads);
    nb_str_free(&s);
}

CHECK_TEST(safe, text_tames_a_storm_of_marks) /* A33 */
{
    enum { MARKS = 10000 };
    nb_str storm = {0}, s = {0};
    nb_str_add(&storm, "x");
    for (int i = 0; i < MARKS; i++)
        nb_str_add(&storm, i % 2 ? "\xcc\x81" : "\xe2\x83\x9d");
    nb_str_add(&storm, "y\xcc\x81");
    double t = nb_now();
    safe(&s, storm.at, storm.len, 0);
    check(nb_now() - t < test_within(0.1), "%g s", nb_now() - t);
    check(cells(&s) == 2 && s.len == 1 + 2 * 2 + 2 * 3 + 1 + 2, "%zu bytes: %s", s.len, s.at);
    nb_str_free(&storm);
    nb_str_free(&s);
}

CHECK_TEST(str, what_does_not_fit_ends_in_an_ellipsis)
{
    static const struct {
        size_t cap;
        const char *text, *want;
    } row[] = {{8, "1234567", "1234567"}, {8, "12345678", "1234…"},
               {8, "123日5", "123日5"},   {8, "123日56", "123…"},
               {4, "12345", "…"},         {9, "ab日本", "ab日本"},
               {9, "ab日本語", "ab日…"},  {8, "", ""}};
    for (size_t i = 0; i < countof(row); i++) {
        char out[16];
        nb_short(out, row[i].cap, row[i].text);
        check(strcmp(out, row[i].want) == 0, "\"%s\" in %zu: \"%s\"", row[i].text, row[i].cap, out);
    }
    nb_err err = {0};
    char path[300];
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    nb_fail(&err, NB_ERROR, "%s: gone", path);
    size_t n = strlen(err.msg);
    check(n < sizeof err.msg && strcmp(err.msg + n - 3, "…") == 0, "%s", err.msg);
}

CHECK_TEST(str, sizes_and_times_read_as_people_write_them)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {
        {0, "0 B"},
        {999, "999 B"},
        {1000, "1.00 kB"},
        {1234, "1.23 kB"},
        {11500000, "11.5 MB"},
        {1410000000, "1.41 GB"},
        {9994999, "9.99 MB"},
        {9995000, "10.0 MB"},
        {99949999, "99.9 MB"},
        {99950000, "100 MB"},
        {999499999, "999 MB"},
        {999500000, "1.00 GB"},
        {UINT64_MAX, "18.4 EB"},
        {7000000000000, "7.00 TB"},
    };
    static const struct {
        double seconds;
        const char *text;
    } times[] = {
        {-1, "?"},       {NAN, "?"},       {INFINITY, "?"}, {0, "<1s"},
        {0.99, "<1s"},   {1, "0:01"},      {48, "0:48"},    {59.6, "1:00"},
        {3599, "59:59"}, {3599.7, "1h00"}, {3720, "1h02"},  {86400 * 12.5, "12d"},
    };
    char out[16];
    for (size_t i = 0; i < countof(sizes); i++)
        check(strcmp(nb_human_bytes(out, sizes[i].bytes), sizes[i].text) == 0, "%s: %s",
              sizes[i].text, out);
    for (size_t i = 0; i < countof(times); i++)
        check(strcmp(nb_human_time(out, times[i].seconds), times[i].text) == 0, "%s: %s",
              times[i].text, out);
}

/* Both ways, and no shorter spelling reads back. */
static void check_number(double v)
{
    char text[32], other[32];
    double back;
    nb_fmt_double(text, v);
    check(nb_parse_double(text, &back) && memcmp(&back, &v, sizeof v) == 0, "%a as %s", v, text);
    check(strspn(text, "0123456789.e+-") == strlen(text), "%s", text);
    int digits = 0;
    for (const char *c = text; *c && *c != 'e'; c++)
        digits += *c >= '0' && *c <= '9';
    if (digits > 1 && strchr(text, 'e')) {
        snprintf(other, sizeof other, "%.*e", digits - 2, v);
        for (char *c = other; *c; c++)
            if (*c == ',')
                *c = '.';
        check(!nb_parse_double(other, &back) || back != v, "%s is shorter than %s", other, text);
    }
}

static void check_all_numbers(void)
{
    test_rng r = test_rng_make(17);
    static const double special[] = {0.0,
                                     -0.0,
                                     1,
                                     0.1,
                                     1e21,
                                     1e22,
                                     1e23,
                                     123456.789,
                                     DBL_MAX,
                                     DBL_MIN,
                                     5e-324,
                                     9007199254740993.0,
                                     2.2250738585072011e-308};
    char text[48];
    double v;
    for (size_t i = 0; i < countof(special); i++)
        check_number(special[i]);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = test_u64(&r);
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v))
            check_number(v);
    }
    check(strcmp(nb_fmt_fixed(text, 1234.5678, 2), "1234.57") == 0, "%s", text);
    check(strcmp(nb_fmt_fixed(text, -0.5, 0), "-0") == 0, "%s", text);
    check(strcmp(nb_fmt_fixed(text, 1e300, 2), "1.0000000000000001e+300") == 0, "%s", text);
    check(strcmp(nb_fmt_double(text, NAN), "null") == 0, "%s", text);
    check(nb_parse_double("1.5", &v) && v == 1.5 && !nb_parse_double("1,5", &v), "radix");
}

CHECK_TEST(str, numbers_ignore_the_locale) /* A33, reliability.md 6 row 11 */
{
    check_all_numbers();
    static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ps_AF.UTF-8"};
    bool any = false;
    for (size_t i = 0; i < countof(commas); i++)
        if (setlocale(LC_ALL, commas[i])) {
            any = true;
            check_all_numbers();
        }
    setlocale(LC_ALL, "C");
    if (!any)
        check_skip("no locale with a decimal comma is installed");
}

CHECK_TEST(str, numbers_are_read_whole_or_not_at_all)
{
    static const char *const bad[] = {
        "",    " 1",  "1 ",    "1x",     "+",     "-",   ".",   "e5", "1e",  "1e+",  "0x1",
        "inf", "nan", "1e309", "-1e999", "1.2.3", "1,5", "--1", "1:", "1e:", "1e5:", "e"};
    static const struct {
        const char *text;
        double want;
    } good[] = {{"1.", 1},
                {".5", .5},
                {"+2", 2},
                {"1e-400", 0},
                {"-0", -0.0},
                {"00012", 12},
                {"9007199254740993", 9007199254740992.0},
                {"1e22", 1e22},
                {"1e23", 1e23},
                {"0.000000000000000000000000000000000000000000000000001e51", 1},
                {"179769313486231570000000000000000000000e270", DBL_MAX},
                {"2.4703282292062327e-324", 0},
                {"2.4703282292062328e-324", 5e-324}};
    double v = 7;
    uint64_t u = 7;
    int64_t i64 = 7;
    for (size_t i = 0; i < countof(bad); i++)
        check(!nb_parse_double(bad[i], &v) && v == 7, "%s", bad[i]);
    for (size_t i = 0; i < countof(good); i++)
        check(nb_parse_double(good[i].text, &v) && v == good[i].want, "%s: %.17g", good[i].text, v);
    char *huge = malloc(100001);
    memset(huge, '1', 100000);
    huge[100000] = '\0';
    check(!nb_parse_double(huge, &v), "100 k digits");
    free(huge);
    check(nb_parse_u64("18446744073709551615", &u) && u == UINT64_MAX, "u64");
    check(!nb_parse_u64("18446744073709551616", &u) && !nb_parse_u64("+1", &u) &&
              !nb_parse_u64("", &u),
          "u64 refuses");
    check(nb_parse_i64("-9223372036854775808", &i64) && i64 == INT64_MIN, "i64");
    check(nb_parse_i64("9223372036854775807", &i64) && i64 == INT64_MAX, "i64");
    check(!nb_parse_i64("-9223372036854775809", &i64) &&
              !nb_parse_i64("9223372036854775808", &i64) && !nb_parse_i64("-", &i64),
          "i64 refuses");
}

CHECK_TEST(str, globs_match_like_a_shell)
{
    static const struct {
        const char *pattern, *name;
        bool want;
    } rows[] = {
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"?", "", false},
        {"blk.*.attn_?.weight", "blk.12.attn_q.weight", true},
        {"blk.*.attn_?.weight", "blk.12.attn_qk.weight", false},
        {"*.bias", "a.bias.x", false},
        {"**a**", "xxaxx", true},
        {"[abc]", "b", true},
        {"[!abc]", "b", false},
        {"[^a]", "b", true},
        {"[a-c]x", "bx", true},
        {"[a-c]", "d", false},
        {"[]]", "]", true},
        {"[-a]", "-", true},
        {"[a-]", "-", true},
        {"[", "[", true},
        {"[a", "[a", true},
        {"[a", "a", false},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXbYbZ", false},
        {"?", "\xe4\xb8\xad", true},
        {"??", "\xe4\xb8\xad", false},
        {"*?", "a", true},
        {"[0-9]*", "7b", true},
    };
    for (size_t i = 0; i < countof(rows); i++)
        check(nb_glob(rows[i].pattern, rows[i].name) == rows[i].want, "\"%s\" on \"%s\"",
              rows[i].pattern, rows[i].name);
    char pattern[202], name[5001];
    for (int i = 0; i < 100; i++)
        memcpy(pattern + 2 * i, "a*", 3);
    memcpy(pattern + 200, "b", 2);
    memset(name, 'a', 5000);
    name[5000] = '\0';
    double t = nb_now();
    check(!nb_glob(pattern, name), "no b in it");
    check(nb_now() - t < test_within(0.1), "%g s", nb_now() - t);
}
