/* Repositories from a JSON file: demo-hub.json shows every member there is. */
#include <dirent.h>
#include <string.h>

#include "core/base/file.h"
#include "tests/hub/hub.h"
#include "tests/hub/mem.h"
#include "tests/hub/model.h"

typedef struct loader {
    fake_hub *hub;
    const char *dir, *gguf_dir; /* of the JSON file; may be NULL */
    nb_err *err;
} loader;

/* --- values ---------------------------------------------------------------------------------- */
static const char *text_of(const nb_jval *obj, const char *key)
{
    const char *s = NULL;
    nb_jstr(nb_jget(obj, key), &s);
    return s;
}

static uint64_t count_of(const nb_jval *obj, const char *key)
{
    int64_t v = 0;
    nb_jint(nb_jget(obj, key), &v);
    return v > 0 ? (uint64_t)v : 0;
}

static bool flag_of(const nb_jval *obj, const char *key)
{
    bool v = false;
    nb_jbool(nb_jget(obj, key), &v);
    return v;
}

/* The depth is the reader's: at most 64. */
static void copy_value(nb_jout *w, const nb_jval *v)
{
    const char *s;
    double number;
    bool flag;
    if (nb_jkind_of(v) == NB_JOBJECT || nb_jkind_of(v) == NB_JARRAY) {
        bool object = nb_jkind_of(v) == NB_JOBJECT;
        object ? nb_jout_object(w) : nb_jout_array(w);
        for (const nb_jval *c = nb_jfirst(v); c; c = nb_jnext(c)) {
            if (object)
                nb_jout_key(w, nb_jkey(c));
            copy_value(w, c);
        }
        object ? nb_jout_object_end(w) : nb_jout_array_end(w);
    } else if (nb_jstr(v, &s)) {
        nb_jout_str(w, s);
    } else if (nb_jnum(v, &number)) {
        nb_jout_double(w, number);
    } else if (nb_jbool(v, &flag)) {
        nb_jout_bool(w, flag);
    } else {
        nb_jout_null(w);
    }
}

/* A member as JSON text, malloc'd; NULL if absent. */
static char *json_of(const nb_jval *obj, const char *key)
{
    nb_str out = {0};
    nb_jout w = nb_jout_make(&out);
    const nb_jval *v = nb_jget(obj, key);
    if (!v)
        return NULL;
    copy_value(&w, v);
    char *text = hub_strdup(nb_str_c(&out));
    nb_str_free(&out);
    return text;
}

/* Strings of an array with a NULL behind them; free the block alone. */
static const char **texts_of(const nb_jval *array)
{
    const char **out = hub_alloc((nb_jlen(array) + 1) * sizeof *out);
    size_t n = 0;
    for (const nb_jval *v = nb_jfirst(array); v; v = nb_jnext(v))
        n += nb_jstr(v, &out[n]);
    out[n] = NULL;
    return out;
}

/* --- files ----------------------------------------------------------------------------------- */
/* A string, or lines. */
static void long_text(const nb_jval *v, nb_str *out)
{
    const char *s;
    if (nb_jstr(v, &s))
        nb_str_add(out, s);
    for (const nb_jval *c = nb_jkind_of(v) == NB_JARRAY ? nb_jfirst(v) : NULL; c; c = nb_jnext(c))
        if (nb_jstr(c, &s))
            nb_str_addf(out, "%s\n", s);
}

static nb_status load_file(loader *l, fake_repo *repo, const nb_jval *v)
{
    static const char *const stores[] = {"auto", "git", "xet", "lfs"};
    const char *disk = text_of(v, "disk"), *store = text_of(v, "store");
    const nb_jval *model = nb_jget(v, "model");
    char path[4096];
    nb_str bytes = {0};
    fake_file f = {.path = text_of(v, "path"),
                   .size = count_of(v, "size"),
                   .seed = count_of(v, "seed"),
                   .sha256 = text_of(v, "sha256"),
                   .scan = text_of(v, "scan")};
    if (!f.path)
        return nb_fail(l->err, NB_FORMAT, "a file has no path");
    for (size_t i = 0; store && i < countof(stores); i++)
        if (strcmp(store, stores[i]) == 0)
            f.store = (fake_store)i;
    if (disk && nb_path_join(path, sizeof path, l->dir, disk))
        f.disk = path;
    long_text(nb_jget(v, "text"), &bytes);
    if (nb_jget(v, "text")) {
        f.bytes = nb_str_c(&bytes);
        f.size = bytes.len;
    }
    nb_status st = NB_OK;
    if (model) {
        st = model_header(&bytes, &f.size, text_of(model, "shape"), text_of(model, "preset"),
                          (unsigned)count_of(model, "shard"), (unsigned)count_of(model, "shards"),
                          l->err);
        f.head = bytes.at;
        f.head_size = bytes.len;
    }
    if (st == NB_OK)
        st = fake_repo_file(repo, &f, l->err);
    nb_str_free(&bytes);
    return st;
}

static nb_status load_files(loader *l, fake_repo *repo, const nb_jval *v)
{
    const nb_jval *readme = nb_jget(v, "readme");
    const char *folder = text_of(v, "folder");
    char path[4096];
    nb_status st = NB_OK;
    if (readme) {
        nb_str text = {0};
        long_text(readme, &text);
        fake_repo_text(repo, "README.md", nb_str_c(&text));
        nb_str_free(&text);
    }
    if (folder && nb_path_join(path, sizeof path, l->dir, folder))
        st = fake_repo_folder(repo, path, l->err);
    if (st == NB_OK && flag_of(v, "gguf_dir"))
        st = fake_repo_folder(repo, l->gguf_dir, l->err);
    for (const nb_jval *f = nb_jfirst(nb_jget(v, "files")); f && st == NB_OK; f = nb_jnext(f))
        st = load_file(l, repo, f);
    return st;
}

/* --- repositories ---------------------------------------------------------------------------- */
static void load_grants(fake_repo *repo, const nb_jval *grants)
{
    const char *how;
    for (const nb_jval *g = nb_jfirst(grants); g; g = nb_jnext(g))
        if (nb_jstr(g, &how))
            fake_repo_grant(repo, nb_jkey(g),
                            strcmp(how, "granted") == 0   ? FAKE_GRANTED
                            : strcmp(how, "pending") == 0 ? FAKE_PENDING
                                                          : FAKE_NO_GATED_SCOPE);
}

static nb_status load_repo(loader *l, const nb_jval *v)
{
    const char *id = text_of(v, "id"), *gated = text_of(v, "gated");
    if (!id)
        return nb_fail(l->err, NB_FORMAT, "a repository has no id");
    if (flag_of(v, "gguf_dir") && !l->gguf_dir)
        return NB_OK;
    char *json[] = {json_of(v, "card"), json_of(v, "config"), json_of(v, "gguf"),
                    json_of(v, "safetensors"), json_of(v, "raw")};
    const char **tags = texts_of(nb_jget(v, "tags"));
    fake_repo_info info = {.id = id,
                           .tags = tags,
                           .pipeline_tag = text_of(v, "pipeline_tag"),
                           .library_name = text_of(v, "library_name"),
                           .created = text_of(v, "created"),
                           .modified = text_of(v, "modified"),
                           .downloads = count_of(v, "downloads"),
                           .downloads_all = count_of(v, "downloads_all"),
                           .likes = count_of(v, "likes"),
                           .gated = !gated                         ? FAKE_OPEN
                                    : strcmp(gated, "manual") == 0 ? FAKE_GATED_MANUAL
                                                                   : FAKE_GATED_AUTO,
                           .is_private = flag_of(v, "private"),
                           .disabled = flag_of(v, "disabled"),
                           .card = json[0],
                           .config = json[1],
                           .gguf = json[2],
                           .safetensors = json[3],
                           .raw = json[4]};
    nb_jnum(nb_jget(v, "trending"), &info.trending);
    fake_repo *repo = fake_hub_add(l->hub, &info);
    nb_status st = load_files(l, repo, v);
    load_grants(repo, nb_jget(v, "grants"));
    for (const nb_jval *r = nb_jfirst(nb_jget(v, "refs")); r; r = nb_jnext(r))
        fake_repo_ref(repo, nb_jkey(r), NULL);
    for (size_t i = 0; i < countof(json); i++)
        free(json[i]);
    free(tags);
    return st;
}

static void load_token(loader *l, const nb_jval *v)
{
    const char *token = text_of(v, "token");
    const char **orgs = texts_of(nb_jget(v, "orgs"));
    if (token)
        fake_hub_token(l->hub, &(fake_token){.token = token,
                                             .name = text_of(v, "name"),
                                             .role = text_of(v, "role"),
                                             .orgs = orgs,
                                             .pro = flag_of(v, "pro")});
    free(orgs);
}

nb_status fake_hub_load(fake_hub *hub, const char *path, const char *gguf_dir, nb_err *err)
{
    nb_json *doc;
    const char *to;
    char *dir = hub_strndup(path, (size_t)(nb_path_base(path) - path));
    loader l = {hub, *dir ? dir : ".", gguf_dir, err};
    nb_status st = nb_json_load(&doc, path, 16 << 20, err);
    if (st != NB_OK) {
        free(dir);
        return st;
    }
    const nb_jval *root = nb_json_root(doc);
    for (const nb_jval *v = nb_jfirst(nb_jget(root, "tokens")); v; v = nb_jnext(v))
        load_token(&l, v);
    for (const nb_jval *v = nb_jfirst(nb_jget(root, "renames")); v; v = nb_jnext(v))
        if (nb_jstr(v, &to))
            fake_hub_rename(hub, nb_jkey(v), to);
    for (const nb_jval *v = nb_jfirst(nb_jget(root, "repos")); v && st == NB_OK; v = nb_jnext(v))
        st = load_repo(&l, v);
    nb_json_close(&doc);
    free(dir);
    return st;
}
