/* Models of the Hub from its JSON: every field optional, nullable and possibly of another kind
 * (hub.md 1.2). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "downloads/cache.h"
#include "downloads/hub_private.h"
#include "downloads/take.h"

uint64_t dl_params_of_name(const char *id)
{
    const char *at = strrchr(id, '/');
    for (at = at ? at + 1 : id; *at; at++) {
        bool start = at == id || strchr("-_/", at[-1]);
        size_t n = strspn(at, "0123456789."), x = 0;
        double v, times = 1;
        char number[16];
        if (!start || n == 0 || n > 8)
            continue;
        if (at[n] == 'x' || at[n] == 'X') { /* "8x7B": experts */
            snprintf(number, sizeof number, "%.*s", (int)n, at);
            x = n + 1;
            if (!nb_parse_double(number, &times))
                continue;
            n = strspn(at + x, "0123456789.");
        }
        char unit = at[x + n] ? (char)(at[x + n] | 0x20) : '\0', after = unit ? at[x + n + 1] : 'x';
        double scale = unit == 'b' ? 1e9 : unit == 'm' ? 1e6 : 0;
        snprintf(number, sizeof number, "%.*s", n < 8 ? (int)n : 8, at + x);
        if (scale > 0 && (!after || strchr("-_.", after)) && nb_parse_double(number, &v) && v > 0 &&
            v * times * scale < 1e15)
            return (uint64_t)(v * times * scale + 0.5);
    }
    return 0;
}

/* --- a model -------------------------------------------------------------------------------------
 */

typedef struct reading {
    dl_model *m;
    char id[sizeof((dl_model *)0)->id];
    char tag_license[64], tag_base[200], tag_relation[24];
    uint64_t used_storage, gguf_bytes, gguf_params, dtype_params;
    char model_type[64];
} reading;

static void take_id(nb_jpull *p, reading *r)
{
    dl_take_text(p, r->id, sizeof r->id);
}
static void take_author(nb_jpull *p, reading *r)
{
    dl_take_text(p, r->m->author, sizeof r->m->author);
}
static void take_sha(nb_jpull *p, reading *r)
{
    dl_take_text(p, r->m->sha, sizeof r->m->sha);
}
static void take_task(nb_jpull *p, reading *r)
{
    dl_take_text(p, r->m->task, sizeof r->m->task);
}
static void take_library(nb_jpull *p, reading *r)
{
    dl_take_text(p, r->m->library, sizeof r->m->library);
}
static void take_private(nb_jpull *p, reading *r)
{
    dl_take_bool(p, &r->m->private_repo);
}
static void take_disabled(nb_jpull *p, reading *r)
{
    dl_take_bool(p, &r->m->disabled);
}
static void take_downloads(nb_jpull *p, reading *r)
{
    dl_take_signed(p, &r->m->downloads);
}
static void take_likes(nb_jpull *p, reading *r)
{
    dl_take_signed(p, &r->m->likes);
}
static void take_updated(nb_jpull *p, reading *r)
{
    dl_take_time(p, &r->m->updated);
}
static void take_created(nb_jpull *p, reading *r)
{
    dl_take_time(p, &r->m->created);
}
static void take_used(nb_jpull *p, reading *r)
{
    dl_take_count(p, &r->used_storage);
}

/* false, "auto" or "manual". */
static void take_gated(nb_jpull *p, reading *r)
{
    nb_jtoken t = nb_jpull_next(p);
    if (t == NB_JT_STRING && strcmp(nb_str_c(&p->text), "manual") == 0)
        r->m->gated = DL_GATED_MANUAL;
    else if (t == NB_JT_STRING || t == NB_JT_TRUE)
        r->m->gated = DL_GATED_AUTO;
    dl_rest(p, t);
}

/* "base_model:ns/x" or "base_model:quantized:ns/x": the longer form tells what was done. */
static void take_base_tag(reading *r, const char *s)
{
    const char *colon = strchr(s, ':');
    size_t n = colon ? (size_t)(colon - s) : 0;
    if (colon && n < sizeof r->tag_relation && dl_repo_ok(colon + 1)) {
        snprintf(r->tag_relation, sizeof r->tag_relation, "%.*s", (int)n, s);
        s = colon + 1;
    }
    if (dl_repo_ok(s) && (!r->tag_base[0] || colon))
        snprintf(r->tag_base, sizeof r->tag_base, "%s", s);
}

static void take_tags(nb_jpull *p, reading *r)
{
    static const char license[] = "license:", base[] = "base_model:";
    nb_jtoken t = nb_jpull_next(p);
    if (t != NB_JT_ARRAY) {
        dl_rest(p, t);
        return;
    }
    for (t = nb_jpull_next(p); t != NB_JT_ARRAY_END && t != NB_JT_ERROR; t = nb_jpull_next(p)) {
        const char *s = nb_str_c(&p->text);
        if (t != NB_JT_STRING) {
            dl_rest(p, t);
        } else if (strncmp(s, license, sizeof license - 1) == 0) {
            snprintf(r->tag_license, sizeof r->tag_license, "%.63s", s + sizeof license - 1);
        } else if (strncmp(s, base, sizeof base - 1) == 0) {
            take_base_tag(r, s + sizeof base - 1);
        } else if (strcmp(s, "gguf") == 0) {
            r->m->gguf = true;
        }
    }
}

/* {"BF16": n, ...} */
static void take_dtypes(nb_jpull *p, reading *r)
{
    char key[64];
    uint64_t v;
    if (!dl_open_object(p))
        return;
    while (dl_next_member(p, key))
        if (dl_take_count(p, &v))
            nb_add(r->dtype_params, v, &r->dtype_params);
}

/* {"parameters": {"BF16": n, ...}, "total": n} */
static void take_safetensors(nb_jpull *p, reading *r)
{
    char key[64];
    if (!dl_open_object(p))
        return;
    while (dl_next_member(p, key))
        if (strcmp(key, "total") == 0)
            dl_take_count(p, &r->m->params);
        else if (strcmp(key, "parameters") == 0)
            take_dtypes(p, r);
        else
            nb_jpull_skip(p);
}

static void take_gguf(nb_jpull *p, reading *r)
{
    char key[64];
    if (!dl_open_object(p))
        return;
    r->m->gguf = true;
    while (dl_next_member(p, key)) {
        if (strcmp(key, "total") == 0)
            dl_take_count(p, &r->gguf_params);
        else if (strcmp(key, "architecture") == 0)
            dl_take_text(p, r->m->arch, sizeof r->m->arch);
        else if (strcmp(key, "context_length") == 0)
            dl_take_count(p, &r->m->context);
        else if (strcmp(key, "totalFileSize") == 0)
            dl_take_count(p, &r->gguf_bytes);
        else
            nb_jpull_skip(p);
    }
}

/* A text, or the first text of a list: cards write both. */
static void take_first_text(nb_jpull *p, char *out, size_t cap)
{
    nb_jtoken t = nb_jpull_next(p);
    if (t == NB_JT_STRING)
        dl_keep_text(p, out, cap);
    if (t != NB_JT_ARRAY) {
        dl_rest(p, t);
        return;
    }
    for (bool first = true; (t = nb_jpull_next(p)) != NB_JT_ARRAY_END && t != NB_JT_ERROR;) {
        if (first && t == NB_JT_STRING) {
            dl_keep_text(p, out, cap);
            first = false;
        }
        dl_rest(p, t);
    }
}

static void take_card(nb_jpull *p, reading *r)
{
    char key[64], name[64] = "", base[200] = "";
    if (!dl_open_object(p))
        return;
    while (dl_next_member(p, key)) {
        if (strcmp(key, "license") == 0)
            take_first_text(p, r->m->license, sizeof r->m->license);
        else if (strcmp(key, "license_name") == 0)
            dl_take_text(p, name, sizeof name);
        else if (strcmp(key, "base_model") == 0)
            take_first_text(p, base, sizeof base);
        else
            nb_jpull_skip(p);
    }
    if (name[0] && strcmp(r->m->license, "other") == 0)
        snprintf(r->m->license, sizeof r->m->license, "%s", name);
    if (dl_repo_ok(base))
        snprintf(r->m->base_model, sizeof r->m->base_model, "%s", base);
}

static void take_config(nb_jpull *p, reading *r)
{
    char key[64];
    if (!dl_open_object(p))
        return;
    while (dl_next_member(p, key))
        if (strcmp(key, "model_type") == 0)
            dl_take_text(p, r->model_type, sizeof r->model_type);
        else
            nb_jpull_skip(p);
}

typedef struct field {
    const char *key;
    void (*take)(nb_jpull *p, reading *r);
} field;
static const field fields[] = {
    {"id", take_id},
    {"modelId", take_id},
    {"author", take_author},
    {"sha", take_sha},
    {"pipeline_tag", take_task},
    {"library_name", take_library},
    {"private", take_private},
    {"disabled", take_disabled},
    {"gated", take_gated},
    {"downloads", take_downloads},
    {"likes", take_likes},
    {"lastModified", take_updated},
    {"createdAt", take_created},
    {"usedStorage", take_used},
    {"tags", take_tags},
    {"safetensors", take_safetensors},
    {"gguf", take_gguf},
    {"cardData", take_card},
    {"config", take_config},
};

/* What several places tell: the most exact first. */
static void settle(reading *r)
{
    dl_model *m = r->m;
    memcpy(m->id, r->id, sizeof m->id);
    if (!m->params)
        m->params = r->dtype_params ? r->dtype_params : r->gguf_params;
    if (!m->params) {
        m->params = dl_params_of_name(m->id);
        m->params_guessed = m->params != 0;
    }
    m->bytes = r->gguf_bytes ? r->gguf_bytes : r->used_storage;
    if (!m->license[0])
        memcpy(m->license, r->tag_license, sizeof m->license);
    if (!m->base_model[0])
        memcpy(m->base_model, r->tag_base, sizeof m->base_model);
    if (strcmp(m->base_model, r->tag_base) == 0)
        memcpy(m->base_relation, r->tag_relation, sizeof m->base_relation);
    if (!m->arch[0])
        memcpy(m->arch, r->model_type, sizeof m->arch);
    const char *slash = strchr(m->id, '/');
    if (!m->author[0] && slash)
        snprintf(m->author, sizeof m->author, "%.*s", (int)(slash - m->id), m->id);
    if (!dl_commit_ok(m->sha))
        m->sha[0] = '\0';
}

/* Behind the OBJECT token of a model. False: it has no sound id. */
static bool take_model(nb_jpull *p, dl_model *out)
{
    char key[64];
    *out = (dl_model){.downloads = -1, .likes = -1};
    reading r = {.m = out};
    while (dl_next_member(p, key)) {
        size_t i = 0;
        while (i < countof(fields) && strcmp(fields[i].key, key) != 0)
            i++;
        if (i < countof(fields))
            fields[i].take(p, &r);
        else
            nb_jpull_skip(p);
    }
    if (!dl_repo_ok(r.id))
        return false;
    settle(&r);
    return true;
}

nb_status dl_json_model(const char *json, size_t n, const char *what, dl_model *out, nb_err *err)
{
    nb_jpull p;
    dl_model m;
    nb_jpull_open(&p, json, n, what, err);
    nb_status st = dl_expect(&p, nb_jpull_next(&p), NB_JT_OBJECT, "object", err);
    if (st == NB_OK && !take_model(&p, &m))
        st = p.status != NB_OK ? p.status : nb_fail(err, NB_NETWORK, "%s: it has no id", what);
    if (st == NB_OK)
        st = dl_expect(&p, nb_jpull_next(&p), NB_JT_END, "single object", err);
    if (st == NB_OK)
        *out = m;
    return nb_jpull_end(&p, st);
}

static nb_status add_model(dl_page *page, const dl_model *m, nb_err *err)
{
    if ((page->n & (page->n - 1)) == 0) {
        dl_model *more = realloc(page->at, (page->n ? page->n * 2 : 1) * sizeof *more);
        if (!more)
            return nb_fail(err, NB_NOMEM, "page of %zu models", page->n + 1);
        page->at = more;
    }
    page->at[page->n++] = *m;
    return NB_OK;
}

nb_status dl_json_models(const char *json, size_t n, const char *what, dl_page *page, nb_err *err)
{
    enum { MOST = 1000 }; /* rows of one page: twice what the Hub sends */
    nb_jpull p;
    nb_jpull_open(&p, json, n, what, err);
    nb_jtoken t = nb_jpull_next(&p);
    nb_status st = dl_expect(&p, t, NB_JT_ARRAY, "list", err);
    while (st == NB_OK && (t = nb_jpull_next(&p)) != NB_JT_ARRAY_END) {
        dl_model m;
        if (t == NB_JT_ERROR)
            st = p.status;
        else if (t == NB_JT_OBJECT && take_model(&p, &m) && page->n < MOST)
            st = add_model(page, &m, err);
        else
            page->dropped++;
        if (t != NB_JT_OBJECT)
            dl_rest(&p, t);
    }
    if (st == NB_OK)
        st = dl_expect(&p, nb_jpull_next(&p), NB_JT_END, "single list", err);
    return nb_jpull_end(&p, st);
}

void dl_page_free(dl_page *p)
{
    free(p->at);
    p->at = NULL;
    p->n = 0;
}
