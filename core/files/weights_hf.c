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

static nb_status parse_files(nb_weights *w, size_t *total, nb_err *err)
{
    *total = 0;
    for (size_t i = 0; i < w->n_files; i++) {
        nb_file_slot *f = &w->files[i];
        NB_TRY(nb_weights_impostor(&f->map, w->paths[i], err));
        NB_TRY(nb_safetensors_parse(&f->safetensors, f->map.at, f->map.len, f->map.len, w->paths[i],
                                    err));
        *total += f->safetensors.n_tensors;
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

/* rope_scaling of type llama3 is carried as a tensor of its own. */
static nb_status add_rope_freqs(nb_weights *w, char *name, nb_err *err)
{
    size_t n = 0;
    NB_TRY(nb_hf_rope_freqs(w->dir, &w->rope_freqs, &n, err));
    if (!w->rope_freqs)
        return NB_OK;
    snprintf(name, NB_MAX_NAME + 1, "rope_freqs.weight");
    w->views[w->n++] = (nb_view){
        .t = {.name = name,
              .type = NK_F32,
              .n_dims = 1,
              .shape = {n, 1, 1, 1},
              .bytes = (const uint8_t *)w->rope_freqs,
              .nbytes = n * sizeof *w->rope_freqs},
        .stored_name = name,
        .out_type = NK_F32,
    };
    return NB_OK;
}

nb_status nb_weights_open_hf(nb_weights *w, const char *dir, nb_err *err)
{
    size_t total;
    enum { NAME = NB_MAX_NAME + 1 };
    w->container = NB_HF_DIR;
    if (strlen(dir) >= sizeof w->dir)
        return nb_fail(err, NB_USAGE, "%.80s...: path of %zu bytes, limit %zu", dir, strlen(dir),
                       sizeof w->dir - 1);
    snprintf(w->dir, sizeof w->dir, "%s", dir);
    NB_TRY(nb_kvs_open(&w->kvs, err));
    NB_TRY(nb_hf_keys(w->kvs, dir, err));
    NB_TRY(map_files(w, dir, err));
    NB_TRY(parse_files(w, &total, err));
    w->views = nb_alloc(total + 1, sizeof *w->views, "tensor views", err);
    w->names = nb_alloc(total + 1, NAME, "tensor names", err);
    if (!w->views || !w->names)
        return NB_NOMEM;
    for (size_t i = 0; i < w->n_files; i++)
        for (size_t k = 0; k < w->files[i].safetensors.n_tensors; k++) {
            bool drop;
            nb_view *v = &w->views[w->n];
            NB_TRY(nb_hf_map(w->kvs, &w->files[i].safetensors.tensors[k], w->names + w->n * NAME, v,
                             &drop, err));
            v->t.shard = (uint32_t)i;
            w->n += !drop;
        }
    uint64_t params = 0;
    for (size_t i = 0; i < w->n; i++)
        params += nb_tensor_count(&w->views[i].t);
    NB_TRY(nb_hf_size_label(w->kvs, params, err));
    NB_TRY(add_rope_freqs(w, w->names + w->n * NAME, err));
    NB_TRY(check_tied(w, err));
    qsort(w->views, w->n, sizeof *w->views, by_place);
    return nb_weights_index(w, err);
}
