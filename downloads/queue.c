#include "downloads/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/job.h"
#include "downloads/partial.h"
#include "downloads/queue_private.h"

static const double WAKE_EVERY = .1;   /* s, of progress */
static const double HISTORY_EVERY = 1; /* s */

static void tell(dl_queue *q)
{
    if (q->wake)
        q->wake(q->ud);
}

/* --- running ---------------------------------------------------------------------------------- */

typedef struct run {
    dl_queue *q;
    dl_entry *e;
} run;

static void note_rate(dl_entry *e, double now)
{
    if (now - e->sampled < HISTORY_EVERY)
        return;
    e->sampled = now;
    e->rate[e->n_rate++ % DL_HISTORY] = e->item.view.rate;
}

static void on_progress(void *ud, const nb_progress *p)
{
    const run *r = ud;
    dl_queue *q = r->q;
    double now = nb_now();
    pthread_mutex_lock(&q->lock);
    memcpy(&r->e->item.view, p->detail, sizeof r->e->item.view);
    note_rate(r->e, now);
    bool due = now - q->woken >= WAKE_EVERY;
    if (due)
        q->woken = now;
    pthread_mutex_unlock(&q->lock);
    if (due)
        tell(q);
}

static bool on_canceled(void *ud)
{
    const run *r = ud;
    return atomic_load(&r->e->stop) || atomic_load(&r->q->closing);
}

static dl_entry *next_waiting(const dl_queue *q)
{
    for (size_t i = 0; i < q->n; i++)
        if (dl_entry_waiting(q->at[i]))
            return q->at[i];
    return NULL;
}

/* Under the lock: what still has to be found room for besides e. */
static uint64_t queued_bytes(const dl_queue *q, const dl_entry *e)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < q->n; i++)
        if (q->at[i] != e && dl_entry_waiting(q->at[i]))
            sum += dl_item_missing(&q->at[i]->item);
    return sum;
}

/* What stops one file of a repository for reasons of access stops them all: no request is spent on
 * the others. */
static bool whole_repository(dl_trouble t)
{
    static const dl_trouble all[] = {DL_GATED_LOGIN,     DL_GATED_PENDING, DL_BAD_TOKEN,
                                     DL_PRIVATE_OR_NONE, DL_NO_REPO,       DL_DISABLED,
                                     DL_FORBIDDEN};
    for (size_t i = 0; i < countof(all); i++)
        if (t == all[i])
            return true;
    return false;
}

static void stop_entry(dl_entry *e, dl_trouble trouble, const nb_err *err)
{
    e->item.state = DL_STOPPED;
    e->item.trouble = trouble;
    e->item.err = *err;
}

static void stop_siblings(dl_queue *q, const dl_entry *e)
{
    for (size_t i = 0; i < q->n; i++)
        if (dl_entry_waiting(q->at[i]) && strcmp(q->at[i]->item.repo, e->item.repo) == 0)
            stop_entry(q->at[i], e->item.trouble, &e->item.err);
}

/* Under the lock: how the run ended. A state changed meanwhile (paused, queued again) stays. */
static void settle(dl_queue *q, dl_entry *e, nb_status st, const dl_fetched *got,
                   dl_trouble trouble, const nb_err *err)
{
    dl_item *x = &e->item;
    e->busy = false;
    e->elapsed += nb_now() - e->started;
    x->view.connections = 0;
    x->view.rate = 0;
    if (st == NB_OK) {
        x->state = DL_DONE;
        x->size = x->view.size = x->view.have = got->size;
        snprintf(x->oid, sizeof x->oid, "%s", got->oid);
        snprintf(x->landed, sizeof x->landed, "%s", got->path);
    } else if (st == NB_CANCELED) {
        if (x->state == DL_RUNNING)
            x->state = DL_QUEUED;
    } else {
        stop_entry(e, trouble, err);
        if (whole_repository(trouble))
            stop_siblings(q, e);
    }
    if (e->leaving) {
        e->next_out = q->out;
        q->out = e;
    }
    dl_queue_changed(q);
}

static void work(dl_queue *q, dl_entry *e)
{
    run r = {q, e};
    nb_hooks hooks = {on_progress, on_canceled, &r};
    nb_err err = {0};
    dl_fetched got = {0};
    dl_trouble trouble = DL_OK;
    const dl_item *x = &e->item;
    e->busy = true;
    e->item.state = DL_RUNNING;
    e->item.trouble = DL_OK;
    e->started = e->sampled = nb_now();
    atomic_store(&e->stop, false);
    dl_fetch_request rq = {.repo = x->repo,
                           .commit = x->commit,
                           .path = x->path,
                           .revision = x->revision[0] ? x->revision : NULL,
                           .oid = x->oid,
                           .size = x->size,
                           .queued_bytes = queued_bytes(q, e),
                           .ignore_space = e->ignore_space,
                           .share = &q->share};
    pthread_mutex_unlock(&q->lock);
    tell(q);
    nb_status st = dl_fetch(q->net, &q->cache, &rq, &got, &trouble, &hooks, &err);
    pthread_mutex_lock(&q->lock);
    settle(q, e, st, &got, trouble, &err);
    pthread_mutex_unlock(&q->lock);
    tell(q);
    pthread_mutex_lock(&q->lock);
}

static void *runner_main(void *ud)
{
    dl_queue *q = ud;
    pthread_mutex_lock(&q->lock);
    while (!atomic_load(&q->closing)) {
        dl_entry *e = next_waiting(q);
        if (e)
            work(q, e);
        else
            pthread_cond_wait(&q->work, &q->lock);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

/* --- the saver -------------------------------------------------------------------------------- */

/* The lock is let go while the disk works. What cannot be written is tried again with the next
 * change: the downloads themselves do not depend on the file. */
static void save(dl_queue *q)
{
    nb_str text = {0};
    q->dirty = false;
    if (!q->file[0])
        return;
    nb_status st = dl_queue_text(q, &text, NULL);
    pthread_mutex_unlock(&q->lock);
    if (st == NB_OK)
        nb_replace_file(q->file, text.at, text.len, 0600, NULL);
    nb_str_free(&text);
    pthread_mutex_lock(&q->lock);
}

static void throw_out(dl_queue *q)
{
    dl_entry *e = q->out;
    q->out = e->next_out;
    pthread_mutex_unlock(&q->lock);
    if (e->discard && e->item.oid[0])
        dl_partial_remove(&q->cache, e->item.repo, e->item.oid);
    free(e);
    pthread_mutex_lock(&q->lock);
}

static void *saver_main(void *ud)
{
    dl_queue *q = ud;
    pthread_mutex_lock(&q->lock);
    for (;;) {
        if (q->dirty)
            save(q);
        else if (q->out)
            throw_out(q);
        else if (atomic_load(&q->closing))
            break;
        else
            pthread_cond_wait(&q->chore, &q->lock);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

static nb_status start_thread(pthread_t *out, void *(*run_thread)(void *), dl_queue *q, nb_err *err)
{
    int rc = nb_thread_start(out, run_thread, q);
    return rc == 0 ? NB_OK
                   : nb_fail(err, NB_NOMEM, "downloads: cannot start a thread (error %d)", rc);
}

static nb_status start_threads(dl_queue *q, nb_err *err)
{
    unsigned runners = dl_net_connections(q->net) > 1 ? DL_RUNNERS : 1;
    NB_TRY(start_thread(&q->saver, saver_main, q, err));
    q->has_saver = true;
    for (; q->n_runner < runners; q->n_runner++)
        NB_TRY(start_thread(&q->runner[q->n_runner], runner_main, q, err));
    return NB_OK;
}

nb_status dl_queue_open(dl_queue **out, dl_net *net, const dl_cache *cache, const char *state_dir,
                        void (*wake)(void *ud), void *ud, nb_err *err)
{
    dl_queue *q = nb_alloc(1, sizeof *q, "downloads", err);
    if (!q)
        return NB_NOMEM;
    q->net = net;
    q->cache = *cache;
    q->wake = wake;
    q->ud = ud;
    q->file_lock = -1;
    dl_share_open(&q->share, dl_net_connections(net));
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->work, NULL);
    pthread_cond_init(&q->chore, NULL);
    nb_status st = dl_queue_load(q, state_dir, err);
    if (st == NB_OK)
        st = start_threads(q, err);
    if (st != NB_OK)
        dl_queue_close(&q);
    else
        *out = q;
    return st;
}

void dl_queue_close(dl_queue **pq)
{
    dl_queue *q = *pq;
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    atomic_store(&q->closing, true);
    pthread_cond_broadcast(&q->work);
    pthread_mutex_unlock(&q->lock);
    for (unsigned i = 0; i < q->n_runner; i++)
        pthread_join(q->runner[i], NULL);
    pthread_mutex_lock(&q->lock);
    pthread_cond_broadcast(&q->chore);
    pthread_mutex_unlock(&q->lock);
    if (q->has_saver)
        pthread_join(q->saver, NULL);
    if (q->file_lock >= 0)
        close(q->file_lock);
    for (size_t i = 0; i < q->n; i++)
        free(q->at[i]);
    free(q->at);
    while (q->out) { /* only when the saver never ran */
        dl_entry *e = q->out;
        q->out = e->next_out;
        free(e);
    }
    dl_share_close(&q->share);
    pthread_cond_destroy(&q->chore);
    pthread_cond_destroy(&q->work);
    pthread_mutex_destroy(&q->lock);
    free(q);
    *pq = NULL;
}

bool dl_queue_foreign(const dl_queue *q)
{
    return q->foreign;
}
