#include "tui/widgets/widget.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Height of a column in eighths of a cell; anything there shows at least one eighth. */
static int eighths(double v, double max, int rows, bool logy)
{
    if (!(v > 0) || !(max > 0))
        return 0;
    double share = logy ? log1p(v) / log1p(max) : v / max;
    int e = (int)(share * rows * 8 + 0.5);
    return e < 1 ? 1 : e > rows * 8 ? rows * 8 : e;
}

void ui_bars_draw(ui_canvas *c, ui_rect r, const double *v, size_t n, double max, bool logy,
                  ui_role role)
{
    if (max <= 0)
        for (size_t i = 0; i < n; i++)
            max = v[i] > max ? v[i] : max;
    for (int x = 0; x < r.w && (size_t)x < n; x++) {
        int e = eighths(v[x], max, r.h, logy);
        for (int y = 0; y < r.h && e > 0; y++, e -= 8)
            ui_text(c, r.x + x, r.y + r.h - 1 - y, role,
                    ui_glyph_text(c, (ui_glyph)(UI_G_BAR0 + (e > 8 ? 8 : e))));
    }
}

static void draw_axis(ui_canvas *c, ui_rect r, int y, double lo, double hi)
{
    char left[24], right[24];
    snprintf(left, sizeof left, "%.3g", lo);
    snprintf(right, sizeof right, "%.3g", hi);
    ui_text(c, r.x, y, UI_PLOT_AXIS, left);
    ui_text_right(c, r.x + r.w, y, UI_PLOT_AXIS, right);
    if (lo < 0 && hi > 0) {
        int zero = r.x + (int)(-lo / (hi - lo) * r.w);
        if (zero > r.x + (int)strlen(left) + 1 && zero < r.x + r.w - (int)strlen(right) - 1)
            ui_text(c, zero, y, UI_PLOT_AXIS, "0");
    }
}

void ui_hist_draw(ui_canvas *c, ui_rect r, const nb_hist *h, double lo, double hi, bool logy,
                  bool axis, ui_role role)
{
    double column[512], below, above;
    int cols = r.w < (int)countof(column) ? r.w : (int)countof(column);
    int rows = r.h - (axis ? 1 : 0);
    if (cols < 1 || rows < 1 || !(hi > lo))
        return;
    nb_hist_columns(h, lo, hi, column, (size_t)cols, &below, &above);
    ui_bars_draw(c, (ui_rect){r.x, r.y, cols, rows}, column, (size_t)cols, 0, logy, role);
    if (axis)
        draw_axis(c, (ui_rect){r.x, r.y, cols, r.h}, r.y + r.h - 1, lo, hi);
}

void ui_progress_draw(ui_canvas *c, int x, int y, int w, double share, ui_role role)
{
    if (w < 1)
        return;
    share = share >= 0 ? (share <= 1 ? share : 1) : 0;
    int e = (int)(share * w * 8);
    for (int i = 0; i < w; i++, e -= 8) {
        const char *g = e >= 8  ? ui_glyph_text(c, UI_G_LEFT8_END)
                        : e > 0 ? ui_glyph_text(c, (ui_glyph)(UI_G_LEFT8 + e - 1))
                                : ui_glyph_text(c, UI_G_DOT);
        ui_text(c, x + i, y, e > 0 ? role : UI_DIM, g);
    }
}

void ui_shade(ui_canvas *c, int x, int y, int level, ui_role ramp0)
{
    level = level < 0 ? 0 : level > 3 ? 3 : level;
    ui_text(c, x, y, (ui_role)(ramp0 + (ui_role)level),
            ui_glyph_text(c, (ui_glyph)(UI_G_SHADE0 + level)));
}
