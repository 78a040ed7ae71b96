/* "%s of %d" % (a, b) and "{} {x:>8}".format(a, x=b). */
#include "core/model/jinja_vm.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH_MAX = 4096, PRECISION_MAX = 40 };

/* How one value is written. */
typedef struct spec {
    char fill[4];
    uint8_t n_fill;
    char align; /* < > ^ or = ; 0 = the type's own */
    char sign;  /* + or space; 0 = minus only */
    bool alt, comma;
    bool zero;            /* 0 stood before the width: the fill of numbers goes behind their sign */
    int width, precision; /* -1 = none */
    char type;            /* 0 = by value */
    bool user;            /* the format is not the template's own: nor is the fill */
} spec;

static nb_status wrong_type(nb_jvm *vm, const spec *s, const nb_jv *v)
{
    return nb_jvm_fail(vm, NB_FORMAT, "format '%c' does not take a %s", s->type, nb_jv_type(v));
}

/* Digits with a comma before each group of three. */
static size_t group(char *to, const char *digit, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            to[at++] = ',';
        to[at++] = digit[i];
    }
    return at;
}

static size_t in_base(char out[72], uint64_t v, unsigned base, bool upper)
{
    char back[64];
    size_t n = 0;
    do {
        back[n++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[v % base];
        v /= base;
    } while (v);
    for (size_t i = 0; i < n; i++)
        out[i] = back[n - 1 - i];
    out[n] = '\0';
    return n;
}

/* Digits of a whole number with its prefix, without sign. */
static size_t int_digits(char out[128], const spec *s, int64_t v)
{
    char digit[72];
    char t = (char)(s->type | 0x20);
    unsigned base = t == 'x' ? 16 : t == 'o' ? 8 : t == 'b' ? 2 : 10;
    uint64_t size = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    size_t n = in_base(digit, size, base, s->type == 'X'), at = 0;
    if (s->alt && base != 10) {
        out[at++] = '0';
        out[at++] = s->type;
    }
    if (s->comma)
        return at + group(out + at, digit, n);
    for (int i = (int)n; i < s->precision; i++)
        out[at++] = '0';
    memcpy(out + at, digit, n);
    return at + n;
}

/* E, F and G say so. */
static size_t in_capitals(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        text[i] = text[i] == 'e' ? 'E' : text[i];
    return n;
}

/* A float of a precision without a letter: %g, but at least one digit behind the point, else with
 * an exponent (CPython's float_repr_style, Py_DTSF_ADD_DOT_0). */
static int without_letter(char *number, size_t cap, int precision, double v)
{
    int n = snprintf(number, cap, "%.*g", precision, v);
    if (strspn(number, "0123456789") < (size_t)n)
        return n;
    if (n < precision)
        return n + snprintf(number + n, cap - (size_t)n, ".0");
    snprintf(number, cap, "%.*e", precision > 1 ? precision - 1 : 0, v);
    char *e = strchr(number, 'e'), *end = e;
    while (end > number + 1 && (end[-1] < '1' || end[-1] > '9')) /* zeros, then the radix */
        end--;
    memmove(end, e, strlen(e) + 1);
    return (int)strlen(number);
}

/* %e with Python's two digits of exponent at least; the mantissa by nb_fmt_fixed's rules. */
static size_t float_digits(char *out, size_t cap, const spec *s, double v)
{
    char number[400];
    int precision = s->precision < 0 ? 6 : s->precision, n;
    char t = (char)(s->type | 0x20);
    bool capitals = s->type >= 'E' && s->type <= 'G';
    if (isnan(v))
        return (size_t)snprintf(out, cap, "%s", capitals ? "NAN" : "nan");
    if (isinf(v))
        return (size_t)snprintf(out, cap, "%s", capitals ? "INF" : "inf");
    v = fabs(v);
    if (t == '%')
        v *= 100;
    if (!s->type)
        n = without_letter(number, sizeof number, precision, v);
    else if (t == 'e')
        n = snprintf(number, sizeof number, "%.*e", precision, v);
    else if (t == 'g')
        n = snprintf(number, sizeof number, "%.*g", precision, v);
    else
        n = snprintf(number, sizeof number, "%.*f", precision, v);
    for (int i = 0; i < n; i++) /* the locale's radix */
        if ((number[i] < '0' || number[i] > '9') && !strchr("e+-", number[i]))
            number[i] = '.';
    const char *dot = strpbrk(number, ".e");
    size_t head = dot ? (size_t)(dot - number) : (size_t)n;
    size_t at = s->comma ? group(out, number, head) : head;
    if (!s->comma)
        memcpy(out, number, head);
    at += (size_t)snprintf(out + at, cap - at, "%s%s", number + head, t == '%' ? "%" : "");
    return capitals ? in_capitals(out, at) : at;
}

static nb_status put_fill(nb_jvm *vm, const spec *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        NB_TRY(nb_jvm_put(vm, s->fill, s->n_fill, s->user));
    return NB_OK;
}

/* text, of so many characters, between its fill; head bytes (a sign) go before a fill of '='. */
static nb_status put_padded(nb_jvm *vm, const spec *s, const nb_jv *text, char align, size_t head)
{
    size_t chars = nb_jchars(text->at, text->len);
    size_t pad = s->width > 0 && (size_t)s->width > chars ? (size_t)s->width - chars : 0;
    size_t before = align == '>' ? pad : align == '^' ? pad / 2 : 0;
    nb_jv sign = nb_jv_part(*text, 0, head), rest = nb_jv_part(*text, head, text->len - head);
    NB_TRY(put_fill(vm, s, before));
    NB_TRY(nb_jvm_put_str(vm, &sign));
    if (align == '=')
        NB_TRY(put_fill(vm, s, pad));
    NB_TRY(nb_jvm_put_str(vm, &rest));
    return align == '=' ? NB_OK : put_fill(vm, s, pad - before);
}

static nb_status put_number(nb_jvm *vm, const spec *s, const nb_jv *v)
{
    char text[512], shortest[96];
    bool real = v->kind == NB_JV_FLOAT || (s->type && strchr("eEfFgG%", s->type));
    double f = v->kind == NB_JV_FLOAT ? v->f : (double)v->i;
    int64_t i = v->kind == NB_JV_INT ? v->i : 0;
    bool negative = real ? signbit(f) : i < 0;
    size_t head = 0;
    if (negative || s->sign)
        text[head++] = negative ? '-' : s->sign;
    size_t n = head;
    if (real && !s->type && s->precision < 0) {
        nb_jfloat(shortest, fabs(f));
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", shortest);
    } else if (real && s->type && strchr("dioxXbc", s->type)) {
        return wrong_type(vm, s, v);
    } else if (s->precision > PRECISION_MAX) {
        return nb_jvm_fail(vm, NB_FORMAT, "a precision of %d, at most %d", s->precision,
                           PRECISION_MAX);
    } else if (real) {
        n += float_digits(text + n, sizeof text - n, s, f);
    } else {
        n += int_digits(text + n, s, i);
    }
    nb_jv whole = nb_jv_text(text, n);
    return put_padded(vm, s, &whole, s->align ? s->align : s->zero ? '=' : '>', head);
}

static nb_status put_spec(nb_jvm *vm, const spec *s, const nb_jv *v)
{
    bool number = v->kind == NB_JV_INT || v->kind == NB_JV_FLOAT;
    if (s->width > WIDTH_MAX)
        return nb_jvm_fail(vm, NB_FORMAT, "a width of %d, at most %d", s->width, WIDTH_MAX);
    if (number && s->type != 's')
        return put_number(vm, s, v);
    if (s->type && s->type != 's')
        return wrong_type(vm, s, v);
    nb_jv text;
    NB_TRY(nb_jv_str(vm, v, &text));
    if (s->precision >= 0)
        text = nb_jv_part(text, 0, nb_jchar_offset(text.at, text.len, (size_t)s->precision));
    if (s->align == '=')
        return nb_jvm_fail(vm, NB_FORMAT, "'=' aligns numbers only");
    return put_padded(vm, s, &text, s->align ? s->align : '<', 0);
}

static int read_int(const char **at, const char *end)
{
    int v = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++)
        v = v > WIDTH_MAX ? v : v * 10 + (**at - '0');
    return v;
}

/* --- % --------------------------------------------------------------------------------------- */

/* Flags, width and precision behind the %; *at ends on the conversion letter. */
static spec percent_spec(const char **at, const char *end)
{
    spec s = {.fill = " ", .n_fill = 1, .align = '>', .width = -1, .precision = -1};
    for (; *at < end && strchr("-+ #0", **at) && **at; (*at)++) {
        if (**at == '-')
            s.align = '<';
        else if (**at == '0')
            s.fill[0] = '0';
        else if (**at == '#')
            s.alt = true;
        else
            s.sign = **at;
    }
    if (*at < end && **at >= '0' && **at <= '9')
        s.width = read_int(at, end);
    if (*at < end && **at == '.') {
        (*at)++;
        s.precision = read_int(at, end);
    }
    if (s.align == '<')
        s.fill[0] = ' ';
    else if (s.fill[0] == '0')
        s.align = '=';
    return s;
}

/* Where the arguments of % come from. */
typedef struct percent_args {
    const nb_jv *args;
    uint32_t used, n;
    bool many, user;
} percent_args;

/* %(key)s takes from a dict, else the next of a tuple, or the only one. */
static nb_status percent_arg(nb_jvm *vm, percent_args *a, const char **at, const char *end,
                             nb_jv *out)
{
    if (*at < end && **at == '(') {
        const char *close = memchr(*at, ')', (size_t)(end - *at));
        if (!close || a->args->kind != NB_JV_DICT)
            return nb_jvm_fail(vm, NB_FORMAT, "format requires a mapping");
        nb_jv key = nb_jv_text(*at + 1, (size_t)(close - *at - 1)), *found;
        NB_TRY(nb_jdict_find(vm, a->args->dict, &key, &found));
        if (!found)
            return nb_jvm_fail(vm, NB_FORMAT, "no argument \"%.*s\"", (int)(key.len % 80), key.at);
        *out = *found;
        *at = close + 1;
        a->used = a->n;
        return NB_OK;
    }
    if (a->used >= a->n)
        return nb_jvm_fail(vm, NB_FORMAT, "not enough arguments for format string");
    *out = a->many ? a->args->list->at[a->used] : *a->args;
    a->used++;
    return NB_OK;
}

/* %c: a number is a code point, a text has one character. */
static nb_status percent_char(nb_jvm *vm, nb_jv *v)
{
    char utf8[4];
    size_t start = vm->n_out;
    if (v->kind == NB_JV_STR && nb_jchars(v->at, v->len) == 1)
        return NB_OK;
    if (v->kind != NB_JV_INT || v->i < 0 || v->i > 0x10ffff || (v->i >= 0xd800 && v->i < 0xe000))
        return nb_jvm_fail(vm, NB_FORMAT, "%%c requires a code point or a character");
    NB_TRY(nb_jvm_put(vm, utf8, nb_utf8_put((uint32_t)v->i, utf8), false));
    return nb_jvm_text(vm, start, v);
}

static nb_status percent_one(nb_jvm *vm, percent_args *a, const char **at, const char *end)
{
    nb_jv v = nb_jv_none();
    const char *from = *at;
    if (*at < end && **at == '%') {
        (*at)++;
        return nb_jvm_put(vm, "%", 1, a->user);
    }
    if (*at < end && *from == '(')
        NB_TRY(percent_arg(vm, a, at, end, &v));
    spec s = percent_spec(at, end);
    s.user = a->user;
    if (*at == end)
        return nb_jvm_fail(vm, NB_FORMAT, "incomplete format");
    if (*from != '(')
        NB_TRY(percent_arg(vm, a, at, end, &v));
    s.type = *(*at)++;
    if (!s.type || !strchr("sradiufFeEgGxXoc", s.type))
        return nb_jvm_fail(vm, NB_FORMAT, "unsupported format character '%c'",
                           s.type > ' ' && s.type < 0x7f ? s.type : '?');
    if (strchr("ra", s.type)) {
        size_t start = vm->n_out;
        NB_TRY(nb_jvm_put_repr(vm, &v));
        NB_TRY(nb_jvm_text(vm, start, &v));
    }
    if (s.type == 'c')
        NB_TRY(percent_char(vm, &v));
    if (strchr("srac", s.type)) {
        s.type = 's';
        s.align = s.align == '=' ? '>' : s.align;
        s.fill[0] = ' ';
    }
    if (strchr("diu", s.type)) {
        if (v.kind == NB_JV_FLOAT && fabs(v.f) < 9e18)
            v = nb_jv_int((int64_t)v.f);
        s.type = 'd';
    }
    if (v.kind == NB_JV_BOOL && s.type != 's')
        v = nb_jv_int(v.b);
    return put_spec(vm, &s, &v);
}

nb_status nb_jvm_percent(nb_jvm *vm, const nb_jv *format, const nb_jv *args, nb_jv *out)
{
    size_t start = vm->n_out;
    const char *at = format->at, *end = at + format->len;
    bool many = args->kind == NB_JV_TUPLE;
    percent_args a = {args, 0, many ? args->list->n : 1, many, format->mark != NULL};
    while (at < end) {
        const char *next = memchr(at, '%', (size_t)(end - at));
        size_t n = (size_t)((next ? next : end) - at);
        nb_jv plain = nb_jv_part(*format, (size_t)(at - format->at), n);
        NB_TRY(nb_jvm_put_str(vm, &plain));
        at += n;
        if (!next)
            break;
        at++;
        NB_TRY(percent_one(vm, &a, &at, end));
    }
    if (a.used < a.n && args->kind != NB_JV_DICT && args->kind != NB_JV_LIST)
        return nb_jvm_fail(vm, NB_FORMAT, "not all arguments converted during string formatting");
    return nb_jvm_text(vm, start, out);
}

/* --- {} -------------------------------------------------------------------------------------- */

static spec brace_spec(const char *at, const char *end)
{
    spec s = {.fill = " ", .n_fill = 1, .width = -1, .precision = -1};
    uint32_t cp;
    size_t n = at < end ? nb_jchar(at, (size_t)(end - at), &cp) : 0;
    bool filled = n && at + n < end && strchr("<>^=", at[n]);
    if (filled) {
        memcpy(s.fill, at, n);
        s.n_fill = (uint8_t)n;
        s.align = at[n];
        at += n + 1;
    } else if (n && strchr("<>^=", *at)) {
        s.align = *at++;
    }
    if (at < end && strchr("+- ", *at)) {
        s.sign = *at == '-' ? 0 : *at;
        at++;
    }
    if (at < end && *at == '#') {
        s.alt = true;
        at++;
    }
    s.zero = at < end && *at == '0';
    if (s.zero && !filled)
        s.fill[0] = '0';
    if (at < end && *at >= '0' && *at <= '9')
        s.width = read_int(&at, end);
    if (at < end && *at == ',') {
        s.comma = true;
        at++;
    }
    if (at < end && *at == '.') {
        at++;
        s.precision = read_int(&at, end);
    }
    s.type = at + 1 == end && *at ? *at : at < end ? '?' : 0;
    return s;
}

typedef struct brace_args {
    const nb_jv *pos;
    size_t n, next;
    const nb_jdict *named;
    bool user, counts, numbers; /* {} stood there, {0} did: never both */
} brace_args;

/* name or name[key]... before ! and : */
static nb_status brace_arg(nb_jvm *vm, brace_args *a, const char *at, const char *end, nb_jv *out)
{
    const char *stop = memchr(at, '[', (size_t)(end - at));
    const nb_jv *found = NULL;
    size_t index = a->next;
    stop = stop ? stop : end;
    if (stop == at)
        a->next++;
    a->counts = a->counts || stop == at;
    a->numbers = a->numbers || (stop > at && *at >= '0' && *at <= '9');
    if (a->counts && a->numbers)
        return nb_jvm_fail(vm, NB_FORMAT, "format has both {} and fields with numbers");
    if (stop == at || (*at >= '0' && *at <= '9')) {
        if (stop > at)
            index = (size_t)read_int(&at, stop);
        found = at == stop && index < a->n ? &a->pos[index] : NULL;
    } else if (a->named) {
        found = nb_jdict_text(a->named, at, (size_t)(stop - at));
    }
    if (!found)
        return nb_jvm_fail(vm, NB_FORMAT, "format has no argument for a field");
    *out = *found;
    while (stop < end) {
        const char *from = stop + 1, *close = memchr(from, ']', (size_t)(end - from));
        if (*stop != '[' || !close || close == from)
            return nb_jvm_fail(vm, NB_FORMAT, "format has a field it cannot read");
        const char *digits = from;
        nb_jv key = nb_jv_int(read_int(&digits, close));
        if (digits < close)
            key = nb_jv_text(from, (size_t)(close - from));
        NB_TRY(nb_jvm_item(vm, out, &key, out));
        stop = close + 1;
    }
    return NB_OK;
}

static nb_status brace_field(nb_jvm *vm, brace_args *a, const char *at, const char *end)
{
    const char *colon = memchr(at, ':', (size_t)(end - at)), *name_end = colon ? colon : end;
    char convert = 0;
    nb_jv v;
    if (name_end - at >= 2 && name_end[-2] == '!') {
        convert = name_end[-1];
        name_end -= 2;
    }
    NB_TRY(brace_arg(vm, a, at, name_end, &v));
    size_t start = vm->n_out;
    if (convert == 'r' || convert == 'a') {
        NB_TRY(nb_jvm_put_repr(vm, &v));
        NB_TRY(nb_jvm_text(vm, start, &v));
    } else if (convert == 's') {
        NB_TRY(nb_jv_str(vm, &v, &v));
    } else if (convert) {
        return nb_jvm_fail(vm, NB_FORMAT, "format knows no conversion but !r, !s and !a");
    }
    bool bare = !colon || colon + 1 == end;
    spec s = brace_spec(bare ? end : colon + 1, end);
    s.user = a->user;
    if (!bare && v.kind == NB_JV_BOOL)
        v = nb_jv_int(v.b);
    if (!bare && v.kind != NB_JV_INT && v.kind != NB_JV_FLOAT && v.kind != NB_JV_STR)
        return nb_jvm_fail(vm, NB_FORMAT, "a %s takes no format after :", nb_jv_type(&v));
    if (s.type && !strchr("sdxXobeEfFgG%", s.type))
        return nb_jvm_fail(vm, NB_UNSUPPORTED, "a format after : that is not supported");
    if (s.type == 's' && v.kind != NB_JV_STR)
        return wrong_type(vm, &s, &v);
    if (s.precision >= 0 && v.kind == NB_JV_INT && (!s.type || strchr("dxXob", s.type)))
        return nb_jvm_fail(vm, NB_FORMAT, "a whole number takes no precision");
    return put_spec(vm, &s, &v);
}

nb_status nb_jvm_format(nb_jvm *vm, const nb_jv *format, const nb_jv *pos, size_t n,
                        const nb_jdict *named, nb_jv *out)
{
    size_t start = vm->n_out;
    const char *at = format->at, *end = at + format->len;
    brace_args a = {pos, n, 0, named, format->mark != NULL, false, false};
    while (at < end) {
        const char *s = at;
        while (s < end && *s != '{' && *s != '}')
            s++;
        nb_jv plain = nb_jv_part(*format, (size_t)(at - format->at), (size_t)(s - at));
        NB_TRY(nb_jvm_put_str(vm, &plain));
        if (s == end)
            break;
        if (s + 1 < end && s[1] == *s) { /* {{ and }} */
            NB_TRY(nb_jvm_put(vm, s, 1, a.user));
            at = s + 2;
            continue;
        }
        const char *close = *s == '{' ? memchr(s, '}', (size_t)(end - s)) : NULL;
        if (!close)
            return nb_jvm_fail(vm, NB_FORMAT, "single '%c' encountered in format string", *s);
        NB_TRY(brace_field(vm, &a, s + 1, close));
        at = close + 1;
    }
    return nb_jvm_text(vm, start, out);
}
