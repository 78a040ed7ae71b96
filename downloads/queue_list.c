/* What the screens and commands do to the list: each call takes the lock for a moment and answers;
 * disks and servers are the threads' matter (queue.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/job.h"
#include "core/base/str.h"
#include "downloads/queue_private.h"

static const double NO_ETA_AFTER = 2; /* s without a byte */

nb_status dl_queue_push(dl_queue *q, dl_entry *e, nb_err *err)
{
    if (q->n == DL_QUEUE_MAX)
        return nb_fail(err, NB_REFUSED, "%d downloads are queued already, the limit",
                       (int)DL_QUEUE_MAX);
    if (q->n == q->cap) {
        size_t cap = q->cap ? 2 * q->cap : 16;
        dl_entry **at = realloc(q->at, cap * sizeof *at);
        if (!at)
            return nb_fail(err, NB_NOMEM, "downloads: no memory for %zu", cap);
        q->at = at;
        q->cap = cap;
    }
    e->item.id = ++q->last_id;
    q->at[q->n++] = e;
    return NB_OK;
}

void dl_queue_changed(dl_queue *q)
{
    q->dirty = true;
    pthread_cond_broadcast(&q->work);
    pthread_cond_signal(&q->chore);
}

uint64_t dl_item_missing(const dl_item *x)
{
    return x->size == UINT64_MAX || x->size < x->view.have ? 0 : x->size - x->view.have;
}

/* n when there is none. */
static size_t index_of(const dl_queue *q, uint64_t id)
{
    size_t i = 0;
    while (i < q->n && q->at[i]->item.id != id)
        i++;
    return i;
}

static void take_out(dl_queue *q, size_t i)
{
    memmove(&q->at[i], &q->at[i + 1], (--q->n - i) * sizeof(dl_entry *));
}

/* Unlocks and tells the drawer. */
static void unlock_changed(dl_queue *q)
{
    dl_queue_changed(q);
    pthread_mutex_unlock(&q->lock);
    if (q->wake)
        q->wake(q->ud);
}

/* --- adding ----------------------------------------------------------------------------------- */

/* Done already: the file is linked at this commit and the revision, if one is named, leads there.
 */
static bool in_cache(const dl_queue *q, dl_item *x)
{
    char commit[41];
    bool found =
        dl_cache_find(&q->cache, x->repo, x->commit, x->path, x->size, x->landed, sizeof x->landed);
    return found && (!x->revision[0] || (dl_cache_commit(&q->cache, x->repo, x->revision, commit) &&
                                         strcmp(commit, x->commit) == 0));
}

static dl_entry *make(const dl_queue *q, const dl_repo *repo, const char *revision,
                      const dl_file *file, nb_err *err)
{
    dl_entry *e = nb_alloc(1, sizeof *e, "download", err);
    if (!e)
        return NULL;
    dl_item *x = &e->item;
    snprintf(x->repo, sizeof x->repo, "%s", repo->model.id);
    snprintf(x->revision, sizeof x->revision, "%s", revision ? revision : "");
    snprintf(x->commit, sizeof x->commit, "%s", repo->commit);
    snprintf(x->path, sizeof x->path, "%s", file->path);
    snprintf(x->oid, sizeof x->oid, "%s", file->oid);
    x->size = x->view.size = file->size;
    x->eta = -1;
    if (in_cache(q, x)) {
        x->state = DL_DONE;
        x->view.have = x->size;
    }
    return e;
}

static dl_entry *same_file(const dl_queue *q, const dl_item *x)
{
    for (size_t i = 0; i < q->n; i++) {
        dl_item *y = &q->at[i]->item;
        if (strcmp(x->path, y->path) == 0 && strcmp(x->commit, y->commit) == 0 &&
            strcmp(x->repo, y->repo) == 0)
            return q->at[i];
    }
    return NULL;
}

/* Asked for again: what waits or runs stays, what rests goes on; only a file that is gone from the
 * cache is fetched anew. */
static void again(dl_entry *old, const dl_item *x)
{
    dl_item *y = &old->item;
    if (y->state == DL_QUEUED || y->state == DL_RUNNING || x->state == DL_DONE)
        return;
    if (y->state == DL_DONE)
        y->view = (dl_fetch_view){.size = x->size};
    y->state = DL_QUEUED;
    y->trouble = DL_OK;
}

/* All of list[n], or nothing; list entries are spent either way. */
static nb_status insert(dl_queue *q, dl_entry **list, size_t n, uint64_t *group, nb_err *err)
{
    size_t before = q->n;
    nb_status st = NB_OK;
    uint64_t mine = q->last_group + 1;
    for (size_t i = 0; i < n && st == NB_OK; i++) {
        dl_entry *old = same_file(q, &list[i]->item);
        list[i]->item.group = mine;
        if (old) {
            again(old, &list[i]->item);
            *group = q->n == before ? old->item.group : mine;
        } else if ((st = dl_queue_push(q, list[i], err)) == NB_OK) {
            *group = mine;
            list[i] = NULL;
        }
    }
    while (st != NB_OK && q->n > before)
        free(q->at[--q->n]);
    if (st == NB_OK && q->n > before)
        q->last_group = mine;
    return st;
}

nb_status dl_queue_add(dl_queue *q, const dl_repo *repo, const char *revision,
                       const dl_choice *choice, uint64_t *group, nb_err *err)
{
    dl_entry **list = nb_alloc(choice->n_file + 1, sizeof(dl_entry *), "downloads", err);
    uint64_t id = 0;
    nb_status st = list ? NB_OK : NB_NOMEM;
    size_t n = 0;
    while (st == NB_OK && n < choice->n_file) { /* looks at the cache: not under the lock */
        list[n] = make(q, repo, revision, &repo->file[choice->file[n]], err);
        if (list[n])
            n++;
        else
            st = NB_NOMEM;
    }
    if (st == NB_OK) {
        pthread_mutex_lock(&q->lock);
        st = insert(q, list, n, &id, err);
        unlock_changed(q);
    }
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
    if (st == NB_OK && group)
        *group = id;
    return st;
}

/* --- looking ---------------------------------------------------------------------------------- */

static void copy_history(const dl_entry *e, dl_item *out)
{
    unsigned n = e->n_rate < DL_HISTORY ? e->n_rate : DL_HISTORY;
    double top = 1;
    for (unsigned i = 0; i < n; i++)
        top = e->rate[i] > top ? e->rate[i] : top;
    for (unsigned i = 0; i < n; i++)
        out->history[i] = (uint8_t)(255 * e->rate[(e->n_rate - n + i) % DL_HISTORY] / top);
    out->n_history = n;
}

static void copy(const dl_entry *e, dl_item *out)
{
    const dl_fetch_view *v = &e->item.view;
    bool running = e->item.state == DL_RUNNING;
    *out = e->item;
    out->elapsed = e->elapsed + (e->busy ? nb_now() - e->started : 0);
    out->eta = -1;
    if (running && v->rate > 0 && v->stalled < NO_ETA_AFTER && v->size >= v->have)
        out->eta = (double)(v->size - v->have) / v->rate;
    copy_history(e, out);
}

size_t dl_queue_count(dl_queue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t n = q->n;
    pthread_mutex_unlock(&q->lock);
    return n;
}

bool dl_queue_look(dl_queue *q, size_t i, dl_item *out)
{
    pthread_mutex_lock(&q->lock);
    bool found = i < q->n;
    if (found)
        copy(q->at[i], out);
    pthread_mutex_unlock(&q->lock);
    return found;
}

uint64_t dl_queue_missing(dl_queue *q)
{
    uint64_t sum = 0;
    pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < q->n; i++)
        if (q->at[i]->item.state <= DL_PAUSED)
            sum += dl_item_missing(&q->at[i]->item);
    pthread_mutex_unlock(&q->lock);
    return sum;
}

/* --- changing --------------------------------------------------------------------------------- */

static void pause_entry(dl_entry *e, bool paused)
{
    if (!paused && e->item.state == DL_PAUSED)
        e->item.state = DL_QUEUED;
    if (!paused || (e->item.state != DL_QUEUED && e->item.state != DL_RUNNING))
        return;
    e->item.state = DL_PAUSED;
    atomic_store(&e->stop, true); /* a runner, if any, lets go soon; the row says so now */
}

void dl_queue_pause(dl_queue *q, uint64_t id, bool paused)
{
    pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < q->n; i++)
        if (id == 0 || q->at[i]->item.id == id)
            pause_entry(q->at[i], paused);
    unlock_changed(q);
}

void dl_queue_cancel(dl_queue *q, uint64_t id, bool delete_partial)
{
    pthread_mutex_lock(&q->lock);
    size_t i = index_of(q, id);
    if (i < q->n) {
        dl_entry *e = q->at[i];
        take_out(q, i);
        e->discard = delete_partial && e->item.state != DL_DONE;
        e->leaving = e->busy;
        atomic_store(&e->stop, true);
        if (!e->busy) {
            e->next_out = q->out;
            q->out = e;
        }
    }
    unlock_changed(q);
}

/* The list was wrong about this file: the server is asked again. */
static bool outdated(dl_trouble t)
{
    return t == DL_WRONG_SIZE || t == DL_CHANGED;
}

void dl_queue_retry(dl_queue *q, uint64_t id, bool ignore_space)
{
    pthread_mutex_lock(&q->lock);
    size_t i = index_of(q, id);
    if (i < q->n && (q->at[i]->item.state == DL_STOPPED || q->at[i]->item.state == DL_PAUSED)) {
        dl_item *x = &q->at[i]->item;
        if (!q->at[i]->busy && outdated(x->trouble)) {
            x->oid[0] = '\0';
            x->size = UINT64_MAX;
            x->view = (dl_fetch_view){0};
        }
        q->at[i]->ignore_space = ignore_space;
        x->state = DL_QUEUED;
        x->trouble = DL_OK;
    }
    unlock_changed(q);
}

void dl_queue_move(dl_queue *q, uint64_t id, int by)
{
    pthread_mutex_lock(&q->lock);
    size_t i = index_of(q, id);
    while (i < q->n && by != 0) {
        size_t to = by < 0 ? i - 1 : i + 1;
        if ((by < 0 && i == 0) || to >= q->n)
            break;
        dl_entry *e = q->at[i];
        q->at[i] = q->at[to];
        q->at[to] = e;
        i = to;
        by += by < 0 ? 1 : -1;
    }
    unlock_changed(q);
}

void dl_queue_forget_done(dl_queue *q)
{
    pthread_mutex_lock(&q->lock);
    for (size_t i = q->n; i-- > 0;) {
        if (q->at[i]->item.state != DL_DONE)
            continue;
        free(q->at[i]);
        take_out(q, i);
    }
    unlock_changed(q);
}
