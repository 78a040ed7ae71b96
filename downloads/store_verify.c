/* Every blob read again and compared with its name. */
#include "downloads/store_private.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/file.h"

enum { CHUNK = 4 << 20 };

/* A content id and an entry that links to it. */
typedef struct item {
    char oid[65];
    char *path; /* owned; NULL = no entry links to it */
} item;

typedef struct verify {
    const dl_cache *c;
    const char *only; /* repository; NULL = all */
    dl_verify_fn *fn;
    void *arg;
    const nb_hooks *hooks;
    uint8_t *buf;
    uint64_t done, total;
    bool counting; /* first pass: sizes only */
    size_t found;
    item *at; /* of one repository */
    size_t n, cap;
    nb_err *err;
    nb_status status;
} verify;

/* --- what there is -----------------------------------------------------------------------------
 */

static nb_status add_item(verify *v, const char *oid, const char *path)
{
    item *at = dl_grow(v->at, v->n, &v->cap, sizeof *at, v->err);
    if (!at)
        return NB_NOMEM;
    v->at = at;
    v->at[v->n] = (item){.path = path ? nb_strdup(path, v->err) : NULL};
    if (path && !v->at[v->n].path)
        return NB_NOMEM;
    snprintf(v->at[v->n++].oid, sizeof at->oid, "%s", oid);
    return NB_OK;
}

static bool linked(void *arg, const dl_entry *e)
{
    verify *v = arg;
    if (e->oid[0])
        v->status = add_item(v, e->oid, e->path);
    return v->status == NB_OK;
}

/* By oid, those with a path first. */
static int by_oid(const void *a, const void *b)
{
    const item *x = a, *y = b;
    int c = strcmp(x->oid, y->oid);
    if (c || (!x->path && !y->path))
        return c;
    return !x->path ? 1 : !y->path ? -1 : strcmp(x->path, y->path);
}

static nb_status list(verify *v, int blobs, const char *folder)
{
    nb_str names = {0};
    v->n = 0;
    NB_TRY(dl_snapshots_walk(v->c, folder, NULL, linked, v, v->err));
    nb_status st = v->status == NB_OK ? dl_names_in(blobs, &names, v->err) : v->status;
    for (const char *at = NULL; st == NB_OK && (at = dl_names_next(&names, at));)
        if (dl_oid_ok(at))
            st = add_item(v, at, NULL);
    nb_str_free(&names);
    if (v->n)
        qsort(v->at, v->n, sizeof *v->at, by_oid);
    return st;
}

static void forget(verify *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->at[i].path);
    v->n = 0;
}

/* --- reading it --------------------------------------------------------------------------------
 */

static int open_blob(const dl_cache *c, int blobs, const char *oid, const dl_blob *b)
{
    char dir[16];
    int fd, from = blobs;
    if (b->shared) {
        snprintf(dir, sizeof dir, "blobs/%.2s", b->payload);
        if (dl_dir_open(c, dir, false, &from, NULL) != NB_OK)
            return -1;
    }
    fd = dl_openat(from, b->shared ? b->payload + 3 : oid, O_RDONLY, 0);
    if (b->shared)
        close(from);
    return fd;
}

static nb_status hash_fd(verify *v, int fd, const char *shown, uint64_t size, nb_hash *h,
                         nb_err *err)
{
#ifdef POSIX_FADV_SEQUENTIAL
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
    for (uint64_t at = 0; at < size;) {
        size_t n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        if (nb_canceled(v->hooks))
            return nb_fail(err, NB_CANCELED, "verifying was cancelled");
        NB_TRY(nb_pread_all(fd, v->buf, n, at, shown, err));
        nb_hash_add(h, v->buf, n);
        at += n;
        v->done += n;
        nb_progress p = {.what = shown, .done = v->done, .total = v->total, .bytes_in = v->done};
        nb_report(v->hooks, &p);
    }
    return NB_OK;
}

static nb_status compare(verify *v, int fd, const item *it, const char *shown, uint64_t size,
                         nb_err *err)
{
    char got[65];
    nb_hash *h = NULL;
    NB_TRY(nb_hash_open(&h, strlen(it->oid), size, err));
    nb_status st = hash_fd(v, fd, shown, size, h, err);
    if (st == NB_OK)
        nb_hash_hex(h, got);
    nb_hash_close(&h);
    if (st == NB_OK && strcmp(got, it->oid) != 0)
        return nb_fail(err, NB_HASH, "content does not match: want %s, got %s", it->oid, got);
    return st;
}

static nb_status verify_item(verify *v, int blobs, const char *repo, const item *it)
{
    char shown[1100];
    nb_err why = {.status = NB_OK};
    dl_blob b = {0};
    if (it->path)
        snprintf(shown, sizeof shown, "%s", it->path);
    else
        snprintf(shown, sizeof shown, "blobs/%s", it->oid);
    bool there = dl_blob_look(v->c, blobs, it->oid, &b);
    v->found++;
    if (v->counting) {
        v->total += b.size;
        return NB_OK;
    }
    int fd = there ? open_blob(v->c, blobs, it->oid, &b) : -1;
    nb_status st = !there   ? nb_fail(&why, NB_NOTFOUND, "blob %s is not in the cache", it->oid)
                   : fd < 0 ? nb_fail(&why, NB_IO, "blob %s cannot be opened", it->oid)
                            : compare(v, fd, it, shown, b.size, &why);
    if (fd >= 0)
        close(fd);
    if (st == NB_CANCELED || st == NB_NOMEM) {
        if (v->err)
            *v->err = why;
        return st;
    }
    v->fn(v->arg, repo, it->oid, shown, b.size, st, &why);
    return NB_OK;
}

static nb_status verify_folder(void *arg, const char *folder, const char *repo, nb_err *err)
{
    verify *v = arg;
    char rel[DL_FOLDER_MAX + 8];
    int blobs;
    (void)err;
    if (v->only && strcmp(v->only, repo) != 0)
        return NB_OK;
    snprintf(rel, sizeof rel, "%s/blobs", folder);
    if (dl_dir_open(v->c, rel, false, &blobs, NULL) != NB_OK)
        return NB_OK;
    nb_status st = list(v, blobs, folder);
    for (size_t i = 0; i < v->n && st == NB_OK; i++)
        if (i == 0 || strcmp(v->at[i - 1].oid, v->at[i].oid) != 0)
            st = verify_item(v, blobs, repo, &v->at[i]);
    forget(v);
    close(blobs);
    return st;
}

nb_status dl_store_verify(const dl_cache *c, const char *repo, dl_verify_fn *fn, void *arg,
                          const nb_hooks *hooks, nb_err *err)
{
    verify v = {.c = c, .only = repo, .fn = fn, .arg = arg, .hooks = hooks, .err = err};
    v.buf = nb_alloc(1, CHUNK, "verify", err);
    if (!v.buf)
        return NB_NOMEM;
    v.counting = true;
    nb_status st = dl_folders_each(c, verify_folder, &v, err);
    v.counting = false;
    if (st == NB_OK && repo && v.found == 0)
        st = nb_fail(err, NB_NOTFOUND, "%.100s: not in the cache %s", repo, c->hub);
    if (st == NB_OK)
        st = dl_folders_each(c, verify_folder, &v, err);
    free(v.at);
    free(v.buf);
    return st;
}
