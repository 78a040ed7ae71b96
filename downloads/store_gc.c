/* Emptying: the trash, and partials whose owner is gone. */
#include "downloads/store_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct gc {
    const dl_cache *c;
    double age;
    bool dry_run;
    uint64_t bytes;
    size_t n;
    const nb_hooks *hooks;
} gc;

static nb_status step(gc *g, const char *what, uint64_t bytes, nb_err *err)
{
    if (nb_canceled(g->hooks))
        return nb_fail(err, NB_CANCELED, "emptying was cancelled");
    g->bytes += bytes;
    g->n++;
    nb_progress p = {.what = what, .done = g->bytes};
    nb_report(g->hooks, &p);
    return NB_OK;
}

static nb_status empty_trash(gc *g, nb_err *err)
{
    nb_str names = {0};
    int fd;
    if (dl_trash_open(g->c, false, &fd, NULL) != NB_OK)
        return NB_OK;
    nb_status st = dl_names_in(fd, &names, err);
    for (const char *at = NULL; st == NB_OK && (at = dl_names_next(&names, at));) {
        if (!dl_trash_name_ok(at))
            continue;
        st = step(g, at, dl_tree_bytes(fd, at, NULL), err);
        if (st == NB_OK && !g->dry_run)
            st = dl_tree_remove(fd, at, err);
    }
    nb_str_free(&names);
    close(fd);
    return st;
}

static nb_status remove_leftover(void *arg, const dl_leftover *l, const dl_left_files *f,
                                 nb_err *err)
{
    gc *g = arg;
    if (l->live || l->age < g->age)
        return NB_OK;
    NB_TRY(step(g, l->path, l->bytes, err));
    if (g->dry_run)
        return NB_OK;
    /* data first: state without data is swept by any later run, data without state is not */
    if (unlinkat(f->blobs, f->data_name, 0) != 0 && errno != ENOENT)
        return nb_fail_errno(err, errno, "remove", l->path);
    if (f->state_name[0] && unlinkat(f->blobs, f->state_name, 0) != 0 && errno != ENOENT)
        return nb_fail_errno(err, errno, "remove", l->path);
    return NB_OK;
}

/* ".ref-xxxxxxxx.tmp" of a writer killed between writing and renaming it. */
static void remove_ref_temps(const gc *g, const char *folder)
{
    enum { HOUR = 3600 };
    nb_str names = {0};
    struct stat st;
    int fd;
    if (g->dry_run || dl_dir_open(g->c, folder, false, &fd, NULL) != NB_OK)
        return;
    (void)dl_names_in(fd, &names, NULL);
    for (const char *at = NULL; (at = dl_names_next(&names, at));)
        if (strncmp(at, ".ref-", 5) == 0 && strlen(at) == 17 &&
            fstatat(fd, at, &st, AT_SYMLINK_NOFOLLOW) == 0 && time(NULL) - st.st_mtime > HOUR)
            unlinkat(fd, at, 0);
    nb_str_free(&names);
    close(fd);
}

static nb_status gc_folder(void *arg, const char *folder, const char *repo, nb_err *err)
{
    gc *g = arg;
    (void)repo;
    remove_ref_temps(g, folder);
    return dl_leftovers_each(g->c, folder, remove_leftover, g, err);
}

nb_status dl_store_gc(const dl_cache *c, double age, bool dry_run, uint64_t *bytes, size_t *n,
                      const nb_hooks *hooks, nb_err *err)
{
    gc g = {.c = c, .age = age, .dry_run = dry_run, .hooks = hooks};
    nb_status st = empty_trash(&g, err);
    if (st == NB_OK)
        st = dl_folders_each(c, gc_folder, &g, err);
    *bytes = g.bytes;
    *n = g.n;
    return st;
}
