/* Widgets are pure: (canvas, rectangle, state) -> cells. State structs are plain and belong to the
 * screen that shows them. */
#ifndef NIBBLE_WIDGET_H
#define NIBBLE_WIDGET_H

#include "core/quant/hist.h"
#include "tui/canvas.h"
#include "tui/keys.h"

/* --- list: a cursor over n rows, scrolled, filtered and marked by the owner ---------------------
 */
enum { UI_COLUMNS = 16 }; /* of a table, at most */
typedef struct ui_list {
    size_t n, at, top; /* rows, cursor, first shown */
    /* Where the last frame drew its rows, for the mouse. w 0 = nowhere. They run down, then over
     * to the next of `across` columns (0 = one). title: first cells of a table's columns, relative
     * to the area, in the row above it; column i lasts to the next one shown. -1 = dropped. */
    ui_rect area;
    int across;
    int16_t title[UI_COLUMNS];
} ui_list;
void ui_list_set(ui_list *l, size_t n); /* keeps the cursor in range */
/* Moves by a global movement action; true if it was one. */
bool ui_list_move(ui_list *l, ui_action a, int page);
/* Clamps top so that the cursor shows in `rows`; draws nothing. */
void ui_list_scroll(ui_list *l, int rows);
/* Before a frame that may leave it out: until it is drawn again the mouse finds nothing there. */
void ui_list_hide(ui_list *l);
/* The same for one drawn by its owner: scrolls so that the cursor shows, notes where it is. */
void ui_list_place(ui_list *l, ui_rect area);
/* Where a shown row goes in `area`. */
ui_rect ui_list_row(const ui_list *l, size_t row);

typedef struct ui_column {
    const char *title;
    int width;  /* cells; 0 = takes what is left */
    bool right; /* right-aligned */
    int rank;   /* dropped first when narrow: highest rank */
} ui_column;
/* Header row and rows; cell(arg, row, col, buf, cap) gives text, *role its role. `>` marks the
 * cursor, '*' a marked row (mark(arg,row)). Sets the hardware cursor when focused. */
typedef struct ui_table {
    const ui_column *col;
    size_t n_col;
    void (*cell)(const void *arg, size_t row, size_t col, char *buf, size_t cap, ui_role *role);
    char (*mark)(const void *arg, size_t row); /* ' ', '*', '!' */
    const void *arg;
} ui_table;
void ui_table_draw(ui_canvas *c, ui_rect r, const ui_table *t, ui_list *l, bool focused);

/* --- mouse: what lies under a cell of the last frame ---------------------------------------------
 */
/* The row there, SIZE_MAX = none. */
size_t ui_list_hit(const ui_list *l, int x, int y);
/* The table's column whose title is there, -1 = none. */
int ui_table_hit(const ui_list *l, int x, int y);
/* A press puts the cursor on the row under it; the wheel moves the view, and the cursor only where
 * it would leave it. True if it was over the list. */
bool ui_list_mouse(ui_list *l, const ui_key *k);

/* Rectangles of the last frame that are no rows, with the owner's number >= 0 for each: panes,
 * legends, inputs. */
enum { UI_SPOTS = 48 };
typedef struct ui_spots {
    struct {
        ui_rect r;
        int what;
    } at[UI_SPOTS];
    size_t n; /* 0 before each frame */
} ui_spots;
void ui_spots_add(ui_spots *s, ui_rect r, int what); /* beyond UI_SPOTS: not there */
int ui_spots_hit(const ui_spots *s, int x, int y);   /* the last added wins; -1 = none */

/* --- text input ---------------------------------------------------------------------------------
 */
enum { UI_FOLDS = 8, UI_FOLD_LINES = 20 };
typedef struct ui_input {
    nb_str text; /* a folded paste is one character of it that no text has: U+FDD0 + its slot */
    size_t at;   /* byte offset of the caret, between clusters */
    bool multiline;
    bool folds; /* a paste of more than UI_FOLD_LINES lines is shown as "[pasted 214 lines]" */
    char *fold[UI_FOLDS]; /* owned: the pastes; NULL = free */
    int top;              /* first wrapped row shown */
    ui_rect area;         /* where the last frame drew its text, for the mouse */
    size_t from;          /* one line: first byte shown there */
} ui_input;
/* readline keys, paste as one edit; true if the key was used. Enter is the owner's. */
bool ui_input_key(ui_input *in, const ui_key *k);
void ui_input_set(ui_input *in, const char *text);
/* Appends the text with every paste in full. */
void ui_input_whole(const ui_input *in, nb_str *out);
bool ui_input_folded(const ui_input *in);
/* Puts the pastes where their signs stood; false if there was none. */
bool ui_input_unfold(ui_input *in);
/* The caret goes to a cell of the last frame; false if it did not draw it there. */
bool ui_input_press(ui_input *in, int x, int y);
/* Rows it wants at this width, 1..max. */
int ui_input_rows(const ui_canvas *c, const ui_input *in, int width, int max);
void ui_input_draw(ui_canvas *c, ui_rect r, ui_input *in, const char *prompt, bool focused);
void ui_input_free(ui_input *in);

/* --- form: labelled fields with choices, toggles, texts ------------------------------------------
 */
typedef enum ui_field_kind {
    UI_FIELD_CHOICE,
    UI_FIELD_TOGGLE,
    UI_FIELD_TEXT,
    UI_FIELD_NOTE,
    UI_FIELD_BUTTON
} ui_field_kind;
typedef struct ui_field {
    const char *label;
    ui_field_kind kind;
    const char *value; /* shown, borrowed for the draw */
    const char *note;  /* right of the value, dim */
    const char *error; /* beside the field, NULL = fine */
    bool on;           /* TOGGLE */
} ui_field;
void ui_form_draw(ui_canvas *c, ui_rect r, const ui_field *f, size_t n, ui_list *l, int label_w,
                  bool focused);

/* --- pictures ------------------------------------------------------------------------------------
 */
/* Columns as eighth-block bars over r; log: log counts. Values are scaled to the largest (or max if
 * > 0). lo/hi label the axis row below when axis. */
void ui_bars_draw(ui_canvas *c, ui_rect r, const double *v, size_t n, double max, bool logy,
                  ui_role role);
/* Histogram over [lo, hi] with its axis labels; before and after share lo/hi. */
void ui_hist_draw(ui_canvas *c, ui_rect r, const nb_hist *h, double lo, double hi, bool logy,
                  bool axis, ui_role role);
/* 0..1 progress with eighths. */
void ui_progress_draw(ui_canvas *c, int x, int y, int w, double share, ui_role role);
/* One shade cell for an error level 0..3 with its ramp role. */
void ui_shade(ui_canvas *c, int x, int y, int level, ui_role ramp0);

/* --- wrapped text --------------------------------------------------------------------------------
 */
/* Byte ranges of display rows of text at a width; words wrap, long words are cut. Appends to *rows
 * (malloc'd, grown); incremental: pass the count of rows still valid. */
typedef struct ui_row {
    uint32_t start, len;
} ui_row;
nb_status ui_wrap(const char *text, size_t n, int width, ui_row **rows, size_t *count, size_t *cap,
                  nb_err *err);

#endif
