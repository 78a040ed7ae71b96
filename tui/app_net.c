/* The network and the downloads as the workbench has them: opened when first used, followed by
 * snapshots, told in the strip and in tabs, paused when the program ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "tui/app_private.h"

static const double LOOK = 0.25; /* seconds between looks while something is fetched */

static void on_change(void *ud)
{
    ui_app *app = ud;
    atomic_store(&app->net.changed, true);
    nb_mailbox_poke(app->mail);
}

dl_net *ui_app_net(ui_app *app, nb_err *err)
{
    nb_err odd = {.status = NB_OK};
    if (app->net.net)
        return app->net.net;
    dl_options *opt = nb_alloc(1, sizeof *opt, "network", err);
    if (!opt)
        return NULL;
    if (nb_hub_env_load(&opt->env, &odd) != NB_OK)
        ui_app_log(app, "%s", odd.msg);
    opt->offline = app->opt.offline;
    if (dl_net_open(&app->net.net, opt, err) != NB_OK)
        app->net.net = NULL;
    nb_hub_env_wipe(&opt->env);
    free(opt);
    return app->net.net;
}

/* Where the queue is kept: nowhere in scripts, read-only runs and without a home. */
static const char *state_dir(const ui_app *app)
{
    bool keep = !ui_app_scripted(app) && !app->opt.read_only && app->cfg.writable;
    return keep && nb_mkdirs(app->cfg.state_dir, NULL) == NB_OK ? app->cfg.state_dir : NULL;
}

dl_queue *ui_app_queue(ui_app *app, nb_err *err)
{
    dl_cache cache;
    if (app->net.queue)
        return app->net.queue;
    dl_net *net = ui_app_net(app, err);
    if (!net || dl_cache_open(&cache, dl_net_env(net), err) != NB_OK)
        return NULL;
    if (dl_queue_open(&app->net.queue, net, &cache, state_dir(app), on_change, app, err) != NB_OK)
        return NULL;
    if (dl_queue_foreign(app->net.queue))
        ui_app_say(app, "another nibble keeps the list of downloads: this one's ends with it");
    atomic_store(&app->net.changed, true);
    return app->net.queue;
}

dl_queue *ui_app_queue_now(const ui_app *app)
{
    return app->net.queue;
}

void ui_app_account(ui_app *app)
{
    ui_app_panel_open(app, APP_ACCOUNT);
}

bool ui_app_browse(ui_app *app, const char *url)
{
    bool opened = app->term && !app->cfg.ssh && ui_term_browse(url);
    if (opened)
        ui_app_say(app, "%s goes to the browser", url);
    return opened;
}

void ui_app_trouble(ui_app *app, dl_trouble trouble, const nb_err *err)
{
    ui_app_error(app, err->msg, dl_trouble_remedy(trouble), dl_trouble_keys(trouble));
}

bool ui_app_get(ui_app *app, const dl_repo *repo, const char *revision, const dl_choice *choice)
{
    nb_err err = {.status = NB_OK};
    if (app->opt.read_only) {
        ui_app_say(app, "read-only: nothing is downloaded");
        return false;
    }
    dl_queue *q = ui_app_queue(app, &err);
    if (!q || dl_queue_add(q, repo, revision, choice, NULL, &err) != NB_OK) {
        ui_app_error(app, err.msg, "nothing was queued", "E shows all of it");
        return false;
    }
    char size[16];
    ui_app_say(app, "%s %s: %s queued, 2 shows the downloads", repo->model.id, choice->name,
               nb_human_bytes(size, choice->bytes));
    return true;
}

/* --- looking -------------------------------------------------------------------------------------
 */

/* Counts and the first one that runs; a file that arrived makes Models look again. */
static void look(ui_app *app)
{
    app_net *n = &app->net;
    size_t done = 0, running = 0, count = dl_queue_count(n->queue);
    dl_item *it = ui_xmalloc(sizeof *it);
    n->rate = 0;
    for (size_t i = 0; i < count && dl_queue_look(n->queue, i, it); i++) {
        done += it->state == DL_DONE;
        if (it->state != DL_RUNNING)
            continue;
        n->rate += it->view.rate;
        if (running++ == 0) {
            snprintf(n->label, sizeof n->label, "%.63s", nb_path_base(it->path));
            n->share = it->size ? (double)it->view.have / (double)it->size : 0;
            n->eta = it->eta;
        }
    }
    free(it);
    if (done > n->done)
        ui_app_rescan(app);
    n->done = done;
    n->running = running;
    n->missing = dl_queue_missing(n->queue);
    ui_app_dirty(app);
}

static void show_warning(ui_app *app)
{
    dl_net_view v;
    dl_net_look(app->net.net, &v);
    if (!v.warning[0] || strcmp(v.warning, app->net.warning) == 0)
        return;
    snprintf(app->net.warning, sizeof app->net.warning, "%s", v.warning);
    ui_app_log(app, "the Hub says: %s", v.warning);
    ui_app_say(app, "the Hub says: %s", v.warning);
}

/* What the last run left: its file tells, without opening a network for nothing. */
static void restore(ui_app *app)
{
    char path[1100];
    nb_err err = {.status = NB_OK};
    app->net.restored = true;
    if (app->opt.offline || !state_dir(app) ||
        !nb_path_join(path, sizeof path, app->cfg.state_dir, "downloads.json") || !nb_exists(path))
        return;
    if (!ui_app_queue(app, &err))
        ui_app_log(app, "%s", err.msg);
}

double ui_app_net_tick(ui_app *app)
{
    if (!app->net.restored && app->frames > 0)
        restore(app);
    if (app->net.net)
        show_warning(app);
    if (!app->net.queue)
        return 60;
    if (atomic_exchange(&app->net.changed, false) || app->net.running)
        look(app);
    return app->net.running ? LOOK : 60;
}

bool ui_app_net_busy(const ui_app *app)
{
    size_t n = app->net.queue ? dl_queue_count(app->net.queue) : 0;
    bool busy = false;
    dl_item *it = ui_xmalloc(sizeof *it);
    for (size_t i = 0; i < n && !busy && dl_queue_look(app->net.queue, i, it); i++)
        busy = it->state == DL_RUNNING || it->state == DL_QUEUED;
    free(it);
    return busy;
}

bool ui_app_net_words(const ui_app *app, char *out, size_t cap)
{
    const app_net *n = &app->net;
    char rate[16], left[16];
    if (!n->running)
        return false;
    snprintf(out, cap, "get %s%s %d%% %s/s %s", n->label, n->running > 1 ? " +" : "",
             (int)(100 * n->share), nb_human_bytes(rate, (uint64_t)n->rate),
             n->eta < 0 ? "" : nb_human_time(left, n->eta));
    return true;
}

void ui_app_net_close(ui_app *app)
{
    dl_queue_close(&app->net.queue);
    dl_net_close(&app->net.net);
}
