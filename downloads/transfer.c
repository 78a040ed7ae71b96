#include "downloads/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"

enum { PATIENCE_TIMEOUTS = 30, TIDY_RACES = 10 };

/* --- life --------------------------------------------------------------------------------------
 */

static void init_locks(dl_transfer *t)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->news, &attr);
    pthread_condattr_destroy(&attr);
}

static nb_status check_names(const dl_fetch_request *rq, nb_err *err)
{
    if (!dl_repo_ok(rq->repo))
        return nb_fail(err, NB_REFUSED, "\"%.100s\" is no repository's name", rq->repo);
    if (!dl_commit_ok(rq->commit))
        return nb_fail(err, NB_REFUSED, "%s: \"%.60s\" is no commit", rq->repo, rq->commit);
    if (rq->revision && !dl_revision_ok(rq->revision))
        return nb_fail(err, NB_REFUSED, "%s: \"%.100s\" is no revision", rq->repo, rq->revision);
    if (rq->oid[0] && !dl_oid_ok(rq->oid))
        return nb_fail(err, NB_REFUSED, "%s: \"%.80s\" is no content id", rq->repo, rq->oid);
    return dl_path_ok(rq->path, err);
}

static nb_status transfer_open(dl_transfer **out, dl_net *net, const dl_cache *cache,
                               const dl_fetch_request *rq, const nb_hooks *hooks, nb_err *err)
{
    NB_TRY(check_names(rq, err));
    dl_transfer *t = nb_alloc(1, sizeof *t, "transfer", err);
    if (!t)
        return NB_NOMEM;
    int patience =
        rq->patience ? rq->patience : PATIENCE_TIMEOUTS * dl_net_env(net)->download_timeout;
    t->net = net;
    t->cache = cache;
    t->rq = rq;
    t->hooks = hooks;
    t->size = rq->oid[0] ? rq->size : UINT64_MAX;
    t->patience = patience;
    t->jitter = (uint64_t)(1e9 * dl_clock()) ^ (uint64_t)(uintptr_t)t;
    t->last_byte = t->gained = dl_clock();
    snprintf(t->oid, sizeof t->oid, "%s", rq->oid);
    snprintf(t->subject, sizeof t->subject, "%s/%.200s", rq->repo, rq->path);
    nb_status st = dl_resolve_path(t->canonical, rq->repo, rq->commit, rq->path, err);
    if (st != NB_OK) {
        free(t);
        return st;
    }
    init_locks(t);
    dl_share_open(&t->own, dl_net_connections(net));
    t->share = rq->share ? rq->share : &t->own;
    t->member = dl_share_join(t->share);
    if (t->member < 0) { /* more files at once than a share has places for */
        t->share = &t->own;
        t->member = dl_share_join(t->share);
    }
    int n = dl_net_connections(net);
    t->n_slots = n < DL_RUN_SLOTS ? (unsigned)n : DL_RUN_SLOTS;
    for (unsigned i = 0; i < DL_RUN_SLOTS; i++)
        t->slot[i] = (dl_slot){.t = t, .no = i};
    *out = t;
    return NB_OK;
}

static void transfer_close(dl_transfer *t)
{
    dl_share_leave(t->share, t->member);
    dl_share_close(&t->own);
    dl_runs_free(&t->runs);
    free(t->held);
    explicit_bzero(t->address, sizeof t->address);
    pthread_cond_destroy(&t->news);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* --- steps -------------------------------------------------------------------------------------
 */

static nb_status failed(dl_transfer *t, nb_status st, const nb_err *err)
{
    if (st != NB_OK)
        dl_transfer_fail(t, st, dl_trouble_of(st), err);
    return st;
}

/* Linked at this commit. The revision is led there, too, if the cache lets us: a cache that may
 * only be read serves all the same. */
static bool landed(dl_transfer *t, char *path, size_t cap)
{
    const dl_fetch_request *rq = t->rq;
    if (!dl_cache_find(t->cache, rq->repo, rq->commit, rq->path, t->size, path, cap))
        return false;
    if (rq->revision)
        (void)dl_cache_ref(t->cache, rq->repo, rq->revision, rq->commit, NULL);
    return true;
}

/* What was found without being asked for: the entry tells size and, as a link, content. */
static void identify(const char *path, dl_fetched *out)
{
    char link[1100];
    struct stat st;
    ssize_t n = readlink(path, link, sizeof link - 1);
    link[n > 0 ? n : 0] = '\0';
    if (!out->oid[0] && dl_oid_ok(nb_path_base(link)))
        snprintf(out->oid, sizeof out->oid, "%.64s", nb_path_base(link));
    if (out->size == UINT64_MAX)
        out->size = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* The blob is there: link, then ref. */
static nb_status land(dl_transfer *t)
{
    const dl_fetch_request *rq = t->rq;
    nb_err err = {0};
    nb_status st = dl_cache_link(t->cache, rq->repo, rq->commit, rq->path, t->oid, &err);
    if (st == NB_OK && rq->revision)
        st = dl_cache_ref(t->cache, rq->repo, rq->revision, rq->commit, &err);
    return failed(t, st, &err);
}

/* Another download that ends without a byte tidies away folders that look empty, perhaps those just
 * made for this one: then they are made again. */
static nb_status claim_partial(dl_transfer *t, nb_err *err)
{
    const dl_fetch_request *rq = t->rq;
    nb_status st = NB_NOTFOUND;
    for (int i = 0; i < TIDY_RACES && st == NB_NOTFOUND; i++) {
        st = dl_cache_prepare(t->cache, rq->repo, rq->commit, err);
        if (st == NB_OK)
            st = dl_partial_open(&t->partial, t->cache, rq->repo, t->oid, t->size, rq->commit, err);
    }
    return st;
}

static nb_status open_partial(dl_transfer *t)
{
    nb_err err = {0};
    uint64_t segment = DL_SEGMENT;
    nb_status st = claim_partial(t, &err);
    if (st != NB_OK)
        return failed(t, st, &err);
    if (dl_partial_segments(t->partial) > 1)
        dl_partial_segment_at(t->partial, 0, &segment);
    st = dl_runs_open(&t->runs, t->size, segment, &err);
    if (st == NB_OK)
        t->held = nb_alloc(t->n_slots, DL_HOLD, "buffers", &err);
    if (!t->held)
        return failed(t, NB_NOMEM, &err);
    for (unsigned i = 0; i < t->n_slots; i++)
        t->slot[i].held = t->held + (size_t)i * DL_HOLD;
    return NB_OK;
}

/* What becomes of the partial when the file did not: one without a byte in it only takes room. */
static void leave_partial(dl_transfer *t, nb_status st)
{
    bool empty = !dl_partial_adopted(t->partial) && t->runs.state && dl_runs_written(&t->runs) == 0;
    if (st == NB_HASH && (t->trouble == DL_WRONG_HASH || t->trouble == DL_CHANGED))
        dl_partial_quarantine(&t->partial);
    else if (empty)
        dl_partial_discard(&t->partial);
    else
        dl_partial_close(&t->partial);
}

static nb_status publish(dl_transfer *t)
{
    nb_err err = {0};
    if (!dl_transfer_stage(t, DL_LAND)) {
        dl_partial_close(&t->partial);
        return NB_CANCELED;
    }
    nb_status st = dl_partial_publish(&t->partial, t->cache, t->rq->repo, &err);
    /* Where flock does nothing, two may have gone on with one partial: the other was faster. */
    if (st != NB_OK && dl_cache_has_blob(t->cache, t->rq->repo, t->oid, t->size))
        return NB_OK;
    return failed(t, st, &err);
}

static nb_status get_blob(dl_transfer *t)
{
    NB_TRY(dl_transfer_room(t));
    nb_status st = open_partial(t);
    if (st == NB_OK)
        st = dl_transfer_run(t);
    if (st == NB_OK)
        return publish(t);
    if (t->partial)
        leave_partial(t, st);
    return st;
}

static nb_status get(dl_transfer *t)
{
    const dl_fetch_request *rq = t->rq;
    nb_err err = {0};
    dl_lock lock = {.fd = -1};
    bool there = dl_cache_has_blob(t->cache, rq->repo, t->oid, t->size);
    nb_status st = there ? NB_OK : dl_transfer_wait(t, &lock, &there);
    if (st == NB_OK && !there)
        st = get_blob(t);
    else if (st == NB_OK)
        st = failed(t, dl_cache_prepare(t->cache, rq->repo, rq->commit, &err), &err);
    if (st == NB_OK && there)
        dl_partial_sweep(t->cache, rq->repo);
    if (st == NB_OK)
        st = land(t);
    dl_cache_unlock(&lock);
    return st;
}

static nb_status entry_path(const dl_transfer *t, char *out, size_t cap, nb_err *err)
{
    char dir[1300];
    bool fits =
        dl_cache_repo_dir(t->cache, t->rq->repo, dir, sizeof dir) &&
        snprintf(out, cap, "%s/snapshots/%s/%s", dir, t->rq->commit, t->rq->path) < (int)cap;
    return fits ? NB_OK : nb_fail(err, NB_IO, "%s: its path is too long", t->subject);
}

static nb_status fetch(dl_transfer *t, dl_fetched *out)
{
    nb_err err = {0};
    if (landed(t, out->path, sizeof out->path))
        return NB_OK;
    bool blob = t->oid[0] && dl_cache_has_blob(t->cache, t->rq->repo, t->oid, t->size);
    if (dl_net_offline(t->net) && !blob) {
        nb_fail(&err, NB_NETWORK, "%s: not in the cache, and offline", t->subject);
        dl_transfer_fail(t, NB_NETWORK, DL_OFFLINE_MODE, &err);
        return NB_NETWORK;
    }
    if (!t->oid[0] || t->size == UINT64_MAX)
        NB_TRY(dl_transfer_ask(t));
    NB_TRY(get(t));
    return failed(t, entry_path(t, out->path, sizeof out->path, &err), &err);
}

nb_status dl_fetch(dl_net *net, const dl_cache *cache, const dl_fetch_request *rq, dl_fetched *out,
                   dl_trouble *trouble, const nb_hooks *hooks, nb_err *err)
{
    dl_transfer *t = NULL;
    dl_trouble ignored = DL_OK;
    dl_fetched got = {0};
    trouble = trouble ? trouble : &ignored;
    nb_status st = transfer_open(&t, net, cache, rq, hooks, err);
    *trouble = dl_trouble_of(st);
    NB_TRY(st);
    st = fetch(t, &got);
    *trouble = t->trouble;
    if (st == NB_OK) {
        *trouble = DL_OK;
        snprintf(got.oid, sizeof got.oid, "%s", t->oid);
        got.size = t->size;
        identify(got.path, &got);
        got.received = t->received;
        *out = got;
    } else if (st == NB_CANCELED) {
        nb_fail(err, st, "%s: cancelled", t->subject);
    } else if (err) {
        *err = t->err;
    }
    transfer_close(t);
    return st;
}
