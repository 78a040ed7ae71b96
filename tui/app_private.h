/* What the workbench's own files share: the app's state, its panels and its job list. Screens see
 * app.h only. Everything here runs on the main thread.
 *
 * One key travels: loop or script -> ui_app_key -> open panel, else key table -> the app's own
 * actions
 * -> the screen. One frame: ui_app_tick asks the screen, ui_app_draw fills the canvas, the terminal
 * takes the differences. */
#ifndef NIBBLE_APP_PRIVATE_H
#define NIBBLE_APP_PRIVATE_H

#include <stdatomic.h>

#include "core/base/str.h"
#include "tui/app.h"
#include "tui/term.h"
#include "tui/widgets/widget.h"

enum {
    APP_JOBS = 64,  /* rows kept in J; the oldest finished one makes room */
    APP_LOG = 256,  /* entries kept for E */
    APP_MIN_W = 40, /* below: one status line, keys still work */
    APP_MIN_H = 10,
    APP_WIDE = 100, /* columns from which everything stands side by side */
    APP_RECENT = 8, /* palette rows that come first */
};

/* --- screens --------------------------------------------------------------------------------- */

typedef struct app_page {
    const ui_screen *row;
    int digit;
    void *self;  /* NULL until first shown */
    double wake; /* nb_now when its tick wants a frame; < 0 = never */
} app_page;

/* --- jobs
 * ------------------------------------------------------------------------------------------- */

typedef struct app_job {
    nb_job *job; /* NULL once DONE was delivered */
    ui_scope owner;
    char kind[16], label[96];
    nb_job_view view; /* the last look, kept after the end */
    nb_err result;
    bool canceling;
    bool seen; /* a failure stays in the strip until J or E showed it */
} app_job;

/* --- log
 * ---------------------------------------------------------------------------------------------- */

typedef struct app_entry {
    double at; /* nb_now */
    bool error;
    char text[512]; /* "what · effect · remedy" */
} app_entry;

/* --- panels
 * ------------------------------------------------------------------------------------------- */

typedef enum app_panel {
    APP_NO_PANEL,
    APP_PALETTE,
    APP_HELP,
    APP_JOBS_PANEL,
    APP_ERRORS,
    APP_ACCOUNT,
    APP_FIRST,
    APP_PANELS
} app_panel;

typedef struct app_panel_row {
    void (*open)(ui_app *app);
    void (*draw)(ui_app *app, ui_canvas *c, ui_rect area);
    bool (*key)(ui_app *app, const ui_key *k); /* every key while it is open */
    void (*mouse)(ui_app *app, const ui_key *k);
    const char *(*hints)(const ui_app *app, bool narrow);
    void (*close)(ui_app *app); /* NULL = nothing to undo */
} app_panel_row;
extern const app_panel_row ui_app_palette_row, ui_app_help_row, ui_app_jobs_row, ui_app_errors_row,
    ui_app_account_row, ui_app_first_row;

/* One row of palette or help. */
typedef struct app_item {
    ui_action action; /* NONE: a command */
    char name[80];    /* "Quantize: dry run, tensor by tensor" */
    char keys[48];    /* as bound */
    char verb[80];    /* "quantize.dry", "theme dark", "set threads" */
    char why_not[96]; /* "" = possible */
    ui_scope scope;
    int score;
} app_item;

typedef struct app_list {
    app_item *at; /* every row that can be found, as of opening */
    size_t n, cap;
    uint16_t *shown; /* rows the filter leaves, best first */
    ui_list list;
    ui_input input;
} app_list;

typedef struct app_confirm {
    bool open, quitting;
    char question[256];
    void (*done)(void *arg, bool yes);
    void *arg;
} app_confirm;

/* --- network --------------------------------------------------------------------------------- */

typedef struct app_net {
    dl_net *net; /* NULL until first used */
    dl_queue *queue;
    atomic_bool changed;  /* by the queue, from any thread: look at it */
    size_t running, done; /* items, as of the last look */
    double rate;          /* bytes/s over all */
    uint64_t missing;     /* bytes */
    char label[64];       /* of the first one running */
    double share;         /* of it, 0..1 */
    double eta;           /* of it, < 0 = unknown */
    char warning[256];    /* of the Hub, as last shown */
    bool restored;        /* what the last run left was looked at */
} app_net;

typedef struct app_account {
    ui_input token; /* being typed; wiped when the panel closes */
    nb_job *job;    /* whoami */
    struct asking *asking;
    bool known;
    dl_account who;
    char problem[240];
} app_account;

typedef struct app_meters {
    double at;           /* when read; < 0 = never */
    uint64_t busy, idle; /* ticks of /proc/stat */
    int cpu[4];          /* percent, oldest first */
    uint64_t ram_used, ram_total, disk_free;
} app_meters;

/* What of the frame itself can be pressed, by the numbers of its spots. */
enum {
    APP_SPOT_TAB,                                  /* + page */
    APP_SPOT_STRIP = APP_SPOT_TAB + UI_SCOPES,     /* opens J */
    APP_SPOT_ACTION,                               /* + action: right hints */
    APP_SPOT_KEY = APP_SPOT_ACTION + UI_ACT_COUNT, /* + index of `pressed`: left hints */
};

struct ui_app {
    nb_config cfg;
    ui_app_options opt;
    int threads;
    nk_ops ops;
    nb_sched *sched;
    nb_mailbox *mail;
    ui_workspace *ws;
    ui_keymap *keys;
    ui_theme theme;
    const char *default_theme; /* what "default" means on this terminal; NULL = itself */
    ui_canvas canvas;
    ui_spots spots;
    char pressed[UI_SPOTS][8]; /* key names: "C-r", "gb" */
    size_t n_pressed;
    ui_term *term; /* NULL: scripted */
    int w, h;

    app_page page[UI_SCOPES];
    size_t n_page, at;
    size_t trail[UI_SCOPES]; /* where q leads back to, oldest first */
    size_t n_trail;

    app_job job[APP_JOBS];
    size_t n_job;
    app_entry log[APP_LOG]; /* ring */
    size_t n_log;           /* ever written */
    int log_fd;             /* state_dir/log; -1 = none */

    app_panel panel;
    app_list items; /* palette or help */
    ui_list jobs_list, errors_list;
    bool errors_typing; /* the filter of E has the keys */
    ui_action asked;    /* help row that waits for a yes */
    ui_action binding;  /* row of palette or help that waits for its new key */
    char recent[APP_RECENT][80];
    char theme_before[32]; /* while the palette previews another */
    app_confirm confirm;

    char message[256]; /* until the next key */
    char sticky[512];  /* until Esc or E */
    uint32_t prefix;   /* g or y typed, waiting for the second key */
    double prefix_at;
    bool mouse, bare;
    app_meters meters;
    app_net net;
    app_account account;
    bool first_run; /* nothing was ever kept: greet once */
    bool dirty, quit, rescan;
    int signal; /* that ends the program, 0 = none */
    uint64_t frames;
};

/* app.c */
app_page *ui_app_current(ui_app *app);
app_page *ui_app_page_of(ui_app *app, ui_scope scope); /* NULL: not in this build */
/* The first screen, then the wanted one. */
void ui_app_begin(ui_app *app);
bool ui_app_enter(ui_app *app, size_t page);          /* opens it on first use */
bool ui_app_bring(ui_app *app, size_t page);          /* to an empty screen, what Models shows */
bool ui_app_leave(ui_app *app);                       /* back along the trail; false at its start */
void ui_app_quit(ui_app *app);                        /* asks when jobs run */
const char *ui_app_why_not(ui_app *app, ui_action a); /* NULL = possible here and now */
nb_status ui_app_theme(ui_app *app, const char *name, nb_err *err);
/* The terminal's background is known: the default theme becomes the one made for it. */
void ui_app_background(ui_app *app, int32_t rgb);
nb_status ui_app_save_text(const ui_app *app, const char *path, bool roles, nb_err *err);

/* app_keys.c */
void ui_app_key(ui_app *app, const ui_key *k);
bool ui_app_action(ui_app *app, ui_action a);

/* app_bind.c */
void ui_app_bind(ui_app *app, const app_item *it);    /* asks for a key for the row */
void ui_app_bind_key(ui_app *app, const ui_key *k);   /* the answer */
nb_status ui_app_keys_load(ui_app *app, nb_err *err); /* defaults and keys.conf, at any time */

/* app_jobs.c */
size_t ui_app_running(const ui_app *app);
void ui_app_jobs_look(ui_app *app); /* refreshes the views */
void ui_app_job_cancel(ui_app *app, app_job *j);
/* Delivers what waits, at most `most` events; true if any came. */
bool ui_app_drain(ui_app *app, int most);
/* Asks every job to stop and delivers until they have, or `seconds` of real time are over. */
bool ui_app_jobs_end(ui_app *app, double seconds);
/* Delivers until no job runs and nothing waits; false after `seconds` of real time. */
bool ui_app_jobs_wait(ui_app *app, double seconds);
const char *ui_app_job_state(const app_job *j);
/* "63%  8.2 MB/s  1m12", "stalled 12s": how it goes, in words. */
void ui_app_job_words(const app_job *j, char *out, size_t cap);

/* app_frame.c, app_meters.c */
void ui_app_draw(ui_app *app);
/* Asks screen and meters; returns seconds until something wants a frame. */
double ui_app_tick(ui_app *app);
bool ui_app_meters_read(ui_app *app); /* true if anything shown changed */
void ui_app_resize(ui_app *app, int w, int h);

/* app_mouse.c */
void ui_app_mouse(ui_app *app, const ui_key *k);
/* Notes the keys that stand at the start of a hint drawn at x, y: "[ ] ctx", "^R run". */
void ui_app_hint_spots(ui_app *app, int x, int y, const char *hint, size_t n);

/* ui_app_loop.c */
nb_status ui_app_loop(ui_app *app, nb_err *err);
void ui_app_suspend(ui_app *app);

/* script.c */
nb_status ui_app_script(ui_app *app, const char *path, nb_err *err);

/* app_net.c */
/* Looks at the queue when something changed: counts for the strip, finished files for Models. Opens
 * it when the last run left something to resume. Seconds until it wants to look again. */
double ui_app_net_tick(ui_app *app);
/* Something is fetched or waits to be. */
bool ui_app_net_busy(const ui_app *app);
/* Pauses downloads and closes the network; what is partly there stays. */
void ui_app_net_close(ui_app *app);
/* "get Qwen3-1.7B 63% 8.2 MB/s 1m12"; false when nothing runs. */
bool ui_app_net_words(const ui_app *app, char *out, size_t cap);

/* panels */
void ui_app_account_done(ui_app *app, const nb_err *err); /* the whoami job's end */
void ui_app_panel_open(ui_app *app, app_panel panel);
void ui_app_panel_close(ui_app *app);
const app_panel_row *ui_app_panel_row_of(app_panel panel);
/* A cleared box in the middle of area; returns its inside. */
ui_rect ui_app_panel_box(ui_canvas *c, ui_rect area, int w, int h, const char *title,
                         const char *note);
void ui_app_confirm_draw(ui_app *app, ui_canvas *c, ui_rect area);
void ui_app_confirm_key(ui_app *app, const ui_key *k);
/* Fills app->items: what can be run from here (help: only keys bound in this context). */
void ui_app_items_fill(ui_app *app, bool help);
/* Best matches of a query first: fuzzy over name, verb and keys; `key:X` by key alone. */
void ui_app_items_filter(ui_app *app, const char *query);
const app_item *ui_app_items_at(const ui_app *app, size_t i);
/* Runs "theme dark", "set threads 4", "quantize.dry", "q". */
nb_status ui_app_command(ui_app *app, const char *line, nb_err *err);
/* An action of the key table by its verb; the screen on top goes first. */
nb_status ui_app_verb(ui_app *app, const char *name, nb_err *err);
const char *ui_app_scope_title(ui_scope scope);

#endif
