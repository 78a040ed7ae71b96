/* pull: files of the Hub into the Hugging Face cache, through a queue of its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/job.h"
#include "tui/commands/net.h"
#include "tui/commands/pull.h"
#include "tui/hub_out.h"

enum { P_LIMIT, P_CONNECTIONS, P_REVISION, P_COUNT };
static const ui_opt pull_opt[P_COUNT] = {
    {"limit", 0, UI_OPT_TEXT, "RATE", NULL, 0, 0, "bytes a second at most: 500K, 2M"},
    {"connections", 0, UI_OPT_INT, "N", "4", 1, 16, "connections at once, over all files"},
    {"revision", 0, UI_OPT_TEXT, "REV", "main", 0, 0, "branch, tag or commit of all named"},
};

/* --- what is meant -----------------------------------------------------------------------------
 */

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

/* One file: a commit in the cache needs no request, anything else exactly one. *found false: the
 * list has to tell. */
static nb_status find_one(ui_pull *p, ui_wish *w, bool *found, nb_err *err)
{
    char commit[41], path[1100];
    dl_trouble trouble;
    dl_resolved r;
    *found = true;
    bool known = dl_cache_commit(&p->cache, w->name.repo, w->name.revision, commit);
    bool fixed = known && (dl_commit_ok(w->name.revision) || dl_net_offline(p->net));
    if (fixed &&
        dl_cache_find(&p->cache, w->name.repo, commit, w->name.tag, UINT64_MAX, path, sizeof path))
        return wish_found(w, commit, path, err);
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

static nb_status find(ui_pull *p, ui_wish *w, nb_err *err)
{
    dl_trouble trouble;
    bool found = false;
    if (is_one_file(w->name.tag))
        NB_TRY(find_one(p, w, &found, err));
    if (found)
        return NB_OK;
    nb_hooks hooks = ui_ctx_hooks(p->ctx);
    nb_status st =
        dl_hub_repo(p->net, w->name.repo, w->name.revision, &w->repo, &trouble, &hooks, err);
    ui_ctx_done(p->ctx);
    if (st != NB_OK)
        return ui_net_fail(p->ctx, st, trouble);
    NB_TRY(dl_choices_make(&w->repo, &w->choices, err));
    NB_TRY(dl_pick(&w->repo, &w->choices, w->name.tag, &w->choice, err));
    if (w->choice->kind == DL_CHOICE_GGUF)
        w->mmproj = dl_pick_mmproj(&w->repo, &w->choices, w->choice);
    return NB_OK;
}

static nb_status parse(ui_pull *p, nb_err *err)
{
    const ui_arg *o = p->ctx->opt;
    for (size_t i = 0; i < p->n; i++) {
        const char *text = p->ctx->args[i];
        NB_TRY(dl_name_parse(&p->wish[i].name, text, err));
        if (!o[P_REVISION].set)
            continue;
        if (strchr(text, '@'))
            return nb_fail(err, NB_USAGE, "%s names a revision, and --revision another", text);
        if (!dl_revision_ok(o[P_REVISION].text))
            return nb_fail(err, NB_USAGE, "--revision: \"%.100s\" is no branch, tag or commit",
                           o[P_REVISION].text);
        snprintf(p->wish[i].name.revision, sizeof p->wish[i].name.revision, "%s",
                 o[P_REVISION].text);
    }
    return NB_OK;
}

/* --- the queue ---------------------------------------------------------------------------------
 */

static nb_status add_all(ui_pull *p, nb_err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        ui_wish *w = &p->wish[i];
        NB_TRY(dl_queue_add(p->queue, &w->repo, w->name.revision, w->choice, NULL, err));
    }
    return NB_OK;
}

/* With --force one that was refused for want of space is told to try all the same. */
static bool insist(ui_pull *p, const dl_item *x)
{
    bool refused = x->trouble == DL_DISK_FULL && x->view.received == 0;
    if (!p->ctx->force || !refused || p->insisted == x->id)
        return false;
    p->insisted = x->id;
    dl_queue_retry(p->queue, x->id, true);
    return true;
}

/* False when nothing is left to wait for. */
static bool look(ui_pull *p)
{
    bool busy = false;
    ui_pull_sum s = {.n = dl_queue_count(p->queue)};
    for (size_t i = 0; dl_queue_look(p->queue, i, p->item); i++) {
        const dl_item *x = p->item;
        ui_pull_count(&s, x);
        if (x->state == DL_QUEUED || x->state == DL_RUNNING)
            busy = true;
        else if (x->state == DL_STOPPED)
            busy = insist(p, x) || busy;
    }
    ui_pull_draw(p, &s);
    return busy;
}

static nb_status wait_all(ui_pull *p, nb_err *err)
{
    const struct timespec step = {0, 20000000};
    nb_hooks hooks = ui_ctx_hooks(p->ctx);
    while (look(p)) {
        if (nb_canceled(&hooks)) {
            ui_pull_undraw(p);
            return ui_pull_canceled(p, err);
        }
        nanosleep(&step, NULL);
    }
    ui_pull_undraw(p);
    for (size_t i = 0; dl_queue_look(p->queue, i, p->item); i++)
        if (p->item->state == DL_STOPPED) {
            if (err)
                *err = p->item->err;
            return ui_net_fail(p->ctx, p->item->err.status, p->item->trouble);
        }
    return NB_OK;
}

static nb_status fetch(ui_pull *p, nb_err *err)
{
    NB_TRY(dl_queue_open(&p->queue, p->net, &p->cache, NULL, NULL, NULL, err));
    nb_status st = add_all(p, err);
    p->started = nb_now();
    if (st == NB_OK)
        st = wait_all(p, err);
    if (st == NB_OK && p->ctx->json)
        st = ui_pull_json(p, err);
    else if (st == NB_OK)
        ui_pull_paths(p);
    dl_queue_close(&p->queue);
    return st;
}

/* --- the command -------------------------------------------------------------------------------
 */

static nb_status go(ui_pull *p, nb_err *err)
{
    const ui_arg *o = p->ctx->opt;
    uint64_t limit = 0;
    NB_TRY(parse(p, err));
    if (o[P_LIMIT].set && (!ui_parse_size(o[P_LIMIT].text, &limit) || limit == 0))
        return nb_fail(err, NB_USAGE, "--limit: \"%s\" is no rate such as 500K or 2M",
                       o[P_LIMIT].text);
    NB_TRY(ui_net_open(&p->net, p->ctx, limit, o[P_CONNECTIONS].set ? (int)o[P_CONNECTIONS].i : 0,
                       err));
    NB_TRY(dl_cache_open(&p->cache, dl_net_env(p->net), err));
    for (size_t i = 0; i < p->n; i++) {
        NB_TRY(find(p, &p->wish[i], err));
        ui_pull_remark(p, &p->wish[i]);
    }
    return p->ctx->dry_run ? ui_pull_dry(p, err) : fetch(p, err);
}

static nb_status run_pull(ui_ctx *ctx, nb_err *err)
{
    ui_pull p = {.ctx = ctx, .n = ctx->n_args};
    p.wish = nb_alloc(p.n, sizeof *p.wish, "arguments", err);
    p.item = nb_alloc(1, sizeof *p.item, "download", err);
    nb_status st = p.wish && p.item ? go(&p, err) : NB_NOMEM;
    for (size_t i = 0; p.wish && i < p.n; i++) {
        dl_choices_free(&p.wish[i].choices);
        dl_repo_free(&p.wish[i].repo);
        free(p.wish[i].alone.file);
    }
    dl_net_close(&p.net);
    free(p.wish);
    free(p.item);
    return st;
}

const ui_cmd ui_cmd_pull = {
    .name = "pull",
    .args = "REPO[@REV][:TAG|FILE]...",
    .summary = "fetch models from the Hugging Face Hub into its cache",
    .details =
        "TAG is a quant's name (Q4_K_M; its shards come together), FILE a file's path. Without\n"
        "either the checkpoint with config and tokenizer is fetched, or the only GGUF, or Q4_K_M,\n"
        "or Q8_0. Everything lands verified in the cache all Hugging Face clients share; what is\n"
        "there already is not fetched again. Interrupted, by Ctrl-C or a power cut, the same\n"
        "command goes on where it stopped. --force tries even when the disk looks too full.\n"
        "stdout has one path a line: of the file, of each shard, or of a checkpoint's folder.\n"
        "\n"
        "JSON keys: pulled[] with repo, revision, commit, name, bytes and files[] with path,\n"
        "bytes, oid (sha256 or git's sha1), sha256 (null for small files), cached (it was there),\n"
        "landed (null in a dry run of what is not there); bytes, missing (dry run: to fetch),\n"
        "free (dry run: what the disk has left for it), seconds.",
    .opt = pull_opt,
    .n_opt = P_COUNT,
    .min_args = 1,
    .max_args = -1,
    .writes = true,
    .run = run_pull,
};
