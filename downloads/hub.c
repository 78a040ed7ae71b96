/* One repository, its card, the account: requests and what becomes of their answers. */
#include "downloads/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "downloads/cache.h"
#include "downloads/hub_private.h"

static nb_status bad_name(nb_err *err, const char *id)
{
    return nb_fail(err, NB_USAGE, "%s: not the name of a repository, such as org/model", id);
}

nb_status dl_hub_names_ok(const char *id, const char *revision, nb_err *err)
{
    if (!dl_repo_ok(id))
        return bad_name(err, id);
    if (!dl_revision_ok(revision))
        return nb_fail(err, NB_USAGE, "%s: %s is no branch, tag or commit", id, revision);
    return NB_OK;
}

static void add_repo_path(nb_str *url, const char *prefix, const char *id)
{
    nb_str_add(url, prefix);
    dl_url_encode(url, id, true);
}

static nb_status no_memory(nb_err *err, const char *id)
{
    return nb_fail(err, NB_NOMEM, "%s: no memory for the request", id);
}

nb_status dl_get_json(dl_net *net, const nb_str *url, const char *subject, dl_reply *out,
                      const nb_hooks *hooks, nb_err *err)
{
    if (url->failed) {
        *out = (dl_reply){0};
        return no_memory(err, subject);
    }
    dl_request rq = {.url = url->at, .body_max = DL_BODY_MAX, .subject = subject};
    NB_TRY(dl_call(net, &rq, out, hooks, err));
    if (out->status / 100 == 3) {
        out->trouble = DL_NOT_A_HUB;
        return nb_fail(err, NB_NETWORK, "%s: the endpoint sends API requests elsewhere", subject);
    }
    return NB_OK;
}

nb_status dl_believed(nb_status st, dl_trouble *trouble, nb_err *err)
{
    if (st == NB_REFUSED)
        *trouble = DL_TOO_BIG;
    if (st != NB_FORMAT && st != NB_NETWORK)
        return st;
    *trouble = DL_BAD_REPLY;
    if (err)
        err->status = NB_NETWORK;
    return NB_NETWORK;
}

/* --- one repository ------------------------------------------------------------------------------
 */

nb_status dl_hub_info(dl_net *net, const char *id, const char *revision, dl_repo *r,
                      dl_trouble *trouble, const nb_hooks *hooks, nb_err *err)
{
    static const char *const wanted[] = {
        "author",  "cardData",    "config",       "createdAt",    "disabled",    "downloads",
        "gated",   "gguf",        "lastModified", "library_name", "likes",       "pipeline_tag",
        "private", "safetensors", "sha",          "tags",         "usedStorage",
    };
    nb_str url = {0};
    add_repo_path(&url, "/api/models/", id);
    nb_str_add(&url, "/revision/");
    dl_url_encode(&url, revision, false);
    for (size_t i = 0; i < countof(wanted); i++)
        nb_str_addf(&url, "%cexpand=%s", i ? '&' : '?', wanted[i]);
    dl_reply reply;
    nb_status st = dl_get_json(net, &url, id, &reply, hooks, err);
    *trouble = reply.trouble;
    if (st == NB_OK)
        st = dl_believed(dl_json_model(nb_str_c(&reply.body), reply.body.len, id, &r->model, err),
                         trouble, err);
    if (st == NB_OK && !r->model.sha[0]) {
        *trouble = DL_BAD_REPLY;
        st = nb_fail(err, NB_NETWORK, "%s: the Hub names no commit for %s", id, revision);
    }
    if (st == NB_OK)
        memcpy(r->commit, r->model.sha, sizeof r->commit);
    dl_reply_free(&reply);
    nb_str_free(&url);
    return st;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const dl_file *)a)->path, ((const dl_file *)b)->path);
}

void dl_repo_settle(dl_repo *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_file; i++)
        r->file[i].path = r->names.at + r->file[i].path_at;
    if (r->n_file)
        qsort(r->file, r->n_file, sizeof *r->file, by_path);
    for (size_t i = 0; i < r->n_file; i++)
        if (n == 0 || strcmp(r->file[n - 1].path, r->file[i].path) != 0)
            r->file[n++] = r->file[i];
    r->dropped += r->n_file - n;
    r->n_file = n;
}

nb_status dl_hub_tree(dl_net *net, dl_repo *r, size_t *pages, dl_trouble *trouble,
                      const nb_hooks *hooks, nb_err *err)
{
    const char *id = r->model.id;
    nb_str url = {0};
    nb_status st = NB_OK;
    add_repo_path(&url, "/api/models/", id);
    nb_str_addf(&url, "/tree/%s?recursive=true&expand=false", r->commit);
    for (*pages = 0; st == NB_OK && (url.len || url.failed); ++*pages) {
        dl_reply reply;
        if (*pages == DL_PAGES_MAX) {
            *trouble = DL_TOO_BIG;
            st = nb_fail(err, NB_REFUSED, "%s: more than %d pages of files", id, DL_PAGES_MAX);
            break;
        }
        st = dl_get_json(net, &url, id, &reply, hooks, err);
        *trouble = reply.trouble;
        if (st == NB_OK)
            st = dl_believed(dl_json_tree(nb_str_c(&reply.body), reply.body.len, id, r, err),
                             trouble, err);
        if (st == NB_OK && *reply.next && strcmp(reply.next, reply.url) == 0) {
            *trouble = DL_BAD_REPLY;
            st = nb_fail(err, NB_NETWORK, "%s: a page of its files names itself as the next", id);
        }
        nb_str_clear(&url);
        if (st == NB_OK)
            nb_str_add(&url, reply.next);
        dl_reply_free(&reply);
    }
    nb_str_free(&url);
    if (st == NB_OK)
        dl_repo_settle(r);
    return st;
}

/* What the Hub's scanners say of the files a model is loaded from. Only a note on the screen: a
 * failure leaves "not told". */
static void read_security(dl_net *net, dl_repo *r, const nb_hooks *hooks)
{
    enum { MOST = 50 }; /* what the Hub expands in one answer */
    nb_str url = {0}, form = {0};
    size_t n = 0;
    add_repo_path(&url, "/api/models/", r->model.id);
    nb_str_addf(&url, "/paths-info/%s", r->commit);
    nb_str_add(&form, "expand=true");
    for (size_t i = 0; i < r->n_file && n < MOST; i++) {
        const char *path = r->file[i].path;
        if (!nb_has_suffix(path, ".gguf") && !nb_has_suffix(path, ".safetensors"))
            continue;
        nb_str_add(&form, "&paths=");
        dl_url_encode(&form, path, false);
        n++;
    }
    dl_reply reply = {0};
    dl_request rq = {.method = DL_POST,
                     .url = nb_str_c(&url),
                     .form = nb_str_c(&form),
                     .body_max = DL_BODY_MAX,
                     .subject = r->model.id};
    if (n && !url.failed && !form.failed) {
        if (dl_call(net, &rq, &reply, hooks, NULL) == NB_OK && reply.status / 100 == 2)
            dl_json_security(nb_str_c(&reply.body), reply.body.len, r->model.id, r, NULL);
        dl_reply_free(&reply);
    }
    nb_str_free(&url);
    nb_str_free(&form);
}

nb_status dl_hub_repo(dl_net *net, const char *id, const char *revision, dl_repo *out,
                      dl_trouble *trouble, const nb_hooks *hooks, nb_err *err)
{
    dl_repo r = {.n_file = 0};
    dl_trouble unused = DL_OK;
    size_t pages = 0;
    trouble = trouble ? trouble : &unused;
    *trouble = DL_OK;
    revision = revision && *revision ? revision : "main";
    NB_TRY(dl_hub_names_ok(id, revision, err));
    nb_status st = dl_hub_info(net, id, revision, &r, trouble, hooks, err);
    if (st == NB_OK)
        st = dl_hub_tree(net, &r, &pages, trouble, hooks, err);
    if (st == NB_OK && pages == 1)
        read_security(net, &r, hooks);
    if (st != NB_OK)
        dl_repo_free(&r);
    else
        *out = r;
    return st;
}

/* --- its card ------------------------------------------------------------------------------------
 */

nb_status dl_hub_card(dl_net *net, const char *id, const char *commit, nb_str *out,
                      dl_trouble *trouble, const nb_hooks *hooks, nb_err *err)
{
    dl_trouble unused = DL_OK;
    trouble = trouble ? trouble : &unused;
    *trouble = DL_OK;
    if (!dl_repo_ok(id) || !dl_commit_ok(commit))
        return bad_name(err, id);
    nb_str url = {0};
    add_repo_path(&url, "/", id);
    nb_str_addf(&url, "/resolve/%s/README.md", commit);
    dl_reply reply = {0};
    dl_request rq = {.follow = DL_FOLLOW_ALL,
                     .url = nb_str_c(&url),
                     .ranged = true,
                     .last = DL_CARD_MAX - 1,
                     .body_max = DL_CARD_MAX,
                     .subject = id};
    nb_status st = url.failed ? no_memory(err, id) : dl_call(net, &rq, &reply, hooks, err);
    bool empty = st != NB_OK && reply.status == 416; /* it has no first byte */
    *trouble = empty ? DL_OK : reply.trouble;
    if (empty) {
        st = NB_OK;
    } else if (st == NB_OK) {
        *out = reply.body;
        reply.body = (nb_str){0};
    }
    dl_reply_free(&reply);
    nb_str_free(&url);
    return st;
}
