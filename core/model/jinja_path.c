/* What follows a value: attributes, items, slices, calls, filters and tests. */
#include "core/model/jinja_vm.h"

#include <stdio.h>
#include <string.h>

/* --- attributes and items -------------------------------------------------------------------- */

/* Jinja's words for what is not there. */
static nb_status missing(nb_jvm *vm, const nb_jv *v, const nb_jv *key, nb_jv *out)
{
    char text[160];
    nb_jv name;
    NB_TRY(nb_jv_str(vm, key, &name));
    int shown = name.len > 60 ? 60 : (int)name.len, n;
    if (key->kind == NB_JV_STR)
        n = snprintf(text, sizeof text, "'%s object' has no attribute '%.*s'", nb_jv_type(v), shown,
                     name.at);
    else
        n = snprintf(text, sizeof text, "%s object has no element %.*s", nb_jv_type(v), shown,
                     name.at);
    char *why = NULL;
    NB_TRY(nb_jvm_take(vm, (uint64_t)n + 1, 1, &why));
    memcpy(why, text, (size_t)n + 1);
    *out = nb_jv_undefined(why, (size_t)n);
    return NB_OK;
}

static nb_status bind(nb_jvm *vm, const nb_jrow *row, const nb_jv *self, nb_jv *out)
{
    nb_jmethod *m = NULL;
    NB_TRY(nb_jvm_take(vm, 1, sizeof *m, &m));
    *m = (nb_jmethod){row, *self};
    *out = (nb_jv){.kind = NB_JV_METHOD, .method = m};
    return NB_OK;
}

/* Element of a sequence by number, from the end when negative; false: none there. */
static nb_status element(nb_jvm *vm, const nb_jv *v, int64_t i, nb_jv *out, bool *found)
{
    int64_t n;
    NB_TRY(nb_jv_count(vm, v, &n));
    *found = n >= 0 && v->kind != NB_JV_DICT;
    if (i < 0)
        i += n;
    *found = *found && i >= 0 && i < n;
    if (!*found)
        return NB_OK;
    if (v->kind == NB_JV_STR) {
        size_t at = nb_jchar_offset(v->at, v->len, (size_t)i);
        *out = nb_jv_part(*v, at, nb_jchar_offset(v->at + at, v->len - at, 1));
    } else {
        *out = nb_jv_at(v, i);
    }
    return NB_OK;
}

/* v[key] as Python has it; false: nothing there. */
static nb_status subscript(nb_jvm *vm, const nb_jv *v, const nb_jv *key, nb_jv *out, bool *found)
{
    nb_jv *at = NULL;
    *found = false;
    if (v->kind == NB_JV_DICT && key->kind != NB_JV_LIST && key->kind != NB_JV_DICT) {
        NB_TRY(nb_jdict_find(vm, v->dict, key, &at));
        *found = at != NULL;
        if (at)
            *out = *at;
        return NB_OK;
    }
    if (key->kind == NB_JV_INT || key->kind == NB_JV_BOOL)
        return element(vm, v, key->kind == NB_JV_INT ? key->i : key->b, out, found);
    return NB_OK;
}

/* getattr(v, name); false: nothing there. */
static nb_status attribute(nb_jvm *vm, const nb_jv *v, const nb_jv *name, nb_jv *out, bool *found)
{
    *found = true;
    if (v->kind == NB_JV_NAMESPACE) {
        nb_jv *at;
        NB_TRY(nb_jdict_find(vm, v->dict, name, &at));
        *found = at != NULL;
        if (at)
            *out = *at;
        return NB_OK;
    }
    if (v->kind == NB_JV_LOOP) {
        NB_TRY(nb_jvm_loop_attr(vm, v->loop, name, out));
        *found = out->kind != NB_JV_ABSENT;
        if (*found)
            return NB_OK;
    }
    const nb_jrow *row = nb_jmethod_find(v, name);
    *found = row != NULL;
    return row ? bind(vm, row, v, out) : NB_OK;
}

static nb_status find_attr(nb_jvm *vm, const nb_jv *v, const nb_jv *name, bool items, nb_jv *out)
{
    bool found;
    nb_jv of = *v;
    if (of.kind == NB_JV_UNDEFINED)
        return nb_jvm_fail_undefined(vm, &of);
    NB_TRY(attribute(vm, &of, name, out, &found));
    if (!found && items)
        NB_TRY(subscript(vm, &of, name, out, &found));
    return found ? NB_OK : missing(vm, &of, name, out);
}

/* v.name: the attribute first, then the item. */
nb_status nb_jvm_attr(nb_jvm *vm, const nb_jv *v, const nb_jv *name, nb_jv *out)
{
    return find_attr(vm, v, name, true, out);
}

nb_status nb_jvm_attr_alone(nb_jvm *vm, const nb_jv *v, const nb_jv *name, nb_jv *out)
{
    return find_attr(vm, v, name, false, out);
}

/* v[key]: the item first, then the attribute. */
nb_status nb_jvm_item(nb_jvm *vm, const nb_jv *v, const nb_jv *key, nb_jv *out)
{
    bool found;
    nb_jv of = *v;
    if (of.kind == NB_JV_UNDEFINED)
        return nb_jvm_fail_undefined(vm, &of);
    NB_TRY(subscript(vm, &of, key, out, &found));
    if (!found && key->kind == NB_JV_STR)
        NB_TRY(attribute(vm, &of, key, out, &found));
    return found ? NB_OK : missing(vm, &of, key, out);
}

/* --- calls ----------------------------------------------------------------------------------- */

/* The next parameter of "a,b,c"; NULL at the end. */
static const char *param(const char *at, size_t *n)
{
    if (!*at)
        return NULL;
    *n = strcspn(at, ",");
    return at;
}

static nb_status bind_named(nb_jvm *vm, const nb_jrow *row, const nb_jdict *named, nb_jcall *c)
{
    for (uint32_t i = 0; i < named->n; i++) {
        const nb_jv *key = &named->key[i];
        size_t n = 0, at = 0;
        const char *p = param(row->params, &n);
        for (; p && !(n == key->len && memcmp(p, key->at, n) == 0); at++)
            p = p[n] ? param(p + n + 1, &n) : NULL;
        if (!p || c->arg[at].kind != NB_JV_ABSENT)
            return nb_jvm_fail(vm, NB_FORMAT, "%s() %s argument '%.*s'", row->name,
                               p ? "got twice the" : "has no", key->len > 60 ? 60 : (int)key->len,
                               key->at);
        c->arg[at] = named->val[i];
    }
    return NB_OK;
}

nb_status nb_jrow_run(nb_jvm *vm, const nb_jrow *row, const nb_jv *self, const nb_jv *pos, size_t n,
                      const nb_jdict *named, nb_jv *out)
{
    nb_jcall c = {.self = *self, .pos = pos, .n = n, .named = named};
    size_t max = 0, len;
    if (strcmp(row->params, "*") == 0)
        return row->run(vm, &c, out);
    for (const char *p = param(row->params, &len); p; p = p[len] ? param(p + len + 1, &len) : NULL)
        max++;
    if (n > max)
        return nb_jvm_fail(vm, NB_FORMAT, "%s() takes at most %zu arguments, %zu given", row->name,
                           max, n);
    for (size_t i = 0; i < n; i++)
        c.arg[i] = pos[i];
    if (named)
        NB_TRY(bind_named(vm, row, named, &c));
    for (size_t i = 0; i < row->need; i++)
        if (c.arg[i].kind == NB_JV_ABSENT)
            return nb_jvm_fail(vm, NB_FORMAT, "%s() needs %u arguments", row->name, row->need);
    return row->run(vm, &c, out);
}

/* Nothing at first, then what joins. */
static nb_status call_joiner(nb_jvm *vm, nb_jcycler *c, bool given, nb_jv *out)
{
    if (given)
        return nb_jvm_fail(vm, NB_FORMAT, "a joiner takes no arguments");
    *out = c->at == 0 ? nb_jv_text("", 0) : c->items.at[0];
    c->at = 1;
    return NB_OK;
}

nb_status nb_jvm_call(nb_jvm *vm, const nb_jv *what, const nb_jv *pos, size_t n,
                      const nb_jdict *named, nb_jv *out)
{
    nb_jv none = nb_jv_none();
    if (what->kind == NB_JV_UNDEFINED)
        return nb_jvm_fail_undefined(vm, what);
    if (what->kind == NB_JV_MACRO)
        return nb_jvm_call_macro(vm, what->macro, pos, n, named, out);
    if (what->kind == NB_JV_FUNC)
        return nb_jrow_run(vm, what->func, &none, pos, n, named, out);
    if (what->kind == NB_JV_METHOD)
        return nb_jrow_run(vm, what->method->row, &what->method->self, pos, n, named, out);
    if (what->kind == NB_JV_JOINER)
        return call_joiner(vm, what->cycler, n || named, out);
    if (what->kind == NB_JV_LOOP)
        return nb_jvm_call_loop(vm, what->loop, pos, n, named, out);
    return nb_jvm_fail(vm, NB_FORMAT, "'%s' object is not callable", nb_jv_type(what));
}

/* --- suffixes -------------------------------------------------------------------------------- */

/* *all: its elements are positional arguments. */
static nb_status spread(nb_jvm *vm, const nb_jv *all)
{
    nb_jv each;
    int64_t n;
    NB_TRY(nb_jv_each(vm, all, &each, &n));
    for (int64_t i = 0; i < n; i++) {
        nb_jv one = nb_jv_at(&each, i);
        NB_TRY(nb_jvm_step(vm, 1));
        NB_TRY(nb_jvm_push(vm, &one));
    }
    return NB_OK;
}

static nb_status add_named(nb_jvm *vm, nb_jdict *named, const nb_jv *key, const nb_jv *v)
{
    if (key->kind != NB_JV_STR)
        return nb_jvm_fail(vm, NB_FORMAT, "keywords must be strings");
    if (nb_jdict_text(named, key->at, key->len))
        return nb_jvm_fail(vm, NB_FORMAT, "got multiple values for keyword argument '%.*s'",
                           key->len > 60 ? 60 : (int)key->len, key->at);
    return nb_jdict_set(vm, named, key, v);
}

/* **v: its entries are named arguments. */
static nb_status spread_named(nb_jvm *vm, nb_jdict *named, const nb_jv *v)
{
    if (v->kind != NB_JV_DICT)
        return nb_jvm_fail(vm, NB_FORMAT, "argument after ** must be a mapping, not %s",
                           nb_jv_type(v));
    for (uint32_t i = 0; i < v->dict->n; i++)
        NB_TRY(add_named(vm, named, &v->dict->key[i], &v->dict->val[i]));
    return NB_OK;
}

/* Evaluates arguments onto the stack; named ones into a dict, NULL when there are none. */
static nb_status arguments(nb_jvm *vm, const nb_jnode *suffix, const nb_jdict **named)
{
    nb_jv dict = {0}, v;
    *named = NULL;
    for (uint32_t at = suffix->first; at; at = vm->t->node[at].next) {
        const nb_jnode *arg = &vm->t->node[at];
        bool key = arg->kind == NB_JN_KEYWORD, all = arg->kind == NB_JN_SPREAD;
        NB_TRY(nb_jvm_eval(vm, key || all ? arg->first : at, &v));
        if (all && !arg->op) {
            NB_TRY(spread(vm, &v));
            continue;
        }
        if (!key && !all) {
            NB_TRY(nb_jvm_push(vm, &v));
            continue;
        }
        if (!*named)
            NB_TRY(nb_jdict_make(vm, NB_JV_DICT, &dict));
        *named = dict.dict;
        NB_TRY(key ? add_named(vm, dict.dict, &arg->v, &v) : spread_named(vm, dict.dict, &v));
    }
    return NB_OK;
}

static nb_status unknown(nb_jvm *vm, const nb_jnode *suffix)
{
    return nb_jvm_fail(vm, NB_UNSUPPORTED, "no %s named '%.*s'",
                       suffix->kind == NB_JN_FILTER ? "filter" : "test",
                       suffix->v.len > 60 ? 60 : (int)suffix->v.len, suffix->v.at);
}

/* A call, filter or test on *v. */
static nb_status apply(nb_jvm *vm, const nb_jnode *suffix, nb_jv *v)
{
    uint32_t from = vm->sp;
    const nb_jdict *named;
    const nb_jrow *row = NULL;
    nb_jv self = *v;
    if (suffix->kind == NB_JN_FILTER)
        row = nb_jfilter_find(&suffix->v);
    else if (suffix->kind == NB_JN_TEST)
        row = nb_jtest_find(&suffix->v);
    if (!row && suffix->kind != NB_JN_CALL)
        return unknown(vm, suffix);
    NB_TRY(arguments(vm, suffix, &named));
    vm->line = suffix->line;
    if (row)
        NB_TRY(nb_jrow_run(vm, row, &self, vm->stack + from, vm->sp - from, named, v));
    else
        NB_TRY(nb_jvm_call(vm, &self, vm->stack + from, vm->sp - from, named, v));
    vm->sp = from;
    if (suffix->kind == NB_JN_TEST && suffix->op)
        v->b = !v->b;
    return NB_OK;
}

static nb_status slice(nb_jvm *vm, const nb_jnode *suffix, nb_jv *v)
{
    nb_jv part[3];
    uint32_t at = suffix->first;
    for (int i = 0; i < 3; i++, at = vm->t->node[at].next)
        NB_TRY(nb_jvm_eval(vm, at, &part[i]));
    nb_jv of = *v;
    return nb_jvm_slice(vm, &of, part, v);
}

nb_status nb_jvm_path(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    NB_TRY(nb_jvm_eval(vm, node->first, out));
    for (uint32_t at = vm->t->node[node->first].next; at; at = vm->t->node[at].next) {
        const nb_jnode *suffix = &vm->t->node[at];
        NB_TRY(nb_jvm_step(vm, 1));
        vm->line = suffix->line;
        if (suffix->kind == NB_JN_ATTR) {
            NB_TRY(nb_jvm_attr(vm, out, &suffix->v, out));
        } else if (suffix->kind == NB_JN_ITEM) {
            nb_jv key;
            NB_TRY(nb_jvm_eval(vm, suffix->first, &key));
            NB_TRY(nb_jvm_item(vm, out, &key, out));
        } else if (suffix->kind == NB_JN_SLICE) {
            NB_TRY(slice(vm, suffix, out));
        } else {
            NB_TRY(apply(vm, suffix, out));
        }
    }
    return NB_OK;
}
