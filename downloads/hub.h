/* The Hub's API as plain structs: search, one repository, its files, a card, who am I, and the
 * header of a remote model file. Blocking; call from a job. Every field but an id may be missing
 * ("" or 0 with has_ = false); all text is untrusted and goes through nb_safe_text where it is
 * shown; names were checked (cache.h) and a hostile one is dropped and counted (hub.md 1.2, 1.3,
 * 5). Every question tells in *trouble (may be NULL) how it went wrong; DL_OK when it went well,
 * and when its failure is none of the table's (NB_USAGE, NB_CANCELED, NB_NOMEM). */
#ifndef NIBBLE_HUB_H
#define NIBBLE_HUB_H

#include "core/files/library.h"
#include "core/files/safetensors.h"
#include "downloads/dl.h"

typedef enum dl_gate { DL_OPEN, DL_GATED_AUTO, DL_GATED_MANUAL } dl_gate;

typedef struct dl_model { /* a search row, or the head of a repository */
    char id[200];         /* "ns/repo" */
    char author[100], sha[41], task[64], library[64], license[64], arch[64];
    char base_model[200];   /* first of cardData.base_model or base_model:* tags */
    char base_relation[24]; /* "quantized", "finetune", ...; "" */
    dl_gate gated;
    bool private_repo, disabled, gguf;
    int64_t downloads, likes; /* -1 = not told */
    int64_t updated, created; /* Unix seconds, 0 = not told */
    uint64_t params;          /* 0 = not told */
    bool params_guessed;      /* from the name: shown with ~ */
    uint64_t context;         /* gguf.context_length, 0 = not told */
    uint64_t bytes;           /* gguf.totalFileSize or usedStorage, 0 = not told */
} dl_model;

typedef enum dl_order {
    DL_BY_TRENDING,
    DL_BY_DOWNLOADS,
    DL_BY_LIKES,
    DL_BY_UPDATED,
    DL_BY_CREATED
} dl_order;
typedef struct dl_search {
    const char *text, *author, *task, *license; /* NULL or "" = any */
    bool gguf_only;
    int gated;                       /* -1 any, 0 open only, 1 gated only */
    uint64_t params_min, params_max; /* 0 = no bound */
    dl_order order;                  /* descending, as the Hub sorts */
    int limit;                       /* rows a page, 1..500 */
} dl_search;
typedef struct dl_page {
    dl_model *at; /* owned */
    size_t n, dropped;
    char next[DL_URL_MAX]; /* "" = last page */
    bool cached;
    double age; /* came from cache_dir, seconds old */
} dl_page;
/* next: a page's next, or NULL for the first. Cached on disk by query for 5 minutes, and whatever
 * its age when the network fails or is off: then NB_OK, cached = true, and *trouble says why no
 * newer list came. A page without rows is the last, whatever the server says. */
nb_status dl_hub_search(dl_net *net, const char *cache_dir, const dl_search *q, const char *next,
                        dl_page *out, dl_trouble *trouble, const nb_hooks *hooks, nb_err *err);
void dl_page_free(dl_page *p);

typedef struct dl_file {
    const char *path; /* owned by the list; checked (cache.h) */
    size_t path_at;   /* its place in dl_repo.names */
    uint64_t size;
    char oid[65]; /* content id: sha256 (64 hex) of LFS files, git sha1 (40 hex) of others */
    bool lfs;
    char security[24]; /* securityFileStatus.status, "" = not told */
} dl_file;
typedef struct dl_repo {
    dl_model model;
    char commit[41];        /* what revision means now; everything below is pinned to it */
    dl_file *file;          /* owned; sorted by path */
    size_t n_file, dropped; /* hostile names left out */
    nb_str names;           /* owned: memory of paths */
} dl_repo;
/* Info, tree pages, and what the Hub's scanners say of the model files: at most 3 API calls for
 * 1,000 files (hub 11). revision NULL = "main". Renamed and gated repositories are told apart by
 * err and *trouble (may be NULL). */
nb_status dl_hub_repo(dl_net *net, const char *id, const char *revision, dl_repo *out,
                      dl_trouble *trouble, const nb_hooks *hooks, nb_err *err);
void dl_repo_free(dl_repo *r);
/* README.md at the commit, raw bytes, at most 1 MiB (then cut); NB_NOTFOUND when there is none. */
nb_status dl_hub_card(dl_net *net, const char *id, const char *commit, nb_str *out,
                      dl_trouble *trouble, const nb_hooks *hooks, nb_err *err);

/* Header of a remote .gguf or .safetensors: at most 2 range requests and 1 MiB, bigger headers
 * paged (hub 25). The infos borrow from `bytes`. */
typedef struct dl_header {
    nb_str bytes;
    bool gguf, safetensors; /* which info is filled */
    nb_gguf_info g;
    nb_safetensors_info s;
    int requests;
} dl_header;
nb_status dl_hub_header(dl_net *net, const char *id, const char *commit, const dl_file *file,
                        dl_header *out, dl_trouble *trouble, const nb_hooks *hooks, nb_err *err);
void dl_header_free(dl_header *h);

typedef struct dl_account {
    char name[100], fullname[100], role[24]; /* role of the token: read, write, fineGrained */
    bool pro;
    size_t n_org;
    char org[16][100];
} dl_account;
/* Asked at most once per run and token: the answer is kept in net (hub 20). */
nb_status dl_hub_whoami(dl_net *net, dl_account *out, dl_trouble *trouble, const nb_hooks *hooks,
                        nb_err *err);

/* --- picking: which files of a repository a wish means (pick.c; pure, hub 21)
 * --------------------- */
typedef enum dl_choice_kind {
    DL_CHOICE_CHECKPOINT, /* safetensors with config and tokenizer */
    DL_CHOICE_GGUF,       /* one quant, all its shards */
    DL_CHOICE_MMPROJ,     /* a projector, offered beside a model */
    DL_CHOICE_FILE,       /* any other single file */
} dl_choice_kind;
typedef struct dl_choice {
    char name[128]; /* "Q4_K_M", "UD-Q4_K_XL", "bf16", "safetensors", "mmproj-F16", "config.json" */
    dl_choice_kind kind;
    size_t *file; /* owned: indexes into repo->file; a set's shards in order */
    size_t n_file;
    uint64_t bytes;
    bool complete; /* false: missing_no of missing_of is not there */
    uint32_t missing_no, missing_of;
} dl_choice;
typedef struct dl_choices {
    dl_choice *at;
    size_t n;
} dl_choices;
nb_status dl_choices_make(const dl_repo *repo, dl_choices *out, nb_err *err);
void dl_choices_free(dl_choices *c);
/* tag: NULL or "" (the only model, else the checkpoint, Q4_K_M, Q8_0, else the list is named), a
 * quant's name whatever its case (whole: UD-Q4_K_XL is not Q4_K_XL), or a file's path or name.
 * Ambiguity is NB_USAGE naming candidates, incomplete sets are NB_FORMAT before any byte. */
nb_status dl_pick(const dl_repo *repo, const dl_choices *c, const char *tag, const dl_choice **out,
                  nb_err *err);
/* The projector that goes with a model: in its folder or the nearest above; NULL = none. */
const dl_choice *dl_pick_mmproj(const dl_repo *repo, const dl_choices *c, const dl_choice *model);

/* What the repository's model is, for fits and figures before anything is downloaded: from
 * config.json when there is a checkpoint, else from the header of the smallest GGUF. out->params
 * from the Hub when the files do not tell, never from a name. NB_NOTFOUND: it holds no model. One
 * or two files are read in part. */
nb_status dl_hub_entry(dl_net *net, const dl_repo *repo, const dl_choices *choices, nb_entry *out,
                       const nb_hooks *hooks, nb_err *err);

#endif
