/* The files of a revision: refs, folders page by page, single paths (hub.md 1.3). */
#include <string.h>

#include "core/base/digest.h"
#include "tests/hub/hub.h"
#include "tests/hub/mem.h"

/* --- refs ------------------------------------------------------------------------------------ */
static void put_refs(nb_jout *w, const fake_repo *r, const char *key, const char *under)
{
    size_t n = strlen(under);
    nb_jout_key(w, key);
    nb_jout_array(w);
    for (size_t i = 0; i < r->n_refs; i++) {
        if (strncmp(r->ref[i].name, under, n) != 0)
            continue;
        nb_jout_object(w);
        json_text(w, "name", strcmp(key, "pullRequests") ? r->ref[i].name + n : r->ref[i].name);
        json_text(w, "ref", r->ref[i].name);
        json_text(w, "targetCommit", r->ref[i].commit->id);
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
}

void tree_refs(exchange *x, const char *id, const char *rest)
{
    const fake_repo *r = answer_repo(x, "/api/models/", id, rest, false);
    if (!r)
        return;
    char *prs = http_param(x->req->query, "include_prs");
    nb_jout w = nb_jout_make(&x->text);
    nb_jout_object(&w);
    put_refs(&w, r, "tags", "refs/tags/");
    put_refs(&w, r, "branches", "refs/heads/");
    put_refs(&w, r, "converts", "refs/convert/");
    if (prs && strcmp(prs, "1") == 0)
        put_refs(&w, r, "pullRequests", "refs/pr/");
    nb_jout_object_end(&w);
    free(prs);
    answer_json(x);
}

/* --- entries --------------------------------------------------------------------------------- */
typedef struct entry {
    const char *path;      /* not terminated; */
    size_t len;            /* its length */
    const repo_file *file; /* NULL = a folder */
} entry;

static void put_scan(nb_jout *w, const repo_file *f)
{
    nb_jout_key(w, "securityFileStatus");
    nb_jout_object(w);
    json_text(w, "status", f->scan);
    nb_jout_key(w, "avScan");
    nb_jout_object(w);
    json_text(w, "status", f->scan);
    nb_jout_object_end(w);
    nb_jout_key(w, "pickleImportScan");
    nb_jout_null(w);
    nb_jout_object_end(w);
}

static void put_last(nb_jout *w, const fake_repo *r, const repo_commit *c)
{
    nb_jout_key(w, "lastCommit");
    nb_jout_object(w);
    json_text(w, "id", c->id);
    json_text(w, "title", c->title);
    json_text(w, "date", r->modified);
    nb_jout_object_end(w);
}

static void put_file(nb_jout *w, const repo_file *f)
{
    char text[256], pointer[41];
    if (!f->lfs) {
        json_text(w, "oid", content_git(f->data));
        return;
    }
    size_t n = content_pointer(f->data, text, pointer);
    json_text(w, "oid", pointer);
    nb_jout_key(w, "lfs");
    nb_jout_object(w);
    json_text(w, "oid", content_sha256(f->data));
    nb_jout_key(w, "size");
    nb_jout_u64(w, f->data->size);
    nb_jout_key(w, "pointerSize");
    nb_jout_u64(w, n);
    nb_jout_object_end(w);
    if (f->xet)
        json_text(w, "xetHash", f->data->xet);
}

static void put_entry(nb_jout *w, const fake_repo *r, const repo_commit *c, const entry *e,
                      bool expand)
{
    char oid[41];
    nb_jout_object(w);
    json_text(w, "type", e->file ? "file" : "directory");
    if (e->file)
        put_file(w, e->file);
    else if (nb_git_sha1_of(e->path, e->len, oid, NULL) == NB_OK)
        json_text(w, "oid", oid);
    nb_jout_key(w, "size");
    nb_jout_u64(w, e->file ? e->file->data->size : 0);
    nb_jout_key(w, "path");
    nb_jout_strn(w, e->path, e->len);
    if (expand)
        put_last(w, r, c);
    if (expand && e->file)
        put_scan(w, e->file);
    nb_jout_object_end(w);
}

/* --- folders --------------------------------------------------------------------------------- */
typedef struct listing {
    entry *at;
    size_t n;
} listing;

static void list(listing *l, entry e)
{
    l->at = hub_grow(l->at, l->n, sizeof *l->at);
    l->at[l->n++] = e;
}

/* What of this file is seen from a folder of `skip` bytes of path: the folders it brings (all but
 * those the file before it brought), and itself. */
static void list_file(listing *l, const repo_file *f, const repo_file *before, size_t skip,
                      bool recursive)
{
    const char *path = f->path;
    size_t same = 0;
    while (before && path[same] && path[same] == before->path[same])
        same++;
    for (size_t i = skip; path[i]; i++) {
        if (path[i] != '/' || i == skip)
            continue;
        if (i >= same || !before)
            list(l, (entry){path, i, NULL});
        if (!recursive)
            return;
    }
    list(l, (entry){path, strlen(path), f});
}

/* Everything below `folder` ("" = the root); false when there is no such folder. */
static bool list_folder(listing *l, const repo_commit *c, const char *folder, bool recursive)
{
    size_t n = strlen(folder);
    const repo_file *before = NULL;
    for (size_t i = 0; i < c->n; i++) {
        const char *path = c->file[i].path;
        if (n && (strncmp(path, folder, n) != 0 || path[n] != '/'))
            continue;
        list_file(l, &c->file[i], before, n ? n + 1 : 0, recursive);
        before = &c->file[i];
    }
    return before || n == 0;
}

static bool is_true(const char *query, const char *name)
{
    char *value = http_param(query, name);
    bool yes = value && (strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0);
    free(value);
    return yes;
}

static size_t page_size(const exchange *x, bool expand)
{
    size_t most = x->hub->opt.tree_page ? x->hub->opt.tree_page : expand ? 50 : 1000;
    char *limit = http_param(x->req->query, "limit");
    uint64_t v = most;
    if (limit && (!nb_parse_u64(limit, &v) || v == 0))
        v = most;
    free(limit);
    return v < most ? (size_t)v : most;
}

void tree_list(exchange *x, const char *id, const char *rev, const char *path, const char *rest)
{
    size_t from;
    listing l = {0};
    bool expand = is_true(x->req->query, "expand");
    const fake_repo *r = answer_repo(x, "/api/models/", id, rest, false);
    const repo_commit *c = r ? answer_commit(x, r, rev) : NULL;
    if (!c || !answer_cursor(x, &from))
        return;
    if (!list_folder(&l, c, path, is_true(x->req->query, "recursive"))) {
        answer_error(x, 404, "EntryNotFound", "%s does not exist on \"%s\"", path, rev);
        free(l.at);
        return;
    }
    size_t size = page_size(x, expand);
    nb_jout w = nb_jout_make(&x->text);
    nb_jout_array(&w);
    for (size_t i = from; i < l.n && i - from < size; i++)
        put_entry(&w, r, c, &l.at[i], expand);
    nb_jout_array_end(&w);
    answer_json(x);
    if (l.n > from && l.n - from > size)
        answer_next(x, from + size);
    free(l.at);
}

/* --- single paths ---------------------------------------------------------------------------- */
static void put_path(nb_jout *w, const fake_repo *r, const repo_commit *c, const char *path,
                     bool expand)
{
    const repo_file *f = repo_lookup(c, path);
    listing l = {0};
    if (f)
        put_entry(w, r, c, &(entry){path, strlen(path), f}, expand);
    else if (*path && list_folder(&l, c, path, false))
        put_entry(w, r, c, &(entry){path, strlen(path), NULL}, expand);
    free(l.at);
}

/* {"paths":[...],"expand":true}; false when it is no such document. */
static bool put_json_paths(exchange *x, nb_jout *w, const fake_repo *r, const repo_commit *c)
{
    nb_json *doc = NULL;
    bool expand = false;
    if (nb_json_parse(&doc, x->req->body, x->req->body_n, HTTP_BODY, "body", NULL) != NB_OK)
        return false;
    const nb_jval *paths = nb_jget(nb_json_root(doc), "paths");
    const char *path;
    nb_jbool(nb_jget(nb_json_root(doc), "expand"), &expand);
    for (const nb_jval *v = nb_jfirst(paths); v; v = nb_jnext(v))
        if (nb_jstr(v, &path))
            put_path(w, r, c, path, expand);
    nb_json_close(&doc);
    return true;
}

static void put_form_paths(exchange *x, nb_jout *w, const fake_repo *r, const repo_commit *c)
{
    const char *form = x->req->body;
    bool expand = is_true(form, "expand");
    char *key, *value;
    while (http_pair(&form, &key, &value)) {
        if (strcmp(key, "paths") == 0)
            put_path(w, r, c, value, expand);
        free(key);
        free(value);
    }
}

void tree_paths(exchange *x, const char *id, const char *rev, const char *rest)
{
    const char *type = http_get(x->req, "Content-Type");
    const fake_repo *r = answer_repo(x, "/api/models/", id, rest, false);
    const repo_commit *c = r ? answer_commit(x, r, rev) : NULL;
    if (!c)
        return;
    nb_jout w = nb_jout_make(&x->text);
    nb_jout_array(&w);
    if (!type || !strstr(type, "json")) {
        put_form_paths(x, &w, r, c);
    } else if (!put_json_paths(x, &w, r, c)) {
        answer_error(x, 400, NULL, "The body is not JSON");
        return;
    }
    nb_jout_array_end(&w);
    answer_json(x);
}
