#include "core/base/job.h"

#include <assert.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/mailbox.h"
#include "core/base/str.h"

enum { THREAD_STACK = 1 << 20 }; /* bytes; the process may have been started with a tiny limit */
static const double RATE_WINDOW = 8;  /* seconds after which a sample counts 1/e */
static const double RATE_SAMPLE = .1; /* seconds between samples at least */
static const double STALL = 10;       /* seconds without change after which there is no ETA */

typedef struct rate {
    double at;        /* active seconds of the last sample */
    uint64_t done;    /* at that time */
    double sum, span; /* decayed units and decayed seconds; sum / span is the mean */
} rate;

struct nb_job {
    nb_mailbox *mailbox; /* borrowed */
    pthread_t thread;
    nb_job_fn *run;
    void *arg;
    char label[96];
    atomic_bool cancel, paused;
    atomic_bool hasty; /* cancelled or being freed: posts do not wait for room */
    atomic_bool mute;  /* being freed: posts are dropped */
    nb_mail_done done;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t resume;
    nb_job_view view;
    rate rate;
    double started, changed; /* nb_now; active seconds */
    double idle;             /* seconds of finished pauses */
    double paused_at;        /* nb_now, while paused */
    double ended;            /* active seconds, when finished */
};

/* What nb_now answers instead of the clock, as bits of a double; all ones = the clock. */
static _Atomic uint64_t set_now = UINT64_MAX;

void nb_now_set(double seconds)
{
    uint64_t bits = UINT64_MAX;
    if (seconds >= 0)
        memcpy(&bits, &seconds, sizeof bits);
    atomic_store(&set_now, bits);
}

double nb_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double nb_now(void)
{
    uint64_t bits = atomic_load(&set_now);
    double seconds;
    if (bits != UINT64_MAX) {
        memcpy(&seconds, &bits, sizeof seconds);
        return seconds;
    }
    return nb_seconds();
}

/* Seconds since the start without the pauses. Under the lock. */
static double active(const nb_job *job)
{
    if (job->view.finished)
        return job->ended;
    double now = atomic_load(&job->paused) ? job->paused_at : nb_now();
    return now - job->started - job->idle;
}

static void job_finish(nb_job *job, nb_status status, const nb_err *err)
{
    nb_event *e = &job->done.event;
    *e = (nb_event){.kind = NB_EVENT_DONE, .job = job, .err = *err};
    if (status == NB_OK)
        e->err.msg[0] = '\0';
    else if (!e->err.msg[0])
        snprintf(e->err.msg, sizeof e->err.msg, "%s: %s", job->label, nb_status_text(status));
    e->err.status = status;
    pthread_mutex_lock(&job->lock);
    job->ended = active(job);
    job->view.finished = true;
    pthread_mutex_unlock(&job->lock);
    nb_mailbox_post_done(job->mailbox, &job->done);
}

static void *job_main(void *ud)
{
    nb_job *job = ud;
    nb_err err = {.status = NB_OK};
    nb_status status = job->run(job, job->arg, &err);
    job_finish(job, status, &err);
    return NULL;
}

/* Signals belong to the thread that draws; faults stay with the thread that makes them. */
static void block_signals(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < countof(faults); i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

int nb_thread_start(pthread_t *out, void *(*run)(void *arg), void *arg)
{
    pthread_attr_t attr;
    sigset_t before;
    int rc = pthread_attr_init(&attr);
    if (rc != 0)
        return rc;
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    block_signals(&before);
    rc = pthread_create(out, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

static void job_destroy(nb_job *job)
{
    pthread_cond_destroy(&job->resume);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

nb_status nb_job_start(nb_job **out, nb_mailbox *m, const char *label, nb_job_fn *run, void *arg,
                       nb_err *err)
{
    nb_job *job = nb_alloc(1, sizeof *job, label, err);
    if (!job)
        return NB_NOMEM;
    job->mailbox = m;
    job->run = run;
    job->arg = arg;
    snprintf(job->label, sizeof job->label, "%s", label);
    job->started = nb_now();
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->resume, NULL);
    int rc = nb_thread_start(&job->thread, job_main, job);
    if (rc != 0) {
        job_destroy(job);
        return nb_fail(err, NB_NOMEM, "%s: cannot start a thread (error %d)", label, rc);
    }
    *out = job;
    return NB_OK;
}

void nb_job_cancel(nb_job *job)
{
    atomic_store(&job->cancel, true);
    atomic_store(&job->hasty, true);
    nb_mailbox_wake(job->mailbox);
    pthread_mutex_lock(&job->lock);
    pthread_cond_broadcast(&job->resume);
    pthread_mutex_unlock(&job->lock);
}

void nb_job_pause(nb_job *job, bool paused)
{
    pthread_mutex_lock(&job->lock);
    bool was = atomic_load(&job->paused);
    if (paused && !was)
        job->paused_at = nb_now();
    if (!paused && was)
        job->idle += nb_now() - job->paused_at;
    atomic_store(&job->paused, paused);
    pthread_cond_broadcast(&job->resume);
    pthread_mutex_unlock(&job->lock);
}

bool nb_job_paused(const nb_job *job)
{
    return atomic_load(&job->paused);
}

const char *nb_job_label(const nb_job *job)
{
    return job->label;
}

void nb_job_free(nb_job **job)
{
    if (!*job)
        return;
    /* Nobody may be draining any more, so posts must neither wait nor pile up. */
    atomic_store(&(*job)->mute, true);
    atomic_store(&(*job)->hasty, true);
    nb_mailbox_forget((*job)->mailbox, *job);
    pthread_join((*job)->thread, NULL);
    nb_mailbox_forget((*job)->mailbox, *job);
    job_destroy(*job);
    *job = NULL;
}

bool nb_job_canceled(nb_job *job)
{
    if (atomic_load(&job->paused) && !atomic_load(&job->cancel)) {
        pthread_mutex_lock(&job->lock);
        while (atomic_load(&job->paused) && !atomic_load(&job->cancel))
            pthread_cond_wait(&job->resume, &job->lock);
        pthread_mutex_unlock(&job->lock);
    }
    return atomic_load(&job->cancel);
}

/* Bytes of the next event: all, or as many whole characters as fit. */
static size_t piece(const char *text, size_t n, size_t cap)
{
    if (n <= cap)
        return n;
    size_t whole = nb_utf8_whole(text, cap);
    return whole ? whole : cap;
}

void nb_job_post(nb_job *job, nb_event_kind kind, int code, const void *bytes, size_t n)
{
    nb_event e = {.kind = kind, .job = job, .code = code};
    const char *at = bytes;
    assert(kind != NB_EVENT_DONE);
    assert(kind != NB_EVENT_DATA || n <= sizeof e.text);
    if (atomic_load(&job->mute))
        return;
    do {
        e.len = piece(at, n, sizeof e.text);
        if (e.len)
            memcpy(e.text, at, e.len);
        nb_mailbox_post(job->mailbox, &e, &job->hasty);
        at += e.len;
        n -= e.len;
    } while (n && kind == NB_EVENT_TEXT && !atomic_load(&job->hasty));
}

/* Under the lock. An exponentially weighted mean over active time: both sums fade alike, so the
 * first samples are not pulled towards zero. */
static void rate_sample(rate *r, double now, uint64_t done)
{
    double dt = now - r->at;
    if (dt < RATE_SAMPLE || done < r->done)
        return;
    double keep = exp(-dt / RATE_WINDOW);
    r->sum = r->sum * keep + (double)(done - r->done);
    r->span = r->span * keep + dt;
    r->at = now;
    r->done = done;
}

static void on_progress(void *ud, const nb_progress *p)
{
    nb_job *job = ud;
    pthread_mutex_lock(&job->lock);
    nb_job_view *v = &job->view;
    double now = active(job);
    uint64_t before = v->done;
    if (p->total != v->total) { /* another phase or unit */
        v->total = p->total;
        v->done = p->done;
        job->rate = (rate){.at = now, .done = p->done};
    } else if (p->done > v->done) {
        v->done = p->done;
    }
    if (v->done != before || p->bytes_in != v->bytes_in || p->bytes_out != v->bytes_out)
        job->changed = now;
    v->bytes_in = p->bytes_in;
    v->bytes_out = p->bytes_out;
    snprintf(v->what, sizeof v->what, "%s", p->what ? p->what : "");
    rate_sample(&job->rate, now, v->done);
    pthread_mutex_unlock(&job->lock);
}

static bool on_canceled(void *ud)
{
    return nb_job_canceled(ud);
}

nb_hooks nb_job_hooks(nb_job *job)
{
    return (nb_hooks){.progress = on_progress, .canceled = on_canceled, .ud = job};
}

void nb_job_look(nb_job *job, nb_job_view *out)
{
    pthread_mutex_lock(&job->lock);
    *out = job->view;
    out->paused = atomic_load(&job->paused);
    out->elapsed = active(job);
    out->stalled = out->elapsed - job->changed;
    if (job->rate.span > 0)
        out->rate = job->rate.sum / job->rate.span;
    pthread_mutex_unlock(&job->lock);
    out->eta = -1;
    if (out->finished)
        out->eta = 0;
    else if (out->total >= out->done && out->total && out->rate > 0 && out->stalled < STALL)
        out->eta = (double)(out->total - out->done) / out->rate;
}
