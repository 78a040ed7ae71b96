#include "core/files/kv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/files/index.h"

typedef struct entry {
    nb_kv kv;
    void *owned; /* copied bytes, or NULL when borrowed */
    bool live;   /* false after drop */
} entry;

struct nb_kvs {
    entry *at; /* [cap] in order of arrival */
    size_t n, cap;
    size_t *order; /* [live] indexes into at */
    size_t n_live;
    nb_index index;
};

/* name, bytes per element; strings and arrays have no fixed size */
static const struct {
    const char *name;
    uint8_t size;
} kinds[NB_KV_TYPES] = {{"u8", 1},  {"i8", 1},  {"u16", 2},  {"i16", 2}, {"u32", 4},
                        {"i32", 4}, {"f32", 4}, {"bool", 1}, {"str", 0}, {"arr", 0},
                        {"u64", 8}, {"i64", 8}, {"f64", 8}};

const char *nb_kv_type_name(nb_kv_type t)
{
    return (unsigned)t < NB_KV_TYPES ? kinds[t].name : "?";
}

nb_status nb_kvs_open(nb_kvs **out, nb_err *err)
{
    nb_kvs *k = nb_alloc(1, sizeof *k, "metadata", err);
    if (!k)
        return NB_NOMEM;
    *out = k;
    return NB_OK;
}

static void entry_free(entry *e)
{
    free(e->owned);
    free((void *)(uintptr_t)e->kv.key);
    *e = (entry){0};
}

void nb_kvs_close(nb_kvs **kvs)
{
    nb_kvs *k = *kvs;
    *kvs = NULL;
    if (!k)
        return;
    for (size_t i = 0; i < k->n; i++)
        entry_free(&k->at[i]);
    nb_index_free(&k->index);
    free(k->order);
    free(k->at);
    free(k);
}

size_t nb_kvs_count(const nb_kvs *kvs)
{
    return kvs->n_live;
}

const nb_kv *nb_kvs_at(const nb_kvs *kvs, size_t i)
{
    return &kvs->at[kvs->order[i]].kv;
}

typedef struct lookup {
    const nb_kvs *kvs;
    const char *key;
} lookup;

static bool same_key(const void *arg, size_t item)
{
    const lookup *l = arg;
    const entry *e = &l->kvs->at[item];
    return e->live && strcmp(e->kv.key, l->key) == 0;
}

static entry *find(const nb_kvs *kvs, const char *key)
{
    lookup l = {kvs, key};
    size_t i = nb_index_find(&kvs->index, key, strlen(key), same_key, &l);
    return i == SIZE_MAX ? NULL : &kvs->at[i];
}

const nb_kv *nb_kvs_find(const nb_kvs *kvs, const char *key)
{
    const entry *e = find(kvs, key);
    return e ? &e->kv : NULL;
}

static nb_status room(nb_kvs *k, nb_err *err)
{
    if (k->n < k->cap)
        return NB_OK;
    size_t cap = k->cap ? k->cap * 2 : 32;
    entry *at = nb_alloc(cap, sizeof *at, "metadata", err);
    size_t *order = at ? nb_alloc(cap, sizeof *order, "metadata", err) : NULL;
    if (!order) {
        free(at);
        return NB_NOMEM;
    }
    if (k->at) {
        memcpy(at, k->at, k->n * sizeof *at);
        memcpy(order, k->order, k->n_live * sizeof *order);
    }
    free(k->at);
    free(k->order);
    k->at = at;
    k->order = order;
    k->cap = cap;
    return NB_OK;
}

static uint64_t payload(const nb_kv *kv)
{
    return kv->type == NB_KV_STRING ? kv->n : kv->type == NB_KV_ARRAY ? kv->nbytes : 0;
}

nb_status nb_kvs_put(nb_kvs *kvs, const nb_kv *kv, bool copy, nb_err *err)
{
    void *owned = NULL;
    uint64_t n = payload(kv);
    if (copy && n) {
        owned = nb_alloc(n, 1, kv->key, err);
        if (!owned)
            return NB_NOMEM;
        memcpy(owned, kv->v.bytes, n);
    }
    entry *e = find(kvs, kv->key);
    if (!e) {
        char *key = nb_strdup(kv->key, err);
        if (!key || room(kvs, err) != NB_OK ||
            nb_index_add(&kvs->index, key, strlen(key), kvs->n, err) != NB_OK) {
            free(key);
            free(owned);
            return NB_NOMEM;
        }
        e = &kvs->at[kvs->n];
        *e = (entry){.live = true, .kv.key = key};
        kvs->order[kvs->n_live++] = kvs->n++;
    } else {
        free(e->owned);
    }
    const char *key = e->kv.key;
    e->kv = *kv;
    e->kv.key = key;
    e->owned = owned;
    if (owned)
        e->kv.v.bytes = owned;
    return NB_OK;
}

void nb_kvs_drop(nb_kvs *kvs, const char *key)
{
    entry *e = find(kvs, key);
    if (!e)
        return;
    size_t item = (size_t)(e - kvs->at), i = 0;
    while (kvs->order[i] != item)
        i++;
    memmove(&kvs->order[i], &kvs->order[i + 1], (kvs->n_live - i - 1) * sizeof *kvs->order);
    kvs->n_live--;
    e->live = false;
}

nb_status nb_kvs_put_u32(nb_kvs *kvs, const char *key, uint32_t v, nb_err *err)
{
    return nb_kvs_put(kvs, &(nb_kv){.key = key, .type = NB_KV_U32, .v.u = v}, true, err);
}

nb_status nb_kvs_put_i32(nb_kvs *kvs, const char *key, int32_t v, nb_err *err)
{
    return nb_kvs_put(kvs, &(nb_kv){.key = key, .type = NB_KV_I32, .v.i = v}, true, err);
}

nb_status nb_kvs_put_f32(nb_kvs *kvs, const char *key, float v, nb_err *err)
{
    return nb_kvs_put(kvs, &(nb_kv){.key = key, .type = NB_KV_F32, .v.f = (double)v}, true, err);
}

nb_status nb_kvs_put_bool(nb_kvs *kvs, const char *key, bool v, nb_err *err)
{
    return nb_kvs_put(kvs, &(nb_kv){.key = key, .type = NB_KV_BOOL, .v.u = v}, true, err);
}

nb_status nb_kvs_put_str(nb_kvs *kvs, const char *key, const char *s, size_t n, nb_err *err)
{
    nb_kv kv = {.key = key, .type = NB_KV_STRING, .n = n, .v.bytes = (const uint8_t *)s};
    return nb_kvs_put(kvs, &kv, true, err);
}

static nb_status put_scalars(nb_kvs *kvs, const char *key, nb_kv_type elem, const void *v, size_t n,
                             nb_err *err)
{
    nb_kv kv = {.key = key, .type = NB_KV_ARRAY, .elem = elem, .n = n, .v.bytes = v};
    kv.nbytes = n * kinds[elem].size;
    return nb_kvs_put(kvs, &kv, true, err);
}

/* The machine is little-endian wherever nibble is built (kernels/fp.h reads blocks in place). */
nb_status nb_kvs_put_f32s(nb_kvs *kvs, const char *key, const float *v, size_t n, nb_err *err)
{
    return put_scalars(kvs, key, NB_KV_F32, v, n, err);
}

nb_status nb_kvs_put_i32s(nb_kvs *kvs, const char *key, const int32_t *v, size_t n, nb_err *err)
{
    return put_scalars(kvs, key, NB_KV_I32, v, n, err);
}

void nb_kv_add_str(nb_str *elements, const char *s, size_t n)
{
    uint8_t len[8];
    for (unsigned i = 0; i < 8; i++)
        len[i] = (uint8_t)((uint64_t)n >> (8 * i));
    nb_str_addn(elements, len, sizeof len);
    nb_str_addn(elements, s, n);
}

nb_status nb_kvs_put_strs(nb_kvs *kvs, const char *key, const nb_str *elements, size_t n,
                          nb_err *err)
{
    if (elements->failed)
        return nb_fail(err, NB_NOMEM, "%s: no memory for %zu strings", key, n);
    nb_kv kv = {.key = key,
                .type = NB_KV_ARRAY,
                .elem = NB_KV_STRING,
                .n = n,
                .v.bytes = (const uint8_t *)elements->at,
                .nbytes = elements->len};
    return nb_kvs_put(kvs, &kv, true, err);
}

/* --- readers -----------------------------------------------------------------------------------
 */

static bool is_signed(nb_kv_type t)
{
    return t == NB_KV_I8 || t == NB_KV_I16 || t == NB_KV_I32 || t == NB_KV_I64;
}

static bool is_unsigned(nb_kv_type t)
{
    return t == NB_KV_U8 || t == NB_KV_U16 || t == NB_KV_U32 || t == NB_KV_U64;
}

bool nb_kvs_uint(const nb_kvs *kvs, const char *key, uint64_t *out)
{
    const nb_kv *kv = nb_kvs_find(kvs, key);
    if (!kv || (!is_unsigned(kv->type) && !(is_signed(kv->type) && kv->v.i >= 0)))
        return false;
    *out = kv->v.u;
    return true;
}

bool nb_kvs_float(const nb_kvs *kvs, const char *key, double *out)
{
    const nb_kv *kv = nb_kvs_find(kvs, key);
    if (!kv || (kv->type != NB_KV_F32 && kv->type != NB_KV_F64))
        return false;
    *out = kv->v.f;
    return true;
}

bool nb_kvs_bool(const nb_kvs *kvs, const char *key, bool *out)
{
    const nb_kv *kv = nb_kvs_find(kvs, key);
    if (!kv || kv->type != NB_KV_BOOL)
        return false;
    *out = kv->v.u != 0;
    return true;
}

bool nb_kvs_str(const nb_kvs *kvs, const char *key, const char **s, size_t *n)
{
    const nb_kv *kv = nb_kvs_find(kvs, key);
    if (!kv || kv->type != NB_KV_STRING)
        return false;
    *s = kv->n ? (const char *)kv->v.bytes : "";
    *n = (size_t)kv->n;
    return true;
}

bool nb_kv_next_string(const nb_kv *array, const uint8_t **at, const char **s, size_t *n)
{
    if (array->type != NB_KV_ARRAY || array->elem != NB_KV_STRING || array->nbytes == 0)
        return false;
    const uint8_t *end = array->v.bytes + array->nbytes;
    const uint8_t *from = *at ? *at : array->v.bytes;
    nb_cursor c = nb_cursor_make(from, (size_t)(end - from));
    uint64_t len;
    const uint8_t *bytes;
    if (!nb_read_u64(&c, &len) || !nb_read_bytes(&c, len, &bytes))
        return false;
    *s = (const char *)bytes;
    *n = (size_t)len;
    *at = c.at;
    return true;
}

bool nb_kv_read_scalar(nb_cursor *c, nb_kv_type t, nb_kv *out)
{
    uint8_t b = 0;
    uint16_t h = 0;
    uint32_t w = 0;
    float f = 0;
    switch (t) {
    case NB_KV_U8:
    case NB_KV_BOOL:
        return nb_read_u8(c, &b) && (out->v.u = b, true);
    case NB_KV_I8:
        return nb_read_u8(c, &b) && (out->v.i = b < 128 ? b : b - 256, true);
    case NB_KV_U16:
        return nb_read_u16(c, &h) && (out->v.u = h, true);
    case NB_KV_I16:
        return nb_read_u16(c, &h) && (out->v.i = (int16_t)h, true);
    case NB_KV_U32:
        return nb_read_u32(c, &w) && (out->v.u = w, true);
    case NB_KV_I32:
        return nb_read_u32(c, &w) && (out->v.i = (int32_t)w, true);
    case NB_KV_F32:
        return nb_read_f32(c, &f) && (out->v.f = (double)f, true);
    case NB_KV_U64:
    case NB_KV_I64:
        return nb_read_u64(c, &out->v.u);
    case NB_KV_F64:
        return nb_read_f64(c, &out->v.f);
    default:
        return false;
    }
}

unsigned nb_kv_type_size(nb_kv_type t)
{
    return (unsigned)t < NB_KV_TYPES ? kinds[t].size : 0;
}

bool nb_kv_elem_num(const nb_kv *array, uint64_t i, double *out)
{
    if (array->type != NB_KV_ARRAY || i >= array->n || kinds[array->elem].size == 0)
        return false;
    unsigned size = kinds[array->elem].size;
    nb_cursor c = nb_cursor_make(array->v.bytes + i * size, size);
    nb_kv v = {0};
    if (!nb_kv_read_scalar(&c, array->elem, &v))
        return false;
    *out = array->elem == NB_KV_F32 || array->elem == NB_KV_F64 ? v.v.f
           : is_signed(array->elem)                             ? (double)v.v.i
                                                                : (double)v.v.u;
    return true;
}

/* Fewest digits that read back as the same float: a double's spelling of 1e-5f would be noise.
 * printf writes the locale's decimal sign, here it is a dot. */
static const char *fmt_float(char out[32], float v)
{
    for (int digits = 6; digits <= 9 && isfinite(v); digits++) {
        double back;
        snprintf(out, 32, "%.*g", digits, (double)v);
        for (char *c = out; *c; c++)
            if (!strchr("0123456789+-e", *c))
                *c = '.';
        if (nb_parse_double(out, &back) && (float)back == v)
            return out;
    }
    return nb_fmt_double(out, (double)v);
}

void nb_kv_text(const nb_kv *kv, char *out, size_t cap)
{
    char num[32];
    if (kv->type == NB_KV_STRING)
        snprintf(out, cap, "%.*s", (int)(kv->n < cap ? kv->n : cap), (const char *)kv->v.bytes);
    else if (kv->type == NB_KV_ARRAY)
        snprintf(out, cap, "[%llu %s]", (unsigned long long)kv->n,
                 kv->elem == NB_KV_STRING ? "strings" : nb_kv_type_name(kv->elem));
    else if (kv->type == NB_KV_BOOL)
        snprintf(out, cap, "%s", kv->v.u ? "true" : "false");
    else if (kv->type == NB_KV_F64)
        snprintf(out, cap, "%s", nb_fmt_double(num, kv->v.f));
    else if (kv->type == NB_KV_F32)
        snprintf(out, cap, "%s", fmt_float(num, (float)kv->v.f));
    else if (is_signed(kv->type))
        snprintf(out, cap, "%lld", (long long)kv->v.i);
    else
        snprintf(out, cap, "%llu", (unsigned long long)kv->v.u);
}
