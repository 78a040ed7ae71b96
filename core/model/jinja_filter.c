/* Filters on single values: text and numbers. Those on lists: jinja_filter_list.c. */
#include "core/model/jinja_vm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- text ------------------------------------------------------------------------------------ */

static nb_status as_case(nb_jvm *vm, nb_jcall *c, nb_jletters how, nb_jv *out)
{
    nb_jv text;
    NB_TRY(nb_jv_str(vm, &c->self, &text));
    return nb_jstr_case(vm, &text, how, out);
}

static nb_status upper(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return as_case(vm, c, NB_JUPPER, out);
}

static nb_status lower(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return as_case(vm, c, NB_JLOWER, out);
}

static nb_status capitalize(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return as_case(vm, c, NB_JCAPITALIZE, out);
}

static nb_status title(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return as_case(vm, c, NB_JWORDS, out);
}

static nb_status string(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jv_str(vm, &c->self, out);
}

static nb_status trim(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv text;
    NB_TRY(nb_jv_str(vm, &c->self, &text));
    return nb_jstr_strip(vm, &text, &c->arg[0], NB_JLEFT | NB_JRIGHT, out);
}

static nb_status replace(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv text, old, by;
    int64_t count;
    NB_TRY(nb_jv_str(vm, &c->self, &text));
    NB_TRY(nb_jv_str(vm, &c->arg[0], &old));
    NB_TRY(nb_jv_str(vm, &c->arg[1], &by));
    NB_TRY(nb_jarg_int(vm, &c->arg[2], -1, &count));
    return nb_jstr_replace(vm, &text, &old, &by, count, out);
}

static nb_status spaces(nb_jvm *vm, int64_t n, nb_jv *out)
{
    size_t start = vm->n_out;
    for (int64_t i = 0; i < n; i++)
        NB_TRY(nb_jvm_put(vm, " ", 1, false));
    return nb_jvm_text(vm, start, out);
}

/* indent(width=4, first=False, blank=False) */
static nb_status indent(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv text, by = c->arg[0], lines;
    int64_t width;
    bool first = nb_jv_truth(&c->arg[1]), blank = nb_jv_truth(&c->arg[2]);
    NB_TRY(nb_jv_str(vm, &c->self, &text));
    if (by.kind != NB_JV_STR) {
        NB_TRY(nb_jarg_int(vm, &by, 4, &width));
        NB_TRY(spaces(vm, width, &by));
    }
    size_t start = vm->n_out; /* Jinja adds a line end so that a last one survives splitlines */
    NB_TRY(nb_jvm_put_str(vm, &text));
    NB_TRY(nb_jvm_put(vm, "\n", 1, false));
    NB_TRY(nb_jvm_text(vm, start, &text));
    NB_TRY(nb_jstr_lines(vm, &text, false, &lines));
    for (uint32_t i = 0; i < lines.list->n; i++) {
        const nb_jv *line = &lines.list->at[i];
        if (i)
            NB_TRY(nb_jvm_put(vm, "\n", 1, false));
        if (i == 0 ? first : blank || line->len)
            NB_TRY(nb_jvm_put_str(vm, &by));
        NB_TRY(nb_jvm_put_str(vm, line));
    }
    return nb_jvm_text(vm, start, out);
}

static nb_status escape(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    static const char from[] = "&<>'\"";
    static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    nb_jv text;
    NB_TRY(nb_jv_str(vm, &c->self, &text));
    size_t start = vm->n_out;
    for (size_t i = 0; i < text.len; i++) {
        nb_jv one = nb_jv_part(text, i, 1);
        const char *hit = *one.at ? strchr(from, *one.at) : NULL;
        const char *as = hit ? to[hit - from] : "";
        if (hit)
            NB_TRY(nb_jvm_put(vm, as, strlen(as), one.mark && one.mark[0]));
        else
            NB_TRY(nb_jvm_put_str(vm, &one));
    }
    return nb_jvm_text(vm, start, out);
}

static nb_status safe(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jv_str(vm, &c->self, out);
}

/* "..."|format(a, b) is "..." % (a, b); with names, % a dict of them. */
static nb_status format(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv text, args;
    NB_TRY(nb_jv_str(vm, &c->self, &text));
    if (c->named) {
        NB_TRY(nb_jdict_make(vm, NB_JV_DICT, &args));
        *args.dict = *c->named;
    } else {
        NB_TRY(nb_jlist_make(vm, NB_JV_TUPLE, c->pos, c->n, &args));
    }
    return nb_jvm_percent(vm, &text, &args, out);
}

static nb_status center(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv text, pad;
    int64_t width;
    NB_TRY(nb_jv_str(vm, &c->self, &text));
    NB_TRY(nb_jarg_int(vm, &c->arg[0], 80, &width));
    int64_t n = (int64_t)nb_jchars(text.at, text.len), gap = width > n ? width - n : 0;
    int64_t before = gap / 2 + (gap & width & 1); /* CPython's rule for an odd rest */
    size_t start = vm->n_out;
    NB_TRY(spaces(vm, before, &pad));
    NB_TRY(nb_jvm_put_str(vm, &pad));
    NB_TRY(nb_jvm_put_str(vm, &text));
    NB_TRY(spaces(vm, gap - before, &pad));
    NB_TRY(nb_jvm_put_str(vm, &pad));
    return nb_jvm_text(vm, start, out);
}

/* truncate(length=255, killwords=False, end="...", leeway=5) */
static nb_status truncate(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv text, end = c->arg[2].kind == NB_JV_STR ? c->arg[2] : nb_jv_text("...", 3);
    int64_t length, leeway;
    NB_TRY(nb_jv_str(vm, &c->self, &text));
    NB_TRY(nb_jarg_int(vm, &c->arg[0], 255, &length));
    NB_TRY(nb_jarg_int(vm, &c->arg[3], 5, &leeway));
    int64_t n = (int64_t)nb_jchars(text.at, text.len), tail = (int64_t)nb_jchars(end.at, end.len);
    *out = text;
    if (length < tail || leeway < 0)
        return nb_jvm_fail(vm, NB_FORMAT, "truncate to %lld characters", (long long)length);
    if (n <= length || n - length <= leeway)
        return NB_OK;
    text = nb_jv_part(text, 0, nb_jchar_offset(text.at, text.len, (size_t)(length - tail)));
    const char *space = nb_jv_truth(&c->arg[1]) ? NULL : memrchr(text.at, ' ', text.len);
    if (space)
        text = nb_jv_part(text, 0, (size_t)(space - text.at));
    size_t start = vm->n_out;
    NB_TRY(nb_jvm_put_str(vm, &text));
    NB_TRY(nb_jvm_put_str(vm, &end));
    return nb_jvm_text(vm, start, out);
}

/* tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False) */
static nb_status tojson(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    const nb_jv *indent = &c->arg[1], *parts = &c->arg[2];
    bool lines = indent->kind != NB_JV_ABSENT && indent->kind != NB_JV_NONE;
    nb_jjson how = {.item = nb_jv_text(", ", lines ? 1 : 2),
                    .key = nb_jv_text(": ", 2),
                    .ascii = nb_jv_truth(&c->arg[0]),
                    .sorted = nb_jv_truth(&c->arg[3])};
    int64_t width;
    if (lines && indent->kind == NB_JV_STR) {
        how.indent = *indent;
    } else if (lines) {
        NB_TRY(nb_jarg_int(vm, indent, 0, &width));
        NB_TRY(spaces(vm, width, &how.indent));
    }
    if (parts->kind == NB_JV_TUPLE || parts->kind == NB_JV_LIST) {
        if (parts->list->n != 2)
            return nb_jvm_fail(vm, NB_FORMAT, "tojson: separators are two");
        how.item = parts->list->at[0];
        how.key = parts->list->at[1];
        NB_TRY(nb_jarg_str(vm, &how.item));
        NB_TRY(nb_jarg_str(vm, &how.key));
    }
    size_t start = vm->n_out;
    NB_TRY(nb_jvm_put_json(vm, &c->self, &how));
    return nb_jvm_text(vm, start, out);
}

/* --- numbers --------------------------------------------------------------------------------- */

/* 0..35; 36 for what is no digit in any base. */
static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 36;
}

/* Of "0x" and the like; 0: the base has none. */
static char prefix_of(int64_t base)
{
    return base == 16 ? 'x' : base == 8 ? 'o' : base == 2 ? 'b' : 0;
}

/* A string as a number, white space around it and single underscores between its digits allowed. */
static bool number_text(const nb_jv *s, int64_t base, char out[64])
{
    size_t n = 0, from = 0, to = s->len;
    while (from < to && nb_jspace((uint8_t)s->at[from]))
        from++;
    while (to > from && nb_jspace((uint8_t)s->at[to - 1]))
        to--;
    for (size_t i = from; i < to; i++) {
        bool between = s->at[i] == '_' && n && i + 1 < to && digit_of(s->at[i + 1]) < base;
        if (between && (digit_of(s->at[i - 1]) < base || (s->at[i - 1] | 0x20) == prefix_of(base)))
            continue;
        if (n == 63)
            return false;
        out[n++] = s->at[i];
    }
    out[n] = '\0';
    return n > 0;
}

static bool parse_real(const nb_jv *s, double *out)
{
    char text[64];
    if (!number_text(s, 10, text))
        return false;
    const char *word = text + (text[0] == '-' || text[0] == '+');
    if (nb_same_word(word, "inf") || nb_same_word(word, "infinity"))
        *out = text[0] == '-' ? -(double)INFINITY : (double)INFINITY;
    else if (nb_same_word(word, "nan"))
        *out = (double)NAN;
    else
        return nb_parse_double(text, out);
    return true;
}

static bool parse_whole(const nb_jv *s, int64_t base, int64_t *out)
{
    char text[64], *end;
    if (base < 2 || base > 36 || !number_text(s, base, text))
        return false;
    const char *at = text + (text[0] == '-' || text[0] == '+');
    if (at[0] == '0' && (at[1] | 0x20) == prefix_of(base))
        at += 2;
    if (!*at || *at == '-' || *at == '+' || nb_jspace((uint8_t)*at))
        return false;
    unsigned long long v = strtoull(at, &end, (int)base);
    if (*end || v > (uint64_t)INT64_MAX)
        return false;
    *out = text[0] == '-' ? -(int64_t)v : (int64_t)v;
    return true;
}

static nb_status to_int(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    const nb_jv *v = &c->self;
    int64_t base, i = 0;
    double f = NAN;
    *out = c->arg[0].kind == NB_JV_ABSENT ? nb_jv_int(0) : c->arg[0];
    NB_TRY(nb_jarg_int(vm, &c->arg[1], 10, &base));
    if (v->kind == NB_JV_UNDEFINED)
        return nb_jvm_fail_undefined(vm, v);
    if (v->kind == NB_JV_INT || v->kind == NB_JV_BOOL)
        *out = nb_jv_int(v->kind == NB_JV_INT ? v->i : v->b);
    else if (v->kind == NB_JV_STR && parse_whole(v, base, &i))
        *out = nb_jv_int(i);
    else if (v->kind == NB_JV_FLOAT)
        f = v->f;
    else if (v->kind == NB_JV_STR && !parse_real(v, &f))
        f = NAN;
    if (f > -9.2e18 && f < 9.2e18)
        *out = nb_jv_int((int64_t)f);
    else if (isfinite(f))
        return nb_jvm_fail(vm, NB_FORMAT, "int of %g does not fit in 64 bits", f);
    return NB_OK;
}

static nb_status to_float(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    const nb_jv *v = &c->self;
    double f;
    *out = c->arg[0].kind == NB_JV_ABSENT ? nb_jv_float(0) : c->arg[0];
    if (v->kind == NB_JV_UNDEFINED)
        return nb_jvm_fail_undefined(vm, v);
    if (v->kind == NB_JV_FLOAT)
        *out = *v;
    else if (nb_jv_is_num(v))
        *out = nb_jv_float(v->kind == NB_JV_INT ? (double)v->i : v->b);
    else if (v->kind == NB_JV_STR && parse_real(v, &f))
        *out = nb_jv_float(f);
    return NB_OK;
}

static nb_status need_number(nb_jvm *vm, const nb_jv *v)
{
    if (v->kind == NB_JV_UNDEFINED)
        return nb_jvm_fail_undefined(vm, v);
    if (!nb_jv_is_num(v))
        return nb_jvm_fail(vm, NB_FORMAT, "expected a number, found %s", nb_jv_type(v));
    return NB_OK;
}

static nb_status absolute(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv zero = nb_jv_int(0), v = c->self;
    NB_TRY(need_number(vm, &v));
    if (v.kind == NB_JV_FLOAT)
        *out = nb_jv_float(fabs(v.f));
    else if (v.kind == NB_JV_INT && v.i < 0)
        return nb_jvm_arith(vm, NB_JOP_SUB, &zero, &v, out);
    else
        *out = nb_jv_int(v.kind == NB_JV_INT ? v.i : v.b);
    return NB_OK;
}

/* Half to even of the exact decimal value, as Python's round. */
static double round_common(double v, int64_t digits)
{
    char text[400];
    double back, unit;
    if (!isfinite(v) || digits > 22)
        return v;
    if (digits < 0) {
        unit = pow(10, (double)(digits < -308 ? 308 : -digits));
        return nearbyint(v / unit) * unit;
    }
    return nb_parse_double(nb_fmt_fixed(text, v, (int)digits), &back) ? back : v;
}

/* The same of a whole number, to tens and more. */
static nb_status round_whole(nb_jvm *vm, int64_t v, int64_t digits, nb_jv *out)
{
    uint64_t unit = 1, size = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    if (digits < -19) {
        *out = nb_jv_int(0);
        return NB_OK;
    }
    for (; digits < 0; digits++)
        unit *= 10; /* 10^19 at most */
    uint64_t rest = size % unit;
    size -= rest;
    if (rest > unit - rest || (rest == unit - rest && size / unit % 2))
        size += unit;
    if (size > (uint64_t)INT64_MAX + (v < 0))
        return nb_jvm_fail(vm, NB_FORMAT, "%lld rounded does not fit in 64 bits", (long long)v);
    *out = nb_jv_int((int64_t)(v < 0 ? 0 - size : size));
    return NB_OK;
}

static nb_status round_to(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    const nb_jv *v = &c->self, *method = &c->arg[1];
    int64_t digits;
    NB_TRY(need_number(vm, v));
    NB_TRY(nb_jarg_int(vm, &c->arg[0], 0, &digits));
    bool up = method->kind == NB_JV_STR && nb_jv_equals_text(method, "ceil");
    bool down = method->kind == NB_JV_STR && nb_jv_equals_text(method, "floor");
    bool common = method->kind == NB_JV_ABSENT ||
                  (method->kind == NB_JV_STR && nb_jv_equals_text(method, "common"));
    if (!up && !down && !common)
        return nb_jvm_fail(vm, NB_FORMAT, "method must be common, ceil or floor");
    double f = v->kind == NB_JV_FLOAT ? v->f : v->kind == NB_JV_INT ? (double)v->i : v->b;
    if (common && v->kind != NB_JV_FLOAT)
        return round_whole(vm, v->kind == NB_JV_INT ? v->i : v->b, digits, out);
    double unit = pow(10, (double)digits);
    *out = nb_jv_float(common ? round_common(f, digits)
                              : (up ? ceil(f * unit) : floor(f * unit)) / unit);
    return NB_OK;
}

/* --- any value ------------------------------------------------------------------------------- */

static nb_status or_default(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    bool absent = c->self.kind == NB_JV_UNDEFINED;
    (void)vm;
    absent = absent || (nb_jv_truth(&c->arg[1]) && !nb_jv_truth(&c->self));
    *out = !absent ? c->self : c->arg[0].kind == NB_JV_ABSENT ? nb_jv_text("", 0) : c->arg[0];
    return NB_OK;
}

static nb_status length(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    int64_t n;
    NB_TRY(nb_jv_count(vm, &c->self, &n));
    if (n < 0)
        return nb_jvm_fail(vm, NB_FORMAT, "object of type '%s' has no len()", nb_jv_type(&c->self));
    *out = nb_jv_int(n);
    return NB_OK;
}

static nb_status attr(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv name;
    NB_TRY(nb_jv_str(vm, &c->arg[0], &name));
    return nb_jvm_attr_alone(vm, &c->self, &name, out);
}

static const nb_jrow filters[] = {
    {"abs", absolute, "", 0, 0},
    {"attr", attr, "name", 1, 0},
    {"capitalize", capitalize, "", 0, 0},
    {"center", center, "width", 0, 0},
    {"count", length, "", 0, 0},
    {"d", or_default, "default_value,boolean", 0, 0},
    {"default", or_default, "default_value,boolean", 0, 0},
    {"e", escape, "", 0, 0},
    {"escape", escape, "", 0, 0},
    {"float", to_float, "default", 0, 0},
    {"forceescape", escape, "", 0, 0},
    {"format", format, "*", 0, 0},
    {"indent", indent, "width,first,blank", 0, 0},
    {"int", to_int, "default,base", 0, 0},
    {"length", length, "", 0, 0},
    {"lower", lower, "", 0, 0},
    {"replace", replace, "old,new,count", 2, 0},
    {"round", round_to, "precision,method", 0, 0},
    {"safe", safe, "", 0, 0},
    {"string", string, "", 0, 0},
    {"title", title, "", 0, 0},
    {"tojson", tojson, "ensure_ascii,indent,separators,sort_keys", 0, 0},
    {"trim", trim, "chars", 0, 0},
    {"truncate", truncate, "length,killwords,end,leeway", 0, 0},
    {"upper", upper, "", 0, 0},
    {0}};

const nb_jrow *nb_jfilter_find(const nb_jv *name)
{
    static const nb_jrow *const lists[] = {filters, nb_jfilters_list, nb_jfilters_web};
    const nb_jrow *row = NULL;
    for (size_t i = 0; i < countof(lists) && !row; i++)
        row = nb_jrow_find(lists[i], name);
    return row;
}
