#include "tests/md.h"

#include <string.h>

#include "tests/check.h"

ui_md *md_lay(const char *text, size_t n, const ui_md_look *look)
{
    ui_md *m = NULL;
    nb_err err = {0};
    check(ui_md_lay(&m, text, n, look, &err) == NB_OK, "%s", err.msg);
    return m;
}

/* All rows of m on a canvas of its width. */
ui_canvas md_drawn(const ui_md *m, const ui_md_look *look)
{
    ui_canvas c = {0};
    nb_err err = {0};
    int h = (int)ui_md_rows(m);
    check(ui_canvas_resize(&c, look->width, h, &err) == NB_OK, "%s", err.msg);
    c.ascii = look->ascii;
    ui_md_draw(m, &c, (ui_rect){0, 0, look->width, h}, 0);
    return c;
}

void md_text(const char *text, size_t n, const ui_md_look *look, bool roles, nb_str *out)
{
    ui_md *m = md_lay(text, n, look);
    ui_canvas c = md_drawn(m, look);
    nb_str_clear(out);
    if (ui_md_rows(m))
        ui_canvas_text(&c, out, roles);
    ui_canvas_free(&c);
    ui_md_close(&m);
}

/* Nothing unsafe in any cell; A32, A33, tui 14. */
static void cells_are_safe(const ui_canvas *c, const char *what)
{
    for (int i = 0; i < c->w * c->h; i++) {
        const ui_cell *k = &c->cell[i];
        check(k->role < UI_ROLE_COUNT, "%s: cell %d has role %d", what, i, k->role);
        for (size_t j = 0, n = strlen(k->text), used; j < n; j += used) {
            uint32_t cp = 0;
            used = nb_utf8_next(k->text + j, n - j, &cp, NULL);
            check(used > 0, "%s: cell %d is no UTF-8", what, i);
            check(cp >= 0x20 && !(cp >= 0x7f && cp < 0xa0) && !(cp >= 0x202a && cp <= 0x202e) &&
                      !(cp >= 0x2066 && cp <= 0x2069) && cp != 0x200b && cp >> 8 != 0xe00,
                  "%s: cell %d holds U+%04X", what, i, cp);
            check(!c->ascii || cp < 0x7f, "%s: cell %d holds U+%04X in ASCII", what, i, cp);
        }
    }
}

/* Draws with room to the right: no row may reach into it. */
void md_keeps_its_width(const ui_md *m, const ui_md_look *look, const char *what)
{
    ui_canvas c = {0};
    int h = ui_md_rows(m) < 400 ? (int)ui_md_rows(m) : 400;
    check(ui_canvas_resize(&c, look->width + 8, h + 1, NULL) == NB_OK, "memory");
    c.ascii = look->ascii;
    ui_md_draw(m, &c, (ui_rect){0, 0, look->width + 8, h}, 0);
    for (int y = 0; y <= h; y++)
        for (int x = y < h ? look->width : 0; x < c.w && y < c.h; x++)
            check(strcmp(c.cell[y * c.w + x].text, " ") == 0, "%s: row %d reaches cell %d of %d",
                  what, y, x, look->width);
    cells_are_safe(&c, what);
    ui_canvas_free(&c);
}
