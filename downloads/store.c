/* What is in the cache, as `hf cache ls` sees it. */
#include "downloads/store_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"

typedef struct inode {
    dev_t dev;
    ino_t ino;
    uint64_t size;
} inode;

typedef struct inodes {
    inode *at;
    size_t n, cap;
} inodes;

typedef struct scan {
    const dl_cache *c;
    dl_store *out;
    size_t cap_repo, cap_left;
    inodes shared;    /* payloads counted so far, of all repositories */
    inodes own;       /* of this one, with repetitions */
    dl_repo_row *row; /* of this one */
    const char *folder;
    const nb_hooks *hooks;
    nb_err *err;
    nb_status status; /* of what a callback could not return */
} scan;

static nb_status add_inode(inodes *l, const dl_blob *b, nb_err *err)
{
    inode *at = dl_grow(l->at, l->n, &l->cap, sizeof *at, err);
    if (!at)
        return NB_NOMEM;
    l->at = at;
    l->at[l->n++] = (inode){b->dev, b->ino, b->size};
    return NB_OK;
}

static int by_inode(const void *a, const void *b)
{
    const inode *x = a, *y = b;
    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* Says the first thing that is wrong. */
static void problem(dl_repo_row *row, const char *what, const char *name)
{
    if (!row->problem[0])
        snprintf(row->problem, sizeof row->problem, "%s%.100s", what, name);
}

static void newest(dl_repo_row *row, int64_t mtime)
{
    if (mtime > row->used)
        row->used = mtime;
}

/* --- blobs and snapshots -----------------------------------------------------------------------
 */

static nb_status count_blob(scan *s, const dl_blob *b)
{
    newest(s->row, b->mtime);
    if (!b->shared)
        return add_inode(&s->own, b, s->err);
    s->row->n_file++;
    for (size_t i = 0; i < s->shared.n; i++)
        if (s->shared.at[i].ino == b->ino && s->shared.at[i].dev == b->dev)
            return NB_OK;
    s->row->bytes += b->size;
    return add_inode(&s->shared, b, s->err);
}

static nb_status scan_blobs(scan *s)
{
    char rel[DL_FOLDER_MAX + 8];
    nb_str names = {0};
    int fd;
    snprintf(rel, sizeof rel, "%s/blobs", s->folder);
    if (dl_dir_open(s->c, rel, false, &fd, NULL) != NB_OK)
        return NB_OK;
    nb_status st = dl_names_in(fd, &names, s->err);
    for (const char *at = NULL; st == NB_OK && (at = dl_names_next(&names, at));) {
        dl_blob b;
        if (dl_oid_ok(at) && dl_blob_look(s->c, fd, at, &b))
            st = count_blob(s, &b);
    }
    nb_str_free(&names);
    close(fd);
    return st;
}

static bool scan_entry(void *arg, const dl_entry *e)
{
    scan *s = arg;
    struct stat st;
    if (fstatat(e->dir, e->base, &st, 0) != 0) {
        problem(s->row, "link to nothing: ", e->path);
        return true;
    }
    if (e->oid[0] || e->odd || !S_ISREG(st.st_mode))
        return true;
    dl_blob own = {.size = (uint64_t)st.st_size, .dev = st.st_dev, .ino = st.st_ino}; /* no link */
    newest(s->row, (int64_t)st.st_mtime);
    s->status = add_inode(&s->own, &own, s->err);
    return s->status == NB_OK;
}

static nb_status scan_snapshots(scan *s)
{
    char rel[DL_FOLDER_MAX + 16];
    nb_str names = {0};
    struct stat is;
    int fd;
    snprintf(rel, sizeof rel, "%s/snapshots", s->folder);
    if (dl_dir_open(s->c, rel, false, &fd, NULL) != NB_OK) {
        problem(s->row, "no folder snapshots", "");
        return NB_OK;
    }
    nb_status st = dl_names_in(fd, &names, s->err);
    for (const char *at = NULL; st == NB_OK && (at = dl_names_next(&names, at));) {
        if (strcmp(at, ".DS_Store") == 0 || fstatat(fd, at, &is, 0) != 0)
            continue;
        if (!S_ISDIR(is.st_mode))
            problem(s->row, "a file among the snapshots: ", at);
        s->row->n_snapshot += S_ISDIR(is.st_mode);
    }
    nb_str_free(&names);
    close(fd);
    if (st == NB_OK)
        st = dl_snapshots_walk(s->c, s->folder, NULL, scan_entry, s, s->err);
    return st == NB_OK ? s->status : st;
}

/* --- refs --------------------------------------------------------------------------------------
 */

/* A ref is its file's whole text; snapshots/<text> must be a folder. */
static void check_ref(scan *s, int dir, const char *name)
{
    char text[128], rel[DL_FOLDER_MAX + 64], shown[110];
    int snap = -1;
    int fd = dl_openat(dir, name, O_RDONLY, 0);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    snprintf(rel, sizeof rel, "%s/snapshots/%.40s", s->folder, text);
    if (dl_commit_ok(text) && dl_dir_open(s->c, rel, false, &snap, NULL) == NB_OK) {
        close(snap);
        return;
    }
    snprintf(shown, sizeof shown, "%.90s", name);
    problem(s->row, "a ref without its snapshot: ", shown);
}

/* refs/ and what nests in it; names wait in todo. */
static nb_status scan_refs(scan *s)
{
    nb_str todo = {0};
    nb_status st = NB_OK;
    nb_str_addn(&todo, "refs", 5);
    for (size_t at = 0; at < todo.len && st == NB_OK; at += strlen(todo.at + at) + 1) {
        char rel[DL_FOLDER_MAX + DL_REL_MAX], below[DL_REL_MAX];
        nb_str names = {0};
        struct stat is;
        int fd;
        snprintf(below, sizeof below, "%s", todo.at + at);
        snprintf(rel, sizeof rel, "%s/%s", s->folder, below);
        if (dl_dir_open(s->c, rel, false, &fd, NULL) != NB_OK)
            continue;
        st = dl_names_in(fd, &names, s->err);
        for (const char *name = NULL; st == NB_OK && (name = dl_names_next(&names, name));) {
            bool known = fstatat(fd, name, &is, AT_SYMLINK_NOFOLLOW) == 0;
            size_t n = strlen(below) + strlen(name) + 1;
            if (known && S_ISDIR(is.st_mode) && n + 1 < sizeof below) {
                nb_str_addf(&todo, "%s/%s", below, name);
                nb_str_addn(&todo, "", 1);
            } else if (known && strcmp(name, ".DS_Store") != 0) {
                check_ref(s, fd, name);
            }
        }
        nb_str_free(&names);
        close(fd);
        if (todo.failed)
            st = nb_fail(s->err, NB_NOMEM, "store: list of refs");
    }
    nb_str_free(&todo);
    return st;
}

/* --- the store ---------------------------------------------------------------------------------
 */

static nb_status add_leftover(void *arg, const dl_leftover *l, const dl_left_files *f, nb_err *err)
{
    scan *s = arg;
    (void)f;
    dl_leftover *at = dl_grow(s->out->left, s->out->n_left, &s->cap_left, sizeof *at, err);
    if (!at)
        return NB_NOMEM;
    s->out->left = at;
    at[s->out->n_left++] = *l;
    s->row->n_leftover++;
    s->row->partial += l->bytes;
    return NB_OK;
}

static void add_up(scan *s)
{
    inodes *own = &s->own;
    if (own->n)
        qsort(own->at, own->n, sizeof *own->at, by_inode);
    for (size_t i = 0; i < own->n; i++)
        if (i == 0 || by_inode(&own->at[i - 1], &own->at[i]) != 0) {
            s->row->bytes += own->at[i].size;
            s->row->n_file++;
        }
}

/* What may not be read is that repository's problem, not the listing's. */
static nb_status scan_folders(scan *s)
{
    nb_err why = {.status = NB_OK}, *err = s->err;
    s->err = &why;
    nb_status st = scan_snapshots(s);
    if (st == NB_OK)
        st = scan_blobs(s);
    if (st == NB_OK)
        st = scan_refs(s);
    if (st == NB_OK)
        st = dl_leftovers_each(s->c, s->folder, add_leftover, s, &why);
    s->err = err;
    if (st == NB_IO)
        problem(s->row, "", why.msg);
    else if (st != NB_OK && err)
        *err = why;
    return st == NB_IO ? NB_OK : st;
}

static nb_status scan_repo(void *arg, const char *folder, const char *repo, nb_err *err)
{
    scan *s = arg;
    dl_store *out = s->out;
    struct stat st;
    char path[1300];
    if (nb_canceled(s->hooks))
        return nb_fail(err, NB_CANCELED, "scanning the cache was cancelled");
    dl_repo_row *row = dl_grow(out->repo, out->n_repo, &s->cap_repo, sizeof *row, err);
    if (!row)
        return NB_NOMEM;
    out->repo = row;
    s->row = &row[out->n_repo++];
    *s->row = (dl_repo_row){.bytes = 0};
    snprintf(s->row->repo, sizeof s->row->repo, "%s", repo);
    s->folder = folder;
    s->own.n = 0;
    NB_TRY(scan_folders(s));
    add_up(s);
    if (s->row->used == 0 && nb_path_join(path, sizeof path, s->c->hub, folder) &&
        stat(path, &st) == 0)
        s->row->used = (int64_t)st.st_mtime;
    nb_progress p = {.what = repo, .done = out->n_repo};
    nb_report(s->hooks, &p);
    return NB_OK;
}

static nb_status scan_trash(const dl_cache *c, dl_store *out, nb_err *err)
{
    nb_str names = {0};
    int fd;
    nb_status st = dl_trash_open(c, false, &fd, NULL);
    if (st != NB_OK)
        return NB_OK;
    st = dl_names_in(fd, &names, err);
    for (const char *at = NULL; st == NB_OK && (at = dl_names_next(&names, at));)
        if (dl_trash_name_ok(at)) {
            out->trash_bytes += dl_tree_bytes(fd, at, NULL);
            out->n_trash++;
        }
    nb_str_free(&names);
    close(fd);
    return st;
}

static int by_repo(const void *a, const void *b)
{
    return strcmp(((const dl_repo_row *)a)->repo, ((const dl_repo_row *)b)->repo);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const dl_leftover *)a)->path, ((const dl_leftover *)b)->path);
}

nb_status dl_store_scan(const dl_cache *c, dl_store *out, const nb_hooks *hooks, nb_err *err)
{
    dl_store store = {0};
    scan s = {.c = c, .out = &store, .hooks = hooks, .err = err};
    nb_status st = dl_folders_each(c, scan_repo, &s, err);
    if (st == NB_OK)
        st = scan_trash(c, &store, err);
    free(s.own.at);
    free(s.shared.at);
    if (st != NB_OK) {
        dl_store_free(&store);
        return st;
    }
    if (store.n_repo)
        qsort(store.repo, store.n_repo, sizeof *store.repo, by_repo);
    if (store.n_left)
        qsort(store.left, store.n_left, sizeof *store.left, by_path);
    *out = store;
    return NB_OK;
}

void dl_store_free(dl_store *s)
{
    free(s->repo);
    free(s->left);
    *s = (dl_store){0};
}

typedef struct files {
    dl_file_fn *fn;
    void *arg;
} files;

static bool give_file(void *arg, const dl_entry *e)
{
    const files *f = arg;
    struct stat st;
    if (fstatat(e->dir, e->base, &st, 0) != 0 || !S_ISREG(st.st_mode) ||
        dl_path_ok(e->path, NULL) != NB_OK)
        return true;
    return f->fn(f->arg, e->commit, e->path, (uint64_t)st.st_size);
}

nb_status dl_store_files(const dl_cache *c, const char *repo, dl_file_fn *fn, void *arg,
                         nb_err *err)
{
    char folder[DL_FOLDER_MAX];
    files f = {fn, arg};
    if (!dl_folder_of(folder, repo))
        return nb_fail(err, NB_USAGE, "\"%.100s\" is no repository name", repo);
    return dl_snapshots_walk(c, folder, NULL, give_file, &f, err);
}
