/* What a thread of a run does: it takes tiles of the wave, encodes them into its batch and writes
 * that where they belong. */
#include <string.h>

#include "core/base/file.h"
#include "core/base/job.h"
#include "core/quant/tile.h"

/* --- the source --------------------------------------------------------------------------------
 */

/* Tells of the source of tile i what `say` tells: before it is read, that it may come from disk
 * meanwhile; after, that it may go where memory is short. */
static void advise(const nb_run *run, uint64_t i, void (*say)(const void *at, uint64_t n))
{
    if (run->rows || i >= run->n_tiles)
        return;
    nb_tile t = nb_run_tile(run, i);
    const nb_view *v = run->plan->tensor[t.tensor].src;
    uint64_t row;
    if (run->kept[t.tensor] || nb_weights_scratch(v) ||
        !nk_row_size(nk_type_get(v->t.type), run->cut[t.tensor].cols, &row))
        return;
    /* Rows that are listed or turned lie elsewhere; most are where they are seen. */
    say(nb_weights_row(v, t.row, NULL), v->order == NB_ROWS_PLAIN ? t.rows * row : row);
}

/* Whether the tile's rows lie one after another and in memory. Where that is short they are read
 * instead: mapped pages are the last to go. */
static bool in_memory(const nb_run *run, const nb_tile *t)
{
    const nb_view *v = run->plan->tensor[t->tensor].src;
    if (run->rows || run->short_of_memory || v->gather || v->order != NB_ROWS_PLAIN)
        return false;
    const nk_type *from = nk_type_get(v->t.type);
    uint64_t row = nb_row_bytes(from, run->cut[t->tensor].cols),
             piece = nb_row_bytes(from, t->cols);
    return nb_map_present(nb_weights_row(v, t->row, NULL) + nb_row_bytes(from, t->col),
                          (t->rows - 1) * row + piece);
}

/* Asking costs a look at every page, so only where tiles come from disk; what is gathered from the
 * mapping does not tell. */
static void ask_ahead(const nb_run *run, nb_workspace *ws, const nb_tile *t, uint64_t i)
{
    const nb_view *v = run->plan->tensor[t->tensor].src;
    if (ws->ahead == 0 && !(v && nb_weights_scratch(v)))
        return;
    if (ws->ahead > 0)
        ws->ahead--;
    advise(run, i + 2 * (uint64_t)run->n_space, nb_map_ahead);
}

/* --- tiles -------------------------------------------------------------------------------------
 */

/* Writes what the thread holds; only then are its tiles done. */
static bool write_batch(nb_run *run, nb_workspace *ws)
{
    nb_batch *b = &ws->batch;
    nb_err err;
    if (b->n == 0)
        return true;
    if (nb_pwrite_all(run->fd, ws->out, (size_t)b->bytes, b->offset, run->part, &err) != NB_OK) {
        nb_run_fail(run, b->first, &err);
        return false;
    }
    for (size_t k = 0; k < b->n; k++) {
        if (run->short_of_memory)
            advise(run, b->first + k, nb_map_behind);
        nb_run_merge(run, b->first + k, &b->sums[k]);
    }
    b->n = 0;
    return true;
}

/* Room for a tile in the batch, which is written before if the tile does not go with it. */
static bool make_room(nb_run *run, nb_workspace *ws, const nb_tile *t, uint64_t i)
{
    nb_batch *b = &ws->batch;
    uint64_t offset = nb_tile_offset(run, t), n = nb_tile_bytes(run, t);
    if ((b->n == NB_BATCH_TILES || offset != b->offset + b->bytes || b->bytes + n > run->out_cap) &&
        !write_batch(run, ws))
        return false;
    if (b->n == 0) {
        b->first = i;
        b->offset = offset;
        b->bytes = 0;
    }
    return true;
}

static bool run_tile(nb_run *run, nb_workspace *ws, uint64_t i)
{
    nb_tile t = nb_run_tile(run, i);
    if (run->kept[t.tensor]) {
        nb_run_merge_kept(run, i, &t);
        return nb_run_poll(run);
    }
    if (!make_room(run, ws, &t, i))
        return false;
    nb_batch *b = &ws->batch;
    nb_tile_sums *sums = &b->sums[b->n];
    size_t n = (size_t)nb_tile_bytes(run, &t);
    uint8_t *out = ws->out + b->bytes;
    double start = nb_seconds();
    ask_ahead(run, ws, &t, i);
    ws->mapped = in_memory(run, &t);
    nb_stats_clear(&sums->stats);
    ws->gain[0] = ws->gain[1] = 0;
    if (ws->tally_of != t.tensor)
        nb_figures_flush(run, ws);
    ws->tally_of = t.tensor;
    if (!nb_tile_encode(run, ws, &t, i, out, &sums->stats))
        return false;
    run->mark[i] = nb_mark(out, n);
    memcpy(sums->gain, ws->gain, sizeof sums->gain);
    sums->seconds = nb_seconds() - start;
    b->bytes += n;
    b->n++;
    return true;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The next tiles of the wave, a batch's worth: fewer towards its end, so that no thread is left
 * with many. False: there are none. */
static bool take_tiles(nb_run *run, uint64_t *begin, uint64_t *end)
{
    uint64_t i = atomic_load(&run->next), n;
    do {
        if (i >= run->wave_end)
            return false;
        nb_tile t = nb_run_tile(run, i);
        n = (run->wave_end - i) / (2 * (uint64_t)run->n_space);
        n = least(least(n, NB_BATCH_TILES), NB_BATCH_BYTES / nb_tile_bytes(run, &t));
        /* Of types that take their time, progress shows each tile. */
        n = n < 1 || !nb_type_quick(run->plan->tensor[t.tensor].type) ? 1 : n;
    } while (!atomic_compare_exchange_weak(&run->next, &i, i + n));
    *begin = i;
    *end = i + n;
    return true;
}

void nb_run_work(void *arg, size_t begin, size_t end, int thread)
{
    nb_run *run = arg;
    (void)begin;
    (void)end;
    nb_run_write_behind(run);
    nb_workspace *ws = &run->space[thread];
    ws->batch.n = 0;
    bool go = true;
    for (uint64_t i, n; go && take_tiles(run, &i, &n);) {
        for (; go && i < n; i++)
            go = run_tile(run, ws, i);
        go = go && write_batch(run, ws);
    }
    if (nb_seconds() - ws->told_at > 1e-3 * NB_TALLY_MS)
        nb_figures_flush(run, ws);
}
