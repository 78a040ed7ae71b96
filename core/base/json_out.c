#include "core/base/json.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/str.h"
#include "core/base/unicode.h"

nb_jout nb_jout_make(nb_str *out)
{
    return (nb_jout){.out = out};
}

/* The comma before a value or key, where one is due. */
static void separate(nb_jout *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    uint64_t bit = 1ull << (w->depth & 63);
    if (w->comma & bit)
        nb_str_add(w->out, ",");
    w->comma |= bit;
}

static void open(nb_jout *w, const char *bracket)
{
    separate(w);
    nb_str_add(w->out, bracket);
    w->depth++;
    w->comma &= ~(1ull << (w->depth & 63));
}

static void close_with(nb_jout *w, const char *bracket)
{
    w->depth--;
    nb_str_add(w->out, bracket);
}

void nb_jout_object(nb_jout *w)
{
    open(w, "{");
}

void nb_jout_object_end(nb_jout *w)
{
    close_with(w, "}");
}

void nb_jout_array(nb_jout *w)
{
    open(w, "[");
}

void nb_jout_array_end(nb_jout *w)
{
    close_with(w, "]");
}

static void escaped(nb_str *out, uint32_t cp)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *hit = cp && cp < 0x80 ? memchr(from, (int)cp, sizeof from - 1) : NULL;
    if (hit)
        nb_str_addf(out, "\\%c", to[hit - from]);
    else if (cp < 0x10000)
        nb_str_addf(out, "\\u%04x", (unsigned)cp);
    else
        nb_str_addf(out, "\\u%04x\\u%04x", 0xd7c0 + (unsigned)(cp >> 10),
                    0xdc00 + (unsigned)(cp & 0x3ff));
}

/* What a terminal might obey or hide: JSON is printed to terminals too (reliability A32). */
static bool harmless(uint32_t cp)
{
    return cp >= 0x20 && cp != '"' && cp != '\\' && nb_cp_width(cp) >= 0 &&
           (cp < 0x80 || !nb_cp_is(NB_CP_HIDDEN, cp));
}

static void quoted(nb_str *out, const char *s, size_t n)
{
    size_t run = 0;
    nb_str_add(out, "\"");
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t used = nb_utf8_next(s + i, n - i, &cp, NULL);
        if (used && harmless(cp)) {
            i += used;
            continue;
        }
        nb_str_addn(out, s + run, i - run);
        if (used)
            escaped(out, cp);
        else
            nb_str_add(out, "\xef\xbf\xbd"); /* U+FFFD */
        i += used ? used : 1;
        run = i;
    }
    nb_str_addn(out, s + run, n - run);
    nb_str_add(out, "\"");
}

void nb_jout_key(nb_jout *w, const char *key)
{
    separate(w);
    quoted(w->out, key, strlen(key));
    nb_str_add(w->out, ":");
    w->after_key = true;
}

void nb_jout_strn(nb_jout *w, const char *s, size_t n)
{
    separate(w);
    quoted(w->out, s, n);
}

void nb_jout_str(nb_jout *w, const char *s)
{
    nb_jout_strn(w, s, strlen(s));
}

void nb_jout_u64(nb_jout *w, uint64_t v)
{
    separate(w);
    nb_str_addf(w->out, "%" PRIu64, v);
}

void nb_jout_i64(nb_jout *w, int64_t v)
{
    separate(w);
    nb_str_addf(w->out, "%" PRId64, v);
}

void nb_jout_double(nb_jout *w, double v)
{
    char text[32];
    separate(w);
    nb_str_add(w->out, nb_fmt_double(text, v));
}

void nb_jout_bool(nb_jout *w, bool v)
{
    separate(w);
    nb_str_add(w->out, v ? "true" : "false");
}

void nb_jout_null(nb_jout *w)
{
    separate(w);
    nb_str_add(w->out, "null");
}
