#include "downloads/transfer_runs.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/str.h"

nb_status dl_runs_open(dl_runs *p, uint64_t size, uint64_t segment, nb_err *err)
{
    assert(segment && (segment & (segment - 1)) == 0 && segment <= DL_RANGE_MAX);
    uint64_t n = size / segment + (size % segment != 0);
    *p = (dl_runs){.size = size, .segment = segment};
    if (n > UINT32_MAX)
        return nb_fail(err, NB_UNSUPPORTED, "%llu bytes are more than any file has",
                       (unsigned long long)size);
    p->state = nb_alloc(n + 1, sizeof *p->state, "segments", err);
    p->have = nb_alloc(n + 1, sizeof *p->have, "segments", err);
    if (!p->state || !p->have) {
        dl_runs_free(p);
        return NB_NOMEM;
    }
    p->n = p->low = (uint32_t)n;
    return NB_OK;
}

void dl_runs_free(dl_runs *p)
{
    free(p->state);
    free(p->have);
    *p = (dl_runs){0};
}

uint64_t dl_runs_length(const dl_runs *p, uint32_t i)
{
    uint64_t at = i * p->segment;
    return p->size - at < p->segment ? p->size - at : p->segment;
}

static uint32_t segment_of(const dl_runs *p, uint64_t at)
{
    return (uint32_t)(at / p->segment);
}

static void set_free(dl_runs *p, uint32_t i)
{
    p->state[i] = DL_RUN_FREE;
    p->n_free++;
    if (i < p->low)
        p->low = i;
}

void dl_runs_offer(dl_runs *p, uint32_t i)
{
    assert(p->state[i] == DL_RUN_HELD || p->state[i] == DL_RUN_WHOLE);
    p->have[i] = 0;
    set_free(p, i);
}

void dl_runs_keep(dl_runs *p, uint32_t i)
{
    assert(p->state[i] == DL_RUN_HELD);
    p->state[i] = DL_RUN_WHOLE;
}

static void take(dl_runs *p, uint32_t i)
{
    p->state[i] = DL_RUN_TAKEN;
    p->n_free--;
}

static uint32_t lowest_free(dl_runs *p)
{
    while (p->low < p->n && p->state[p->low] != DL_RUN_FREE)
        p->low++;
    return p->low;
}

/* Segments a run may have now. */
static uint32_t run_limit(const dl_runs *p, unsigned streams)
{
    uint32_t share = p->n_free / (2 * (streams ? streams : 1));
    uint32_t most = (uint32_t)(DL_RANGE_MAX / p->segment);
    uint32_t limit = share < 1 ? 1 : share < DL_RUN_SEGMENTS ? share : DL_RUN_SEGMENTS;
    return limit < most ? limit : most;
}

bool dl_runs_take(dl_runs *p, unsigned slot, unsigned streams)
{
    uint32_t first = lowest_free(p), limit = run_limit(p, streams), i = first;
    if (first == p->n)
        return false;
    assert(dl_run_left(&p->slot[slot]) == 0);
    /* Only the first may have bytes already: a request has one start. */
    while (i < p->n && i - first < limit && p->state[i] == DL_RUN_FREE &&
           (i == first || p->have[i] == 0))
        take(p, i++);
    p->slot[slot] = (dl_run){.at = first * p->segment + p->have[first],
                             .end = i == p->n ? p->size : i * p->segment};
    return true;
}

bool dl_runs_take_through(dl_runs *p, unsigned slot)
{
    if (p->n_free == 0)
        return false;
    assert(dl_run_left(&p->slot[slot]) == 0);
    for (uint32_t i = lowest_free(p); i < p->n; i++) {
        if (p->state[i] != DL_RUN_FREE)
            continue;
        take(p, i);
        p->have[i] = 0; /* it comes from its start */
    }
    p->slot[slot] = (dl_run){.at = 0, .end = p->size, .through = true};
    return true;
}

dl_piece dl_runs_next(const dl_runs *p, unsigned slot, size_t n)
{
    const dl_run *r = &p->slot[slot];
    if (r->at == r->end)
        return (dl_piece){.at = r->at};
    uint32_t i = segment_of(p, r->at);
    uint64_t stop = i * p->segment + dl_runs_length(p, i);
    if (n > stop - r->at)
        n = (size_t)(stop - r->at);
    bool mine = p->state[i] == DL_RUN_TAKEN;
    return (dl_piece){
        .at = r->at, .n = n, .segment = i, .mine = mine, .whole = mine && r->at + n == stop};
}

void dl_runs_wrote(dl_runs *p, unsigned slot, const dl_piece *piece)
{
    dl_run *r = &p->slot[slot];
    assert(piece->at == r->at && piece->n <= dl_run_left(r));
    r->at += piece->n;
    if (!piece->mine)
        return;
    p->have[piece->segment] += (uint32_t)piece->n;
    if (piece->whole) {
        p->state[piece->segment] = DL_RUN_WHOLE;
        p->have[piece->segment] = 0;
    }
}

/* Segments [from, to) that are a slot's become free again. */
static void give_back(dl_runs *p, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        if (p->state[i] == DL_RUN_TAKEN)
            set_free(p, i);
}

static uint32_t end_of(const dl_runs *p, const dl_run *r)
{
    return r->end == p->size ? p->n : segment_of(p, r->end);
}

void dl_runs_drop(dl_runs *p, unsigned slot)
{
    dl_run *r = &p->slot[slot];
    if (r->at != r->end)
        give_back(p, segment_of(p, r->at), end_of(p, r));
    *r = (dl_run){0};
}

void dl_runs_trim(dl_runs *p, unsigned slot)
{
    dl_run *r = &p->slot[slot];
    if (r->at == r->end || r->through)
        return;
    uint32_t next = segment_of(p, r->at) + 1, end = end_of(p, r);
    if (next >= end)
        return;
    give_back(p, next, end);
    r->end = next * p->segment;
}

/* The run that would end last, among those worth shortening. */
static int slowest(const dl_runs *p, const double *rate, double expect, double worth)
{
    double longest = worth;
    int victim = -1;
    for (unsigned s = 0; s < DL_RUN_SLOTS; s++) {
        const dl_run *r = &p->slot[s];
        if (r->at == r->end || r->through)
            continue;
        double seconds = (double)dl_run_left(r) / rate[s];
        bool last_segment = segment_of(p, r->at) + 1 == end_of(p, r);
        if (seconds > longest && (!last_segment || rate[s] * 4 < expect)) {
            longest = seconds;
            victim = (int)s;
        }
    }
    return victim;
}

int dl_runs_steal(dl_runs *p, unsigned thief, const double rate[DL_RUN_SLOTS], double expect,
                  double worth)
{
    assert(dl_run_left(&p->slot[thief]) == 0);
    int victim = slowest(p, rate, expect, worth);
    if (victim < 0)
        return -1;
    dl_run *r = &p->slot[victim];
    uint32_t next = segment_of(p, r->at) + 1, untouched = end_of(p, r) - next;
    uint64_t from = r->at;
    if (untouched) {
        uint32_t keep = (uint32_t)(untouched * (rate[victim] / (rate[victim] + expect)));
        from = (next + keep) * p->segment;
    }
    p->slot[thief] = (dl_run){.at = from, .end = r->end};
    r->end = from;
    return victim;
}

uint64_t dl_runs_written(const dl_runs *p)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        bool all = p->state[i] == DL_RUN_HELD || p->state[i] == DL_RUN_WHOLE;
        sum += all ? dl_runs_length(p, i) : p->have[i];
    }
    return sum;
}
