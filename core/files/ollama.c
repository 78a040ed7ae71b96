#include "core/files/ollama.h"

#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/str.h"
#include "core/files/folder.h"

enum { MANIFEST_MAX = 1 << 20, LEVELS = 4, PART_MAX = 128 };
static const char registry[] = "registry.ollama.ai", library[] = "library";

/* A model's four names; what a shorter name leaves out is Ollama's default. */
typedef struct model {
    char part[LEVELS][PART_MAX]; /* host, namespace, name, tag */
} model;

/* Letters, digits, '-', '_', '.', not first a dot or dash; a host may have a port. */
static bool part_ok(const char *s, size_t n, bool host)
{
    if (n == 0 || n >= PART_MAX || s[0] == '.' || s[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && c != '-' && c != '_' && c != '.' && !(host && c == ':'))
            return false;
    }
    return true;
}

static bool digest_ok(const char *s)
{
    return strlen(s) == 71 && strncmp(s, "sha256:", 7) == 0 &&
           strspn(s + 7, "0123456789abcdef") == 64;
}

/* "sha256:<hex>" of the model layer; NB_FORMAT when there is none. */
static nb_status read_manifest(const char *path, char hex[65], nb_err *err)
{
    nb_json *doc = NULL;
    NB_TRY(nb_json_load(&doc, path, MANIFEST_MAX, err));
    const nb_jval *layers = nb_jget(nb_json_root(doc), "layers");
    const char *kind, *digest;
    hex[0] = '\0';
    for (const nb_jval *v = nb_jfirst(layers); v && !hex[0]; v = nb_jnext(v))
        if (nb_jstr(nb_jget(v, "mediaType"), &kind) &&
            strcmp(kind, "application/vnd.ollama.image.model") == 0 &&
            nb_jstr(nb_jget(v, "digest"), &digest) && digest_ok(digest))
            snprintf(hex, 65, "%s", digest + 7);
    nb_json_close(&doc);
    return hex[0] ? NB_OK : nb_fail(err, NB_FORMAT, "%s: names no model layer", path);
}

static nb_status open_model(const char *models, const model *m, char *path, size_t cap, nb_err *err)
{
    char manifest[2048], hex[65];
    snprintf(manifest, sizeof manifest, "%s/manifests/%s/%s/%s/%s", models, m->part[0], m->part[1],
             m->part[2], m->part[3]);
    NB_TRY(read_manifest(manifest, hex, err));
    int n = snprintf(path, cap, "%s/blobs/sha256-%s", models, hex);
    if (n < 0 || (size_t)n >= cap)
        return nb_fail(err, NB_USAGE, "path of %d bytes, at most %zu", n, cap - 1);
    return nb_exists(path) ? NB_OK : nb_fail(err, NB_NOTFOUND, "%s: is not there", path);
}

/* --- one ---------------------------------------------------------------------------------------
 */

/* [[HOST/]NAMESPACE/]NAME[:TAG] */
static bool parse(model *m, const char *text)
{
    const char *slash = strrchr(text, '/'), *colon = strrchr(slash ? slash : text, ':');
    const char *tag = colon ? colon + 1 : "latest";
    size_t n = colon ? (size_t)(colon - text) : strlen(text);
    *m = (model){{"", "", "", ""}};
    snprintf(m->part[0], PART_MAX, "%s", registry);
    snprintf(m->part[1], PART_MAX, "%s", library);
    if (!part_ok(tag, strlen(tag), false))
        return false;
    snprintf(m->part[3], PART_MAX, "%s", tag);
    for (int level = 2; level >= 0; level--) { /* from the right: name, namespace, host */
        size_t from = n;
        while (from && text[from - 1] != '/')
            from--;
        if (!part_ok(text + from, n - from, level == 0))
            return false;
        snprintf(m->part[level], PART_MAX, "%.*s", (int)(n - from), text + from);
        if (from == 0)
            return true;
        n = from - 1;
    }
    return false; /* more than three */
}

nb_status nb_ollama_find(const char *models, const char *name, char *path, size_t cap, nb_err *err)
{
    model m;
    if (!parse(&m, name))
        return nb_fail(err, NB_NOTFOUND, "ollama:%.100s: expected ollama:NAME[:TAG]", name);
    nb_err why = {.status = NB_OK};
    nb_status st = open_model(models, &m, path, cap, &why);
    if (st == NB_NOTFOUND)
        return nb_fail(err, st, "ollama:%s: not in Ollama's store %s", name, models);
    if (st != NB_OK)
        return nb_fail(err, st, "%s", why.msg);
    return st;
}

/* --- all ---------------------------------------------------------------------------------------
 */

typedef struct walk {
    const char *models;
    nb_ollama_fn *fn;
    void *arg;
    nb_err *err;
} walk;

static nb_status show(const walk *w, const model *m)
{
    char path[1200], name[4 * PART_MAX];
    bool ours = strcmp(m->part[0], registry) == 0, plain = strcmp(m->part[1], library) == 0;
    if (open_model(w->models, m, path, sizeof path, NULL) != NB_OK)
        return NB_OK; /* being pulled, or broken: nothing to open */
    if (ours && plain)
        snprintf(name, sizeof name, "%s:%s", m->part[2], m->part[3]);
    else
        snprintf(name, sizeof name, "%s%s%s/%s:%s", ours ? "" : m->part[0], ours ? "" : "/",
                 m->part[1], m->part[2], m->part[3]);
    return w->fn(w->arg, name, path, w->err);
}

/* The four levels of folders; depth is bounded by LEVELS. */
static nb_status walk_level(const walk *w, const char *dir, model *m, int level)
{
    char **names;
    size_t n;
    NB_TRY(nb_names_in(dir, &names, &n, w->err));
    nb_status st = NB_OK;
    for (size_t i = 0; i < n && st == NB_OK; i++) {
        char path[2048]; /* dir of nb_ollama_each and three parts */
        if (!part_ok(names[i], strlen(names[i]), level == 0))
            continue;
        snprintf(m->part[level], PART_MAX, "%s", names[i]);
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        st = level == LEVELS - 1 ? show(w, m) : walk_level(w, path, m, level + 1);
    }
    nb_names_free(names, n);
    return st;
}

nb_status nb_ollama_each(const char *models, nb_ollama_fn *fn, void *arg, nb_err *err)
{
    char dir[1200];
    model m = {{"", "", "", ""}};
    walk w = {models, fn, arg, err};
    return nb_path_join(dir, sizeof dir, models, "manifests") ? walk_level(&w, dir, &m, 0) : NB_OK;
}
