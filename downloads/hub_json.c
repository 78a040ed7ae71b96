#include "downloads/hub_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "downloads/cache.h"

/* --- one value at a time -------------------------------------------------------------------------
 * Every reader is called behind a KEY and takes exactly one value, whatever its kind: a value of
 * another kind than expected leaves the field as it was. */

/* Steps to the end of the value whose first token was t. */
static void rest(nb_jpull *p, nb_jtoken t)
{
    int depth = p->depth - (t == NB_JT_OBJECT || t == NB_JT_ARRAY);
    while (t != NB_JT_ERROR && t != NB_JT_END && p->depth > depth)
        t = nb_jpull_next(p);
}

/* The last STRING, cut between characters. */
static void keep_text(const nb_jpull *p, char *out, size_t cap)
{
    size_t n = p->text.len < cap ? p->text.len : nb_utf8_whole(p->text.at, cap - 1);
    memcpy(out, nb_str_c(&p->text), n);
    out[n] = '\0';
}

static void take_text(nb_jpull *p, char *out, size_t cap)
{
    nb_jtoken t = nb_jpull_next(p);
    if (t == NB_JT_STRING)
        keep_text(p, out, cap);
    rest(p, t);
}

static void take_bool(nb_jpull *p, bool *out)
{
    nb_jtoken t = nb_jpull_next(p);
    if (t == NB_JT_TRUE || t == NB_JT_FALSE)
        *out = t == NB_JT_TRUE;
    rest(p, t);
}

/* 0 <= n < 2^53: what both ends hold exactly. */
static bool take_count(nb_jpull *p, uint64_t *out)
{
    uint64_t v;
    nb_jtoken t = nb_jpull_next(p);
    bool ok = t == NB_JT_NUMBER && nb_jpull_u64(p, &v) && v < UINT64_C(1) << 53;
    if (ok)
        *out = v;
    rest(p, t);
    return ok;
}

static void take_signed(nb_jpull *p, int64_t *out)
{
    uint64_t v;
    if (take_count(p, &v))
        *out = (int64_t)v;
}

static void take_time(nb_jpull *p, int64_t *out)
{
    char text[40] = "";
    take_text(p, text, sizeof text);
    if (text[0])
        *out = dl_unix_time(text);
}

/* Each member of an object: its key in key (cut), the reader behind the key. False at the end. */
static bool next_member(nb_jpull *p, char key[64])
{
    if (nb_jpull_next(p) != NB_JT_KEY)
        return false;
    snprintf(key, 64, "%s", nb_str_c(&p->text));
    return true;
}

int64_t dl_unix_time(const char *iso)
{
    struct tm tm = {0};
    int used = 0;
    if (sscanf(iso, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &used) != 6 ||
        used != 19 || tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > 31)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return (int64_t)timegm(&tm);
}

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
    take_text(p, r->id, sizeof r->id);
}
static void take_author(nb_jpull *p, reading *r)
{
    take_text(p, r->m->author, sizeof r->m->author);
}
static void take_sha(nb_jpull *p, reading *r)
{
    take_text(p, r->m->sha, sizeof r->m->sha);
}
static void take_task(nb_jpull *p, reading *r)
{
    take_text(p, r->m->task, sizeof r->m->task);
}
static void take_library(nb_jpull *p, reading *r)
{
    take_text(p, r->m->library, sizeof r->m->library);
}
static void take_private(nb_jpull *p, reading *r)
{
    take_bool(p, &r->m->private_repo);
}
static void take_disabled(nb_jpull *p, reading *r)
{
    take_bool(p, &r->m->disabled);
}
static void take_downloads(nb_jpull *p, reading *r)
{
    take_signed(p, &r->m->downloads);
}
static void take_likes(nb_jpull *p, reading *r)
{
    take_signed(p, &r->m->likes);
}
static void take_updated(nb_jpull *p, reading *r)
{
    take_time(p, &r->m->updated);
}
static void take_created(nb_jpull *p, reading *r)
{
    take_time(p, &r->m->created);
}
static void take_used(nb_jpull *p, reading *r)
{
    take_count(p, &r->used_storage);
}

/* false, "auto" or "manual". */
static void take_gated(nb_jpull *p, reading *r)
{
    nb_jtoken t = nb_jpull_next(p);
    if (t == NB_JT_STRING && strcmp(nb_str_c(&p->text), "manual") == 0)
        r->m->gated = DL_GATED_MANUAL;
    else if (t == NB_JT_STRING || t == NB_JT_TRUE)
        r->m->gated = DL_GATED_AUTO;
    rest(p, t);
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
        rest(p, t);
        return;
    }
    for (t = nb_jpull_next(p); t != NB_JT_ARRAY_END && t != NB_JT_ERROR; t = nb_jpull_next(p)) {
        const char *s = nb_str_c(&p->text);
        if (t != NB_JT_STRING) {
            rest(p, t);
        } else if (strncmp(s, license, sizeof license - 1) == 0) {
            snprintf(r->tag_license, sizeof r->tag_license, "%.63s", s + sizeof license - 1);
        } else if (strncmp(s, base, sizeof base - 1) == 0) {
            take_base_tag(r, s + sizeof base - 1);
        } else if (strcmp(s, "gguf") == 0) {
            r->m->gguf = true;
        }
    }
}

/* {"parameters": {"BF16": n, ...}, "total": n} */
static void take_safetensors(nb_jpull *p, reading *r)
{
    char key[64];
    uint64_t v;
    nb_jtoken t = nb_jpull_next(p);
    if (t != NB_JT_OBJECT) {
        rest(p, t);
        return;
    }
    while (next_member(p, key)) {
        if (strcmp(key, "total") == 0) {
            take_count(p, &r->m->params);
        } else if (strcmp(key, "parameters") == 0 && (t = nb_jpull_next(p)) == NB_JT_OBJECT) {
            while (next_member(p, key))
                if (take_count(p, &v))
                    nb_add(r->dtype_params, v, &r->dtype_params);
        } else if (strcmp(key, "parameters") == 0) {
            rest(p, t);
        } else {
            nb_jpull_skip(p);
        }
    }
}

static void take_gguf(nb_jpull *p, reading *r)
{
    char key[64];
    nb_jtoken t = nb_jpull_next(p);
    if (t != NB_JT_OBJECT) {
        rest(p, t);
        return;
    }
    r->m->gguf = true;
    while (next_member(p, key)) {
        if (strcmp(key, "total") == 0)
            take_count(p, &r->gguf_params);
        else if (strcmp(key, "architecture") == 0)
            take_text(p, r->m->arch, sizeof r->m->arch);
        else if (strcmp(key, "context_length") == 0)
            take_count(p, &r->m->context);
        else if (strcmp(key, "totalFileSize") == 0)
            take_count(p, &r->gguf_bytes);
        else
            nb_jpull_skip(p);
    }
}

/* A text, or the first text of a list: cards write both. */
static void take_first_text(nb_jpull *p, char *out, size_t cap)
{
    nb_jtoken t = nb_jpull_next(p);
    if (t == NB_JT_STRING)
        keep_text(p, out, cap);
    if (t != NB_JT_ARRAY) {
        rest(p, t);
        return;
    }
    for (bool first = true; (t = nb_jpull_next(p)) != NB_JT_ARRAY_END && t != NB_JT_ERROR;) {
        if (first && t == NB_JT_STRING) {
            keep_text(p, out, cap);
            first = false;
        }
        rest(p, t);
    }
}

static void take_card(nb_jpull *p, reading *r)
{
    char key[64], name[64] = "", base[200] = "";
    nb_jtoken t = nb_jpull_next(p);
    if (t != NB_JT_OBJECT) {
        rest(p, t);
        return;
    }
    while (next_member(p, key)) {
        if (strcmp(key, "license") == 0)
            take_first_text(p, r->m->license, sizeof r->m->license);
        else if (strcmp(key, "license_name") == 0)
            take_text(p, name, sizeof name);
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
    nb_jtoken t = nb_jpull_next(p);
    if (t != NB_JT_OBJECT) {
        rest(p, t);
        return;
    }
    while (next_member(p, key))
        if (strcmp(key, "model_type") == 0)
            take_text(p, r->model_type, sizeof r->model_type);
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
    while (next_member(p, key)) {
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

static nb_status expect(nb_jpull *p, nb_jtoken got, nb_jtoken want, const char *name, nb_err *err)
{
    if (got == want)
        return NB_OK;
    if (got == NB_JT_ERROR)
        return p->status;
    return nb_fail(err, NB_NETWORK, "%s: the answer is no %s", p->what, name);
}

nb_status dl_json_model(const char *json, size_t n, const char *what, dl_model *out, nb_err *err)
{
    nb_jpull p;
    dl_model m;
    nb_jpull_open(&p, json, n, what, err);
    nb_status st = expect(&p, nb_jpull_next(&p), NB_JT_OBJECT, "object", err);
    if (st == NB_OK && !take_model(&p, &m))
        st = p.status != NB_OK ? p.status : nb_fail(err, NB_NETWORK, "%s: it has no id", what);
    if (st == NB_OK)
        st = expect(&p, nb_jpull_next(&p), NB_JT_END, "single object", err);
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
    nb_status st = expect(&p, t, NB_JT_ARRAY, "list", err);
    while (st == NB_OK && (t = nb_jpull_next(&p)) != NB_JT_ARRAY_END) {
        dl_model m;
        if (t == NB_JT_ERROR)
            st = p.status;
        else if (t == NB_JT_OBJECT && take_model(&p, &m) && page->n < MOST)
            st = add_model(page, &m, err);
        else
            page->dropped++;
        if (t != NB_JT_OBJECT)
            rest(&p, t);
    }
    if (st == NB_OK)
        st = expect(&p, nb_jpull_next(&p), NB_JT_END, "single list", err);
    return nb_jpull_end(&p, st);
}

/* --- files ---------------------------------------------------------------------------------------
 */

typedef struct entry {
    nb_str path;
    char type[16], oid[65], lfs_oid[65], security[24];
    uint64_t size;
    bool lfs, has_size;
} entry;

static void take_lfs(nb_jpull *p, entry *e)
{
    char key[64];
    nb_jtoken t = nb_jpull_next(p);
    if (t != NB_JT_OBJECT) {
        rest(p, t);
        return;
    }
    e->lfs = true;
    while (next_member(p, key)) {
        if (strcmp(key, "oid") == 0 || strcmp(key, "sha256") == 0)
            take_text(p, e->lfs_oid, sizeof e->lfs_oid);
        else if (strcmp(key, "size") == 0)
            e->has_size = take_count(p, &e->size) || e->has_size;
        else
            nb_jpull_skip(p);
    }
}

static void take_security(nb_jpull *p, entry *e)
{
    char key[64];
    nb_jtoken t = nb_jpull_next(p);
    if (t != NB_JT_OBJECT) {
        rest(p, t);
        return;
    }
    while (next_member(p, key))
        if (strcmp(key, "status") == 0)
            take_text(p, e->security, sizeof e->security);
        else
            nb_jpull_skip(p);
}

/* The path whole, whatever its length: dl_path_ok judges it, not a buffer. */
static void take_path(nb_jpull *p, entry *e)
{
    nb_jtoken t = nb_jpull_next(p);
    nb_str_clear(&e->path);
    if (t == NB_JT_STRING)
        nb_str_addn(&e->path, p->text.at, p->text.len);
    rest(p, t);
}

static void take_entry(nb_jpull *p, entry *e)
{
    char key[64];
    uint64_t size = 0;
    nb_str path = e->path;
    *e = (entry){.path = path};
    nb_str_clear(&e->path);
    while (next_member(p, key)) {
        if (strcmp(key, "path") == 0)
            take_path(p, e);
        else if (strcmp(key, "type") == 0)
            take_text(p, e->type, sizeof e->type);
        else if (strcmp(key, "oid") == 0)
            take_text(p, e->oid, sizeof e->oid);
        else if (strcmp(key, "size") == 0 && take_count(p, &size) && !e->has_size)
            e->size = size, e->has_size = true;
        else if (strcmp(key, "lfs") == 0)
            take_lfs(p, e);
        else if (strcmp(key, "securityFileStatus") == 0)
            take_security(p, e);
        else if (strcmp(key, "size") != 0)
            nb_jpull_skip(p);
    }
}

/* Paths are kept as offsets into names until the last page is in: names moves while it grows. */
static nb_status add_entry(dl_repo *r, const entry *e, nb_err *err)
{
    if ((r->n_file & (r->n_file - 1)) == 0) {
        dl_file *more = realloc(r->file, (r->n_file ? r->n_file * 2 : 1) * sizeof *more);
        if (!more)
            return nb_fail(err, NB_NOMEM, "list of %zu files", r->n_file + 1);
        r->file = more;
    }
    dl_file *f = &r->file[r->n_file++];
    *f = (dl_file){.size = e->size, .lfs = e->lfs, .path_at = r->names.len};
    const char *oid = e->lfs ? e->lfs_oid : e->oid;
    if (dl_oid_ok(oid) && strlen(oid) == (e->lfs ? 64u : 40u))
        memcpy(f->oid, oid, sizeof f->oid);
    memcpy(f->security, e->security, sizeof f->security);
    nb_str_addn(&r->names, nb_str_c(&e->path), e->path.len + 1);
    return r->names.failed ? nb_fail(err, NB_NOMEM, "names of %zu files", r->n_file) : NB_OK;
}

/* fn per object of a list of files. */
typedef nb_status entry_fn(dl_repo *r, const entry *e, nb_err *err);

static nb_status each_entry(const char *json, size_t n, const char *what, dl_repo *r, entry_fn *fn,
                            nb_err *err)
{
    entry e = {.size = 0};
    nb_jpull p;
    nb_jpull_open(&p, json, n, what, err);
    nb_jtoken t = nb_jpull_next(&p);
    nb_status st = expect(&p, t, NB_JT_ARRAY, "list", err);
    while (st == NB_OK && (t = nb_jpull_next(&p)) != NB_JT_ARRAY_END) {
        if (t == NB_JT_OBJECT) {
            take_entry(&p, &e);
            st = p.status != NB_OK ? p.status : fn(r, &e, err);
        } else {
            rest(&p, t);
            r->dropped++;
            st = p.status;
        }
    }
    if (st == NB_OK)
        st = expect(&p, nb_jpull_next(&p), NB_JT_END, "single list", err);
    if (st == NB_OK && e.path.failed)
        st = nb_fail(err, NB_NOMEM, "%s: a path", what);
    nb_str_free(&e.path);
    return nb_jpull_end(&p, st);
}

static nb_status take_file(dl_repo *r, const entry *e, nb_err *err)
{
    if (strcmp(e->type, "directory") == 0)
        return NB_OK;
    bool whole = e->path.len && strlen(e->path.at) == e->path.len && e->has_size;
    if (!whole || dl_path_ok(e->path.at, NULL) != NB_OK) {
        r->dropped++;
        return NB_OK;
    }
    if (r->n_file >= DL_FILES_MAX)
        return nb_fail(err, NB_REFUSED, "%s: more than %d files", r->model.id, DL_FILES_MAX);
    return add_entry(r, e, err);
}

nb_status dl_json_tree(const char *json, size_t n, const char *what, dl_repo *r, nb_err *err)
{
    return each_entry(json, n, what, r, take_file, err);
}

static int by_path(const void *key, const void *file)
{
    return strcmp(key, ((const dl_file *)file)->path);
}

static nb_status note_security(dl_repo *r, const entry *e, nb_err *err)
{
    (void)err;
    dl_file *f = e->path.len && r->n_file
                     ? bsearch(e->path.at, r->file, r->n_file, sizeof *f, by_path)
                     : NULL;
    if (f)
        memcpy(f->security, e->security, sizeof f->security);
    return NB_OK;
}

nb_status dl_json_security(const char *json, size_t n, const char *what, dl_repo *r, nb_err *err)
{
    return each_entry(json, n, what, r, note_security, err);
}

/* --- account -------------------------------------------------------------------------------------
 */

static void take_orgs(nb_jpull *p, dl_account *a)
{
    char key[64], name[100];
    nb_jtoken t = nb_jpull_next(p);
    if (t != NB_JT_ARRAY) {
        rest(p, t);
        return;
    }
    while ((t = nb_jpull_next(p)) != NB_JT_ARRAY_END && t != NB_JT_ERROR) {
        if (t != NB_JT_OBJECT) {
            rest(p, t);
            continue;
        }
        name[0] = '\0';
        while (next_member(p, key))
            if (strcmp(key, "name") == 0)
                take_text(p, name, sizeof name);
            else
                nb_jpull_skip(p);
        if (name[0] && a->n_org < countof(a->org))
            memcpy(a->org[a->n_org++], name, sizeof name);
    }
}

/* auth: {accessToken: {displayName, role}}: one text of one member, two objects deep. */
static void take_role(nb_jpull *p, dl_account *a)
{
    nb_jtoken t = nb_jpull_next(p);
    int depth = p->depth - (t == NB_JT_OBJECT || t == NB_JT_ARRAY);
    char key[64] = "";
    while (t != NB_JT_ERROR && p->depth > depth) {
        t = nb_jpull_next(p);
        if (t == NB_JT_KEY)
            snprintf(key, sizeof key, "%s", nb_str_c(&p->text));
        else if (t == NB_JT_STRING && strcmp(key, "role") == 0)
            snprintf(a->role, sizeof a->role, "%.23s", nb_str_c(&p->text));
    }
}

nb_status dl_json_account(const char *json, size_t n, const char *what, dl_account *out,
                          nb_err *err)
{
    char key[64];
    nb_jpull p;
    dl_account a = {.pro = false};
    nb_jpull_open(&p, json, n, what, err);
    nb_status st = expect(&p, nb_jpull_next(&p), NB_JT_OBJECT, "object", err);
    while (st == NB_OK && next_member(&p, key)) {
        if (strcmp(key, "name") == 0)
            take_text(&p, a.name, sizeof a.name);
        else if (strcmp(key, "fullname") == 0)
            take_text(&p, a.fullname, sizeof a.fullname);
        else if (strcmp(key, "isPro") == 0)
            take_bool(&p, &a.pro);
        else if (strcmp(key, "orgs") == 0)
            take_orgs(&p, &a);
        else if (strcmp(key, "auth") == 0)
            take_role(&p, &a);
        else
            nb_jpull_skip(&p);
    }
    if (st == NB_OK)
        st = p.status;
    if (st == NB_OK && !a.name[0])
        st = nb_fail(err, NB_NETWORK, "%s: the answer has no name", what);
    if (st == NB_OK)
        *out = a;
    return nb_jpull_end(&p, st);
}
