/* What a name on the command line means: one file, or what the list of files makes of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "downloads/listing.h"
#include "tui/commands/net.h"
#include "tui/commands/pull.h"

/* A path in the repository rather than a quant's name. One shard stands for its whole set, which
 * only the list of files tells. */
static bool is_one_file(const char *tag)
{
    static const char *const kinds[] = {".gguf", ".safetensors", ".json", ".txt",
                                        ".md",   ".model",       ".jinja"};
    bool known = false;
    for (size_t i = 0; i < countof(kinds); i++)
        known = known || nb_has_suffix(tag, kinds[i]);
    return known && !strstr(tag, "-of-0");
}

/* A repository of one file, of which all that matters is known. */
static nb_status wish_of(ui_wish *w, const char *commit, const char *oid, uint64_t size,
                         nb_err *err)
{
    dl_repo *r = &w->repo;
    snprintf(r->model.id, sizeof r->model.id, "%s", w->name.repo);
    snprintf(r->commit, sizeof r->commit, "%s", commit);
    nb_str_add(&r->names, w->name.tag);
    r->file = nb_alloc(1, sizeof *r->file, "file", err);
    w->alone.file = nb_alloc(1, sizeof *w->alone.file, "file", err);
    if (!r->file || !w->alone.file || r->names.failed)
        return nb_fail(err, NB_NOMEM, "%s: no memory", w->name.repo);
    r->n_file = w->alone.n_file = 1;
    r->file[0].path = r->names.at;
    r->file[0].size = size;
    snprintf(r->file[0].oid, sizeof r->file[0].oid, "%s", oid);
    w->alone.kind = DL_CHOICE_FILE;
    w->alone.bytes = size;
    snprintf(w->alone.name, sizeof w->alone.name, "%.120s", nb_path_base(w->name.tag));
    w->choice = &w->alone;
    return NB_OK;
}

/* A file that was found without asking: its entry tells size and content. */
static nb_status wish_found(ui_wish *w, const char *commit, const char *path, nb_err *err)
{
    char link[1100];
    struct stat st;
    ssize_t n = readlink(path, link, sizeof link - 1);
    link[n > 0 ? n : 0] = '\0';
    const char *oid = nb_path_base(link);
    if (stat(path, &st) != 0)
        return nb_fail_errno(err, errno, "stat", path);
    return wish_of(w, commit, dl_oid_ok(oid) ? oid : "", (uint64_t)st.st_size, err);
}

/* One file in the cache: a commit tells it without a request, offline so does a ref. */
static bool find_here(ui_pull *p, ui_wish *w, nb_status *st, nb_err *err)
{
    char commit[41], path[1100];
    bool known = dl_cache_commit(&p->cache, w->name.repo, w->name.revision, commit);
    bool fixed = known && (dl_commit_ok(w->name.revision) || dl_net_offline(p->net));
    if (!fixed || !is_one_file(w->name.tag) ||
        !dl_cache_find(&p->cache, w->name.repo, commit, w->name.tag, UINT64_MAX, path, sizeof path))
        return false;
    *st = wish_found(w, commit, path, err);
    return true;
}

/* One file by one request. *found false: the list has to tell. */
static nb_status find_one(ui_pull *p, ui_wish *w, bool *found, nb_err *err)
{
    dl_trouble trouble;
    dl_resolved r;
    nb_hooks hooks = ui_ctx_hooks(p->ctx);
    nb_status st =
        dl_resolve(p->net, w->name.repo, w->name.revision, w->name.tag, &r, &trouble, &hooks, err);
    ui_ctx_done(p->ctx);
    explicit_bzero(r.url, sizeof r.url);
    *found = trouble != DL_NO_FILE; /* perhaps a file's name without its folder */
    if (st == NB_OK)
        return wish_of(w, r.commit, r.oid, r.size, err);
    return *found ? ui_net_fail(p->ctx, st, trouble) : NB_OK;
}

/* --- offline -----------------------------------------------------------------------------------
 */

static nb_status missing(ui_pull *p, const ui_wish *w, const char *what, nb_err *err)
{
    const dl_name *n = &w->name;
    nb_fail(err, NB_NETWORK, "%s%s%.60s: %.130s%snot in the cache, and offline", n->repo,
            n->tag[0] ? ":" : "", n->tag, what, *what ? " " : "");
    return ui_net_fail(p->ctx, NB_NETWORK, DL_OFFLINE_MODE);
}

static bool is_here(ui_pull *p, const ui_wish *w, const dl_file *f)
{
    char path[1100];
    const char *id = w->repo.model.id;
    return dl_cache_find(&p->cache, id, w->repo.commit, f->path, f->size, path, sizeof path) ||
           (f->oid[0] && dl_cache_has_blob(&p->cache, id, f->oid, f->size));
}

/* All that was chosen is there, or how much of it is not. */
static nb_status expect_here(ui_pull *p, const ui_wish *w, nb_err *err)
{
    const dl_choice *c = w->choice;
    const char *first = NULL;
    char what[200];
    size_t gone = 0;
    for (size_t i = 0; i < c->n_file; i++) {
        const dl_file *f = &w->repo.file[c->file[i]];
        if (is_here(p, w, f))
            continue;
        first = first ? first : f->path;
        gone++;
    }
    if (gone == 0)
        return NB_OK;
    snprintf(what, sizeof what, "%zu of %zu files (%s%.100s) %s", gone, c->n_file,
             gone > 1 ? "the first is " : "", first, gone > 1 ? "are" : "is");
    return missing(p, w, what, err);
}

static bool has_file(const dl_repo *r, const char *path)
{
    for (size_t i = 0; i < r->n_file; i++)
        if (strcmp(r->file[i].path, path) == 0)
            return true;
    return false;
}

/* Without a list the snapshot's folder tells what it can: how many shards a set has, and that a
 * checkpoint has a configuration. */
static nb_status choose_here(ui_pull *p, ui_wish *w, nb_err *err)
{
    char what[64];
    for (size_t i = 0; i < w->choices.n; i++)
        w->choices.at[i].complete = true; /* what is missing here is not so in the repository */
    nb_status st = dl_pick(&w->repo, &w->choices, w->name.tag, &w->choice, err);
    if (st == NB_NOTFOUND)
        return missing(p, w, "", err);
    NB_TRY(st);
    if (w->choice->missing_of) {
        snprintf(what, sizeof what, "part %u of %u is", w->choice->missing_no,
                 w->choice->missing_of);
        return missing(p, w, what, err);
    }
    if (w->choice->kind == DL_CHOICE_CHECKPOINT && !has_file(&w->repo, "config.json"))
        return missing(p, w, "config.json is", err);
    return NB_OK;
}

static nb_status find_offline(ui_pull *p, ui_wish *w, nb_err *err)
{
    bool listed;
    dl_trouble trouble;
    nb_status st = dl_listing_here(p->net, p->ctx->cfg.cache_dir, &p->cache, w->name.repo,
                                   w->name.revision, &w->repo, &listed, &trouble, err);
    if (st != NB_OK)
        return ui_net_fail(p->ctx, st, trouble);
    NB_TRY(dl_choices_make(&w->repo, &w->choices, err));
    if (!listed)
        return choose_here(p, w, err);
    NB_TRY(dl_pick(&w->repo, &w->choices, w->name.tag, &w->choice, err));
    return p->ctx->dry_run ? NB_OK : expect_here(p, w, err);
}

/* --- the answer --------------------------------------------------------------------------------
 */

static nb_status find_listed(ui_pull *p, ui_wish *w, nb_err *err)
{
    dl_trouble trouble;
    nb_hooks hooks = ui_ctx_hooks(p->ctx);
    nb_status st = dl_listing_ask(p->net, p->ctx->cfg.cache_dir, w->name.repo, w->name.revision,
                                  &w->repo, &trouble, &hooks, err);
    ui_ctx_done(p->ctx);
    if (st != NB_OK)
        return ui_net_fail(p->ctx, st, trouble);
    NB_TRY(dl_choices_make(&w->repo, &w->choices, err));
    return dl_pick(&w->repo, &w->choices, w->name.tag, &w->choice, err);
}

nb_status ui_pull_find(ui_pull *p, ui_wish *w, nb_err *err)
{
    bool found = false;
    nb_status st = NB_OK;
    if (find_here(p, w, &st, err))
        return st;
    if (dl_net_offline(p->net)) {
        NB_TRY(find_offline(p, w, err));
    } else {
        if (is_one_file(w->name.tag))
            NB_TRY(find_one(p, w, &found, err));
        if (found)
            return NB_OK;
        NB_TRY(find_listed(p, w, err));
    }
    if (w->choice->kind == DL_CHOICE_GGUF)
        w->mmproj = dl_pick_mmproj(&w->repo, &w->choices, w->choice);
    return NB_OK;
}

void ui_pull_doubt(ui_pull *p, const dl_item *x)
{
    if (x->trouble != DL_WRONG_SIZE && x->trouble != DL_WRONG_HASH && x->trouble != DL_CHANGED)
        return;
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->wish[i].repo.model.id, x->repo) == 0)
            dl_listing_forget(p->net, p->ctx->cfg.cache_dir, p->wish[i].name.repo, x->commit);
}
