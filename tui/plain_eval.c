/* Comparing and downloading: the commands do both from end to end, so their rows run here, as jobs
 * like any other. */
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "tui/commands/cmd.h"
#include "tui/plain.h"

enum { FILES_MOST = 16 };

typedef struct command {
    const ui_app *app;
    const ui_cmd *row;
    ui_ctx ctx;
    nb_job *job;
    nb_hooks hooks;
} command;

static bool working(const void *arg)
{
    const command *c = arg;
    for (size_t i = 0; i < c->app->n_job; i++)
        if (c->job && c->app->job[i].job == c->job)
            return true;
    return false;
}

static nb_status work(nb_job *job, void *arg, nb_err *err)
{
    command *c = arg;
    c->hooks = nb_job_hooks(job);
    c->ctx.hooks = &c->hooks;
    return c->row->run(&c->ctx, err);
}

/* Runs a row on these arguments; what it prints is the answer. */
static void run(ui_plain *p, const ui_cmd *row, const char *const *args, size_t n)
{
    ui_app *app = p->app;
    command *c = ui_xcalloc(1, sizeof *c);
    ui_arg *opt = ui_xcalloc(row->n_opt + 1, sizeof *opt);
    nb_err err = {0};
    *c = (command){.app = app,
                   .row = row,
                   .ctx = {.cfg = app->cfg,
                           .ops = app->ops,
                           .threads = app->threads,
                           .quiet = true,
                           .opt = opt,
                           .args = args,
                           .n_args = n}};
    if (ui_app_job(app, &c->job, UI_MODELS, row->name, nb_path_base(args[0]), work, c, &err) !=
        NB_OK)
        ui_plain_say(p, "%s", err.msg);
    else if (!ui_plain_wait(p, working, c))
        ui_app_jobs_end(app, -1); /* the job holds what is freed below */
    free(opt);
    free(c);
}

void ui_plain_compare(ui_plain *p)
{
    const char *path[FILES_MOST];
    size_t n = ui_plain_models(p, path, FILES_MOST,
                               "compare, the one with most bits is the "
                               "reference");
    if (n == 1)
        ui_plain_say(p, "one file has nothing to be compared with");
    else if (n)
        run(p, &ui_cmd_compare, path, n);
}

void ui_plain_download(ui_plain *p)
{
    char name[600];
    const char *text =
        ui_plain_ask(p, "name on the Hub: ORG/REPO or ORG/REPO:Q4_K_M, an empty line "
                        "goes back");
    if (!text || !*text)
        return;
    if (p->app->opt.read_only || strlen(text) >= sizeof name) {
        ui_plain_say(p, p->app->opt.read_only ? "started with --read-only: nothing is written"
                                              : "the name is too long");
        return;
    }
    memcpy(name, text, strlen(text) + 1);
    const char *const args[] = {name};
    run(p, &ui_cmd_pull, args, 1);
    ui_app_rescan(p->app);
}
