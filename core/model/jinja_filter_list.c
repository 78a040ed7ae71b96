/* Filters on lists. Where Jinja gives a generator these give the list of what it would yield. */
#include "core/model/jinja_vm.h"

#include <string.h>

/* --- attributes and keys --------------------------------------------------------------------- */

/* item.a.0 for attribute "a.0", or item[attribute] for a number; ABSENT: the item itself. `other`
 * (may be NULL) stands for what is undefined on the way. */
static nb_status dig_or(nb_jvm *vm, const nb_jv *item, const nb_jv *attribute, const nb_jv *other,
                        nb_jv *out)
{
    *out = *item;
    if (attribute->kind == NB_JV_INT)
        return nb_jvm_item(vm, item, attribute, out);
    if (attribute->kind != NB_JV_STR)
        return NB_OK;
    for (size_t from = 0, to; from <= attribute->len; from = to + 1) {
        const char *dot = memchr(attribute->at + from, '.', attribute->len - from);
        to = dot ? (size_t)(dot - attribute->at) : attribute->len;
        nb_jv part = nb_jv_part(*attribute, from, to - from);
        int64_t index = 0;
        bool number = part.len > 0 && part.len < 10;
        for (uint32_t i = 0; i < part.len; i++) {
            number = number && part.at[i] >= '0' && part.at[i] <= '9';
            index = number ? index * 10 + (part.at[i] - '0') : 0;
        }
        if (number)
            part = nb_jv_int(index);
        NB_TRY(nb_jvm_item(vm, out, &part, out));
        if (other && out->kind == NB_JV_UNDEFINED)
            *out = *other;
    }
    return NB_OK;
}

static nb_status dig(nb_jvm *vm, const nb_jv *item, const nb_jv *attribute, nb_jv *out)
{
    return dig_or(vm, item, attribute, NULL, out);
}

/* What an item is sorted or told apart by; `other` as in dig_or. */
static nb_status key_of(nb_jvm *vm, const nb_jv *item, const nb_jv *attribute, const nb_jv *other,
                        bool exact, nb_jv *out)
{
    NB_TRY(dig_or(vm, item, attribute, other, out));
    nb_jv as_is = *out;
    if (!exact && as_is.kind == NB_JV_STR)
        return nb_jstr_case(vm, &as_is, NB_JLOWER, out);
    return NB_OK;
}

static nb_status keys_of(nb_jvm *vm, const nb_jlist *items, const nb_jv *attribute,
                         const nb_jv *other, bool exact, nb_jv *out)
{
    nb_jv key;
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, out));
    for (uint32_t i = 0; i < items->n; i++) {
        NB_TRY(key_of(vm, &items->at[i], attribute, other, exact, &key));
        NB_TRY(nb_jlist_add(vm, out->list, &key));
    }
    return NB_OK;
}

/* Merges two neighbouring sorted runs [from, mid) and [mid, to) of `order` into `spare`. */
static nb_status merge(nb_jvm *vm, const nb_jv *key, const uint32_t *order, uint32_t *spare,
                       const uint32_t at[3], bool reverse)
{
    uint32_t i = at[0], j = at[1], k = at[0];
    while (i < at[1] || j < at[2]) {
        int c = -1;
        if (j == at[2])
            c = -1;
        else if (i == at[1])
            c = 1;
        else
            NB_TRY(nb_jv_order(vm, &key[order[i]], &key[order[j]], &c));
        bool left = i < at[1] && (j == at[2] || (reverse ? c >= 0 : c <= 0 || c == 2));
        spare[k++] = left ? order[i++] : order[j++];
    }
    return NB_OK;
}

/* Stable, also in reverse. *items becomes a sorted copy. */
static nb_status sort_by(nb_jvm *vm, const nb_jv *keys, bool reverse, nb_jv *items)
{
    uint32_t n = items->list->n, *order = NULL, *spare = NULL;
    nb_jv sorted;
    NB_TRY(nb_jvm_take(vm, n, sizeof *order, &order));
    NB_TRY(nb_jvm_take(vm, n, sizeof *spare, &spare));
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    for (uint32_t width = 1; width < n; width *= 2) {
        for (uint32_t from = 0; from < n; from += 2 * width) {
            uint32_t mid = n - from > width ? from + width : n;
            uint32_t to = n - from > 2 * width ? from + 2 * width : n;
            const uint32_t at[3] = {from, mid, to};
            NB_TRY(merge(vm, keys->list->at, order, spare, at, reverse));
        }
        uint32_t *t = order;
        order = spare;
        spare = t;
    }
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, &sorted));
    for (uint32_t i = 0; i < n; i++)
        NB_TRY(nb_jlist_add(vm, sorted.list, &items->list->at[order[i]]));
    *items = sorted;
    return NB_OK;
}

nb_status nb_jlist_sort(nb_jvm *vm, nb_jv *list)
{
    nb_jv keys = *list;
    return sort_by(vm, &keys, false, list);
}

/* --- filters --------------------------------------------------------------------------------- */

static nb_status to_list(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jv_list(vm, &c->self, out);
}

static nb_status one_end(nb_jvm *vm, nb_jcall *c, bool last, nb_jv *out)
{
    static const char none[] = "No item, sequence was empty.";
    nb_jv all;
    int64_t n;
    NB_TRY(nb_jv_each(vm, &c->self, &all, &n));
    *out = n ? nb_jv_at(&all, last ? n - 1 : 0) : nb_jv_undefined(none, sizeof none - 1);
    return NB_OK;
}

static nb_status first(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return one_end(vm, c, false, out);
}

static nb_status last(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return one_end(vm, c, true, out);
}

static nb_status join(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv all, sep = nb_jv_text("", 0), one;
    int64_t n;
    NB_TRY(nb_jv_each(vm, &c->self, &all, &n));
    if (c->arg[0].kind != NB_JV_ABSENT)
        NB_TRY(nb_jv_str(vm, &c->arg[0], &sep));
    size_t start = vm->n_out;
    for (int64_t i = 0; i < n; i++) {
        nb_jv item = nb_jv_at(&all, i);
        NB_TRY(nb_jvm_step(vm, 1));
        NB_TRY(dig(vm, &item, &c->arg[1], &one));
        if (i)
            NB_TRY(nb_jvm_put_str(vm, &sep));
        NB_TRY(nb_jvm_put_value(vm, &one));
    }
    return nb_jvm_text(vm, start, out);
}

static nb_status items(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv name = nb_jv_text("items", 5);
    if (c->self.kind == NB_JV_UNDEFINED)
        return nb_jlist_make(vm, NB_JV_LIST, NULL, 0, out);
    if (c->self.kind != NB_JV_DICT)
        return nb_jvm_fail(vm, NB_FORMAT, "Can only get item pairs from a mapping.");
    return nb_jrow_run(vm, nb_jmethod_find(&c->self, &name), &c->self, NULL, 0, NULL, out);
}

/* dictsort(case_sensitive=False, by="key", reverse=False) */
static nb_status dictsort(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv keys,
        column = nb_jv_int(c->arg[1].kind == NB_JV_STR && nb_jv_equals_text(&c->arg[1], "value"));
    NB_TRY(items(vm, c, out));
    NB_TRY(keys_of(vm, out->list, &column, NULL, nb_jv_truth(&c->arg[0]), &keys));
    return sort_by(vm, &keys, nb_jv_truth(&c->arg[2]), out);
}

/* sort(reverse=False, case_sensitive=False, attribute=None) */
static nb_status sort(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv keys;
    NB_TRY(nb_jv_list(vm, &c->self, out));
    NB_TRY(keys_of(vm, out->list, &c->arg[2], NULL, nb_jv_truth(&c->arg[1]), &keys));
    return sort_by(vm, &keys, nb_jv_truth(&c->arg[0]), out);
}

/* unique(case_sensitive=False, attribute=None) */
static nb_status unique(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv all, seen, key;
    bool there;
    NB_TRY(nb_jv_list(vm, &c->self, &all));
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, out));
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, &seen));
    for (uint32_t i = 0; i < all.list->n; i++) {
        NB_TRY(key_of(vm, &all.list->at[i], &c->arg[1], NULL, nb_jv_truth(&c->arg[0]), &key));
        NB_TRY(nb_jv_contains(vm, &seen, &key, &there));
        if (there)
            continue;
        NB_TRY(nb_jlist_add(vm, seen.list, &key));
        NB_TRY(nb_jlist_add(vm, out->list, &all.list->at[i]));
    }
    return NB_OK;
}

static nb_status reverse(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    const nb_jv part[3] = {{.kind = NB_JV_NONE}, {.kind = NB_JV_NONE}, nb_jv_int(-1)};
    nb_jv all = c->self;
    if (all.kind != NB_JV_STR)
        NB_TRY(nb_jv_list(vm, &c->self, &all));
    return nb_jvm_slice(vm, &all, part, out);
}

/* sum(attribute=None, start=0) */
static nb_status sum(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv all, one, total = c->arg[1].kind == NB_JV_ABSENT ? nb_jv_int(0) : c->arg[1];
    int64_t n;
    NB_TRY(nb_jv_each(vm, &c->self, &all, &n));
    for (int64_t i = 0; i < n; i++) {
        nb_jv item = nb_jv_at(&all, i);
        NB_TRY(dig(vm, &item, &c->arg[0], &one));
        NB_TRY(nb_jvm_arith(vm, NB_JOP_ADD, &total, &one, &total));
    }
    *out = total;
    return NB_OK;
}

static nb_status extreme(nb_jvm *vm, nb_jcall *c, int want, nb_jv *out)
{
    static const char none[] = "No aggregated item, sequence was empty.";
    nb_jv all, keys;
    int order;
    NB_TRY(nb_jv_list(vm, &c->self, &all));
    NB_TRY(keys_of(vm, all.list, &c->arg[1], NULL, nb_jv_truth(&c->arg[0]), &keys));
    uint32_t best = 0;
    for (uint32_t i = 1; i < all.list->n; i++) {
        NB_TRY(nb_jv_order(vm, &keys.list->at[i], &keys.list->at[best], &order));
        if (order == want)
            best = i;
    }
    *out = all.list->n ? all.list->at[best] : nb_jv_undefined(none, sizeof none - 1);
    return NB_OK;
}

static nb_status min(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return extreme(vm, c, -1, out);
}

static nb_status max(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return extreme(vm, c, 1, out);
}

/* Parts of so many items each, the last filled up. */
static nb_status batch(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv all, part;
    int64_t width;
    NB_TRY(nb_jv_list(vm, &c->self, &all));
    NB_TRY(nb_jarg_int(vm, &c->arg[0], 0, &width));
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, out));
    if (width < 1)
        return nb_jvm_fail(vm, NB_FORMAT, "batches of %lld", (long long)width);
    for (uint32_t at = 0, n; at < all.list->n; at += n) {
        n = all.list->n - at;
        n = n > width ? (uint32_t)width : n;
        NB_TRY(nb_jlist_make(vm, NB_JV_LIST, all.list->at + at, n, &part));
        bool fill = c->arg[1].kind != NB_JV_ABSENT && c->arg[1].kind != NB_JV_NONE;
        while (fill && part.list->n < width)
            NB_TRY(nb_jlist_add(vm, part.list, &c->arg[1]));
        NB_TRY(nb_jlist_add(vm, out->list, &part));
    }
    return NB_OK;
}

/* So many parts, as even as can be, the longer ones first. */
static nb_status slice(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv all, part;
    int64_t parts, at = 0;
    NB_TRY(nb_jv_list(vm, &c->self, &all));
    NB_TRY(nb_jarg_int(vm, &c->arg[0], 0, &parts));
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, out));
    if (parts < 1)
        return nb_jvm_fail(vm, NB_FORMAT, "%lld slices", (long long)parts);
    for (int64_t i = 0; i < parts; i++) {
        int64_t n = all.list->n / parts;
        bool longer = i < all.list->n % parts;
        NB_TRY(nb_jvm_step(vm, 1));
        NB_TRY(nb_jlist_make(vm, NB_JV_LIST, all.list->at + at, (size_t)(n + longer), &part));
        at += n + longer;
        if (!longer && c->arg[1].kind != NB_JV_ABSENT && c->arg[1].kind != NB_JV_NONE)
            NB_TRY(nb_jlist_add(vm, part.list, &c->arg[1]));
        NB_TRY(nb_jlist_add(vm, out->list, &part));
    }
    return NB_OK;
}

/* --- with a filter or a test ----------------------------------------------------------------- */

/* map(attribute=..., default=...) or map("filter", arguments...) */
static nb_status map(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv all, one;
    int64_t n;
    const nb_jv *attribute = c->named ? nb_jdict_text(c->named, "attribute", 9) : NULL;
    const nb_jv *other = c->named ? nb_jdict_text(c->named, "default", 7) : NULL;
    const nb_jrow *row = NULL;
    if (c->n && c->pos[0].kind == NB_JV_STR)
        row = nb_jfilter_find(&c->pos[0]);
    if (c->n ? !row : !attribute)
        return nb_jvm_fail(vm, NB_UNSUPPORTED, "map needs an attribute or the name of a filter");
    NB_TRY(nb_jv_each(vm, &c->self, &all, &n));
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, out));
    for (int64_t i = 0; i < n; i++) {
        nb_jv item = nb_jv_at(&all, i);
        if (row)
            NB_TRY(nb_jrow_run(vm, row, &item, c->pos + 1, c->n - 1, c->named, &one));
        else
            NB_TRY(dig_or(vm, &item, attribute, other, &one));
        NB_TRY(nb_jvm_step(vm, 1));
        NB_TRY(nb_jlist_add(vm, out->list, &one));
    }
    return NB_OK;
}

/* select("test", arguments...), or by an attribute in front of them. */
static nb_status choose(nb_jvm *vm, nb_jcall *c, bool by_attribute, bool want, nb_jv *out)
{
    nb_jv all, v, holds, attribute = {.kind = NB_JV_ABSENT};
    int64_t n;
    size_t at = by_attribute;
    const nb_jrow *row = NULL;
    if (by_attribute && !c->n)
        return nb_jvm_fail(vm, NB_FORMAT, "missing parameter for attribute name");
    if (by_attribute)
        attribute = c->pos[0];
    if (c->n > at && c->pos[at].kind == NB_JV_STR)
        row = nb_jtest_find(&c->pos[at]);
    if (c->n > at && !row)
        return nb_jvm_fail(vm, NB_UNSUPPORTED, "select by a test that is not known");
    NB_TRY(nb_jv_each(vm, &c->self, &all, &n));
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, out));
    for (int64_t i = 0; i < n; i++) {
        nb_jv item = nb_jv_at(&all, i);
        NB_TRY(dig(vm, &item, &attribute, &v));
        holds = v;
        if (row)
            NB_TRY(nb_jrow_run(vm, row, &v, c->pos + at + 1, c->n - at - 1, c->named, &holds));
        NB_TRY(nb_jvm_step(vm, 1));
        if (nb_jv_truth(&holds) == want)
            NB_TRY(nb_jlist_add(vm, out->list, &item));
    }
    return NB_OK;
}

static nb_status select_items(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return choose(vm, c, false, true, out);
}

static nb_status reject(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return choose(vm, c, false, false, out);
}

static nb_status selectattr(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return choose(vm, c, true, true, out);
}

static nb_status rejectattr(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return choose(vm, c, true, false, out);
}

/* groupby(attribute, default=None, case_sensitive=False): (key, items) by key. */
static nb_status groupby(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    nb_jv all, keys, group, item;
    const nb_jv *other = c->arg[1].kind == NB_JV_ABSENT ? NULL : &c->arg[1];
    bool exact = nb_jv_truth(&c->arg[2]), same = false;
    NB_TRY(nb_jv_list(vm, &c->self, &all));
    NB_TRY(keys_of(vm, all.list, &c->arg[0], other, exact, &keys));
    NB_TRY(sort_by(vm, &keys, false, &all));
    NB_TRY(keys_of(vm, all.list, &c->arg[0], other, exact, &keys));
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, out));
    for (uint32_t i = 0; i < all.list->n; i++) {
        if (i)
            NB_TRY(nb_jv_equal(vm, &keys.list->at[i], &keys.list->at[i - 1], &same));
        if (!same) {
            nb_jv two[2];
            NB_TRY(dig_or(vm, &all.list->at[i], &c->arg[0], other, &two[0]));
            NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, &group));
            two[1] = group;
            NB_TRY(nb_jlist_make(vm, NB_JV_TUPLE, two, 2, &item));
            NB_TRY(nb_jlist_add(vm, out->list, &item));
        }
        NB_TRY(nb_jlist_add(vm, group.list, &all.list->at[i]));
    }
    return NB_OK;
}

const nb_jrow nb_jfilters_list[] = {{"batch", batch, "linecount,fill_with", 1, 0},
                                    {"dictsort", dictsort, "case_sensitive,by,reverse", 0, 0},
                                    {"first", first, "", 0, 0},
                                    {"groupby", groupby, "attribute,default,case_sensitive", 1, 0},
                                    {"items", items, "", 0, 0},
                                    {"join", join, "d,attribute", 0, 0},
                                    {"last", last, "", 0, 0},
                                    {"list", to_list, "", 0, 0},
                                    {"map", map, "*", 0, 0},
                                    {"max", max, "case_sensitive,attribute", 0, 0},
                                    {"min", min, "case_sensitive,attribute", 0, 0},
                                    {"reject", reject, "*", 0, 0},
                                    {"rejectattr", rejectattr, "*", 0, 0},
                                    {"reverse", reverse, "", 0, 0},
                                    {"select", select_items, "*", 0, 0},
                                    {"selectattr", selectattr, "*", 0, 0},
                                    {"slice", slice, "slices,fill_with", 1, 0},
                                    {"sort", sort, "reverse,case_sensitive,attribute", 0, 0},
                                    {"sum", sum, "attribute,start", 0, 0},
                                    {"unique", unique, "case_sensitive,attribute", 0, 0},
                                    {0}};
