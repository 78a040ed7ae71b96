/* Any bytes as a GGUF file: a clean refusal, or a file whose tensors lie inside it, disjoint and
 * aligned, and which parses equal after being written again (reliability A2, A10). */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/files/gguf.h"
#include "core/model/model.h"

static void check_sound(const nb_gguf_info *info, uint64_t file_len)
{
    unsigned __int128 end = info->data_offset;
    for (size_t i = 0; i < info->n_tensors; i++) {
        const nb_tensor *t = &info->tensors[i];
        const nk_type *type = nk_type_get(t->type);
        unsigned __int128 bytes = t->shape[0] / type->block_len;
        bytes *= type->block_size;
        for (int d = 1; d < NB_MAX_DIMS; d++)
            bytes *= t->shape[d];
        fuzz_check(bytes == t->nbytes, "%s: %llu bytes", t->name, (unsigned long long)t->nbytes);
        fuzz_check(t->offset >= end && t->offset % info->alignment == 0, "%s overlaps", t->name);
        end = (unsigned __int128)t->offset + bytes;
        fuzz_check(end <= file_len, "%s leaves the file", t->name);
    }
}

static void check_values(const nb_kvs *kvs)
{
    for (size_t i = 0; i < nb_kvs_count(kvs); i++) {
        const nb_kv *kv = nb_kvs_at(kvs, i);
        const uint8_t *at = NULL;
        const char *s;
        size_t n;
        uint64_t steps = 0;
        char text[64];
        double v;
        fuzz_check(nb_kvs_find(kvs, kv->key) == kv, "key %s", kv->key);
        nb_kv_text(kv, text, sizeof text);
        while (nb_kv_next_string(kv, &at, &s, &n))
            steps++;
        fuzz_check(kv->type != NB_KV_ARRAY || kv->elem != NB_KV_STRING || steps == kv->n,
                   "%s: %llu strings", kv->key, (unsigned long long)steps);
        if (kv->type == NB_KV_ARRAY && kv->n)
            nb_kv_elem_num(kv, kv->n - 1, &v);
    }
}

static void check_again(const nb_gguf_info *info)
{
    nb_str head = {0};
    nb_gguf_info again;
    uint64_t len;
    nb_err err = {.msg = ""};
    nb_tensor *t = malloc((info->n_tensors + 1) * sizeof *t);
    if (info->n_tensors)
        memcpy(t, info->tensors, info->n_tensors * sizeof *t);
    fuzz_check(nb_gguf_layout(&head, info->kvs, t, info->n_tensors, info->alignment, &len, &err) ==
                   NB_OK,
               "%s", err.msg);
    fuzz_check(nb_gguf_parse(&again, (uint8_t *)head.at, head.len, len, "again", &err) == NB_OK,
               "%s", err.msg);
    fuzz_check(again.n_tensors == info->n_tensors && again.alignment == info->alignment &&
                   nb_kvs_count(again.kvs) == nb_kvs_count(info->kvs),
               "another file");
    for (size_t i = 0; i < info->n_tensors; i++)
        fuzz_check(strcmp(again.tensors[i].name, t[i].name) == 0 &&
                       again.tensors[i].nbytes == t[i].nbytes &&
                       again.tensors[i].offset == t[i].offset,
                   "tensor %s", t[i].name);
    nb_gguf_free(&again);
    nb_str_free(&head);
    free(t);
}

/* What an architecture makes of the keys: refused with words, or figures that fit each other. */
static void check_figures(const nb_kvs *kvs)
{
    nb_hparams hp;
    nb_err err = {.msg = ""};
    nb_status st = nb_hparams_read(&hp, kvs, &err);
    if (st != NB_OK) {
        fuzz_check(err.status == st && err.msg[0], "failure without words");
        return;
    }
    fuzz_check(hp.n_layer && hp.n_embd && hp.n_head_kv && hp.n_head % hp.n_head_kv == 0, "heads");
    fuzz_check(hp.n_rot <= hp.head_dim && hp.n_rot % 2 == 0, "%u of %u turn", hp.n_rot,
               hp.head_dim);
    fuzz_check(hp.n_expert_used <= hp.n_expert && (!hp.n_expert || hp.n_expert_used), "experts");
    fuzz_check(hp.attn_scale < 1e7f && hp.attn_scale > -1e7f, "scale %g", (double)hp.attn_scale);
    fuzz_check(hp.rope.stretch <= 0 || hp.rope.base > 1, "yarn");
}

FUZZ_TARGET(gguf)
{
    nb_gguf_info info;
    nb_err err = {.msg = ""};
    nb_status st = nb_gguf_parse(&info, bytes, n, n, "fuzz", &err);
    if (st != NB_OK) {
        fuzz_check(err.status == st && err.msg[0], "failure without words");
        return;
    }
    check_sound(&info, n);
    check_values(info.kvs);
    check_again(&info);
    check_figures(info.kvs);
    nb_gguf_free(&info);
}

#ifdef NB_FUZZ
/* Structure-aware: a readable header is written anew with one field changed, so that mutants get
 * past the counts and offsets that random bytes break; every other call mutates the bytes. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

static uint32_t next(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static uint64_t edge(unsigned *seed)
{
    static const uint64_t value[] = {0,          1,
                                     2,          31,
                                     32,         255,
                                     256,        65536,
                                     1ull << 31, 1ull << 32,
                                     1ull << 40, (1ull << 62) - 1,
                                     1ull << 63, UINT64_MAX - 31,
                                     UINT64_MAX};
    return value[next(seed) % countof(value)];
}

static void change_tensor(nb_tensor *t, unsigned *seed)
{
    uint32_t d = next(seed) % NB_MAX_DIMS;
    switch (next(seed) % 4) {
    case 0:
        t->n_dims = 1 + next(seed) % NB_MAX_DIMS;
        break;
    case 1:
        t->shape[d] = 1 + next(seed) % 64;
        t->n_dims = d + 1 > t->n_dims ? d + 1 : t->n_dims;
        break;
    case 2:
        t->shape[0] = 256;
        break;
    default: {
        size_t count;
        const nk_type *const *all = nk_type_all(&count);
        t->type = all[next(seed) % count]->id;
    }
    }
}

static void change_key(nb_kvs *kvs, unsigned *seed)
{
    static const char *const name[] = {"general.alignment", "a", "split.count", "x"};
    nb_kv kv = {.key = name[next(seed) % countof(name)]};
    size_t n = nb_kvs_count(kvs);
    if (n && next(seed) % 3 == 0) {
        nb_kvs_drop(kvs, nb_kvs_at(kvs, next(seed) % n)->key);
        return;
    }
    kv.type = (nb_kv_type)(next(seed) % NB_KV_TYPES);
    if (kv.type == NB_KV_STRING || kv.type == NB_KV_ARRAY)
        kv.type = NB_KV_U32;
    kv.v.u = kv.type == NB_KV_BOOL ? next(seed) % 2 : edge(seed);
    nb_kvs_put(kvs, &kv, true, NULL);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    nb_gguf_info info;
    nb_str head = {0};
    uint64_t len;
    if (next(&seed) % 2 || nb_gguf_parse(&info, data, size, 1ull << 60, "seed", NULL) != NB_OK)
        return LLVMFuzzerMutate(data, size, max);
    if (info.n_tensors && next(&seed) % 2)
        change_tensor(&info.tensors[next(&seed) % info.n_tensors], &seed);
    else
        change_key(info.kvs, &seed);
    uint64_t align = info.alignment;
    nb_kvs_uint(info.kvs, "general.alignment", &align);
    if (align < 8 || align > 65536 || (align & (align - 1)))
        align = info.alignment;
    nb_status st =
        nb_gguf_layout(&head, info.kvs, info.tensors, info.n_tensors, (uint32_t)align, &len, NULL);
    size_t keep = st == NB_OK && head.len <= max ? (len < max ? (size_t)len : max) : 0;
    if (keep) {
        memset(data, 0, keep);
        memcpy(data, head.at, head.len);
        uint64_t v = edge(&seed);
        if (next(&seed) % 4 == 0 && head.len > 32)
            memcpy(data + 8 + next(&seed) % (head.len - 24), &v, 1u << next(&seed) % 4);
    }
    nb_gguf_free(&info);
    nb_str_free(&head);
    return keep ? keep : LLVMFuzzerMutate(data, size, max);
}
#endif
