/* What a fake Hub serves: repositories, their commits, refs and files, and who may read them.
 * Strings given are copied; fake_repo pointers live as long as their hub; every function may be
 * called from any thread while requests are served. Without memory the process ends. */
#ifndef NIBBLE_TEST_FAKE_REPO_H
#define NIBBLE_TEST_FAKE_REPO_H

#include "kernels/nb.h"

typedef struct fake_hub fake_hub;
typedef struct fake_repo fake_repo;

typedef enum fake_gate { FAKE_OPEN, FAKE_GATED_AUTO, FAKE_GATED_MANUAL } fake_gate;

/* Zero or NULL = absent, unless said otherwise. */
typedef struct fake_repo_info {
    const char *id;          /* "ns/name" or "name" */
    const char *const *tags; /* NULL-terminated, as given in the reply */
    const char *pipeline_tag, *library_name;
    const char *created, *modified; /* ISO 8601; NULL = fixed moments */
    uint64_t downloads, downloads_all, likes;
    double trending;
    fake_gate gated;
    bool is_private, disabled;
    const char *card, *config, *gguf, *safetensors; /* JSON objects as text */
    const char *raw; /* this text instead of the row in a list and of the model's info (hub 23) */
} fake_repo_info;

/* A repository with branch main at a first, empty commit. An id already there is replaced. */
fake_repo *fake_hub_add(fake_hub *hub, const fake_repo_info *info);
/* NULL if there is none of exactly this id. */
fake_repo *fake_hub_repo(fake_hub *hub, const char *id);
/* Requests for the old id answer a relative 307 to the new one; so do ids in another case. */
void fake_hub_rename(fake_hub *hub, const char *old_id, const char *new_id);

typedef enum fake_access { FAKE_GRANTED, FAKE_PENDING, FAKE_NO_GATED_SCOPE } fake_access;
/* What a token may do with a gated or private repository; without a call nothing. PENDING and
 * NO_GATED_SCOPE (a fine-grained token without the box for gated repositories) are 403s of their
 * own text. */
void fake_repo_grant(fake_repo *repo, const char *token, fake_access access);

/* How a file is kept: AUTO as .gitattributes of a new model repository would. */
typedef enum fake_store {
    FAKE_AUTO, /* Xet for 10 MB and more and for *.gguf, *.safetensors, *.bin, ..., else git */
    FAKE_GIT,  /* etag = git SHA-1, 307 to /api/resolve-cache */
    FAKE_XET,  /* etag = SHA-256, 302 to the CDN, X-Xet-Hash */
    FAKE_LFS,  /* as Xet, from the time before it: no X-Xet-Hash, no xetHash */
} fake_store;

typedef struct fake_file {
    const char *path;  /* in the repository; hostile names are served as they are */
    const void *bytes; /* [size]; or */
    const char *disk;  /* a regular file, read while serving: size is taken from it; or */
    uint64_t seed;     /* neither of the two: noise, see fake_noise */
    uint64_t size;     /* bytes */
    const void *head;  /* [head_size] instead of the noise's first bytes: a real header; copied */
    size_t head_size;  /* <= size */
    fake_store store;
    const char *sha256; /* told instead of computed: for a lie, or where computing takes too long */
    const char *scan;   /* securityFileStatus.status; NULL = "safe" */
} fake_file;

/* Adds to the newest commit, or replaces there. NB_NOTFOUND, NB_IO for a disk file. */
nb_status fake_repo_file(fake_repo *repo, const fake_file *file, nb_err *err);
void fake_repo_text(fake_repo *repo, const char *path, const char *text);
void fake_repo_noise(fake_repo *repo, const char *path, uint64_t size, uint64_t seed);
/* Every regular file below dir, under its relative path. */
nb_status fake_repo_folder(fake_repo *repo, const char *dir, nb_err *err);
void fake_repo_remove(fake_repo *repo, const char *path);

/* 40 hex digits of the newest commit; valid until the stop. */
const char *fake_repo_head(const fake_repo *repo);
/* A new commit with the same files, and main on it; what is added next is only there. */
const char *fake_repo_commit(fake_repo *repo, const char *title);
/* "refs/heads/dev", "refs/tags/v1", "refs/pr/1", "refs/convert/parquet" -> a commit of the
 * repository, NULL = the newest. Moves an existing one. */
void fake_repo_ref(fake_repo *repo, const char *ref, const char *commit);

/* Bytes [offset, offset + n) of the noise of this seed: any part, at memory speed. */
void fake_noise(uint64_t seed, uint64_t offset, void *out, size_t n);
/* SHA-256 of a file as the server tells it; false when there is no such file. Noise is hashed up to
 * 4 GiB; a larger file must be given its digest, else it gets one that nothing matches. */
bool fake_repo_sha256(fake_repo *repo, const char *path, char out[65]);
/* Size and content id (sha256, or git's sha1 of a file in git) as the tree lists them. */
bool fake_repo_listed(fake_repo *repo, const char *path, uint64_t *size, char oid[65]);

/* Repositories from a JSON file (tests/hub/demo-hub.json shows the form); "disk" paths in it are
 * relative to the file. gguf_dir: folder for its entries "gguf_dir": true, which are left out when
 * NULL. */
nb_status fake_hub_load(fake_hub *hub, const char *path, const char *gguf_dir, nb_err *err);

#endif
