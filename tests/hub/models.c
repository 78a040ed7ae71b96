/* What the Hub tells of a model: one table of properties, of which rows, full rows, infos and
 * ?expand= show different parts (hub.md 1.2 and 1.3). */
#include <string.h>

#include "tests/hub/hub.h"
#include "tests/hub/mem.h"

typedef struct model {
    const fake_repo *repo;
    const repo_commit *commit;
    bool blobs;
} model;

static void maybe(nb_jout *w, const char *text)
{
    if (text)
        nb_jout_str(w, text);
    else
        nb_jout_null(w);
}

static void maybe_json(nb_jout *w, const char *json)
{
    json_raw(w, json ? json : "null");
}

/* Each of these writes the value of its property. */
static void put_author(nb_jout *w, const model *m)
{
    nb_jout_strn(w, m->repo->id, strcspn(m->repo->id, "/"));
}
static void put_sha(nb_jout *w, const model *m)
{
    nb_jout_str(w, m->commit->id);
}
static void put_id(nb_jout *w, const model *m)
{
    nb_jout_str(w, m->repo->id);
}
static void put_modified(nb_jout *w, const model *m)
{
    nb_jout_str(w, m->repo->modified);
}
static void put_created(nb_jout *w, const model *m)
{
    nb_jout_str(w, m->repo->created);
}
static void put_private(nb_jout *w, const model *m)
{
    nb_jout_bool(w, m->repo->is_private);
}
static void put_disabled(nb_jout *w, const model *m)
{
    nb_jout_bool(w, m->repo->disabled);
}
static void put_downloads(nb_jout *w, const model *m)
{
    nb_jout_u64(w, m->repo->downloads);
}
static void put_downloads_all(nb_jout *w, const model *m)
{
    nb_jout_u64(w, m->repo->downloads_all);
}
static void put_likes(nb_jout *w, const model *m)
{
    nb_jout_u64(w, m->repo->likes);
}
static void put_trending(nb_jout *w, const model *m)
{
    nb_jout_double(w, m->repo->trending);
}
static void put_pipeline(nb_jout *w, const model *m)
{
    maybe(w, m->repo->pipeline_tag);
}
static void put_library(nb_jout *w, const model *m)
{
    maybe(w, m->repo->library_name);
}
static void put_card(nb_jout *w, const model *m)
{
    maybe_json(w, m->repo->card);
}
static void put_config(nb_jout *w, const model *m)
{
    maybe_json(w, m->repo->config);
}
static void put_gguf(nb_jout *w, const model *m)
{
    maybe_json(w, m->repo->gguf);
}
static void put_safetensors(nb_jout *w, const model *m)
{
    maybe_json(w, m->repo->safetensors);
}
static void put_null(nb_jout *w, const model *m)
{
    (void)m;
    nb_jout_null(w);
}
static void put_none(nb_jout *w, const model *m)
{
    (void)m;
    json_raw(w, "[]");
}

static void put_gated(nb_jout *w, const model *m) /* false, "auto" or "manual" */
{
    if (m->repo->gated == FAKE_OPEN)
        nb_jout_bool(w, false);
    else
        nb_jout_str(w, m->repo->gated == FAKE_GATED_AUTO ? "auto" : "manual");
}

static void put_tags(nb_jout *w, const model *m)
{
    nb_jout_array(w);
    for (size_t i = 0; i < m->repo->n_tags; i++)
        nb_jout_str(w, m->repo->tags[i]);
    nb_jout_array_end(w);
}

static void put_used(nb_jout *w, const model *m)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < m->commit->n; i++)
        sum += m->commit->file[i].data->size;
    nb_jout_u64(w, sum);
}

static void put_blob(nb_jout *w, const repo_file *f)
{
    char text[256], pointer[41];
    nb_jout_key(w, "size");
    nb_jout_u64(w, f->data->size);
    if (!f->lfs) {
        json_text(w, "blobId", content_git(f->data));
        return;
    }
    size_t n = content_pointer(f->data, text, pointer);
    json_text(w, "blobId", pointer);
    nb_jout_key(w, "lfs");
    nb_jout_object(w);
    json_text(w, "sha256", content_sha256(f->data));
    nb_jout_key(w, "size");
    nb_jout_u64(w, f->data->size);
    nb_jout_key(w, "pointerSize");
    nb_jout_u64(w, n);
    nb_jout_object_end(w);
}

static void put_siblings(nb_jout *w, const model *m)
{
    nb_jout_array(w);
    for (size_t i = 0; i < m->commit->n; i++) {
        nb_jout_object(w);
        json_text(w, "rfilename", m->commit->file[i].path);
        if (m->blobs)
            put_blob(w, &m->commit->file[i]);
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
}

static void put_scans(nb_jout *w, const model *m)
{
    nb_jout_object(w);
    nb_jout_key(w, "scansDone");
    nb_jout_bool(w, true);
    nb_jout_key(w, "filesWithIssues");
    nb_jout_array(w);
    for (size_t i = 0; i < m->commit->n; i++) {
        const repo_file *f = &m->commit->file[i];
        if (strcmp(f->scan, "safe") == 0)
            continue;
        nb_jout_object(w);
        json_text(w, "path", f->path);
        json_text(w, "level", f->scan);
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
    nb_jout_object_end(w);
}

/* sets 0: only by expand. optional: left out where it is null. */
static const struct {
    const char *name;
    void (*put)(nb_jout *w, const model *m);
    unsigned sets;
    bool expandable;
    size_t optional; /* offset of the text in fake_repo whose absence leaves it out; 0 = always */
} props[] = {
#define TEXT_OF(field) offsetof(struct fake_repo, field)
    {"id", put_id, PROPS_ROW | PROPS_FULL | PROPS_INFO, false, 0},
    {"author", put_author, PROPS_FULL | PROPS_INFO, true, 0},
    {"gated", put_gated, PROPS_FULL | PROPS_INFO, true, 0},
    {"disabled", put_disabled, PROPS_INFO, true, 0},
    {"lastModified", put_modified, PROPS_FULL | PROPS_INFO, true, 0},
    {"likes", put_likes, PROPS_ROW | PROPS_FULL | PROPS_INFO, true, 0},
    {"trendingScore", put_trending, PROPS_ROW | PROPS_FULL, true, 0},
    {"private", put_private, PROPS_ROW | PROPS_FULL | PROPS_INFO, true, 0},
    {"sha", put_sha, PROPS_FULL | PROPS_INFO, true, 0},
    {"downloads", put_downloads, PROPS_ROW | PROPS_FULL | PROPS_INFO, true, 0},
    {"downloadsAllTime", put_downloads_all, 0, true, 0},
    {"tags", put_tags, PROPS_ROW | PROPS_FULL | PROPS_INFO, true, 0},
    {"pipeline_tag", put_pipeline, PROPS_ROW | PROPS_FULL | PROPS_INFO, true,
     TEXT_OF(pipeline_tag)},
    {"library_name", put_library, PROPS_ROW | PROPS_FULL | PROPS_INFO, true, TEXT_OF(library_name)},
    {"createdAt", put_created, PROPS_ROW | PROPS_FULL | PROPS_INFO, true, 0},
    {"modelId", put_id, PROPS_ROW | PROPS_FULL | PROPS_INFO, false, 0},
    {"config", put_config, PROPS_INFO | PROPS_CONFIG, true, TEXT_OF(config)},
    {"cardData", put_card, PROPS_INFO | PROPS_CARD, true, TEXT_OF(card)},
    {"gguf", put_gguf, PROPS_INFO, true, TEXT_OF(gguf)},
    {"safetensors", put_safetensors, PROPS_INFO, true, TEXT_OF(safetensors)},
    {"siblings", put_siblings, PROPS_FULL | PROPS_INFO, true, 0},
    {"model-index", put_null, PROPS_INFO, true, 0},
    {"spaces", put_none, PROPS_INFO, true, 0},
    {"usedStorage", put_used, PROPS_INFO, true, 0},
    {"securityRepoStatus", put_scans, PROPS_SCANS, false, 0},
    {"baseModels", put_null, 0, true, 0},
    {"childrenModelCount", put_null, 0, true, 0},
    {"evalResults", put_none, 0, true, 0},
    {"inference", put_null, 0, true, 0},
    {"inferenceProviderMapping", put_none, 0, true, 0},
    {"mask_token", put_null, 0, true, 0},
    {"resourceGroup", put_null, 0, true, 0},
    {"transformersInfo", put_null, 0, true, 0},
    {"widgetData", put_null, 0, true, 0},
#undef TEXT_OF
};

static bool absent(const fake_repo *r, size_t offset)
{
    const char *text = NULL;
    if (offset)
        memcpy(&text, (const char *)r + offset, sizeof text);
    return offset && !text;
}

/* Is `name` one of the values of expand, repeated or joined by commas? */
static bool asked(const char *query, const char *name)
{
    char *key, *value, *save;
    bool hit = false;
    while (!hit && http_pair(&query, &key, &value)) {
        bool expand = strcmp(key, "expand") == 0;
        for (char *p = expand ? strtok_r(value, ",", &save) : NULL; p && !hit;
             p = strtok_r(NULL, ",", &save))
            hit = strcmp(p, name) == 0;
        free(key);
        free(value);
    }
    return hit;
}

static bool known_prop(const char *name)
{
    for (size_t i = 0; i < countof(props); i++)
        if (props[i].expandable && strcmp(props[i].name, name) == 0)
            return true;
    return false;
}

bool models_expand_ok(exchange *x)
{
    const char *query = x->req->query;
    char *key, *value, *save;
    bool ok = true, expands = false, sets = false;
    while (ok && http_pair(&query, &key, &value)) {
        bool expand = strcmp(key, "expand") == 0;
        expands = expands || expand;
        sets = sets || strcmp(key, "full") == 0 || strcmp(key, "config") == 0 ||
               strcmp(key, "cardData") == 0;
        for (char *p = expand ? strtok_r(value, ",", &save) : NULL; p && ok;
             p = strtok_r(NULL, ",", &save)) {
            ok = known_prop(p);
            if (!ok)
                answer_error(x, 400, NULL, "Invalid value for expand: \"%s\"", p);
        }
        free(key);
        free(value);
    }
    if (ok && expands && sets)
        answer_error(x, 400, NULL, "expand cannot be used with full, config or cardData");
    return ok && !(expands && sets);
}

static bool is_true(const char *query, const char *name)
{
    char *value = http_param(query, name);
    bool yes = value && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
    free(value);
    return yes;
}

void models_put(nb_jout *w, const fake_repo *repo, const repo_commit *commit, const char *query,
                unsigned set)
{
    char *expand = http_param(query, "expand");
    bool only = expand != NULL;
    model m = {repo, commit, is_true(query, "blobs")};
    free(expand);
    if (repo->raw) {
        json_raw(w, repo->raw);
        return;
    }
    nb_jout_object(w);
    json_text(w, "_id", repo->oid);
    for (size_t i = 0; i < countof(props); i++) {
        bool show = only ? i == 0 || asked(query, props[i].name) : props[i].sets & set;
        if (!show || absent(repo, props[i].optional))
            continue;
        nb_jout_key(w, props[i].name);
        props[i].put(w, &m);
    }
    nb_jout_object_end(w);
}

void models_info(exchange *x, const char *id, const char *rev, const char *rest)
{
    if (!models_expand_ok(x))
        return;
    const fake_repo *r = answer_repo(x, "/api/models/", id, rest, false);
    const repo_commit *c = r ? answer_commit(x, r, rev) : NULL;
    if (!c)
        return;
    nb_jout w = nb_jout_make(&x->text);
    unsigned scans = is_true(x->req->query, "securityStatus") ? PROPS_SCANS : 0;
    models_put(&w, r, c, x->req->query, PROPS_INFO | scans);
    answer_json(x);
}
