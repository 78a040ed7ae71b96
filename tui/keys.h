/* Keys as values, and the table that turns them into actions. Remapping: keys.conf lines
 * `scope.verb = keys`; a clash is a start-up warning naming both lines. */
#ifndef NIBBLE_KEYS_H
#define NIBBLE_KEYS_H

#include "core/base/str.h"

typedef enum ui_keycode {
    UI_K_NONE,
    UI_K_CHAR,
    UI_K_ENTER,
    UI_K_ESC,
    UI_K_TAB,
    UI_K_BACKTAB,
    UI_K_UP,
    UI_K_DOWN,
    UI_K_LEFT,
    UI_K_RIGHT,
    UI_K_PGUP,
    UI_K_PGDN,
    UI_K_HOME,
    UI_K_END,
    UI_K_DEL,
    UI_K_BACKSPACE,
    UI_K_F1,
    UI_K_PASTE,
    UI_K_MOUSE,
    UI_K_RESIZE,
    UI_K_FOCUS_IN,
    UI_K_FOCUS_OUT,
} ui_keycode;

typedef struct ui_key {
    ui_keycode code;
    uint32_t ch; /* CHAR: code point ('j', or 'd' with ctrl) */
    bool ctrl, alt;
    int x, y, button;  /* MOUSE: 1 left press, 2 double, 4 wheel up, 5 wheel down */
    const char *paste; /* PASTE: raw text, borrowed until the next key */
    size_t paste_len;
} ui_key;

/* "C-d", "Space", "gg" (first key only for sequences): name -> key and back. */
bool ui_key_parse(const char *name, ui_key *out);
void ui_key_name(const ui_key *k, char out[16]);

typedef enum ui_scope {
    UI_ANY,
    UI_MODELS,
    UI_DETAIL,
    UI_DOWNLOADS,
    UI_QUANTIZE,
    UI_INSPECT,
    UI_COMPARE,
    UI_CHAT,
    UI_SCOPES
} ui_scope;

typedef enum ui_action {
    UI_ACT_NONE,
#define UI_KEYROW(scope, action, keys, verb, help, safe) UI_ACT_##scope##_##action,
#include "tui/keys.def"
#undef UI_KEYROW
    UI_ACT_COUNT
} ui_action;

typedef struct ui_keyrow {
    ui_scope scope;
    ui_action action;
    const char *keys, *verb, *help;
    bool safe;
} ui_keyrow;

const ui_keyrow *ui_keyrows(size_t *count);
const ui_keyrow *ui_keyrow_of(ui_action a);

typedef struct ui_keymap ui_keymap;
/* conf: text of keys.conf or NULL. Problems are joined in *warnings (may be NULL). */
nb_status ui_keymap_open(ui_keymap **out, const char *conf, size_t n, nb_str *warnings,
                         nb_err *err);
void ui_keymap_close(ui_keymap **m);
/* The action of a key in a scope. text: only Enter, Esc, control and alt chords act. *pending is
 * the prefix typed so far ('g', 'y'), kept by the caller; set when a further key is awaited. */
ui_action ui_keymap_find(const ui_keymap *m, ui_scope scope, bool text, const ui_key *k,
                         uint32_t *pending);
/* What a key means already where it would be bound to `a`, `a` itself included; NULL = it is free.
 */
const ui_keyrow *ui_keymap_taken(const ui_keymap *m, ui_action a, const ui_key *k);
/* A keys.conf with the keys of one action changed: its first line is rewritten, further ones go, a
 * missing one is added; every other line stays byte for byte. */
void ui_keymap_edit(nb_str *out, const char *conf, size_t n, ui_action a, const char *keys);
/* Bound keys of an action as shown: "C-d PgDn". */
const char *ui_keymap_keys(const ui_keymap *m, ui_action a);

#endif
