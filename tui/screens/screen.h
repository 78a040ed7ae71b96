/* A screen is one const row of callbacks at the foot of its file. It draws on a canvas, turns
 * actions into changes, hears its jobs' events, and never touches the terminal. */
#ifndef NIBBLE_SCREEN_H
#define NIBBLE_SCREEN_H

#include "core/base/job.h"
#include "tui/canvas.h"
#include "tui/keys.h"

typedef struct ui_app ui_app;

typedef struct ui_screen {
    const char *name;         /* "models" */
    const char *title;        /* tab: "Models" */
    const char *title_narrow; /* tab at 80 columns: "Quant" */
    ui_scope scope;
    nb_status (*open)(void **self, ui_app *app, nb_err *err);
    void (*close)(void **self);
    /* Draws into r; hints row, tabs and job strip are the app's. May clamp scroll state. */
    void (*draw)(void *self, ui_canvas *c, ui_rect r);
    /* True if it did something. */
    bool (*action)(void *self, ui_action a);
    /* Text mode: an input has focus. key gets what no action took. NULL = never. */
    bool (*text_mode)(const void *self);
    bool (*key)(void *self, const ui_key *k);
    /* A press, a second one in its place, the wheel, over what draw drew last: a press focuses and
     * selects and never acts, but on a legend or a column's title; the second is Enter; the wheel
     * scrolls what is under it (tui.md 4.1, 4.12). True if it meant something. NULL = none does. */
    bool (*mouse)(void *self, const ui_key *k);
    void (*event)(void *self, const nb_event *e);
    /* NULL = possible now, else the reason (palette, help). */
    const char *(*why_not)(const void *self, ui_action a);
    /* Hint row, left part: "Enter open  / filter", short form below 100 columns. */
    const char *(*hints)(const void *self, bool narrow);
    /* Called before drawing; returns seconds until it wants to be drawn again, < 0 = no need. */
    double (*tick)(void *self, double now);
    /* Bytes a second that frames nobody asked for by a key may take for long, so that a slow line
     * carries them (tui 10); 0 = as many as 30 frames a second do. */
    double rate;
    /* Work in progress shown in the tab ("Quantize·1"); 0 = none. NULL allowed. */
    int (*busy)(const void *self);
    /* The screen's content as JSON, equal to the matching command's --json (tui 29). NULL allowed.
     */
    void (*json)(const void *self, nb_str *out);
    /* Arrives with something to show: a path list (NULL-terminated) and an optional note. */
    void (*show)(void *self, const char *const *paths, const char *note);
    /* Nothing to show: a restart does not come back to it, and its digit brings it the model under
     * the cursor of Models by that screen's action `from_models`. NULL = never empty. */
    bool (*empty)(const void *self);
    ui_action from_models;
} ui_screen;

#define UI_SCREEN(sym, scope, digit) extern const ui_screen ui_screen_##sym;
#include "tui/screens/screens.def"
#undef UI_SCREEN

#endif
