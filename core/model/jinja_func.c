/* Methods of lists, dicts and loops; the functions a template may call. */
#include "core/model/jinja_vm.h"

#include <stdio.h>
#include <string.h>

/* --- dicts ----------------------------------------------------------------------------------- */

static nb_status pair(nb_jvm *vm, const nb_jdict *d, uint32_t i, nb_jv *out)
{
    const nb_jv both[2] = {d->key[i], d->val[i]};
    return nb_jlist_make(vm, NB_JV_TUPLE, both, 2, out);
}

static nb_status dict_items(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv one;
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, out));
    for (uint32_t i = 0; i < c->self.dict->n; i++) {
        NB_TRY(pair(vm, c->self.dict, i, &one));
        NB_TRY(nb_jlist_add(vm, out->list, &one));
    }
    return NB_OK;
}

static nb_status dict_keys(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jlist_make(vm, NB_JV_LIST, c->self.dict->key, c->self.dict->n, out);
}

static nb_status dict_values(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jlist_make(vm, NB_JV_LIST, c->self.dict->val, c->self.dict->n, out);
}

static nb_status dict_get(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv *at;
    NB_TRY(nb_jdict_find(vm, c->self.dict, &c->arg[0], &at));
    *out = at ? *at : c->arg[1].kind == NB_JV_ABSENT ? nb_jv_none() : c->arg[1];
    return NB_OK;
}

static nb_status changeable(nb_jvm *vm, const nb_jv *v)
{
    bool given = v->kind == NB_JV_DICT ? v->dict->given : v->list->given;
    if (given)
        return nb_jvm_fail(vm, NB_FORMAT, "a %s of the conversation cannot be changed",
                           nb_jv_type(v));
    return NB_OK;
}

static nb_status update_from(nb_jvm *vm, nb_jdict *to, const nb_jdict *from)
{
    for (uint32_t i = 0; from && from != to && i < from->n; i++)
        NB_TRY(nb_jdict_set(vm, to, &from->key[i], &from->val[i]));
    return NB_OK;
}

static nb_status dict_update(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    NB_TRY(changeable(vm, &c->self));
    if (c->n && c->pos[0].kind != NB_JV_DICT)
        return nb_jvm_fail(vm, NB_FORMAT, "update needs a dict, found %s", nb_jv_type(&c->pos[0]));
    if (c->n)
        NB_TRY(update_from(vm, c->self.dict, c->pos[0].dict));
    *out = nb_jv_none();
    return update_from(vm, c->self.dict, c->named);
}

static nb_status dict_pop(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv *at;
    NB_TRY(changeable(vm, &c->self));
    NB_TRY(nb_jdict_find(vm, c->self.dict, &c->arg[0], &at));
    if (!at && c->arg[1].kind == NB_JV_ABSENT)
        return nb_jvm_fail(vm, NB_FORMAT, "pop: no such key");
    *out = at ? *at : c->arg[1];
    return nb_jdict_drop(vm, c->self.dict, &c->arg[0]);
}

static nb_status dict_setdefault(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv *at, v = c->arg[1].kind == NB_JV_ABSENT ? nb_jv_none() : c->arg[1];
    NB_TRY(nb_jdict_find(vm, c->self.dict, &c->arg[0], &at));
    *out = at ? *at : v;
    if (at)
        return NB_OK;
    NB_TRY(changeable(vm, &c->self));
    return nb_jdict_set(vm, c->self.dict, &c->arg[0], &v);
}

static nb_status dict_copy(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    NB_TRY(nb_jdict_make(vm, NB_JV_DICT, out));
    return update_from(vm, out->dict, c->self.dict);
}

static nb_status dict_clear(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    NB_TRY(changeable(vm, &c->self));
    c->self.dict->n = 0;
    *out = nb_jv_none();
    return NB_OK;
}

/* --- lists ----------------------------------------------------------------------------------- */

static nb_status list_append(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    NB_TRY(changeable(vm, &c->self));
    *out = nb_jv_none();
    return nb_jlist_add(vm, c->self.list, &c->arg[0]);
}

static nb_status list_extend(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv all;
    int64_t n;
    NB_TRY(changeable(vm, &c->self));
    NB_TRY(nb_jv_each(vm, &c->arg[0], &all, &n));
    for (int64_t i = 0; i < n; i++) {
        nb_jv one = nb_jv_at(&all, i);
        NB_TRY(nb_jlist_add(vm, c->self.list, &one));
    }
    *out = nb_jv_none();
    return NB_OK;
}

/* Moves elements from `at` on by one place up or down. */
static nb_status shift(nb_jvm *vm, nb_jlist *l, size_t at, int by)
{
    NB_TRY(nb_jvm_step(vm, (l->n - at) / 8));
    if (by > 0)
        memmove(l->at + at + 1, l->at + at, (l->n - at - 1) * sizeof *l->at);
    else
        memmove(l->at + at, l->at + at + 1, (--l->n - at) * sizeof *l->at);
    return NB_OK;
}

static nb_status list_insert(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    int64_t i, n = c->self.list->n;
    NB_TRY(changeable(vm, &c->self));
    NB_TRY(nb_jarg_int(vm, &c->arg[0], 0, &i));
    i = i < -n ? 0 : i < 0 ? i + n : i > n ? n : i;
    NB_TRY(nb_jlist_add(vm, c->self.list, &c->arg[1]));
    NB_TRY(shift(vm, c->self.list, (size_t)i, 1));
    c->self.list->at[i] = c->arg[1];
    *out = nb_jv_none();
    return NB_OK;
}

static nb_status list_pop(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    int64_t i, n = c->self.list->n;
    NB_TRY(changeable(vm, &c->self));
    NB_TRY(nb_jarg_int(vm, &c->arg[0], -1, &i));
    i += i < 0 ? n : 0;
    if (i < 0 || i >= n)
        return nb_jvm_fail(vm, NB_FORMAT, "pop index out of range");
    *out = c->self.list->at[i];
    return shift(vm, c->self.list, (size_t)i, -1);
}

static nb_status place(nb_jvm *vm, nb_jcall *c, int64_t *first, int64_t *count)
{
    const nb_jlist *l = c->self.list;
    bool same;
    *first = -1;
    *count = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        NB_TRY(nb_jv_equal(vm, &l->at[i], &c->arg[0], &same));
        *count += same;
        if (same && *first < 0)
            *first = i;
    }
    return NB_OK;
}

static nb_status list_index(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    int64_t first, n;
    NB_TRY(place(vm, c, &first, &n));
    *out = nb_jv_int(first);
    return first >= 0 ? NB_OK : nb_jvm_fail(vm, NB_FORMAT, "index: not in the list");
}

static nb_status list_count(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    int64_t first, n;
    NB_TRY(place(vm, c, &first, &n));
    *out = nb_jv_int(n);
    return NB_OK;
}

static nb_status list_remove(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    int64_t first, n;
    NB_TRY(changeable(vm, &c->self));
    NB_TRY(place(vm, c, &first, &n));
    *out = nb_jv_none();
    if (first < 0)
        return nb_jvm_fail(vm, NB_FORMAT, "remove: not in the list");
    return shift(vm, c->self.list, (size_t)first, -1);
}

static nb_status list_reverse(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jlist *l = c->self.list;
    NB_TRY(changeable(vm, &c->self));
    NB_TRY(nb_jvm_step(vm, l->n / 8));
    for (uint32_t i = 0; i < l->n / 2; i++) {
        nb_jv v = l->at[i];
        l->at[i] = l->at[l->n - 1 - i];
        l->at[l->n - 1 - i] = v;
    }
    *out = nb_jv_none();
    return NB_OK;
}

static nb_status list_copy(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jlist_make(vm, NB_JV_LIST, c->self.list->at, c->self.list->n, out);
}

static nb_status list_clear(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    NB_TRY(changeable(vm, &c->self));
    c->self.list->n = 0;
    *out = nb_jv_none();
    return NB_OK;
}

/* --- loops ----------------------------------------------------------------------------------- */

static nb_status loop_cycle(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    if (!c->n)
        return nb_jvm_fail(vm, NB_FORMAT, "no items for cycling given");
    *out = c->pos[(uint64_t)c->self.loop->index0 % c->n];
    return NB_OK;
}

static nb_status loop_changed(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv now;
    bool same = false;
    NB_TRY(nb_jlist_make(vm, NB_JV_TUPLE, c->pos, c->n, &now));
    if (c->self.loop->changed.kind == NB_JV_TUPLE)
        NB_TRY(nb_jv_equal(vm, &now, &c->self.loop->changed, &same));
    c->self.loop->changed = now;
    *out = nb_jv_bool(!same);
    return NB_OK;
}

static const nb_jrow methods[] = {{"items", dict_items, "", 0, NB_JV_DICT},
                                  {"keys", dict_keys, "", 0, NB_JV_DICT},
                                  {"values", dict_values, "", 0, NB_JV_DICT},
                                  {"get", dict_get, "key,default", 1, NB_JV_DICT},
                                  {"update", dict_update, "*", 0, NB_JV_DICT},
                                  {"pop", dict_pop, "key,default", 1, NB_JV_DICT},
                                  {"setdefault", dict_setdefault, "key,default", 1, NB_JV_DICT},
                                  {"copy", dict_copy, "", 0, NB_JV_DICT},
                                  {"clear", dict_clear, "", 0, NB_JV_DICT},
                                  {"append", list_append, "object", 1, NB_JV_LIST},
                                  {"extend", list_extend, "iterable", 1, NB_JV_LIST},
                                  {"insert", list_insert, "index,object", 2, NB_JV_LIST},
                                  {"pop", list_pop, "index", 0, NB_JV_LIST},
                                  {"index", list_index, "value", 1, NB_JV_LIST},
                                  {"count", list_count, "value", 1, NB_JV_LIST},
                                  {"index", list_index, "value", 1, NB_JV_TUPLE},
                                  {"count", list_count, "value", 1, NB_JV_TUPLE},
                                  {"remove", list_remove, "value", 1, NB_JV_LIST},
                                  {"reverse", list_reverse, "", 0, NB_JV_LIST},
                                  {"copy", list_copy, "", 0, NB_JV_LIST},
                                  {"clear", list_clear, "", 0, NB_JV_LIST},
                                  {"cycle", loop_cycle, "*", 0, NB_JV_LOOP},
                                  {"changed", loop_changed, "*", 0, NB_JV_LOOP},
                                  {0}};

const nb_jrow *nb_jrow_find(const nb_jrow *rows, const nb_jv *name)
{
    for (const nb_jrow *r = rows; r->name; r++)
        if (nb_jv_equals_text(name, r->name))
            return r;
    return NULL;
}

static nb_status cycler_next(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jcycler *y = c->self.cycler;
    (void)vm;
    *out = y->items.at[y->at];
    y->at = (y->at + 1) % y->items.n;
    return NB_OK;
}

static nb_status cycler_reset(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    c->self.cycler->at = 0;
    *out = nb_jv_none();
    return NB_OK;
}

static const nb_jrow cycler_methods[] = {
    {"next", cycler_next, "", 0, NB_JV_CYCLER}, {"reset", cycler_reset, "", 0, NB_JV_CYCLER}, {0}};

const nb_jrow *nb_jmethod_find(const nb_jv *self, const nb_jv *name)
{
    if (self->kind == NB_JV_STR)
        return nb_jrow_find(nb_jmethods_str, name);
    if (self->kind == NB_JV_CYCLER)
        return nb_jrow_find(cycler_methods, name);
    for (const nb_jrow *r = methods; r->name; r++)
        if (r->kind == self->kind && nb_jv_equals_text(name, r->name))
            return r;
    return NULL;
}

/* --- functions ------------------------------------------------------------------------------- */

static nb_status func_range(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jrange *r = NULL;
    int64_t from, to, step;
    bool one = c->arg[1].kind == NB_JV_ABSENT;
    NB_TRY(nb_jarg_int(vm, &c->arg[0], 0, &from));
    NB_TRY(nb_jarg_int(vm, &c->arg[1], from, &to));
    NB_TRY(nb_jarg_int(vm, &c->arg[2], 1, &step));
    from = one ? 0 : from;
    if (step == 0)
        return nb_jvm_fail(vm, NB_FORMAT, "range() step must not be zero");
    if (from < -(1LL << 62) || from > 1LL << 62 || to < -(1LL << 62) || to > 1LL << 62)
        return nb_jvm_fail(vm, NB_FORMAT, "range() is too long");
    uint64_t width = step > 0 ? (uint64_t)(to - from) : (uint64_t)(from - to);
    uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    bool none = step > 0 ? to <= from : from <= to;
    NB_TRY(nb_jvm_take(vm, 1, sizeof *r, &r));
    *r = (nb_jrange){from, step, none ? 0 : (int64_t)((width - 1) / stride + 1)};
    *out = (nb_jv){.kind = NB_JV_RANGE, .range = r};
    return NB_OK;
}

/* dict(**named) and dict(pairs or dict) */
static nb_status make_dict(nb_jvm *vm, nb_jcall *c, nb_jv_kind kind, nb_jv *out)
{
    nb_jv all;
    int64_t n;
    NB_TRY(nb_jdict_make(vm, kind, out));
    if (c->n && c->pos[0].kind == NB_JV_DICT) {
        NB_TRY(update_from(vm, out->dict, c->pos[0].dict));
    } else if (c->n) {
        NB_TRY(nb_jv_each(vm, &c->pos[0], &all, &n));
        for (int64_t i = 0; i < n; i++) {
            nb_jv two = nb_jv_at(&all, i);
            int64_t width;
            NB_TRY(nb_jv_each(vm, &two, &two, &width));
            if (width != 2)
                return nb_jvm_fail(vm, NB_FORMAT, "a dict is made of pairs");
            nb_jv key = nb_jv_at(&two, 0), val = nb_jv_at(&two, 1);
            NB_TRY(nb_jdict_set(vm, out->dict, &key, &val));
        }
    }
    return update_from(vm, out->dict, c->named);
}

static nb_status func_dict(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return make_dict(vm, c, NB_JV_DICT, out);
}

static nb_status func_namespace(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return make_dict(vm, c, NB_JV_NAMESPACE, out);
}

static nb_status func_raise(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv text;
    (void)out;
    NB_TRY(nb_jv_str(vm, &c->arg[0], &text));
    return nb_fail(vm->err, NB_REFUSED, "%.*s", text.len > 2000 ? 2000 : (int)text.len, text.at);
}

static nb_status make_cycler(nb_jvm *vm, const nb_jv *pos, size_t n, nb_jv_kind kind, nb_jv *out)
{
    nb_jcycler *y = NULL;
    NB_TRY(nb_jvm_take(vm, 1, sizeof *y, &y));
    for (size_t i = 0; i < n; i++)
        NB_TRY(nb_jlist_add(vm, &y->items, &pos[i]));
    *out = (nb_jv){.kind = (uint8_t)kind, .cycler = y};
    return NB_OK;
}

static nb_status func_cycler(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    if (!c->n)
        return nb_jvm_fail(vm, NB_FORMAT, "at least one item has to be provided");
    return make_cycler(vm, c->pos, c->n, NB_JV_CYCLER, out);
}

static nb_status func_joiner(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv sep = c->arg[0].kind == NB_JV_ABSENT ? nb_jv_text(", ", 2) : c->arg[0];
    return make_cycler(vm, &sep, 1, NB_JV_JOINER, out);
}

static const nb_jrow functions[] = {{"range", func_range, "start,stop,step", 1, 0},
                                    {"dict", func_dict, "*", 0, 0},
                                    {"namespace", func_namespace, "*", 0, 0},
                                    {"raise_exception", func_raise, "message", 1, 0},
                                    {"strftime_now", nb_jclock_strftime, "format", 1, 0},
                                    {"cycler", func_cycler, "*", 0, 0},
                                    {"joiner", func_joiner, "sep", 0, 0},
                                    {0}};

const nb_jrow *nb_jfunc_find(const nb_jv *name)
{
    return nb_jrow_find(functions, name);
}
