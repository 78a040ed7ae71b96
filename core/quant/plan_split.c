/* A plan cut into the shards of its model (--keep-split). llama-quantize numbers them as there,
 * gives the first all keys and the others none but split.no, split.count and split.tensors.count
 * (llama-quant.cpp @ de3ff81). */
#include <stdlib.h>
#include <string.h>

#include "core/files/gguf.h"
#include "core/quant/recipe.h"

enum { ALIGNMENT = 32 };

static nb_status put_number(nb_kvs *k, const char *key, nb_kv_type type, uint64_t v, nb_err *err)
{
    nb_kvs_drop(k, key);
    return nb_kvs_put(k, &(nb_kv){.key = key, .type = type, .v.u = v}, true, err);
}

static nb_status shard_keys(nb_kvs *k, const nb_plan *whole, size_t no, size_t count, nb_err *err)
{
    for (size_t i = 0; no == 0 && i < nb_kvs_count(whole->keys); i++)
        NB_TRY(nb_kvs_put(k, nb_kvs_at(whole->keys, i), false, err));
    if (count < 2)
        return NB_OK;
    NB_TRY(put_number(k, "split.no", NB_KV_U16, no, err));
    NB_TRY(put_number(k, "split.count", NB_KV_U16, count, err));
    return put_number(k, "split.tensors.count", NB_KV_I32, whole->n, err);
}

/* Tensors first..first + n of the whole. */
static nb_status take(nb_plan *p, const nb_plan *whole, size_t first, size_t n, nb_err *err)
{
    p->preset = whole->preset;
    p->weights = whole->weights;
    p->imatrix = whole->imatrix;
    p->n = n;
    p->tensor = nb_alloc(n ? n : 1, sizeof *p->tensor, "plan", err);
    p->layout = nb_alloc(n ? n : 1, sizeof *p->layout, "plan", err);
    if (!p->tensor || !p->layout)
        return NB_NOMEM;
    memcpy(p->tensor, whole->tensor + first, n * sizeof *p->tensor);
    memcpy(p->layout, whole->layout + first, n * sizeof *p->layout);
    NB_TRY(nb_gguf_layout(&p->header, p->keys, p->layout, n, ALIGNMENT, &p->file_bytes, err));
    for (size_t i = 0; i < n; i++) {
        nb_planned *t = &p->tensor[i];
        t->offset = p->layout[i].offset;
        p->tensor_bytes += t->nbytes;
        p->params += t->n;
        p->source_bytes += t->src ? t->src->t.nbytes : 0;
        p->n_fallback += t->fallback;
    }
    p->bpw = p->params ? 8.0 * (double)p->tensor_bytes / (double)p->params : 0;
    return NB_OK;
}

nb_status nb_plan_shards(nb_plan **shards, size_t *n, const nb_plan *whole, nb_err *err)
{
    size_t count = 1, first = 0;
    for (size_t i = 0; i < whole->n; i++)
        if (whole->layout[i].shard >= count)
            count = whole->layout[i].shard + (size_t)1;
    if (count > UINT16_MAX)
        return nb_fail(err, NB_UNSUPPORTED, "%zu shards: a split file has at most %d", count,
                       UINT16_MAX);
    nb_plan *p = nb_alloc(count, sizeof *p, "plans", err);
    if (!p)
        return NB_NOMEM;
    nb_status st = NB_OK;
    for (size_t s = 0; s < count && st == NB_OK; s++) {
        size_t last = first;
        while (last < whole->n && whole->layout[last].shard == s)
            last++;
        st = nb_kvs_open(&p[s].keys, err);
        if (st == NB_OK)
            st = shard_keys(p[s].keys, whole, s, count, err);
        if (st == NB_OK)
            st = take(&p[s], whole, first, last - first, err);
        first = last;
    }
    if (st != NB_OK) {
        nb_plans_free(&p, count);
        return st;
    }
    *shards = p;
    *n = count;
    return NB_OK;
}

void nb_plans_free(nb_plan **shards, size_t n)
{
    if (!*shards)
        return;
    for (size_t i = 0; i < n; i++)
        nb_plan_free(&(*shards)[i]);
    free(*shards);
    *shards = NULL;
}
