/* Targets, labels and bare links (CommonMark 0.31, 4.7 and 6.3; GFM 0.29, 6.9). */
#include "tui/widgets/md_own.h"

#include <stdlib.h>
#include <string.h>

enum { PARENS = 4 }; /* within each other in a target */

struct md_label {
    const char *at; /* borrowed: the text */
    uint32_t len;
    uint32_t def;
};

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static uint32_t skip_white(const char *s, uint32_t at, uint32_t end)
{
    while (at < end && is_white(s[at]))
        at++;
    return at;
}

/* --- targets --------------------------------------------------------------------------------- */

/* <target> or target: its end, 0 = is none. */
static uint32_t read_dest(const char *s, uint32_t at, uint32_t end, uint32_t *to, uint32_t *len)
{
    int depth = 0;
    bool angle = at < end && s[at] == '<';
    uint32_t from = at += angle;
    for (; at < end; at++) {
        if (s[at] == '\\' && ui_md_escape(s, at, end))
            at++;
        else if (angle ? s[at] == '>' || s[at] == '<' || s[at] == '\n'
                       : is_white(s[at]) || (uint8_t)s[at] < ' ')
            break;
        else if (!angle && s[at] == '(' && ++depth > PARENS)
            return 0;
        else if (!angle && s[at] == ')' && --depth < 0)
            break;
    }
    *to = from;
    *len = at - from;
    if (angle)
        return at < end && s[at] == '>' ? at + 1 : 0;
    return depth <= 0 ? at : 0;
}

/* "title", 'title' or (title): its end, 0 = is none. */
static uint32_t read_title(const char *s, uint32_t at, uint32_t end)
{
    char close = at >= end                       ? '\0'
                 : s[at] == '('                  ? ')'
                 : s[at] == '"' || s[at] == '\'' ? s[at]
                                                 : '\0';
    for (at++; close && at < end; at++) {
        if (s[at] == close)
            return at + 1;
        if (close == ')' && s[at] == '(')
            return 0;
        at += ui_md_escape(s, at, end) > 0;
    }
    return 0;
}

uint32_t ui_md_link_read(const char *s, uint32_t at, uint32_t end, uint32_t *to, uint32_t *len)
{
    if (at >= end || s[at] != '(')
        return 0;
    at = skip_white(s, at + 1, end);
    uint32_t dest = read_dest(s, at, end, to, len);
    if (!dest)
        return 0;
    at = skip_white(s, dest, end);
    if (at > dest && at < end && s[at] != ')') {
        at = read_title(s, at, end);
        if (!at)
            return 0;
        at = skip_white(s, at, end);
    }
    return at < end && s[at] == ')' ? at + 1 : 0;
}

/* --- labels and definitions ------------------------------------------------------------------ */

uint32_t ui_md_label_read(const char *s, uint32_t at, uint32_t end)
{
    bool any = false;
    uint32_t stop = at < end && end - at > MD_LABEL + 2 ? at + MD_LABEL + 2 : end;
    if (at >= end || s[at] != '[')
        return 0;
    for (at++; at < stop && s[at] != '['; at++) {
        if (s[at] == ']')
            return any ? at + 1 : 0;
        any |= !is_white(s[at]);
        at += ui_md_escape(s, at, stop) > 0;
    }
    return 0;
}

/* The end of the line when nothing but white is left of it, 0 = there is more. */
static uint32_t line_end(const char *s, uint32_t at, uint32_t end)
{
    while (at < end && s[at] != '\n' && is_white(s[at]))
        at++;
    return at == end || s[at] == '\n' ? at : 0;
}

uint32_t ui_md_def_read(const char *s, uint32_t at, uint32_t end, md_def *d)
{
    uint32_t label = at, close = ui_md_label_read(s, at, end);
    if (!close || close >= end || s[close] != ':' || s[label + 1] == '^')
        return 0;
    *d = (md_def){.label = label + 1, .label_len = close - label - 2};
    at = skip_white(s, close + 1, end);
    uint32_t dest = read_dest(s, at, end, &d->to, &d->to_len);
    if (!dest || dest == at)
        return 0;
    at = skip_white(s, dest, end);
    uint32_t title = at > dest ? read_title(s, at, end) : 0;
    uint32_t stop = title ? line_end(s, title, end) : 0;
    return stop ? stop : line_end(s, dest, end);
}

/* The next character of a label as labels are compared: ASCII without case, white as one space. */
static int label_char(const char *s, uint32_t *at, uint32_t end)
{
    uint32_t from = *at;
    *at = skip_white(s, from, end);
    if (*at >= end)
        return -1;
    if (*at > from && from > 0)
        return ' ';
    char c = s[(*at)++];
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (uint8_t)c;
}

static int label_cmp(const char *a, uint32_t na, const char *b, uint32_t nb)
{
    uint32_t i = 0, j = 0;
    for (;;) {
        int x = label_char(a, &i, na), y = label_char(b, &j, nb);
        if (x != y)
            return x < y ? -1 : 1;
        if (x < 0)
            return 0;
    }
}

static int sort_cmp(const void *pa, const void *pb)
{
    const struct md_label *a = pa, *b = pb;
    int c = label_cmp(a->at, a->len, b->at, b->len);
    return c ? c : a->def < b->def ? -1 : a->def > b->def;
}

void ui_md_defs_sort(md_lay *l)
{
    l->n_label = 0;
    for (size_t i = 0; i < l->m->n_def; i++) {
        const md_def *d = &l->m->def[i];
        struct md_label *a = ui_md_more(l, l->label, l->n_label, &l->cap_label, sizeof *a);
        if (!a)
            return;
        l->label = a;
        a[l->n_label++] = (struct md_label){l->text + d->label, d->label_len, (uint32_t)i};
    }
    if (l->n_label)
        qsort(l->label, l->n_label, sizeof *l->label, sort_cmp);
}

const md_def *ui_md_def_find(const md_lay *l, const char *label, uint32_t len)
{
    size_t lo = 0, hi = l->n_label;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct md_label *k = &l->label[mid];
        if (label_cmp(k->at, k->len, label, len) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    bool found = lo < l->n_label && label_cmp(l->label[lo].at, l->label[lo].len, label, len) == 0;
    return found ? &l->m->def[l->label[lo].def] : NULL;
}

/* --- bare links ------------------------------------------------------------------------------ */

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (uint8_t)c >= 0x80;
}

/* Marks at the end are the sentence's, and so is a bracket that was not opened in the link. */
static uint32_t trim_bare(const char *s, uint32_t at, uint32_t end)
{
    int open = 0;
    for (uint32_t i = at; i < end; i++)
        open += (s[i] == '(') - (s[i] == ')');
    for (; end > at; end--) {
        char c = s[end - 1];
        if (c == ')' && open < 0)
            open++;
        else if (c == ')' || !strchr("?!.,:;*_~'\"", c) || !c)
            break;
    }
    return end;
}

uint32_t ui_md_bare_read(const char *s, uint32_t low, uint32_t at, uint32_t end, bool in_bracket,
                         uint32_t *from)
{
    static const char *const schemes[] = {"https", "http", "ftp"};
    uint32_t host = 0;
    if (s[at] == 'w' && end - at > 4 && memcmp(s + at, "www.", 4) == 0) {
        *from = at;
        host = at + 4;
    }
    for (size_t i = 0; i < countof(schemes) && s[at] == ':' && !host; i++) {
        uint32_t n = (uint32_t)strlen(schemes[i]);
        if (at - low < n || end - at <= 3 || memcmp(s + at - n, schemes[i], n) != 0 ||
            s[at + 1] != '/' || s[at + 2] != '/')
            continue;
        *from = at - n;
        host = at + 3;
    }
    if (!host || !is_word(s[host]) || (*from > 0 && *from > low && is_word(s[*from - 1])))
        return 0;
    uint32_t stop = host;
    while (stop < end && !is_white(s[stop]) && s[stop] != '<' && (uint8_t)s[stop] >= ' ' &&
           !(in_bracket && s[stop] == ']'))
        stop++;
    return trim_bare(s, host, stop) - *from;
}
