/* The terminal: term.c and ui_term_draw.c are the only files that include curses. Keys in, canvas
 * differences out, and restoring the terminal whatever happens (tui.md 5). */
#ifndef NIBBLE_TERM_H
#define NIBBLE_TERM_H

#include "tui/canvas.h"
#include "tui/keys.h"

typedef struct ui_term ui_term;

typedef struct ui_term_options {
    bool color; /* false: attributes only (NO_COLOR, --color=never) */
    bool ascii; /* force ASCII glyphs */
    bool mouse; /* request SGR mouse */
    int log_fd; /* takes what is written to stderr meanwhile; -1 = nobody */
} ui_term_options;

/* There is a terminal, and it cannot be drawn on: TERM is dumb or empty, or nothing that can be
 * driven is installed here. */
bool ui_term_plain(void);
bool ui_term_utf8(void); /* the locale's characters */
/* NB_USAGE when stdin/stdout is no terminal or none can be driven; nothing was written then. */
nb_status ui_term_open(ui_term **out, const ui_term_options *opt, nb_err *err);
/* Restores everything; accepts NULL. */
void ui_term_close(ui_term **t);
void ui_term_size(const ui_term *t, int *w, int *h);
bool ui_term_ascii(const ui_term *t);
/* Once, when the terminal has told its background within 100 ms of the question that open asked:
 * 0xRRGGBB. Terminals that might print a question are not asked. */
bool ui_term_background(ui_term *t, int32_t *rgb);
/* Compiles the theme for this terminal's depth. */
void ui_term_theme(ui_term *t, const ui_theme *theme);
/* Sends what differs from the last frame; skips the frame when the terminal does not take more
 * (false: try again later). */
bool ui_term_flush(ui_term *t, const ui_canvas *c);
/* About how many bytes the last flush took; 0 for a repaint of everything. */
size_t ui_term_written(const ui_term *t);
void ui_term_redraw(ui_term *t); /* next flush repaints all */
/* One key if there is one. */
bool ui_term_key(ui_term *t, ui_key *out);
int ui_term_fd(const ui_term *t);
/* Keys can no longer be read: asked again and again, the terminal answered with errors. */
bool ui_term_lost(const ui_term *t);
void ui_term_mouse(ui_term *t, bool on);
/* Gives the terminal back (shell, $EDITOR), then takes it again. */
void ui_term_leave(ui_term *t);
void ui_term_enter(ui_term *t);
/* Puts text on the clipboard by OSC 52 (<= 74 KB); false when it is too long. */
bool ui_term_copy(ui_term *t, const char *text, size_t n);
/* Signals that arrived since last asked: bit per signal number. Handlers are installed by open:
 * fatal ones restore the terminal, write a crash note and re-raise. */
uint64_t ui_term_signals(ui_term *t);
int ui_term_signal_fd(const ui_term *t);
/* Gives the terminal and stderr back at once: async-signal-safe, for the last moment before the
 * process ends. */
void ui_term_emergency(void);
/* Ends the process by that signal, so that its status tells. */
void ui_term_die(int signal_number) __attribute__((noreturn));

/* Starts the desktop's opener (xdg-open, open) on an http(s) address, detached; false without a
 * display or an opener. term_browse.c */
bool ui_term_browse(const char *url);

#endif
