/* The right side of a run: one tensor's weights before and after on one axis, its error, and the
 * error of all tensors as a strip, kind by layer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/quant/import.h"
#include "tui/screens/quantize.h"

/* --- one tensor ------------------------------------------------------------------------------ */

static void histogram(parts_lines *l, const nb_hist *h, double reach, bool logy, bool axis,
                      int rows, ui_role role)
{
    int room = ui_parts_left(l);
    if (rows > room)
        rows = room;
    if (rows > 0)
        ui_hist_draw(l->c, (ui_rect){l->r.x, l->r.y + l->y, l->r.w, rows}, h, -reach, reach, logy,
                     axis, role);
    l->y += rows;
}

/* "1.88%", of a sample "1.88% ±0.01%". s: expanded. */
static const char *relative(char out[100], const nb_stats *s)
{
    char rel[48], half[48];
    double se = nb_stats_rel_rmse_error(s);
    ui_parts_percent(rel, nb_stats_rel_rmse(s));
    snprintf(out, 100, "%s%s%s", rel, se > 0 ? " ±" : "", se > 0 ? ui_parts_percent(half, se) : "");
    return out;
}

static void before_line(parts_lines *l, const nb_tensor_report *r)
{
    char a[48], b[48], c[48], d[48];
    const nk_type *t = nk_type_get((uint32_t)r->plan->src_type);
    if (!r->stats.n) { /* sums come with the tensor's last tile */
        ui_parts_pair(l, 8, "before", UI_TEXT, "%s", t ? t->name : "?");
        return;
    }
    ui_parts_pair(l, 8, "before", UI_TEXT, "%s  σ %s  min %s  max %s  kurt %s", t ? t->name : "?",
                  ui_parts_num(a, nb_stats_std(&r->stats)), ui_parts_num(b, (double)r->stats.min),
                  ui_parts_num(c, (double)r->stats.max),
                  ui_parts_num(d, nb_stats_kurtosis(&r->stats)));
}

static void after_line(parts_lines *l, const nb_tensor_report *r)
{
    char num[48];
    ui_parts_pair(l, 8, "after", UI_TEXT, "%s  %s bpw, same x axis%s", r->plan->type->name,
                  nb_fmt_fixed(num, nk_type_bpw(r->plan->type), 2),
                  r->stats.n && r->hist_n < r->plan->n ? "  (shown: a sample)" : "");
}

static void error_line(parts_lines *l, const nb_tensor_report *r)
{
    char rel[100], db[48], max[48], bias[48];
    const nb_stats *s = &r->stats;
    nb_stats all = nb_stats_expand(s, r->plan->n);
    if (!s->n) {
        ui_parts_pair(l, 8, "error", UI_TEXT, "log y");
        ui_parts_skip(l);
        return;
    }
    uint64_t cols = r->plan->src ? nb_tensor_cols(&r->plan->src->t) : 1;
    ui_parts_pair(l, 8, "error", UI_TEXT, "rel rms %s  SQNR %s dB  bias %s  log y",
                  relative(rel, &all), nb_fmt_fixed(db, nb_stats_sqnr_db(s), 1),
                  ui_parts_num(bias, s->n ? s->sum_err / (double)s->n : 0));
    nb_import in;
    if (nb_import_of(&in, r->plan, s)) {
        ui_parts_pair(l, 8, in.packing, in.exact ? UI_OK : UI_WARN, "%s%s at row %llu col %llu: %s",
                      in.exact ? "every weight equal, max " : "max ",
                      ui_parts_num(max, (double)s->max_err), (unsigned long long)in.row,
                      (unsigned long long)in.col,
                      in.exact  ? "nothing is lost"
                      : in.lost ? in.lost
                                : "weights differ");
        return;
    }
    ui_parts_pair(l, 8, "", UI_TEXT, "max %s at row %llu col %llu  clipped %llu of %llu%s",
                  ui_parts_num(max, (double)s->max_err), (unsigned long long)(s->max_err_at / cols),
                  (unsigned long long)(s->max_err_at % cols), (unsigned long long)s->n_clip,
                  (unsigned long long)s->n, s->n < r->plan->n ? " measured" : "");
}

static void draw_tensor(const quantize *q, parts_lines *l, int rows)
{
    const nb_tensor_report *r = &q->live.report;
    if (!q->live.has_report || !r->before.total) {
        ui_parts_line(l, UI_DIM, "waiting for the first tile");
        return;
    }
    double reach = nb_hist_reach(&r->before, 0.9999);
    double err_reach = nb_hist_reach(&r->error, 0.9999);
    before_line(l, r);
    histogram(l, &r->before, reach, false, false, rows, UI_PLOT_A);
    after_line(l, r);
    histogram(l, &r->after, reach, false, true, rows + 1, UI_PLOT_B);
    error_line(l, r);
    if (err_reach > 0)
        histogram(l, &r->error, err_reach, true, true, rows + 1, UI_PLOT_C);
    else
        ui_parts_line(l, UI_OK, "        no error: every weight is exact");
}

/* --- all tensors ----------------------------------------------------------------------------- */

enum { STRIP_X = 12 }; /* cells of a kind's name */

typedef struct strip {
    char kind[QUANTIZE_KINDS][24];
    size_t n;
    int layers;
} strip;

/* "blk.3.ffn_up.weight" -> layer 3, "ffn_up"; others: layer -1. */
static int layer_of(const char *name, char kind[24])
{
    int layer = -1;
    const char *at = name;
    if (strncmp(name, "blk.", 4) == 0 && name[4] >= '0' && name[4] <= '9') {
        for (layer = 0, at = name + 4; *at >= '0' && *at <= '9' && layer < 10000; at++)
            layer = 10 * layer + (*at - '0');
        at += *at == '.';
    }
    size_t n = strcspn(at, ".");
    snprintf(kind, 24, "%.*s", (int)(n < 23 ? n : 23), at);
    return layer;
}

static strip strip_of(const quantize_live *l)
{
    strip s = {.layers = 1};
    for (size_t i = 0; i < l->n_walk; i++) {
        char kind[24];
        int layer = layer_of(l->plan.layout[l->walk[i]].name, kind);
        size_t k = 0;
        while (k < s.n && strcmp(s.kind[k], kind) != 0)
            k++;
        if (k == s.n && s.n < QUANTIZE_KINDS)
            memcpy(s.kind[s.n++], kind, sizeof kind);
        if (layer + 1 > s.layers)
            s.layers = layer + 1;
    }
    return s;
}

/* Steps around the error the base type makes on normal weights, so that one type's strip has all
 * four levels; printed as the legend. */
static void strip_steps(const quantize_live *l, double step[3])
{
    const nk_type *t = nk_type_get((uint32_t)l->plan.preset->base);
    double usual = t && t->max_rmse > 0 ? (double)t->max_rmse / 1.25 : 0.01;
    step[0] = 0.8 * usual;
    step[1] = usual;
    step[2] = 1.25 * usual;
}

static int level_of(double rel, const double step[3])
{
    return (rel >= step[0]) + (rel >= step[1]) + (rel >= step[2]);
}

/* The last walked tensor that may be shown: a replay has not seen the later ones. */
static bool visible(const quantize_live *l, size_t walk)
{
    return l->tensor[l->walk[walk]].done && (!l->replay || walk <= l->at);
}

static void strip_row(const quantize_live *l, parts_lines *o, const strip *s, size_t kind,
                      const double step[3])
{
    int y = o->r.y + o->y++, x = o->r.x + STRIP_X;
    ui_textn(o->c, o->r.x, y, UI_DIM, 0, s->kind[kind], strlen(s->kind[kind]), 11);
    for (size_t i = 0; i < l->n_walk; i++) {
        char name[24];
        int layer = layer_of(l->plan.layout[l->walk[i]].name, name);
        if (strcmp(name, s->kind[kind]) != 0)
            continue;
        int at = x + (layer < 0 ? 0 : layer);
        ui_text(o->c, at, y, UI_DIM, ui_glyph_text(o->c, UI_G_DOT));
        if (i == l->at)
            ui_text(o->c, at, y, UI_FOCUS, ui_glyph_text(o->c, UI_G_ARROW));
        else if (visible(l, i))
            ui_shade(o->c, at, y, level_of(l->tensor[l->walk[i]].rel, step), UI_RAMP_ERROR_0);
    }
}

/* The cap worst tensors so far, worst first; returns their number. */
static size_t worst(const quantize_live *l, size_t out[], size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n_walk; i++) {
        double rel = l->tensor[l->walk[i]].rel;
        if (!visible(l, i) || (n == cap && rel <= l->tensor[out[cap - 1]].rel))
            continue;
        size_t k = n < cap ? n++ : cap - 1;
        for (; k > 0 && rel > l->tensor[out[k - 1]].rel; k--)
            out[k] = out[k - 1];
        out[k] = l->walk[i];
    }
    return n;
}

static void draw_strip(quantize *q, parts_lines *o, int rows)
{
    quantize_live *l = &q->live;
    strip s = strip_of(l);
    double step[3];
    char a[48], b[48], c[48], name[24];
    strip_steps(l, step);
    ui_parts_line(o, UI_DIM, "weight error, rel rms  %s<%s %s<%s %s<%s %s more   layer 0..%d",
                  ui_glyph_text(o->c, UI_G_SHADE0), ui_parts_percent(a, step[0]),
                  ui_glyph_text(o->c, UI_G_SHADE0 + 1), ui_parts_percent(b, step[1]),
                  ui_glyph_text(o->c, UI_G_SHADE0 + 2), ui_parts_percent(c, step[2]),
                  ui_glyph_text(o->c, UI_G_SHADE0 + 3), s.layers - 1);
    int top = o->y, shown = 0;
    ui_spots_add(&q->spots, (ui_rect){o->r.x, o->r.y + top - 1, o->r.w, 1}, QUANTIZE_SPOT_LEGEND);
    bool all = q->heat_all || rows >= (int)s.n;
    layer_of(l->plan.layout[l->walk[l->at]].name, name);
    for (size_t k = 0;
         k < s.n && ui_parts_left(o) && shown < rows + (q->heat_all ? QUANTIZE_KINDS : 0); k++)
        if (all || strcmp(s.kind[k], name) == 0) {
            strip_row(l, o, &s, k, step);
            l->strip_kind[shown++] = (int)k;
        }
    l->strip = (ui_rect){o->r.x + STRIP_X, o->r.y + top, s.layers, shown};
    size_t bad[5], n = worst(l, bad, countof(bad));
    int x = STRIP_X + s.layers + 3;
    for (size_t i = 0; i < n && (int)i < shown && x + 24 < o->r.w; i++) {
        int layer = layer_of(l->plan.layout[bad[i]].name, name);
        if (layer < 0)
            snprintf(b, sizeof b, "%s", name);
        else
            snprintf(b, sizeof b, "L%02d.%s", layer, name);
        ui_textf(o->c, o->r.x + x, o->r.y + top + (int)i, UI_TEXT, "%s%-15s %s",
                 i ? "      " : "worst ", b, ui_parts_percent(a, l->tensor[bad[i]].rel));
    }
}

size_t ui_quantize_strip_hit(const quantize *q, int x, int y)
{
    const quantize_live *l = &q->live;
    const ui_rect *r = &l->strip;
    if (x < r->x || x >= r->x + r->w || y < r->y || y >= r->y + r->h)
        return SIZE_MAX;
    strip s = strip_of(l);
    for (size_t i = 0; i < l->n_walk; i++) {
        char kind[24];
        int layer = layer_of(l->plan.layout[l->walk[i]].name, kind);
        if (x - r->x == (layer < 0 ? 0 : layer) &&
            strcmp(kind, s.kind[l->strip_kind[y - r->y]]) == 0)
            return i;
    }
    return SIZE_MAX;
}

/* --- the run --------------------------------------------------------------------------------- */

/* Of a packed checkpoint: how much of it is kept as it was. */
static void draw_import(const quantize_live *l, parts_lines *o)
{
    nb_import_sum sum = {.n = 0};
    char num[48];
    for (size_t i = 0; i < l->plan.n; i++)
        if (l->tensor[i].done)
            nb_import_add(&sum, &l->plan.tensor[i], i, &l->tensor[i].stats);
    if (sum.n && sum.n == sum.exact)
        ui_parts_pair(o, 9, "import", UI_OK, "%zu tensors from %s, every weight equal", sum.n,
                      sum.packing);
    else if (sum.n)
        ui_parts_pair(o, 9, "import", UI_WARN, "%zu tensors from %s, %zu equal, max %s in %s",
                      sum.n, sum.packing, sum.exact, ui_parts_num(num, (double)sum.worst.most),
                      l->plan.layout[sum.worst_at].name);
}

static void draw_totals(const quantize *q, parts_lines *o)
{
    const quantize_live *l = &q->live;
    char rel[100], a[48], b[48], c[48], d[16], e[16];
    nb_stats s;
    uint64_t bytes;
    size_t done;
    bool scripted = ui_app_scripted(q->app);
    ui_quantize_so_far(q, &s, &bytes, &done);
    bool speeds = ui_parts_left(o) >= 4; /* where rows are few the bar says enough */
    ui_parts_pair(o, 9, "overall", UI_TEXT, "rel rms %s  SQNR %s dB  clipped %s%llu",
                  relative(rel, &s), nb_fmt_fixed(b, nb_stats_sqnr_db(&s), 1),
                  nb_stats_rel_rmse_error(&s) > 0 ? "~" : "", (unsigned long long)s.n_clip);
    double share = l->plan.tensor_bytes ? (double)bytes / (double)l->plan.tensor_bytes : 0;
    double of = (double)l->plan.source_bytes;
    if (l->state == QUANTIZE_DONE && !l->replay)
        bytes = l->plan.file_bytes; /* header and padding too */
    ui_parts_pair(o, 9, "size", UI_TEXT, "%s of %s  %s bpw  %s", nb_human_bytes(d, bytes),
                  nb_human_bytes(e, l->plan.file_bytes), nb_fmt_fixed(a, l->plan.bpw, 2),
                  ui_parts_percent(c, of > 0 ? (double)l->plan.file_bytes / of - 1 : 0));
    draw_import(l, o);
    double speed = scripted ? 100e6 : l->view.weights_per_s;
    if (speeds && l->state == QUANTIZE_RUNNING)
        ui_parts_pair(o, 9, "speed", UI_TEXT, "%s weights/s  used %s  ETA %s",
                      ui_parts_count(a, (uint64_t)speed), nb_human_time(d, l->view.elapsed),
                      nb_human_time(e, l->view.eta));
    else if (speeds)
        ui_parts_pair(o, 9, "speed", UI_TEXT, "%s weights/s  took %s",
                      ui_parts_count(a, (uint64_t)speed),
                      nb_human_time(d, scripted ? 0.1 : l->view.elapsed));
    if (l->state == QUANTIZE_RUNNING && l->view.bytes_total_in)
        share = (double)l->view.bytes_in / (double)l->view.bytes_total_in;
    if (ui_parts_left(o) && o->r.w > 12) {
        int y = o->r.y + o->y++;
        ui_progress_draw(o->c, o->r.x, y, o->r.w - 6, share, UI_BUSY);
        ui_textf(o->c, o->r.x + o->r.w - 5, y, UI_TEXT, "%3.0f%%", floor(100 * share));
    }
}

static void title_of(const quantize *q, char title[160], char note[64])
{
    const quantize_live *l = &q->live;
    const char *word = l->state == QUANTIZE_FAILED ? "failed" : l->replay ? "replay" : "done";
    if (l->state == QUANTIZE_RUNNING)
        word = l->job && nb_job_paused(l->job) ? "paused" : "running";
    const char *name = l->plan.layout[l->walk[l->at]].name;
    snprintf(title, 160, "%s  %.*s  %zu/%zu", word, ui_parts_short(name), name, l->at + 1,
             l->n_walk);
    if (l->replay)
        snprintf(note, 64, "%.0f tensors/s; Esc ends", ui_quantize_replay_rate(q));
    else
        snprintf(note, 64,
                 l->state == QUANTIZE_RUNNING ? "p pause  x cancel" : "t chat  [ ] tensors");
}

/* Below 100 columns: two histograms side by side, one row of the strip, two rows of figures. */
static void draw_narrow(quantize *q, parts_lines *o)
{
    const quantize_live *l = &q->live;
    const nb_tensor_report *r = &l->report;
    char a[48], b[48];
    int half = o->r.w / 2, rows = ui_parts_left(o) >= 8 ? 3 : 2;
    if (!l->has_report || !r->before.total) {
        ui_parts_line(o, UI_DIM, "waiting for the first tile");
        return;
    }
    double reach = nb_hist_reach(&r->before, 0.9999);
    ui_rect left = {o->r.x, o->r.y, half - 1, rows};
    ui_rect right = {o->r.x + half + 1, o->r.y, o->r.w - half - 1, rows};
    ui_hist_draw(o->c, left, &r->before, -reach, reach, false, false, UI_PLOT_A);
    ui_hist_draw(o->c, right, &r->after, -reach, reach, false, false, UI_PLOT_B);
    o->y = rows;
    const nk_type *from = nk_type_get((uint32_t)r->plan->src_type);
    ui_textf(o->c, right.x, o->r.y + o->y, UI_DIM, "after %s rel %s", r->plan->type->name,
             ui_parts_percent(a, nb_stats_rel_rmse(&r->stats)));
    ui_parts_line(o, UI_DIM, "before %s  σ %s", from ? from->name : "?",
                  ui_parts_num(b, nb_stats_std(&r->stats)));
    draw_strip(q, o, q->heat_all ? QUANTIZE_KINDS : 1);
    draw_totals(q, o);
}

void ui_quantize_draw_live(quantize *q, ui_canvas *c, ui_rect r, bool narrow)
{
    char title[160], note[64];
    ui_spots_add(&q->spots, r, QUANTIZE_SPOT_LIVE);
    title_of(q, title, note);
    ui_box(c, r, title, note, false);
    ui_rect in = ui_inside(r);
    parts_lines o = ui_parts_begin(c, (ui_rect){in.x + 1, in.y, in.w - 2, in.h});
    if (narrow) {
        draw_narrow(q, &o);
        return;
    }
    int kinds = (int)strip_of(&q->live).n;
    int fixed = 4 /* texts */ + 2 /* axes */ + 2 + kinds + 1 + 4 /* totals */ + 2;
    int rows = (in.h - fixed) / 3;
    draw_tensor(q, &o, rows < 2 ? 2 : rows > 6 ? 6 : rows);
    int room = ui_parts_left(&o);
    bool tight = room < kinds + 7; /* no empty rows, fewer figures */
    o.y += !tight;
    draw_strip(q, &o, room < kinds + 4 ? 1 : kinds);
    o.y += !tight;
    draw_totals(q, &o);
    ui_parts_skip(&o);
    ui_parts_line(&o, UI_DIM, "weight error is not answer quality: t asks both models");
}
