#include "core/files/weights_private.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/digest.h"
#include "core/base/str.h"

void nb_weights_close(nb_weights **out)
{
    nb_weights *w = *out;
    *out = NULL;
    if (!w)
        return;
    for (size_t i = 0; i < w->n_files; i++) {
        nb_file_slot *f = &w->files[i];
        if (w->kvs == f->gguf.kvs)
            w->kvs = NULL;
        nb_gguf_free(&f->gguf);
        nb_safetensors_free(&f->safetensors);
        nb_map_close(&f->map);
        free(w->paths[i]);
    }
    nb_kvs_close(&w->kvs);
    nb_index_free(&w->index);
    free(w->files);
    free(w->paths);
    free(w->views);
    free(w->names);
    nb_made_close(&w->made);
    free(w->gathers);
    free(w->means);
    free(w->factors);
    free(w->orders);
    free((void *)w->parts);
    nb_packs_close(&w->packs);
    free(w->path);
    free(w);
}

nb_status nb_weights_add_file(nb_weights *w, const char *path, nb_err *err)
{
    size_t n = w->n_files + 1;
    nb_file_slot *files = realloc(w->files, n * sizeof *files);
    if (files)
        w->files = files;
    char **paths = files ? realloc(w->paths, n * sizeof *paths) : NULL;
    if (!paths) {
        nb_fail(err, NB_NOMEM, "%s: file list", path);
        return NB_NOMEM;
    }
    w->paths = paths;
    char *copy = nb_strdup(path, err);
    if (!copy)
        return NB_NOMEM;
    files[n - 1] = (nb_file_slot){0};
    nb_status st = nb_map_open(&files[n - 1].map, path, err);
    if (st != NB_OK) {
        free(copy);
        return st;
    }
    paths[n - 1] = copy;
    w->n_files = n;
    return NB_OK;
}

/* --- one list of views over all files ------------------------------------------------------------
 */

typedef struct lookup {
    const nb_weights *w;
    const char *name;
} lookup;

static bool same_name(const void *arg, size_t item)
{
    const lookup *l = arg;
    return strcmp(l->w->views[item].t.name, l->name) == 0;
}

static nb_status index_views(nb_weights *w, nb_err *err)
{
    for (size_t i = 0; i < w->n; i++) {
        lookup l = {w, w->views[i].t.name};
        size_t len = strlen(l.name);
        if (nb_index_find(&w->index, l.name, len, same_name, &l) != SIZE_MAX)
            return nb_fail(err, NB_FORMAT, "%s: tensor \"%s\" stands twice", w->path, l.name);
        NB_TRY(nb_index_add(&w->index, l.name, len, i, err));
    }
    return NB_OK;
}

static void plain_view(nb_view *v, const nb_tensor *t, size_t shard)
{
    *v = (nb_view){.t = *t, .stored_name = t->name, .out_type = t->type};
    v->t.shard = (uint32_t)shard;
}

static nb_status alloc_views(nb_weights *w, size_t n, nb_err *err)
{
    w->views = nb_alloc(n ? n : 1, sizeof *w->views, "tensor views", err);
    return w->views ? NB_OK : NB_NOMEM;
}

/* --- GGUF, split or whole ------------------------------------------------------------------------
 */

static nb_status parse_gguf(nb_weights *w, size_t i, nb_err *err)
{
    nb_file_slot *f = &w->files[i];
    NB_TRY(nb_weights_impostor(&f->map, w->paths[i], err));
    return nb_gguf_parse(&f->gguf, f->map.at, f->map.len, f->map.len, w->paths[i], err);
}

static nb_status check_split(const nb_weights *w, size_t i, uint64_t count, nb_err *err)
{
    uint64_t no = UINT64_MAX, of = 0;
    const nb_kvs *kvs = w->files[i].gguf.kvs;
    if (!nb_kvs_uint(kvs, "split.no", &no) || no != i)
        return nb_fail(err, NB_FORMAT, "%s: split.no is %lld, expected %zu", w->paths[i],
                       (long long)no, i);
    if (!nb_kvs_uint(kvs, "split.count", &of) || of != count)
        return nb_fail(err, NB_FORMAT, "%s: split.count is %llu, expected %llu", w->paths[i],
                       (unsigned long long)of, (unsigned long long)count);
    return NB_OK;
}

static nb_status open_splits(nb_weights *w, const char *path, uint64_t count, nb_err *err)
{
    uint32_t no, of;
    size_t stem, total = 0;
    char shard[PATH_MAX];
    if (!nb_gguf_split_name(path, &stem, &no, &of) || of != count)
        return nb_fail(err, NB_FORMAT,
                       "%s: is one of %llu shards but not named NAME-%%05d-of-%05llu.gguf", path,
                       (unsigned long long)count, (unsigned long long)count);
    nb_gguf_free(&w->files[0].gguf);
    nb_map_close(&w->files[0].map);
    free(w->paths[0]);
    w->n_files = 0;
    for (uint64_t i = 0; i < count; i++) {
        int n = snprintf(shard, sizeof shard, "%.*s-%05llu-of-%05llu.gguf", (int)stem, path,
                         (unsigned long long)i + 1, (unsigned long long)count);
        if (n < 0 || (size_t)n >= sizeof shard)
            return nb_fail(err, NB_USAGE, "shard %llu: path of %d bytes, limit %zu",
                           (unsigned long long)i + 1, n, sizeof shard - 1);
        NB_TRY(nb_weights_add_file(w, shard, err));
        NB_TRY(parse_gguf(w, w->n_files - 1, err));
        NB_TRY(check_split(w, (size_t)i, count, err));
        total += w->files[i].gguf.n_tensors;
    }
    uint64_t want = total;
    if (nb_kvs_uint(w->files[0].gguf.kvs, "split.tensors.count", &want) && want != total)
        return nb_fail(err, NB_FORMAT, "%s: split.tensors.count is %llu, shards hold %zu",
                       w->paths[0], (unsigned long long)want, total);
    return NB_OK;
}

static nb_status open_gguf(nb_weights *w, const char *path, nb_err *err)
{
    uint64_t count = 1;
    size_t total = 0;
    enum { MAX_SHARDS = 4096 };
    w->container = NB_GGUF;
    NB_TRY(parse_gguf(w, 0, err));
    nb_kvs_uint(w->files[0].gguf.kvs, "split.count", &count);
    if (count > MAX_SHARDS)
        return nb_fail(err, NB_FORMAT, "%s: split.count %llu, limit %d", path,
                       (unsigned long long)count, MAX_SHARDS);
    if (count > 1)
        NB_TRY(open_splits(w, path, count, err));
    for (size_t i = 0; i < w->n_files; i++)
        total += w->files[i].gguf.n_tensors;
    NB_TRY(alloc_views(w, total, err));
    for (size_t i = 0; i < w->n_files; i++)
        for (size_t k = 0; k < w->files[i].gguf.n_tensors; k++)
            plain_view(&w->views[w->n++], &w->files[i].gguf.tensors[k], i);
    w->kvs = w->files[0].gguf.kvs;
    return index_views(w, err);
}

static nb_status open_safetensors(nb_weights *w, const char *path, nb_err *err)
{
    nb_file_slot *f = &w->files[0];
    w->container = NB_SAFETENSORS;
    NB_TRY(nb_weights_impostor(&f->map, path, err));
    NB_TRY(nb_safetensors_parse(&f->safetensors, f->map.at, f->map.len, f->map.len, path, err));
    NB_TRY(nb_kvs_open(&w->kvs, err));
    NB_TRY(alloc_views(w, f->safetensors.n_tensors, err));
    for (size_t k = 0; k < f->safetensors.n_tensors; k++)
        plain_view(&w->views[w->n++], &f->safetensors.tensors[k], 0);
    return index_views(w, err);
}

/* --- what a path names ---------------------------------------------------------------------------
 */

/* The only GGUF file in a directory (or the first shard of the only set); false otherwise. */
static bool only_gguf(const char *dir, char *out, size_t cap)
{
    DIR *d = opendir(dir);
    size_t found = 0;
    struct dirent *e;
    while (d && (e = readdir(d))) {
        size_t stem;
        uint32_t no, of;
        if (!nb_has_suffix(e->d_name, ".gguf") || strstr(e->d_name, "mmproj") ||
            (nb_gguf_split_name(e->d_name, &stem, &no, &of) && no != 1))
            continue;
        if (++found == 1 && !nb_path_join(out, cap, dir, e->d_name))
            found = 2;
    }
    if (d)
        closedir(d);
    return found == 1;
}

static nb_status open_dir(nb_weights *w, const char *dir, nb_err *err)
{
    char path[PATH_MAX];
    if (nb_path_join(path, sizeof path, dir, "config.json") && nb_exists(path))
        return nb_weights_open_hf(w, dir, err);
    if (!only_gguf(dir, path, sizeof path)) {
        if (nb_path_join(path, sizeof path, dir, "adapter_config.json") && nb_exists(path))
            return nb_fail(err, NB_UNSUPPORTED,
                           "%s: is a LoRA adapter of PEFT, no model: --lora takes its GGUF file",
                           dir);
        return nb_fail(err, NB_NOTFOUND,
                       "%s: no model here: neither config.json nor one .gguf file", dir);
    }
    NB_TRY(nb_weights_add_file(w, path, err));
    return open_gguf(w, path, err);
}

static nb_status open_file(nb_weights *w, const char *path, nb_err *err)
{
    char dir[PATH_MAX], config[PATH_MAX];
    const char *base = nb_path_base(path);
    size_t n = (size_t)(base - path);
    n -= n > 1; /* its slash, but not the root's */
    if (n >= sizeof dir)
        return nb_fail(err, NB_USAGE, "%.80s...: folder of %zu bytes, limit %zu", path, n,
                       sizeof dir - 1);
    memcpy(dir, n ? path : ".", n ? n : 1);
    dir[n ? n : 1] = '\0';
    bool hf = strcmp(base, "config.json") == 0 || nb_has_suffix(base, ".safetensors") ||
              nb_has_suffix(base, ".safetensors.index.json");
    if (hf && nb_path_join(config, sizeof config, dir, "config.json") && nb_exists(config))
        return nb_weights_open_hf(w, dir, err);
    NB_TRY(nb_weights_add_file(w, path, err));
    if (nb_has_suffix(base, ".safetensors"))
        return open_safetensors(w, path, err);
    return open_gguf(w, path, err);
}

nb_status nb_weights_open(nb_weights **out, const char *path, nb_err *err)
{
    *out = NULL;
    nb_weights *w = nb_alloc(1, sizeof *w, "model", err);
    if (!w)
        return NB_NOMEM;
    w->path = nb_strdup(path, err);
    nb_status st = !w->path          ? NB_NOMEM
                   : nb_is_dir(path) ? open_dir(w, path, err)
                                     : open_file(w, path, err);
    if (st != NB_OK) {
        nb_weights_close(&w);
        return st;
    }
    *out = w;
    return NB_OK;
}

nb_status nb_weights_index(nb_weights *w, nb_err *err)
{
    return index_views(w, err);
}

/* --- readers -------------------------------------------------------------------------------------
 */

nb_container nb_weights_container(const nb_weights *w)
{
    return w->container;
}

const char *nb_weights_path(const nb_weights *w)
{
    return w->path;
}

uint64_t nb_weights_file_bytes(const nb_weights *w)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->n_files; i++)
        sum += w->files[i].map.len;
    return sum;
}

const nb_kvs *nb_weights_kvs(const nb_weights *w)
{
    return w->kvs;
}

size_t nb_weights_count(const nb_weights *w)
{
    return w->n;
}

const nb_view *nb_weights_at(const nb_weights *w, size_t i)
{
    return &w->views[i];
}

const nb_view *nb_weights_find(const nb_weights *w, const char *name)
{
    lookup l = {w, name};
    size_t i = nb_index_find(&w->index, name, strlen(name), same_name, &l);
    return i == SIZE_MAX ? NULL : &w->views[i];
}

bool nb_weights_lost(const nb_weights *w)
{
    for (size_t i = 0; i < w->n_files; i++)
        if (nb_map_lost(&w->files[i].map))
            return true;
    return false;
}

void nb_weights_enter(const nb_weights *w, const atomic_bool *stop)
{
    enum { STEP = 2 << 20 };
    for (size_t i = 0; i < w->n_files; i++) {
        const nb_map *m = &w->files[i].map;
        for (uint64_t at = 0; at < m->len; at += STEP) {
            if (atomic_load_explicit(stop, memory_order_relaxed))
                return;
            nb_map_enter(m->at + at, m->len - at < STEP ? m->len - at : STEP);
        }
    }
}

uint64_t nb_weights_fingerprint(const nb_weights *w)
{
    uint64_t h = 0;
    for (size_t i = 0; i < w->n_files; i++)
        h = h * 0x9e3779b97f4a7c15u + nb_fingerprint(w->files[i].map.at, w->files[i].map.len);
    return h;
}

/* Files beside the weights that a Hugging Face model is read from. */
static bool is_side_file(const nb_weights *w, const struct stat *st)
{
    static const char *const name[] = {"config.json",           "tokenizer.model",
                                       "tokenizer_config.json", "generation_config.json",
                                       "tokenizer.json",        "special_tokens_map.json",
                                       "added_tokens.json",     "README.md",
                                       "chat_template.jinja",   "model.safetensors.index.json",
                                       "quantize_config.json",  "quanto_qmap.json"};
    for (size_t i = 0; w->container == NB_HF_DIR && i < countof(name); i++) {
        char path[PATH_MAX];
        struct stat other;
        if (nb_path_join(path, sizeof path, w->dir, name[i]) && stat(path, &other) == 0 &&
            other.st_dev == st->st_dev && other.st_ino == st->st_ino)
            return true;
    }
    return false;
}

bool nb_weights_is_source(const nb_weights *w, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return false;
    for (size_t i = 0; i < w->n_files; i++)
        if (w->files[i].map.dev == (uint64_t)st.st_dev &&
            w->files[i].map.ino == (uint64_t)st.st_ino)
            return true;
    return is_side_file(w, &st);
}

size_t nb_weights_files(const nb_weights *w, const char *const **paths)
{
    *paths = (const char *const *)w->paths;
    return w->n_files;
}
