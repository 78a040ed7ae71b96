#include "core/files/gguf.h"

#include <stdlib.h>
#include <string.h>

static void add_le(nb_str *s, uint64_t v, unsigned n)
{
    uint8_t b[8];
    for (unsigned i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    nb_str_addn(s, b, n);
}

static void add_string(nb_str *s, const char *text, uint64_t n)
{
    add_le(s, n, 8);
    nb_str_addn(s, text, (size_t)n);
}

static void add_scalar(nb_str *s, const nb_kv *kv)
{
    uint64_t bits = kv->v.u;
    if (kv->type == NB_KV_F32) {
        float f = (float)kv->v.f;
        uint32_t u;
        memcpy(&u, &f, sizeof u);
        bits = u;
    }
    add_le(s, bits, nb_kv_type_size(kv->type)); /* F64 shares the union's bits */
}

static void add_kv(nb_str *s, const nb_kv *kv)
{
    add_string(s, kv->key, strlen(kv->key));
    add_le(s, kv->type, 4);
    if (kv->type == NB_KV_STRING) {
        add_string(s, (const char *)kv->v.bytes, kv->n);
    } else if (kv->type == NB_KV_ARRAY) {
        add_le(s, kv->elem, 4);
        add_le(s, kv->n, 8);
        nb_str_addn(s, kv->v.bytes, (size_t)kv->nbytes);
    } else {
        add_scalar(s, kv);
    }
}

/* Offsets relative to the data section; *total is its length. */
static nb_status place(nb_tensor *t, size_t n, uint32_t alignment, uint64_t *total, nb_err *err)
{
    uint64_t sum = 0, row;
    for (size_t i = 0; i < n; i++) {
        if (!nk_row_size(nk_type_get(t[i].type), t[i].shape[0], &row) ||
            !nb_mul(row, nb_tensor_rows(&t[i]), &t[i].nbytes))
            return nb_fail(err, NB_ERROR, "tensor \"%s\": width %llu does not fit type %s",
                           t[i].name, (unsigned long long)t[i].shape[0],
                           nk_type_get(t[i].type)->name);
        t[i].offset = sum;
        if (!nb_add(sum, t[i].nbytes, &sum) || !nb_align_up(sum, alignment, &sum))
            return nb_fail(err, NB_ERROR, "tensor \"%s\": the file's size overflows", t[i].name);
    }
    *total = sum;
    return NB_OK;
}

static void add_tensor(nb_str *s, const nb_tensor *t)
{
    add_string(s, t->name, strlen(t->name));
    add_le(s, t->n_dims, 4);
    for (uint32_t d = 0; d < t->n_dims; d++)
        add_le(s, t->shape[d], 8);
    add_le(s, t->type, 4);
    add_le(s, t->offset, 8);
}

nb_status nb_gguf_layout(nb_str *out, const nb_kvs *kvs, nb_tensor *tensors, size_t n_tensors,
                         uint32_t alignment, uint64_t *file_len, nb_err *err)
{
    static const char zeros[256];
    nb_str s = {0};
    uint64_t data = 0, total = 0;
    NB_TRY(place(tensors, n_tensors, alignment, &total, err));
    nb_str_add(&s, "GGUF");
    add_le(&s, 3, 4);
    add_le(&s, n_tensors, 8);
    add_le(&s, nb_kvs_count(kvs), 8);
    for (size_t i = 0; i < nb_kvs_count(kvs); i++)
        add_kv(&s, nb_kvs_at(kvs, i));
    for (size_t i = 0; i < n_tensors; i++)
        add_tensor(&s, &tensors[i]);
    if (!nb_align_up(s.len, alignment, &data) || !nb_add(data, total, file_len)) {
        nb_str_free(&s);
        return nb_fail(err, NB_ERROR, "the file's size overflows");
    }
    while (s.len < data && !s.failed)
        nb_str_addn(&s, zeros, data - s.len < sizeof zeros ? (size_t)(data - s.len) : sizeof zeros);
    if (!s.failed)
        nb_str_addn(out, s.at, s.len);
    bool failed = s.failed || out->failed;
    nb_str_free(&s);
    if (failed)
        return nb_fail(err, NB_NOMEM, "header: out of memory");
    for (size_t i = 0; i < n_tensors; i++)
        tensors[i].offset += data;
    return NB_OK;
}
