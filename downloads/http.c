#include "downloads/net.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const double TICK = .05;       /* s between looks at canceled */
static const double BACKOFF_MIN = .5; /* s (hub 12) */
static const double BACKOFF_MAX = 8;  /* s */
enum { WAITS_MAX = 8, CONNECTS_MAX = 3 };

void dl_reply_free(dl_reply *r)
{
    nb_str_free(&r->body);
}

/* One blocking call, over all its attempts. */
typedef struct call {
    dl_net *net;
    const dl_request *rq;
    const nb_hooks *hooks;
    dl_reply *out;
    nb_str body;  /* of this attempt */
    bool done;    /* under the net's lock, with out, status and err */
    uint64_t got; /* under the net's lock: bytes of this attempt */
    nb_status status;
    nb_err err;
    uint64_t farthest; /* bytes of the best attempt */
    double since;      /* dl_clock of the last time it got farther; moves along with waits */
    unsigned seed;
} call;

/* --- sink, on the net thread --- */

static bool call_head(void *ud, const dl_reply *reply)
{
    (void)ud;
    (void)reply;
    return true;
}

static bool call_body(void *ud, const void *bytes, size_t n)
{
    call *c = ud;
    bool more = true;
    if (c->rq->take)
        more = c->rq->take(c->rq->take_ud, bytes, n);
    else
        nb_str_addn(&c->body, bytes, n);
    pthread_mutex_lock(&c->net->lock);
    c->got += n;
    if (c->rq->take) /* its caller looks at once */
        pthread_cond_broadcast(&c->net->changed);
    pthread_mutex_unlock(&c->net->lock);
    return more && !c->body.failed;
}

static void call_done(void *ud, const dl_reply *reply, nb_status status, const nb_err *err)
{
    call *c = ud;
    if (c->body.failed)
        status = nb_fail(&c->err, NB_NOMEM, "no memory for the answer");
    else if (err)
        c->err = *err;
    *c->out = *reply;
    c->out->body = (nb_str){0};
    if (status == NB_OK) {
        c->out->body = c->body;
        c->body = (nb_str){0};
    } else if (reply->body.len > 0) { /* an error's text */
        nb_str_addn(&c->out->body, reply->body.at, reply->body.len);
    }
    nb_str_free(&c->body);
    pthread_mutex_lock(&c->net->lock);
    c->status = status;
    c->done = true;
    pthread_cond_broadcast(&c->net->changed);
    pthread_mutex_unlock(&c->net->lock);
}

/* --- waiting, on the caller's thread --- */

/* Waits for a change or a tick. Under the lock. */
static void wait_tick(dl_net *net, double seconds)
{
    double until = dl_clock() + fmin(TICK, seconds), whole;
    double part = modf(until, &whole);
    const struct timespec t = {(time_t)whole, (long)(part * 1e9)};
    pthread_cond_timedwait(&net->changed, &net->lock, &t);
}

/* Says what the call waits for, and lets waits for the server's limit cost no patience. */
static void report(call *c, const char *text)
{
    char line[96];
    dl_net_view view;
    nb_progress p = {.what = text, .done = c->farthest};
    dl_net_look(c->net, &view);
    if (view.hold > 0) {
        snprintf(line, sizeof line, "%s, resumes in %.0f s", view.held, ceil(view.hold));
        p.what = line;
        c->since = dl_clock();
    }
    p.bytes_in = c->farthest;
    nb_report(c->hooks, &p);
}

/* Got farther than any attempt before: the budget is renewed (hub 12). */
static void note_progress(call *c, uint64_t got)
{
    if (got <= c->farthest)
        return;
    c->farthest = got;
    c->since = dl_clock();
}

/* False when cancelled or closing. */
static bool wait_seconds(call *c, double seconds, const char *text)
{
    double until = dl_clock() + seconds;
    bool closing = false;
    while (!closing && dl_clock() < until) {
        if (nb_canceled(c->hooks))
            return false;
        report(c, text);
        pthread_mutex_lock(&c->net->lock);
        closing = c->net->closing;
        if (!closing)
            wait_tick(c->net, until - dl_clock());
        closing = c->net->closing;
        pthread_mutex_unlock(&c->net->lock);
    }
    return !closing;
}

/* One request, from start to done. */
static void attempt(call *c)
{
    const dl_sink sink = {call_head, call_body, call_done, c};
    dl_stream *s = NULL;
    bool done = false, asked = false;
    dl_reply_free(c->out);
    c->done = false;
    c->got = 0;
    nb_status opened = dl_stream_open(&s, c->net, c->rq, &sink, true, &c->err);
    if (opened != NB_OK) { /* else c->status is the net thread's until done */
        c->status = opened;
        c->out->trouble = c->net->offline ? DL_OFFLINE_MODE : DL_OK;
        return;
    }
    while (!done) {
        if (!asked && nb_canceled(c->hooks)) {
            pthread_mutex_lock(&c->net->lock);
            done = c->done; /* else s lives until done, which needs the lock */
            if (!done)
                dl_stream_stop(c->net, s);
            pthread_mutex_unlock(&c->net->lock);
            asked = true;
            continue;
        }
        report(c, c->rq->subject ? c->rq->subject : "");
        pthread_mutex_lock(&c->net->lock);
        if (!c->done)
            wait_tick(c->net, TICK);
        done = c->done;
        uint64_t got = c->got;
        pthread_mutex_unlock(&c->net->lock);
        note_progress(c, got);
    }
}

/* --- trying again --- */

/* It is the server that says how long to wait; told: how often it did. */
static bool told_to_wait(const dl_reply *r)
{
    return r->trouble == DL_RATE_LIMITED || dl_reply_busy(r);
}

static bool worth_another(const call *c, unsigned tries, unsigned told)
{
    const dl_reply *r = c->out;
    if (dl_reply_away(r) || (c->rq->take && c->farthest > 0))
        return false;
    if (told_to_wait(r))
        return told < WAITS_MAX && r->retry_after <= DL_HOLD_MAX;
    if (r->trouble == DL_UNREACHABLE && !r->sent) /* nobody there: say so soon */
        return tries < CONNECTS_MAX;
    return r->trouble == DL_UNREACHABLE || r->trouble == DL_STALLED ||
           (r->trouble == DL_SERVER && r->status != 451);
}

/* Doubles from 1 s to 8 s, of which the second half is left to chance (hub 12). */
static double backoff(call *c, unsigned tries)
{
    double most = BACKOFF_MAX;
    for (unsigned i = 4; i > tries; i--)
        most /= 2;
    c->seed = c->seed * 1664525 + 1013904223;
    return fmax(BACKOFF_MIN, most * (.5 + .5 * (double)(c->seed >> 8) / (1 << 24)));
}

static void try_all(call *c)
{
    unsigned tries = 0, told = 0;
    for (;;) {
        char text[96];
        attempt(c);
        tries++;
        told += told_to_wait(c->out);
        if (c->status == NB_OK || c->status == NB_CANCELED || !worth_another(c, tries, told))
            break;
        double wait = backoff(c, tries);
        if (dl_clock() + wait > c->since + c->net->patience)
            break;
        snprintf(text, sizeof text, "%s, trying again", dl_trouble_name(c->out->trouble));
        if (!wait_seconds(c, wait, text)) {
            c->status = nb_fail(&c->err, NB_CANCELED, "cancelled");
            c->out->trouble = DL_OK;
            break;
        }
    }
    if (c->status != NB_OK && c->status != NB_CANCELED && tries > 1) {
        nb_err last = c->err;
        nb_fail(&c->err, last.status, "%.200s, tried %u times", last.msg, tries);
    }
}

nb_status dl_call(dl_net *net, const dl_request *rq, dl_reply *out, const nb_hooks *hooks,
                  nb_err *err)
{
    call c = {.net = net, .rq = rq, .hooks = hooks, .out = out, .since = dl_clock()};
    c.seed = (unsigned)(1e6 * fmod(c.since, 1000)) ^ (unsigned)(uintptr_t)&c;
    *out = (dl_reply){.retry_after = -1};
    pthread_mutex_lock(&net->lock);
    bool closing = net->closing;
    net->callers += !closing;
    pthread_mutex_unlock(&net->lock);
    if (closing)
        return nb_fail(err, NB_CANCELED, "the network is closing");
    try_all(&c);
    pthread_mutex_lock(&net->lock);
    net->callers--;
    pthread_cond_broadcast(&net->changed);
    pthread_mutex_unlock(&net->lock);
    if (c.status != NB_OK && err)
        *err = c.err;
    return c.status;
}
