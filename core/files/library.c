#include "core/files/library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/files/folder.h"
#include "core/files/index.h"
#include "core/files/listing.h"
#include "core/files/ollama.h"

enum { MAX_ROWS = 20000 };

struct nb_library {
    nb_listing *row; /* [cap] as found */
    size_t n, cap;
    nb_index seen;          /* by inode */
    const nb_entry **order; /* [n] as shown */
};

typedef struct scan {
    nb_library *lib;
    const nb_hooks *hooks;
    nb_store store;
    const char *repo; /* shown instead of the file's own name; NULL where that is known */
    const char *key;  /* what variants share, when it is not repo's last part */
    nb_err *err;
} scan;

/* --- finding -----------------------------------------------------------------------------------
 */

static nb_status room(nb_library *lib, nb_err *err)
{
    if (lib->n < lib->cap)
        return NB_OK;
    size_t cap = lib->cap ? lib->cap * 2 : 64;
    nb_listing *row = nb_alloc(cap, sizeof *row, "library", err);
    if (!row)
        return NB_NOMEM;
    if (lib->n)
        memcpy(row, lib->row, lib->n * sizeof *row);
    free(lib->row);
    lib->row = row;
    lib->cap = cap;
    return NB_OK;
}

typedef struct twin {
    const nb_library *lib;
    const nb_listing *l;
} twin;

static bool same_file(const void *arg, size_t item)
{
    const twin *t = arg;
    const nb_listing *at = &t->lib->row[item], *l = t->l;
    return l->ino ? at->ino == l->ino && at->dev == l->dev : strcmp(at->e.path, l->e.path) == 0;
}

/* What a row is known by: its inode, or its path where nothing could be opened. */
static const void *identity(const nb_listing *l, uint64_t id[2], size_t *len)
{
    id[0] = l->dev;
    id[1] = l->ino;
    *len = l->ino ? 2 * sizeof *id : strlen(l->e.path);
    return l->ino ? (const void *)id : l->e.path;
}

static nb_status add(scan *s, const char *path, bool hf, bool is_dir)
{
    nb_library *lib = s->lib;
    if (nb_canceled(s->hooks))
        return nb_fail(s->err, NB_CANCELED, "listing models was cancelled");
    if (lib->n >= MAX_ROWS)
        return NB_OK;
    NB_TRY(room(lib, s->err));
    nb_listing *l = &lib->row[lib->n];
    if (hf)
        nb_listing_hf(l, path, is_dir);
    else
        nb_listing_gguf(l, path);
    uint64_t id[2];
    size_t len;
    const void *name = identity(l, id, &len);
    twin t = {lib, l};
    if (l->skip || nb_index_find(&lib->seen, name, len, same_file, &t) != SIZE_MAX)
        return NB_OK;
    NB_TRY(nb_index_add(&lib->seen, name, len, lib->n, s->err));
    l->e.store = s->store;
    if (s->repo) {
        const char *tail = s->key ? s->key : s->repo, *slash = strrchr(tail, '/');
        tail = slash ? slash + 1 : tail;
        nb_listing_add_key(l, tail, s->key ? strcspn(tail, ":") : strlen(tail));
        nb_listing_copy(l->e.name, sizeof l->e.name, s->repo, strlen(s->repo));
    }
    lib->n++;
    nb_progress p = {.what = l->e.file, .done = lib->n};
    nb_report(s->hooks, &p);
    return NB_OK;
}

/* A single .safetensors beside no config.json: shown, with the reason it cannot be opened. */
static nb_status add_loose(scan *s, const char *path)
{
    size_t before = s->lib->n;
    NB_TRY(add(s, path, true, false));
    if (s->lib->n > before && !s->lib->row[before].e.problem[0]) {
        nb_entry *e = &s->lib->row[before].e;
        e->unsupported = true;
        snprintf(e->problem, sizeof e->problem, "no config.json beside it");
    }
    return NB_OK;
}

/* Symlinked folders are entered too: depth bounds a loop. */
static nb_status look_in(scan *s, const char *dir, int depth)
{
    if (nb_is_model_dir(dir))
        NB_TRY(add(s, dir, true, true));
    size_t n;
    char **names;
    NB_TRY(nb_names_in(dir, &names, &n, s->err));
    nb_status st = NB_OK;
    for (size_t i = 0; i < n && st == NB_OK; i++) {
        char path[1024];
        if (!nb_path_join(path, sizeof path, dir, names[i]))
            continue;
        if (nb_has_suffix(names[i], ".gguf"))
            st = s->store == NB_STORE_LMSTUDIO && strcasestr(names[i], "mmproj")
                     ? NB_OK
                     : add(s, path, false, false);
        else if (depth > 0 && nb_is_dir(path))
            st = look_in(s, path, depth - 1);
    }
    nb_names_free(names, n);
    return st;
}

static nb_status look_at(scan *s, const char *path)
{
    char dir[1024], config[1100];
    if (nb_is_dir(path))
        return look_in(s, path, NB_DEPTH_GIVEN);
    if (!nb_has_suffix(path, ".safetensors"))
        return add(s, path, false, false);
    const char *base = nb_path_base(path);
    snprintf(dir, sizeof dir, "%.*s", base == path ? 1 : (int)(base - path),
             base == path ? "." : path);
    if (nb_path_join(config, sizeof config, dir, "config.json") && nb_exists(config))
        return add(s, dir, true, true);
    return add_loose(s, path);
}

/* hub/models--org--name/snapshots/COMMIT/: the one refs/main names first (hub.md 2). Snapshots
 * share blobs, so the same weights are listed once. */
static nb_status look_in_repo(scan *s, const char *repo_dir)
{
    char path[1024], snaps[1024], main_commit[64] = "";
    char *text = NULL;
    size_t len;
    if (!nb_path_join(snaps, sizeof snaps, repo_dir, "snapshots"))
        return NB_OK;
    if (nb_path_join(path, sizeof path, repo_dir, "refs/main") &&
        nb_file_read(&text, &len, path, 256, NULL) == NB_OK && text)
        snprintf(main_commit, sizeof main_commit, "%.40s", text);
    free(text);
    size_t n;
    char **names;
    nb_status st = NB_OK;
    NB_TRY(nb_names_in(snaps, &names, &n, s->err));
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < n && st == NB_OK; i++)
            if ((strcmp(names[i], main_commit) == 0) == (pass == 0) &&
                nb_path_join(path, sizeof path, snaps, names[i]))
                st = look_in(s, path, 1);
    nb_names_free(names, n);
    return st;
}

static nb_status look_in_hub(scan *s, const char *hub)
{
    size_t n;
    char **names;
    NB_TRY(nb_names_in(hub, &names, &n, s->err));
    nb_status st = NB_OK;
    for (size_t i = 0; i < n && st == NB_OK; i++) {
        char path[1024], repo[256] = "";
        if (strncmp(names[i], "models--", 8) != 0 ||
            !nb_path_join(path, sizeof path, hub, names[i]))
            continue;
        size_t at = 0;
        for (const char *c = names[i] + 8; *c && at + 1 < sizeof repo; c++) {
            bool dash = c[0] == '-' && c[1] == '-';
            repo[at++] = dash ? '/' : *c;
            c += dash;
        }
        s->repo = repo;
        st = look_in_repo(s, path);
        s->repo = NULL;
    }
    nb_names_free(names, n);
    return st;
}

static nb_status add_ollama(void *arg, const char *name, const char *path, nb_err *err)
{
    scan *s = arg;
    char shown[128];
    size_t before = s->lib->n;
    (void)err;
    snprintf(shown, sizeof shown, "ollama: %.110s", name);
    s->repo = shown;
    s->key = name;
    nb_status st = add(s, path, false, false);
    s->repo = s->key = NULL;
    if (st == NB_OK && s->lib->n > before) /* its file's name is a digest */
        nb_listing_copy(s->lib->row[before].e.file, sizeof s->lib->row[before].e.file, name,
                        strlen(name));
    return st;
}

/* publisher/repo/FILE.gguf, or a folder of safetensors; projectors are no models. */
static nb_status look_in_lmstudio(scan *s, const char *dir, const char *publisher)
{
    size_t n;
    char **names;
    NB_TRY(nb_names_in(dir, &names, &n, s->err));
    nb_status st = NB_OK;
    for (size_t i = 0; i < n && st == NB_OK; i++) {
        char path[1024], repo[256];
        if (!nb_path_join(path, sizeof path, dir, names[i]) || !nb_is_dir(path))
            continue;
        snprintf(repo, sizeof repo, "%.120s/%.120s", publisher ? publisher : "", names[i]);
        s->repo = publisher ? repo : NULL;
        st = publisher ? look_in(s, path, 1) : look_in_lmstudio(s, path, names[i]);
        s->repo = NULL;
    }
    nb_names_free(names, n);
    return st;
}

/* --- grouping ----------------------------------------------------------------------------------
 */

typedef struct known {
    const char *key;
    size_t row;
} known;

/* What others are made from: folders before files, more bytes before fewer, then as found. */
static int by_key(const void *a, const void *b, void *lib)
{
    const known *x = a, *y = b;
    const nb_listing *p = &((const nb_library *)lib)->row[x->row];
    const nb_listing *q = &((const nb_library *)lib)->row[y->row];
    int c = strcmp(x->key, y->key);
    if (c)
        return c;
    if (p->e.is_dir != q->e.is_dir)
        return p->e.is_dir ? -1 : 1;
    if (p->e.bytes != q->e.bytes)
        return p->e.bytes > q->e.bytes ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

static bool same_shape(const nb_entry *a, const nb_entry *b)
{
    return strcmp(a->arch, b->arch) == 0 && a->n_layer == b->n_layer && a->n_embd == b->n_embd &&
           a->n_vocab == b->n_vocab;
}

/* First of the sources with this key that has i's shape and may come before it; n_rows if none. */
static size_t source_for(const nb_library *lib, const known *table, size_t n, size_t i,
                         const char *key)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(table[mid].key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < n && strcmp(table[lo].key, key) == 0; lo++) {
        if (table[lo].row == i)
            return lib->n;
        if (same_shape(&lib->row[table[lo].row].e, &lib->row[i].e))
            return table[lo].row;
    }
    return lib->n;
}

static void find_source(nb_library *lib, const known *table, size_t n, size_t i)
{
    nb_listing *l = &lib->row[i];
    size_t at = l->base[0] ? source_for(lib, table, n, i, l->base) : lib->n;
    for (size_t k = 0; k < NB_ENTRY_KEYS && l->key[k][0] && at == lib->n; k++)
        at = source_for(lib, table, n, i, l->key[k]);
    l->source = at < lib->n ? at : i;
}

static nb_status group(nb_library *lib, nb_err *err)
{
    size_t n = 0;
    known *table = nb_alloc(lib->n * NB_ENTRY_KEYS + 1, sizeof *table, "library", err);
    if (!table)
        return NB_NOMEM;
    for (size_t i = 0; i < lib->n; i++) {
        const nb_listing *l = &lib->row[i];
        for (size_t k = 0; k < NB_ENTRY_KEYS && l->key[k][0] && (l->e.is_dir || l->is_float); k++)
            table[n++] = (known){l->key[k], i};
    }
    qsort_r(table, n, sizeof *table, by_key, lib);
    for (size_t i = 0; i < lib->n; i++) {
        lib->row[i].source = i;
        if (!lib->row[i].e.is_dir)
            find_source(lib, table, n, i);
    }
    free(table);
    for (size_t i = 0; i < lib->n; i++) {
        nb_listing *l = &lib->row[i];
        for (int hop = 0; hop < 4 && lib->row[l->source].source != l->source; hop++)
            l->source = lib->row[l->source].source;
        if (lib->row[l->source].source != l->source)
            l->source = i; /* two floats that claim each other */
        const char *from = l->source == i ? l->base_name : lib->row[l->source].e.name;
        if (l->source != i || !l->is_float)
            nb_listing_copy(l->e.source, sizeof l->e.source, from, strlen(from));
    }
    return NB_OK;
}

/* By source: its store, its name; the source itself, then the largest first. */
static int by_group(const void *a, const void *b, void *arg)
{
    const nb_library *lib = arg;
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    const nb_listing *x = &lib->row[i], *y = &lib->row[j];
    const nb_listing *p = &lib->row[x->source], *q = &lib->row[y->source];
    if (p->e.store != q->e.store)
        return p->e.store < q->e.store ? -1 : 1;
    int c = strcasecmp(p->e.name, q->e.name);
    if (c)
        return c;
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    if ((x->source == i) != (y->source == j))
        return x->source == i ? -1 : 1;
    if (x->e.bytes != y->e.bytes)
        return x->e.bytes > y->e.bytes ? -1 : 1;
    return strcmp(x->e.path, y->e.path);
}

static nb_status arrange(nb_library *lib, nb_err *err)
{
    size_t *at = nb_alloc(lib->n + 1, sizeof *at, "library", err);
    lib->order = nb_alloc(lib->n + 1, sizeof(nb_entry *), "library", err);
    if (!at || !lib->order) {
        free(at);
        return NB_NOMEM;
    }
    for (size_t i = 0; i < lib->n; i++)
        at[i] = i;
    qsort_r(at, lib->n, sizeof *at, by_group, lib);
    for (size_t i = 0; i < lib->n; i++)
        lib->order[i] = &lib->row[at[i]].e;
    free(at);
    return NB_OK;
}

/* --- the library -------------------------------------------------------------------------------
 */

static nb_status look_everywhere(scan *s, const nb_config *cfg, const char *const *paths, size_t n)
{
    char own[1100];
    s->store = NB_STORE_DEMO;
    if (cfg->demo_dir[0] && nb_is_model_dir(cfg->demo_dir))
        NB_TRY(add(s, cfg->demo_dir, true, true));
    s->store = NB_STORE_GIVEN;
    for (size_t i = 0; i < n; i++)
        if (!nb_is_remote(paths[i]))
            NB_TRY(look_at(s, paths[i]));
    s->store = NB_STORE_HERE;
    NB_TRY(look_in(s, ".", NB_DEPTH_HERE));
    s->store = NB_STORE_OWN;
    if (cfg->data_dir[0] && nb_path_join(own, sizeof own, cfg->data_dir, "models"))
        NB_TRY(look_in(s, own, NB_DEPTH_OWN));
    s->store = NB_STORE_HF;
    if (cfg->hf_hub[0])
        NB_TRY(look_in_hub(s, cfg->hf_hub));
    s->store = NB_STORE_OLLAMA;
    if (cfg->ollama[0])
        NB_TRY(nb_ollama_each(cfg->ollama, add_ollama, s, s->err));
    s->store = NB_STORE_LMSTUDIO;
    for (size_t i = 0; i < countof(cfg->lmstudio); i++)
        if (cfg->lmstudio[i][0])
            NB_TRY(look_in_lmstudio(s, cfg->lmstudio[i], NULL));
    return NB_OK;
}

nb_status nb_library_scan(nb_library **out, const nb_config *cfg, const char *const *paths,
                          size_t n, const nb_hooks *hooks, nb_err *err)
{
    nb_library *lib = nb_alloc(1, sizeof *lib, "library", err);
    if (!lib)
        return NB_NOMEM;
    scan s = {.lib = lib, .hooks = hooks, .err = err};
    nb_status st = look_everywhere(&s, cfg, paths, n);
    if (st == NB_OK)
        st = group(lib, err);
    if (st == NB_OK)
        st = arrange(lib, err);
    if (st != NB_OK)
        nb_library_close(&lib);
    else
        *out = lib;
    return st;
}

size_t nb_library_count(const nb_library *lib)
{
    return lib->n;
}

const nb_entry *nb_library_at(const nb_library *lib, size_t i)
{
    return lib->order[i];
}

size_t nb_library_source(const nb_library *lib, size_t i)
{
    const nb_entry *e = nb_library_at(lib, i);
    for (size_t k = i; e->source[0] && k-- > 0;) {
        const nb_entry *s = nb_library_at(lib, k);
        if (!s->source[0] && strcmp(s->name, e->source) == 0)
            return k;
    }
    return i;
}

bool nb_library_family(const nb_library *lib, size_t a, size_t b)
{
    const char *x = nb_library_at(lib, a)->source, *y = nb_library_at(lib, b)->source;
    return nb_library_source(lib, a) == nb_library_source(lib, b) || (x[0] && strcmp(x, y) == 0);
}

void nb_library_close(nb_library **lib)
{
    if (!*lib)
        return;
    nb_index_free(&(*lib)->seen);
    free((*lib)->order);
    free((*lib)->row);
    free(*lib);
    *lib = NULL;
}
