/* HTML tags in Markdown and what they do (CommonMark 0.31, 4.6 and 6.6). */
#include "tui/widgets/md_parse.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static uint32_t skip_white(const char *s, uint32_t at, uint32_t end)
{
    while (at < end && (md_is_white(s[at]) || s[at] == '\n'))
        at++;
    return at;
}

/* --- reading --------------------------------------------------------------------------------- */

/* The attribute at s[at]: its end, 0 = is none. */
static uint32_t read_attr(const char *s, uint32_t at, uint32_t end, md_attr *a)
{
    uint32_t from = at;
    while (at < end && (is_letter(s[at]) || s[at] == '_' || s[at] == ':' ||
                        (at > from && (is_digit(s[at]) || s[at] == '.' || s[at] == '-'))))
        at++;
    *a = (md_attr){.name = from, .name_len = at - from};
    uint32_t eq = skip_white(s, at, end);
    if (at == from || eq >= end || s[eq] != '=')
        return at > from ? at : 0;
    at = skip_white(s, eq + 1, end);
    char quote = at < end && (s[at] == '"' || s[at] == '\'') ? s[at] : '\0';
    at += quote != '\0';
    a->value = at;
    while (at < end && (quote ? s[at] != quote
                              : s[at] != '\n' && !md_is_white(s[at]) && !strchr("\"'=<>`", s[at])))
        at++;
    a->value_len = at - a->value;
    if (quote)
        return at < end ? at + 1 : 0;
    return a->value_len ? at : 0;
}

bool ui_md_tag_read(const char *s, uint32_t at, uint32_t end, md_tag *t)
{
    md_attr a;
    uint32_t p = at + 1, n = 0;
    *t = (md_tag){.at = at, .close = p < end && s[p] == '/'};
    p += t->close;
    if (p >= end || !is_letter(s[p]))
        return false;
    for (; p < end && (is_letter(s[p]) || is_digit(s[p]) || s[p] == '-'); p++)
        if (n + 1 < MD_NAME)
            t->name[n++] = (char)(is_letter(s[p]) ? s[p] | 0x20 : s[p]);
    t->attrs = p;
    for (uint32_t next = p; next;) {
        uint32_t from = skip_white(s, p, end);
        next = from > p && !t->close ? read_attr(s, from, end, &a) : 0;
        p = next ? next : from;
    }
    p += !t->close && p < end && s[p] == '/';
    t->end = p + 1;
    return p < end && s[p] == '>';
}

bool ui_md_tag_attr(const char *s, const md_tag *t, const char *name, md_attr *a)
{
    size_t n = strlen(name);
    uint32_t end = t->end - 1, p = skip_white(s, t->attrs, end);
    while (p < end) {
        uint32_t next = read_attr(s, p, end, a);
        if (!next)
            return false;
        if (a->name_len == n && strncasecmp(s + a->name, name, n) == 0)
            return a->value_len > 0;
        p = skip_white(s, next, end);
    }
    return false;
}

/* What is no tag, by the kind of block it begins. */
static const struct {
    int kind;
    const char *begin, *end;
} hidden[] = {{2, "<!--", "-->"}, {5, "<![CDATA[", "]]>"}, {3, "<?", "?>"}, {4, "<!", ">"}};

/* Index in hidden[] of what begins at s[at], -1 = none. */
static int hidden_at(const char *s, uint32_t at, uint32_t end)
{
    for (size_t k = 0; k < countof(hidden); k++) {
        uint32_t n = (uint32_t)strlen(hidden[k].begin);
        bool letter = hidden[k].kind != 4 || (end - at > n && is_letter(s[at + n]));
        if (end - at >= n && memcmp(s + at, hidden[k].begin, n) == 0 && letter)
            return (int)k;
    }
    return -1;
}

uint32_t ui_md_html_skip(const char *s, uint32_t at, uint32_t end, uint32_t ended[4])
{
    int k = hidden_at(s, at, end);
    if (k < 0 || at >= ended[k])
        return 0;
    size_t n = strlen(hidden[k].end);
    const char *close = memmem(s + at + 2, end - at - 2, hidden[k].end, n); /* <!--> is whole */
    if (close)
        return (uint32_t)(close - s) + (uint32_t)n;
    ended[k] = at;
    return 0;
}

/* --- what tags do ---------------------------------------------------------------------------- */

typedef struct tag_row {
    const char *name;
    md_effect effect;
    bool block; /* begins an HTML block of kind 6 */
} tag_row;

/* Sorted by name. */
static const tag_row tags[] = {
    {"a", MD_TAG_LINK, false},        {"address", MD_TAG_ROW, true},
    {"article", MD_TAG_ROW, true},    {"aside", MD_TAG_ROW, true},
    {"b", MD_TAG_STRONG, false},      {"base", MD_TAG_NONE, true},
    {"basefont", MD_TAG_NONE, true},  {"blockquote", MD_TAG_QUOTE, true},
    {"body", MD_TAG_ROW, true},       {"br", MD_TAG_BREAK, false},
    {"caption", MD_TAG_ROW, true},    {"center", MD_TAG_ROW, true},
    {"code", MD_TAG_CODE, false},     {"col", MD_TAG_NONE, true},
    {"colgroup", MD_TAG_NONE, true},  {"dd", MD_TAG_ROW, true},
    {"del", MD_TAG_STRIKE, false},    {"details", MD_TAG_GAP, true},
    {"dialog", MD_TAG_ROW, true},     {"dir", MD_TAG_LIST, true},
    {"div", MD_TAG_ROW, true},        {"dl", MD_TAG_GAP, true},
    {"dt", MD_TAG_ROW, true},         {"em", MD_TAG_EM, false},
    {"fieldset", MD_TAG_ROW, true},   {"figcaption", MD_TAG_ROW, true},
    {"figure", MD_TAG_ROW, true},     {"footer", MD_TAG_ROW, true},
    {"form", MD_TAG_ROW, true},       {"frame", MD_TAG_NONE, true},
    {"frameset", MD_TAG_NONE, true},  {"h1", MD_TAG_HEAD, true},
    {"h2", MD_TAG_HEAD, true},        {"h3", MD_TAG_HEAD, true},
    {"h4", MD_TAG_HEAD, true},        {"h5", MD_TAG_HEAD, true},
    {"h6", MD_TAG_HEAD, true},        {"head", MD_TAG_NONE, true},
    {"header", MD_TAG_ROW, true},     {"hr", MD_TAG_RULE, true},
    {"html", MD_TAG_NONE, true},      {"i", MD_TAG_EM, false},
    {"iframe", MD_TAG_NONE, true},    {"img", MD_TAG_IMAGE, false},
    {"kbd", MD_TAG_CODE, false},      {"legend", MD_TAG_ROW, true},
    {"li", MD_TAG_ITEM, true},        {"link", MD_TAG_NONE, true},
    {"main", MD_TAG_ROW, true},       {"menu", MD_TAG_LIST, true},
    {"menuitem", MD_TAG_ITEM, true},  {"nav", MD_TAG_ROW, true},
    {"noframes", MD_TAG_NONE, true},  {"ol", MD_TAG_LIST, true},
    {"optgroup", MD_TAG_NONE, true},  {"option", MD_TAG_ROW, true},
    {"p", MD_TAG_GAP, true},          {"param", MD_TAG_NONE, true},
    {"pre", MD_TAG_PRE, false},       {"s", MD_TAG_STRIKE, false},
    {"samp", MD_TAG_CODE, false},     {"script", MD_TAG_DROP, false},
    {"search", MD_TAG_ROW, true},     {"section", MD_TAG_ROW, true},
    {"strike", MD_TAG_STRIKE, false}, {"strong", MD_TAG_STRONG, false},
    {"style", MD_TAG_DROP, false},    {"summary", MD_TAG_SUMMARY, true},
    {"table", MD_TAG_TABLE, true},    {"tbody", MD_TAG_TROW, true},
    {"td", MD_TAG_CELL, true},        {"tfoot", MD_TAG_TROW, true},
    {"th", MD_TAG_CELL, true},        {"thead", MD_TAG_TROW, true},
    {"title", MD_TAG_DROP, true},     {"tr", MD_TAG_TROW, true},
    {"track", MD_TAG_NONE, true},     {"tt", MD_TAG_CODE, false},
    {"ul", MD_TAG_LIST, true},
};

static int name_cmp(const void *name, const void *row)
{
    return strcmp(name, ((const tag_row *)row)->name);
}

static const tag_row *row_of(const md_tag *t)
{
    return bsearch(t->name, tags, countof(tags), sizeof *tags, name_cmp);
}

md_effect ui_md_tag_effect(const md_tag *t)
{
    const tag_row *row = row_of(t);
    return row ? row->effect : MD_TAG_NONE;
}

/* --- where blocks of it begin and end -------------------------------------------------------- */

static bool is_verbatim(const char *name)
{
    return strcmp(name, "pre") == 0 || strcmp(name, "script") == 0 || strcmp(name, "style") == 0 ||
           strcmp(name, "textarea") == 0;
}

int ui_md_html_begins(const char *s, uint32_t at, uint32_t end, bool in_paragraph)
{
    md_tag t;
    if (at >= end || s[at] != '<')
        return 0;
    int k = hidden_at(s, at, end);
    if (k >= 0)
        return hidden[k].kind;
    bool whole = ui_md_tag_read(s, at, end, &t);
    if (!t.name[0])
        return 0;
    char next = t.attrs < end ? s[t.attrs] : ' ';
    bool named = md_is_white(next) || next == '>' ||
                 (next == '/' && t.attrs + 1 < end && s[t.attrs + 1] == '>');
    const tag_row *row = row_of(&t);
    if (named && !t.close && next != '/' && is_verbatim(t.name))
        return 1;
    if (named && row && row->block)
        return 6;
    return whole && !in_paragraph && skip_white(s, t.end, end) == end ? 7 : 0;
}

static bool ends_verbatim(const char *s, uint32_t at, uint32_t end)
{
    md_tag t;
    for (const char *p; (p = memmem(s + at, end - at, "</", 2)); at++) {
        at = (uint32_t)(p - s);
        if (ui_md_tag_read(s, at, end, &t) && is_verbatim(t.name))
            return true;
    }
    return false;
}

bool ui_md_html_ends(int kind, const char *s, uint32_t at, uint32_t end)
{
    if (kind == 1)
        return ends_verbatim(s, at, end);
    for (size_t k = 0; k < countof(hidden); k++)
        if (hidden[k].kind == kind)
            return memmem(s + at, end - at, hidden[k].end, strlen(hidden[k].end)) != NULL;
    return false;
}
