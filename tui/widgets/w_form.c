#include "tui/widgets/widget.h"

#include <string.h>

static int draw_value(ui_canvas *c, int x, int y, int room, const ui_field *f)
{
    const char *value = f->value ? f->value : "";
    int used = 0;
    switch (f->kind) {
    case UI_FIELD_TOGGLE:
        used = ui_text(c, x, y, UI_KEY, f->on ? "[x] " : "[ ] ");
        break;
    case UI_FIELD_BUTTON:
        used = ui_text(c, x, y, UI_KEY, "[ ");
        used += ui_textn(c, x + used, y, UI_KEY, 0, value, strlen(value), room - 4);
        return used + ui_text(c, x + used, y, UI_KEY, " ]");
    default:
        break;
    }
    ui_role role = f->kind == UI_FIELD_NOTE ? UI_DIM : UI_TEXT;
    if (room > used)
        used += ui_textn(c, x + used, y, role, 0, value, strlen(value), room - used);
    return used;
}

void ui_form_draw(ui_canvas *c, ui_rect r, const ui_field *f, size_t n, ui_list *l, int label_w,
                  bool focused)
{
    enum { GUTTER = 2 };
    ui_rect old = ui_canvas_clip(c, r);
    ui_list_set(l, n);
    ui_list_place(l, r);
    for (int k = 0; k < r.h && l->top + (size_t)k < n; k++) {
        size_t i = l->top + (size_t)k;
        int y = r.y + k, x = r.x + GUTTER + label_w + 1;
        const char *label = f[i].label ? f[i].label : "";
        ui_textn(c, r.x + GUTTER, y, UI_DIM, 0, label, strlen(label), label_w);
        int room = r.x + r.w - x;
        int used = room > 0 ? draw_value(c, x, y, room, &f[i]) : 0;
        const char *after = f[i].error ? f[i].error : f[i].note;
        if (after && room - used > 3)
            ui_textn(c, x + used + 2, y, f[i].error ? UI_ERR : UI_DIM, 0, after, strlen(after),
                     room - used - 2);
        if (i != l->at)
            continue;
        ui_text(c, r.x, y, UI_FOCUS, ">");
        if (focused) {
            ui_tint(c, (ui_rect){r.x, y, r.w, 1}, UI_SELECT, 0);
            c->cursor_x = r.x;
            c->cursor_y = y;
        }
    }
    c->clip = old;
}
