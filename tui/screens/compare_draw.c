/* How Compare looks: the plot of two axes, the card of one file, the table, which to keep. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "tui/screens/compare.h"

enum { NARROW = 100, TABLE_ONLY = 60, CARD_W = 46, LABEL_W = 10 };
enum {
    COL_FILE,
    COL_BPW,
    COL_SIZE,
    COL_KLD,
    COL_KLD_CI,
    COL_TOP1,
    COL_PPL,
    COL_PPL_CI,
    COL_FACTS,
    COL_SPEED,
    COL_RAM,
    COL_FRONT,
    COLS
};

/* --- axes --------------------------------------------------------------------------------------
 */

static const char *bytes_text(char out[24], double v)
{
    char buf[16];
    snprintf(out, 24, "%s", nb_human_bytes(buf, (uint64_t)v));
    return out;
}

static const char *number_text(char out[24], double v)
{
    char buf[48];
    snprintf(out, 24, "%.23s", ui_parts_num(buf, v));
    return out;
}

static const char *share_text(char out[24], double v)
{
    char buf[48];
    snprintf(out, 24, "%.20s%%", nb_fmt_fixed(buf, v, v < 99.95 ? 1 : 0));
    return out;
}

static const struct {
    const char *name; /* short, as in titles */
    bool log, more;   /* more is better */
    const char *(*text)(char out[24], double v);
} axes[NB_AXIS_COUNT] = {
    [NB_AXIS_BYTES] = {"size", true, false, bytes_text},
    [NB_AXIS_BPW] = {"bits per weight", false, false, number_text},
    [NB_AXIS_RAM] = {"RAM", true, false, bytes_text},
    [NB_AXIS_KLD] = {"KL", true, false, number_text},
    [NB_AXIS_PPL] = {"perplexity", false, false, number_text},
    [NB_AXIS_TOP1] = {"top-1 kept", false, true, share_text},
    [NB_AXIS_FACTS] = {"facts kept", false, true, share_text},
    [NB_AXIS_SPEED] = {"tok/s", false, true, number_text},
};

/* As people read it: shares kept and rates, where nb_compare_value tells what is lost. */
static double natural(nb_compare_axis a, double v)
{
    return a == NB_AXIS_TOP1 || a == NB_AXIS_FACTS ? 100 * (1 - v) : a == NB_AXIS_SPEED ? 1 / v : v;
}

static bool on_axis(const nb_compare_row *r, nb_compare_axis a, double *v)
{
    double err;
    if (!nb_compare_value(r, a, v, &err))
        return false;
    *v = natural(a, *v);
    return true;
}

/* The letter a row of the table goes by. */
static char letter_of(size_t row)
{
    return (char)(row < 26 ? 'a' + (int)row : row < 52 ? 'A' + (int)row - 26 : '*');
}

/* --- plot --------------------------------------------------------------------------------------
 */

static size_t points_of(const compare *s, ui_point out[UI_POINTS])
{
    const nb_compare_row *at = ui_compare_current(s);
    size_t n = 0;
    for (size_t i = 0; i < s->table.n && n < UI_POINTS; i++) {
        const nb_compare_row *r = &s->table.row[i];
        ui_point p = {.letter = letter_of(i),
                      .front = r->front,
                      .selected = r == at,
                      .what = COMPARE_SPOT_ROW + (int)i};
        if ((s->front_only && !r->front) || !on_axis(r, s->x, &p.x) || !on_axis(r, s->y, &p.y))
            continue;
        out[n++] = p;
    }
    return n;
}

static void draw_plot(compare *s, ui_canvas *c, ui_rect r)
{
    ui_point point[UI_POINTS];
    char title[160], note[64], ref[48] = "?";
    size_t at = ui_compare_reference(s);
    if (at < s->table.n)
        nb_short(ref, sizeof ref, s->table.row[at].name);
    snprintf(title, sizeof title, "%s%s × %s%s  vs %s", axes[s->y].name,
             axes[s->y].log ? " (log)" : "", axes[s->x].name, axes[s->x].log ? " (log)" : "", ref);
    snprintf(note, sizeof note, "%s %s is better", axes[s->y].more ? "upper" : "lower",
             axes[s->x].more ? "right" : "left");
    ui_box(c, r, title, note, !s->on_map);
    ui_rect in = ui_inside(r);
    const ui_plot p = {.x = {axes[s->x].log, axes[s->x].text},
                       .y = {axes[s->y].log, axes[s->y].text},
                       .point = point,
                       .n = points_of(s, point)};
    if (!p.n) {
        const char *none[] = {"no file has a value on both axes yet",
                              "m measures the file under the cursor, * and m all of them",
                              "X and Y choose other axes", NULL};
        ui_parts_empty(c, in, none);
        return;
    }
    bool legend = in.h >= 9;
    ui_rect area = {in.x, in.y, in.w - 1, in.h - legend};
    ui_spots_add(&s->spots, (ui_rect){in.x, in.y, 10, area.h - 2}, COMPARE_SPOT_Y);
    ui_spots_add(&s->spots, (ui_rect){in.x, in.y + area.h - 2, in.w, 2}, COMPARE_SPOT_X);
    ui_plot_draw(c, area, &p, &s->spots);
    if (legend) {
        ui_rect old = ui_canvas_clip(c, in);
        char text[128];
        snprintf(text, sizeof text, "letter = file  line = frontier  x%s = beaten on both axes",
                 ui_glyph_text(c, UI_G_DOT));
        ui_textn(c, in.x + 10, in.y + in.h - 1, UI_DIM, 0, text, strlen(text), in.w - 11);
        c->clip = old;
    }
}

/* --- card --------------------------------------------------------------------------------------
 */

static const char *pm(char out[64], double v, double half)
{
    char a[48], b[48];
    snprintf(out, 64, "%.28s ±%.28s", ui_parts_num(a, v), ui_parts_num(b, half));
    return out;
}

static void card_figures(const compare *s, const nb_compare_row *r, parts_lines *l)
{
    char a[64], b[48], d[48], size[16];
    size_t ref = ui_compare_reference(s);
    ui_parts_pair(l, LABEL_W, "size", UI_TEXT, "%s  %s bpw  %s", nb_human_bytes(size, r->bytes),
                  nb_fmt_fixed(a, r->bpw, 2), r->type_name);
    if (r->has_kld) {
        ui_parts_pair(l, LABEL_W, "KL mean", UI_TEXT, "%s nats",
                      pm(a, r->kld.kld.mean, 1.96 * r->kld.kld.err));
        ui_parts_pair(l, LABEL_W, "KL 99%", UI_TEXT, "%s  max %s", ui_parts_num(b, r->kld.kld.p99),
                      ui_parts_num(d, r->kld.kld.max));
        ui_parts_pair(l, LABEL_W, "same top", UI_TEXT, "%s  %s..%s",
                      ui_parts_percent(a, r->kld.same_top), ui_parts_percent(b, r->kld.same_top_lo),
                      ui_parts_percent(d, r->kld.same_top_hi));
    }
    if (r->has_ppl) {
        double base = ref < s->table.n && s->table.row[ref].has_ppl ? s->table.row[ref].ppl : 0;
        ui_parts_pair(l, LABEL_W, "PPL", UI_TEXT, "%s%s%s%s", pm(a, r->ppl, 1.96 * r->ppl_err),
                      base > 0 && !r->is_reference ? "  " : "",
                      base > 0 && !r->is_reference && r->ppl >= base ? "+" : "",
                      base > 0 && !r->is_reference ? ui_parts_percent(b, r->ppl / base - 1) : "");
    }
    if (r->has_facts)
        ui_parts_pair(l, LABEL_W, "facts", UI_TEXT, "%llu of %llu  %s..%s",
                      (unsigned long long)r->facts.right, (unsigned long long)r->facts.asked,
                      ui_parts_percent(a, r->facts.lo), ui_parts_percent(b, r->facts.hi));
    if (r->has_speed && r->pp_tok_s > 0)
        ui_parts_pair(l, LABEL_W, "tok/s", UI_TEXT, "%s  prompt %s", ui_parts_num(a, r->tg_tok_s),
                      ui_parts_num(b, r->pp_tok_s));
    else if (r->has_speed)
        ui_parts_pair(l, LABEL_W, "tok/s", UI_TEXT, "%s", ui_parts_num(a, r->tg_tok_s));
    if (r->ram)
        ui_parts_pair(l, LABEL_W, "RAM", UI_TEXT, "%s at context %u", nb_human_bytes(size, r->ram),
                      r->ram_ctx);
}

/* What the figures were measured on, or why there are none. */
static void card_origin(const compare *s, const nb_compare_row *r, parts_lines *l)
{
    const nb_run_key *k = &s->table.key;
    char why[160];
    size_t ref = ui_compare_reference(s);
    if (r->unlike != NB_LIKE) {
        nb_unlike_text(why, sizeof why, &r->other, k);
        ui_parts_wrapf(l, UI_WARN,
                       "≠ %s: not joined. m measures it as the others, [ ] shows its group", why);
        return;
    }
    if (!k->text[0]) {
        ui_parts_wrapf(l, UI_DIM, "not measured: m reads %s", ui_compare_text(s));
        return;
    }
    ui_parts_pair(l, LABEL_W, "text", UI_TEXT, "sha %.8s  %u chunks of %u", k->text, k->chunks,
                  k->n_ctx);
    ui_parts_pair(l, LABEL_W, "protocol", UI_TEXT, "%s", k->protocol);
    if (ref < s->table.n)
        ui_parts_pair(l, LABEL_W, "reference", UI_TEXT, "%s", s->table.row[ref].name);
    else
        ui_parts_pair(l, LABEL_W, "reference", UI_WARN, "not here, print %08llx",
                      (unsigned long long)(k->reference >> 32));
}

/* Against one neighbour on the list by size. */
static void versus(const nb_compare_row *r, const nb_compare_row *o, char letter, parts_lines *l)
{
    char a[48], b[48], d[48];
    double size = (double)r->bytes / (double)o->bytes - 1;
    snprintf(d, sizeof d, "vs %c", letter);
    if (r->has_kld && o->has_kld && o->kld.kld.mean > 0)
        ui_parts_pair(l, LABEL_W, d, UI_TEXT, "%s%s size  KL ×%s", size >= 0 ? "+" : "",
                      ui_parts_percent(a, size),
                      ui_parts_num(b, r->kld.kld.mean / o->kld.kld.mean));
    else
        ui_parts_pair(l, LABEL_W, d, UI_TEXT, "%s%s size", size >= 0 ? "+" : "",
                      ui_parts_percent(a, size));
}

/* The next larger and the next smaller file of the table; SIZE_MAX = none. */
static size_t neighbour(const nb_compare *t, const nb_compare_row *r, bool larger)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < t->n; i++) {
        const nb_compare_row *o = &t->row[i];
        if (o == r || o->is_reference || (larger ? o->bytes <= r->bytes : o->bytes >= r->bytes))
            continue;
        if (best == SIZE_MAX ||
            (larger ? o->bytes < t->row[best].bytes : o->bytes > t->row[best].bytes))
            best = i;
    }
    return best;
}

static void draw_card(const compare *s, ui_canvas *c, ui_rect r)
{
    const nb_compare_row *at = ui_compare_current(s);
    char title[160];
    if (!at) {
        ui_box(c, r, "no file", NULL, false);
        return;
    }
    snprintf(title, sizeof title, "%c  %s", letter_of((size_t)(at - s->table.row)), at->name);
    ui_box(c, r, title, NULL, s->card);
    ui_rect in = ui_inside(r);
    parts_lines l = ui_parts_begin(c, (ui_rect){in.x + 1, in.y, in.w - 2, in.h});
    bool roomy = in.h >= 18;
    card_figures(s, at, &l);
    l.y += roomy;
    card_origin(s, at, &l);
    l.y += roomy;
    for (int larger = 1; larger >= 0 && !at->is_reference; larger--) {
        size_t o = neighbour(&s->table, at, larger);
        if (o < s->table.n)
            versus(at, &s->table.row[o], letter_of(o), &l);
    }
    l.y += roomy;
    ui_parts_wrap(&l, UI_TEXT, at->advice);
}

/* --- table -------------------------------------------------------------------------------------
 */

compare_sort ui_compare_sort_of(int column)
{
    static const compare_sort by[COLS] = {
        [COL_FILE] = COMPARE_BY_FILE,   [COL_BPW] = COMPARE_BY_BPW,
        [COL_SIZE] = COMPARE_BY_SIZE,   [COL_KLD] = COMPARE_BY_KLD,
        [COL_KLD_CI] = COMPARE_BY_KLD,  [COL_TOP1] = COMPARE_BY_TOP1,
        [COL_PPL] = COMPARE_BY_PPL,     [COL_PPL_CI] = COMPARE_BY_PPL,
        [COL_FACTS] = COMPARE_BY_FACTS, [COL_SPEED] = COMPARE_BY_SPEED,
        [COL_RAM] = COMPARE_BY_RAM,     [COL_FRONT] = COMPARE_SORTS};
    return by[column];
}

/* In place of a figure: why there is none. */
static void no_figure(const nb_compare_row *r, char *buf, size_t cap, ui_role *role)
{
    static const char *const word[] = {[NB_LIKE] = "?",
                                       [NB_UNLIKE_REFERENCE] = "≠ref",
                                       [NB_UNLIKE_TEXT] = "≠text",
                                       [NB_UNLIKE_PROTOCOL] = "≠proto",
                                       [NB_UNLIKE_CTX] = "≠ctx",
                                       [NB_UNLIKE_CHUNKS] = "≠part"};
    snprintf(buf, cap, "%s", r->is_reference ? "ref" : word[r->unlike]);
    *role = UI_DIM;
}

/* Of an interval: two digits say enough. */
static void half_width(char *buf, size_t cap, double v)
{
    char num[48];
    int decimals = v >= 1e-4 && v < 10 ? 1 - (int)floor(log10(v)) : 0;
    bool plain = decimals > 0 || v >= 10;
    snprintf(buf, cap, "%s", plain ? nb_fmt_fixed(num, v, decimals) : ui_parts_num(num, v));
}

/* Without the ending all files of a format share. */
static int name_length(const char *name)
{
    size_t n = strlen(name), e = strlen(".gguf");
    return (int)(nb_has_suffix(name, ".gguf") ? n - e : n);
}

static void figure(const nb_compare_row *r, size_t col, char *buf, size_t cap, ui_role *role)
{
    char num[48];
    switch (col) {
    case COL_KLD:
        if (r->has_kld)
            snprintf(buf, cap, "%s", ui_parts_num(num, r->kld.kld.mean));
        else
            no_figure(r, buf, cap, role);
        break;
    case COL_KLD_CI:
        if (r->has_kld)
            half_width(buf, cap, 1.96 * r->kld.kld.err);
        break;
    case COL_TOP1:
        if (r->has_kld)
            snprintf(buf, cap, "%s", nb_fmt_fixed(num, 100 * r->kld.same_top, 1));
        break;
    case COL_PPL:
        snprintf(buf, cap, "%s", r->has_ppl ? ui_parts_num(num, r->ppl) : "?");
        break;
    case COL_PPL_CI:
        if (r->has_ppl)
            half_width(buf, cap, 1.96 * r->ppl_err);
        break;
    case COL_FACTS:
        if (r->has_facts)
            snprintf(buf, cap, "%llu/%llu", (unsigned long long)r->facts.right,
                     (unsigned long long)r->facts.asked);
        break;
    default:
        snprintf(buf, cap, "%s", r->has_speed ? ui_parts_num(num, r->tg_tok_s) : "?");
    }
}

static void cell(const void *arg, size_t row, size_t col, char *buf, size_t cap, ui_role *role)
{
    const compare *s = arg;
    size_t i = s->row[row];
    const nb_compare_row *r = &s->table.row[i];
    char size[16], num[48];
    bool out = r->unlike != NB_LIKE;
    double v;
    *role = out ? UI_DIM : UI_TEXT;
    switch (col) {
    case COL_FILE:
        snprintf(buf, cap, "%c %.*s", letter_of(i), name_length(r->name), r->name);
        break;
    case COL_BPW:
        snprintf(buf, cap, "%s", nb_fmt_fixed(num, r->bpw, 2));
        break;
    case COL_SIZE:
        snprintf(buf, cap, "%s", nb_human_bytes(size, r->bytes));
        break;
    case COL_RAM:
        snprintf(buf, cap, "%s", r->ram ? nb_human_bytes(size, r->ram) : "?");
        break;
    case COL_FRONT:
        snprintf(buf, cap, "%s",
                 i == s->pick                                   ? "keep"
                 : r->front                                     ? "yes"
                 : on_axis(r, s->x, &v) && on_axis(r, s->y, &v) ? "no"
                                                                : "");
        *role = i == s->pick ? UI_PLOT_FRONTIER : *role;
        break;
    default:
        figure(r, col, buf, cap, role);
    }
}

static char mark_of(const void *arg, size_t row)
{
    const compare *s = arg;
    return ui_compare_marked(s, s->table.row[s->row[row]].path) ? '*' : ' ';
}

static void draw_table(compare *s, ui_canvas *c, ui_rect r)
{
    ui_column col[COLS] = {
        {"  FILE", 0, false, 0}, {"BPW", 5, true, 3},   {"SIZE", 7, true, 0}, {"KL", 7, true, 0},
        {"±95%", 7, true, 1},    {"TOP1%", 5, true, 4}, {"PPL", 6, true, 6},  {"±95%", 6, true, 7},
        {"FACTS", 5, true, 2},   {"TOK/S", 6, true, 5}, {"RAM", 7, true, 8},  {"FRONT", 5, true, 0},
    };
    char title[120], note[64];
    col[COL_FILE].width = r.w < NARROW ? 20 : 0; /* enough to tell the types apart */
    snprintf(title, sizeof title, "%zu of %zu files%s", s->n_row, s->table.n,
             s->front_only ? ", frontier only" : "");
    if (s->n_group > 1)
        snprintf(note, sizeof note, "group %zu of %zu [ ]  sort %s s", s->at_group + 1, s->n_group,
                 ui_compare_sorts[s->sort].name);
    else
        snprintf(note, sizeof note, "sort %s  s", ui_compare_sorts[s->sort].name);
    ui_box(c, r, title, note, !s->on_map && !s->card);
    const ui_table t = {.col = col, .n_col = COLS, .cell = cell, .mark = mark_of, .arg = s};
    ui_table_draw(c, ui_inside(r), &t, &s->list, !s->on_map && !s->asking);
}

/* --- which to keep -----------------------------------------------------------------------------
 */

/* Why runs of the other groups are not in the table's figures. */
static void group_words(const compare *s, char *out, size_t cap)
{
    char why[160];
    size_t o = s->at_group == 0 ? 1 : 0;
    nb_unlike_text(why, sizeof why, &s->group[o].key, &s->group[s->at_group].key);
    snprintf(out, cap, "%zu groups of runs are never joined: the %s was %s. [ ] shows another.",
             s->n_group, s->n_group == 2 ? "other" : "next", why);
}

/* What endpoints told, under all that is ranked; l NULL: only counts. Returns rows. */
static int far_lines(const compare *s, parts_lines *l, int width)
{
    int n = 0;
    char line[1200];
    for (const char *at = nb_str_c(&s->far); *at; at += strspn(at, "\n")) {
        size_t len = strcspn(at, "\n");
        snprintf(line, sizeof line, "%.*s", (int)len, at);
        if (l)
            ui_parts_wrap(l, UI_DIM, line);
        n += ui_parts_rows_of(line, width);
        at += len;
    }
    return n;
}

/* Rows of the box: the sentence, the groups, what is being measured or asked. */
static int keep_height(const compare *s, int width)
{
    char groups[240];
    int n = ui_parts_rows_of(s->why, width - 4);
    if (s->n_group > 1) {
        group_words(s, groups, sizeof groups);
        n += ui_parts_rows_of(groups, width - 4);
    }
    return n + far_lines(s, NULL, width - 4) + 2 + (s->measuring != NULL) + s->asking;
}

static void draw_measuring(const compare *s, parts_lines *l)
{
    nb_job_view v;
    char rate[48], eta[16], name[96];
    nb_job_look(s->measuring, &v);
    double share = v.total ? (double)v.done / (double)v.total : 0;
    int y = l->r.y + l->y++, bar = l->r.w >= 90 ? 24 : 10;
    ui_progress_draw(l->c, l->r.x, y, bar, share, UI_BUSY);
    ui_rect rest = {l->r.x + bar + 1, y, l->r.w - bar - 1, 1};
    parts_lines p = ui_parts_begin(l->c, rest);
    nb_short(name, sizeof name, v.what[0] ? v.what : "opening");
    ui_parts_line(&p, UI_BUSY, "%3.0f%%  ETA %s  %s tok/s  %s", floor(100 * share),
                  v.eta >= 0 ? nb_human_time(eta, v.eta) : "?",
                  v.rate > 0 ? ui_parts_num(rate, v.rate) : "?", name);
}

static void draw_keep(compare *s, ui_canvas *c, ui_rect r)
{
    char groups[240];
    ui_box(c, r, "which to keep, and why", s->measuring ? "measuring: x cancels" : NULL, s->asking);
    ui_rect in = ui_inside(r);
    parts_lines l = ui_parts_begin(c, (ui_rect){in.x + 1, in.y, in.w - 2, in.h});
    if (s->asking && ui_parts_left(&l)) {
        ui_rect line = {l.r.x, l.r.y + l.y++, l.r.w, 1};
        ui_spots_add(&s->spots, line, COMPARE_SPOT_INPUT);
        ui_input_draw(c, line, &s->input, "measure on text file ", true);
    }
    if (s->measuring)
        draw_measuring(s, &l);
    ui_parts_wrap(&l, UI_TEXT, s->why);
    if (s->n_group > 1) {
        group_words(s, groups, sizeof groups);
        ui_parts_wrap(&l, UI_DIM, groups);
    }
    far_lines(s, &l, l.r.w);
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static void draw_nothing(const compare *s, ui_canvas *c, ui_rect r)
{
    static const char *const none[] = {"nothing to compare yet", "",
                                       "c on a model in Models brings it and what was made from it",
                                       "Space marks some, c then compares those", NULL};
    static const char *const reading[] = {"reading files and stored runs", "", NULL};
    const char *failed[] = {"they cannot be compared", s->problem, "r tries again, 1 Models", NULL};
    ui_box(c, r, "compare", NULL, true);
    ui_parts_empty(c, ui_inside(r), s->loading ? reading : s->problem[0] ? failed : none);
}

static void draw_top(compare *s, ui_canvas *c, ui_rect r, bool wide)
{
    ui_rect left = r, right = {0};
    if (s->card && !s->zoom) {
        draw_card(s, c, r);
        return;
    }
    if (wide)
        ui_parts_columns(r, r.w - CARD_W, &left, &right);
    if (s->map)
        ui_compare_draw_map(s, c, left);
    else
        draw_plot(s, c, left);
    if (wide)
        draw_card(s, c, right);
}

void ui_compare_draw(void *self, ui_canvas *c, ui_rect r)
{
    enum { PLOT_LEAST = 7 };
    compare *s = self;
    ui_rect top, table, keep;
    s->spots.n = 0;
    s->heat.area.w = 0;
    ui_list_hide(&s->list);
    if (!s->table.n) {
        draw_nothing(s, c, r);
        return;
    }
    bool wide = r.w >= NARROW && r.h >= 24;
    int rows = (int)s->n_row + 3, most = wide ? r.h / 3 : 9;
    int keep_h = keep_height(s, r.w), table_h = rows < 5 ? 5 : rows > most ? most : rows;
    if (s->zoom && r.h > PLOT_LEAST) {
        draw_top(s, c, r, false);
        return;
    }
    if (s->card && !wide && !s->measuring && !s->asking)
        keep_h = 0;        /* the card says it of its file */
    if (s->map && !wide) { /* the map needs the room */
        int map_h = ui_heat_rows(&s->sense) + 5, left = r.h - map_h;
        keep_h = s->measuring || s->asking ? keep_h : 0;
        table_h = left - keep_h < 5 ? 5 : left - keep_h < table_h ? left - keep_h : table_h;
    }
    int room = r.h - table_h - PLOT_LEAST;
    keep_h = keep_h <= room || keep_h < 5 ? keep_h : room > 4 ? room : 4;
    ui_parts_rows(r, r.h - keep_h, &top, &keep);
    if (r.w < TABLE_ONLY || top.h - table_h < PLOT_LEAST) {
        table = top;
        if (s->card || s->map) {
            draw_top(s, c, top, false);
            table.h = 0;
        }
    } else {
        ui_parts_rows(top, top.h - table_h, &top, &table);
        draw_top(s, c, top, wide);
    }
    if (table.h > 3)
        draw_table(s, c, table);
    if (keep_h)
        draw_keep(s, c, keep);
}
