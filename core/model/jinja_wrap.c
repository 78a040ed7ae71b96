/* The filter wordwrap: Python's textwrap.wrap, as Jinja calls it, on every line of a text
 * (jinja2/filters.py @ 3.1.2; CPython 3.11, Lib/textwrap.py). */
#include "core/model/jinja_vm.h"

#include <string.h>

#include "core/base/unicode.h"

typedef struct wrapper {
    const uint32_t *cp; /* [n + 1] of one line; 0 at the end */
    const uint32_t *at; /* [n + 1] bytes */
    uint32_t n;
    uint32_t rest; /* end of a chunk of which a part was put into the line before; 0: none */
    int64_t width;
    bool long_words, hyphens;
} wrapper;

typedef struct chunk {
    uint32_t from, to;
} chunk;

/* --- parting a line into chunks --------------------------------------------------------------- */

static bool blank(uint32_t cp)
{
    return cp == ' ' || (cp >= '\t' && cp <= '\r');
}

/* \w */
static bool word_char(uint32_t cp)
{
    nb_cp_kind kind = nb_cp_kind_of(cp);
    return cp == '_' || kind == NB_KIND_LETTER || kind == NB_KIND_NUMBER;
}

/* [^\d\W] */
static bool letter(uint32_t cp)
{
    return cp == '_' || nb_cp_kind_of(cp) == NB_KIND_LETTER;
}

static bool before_dash(const wrapper *w, uint32_t p)
{
    return p > 0 && w->cp[p - 1] &&
           (word_char(w->cp[p - 1]) ||
            (w->cp[p - 1] < 0x80 && strchr("!\"'&.,?", (int)w->cp[p - 1])));
}

/* End of --+ at p that stands between words; p: none. */
static uint32_t long_dash(const wrapper *w, uint32_t p)
{
    uint32_t end = p;
    if (!before_dash(w, p))
        return p;
    while (end < w->n && w->cp[end] == '-')
        end++;
    return end - p >= 2 && end < w->n && word_char(w->cp[end]) ? end : p;
}

/* A hyphen at p behind which a word may be parted: letters on both sides. */
static bool splits(const wrapper *w, uint32_t p)
{
    const uint32_t *cp = w->cp;
    if (cp[p] != '-' || p < 2 || !letter(cp[p - 1]))
        return false;
    bool behind = letter(cp[p - 2]) || (p >= 3 && cp[p - 2] == '-' && letter(cp[p - 3]));
    bool ahead = p + 2 < w->n && letter(cp[p + 1]) &&
                 (letter(cp[p + 2]) || (p + 3 < w->n && cp[p + 2] == '-' && letter(cp[p + 3])));
    return behind && ahead;
}

/* End of the chunk that begins at p. */
static uint32_t chunk_end(const wrapper *w, uint32_t p)
{
    bool space = blank(w->cp[p]);
    uint32_t dash = w->hyphens && !space ? long_dash(w, p) : p;
    if (dash > p)
        return dash;
    for (p++; p < w->n && blank(w->cp[p]) == space; p++) {
        if (space || !w->hyphens)
            continue;
        if (splits(w, p))
            return p + 1;
        if (w->cp[p] == '-' && long_dash(w, p) > p)
            return p;
    }
    return p;
}

/* --- filling lines ---------------------------------------------------------------------------- */

static bool all_space(const wrapper *w, chunk c)
{
    for (uint32_t i = c.from; i < c.to; i++)
        if (!nb_jspace(w->cp[i]))
            return false;
    return true;
}

/* Where a word that is wider than a line is parted, at most `room` characters on. */
static uint32_t part_of(const wrapper *w, chunk c, int64_t room)
{
    uint32_t end = c.from + (uint32_t)(room < 0 ? 0 : room);
    if (!w->hyphens)
        return end;
    for (uint32_t p = end; p > c.from + 1; p--) {
        if (w->cp[p - 1] != '-')
            continue;
        for (uint32_t i = c.from; i < p - 1; i++)
            if (w->cp[i] != '-')
                return p;
        return end;
    }
    return end;
}

/* One line from *next on: [line.from, line.to) is its text, *next what follows. */
static chunk fill(wrapper *w, uint32_t *next, bool first)
{
    chunk line = {*next, *next}, last = line, c = {*next, *next};
    for (; c.from < w->n; c.from = c.to) {
        c.to = c.from < w->rest ? w->rest : chunk_end(w, c.from);
        if (c.from == line.from && line.to == line.from && !first && all_space(w, c)) {
            first = true; /* only the first chunk of a line is left out so */
            line.from = line.to = c.to;
            continue;
        }
        if ((int64_t)(c.to - line.from) > w->width)
            break;
        line.to = c.to;
        last = c;
    }
    if (c.from < w->n && (int64_t)(c.to - c.from) > w->width) {
        w->rest = c.to;
        if (w->long_words)
            c.to = part_of(w, c, w->width - (int64_t)(line.to - line.from));
        if (w->long_words || line.to == line.from) {
            last = (chunk){line.to, c.to};
            line.to = c.from = c.to;
        }
    }
    *next = c.from;
    if (line.to > line.from && last.to > last.from && all_space(w, last))
        line.to = last.from;
    return line;
}

/* The wrapped lines of one, joined. */
static nb_status wrap_line(nb_jvm *vm, wrapper *w, const nb_jv *line, const nb_jv *join)
{
    uint32_t *cp = NULL, *at = NULL, n = 0;
    NB_TRY(nb_jvm_bulk(vm, (uint64_t)line->len * 8));
    NB_TRY(nb_jvm_take(vm, (uint64_t)line->len + 1, sizeof *cp, &cp));
    NB_TRY(nb_jvm_take(vm, (uint64_t)line->len + 1, sizeof *at, &at));
    for (uint32_t b = 0; b < line->len; n++) {
        at[n] = b;
        b += (uint32_t)nb_jchar(line->at + b, line->len - b, &cp[n]);
    }
    at[n] = line->len;
    *w = (wrapper){cp, at, n, 0, w->width, w->long_words, w->hyphens};
    bool any = false;
    for (uint32_t next = 0; next < n;) {
        chunk c = fill(w, &next, !any);
        NB_TRY(nb_jvm_step(vm, 1));
        if (c.to == c.from)
            continue;
        if (any)
            NB_TRY(nb_jvm_put_str(vm, join));
        nb_jv part = nb_jv_part(*line, at[c.from], at[c.to] - at[c.from]);
        NB_TRY(nb_jvm_put_str(vm, &part));
        any = true;
    }
    return NB_OK;
}

nb_status nb_jwordwrap(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv text, lines, join = nb_jv_text("\n", 1);
    wrapper w = {.long_words = c->arg[1].kind == NB_JV_ABSENT || nb_jv_truth(&c->arg[1]),
                 .hyphens = c->arg[3].kind == NB_JV_ABSENT || nb_jv_truth(&c->arg[3])};
    NB_TRY(nb_jv_str(vm, &c->self, &text));
    NB_TRY(nb_jarg_int(vm, &c->arg[0], 79, &w.width));
    if (w.width < 1)
        return nb_jvm_fail(vm, NB_FORMAT, "invalid width %lld (must be > 0)", (long long)w.width);
    if (c->arg[2].kind != NB_JV_ABSENT && c->arg[2].kind != NB_JV_NONE)
        NB_TRY(nb_jv_str(vm, &c->arg[2], &join));
    NB_TRY(nb_jstr_lines(vm, &text, false, &lines));
    size_t start = vm->n_out;
    for (uint32_t i = 0; i < lines.list->n; i++) {
        if (i)
            NB_TRY(nb_jvm_put_str(vm, &join));
        NB_TRY(wrap_line(vm, &w, &lines.list->at[i], &join));
    }
    return nb_jvm_text(vm, start, out);
}
