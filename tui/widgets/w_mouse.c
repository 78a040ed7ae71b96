#include "tui/widgets/widget.h"

enum { WHEEL = 3 }; /* rows of one notch */

static bool within(ui_rect r, int x, int y)
{
    return x >= r.x && x < r.x + r.w && y >= r.y && y < r.y + r.h;
}

size_t ui_list_hit(const ui_list *l, int x, int y)
{
    size_t rows = (size_t)l->area.h * (l->across > 1 ? (size_t)l->across : 1);
    if (!within(l->area, x, y))
        return SIZE_MAX;
    for (size_t i = l->top; i < l->n && i < l->top + rows; i++)
        if (within(ui_list_row(l, i), x, y))
            return i;
    return SIZE_MAX;
}

int ui_table_hit(const ui_list *l, int x, int y)
{
    int hit = -1;
    if (!within((ui_rect){l->area.x, l->area.y - 1, l->area.w, 1}, x, y))
        return -1;
    for (int i = 0; i < UI_COLUMNS; i++)
        if (l->title[i] >= 0 && x - l->area.x >= l->title[i])
            hit = i;
    return hit;
}

static void wheel(ui_list *l, bool up)
{
    size_t shown = (size_t)l->area.h * (l->across > 1 ? (size_t)l->across : 1);
    size_t last = l->n > shown ? l->n - shown : 0;
    if (up)
        l->top -= l->top < WHEEL ? l->top : WHEEL;
    else
        l->top = l->top + WHEEL < last ? l->top + WHEEL : last;
    if (l->at < l->top)
        l->at = l->top;
    if (shown && l->at >= l->top + shown)
        l->at = l->top + shown - 1;
}

bool ui_list_mouse(ui_list *l, const ui_key *k)
{
    if (k->button >= 4) {
        bool over = within(l->area, k->x, k->y);
        if (over)
            wheel(l, k->button == 4);
        return over;
    }
    size_t row = ui_list_hit(l, k->x, k->y);
    if (row == SIZE_MAX)
        return false;
    l->at = row;
    return true;
}

void ui_spots_add(ui_spots *s, ui_rect r, int what)
{
    if (s->n == UI_SPOTS || r.w < 1 || r.h < 1)
        return;
    s->at[s->n].r = r;
    s->at[s->n++].what = what;
}

int ui_spots_hit(const ui_spots *s, int x, int y)
{
    for (size_t i = s->n; i-- > 0;)
        if (within(s->at[i].r, x, y))
            return s->at[i].what;
    return -1;
}
