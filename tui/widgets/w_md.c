#include "tui/widgets/md_own.h"

#include <stdlib.h>
#include <string.h>

enum { WIDEST = 1000, CODE_INDENT = 4 };

void *ui_md_more(md_lay *l, void *at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return at;
    size_t more = *cap ? *cap * 2 : 16;
    void *grown = more <= SIZE_MAX / size ? realloc(at, more * size) : NULL;
    if (!grown) {
        l->failed = true;
        return NULL;
    }
    *cap = more;
    return grown;
}

/* --- front matter ---------------------------------------------------------------------------- */

/* Line s[*at, end) and its length without line end; *at moves behind it. */
static size_t next_line(const char *s, size_t n, size_t *at)
{
    size_t from = *at;
    const char *nl = memchr(s + from, '\n', n - from);
    size_t end = nl ? (size_t)(nl - s) : n;
    *at = nl ? end + 1 : n;
    while (end > from && (md_is_white(s[end - 1]) || s[end - 1] == '\r'))
        end--;
    return end - from;
}

static size_t bom(const char *s, size_t n)
{
    return n >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* The byte behind it, 0 = there is none. */
static size_t read_front(const char *s, size_t n, size_t *at, size_t *len)
{
    size_t p = bom(s, n), line = p;
    if (p == n || next_line(s, n, &p) != 3 || memcmp(s + line, "---", 3) != 0)
        return 0;
    *at = p;
    while (p < n) {
        line = p;
        if (next_line(s, n, &p) == 3 &&
            (memcmp(s + line, "---", 3) == 0 || memcmp(s + line, "...", 3) == 0)) {
            *len = line - *at;
            return p;
        }
    }
    return 0;
}

bool ui_md_front(const char *text, size_t n, size_t *at, size_t *len)
{
    return read_front(text, n, at, len) > 0;
}

/* Where the Markdown begins. */
static uint32_t start_of(const char *text, size_t n, bool chat)
{
    size_t at, len, front = chat ? 0 : read_front(text, n, &at, &len);
    return (uint32_t)(front ? front : bom(text, n));
}

/* --- blocks to rows -------------------------------------------------------------------------- */

/* Where byte `at` of the text is in the joined lines; SIZE_MAX: behind them. */
static size_t joined_at(const md_lay *l, const md_leaf *leaf, size_t at)
{
    size_t from = 0;
    for (size_t i = 0; i < leaf->n_line; i++) {
        const md_line *line = &l->line[leaf->line + i];
        if (at <= line->end)
            return from + (at > line->at ? at - line->at : 0);
        from += line->end - line->at + 1;
    }
    return SIZE_MAX;
}

/* Makes l->s the leaf's lines as one text: *at up to *end, without white at the end. */
static void aim(md_lay *l, const md_leaf *leaf, uint32_t *at, uint32_t *end)
{
    const md_line *line = leaf->n_line ? &l->line[leaf->line] : NULL;
    l->s = l->text;
    l->mark = l->look.mark ? l->look.mark_at : SIZE_MAX;
    l->mark_end = l->look.mark ? l->look.mark_at + l->look.mark_len : SIZE_MAX;
    *at = line ? line->at : 0;
    *end = line ? line->end : 0;
    if (leaf->n_line > 1) {
        nb_str_clear(&l->join);
        for (size_t i = 0; i < leaf->n_line; i++) {
            nb_str_addn(&l->join, i ? "\n" : "", i > 0);
            nb_str_addn(&l->join, l->text + line[i].at, line[i].end - line[i].at);
        }
        l->failed |= l->join.failed;
        l->s = nb_str_c(&l->join);
        *at = 0;
        *end = (uint32_t)l->join.len;
        l->mark = l->look.mark ? joined_at(l, leaf, l->mark) : SIZE_MAX;
        l->mark_end = l->look.mark ? joined_at(l, leaf, l->mark_end) : SIZE_MAX;
    }
    while (*end > *at && md_is_white(l->s[*end - 1]))
        (*end)--;
}

static void prefix(md_lay *l, const md_leaf *leaf)
{
    ui_md_prefix(l, leaf->n_box ? &l->box[leaf->box] : NULL, leaf->n_box, leaf->common);
}

static bool begins_item(const md_lay *l, const md_leaf *leaf)
{
    for (size_t i = 0; i < leaf->n_box; i++)
        if (l->box[leaf->box + i].first)
            return true;
    return false;
}

static bool shows_nothing(const md_lay *l, const md_flow *f)
{
    const char *s = nb_str_c(&l->m->shown);
    uint32_t at = f->at;
    while (at < f->end && (s[at] == ' ' || s[at] == '\n'))
        at++;
    return at == f->end;
}

static void lay_text(md_lay *l, const md_leaf *leaf)
{
    static const char marks[] = "###### ";
    uint32_t at, end;
    aim(l, leaf, &at, &end);
    prefix(l, leaf);
    l->style.head = leaf->kind == MD_HEAD;
    md_flow f = ui_md_flow_begin(l);
    if (leaf->kind == MD_HEAD)
        ui_md_say(l, at, marks + 6 - leaf->level, leaf->level + 1u);
    ui_md_inline(l, at, end);
    ui_md_flow_end(l, &f);
    if (!shows_nothing(l, &f))
        ui_md_flow_rows(l, &f, true);
    else if (begins_item(l, leaf))
        ui_md_row_begin(l, MD_PLAIN, 0);
}

static int cells_from(const md_lay *l, size_t at)
{
    const nb_str *s = &l->m->shown;
    int cells = 0, w;
    for (; at < s->len; cells += w)
        at += ui_cluster(s->at + at, s->len - at, &w);
    return cells;
}

static void put_spaces(md_lay *l, uint32_t at, uint32_t n)
{
    static const char white[] = "                ";
    for (uint32_t k; n > 0; n -= k) {
        k = n < sizeof white - 1 ? n : (uint32_t)sizeof white - 1;
        ui_md_say(l, at, white, k);
    }
}

/* A line of code with its tabs as spaces. */
static void put_code(md_lay *l, const md_line *line)
{
    int col = (int)(line->indent % 4);
    put_spaces(l, line->at, line->indent);
    for (uint32_t at = line->at, from = at; at <= line->end; at++) {
        if (at < line->end && l->text[at] != '\t')
            continue;
        size_t shown = l->m->shown.len;
        ui_md_put(l, from, at - from);
        col = (col + cells_from(l, shown)) % 4;
        if (at < line->end)
            put_spaces(l, at, (uint32_t)(4 - col));
        col = 0;
        from = at + 1;
    }
}

static void lay_code(md_lay *l, const md_leaf *leaf)
{
    uint32_t at, end;
    aim(l, leaf, &at, &end);
    prefix(l, leaf);
    l->s = l->text;
    l->mark = l->look.mark ? l->look.mark_at : SIZE_MAX;
    l->mark_end = l->look.mark ? l->look.mark_at + l->look.mark_len : SIZE_MAX;
    l->style.code = 1;
    int in = l->room >= 10 * CODE_INDENT ? CODE_INDENT : l->room >= 12 ? CODE_INDENT / 2 : 0;
    const ui_canvas c = {.ascii = l->look.ascii};
    for (size_t i = 0; i < leaf->n_line && !l->full && !l->failed; i++) {
        l->n_run = 0;
        md_flow f = ui_md_flow_begin(l);
        put_code(l, &l->line[leaf->line + i]);
        ui_md_flow_end(l, &f);
        ui_md_row_begin(l, MD_PLAIN, 0);
        for (md_pen p = {f.at, f.run}, from = p; p.at < f.end; from = p) {
            uint32_t stop = ui_md_wrap(l, &f, &p, l->room - in, false);
            ui_md_row_put(l, &f, from, stop, l->left + in);
            if (p.at == f.end || l->full)
                break;
            ui_md_row_begin(l, MD_PLAIN, 0); /* goes on: marked left of it */
            if (in)
                ui_md_row_text(l, ui_glyph_text(&c, UI_G_ELLIPSIS), l->left + in - 2);
        }
    }
}

static void lay_html(md_lay *l, const md_leaf *leaf)
{
    uint32_t at, end;
    aim(l, leaf, &at, &end);
    ui_md_html(l, leaf, at, end);
}

static void lay_rule(md_lay *l, const md_leaf *leaf)
{
    prefix(l, leaf);
    ui_md_row_begin(l, MD_RULED, (uint32_t)l->left);
}

static void lay_table(md_lay *l, const md_leaf *leaf)
{
    uint32_t at, end;
    md_leaf none = *leaf;
    none.n_line = 0; /* its cells are places in the whole text */
    aim(l, &none, &at, &end);
    prefix(l, leaf);
    ui_md_table(l, leaf);
}

static void (*const lay_kind[])(md_lay *, const md_leaf *) = {
    [MD_PARA] = lay_text, [MD_HEAD] = lay_text, [MD_CODE] = lay_code,
    [MD_HTML] = lay_html, [MD_RULE] = lay_rule, [MD_TABLE] = lay_table,
};

static void lay_leaf(md_lay *l, const md_leaf *leaf)
{
    if (leaf->kind == MD_NONE)
        return;
    l->m->gap |= leaf->gap || (leaf->kind == MD_HEAD && !begins_item(l, leaf));
    l->style = (md_style){0};
    l->n_run = 0;
    l->leaf_at = leaf->n_line ? l->line[leaf->line].at : 0;
    lay_kind[leaf->kind](l, leaf);
}

/* --- all of it ------------------------------------------------------------------------------- */

static void rewind_to(ui_md *m, const md_tail *t)
{
    m->shown.len = t->shown;
    m->shown.failed = false;
    m->n_piece = t->n_piece;
    m->n_row = t->n_row;
    m->n_grid = t->n_grid;
    m->n_def = t->n_def;
    m->expanded = t->expanded;
    m->marked = t->marked;
    m->gap = t->gap;
}

static void snap(md_lay *l)
{
    ui_md *m = l->m;
    m->tail = l->top;
    m->tail.shown = m->shown.len;
    m->tail.n_piece = m->n_piece;
    m->tail.n_row = m->n_row;
    m->tail.n_grid = m->n_grid;
    m->tail.expanded = m->expanded;
    m->tail.marked = m->marked;
    m->tail.gap = m->gap;
}

static uint64_t def_sum(const ui_md *m)
{
    uint64_t sum = m->n_def;
    for (size_t i = 0; i < m->n_def; i++)
        sum = sum * 0x100000001b3u + ((uint64_t)m->def[i].to << 20 ^ m->def[i].to_len);
    return sum;
}

static void say_cut(md_lay *l)
{
    ui_md *m = l->m;
    l->full = false;
    ui_md_prefix(l, NULL, 0, 0);
    if (m->n_row >= UI_MD_ROWS) {
        m->n_row = UI_MD_ROWS - 1;
        m->n_piece = m->row[m->n_row].piece;
    }
    ui_md_row_begin(l, MD_PLAIN, 0);
    ui_md_row_text(l, "[too long: the rest is not shown]", 0);
}

static void lay_all(md_lay *l, bool grown)
{
    ui_md *m = l->m;
    ui_md_blocks(l, &m->tail);
    uint64_t sum = def_sum(m);
    if (grown && sum != m->def_sum) { /* blocks above may have become links */
        m->tail = (md_tail){.src = m->start};
        rewind_to(m, &m->tail);
        ui_md_blocks(l, &m->tail);
    }
    m->def_sum = sum;
    ui_md_defs_sort(l);
    for (size_t i = 0; i < l->n_leaf && !l->failed && !l->full; i++) {
        if (i == l->top.leaf)
            snap(l);
        lay_leaf(l, &l->leaf[i]);
        l->failed |= m->shown.failed;
    }
    if (l->top.leaf >= l->n_leaf)
        snap(l);
    ui_md_mark_end(l);
}

static bool same_look(const ui_md_look *a, const ui_md_look *b)
{
    return a->width == b->width && a->ascii == b->ascii && a->chat == b->chat &&
           a->mark == b->mark &&
           (!a->mark || (a->mark_at == b->mark_at && a->mark_len == b->mark_len));
}

nb_status ui_md_lay(ui_md **out, const char *text, size_t n, const ui_md_look *look, nb_err *err)
{
    ui_md *m = *out ? *out : nb_alloc(1, sizeof *m, "Markdown", err);
    if (!m)
        return NB_NOMEM;
    *out = m;
    bool same = m->laid && same_look(&m->look, look);
    if (same && m->len == n)
        return NB_OK;
    md_lay l = {.m = m, .text = text, .n = n < UI_MD_MAX ? (uint32_t)n : UI_MD_MAX, .look = *look};
    l.look.width = look->width < 1 ? 1 : look->width > WIDEST ? WIDEST : look->width;
    uint32_t start = start_of(text, l.n, look->chat);
    bool grown = same && n > m->len && m->len < UI_MD_MAX && start == m->start;
    m->start = start;
    if (!grown)
        m->tail = (md_tail){.src = start};
    rewind_to(m, &m->tail);
    lay_all(&l, grown);
    if (l.full || n > UI_MD_MAX)
        say_cut(&l);
    bool ok = !l.failed && !m->shown.failed;
    m->look = *look;
    m->len = n;
    m->laid = ok;
    m->n_row = ok ? m->n_row : 0;
    void *const scratch[] = {l.line,  l.box,  l.leaf, l.run,   l.item,
                             l.delim, l.cell, l.note, l.align, l.label};
    for (size_t i = 0; i < countof(scratch); i++)
        free(scratch[i]);
    nb_str_free(&l.join);
    return ok ? NB_OK : nb_fail(err, NB_NOMEM, "Markdown of %zu bytes: no memory for its rows", n);
}

size_t ui_md_rows(const ui_md *m)
{
    return m ? m->n_row : 0;
}

void ui_md_close(ui_md **m)
{
    if (!*m)
        return;
    nb_str_free(&(*m)->shown);
    free((*m)->piece);
    free((*m)->row);
    free((*m)->grid);
    free((*m)->def);
    free(*m);
    *m = NULL;
}

/* --- drawing --------------------------------------------------------------------------------- */

/* Bars between columns, or the line that crosses them. */
static void draw_grid(const uint16_t *grid, ui_canvas *c, ui_rect r, bool crossed)
{
    size_t n = grid[0];
    int x = grid[n + 1], end = grid[n + 2] < r.w ? grid[n + 2] : r.w;
    if (crossed)
        ui_fill(c, (ui_rect){r.x + x, r.y, end - x, 1}, UI_BORDER, ui_glyph_text(c, UI_G_H));
    for (size_t i = 1; i <= n; i++)
        if (grid[i] < r.w)
            ui_text(c, r.x + grid[i], r.y, UI_BORDER,
                    ui_glyph_text(c, crossed ? UI_G_CROSS : UI_G_V));
}

static void draw_row(const ui_md *m, size_t i, ui_canvas *c, ui_rect r)
{
    const md_row *row = &m->row[i];
    size_t end = i + 1 < m->n_row ? row[1].piece : m->n_piece;
    int x = (int)row->where;
    if (row->deco == MD_RULED)
        ui_fill(c, (ui_rect){r.x + x, r.y, r.w - x, 1}, UI_BORDER, ui_glyph_text(c, UI_G_H));
    else if (row->deco != MD_PLAIN)
        draw_grid(m->grid + row->where, c, r, row->deco == MD_CROSSED);
    for (size_t k = row->piece; k < end; k++) {
        const md_piece *p = &m->piece[k];
        if (p->x < r.w)
            ui_textn(c, r.x + p->x, r.y, (ui_role)p->role, p->attrs, nb_str_c(&m->shown) + p->at,
                     p->len, r.w - p->x);
    }
}

void ui_md_draw(const ui_md *m, ui_canvas *c, ui_rect r, size_t top)
{
    int width = m && m->look.width < r.w ? m->look.width : r.w;
    for (int y = 0; y < r.h && top + (size_t)y < ui_md_rows(m); y++)
        draw_row(m, top + (size_t)y, c, (ui_rect){r.x, r.y + y, width, 1});
}
