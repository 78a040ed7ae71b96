/* The one sanitiser between foreign text and a terminal, log or file (reliability A32, A33). */
#include "core/base/str.h"

#include <string.h>

#include "core/base/unicode.h"

enum {
    MARKS_MAX = 4, /* combining marks per base: what one curses cell holds beside it */
    ZWJ = 0x200d,
    VS16 = 0xfe0f,
    KEYCAP = 0x20e3,
};

typedef struct filter {
    nb_str *out;
    bool ascii, one_line;
    uint32_t before; /* last code point that was let through as it was, 0 = none */
    unsigned marks;  /* combining marks since the last base */
} filter;

static void put(filter *f, uint32_t cp)
{
    char utf8[4];
    nb_str_addn(f->out, utf8, nb_utf8_put(cp, utf8));
}

/* Its number, four digits or more; by hand, because a hostile megabyte has a million of them. */
static void put_number(filter *f, uint32_t cp)
{
    char text[16], *end = text + sizeof text, *at = end;
    for (int digits = 0; digits < 4 || cp; digits++, cp >>= 4)
        *--at = "0123456789ABCDEF"[cp & 15];
    *--at = '+';
    *--at = 'U';
    nb_str_add(f->out, f->ascii ? "<" : "\xe2\x9f\xa8");
    nb_str_addn(f->out, at, (size_t)(end - at));
    nb_str_add(f->out, f->ascii ? ">" : "\xe2\x9f\xa9");
    f->before = 0;
    f->marks = 0;
}

/* VS16 asks for the emoji form of what stands before it; a keycap is digit, VS16, U+20E3. */
static bool vs16_fits(uint32_t before, uint32_t next)
{
    bool keycap = (before >= '0' && before <= '9') || before == '#' || before == '*';
    return (keycap && next == KEYCAP) || nb_cp_is(NB_CP_PICTOGRAPH, before);
}

static bool zwj_fits(uint32_t before, uint32_t next)
{
    return (before == VS16 || nb_cp_is(NB_CP_PICTOGRAPH, before)) &&
           nb_cp_is(NB_CP_PICTOGRAPH, next);
}

/* One code point; next is the one behind it, 0 when none or not valid. */
static void filter_cp(filter *f, uint32_t cp, uint32_t next)
{
    if (cp == '\n' || cp == '\t') {
        put(f, f->one_line ? ' ' : cp);
        f->before = 0;
        f->marks = 0;
        return;
    }
    int width = nb_cp_width(cp);
    bool joins =
        (cp == VS16 && vs16_fits(f->before, next)) || (cp == ZWJ && zwj_fits(f->before, next));
    if (width < 0 || (!joins && nb_cp_is(NB_CP_HIDDEN, cp))) {
        put_number(f, cp);
        return;
    }
    if (f->ascii && cp >= 0x80) {
        for (int i = 0; i < width; i++)
            nb_str_add(f->out, "?");
        return;
    }
    if (width > 0)
        f->marks = 0;
    else if (!joins && f->marks++ >= MARKS_MAX)
        return;
    put(f, cp);
    f->before = cp;
}

void nb_safe_text(nb_str *out, const char *text, size_t n, unsigned flags)
{
    filter f = {.out = out, .ascii = flags & NB_SAFE_ASCII, .one_line = flags & NB_SAFE_ONE_LINE};
    for (size_t i = 0; i < n;) {
        uint32_t cp, next = 0;
        size_t plain = i;
        while (plain < n && text[plain] >= ' ' && text[plain] < 0x7f)
            plain++;
        if (plain > i) { /* most text is this */
            nb_str_addn(out, text + i, plain - i);
            f.before = (uint8_t)text[plain - 1];
            f.marks = 0;
            i = plain;
            continue;
        }
        size_t used = nb_utf8_next(text + i, n - i, &cp, NULL);
        if (used == 0) {
            nb_str_add(out, f.ascii ? "?" : "\xef\xbf\xbd");
            f.before = 0;
            f.marks = 0;
            i++;
            continue;
        }
        i += used;
        if ((cp == VS16 || cp == ZWJ) && nb_utf8_next(text + i, n - i, &next, NULL) == 0)
            next = 0;
        filter_cp(&f, cp, next);
    }
}
