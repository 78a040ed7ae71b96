/* Tables: columns fitted to the width, cells wrapped; where columns cannot be that narrow, one
 * `heading: cell` a row. Beneath them, the targets of their links. */
#include "tui/widgets/md_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BETWEEN = 3,   /* cells of " | " */
    NARROW = 6,    /* a column is not made narrower than this or its text */
    HEADINGS = 24, /* cells of a heading before its cell */
    HANG = 2       /* ... and its next rows stand in by */
};

/* --- reading --------------------------------------------------------------------------------- */

/* The next cell of a row, from *at on, which moves behind it; false: there is none. */
static bool next_cell(const char *s, uint32_t *at, uint32_t end, uint32_t *from, uint32_t *to)
{
    uint32_t p = *at;
    while (p < end && md_is_white(s[p]))
        p++;
    if (p >= end)
        return false;
    *from = p;
    while (p < end && s[p] != '|')
        p += s[p] == '\\' && p + 1 < end ? 2 : 1;
    *to = ui_md_trim(s, *from, p);
    *at = p + 1;
    return true;
}

/* A row without the bars at its ends. */
static uint32_t first_cell(const char *s, uint32_t at, uint32_t end)
{
    while (at < end && md_is_white(s[at]))
        at++;
    return at < end && s[at] == '|' ? at + 1 : at;
}

uint32_t ui_md_table_count(const char *s, uint32_t at, uint32_t end)
{
    uint32_t n = 0, from, to;
    for (at = first_cell(s, at, end); next_cell(s, &at, end, &from, &to);)
        n++;
    return n;
}

uint32_t ui_md_table_rule(md_lay *l, uint32_t at, uint32_t end)
{
    const char *s = l->text;
    uint32_t from, to;
    bool bar = false;
    l->n_align = 0;
    for (uint32_t i = at; i < end; i++) {
        if (!strchr("|-: \t", s[i]) || !s[i])
            return 0;
        bar |= s[i] == '|';
    }
    for (at = first_cell(s, at, end); bar && next_cell(s, &at, end, &from, &to);) {
        bool left = to > from && s[from] == ':', right = to > from + 1 && s[to - 1] == ':';
        uint32_t dashes = from + left;
        while (dashes < to && s[dashes] == '-')
            dashes++;
        if (dashes == from + left || dashes + right != to)
            return 0;
        uint8_t *a = ui_md_more(l, l->align, l->n_align, &l->cap_align, sizeof *a);
        if (!a)
            return 0;
        l->align = a;
        a[l->n_align++] = left && right ? 1 : right ? 2 : 0;
    }
    return (uint32_t)l->n_align;
}

/* Cells beyond the heading's are not part of a table (GFM). */
static void read_row(md_lay *l, uint32_t row, uint32_t at, uint32_t end, uint32_t cols)
{
    uint32_t from, to;
    at = first_cell(l->text, at, end);
    for (uint32_t col = 0; col < cols && next_cell(l->text, &at, end, &from, &to); col++) {
        if (to == from)
            continue;
        md_cell *a = ui_md_more(l, l->cell, l->n_cell, &l->cap_cell, sizeof *a);
        if (!a)
            return;
        l->cell = a;
        a[l->n_cell++] = (md_cell){.at = from, .end = to, .row = row, .col = col};
    }
}

void ui_md_table(md_lay *l, const md_leaf *leaf)
{
    const md_line *line = &l->line[leaf->line];
    uint32_t cols = ui_md_table_rule(l, line[1].at, line[1].end);
    l->n_cell = 0;
    for (size_t i = 0; i < leaf->n_line; i++)
        if (i != 1)
            read_row(l, (uint32_t)(i ? i - 1 : 0), line[i].at, line[i].end, cols);
    ui_md_table_lay(l, cols, true);
}

/* --- widths ---------------------------------------------------------------------------------- */

static int at_most(int v, int most)
{
    return v < most ? v : most;
}

/* Cells of all columns when none is wider than most. */
static uint64_t total(const int *width, uint32_t cols, int most)
{
    uint64_t sum = (uint64_t)BETWEEN * (cols - 1);
    for (uint32_t c = 0; c < cols; c++)
        sum += (uint64_t)at_most(width[c], most);
    return sum;
}

/* The widest columns give way until all fit into room; false: they do not. */
static bool fit(int *width, uint32_t cols, int room)
{
    int lo = NARROW, hi = room;
    if (total(width, cols, lo) > (uint64_t)room)
        return false;
    while (lo < hi) {
        int mid = lo + (hi - lo + 1) / 2;
        if (total(width, cols, mid) <= (uint64_t)room)
            lo = mid;
        else
            hi = mid - 1;
    }
    int spare = room - (int)total(width, cols, lo);
    for (uint32_t c = 0; c < cols; c++) {
        if (width[c] <= lo)
            continue;
        width[c] = lo + (spare > 0);
        spare -= spare > 0;
    }
    return true;
}

/* --- as columns ------------------------------------------------------------------------------ */

typedef struct grid {
    md_lay *l;
    const int *width;    /* [cols] */
    uint32_t cols, bars; /* bars: index in ui_md.grid */
} grid;

static void push_x(md_lay *l, int x)
{
    ui_md *m = l->m;
    uint16_t *a = ui_md_more(l, m->grid, m->n_grid, &m->cap_grid, sizeof *a);
    if (!a)
        return;
    m->grid = a;
    a[m->n_grid++] = (uint16_t)x;
}

/* Where the bars between the columns are: {n, x of each, first x, end}. */
static uint32_t push_grid(md_lay *l, const int *width, uint32_t cols)
{
    size_t at = l->m->n_grid;
    int x = l->left;
    push_x(l, (int)cols - 1);
    for (uint32_t c = 0; c < cols; c++) {
        x += width[c] + BETWEEN;
        if (c + 1 < cols)
            push_x(l, x - 2);
    }
    push_x(l, l->left);
    push_x(l, x - BETWEEN);
    return (uint32_t)at;
}

static void put_line(const grid *g, const md_cell *c, md_pen *p, int x)
{
    md_lay *l = g->l;
    int w = g->width[c->col];
    uint8_t align = c->col < l->n_align ? l->align[c->col] : 0;
    md_pen from = *p;
    uint32_t end = ui_md_wrap(l, &c->flow, p, w, true);
    md_flow part = {from.at, end, from.run, c->flow.run_end};
    int spare = align ? w - ui_md_flow_width(l, &part) : 0;
    ui_md_row_put(l, &c->flow, from, end, x + (spare > 0 ? align == 1 ? spare / 2 : spare : 0));
}

/* Cells [from, to) are one row of the table. */
static void put_row(const grid *g, md_cell *from, md_cell *to)
{
    md_lay *l = g->l;
    bool more = true;
    for (md_cell *c = from; c < to; c++)
        c->pen = (md_pen){c->flow.at, c->flow.run};
    while (more && !l->full && !l->failed) {
        uint32_t col = 0;
        int x = l->left;
        more = false;
        ui_md_row_begin(l, MD_BARS, g->bars);
        for (md_cell *c = from; c < to; c++) {
            for (; col < c->col; col++)
                x += g->width[col] + BETWEEN;
            if (c->pen.at < c->flow.end)
                put_line(g, c, &c->pen, x);
            more |= c->pen.at < c->flow.end;
        }
    }
}

static bool is_tall(const md_lay *l, const int *width)
{
    const char *s = nb_str_c(&l->m->shown);
    for (size_t i = 0; i < l->n_cell; i++) {
        const md_flow *f = &l->cell[i].flow;
        if (l->cell[i].width > width[l->cell[i].col] || memchr(s + f->at, '\n', f->end - f->at))
            return true;
    }
    return false;
}

static void columns(md_lay *l, const int *width, uint32_t cols, bool head)
{
    grid g = {l, width, cols, push_grid(l, width, cols)};
    bool tall = is_tall(l, width);
    for (size_t i = 0, next; i < l->n_cell && !l->failed; i = next) {
        uint32_t row = l->cell[i].row;
        for (next = i; next < l->n_cell && l->cell[next].row == row;)
            next++;
        if (i && (tall || (head && l->cell[0].row == 0 && l->cell[i - 1].row == 0)))
            ui_md_row_begin(l, MD_CROSSED, g.bars);
        put_row(&g, l->cell + i, l->cell + next);
    }
}

/* --- as a list ------------------------------------------------------------------------------- */

/* Cuts a heading to `most` cells: pen is where it ends then, width its cells. */
static void cut_heading(const md_lay *l, md_cell *head, int most)
{
    md_flow part = head->flow;
    md_pen p = {part.at, part.run};
    part.end = ui_md_wrap(l, &head->flow, &p, most, false);
    head->pen.at = part.end;
    head->width = ui_md_flow_width(l, &part);
}

/* The heading and ": "; returns its cells. */
static int put_heading(md_lay *l, const md_cell *head)
{
    ui_md_row_put(l, &head->flow, (md_pen){head->flow.at, head->flow.run}, head->pen.at, l->left);
    ui_md_row_text(l, ": ", l->left + head->width);
    return head->width + 2;
}

/* `heading: cell`, its next rows hanging; head NULL: it has none. */
static void put_entry(md_lay *l, const md_cell *head, const md_cell *c)
{
    int hang = l->room > 8 ? HANG : 0, x;
    ui_md_row_begin(l, MD_PLAIN, 0);
    x = head ? put_heading(l, head) : 0;
    for (md_pen p = {c->flow.at, c->flow.run}; !l->full && !l->failed; x = hang) {
        md_pen from = p;
        uint32_t end = ui_md_wrap(l, &c->flow, &p, l->room - x, true);
        ui_md_row_put(l, &c->flow, from, end, l->left + x);
        if (p.at >= c->flow.end)
            return;
        ui_md_row_begin(l, MD_PLAIN, 0);
    }
}

static void list(md_lay *l, bool head)
{
    md_cell *cell = l->cell;
    size_t heads = 0;
    int most = at_most(l->room / 2 - 2, HEADINGS);
    for (; head && heads < l->n_cell && cell[heads].row == 0; heads++)
        cut_heading(l, &cell[heads], most);
    size_t begin = heads == l->n_cell ? 0 : heads, k = 0; /* nothing below: the heading itself */
    for (size_t i = begin; i < l->n_cell && !l->full && !l->failed; i++) {
        if (i > begin && cell[i].row != cell[i - 1].row) {
            ui_md_row_begin(l, MD_PLAIN, 0);
            k = 0;
        }
        while (k < begin && cell[k].col < cell[i].col)
            k++;
        if (cell[i].flow.at < cell[i].flow.end)
            put_entry(l, most > 0 && k < begin && cell[k].col == cell[i].col ? &cell[k] : NULL,
                      &cell[i]);
    }
}

/* --- beneath it ------------------------------------------------------------------------------ */

/* "[n] target" a row. */
static void put_notes(md_lay *l)
{
    char number[16];
    l->style = (md_style){.dim = 1};
    for (size_t i = 0; i < l->n_note && !l->full && !l->failed; i++) {
        int n = snprintf(number, sizeof number, "[%zu] ", i + 1);
        l->n_run = 0;
        md_flow f = ui_md_flow_begin(l);
        ui_md_say(l, l->note[i].at, number, (size_t)n);
        ui_md_note_target(l, &l->note[i]);
        ui_md_flow_end(l, &f);
        ui_md_flow_rows(l, &f, true);
    }
    l->style = (md_style){0};
}

/* --------------------------------------------------------------------------------------------- */

void ui_md_table_lay(md_lay *l, uint32_t cols, bool head)
{
    int *width = calloc(cols ? cols : 1, sizeof *width);
    if (!width || !cols) {
        l->failed |= !width;
        free(width);
        return;
    }
    l->n_run = l->n_note = 0;
    l->table = true;
    for (size_t i = 0; i < l->n_cell && !l->failed; i++) {
        md_cell *c = &l->cell[i];
        l->style = (md_style){.strong = head && c->row == 0};
        c->flow = ui_md_flow_begin(l);
        ui_md_inline(l, c->at, c->end);
        c = &l->cell[i];
        ui_md_flow_end(l, &c->flow);
        c->width = ui_md_flow_width(l, &c->flow);
        if (c->width > width[c->col])
            width[c->col] = c->width;
    }
    l->table = false;
    l->style = (md_style){0};
    for (uint32_t c = 0; c < cols; c++)
        width[c] = width[c] > 0 ? width[c] : 1;
    if (!l->failed && fit(width, cols, l->room))
        columns(l, width, cols, head);
    else if (!l->failed)
        list(l, head);
    put_notes(l);
    free(width);
}
