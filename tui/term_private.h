/* What the terminal's files share. term.c: opening, modes, keys. ui_term_draw.c: colours, cells.
 * term_sig.c: signals and the way back. Curses types stay in the first two. */
#ifndef NIBBLE_TERM_PRIVATE_H
#define NIBBLE_TERM_PRIVATE_H

#include <termios.h>

#include "tui/term.h"
#include "tui/term_input.h"

typedef struct term_look {
    unsigned attrs; /* attr_t */
    int pair;
} term_look;

struct ui_term {
    void *screen; /* SCREEN */
    int in, out;
    char name[64]; /* terminfo entry in use */
    bool color, ascii, mouse, active, redraw;
    int colors; /* 0 = none */
    term_look look[UI_ROLE_COUNT];
    ui_cell *shown; /* what the terminal shows, [h][w] */
    int *done;      /* [h] while drawing: columns seen to */
    int shown_w, shown_h, cursor_x, cursor_y;
    size_t written;         /* estimate of the last frame's bytes */
    int stderr_was, log_fd; /* fd 2 before; where it leads meanwhile */
    int deaf;               /* reads that failed since the last that did not */
    struct termios saved;
    ui_decode input;
    double asked; /* seconds, when the terminal was asked about itself; < 0 = it was not */
    bool told;    /* its background was passed on */
};

/* term.c */
/* Before and after a frame, so that a terminal that said it can shows it whole. */
void ui_term_frame(const ui_term *t, bool begins);

/* ui_term_draw.c */
void ui_term_look_compile(ui_term *t, const ui_theme *theme);
bool ui_term_draw(ui_term *t, const ui_canvas *c);
/* Index of the nearest colour the terminal has; -1 = its default. */
int ui_term_color_index(int32_t rgb, int colors);

/* term_sig.c: what the handlers need, given before they are installed. `restore` is copied. */
typedef struct term_last_words {
    int out, in, log_fd;
    const char *restore;
    const struct termios *saved;
} term_last_words;
nb_status ui_term_signals_open(const term_last_words *words, nb_err *err);
void ui_term_signals_close(void);
/* While inactive the handlers leave the terminal alone and SIGTSTP stops the process. stderr_was:
 * where fd 2 led before it was moved, to be given back with the terminal; -1 = it was not. */
void ui_term_signals_active(bool active, int stderr_was);
uint64_t ui_term_signals_take(void);
int ui_term_signals_fd(void);

#endif
