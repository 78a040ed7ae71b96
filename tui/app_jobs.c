#include "tui/app_private.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const double STALLED = 5; /* seconds without change that are said */

size_t ui_app_running(const ui_app *app)
{
    size_t n = 0;
    for (size_t i = 0; i < app->n_job; i++)
        n += app->job[i].job != NULL;
    return n;
}

/* A job whose end is being told has nothing more to compute. */
bool ui_app_busy(const ui_app *app)
{
    for (size_t i = 0; i < app->n_job; i++) {
        nb_job_view v = {.finished = true};
        if (app->job[i].job)
            nb_job_look(app->job[i].job, &v);
        if (!v.finished && !v.paused)
            return true;
    }
    return false;
}

/* A free row; the oldest finished one when the list is full. */
static app_job *new_row(ui_app *app)
{
    if (app->n_job == APP_JOBS) {
        size_t i = 0;
        while (i < APP_JOBS && app->job[i].job)
            i++;
        if (i == APP_JOBS)
            return NULL;
        memmove(&app->job[i], &app->job[i + 1], (APP_JOBS - i - 1) * sizeof app->job[0]);
        app->n_job--;
    }
    return &app->job[app->n_job++];
}

nb_status ui_app_job(ui_app *app, nb_job **out, ui_scope owner, const char *kind, const char *label,
                     nb_job_fn *run, void *arg, nb_err *err)
{
    app_job *j = new_row(app);
    if (!j)
        return nb_fail(err, NB_REFUSED, "%s: %d jobs are running already", label, APP_JOBS);
    *j = (app_job){.owner = owner};
    snprintf(j->kind, sizeof j->kind, "%s", kind);
    nb_short(j->label, sizeof j->label, label);
    nb_status st = nb_job_start(&j->job, app->mail, label, run, arg, err);
    if (st != NB_OK) {
        app->n_job--;
        return st;
    }
    *out = j->job;
    ui_app_dirty(app);
    return NB_OK;
}

void ui_app_jobs_look(ui_app *app)
{
    for (size_t i = 0; i < app->n_job; i++)
        if (app->job[i].job)
            nb_job_look(app->job[i].job, &app->job[i].view);
}

void ui_app_job_cancel(ui_app *app, app_job *j)
{
    if (!j->job)
        return;
    j->canceling = true;
    nb_job_cancel(j->job);
    ui_app_dirty(app);
}

static app_job *row_of(ui_app *app, const nb_job *job)
{
    for (size_t i = 0; i < app->n_job; i++)
        if (app->job[i].job == job)
            return &app->job[i];
    return NULL;
}

static void finish(ui_app *app, app_job *j, const nb_err *err)
{
    nb_job_look(j->job, &j->view);
    j->result = *err;
    nb_job_free(&j->job);
    if (err->status != NB_OK && err->status != NB_CANCELED)
        ui_app_log(app, "%s %s: %s", j->kind, j->label, err->msg);
    else
        j->seen = true;
}

bool ui_app_drain(ui_app *app, int most)
{
    nb_event e;
    int n = 0;
    while (n < most && nb_mailbox_drain(app->mail, &e)) {
        app_job *j = row_of(app, e.job);
        app_page *p = j ? ui_app_page_of(app, j->owner) : NULL;
        nb_job *job = e.job;
        n++;
        if (p && p->self && p->row->event) {
            p->row->event(p->self, &e);
            p->wake = 0;
        }
        /* the list may have moved: the event may have started another job */
        j = row_of(app, job);
        if (e.kind == NB_EVENT_DONE && job == app->account.job)
            ui_app_account_done(app, &e.err);
        if (e.kind == NB_EVENT_DONE && j)
            finish(app, j, &e.err);
    }
    if (n)
        ui_app_dirty(app);
    return n > 0;
}

/* Real seconds, whatever a script pinned nb_now to. */
static double wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool ui_app_jobs_end(ui_app *app, double seconds)
{
    double end = wall() + seconds;
    for (;;) {
        /* every round: a DONE may have started a follower */
        for (size_t i = 0; i < app->n_job; i++)
            ui_app_job_cancel(app, &app->job[i]);
        if (!ui_app_drain(app, 1000) && ui_app_running(app) == 0)
            return true;
        if (ui_app_running(app) == 0)
            continue;
        if (seconds >= 0 && wall() >= end)
            return false;
        struct pollfd fd = {.fd = nb_mailbox_fd(app->mail), .events = POLLIN};
        poll(&fd, 1, 50);
    }
}

bool ui_app_jobs_wait(ui_app *app, double seconds)
{
    double end = wall() + seconds;
    while (ui_app_drain(app, 1000) || ui_app_running(app) > 0 || ui_app_net_busy(app)) {
        struct pollfd fd = {.fd = nb_mailbox_fd(app->mail), .events = POLLIN};
        if (wall() >= end)
            return false;
        poll(&fd, 1, ui_app_running(app) > 0 ? 50 : 0);
    }
    return true;
}

const char *ui_app_job_state(const app_job *j)
{
    if (!j->job)
        return j->result.status == NB_OK         ? "done"
               : j->result.status == NB_CANCELED ? "cancelled"
                                                 : "failed";
    return j->canceling ? "stopping" : j->view.paused ? "paused" : "running";
}

void ui_app_job_words(const app_job *j, char *out, size_t cap)
{
    const nb_job_view *v = &j->view;
    char pct[32] = "", rate[40] = "", left[32] = "", buf[16];
    if (!j->job || j->canceling || v->paused) {
        snprintf(out, cap, "%s", ui_app_job_state(j));
        return;
    }
    if (v->total)
        snprintf(pct, sizeof pct, " %d%%", (int)(100.0 * (double)v->done / (double)v->total));
    else if (v->done && strcmp(j->kind, "chat") == 0) /* nobody knows how long an answer gets */
        snprintf(pct, sizeof pct, " %" PRIu64 " tok", v->done);
    if (v->bytes_in && v->elapsed > 1)
        snprintf(rate, sizeof rate, " %s/s",
                 nb_human_bytes(buf, (uint64_t)((double)v->bytes_in / v->elapsed)));
    if (v->stalled >= STALLED)
        snprintf(left, sizeof left, " stalled %s", nb_human_time(buf, v->stalled));
    else if (v->eta >= 0)
        snprintf(left, sizeof left, " %s", nb_human_time(buf, v->eta));
    snprintf(out, cap, "%s%s%s", pct, rate, left);
    if (out[0] == ' ')
        memmove(out, out + 1, strlen(out));
}
