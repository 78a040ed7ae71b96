/* One tile: source rows -> f32 -> blocks -> f32 again -> figures -> bytes at their offset. */
#include <math.h>
#include <string.h>

#include "core/base/file.h"
#include "core/quant/run.h"

/* --- the list ----------------------------------------------------------------------------------
 */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static nb_status cut_tensor(nb_run *run, size_t i, nb_err *err)
{
    const nb_planned *p = &run->plan->tensor[i];
    const nb_tensor *t = &run->plan->layout[i];
    nb_cut *c = &run->cut[i];
    c->cols = nb_tensor_cols(t);
    c->rows = nb_tensor_rows(t);
    if (!nk_row_size(p->type, c->cols, &c->row_bytes))
        return nb_fail(err, NB_FORMAT, "tensor \"%s\": rows of %llu do not divide into %s blocks",
                       t->name, (unsigned long long)c->cols, p->type->name);
    /* q4_0 and its like weigh a block by its whole row's mean square; a scale may be a row's */
    bool whole = p->importance || run->knobs.group < 0;
    c->tile_cols = whole ? c->cols : min_u64(c->cols, NB_TILE_WEIGHTS);
    c->pieces = (c->cols + c->tile_cols - 1) / c->tile_cols;
    c->tile_rows = min_u64(NB_TILE_ROWS, NB_TILE_WEIGHTS / c->cols);
    c->tile_rows = c->tile_rows < 1 || c->pieces > 1 ? 1 : c->tile_rows;
    c->n_tiles = (c->rows + c->tile_rows - 1) / c->tile_rows * c->pieces;
    c->hist_every = 1;
    if (p->n > NB_HIST_WHOLE) /* past 16 Mi weights still 2 Mi of them */
        c->hist_every =
            p->n / (2 * NB_HIST_WHOLE) > NB_HIST_EVERY ? p->n / (2 * NB_HIST_WHOLE) : NB_HIST_EVERY;
    c->first_tile = run->n_tiles;
    run->n_tiles += c->n_tiles;

    size_t scratch = p->src ? nb_weights_scratch(p->src) : 0;
    run->row_cap = scratch > run->row_cap ? scratch : run->row_cap;

    uint64_t piece_bytes = c->row_bytes, strip_rows = NB_STRIP_WEIGHTS / c->tile_cols;
    if (c->pieces > 1)
        nk_row_size(p->type, c->tile_cols, &piece_bytes);
    strip_rows = strip_rows < 1 ? 1 : min_u64(strip_rows, c->tile_rows);
    if (strip_rows * c->tile_cols > run->strip)
        run->strip = (size_t)(strip_rows * c->tile_cols);
    if (c->tile_rows * piece_bytes > run->out_cap)
        run->out_cap = (size_t)(c->tile_rows * piece_bytes);
    return NB_OK;
}

nb_status nb_run_cut(nb_run *run, nb_err *err)
{
    for (size_t i = 0; i < run->plan->n; i++)
        NB_TRY(cut_tensor(run, i, err));
    return NB_OK;
}

nb_tile nb_run_tile(const nb_run *run, uint64_t i)
{
    size_t lo = 0, hi = run->plan->n; /* the last tensor that starts at or before tile i */
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (run->cut[mid].first_tile <= i)
            lo = mid;
        else
            hi = mid;
    }
    const nb_cut *c = &run->cut[lo];
    nb_tile t = {.tensor = lo, .index = i - c->first_tile};
    t.row = t.index / c->pieces * c->tile_rows;
    t.rows = min_u64(c->tile_rows, c->rows - t.row);
    t.col = t.index % c->pieces * c->tile_cols;
    t.cols = min_u64(c->tile_cols, c->cols - t.col);
    return t;
}

static uint64_t row_bytes(const nk_type *type, uint64_t cols)
{
    return cols / type->block_len * type->block_size; /* checked by cut_tensor */
}

uint64_t nb_tile_offset(const nb_run *run, const nb_tile *t)
{
    const nb_planned *p = &run->plan->tensor[t->tensor];
    return p->offset + t->row * run->cut[t->tensor].row_bytes + row_bytes(p->type, t->col);
}

uint64_t nb_tile_bytes(const nb_run *run, const nb_tile *t)
{
    return t->rows * row_bytes(run->plan->tensor[t->tensor].type, t->cols);
}

static uint64_t mark_word(uint64_t h, const uint8_t *bytes, size_t n)
{
    uint64_t w = 0;
    memcpy(&w, bytes, n < sizeof w ? n : sizeof w);
    h = (h ^ w) * 0xff51afd7ed558ccdu;
    return h ^ h >> 32;
}

/* Not cryptographic: each step is a bijection of the state, so any single changed word shows. Four
 * states side by side, since each step waits for its product. */
uint64_t nb_mark(const uint8_t *bytes, size_t n)
{
    enum { STATES = 4, WORD = sizeof(uint64_t) };
    uint64_t h[STATES] = {0x9e3779b97f4a7c15u ^ n, 1, 2, 3};
    size_t i = 0;
    for (; i + STATES * WORD <= n; i += STATES * WORD)
        for (size_t k = 0; k < STATES; k++)
            h[k] = mark_word(h[k], bytes + i + k * WORD, WORD);
    for (; i < n; i += WORD)
        h[0] = mark_word(h[0], bytes + i, n - i);
    for (size_t k = 1; k < STATES; k++)
        h[0] = mark_word(h[0], (const uint8_t *)&h[k], WORD);
    return h[0];
}

/* --- one strip ---------------------------------------------------------------------------------
 */

/* A few whole rows, or a piece of one: at most run->strip weights. */
typedef struct strip {
    const nb_planned *plan;
    const nb_tensor *layout;
    uint64_t row, rows, col, cols;
    size_t n;         /* weights */
    uint64_t at;      /* element index of the first */
    uint8_t *out;     /* encoded bytes of this strip */
    size_t piece;     /* bytes of one encoded row */
    bool copy;        /* same type: bytes are taken as they are */
    bool packed;      /* of a quantized checkpoint: held against what that defines, */
    bool spelled;     /* but encoded from the floats it lands in */
    const float *dec; /* what the bytes mean; NULL: not decoded yet */
} strip;

static nk_decode_fn *decoder(const nb_run *run, nk_type_id id)
{
    nk_decode_fn *fast = run->ops->decode[id];
    if (fast)
        return fast;
    return nk_type_get(id)->decode;
}

static void times(float *v, uint64_t n, float factor)
{
    for (uint64_t i = 0; factor != 1 && i < n; i++)
        v[i] *= factor;
}

static void read_strip(const nb_run *run, nb_workspace *ws, const strip *s)
{
    if (run->rows) {
        run->rows(run->rows_ud, s->plan, s->layout->name, s->at, ws->src, s->n);
        return;
    }
    const nk_type *from = nk_type_get(s->plan->src_type);
    nk_decode_fn *decode = decoder(run, s->plan->src_type);
    uint64_t skip = row_bytes(from, s->col);
    for (uint64_t r = 0; r < s->rows; r++) {
        const uint8_t *bytes = nb_weights_row(s->plan->src, s->row + r, ws->row) + skip;
        if (s->copy)
            memcpy(s->out + r * s->piece, bytes, s->piece);
        if (s->packed && !s->spelled &&
            nb_weights_exact(s->plan->src, s->row + r, ws->src + r * s->cols))
            continue;
        if (!decode)
            continue;
        decode(bytes, ws->src + r * s->cols, (size_t)s->cols);
        times(ws->src + r * s->cols, s->cols, nb_weights_factor(s->plan->src, s->row + r));
    }
}

/* Names the first weight from `first` on that is not finite; `before` tells what it was (NULL: the
 * source). v and before begin at `first`. */
static nb_status not_finite(const strip *s, size_t first, const float *v, const float *before,
                            nb_err *err)
{
    size_t i = first;
    while (i < s->n && isfinite(v[i - first]))
        i++;
    unsigned long long row = s->row + i / s->cols, col = s->col + i % s->cols;
    if (before)
        return nb_fail(err, NB_FORMAT, "tensor \"%s\": row %llu: weight %llu (%g) does not fit %s",
                       s->layout->name, row, col, (double)before[i - first], s->plan->type->name);
    return nb_fail(err, NB_FORMAT, "tensor \"%s\": row %llu: weight %llu is %s", s->layout->name,
                   row, col, isnan(v[i - first]) ? "NaN" : "infinite");
}

const nb_method *nb_run_method(const nb_run *run, size_t i)
{
    size_t n;
    const nb_method *m = run->method;
    return m->writes && !m->writes(run->plan->tensor[i].type, &run->knobs) ? nb_methods(&n)[0] : m;
}

/* Matrices of a stack (experts) have importance of their own, and a strip may span two. */
static void encode_rows(const nb_run *run, nb_workspace *ws, const strip *s)
{
    const float *importance = s->plan->importance;
    size_t tensor = (size_t)(s->plan - run->plan->tensor);
    const nb_method *method = nb_run_method(run, tensor);
    bool tensor_wide = method->survey && run->knobs.group == NB_GROUP_TENSOR;
    nb_encode_job job = {.ops = run->ops,
                         .type = s->plan->type,
                         .knobs = &run->knobs,
                         .tensor = tensor_wide ? &run->range[tensor] : NULL};
    for (uint64_t r = 0, n = s->rows; r < s->rows; r += n) {
        uint64_t per = s->layout->shape[1], row = s->row + r;
        job.importance = NULL;
        if (importance) {
            job.importance = importance + row / per * s->cols;
            n = min_u64(s->rows - r, per - row % per);
        }
        method->encode(&job, ws->src + r * s->cols, s->out + r * s->piece, (size_t)n,
                       (size_t)s->cols);
    }
    ws->gain[0] += job.gain[0];
    ws->gain[1] += job.gain[1];
}

static nb_status encode_strip(const nb_run *run, nb_workspace *ws, strip *s, nb_err *err)
{
    const nk_type *to = s->plan->type;
    s->dec = ws->src;
    if (s->copy && !to->decode)
        return NB_OK;
    if (!run->ops->all_finite(ws->src, s->n))
        return not_finite(s, 0, ws->src, NULL, err);
    if (s->copy && !s->packed)
        return NB_OK;
    s->dec = NULL;
    if (!s->copy) {
        encode_rows(run, ws, s);
        return NB_OK;
    }
    decoder(run, to->id)(s->out, ws->dec, s->n);
    for (uint64_t r = 0; r < s->rows; r++)
        times(ws->dec + r * s->cols, s->cols, nb_weights_factor(s->plan->src, s->row + r));
    s->dec = ws->dec;
    return run->ops->all_finite(ws->dec, s->n) ? NB_OK : not_finite(s, 0, ws->dec, ws->src, err);
}

/* What a strip's figures are made with. */
typedef struct look {
    bool figures, sampled;
    bool clips; /* by a group's codes: steps lie at most `share` of its decoded spread apart */
    float share;
    nb_stats *stats;
} look;

/* A step is at least the spread of a group's decoded values over the number of steps there are, so
 * only where an error is large beside that spread can it be a clip, and only there are the scales
 * looked at. The thousandth makes up for rounding. src and dec: n weights from weight `first` of
 * the strip on. */
static void count_clips(const nb_run *run, nb_workspace *ws, const strip *s, const look *l,
                        size_t first, const float *src, const float *dec, size_t n)
{
    const nk_type *to = s->plan->type;
    const size_t group = ws->view.group, len = to->block_len;
    for (size_t i = 0; i < n; i += len) {
        i = run->ops->find_far(src, dec, i, n, group, l->share) / len * len;
        if (i >= n)
            return;
        to->explain(s->out + (first + i) / len * to->block_size, &ws->view);
        nb_stats_add_clips(l->stats, &ws->view, src + i, dec + i);
    }
}

static void look_at(const nb_run *run, nb_workspace *ws, const strip *s, const look *l,
                    size_t first, const float *dec, size_t n)
{
    const float *src = ws->src + first;
    nb_stats_add(l->stats, run->ops, src, dec, n, s->at + first);
    if (l->clips)
        count_clips(run, ws, s, l, first, src, dec, n);
    if (!l->sampled)
        return;
    nb_hist_keys_add(&ws->tally[0], &ws->before, src, n);
    nb_hist_keys_add(&ws->tally[1], &ws->after, dec, n);
    for (size_t i = 0; i < n; i++)
        ws->err[i] = dec == src ? 0.0f : dec[i] - src[i];
    nb_hist_keys_add(&ws->tally[2], &ws->error, ws->err, n);
}

/* A piece at a time what was encoded is decoded, found finite and measured, while it is near. */
static nb_status look_through(const nb_run *run, nb_workspace *ws, const strip *s, look *l,
                              nb_err *err)
{
    const nk_type *to = s->plan->type;
    l->clips = l->figures && to->explain && !s->copy && !s->packed;
    if (l->clips) {
        to->explain(s->out, &ws->view);
        l->share =
            1.499f * (float)ws->view.code_step / (float)(ws->view.code_max - ws->view.code_min);
    }
    for (size_t i = 0, n; i < s->n; i += n) {
        const float *dec = s->dec ? s->dec + i : ws->dec;
        n = s->n - i < NB_LOOK_WEIGHTS ? s->n - i : NB_LOOK_WEIGHTS;
        if (!s->dec) {
            decoder(run, to->id)(s->out + i / to->block_len * to->block_size, ws->dec, n);
            if (!run->ops->all_finite(dec, n))
                return not_finite(s, i, dec, ws->src + i, err);
        }
        if (l->figures)
            look_at(run, ws, s, l, i, dec, n);
    }
    return NB_OK;
}

bool nb_tile_each(nb_run *run, nb_workspace *ws, uint64_t i,
                  void (*see)(void *arg, const float *src, size_t n), void *arg)
{
    nb_tile t = nb_run_tile(run, i);
    strip s = {.plan = &run->plan->tensor[t.tensor],
               .layout = &run->plan->layout[t.tensor],
               .col = t.col,
               .cols = t.cols};
    uint64_t step = run->strip / t.cols;
    for (uint64_t r = 0; r < t.rows; r += step) {
        s.row = t.row + r;
        s.rows = min_u64(step, t.rows - r);
        s.n = (size_t)(s.rows * t.cols);
        s.at = s.row * run->cut[t.tensor].cols + t.col;
        read_strip(run, ws, &s);
        see(arg, ws->src, s.n);
        if (!nb_run_poll(run))
            return false;
    }
    return true;
}

/* --- one tile ----------------------------------------------------------------------------------
 */

static void clear_figures(nb_workspace *ws)
{
    memset(&ws->before, 0, sizeof ws->before);
    memset(&ws->after, 0, sizeof ws->after);
    memset(&ws->error, 0, sizeof ws->error);
}

static void end_figures(nb_workspace *ws)
{
    nb_hist_keys_flush(&ws->tally[0], &ws->before);
    nb_hist_keys_flush(&ws->tally[1], &ws->after);
    nb_hist_keys_flush(&ws->tally[2], &ws->error);
}

static nb_status encode_and_look(const nb_run *run, nb_workspace *ws, strip *s, look *l,
                                 nb_err *err)
{
    NB_TRY(encode_strip(run, ws, s, err));
    for (uint64_t k = 0; s->spelled && l->figures && k < s->rows; k++)
        nb_weights_exact(s->plan->src, s->row + k, ws->src + k * s->cols);
    return look_through(run, ws, s, l, err);
}

/* False: stop; the reason is recorded or not ours. */
static bool encode_tile(nb_run *run, nb_workspace *ws, const nb_tile *t, uint64_t i, bool sampled,
                        nb_stats *stats)
{
    strip s = {.plan = &run->plan->tensor[t->tensor],
               .layout = &run->plan->layout[t->tensor],
               .col = t->col,
               .cols = t->cols};
    look l = {
        .figures = run->opt.telemetry && s.plan->type->decode, .sampled = sampled, .stats = stats};
    uint64_t step = run->strip / t->cols;
    nb_err err;
    s.copy = !run->rows && s.plan->src_type == s.plan->type->id;
    s.packed =
        !run->rows && run->cut[t->tensor].pieces == 1 && nb_weights_exact(s.plan->src, 0, NULL);
    /* A float landing type is what llama.cpp's converter would write: another type starts there. */
    s.spelled = s.packed && !s.copy && nk_type_get(s.plan->src_type)->is_float;
    s.piece = (size_t)row_bytes(s.plan->type, t->cols);
    for (uint64_t r = 0; r < t->rows; r += step) {
        s.row = t->row + r;
        s.rows = min_u64(step, t->rows - r);
        s.n = (size_t)(s.rows * t->cols);
        s.at = s.row * run->cut[t->tensor].cols + t->col;
        s.out = ws->out + r * s.piece;
        read_strip(run, ws, &s);
        if (encode_and_look(run, ws, &s, &l, &err) != NB_OK) {
            nb_run_fail(run, i, &err);
            return false;
        }
        if (!nb_run_poll(run))
            return false;
    }
    if (sampled)
        end_figures(ws);
    return true;
}

/* Tile i will be wanted soon: what it is made of may come from disk meanwhile. */
static void read_ahead(const nb_run *run, uint64_t i)
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
    nb_map_ahead(nb_weights_row(v, t.row, NULL), v->order == NB_ROWS_PLAIN ? t.rows * row : row);
}

static bool run_tile(nb_run *run, nb_workspace *ws, uint64_t i)
{
    nb_tile t = nb_run_tile(run, i);
    if (run->kept[t.tensor]) {
        nb_run_merge_kept(run, i, &t);
        return nb_run_poll(run);
    }
    bool sampled = run->opt.telemetry && t.index % run->cut[t.tensor].hist_every == 0;
    size_t n = (size_t)nb_tile_bytes(run, &t);
    double start = nb_run_clock();
    read_ahead(run, i + 2 * (uint64_t)run->n_space);
    nb_stats stats;
    nb_err err;
    nb_stats_clear(&stats);
    ws->gain[0] = ws->gain[1] = 0;
    if (sampled)
        clear_figures(ws);
    if (!encode_tile(run, ws, &t, i, sampled, &stats))
        return false;
    run->mark[i] = nb_mark(ws->out, n);
    double seconds = nb_run_clock() - start;
    if (nb_pwrite_all(run->fd, ws->out, n, nb_tile_offset(run, &t), run->part, &err) != NB_OK) {
        nb_run_fail(run, i, &err);
        return false;
    }
    nb_run_merge(run, i, &t, ws, sampled, run->opt.telemetry ? &stats : NULL, seconds);
    return true;
}

void nb_run_work(void *arg, size_t begin, size_t end, int thread)
{
    nb_run *run = arg;
    (void)begin;
    (void)end;
    for (;;) {
        uint64_t i = atomic_fetch_add(&run->next, 1);
        if (i >= run->wave_end || !run_tile(run, &run->space[thread], i))
            return;
    }
}
