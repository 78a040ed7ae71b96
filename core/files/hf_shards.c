/* Which safetensors files a Hugging Face directory consists of. */
#include "core/files/hf_private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/files/index.h"
#include "core/files/safetensors.h"

enum { MAX_SHARDS = 4096 };

typedef struct collector {
    nb_hf_shards *shards;
    nb_index seen; /* into shards->name */
    const char *dir;
} collector;

typedef struct wanted {
    const nb_hf_shards *shards;
    const char *name;
} wanted;

static bool same_file(const void *arg, size_t item)
{
    const wanted *w = arg;
    return strcmp(w->shards->name[item], w->name) == 0;
}

static nb_status on_entry(void *arg, const char *tensor, const char *file, nb_err *err)
{
    collector *c = arg;
    nb_hf_shards *s = c->shards;
    wanted w = {s, file};
    size_t len = strlen(file);
    (void)tensor;
    if (nb_index_find(&c->seen, file, len, same_file, &w) != SIZE_MAX)
        return NB_OK;
    if (s->n == MAX_SHARDS || len >= sizeof s->name[0])
        return nb_fail(err, NB_FORMAT, "%s: more than %d shards, or a name of %zu bytes", c->dir,
                       MAX_SHARDS, len);
    memcpy(s->name[s->n], file, len + 1);
    return nb_index_add(&c->seen, file, len, s->n++, err);
}

static bool only_pickles(const char *dir)
{
    static const char *const name[] = {"pytorch_model.bin", "pytorch_model.bin.index.json"};
    char path[PATH_MAX];
    for (size_t i = 0; i < countof(name); i++)
        if (nb_path_join(path, sizeof path, dir, name[i]) && nb_exists(path))
            return true;
    return false;
}

nb_status nb_hf_shards_open(nb_hf_shards *out, const char *dir, nb_err *err)
{
    char path[PATH_MAX];
    nb_hf_shards s = {.name = nb_alloc(MAX_SHARDS, sizeof *s.name, "shard names", err)};
    collector c = {.shards = &s, .dir = dir};
    nb_status st = s.name ? NB_OK : NB_NOMEM;
    if (!s.name)
        return st;
    if (nb_path_join(path, sizeof path, dir, "model.safetensors.index.json") && nb_exists(path)) {
        st = nb_safetensors_index(path, on_entry, &c, err);
        nb_index_free(&c.seen);
    } else if (nb_path_join(path, sizeof path, dir, "model.safetensors") && nb_exists(path)) {
        memcpy(s.name[s.n++], "model.safetensors", sizeof "model.safetensors");
    } else if (only_pickles(dir)) {
        st =
            nb_fail(err, NB_UNSUPPORTED,
                    "%s: its weights are pickles (pytorch_model.bin), which are never read because "
                    "they can run code: take a repository with safetensors",
                    dir);
    } else {
        st = nb_fail(err, NB_NOTFOUND, "%s: neither model.safetensors nor its index is here", dir);
    }
    if (st != NB_OK) {
        nb_hf_shards_close(&s);
        return st;
    }
    *out = s;
    return NB_OK;
}

void nb_hf_shards_close(nb_hf_shards *s)
{
    free(s->name);
    *s = (nb_hf_shards){0};
}
