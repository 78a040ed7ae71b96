/* What the screens see: sampled ten times a second on the worker, whose time between two segments
 * this is. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "downloads/transfer.h"

static const double EVERY = .1;    /* s between reports, and between pumps */
static const double POLL = .02;    /* s between two looks for a cancel */
static const double SILENCE = 1.5; /* s without a byte after which the rate is shown as 0 */
static const double TOLD = 5;      /* s a retry is mentioned */
enum { IN_FLIGHT = 101 };

/* Under the lock: bytes per second over the samples, at most 10 s. */
static double rate(dl_transfer *t, double now)
{
    unsigned newest = t->n_sample++ % DL_SAMPLES;
    t->sample_at[newest] = now;
    t->sample[newest] = t->received;
    unsigned oldest = t->n_sample > DL_SAMPLES ? t->n_sample % DL_SAMPLES : 0;
    double span = now - t->sample_at[oldest];
    if (span <= 0 || now - t->last_byte > SILENCE)
        return 0;
    return (double)(t->received - t->sample[oldest]) / span;
}

/* Under the lock: a cell is the share of its bytes that are there, or marked as in flight. */
static void draw_map(const dl_transfer *t, dl_fetch_view *v)
{
    const dl_runs *p = &t->runs;
    v->n_map = p->n < DL_MAP ? p->n : DL_MAP;
    v->segments = p->n;
    v->whole = 0;
    for (unsigned cell = 0; cell < v->n_map; cell++) {
        uint32_t from = (uint32_t)((uint64_t)p->n * cell / v->n_map);
        uint32_t to = (uint32_t)((uint64_t)p->n * (cell + 1) / v->n_map), done = 0;
        bool flying = false;
        for (uint32_t i = from; i < to; i++) {
            done += p->state[i] == DL_RUN_WHOLE || p->state[i] == DL_RUN_HELD;
            flying = flying || p->state[i] == DL_RUN_TAKEN;
        }
        v->whole += done;
        uint32_t n = to - from;
        v->map[cell] = (uint8_t)(flying ? IN_FLIGHT : n ? 100 * done / n : 0);
    }
}

static void note(const dl_transfer *t, const dl_net_view *net, double now, dl_fetch_view *v)
{
    char left[16];
    v->note[0] = '\0';
    if (t->stage == DL_WAIT)
        snprintf(v->note, sizeof v->note, "waiting for %s, which fetches the same file",
                 t->waits_for ? t->waits_for : "another program");
    else if (t->said[0])
        snprintf(v->note, sizeof v->note, "%s", t->said);
    else if (net->hold > 0)
        snprintf(v->note, sizeof v->note, "%s, resumes in %s", net->held,
                 nb_human_time(left, ceil(net->hold)));
    else if (t->barren && now - t->retried < fmax(TOLD, now - t->last_byte))
        snprintf(v->note, sizeof v->note, "try %u: %.130s", t->barren + 1, t->cause.msg);
}

static void look(dl_transfer *t, double now)
{
    dl_fetch_view *v = &t->view;
    dl_net_view net;
    dl_net_look(t->net, &net);
    pthread_mutex_lock(&t->lock);
    bool fetching = t->streams > 0 || t->runs.n_free > 0;
    uint64_t have = t->runs.state ? dl_runs_written(&t->runs) : 0;
    t->shown = have > t->shown ? have : t->shown;
    v->stage = t->stage;
    v->size = t->size;
    v->have = t->shown;
    v->received = t->received;
    v->retries = t->retries;
    v->connections = t->streams;
    v->rate = rate(t, now);
    v->stalled = t->stage == DL_GET_BYTES && fetching ? now - t->last_byte : 0;
    if (t->runs.state)
        draw_map(t, v);
    note(t, &net, now, v);
    pthread_mutex_unlock(&t->lock);
}

static void report(dl_transfer *t, double now)
{
    t->reported = now;
    look(t, now);
    nb_progress p = {.what = t->rq->path,
                     .done = t->view.have,
                     .total = t->size == UINT64_MAX ? 0 : t->size,
                     .bytes_in = t->view.received,
                     .detail = &t->view};
    nb_report(t->hooks, &p);
}

bool dl_transfer_stage(dl_transfer *t, dl_stage stage)
{
    t->stage = stage;
    report(t, dl_clock());
    t->canceled = t->canceled || nb_canceled(t->hooks);
    return !t->canceled;
}

bool dl_transfer_tend(dl_transfer *t)
{
    double now = dl_clock();
    if (now - t->polled >= POLL) {
        t->polled = now;
        t->canceled = t->canceled || nb_canceled(t->hooks);
    }
    if (now - t->reported >= EVERY)
        report(t, now);
    if (t->partial && now - t->pumped >= EVERY) {
        t->pumped = now;
        dl_transfer_prod(t);
    }
    return !t->canceled;
}

dl_trouble dl_trouble_of(nb_status status)
{
    static const struct {
        nb_status status;
        dl_trouble trouble;
    } rows[] = {
        {NB_NOSPACE, DL_DISK_FULL}, {NB_IO, DL_DISK},           {NB_HASH, DL_WRONG_HASH},
        {NB_REFUSED, DL_HOSTILE},   {NB_NETWORK, DL_BAD_REPLY}, {NB_NOTFOUND, DL_DISK},
    };
    for (size_t i = 0; i < countof(rows); i++)
        if (rows[i].status == status)
            return rows[i].trouble;
    return DL_OK;
}
