/* The net thread's half: streams are started on runs, their bytes written where they
 * belong, their failures weighed. Every function here runs on the net thread unless it says
 * otherwise. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "downloads/transfer.h"

static const double FLUSH_AGE = .2;   /* s bytes wait for more before they are written */
static const double RATE_EVERY = .25; /* s */
static const double YOUNG = 1;        /* s a stream's own rate is not yet believed */
static const double WORTH = 2;        /* s a run must still take to be split */
static const double FADE = 3;         /* s in which a best rate counts half */

/* --- a stream's life ---------------------------------------------------------------------------
 */

static void note_address(dl_transfer *t, dl_slot *s, const dl_reply *r)
{
    if (s->serial == 0) {
        memcpy(t->address, r->url, sizeof t->address);
        s->serial = ++t->serial;
        t->resolving = false;
    }
    if (s->serial == t->serial)
        t->address_good = true;
}

/* A whole file came where a part was asked for. Once ranges have worked it is a slip of that
 * server, else this stream, which starts at 0, is the one that goes through. */
static bool take_whole(dl_transfer *t, dl_slot *s)
{
    if (t->ranges && !t->through) {
        nb_fail(&s->why, NB_NETWORK, "the whole file for a part of it");
        s->trouble = DL_BAD_REPLY;
        return false;
    }
    bool first = !t->through;
    t->through = true;
    for (unsigned i = 0; first && i < t->n_slots; i++) {
        if (i != s->no)
            dl_slot_let_go(&t->slot[i]);
        dl_runs_drop(&t->runs, i);
    }
    return !first || dl_runs_take_through(&t->runs, s->no);
}

static bool on_head(void *ud, const dl_reply *r)
{
    dl_slot *s = ud;
    dl_transfer *t = s->t;
    pthread_mutex_lock(&t->lock);
    uint64_t first = t->runs.slot[s->no].at;
    bool go = !s->let_go;
    dl_head head =
        go ? dl_head_judge(r, !t->runs.slot[s->no].through, first, s->last, t->size, &s->why)
           : DL_HEAD_ODD;
    if (go && head == DL_HEAD_RANGE)
        t->ranges = s->live = true;
    else if (go && head == DL_HEAD_WHOLE)
        go = s->live = take_whole(t, s);
    else if (go)
        s->trouble = head == DL_HEAD_OTHER ? DL_WRONG_SIZE : DL_BAD_REPLY;
    if (go && s->live)
        note_address(t, s, r);
    go = go && (s->live || head == DL_HEAD_OTHER); /* what that is its first bytes tell */
    pthread_mutex_unlock(&t->lock);
    return go;
}

/* Under the lock: something was gained. */
static void renew(dl_transfer *t, dl_slot *s)
{
    s->failures = 0;
    t->barren = 0;
    t->gained = t->last_byte;
}

/* Under the lock. One stream over all starts from 0 each time it breaks: only getting farther than
 * ever is a gain then, or a server that always breaks at one place would be asked for ever. */
static void renew_through(dl_transfer *t, dl_slot *s)
{
    uint64_t written = dl_runs_written(&t->runs);
    if (written <= t->farthest)
        return;
    t->farthest = written;
    renew(t, s);
}

/* Writes what the slot holds, where its run says. False: no more of it, please. */
static bool flush(dl_transfer *t, dl_slot *s)
{
    nb_err err = {0};
    const uint8_t *bytes = s->held;
    size_t n = s->n_held;
    bool go = true;
    s->n_held = 0;
    s->flushed = dl_clock();
    pthread_mutex_lock(&t->lock);
    while (n > 0 && go) {
        dl_piece piece = dl_runs_next(&t->runs, s->no, n);
        go = piece.n > 0 && !s->let_go;
        if (!go)
            break;
        pthread_mutex_unlock(&t->lock); /* the run is this thread's alone; the disk may be slow */
        nb_status st =
            piece.mine ? dl_partial_write(t->partial, piece.segment, piece.at, bytes, piece.n, &err)
                       : NB_OK;
        pthread_mutex_lock(&t->lock);
        if (st == NB_OK)
            dl_runs_wrote(&t->runs, s->no, &piece);
        else
            dl_transfer_failed(t, st, dl_trouble_of(st), &err);
        if (st == NB_OK && piece.mine && t->through)
            renew_through(t, s);
        if (st == NB_OK && piece.whole)
            pthread_cond_signal(&t->news);
        go = st == NB_OK;
        bytes += piece.n;
        n -= piece.n;
    }
    /* A shortened run is over before its range is. */
    const dl_run *run = &t->runs.slot[s->no];
    go = go && (!s->cut || dl_run_left(run) > 0 || run->end == s->last + 1);
    pthread_mutex_unlock(&t->lock);
    return go;
}

/* Bytes came, whatever becomes of them. */
static void count(dl_transfer *t, dl_slot *s, size_t n)
{
    pthread_mutex_lock(&t->lock);
    s->got += n;
    t->received += n;
    t->last_byte = dl_clock();
    if (!t->through)
        renew(t, s);
    pthread_mutex_unlock(&t->lock);
}

/* The buffer is full, completes a segment or the run, or has waited. */
static bool flush_due(const dl_transfer *t, const dl_slot *s)
{
    const dl_run *run = &t->runs.slot[s->no]; /* only this thread changes it */
    uint64_t to_end = t->runs.segment - run->at % t->runs.segment, left = dl_run_left(run);
    return s->n_held == DL_HOLD || s->n_held >= to_end || s->n_held >= left ||
           dl_clock() - s->flushed > FLUSH_AGE;
}

/* libcurl brings 16 KiB at a time: the disk gets them in larger pieces. */
static bool hold(dl_transfer *t, dl_slot *s, const uint8_t *bytes, size_t n)
{
    count(t, s, n);
    while (n > 0) {
        size_t room = DL_HOLD - s->n_held, take = n < room ? n : room;
        memcpy(s->held + s->n_held, bytes, take);
        s->n_held += take;
        bytes += take;
        n -= take;
        if (flush_due(t, s) && !flush(t, s))
            return false;
    }
    return true;
}

static bool on_body(void *ud, const void *bytes, size_t n)
{
    dl_slot *s = ud;
    if (s->live)
        return hold(s->t, s, bytes, n);
    size_t room = sizeof s->sniff - s->n_sniff, take = n < room ? n : room;
    memcpy(s->sniff + s->n_sniff, bytes, take);
    s->n_sniff += (unsigned)take;
    return s->n_sniff < sizeof s->sniff;
}

/* Another size: what came instead, if its first bytes tell. */
static void name_other(dl_transfer *t, dl_slot *s, const dl_reply *r)
{
    const char *what = dl_head_sniff(s->sniff, s->n_sniff);
    nb_err why = s->why;
    if (!what)
        return;
    nb_fail(&s->why, why.status, "%.100s: it is %s", why.msg, what);
    if (strcmp(what, "a web page") == 0)
        s->trouble = dl_token_may_go(dl_net_env(t->net), r->url) ? DL_NOT_A_HUB : DL_CDN_REFUSED;
}

static void pump(dl_transfer *t);

static void on_done(void *ud, const dl_reply *r, nb_status status, const nb_err *err)
{
    dl_slot *s = ud;
    dl_transfer *t = s->t;
    if (s->n_held && !s->let_go) /* let go, it is somebody else's */
        (void)flush(t, s);
    pthread_mutex_lock(&t->lock);
    if (s->trouble == DL_WRONG_SIZE)
        name_other(t, s, r);
    bool whole = s->live && dl_run_left(&t->runs.slot[s->no]) == 0;
    if (s->serial == 0)
        t->resolving = false;
    s->stream = NULL;
    dl_share_give(t->share, t->member);
    dl_runs_drop(&t->runs, s->no);
    if (!s->let_go && !whole && t->status == NB_OK)
        dl_slot_weigh(t, s, r, status, err);
    t->streams--;
    pump(t);
    pthread_cond_signal(&t->news);
    pthread_mutex_unlock(&t->lock); /* from here on t may be gone */
}

/* --- starting streams; under the lock ----------------------------------------------------------
 */

static double rate_of(const dl_slot *s, double now, double expect)
{
    return s->stream && now - s->started > YOUNG ? fmax(s->rate, 1) : expect;
}

/* Nothing is free: part of the run that would end last. */
static bool steal(dl_transfer *t, dl_slot *s, double now)
{
    double rate[DL_RUN_SLOTS];
    double expect = fmax(t->best_rate, 1);
    for (unsigned i = 0; i < DL_RUN_SLOTS; i++)
        rate[i] = rate_of(&t->slot[i], now, expect);
    int victim = dl_runs_steal(&t->runs, s->no, rate, expect, WORTH);
    if (victim < 0)
        return false;
    t->slot[victim].cut = true;
    if (dl_run_left(&t->runs.slot[victim]) == 0)
        dl_slot_let_go(&t->slot[victim]);
    return true;
}

static bool take_run(dl_transfer *t, dl_slot *s, double now)
{
    if (t->through)
        return dl_runs_take_through(&t->runs, s->no);
    return dl_runs_take(&t->runs, s->no, t->n_slots) || steal(t, s, now);
}

static bool start_stream(dl_transfer *t, dl_slot *s, double now)
{
    static const dl_slot fresh;
    const dl_run *run = &t->runs.slot[s->no];
    const dl_sink sink = {on_head, on_body, on_done, s};
    bool ask = !*t->address;
    dl_slot next = fresh;
    next.t = t;
    next.no = s->no;
    next.held = s->held;
    next.flushed = now;
    next.failures = s->failures;
    next.serial = ask ? 0 : t->serial;
    next.last = run->end - 1;
    next.started = next.rated = now;
    *s = next;
    dl_request rq = {.method = DL_GET,
                     .follow = DL_FOLLOW_ALL,
                     .url = ask ? t->canonical : t->address,
                     .ranged = !run->through,
                     .first = run->at,
                     .last = run->end - 1,
                     .timeout = dl_net_env(t->net)->download_timeout,
                     .subject = t->subject};
    nb_err err = {0};
    nb_status st = dl_stream_start(&s->stream, t->net, &rq, &sink, &err);
    if (st != NB_OK) {
        dl_transfer_failed(t, st, dl_trouble_of(st), &err);
        return false;
    }
    t->streams++;
    t->resolving = t->resolving || ask;
    return true;
}

/* Somebody may start now: one asks for the address, the others wait for it; while nothing works one
 * tries it at a time; a file goes through one stream. */
static bool may_start(const dl_transfer *t, double now)
{
    bool alone = t->through || t->barren || (t->resolving && !*t->address);
    return !(alone && t->streams > 0) && !(t->barren && now < t->rest_until);
}

/* False: no slot will get anything now. */
static bool start_slot(dl_transfer *t, dl_slot *s, double now)
{
    if (!may_start(t, now))
        return false;
    if (!dl_share_take(t->share, t->member)) {
        if (t->runs.n_free == 0)
            dl_share_content(t->share, t->member);
        return false;
    }
    bool got = take_run(t, s, now);
    if (got && start_stream(t, s, now))
        return true;
    dl_runs_drop(&t->runs, s->no);
    dl_share_give(t->share, t->member);
    dl_share_content(t->share, t->member);
    return false;
}

/* Rates of the streams, and what a new one may expect: the best of the last seconds, for a line
 * that has slowed down altogether is no slow connection's fault. */
static void measure(dl_transfer *t, double now)
{
    t->best_rate *= exp2((t->measured - now) / FADE);
    t->measured = now;
    for (unsigned i = 0; i < t->n_slots; i++) {
        dl_slot *s = &t->slot[i];
        double span = now - s->rated;
        if (!s->stream || span < RATE_EVERY)
            continue;
        double rate = (double)(s->got - s->rated_got) / span;
        s->rate = s->rated == s->started ? rate : .6 * s->rate + .4 * rate;
        s->rated = now;
        s->rated_got = s->got;
        t->best_rate = fmax(t->best_rate, s->rate);
    }
}

/* Another file waits for connections that are its own: the longest runs end with their segment. */
static void yield(dl_transfer *t)
{
    int over = dl_share_over(t->share, t->member);
    for (unsigned i = 0; i < t->n_slots; i++)
        over -= t->slot[i].stream && t->slot[i].cut;
    while (over-- > 0) {
        dl_slot *longest = NULL;
        uint64_t most = 0;
        for (unsigned i = 0; i < t->n_slots; i++) {
            uint64_t left = dl_run_left(&t->runs.slot[i]);
            if (t->slot[i].live && t->slot[i].stream && !t->slot[i].cut && left > most) {
                longest = &t->slot[i];
                most = left;
            }
        }
        if (!longest)
            return;
        dl_runs_trim(&t->runs, longest->no);
        longest->cut = true;
    }
}

/* Under the lock. */
static void pump(dl_transfer *t)
{
    double now = dl_clock();
    if (t->stop || t->status != NB_OK) {
        dl_transfer_let_all_go(t);
        return;
    }
    measure(t, now);
    yield(t);
    for (unsigned i = 0; i < t->n_slots; i++) {
        dl_slot *s = &t->slot[i];
        if (!s->stream && s->rest_until <= now && !start_slot(t, s, now))
            return;
    }
}

/* What a slow or silent stream brought must not wait for its next byte. */
static void flush_old(dl_transfer *t)
{
    for (unsigned i = 0; i < t->n_slots; i++) {
        dl_slot *s = &t->slot[i];
        if (!s->n_held || dl_clock() - s->flushed <= FLUSH_AGE || flush(t, s))
            continue;
        pthread_mutex_lock(&t->lock);
        dl_slot_let_go(s);
        pthread_mutex_unlock(&t->lock);
    }
}

void dl_transfer_pump(void *transfer)
{
    dl_transfer *t = transfer;
    flush_old(t);
    pthread_mutex_lock(&t->lock);
    t->pumping = false;
    pump(t);
    pthread_cond_signal(&t->news);
    pthread_mutex_unlock(&t->lock);
}

/* --- from the worker ---------------------------------------------------------------------------
 */

void dl_transfer_prod(dl_transfer *t)
{
    pthread_mutex_lock(&t->lock);
    bool prod = !t->pumping;
    t->pumping = true;
    pthread_mutex_unlock(&t->lock);
    if (!prod || dl_net_after(t->net, 0, dl_transfer_pump, t))
        return;
    nb_err err;
    nb_fail(&err, NB_NOMEM, "%s: no memory, or the network is closing", t->subject);
    pthread_mutex_lock(&t->lock);
    t->pumping = false;
    dl_transfer_failed(t, NB_NOMEM, DL_OK, &err);
    pthread_mutex_unlock(&t->lock);
}

void dl_transfer_quiet(dl_transfer *t)
{
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    dl_transfer_let_all_go(t); /* a stream is there until its done had the lock */
    while (t->streams > 0 || t->pumping)
        pthread_cond_wait(&t->news, &t->lock);
    pthread_mutex_unlock(&t->lock);
}
