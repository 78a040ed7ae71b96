#include "tui/widgets/w_dots.h"

#include <math.h>
#include <string.h>

#include "core/base/str.h"

enum { ACROSS = 2, DOWN = 4 };

uint8_t ui_dots_bit(int x, int y)
{
    static const uint8_t bit[DOWN][ACROSS] = {
        {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    return bit[y % DOWN][x % ACROSS];
}

const char *ui_dots_glyph(uint8_t dots, char utf8[UI_DOTS_UTF8])
{
    memset(utf8, 0, UI_DOTS_UTF8);
    nb_utf8_put(0x2800u + dots, utf8);
    return utf8;
}

/* x and y from 0 to 1, y upwards, as dots from the upper left corner; false: outside. */
static bool place(const ui_dots *d, double x, double y, int *dx, int *dy)
{
    if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1) || d->w < 1 || d->h < 1)
        return false;
    *dx = (int)(x * (ACROSS * d->w - 1) + 0.5);
    *dy = (int)((1 - y) * (DOWN * d->h - 1) + 0.5);
    return true;
}

const char *ui_dots_text(const ui_dots *d, int x, int y, char utf8[UI_DOTS_UTF8])
{
    uint8_t dots = d->cell[y * d->w + x];
    return dots ? ui_dots_glyph(dots, utf8) : " ";
}

void ui_dots_draw(ui_canvas *c, int x, int y, const ui_dots *d, ui_role role)
{
    char utf8[UI_DOTS_UTF8];
    for (int row = 0; row < d->h; row++)
        for (int col = 0; col < d->w; col++)
            if (d->cell[row * d->w + col])
                ui_text(c, x + col, y + row, role,
                        c->ascii ? "*" : ui_dots_text(d, col, row, utf8));
}

/* --- a solver's front ----------------------------------------------------------------------------
 */

static size_t with_damage(const nb_front_point *front, size_t n)
{
    while (n && !(front[n - 1].damage > 0))
        n--;
    return n;
}

static void share_of(const nb_front_point *front, size_t n, size_t i, double *x, double *y)
{
    double x0 = (double)front[0].bytes, x1 = (double)front[n - 1].bytes;
    double y0 = log10(front[n - 1].damage), y1 = log10(front[0].damage);
    *x = x1 > x0 ? ((double)front[i].bytes - x0) / (x1 - x0) : 0;
    *y = y1 > y0 ? (log10(front[i].damage) - y0) / (y1 - y0) : 0;
}

size_t ui_dots_front(ui_dots *d, const nb_front_point *front, size_t n)
{
    double x, y;
    int dx, dy;
    n = with_damage(front, n);
    memset(d->cell, 0, (size_t)d->w * (size_t)d->h);
    for (size_t i = 0; i < n; i++) {
        share_of(front, n, i, &x, &y);
        if (place(d, x, y, &dx, &dy))
            d->cell[dy / DOWN * d->w + dx / ACROSS] |= ui_dots_bit(dx, dy);
    }
    return n;
}

int ui_dots_front_cell(const ui_dots *d, const nb_front_point *front, size_t n, size_t point)
{
    double x, y;
    int dx, dy;
    n = with_damage(front, n);
    if (point >= n)
        return -1;
    share_of(front, n, point, &x, &y);
    return place(d, x, y, &dx, &dy) ? dy / DOWN * d->w + dx / ACROSS : -1;
}
