#include "tui/app_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/eval/tune.h"
#include "kernels/cpu.h"
#include "tui/plain.h"
#include "tui/transcript.h"

static const struct {
    const ui_screen *row;
    int digit;
} screens[] = {
#define UI_SCREEN(sym, scope, digit) {&ui_screen_##sym, digit},
#include "tui/screens/screens.def"
#undef UI_SCREEN
    {NULL, 0}};

/* --- screens --------------------------------------------------------------------------------- */

app_page *ui_app_current(ui_app *app)
{
    return &app->page[app->at];
}

app_page *ui_app_page_of(ui_app *app, ui_scope scope)
{
    for (size_t i = 0; i < app->n_page; i++)
        if (app->page[i].row->scope == scope)
            return &app->page[i];
    return NULL;
}

static bool open_page(ui_app *app, app_page *p)
{
    nb_err err = {0};
    if (p->self || p->row->open(&p->self, app, &err) == NB_OK)
        return true;
    p->self = NULL;
    ui_app_error(app, err.msg, "the screen stays closed", "its digit tries again");
    return false;
}

static bool is_empty(const app_page *p)
{
    return p->self && p->row->empty && p->row->empty(p->self);
}

bool ui_app_bring(ui_app *app, size_t at)
{
    app_page *models = ui_app_page_of(app, UI_MODELS);
    const app_page *p = &app->page[at];
    if (is_empty(p) && models && models->self)
        models->row->local(models->self, p->row->from_models);
    return true;
}

bool ui_app_enter(ui_app *app, size_t at)
{
    app_page *p = &app->page[at];
    if (!open_page(app, p))
        return false;
    if (at != app->at) {
        size_t i = 0;
        while (i < app->n_trail && app->trail[i] != at)
            i++;
        if (i < app->n_trail)
            app->n_trail = i; /* back to where it already was */
        else
            app->trail[app->n_trail++] = app->at;
        app->at = at;
    }
    app->prefix = 0;
    p->wake = 0;
    ui_app_dirty(app);
    return true;
}

bool ui_app_leave(ui_app *app)
{
    if (app->at == 0)
        return false;
    size_t to = app->n_trail ? app->trail[app->n_trail - 1] : 0;
    return ui_app_enter(app, to);
}

/* What is on its way to the Hub and back costs nothing to ask again. */
static size_t worth_asking(const ui_app *app)
{
    size_t n = 0;
    for (size_t i = 0; i < app->n_job; i++)
        n += app->job[i].job && strcmp(app->job[i].kind, "hub") != 0;
    return n;
}

void ui_app_quit(ui_app *app)
{
    size_t jobs = worth_asking(app), files = ui_app_net_waiting(app);
    app_confirm *q = &app->confirm;
    bool kept = files && !dl_queue_foreign(app->net.queue);
    size_t n = 0, cap = sizeof q->question;
    if (jobs + files == 0) {
        app->quit = true;
        return;
    }
    *q = (app_confirm){.open = true, .quitting = true, .downloads = files > 0};
    if (files)
        n = (size_t)snprintf(q->question, cap, "%zu %s not here yet: %s%s", files,
                             files == 1 ? "download is" : "downloads are",
                             kept ? "paused, the next start goes on."
                                  : "another nibble keeps the list, what arrived stays.",
                             jobs ? " " : "");
    if (jobs)
        snprintf(q->question + n, cap - n, "%zu %s running and cannot be resumed later.", jobs,
                 jobs == 1 ? "job is" : "jobs are");
    ui_app_dirty(app);
}

const char *ui_app_why_not(ui_app *app, ui_action a)
{
    static const char *const elsewhere[UI_SCOPES] = {[UI_MODELS] = "works on Models",
                                                     [UI_DETAIL] = "works on a repository's page",
                                                     [UI_DOWNLOADS] = "works on Downloads",
                                                     [UI_QUANTIZE] = "works on Quantize",
                                                     [UI_INSPECT] = "works on Inspect",
                                                     [UI_COMPARE] = "works on Compare",
                                                     [UI_CHAT] = "works on Chat"};
    const ui_keyrow *row = ui_keyrow_of(a);
    app_page *p = ui_app_current(app);
    if (!row)
        return "no such action";
    if (row->scope != UI_ANY && row->scope != p->row->scope)
        return elsewhere[row->scope];
    if (a == UI_ACT_ANY_SUSPEND && !app->term)
        return "needs a terminal";
    return p->self && p->row->why_not ? p->row->why_not(p->self, a) : NULL;
}

/* --- services -------------------------------------------------------------------------------- */

const nb_config *ui_app_config(const ui_app *app)
{
    return &app->cfg;
}
const nk_ops *ui_app_ops(const ui_app *app)
{
    return &app->ops;
}
nb_sched *ui_app_sched(ui_app *app)
{
    return app->sched;
}
int ui_app_threads(const ui_app *app)
{
    return app->threads;
}
bool ui_app_read_only(const ui_app *app)
{
    return app->opt.read_only;
}
bool ui_app_scripted(const ui_app *app)
{
    return app->opt.script != NULL;
}
double ui_app_now(const ui_app *app)
{
    (void)app;
    return nb_now();
}
const ui_app_options *ui_app_options_of(const ui_app *app)
{
    return &app->opt;
}
ui_workspace *ui_app_workspace(ui_app *app)
{
    return app->ws;
}
void ui_app_dirty(ui_app *app)
{
    app->dirty = true;
}
void ui_app_do(ui_app *app, ui_action a)
{
    ui_app_action(app, a);
}
const char *ui_app_keys(const ui_app *app, ui_action a)
{
    return ui_keymap_keys(app->keys, a);
}

void ui_app_show(ui_app *app, ui_scope screen, const char *const *paths, const char *note)
{
    app_page *p = ui_app_page_of(app, screen);
    if (!p) {
        ui_app_say(app, "that screen is not part of this version");
        return;
    }
    if (ui_app_enter(app, (size_t)(p - app->page)) && p->row->show && paths && paths[0])
        p->row->show(p->self, paths, note);
}

void ui_app_rescan(ui_app *app)
{
    app->rescan = true;
}

/* --- what is told ---------------------------------------------------------------------------- */

static void log_entry(ui_app *app, bool error, const char *text)
{
    app_entry *e = &app->log[app->n_log++ % APP_LOG];
    *e = (app_entry){.at = nb_now(), .error = error};
    nb_short(e->text, sizeof e->text, text);
    if (app->log_fd < 0)
        return;
    nb_str line = {0};
    nb_str_addf(&line, "%s ", error ? "error" : "note");
    nb_safe_text(&line, text, strlen(text), NB_SAFE_ONE_LINE);
    nb_str_add(&line, "\n");
    ssize_t put = line.at ? write(app->log_fd, line.at, line.len) : 0;
    (void)put; /* a log that cannot be written has nowhere to complain */
    nb_str_free(&line);
}

void ui_app_say(ui_app *app, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    nb_elide(app->message, sizeof app->message,
             vsnprintf(app->message, sizeof app->message, fmt, ap));
    va_end(ap);
    ui_app_dirty(app);
}

void ui_app_log(ui_app *app, const char *fmt, ...)
{
    char text[sizeof app->log[0].text];
    va_list ap;
    va_start(ap, fmt);
    nb_elide(text, sizeof text, vsnprintf(text, sizeof text, fmt, ap));
    va_end(ap);
    log_entry(app, false, text);
}

void ui_app_error(ui_app *app, const char *what, const char *effect, const char *remedy)
{
    int n = snprintf(app->sticky, sizeof app->sticky, "%s%s%s%s%s", what,
                     effect && *effect ? " · " : "", effect ? effect : "",
                     remedy && *remedy ? " · " : "", remedy ? remedy : "");
    nb_elide(app->sticky, sizeof app->sticky, n);
    log_entry(app, true, app->sticky);
    ui_app_dirty(app);
}

void ui_app_confirm(ui_app *app, const char *question, void (*done)(void *arg, bool yes), void *arg)
{
    if (app->confirm.open && app->confirm.done)
        app->confirm.done(app->confirm.arg, false); /* one question at a time; the older is a No */
    app->confirm = (app_confirm){.open = true, .done = done, .arg = arg};
    nb_short(app->confirm.question, sizeof app->confirm.question, question);
    ui_app_dirty(app);
}

/* --- theme, pictures of the screen ----------------------------------------------------------- */

static bool is_default(const char *theme)
{
    return !*theme || strcmp(theme, "default") == 0;
}

nb_status ui_app_theme(ui_app *app, const char *name, nb_err *err)
{
    char dir[1100], own[1200];
    ui_theme theme;
    bool have =
        app->cfg.config_dir[0] && nb_path_join(dir, sizeof dir, app->cfg.config_dir, "themes");
    bool owns = have && nb_path_join(own, sizeof own, dir, "default.theme") && nb_exists(own);
    if (is_default(name) && app->default_theme && !owns)
        name = app->default_theme;
    NB_TRY(ui_theme_load(&theme, name, have ? dir : NULL, err));
    app->theme = theme;
    if (app->term)
        ui_term_theme(app->term, &app->theme);
    ui_app_dirty(app);
    return NB_OK;
}

void ui_app_background(ui_app *app, int32_t rgb)
{
    app->default_theme = ui_color_is_light(rgb) ? "light" : "dark";
    if (is_default(app->cfg.theme) && is_default(app->theme.name))
        ui_app_theme(app, "default", NULL);
}

nb_status ui_app_save_text(const ui_app *app, const char *path, bool roles, nb_err *err)
{
    nb_str text = {0};
    ui_canvas_text(&app->canvas, &text, roles);
    nb_status st = text.failed ? nb_fail(err, NB_NOMEM, "%s: not enough memory", path)
                               : nb_replace_file(path, nb_str_c(&text), text.len, 0, err);
    nb_str_free(&text);
    return st;
}

/* --- life ------------------------------------------------------------------------------------ */

static void load_theme(ui_app *app)
{
    const char *name = app->cfg.theme[0] ? app->cfg.theme : "default";
    nb_err err = {0};
    if (ui_app_theme(app, name, &err) != NB_OK) {
        ui_app_error(app, err.msg, "the default theme is used", "");
        ui_app_theme(app, "default", NULL);
    }
}

static void open_log(ui_app *app)
{
    char path[1100];
    if (ui_app_scripted(app) || app->opt.read_only || !app->cfg.writable ||
        nb_mkdirs(app->cfg.state_dir, NULL) != NB_OK ||
        !nb_path_join(path, sizeof path, app->cfg.state_dir, "log"))
        return;
    app->log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
}

/* Nothing below it yet, or not even the folder itself. */
static bool untouched(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    if (!d)
        return errno == ENOENT;
    do
        e = readdir(d);
    while (e && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
    closedir(d);
    return !e;
}

/* Greeted is who opens the workbench as such, where it can remember that it did. */
static bool is_first_run(const ui_app *app)
{
    const ui_app_options *opt = &app->opt;
    return !opt->script && !opt->read_only && !opt->n_paths && !opt->start && app->cfg.writable &&
           untouched(app->cfg.state_dir) && untouched(app->cfg.config_dir);
}

static nb_status open_app(ui_app *app, nb_err *err)
{
    unsigned flags = 0;
    const char *cpu = app->opt.cpu ? app->opt.cpu : app->cfg.cpu;
    NB_TRY(nk_cpu_cap(nk_cpu_detect(), cpu, &flags, err));
    nk_ops_init(&app->ops, flags);
    nb_tune_apply(&app->cfg, cpu, &app->ops);
    app->threads = app->opt.threads > 0   ? app->opt.threads
                   : app->cfg.threads > 0 ? app->cfg.threads
                                          : nk_cpu_count();
    NB_TRY(nb_sched_open(&app->sched, app->threads, err));
    NB_TRY(nb_mailbox_open(&app->mail, err));
    bool keep = !ui_app_scripted(app) && !app->opt.read_only && app->cfg.writable;
    nb_err told = {0};
    app->first_run = is_first_run(app); /* before the first file is kept */
    NB_TRY(ui_workspace_open(&app->ws, keep ? app->cfg.state_dir : NULL, &told));
    open_log(app);
    if (told.msg[0])
        ui_app_say(app, "%s", told.msg);
    for (size_t i = 0; screens[i].row; i++)
        app->page[app->n_page++] =
            (app_page){.row = screens[i].row, .digit = screens[i].digit, .wake = -1};
    NB_TRY(ui_app_keys_load(app, err));
    load_theme(app);
    return ui_canvas_resize(&app->canvas, app->w, app->h, err);
}

/* "chat MODEL...": the panes open with the screen. */
static void talk_to_given(ui_app *app)
{
    char path[UI_PANES][1024];
    const char *paths[UI_PANES + 1] = {NULL};
    nb_err err;
    for (size_t i = 0; i < app->opt.n_paths && i < UI_PANES; i++) {
        const char *given = app->opt.paths[i];
        paths[i] = nb_is_remote(given) ? given : path[i];
        if (!nb_is_remote(given) &&
            nb_library_resolve(&app->cfg, given, path[i], sizeof path[i], &err) != NB_OK) {
            ui_app_say(app, "%s", err.msg);
            return;
        }
    }
    if (paths[0])
        ui_app_show(app, UI_CHAT, paths, NULL);
}

/* The first screen always opens: it is where q and Esc lead back to. The last one only with what it
 * showed. */
void ui_app_begin(ui_app *app)
{
    const char *last = ui_workspace_get(app->ws, "screen");
    const char *want = app->opt.start ? app->opt.start : app->opt.n_paths ? NULL : last;
    ui_app_enter(app, 0);
    for (size_t i = 1; want && i < app->n_page; i++) {
        app_page *p = &app->page[i];
        if (strcmp(p->row->name, want) == 0 && open_page(app, p) &&
            (app->opt.start || !is_empty(p)))
            ui_app_enter(app, i);
    }
    if (app->opt.start && strcmp(app->opt.start, "chat") == 0)
        talk_to_given(app);
}

static void close_app(ui_app *app)
{
    if (app->mail)
        ui_app_jobs_end(app, -1);
    if (app->ws && app->n_page)
        ui_workspace_set(app->ws, "screen", ui_app_current(app)->row->name);
    ui_app_panel_close(app);
    for (size_t i = app->n_page; i-- > 0;)
        if (app->page[i].self)
            app->page[i].row->close(&app->page[i].self);
    ui_app_net_close(app);
    ui_workspace_close(&app->ws);
    ui_term_close(&app->term);
    ui_canvas_free(&app->canvas);
    ui_keymap_close(&app->keys);
    free(app->items.at);
    free(app->items.shown);
    ui_input_free(&app->items.input);
    ui_input_free(&app->account.token);
    nb_mailbox_close(&app->mail);
    nb_sched_close(&app->sched);
    if (app->log_fd >= 0)
        close(app->log_fd);
}

nb_status ui_app_run(const nb_config *cfg, const ui_app_options *opt, nb_err *err)
{
    ui_app *app = nb_alloc(1, sizeof *app, "workbench", err);
    nb_status st = NB_NOMEM;
    if (!app)
        return st;
    app->cfg = *cfg;
    app->opt = *opt;
    app->log_fd = -1;
    app->w = 80;
    app->h = 24;
    app->meters.at = -1;
    if (opt->script)
        nb_now_set(100); /* pinned: only `frames` moves it */
    st = open_app(app, err);
    if (st == NB_OK) {
        bool plain = !opt->script && (opt->plain || ui_term_plain());
        app->canvas.ascii = opt->ascii || (plain && !ui_term_utf8());
        st = opt->script ? ui_app_script(app, opt->script, err)
             : plain     ? ui_plain_run(app, err)
                         : ui_app_loop(app, err);
    }
    close_app(app);
    if (opt->script)
        nb_now_set(-1);
    int signal_number = app->signal;
    free(app);
    if (signal_number)
        ui_term_die(signal_number);
    return st;
}
