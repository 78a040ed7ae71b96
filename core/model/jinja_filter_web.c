/* Filters that lay out or quote text: filesizeformat, pprint, striptags, urlencode, wordcount,
 * wordwrap, xmlattr (jinja2/filters.py @ 3.1.2, Python's textwrap). random and urlize are refused
 * by name: a rendering gives the same text every time, and a prompt has no links to make. */
#include "core/model/jinja_vm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/unicode.h"

/* --- sizes ----------------------------------------------------------------------------------- */

static nb_status filesizeformat(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    static const double decimal[] = {1e3, 1e6, 1e9, 1e12, 1e15, 1e18, 1e21, 1e24, 1e27};
    static const char prefix[] = "kMGTPEZY";
    bool binary = nb_jv_truth(&c->arg[0]);
    char text[96], number[48];
    nb_jv v = nb_jv_none(), none = v, name = nb_jv_text("float", 5);
    NB_TRY(nb_jrow_run(vm, nb_jfilter_find(&name), &c->self, &none, 1, NULL, &v));
    if (v.kind != NB_JV_FLOAT)
        return nb_jvm_fail(vm, NB_FORMAT, "filesizeformat of what is no number");
    double bytes = v.f, base = binary ? 1024 : 1000;
    size_t start = vm->n_out;
    if (!isfinite(bytes))
        return nb_jvm_fail(vm, NB_FORMAT, "filesizeformat of no finite number");
    if (bytes < base) {
        snprintf(text, sizeof text, "%.0f %s", trunc(bytes) + 0.0, bytes == 1 ? "Byte" : "Bytes");
    } else {
        size_t i = 0;
        double unit = binary ? ldexp(1, 20) : decimal[1];
        /* the double 1e24 lies below 10^24, with which Python compares */
        for (; i + 1 < sizeof prefix - 1 && (bytes > unit || (bytes == unit && unit != 1e24)); i++)
            unit = binary ? ldexp(1, 10 * (int)(i + 3)) : decimal[i + 2];
        nb_fmt_fixed(number, base * bytes / unit, 1);
        snprintf(text, sizeof text, "%s %c%sB", number, binary && i == 0 ? 'K' : prefix[i],
                 binary ? "i" : "");
    }
    NB_TRY(nb_jvm_put(vm, text, strlen(text), false));
    return nb_jvm_text(vm, start, out);
}

/* --- pprint ---------------------------------------------------------------------------------- */

/* A copy whose dicts are sorted by key. */
static nb_status sorted_copy(nb_jvm *vm, const nb_jv *v, nb_jv *out)
{
    nb_jv one, copy;
    *out = *v;
    if (v->kind != NB_JV_LIST && v->kind != NB_JV_TUPLE && v->kind != NB_JV_DICT)
        return NB_OK;
    NB_TRY(nb_jvm_deeper(vm));
    if (v->kind == NB_JV_DICT) {
        nb_jv keys;
        NB_TRY(nb_jlist_make(vm, NB_JV_LIST, v->dict->key, v->dict->n, &keys));
        NB_TRY(nb_jlist_sort(vm, &keys));
        NB_TRY(nb_jdict_make(vm, NB_JV_DICT, &copy));
        for (uint32_t i = 0; i < keys.list->n; i++) {
            nb_jv *at;
            NB_TRY(nb_jdict_find(vm, v->dict, &keys.list->at[i], &at));
            NB_TRY(sorted_copy(vm, at, &one));
            NB_TRY(nb_jdict_set(vm, copy.dict, &keys.list->at[i], &one));
        }
    } else {
        NB_TRY(nb_jlist_make(vm, (nb_jv_kind)v->kind, NULL, 0, &copy));
        for (uint32_t i = 0; i < v->list->n; i++) {
            NB_TRY(sorted_copy(vm, &v->list->at[i], &one));
            NB_TRY(nb_jlist_add(vm, copy.list, &one));
        }
    }
    vm->depth--;
    *out = copy;
    return NB_OK;
}

/* One line as Python's pprint writes it; beyond its 80 columns it would break lines. */
static nb_status pprint(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    enum { COLUMNS = 80 };
    nb_jv v;
    NB_TRY(sorted_copy(vm, &c->self, &v));
    size_t start = vm->n_out;
    NB_TRY(nb_jvm_put_repr(vm, &v));
    NB_TRY(nb_jvm_text(vm, start, out));
    if (nb_jchars(out->at, out->len) > COLUMNS)
        return nb_jvm_fail(vm, NB_UNSUPPORTED, "pprint of what is wider than %d columns", COLUMNS);
    return NB_OK;
}

/* --- striptags ------------------------------------------------------------------------------- */

/* Leaves out every stretch from `open` to the next `close`. */
static nb_status drop_between(nb_jvm *vm, const nb_jv *text, const char *open, const char *close,
                              nb_jv *out)
{
    size_t start = vm->n_out, n_open = strlen(open), n_close = strlen(close), from = 0;
    NB_TRY(nb_jvm_bulk(vm, text->len));
    while (from < text->len) {
        const char *at = memmem(text->at + from, text->len - from, open, n_open), *end = NULL;
        size_t begin = at ? (size_t)(at - text->at) : text->len;
        if (at)
            end = memmem(at + n_open, text->len - begin - n_open, close, n_close);
        size_t keep = end ? begin : text->len;
        nb_jv part = nb_jv_part(*text, from, keep - from);
        NB_TRY(nb_jvm_put_str(vm, &part));
        from = end ? (size_t)(end - text->at) + n_close : text->len;
    }
    return nb_jvm_text(vm, start, out);
}

/* "&lt;" and the like at s: the character, and how many bytes it takes; 0: none that is known. */
static size_t entity(const char *s, size_t n, uint32_t *cp)
{
    static const struct {
        const char *name;
        uint32_t cp;
    } named[] = {{"&amp;", '&'},  {"&lt;", '<'},    {"&gt;", '>'},
                 {"&quot;", '"'}, {"&apos;", '\''}, {"&nbsp;", 0xa0}};
    for (size_t i = 0; i < countof(named); i++)
        if (n >= strlen(named[i].name) && memcmp(s, named[i].name, strlen(named[i].name)) == 0) {
            *cp = named[i].cp;
            return strlen(named[i].name);
        }
    if (n < 4 || s[1] != '#')
        return 0;
    bool hex = (s[2] | 0x20) == 'x';
    uint32_t v = 0;
    size_t i = hex ? 3 : 2, from = i;
    for (; i < n && i - from < 8; i++) {
        int d = s[i] >= '0' && s[i] <= '9'                            ? s[i] - '0'
                : hex && (s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'f' ? (s[i] | 0x20) - 'a' + 10
                                                                      : -1;
        if (d < 0)
            break;
        v = v * (hex ? 16 : 10) + (uint32_t)d;
    }
    bool whole = i > from && i < n && s[i] == ';' && v >= 0x20 && v < 0x110000;
    *cp = v;
    return whole && (v < 0x7f || v >= 0xa0) && !(v >= 0xd800 && v < 0xe000) ? i + 1 : 0;
}

static nb_status unescape(nb_jvm *vm, const nb_jv *text, nb_jv *out)
{
    size_t start = vm->n_out;
    for (size_t at = 0; at < text->len;) {
        uint32_t cp = 0;
        char utf8[4];
        const char *amp = memchr(text->at + at, '&', text->len - at);
        size_t plain = amp ? (size_t)(amp - text->at) - at : text->len - at;
        nb_jv part = nb_jv_part(*text, at, plain);
        NB_TRY(nb_jvm_put_str(vm, &part));
        at += plain;
        if (!amp)
            break;
        size_t used = entity(amp, text->len - at, &cp);
        part = nb_jv_part(*text, at, 1);
        if (used)
            NB_TRY(nb_jvm_put(vm, utf8, nb_utf8_put(cp, utf8), part.mark && part.mark[0]));
        else
            NB_TRY(nb_jvm_put_str(vm, &part));
        at += used ? used : 1;
    }
    return nb_jvm_text(vm, start, out);
}

/* Words of white space around them, one space between. */
static nb_status single_spaces(nb_jvm *vm, const nb_jv *text, nb_jv *out)
{
    size_t start = vm->n_out, word = 0;
    bool in_word = false, any = false;
    for (size_t at = 0; at <= text->len;) {
        uint32_t cp = ' ';
        size_t n = at < text->len ? nb_jchar(text->at + at, text->len - at, &cp) : 1;
        bool space = nb_jspace(cp);
        if (space && in_word) {
            nb_jv part = nb_jv_part(*text, word, at - word);
            NB_TRY(nb_jvm_put(vm, " ", any, false));
            NB_TRY(nb_jvm_put_str(vm, &part));
            any = true;
        } else if (!space && !in_word) {
            word = at;
        }
        in_word = !space;
        at += n;
    }
    return nb_jvm_text(vm, start, out);
}

static nb_status striptags(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv text;
    NB_TRY(nb_jv_str(vm, &c->self, &text));
    NB_TRY(drop_between(vm, &text, "<!--", "-->", &text));
    NB_TRY(drop_between(vm, &text, "<", ">", &text));
    NB_TRY(single_spaces(vm, &text, &text));
    return unescape(vm, &text, out);
}

/* --- urlencode ------------------------------------------------------------------------------- */

static nb_status put_quoted(nb_jvm *vm, const nb_jv *v, bool query)
{
    nb_jv text;
    NB_TRY(nb_jv_str(vm, v, &text));
    for (size_t i = 0; i < text.len; i++) {
        nb_jv one = nb_jv_part(text, i, 1);
        char b = *one.at, code[4];
        bool letter = (b >= '0' && b <= '9') || ((b | 0x20) >= 'a' && (b | 0x20) <= 'z');
        bool user = one.mark && one.mark[0];
        if (letter || (b && strchr(query ? "_.-~" : "_.-~/", b))) {
            NB_TRY(nb_jvm_put_str(vm, &one));
        } else if (query && b == ' ') {
            NB_TRY(nb_jvm_put(vm, "+", 1, user));
        } else {
            snprintf(code, sizeof code, "%%%02X", (unsigned)(uint8_t)b);
            NB_TRY(nb_jvm_put(vm, code, 3, user));
        }
    }
    return NB_OK;
}

static nb_status urlencode(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv all = c->self, pair;
    int64_t n = -1, width;
    size_t start = vm->n_out;
    if (all.kind != NB_JV_STR)
        NB_TRY(nb_jv_count(vm, &all, &n));
    if (n < 0) {
        NB_TRY(put_quoted(vm, &all, false));
        return nb_jvm_text(vm, start, out);
    }
    for (int64_t i = 0; i < n; i++) {
        nb_jv key = nb_jv_at(&all, i), value;
        if (all.kind == NB_JV_DICT) {
            value = all.dict->val[i];
        } else {
            NB_TRY(nb_jv_each(vm, &key, &pair, &width));
            if (width != 2)
                return nb_jvm_fail(vm, NB_FORMAT, "urlencode needs pairs");
            key = nb_jv_at(&pair, 0);
            value = nb_jv_at(&pair, 1);
        }
        NB_TRY(nb_jvm_put(vm, "&", i > 0, false));
        NB_TRY(put_quoted(vm, &key, true));
        NB_TRY(nb_jvm_put(vm, "=", 1, false));
        NB_TRY(put_quoted(vm, &value, true));
    }
    return nb_jvm_text(vm, start, out);
}

/* --- words ----------------------------------------------------------------------------------- */

/* Python's \w */
static bool word_char(uint32_t cp)
{
    nb_cp_kind kind = nb_cp_kind_of(cp);
    return cp == '_' || kind == NB_KIND_LETTER || kind == NB_KIND_NUMBER;
}

static nb_status wordcount(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv text;
    int64_t n = 0;
    bool in_word = false;
    NB_TRY(nb_jv_str(vm, &c->self, &text));
    NB_TRY(nb_jvm_bulk(vm, text.len));
    for (size_t at = 0; at < text.len;) {
        uint32_t cp;
        at += nb_jchar(text.at + at, text.len - at, &cp);
        n += word_char(cp) && !in_word;
        in_word = word_char(cp);
    }
    *out = nb_jv_int(n);
    return NB_OK;
}

/* --- attributes ------------------------------------------------------------------------------ */

static nb_status put_escaped(nb_jvm *vm, const nb_jv *v)
{
    static const nb_jv name = {.kind = NB_JV_STR, .len = 6, .at = "escape"};
    nb_jv text = nb_jv_none();
    NB_TRY(nb_jrow_run(vm, nb_jfilter_find(&name), v, NULL, 0, NULL, &text));
    return nb_jvm_put_str(vm, &text);
}

static nb_status xmlattr(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    bool space = c->arg[0].kind == NB_JV_ABSENT || nb_jv_truth(&c->arg[0]), any = false;
    size_t start = vm->n_out;
    if (c->self.kind != NB_JV_DICT)
        return nb_jvm_fail(vm, NB_FORMAT, "xmlattr needs a dict");
    for (uint32_t i = 0; i < c->self.dict->n; i++) {
        const nb_jv *value = &c->self.dict->val[i];
        nb_jv key;
        if (value->kind == NB_JV_NONE || value->kind == NB_JV_UNDEFINED)
            continue;
        NB_TRY(nb_jv_str(vm, &c->self.dict->key[i], &key));
        for (uint32_t k = 0; k < key.len; k++)
            if (strchr(" \t\n\v\f\r/>=", key.at[k]) && key.at[k])
                return nb_jvm_fail(vm, NB_FORMAT, "xmlattr: a name holds white space, / > or =");
        NB_TRY(nb_jvm_put(vm, " ", any || space, false));
        NB_TRY(put_escaped(vm, &key));
        NB_TRY(nb_jvm_put(vm, "=\"", 2, false));
        NB_TRY(put_escaped(vm, value));
        NB_TRY(nb_jvm_put(vm, "\"", 1, false));
        any = true;
    }
    return nb_jvm_text(vm, start, out);
}

const nb_jrow nb_jfilters_web[] = {
    {"filesizeformat", filesizeformat, "binary", 0, 0},
    {"pprint", pprint, "", 0, 0},
    {"striptags", striptags, "", 0, 0},
    {"urlencode", urlencode, "", 0, 0},
    {"wordcount", wordcount, "", 0, 0},
    {"wordwrap", nb_jwordwrap, "width,break_long_words,wrapstring,break_on_hyphens", 0, 0},
    {"xmlattr", xmlattr, "autospace", 0, 0},
    {0}};
