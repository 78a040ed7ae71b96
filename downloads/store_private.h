/* What scan, trash, gc and verify share. Private to downloads/. */
#ifndef NIBBLE_STORE_PRIVATE_H
#define NIBBLE_STORE_PRIVATE_H

#include "downloads/cache_private.h"
#include "downloads/partial_state.h"

/* Room for one more of `size` bytes in at[n], *cap grown as needed; NULL leaves at as it was. */
void *dl_grow(void *at, size_t n, size_t *cap, size_t size, nb_err *err);

/* Called for each repository folder of hub that has a valid name. */
typedef nb_status dl_folder_fn(void *arg, const char *folder, const char *repo, nb_err *err);
nb_status dl_folders_each(const dl_cache *c, dl_folder_fn *fn, void *arg, nb_err *err);

/* Partials of every client in a repository's blobs folder. While fn runs nobody takes this one
 * over, and it may remove both files. state_name "" = there is none. */
typedef struct dl_left_files {
    int blobs;
    const char *data_name, *state_name;
} dl_left_files;
typedef nb_status dl_left_fn(void *arg, const dl_leftover *l, const dl_left_files *f, nb_err *err);
nb_status dl_leftovers_each(const dl_cache *c, const char *folder, dl_left_fn *fn, void *arg,
                            nb_err *err);

/* Bytes on disk below the folder `name` of `at`, no link followed; *n (may be NULL) files. */
uint64_t dl_tree_bytes(int at, const char *name, size_t *n);
/* Removes that folder and everything in it. */
nb_status dl_tree_remove(int at, const char *name, nb_err *err);

/* Which folder of the repository a name is below; a whole repository is below hub. */
typedef enum dl_where { DL_AT_HUB, DL_AT_REFS, DL_AT_SNAPSHOTS, DL_AT_BLOBS, DL_WHERES } dl_where;

typedef struct dl_move {
    dl_where at;
    char *name; /* owned: revision, "<commit>" or "<commit>/<path>", oid; "" for a repository */
} dl_move;

/* What one deletion moves, in order. */
typedef struct dl_store_plan {
    const dl_cache *c;
    char folder[DL_FOLDER_MAX], repo[200];
    const char *commit; /* NULL = of every snapshot */
    const char *path;   /* NULL = whole snapshots */
    bool set;           /* path stands for all parts of its set */
    dl_move *at;        /* owned */
    size_t n, cap;
    uint64_t bytes; /* on disk, that emptying the trash frees */
    nb_status status;
    nb_err *err;
} dl_store_plan;
nb_status dl_store_plan_add(dl_store_plan *p, dl_where at, const char *name);
/* p: c, folder, repo, path, set and err are set. commit is its memory. Refuses while a download
 * writes into the repository. */
nb_status dl_plan_make(dl_store_plan *p, const char *revision, char commit[41]);
void dl_store_plan_free(dl_store_plan *p);

/* The trash: one folder an item, "<Unix nanoseconds, 20 digits>-<8 hex>", newest last by name. */
bool dl_trash_name_ok(const char *name);
/* Opens the trash; NB_NOTFOUND when there is none and create is false. */
nb_status dl_trash_open(const dl_cache *c, bool create, int *fd, nb_err *err);

#endif
