/* Values as Python has them: truth, equality, order, membership; lists, and dicts in order of
 * insertion. Dicts of templates are small and are searched in line; the search is counted. */
#include "core/model/jinja_vm.h"

#include <string.h>

bool nb_jv_equals_text(const nb_jv *v, const char *text)
{
    return strlen(text) == v->len && memcmp(v->at, text, v->len) == 0;
}

const char *nb_jv_type(const nb_jv *v)
{
    static const char *const names[NB_JV_KINDS] = {[NB_JV_ABSENT] = "Undefined",
                                                   [NB_JV_UNDEFINED] = "Undefined",
                                                   [NB_JV_NONE] = "NoneType",
                                                   [NB_JV_BOOL] = "bool",
                                                   [NB_JV_INT] = "int",
                                                   [NB_JV_FLOAT] = "float",
                                                   [NB_JV_STR] = "str",
                                                   [NB_JV_LIST] = "list",
                                                   [NB_JV_TUPLE] = "tuple",
                                                   [NB_JV_DICT] = "dict",
                                                   [NB_JV_NAMESPACE] = "Namespace",
                                                   [NB_JV_RANGE] = "range",
                                                   [NB_JV_LOOP] = "LoopContext",
                                                   [NB_JV_MACRO] = "Macro",
                                                   [NB_JV_FUNC] = "function",
                                                   [NB_JV_METHOD] = "builtin_function_or_method",
                                                   [NB_JV_CYCLER] = "Cycler",
                                                   [NB_JV_JOINER] = "Joiner"};
    return names[v->kind];
}

bool nb_jv_truth(const nb_jv *v)
{
    switch ((nb_jv_kind)v->kind) {
    case NB_JV_ABSENT:
    case NB_JV_UNDEFINED:
    case NB_JV_NONE:
        return false;
    case NB_JV_BOOL:
        return v->b;
    case NB_JV_INT:
        return v->i != 0;
    case NB_JV_FLOAT:
        return v->f != 0;
    case NB_JV_STR:
        return v->len > 0;
    case NB_JV_LIST:
    case NB_JV_TUPLE:
        return v->list->n > 0;
    case NB_JV_DICT:
        return v->dict->n > 0;
    case NB_JV_RANGE:
        return v->range->n > 0;
    default:
        return true;
    }
}

/* --- equality and order ---------------------------------------------------------------------- */

static int64_t whole(const nb_jv *v)
{
    return v->kind == NB_JV_BOOL ? v->b : v->i;
}

/* -1, 0, 1; 2 where a NaN is. long double holds every int64 on the machines we run on. */
static int order_nums(const nb_jv *a, const nb_jv *b)
{
    if (a->kind != NB_JV_FLOAT && b->kind != NB_JV_FLOAT)
        return (whole(a) > whole(b)) - (whole(a) < whole(b));
    long double x = a->kind == NB_JV_FLOAT ? (long double)a->f : (long double)whole(a);
    long double y = b->kind == NB_JV_FLOAT ? (long double)b->f : (long double)whole(b);
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
}

static int order_text(const nb_jv *a, const nb_jv *b)
{
    uint32_t n = a->len < b->len ? a->len : b->len;
    int c = n ? memcmp(a->at, b->at, n) : 0;
    return c ? (c > 0) - (c < 0) : (a->len > b->len) - (a->len < b->len);
}

static nb_status equal_lists(nb_jvm *vm, const nb_jlist *a, const nb_jlist *b, bool *out)
{
    *out = a->n == b->n;
    if (a == b)
        return NB_OK;
    NB_TRY(nb_jvm_deeper(vm));
    for (uint32_t i = 0; *out && i < a->n && i < b->n; i++)
        NB_TRY(nb_jv_equal(vm, &a->at[i], &b->at[i], out));
    vm->depth--;
    return NB_OK;
}

static nb_status equal_dicts(nb_jvm *vm, const nb_jdict *a, const nb_jdict *b, bool *out)
{
    *out = a->n == b->n;
    if (a == b)
        return NB_OK;
    NB_TRY(nb_jvm_deeper(vm));
    for (uint32_t i = 0; *out && i < a->n; i++) {
        nb_jv *other;
        NB_TRY(nb_jdict_find(vm, b, &a->key[i], &other));
        *out = other != NULL;
        if (other)
            NB_TRY(nb_jv_equal(vm, &a->val[i], other, out));
    }
    vm->depth--;
    return NB_OK;
}

nb_status nb_jv_equal(nb_jvm *vm, const nb_jv *a, const nb_jv *b, bool *out)
{
    NB_TRY(nb_jvm_step(vm, 1));
    if (nb_jv_is_num(a) && nb_jv_is_num(b)) {
        *out = order_nums(a, b) == 0;
        return NB_OK;
    }
    *out = a->kind == b->kind;
    if (!*out)
        return NB_OK;
    switch ((nb_jv_kind)a->kind) {
    case NB_JV_ABSENT:
    case NB_JV_UNDEFINED:
    case NB_JV_NONE:
        return NB_OK;
    case NB_JV_STR:
        *out = a->len == b->len && (!a->len || memcmp(a->at, b->at, a->len) == 0);
        return nb_jvm_bulk(vm, a->len);
    case NB_JV_LIST:
    case NB_JV_TUPLE:
        return equal_lists(vm, a->list, b->list, out);
    case NB_JV_DICT:
        return equal_dicts(vm, a->dict, b->dict, out);
    case NB_JV_RANGE:
        *out = a->range->n == b->range->n && a->range->start == b->range->start &&
               a->range->step == b->range->step;
        return NB_OK;
    default:
        *out = a->at == b->at; /* the same object */
        return NB_OK;
    }
}

nb_status nb_jv_order(nb_jvm *vm, const nb_jv *a, const nb_jv *b, int *out)
{
    NB_TRY(nb_jvm_step(vm, 1));
    if (a->kind == NB_JV_UNDEFINED || b->kind == NB_JV_UNDEFINED)
        return nb_jvm_fail_undefined(vm, a->kind == NB_JV_UNDEFINED ? a : b);
    if (nb_jv_is_num(a) && nb_jv_is_num(b)) {
        *out = order_nums(a, b);
        return NB_OK;
    }
    if (a->kind == NB_JV_STR && b->kind == NB_JV_STR) {
        *out = order_text(a, b);
        return nb_jvm_bulk(vm, a->len);
    }
    if (a->kind != b->kind || (a->kind != NB_JV_LIST && a->kind != NB_JV_TUPLE))
        return nb_jvm_fail(vm, NB_FORMAT, "'%s' and '%s' have no order", nb_jv_type(a),
                           nb_jv_type(b));
    const nb_jlist *x = a->list, *y = b->list;
    NB_TRY(nb_jvm_deeper(vm));
    for (uint32_t i = 0; i < x->n && i < y->n; i++) {
        bool same;
        NB_TRY(nb_jv_equal(vm, &x->at[i], &y->at[i], &same));
        if (!same) {
            NB_TRY(nb_jv_order(vm, &x->at[i], &y->at[i], out));
            vm->depth--;
            return NB_OK;
        }
    }
    vm->depth--;
    *out = (x->n > y->n) - (x->n < y->n);
    return NB_OK;
}

nb_status nb_jv_contains(nb_jvm *vm, const nb_jv *in, const nb_jv *what, bool *out)
{
    int64_t n;
    nb_jv all, *found;
    *out = false;
    if (in->kind == NB_JV_STR) {
        if (what->kind != NB_JV_STR)
            return nb_jvm_fail(vm, NB_FORMAT,
                               "'in <string>' requires string as left operand, not %s",
                               nb_jv_type(what));
        NB_TRY(nb_jvm_bulk(vm, in->len));
        *out = !what->len || memmem(in->at, in->len, what->at, what->len);
        return NB_OK;
    }
    if (in->kind == NB_JV_DICT) {
        NB_TRY(nb_jdict_find(vm, in->dict, what, &found));
        *out = found != NULL;
        return NB_OK;
    }
    NB_TRY(nb_jv_each(vm, in, &all, &n));
    for (int64_t i = 0; i < n && !*out; i++) {
        nb_jv one = nb_jv_at(&all, i);
        NB_TRY(nb_jv_equal(vm, &one, what, out));
    }
    return NB_OK;
}

/* --- going through --------------------------------------------------------------------------- */

nb_status nb_jv_count(nb_jvm *vm, const nb_jv *v, int64_t *n)
{
    *n = -1;
    if (v->kind == NB_JV_UNDEFINED)
        *n = 0;
    else if (v->kind == NB_JV_LIST || v->kind == NB_JV_TUPLE)
        *n = v->list->n;
    else if (v->kind == NB_JV_DICT)
        *n = v->dict->n;
    else if (v->kind == NB_JV_RANGE)
        *n = v->range->n;
    if (v->kind != NB_JV_STR)
        return NB_OK;
    *n = (int64_t)nb_jchars(v->at, v->len);
    return nb_jvm_bulk(vm, v->len);
}

nb_jv nb_jv_at(const nb_jv *v, int64_t i)
{
    if (v->kind == NB_JV_DICT)
        return i < v->dict->n ? v->dict->key[i] : nb_jv_undefined("", 0);
    if (v->kind == NB_JV_RANGE)
        return nb_jv_int(v->range->start + i * v->range->step);
    return i < v->list->n ? v->list->at[i] : nb_jv_undefined("", 0);
}

nb_status nb_jv_each(nb_jvm *vm, const nb_jv *v, nb_jv *out, int64_t *n)
{
    NB_TRY(nb_jv_count(vm, v, n));
    if (*n < 0)
        return nb_jvm_fail(vm, NB_FORMAT, "'%s' object is not iterable", nb_jv_type(v));
    *out = *v;
    return v->kind == NB_JV_STR ? nb_jv_list(vm, v, out) : NB_OK;
}

nb_status nb_jv_list(nb_jvm *vm, const nb_jv *v, nb_jv *out)
{
    int64_t n;
    NB_TRY(nb_jv_count(vm, v, &n));
    if (n < 0)
        return nb_jvm_fail(vm, NB_FORMAT, "'%s' object is not iterable", nb_jv_type(v));
    nb_jv all, one;
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, &all));
    NB_TRY(nb_jvm_take(vm, (uint64_t)n, sizeof *all.list->at, &all.list->at));
    all.list->cap = (uint32_t)n;
    for (size_t i = 0, at = 0, used = 0; i < (size_t)n; i++, at += used) {
        uint32_t cp;
        if (v->kind == NB_JV_STR) {
            used = nb_jchar(v->at + at, v->len - at, &cp);
            one = nb_jv_part(*v, at, used);
        } else {
            one = nb_jv_at(v, (int64_t)i);
        }
        all.list->at[all.list->n++] = one;
    }
    *out = all;
    return NB_OK;
}

/* --- lists ----------------------------------------------------------------------------------- */

nb_status nb_jlist_make(nb_jvm *vm, nb_jv_kind kind, const nb_jv *at, size_t n, nb_jv *out)
{
    nb_jlist *l = NULL;
    NB_TRY(nb_jvm_take(vm, 1, sizeof *l, &l));
    if (n) {
        NB_TRY(nb_jvm_take(vm, n, sizeof *l->at, &l->at));
        memcpy(l->at, at, n * sizeof *at);
    }
    l->n = l->cap = (uint32_t)n;
    *out = (nb_jv){.kind = (uint8_t)kind, .list = l};
    return NB_OK;
}

nb_status nb_jlist_add(nb_jvm *vm, nb_jlist *l, const nb_jv *v)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 4;
        nb_jv *at = NULL;
        NB_TRY(nb_jvm_take(vm, cap, sizeof *at, &at));
        if (l->n)
            memcpy(at, l->at, l->n * sizeof *at);
        l->at = at;
        l->cap = cap;
    }
    l->at[l->n++] = *v;
    return NB_OK;
}

/* --- dicts ----------------------------------------------------------------------------------- */

nb_status nb_jdict_make(nb_jvm *vm, nb_jv_kind kind, nb_jv *out)
{
    nb_jdict *d = NULL;
    NB_TRY(nb_jvm_take(vm, 1, sizeof *d, &d));
    *out = (nb_jv){.kind = (uint8_t)kind, .dict = d};
    return NB_OK;
}

const nb_jv *nb_jdict_text(const nb_jdict *d, const char *key, size_t n)
{
    for (uint32_t i = 0; i < d->n; i++)
        if (d->key[i].kind == NB_JV_STR && d->key[i].len == n && memcmp(d->key[i].at, key, n) == 0)
            return &d->val[i];
    return NULL;
}

nb_status nb_jdict_find(nb_jvm *vm, const nb_jdict *d, const nb_jv *key, nb_jv **out)
{
    *out = NULL;
    if (key->kind == NB_JV_LIST || key->kind == NB_JV_DICT)
        return nb_jvm_fail(vm, NB_FORMAT, "unhashable type: '%s'", nb_jv_type(key));
    NB_TRY(nb_jvm_step(vm, d->n / 8));
    for (uint32_t i = 0; i < d->n; i++) {
        bool same = false;
        if (key->kind == NB_JV_STR)
            same = d->key[i].kind == NB_JV_STR && d->key[i].len == key->len &&
                   memcmp(d->key[i].at, key->at, key->len) == 0;
        else
            NB_TRY(nb_jv_equal(vm, &d->key[i], key, &same));
        if (same) {
            *out = &d->val[i];
            return NB_OK;
        }
    }
    return NB_OK;
}

nb_status nb_jdict_set(nb_jvm *vm, nb_jdict *d, const nb_jv *key, const nb_jv *val)
{
    nb_jv *at;
    NB_TRY(nb_jdict_find(vm, d, key, &at));
    if (at) {
        *at = *val;
        return NB_OK;
    }
    if (!d->key || !d->val || d->n == d->cap) { /* an empty one has neither */
        uint32_t cap = d->cap ? d->cap * 2 : 4;
        nb_jv *pair = NULL;
        NB_TRY(nb_jvm_take(vm, 2 * (uint64_t)cap, sizeof *pair, &pair));
        if (d->key && d->val) {
            memcpy(pair, d->key, d->n * sizeof *pair);
            memcpy(pair + cap, d->val, d->n * sizeof *pair);
        }
        d->key = pair;
        d->val = pair + cap;
        d->cap = cap;
    }
    d->key[d->n] = *key;
    d->val[d->n++] = *val;
    return NB_OK;
}

nb_status nb_jdict_drop(nb_jvm *vm, nb_jdict *d, const nb_jv *key)
{
    nb_jv *at;
    NB_TRY(nb_jdict_find(vm, d, key, &at));
    if (!at)
        return NB_OK;
    size_t i = (size_t)(at - d->val), after = d->n - i - 1;
    NB_TRY(nb_jvm_step(vm, after / 8));
    memmove(d->key + i, d->key + i + 1, after * sizeof *at);
    memmove(d->val + i, d->val + i + 1, after * sizeof *at);
    d->n--;
    return NB_OK;
}
