/* Styled text and how it becomes rows. */
#include "tui/widgets/md_own.h"

#include <string.h>

/* --- text ------------------------------------------------------------------------------------ */

static const char *glyph(const md_lay *l, ui_glyph g)
{
    const ui_canvas c = {.ascii = l->look.ascii};
    return ui_glyph_text(&c, g);
}

static void add(md_lay *l, ui_role role, unsigned attrs, const char *text, size_t n)
{
    const md_run *last = l->n_run > l->flow_run ? &l->run[l->n_run - 1] : NULL;
    if (!last || last->role != role || last->attrs != attrs) {
        md_run *run = ui_md_more(l, l->run, l->n_run, &l->cap_run, sizeof *run);
        if (!run)
            return;
        l->run = run;
        run[l->n_run++] = (md_run){(uint32_t)l->m->shown.len, (uint8_t)role, (uint8_t)attrs};
    }
    if (n == 1 && text[0] == '\n')
        nb_str_addn(&l->m->shown, text, n);
    else
        ui_shown(&l->m->shown, text, n, l->look.ascii);
    if (l->n_run && l->run[l->n_run - 1].at == l->m->shown.len)
        l->n_run--; /* ASCII drops combining marks: no run is empty */
}

static ui_role role_of(const md_style *s)
{
    return s->dim      ? UI_DIM
           : s->code   ? UI_MD_CODE
           : s->link   ? UI_MD_LINK
           : s->head   ? UI_MD_H
           : s->strike ? UI_DIM
                       : UI_TEXT;
}

static unsigned attrs_of(const md_style *s)
{
    return s->dim ? 0 : (s->strong ? UI_A_BOLD : 0) | (s->em ? UI_A_ITALIC : 0);
}

/* The marker, once its place in the source is reached. */
static void mark(md_lay *l, size_t at)
{
    const char *g = glyph(l, UI_G_DIFF);
    if (!l->look.mark || l->m->marked || at < l->mark)
        return;
    l->m->marked = true;
    add(l, UI_DIFF_FIRST, UI_A_BOLD, g, strlen(g));
}

void ui_md_put(md_lay *l, uint32_t at, uint32_t len)
{
    const uint32_t end = at + len;
    while (at < end) {
        uint32_t stop = end;
        ui_role role = role_of(&l->style);
        mark(l, at);
        if (at < l->mark && l->mark < end) {
            stop = (uint32_t)l->mark;
        } else if (at >= l->mark && at < l->mark_end) {
            role = UI_DIFF_FIRST;
            stop = l->mark_end < end ? (uint32_t)l->mark_end : end;
        }
        add(l, role, role == UI_DIFF_FIRST ? 0 : attrs_of(&l->style), l->s + at, stop - at);
        at = stop;
    }
}

void ui_md_say(md_lay *l, uint32_t at, const char *text, size_t n)
{
    bool in = l->look.mark && at >= l->mark && at < l->mark_end;
    mark(l, at);
    add(l, in ? UI_DIFF_FIRST : role_of(&l->style), in ? 0 : attrs_of(&l->style), text, n);
}

md_flow ui_md_flow_begin(md_lay *l)
{
    l->flow_run = l->n_run;
    return (md_flow){.at = (uint32_t)l->m->shown.len, .run = (uint32_t)l->n_run};
}

void ui_md_flow_end(const md_lay *l, md_flow *f)
{
    f->end = (uint32_t)l->m->shown.len;
    f->run_end = (uint32_t)l->n_run;
}

void ui_md_break(md_lay *l, const md_flow *f)
{
    const nb_str *s = &l->m->shown;
    if (s->len > f->at && s->at[s->len - 1] != '\n')
        add(l, UI_TEXT, 0, "\n", 1);
}

/* --- rows of a flow -------------------------------------------------------------------------- */

static uint32_t run_end(const md_lay *l, const md_flow *f, uint32_t run)
{
    return run + 1 < f->run_end ? l->run[run + 1].at : f->end;
}

/* One cluster; none reaches into the next run, because runs are drawn one by one. */
static uint32_t step(const char *s, uint32_t at, uint32_t end, int *w)
{
    if ((uint8_t)s[at] < 0x80 && (at + 1 == end || (uint8_t)s[at + 1] < 0x80)) {
        *w = 1;
        return 1;
    }
    return (uint32_t)ui_cluster(s + at, end - at, w);
}

/* As ui_wrap: a row ends at the last space that fits; a word wider than the row is cut. */
uint32_t ui_md_wrap(const md_lay *l, const md_flow *f, md_pen *p, int room, bool words)
{
    const char *s = nb_str_c(&l->m->shown);
    md_pen i = *p, behind = i; /* behind the last space */
    uint32_t start = i.at, space = 0;
    int used = 0;
    while (i.at < f->end) {
        int w;
        uint32_t stop = run_end(l, f, i.run), len = step(s, i.at, stop, &w);
        md_pen next = {i.at + len, i.run + (i.at + len == stop)};
        if (s[i.at] == '\n') {
            *p = next;
            return i.at;
        }
        bool white = words && s[i.at] == ' ';
        if (used + w > room && i.at > start) {
            bool back = !white && behind.at > start;
            *p = white ? next : back ? behind : i;
            return back ? space : i.at;
        }
        used += w;
        if (white) {
            space = i.at;
            behind = next;
        }
        i = next;
    }
    *p = i;
    return f->end;
}

int ui_md_flow_width(const md_lay *l, const md_flow *f)
{
    const int most = 10000;
    const char *s = nb_str_c(&l->m->shown);
    int widest = 0, used = 0, w;
    for (md_pen i = {f->at, f->run}; i.at < f->end && used < most;) {
        uint32_t stop = run_end(l, f, i.run);
        bool line = s[i.at] == '\n';
        i.at += step(s, i.at, stop, &w);
        i.run += i.at == stop;
        used = line ? 0 : used + w;
        widest = used > widest ? used : widest;
    }
    return widest;
}

/* --- rows ------------------------------------------------------------------------------------ */

static void piece(md_lay *l, int x, uint32_t at, uint32_t len, ui_role role, unsigned attrs)
{
    ui_md *m = l->m;
    if (l->full || !len)
        return;
    md_piece *a = ui_md_more(l, m->piece, m->n_piece, &m->cap_piece, sizeof *a);
    if (!a)
        return;
    m->piece = a;
    a[m->n_piece++] = (md_piece){at, len, (uint16_t)x, (uint8_t)role, (uint8_t)attrs};
}

static void push_row(md_lay *l, md_deco deco, uint32_t where)
{
    ui_md *m = l->m;
    l->full |= m->n_row >= UI_MD_ROWS;
    if (l->full)
        return;
    md_row *a = ui_md_more(l, m->row, m->n_row, &m->cap_row, sizeof *a);
    if (!a)
        return;
    m->row = a;
    a[m->n_row++] = (md_row){(uint32_t)m->n_piece, deco, where & 0x3fffffffu};
}

void ui_md_row_begin(md_lay *l, md_deco deco, uint32_t where)
{
    if (l->m->gap && l->m->n_row) {
        push_row(l, MD_PLAIN, 0);
        piece(l, 0, l->bar_at, l->bar_len, UI_DIM, 0);
    }
    l->m->gap = false;
    push_row(l, deco, where);
    if (l->first)
        piece(l, 0, l->first_at, l->first_len, UI_DIM, 0);
    else
        piece(l, 0, l->rest_at, l->rest_len, UI_DIM, 0);
    l->first = false;
}

void ui_md_row_put(md_lay *l, const md_flow *f, md_pen p, uint32_t end, int x)
{
    const char *s = nb_str_c(&l->m->shown);
    while (p.at < end) {
        uint32_t stop = run_end(l, f, p.run), at = p.at;
        stop = stop < end ? stop : end;
        piece(l, x, at, stop - at, (ui_role)l->run[p.run].role, l->run[p.run].attrs);
        for (int w; stop < end && p.at < stop; x += w) /* where the next one begins */
            p.at += step(s, p.at, stop, &w);
        p.at = stop;
        p.run++;
    }
}

void ui_md_row_text(md_lay *l, const char *text, int x)
{
    nb_str *s = &l->m->shown;
    uint32_t at = (uint32_t)s->len;
    nb_str_add(s, text);
    piece(l, x, at, (uint32_t)s->len - at, UI_DIM, 0);
}

void ui_md_flow_rows(md_lay *l, const md_flow *f, bool words)
{
    for (md_pen p = {f->at, f->run}; p.at < f->end && !l->full && !l->failed;) {
        md_pen from = p;
        uint32_t end = ui_md_wrap(l, f, &p, l->room, words);
        ui_md_row_begin(l, MD_PLAIN, 0);
        ui_md_row_put(l, f, from, end, l->left);
    }
}

/* --- what stands left of the rows ------------------------------------------------------------ */

/* Cells a container takes left of its rows. */
static int box_width(const md_box *b)
{
    int w = 2;
    for (uint32_t n = b->number; b->kind == MD_NUMBER && n > 0; n /= 10)
        w++;
    w += b->kind == MD_NUMBER && b->number == 0;
    if (b->task)
        w = b->kind == MD_NUMBER ? w + 4 : 4;
    return w;
}

/* An item's marker, box_width cells. */
static void add_marker(md_lay *l, const md_box *b)
{
    nb_str *s = &l->m->shown;
    if (b->kind == MD_NUMBER)
        nb_str_addf(s, "%u. ", (unsigned)b->number);
    if (b->task)
        nb_str_addf(s, "[%c] ", b->task);
    if (b->kind == MD_BULLET && !b->task) {
        nb_str_add(s, glyph(l, UI_G_BULLET));
        nb_str_addn(s, " ", 1);
    }
}

/* What stands left of a row in n containers; without white at the end unless `first`. */
static uint32_t add_boxes(md_lay *l, const md_box *box, size_t n, bool first, uint32_t *len)
{
    static const char white[] = "                  "; /* the widest marker: "4294967295. [x] " */
    nb_str *s = &l->m->shown;
    uint32_t at = (uint32_t)s->len;
    for (size_t i = 0; i < n; i++) {
        if (box[i].kind == MD_QUOTE) {
            nb_str_add(s, glyph(l, UI_G_V));
            nb_str_addn(s, " ", 1);
        } else if (first && box[i].first && box[i].kind != MD_LIST) {
            add_marker(l, &box[i]);
        } else {
            nb_str_addn(s, white, (size_t)box_width(&box[i]));
        }
    }
    uint32_t end = (uint32_t)s->len;
    while (!first && end > at && s->at[end - 1] == ' ')
        end--;
    *len = end - at;
    return at;
}

static bool same_boxes(const md_lay *l, const md_box *box, size_t n, size_t common)
{
    bool same = l->prefixed && l->n_last == n && l->last_common == common;
    for (size_t i = 0; same && i < n; i++)
        same = box[i].kind == l->last[i].kind && box[i].first == l->last[i].first &&
               box[i].task == l->last[i].task && box[i].number == l->last[i].number;
    return same;
}

void ui_md_prefix(md_lay *l, const md_box *box, size_t n, size_t common)
{
    size_t skip = n;
    int left = 0;
    l->first = true;
    if (same_boxes(l, box, n, common))
        return;
    l->prefixed = true;
    l->last_common = common;
    l->n_last = n;
    for (size_t i = 0; i < n; i++)
        l->last[i] = box[i];
    while (skip > 0) { /* half of the width is the text's: outer ones go first */
        int w = box_width(&box[skip - 1]);
        if (left + w > l->look.width / 2)
            break;
        left += w;
        skip--;
    }
    common = common > skip ? common - skip : 0;
    box = n ? box + skip : box;
    l->first_at = add_boxes(l, box, n - skip, true, &l->first_len);
    l->rest_at = add_boxes(l, box, n - skip, false, &l->rest_len);
    l->bar_at = add_boxes(l, box, common, false, &l->bar_len);
    l->left = left;
    l->room = l->look.width - left;
}

void ui_md_mark_end(md_lay *l)
{
    ui_md *m = l->m;
    const char *g = glyph(l, UI_G_DIFF);
    if (!l->look.mark || m->marked || l->look.mark_at > l->n || l->failed)
        return;
    const md_piece *last =
        m->n_row && m->n_piece > m->row[m->n_row - 1].piece ? &m->piece[m->n_piece - 1] : NULL;
    const ui_canvas c = {.ascii = l->look.ascii};
    int x = last ? last->x + ui_width(&c, nb_str_c(&m->shown) + last->at, last->len) : 0;
    if (x >= l->look.width || !m->n_row) {
        m->gap = false;
        ui_md_prefix(l, NULL, 0, 0);
        ui_md_row_begin(l, MD_PLAIN, 0);
        x = 0;
    }
    uint32_t at = (uint32_t)m->shown.len;
    nb_str_add(&m->shown, g);
    piece(l, x, at, (uint32_t)m->shown.len - at, UI_DIFF_FIRST, UI_A_BOLD);
    m->marked = true;
}
