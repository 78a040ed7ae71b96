/* One tile: source rows -> f32 -> blocks, found finite on both sides. */
#include <math.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/job.h"
#include "core/quant/method/method_private.h"
#include "core/quant/tile.h"
#include "kernels/finite.h"

/* --- the list ----------------------------------------------------------------------------------
 */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Buffers for rows of a tensor's source, or pieces of them, at most so many at a time. */
static void need_source(nb_run *run, const nb_planned *p, const nb_cut *c, uint64_t rows)
{
    size_t scratch = nb_weights_scratch(p->src);
    size_t in = (size_t)(rows * nb_row_bytes(nk_type_get(p->src_type), c->tile_cols));
    run->row_cap = scratch > run->row_cap ? scratch : run->row_cap;
    run->in_cap = !scratch && in > run->in_cap ? in : run->in_cap;
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
    c->look_every = nb_figures_every(run, i);
    c->first_tile = run->n_tiles;
    run->n_tiles += c->n_tiles;

    uint64_t piece_bytes = c->row_bytes, strip_rows = NB_STRIP_WEIGHTS / c->tile_cols;
    if (c->pieces > 1)
        nk_row_size(p->type, c->tile_cols, &piece_bytes);
    strip_rows = strip_rows < 1 ? 1 : min_u64(strip_rows, c->tile_rows);
    if (p->src)
        need_source(run, p, c, strip_rows);
    if (strip_rows * c->tile_cols > run->strip)
        run->strip = (size_t)(strip_rows * c->tile_cols);
    if (c->tile_rows * piece_bytes > run->out_cap)
        run->out_cap = (size_t)(c->tile_rows * piece_bytes);
    uint64_t batch = c->n_tiles * c->tile_rows * piece_bytes;
    batch = min_u64(batch, NB_BATCH_BYTES);
    run->out_cap = batch > run->out_cap ? (size_t)batch : run->out_cap;
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

uint64_t nb_tile_offset(const nb_run *run, const nb_tile *t)
{
    const nb_planned *p = &run->plan->tensor[t->tensor];
    return p->offset + t->row * run->cut[t->tensor].row_bytes + nb_row_bytes(p->type, t->col);
}

uint64_t nb_tile_bytes(const nb_run *run, const nb_tile *t)
{
    return t->rows * nb_row_bytes(run->plan->tensor[t->tensor].type, t->cols);
}

static uint64_t mark_word(uint64_t h, const uint8_t *bytes, size_t n)
{
    uint64_t w = 0;
    memcpy(&w, bytes, n < sizeof w ? n : sizeof w);
    h = (h ^ w) * 0xff51afd7ed558ccdu;
    __asm__("" : "+r"(h)); /* in a register: two in a vector take three products each and lose */
    return h ^ h >> 32;
}

/* Not cryptographic: each step is a bijection of the state, so any single changed word shows. Eight
 * states side by side, since each step waits for its product. */
uint64_t nb_mark(const uint8_t *bytes, size_t n)
{
    enum { STATES = 8, WORD = sizeof(uint64_t) };
    uint64_t h[STATES] = {0x9e3779b97f4a7c15u ^ n, 1, 2, 3, 4, 5, 6, 7};
    size_t i = 0;
    for (; i + STATES * WORD <= n; i += STATES * WORD)
#pragma GCC unroll 8
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

nk_decode_fn *nb_run_decoder(const nb_run *run, nk_type_id id)
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

static size_t source_piece(const nb_strip *s)
{
    return (size_t)nb_row_bytes(nk_type_get(s->plan->src_type), s->cols);
}

/* The strip's rows as the source has them, one after another: where they are mapped, if they lie so
 * and are in memory; else read (nb_map_read) into ws->in, as many at a time as lie one behind the
 * other. */
static const uint8_t *source_rows(nb_workspace *ws, const nb_strip *s)
{
    const nb_view *v = s->plan->src;
    const uint64_t skip = nb_row_bytes(nk_type_get(s->plan->src_type), s->col);
    const size_t piece = source_piece(s);
    for (uint64_t r = 0, n; r < s->rows; r += n) {
        const uint8_t *at = nb_weights_row(v, s->row + r, NULL) + skip;
        n = 1;
        while (r + n < s->rows && nb_weights_row(v, s->row + r + n, NULL) + skip == at + n * piece)
            n++;
        if (ws->mapped && n == s->rows)
            return at;
        if (!nb_map_read(at, n * piece, ws->in + r * piece))
            ws->ahead = NB_AHEAD_TILES;
    }
    return ws->in;
}

/* One row of the strip, or a piece of it: as floats in dst unless the strip stays raw. False: it
 * takes a look at the floats to tell that they are finite. */
static bool read_row(const nb_run *run, nb_workspace *ws, const nb_strip *s, uint64_t r,
                     const uint8_t *fetched, float *dst)
{
    const nk_type *from = nk_type_get(s->plan->src_type);
    const nb_view *v = s->plan->src;
    const uint8_t *bytes =
        fetched ? fetched : nb_weights_row(v, s->row + r, ws->row) + nb_row_bytes(from, s->col);
    if (s->copy)
        memcpy(s->out + r * s->piece, bytes, s->piece);
    if (s->packed && !s->spelled && nb_weights_exact(v, s->row + r, dst))
        return false;
    if (!from->decode)
        return true;
    float factor = nb_weights_factor(v, s->row + r);
    bool finite = from->id != NK_F32 && factor == 1 &&
                  nk_finite_bytes(run->ops, from, bytes, (size_t)s->cols);
    if (s->raw)
        return finite;
    nb_run_decoder(run, from->id)(bytes, dst, (size_t)s->cols);
    times(dst, s->cols, factor);
    return finite;
}

/* False as in read_row. */
static bool read_strip(const nb_run *run, nb_workspace *ws, nb_strip *s)
{
    if (run->rows) {
        run->rows(run->rows_ud, s->plan, s->layout->name, s->at, ws->src, s->n);
        return false;
    }
    bool finite = true;
    size_t piece = source_piece(s);
    s->in = nb_weights_scratch(s->plan->src) ? NULL : source_rows(ws, s);
    for (uint64_t r = 0; r < s->rows; r++)
        finite &= read_row(run, ws, s, r, s->in ? s->in + r * piece : NULL, ws->src + r * s->cols);
    return finite;
}

/* Names the first weight of v that is not finite; `before` tells what it was (NULL: the source). */
static nb_status not_finite(const nb_strip *s, const float *v, const float *before, nb_err *err)
{
    size_t i = 0;
    while (i < s->n && isfinite(v[i]))
        i++;
    unsigned long long row = s->row + i / s->cols, col = s->col + i % s->cols;
    if (before)
        return nb_fail(err, NB_FORMAT, "tensor \"%s\": row %llu: weight %llu (%g) does not fit %s",
                       s->layout->name, row, col, (double)before[i], s->plan->type->name);
    return nb_fail(err, NB_FORMAT, "tensor \"%s\": row %llu: weight %llu is %s", s->layout->name,
                   row, col, isnan(v[i]) ? "NaN" : "infinite");
}

const nb_method *nb_run_method(const nb_run *run, size_t i)
{
    size_t n;
    const nb_method *m = run->method;
    return m->writes && !m->writes(run->plan->tensor[i].type, &run->knobs) ? nb_methods(&n)[0] : m;
}

/* Matrices of a stack (experts) have importance of their own, and a strip may span two. */
static void encode_rows(const nb_run *run, nb_workspace *ws, const nb_strip *s)
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

/* All that was written, where its bytes do not tell that it is finite. */
static nb_status decode_strip(const nb_run *run, nb_workspace *ws, const nb_strip *s, nb_err *err)
{
    nb_run_decoder(run, s->plan->type->id)(s->out, ws->dec, s->n);
    for (uint64_t r = 0; s->copy && r < s->rows; r++)
        times(ws->dec + r * s->cols, s->cols, nb_weights_factor(s->plan->src, s->row + r));
    return run->ops->all_finite(ws->dec, s->n)
               ? NB_OK
               : not_finite(s, ws->dec, s->raw ? NULL : ws->src, err);
}

/* Whether there is an encoder that takes the source's halves as they are. */
static bool takes_halves(const nb_run *run, const nb_strip *s)
{
    const nb_planned *p = s->plan;
    if (run->rows || s->copy || s->packed || p->importance || nb_weights_scratch(p->src) ||
        (p->src_type != NK_F16 && p->src_type != NK_BF16) ||
        nb_run_method(run, (size_t)(p - run->plan->tensor))->encode != nb_encode_reference)
        return false;
    return run->ops->encode_halves[p->type->id] != NULL;
}

/* False: not done; floats will do, or tell what is wrong. */
static bool encode_halves(const nb_run *run, nb_workspace *ws, nb_strip *s)
{
    for (uint64_t r = 0; r < s->rows; r++)
        if (nb_weights_factor(s->plan->src, s->row + r) != 1)
            return false;
    s->in = source_rows(ws, s);
    nk_half_kind kind = s->plan->src_type == NK_F16 ? NK_HALF_F16 : NK_HALF_BF16;
    return run->ops->encode_halves[s->plan->type->id](s->in, s->out, s->n, kind);
}

static nb_status encode_strip(nb_run *run, nb_workspace *ws, nb_strip *s, nb_err *err)
{
    const nk_type *to = s->plan->type;
    s->dec = NULL;
    s->unread = s->halves && encode_halves(run, ws, s);
    if (s->unread)
        return NB_OK;
    bool finite = read_strip(run, ws, s);
    if (s->copy && !to->decode)
        return NB_OK;
    if (s->raw)
        return finite ? NB_OK : decode_strip(run, ws, s, err);
    if (!finite && !run->ops->all_finite(ws->src, s->n))
        return not_finite(s, ws->src, NULL, err);
    if (s->copy) { /* a packed one is held against the checkpoint, weight by weight */
        s->dec = s->packed ? ws->dec : ws->src;
        return s->packed ? decode_strip(run, ws, s, err) : NB_OK;
    }
    encode_rows(run, ws, s);
    return nk_finite_bytes(run->ops, to, s->out, s->n) ? NB_OK : decode_strip(run, ws, s, err);
}

bool nb_tile_each(nb_run *run, nb_workspace *ws, uint64_t i,
                  void (*see)(void *arg, const float *src, size_t n), void *arg)
{
    nb_tile t = nb_run_tile(run, i);
    nb_strip s = {.plan = &run->plan->tensor[t.tensor],
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

static nb_status encode_and_look(nb_run *run, nb_workspace *ws, nb_strip *s, nb_stats *stats,
                                 nb_err *err)
{
    NB_TRY(encode_strip(run, ws, s, err));
    if (run->opt.figures == NB_FIGURES_NONE || !s->plan->type->decode || nb_figures_unseen(ws, s))
        return NB_OK;
    for (uint64_t k = 0; s->spelled && k < s->rows; k++)
        nb_weights_exact(s->plan->src, s->row + k, ws->src + k * s->cols);
    nb_figures_add(run, ws, s, stats);
    return NB_OK;
}

bool nb_tile_encode(nb_run *run, nb_workspace *ws, const nb_tile *t, uint64_t i, uint8_t *out,
                    nb_stats *stats)
{
    nb_strip s = {.plan = &run->plan->tensor[t->tensor],
                  .layout = &run->plan->layout[t->tensor],
                  .col = t->col,
                  .cols = t->cols};
    uint64_t step = run->strip / t->cols;
    nb_err err;
    s.copy = !run->rows && s.plan->src_type == s.plan->type->id;
    s.packed =
        !run->rows && run->cut[t->tensor].pieces == 1 && nb_weights_exact(s.plan->src, 0, NULL);
    /* A float landing type is what llama.cpp's converter would write: another type starts there. */
    s.spelled = s.packed && !s.copy && nk_type_get(s.plan->src_type)->is_float;
    s.raw = s.copy && !nb_weights_packing(s.plan->src);
    s.halves = takes_halves(run, &s);
    s.piece = (size_t)nb_row_bytes(s.plan->type, t->cols);
    for (uint64_t r = 0; r < t->rows; r += step) {
        s.row = t->row + r;
        s.rows = min_u64(step, t->rows - r);
        s.n = (size_t)(s.rows * t->cols);
        s.at = s.row * run->cut[t->tensor].cols + t->col;
        s.out = out + r * s.piece;
        if (encode_and_look(run, ws, &s, stats, &err) != NB_OK) {
            nb_run_fail(run, i, &err);
            return false;
        }
        if (!nb_run_poll(run))
            return false;
    }
    return true;
}
