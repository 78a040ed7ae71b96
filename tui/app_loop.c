/* The loop with a terminal: wait for tty, mailbox or signal; take all keys; deliver events; ask the
 * screen; draw at most 30 times a second and no more than a slow line carries (tui 10), but at once
 * what a key has changed (tui 9). */
#include "tui/app_private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

static const double FRAME = 1.0 / 30; /* seconds between frames at least */
static const double SPARE = 8000;     /* bytes that frames may be ahead of their screen's rate */
static const double LONGEST = 1;      /* seconds such a frame waits at most */
static const double LAST_WORDS = 0.8; /* seconds jobs get when a signal ends the program */
static const double TRY_AGAIN = 0.05; /* seconds until a terminal that takes nothing is asked */
static const double SHARE = 0.0025; /* of all processors' time that frames nobody asked for take */
static const double SLOWEST = 0.1;  /* seconds between such frames at most */
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

/* True when it is another. */
static bool follow_size(ui_app *app)
{
    int w, h;
    ui_term_size(app->term, &w, &h);
    if (w == app->w && h == app->h)
        return false;
    ui_app_resize(app, w, h);
    return true;
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

/* True when the terminal has another size. */
static bool take_signals(ui_app *app)
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
    if (seen & (UINT64_C(1) << SIGWINCH)) { /* smaller and back at once: the size is the old one, */
        ui_term_redraw(app->term);          /* what stood there is not */
        ui_app_dirty(app);
    }
    return follow_size(app);
}

static void sleep_until_something(ui_app *app, double seconds, bool mail)
{
    struct pollfd fd[] = {{.fd = ui_term_fd(app->term), .events = POLLIN},
                          {.fd = mail ? nb_mailbox_fd(app->mail) : -1, .events = POLLIN},
                          {.fd = ui_term_signal_fd(app->term), .events = POLLIN}};
    struct timespec t = {.tv_sec = (time_t)seconds};
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    int n = ppoll(fd, countof(fd), &t, NULL);
    if ((n > 0 && (fd[0].revents & (POLLHUP | POLLERR | POLLNVAL))) || ui_term_lost(app->term))
        app->signal = SIGHUP; /* the terminal is gone; a hung-up tty reads as ready for ever */
    app->quit = app->quit || app->signal;
}

typedef struct pacer {
    double drawn; /* when the last frame was */
    double ahead; /* bytes written that the screen's rate did not cover by then */
    double cost;  /* seconds of the processor that a frame takes */
    bool asked;   /* a key waits to be answered */
    bool mail;    /* events came since the last frame */
    double deaf;  /* until then events wait: more come, and none could be shown */
} pacer;

static double most(double a, double b)
{
    return a > b ? a : b;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* Seconds between frames nobody asked for. Where few processors answer, a frame is missed by them:
 * the cells it compares are in memory again, as weights have gone through all caches since. */
static double fair(const pacer *p, int threads)
{
    return most(FRAME, least(p->cost / (SHARE * threads), SLOWEST));
}

/* Seconds from the last frame to the next. */
static double pause_of(const pacer *p, double rate, int threads)
{
    double owed = rate > 0 ? (p->ahead - SPARE) / rate : 0;
    return p->asked ? ECHO : most(fair(p, threads), least(owed, LONGEST));
}

/* Of this thread. */
static double busy_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void count(pacer *p, double now, double rate, size_t written)
{
    p->ahead -= rate * (now - p->drawn);
    p->ahead = (p->ahead > 0 && rate > 0 ? p->ahead : 0) + (p->asked ? 0 : (double)written);
    p->drawn = now;
    p->asked = p->mail = false;
}

/* Draws when it is due; returns seconds until it is. */
static double draw(ui_app *app, pacer *p, double next)
{
    double rate = ui_app_current(app)->row->rate;
    double pause = pause_of(p, rate, app->threads), since = nb_now() - p->drawn;
    if (!app->dirty)
        return next;
    if (since < pause)
        return pause - since;
    double begin = busy_seconds();
    ui_app_draw(app);
    bool taken = ui_term_flush(app->term, &app->canvas);
    p->cost += (busy_seconds() - begin - p->cost) / 8; /* of the last few */
    p->deaf = p->mail ? nb_now() + fair(p, app->threads) : 0;
    count(p, nb_now(), rate, taken ? ui_term_written(app->term) : 0);
    app->dirty = app->dirty || !taken; /* state is a snapshot: nothing is lost by skipping */
    return taken ? next : TRY_AGAIN;
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
    pacer p = {.drawn = -1};
    take_keys(app); /* a quick answer colours the first frame already */
    while (!app->quit) {
        p.mail = ui_app_drain(app, EVENTS_PER_PASS) || p.mail;
        double wait = draw(app, &p, ui_app_tick(app)), deaf = p.deaf - nb_now();
        sleep_until_something(app, deaf > 0 ? least(wait, deaf) : wait, deaf <= 0);
        if (take_signals(app))
            p.ahead = 0;
        p.asked = take_keys(app) || p.asked;
    }
    /* Asked to go by a signal: a job that does not stop in time ends with the process. */
    if (app->signal && !ui_app_jobs_end(app, LAST_WORDS)) {
        ui_workspace_save(app->ws, NULL);
        ui_term_close(&app->term);
        ui_term_die(app->signal);
    }
    return NB_OK;
}
