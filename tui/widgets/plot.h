/* Pictures of evaluations: points on two axes with their front, and a map of layers and kinds.
 * Widgets as in widget.h: pure, readable without colour, with ASCII forms. */
#ifndef NIBBLE_PLOT_H
#define NIBBLE_PLOT_H

#include "core/eval/sensitivity.h"
#include "tui/widgets/widget.h"

/* --- points --------------------------------------------------------------------------------------
 */
enum { UI_POINTS = 64 };
typedef struct ui_point {
    double x, y;   /* on a logarithmic axis not above 0 = at its low end */
    char letter;   /* what stands there */
    bool front;    /* joined by a line with the others of the front, in order of x */
    bool selected; /* ">" before the letter, reversed */
    int what;      /* for spots */
} ui_point;

typedef struct ui_axis {
    bool log;
    const char *(*text)(char out[24], double v); /* a tick's label */
} ui_axis;

typedef struct ui_plot {
    ui_axis x, y;
    const ui_point *point; /* [n], n <= UI_POINTS */
    size_t n;
} ui_plot;
/* Axes along the left and below; points that do not lie on the front get a "·" behind. spots (may
 * be NULL) gets each letter's place. The same data draws the same cells. */
void ui_plot_draw(ui_canvas *c, ui_rect r, const ui_plot *p, ui_spots *spots);

/* --- sensitivity ---------------------------------------------------------------------------------
 */
/* Kinds of tensors in rows, layers in columns, tensors outside layers in rows of one cell; shades
 * by damage, each step about a third of the one above (UI_HEAT_STEPS of the most). */
typedef struct ui_heat {
    const nb_sense_table *table; /* borrowed */
    size_t at;                   /* row of the table that is selected; SIZE_MAX = none */
    int first;                   /* layer in the first column; drawing keeps the selected in view */
    ui_rect area;                /* of the cells in the last frame; w 0 = not drawn */
} ui_heat;
/* Rows it has: kinds, a row that marks the selected layer, legend. */
int ui_heat_rows(const nb_sense_table *t);
void ui_heat_draw(ui_canvas *c, ui_rect r, ui_heat *h, bool focused);
/* Moves the selection by a movement action; true if it was one. */
bool ui_heat_move(ui_heat *h, ui_action a);
/* The tensor under a cell of the last frame, SIZE_MAX = none. */
size_t ui_heat_hit(const ui_heat *h, int x, int y);

#endif
