/* The files of a repository from the Hub's JSON (hub.md 1.3): paths judged before they are kept. */
#include <stdlib.h>
#include <string.h>

#include "downloads/cache.h"
#include "downloads/hub_private.h"
#include "downloads/take.h"

typedef struct entry {
    nb_str path;
    char type[16], oid[65], lfs_oid[65], security[24];
    uint64_t size;
    bool lfs, has_size;
} entry;

static void take_lfs(nb_jpull *p, entry *e)
{
    char key[64];
    if (!dl_open_object(p))
        return;
    e->lfs = true;
    while (dl_next_member(p, key)) {
        if (strcmp(key, "oid") == 0 || strcmp(key, "sha256") == 0)
            dl_take_text(p, e->lfs_oid, sizeof e->lfs_oid);
        else if (strcmp(key, "size") == 0)
            e->has_size = dl_take_count(p, &e->size) || e->has_size;
        else
            nb_jpull_skip(p);
    }
}

static void take_security(nb_jpull *p, entry *e)
{
    char key[64];
    if (!dl_open_object(p))
        return;
    while (dl_next_member(p, key))
        if (strcmp(key, "status") == 0)
            dl_take_text(p, e->security, sizeof e->security);
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
    dl_rest(p, t);
}

static void take_entry(nb_jpull *p, entry *e)
{
    char key[64];
    uint64_t size = 0;
    nb_str path = e->path;
    *e = (entry){.path = path};
    nb_str_clear(&e->path);
    while (dl_next_member(p, key)) {
        if (strcmp(key, "path") == 0)
            take_path(p, e);
        else if (strcmp(key, "type") == 0)
            dl_take_text(p, e->type, sizeof e->type);
        else if (strcmp(key, "oid") == 0)
            dl_take_text(p, e->oid, sizeof e->oid);
        else if (strcmp(key, "size") == 0 && dl_take_count(p, &size) && !e->has_size)
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
nb_status dl_repo_add(dl_repo *r, const char *path, size_t n, const dl_file *file, nb_err *err)
{
    if ((r->n_file & (r->n_file - 1)) == 0) {
        dl_file *more = realloc(r->file, (r->n_file ? r->n_file * 2 : 1) * sizeof *more);
        if (!more)
            return nb_fail(err, NB_NOMEM, "list of %zu files", r->n_file + 1);
        r->file = more;
    }
    r->file[r->n_file] = *file;
    r->file[r->n_file++].path_at = r->names.len;
    nb_str_addn(&r->names, path, n);
    nb_str_addn(&r->names, "", 1);
    return r->names.failed ? nb_fail(err, NB_NOMEM, "names of %zu files", r->n_file) : NB_OK;
}

static nb_status add_entry(dl_repo *r, const entry *e, nb_err *err)
{
    dl_file f = {.size = e->size, .lfs = e->lfs};
    const char *oid = e->lfs ? e->lfs_oid : e->oid;
    if (dl_oid_ok(oid) && strlen(oid) == (e->lfs ? 64u : 40u))
        memcpy(f.oid, oid, sizeof f.oid);
    memcpy(f.security, e->security, sizeof f.security);
    return dl_repo_add(r, nb_str_c(&e->path), e->path.len, &f, err);
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
    nb_status st = dl_expect(&p, t, NB_JT_ARRAY, "list", err);
    while (st == NB_OK && (t = nb_jpull_next(&p)) != NB_JT_ARRAY_END) {
        if (t == NB_JT_OBJECT) {
            take_entry(&p, &e);
            st = p.status;
            if (st == NB_OK) /* a path that is lost must not be a file that is not there */
                st = e.path.failed ? nb_fail(err, NB_NOMEM, "%s: a path", what) : fn(r, &e, err);
        } else {
            dl_rest(&p, t);
            r->dropped++;
            st = p.status;
        }
    }
    if (st == NB_OK)
        st = dl_expect(&p, nb_jpull_next(&p), NB_JT_END, "single list", err);
    nb_str_free(&e.path);
    return nb_jpull_end(&p, st);
}

static nb_status take_file(dl_repo *r, const entry *e, nb_err *err)
{
    if (strcmp(e->type, "directory") == 0)
        return NB_OK;
    bool whole = e->path.len && e->has_size; /* the reader lets no NUL through */
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

void dl_repo_free(dl_repo *r)
{
    free(r->file);
    nb_str_free(&r->names);
    *r = (dl_repo){.n_file = 0};
}
