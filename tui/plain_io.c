#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tui/plain.h"

enum { LINE_MOST = 1 << 16, EVENTS_PER_PASS = 256 };
static const double TELL_EVERY = 1.0; /* s between lines about progress */
static const double WORTH = 0.3;      /* s a job runs before it is worth a line */

/* --- signals ------------------------------------------------------------------------------------
 */

/* Set by the handler, taken by the loop: signals are let in only while it sleeps. */
static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
    caught = sig;
}

static const int told_of[] = {SIGINT, SIGTERM, SIGHUP};

void ui_plain_begin(ui_plain *p)
{
    struct sigaction sa = {.sa_handler = on_signal};
    sigset_t set;
    (void)p;
    sigemptyset(&set);
    for (size_t i = 0; i < countof(told_of); i++) {
        sigaddset(&set, told_of[i]);
        sigaction(told_of[i], &sa, NULL);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
}

void ui_plain_end(ui_plain *p)
{
    nb_str_free(&p->in);
    nb_str_free(&p->line);
}

/* Ctrl-C is for what runs first; with nothing running it ends the program. */
static void take_signal(ui_plain *p)
{
    int sig = caught;
    ui_app *app = p->app;
    size_t i = app->n_job;
    caught = 0;
    if (!sig)
        return;
    while (i-- > 0)
        if (app->job[i].job && !app->job[i].canceling)
            break;
    if (sig == SIGINT && i < app->n_job) {
        ui_plain_say(p, "cancelling %s %s", app->job[i].kind, app->job[i].label);
        ui_app_job_cancel(app, &app->job[i]);
        return;
    }
    app->signal = sig;
    p->ended = true;
}

/* --- out ----------------------------------------------------------------------------------------
 */

static void put(ui_plain *p, const char *text, size_t n)
{
    nb_str safe = {0};
    nb_safe_text(&safe, text, n,
                 NB_SAFE_ONE_LINE | (p->app->canvas.ascii ? (unsigned)NB_SAFE_ASCII : 0u));
    printf("%s\n", nb_str_c(&safe));
    nb_str_free(&safe);
    if (fflush(stdout) != 0)
        p->ended = true; /* who listened is gone */
}

__attribute__((format(printf, 2, 0))) static void say_list(ui_plain *p, const char *fmt, va_list ap)
{
    nb_str text = {0};
    char *made = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&made, &n);
    if (f) {
        vfprintf(f, fmt, ap);
        fclose(f);
        nb_str_addn(&text, made, n);
    }
    put(p, nb_str_c(&text), text.len);
    nb_str_free(&text);
    free(made);
}

void ui_plain_say(ui_plain *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say_list(p, fmt, ap);
    va_end(ap);
}

/* --- what changed -------------------------------------------------------------------------------
 */

static void tell_notes(ui_plain *p)
{
    ui_app *app = p->app;
    if (app->n_log - p->n_log > APP_LOG)
        p->n_log = app->n_log - APP_LOG;
    for (; p->n_log < app->n_log; p->n_log++) {
        const app_entry *e = &app->log[p->n_log % APP_LOG];
        ui_plain_say(p, "%s%s", e->error ? "error: " : "", e->text);
    }
    if (app->message[0])
        ui_plain_say(p, "%s", app->message);
    app->message[0] = app->sticky[0] = '\0'; /* errors are notes, too */
}

static struct plain_job *job_row(ui_plain *p, const app_job *j)
{
    size_t i = 0;
    while (i < p->n_job && p->job[i].job != j->job)
        i++;
    if (i < p->n_job)
        return &p->job[i];
    if (p->n_job == UI_PLAIN_MOST)
        return NULL;
    struct plain_job *row = &p->job[p->n_job++];
    *row = (struct plain_job){.job = j->job};
    snprintf(row->name, sizeof row->name, "%s %s", j->kind, j->label);
    return row;
}

static bool runs(const ui_app *app, const nb_job *job)
{
    for (size_t i = 0; i < app->n_job; i++)
        if (app->job[i].job == job)
            return true;
    return false;
}

/* How a job of that name ended last: "done", "cancelled", "failed". */
static const char *end_of(const ui_app *app, const char *name)
{
    char one[120];
    for (size_t i = app->n_job; i-- > 0;) {
        snprintf(one, sizeof one, "%s %s", app->job[i].kind, app->job[i].label);
        if (!app->job[i].job && strcmp(one, name) == 0)
            return ui_app_job_state(&app->job[i]);
    }
    return "done";
}

static void tell_ends(ui_plain *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n_job; i++) {
        const struct plain_job *row = &p->job[i];
        if (runs(p->app, row->job)) {
            p->job[kept++] = *row;
            continue;
        }
        const char *how = end_of(p->app, row->name);
        if (row->said || strcmp(how, "done") != 0)
            ui_plain_say(p, "%s: %s", row->name, how);
    }
    p->n_job = kept;
}

static void tell_jobs(ui_plain *p)
{
    ui_app *app = p->app;
    tell_ends(p);
    bool due = nb_now() - p->told_at >= TELL_EVERY;
    ui_app_jobs_look(app);
    for (size_t i = 0; i < app->n_job; i++) {
        const app_job *j = &app->job[i];
        struct plain_job *row = j->job ? job_row(p, j) : NULL;
        char words[120], line[120];
        if (!row || !due || j->view.elapsed < WORTH)
            continue;
        ui_app_job_words(j, words, sizeof words);
        nb_elide(line, sizeof line,
                 snprintf(line, sizeof line, "%s%s%s", words, j->view.what[0] ? " at " : "",
                          j->view.what));
        if (strcmp(line, row->words) == 0)
            continue;
        memcpy(row->words, line, sizeof line);
        ui_plain_say(p, "%s: %s", row->name, line[0] ? line : "running");
        row->said = true;
        p->told_at = nb_now();
    }
}

static void tell(ui_plain *p)
{
    ui_app_drain(p->app, EVENTS_PER_PASS);
    if (p->news)
        p->news(p, p->news_arg);
    tell_notes(p);
    tell_jobs(p);
}

/* A question of the app's own: costly things are asked about once. */
static void put_question(ui_plain *p)
{
    ui_app *app = p->app;
    if (!app->confirm.open || p->asking)
        return;
    p->asking = true;
    int yes = ui_plain_choose(p, 2, 2, "%s 1 yes, 2 no", app->confirm.question);
    ui_key k = {.code = UI_K_CHAR, .ch = yes == 1 ? 'y' : 'n'};
    ui_app_confirm_key(app, &k);
    p->asking = false;
}

bool ui_plain_settle(ui_plain *p)
{
    put_question(p);
    return !p->app->quit && !p->app->signal;
}

/* --- in -----------------------------------------------------------------------------------------
 */

static void read_some(ui_plain *p)
{
    char buf[4096];
    ssize_t n = read(STDIN_FILENO, buf, sizeof buf);
    if (n > 0)
        nb_str_addn(&p->in, buf, (size_t)n);
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        p->ended = true;
}

/* What happened since is told; returns how long nothing else is due, in seconds. */
static double serve(ui_plain *p)
{
    ui_app *app = p->app;
    tell(p);
    put_question(p);
    double next = ui_app_tick(app);
    app->dirty = false; /* nothing is drawn */
    if (app->quit)
        p->ended = true;
    return next;
}

/* Until something happens; signals come through only here. */
static void sleep_for(ui_plain *p, bool reads, double next)
{
    sigset_t open;
    struct pollfd fd[] = {{.fd = nb_mailbox_fd(p->app->mail), .events = POLLIN},
                          {.fd = STDIN_FILENO, .events = POLLIN}};
    struct timespec t = {.tv_sec = (time_t)next};
    t.tv_nsec = (long)((next - (double)t.tv_sec) * 1e9);
    sigprocmask(SIG_BLOCK, NULL, &open);
    for (size_t i = 0; i < countof(told_of); i++)
        sigdelset(&open, told_of[i]);
    if (p->ended)
        return;
    int n = ppoll(fd, reads ? 2 : 1, &t, &open);
    take_signal(p);
    if (n > 0 && reads && fd[1].revents)
        read_some(p);
}

/* Takes a whole line, at the end of input the rest. */
static bool take_line(ui_plain *p)
{
    const char *text = nb_str_c(&p->in), *end = memchr(text, '\n', p->in.len);
    size_t n = end ? (size_t)(end - text) : p->in.len, used = end ? n + 1 : n;
    if (!end && !(p->ended && n) && n < LINE_MOST)
        return false;
    nb_str_clear(&p->line);
    nb_str_addn(&p->line, text, n - (n && text[n - 1] == '\r'));
    memmove(p->in.at, p->in.at + used, p->in.len - used + 1);
    p->in.len -= used;
    return true;
}

const char *ui_plain_ask(ui_plain *p, const char *fmt, ...)
{
    va_list ap;
    if (p->ended && !p->in.len)
        return NULL;
    tell(p);
    va_start(ap, fmt);
    say_list(p, fmt, ap);
    va_end(ap);
    while (!take_line(p)) {
        if (p->ended)
            return NULL;
        double next = serve(p);
        sleep_for(p, true, next);
    }
    return nb_str_c(&p->line);
}

int ui_plain_choose(ui_plain *p, int n, int empty, const char *fmt, ...)
{
    char question[400];
    va_list ap;
    va_start(ap, fmt);
    nb_elide(question, sizeof question, vsnprintf(question, sizeof question, fmt, ap));
    va_end(ap);
    for (;;) {
        uint64_t number;
        const char *text = ui_plain_ask(p, "%s", question);
        if (!text)
            return 0;
        if (!*text)
            return empty;
        if (strcmp(text, "q") == 0) {
            p->app->quit = p->ended = true;
            nb_str_clear(&p->in);
            return 0;
        }
        if (nb_parse_u64(text, &number) && number <= (uint64_t)n)
            return (int)number;
        ui_plain_say(p, "\"%.60s\" is no number from 0 to %d", text, n);
    }
}

bool ui_plain_wait(ui_plain *p, bool (*busy)(const void *arg), const void *arg)
{
    bool signaled = p->app->signal != 0;
    while (busy(arg) && !signaled && !p->app->quit) {
        bool ended = p->ended; /* of the input: what runs is still waited for */
        p->ended = false;
        double next = serve(p);
        if (busy(arg)) /* what was told may have been its end: nothing wakes anybody then */
            sleep_for(p, false, next);
        signaled = p->app->signal != 0;
        p->ended = p->ended || ended;
    }
    tell(p);
    return !signaled && !p->app->quit;
}
