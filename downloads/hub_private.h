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

/* GET of a JSON document below the endpoint; out is to be freed in any case. */
nb_status dl_get_json(dl_net *net, const nb_str *url, const char *subject, dl_reply *out,
                      const nb_hooks *hooks, nb_err *err);
/* st of reading an answer's JSON: what cannot be read is the server's fault (NB_NETWORK,
 * DL_BAD_REPLY), not a file's; NB_REFUSED is DL_TOO_BIG. */
nb_status dl_believed(nb_status st, dl_trouble *trouble, nb_err *err);

#endif
