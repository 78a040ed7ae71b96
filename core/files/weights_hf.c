/* A Hugging Face directory as weights: shards, mapped names, output order. */
#include "core/files/hf_private.h"
#include "core/files/weights_private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nb_status map_files(nb_weights *w, const char *dir, nb_err *err)
{
    nb_hf_shards shards;
    NB_TRY(nb_hf_shards_open(&shards, dir, err));
    nb_status st = NB_OK;
    for (size_t i = 0; i < shards.n && st == NB_OK; i++) {
        char path[PATH_MAX];
        if (nb_path_join(path, sizeof path, dir, shards.name[i]))
            st = nb_weights_add_file(w, path, err);
        else
            st = nb_fail(err, NB_FORMAT, "%s: shard name is too long", dir);
    }
    nb_hf_shards_close(&shards);
    return st;
}

static nb_status parse_files(nb_weights *w, nb_err *err)
{
    for (size_t i = 0; i < w->n_files; i++) {
        nb_file_slot *f = &w->files[i];
        NB_TRY(nb_weights_impostor(&f->map, w->paths[i], err));
        NB_TRY(nb_safetensors_parse_packed(&f->safetensors, f->map.at, f->map.len, f->map.len,
                                           w->paths[i], err));
    }
    return NB_OK;
}

/* Layer of "blk.N.rest", -1 outside layers. */
static int layer_of(const char *name)
{
    int n = 0;
    if (strncmp(name, "blk.", 4) != 0)
        return -1;
    for (const char *s = name + 4; *s >= '0' && *s <= '9'; s++)
        n = n * 10 + (*s - '0');
    return n;
}

/* llama-quantize's order: tensors outside layers first, then by layer, then by name. */
static int by_place(const void *a, const void *b)
{
    const nb_view *x = a, *y = b;
    int lx = layer_of(x->t.name), ly = layer_of(y->t.name);
    return lx != ly ? (lx < ly ? -1 : 1) : strcmp(x->t.name, y->t.name);
}

static nb_status check_tied(const nb_weights *w, nb_err *err)
{
    bool embd = false;
    for (size_t i = 0; i < w->n; i++)
        embd = embd || strcmp(w->views[i].t.name, "token_embd.weight") == 0;
    return embd ? NB_OK
                : nb_fail(err, NB_FORMAT, "%s: no tensor model.embed_tokens.weight", w->dir);
}

/* Weights, and per expert those that one token sees (gguf-py, get_total_parameter_count). */
static nb_status put_size(nb_weights *w, const nb_hf_config *c, nb_err *err)
{
    uint64_t params = 0, experts = 0, all = 0;
    for (size_t i = 0; i < w->n; i++) {
        const nb_tensor *t = &w->views[i].t;
        bool stacked = strstr(t->name, "_exps.") && t->n_dims == 3;
        all += nb_tensor_count(t);
        params += nb_tensor_count(t) / (stacked ? t->shape[2] : 1);
        experts = stacked ? t->shape[2] : experts;
    }
    NB_TRY(nb_hf_names(w->kvs, w->dir, c->root, all, err));
    return nb_hf_size_label(w->kvs, params, experts, err);
}

static nb_status read_folder(nb_weights *w, nb_hf_config *c, nb_err *err)
{
    NB_TRY(nb_hf_keys_of_folder(c, w->kvs));
    NB_TRY(nb_hf_make_tensors(&w->made, c));
    NB_TRY(map_files(w, w->dir, err));
    NB_TRY(parse_files(w, err));
    NB_TRY(nb_weights_map(w, c, err));
    NB_TRY(put_size(w, c, err));
    return check_tied(w, err);
}

nb_status nb_weights_open_hf(nb_weights *w, const char *dir, nb_err *err)
{
    nb_hf_config c;
    w->container = NB_HF_DIR;
    if (strlen(dir) >= sizeof w->dir)
        return nb_fail(err, NB_USAGE, "%.80s...: path of %zu bytes, limit %zu", dir, strlen(dir),
                       sizeof w->dir - 1);
    snprintf(w->dir, sizeof w->dir, "%s", dir);
    NB_TRY(nb_kvs_open(&w->kvs, err));
    NB_TRY(nb_hf_config_open(&c, dir, err));
    nb_status st = read_folder(w, &c, err);
    nb_hf_config_close(&c);
    NB_TRY(st);
    qsort(w->views, w->n, sizeof *w->views, by_place);
    return nb_weights_index(w, err);
}
