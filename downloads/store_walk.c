/* Folders as lists of names, trees without recursion, partials of every client. */
#include "downloads/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "downloads/partial_private.h"

void *dl_grow(void *at, size_t n, size_t *cap, size_t size, nb_err *err)
{
    if (n < *cap)
        return at;
    size_t more = *cap ? *cap * 2 : 32;
    void *grown = realloc(at, more * size);
    if (!grown) {
        nb_fail(err, NB_NOMEM, "store: list of %zu entries", more);
        return NULL;
    }
    *cap = more;
    return grown;
}

nb_status dl_folders_each(const dl_cache *c, dl_folder_fn *fn, void *arg, nb_err *err)
{
    int hub;
    nb_str names = {0};
    nb_status st = dl_dir_open(c, "", false, &hub, err);
    if (st == NB_NOTFOUND)
        return NB_OK; /* no cache yet */
    if (st != NB_OK)
        return st;
    st = dl_names_in(hub, &names, err);
    for (const char *at = NULL; st == NB_OK && (at = dl_names_next(&names, at));) {
        char repo[200];
        struct stat is;
        if (dl_repo_of(repo, sizeof repo, at) && fstatat(hub, at, &is, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(is.st_mode))
            st = fn(arg, at, repo, err);
    }
    nb_str_free(&names);
    close(hub);
    return st;
}

/* --- trees -------------------------------------------------------------------------------------
 */

/* Visits a tree: folders lie on a stack of names below `at`, each of which is left in `seen` too.
 * file is called for everything that is no folder. */
typedef struct tree {
    int at;
    nb_str todo, seen;
    uint64_t bytes;
    size_t n;
    bool remove;
    nb_status status;
    nb_err *err;
} tree;

static int open_below(int at, const char *path)
{
    int fd = dl_openat(at, ".", O_RDONLY | O_DIRECTORY, 0);
    for (const char *s = path; fd >= 0 && *s;) {
        char name[256];
        size_t n = strcspn(s, "/");
        snprintf(name, sizeof name, "%.*s", (int)(n < 255 ? n : 255), s);
        int next = dl_openat(fd, name, O_RDONLY | O_DIRECTORY, 0), why = errno;
        close(fd);
        errno = why;
        fd = next;
        s += n + (s[n] == '/');
    }
    return fd;
}

static void visit(tree *t, int dir, const char *below, const char *name)
{
    char path[2 * DL_REL_MAX];
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (S_ISDIR(st.st_mode)) {
        int n = snprintf(path, sizeof path, "%s/%s", below, name);
        if (n > 0 && (size_t)n < sizeof path) {
            nb_str_addn(&t->todo, path, (size_t)n + 1);
            nb_str_addn(&t->seen, path, (size_t)n + 1);
        }
        return;
    }
    if (st.st_nlink <= 1)
        t->bytes += (uint64_t)st.st_blocks * 512;
    t->n++;
    if (t->remove && unlinkat(dir, name, 0) != 0 && errno != ENOENT && t->status == NB_OK)
        t->status = nb_fail_errno(t->err, errno, "remove", name);
}

/* The last string of a stack of strings into out, taken off. */
static void pop(nb_str *s, char *out, size_t cap)
{
    size_t at = s->len - 1;
    while (at && s->at[at - 1])
        at--;
    snprintf(out, cap, "%s", s->at + at);
    s->len = at;
}

static nb_status walk_tree(tree *t, const char *name)
{
    char below[2 * DL_REL_MAX];
    nb_str_addn(&t->todo, name, strlen(name) + 1);
    nb_str_addn(&t->seen, name, strlen(name) + 1);
    while (t->todo.len && !t->todo.failed && !t->seen.failed) {
        nb_str names = {0};
        pop(&t->todo, below, sizeof below);
        int fd = open_below(t->at, below);
        if (fd < 0 && t->remove && errno != ENOENT && t->status == NB_OK)
            t->status = nb_fail_errno(t->err, errno, "open folder", below);
        if (fd < 0)
            continue;
        if (t->remove)
            (void)fchmod(fd, 0700); /* a folder of somebody's read-only cache */
        nb_status st = dl_names_in(fd, &names, t->status == NB_OK ? t->err : NULL);
        t->status = t->status == NB_OK ? st : t->status;
        for (const char *at = NULL; (at = dl_names_next(&names, at));)
            visit(t, fd, below, at);
        nb_str_free(&names);
        close(fd);
    }
    if (t->todo.failed || t->seen.failed)
        t->status = nb_fail(t->err, NB_NOMEM, "store: list of folders");
    while (t->remove && t->seen.len && !t->seen.failed) { /* children stand behind their parents */
        pop(&t->seen, below, sizeof below);
        if (unlinkat(t->at, below, AT_REMOVEDIR) != 0 && errno != ENOENT && t->status == NB_OK)
            t->status = nb_fail_errno(t->err, errno, "remove folder", below);
    }
    nb_str_free(&t->todo);
    nb_str_free(&t->seen);
    return t->status;
}

uint64_t dl_tree_bytes(int at, const char *name, size_t *n)
{
    tree t = {.at = at};
    (void)walk_tree(&t, name);
    if (n)
        *n = t.n;
    return t.bytes;
}

nb_status dl_tree_remove(int at, const char *name, nb_err *err)
{
    tree t = {.at = at, .remove = true, .err = err};
    struct stat st;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return walk_tree(&t, name);
    if (unlinkat(at, name, 0) != 0 && errno != ENOENT) /* a link in its place: only the link */
        return nb_fail_errno(err, errno, "remove", name);
    return NB_OK;
}

/* --- leftovers ---------------------------------------------------------------------------------
 */

enum { QUIET = 600 /* s: a partial of a client without locks that was written just now is live */ };

typedef struct left {
    const dl_cache *c;
    const char *folder;
    dl_left_fn *fn;
    void *arg;
} left;

/* Python holds the lock as long as it writes. */
static bool python_writes(const left *l, const char *oid)
{
    char rel[DL_FOLDER_MAX + 16], name[80];
    int dir;
    snprintf(rel, sizeof rel, ".locks/%s", l->folder);
    snprintf(name, sizeof name, "%s.lock", oid);
    if (dl_dir_open(l->c, rel, false, &dir, NULL) != NB_OK)
        return false;
    int fd = dl_openat(dir, name, O_RDONLY, 0);
    close(dir);
    bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    return held;
}

static void fill(dl_leftover *out, const left *l, const char *name, const struct stat *st)
{
    snprintf(out->path, sizeof out->path, "%s/%s/blobs/%s", l->c->hub, l->folder, name);
    dl_repo_of(out->repo, sizeof out->repo, l->folder);
    out->bytes += (uint64_t)st->st_blocks * 512;
    double age = difftime(time(NULL), st->st_mtime);
    out->age = age > 0 ? age : 0;
}

/* Ours: state file, with or without its data. */
static nb_status own(const left *l, int blobs, const char *oid, const char *tag, nb_err *err)
{
    char data_name[DL_NAME_MAX], state_name[DL_NAME_MAX];
    dl_leftover out = {.size = 0};
    dl_partial_look look;
    struct stat st;
    dl_partial_names(data_name, state_name, oid, tag);
    if (fstatat(blobs, state_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return NB_OK; /* gone since */
    bool open = dl_partial_look_at(blobs, data_name, state_name, O_RDONLY, &look);
    fill(&out, l, state_name, &st);
    if (open && look.data)
        fill(&out, l, data_name, &look.st);
    if (open && look.whole)
        out.size = look.head.size;
    out.live = !open || !look.gone;
    snprintf(out.oid, sizeof out.oid, "%s", oid);
    dl_left_files f = {blobs, data_name, state_name};
    nb_status status = l->fn(l->arg, &out, &f, err);
    if (open)
        close(look.fd);
    return status;
}

/* Another client's, a quarantined one, or ours without its state. */
static nb_status foreign(const left *l, int blobs, const char *name, bool locks, nb_err *err)
{
    dl_leftover out = {.size = 0};
    struct stat st;
    size_t n = strspn(name, "0123456789abcdef");
    if (fstatat(blobs, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return NB_OK;
    fill(&out, l, name, &st);
    snprintf(out.oid, sizeof out.oid, "%.*s", n == 40 || n == 64 ? (int)n : 0, name);
    out.live = locks ? out.oid[0] && python_writes(l, out.oid) : out.age < QUIET;
    if (nb_has_suffix(name, ".bad.incomplete"))
        out.live = false;
    dl_left_files f = {blobs, name, ""};
    return l->fn(l->arg, &out, &f, err);
}

static nb_status leftover(const left *l, int blobs, const char *name, nb_err *err)
{
    char oid[65], tag[9], data_name[DL_NAME_MAX], state_name[DL_NAME_MAX];
    bool state;
    struct stat st;
    if (dl_partial_name(name, oid, tag, &state)) {
        dl_partial_names(data_name, state_name, oid, tag);
        if (state)
            return own(l, blobs, oid, tag, err);
        if (fstatat(blobs, state_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            return NB_OK; /* comes with its state */
    }
    if (nb_has_suffix(name, ".incomplete"))
        return foreign(l, blobs, name, true, err);
    if (nb_has_suffix(name, ".downloadInProgress")) /* llama.cpp, which takes no locks */
        return foreign(l, blobs, name, false, err);
    return NB_OK;
}

nb_status dl_leftovers_each(const dl_cache *c, const char *folder, dl_left_fn *fn, void *arg,
                            nb_err *err)
{
    char rel[DL_FOLDER_MAX + 8];
    left l = {c, folder, fn, arg};
    nb_str names = {0};
    int blobs;
    snprintf(rel, sizeof rel, "%s/blobs", folder);
    if (dl_dir_open(c, rel, false, &blobs, NULL) != NB_OK)
        return NB_OK;
    nb_status st = dl_names_in(blobs, &names, err);
    for (const char *at = NULL; st == NB_OK && (at = dl_names_next(&names, at));)
        st = leftover(&l, blobs, at, err);
    nb_str_free(&names);
    close(blobs);
    return st;
}
