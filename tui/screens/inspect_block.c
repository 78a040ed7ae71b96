/* One block, value by value: what is stored, what it decodes to, and what it was made from. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/screens/inspect.h"
#include "tui/twin.h"

enum { PLAIN_BLOCK = 32 }; /* values shown together for types without blocks */

static const nk_type *type_of(const nb_view *v)
{
    return nk_type_get((uint32_t)v->t.type);
}

static uint32_t block_len(const nb_view *v)
{
    const nk_type *t = type_of(v);
    return t && t->explain ? t->block_len : PLAIN_BLOCK;
}

static uint64_t blocks_per_row(const nb_view *v)
{
    return (nb_tensor_cols(&v->t) + block_len(v) - 1) / block_len(v);
}

uint64_t ui_inspect_blocks(const nb_view *v)
{
    return blocks_per_row(v) * nb_tensor_rows(&v->t);
}

/* Weights of this block: a row of a type without blocks may end inside one. */
static uint32_t len_of(const nb_view *v, uint64_t block)
{
    uint64_t first = block % blocks_per_row(v) * block_len(v), left = nb_tensor_cols(&v->t) - first;
    return (uint32_t)(left < block_len(v) ? left : block_len(v));
}

static bool read_rows(inspect *s, const nb_view *v, uint64_t row)
{
    size_t cols = (size_t)nb_tensor_cols(&v->t);
    const nb_view *o = nb_diff_twin(s->other, v, NULL);
    if (!type_of(v) || !type_of(v)->decode)
        return false;
    if (cols > s->cap_cols) {
        free(s->mine);
        free(s->theirs);
        s->mine = ui_xcalloc(2 * cols, sizeof *s->mine);
        s->theirs = ui_xcalloc(2 * cols, sizeof *s->theirs);
        s->cap_cols = cols;
    }
    type_of(v)->decode(nb_weights_row(v, row, s->mine + cols), s->mine, cols);
    s->have_theirs = o != NULL;
    if (s->have_theirs)
        type_of(o)->decode(nb_weights_row(o, row, s->theirs + cols), s->theirs, cols);
    return true;
}

void ui_inspect_go(inspect *s, uint64_t block)
{
    size_t i;
    const nb_view *v = ui_inspect_current(s, &i);
    if (!v || !ui_inspect_blocks(v))
        return;
    s->block = block < ui_inspect_blocks(v) ? block : ui_inspect_blocks(v) - 1;
    s->block_of = i;
    ui_list_set(&s->values, len_of(v, s->block));
}

bool ui_inspect_block_action(inspect *s, ui_action a)
{
    const nb_view *v = ui_inspect_current(s, NULL);
    if (!v)
        return false;
    if (a == UI_ACT_ANY_LEFT || a == UI_ACT_ANY_RIGHT) {
        if (a == UI_ACT_ANY_RIGHT)
            ui_inspect_go(s, s->block + 1);
        else if (s->block)
            ui_inspect_go(s, s->block - 1);
        return true;
    }
    return ui_list_move(&s->values, a, 8);
}

/* --- drawing --------------------------------------------------------------------------------- */

typedef struct block_table {
    const inspect *s;
    const nk_block_view *view; /* NULL: no blocks */
    size_t first;              /* column of its first weight */
    size_t shown[5];           /* which columns there is something for */
} block_table;

enum { COL_IDX, COL_ORIGINAL, COL_CODE, COL_DECODED, COL_ERROR, COLS };

static void cell(const void *arg, size_t row, size_t col, char *buf, size_t cap, ui_role *role)
{
    const block_table *t = arg;
    const inspect *s = t->s;
    size_t i = t->first + row;
    char num[48];
    switch (t->shown[col]) {
    case COL_IDX:
        snprintf(buf, cap, "%zu", row);
        *role = UI_DIM;
        break;
    case COL_ORIGINAL:
        snprintf(buf, cap, "%s", nb_fmt_fixed(num, (double)s->theirs[i], 5));
        break;
    case COL_CODE:
        snprintf(buf, cap, "%d", t->view->code[row]);
        break;
    case COL_DECODED:
        snprintf(buf, cap, "%s", nb_fmt_fixed(num, (double)s->mine[i], 5));
        break;
    default: {
        double e = (double)s->mine[i] - (double)s->theirs[i];
        double step =
            t->view ? fabs((double)t->view->scale[row / t->view->group]) * t->view->code_step : 0;
        bool clip = step > 0 && fabs(e) > 1.5 * step;
        snprintf(buf, cap, "%s%s", nb_fmt_fixed(num, e, 5), clip ? " clip" : "");
        *role = clip ? UI_WARN : UI_TEXT;
    }
    }
}

static void draw_scales(parts_lines *l, const nk_block_view *b, size_t at)
{
    char d[48], m[48];
    uint32_t groups = b->len / b->group;
    ui_parts_line(l, UI_TEXT, "scale d %s%s%s   codes %d..%d", ui_parts_num(d, (double)b->d),
                  b->dmin != 0 ? "  min " : "",
                  b->dmin != 0 ? ui_parts_num(m, (double)b->dmin) : "", b->code_min, b->code_max);
    if (groups < 2)
        return;
    nb_str text = {0};
    for (uint32_t g = 0; g < groups; g++) {
        bool here = g == at / b->group;
        nb_str_addf(&text, "%s%s%d", g ? " " : "", here ? "[" : "", b->scale_code[g]);
        if (b->dmin != 0)
            nb_str_addf(&text, "-%d", b->min_code[g]);
        nb_str_add(&text, here ? "]" : "");
    }
    ui_parts_line(l, UI_DIM,
                  b->dmin != 0 ? "scale-min of each %u weights, times d, min"
                               : "scale of each %u weights, times d",
                  b->group);
    ui_parts_wrap(l, UI_TEXT, nb_str_c(&text));
    nb_str_free(&text);
}

static void draw_codes(parts_lines *l, const nk_block_view *b)
{
    double count[512] = {0};
    int n = b->code_max - b->code_min + 1, used = 0;
    if (n < 1 || n > (int)countof(count) || ui_parts_left(l) < 2)
        return;
    for (uint32_t i = 0; i < b->len; i++) {
        int k = b->code[i] - b->code_min;
        if (k >= 0 && k < n)
            count[k]++;
    }
    for (int k = 0; k < n; k++)
        used += count[k] > 0;
    int w = n < l->r.w - 26 ? n : 0; /* as a picture only where every code has its cell */
    if (w > 0)
        ui_bars_draw(l->c, (ui_rect){l->r.x + 6, l->r.y + l->y, w, 1}, count, (size_t)n, 0, false,
                     UI_PLOT_B);
    ui_text(l->c, l->r.x, l->r.y + l->y, UI_DIM, "codes");
    ui_textf(l->c, l->r.x + 7 + w, l->r.y + l->y, UI_TEXT, "used %d of %d", used, n);
    l->y++;
}

static void draw_hex(parts_lines *l, const uint8_t *bytes, uint32_t n)
{
    int per = l->r.w >= 54 ? 16 : 8;
    for (uint32_t i = 0; i < n && ui_parts_left(l); i += (uint32_t)per) {
        char line[80];
        int at = snprintf(line, sizeof line, "%04x ", i);
        for (uint32_t k = i; k < i + (uint32_t)per && k < n; k++)
            at += snprintf(line + at, sizeof line - (size_t)at, " %02x", bytes[k]);
        ui_parts_line(l, UI_TEXT, "%s", line);
    }
}

static void draw_values(inspect *s, parts_lines *l, const nk_block_view *view, size_t first,
                        bool focused)
{
    static const ui_column all[COLS] = {{"idx", 3, true, 0},
                                        {"original", 8, true, 2},
                                        {"code", 4, true, 1},
                                        {"decoded", 8, true, 0},
                                        {"error", 13, false, 2}};
    block_table arg = {.s = s, .view = view, .first = first};
    ui_column col[COLS];
    size_t n = 0;
    for (size_t i = 0; i < COLS; i++) {
        bool other = i == COL_ORIGINAL || i == COL_ERROR;
        if ((other && !s->have_theirs) || (i == COL_CODE && !view))
            continue;
        col[n] = all[i];
        arg.shown[n++] = i;
    }
    ui_table t = {.col = col, .n_col = n, .cell = cell, .arg = &arg};
    int rows = ui_parts_left(l) - (view ? 2 : 1);
    if (rows > 1)
        ui_table_draw(l->c, (ui_rect){l->r.x, l->r.y + l->y, l->r.w, rows}, &t, &s->values,
                      focused);
    l->y += rows > 1 ? rows : 0;
}

void ui_inspect_draw_block(inspect *s, ui_canvas *c, ui_rect r, bool focused)
{
    size_t index;
    const nb_view *v = ui_inspect_current(s, &index);
    const nk_type *t = v ? type_of(v) : NULL;
    char title[160];
    if (!v || !t || !ui_inspect_blocks(v)) {
        ui_box(c, r, "block", NULL, focused);
        return;
    }
    if (s->block_of != index || s->block >= ui_inspect_blocks(v))
        ui_inspect_go(s, 0);
    snprintf(title, sizeof title, "block %llu of %llu  %s  %u weights",
             (unsigned long long)s->block, (unsigned long long)ui_inspect_blocks(v), t->name,
             len_of(v, s->block));
    if (ui_width(c, title, strlen(title)) + (focused ? 14 : 5) + 7 > r.w)
        snprintf(title, sizeof title, "block %llu of %llu  %s", (unsigned long long)s->block,
                 (unsigned long long)ui_inspect_blocks(v), t->name);
    ui_box(c, r, title, focused ? "H hex  gb go to" : "Enter", focused);
    ui_rect in = ui_inside(r);
    parts_lines l = ui_parts_begin(c, (ui_rect){in.x + 1, in.y, in.w - 2, in.h});
    uint64_t row = s->block / blocks_per_row(v);
    size_t first = (size_t)(s->block % blocks_per_row(v)) * block_len(v);
    if (!read_rows(s, v, row)) {
        ui_parts_wrap(&l, UI_DIM, "values of this type cannot be decoded here");
        return;
    }
    nk_block_view view;
    const uint8_t *bytes = nb_weights_row(v, row, s->mine + nb_tensor_cols(&v->t));
    uint64_t size = 0, skip = 0;
    nk_row_size(t, t->explain ? t->block_len : len_of(v, s->block), &size);
    if (first)
        nk_row_size(t, first, &skip);
    if (s->hex) {
        draw_hex(&l, bytes + skip, (uint32_t)size);
        return;
    }
    if (t->explain) {
        t->explain(bytes + skip, &view);
        draw_scales(&l, &view, s->values.at);
    }
    draw_values(s, &l, t->explain ? &view : NULL, first, focused);
    if (t->explain)
        draw_codes(&l, &view);
    ui_parts_line(&l, UI_DIM,
                  focused ? "j k weight  h l block  = a file for originals"
                          : "Enter looks at it value by value");
}

void ui_inspect_block_json(const inspect *s, nb_jout *w)
{
    size_t index;
    const nb_view *v = ui_inspect_current(s, &index);
    const nk_type *t = v ? type_of(v) : NULL;
    nk_block_view view;
    if (!t || !t->explain || s->block_of != index || s->block >= ui_inspect_blocks(v))
        return;
    uint64_t row = s->block / blocks_per_row(v), in_row = s->block % blocks_per_row(v);
    const nb_view *o = nb_diff_twin(s->other, v, NULL);
    size_t cols = (size_t)nb_tensor_cols(&v->t);
    float *original = ui_xcalloc(2 * cols, sizeof *original); /* a row, and room for its bytes */
    t->explain(nb_weights_row(v, row, original + cols) + in_row * t->block_size, &view);
    if (o)
        type_of(o)->decode(nb_weights_row(o, row, original + cols), original, cols);
    ui_twin_block(w, s->block, &view, o ? original + in_row * t->block_len : NULL);
    free(original);
}
