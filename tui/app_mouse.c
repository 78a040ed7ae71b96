/* The mouse: what lies under it in the last frame is pressed, else it goes to the panel or the
 * screen there. Only single presses act on the frame: the second of a double click may lie over
 * what the first one brought. */
#include "tui/app_private.h"

#include <stdio.h>
#include <string.h>

/* --- hints ----------------------------------------------------------------------------------- */

/* "^R" and "Ctrl-R" as "C-r"; others as they are. False when the word is too long for a key. */
static bool key_name(const char *word, size_t n, char out[8])
{
    static const char *const control[] = {"^", "Ctrl-"};
    for (size_t i = 0; i < countof(control); i++) {
        size_t len = strlen(control[i]);
        if (n != len + 1 || strncmp(word, control[i], len) != 0)
            continue;
        char letter = word[len];
        snprintf(out, 8, "C-%c", letter >= 'A' && letter <= 'Z' ? letter + 32 : letter);
        return true;
    }
    if (n >= 8)
        return false;
    memcpy(out, word, n);
    out[n] = '\0';
    return true;
}

/* Two letters that are bound here, one after the other. */
static bool is_sequence(ui_app *app, const char *name)
{
    ui_key k = {.code = UI_K_CHAR, .ch = (uint8_t)name[0]};
    uint32_t pending = 0;
    ui_scope scope = ui_app_current(app)->row->scope;
    if (strlen(name) != 2 || ui_keymap_find(app->keys, scope, false, &k, &pending) || !pending)
        return false;
    k.ch = (uint8_t)name[1];
    return ui_keymap_find(app->keys, scope, false, &k, &pending) != UI_ACT_NONE;
}

static bool is_key(ui_app *app, const char *name)
{
    ui_key k;
    char again[16];
    if (!ui_key_parse(name, &k))
        return false;
    ui_key_name(&k, again);
    return strcmp(name, again) == 0 || is_sequence(app, name);
}

/* A key's spot reaches to the next key; the words behind belong to the last. */
void ui_app_hint_spots(ui_app *app, int x, int y, const char *hint, size_t n)
{
    const ui_canvas *c = &app->canvas;
    for (size_t at = 0; at < n && app->n_pressed < UI_SPOTS;) {
        size_t word = strcspn(hint + at, " ");
        char *name = app->pressed[app->n_pressed];
        word = word < n - at ? word : n - at;
        if (!key_name(hint + at, word, name) || !is_key(app, name))
            return;
        int from = x + ui_width(c, hint, at), end = x + ui_width(c, hint, n);
        ui_spots_add(&app->spots, (ui_rect){from, y, end - from, 1},
                     APP_SPOT_KEY + (int)app->n_pressed++);
        at += word + 1;
    }
}

static void press_key(ui_app *app, const char *name)
{
    ui_key k;
    bool two = is_sequence(app, name);
    if (!ui_key_parse(name, &k))
        return;
    ui_app_key(app, &k);
    if (two && ui_key_parse(name + 1, &k))
        ui_app_key(app, &k);
}

/* --- the frame ------------------------------------------------------------------------------- */

static void press_action(ui_app *app, ui_action a)
{
    bool panel = app->panel != APP_NO_PANEL;
    if (panel && a == UI_ACT_ANY_BACK)
        ui_app_panel_close(app);
    else
        ui_app_action(app, a);
}

static void press(ui_app *app, int spot)
{
    if (spot >= APP_SPOT_KEY) {
        char name[sizeof app->pressed[0]];
        memcpy(name, app->pressed[spot - APP_SPOT_KEY], sizeof name);
        press_key(app, name);
    } else if (app->confirm.open) {
        return; /* the question first */
    } else if (spot >= APP_SPOT_ACTION) {
        press_action(app, (ui_action)(spot - APP_SPOT_ACTION));
    } else if (spot == APP_SPOT_STRIP) {
        ui_app_panel_open(app, APP_JOBS_PANEL);
    } else {
        ui_app_panel_close(app);
        ui_app_action(app, (ui_action)(UI_ACT_ANY_SCREEN_1 + app->page[spot].digit - 1));
    }
}

void ui_app_mouse(ui_app *app, const ui_key *k)
{
    app_page *p = ui_app_current(app);
    int spot = ui_spots_hit(&app->spots, k->x, k->y);
    bool tiny = app->w < APP_MIN_W || app->h < APP_MIN_H; /* nothing else is drawn */
    if (spot >= 0 && k->button == 1)
        press(app, spot);
    if (spot >= 0 || app->confirm.open || tiny)
        return;
    if (app->panel != APP_NO_PANEL)
        ui_app_panel_row_of(app->panel)->mouse(app, k);
    else if (p->self && p->row->mouse)
        p->row->mouse(p->self, k);
}
