/* What is on screen, without a terminal: a grid of cells with a role each. Screens and widgets draw
 * here; term.c sends the differences to the terminal; tests and --script read it as text.
 *
 * Text put on a canvas is sanitised (nb_safe_text, one line) and clipped to the clip rectangle, so
 * nothing foreign can reach the terminal and nothing is drawn outside. In ASCII mode every glyph
 * has an ASCII form. Drawing never fails; it allocates only when a text that is not plain ASCII is
 * longer than any before (out of memory: it is not drawn).
 *
 * Text that has too little room says so by an ellipsis. Where it does not, because the clip
 * rectangle or another text took letters of it, the canvas notes a cut: tests hold every screen to
 * none (tui 2). */
#ifndef NIBBLE_CANVAS_H
#define NIBBLE_CANVAS_H

#include "core/base/str.h"
#include "tui/theme.h"

typedef struct ui_rect {
    int x, y, w, h;
} ui_rect;

typedef struct ui_cell {
    char text[20]; /* one cluster in UTF-8, zeros behind; "" = the right half of a wide one */
    uint8_t width; /* 1 or 2; 0 = right half */
    uint8_t role;
    uint8_t attrs;  /* added to the role's */
    uint32_t owner; /* number of the frame's text it belongs to; 0 = none, filled or blank */
} ui_cell;

/* A text that lost letters without an ellipsis. */
typedef struct ui_cut {
    int x, y;      /* where it begins; painted over, where it breaks off */
    char text[64]; /* what was put there, as much as fits */
} ui_cut;
enum { UI_CUTS = 16 };

typedef struct ui_canvas {
    int w, h;
    ui_cell *cell; /* [h][w] owned */
    ui_rect clip;
    bool ascii;
    int cursor_x, cursor_y; /* hardware cursor; -1 = none this frame */
    nb_str shown;           /* owned: the text being drawn, sanitised */
    uint32_t n_text;        /* put in this frame */
    int n_cut;              /* noted in this frame, the first UI_CUTS of them: */
    ui_cut cut[UI_CUTS];
} ui_canvas;

/* Resizes (contents are cleared). Sizes are clamped to 1..1000. NB_NOMEM keeps the old grid. */
nb_status ui_canvas_resize(ui_canvas *c, int w, int h, nb_err *err);
void ui_canvas_free(ui_canvas *c);
void ui_canvas_clear(ui_canvas *c); /* spaces in TEXT; clip = all; no cursor, no cuts */
/* Narrows the clip to r within the present clip; returns the previous one to restore. */
ui_rect ui_canvas_clip(ui_canvas *c, ui_rect r);

/* Draws text at x, y; returns the cells it took. With a width limit >= 0, longer text ends in an
 * ellipsis and the return value is at most max. */
int ui_text(ui_canvas *c, int x, int y, ui_role role, const char *text);
int ui_textn(ui_canvas *c, int x, int y, ui_role role, unsigned attrs, const char *text, size_t n,
             int max);
int ui_textf(ui_canvas *c, int x, int y, ui_role role, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Right-aligned so that it ends before x_end. */
int ui_text_right(ui_canvas *c, int x_end, int y, ui_role role, const char *text);
void ui_fill(ui_canvas *c, ui_rect r, ui_role role, const char *glyph);
/* Changes the role of what is there (selection bars). attrs are OR-ed. */
void ui_tint(ui_canvas *c, ui_rect r, ui_role role, unsigned attrs);
/* A box with a title in the top border and a note at its right; focused = FOCUS role. */
void ui_box(ui_canvas *c, ui_rect r, const char *title, const char *note, bool focused);
static inline ui_rect ui_inside(ui_rect r)
{
    return (ui_rect){r.x + 1, r.y + 1, r.w > 2 ? r.w - 2 : 0, r.h > 2 ? r.h - 2 : 0};
}
/* Cells of text on this canvas (ASCII forms counted). */
int ui_width(const ui_canvas *c, const char *text, size_t n);
/* For who lays text out ahead: appends it as a canvas shows it, sanitised to one line; drawn from
 * there it looks the same. ascii: with ASCII forms, all of it ASCII. */
void ui_shown(nb_str *out, const char *text, size_t n, bool ascii);
/* Bytes of the first cluster of such text, and its cells, 1 or 2. */
size_t ui_cluster(const char *s, size_t n, int *width);

typedef enum ui_glyph {
    UI_G_H,
    UI_G_V,
    UI_G_TL,
    UI_G_TR,
    UI_G_BL,
    UI_G_BR,
    UI_G_LT,
    UI_G_RT,
    UI_G_BAR0,
    UI_G_BAR8 = UI_G_BAR0 + 8, /* eighths of a cell from below: 0 = space */
    UI_G_SHADE0,
    UI_G_SHADE3 = UI_G_SHADE0 + 3, /* light .. full */
    UI_G_DOT,
    UI_G_DIFF,
    UI_G_CHECK,
    UI_G_ELLIPSIS,
    UI_G_TEE,
    UI_G_ELL,
    UI_G_ARROW,
    UI_G_CARET,
    UI_G_CROSS,
    UI_G_BULLET,
    UI_G_LEFT8, /* progress bar: left eighths 1..8 follow */
    UI_G_LEFT8_END = UI_G_LEFT8 + 7,
    UI_G_COUNT
} ui_glyph;
const char *ui_glyph_text(const ui_canvas *c, ui_glyph g);

/* The grid as text: rows joined by \n, trailing spaces cut. With roles, a second block follows
 * that gives each cell's role as one character (for golden tests of colour). */
void ui_canvas_text(const ui_canvas *c, nb_str *out, bool roles);
bool ui_canvas_equal(const ui_canvas *a, const ui_canvas *b);

#endif
