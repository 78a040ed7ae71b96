/* Values as text, the way Python's str and repr write them. */
#include "core/model/jinja_vm.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- characters ------------------------------------------------------------------------------ */

size_t nb_jchar(const char *at, size_t n, uint32_t *cp)
{
    size_t used = nb_utf8_next(at, n, cp, NULL);
    if (used)
        return used;
    *cp = 0xfffd;
    return n > 0;
}

size_t nb_jchars(const char *at, size_t n)
{
    uint32_t cp;
    size_t count = 0;
    for (size_t i = 0; i < n; i += nb_jchar(at + i, n - i, &cp))
        count++;
    return count;
}

size_t nb_jchar_offset(const char *at, size_t n, size_t chars)
{
    uint32_t cp;
    size_t i = 0;
    for (; i < n && chars > 0; chars--)
        i += nb_jchar(at + i, n - i, &cp);
    return i;
}

bool nb_jspace(uint32_t cp)
{
    static const uint32_t wide[] = {0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000};
    if (cp < 0x80)
        return cp == ' ' || (cp >= 9 && cp <= 13) || (cp >= 0x1c && cp <= 0x1f);
    for (size_t i = 0; i < countof(wide); i++)
        if (cp == wide[i])
            return true;
    return cp >= 0x2000 && cp <= 0x200a;
}

/* What repr shows by its number: controls, format characters, spaces, private use. */
static bool hidden(uint32_t cp)
{
    static const uint32_t range[][2] = {{0x7f, 0xa0},       {0xad, 0xad},       {0x600, 0x605},
                                        {0x61c, 0x61c},     {0x6dd, 0x6dd},     {0x70f, 0x70f},
                                        {0x1680, 0x1680},   {0x180e, 0x180e},   {0x2000, 0x200f},
                                        {0x2028, 0x202f},   {0x205f, 0x206f},   {0x3000, 0x3000},
                                        {0xd800, 0xf8ff},   {0xfeff, 0xfeff},   {0xfff9, 0xfffb},
                                        {0xe0000, 0xe007f}, {0xf0000, 0x10ffff}};
    if (cp < 0x7f)
        return cp < 0x20;
    for (size_t i = 0; i < countof(range); i++)
        if (cp >= range[i][0] && cp <= range[i][1])
            return true;
    return false;
}

/* --- numbers --------------------------------------------------------------------------------- */

const char *nb_jfloat(char out[96], double v)
{
    char shortest[32], digit[32];
    int n = 0, point = 0, exp10 = 0;
    if (!isfinite(v)) {
        snprintf(out, 96, "%s", isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
        return out;
    }
    const char *s = nb_fmt_double(shortest, fabs(v));
    bool fraction = false, started = false;
    for (; *s && *s != 'e'; s++) { /* the digits, and where the point is behind the first of them */
        fraction = fraction || *s == '.';
        if (*s == '.' || (*s == '0' && !started)) {
            point -= fraction && *s == '0';
            continue;
        }
        started = true;
        digit[n++] = *s;
        point += !fraction;
    }
    if (*s == 'e')
        exp10 = (int)strtol(s + 1, NULL, 10);
    while (n > 1 && digit[n - 1] == '0')
        n--;
    digit[n] = '\0';
    exp10 += point - 1; /* value = d.ddd x 10^exp10 */
    const char *sign = signbit(v) ? "-" : "";
    if (n == 0)
        snprintf(out, 96, "%s0.0", sign);
    else if (exp10 < -4 || exp10 >= 16)
        snprintf(out, 96, "%s%c%s%se%c%02d", sign, digit[0], n > 1 ? "." : "", digit + 1,
                 exp10 < 0 ? '-' : '+', abs(exp10));
    else if (exp10 < 0)
        snprintf(out, 96, "%s0.%.*s%s", sign, -exp10 - 1, "000", digit);
    else if (n <= exp10 + 1)
        snprintf(out, 96, "%s%s%.*s.0", sign, digit, exp10 + 1 - n, "0000000000000000");
    else
        snprintf(out, 96, "%s%.*s.%s", sign, exp10 + 1, digit, digit + exp10 + 1);
    return out;
}

static nb_status put_text(nb_jvm *vm, const char *text)
{
    return nb_jvm_put(vm, text, strlen(text), false);
}

static nb_status put_int(nb_jvm *vm, int64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, v);
    return put_text(vm, text);
}

/* --- repr ------------------------------------------------------------------------------------ */

static nb_status put_escaped(nb_jvm *vm, uint32_t cp, char quote, bool user)
{
    char text[16] = {'\\', (char)cp, '\0'};
    if (cp == '\n' || cp == '\r' || cp == '\t')
        text[1] = cp == '\n' ? 'n' : cp == '\r' ? 'r' : 't';
    else if (cp != '\\' && cp != (uint32_t)quote)
        snprintf(text, sizeof text,
                 cp < 0x100     ? "\\x%02x"
                 : cp < 0x10000 ? "\\u%04x"
                                : "\\U%08x",
                 (unsigned)cp);
    return nb_jvm_put(vm, text, strlen(text), user);
}

static nb_status repr_str(nb_jvm *vm, const nb_jv *s)
{
    bool single = s->len && memchr(s->at, '\'', s->len),
         other = s->len && memchr(s->at, '"', s->len);
    char quote = single && !other ? '"' : '\'';
    size_t plain = 0;
    NB_TRY(nb_jvm_put(vm, &quote, 1, false));
    for (size_t i = 0, used; i < s->len; i += used) {
        uint32_t cp;
        used = nb_jchar(s->at + i, s->len - i, &cp);
        if (cp != '\\' && cp != (uint32_t)quote && !hidden(cp))
            continue;
        nb_jv before = nb_jv_part(*s, plain, i - plain), one = nb_jv_part(*s, i, used);
        NB_TRY(nb_jvm_put_str(vm, &before));
        NB_TRY(put_escaped(vm, cp, quote, one.mark && one.mark[0]));
        plain = i + used;
    }
    nb_jv rest = nb_jv_part(*s, plain, s->len - plain);
    NB_TRY(nb_jvm_put_str(vm, &rest));
    return nb_jvm_put(vm, &quote, 1, false);
}

static nb_status repr_list(nb_jvm *vm, const nb_jlist *l, bool tuple)
{
    NB_TRY(put_text(vm, tuple ? "(" : "["));
    for (uint32_t i = 0; i < l->n; i++) {
        if (i)
            NB_TRY(put_text(vm, ", "));
        NB_TRY(nb_jvm_put_repr(vm, &l->at[i]));
    }
    if (tuple)
        return put_text(vm, l->n == 1 ? ",)" : ")");
    return put_text(vm, "]");
}

static nb_status repr_dict(nb_jvm *vm, const nb_jdict *d)
{
    NB_TRY(put_text(vm, "{"));
    for (uint32_t i = 0; i < d->n; i++) {
        if (i)
            NB_TRY(put_text(vm, ", "));
        NB_TRY(nb_jvm_put_repr(vm, &d->key[i]));
        NB_TRY(put_text(vm, ": "));
        NB_TRY(nb_jvm_put_repr(vm, &d->val[i]));
    }
    return put_text(vm, "}");
}

static nb_status repr_range(nb_jvm *vm, const nb_jrange *r)
{
    char text[96];
    int n = snprintf(text, sizeof text, "range(%" PRId64 ", %" PRId64, r->start,
                     r->start + r->n * r->step);
    if (r->step != 1)
        snprintf(text + n, sizeof text - (size_t)n, ", %" PRId64, r->step);
    NB_TRY(put_text(vm, text));
    return put_text(vm, ")");
}

/* <kind name> for what a template has no business to print. */
static nb_status repr_object(nb_jvm *vm, const nb_jv *v)
{
    NB_TRY(put_text(vm, "<"));
    NB_TRY(put_text(vm, nb_jv_type(v)));
    if (v->kind == NB_JV_NAMESPACE) {
        NB_TRY(put_text(vm, " "));
        NB_TRY(repr_dict(vm, v->dict));
    } else if (v->kind == NB_JV_MACRO) {
        NB_TRY(put_text(vm, " "));
        NB_TRY(nb_jvm_put_repr(vm, &vm->t->node[v->macro->node].v));
    }
    return put_text(vm, ">");
}

static nb_status put_compound(nb_jvm *vm, const nb_jv *v)
{
    if (v->kind == NB_JV_DICT)
        return repr_dict(vm, v->dict);
    if (v->kind == NB_JV_LIST || v->kind == NB_JV_TUPLE)
        return repr_list(vm, v->list, v->kind == NB_JV_TUPLE);
    return repr_object(vm, v);
}

nb_status nb_jvm_put_repr(nb_jvm *vm, const nb_jv *v)
{
    NB_TRY(nb_jvm_step(vm, 1));
    if (v->kind == NB_JV_STR)
        return repr_str(vm, v);
    if (v->kind == NB_JV_UNDEFINED)
        return put_text(vm, "Undefined");
    return nb_jvm_put_value(vm, v);
}

nb_status nb_jvm_put_value(nb_jvm *vm, const nb_jv *v)
{
    char text[96];
    switch ((nb_jv_kind)v->kind) {
    case NB_JV_ABSENT:
    case NB_JV_UNDEFINED:
        return NB_OK;
    case NB_JV_NONE:
        return put_text(vm, "None");
    case NB_JV_BOOL:
        return put_text(vm, v->b ? "True" : "False");
    case NB_JV_INT:
        return put_int(vm, v->i);
    case NB_JV_FLOAT:
        return put_text(vm, nb_jfloat(text, v->f));
    case NB_JV_STR:
        return nb_jvm_put_str(vm, v);
    case NB_JV_RANGE:
        return repr_range(vm, v->range);
    default:
        NB_TRY(nb_jvm_deeper(vm));
        NB_TRY(put_compound(vm, v));
        vm->depth--;
        return NB_OK;
    }
}

nb_status nb_jv_str(nb_jvm *vm, const nb_jv *v, nb_jv *out)
{
    size_t start = vm->n_out;
    if (v->kind == NB_JV_STR) {
        *out = *v;
        return NB_OK;
    }
    NB_TRY(nb_jvm_put_value(vm, v));
    return nb_jvm_text(vm, start, out);
}
