#include "core/quant/edits.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 127 };

/* --- keys --------------------------------------------------------------------------------------
 */

/* Later ones win and stand last: gguf_set_val_* removes a key before it adds it (gguf.cpp). */
static nb_status put_last(nb_kvs *kvs, const nb_kv *kv, bool copy, nb_err *err)
{
    nb_kvs_drop(kvs, kv->key);
    return nb_kvs_put(kvs, kv, copy, err);
}

static nb_status check_key(const char *text, size_t len, nb_err *err)
{
    static const char *const own[] = {"general.alignment", "general.quantization_version",
                                      "split.no", "split.count", "split.tensors.count"};
    if (len == 0 || len > MAX_TEXT)
        return nb_fail(err, NB_USAGE, "key of \"%.40s\": 1 to %d bytes are allowed", text,
                       MAX_TEXT);
    for (size_t i = 0; i < countof(own); i++)
        if (strlen(own[i]) == len && memcmp(own[i], text, len) == 0)
            return nb_fail(err, NB_USAGE, "key %s is the writer's own", own[i]);
    return NB_OK;
}

static nb_status read_value(nb_kv *kv, const char *text, const char *value, nb_err *err)
{
    if (strncmp(value, "int:", 4) == 0) {
        kv->type = NB_KV_U32;
        if (nb_parse_u64(value + 4, &kv->v.u) && kv->v.u <= UINT32_MAX)
            return NB_OK;
        return nb_fail(err, NB_USAGE, "\"%s\": expected a whole number 0..4294967295", text);
    }
    if (strncmp(value, "float:", 6) == 0) {
        kv->type = NB_KV_F32;
        if (!nb_parse_double(value + 6, &kv->v.f))
            return nb_fail(err, NB_USAGE, "\"%s\": expected a number", text);
        kv->v.f = (double)(float)kv->v.f;
        return NB_OK;
    }
    if (strncmp(value, "bool:", 5) == 0) {
        kv->type = NB_KV_BOOL;
        kv->v.u = strcmp(value + 5, "true") == 0;
        if (kv->v.u || strcmp(value + 5, "false") == 0)
            return NB_OK;
        return nb_fail(err, NB_USAGE, "\"%s\": expected true or false", text);
    }
    if (strncmp(value, "str:", 4) == 0) {
        kv->type = NB_KV_STRING;
        kv->v.bytes = (const uint8_t *)value + 4;
        kv->n = strlen(value + 4);
        if (kv->n <= MAX_TEXT)
            return NB_OK;
        return nb_fail(err, NB_USAGE, "\"%.40s...\": %llu bytes, at most %d", text,
                       (unsigned long long)kv->n, MAX_TEXT);
    }
    return nb_fail(err, NB_USAGE, "\"%s\": the type is int, float, bool or str", text);
}

nb_status nb_edits_set(nb_edits *e, const char *text, nb_err *err)
{
    char key[MAX_TEXT + 1];
    const char *eq = strchr(text, '=');
    if (!eq)
        return nb_fail(err, NB_USAGE, "\"%s\": expected KEY=TYPE:VALUE", text);
    size_t len = (size_t)(eq - text);
    NB_TRY(check_key(text, len, err));
    memcpy(key, text, len);
    key[len] = '\0';
    nb_kv kv = {.key = key};
    NB_TRY(read_value(&kv, text, eq + 1, err));
    if (!e->set)
        NB_TRY(nb_kvs_open(&e->set, err));
    return put_last(e->set, &kv, true, err);
}

nb_status nb_edits_apply(nb_kvs *k, const nb_edits *e, nb_err *err)
{
    for (size_t i = 0; e && e->set && i < nb_kvs_count(e->set); i++)
        NB_TRY(put_last(k, nb_kvs_at(e->set, i), false, err));
    return NB_OK;
}

static nb_status cut_array(nb_kvs *k, const nb_edits *e, nb_kv kv, nb_err *err)
{
    size_t size = nb_kv_type_size(kv.elem);
    nb_str left = {0};
    uint64_t n = 0;
    for (uint64_t i = 0; i < kv.n; i++)
        if (!nb_edits_prunes(e, (int)i)) {
            nb_str_addn(&left, kv.v.bytes + i * size, size);
            n++;
        }
    kv.n = n;
    kv.nbytes = left.len;
    kv.v.bytes = (const uint8_t *)left.at;
    nb_status st = left.failed ? nb_fail(err, NB_NOMEM, "key %s: out of memory", kv.key)
                               : nb_kvs_put(k, &kv, true, err);
    nb_str_free(&left);
    return st;
}

nb_status nb_edits_cut_arrays(nb_kvs *k, const nb_edits *e, const char *arch, uint32_t n_layer,
                              nb_err *err)
{
    size_t len = strlen(arch);
    for (size_t i = 0; e && e->n_pruned && i < nb_kvs_count(k); i++) {
        const nb_kv *kv = nb_kvs_at(k, i);
        if (kv->type == NB_KV_ARRAY && kv->n == n_layer && nb_kv_type_size(kv->elem) &&
            strncmp(kv->key, arch, len) == 0 && kv->key[len] == '.')
            NB_TRY(cut_array(k, e, *kv, err));
    }
    return NB_OK;
}

/* --- layers ------------------------------------------------------------------------------------
 */

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

nb_status nb_edits_prune(nb_edits *e, const char *text, nb_err *err)
{
    const char *p = text;
    for (;;) {
        char digits[8];
        uint64_t layer;
        size_t len = strcspn(p, ",");
        if (len == 0 || len >= sizeof digits)
            return nb_fail(err, NB_USAGE, "\"%s\": expected layer numbers between commas", text);
        memcpy(digits, p, len);
        digits[len] = '\0';
        if (!nb_parse_u64(digits, &layer))
            return nb_fail(err, NB_USAGE, "\"%s\": \"%s\" is no layer number", text, digits);
        if (e->n_pruned == NB_MAX_PRUNED)
            return nb_fail(err, NB_USAGE, "\"%s\": more than %d layers", text, NB_MAX_PRUNED);
        if (!nb_edits_prunes(e, (int)layer))
            e->pruned[e->n_pruned++] = (uint32_t)layer;
        p += len;
        if (!*p)
            break;
        p++;
    }
    qsort(e->pruned, e->n_pruned, sizeof *e->pruned, ascending);
    return NB_OK;
}

bool nb_edits_prunes(const nb_edits *e, int layer)
{
    for (size_t i = 0; e && i < e->n_pruned; i++)
        if (layer >= 0 && e->pruned[i] == (uint32_t)layer)
            return true;
    return false;
}

int nb_edits_layer(const char *name, size_t *at, size_t *len)
{
    for (const char *p = strstr(name, "blk."); p; p = strstr(p + 1, "blk.")) {
        int layer = 0;
        size_t n = strspn(p + 4, "0123456789");
        if (n == 0 || n > 6 || p[4 + n] != '.')
            continue;
        for (size_t i = 0; i < n; i++)
            layer = layer * 10 + (p[4 + i] - '0');
        *at = (size_t)(p + 4 - name);
        *len = n;
        return layer;
    }
    return -1;
}

void nb_edits_free(nb_edits *e)
{
    nb_kvs_close(&e->set);
    e->n_pruned = 0;
}
