/* A repository's model as a row of the library, so that one memory figure serves local and remote
 * models alike. */
#include <string.h>

#include "downloads/cache.h"
#include "downloads/hub_private.h"

enum { CONFIG_MAX = 4 << 20 };

static const dl_file *find_file(const dl_repo *repo, const char *path)
{
    size_t lo = 0, hi = repo->n_file;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(repo->file[mid].path, path);
        if (c == 0)
            return &repo->file[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static nb_status from_config(dl_net *net, const dl_repo *repo, nb_entry *out, const nb_hooks *hooks,
                             nb_err *err)
{
    nb_str url = {0};
    nb_str_add(&url, "/");
    dl_url_encode(&url, repo->model.id, true);
    nb_str_addf(&url, "/resolve/%s/config.json", repo->commit);
    dl_reply reply = {0};
    dl_request rq = {.follow = DL_FOLLOW_ALL,
                     .url = nb_str_c(&url),
                     .body_max = CONFIG_MAX,
                     .subject = repo->model.id};
    nb_status st = url.failed ? nb_fail(err, NB_NOMEM, "%s: no memory", repo->model.id)
                              : dl_call(net, &rq, &reply, hooks, err);
    if (st == NB_OK)
        st = nb_entry_from_config(out, nb_str_c(&reply.body), reply.body.len, "config.json", err);
    dl_reply_free(&reply);
    nb_str_free(&url);
    return st;
}

static const dl_choice *smallest_gguf(const dl_choices *choices)
{
    const dl_choice *best = NULL;
    for (size_t i = 0; i < choices->n; i++) {
        const dl_choice *c = &choices->at[i];
        if (c->kind == DL_CHOICE_GGUF && c->complete && (!best || c->bytes < best->bytes))
            best = c;
    }
    return best;
}

nb_status dl_hub_entry(dl_net *net, const dl_repo *repo, const dl_choices *choices, nb_entry *out,
                       const nb_hooks *hooks, nb_err *err)
{
    nb_entry e;
    dl_header h;
    const dl_choice *gguf = smallest_gguf(choices);
    bool checkpoint = choices->n && choices->at[0].kind == DL_CHOICE_CHECKPOINT;
    if (checkpoint && find_file(repo, "config.json")) {
        NB_TRY(from_config(net, repo, &e, hooks, err));
    } else if (gguf) {
        const dl_file *first = &repo->file[gguf->file[0]];
        NB_TRY(dl_hub_header(net, repo->model.id, repo->commit, first, &h, NULL, hooks, err));
        nb_entry_from_gguf(&e, &h.g, first->path);
        if (gguf->n_file > 1) /* the first shard's tensors are not all */
            e.params = 0;
        dl_header_free(&h);
    } else {
        return nb_fail(err, NB_NOTFOUND, "%s: holds no GGUF and no safetensors model",
                       repo->model.id);
    }
    if (!e.params && !repo->model.params_guessed) /* a name's guess would pass for a count */
        e.params = repo->model.params;
    *out = e;
    return NB_OK;
}
