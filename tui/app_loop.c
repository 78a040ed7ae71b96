/* The loop with a terminal: wait for tty, mailbox or signal; take all keys; deliver events; ask the
 * screen; draw at most 30 times a second, but at once what a key has changed (tui 9). */
#include "tui/app_private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

static const double FRAME = 1.0 / 30; /* seconds between frames at least */
static const double LAST_WORDS = 0.8; /* seconds jobs get when a signal ends the program */
static const double TRY_AGAIN = 0.05; /* seconds until a terminal that takes nothing is asked */
static const double ECHO = 1.0 / 120; /* the same after a key: a held one cannot flood */
enum { KEYS_PER_PASS = 512, EVENTS_PER_PASS = 256 };

/* True when there was one. What the terminal tells about itself comes with them. */
static bool take_keys(ui_app *app)
{
    ui_key k;
    int32_t rgb;
    int n = 0;
    while (n < KEYS_PER_PASS && !app->quit && ui_term_key(app->term, &k)) {
        ui_app_key(app, &k);
        n++;
    }
    if (ui_term_background(app->term, &rgb))
        ui_app_background(app, rgb);
    return n > 0;
}

static void follow_size(ui_app *app)
{
    int w, h;
    ui_term_size(app->term, &w, &h);
    if (w != app->w || h != app->h)
        ui_app_resize(app, w, h);
}

void ui_app_suspend(ui_app *app)
{
    if (!app->term)
        return;
    ui_term_leave(app->term);
    kill(0, SIGTSTP);
    ui_term_enter(app->term);
    follow_size(app);
    ui_app_dirty(app);
}

static void take_signals(ui_app *app)
{
    static const int last[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGPIPE};
    uint64_t seen = ui_term_signals(app->term);
    for (size_t i = 0; i < countof(last) && !app->signal; i++)
        if (seen & (UINT64_C(1) << last[i]))
            app->signal = last[i];
    app->quit = app->quit || app->signal;
    if (seen & (UINT64_C(1) << SIGCONT)) {
        ui_term_enter(app->term);
        ui_app_dirty(app);
    }
    if (seen & (UINT64_C(1) << SIGTSTP))
        ui_app_suspend(app);
    follow_size(app);
}

static void sleep_until_something(ui_app *app, double seconds)
{
    struct pollfd fd[] = {{.fd = ui_term_fd(app->term), .events = POLLIN},
                          {.fd = nb_mailbox_fd(app->mail), .events = POLLIN},
                          {.fd = ui_term_signal_fd(app->term), .events = POLLIN}};
    struct timespec t = {.tv_sec = (time_t)seconds};
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    int n = ppoll(fd, countof(fd), &t, NULL);
    if ((n > 0 && (fd[0].revents & (POLLHUP | POLLERR | POLLNVAL))) || ui_term_lost(app->term))
        app->signal = SIGHUP; /* the terminal is gone; a hung-up tty reads as ready for ever */
    app->quit = app->quit || app->signal;
}

/* Draws when it is due, `pace` seconds after the last; returns seconds until it is. */
static double draw(ui_app *app, double *drawn, double pace, double next)
{
    double since = nb_now() - *drawn;
    if (!app->dirty)
        return next;
    if (since < pace)
        return pace - since;
    ui_app_draw(app);
    *drawn = nb_now();
    if (!ui_term_flush(app->term, &app->canvas)) {
        app->dirty = true; /* state is a snapshot: nothing is lost by skipping */
        return TRY_AGAIN;
    }
    return next;
}

nb_status ui_app_loop(ui_app *app, nb_err *err)
{
    bool local = app->cfg.mouse >= 0 ? app->cfg.mouse == 1 : !app->cfg.ssh;
    ui_term_options opt = {.color = !app->opt.no_color,
                           .ascii = app->opt.ascii,
                           .mouse = local && !app->opt.no_mouse,
                           .log_fd = app->log_fd};
    NB_TRY(ui_term_open(&app->term, &opt, err));
    app->mouse = opt.mouse;
    app->canvas.ascii = ui_term_ascii(app->term);
    ui_term_theme(app->term, &app->theme);
    follow_size(app);
    ui_app_begin(app);
    double drawn = -1, before, pace = FRAME;
    take_keys(app); /* a quick answer colours the first frame already */
    while (!app->quit) {
        ui_app_drain(app, EVENTS_PER_PASS);
        before = drawn;
        double next = draw(app, &drawn, pace, ui_app_tick(app));
        pace = drawn > before ? FRAME : pace;
        sleep_until_something(app, next);
        take_signals(app);
        pace = take_keys(app) ? ECHO : pace;
    }
    /* Asked to go by a signal: a job that does not stop in time ends with the process. */
    if (app->signal && !ui_app_jobs_end(app, LAST_WORDS)) {
        ui_workspace_save(app->ws, NULL);
        ui_term_close(&app->term);
        ui_term_die(app->signal);
    }
    return NB_OK;
}
