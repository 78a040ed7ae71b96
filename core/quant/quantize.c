#include "core/quant/quantize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/config.h"
#include "core/base/file.h"
#include "core/base/job.h"
#include "core/quant/tile.h"

/* --- open and close ----------------------------------------------------------------------------
 */

static nb_status copy_paths(nb_run *run, const char *path, nb_err *err)
{
    size_t n = strlen(path);
    run->path = nb_strdup(path, err);
    run->part = nb_alloc(n + sizeof ".part", 1, "path", err);
    run->journal = nb_alloc(n + sizeof ".part.journal", 1, "path", err);
    if (!run->path || !run->part || !run->journal)
        return NB_NOMEM;
    snprintf(run->part, n + sizeof ".part", "%s%s", path, run->landed ? "" : ".part");
    snprintf(run->journal, n + sizeof ".part.journal", "%s.part.journal", path);
    return NB_OK;
}

static nb_status open_lists(nb_run *run, nb_err *err)
{
    const nb_plan *p = run->plan;
    uint64_t n = p->n ? p->n : 1;
    run->cut = nb_alloc(n, sizeof *run->cut, "tile list", err);
    run->report = nb_alloc(n, sizeof *run->report, "reports", err);
    run->looked = nb_alloc(n, sizeof *run->looked, "reports", err);
    run->kept = nb_alloc(n, sizeof *run->kept, "tile list", err);
    run->slot = nb_alloc(NB_WAVE_TILES, sizeof *run->slot, "tile sums", err);
    run->range = nb_alloc(n, sizeof *run->range, "ranges", err);
    run->slot_full = nb_alloc(NB_WAVE_TILES, sizeof *run->slot_full, "tile sums", err);
    if (!run->cut || !run->report || !run->looked || !run->kept || !run->slot || !run->slot_full ||
        !run->range)
        return NB_NOMEM;
    NB_TRY(nb_run_cut(run, err));
    run->mark = nb_alloc(run->n_tiles ? run->n_tiles : 1, sizeof *run->mark, "tile digests", err);
    if (!run->mark)
        return NB_NOMEM;
    for (size_t i = 0; i < p->n; i++) {
        nb_tensor_report *r = &run->report[i];
        r->plan = &p->tensor[i];
        r->name = p->layout[i].name;
        nb_stats_clear(&r->stats);
        run->type_all[r->plan->type->id] += r->plan->n;
    }
    return NB_OK;
}

/* A run of nothing yet, which nb_run_close takes. */
static nb_run *new_run(nb_err *err)
{
    nb_run *run = nb_alloc(1, sizeof *run, "run", err);
    if (!run)
        return NULL;
    run->fd = run->journal_fd = -1;
    run->fail_tile = UINT64_MAX;
    pthread_mutex_init(&run->lock, NULL);
    pthread_mutex_init(&run->poll, NULL);
    return run;
}

static nb_status open_run(nb_run **out, nb_run *run, const nb_plan *plan, const char *path,
                          const nb_quantize_options *opt, nb_err *err)
{
    size_t n_methods;
    if (!run)
        return NB_NOMEM;
    run->plan = plan;
    run->opt = *opt;
    run->method = opt->method ? opt->method : nb_methods(&n_methods)[0];
    run->knobs = opt->knobs.group ? opt->knobs : nb_method_knobs(run->method);
    nb_status st = copy_paths(run, path, err);
    if (st == NB_OK)
        st = open_lists(run, err);
    if (st == NB_OK)
        st = nb_part_open(run, err);
    if (st != NB_OK)
        nb_run_close(&run);
    else
        *out = run;
    return st;
}

nb_status nb_run_open_rows(nb_run **out, const nb_plan *plan, const char *path,
                           const nb_quantize_options *opt, nb_rows_fn *rows, void *ud, nb_err *err)
{
    nb_run *run = new_run(err);
    if (run) {
        run->rows = rows;
        run->rows_ud = ud;
    }
    return open_run(out, run, plan, path, opt, err);
}

nb_status nb_run_open_shard(nb_run **out, const nb_plan *plan, const char *path,
                            const nb_quantize_options *opt, bool landed, nb_err *err)
{
    nb_run *run = new_run(err);
    if (run) {
        run->hold = true;
        run->landed = run->keep = landed;
    }
    return open_run(out, run, plan, path, opt, err);
}

nb_status nb_run_open(nb_run **out, const nb_plan *plan, const char *path,
                      const nb_quantize_options *opt, nb_err *err)
{
    return nb_run_open_rows(out, plan, path, opt, NULL, NULL, err);
}

static void free_space(nb_run *run)
{
    for (int i = 0; i < run->n_space; i++) {
        free(run->space[i].src);
        free(run->space[i].dec);
        free(run->space[i].held);
        free(run->space[i].tally);
        free(run->space[i].out);
        free(run->space[i].row);
        free(run->space[i].in);
    }
    free(run->space);
    run->space = NULL;
    run->n_space = 0;
}

void nb_run_close(nb_run **runp)
{
    nb_run *run = *runp;
    if (!run)
        return;
    nb_part_leave(run);
    free_space(run);
    free(run->cut);
    free(run->kept);
    free(run->report);
    free(run->looked);
    free(run->slot);
    free(run->slot_full);
    free(run->range);
    free(run->mark);
    free(run->path);
    free(run->part);
    free(run->journal);
    pthread_mutex_destroy(&run->lock);
    pthread_mutex_destroy(&run->poll);
    free(run);
    *runp = NULL;
}

/* --- while it runs -----------------------------------------------------------------------------
 */

void nb_run_fail(nb_run *run, uint64_t tile, const nb_err *why)
{
    pthread_mutex_lock(&run->lock);
    if (run->fail.status == NB_OK || tile < run->fail_tile) {
        run->fail = *why;
        run->fail_tile = tile;
    }
    pthread_mutex_unlock(&run->lock);
    atomic_store(&run->stop, true);
}

/* Weights, and a sixteenth more for reading back: one bar that never stands still nor goes back. */
static void tell(nb_run *run)
{
    const nb_plan *p = run->plan;
    uint64_t extra = p->params / 16;
    nb_progress at = {.total = p->params + extra, .detail = run};
    pthread_mutex_lock(&run->lock);
    double read = p->tensor_bytes ? (double)run->bytes_verified / (double)p->tensor_bytes : 0;
    at.what = run->bytes_verified ? "verify" : p->n ? p->layout[run->current].name : "";
    at.done = run->weights_done + (uint64_t)(read * (double)extra);
    at.bytes_in = (uint64_t)((double)p->source_bytes *
                             (p->params ? (double)run->weights_done / (double)p->params : 1));
    at.bytes_out = run->bytes_out;
    pthread_mutex_unlock(&run->lock);
    nb_report(run->hooks, &at);
}

/* A pause happens inside `canceled`; its time is not working time. */
static bool ask(nb_run *run)
{
    pthread_mutex_lock(&run->lock);
    run->asked_at = nb_seconds();
    pthread_mutex_unlock(&run->lock);
    bool cancel = nb_canceled(run->hooks);
    pthread_mutex_lock(&run->lock);
    run->held += nb_seconds() - run->asked_at;
    run->asked_at = 0;
    pthread_mutex_unlock(&run->lock);
    return cancel;
}

/* Hooks are asked every 20 ms. While one thread is kept inside `canceled` (a pause), the others
 * queue up behind it, so that a pause holds them all. */
bool nb_run_poll(nb_run *run)
{
    enum { EVERY_US = 20000, STUCK_US = 100000 };
    if (atomic_load_explicit(&run->stop, memory_order_relaxed))
        return false;
    uint64_t now = (uint64_t)(nb_seconds() * 1e6), last = atomic_load(&run->polled_us);
    if (!run->hooks || now < last + EVERY_US)
        return true;
    if (pthread_mutex_trylock(&run->poll) != 0) {
        if (now < last + STUCK_US)
            return true;
        pthread_mutex_lock(&run->poll);
        pthread_mutex_unlock(&run->poll);
        return !atomic_load(&run->stop);
    }
    if (ask(run)) {
        nb_err why;
        nb_fail(&why, NB_CANCELED, "cancelled");
        nb_run_fail(run, UINT64_MAX, &why);
    } else {
        tell(run);
    }
    atomic_store(&run->polled_us, (uint64_t)(nb_seconds() * 1e6));
    pthread_mutex_unlock(&run->poll);
    return !atomic_load(&run->stop);
}

static nb_status make_space(nb_run *run, int threads, nb_err *err)
{
    if (threads <= run->n_space)
        return NB_OK;
    free_space(run);
    run->space = nb_alloc((uint64_t)threads, sizeof *run->space, "buffers", err);
    if (!run->space)
        return NB_NOMEM;
    run->n_space = threads;
    for (int i = 0; i < threads; i++) {
        nb_workspace *ws = &run->space[i];
        ws->src = nb_alloc(run->strip + 1, sizeof *ws->src, "buffers", err);
        ws->dec = nb_alloc(run->strip + 1, sizeof *ws->dec, "buffers", err);
        ws->held = nb_alloc((uint64_t)3 * NB_HELD_WEIGHTS, sizeof *ws->held, "buffers", err);
        ws->tally = nb_alloc(3, sizeof *ws->tally, "buffers", err);
        ws->out = nb_alloc(run->out_cap + 1, 1, "buffers", err);
        ws->row = nb_alloc(run->row_cap + 1, 1, "buffers", err);
        ws->in = nb_alloc(run->in_cap + 1, 1, "buffers", err);
        if (!ws->src || !ws->dec || !ws->held || !ws->tally || !ws->out || !ws->row || !ws->in)
            return NB_NOMEM;
    }
    return NB_OK;
}

/* Tiles [wave_first, wave_end) of the next wave: enough work per thread that waiting for the last
 * tile does not matter. */
static void next_wave(nb_run *run, int threads)
{
    uint64_t weights = 0, budget = (uint64_t)threads * NB_WAVE_WEIGHTS, i = run->wave_end;
    pthread_mutex_lock(&run->lock);
    run->wave_first = run->frontier = i;
    while (i < run->n_tiles && i - run->wave_first < NB_WAVE_TILES && weights < budget) {
        nb_tile t = nb_run_tile(run, i++);
        weights += t.rows * t.cols;
    }
    run->wave_end = i;
    memset(run->slot_full, 0, NB_WAVE_TILES * sizeof *run->slot_full);
    pthread_mutex_unlock(&run->lock);
    atomic_store(&run->next, run->wave_first);
}

/* The wave's tiles lie one behind the other in the file. The disk is told by a thread of the next
 * wave: handing over so much takes a while, in which others can encode. */
static void leave_behind(nb_run *run)
{
    nb_tile first = nb_run_tile(run, run->wave_first), last = nb_run_tile(run, run->wave_end - 1);
    run->behind_from = nb_tile_offset(run, &first);
    run->behind_n = nb_tile_offset(run, &last) + nb_tile_bytes(run, &last) - run->behind_from;
    atomic_store(&run->behind, true);
}

void nb_run_write_behind(nb_run *run)
{
    if (atomic_exchange(&run->behind, false))
        nb_write_behind(run->fd, run->behind_from, run->behind_n);
}

nb_status nb_run_source_stands(const nb_run *run, nb_err *err)
{
    const nb_weights *w = run->plan->weights;
    return w && nb_weights_lost(w)
               ? nb_fail(err, NB_IO, "%s changed while it was read", nb_weights_path(w))
               : NB_OK;
}

/* Before the first tile: what is there already, what a look at whole tensors tells. */
static nb_status prepare(nb_run *run, nb_lease *lease, nk_pool *pool, nb_err *err)
{
    if (lease)
        pool = nb_lease_pool(lease);
    int threads = pool ? nk_pool_count(pool) : 1;
    uint64_t available, total;
    nb_memory(&available, &total);
    /* A small machine's next wish is the output, not the model: that leaves the cache first, but
     * only where both do not fit. 0: not known. */
    run->short_of_memory =
        available && (run->plan->source_bytes > available ||
                      run->plan->file_bytes > available - run->plan->source_bytes);
    NB_TRY(make_space(run, threads, err));
    nb_journal_check(run, pool, threads);
    if (run->landed && run->fail.status == NB_OK && run->n_kept < run->plan->n)
        return nb_fail(err, NB_REFUSED, "%s exists already", run->path);
    NB_TRY(nb_run_survey(run, pool, threads, err));
    if (run->fail.status != NB_OK && err)
        *err = run->fail;
    return run->fail.status;
}

static nb_status encode_all(nb_run *run, nb_lease *lease, nk_pool *pool, nb_err *err)
{
    NB_TRY(prepare(run, lease, pool, err));
    if (run->plan->file_bytes >= 2 * (uint64_t)NB_FLUSH_BYTES)
        run->flush = nb_flush_open(run->part, NB_FLUSH_BYTES);
    while (run->wave_end < run->n_tiles) {
        if (lease)
            pool = nb_lease_pool(lease);
        int threads = pool ? nk_pool_count(pool) : 1;
        NB_TRY(make_space(run, threads, err));
        next_wave(run, threads);
        nk_parallel(pool, (size_t)threads, 1, nb_run_work, run);
        if (run->fail.status != NB_OK) {
            if (err)
                *err = run->fail;
            return run->fail.status;
        }
        NB_TRY(nb_run_source_stands(run, err)); /* not an hour later */
        leave_behind(run);
    }
    nb_run_write_behind(run);
    for (int i = 0; i < run->n_space; i++)
        nb_figures_flush(run, &run->space[i]);
    return make_space(run, 1, err); /* for the reading back of a file without tensors */
}

static nb_status go(nb_run *run, const nk_ops *ops, nb_lease *lease, nk_pool *pool,
                    const nb_hooks *hooks, nb_err *err)
{
    if (run->started)
        return nb_fail(err, NB_USAGE, "this run has already been started");
    run->started = true;
    run->ops = ops;
    run->hooks = hooks;
    pthread_mutex_lock(&run->lock);
    run->started_at = nb_seconds();
    pthread_mutex_unlock(&run->lock);
    nb_status st = nb_canceled(hooks) ? nb_fail(err, NB_CANCELED, "cancelled")
                                      : encode_all(run, lease, pool, err);
    if (st == NB_OK)
        st = nb_part_finish(run, lease ? nb_lease_pool(lease) : pool, err);
    nb_flush_close(&run->flush, st == NB_OK);
    if (st != NB_OK)
        nb_part_drop(run);
    pthread_mutex_lock(&run->lock);
    run->ended_at = nb_seconds();
    run->status = st;
    pthread_mutex_unlock(&run->lock);
    if (st == NB_OK)
        tell(run);
    free_space(run);
    return st;
}

nb_status nb_run_go(nb_run *run, const nk_ops *ops, nb_lease *lease, const nb_hooks *hooks,
                    nb_err *err)
{
    return go(run, ops, lease, NULL, hooks, err);
}

nb_status nb_run_go_pool(nb_run *run, const nk_ops *ops, nk_pool *pool, const nb_hooks *hooks,
                         nb_err *err)
{
    return go(run, ops, NULL, pool, hooks, err);
}
