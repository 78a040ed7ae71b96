/* The variables of a rendering, built by the caller. They are the template's to read only. */
#include "core/model/jinja_value.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"

enum { INPUT_MAX = 512 << 20, OPEN_MAX = 80 }; /* bytes; lists and maps inside of each other */

struct nb_jinja_input {
    nb_jmem mem;
    nb_jdict vars;
    nb_jv open[OPEN_MAX]; /* [depth] innermost last */
    size_t depth;
    bool failed;
};

nb_status nb_jinja_input_open(nb_jinja_input **out, nb_err *err)
{
    nb_jinja_input *in = nb_alloc(1, sizeof *in, "chat template's input", err);
    if (!in)
        return NB_NOMEM;
    in->mem.limit = INPUT_MAX;
    in->vars.given = true;
    in->open[0] = (nb_jv){.kind = NB_JV_DICT, .dict = &in->vars};
    in->depth = 1;
    *out = in;
    return NB_OK;
}

void nb_jinja_input_close(nb_jinja_input **in)
{
    if (!*in)
        return;
    nb_jmem_free(&(*in)->mem);
    free(*in);
    *in = NULL;
}

nb_status nb_jinja_input_vars(const nb_jinja_input *in, const nb_jdict **vars, nb_err *err)
{
    *vars = in ? &in->vars : NULL;
    if (in && in->failed)
        return nb_fail(err, NB_NOMEM, "not enough memory for the conversation");
    return NB_OK;
}

size_t nb_jinja_input_bytes(const nb_jinja_input *in)
{
    return in->mem.total;
}

/* Memory of the input; a failure is kept. */
static void *take(nb_jinja_input *in, uint64_t count, size_t size)
{
    void *p = in->failed ? NULL : nb_jmem_take(&in->mem, count, size);
    in->failed = in->failed || !p;
    return p;
}

static nb_jv text(nb_jinja_input *in, const char *s, size_t n, nb_jinja_owner owner)
{
    char *copy = n > UINT32_MAX ? NULL : take(in, (uint64_t)n + 1, 1);
    if (!copy) {
        in->failed = true;
        return nb_jv_text("", 0);
    }
    if (n)
        memcpy(copy, s, n);
    nb_jv v = nb_jv_text(copy, n);
    v.mark = owner == NB_JINJA_USER ? nb_jmark_user : NULL;
    return v;
}

static void add_item(nb_jinja_input *in, nb_jlist *l, const nb_jv *v)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 4;
        nb_jv *at = take(in, cap, sizeof *at);
        if (!at)
            return;
        if (l->n)
            memcpy(at, l->at, l->n * sizeof *at);
        l->at = at;
        l->cap = cap;
    }
    l->at[l->n++] = *v;
}

static void add_pair(nb_jinja_input *in, nb_jdict *d, const nb_jv *key, const nb_jv *v)
{
    const nb_jv *there = nb_jdict_text(d, key->at, key->len);
    if (there) { /* the last of equal keys counts, in the place of the first, as in Python */
        d->val[there - d->val] = *v;
        return;
    }
    if (d->n == d->cap) {
        uint32_t cap = d->cap ? d->cap * 2 : 4;
        nb_jv *pair = take(in, 2 * (uint64_t)cap, sizeof *pair);
        if (!pair)
            return;
        if (d->n) {
            memcpy(pair, d->key, d->n * sizeof *pair);
            memcpy(pair + cap, d->val, d->n * sizeof *pair);
        }
        d->key = pair;
        d->val = pair + cap;
        d->cap = cap;
    }
    d->key[d->n] = *key;
    d->val[d->n++] = *v;
}

static void put_keyed(nb_jinja_input *in, const nb_jv *key, const nb_jv *v)
{
    nb_jv *to = &in->open[in->depth - 1];
    if (in->failed)
        return;
    if (to->kind == NB_JV_LIST)
        add_item(in, to->list, v);
    else
        add_pair(in, to->dict, key, v);
}

static void put(nb_jinja_input *in, const char *key, nb_jv v)
{
    nb_jv name = nb_jv_none();
    bool map = in->open[in->depth - 1].kind == NB_JV_DICT;
    if (in->failed) /* what was begun since may not be open */
        return;
    assert(map == (key != NULL));
    if (map)
        name = text(in, key, strlen(key), NB_JINJA_TEMPLATE);
    put_keyed(in, &name, &v);
}

void nb_jinja_put_none(nb_jinja_input *in, const char *key)
{
    put(in, key, nb_jv_none());
}

void nb_jinja_put_bool(nb_jinja_input *in, const char *key, bool v)
{
    put(in, key, nb_jv_bool(v));
}

void nb_jinja_put_int(nb_jinja_input *in, const char *key, int64_t v)
{
    put(in, key, nb_jv_int(v));
}

void nb_jinja_put_float(nb_jinja_input *in, const char *key, double v)
{
    put(in, key, nb_jv_float(v));
}

void nb_jinja_put_str(nb_jinja_input *in, const char *key, const char *s, size_t n,
                      nb_jinja_owner owner)
{
    put(in, key, text(in, s, n, owner));
}

/* An empty list or map, not yet put anywhere. */
static nb_jv container(nb_jinja_input *in, nb_jv_kind kind)
{
    nb_jv v = {.kind = (uint8_t)kind};
    if (kind == NB_JV_LIST) {
        v.list = take(in, 1, sizeof *v.list);
        if (v.list)
            v.list->given = true;
    } else {
        v.dict = take(in, 1, sizeof *v.dict);
        if (v.dict)
            v.dict->given = true;
    }
    return v;
}

static void open_container(nb_jinja_input *in, const nb_jv *v)
{
    in->failed = in->failed || in->depth == OPEN_MAX;
    if (!in->failed)
        in->open[in->depth++] = *v;
}

void nb_jinja_begin_list(nb_jinja_input *in, const char *key)
{
    nb_jv v = container(in, NB_JV_LIST);
    put(in, key, v);
    open_container(in, &v);
}

void nb_jinja_begin_map(nb_jinja_input *in, const char *key)
{
    nb_jv v = container(in, NB_JV_DICT);
    put(in, key, v);
    open_container(in, &v);
}

void nb_jinja_end(nb_jinja_input *in)
{
    if (in->depth > 1)
        in->depth--;
}

static nb_jv json_number(const nb_jpull *p)
{
    int64_t i;
    double f = 0;
    if (!strpbrk(nb_str_c(&p->text), ".eE") && nb_parse_i64(nb_str_c(&p->text), &i))
        return nb_jv_int(i);
    nb_jpull_double(p, &f); /* in range: the reader looked */
    return nb_jv_float(f);
}

/* One token of JSON into the innermost container; *key is that of the value to come. */
static void json_token(nb_jinja_input *in, nb_jpull *p, nb_jtoken t, nb_jv *key,
                       nb_jinja_owner owner)
{
    nb_jv v = nb_jv_none();
    if (t == NB_JT_OBJECT_END || t == NB_JT_ARRAY_END) {
        nb_jinja_end(in);
        return;
    }
    if (t == NB_JT_KEY) {
        *key = text(in, nb_str_c(&p->text), p->text.len, owner);
        return;
    }
    if (t == NB_JT_NUMBER)
        v = json_number(p);
    else if (t == NB_JT_STRING)
        v = text(in, nb_str_c(&p->text), p->text.len, owner);
    else if (t == NB_JT_TRUE || t == NB_JT_FALSE)
        v = nb_jv_bool(t == NB_JT_TRUE);
    else if (t == NB_JT_OBJECT || t == NB_JT_ARRAY)
        v = container(in, t == NB_JT_OBJECT ? NB_JV_DICT : NB_JV_LIST);
    put_keyed(in, key, &v);
    if (t == NB_JT_OBJECT || t == NB_JT_ARRAY)
        open_container(in, &v);
}

nb_status nb_jinja_put_json(nb_jinja_input *in, const char *key, const char *json, size_t n,
                            nb_jinja_owner owner, nb_err *err)
{
    nb_jpull p;
    nb_jtoken t;
    size_t depth = in->depth;
    nb_jv name = nb_jv_none();
    if (key)
        name = text(in, key, strlen(key), NB_JINJA_TEMPLATE);
    nb_jpull_open(&p, json, n, key ? key : "JSON", err);
    while ((t = nb_jpull_next(&p)) != NB_JT_END && t != NB_JT_ERROR)
        json_token(in, &p, t, &name, owner);
    in->depth = depth;
    return nb_jpull_end(&p, t == NB_JT_ERROR ? NB_FORMAT : NB_OK);
}
