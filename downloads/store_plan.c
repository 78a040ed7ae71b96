/* What a deletion takes along: refs that would name nothing, entries, blobs nobody else links to.
 */
#include "downloads/store_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/files/gguf.h"

bool dl_store_same_set(const char *a, const char *b)
{
    size_t n, m;
    uint32_t no, of, other;
    return nb_gguf_split_name(a, &n, &no, &of) && nb_gguf_split_name(b, &m, &no, &other) &&
           of == other && n == m && memcmp(a, b, n) == 0;
}

nb_status dl_store_plan_add(dl_store_plan *p, dl_where at, const char *name)
{
    dl_move *grown = dl_grow(p->at, p->n, &p->cap, sizeof *grown, p->err);
    if (!grown)
        return NB_NOMEM;
    p->at = grown;
    char *copy = nb_strdup(name, p->err);
    if (!copy)
        return NB_NOMEM;
    p->at[p->n++] = (dl_move){at, copy};
    return NB_OK;
}

void dl_store_plan_free(dl_store_plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->at[i].name);
    free(p->at);
}

static bool goes(const dl_store_plan *p, const dl_entry *e)
{
    return (!p->commit || strcmp(p->commit, e->commit) == 0) &&
           (!p->path || strcmp(p->path, e->path) == 0 ||
            (p->set && dl_store_same_set(p->path, e->path)));
}

/* Blobs by name: first those of entries that go, then, sorted, the question who else has them. */
typedef struct blobs {
    dl_store_plan *p;
    char (*oid)[65];
    bool *kept;
    size_t n, cap;
} blobs;

static int by_oid(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool going_entry(void *arg, const dl_entry *e)
{
    blobs *b = arg;
    dl_store_plan *p = b->p;
    char name[DL_REL_MAX];
    struct stat st;
    if (!goes(p, e))
        return true;
    if (p->path) {
        snprintf(name, sizeof name, "%s/%s", e->commit, e->path);
        p->status = dl_store_plan_add(p, DL_AT_SNAPSHOTS, name);
    }
    if (!e->oid[0] && !e->odd && fstatat(e->dir, e->base, &st, AT_SYMLINK_NOFOLLOW) == 0)
        p->bytes += (uint64_t)st.st_blocks * 512;
    if (e->oid[0] && p->status == NB_OK) {
        void *grown = dl_grow(b->oid, b->n, &b->cap, sizeof *b->oid, p->err);
        if (!grown)
            p->status = NB_NOMEM;
        else
            memcpy((b->oid = grown)[b->n++], e->oid, sizeof e->oid);
    }
    return p->status == NB_OK;
}

static bool staying_entry(void *arg, const dl_entry *e)
{
    blobs *b = arg;
    if (goes(b->p, e) || !e->oid[0])
        return true;
    char(*found)[65] = bsearch(e->oid, b->oid, b->n, sizeof *b->oid, by_oid);
    if (found)
        b->kept[found - b->oid] = true;
    return true;
}

static void unique_oids(blobs *b)
{
    size_t n = 0;
    if (b->n)
        qsort(b->oid, b->n, sizeof *b->oid, by_oid);
    for (size_t i = 0; i < b->n; i++)
        if (n == 0 || strcmp(b->oid[n - 1], b->oid[i]) != 0)
            memmove(b->oid[n++], b->oid[i], sizeof *b->oid);
    b->n = n;
}

/* Blobs nobody else links to. A shared payload stays where it is and frees nothing: only the
 * repository's own entry goes. */
static nb_status add_blobs(blobs *b)
{
    dl_store_plan *p = b->p;
    char rel[DL_FOLDER_MAX + 8];
    int fd;
    snprintf(rel, sizeof rel, "%s/blobs", p->folder);
    if (dl_dir_open(p->c, rel, false, &fd, NULL) != NB_OK)
        return NB_OK;
    for (size_t i = 0; i < b->n && p->status == NB_OK; i++) {
        dl_blob blob;
        if (b->kept[i] || !dl_blob_look(p->c, fd, b->oid[i], &blob))
            continue;
        p->bytes += blob.shared ? 0 : blob.disk;
        p->status = dl_store_plan_add(p, DL_AT_BLOBS, b->oid[i]);
    }
    close(fd);
    return p->status;
}

static nb_status plan_entries(dl_store_plan *p)
{
    blobs b = {.p = p};
    nb_status st = dl_snapshots_walk(p->c, p->folder, p->commit, going_entry, &b, p->err);
    if (st == NB_OK)
        st = p->status;
    if (st == NB_OK && p->path && p->n == 0)
        st = nb_fail(p->err, NB_NOTFOUND, "%s: no file %.150s in the cache", p->repo, p->path);
    unique_oids(&b);
    b.kept = st == NB_OK ? nb_alloc(b.n + 1, sizeof *b.kept, "trash", p->err) : NULL;
    if (st == NB_OK && !b.kept)
        st = NB_NOMEM;
    if (st == NB_OK)
        st = dl_snapshots_walk(p->c, p->folder, NULL, staying_entry, &b, p->err);
    if (st == NB_OK)
        st = add_blobs(&b);
    free(b.oid);
    free(b.kept);
    return st;
}

/* Refs that name the snapshot that goes; names of folders wait in todo. */
static nb_status plan_refs(dl_store_plan *p)
{
    nb_str todo = {0};
    nb_status st = NB_OK;
    nb_str_addn(&todo, "", 1);
    for (size_t at = 0; at < todo.len && st == NB_OK; at += strlen(todo.at + at) + 1) {
        char rel[DL_FOLDER_MAX + DL_REL_MAX], below[256];
        nb_str names = {0};
        int fd;
        snprintf(below, sizeof below, "%s", todo.at + at);
        snprintf(rel, sizeof rel, "%s/refs/%s", p->folder, below);
        if (dl_dir_open(p->c, rel, false, &fd, NULL) != NB_OK)
            continue;
        st = dl_names_in(fd, &names, p->err);
        for (const char *s = NULL; st == NB_OK && (s = dl_names_next(&names, s));) {
            char ref[600], commit[41];
            struct stat is;
            snprintf(ref, sizeof ref, "%s%s", below, s);
            if (fstatat(fd, s, &is, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(is.st_mode)) {
                nb_str_addf(&todo, "%s/", ref);
                nb_str_addn(&todo, "", 1);
            } else if (dl_cache_commit(p->c, p->repo, ref, commit) &&
                       strcmp(commit, p->commit) == 0) {
                st = dl_store_plan_add(p, DL_AT_REFS, ref);
            }
        }
        nb_str_free(&names);
        close(fd);
    }
    nb_str_free(&todo);
    return st;
}

static nb_status plan_repo(dl_store_plan *p)
{
    int hub;
    NB_TRY(dl_dir_open(p->c, "", false, &hub, p->err));
    p->bytes = dl_tree_bytes(hub, p->folder, NULL);
    close(hub);
    return dl_store_plan_add(p, DL_AT_HUB, "");
}

static nb_status refuse_live(void *arg, const dl_leftover *l, const dl_left_files *f, nb_err *err)
{
    const dl_store_plan *p = arg;
    (void)f;
    if (!l->live)
        return NB_OK;
    return nb_fail(err, NB_REFUSED, "%s: a download of %.16s... writes there now", p->repo, l->oid);
}

/* Refs first, entries next, blobs last: at no moment does one stand without what it names. */
nb_status dl_plan_make(dl_store_plan *p, const char *revision, char commit[41])
{
    NB_TRY(dl_leftovers_each(p->c, p->folder, refuse_live, p, p->err));
    if (revision) {
        if (!dl_cache_commit(p->c, p->repo, revision, commit))
            return nb_fail(p->err, NB_NOTFOUND, "%s: no revision %.100s in the cache", p->repo,
                           revision);
        p->commit = commit;
    }
    if (!p->commit && !p->path)
        return plan_repo(p);
    if (!p->path) {
        char rel[DL_FOLDER_MAX + 64];
        int fd;
        snprintf(rel, sizeof rel, "%s/snapshots/%s", p->folder, commit);
        NB_TRY(dl_dir_open(p->c, rel, false, &fd, p->err));
        close(fd);
        NB_TRY(plan_refs(p));
        NB_TRY(dl_store_plan_add(p, DL_AT_SNAPSHOTS, commit));
    }
    return plan_entries(p);
}
