/* What the files of the cache share: folders opened one component at a time without following a
 * link, and what lies behind a name. Private to downloads/. */
#ifndef NIBBLE_CACHE_PRIVATE_H
#define NIBBLE_CACHE_PRIVATE_H

#include "downloads/cache.h"

#include <sys/types.h>

enum { DL_FOLDER_MAX = 256, DL_REL_MAX = 1400 };

/* "models--ns--name"; false for what is no repository. And back; false for any other folder. */
bool dl_folder_of(char out[DL_FOLDER_MAX], const char *repo);
bool dl_repo_of(char *out, size_t cap, const char *folder);

/* Opens the folder `rel` ("models--a--b/blobs") below hub as *fd. hub itself may be reached through
 * links, nothing below it: NB_REFUSED. create: what is missing is made and its parent synced, so
 * that a later rename inside it cannot outlive it. NB_NOTFOUND when it is not there. */
nb_status dl_dir_open(const dl_cache *c, const char *rel, bool create, int *fd, nb_err *err);
/* The same for one component below the descriptor `at`. shown is for the message. */
nb_status dl_dir_at(int at, const char *name, bool create, const char *shown, int *fd, nb_err *err);
nb_status dl_dir_sync(int fd, const char *shown, nb_err *err);

/* openat that follows no link, waits for nothing and is not inherited; EINTR is retried. */
int dl_openat(int dir, const char *name, int flags, unsigned mode);
int dl_renameat(int from_dir, const char *from, int to_dir, const char *to); /* likewise */
/* Names in a folder by descriptor, each with its NUL, one after another; "." and ".." are not among
 * them. */
nb_status dl_names_in(int dir, nb_str *out, nb_err *err);
/* Walks what dl_names_in gave: the first name for NULL, then the next, NULL at the end. */
const char *dl_names_next(const nb_str *names, const char *at);

/* What blobs/<oid> is. */
typedef struct dl_blob {
    uint64_t size, disk; /* bytes; on disk */
    dev_t dev;
    ino_t ino;
    int64_t mtime;
    bool shared; /* a link to a payload of huggingface_hub's shared store: read, never written */
    char payload[80]; /* shared: "pp/<xet hash>" below hub/blobs */
} dl_blob;
/* False unless it is a regular file or a link to a shared payload that is one. */
bool dl_blob_look(const dl_cache *c, int blobs, const char *oid, dl_blob *out);

/* Whether `name` in `dir` is a link as clients write it, `up` times "../" and "blobs/<oid>". */
bool dl_link_oid(int dir, const char *name, unsigned up, char oid[65]);
/* "../" up times and "blobs/<oid>"; false when it does not fit. */
bool dl_link_text(char *out, size_t cap, unsigned up, const char *oid);
/* Slashes in a path: 0 for a file at the root of its snapshot. */
unsigned dl_depth(const char *path);
/* One thing in a snapshot. */
typedef struct dl_entry {
    const char *commit, *path; /* path below the snapshot's folder; borrowed for the call */
    int dir;                   /* open folder of the entry */
    const char *base;          /* its name there */
    char oid[65];              /* link: the blob it names; "" = a file of its own, or odd */
    bool odd;                  /* neither a link as clients write it nor a regular file */
} dl_entry;
typedef bool dl_entry_fn(void *arg, const dl_entry *e); /* false = stop */
/* All entries of snapshots/<commit>, or of every snapshot when commit is NULL, in no particular
 * order. A snapshot that is not there has none;
 * one that cannot be read is a failure: who deletes must not take it for empty. */
nb_status dl_snapshots_walk(const dl_cache *c, const char *folder, const char *commit,
                            dl_entry_fn *fn, void *arg, nb_err *err);

/* Eight random hex digits. */
void dl_random_hex(char out[9]);

#endif
