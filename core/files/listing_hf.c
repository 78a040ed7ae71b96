#include "core/files/listing.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/files/hf_private.h"
#include "core/files/hfquant.h"
#include "core/files/safetensors.h"

enum { MAX_CONFIG = 4 << 20 };

bool nb_is_model_dir(const char *dir)
{
    static const char *const weights[] = {"model.safetensors", "model.safetensors.index.json"};
    char path[1100];
    if (!nb_path_join(path, sizeof path, dir, "config.json") || !nb_exists(path))
        return false;
    for (size_t i = 0; i < countof(weights); i++)
        if (nb_path_join(path, sizeof path, dir, weights[i]) && nb_exists(path))
            return true;
    return false;
}

static void note(nb_listing *l, const nb_err *err)
{
    if (l->e.problem[0])
        return;
    nb_short(l->e.problem, sizeof l->e.problem, err->msg);
    l->e.unsupported = err->status == NB_UNSUPPORTED;
}

/* --- config.json -------------------------------------------------------------------------------
 */

/* Under either spelling, GPT-2's being the second, of text_config where there is one. */
static uint64_t number(const nb_jval *root, const char *key, const char *old)
{
    int64_t v;
    const nb_jval *text = nb_jget(root, "text_config");
    return (nb_jint(nb_jget(text, key), &v) || nb_jint(nb_jget(root, key), &v) ||
            nb_jint(nb_jget(root, old), &v)) &&
                   v > 0
               ? (uint64_t)v
               : 0;
}

/* The figures its GGUF would have: each class's own words and defaults. A class nobody knows keeps
 * what the usual words told. */
static void read_keys(nb_entry *e, nb_json *doc)
{
    nb_hf_config c;
    nb_kvs *kvs = NULL;
    nb_err err;
    if (nb_hf_config_of(&c, doc, e->file, &err) != NB_OK || nb_kvs_open(&kvs, &err) != NB_OK)
        return;
    c.kvs = kvs;
    if (nb_hf_keys_of_config(&c) == NB_OK) {
        e->head_dim = e->n_head_kv = 0;
        nb_listing_hparams(e, kvs);
    }
    nb_kvs_close(&kvs);
}

static void read_root(nb_entry *e, nb_json *doc)
{
    const nb_jval *root = nb_json_root(doc);
    nb_packing_set set;
    const char *type;
    const nb_hf_class *known = NULL;
    if (nb_jstr(nb_jfirst(nb_jget(root, "architectures")), &type))
        known = nb_hf_class_find(type);
    if (known || nb_jstr(nb_jget(root, "model_type"), &type))
        nb_listing_copy(e->arch, sizeof e->arch, known ? known->gguf : type,
                        strlen(known ? known->gguf : type));
    e->n_layer = number(root, "num_hidden_layers", "n_layer");
    e->n_ctx = number(root, "max_position_embeddings", "n_ctx");
    e->n_embd = number(root, "hidden_size", "n_embd");
    e->n_ff = number(root, "intermediate_size", "n_inner");
    e->n_head = number(root, "num_attention_heads", "n_head");
    e->n_head_kv = number(root, "num_key_value_heads", "n_head_kv");
    e->head_dim = number(root, "head_dim", "head_dim");
    e->n_vocab = number(root, "vocab_size", "vocab_size");
    if (!e->n_head_kv)
        e->n_head_kv = e->n_head;
    if (!e->head_dim && e->n_head)
        e->head_dim = e->n_embd / e->n_head;
    read_keys(e, doc);
    const nb_jval *q = nb_jget(root, "quantization_config");
    nb_packing_of(&set, q, NULL);
    if (nb_jkind_of(q) == NB_JOBJECT && !set.n && !nb_packing_is_plain(q)) {
        const char *method;
        bool named = nb_jstr(nb_jget(q, "quant_method"), &method);
        e->unsupported = true;
        snprintf(e->problem, sizeof e->problem, "packed by %s, which cannot be read yet",
                 named ? method : "another quantizer");
    }
}

/* The document, or NULL. */
static nb_json *read_config(nb_listing *l, const char *dir)
{
    char path[1100];
    nb_json *doc;
    nb_err err;
    snprintf(path, sizeof path, "%s/config.json", dir);
    if (nb_json_load(&doc, path, MAX_CONFIG, &err) != NB_OK) {
        note(l, &err);
        return NULL;
    }
    read_root(&l->e, doc);
    return doc;
}

nb_status nb_entry_from_config(nb_entry *out, const char *json, size_t n, const char *what,
                               nb_err *err)
{
    nb_json *doc;
    nb_entry e = {.is_dir = true};
    NB_TRY(nb_json_parse(&doc, json, n, MAX_CONFIG, what, err));
    bool tied = false;
    read_root(&e, doc);
    e.tied = nb_jbool(nb_jget(nb_json_root(doc), "tie_word_embeddings"), &tied) && tied;
    nb_listing_check_arch(&e);
    nb_json_close(&doc);
    *out = e;
    return NB_OK;
}

/* --- weights -----------------------------------------------------------------------------------
 */

static void add_tensors(nb_tally *t, const nb_safetensors_info *info, const nb_packing_set *how)
{
    if (!how->n)
        nb_tally_add(t, info->tensors, info->n_tensors);
    for (size_t i = 0; how->n && i < info->n_tensors; i++) {
        t->params += nb_packing_weights(how, &info->tensors[i]);
        t->bytes += info->tensors[i].nbytes;
    }
}

static void read_shard(nb_listing *l, nb_tally *t, const char *path, const nb_packing_set *how)
{
    nb_map map;
    nb_safetensors_info info = {0};
    nb_err err;
    if (nb_map_open(&map, path, &err) != NB_OK) {
        note(l, &err);
        return;
    }
    if (!l->ino) {
        l->dev = map.dev;
        l->ino = map.ino;
    }
    l->e.bytes += map.len;
    nb_status st = (how->n ? nb_safetensors_parse_packed : nb_safetensors_parse)(
        &info, map.at, map.len, map.len, nb_path_base(path), &err);
    if (st == NB_OK) {
        add_tensors(t, &info, how);
        for (size_t i = 0; i < info.n_tensors; i++)
            l->e.tied = l->e.tied && strcmp(info.tensors[i].name, "lm_head.weight") != 0;
        nb_safetensors_free(&info);
    } else {
        note(l, &err);
    }
    nb_map_close(&map);
}

static void read_shards(nb_listing *l, nb_tally *t, const char *dir, const nb_packing_set *how)
{
    char path[PATH_MAX];
    nb_err err;
    nb_hf_shards s;
    if (nb_hf_shards_open(&s, dir, &err) != NB_OK) {
        note(l, &err);
        return;
    }
    for (size_t i = 0; i < s.n; i++)
        if (nb_path_join(path, sizeof path, dir, s.name[i]))
            read_shard(l, t, path, how);
    nb_hf_shards_close(&s);
}

void nb_listing_hf(nb_listing *l, const char *path, bool is_dir)
{
    nb_entry *e = &l->e;
    const char *base;
    char dir[sizeof e->path];
    size_t n = strlen(path);
    *l = (nb_listing){.e = {.tied = true, .is_dir = is_dir}};
    while (n > 1 && path[n - 1] == '/')
        n--;
    nb_listing_copy(e->path, sizeof e->path, path, n);
    base = nb_path_base(e->path);
    nb_listing_copy(e->file, sizeof e->file, base, strlen(base));
    size_t stem = is_dir ? strlen(base) : strlen(base) - strlen(".safetensors");
    nb_listing_copy(e->name, sizeof e->name, base, stem);
    nb_listing_add_key(l, base, stem);
    nb_tally t = {0};
    nb_packing_set how = {.n = 0};
    if (is_dir) {
        snprintf(dir, sizeof dir, "%s", e->path);
        nb_json *config = read_config(l, dir);
        const nb_jval *q = config ? nb_jget(nb_json_root(config), "quantization_config") : NULL;
        nb_packing_of(&how, q, dir);
        read_shards(l, &t, dir, &how);
        nb_tally_finish(l, &t, UINT64_MAX);
        if (how.n) {
            const char *name = how.row[0]->name;
            l->is_float = false;
            nb_listing_copy(e->type_name, sizeof e->type_name, name, strlen(name));
        }
        nb_json_close(&config);
    } else {
        read_shard(l, &t, e->path, &how);
        nb_tally_finish(l, &t, UINT64_MAX);
    }
    if (is_dir)
        nb_listing_check_arch(e);
    e->tied = e->tied && t.params > 0;
}
