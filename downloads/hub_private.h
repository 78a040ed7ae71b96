/* What the files of the Hub's API share: readers of its JSON that build no tree, so that a hostile
 * answer costs its own length and nothing more (hub 23). Private to downloads/. */
#ifndef NIBBLE_HUB_PRIVATE_H
#define NIBBLE_HUB_PRIVATE_H

#include "core/base/json.h"
#include "downloads/http.h"
#include "downloads/hub.h"

enum {
    DL_BODY_MAX = 32 << 20, /* a page of JSON */
    DL_FILES_MAX = 1 << 16, /* of one repository */
    DL_PAGES_MAX = 70,      /* of one list: 65,536 files at 1,000 a page */
    DL_CARD_MAX = 1 << 20,
};

/* An array of models, or one model object; rows without a sound id are counted in page->dropped. */
nb_status dl_json_models(const char *json, size_t n, const char *what, dl_page *page, nb_err *err);
nb_status dl_json_model(const char *json, size_t n, const char *what, dl_model *out, nb_err *err);
/* One page of a tree, appended to r->file; hostile paths are counted in r->dropped. */
nb_status dl_json_tree(const char *json, size_t n, const char *what, dl_repo *r, nb_err *err);
/* securityFileStatus of a paths-info answer into the files of those names. */
nb_status dl_json_security(const char *json, size_t n, const char *what, dl_repo *r, nb_err *err);

/* Parameters a repository's name tells: "Qwen3-1.7B-GGUF" -> 1.7e9; 0 = none. */
uint64_t dl_params_of_name(const char *id);

/* The steps of dl_hub_repo. names: NB_USAGE. info: r->model and r->commit, one request. tree: the
 * files at r->commit, settled; *pages requests. */
nb_status dl_hub_names_ok(const char *id, const char *revision, nb_err *err);
nb_status dl_hub_info(dl_net *net, const char *id, const char *revision, dl_repo *r,
                      dl_trouble *trouble, const nb_hooks *hooks, nb_err *err);
nb_status dl_hub_tree(dl_net *net, dl_repo *r, size_t *pages, dl_trouble *trouble,
                      const nb_hooks *hooks, nb_err *err);
/* After the last entry: offsets become pointers; sorted, and a path listed twice is kept once. */
void dl_repo_settle(dl_repo *r);
/* A file at the end of the list, its path at the offset the list's names had. */
nb_status dl_repo_add(dl_repo *r, const char *path, size_t n, const dl_file *file, nb_err *err);

/* Answers kept on disk, one file each (kept.c). Writes one atomically; then the oldest of its
 * folder make room until `most` files and `bytes` are left. What cannot be written is not kept: no
 * error. */
void dl_kept_write(const char *path, const nb_str *text, size_t most, uint64_t bytes);

/* GET of a JSON document below the endpoint; out is to be freed in any case. */
nb_status dl_get_json(dl_net *net, const nb_str *url, const char *subject, dl_reply *out,
                      const nb_hooks *hooks, nb_err *err);
/* st of reading an answer's JSON: what cannot be read is the server's fault (NB_NETWORK,
 * DL_BAD_REPLY), not a file's; NB_REFUSED is DL_TOO_BIG. */
nb_status dl_believed(nb_status st, dl_trouble *trouble, nb_err *err);

#endif
