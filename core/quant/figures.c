/* What a run tells of its tensors: sums, extremes, clips and histograms. Decoding and measuring
 * every weight would cost more than q8_0's encoder, so of large tensors short looks are measured,
 * one drawn at random from each stratum of so many neighbouring ones. The draw hangs on the place
 * in the tensor alone: any number of threads, and a resumed run, measure the same weights. */
#include "core/quant/tile.h"

#include <stdio.h>
#include <string.h>

#include "core/base/job.h"
#include "core/base/str.h"

/* --- what is measured --------------------------------------------------------------------------
 */

uint64_t nb_figures_every(const nb_run *run, size_t i)
{
    const nb_planned *p = &run->plan->tensor[i];
    /* That an import lost nothing is a claim about every weight. */
    bool import = !run->rows && p->src && nb_weights_packing(p->src);
    if (import || run->plan->params <= NB_FIGURES_MODEL || p->n <= NB_FIGURES_WHOLE)
        return 1;
    /* Where encoding costs about as much as reading, all looks would show in the run's time. */
    uint64_t share = p->n / NB_FIGURES_EVERY;
    uint64_t most = p->n / (share > NB_FIGURES_LEAST ? share : NB_FIGURES_LEAST);
    return nb_type_quick(p->type) ? NB_FIGURES_QUICK * most : most;
}

/* First weight of the look drawn from stratum g. The mixing is that of MurmurHash3's finalizer. */
static uint64_t drawn(uint64_t g, uint64_t every)
{
    uint64_t h = g + 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return (g * every + ((h >> 32) * every >> 32)) * NB_LOOK_WEIGHTS;
}

/* --- one look ----------------------------------------------------------------------------------
 */

/* What a strip's figures are made with. */
typedef struct sight {
    nb_run *run;
    nb_workspace *ws;
    const nb_strip *s;
    nb_stats *stats;
    bool clips;  /* by a group's codes: steps lie at most `share` of its decoded spread apart; */
    float share; /* 0: not looked at yet */
} sight;

/* Weights [at, at + n) of the strip, before and after. */
typedef struct pair {
    size_t at, n;
    const float *src, *dec;
} pair;

static pair decode(const sight *g, size_t at, size_t n)
{
    const nk_type *to = g->s->plan->type;
    pair p = {.at = at, .n = n, .src = g->ws->src + at, .dec = g->ws->dec};
    const uint8_t *bytes = g->s->out + at / to->block_len * to->block_size;
    if (g->s->unread) {
        const nk_type *from = nk_type_get(g->s->plan->src_type);
        nb_run_decoder(g->run, from->id)(g->s->in + at * from->block_size, g->ws->src, n);
        p.src = g->ws->src;
    }
    if (g->s->dec) {
        p.dec = g->s->dec + at;
    } else {
        nb_run_decoder(g->run, to->id)(bytes, g->ws->dec, n);
        p.src = g->s->raw ? p.dec : p.src;
    }
    return p;
}

/* A step is at least the spread of a group's decoded values over the number of steps there are, so
 * only where an error is large beside that spread can it be a clip, and only there are the scales
 * looked at. The thousandth makes up for rounding. */
static void count_clips(sight *g, const pair *p)
{
    const nk_type *to = g->s->plan->type;
    nk_block_view *v = &g->ws->view;
    if (g->share == 0) {
        to->explain(g->s->out, v);
        g->share = 1.499f * (float)v->code_step / (float)(v->code_max - v->code_min);
    }
    const size_t group = v->group, len = to->block_len;
    for (size_t i = 0; i < p->n; i += len) {
        i = g->run->ops->find_far(p->src, p->dec, i, p->n, group, g->share) / len * len;
        if (i >= p->n)
            return;
        to->explain(g->s->out + (p->at + i) / len * to->block_size, &g->ws->view);
        nb_stats_add_clips(g->stats, &g->ws->view, p->src + i, p->dec + i);
    }
}

static void measure(sight *g, const pair *p, bool sample)
{
    const nk_ops *ops = g->run->ops;
    uint64_t at = g->s->at + p->at;
    if (sample)
        nb_stats_add_look(g->stats, ops, p->src, p->dec, p->n, at);
    else
        nb_stats_add(g->stats, ops, p->src, p->dec, p->n, at);
    if (g->clips)
        count_clips(g, p);
}

static void subtract(float *out, const float *a, const float *b, size_t n)
{
    enum { FEW = 8 }; /* a whole number of registers: compiled as such */
    size_t i = 0;
    for (; i + FEW <= n; i += FEW)
        for (size_t k = 0; k < FEW; k++)
            out[i + k] = a[i + k] - b[i + k];
    for (; i < n; i++)
        out[i] = a[i] - b[i];
}

static void tally(const sight *g, const pair *p)
{
    nb_workspace *ws = g->ws;
    float err[NB_PIECE_WEIGHTS];
    if (ws->tally[0].held >= NB_TALLY_WEIGHTS)
        nb_figures_flush(g->run, ws);
    subtract(err, p->dec, p->src, p->n);
    nb_hist_keys_add(&ws->tally[0], p->src, p->n);
    nb_hist_keys_add(&ws->tally[1], p->dec, p->n);
    nb_hist_keys_add(&ws->tally[2], err, p->n);
}

/* Looks are far between: tables would have left the cache each time. */
static void keep_places(const sight *g, const pair *p)
{
    nb_workspace *ws = g->ws;
    float err[NB_LOOK_WEIGHTS];
    if (ws->n_held + p->n > NB_HELD_WEIGHTS)
        nb_figures_flush(g->run, ws);
    uint16_t *at = ws->held + ws->n_held;
    subtract(err, p->dec, p->src, p->n);
    nb_hist_places(at, p->src, p->n);
    nb_hist_places(at + NB_HELD_WEIGHTS, p->dec, p->n);
    nb_hist_places(at + 2 * (size_t)NB_HELD_WEIGHTS, err, p->n);
    ws->n_held += p->n;
}

/* A piece at a time, so that what is decoded is measured and counted while it is near. */
static void look_at_all(sight *g, bool tallied)
{
    for (size_t i = 0, n; i < g->s->n; i += n) {
        n = g->s->n - i < NB_PIECE_WEIGHTS ? g->s->n - i : NB_PIECE_WEIGHTS;
        pair p = decode(g, i, n);
        measure(g, &p, false);
        if (tallied)
            tally(g, &p);
    }
}

/* The looks drawn that lie in this strip; one may go on in the next. Every fourth one is enough to
 * draw: counting costs most. */
static void look_at_drawn(sight *g, uint64_t every, bool measured)
{
    enum { COUNTED = 4 };
    const uint64_t first = g->s->at, end = first + g->s->n, stratum = every * NB_LOOK_WEIGHTS;
    for (uint64_t k = first / stratum;; k++) {
        uint64_t from = drawn(k, every), to = from + NB_LOOK_WEIGHTS;
        if (from >= end) {
            g->ws->unseen_to = from;
            return;
        }
        g->ws->unseen_from = to > end ? to : end; /* it may go on in the next strip */
        from = from < first ? first : from;
        to = to > end ? end : to;
        if (from >= to)
            continue;
        if (!measured && k % COUNTED)
            continue;
        pair p = decode(g, (size_t)(from - first), (size_t)(to - from));
        if (measured)
            measure(g, &p, true);
        if (k % COUNTED == 0)
            keep_places(g, &p);
    }
}

void nb_figures_add(nb_run *run, nb_workspace *ws, const nb_strip *s, nb_stats *stats)
{
    const nk_type *to = s->plan->type;
    uint64_t every = run->cut[s->plan - run->plan->tensor].look_every;
    sight g = {.run = run, .ws = ws, .s = s, .stats = stats};
    bool all = every == 1 || run->opt.figures == NB_FIGURES_ALL;
    g.clips = to->explain && !s->copy && !s->packed;
    ws->unseen_of = all ? NULL : s->plan;
    if (all)
        look_at_all(&g, every == 1);
    if (every > 1)
        look_at_drawn(&g, every, !all);
}

void nb_figures_flush(nb_run *run, nb_workspace *ws)
{
    ws->told_at = nb_seconds();
    if (!ws->tally[0].held && !ws->n_held)
        return;
    pthread_mutex_lock(&run->lock);
    nb_tensor_report *r = &run->report[ws->tally_of];
    nb_hist *of[3] = {&r->before, &r->after, &r->error};
    r->hist_n += ws->tally[0].held + ws->n_held;
    for (size_t k = 0; k < 3; k++) {
        nb_hist_keys_flush(&ws->tally[k], of[k]);
        nb_hist_trio_add(&run->looked[ws->tally_of], k, ws->held + k * NB_HELD_WEIGHTS, ws->n_held);
    }
    pthread_mutex_unlock(&run->lock);
    ws->n_held = 0;
}

/* --- in words ----------------------------------------------------------------------------------
 */

const char *nb_measured_text(char out[80], const nb_stats *s, uint64_t measured)
{
    char se[48], share[48];
    out[0] = '\0';
    if (s->n > measured)
        snprintf(out, 80, " +/- %.12s %% from %.12s %% of the weights",
                 nb_fmt_fixed(se, 100 * nb_stats_rel_rmse_error(s), 3),
                 nb_fmt_fixed(share, 100 * (double)measured / (double)s->n, 1));
    return out;
}
