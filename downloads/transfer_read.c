/* The worker's half: re-reads what an earlier run recorded, hashes in order behind the first gap
 * while the network is busy with the rest, and, when the whole is not what the Hub lists, finds the
 * part that is wrong (hub 4-6). */
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "downloads/transfer.h"

enum { REPAIR_BATCH = 8 /* segments fetched again at a time */ };
static const double WAIT = .05; /* s for news, between two looks at the hooks */

/* Where the worker stands in one pass over the file. */
typedef struct pass {
    nb_hash *hash;
    uint32_t next;  /* segment to be hashed */
    uint32_t ahead; /* segments before it that an earlier run recorded are read again */
    bool recheck;   /* compare every segment with its record, not only the earlier run's */
    char hex[65];   /* at the end */
} pass;

static dl_run_state state_of(dl_transfer *t, uint32_t i)
{
    pthread_mutex_lock(&t->lock);
    dl_run_state s = (dl_run_state)t->runs.state[i];
    pthread_mutex_unlock(&t->lock);
    return s;
}

/* The verdict of the net thread, if there is one. */
static nb_status verdict(dl_transfer *t)
{
    pthread_mutex_lock(&t->lock);
    nb_status st = t->status;
    pthread_mutex_unlock(&t->lock);
    return st;
}

static nb_status failed(dl_transfer *t, nb_status st, const nb_err *err)
{
    dl_transfer_fail(t, st, dl_trouble_of(st), err);
    return st;
}

/* Segment i is to be fetched (again). */
static void offer(dl_transfer *t, uint32_t i)
{
    pthread_mutex_lock(&t->lock);
    dl_runs_offer(&t->runs, i);
    pthread_mutex_unlock(&t->lock);
    dl_transfer_prod(t);
}

/* Reads segment i into buf and compares it with its record: a good one is kept, a bad one fetched
 * again. */
static nb_status check_segment(dl_transfer *t, uint32_t i, bool *ok)
{
    nb_err err = {0};
    nb_status st = dl_partial_check(t->partial, i, t->buf, ok, &err);
    if (st != NB_OK)
        return failed(t, st, &err);
    if (!*ok) {
        offer(t, i);
        return NB_OK;
    }
    pthread_mutex_lock(&t->lock);
    if (t->runs.state[i] == DL_RUN_HELD)
        dl_runs_keep(&t->runs, i);
    pthread_mutex_unlock(&t->lock);
    return NB_OK;
}

static void add_segment(dl_transfer *t, pass *p)
{
    nb_hash_add(p->hash, t->buf, (size_t)dl_runs_length(&t->runs, p->next));
    p->next++;
}

/* One segment's work, if there is any: *worked. */
static nb_status step(dl_transfer *t, pass *p, bool *worked)
{
    nb_err err = {0};
    bool ok = true;
    dl_run_state state = state_of(t, p->next);
    *worked = true;
    if (state == DL_RUN_HELD || (state == DL_RUN_WHOLE && p->recheck)) {
        NB_TRY(check_segment(t, p->next, &ok));
        if (ok)
            add_segment(t, p);
        return NB_OK;
    }
    if (state == DL_RUN_WHOLE) {
        nb_status st = dl_partial_read(t->partial, p->next, t->buf, &err);
        if (st != NB_OK)
            return failed(t, st, &err);
        add_segment(t, p);
        return NB_OK;
    }
    if (p->ahead < p->next)
        p->ahead = p->next;
    while (p->ahead < t->runs.n && state_of(t, p->ahead) != DL_RUN_HELD)
        p->ahead++;
    *worked = p->ahead < t->runs.n;
    return *worked ? check_segment(t, p->ahead++, &ok) : NB_OK;
}

static void wait_news(dl_transfer *t)
{
    struct timespec until;
    double at = dl_clock() + WAIT;
    until.tv_sec = (time_t)at;
    until.tv_nsec = (long)(1e9 * (at - (double)until.tv_sec));
    pthread_mutex_lock(&t->lock);
    if (t->status == NB_OK)
        pthread_cond_timedwait(&t->news, &t->lock, &until);
    pthread_mutex_unlock(&t->lock);
}

/* What the screens should call it: reading while the network has nothing to do. */
static void name_stage(dl_transfer *t)
{
    pthread_mutex_lock(&t->lock);
    bool fetching = t->streams > 0 || t->runs.n_free > 0;
    pthread_mutex_unlock(&t->lock);
    if (t->stage == DL_READ || t->stage == DL_GET_BYTES)
        t->stage = fetching ? DL_GET_BYTES : DL_READ;
}

/* From the first segment to the last, waiting for those on their way. The hash is in p->hex. */
static nb_status go_over(dl_transfer *t, pass *p)
{
    nb_err err = {0};
    nb_status st = nb_hash_open(&p->hash, strlen(t->oid), t->size, &err);
    if (st != NB_OK)
        return failed(t, st, &err);
    while (st == NB_OK && p->next < t->runs.n) {
        bool worked = false;
        name_stage(t);
        if (!dl_transfer_tend(t))
            st = NB_CANCELED;
        else if ((st = verdict(t)) == NB_OK)
            st = step(t, p, &worked);
        if (st == NB_OK && !worked)
            wait_news(t);
    }
    if (st == NB_OK)
        nb_hash_hex(p->hash, p->hex);
    nb_hash_close(&p->hash);
    return st;
}

static bool right(const dl_transfer *t, const pass *p)
{
    return strcmp(p->hex, t->oid) == 0;
}

/* --- repair ------------------------------------------------------------------------------------
 */

/* Fetches segments [from, to) again and waits for them; *differed counts those that came out
 * otherwise. */
static nb_status refetch(dl_transfer *t, uint32_t from, uint32_t to, uint32_t *differed)
{
    nb_err err = {0};
    for (uint32_t i = from; i < to; i++) {
        nb_status st = dl_partial_again(t->partial, i, &err);
        if (st != NB_OK)
            return failed(t, st, &err);
        offer(t, i);
    }
    for (uint32_t i = from; i < to;) {
        if (!dl_transfer_tend(t))
            return NB_CANCELED;
        NB_TRY(verdict(t));
        if (state_of(t, i) == DL_RUN_WHOLE)
            *differed += dl_partial_differed(t->partial, i++);
        else
            wait_news(t);
    }
    return NB_OK;
}

/* Hub 6b: in order, until the hash is right; hashed again after the first, second, fourth, ...
 * segment that came out otherwise, so that the reading stays in proportion. */
static nb_status repair(dl_transfer *t, pass *p)
{
    uint32_t differed = 0, due = 1;
    for (uint32_t from = 0; from < t->runs.n;) {
        uint32_t to = t->runs.n - from < REPAIR_BATCH ? t->runs.n : from + REPAIR_BATCH;
        NB_TRY(refetch(t, from, to, &differed));
        from = to;
        if (differed < due && (from < t->runs.n || differed == 0))
            continue;
        due = 2 * differed;
        *p = (pass){0};
        NB_TRY(go_over(t, p));
        if (right(t, p))
            return NB_OK;
    }
    return NB_OK;
}

/* Wrong for good. The Hub is asked whether it is the list that is old. */
static nb_status give_verdict(dl_transfer *t, const pass *p)
{
    dl_resolved now;
    dl_trouble ignored;
    nb_err err = {0};
    const bool git = strlen(t->oid) == 40;
    bool changed =
        dl_transfer_resolve(t, &now, &ignored, NULL) == NB_OK && strcmp(now.oid, t->oid) != 0;
    if (changed)
        nb_fail(&err, NB_HASH, "%.100s: changed on the server: %.12s… is listed, %.12s… is there",
                t->subject, t->oid, now.oid);
    else
        nb_fail(&err, NB_HASH, "%.60s: content does not match %s %s/%s", t->rq->path,
                git ? "sha1" : "sha256", t->oid, p->hex);
    dl_transfer_fail(t, NB_HASH, changed ? DL_CHANGED : DL_WRONG_HASH, &err);
    return NB_HASH;
}

static nb_status make_right(dl_transfer *t, pass *p)
{
    if (!dl_transfer_stage(t, DL_VERIFY))
        return NB_CANCELED;
    *p = (pass){.recheck = true}; /* the disk first: it costs no traffic */
    NB_TRY(go_over(t, p));
    if (right(t, p))
        return NB_OK;
    NB_TRY(repair(t, p));
    return right(t, p) ? NB_OK : give_verdict(t, p);
}

/* --- all of it ---------------------------------------------------------------------------------
 */

/* What is missing goes to the network at once; what an earlier run recorded is read meanwhile. */
static void begin(dl_transfer *t)
{
    pthread_mutex_lock(&t->lock);
    for (uint32_t i = 0; i < t->runs.n; i++)
        if (dl_partial_state(t->partial, i) == DL_SEG_TODO)
            dl_runs_offer(&t->runs, i);
    bool fetch = t->runs.n_free > 0;
    t->last_byte = t->gained = dl_clock();
    pthread_mutex_unlock(&t->lock);
    t->stage = fetch ? DL_GET_BYTES : DL_READ;
    if (fetch)
        dl_transfer_prod(t);
}

nb_status dl_transfer_run(dl_transfer *t)
{
    nb_err err = {0};
    pass p = {0};
    uint64_t segment = t->runs.segment < t->size ? t->runs.segment : t->size;
    t->buf = nb_alloc(segment + 1, 1, "segment", &err);
    if (!t->buf)
        return failed(t, NB_NOMEM, &err);
    begin(t);
    nb_status st = go_over(t, &p);
    if (st == NB_OK && !right(t, &p))
        st = make_right(t, &p);
    dl_transfer_quiet(t);
    free(t->buf);
    t->buf = NULL;
    return st;
}
