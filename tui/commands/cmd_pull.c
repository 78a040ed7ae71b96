/* pull: files of the Hub into the Hugging Face cache, through a queue of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    if (p->ctx->hooks)
        nb_report(p->ctx->hooks,
                  &(nb_progress){.what = s.current, .done = s.have, .total = s.bytes});
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
            ui_pull_doubt(p, p->item);
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
        NB_TRY(ui_pull_find(p, &p->wish[i], err));
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
    .force = "try although the disk looks too full",
    .run = run_pull,
};
