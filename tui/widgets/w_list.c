#include "tui/widgets/widget.h"

#include <string.h>

void ui_list_set(ui_list *l, size_t n)
{
    l->n = n;
    if (l->at >= n)
        l->at = n ? n - 1 : 0;
    if (l->top > l->at)
        l->top = l->at;
}

bool ui_list_move(ui_list *l, ui_action a, int page)
{
    size_t last = l->n ? l->n - 1 : 0, half = page > 2 ? (size_t)page / 2 : 1;
    switch (a) {
    case UI_ACT_ANY_UP:
        l->at -= l->at > 0;
        return true;
    case UI_ACT_ANY_DOWN:
        l->at += l->at < last;
        return true;
    case UI_ACT_ANY_HALF_UP:
        l->at = l->at > half ? l->at - half : 0;
        return true;
    case UI_ACT_ANY_HALF_DOWN:
        l->at = last - l->at > half ? l->at + half : last;
        return true;
    case UI_ACT_ANY_FIRST:
        l->at = 0;
        return true;
    case UI_ACT_ANY_LAST:
        l->at = last;
        return true;
    default:
        return false;
    }
}

void ui_list_scroll(ui_list *l, int rows)
{
    size_t shown = rows > 0 ? (size_t)rows : 1;
    if (l->at < l->top)
        l->top = l->at;
    if (l->at >= l->top + shown)
        l->top = l->at - shown + 1;
    if (l->n <= shown)
        l->top = 0;
    else if (l->top + shown > l->n)
        l->top = l->n - shown;
}

void ui_list_hide(ui_list *l)
{
    l->area = (ui_rect){0};
    for (size_t i = 0; i < countof(l->title); i++)
        l->title[i] = -1;
}

static int across(const ui_list *l)
{
    return l->across > 1 ? l->across : 1;
}

void ui_list_place(ui_list *l, ui_rect area)
{
    ui_list_hide(l);
    l->area = area;
    ui_list_scroll(l, area.h * across(l));
}

ui_rect ui_list_row(const ui_list *l, size_t row)
{
    enum { BETWEEN = 2 };
    int n = across(l), i = (int)(row - l->top), h = l->area.h > 0 ? l->area.h : 1;
    int w = (l->area.w - BETWEEN * (n - 1)) / n;
    return (ui_rect){l->area.x + i / h * (w + BETWEEN), l->area.y + i % h, w, 1};
}

/* --- table --------------------------------------------------------------------------------------
 */

enum { GUTTER = 2, GAP = 2 };

/* Widths at this room: columns of the highest rank go until the rest fits; the flexible one takes
 * what is left. A dropped column has width -1. */
static void fit_columns(const ui_table *t, int room, int width[UI_COLUMNS])
{
    enum { FLEX_LEAST = 12 };
    for (size_t i = 0; i < t->n_col; i++)
        width[i] = t->col[i].width;
    for (;;) {
        int used = 0, flex = -1, worst = -1;
        for (size_t i = 0; i < t->n_col; i++) {
            if (width[i] < 0)
                continue;
            if (t->col[i].width == 0)
                flex = (int)i;
            used += (t->col[i].width ? t->col[i].width : FLEX_LEAST) + GAP;
            if (t->col[i].rank > 0 && (worst < 0 || t->col[i].rank > t->col[worst].rank))
                worst = (int)i;
        }
        used -= GAP;
        if (used > room && worst >= 0) {
            width[worst] = -1;
            continue;
        }
        if (flex >= 0)
            width[flex] = FLEX_LEAST + room - used > 1 ? FLEX_LEAST + room - used : 1;
        return;
    }
}

static void draw_cell(ui_canvas *c, int x, int y, int width, bool right, ui_role role,
                      const char *text)
{
    size_t n = strlen(text);
    int w = right ? ui_width(c, text, n) : 0;
    ui_textn(c, right && w < width ? x + width - w : x, y, role, 0, text, n, width);
}

static void draw_row(ui_canvas *c, ui_rect r, int y, const ui_table *t, const int *width,
                     size_t row, bool current, bool focused)
{
    char buf[256];
    int x = r.x + GUTTER + 1;
    char mark[2] = {t->mark ? t->mark(t->arg, row) : ' ', '\0'};
    if (mark[0] != ' ')
        ui_text(c, r.x + 1, y, UI_MARK, mark);
    for (size_t i = 0; i < t->n_col; i++) {
        if (width[i] < 0)
            continue;
        ui_role role = UI_TEXT;
        buf[0] = '\0';
        t->cell(t->arg, row, i, buf, sizeof buf, &role);
        draw_cell(c, x, y, width[i], t->col[i].right, role, buf);
        x += width[i] + GAP;
    }
    if (!current)
        return;
    ui_text(c, r.x, y, UI_FOCUS, ">");
    if (focused) {
        ui_tint(c, (ui_rect){r.x, y, r.w, 1}, UI_SELECT, 0);
        c->cursor_x = r.x;
        c->cursor_y = y;
    }
}

void ui_table_draw(ui_canvas *c, ui_rect r, const ui_table *t, ui_list *l, bool focused)
{
    int width[UI_COLUMNS], x = r.x + GUTTER + 1;
    if (r.w < 4 || r.h < 1 || t->n_col > UI_COLUMNS)
        return;
    ui_rect old = ui_canvas_clip(c, r);
    fit_columns(t, r.w - GUTTER - 1, width);
    ui_list_place(l, (ui_rect){r.x, r.y + 1, r.w, r.h - 1});
    for (size_t i = 0; i < t->n_col; i++) {
        if (width[i] < 0)
            continue;
        l->title[i] = (int16_t)(x - r.x);
        draw_cell(c, x, r.y, width[i], t->col[i].right, UI_DIM, t->col[i].title);
        x += width[i] + GAP;
    }
    for (int k = 0; k < r.h - 1 && l->top + (size_t)k < l->n; k++) {
        size_t row = l->top + (size_t)k;
        draw_row(c, r, r.y + 1 + k, t, width, row, row == l->at, focused);
    }
    c->clip = old;
}
