/* tojson: as json.dumps(value, ensure_ascii=False) of Python, which the transformers library gives
 * to chat templates in place of Jinja's HTML-safe one. */
#include "core/model/jinja_vm.h"

#include <stdio.h>
#include <string.h>

static nb_status put_text(nb_jvm *vm, const char *text)
{
    return nb_jvm_put(vm, text, strlen(text), false);
}

/* The escape of cp; "" = it stands for itself. */
static void escape(uint32_t cp, bool ascii, char out[16])
{
    static const char short_form[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof short_form; i += 2)
        if (cp == (uint8_t)short_form[i]) {
            snprintf(out, 16, "\\%c", short_form[i + 1]);
            return;
        }
    out[0] = '\0';
    if (cp < 0x20 || (ascii && cp >= 0x7f && cp < 0x10000))
        snprintf(out, 16, "\\u%04x", (unsigned)cp);
    else if (ascii && cp >= 0x10000)
        snprintf(out, 16, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((cp - 0x10000) >> 10)),
                 (unsigned)(0xdc00 + ((cp - 0x10000) & 0x3ff)));
}

static nb_status put_string(nb_jvm *vm, const nb_jv *s, bool ascii)
{
    size_t plain = 0;
    char esc[16];
    NB_TRY(put_text(vm, "\""));
    for (size_t i = 0, used; i < s->len; i += used) {
        uint32_t cp;
        used = nb_jchar(s->at + i, s->len - i, &cp);
        escape(cp, ascii, esc);
        if (!esc[0])
            continue;
        nb_jv before = nb_jv_part(*s, plain, i - plain), one = nb_jv_part(*s, i, used);
        NB_TRY(nb_jvm_put_str(vm, &before));
        NB_TRY(nb_jvm_put(vm, esc, strlen(esc), one.mark && one.mark[0]));
        plain = i + used;
    }
    nb_jv rest = nb_jv_part(*s, plain, s->len - plain);
    NB_TRY(nb_jvm_put_str(vm, &rest));
    return put_text(vm, "\"");
}

static nb_status put_scalar(nb_jvm *vm, const nb_jv *v)
{
    if (v->kind == NB_JV_NONE)
        return put_text(vm, "null");
    if (v->kind == NB_JV_BOOL)
        return put_text(vm, v->b ? "true" : "false");
    if (v->kind == NB_JV_FLOAT && v->f != v->f)
        return put_text(vm, "NaN");
    if (v->kind == NB_JV_FLOAT && (v->f - v->f) != 0)
        return put_text(vm, v->f > 0 ? "Infinity" : "-Infinity");
    if (v->kind != NB_JV_INT && v->kind != NB_JV_FLOAT)
        return nb_jvm_fail(vm, NB_FORMAT, "Object of type %s is not JSON serializable",
                           nb_jv_type(v));
    return nb_jvm_put_value(vm, v);
}

static nb_status put_key(nb_jvm *vm, const nb_jv *key, bool ascii)
{
    if (key->kind == NB_JV_STR)
        return put_string(vm, key, ascii);
    NB_TRY(put_text(vm, "\""));
    NB_TRY(put_scalar(vm, key));
    return put_text(vm, "\"");
}

static nb_status put(nb_jvm *vm, const nb_jv *v, const nb_jjson *how, unsigned level);

static nb_status break_line(nb_jvm *vm, const nb_jjson *how, unsigned level)
{
    if (how->indent.kind != NB_JV_STR)
        return NB_OK;
    NB_TRY(put_text(vm, "\n"));
    for (unsigned i = 0; i < level; i++)
        NB_TRY(nb_jvm_put_str(vm, &how->indent));
    return NB_OK;
}

static nb_status between(nb_jvm *vm, const nb_jjson *how, uint32_t i, unsigned level)
{
    if (i)
        NB_TRY(nb_jvm_put_str(vm, &how->item));
    return break_line(vm, how, level + 1);
}

static nb_status put_list(nb_jvm *vm, const nb_jlist *l, const nb_jjson *how, unsigned level)
{
    if (!l->n)
        return put_text(vm, "[]");
    NB_TRY(put_text(vm, "["));
    for (uint32_t i = 0; i < l->n; i++) {
        NB_TRY(between(vm, how, i, level));
        NB_TRY(put(vm, &l->at[i], how, level + 1));
    }
    NB_TRY(break_line(vm, how, level));
    return put_text(vm, "]");
}

/* Index of the smallest key behind `last` (NULL: of all), by text. */
static nb_status next_key(nb_jvm *vm, const nb_jdict *d, const nb_jv *last, uint32_t *out)
{
    int c;
    *out = d->n;
    for (uint32_t i = 0; i < d->n; i++) {
        if (last) {
            NB_TRY(nb_jv_order(vm, &d->key[i], last, &c));
            if (c <= 0)
                continue;
        }
        if (*out < d->n) {
            NB_TRY(nb_jv_order(vm, &d->key[i], &d->key[*out], &c));
            if (c >= 0)
                continue;
        }
        *out = i;
    }
    return NB_OK;
}

static nb_status put_dict(nb_jvm *vm, const nb_jdict *d, const nb_jjson *how, unsigned level)
{
    uint32_t at = 0;
    if (!d->n)
        return put_text(vm, "{}");
    NB_TRY(put_text(vm, "{"));
    for (uint32_t i = 0; i < d->n; i++, at++) {
        if (how->sorted)
            NB_TRY(next_key(vm, d, i ? &d->key[at - 1] : NULL, &at));
        NB_TRY(between(vm, how, i, level));
        NB_TRY(put_key(vm, &d->key[at], how->ascii));
        NB_TRY(nb_jvm_put_str(vm, &how->key));
        NB_TRY(put(vm, &d->val[at], how, level + 1));
    }
    NB_TRY(break_line(vm, how, level));
    return put_text(vm, "}");
}

static nb_status put(nb_jvm *vm, const nb_jv *v, const nb_jjson *how, unsigned level)
{
    NB_TRY(nb_jvm_step(vm, 1));
    NB_TRY(nb_jvm_deeper(vm));
    if (v->kind == NB_JV_STR)
        NB_TRY(put_string(vm, v, how->ascii));
    else if (v->kind == NB_JV_LIST || v->kind == NB_JV_TUPLE)
        NB_TRY(put_list(vm, v->list, how, level));
    else if (v->kind == NB_JV_DICT)
        NB_TRY(put_dict(vm, v->dict, how, level));
    else
        NB_TRY(put_scalar(vm, v));
    vm->depth--;
    return NB_OK;
}

nb_status nb_jvm_put_json(nb_jvm *vm, const nb_jv *v, const nb_jjson *how)
{
    return put(vm, v, how, 0);
}
