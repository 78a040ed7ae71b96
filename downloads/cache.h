/* The Hugging Face cache, written exactly as huggingface_hub @ ee0a4510f writes it and shared with
 * every client of it (hub.md 2): blobs, snapshots of relative links, refs, locks. Publication order
 * is blob, link, ref, so that no kill leaves a dangling link or a ref without its snapshot.
 * Everything that came from a server or another process is checked here before it becomes a path;
 * directories are walked by descriptors without following links (hub.md 5). */
#ifndef NIBBLE_CACHE_H
#define NIBBLE_CACHE_H

#include "core/base/hub_env.h"
#include "core/base/str.h"

typedef struct dl_cache {
    char hub[1024];   /* HF_HUB_CACHE */
    char trash[1024]; /* $HF_HOME/.nibble-trash, or beside hub when on another disk */
    bool no_symlinks;
} dl_cache;
/* From the environment; touches nothing. NB_NOTFOUND without a home folder. */
nb_status dl_cache_open(dl_cache *out, const nb_hub_env *env, nb_err *err);

/* --- names (names.c; pure, fuzzed) ---------------------------------------------------------------
 */
bool dl_repo_ok(const char *id);    /* "ns/name" or "name" (hub.md 1.1) */
bool dl_commit_ok(const char *s);   /* 40 lower-case hex */
bool dl_oid_ok(const char *s);      /* 40 or 64 lower-case hex */
bool dl_revision_ok(const char *s); /* branch, tag, commit, refs/pr/N: safe as a path below refs */
/* A file's path inside a repository; NB_REFUSED names what is wrong with it. */
nb_status dl_path_ok(const char *path, nb_err *err);
/* "org/repo[@rev][:TAG or file]" -> parts (tag "" = none, revision "main" by default). */
typedef struct dl_name {
    char repo[200], revision[200], tag[1024];
} dl_name;
nb_status dl_name_parse(dl_name *out, const char *text, nb_err *err);

/* --- finding
 * --------------------------------------------------------------------------------------*/
/* Commit a revision stands for in the cache (refs/REV, or itself when it is one). */
bool dl_cache_commit(const dl_cache *c, const char *repo, const char *revision, char out[41]);
/* Snapshot path of a file when it is there and whole (size checked when size != UINT64_MAX). */
bool dl_cache_find(const dl_cache *c, const char *repo, const char *commit, const char *path,
                   uint64_t size, char *out, size_t cap);
/* A usable blob: regular file (or a link to a shared payload), right size. Content is not read. */
bool dl_cache_has_blob(const dl_cache *c, const char *repo, const char *oid, uint64_t size);
/* Folder of the repository's blobs, snapshots/<commit>, for messages and screens. */
bool dl_cache_repo_dir(const dl_cache *c, const char *repo, char *out, size_t cap);

/* --- writing
 * --------------------------------------------------------------------------------------*/
/* hub/, CACHEDIR.TAG, models--…/{blobs,snapshots/<commit>}, .locks/…; refuses planted links. */
nb_status dl_cache_prepare(const dl_cache *c, const char *repo, const char *commit, nb_err *err);
/* flock of .locks/<repo>/<oid>.lock as Python takes it. busy = true: someone else holds it (holder:
 * "pid 4711" or "another program"); not an error. fd -1 when not held. */
typedef struct dl_lock {
    int fd;
    bool busy;
    char holder[64];
} dl_lock;
nb_status dl_cache_lock(const dl_cache *c, const char *repo, const char *oid, dl_lock *out,
                        nb_err *err);
void dl_cache_unlock(dl_lock *l);
/* blob: `from` (a finished, verified file in the repository's blobs folder, open as fd; closed
 * here) becomes blobs/<oid> by fsync + rename. An entry already there is replaced: its bytes were
 * not verified, these were; who has it open keeps it. */
nb_status dl_cache_publish_blob(const dl_cache *c, const char *repo, const char *oid, int fd,
                                const char *from, nb_err *err);
/* link: snapshots/<commit>/<path> -> ../../blobs/<oid>, atomically over whatever entry was there;
 * without symlinks the file itself moves there, or a copy where the blob is needed elsewhere
 * (hub.md 2, degraded mode). NB_NOTFOUND, and no link, without the blob. */
nb_status dl_cache_link(const dl_cache *c, const char *repo, const char *commit, const char *path,
                        const char *oid, nb_err *err);
/* ref: refs/<revision> = commit, 40 bytes, atomically; nothing for a revision that is a commit.
 * NB_NOTFOUND, and no ref, without snapshots/<commit>. */
nb_status dl_cache_ref(const dl_cache *c, const char *repo, const char *revision,
                       const char *commit, nb_err *err);

/* --- keeping house (store.c)
 * ----------------------------------------------------------------------*/
typedef struct dl_repo_row { /* one repository in the cache */
    char repo[200];
    uint64_t bytes;   /* of files, each inode once; a shared payload with the first that links it */
    uint64_t partial; /* on disk, of leftovers */
    size_t n_file, n_snapshot, n_leftover; /* n_file: inodes, and links to shared payloads */
    int64_t used;                          /* newest mtime, Unix seconds */
    char problem[160];                     /* what `hf cache ls` would call corrupt; "" = fine */
} dl_repo_row;
typedef struct dl_leftover { /* partial of a dead or unknown owner */
    char repo[200], oid[65], path[1500];
    uint64_t bytes, size; /* on disk; of the whole file, 0 = unknown */
    double age;           /* s since last written */
    bool live;            /* its owner runs: never touched */
} dl_leftover;
typedef struct dl_store {
    dl_repo_row *repo;
    size_t n_repo;
    dl_leftover *left;
    size_t n_left;
    uint64_t trash_bytes;
    size_t n_trash;
} dl_store;
nb_status dl_store_scan(const dl_cache *c, dl_store *out, const nb_hooks *hooks, nb_err *err);
void dl_store_free(dl_store *s);
/* Files of a repository's snapshots, once per snapshot that has them; false from fn stops. */
typedef bool dl_file_fn(void *arg, const char *commit, const char *path, uint64_t size);
nb_status dl_store_files(const dl_cache *c, const char *repo, dl_file_fn *fn, void *arg,
                         nb_err *err);
/* Renames a repository (or one revision's snapshot, or one file's entry and its unshared blob) into
 * the trash. *bytes: what gc will free. Refuses while a live download writes there. */
nb_status dl_store_trash(const dl_cache *c, const char *repo, const char *revision,
                         const char *path, bool dry_run, uint64_t *bytes, nb_err *err);
/* The same for the shards of a set that are there, all in one step: part is any of them. */
nb_status dl_store_trash_set(const dl_cache *c, const char *repo, const char *revision,
                             const char *part, bool dry_run, uint64_t *bytes, nb_err *err);
/* "m-00001-of-00003.gguf" and "m-00002-of-00003.gguf": parts of one set. */
bool dl_store_same_set(const char *a, const char *b);
/* Newest thing trashed goes back where it was (z). NB_NOTFOUND when the trash is empty. */
nb_status dl_store_restore(const dl_cache *c, char *what, size_t cap, nb_err *err);
/* Empties trash, dead leftovers older than `age` seconds; *bytes freed (or that would be). */
nb_status dl_store_gc(const dl_cache *c, double age, bool dry_run, uint64_t *bytes, size_t *n,
                      const nb_hooks *hooks, nb_err *err);
/* Re-hashes every blob of repo (NULL = all): fn per file with NB_OK, NB_HASH, NB_NOTFOUND, NB_IO.
 */
typedef void dl_verify_fn(void *arg, const char *repo, const char *oid, const char *path,
                          uint64_t size, nb_status status, const nb_err *why);
nb_status dl_store_verify(const dl_cache *c, const char *repo, dl_verify_fn *fn, void *arg,
                          const nb_hooks *hooks, nb_err *err);

#endif
