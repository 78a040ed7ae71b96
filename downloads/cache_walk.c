/* Walking a repository's snapshots: folders wait on a stack of names, whatever their depth. */
#include "downloads/cache_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct walk {
    const dl_cache *c;
    const char *folder;
    dl_entry_fn *fn;
    void *arg;
    nb_str todo; /* names below snapshots/, each with its NUL; the last is next */
    bool stop;
} walk;

static void visit(walk *w, int dir, const char *below, const char *name)
{
    char path[DL_REL_MAX];
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return; /* gone since */
    int n = snprintf(path, sizeof path, "%s/%s", below, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return;
    if (S_ISDIR(st.st_mode)) {
        nb_str_addn(&w->todo, path, (size_t)n + 1);
        return;
    }
    char commit[41];
    const char *rest = strchr(path, '/') + 1;
    snprintf(commit, sizeof commit, "%.*s", (int)(rest - path - 1), path);
    dl_entry e = {.commit = commit, .path = rest, .dir = dir, .base = name};
    bool link = S_ISLNK(st.st_mode) && dl_link_oid(dir, name, dl_depth(rest) + 2, e.oid);
    e.odd = !link && !S_ISREG(st.st_mode);
    w->stop = !w->fn(w->arg, &e);
}

/* *fd -1, and no failure, for what is not there or is a link. */
static nb_status open_if_there(const walk *w, const char *rel, int *fd, nb_err *err)
{
    nb_err why = {.status = NB_OK};
    nb_status st = dl_dir_open(w->c, rel, false, fd, &why);
    if (st == NB_OK)
        return st;
    *fd = -1;
    if (st == NB_NOTFOUND || st == NB_REFUSED)
        return NB_OK;
    if (err)
        *err = why;
    return st;
}

static nb_status visit_folder(walk *w, const char *below, nb_err *err)
{
    char rel[2 * DL_REL_MAX];
    int fd;
    snprintf(rel, sizeof rel, "%s/snapshots/%s", w->folder, below);
    nb_status st = open_if_there(w, rel, &fd, err);
    if (st != NB_OK || fd < 0)
        return st;
    nb_str names = {0};
    st = dl_names_in(fd, &names, err);
    for (const char *at = NULL; st == NB_OK && !w->stop && (at = dl_names_next(&names, at));)
        visit(w, fd, below, at);
    nb_str_free(&names);
    close(fd);
    if (st == NB_OK && w->todo.failed)
        st = nb_fail(err, NB_NOMEM, "%s: too many folders", rel);
    return st;
}

/* Every snapshot's folder onto the stack; what else lies in snapshots/ is no snapshot. */
static nb_status push_commits(walk *w, nb_err *err)
{
    char rel[DL_FOLDER_MAX + 16];
    int fd;
    snprintf(rel, sizeof rel, "%s/snapshots", w->folder);
    nb_status st = open_if_there(w, rel, &fd, err);
    if (st != NB_OK || fd < 0)
        return st;
    nb_str names = {0};
    st = dl_names_in(fd, &names, err);
    for (const char *at = NULL; st == NB_OK && (at = dl_names_next(&names, at));)
        if (dl_commit_ok(at))
            nb_str_addn(&w->todo, at, strlen(at) + 1);
    nb_str_free(&names);
    close(fd);
    return st;
}

nb_status dl_snapshots_walk(const dl_cache *c, const char *folder, const char *commit,
                            dl_entry_fn *fn, void *arg, nb_err *err)
{
    walk w = {.c = c, .folder = folder, .fn = fn, .arg = arg};
    nb_status st = NB_OK;
    if (commit)
        nb_str_addn(&w.todo, commit, strlen(commit) + 1);
    else
        st = push_commits(&w, err);
    if (st == NB_OK && w.todo.failed)
        st = nb_fail(err, NB_NOMEM, "%s: no memory to walk it", folder);
    while (st == NB_OK && !w.stop && w.todo.len) {
        char below[DL_REL_MAX];
        size_t at = w.todo.len - 1;
        while (at && w.todo.at[at - 1])
            at--;
        snprintf(below, sizeof below, "%s", w.todo.at + at);
        w.todo.len = at;
        st = visit_folder(&w, below, err);
    }
    nb_str_free(&w.todo);
    return st;
}
