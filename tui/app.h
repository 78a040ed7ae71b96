/* The workbench: one loop over terminal, wake-up fd and signals; screens, panels, jobs and errors.
 * Only the main thread runs here. What screens may ask of it is this header. */
#ifndef NIBBLE_APP_H
#define NIBBLE_APP_H

#include "core/base/config.h"
#include "core/files/library.h"
#include "core/model/sched.h"
#include "downloads/queue.h"
#include "kernels/ops.h"
#include "tui/screens/screen.h"
#include "tui/workspace.h"

/* A setting of the first screen, by the name its panel shows. */
typedef struct ui_app_setting {
    const char *name, *value;
} ui_app_setting;

typedef struct ui_app_options {
    const char *const *paths; /* given models */
    size_t n_paths;
    const char *script;             /* --script FILE: headless replay */
    const char *start;              /* first screen by name, NULL = models */
    const ui_app_setting *settings; /* [n_settings] of Chat */
    size_t n_settings;
    bool read_only, offline, ascii, no_color, no_mouse;
    bool plain; /* lines instead of screens: needs no terminal */
    int threads;
    const char *cpu; /* ceiling, NULL = cfg.cpu */
} ui_app_options;

/* Runs until quit; returns the process status. */
nb_status ui_app_run(const nb_config *cfg, const ui_app_options *opt, nb_err *err);

/* --- services for screens ------------------------------------------------------------------------
 */
const nb_config *ui_app_config(const ui_app *app);
const nk_ops *ui_app_ops(const ui_app *app);
nb_sched *ui_app_sched(ui_app *app);
int ui_app_threads(const ui_app *app);
bool ui_app_read_only(const ui_app *app);
bool ui_app_scripted(const ui_app *app); /* pinned clock and meters */
/* Seconds; scripted runs step it per frame. */
double ui_app_now(const ui_app *app);
const ui_app_options *ui_app_options_of(const ui_app *app);
/* What the last run left and the next one gets: the app keeps the screen in it, a screen its marks
 * and drafts. Opened before the screens, closed after them. */
ui_workspace *ui_app_workspace(ui_app *app);

/* Starts a job listed in the strip and in J; its events go to the screen of `owner`. The app frees
 * it after DONE was delivered. */
nb_status ui_app_job(ui_app *app, nb_job **out, ui_scope owner, const char *kind, const char *label,
                     nb_job_fn *run, void *arg, nb_err *err);
/* A job is computing now. */
bool ui_app_busy(const ui_app *app);
/* Switches screen and hands it paths. */
void ui_app_show(ui_app *app, ui_scope screen, const char *const *paths, const char *note);
/* A line over the hints until the next key. */
void ui_app_say(ui_app *app, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A sticky error: what happened, what it means, what to press. Also logged for E. */
void ui_app_error(ui_app *app, const char *what, const char *effect, const char *remedy);
void ui_app_log(ui_app *app, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Asks once; default No. done(arg, yes) on the main thread. question is copied. */
void ui_app_confirm(ui_app *app, const char *question, void (*done)(void *arg, bool yes),
                    void *arg);
void ui_app_copy(ui_app *app, const char *text, size_t n); /* clipboard, or a file and says so */
/* Runs $EDITOR on text; NULL when impossible or unchanged. malloc'd. */
char *ui_app_edit(ui_app *app, const char *text, nb_err *err);
void ui_app_dirty(ui_app *app);
/* The network, opened when first asked for; NULL when it cannot be, and *err says why. Offline it
 * opens too: its requests then fail as such, and the cache answers. */
dl_net *ui_app_net(ui_app *app, nb_err *err);
/* What is being downloaded; NULL as ui_app_net, or without a home folder to keep a cache in. */
dl_queue *ui_app_queue(ui_app *app, nb_err *err);
/* The queue if it is open already: for drawing. */
dl_queue *ui_app_queue_now(const ui_app *app);
/* Puts a choice of a repository into the queue, says so or tells what is wrong. */
bool ui_app_get(ui_app *app, const dl_repo *repo, const char *revision, const dl_choice *choice);
/* Opens the account panel (A). */
void ui_app_account(ui_app *app);
/* Opens an http(s) address in the user's browser; false where there is none (no display, ssh). */
bool ui_app_browse(ui_app *app, const char *url);
/* A trouble as a sticky error: what happened, what it means, which keys mend it. */
void ui_app_trouble(ui_app *app, dl_trouble trouble, const nb_err *err);
/* Models changed on disk: the library is scanned again. */
void ui_app_rescan(ui_app *app);
void ui_app_do(ui_app *app, ui_action a);
/* Bound keys of an action, for texts that name keys. */
const char *ui_app_keys(const ui_app *app, ui_action a);

/* tui small allocations: restore the terminal and die when memory is gone. */
void *ui_xmalloc(size_t n);
void *ui_xcalloc(size_t n, size_t size);
char *ui_xstrdup(const char *s);

#endif
