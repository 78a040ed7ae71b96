/* A field of dots, 2 x 4 in each cell (braille, Unicode 2800): lines and clouds of points at eight
 * times the resolution of text. Where braille cannot be shown a cell with dots is an asterisk. */
#ifndef NIBBLE_W_DOTS_H
#define NIBBLE_W_DOTS_H

#include "core/quant/solve.h"
#include "tui/canvas.h"

typedef struct ui_dots {
    int w, h;      /* cells */
    uint8_t *cell; /* [h, w] owned by the caller */
} ui_dots;

enum { UI_DOTS_UTF8 = 5 };

/* Of a pattern's dots the one at x, y of its cell, counted from any cell's corner; and the
 * character that shows them. */
uint8_t ui_dots_bit(int x, int y);
const char *ui_dots_glyph(uint8_t dots, char utf8[UI_DOTS_UTF8]);

/* " " for a cell without dots. */
const char *ui_dots_text(const ui_dots *d, int x, int y, char utf8[UI_DOTS_UTF8]);
void ui_dots_draw(ui_canvas *c, int x, int y, const ui_dots *d, ui_role role);

/* The front of a solver: bytes to the right, the logarithm of damage upwards. Exact files, without
 * damage, have no place on it: returns how many points have (0: nothing was drawn). */
size_t ui_dots_front(ui_dots *d, const nb_front_point *front, size_t n);
/* The cell of a point of that front, row * w + column; -1 = nowhere. */
int ui_dots_front_cell(const ui_dots *d, const nb_front_point *front, size_t n, size_t point);

#endif
