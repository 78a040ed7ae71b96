#include "tui/app_private.h"

#include <stdio.h>
#include <string.h>

/* --- the app's own actions ------------------------------------------------------------------- */

static bool screen_takes(ui_app *app, ui_action a)
{
    app_page *p = ui_app_current(app);
    return p->self && p->row->action(p->self, a);
}

static bool to_screen(ui_app *app, ui_action a)
{
    int digit = (int)(a - UI_ACT_ANY_SCREEN_1) + 1;
    for (size_t i = 0; i < app->n_page; i++)
        if (app->page[i].digit == digit)
            return ui_app_enter(app, i) && ui_app_bring(app, i);
    return false;
}

static bool back(ui_app *app, ui_action a)
{
    if (!screen_takes(app, a) && !ui_app_leave(app))
        ui_app_quit(app);
    return true;
}

/* Popup, text, filter, banner, parent, nothing: Esc never quits (tui.md 4.2). */
static bool escape(ui_app *app, ui_action a)
{
    if (screen_takes(app, a))
        return true;
    if (app->sticky[0])
        app->sticky[0] = '\0';
    else
        ui_app_leave(app);
    return true;
}

static bool quit(ui_app *app, ui_action a)
{
    (void)a;
    ui_app_quit(app);
    return true;
}

static bool open_panel(ui_app *app, ui_action a)
{
    ui_app_panel_open(app, a == UI_ACT_ANY_JOBS     ? APP_JOBS_PANEL
                           : a == UI_ACT_ANY_ERRORS ? APP_ERRORS
                           : a == UI_ACT_ANY_HELP   ? APP_HELP
                                                    : APP_PALETTE);
    return true;
}

static void set_mouse(ui_app *app, bool on)
{
    app->mouse = on;
    if (app->term)
        ui_term_mouse(app->term, on);
}

static bool mouse(ui_app *app, ui_action a)
{
    (void)a;
    set_mouse(app, !app->mouse);
    ui_app_say(app, app->mouse ? "mouse on: drag with Shift to select text"
                               : "mouse off: the terminal selects text");
    return true;
}

/* The screen decides what bare means for it; the mouse is the terminal's meanwhile. */
static bool bare(ui_app *app, ui_action a)
{
    app->bare = !app->bare;
    screen_takes(app, a);
    if (app->term)
        ui_term_mouse(app->term, app->mouse && !app->bare);
    if (app->bare)
        ui_app_say(app, "bare view: the mouse selects text, %s brings all back",
                   ui_app_keys(app, a));
    return true;
}

static bool redraw(ui_app *app, ui_action a)
{
    (void)a;
    if (app->term)
        ui_term_redraw(app->term);
    return true;
}

static bool suspend(ui_app *app, ui_action a)
{
    (void)a;
    ui_app_suspend(app);
    return true;
}

static const struct {
    ui_action action;
    bool (*run)(ui_app *app, ui_action a);
} own[] = {
    {UI_ACT_ANY_SCREEN_1, to_screen}, {UI_ACT_ANY_SCREEN_2, to_screen},
    {UI_ACT_ANY_SCREEN_3, to_screen}, {UI_ACT_ANY_SCREEN_4, to_screen},
    {UI_ACT_ANY_SCREEN_5, to_screen}, {UI_ACT_ANY_SCREEN_6, to_screen},
    {UI_ACT_ANY_BACK, back},          {UI_ACT_ANY_ESCAPE, escape},
    {UI_ACT_ANY_QUIT, quit},          {UI_ACT_ANY_JOBS, open_panel},
    {UI_ACT_ANY_ERRORS, open_panel},  {UI_ACT_ANY_HELP, open_panel},
    {UI_ACT_ANY_PALETTE, open_panel}, {UI_ACT_ANY_MOUSE, mouse},
    {UI_ACT_ANY_BARE, bare},          {UI_ACT_ANY_REDRAW, redraw},
    {UI_ACT_ANY_SUSPEND, suspend},
};

bool ui_app_action(ui_app *app, ui_action a)
{
    ui_app_dirty(app);
    for (size_t i = 0; i < countof(own); i++)
        if (own[i].action == a)
            return own[i].run(app, a);
    return screen_takes(app, a);
}

/* --- keys ------------------------------------------------------------------------------------ */

static bool in_text(ui_app *app)
{
    app_page *p = ui_app_current(app);
    return p->self && p->row->text_mode && p->row->text_mode(p->self);
}

static void to_page(ui_app *app, const ui_key *k)
{
    app_page *p = ui_app_current(app);
    if (p->self && p->row->key && p->row->key(p->self, k))
        return;
    if (k->code == UI_K_PASTE)
        ui_app_say(app, "pasted text goes where letters type: no field has the focus");
}

/* What acts even over a panel. */
static bool over_panels(ui_action a)
{
    return a == UI_ACT_ANY_QUIT || a == UI_ACT_ANY_REDRAW || a == UI_ACT_ANY_SUSPEND;
}

void ui_app_key(ui_app *app, const ui_key *k)
{
    uint32_t none = 0;
    ui_app_dirty(app);
    ui_app_current(app)->wake = 0;
    if (k->code == UI_K_FOCUS_IN || k->code == UI_K_FOCUS_OUT || k->code == UI_K_NONE)
        return;
    if (k->code == UI_K_RESIZE) {
        ui_app_resize(app, k->x, k->y);
        return;
    }
    app->message[0] = '\0';
    ui_scope scope = ui_app_current(app)->row->scope;
    ui_action a = ui_keymap_find(app->keys, scope, true, k, &none);
    if (over_panels(a) && !(a == UI_ACT_ANY_QUIT && app->confirm.open)) {
        ui_app_action(app, a);
        return;
    }
    if (k->code == UI_K_MOUSE) {
        ui_app_mouse(app, k);
        return;
    }
    if (app->confirm.open) {
        ui_app_confirm_key(app, k);
        return;
    }
    if (app->panel != APP_NO_PANEL) {
        ui_app_panel_row_of(app->panel)->key(app, k);
        return;
    }
    bool text = in_text(app);
    if (k->code == UI_K_PASTE) {
        to_page(app, k);
        return;
    }
    a = ui_keymap_find(app->keys, scope, text, k, &app->prefix);
    app->prefix_at = nb_now();
    if (a == UI_ACT_NONE || !ui_app_action(app, a))
        if (!app->prefix)
            to_page(app, k);
}
