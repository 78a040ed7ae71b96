/* How Inspect looks: tensor table, metadata, types; the histogram and the figures of one tensor. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "tui/screens/inspect.h"
#include "tui/twin.h"

enum { NARROW = 100 };
enum { COL_TENSOR, COL_SHAPE, COL_FROM, COL_TYPE, COL_BYTES, COL_REL, COL_MAX, COL_COS, COLS };

static const char *const sort_word[] = {"file", "name", "bytes", "type", "error"};

inspect_sort ui_inspect_sort_of(int column)
{
    static const inspect_sort by[COLS] = {[COL_TENSOR] = INSPECT_NAME,
                                          [COL_TYPE] = INSPECT_TYPE,
                                          [COL_FROM] = INSPECT_TYPE,
                                          [COL_BYTES] = INSPECT_BYTES,
                                          [COL_REL] = INSPECT_REL};
    return by[column];
}

static const char *type_name(const nb_tensor *t)
{
    const nk_type *type = nk_type_get((uint32_t)t->type);
    return type ? type->name : "?";
}

static const inspect_result *result_of(const inspect *s, size_t i)
{
    return i < s->n_tensors ? s->result[i] : NULL;
}

/* --- table ----------------------------------------------------------------------------------- */

static void cell(const void *arg, size_t row, size_t col, char *buf, size_t cap, ui_role *role)
{
    const inspect *s = arg;
    const nb_tensor *t = &nb_weights_at(s->weights, s->row[row])->t;
    const inspect_result *r = result_of(s, s->row[row]);
    const nb_view *from = s->other ? nb_weights_find(s->other, t->name) : NULL;
    bool known = r && r->d.compared;
    char num[48];
    switch (col) {
    case COL_TENSOR:
        snprintf(buf, cap, "%.*s", ui_parts_short(t->name), t->name);
        break;
    case COL_SHAPE:
        ui_parts_shape(t, buf, cap);
        break;
    case COL_FROM:
        snprintf(buf, cap, "%s", from ? type_name(&from->t) : s->other ? "none" : "");
        break;
    case COL_TYPE:
        snprintf(buf, cap, "%s", type_name(t));
        break;
    case COL_BYTES:
        snprintf(buf, cap, "%s", nb_human_bytes(num, t->nbytes));
        break;
    case COL_REL:
        snprintf(buf, cap, "%s",
                 known ? nb_fmt_fixed(num, 100 * nb_stats_rel_rmse(&r->d.stats), 2) : "");
        break;
    case COL_MAX:
        snprintf(buf, cap, "%s", known ? ui_parts_num(num, fabs((double)r->d.stats.max_err)) : "");
        break;
    default:
        snprintf(buf, cap, "%s", known ? nb_fmt_fixed(num, nb_diff_cosine(&r->d), 5) : "");
    }
    if (r && (r->d.stats.n_nan || r->d.stats.n_inf))
        *role = UI_WARN;
}

static char flag(const void *arg, size_t row)
{
    const inspect *s = arg;
    const inspect_result *r = result_of(s, s->row[row]);
    bool only =
        s->other && !nb_weights_find(s->other, nb_weights_at(s->weights, s->row[row])->t.name);
    return r && (r->d.stats.n_nan || r->d.stats.n_inf) ? '!' : only ? '+' : ' ';
}

static void draw_types(const inspect *s, parts_lines *l)
{
    uint64_t bytes[NK_TYPE_SLOTS] = {0}, all = 0;
    unsigned count[NK_TYPE_SLOTS] = {0};
    nb_str text = {0};
    for (size_t i = 0; i < s->n_tensors; i++) {
        const nb_tensor *t = &nb_weights_at(s->weights, i)->t;
        if ((unsigned)t->type >= NK_TYPE_SLOTS)
            continue;
        bytes[t->type] += t->nbytes;
        count[t->type]++;
        all += t->nbytes;
    }
    for (uint32_t t = 0; t < NK_TYPE_SLOTS; t++) {
        char pct[48];
        const nk_type *type = nk_type_get(t);
        if (count[t] && type)
            nb_str_addf(&text, "%s%s %u %s", text.len ? " · " : "by type  ", type->name, count[t],
                        ui_parts_percent(pct, all ? (double)bytes[t] / (double)all : 0));
    }
    ui_parts_wrap(l, UI_DIM, nb_str_c(&text));
    nb_str_free(&text);
}

static void draw_meta(inspect *s, ui_canvas *c, ui_rect r)
{
    const nb_kvs *kvs = nb_weights_kvs(s->weights);
    char value[200];
    if (r.h < 1)
        return;
    ui_list_set(&s->meta, nb_kvs_count(kvs));
    ui_list_place(&s->meta, r);
    for (int y = 0; y < r.h; y++) {
        size_t i = s->meta.top + (size_t)y;
        if (i >= nb_kvs_count(kvs))
            break;
        const nb_kv *kv = nb_kvs_at(kvs, i);
        bool at = s->focus == INSPECT_META && i == s->meta.at;
        nb_kv_text(kv, value, sizeof value);
        int w = r.w > 60 ? 36 : r.w / 2;
        ui_text(c, r.x, r.y + y, UI_FOCUS, at ? ">" : " ");
        ui_textn(c, r.x + 2, r.y + y, at ? UI_FOCUS : UI_DIM, 0, kv->key, strlen(kv->key), w - 2);
        ui_textn(c, r.x + w + 1, r.y + y, UI_TEXT, 0, value, strlen(value), r.w - w - 1);
    }
}

static void draw_input(inspect *s, ui_canvas *c, ui_rect r)
{
    static const char *const prompt[] = {"", "/ ", "go to block ", "compare with file "};
    ui_input_draw(c, r, s->ask == INSPECT_ASK_FILTER ? &s->filter : &s->input, prompt[s->ask],
                  true);
}

/* Names that one of the two files lacks: what the table cannot show, or marks with +. */
static int only_lines(const inspect *s)
{
    return (s->n_there > 0) + (s->n_here > 0);
}

static void draw_only(const inspect *s, parts_lines *l)
{
    char other[64];
    nb_short(other, sizeof other, nb_path_base(s->other_path));
    if (s->n_there)
        ui_parts_line(l, UI_WARN, "%zu only in %s: %s", s->n_there, other,
                      nb_str_c(&s->only_there));
    if (s->n_here)
        ui_parts_line(l, UI_WARN, "+ %zu not in %s: %s", s->n_here, other, nb_str_c(&s->only_here));
}

static void draw_tensor_table(inspect *s, ui_canvas *c, ui_rect r)
{
    static const ui_column both[COLS] = {
        {"TENSOR", 0, false, 0}, {"SHAPE", 9, true, 6},  {"FROM", 5, true, 3},
        {"TYPE", 5, true, 1},    {"BYTES", 7, true, 5},  {"REL%", 6, true, 2},
        {"MAXERR", 7, true, 4},  {"COSINE", 7, true, 7},
    };
    static const ui_column alone[COLS] = {
        {"TENSOR", 0, false, 0}, {"SHAPE", 9, true, 3},   {"FROM", -1, true, 0},
        {"TYPE", 5, true, 1},    {"BYTES", 8, true, 2},   {"REL%", -1, true, 0},
        {"MAXERR", -1, true, 0}, {"COSINE", -1, true, 0},
    };
    const ui_column *col = s->other ? both : alone; /* -1: not shown */
    const ui_table t = {.col = col, .n_col = COLS, .cell = cell, .mark = flag, .arg = s};
    ui_table_draw(c, r, &t, &s->list,
                  s->focus == INSPECT_TENSORS && !s->block_view && s->ask == INSPECT_NO_INPUT);
}

static void draw_title(const inspect *s, ui_canvas *c, ui_rect r)
{
    char title[200], note[96], name[124], other[64];
    snprintf(title, sizeof title, "%s  %zu tensors",
             nb_short(name, sizeof name, nb_path_base(s->path)), s->n_tensors);
    if (s->other)
        snprintf(note, sizeof note, "vs %s",
                 nb_short(other, sizeof other, nb_path_base(s->other_path)));
    else
        snprintf(note, sizeof note, "sort %s  s", sort_word[s->sort]);
    ui_box(c, r, title, note, !s->block_view);
}

/* The filter's line on top while it is typed or holds, what the files lack at the foot. */
static ui_rect draw_around(inspect *s, ui_canvas *c, ui_rect in)
{
    ui_rect line;
    if (s->ask != INSPECT_NO_INPUT || s->filter.text.len) {
        ui_parts_rows(in, 1, &line, &in);
        ui_spots_add(&s->spots, line, INSPECT_SPOT_INPUT);
        if (s->ask != INSPECT_NO_INPUT)
            draw_input(s, c, line);
        else
            ui_textf(c, line.x + 1, line.y, UI_DIM, "/ %s  %zu of %zu", nb_str_c(&s->filter.text),
                     s->n_row, s->n_tensors);
    }
    if (only_lines(s) && in.h > 5) {
        ui_parts_rows(in, in.h - only_lines(s), &in, &line);
        parts_lines l = ui_parts_begin(c, (ui_rect){line.x + 1, line.y, line.w - 2, line.h});
        draw_only(s, &l);
    }
    return in;
}

static void draw_tensors(inspect *s, ui_canvas *c, ui_rect r, bool meta)
{
    draw_title(s, c, r);
    ui_rect in = draw_around(s, c, ui_inside(r)), table = in, rest = {0}, foot;
    if (meta) {
        ui_parts_rows(in, in.h * 6 / 10, &table, &rest);
        ui_parts_rows(rest, rest.h - 3, &rest, &foot);
    }
    if (!meta && s->focus == INSPECT_META)
        draw_meta(s, c, table);
    else
        draw_tensor_table(s, c, table);
    if (!meta)
        return;
    parts_lines l = ui_parts_begin(c, (ui_rect){foot.x + 1, foot.y, foot.w - 2, foot.h});
    ui_text(c, rest.x + 1, rest.y, UI_TITLE, "metadata");
    draw_meta(s, c, (ui_rect){rest.x, rest.y + 1, rest.w, rest.h - 1});
    ui_parts_skip(&l);
    draw_types(s, &l);
}

/* --- histogram ------------------------------------------------------------------------------- */

static void draw_figures(const inspect_result *r, parts_lines *l)
{
    char a[48], b[48], c[48], d[48];
    const nb_stats *st = &r->d.stats;
    double n = st->n ? (double)st->n : 1, std = nb_stats_std(st);
    double top = fmax(fabs((double)st->min), fabs((double)st->max));
    ui_parts_line(l, UI_TEXT, "n %s  σ %s  max %s (%sσ)", ui_parts_count(a, st->n),
                  ui_parts_num(b, std), ui_parts_num(c, top),
                  std > 0 ? nb_fmt_fixed(d, top / std, 1) : "-");
    ui_parts_line(l, UI_TEXT, ">6σ %llu  zeros %s  kurt %s", (unsigned long long)r->outliers,
                  ui_parts_percent(a, (double)st->n_zero / n),
                  ui_parts_num(b, nb_stats_kurtosis(st)));
    ui_parts_line(l, st->n_nan || st->n_inf ? UI_ERR : UI_TEXT, "NaN %llu  Inf %llu",
                  (unsigned long long)st->n_nan, (unsigned long long)st->n_inf);
    if (!r->d.compared)
        return;
    ui_parts_line(l, UI_TEXT, "err %s  SQNR %s dB", ui_parts_percent(a, nb_stats_rel_rmse(st)),
                  nb_fmt_fixed(b, nb_stats_sqnr_db(st), 1));
    ui_parts_line(l, UI_TEXT, "max %s  cosine %s", ui_parts_num(a, (double)st->max_err),
                  nb_fmt_fixed(b, nb_diff_cosine(&r->d), 5));
}

/* Why the tensor is not held against the other file; NULL = it is, or there is no other. */
static const char *not_compared(const inspect *s, const nb_view *v)
{
    const char *why = NULL;
    if (s->other)
        nb_diff_twin(s->other, v, &why);
    return why;
}

/* The values, and beside or under them the differences, each on its own axis. */
static void draw_pictures(const inspect *s, ui_canvas *c, ui_rect r, const nb_diff *d)
{
    ui_rect values = r, error = {0};
    double reach = nb_hist_reach(&d->hist, 0.99999), most = nb_hist_reach(&d->error, 0.99999);
    bool both = d->compared && d->stats.sum_err2 > 0;
    if (both && r.h < 9)
        ui_parts_columns(r, r.w / 2, &values, &error);
    else if (both)
        ui_parts_rows(r, r.h / 2, &values, &error);
    if (both && r.h < 9)
        values.w--;
    if (values.h > 1 && values.w > 4)
        ui_hist_draw(c, values, &d->hist, -reach, reach, s->logy, true, UI_PLOT_A);
    if (!both || error.h < 2 || error.w < 5)
        return;
    ui_hist_draw(c, error, &d->error, -most, most, s->logy, true, UI_PLOT_C);
    ui_text(c, values.x, values.y, UI_DIM, "values");
    ui_text(c, error.x, error.y, UI_DIM, "difference");
}

static void draw_hist(inspect *s, ui_canvas *c, ui_rect r)
{
    size_t i;
    const nb_view *v = ui_inspect_current(s, &i);
    char title[120];
    if (!v) {
        ui_box(c, r, "weights", NULL, false);
        return;
    }
    const nb_view *from = nb_diff_twin(s->other, v, NULL);
    if (from)
        snprintf(title, sizeof title, "%s  %s vs %s", v->t.name, type_name(&v->t),
                 type_name(&from->t));
    else
        snprintf(title, sizeof title, "%s  %s", v->t.name, type_name(&v->t));
    ui_box(c, r, title, s->logy ? "log y  L" : "linear y  L", false);
    ui_spots_add(&s->spots, (ui_rect){r.x, r.y, r.w, 1}, INSPECT_SPOT_PLOT);
    ui_rect in = ui_inside(r), plot, text;
    in = (ui_rect){in.x + 1, in.y, in.w - 2, in.h};
    const inspect_result *res = result_of(s, i);
    int lines = s->other ? 5 : 3;
    if (r.w < NARROW && r.w > 60 && in.h < 9) /* low: figures beside the picture */
        ui_parts_columns(in, in.w - 36, &plot, &text);
    else
        ui_parts_rows(in, in.h - lines, &plot, &text);
    parts_lines l = ui_parts_begin(c, text);
    if (!res) {
        parts_lines p = ui_parts_begin(c, in);
        ui_parts_wrap(&p, s->problem[0] ? UI_ERR : UI_DIM,
                      s->problem[0] ? s->problem : "reading the tensor");
        return;
    }
    if (!res->readable) {
        ui_parts_line(&l, UI_DIM, "values of this type cannot be decoded here");
        return;
    }
    draw_pictures(s, c, plot, &res->d);
    draw_figures(res, &l);
    if (not_compared(s, v))
        ui_parts_line(&l, UI_WARN, "in the other file: %s", not_compared(s, v));
}

/* --- the whole ------------------------------------------------------------------------------- */

static void draw_nothing(const inspect *s, ui_canvas *c, ui_rect r)
{
    static const char *const none[] = {"nothing to look into yet", "",
                                       "Enter on a model in Models brings it here", NULL};
    static const char *const opening[] = {"opening the model", "", NULL};
    const char *failed[] = {"it cannot be opened", s->problem, "1 goes back to Models", NULL};
    ui_box(c, r, "inspect", NULL, true);
    ui_parts_empty(c, ui_inside(r), s->opening ? opening : s->problem[0] ? failed : none);
}

void ui_inspect_draw(void *self, ui_canvas *c, ui_rect r)
{
    inspect *s = self;
    ui_rect left, right, top, bottom;
    s->spots.n = 0;
    ui_list_hide(&s->list);
    ui_list_hide(&s->meta);
    ui_list_hide(&s->values);
    if (!s->weights) {
        draw_nothing(s, c, r);
        return;
    }
    if (r.w >= NARROW && r.h >= 20 && !s->zoom) {
        ui_parts_columns(r, r.w * 56 / 100, &left, &right);
        ui_parts_rows(right, right.h * 9 / 20, &top, &bottom);
        draw_tensors(s, c, left, true);
        draw_hist(s, c, top);
        ui_inspect_draw_block(s, c, bottom, s->block_view);
        return;
    }
    if (s->block_view) {
        ui_inspect_draw_block(s, c, r, true);
        return;
    }
    if (s->zoom) {
        draw_hist(s, c, r);
        return;
    }
    ui_parts_rows(r, r.h >= 14 ? r.h - 9 : r.h, &top, &bottom);
    draw_tensors(s, c, top, false);
    if (bottom.h > 3)
        draw_hist(s, c, bottom);
}

/* --- the same as JSON, keys of `nibble inspect --json`, and keys and tensors of `show` -------- */

static void tensor_json(const inspect *s, nb_jout *w, size_t i)
{
    const inspect_result *r = result_of(s, i);
    size_t here = SIZE_MAX;
    ui_inspect_current(s, &here);
    nb_jout_object(w);
    ui_twin_tensor(w, &nb_weights_at(s->weights, i)->t);
    if (r && r->readable)
        ui_twin_figures(w, &r->d);
    if (i == here)
        ui_inspect_block_json(s, w);
    nb_jout_object_end(w);
}

/* Tensors of the file compared with that this one lacks. */
static void only_json(const inspect *s, nb_jout *w)
{
    nb_jout_key(w, "only_against");
    nb_jout_array(w);
    for (size_t i = 0; i < nb_weights_count(s->other); i++)
        if (!nb_weights_find(s->weights, nb_weights_at(s->other, i)->t.name))
            nb_jout_str(w, nb_weights_at(s->other, i)->t.name);
    nb_jout_array_end(w);
}

void ui_inspect_json(const void *self, nb_str *out)
{
    const inspect *s = self;
    nb_jout w = nb_jout_make(out);
    nb_jout_object(&w);
    nb_jout_key(&w, "path");
    nb_jout_str(&w, s->path);
    if (s->weights)
        ui_twin_keys(&w, nb_weights_kvs(s->weights));
    nb_jout_key(&w, "tensors");
    nb_jout_array(&w);
    for (size_t i = 0; i < s->n_tensors; i++)
        tensor_json(s, &w, i);
    nb_jout_array_end(&w);
    if (s->other) {
        nb_jout_key(&w, "against");
        nb_jout_str(&w, s->other_path);
        only_json(s, &w);
    }
    nb_jout_object_end(&w);
}
