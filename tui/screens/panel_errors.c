/* Errors and log (E): newest first; / filters, y copies the entry with folders of the home and
 * tokens left out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/app_private.h"
#include "tui/screens/parts.h"

static void open(ui_app *app)
{
    app->sticky[0] = '\0'; /* it is read here */
    for (size_t i = 0; i < app->n_job; i++)
        app->job[i].seen = app->job[i].seen || !app->job[i].job;
    app->errors_list = (ui_list){0};
    app->errors_typing = false;
    ui_input_set(&app->items.input, "");
}

static bool matches(const ui_app *app, const app_entry *e)
{
    const char *query = nb_str_c(&app->items.input.text);
    return !*query || strcasestr(e->text, query) != NULL;
}

/* Entry `want` of those the filter leaves, newest first; NULL past the end. */
static const app_entry *entry_at(const ui_app *app, size_t want)
{
    size_t kept = app->n_log < APP_LOG ? app->n_log : APP_LOG;
    for (size_t i = 0; i < kept; i++) {
        const app_entry *e = &app->log[(app->n_log - 1 - i) % APP_LOG];
        if (matches(app, e) && want-- == 0)
            return e;
    }
    return NULL;
}

static size_t count(const ui_app *app)
{
    size_t n = 0;
    while (entry_at(app, n))
        n++;
    return n;
}

/* --- drawing --------------------------------------------------------------------------------- */

static void draw_row(ui_canvas *c, ui_rect r, const app_entry *e, bool here)
{
    char age[16], text[24];
    snprintf(text, sizeof text, "%s ago", nb_human_time(age, nb_now() - e->at));
    ui_text(c, r.x, r.y, UI_TEXT, here ? ">" : e->error ? "!" : " ");
    ui_textn(c, r.x + 2, r.y, UI_DIM, 0, text, strlen(text), 10);
    ui_textn(c, r.x + 13, r.y, e->error ? UI_ERR : UI_TEXT, 0, e->text, strlen(e->text), r.w - 13);
    if (here)
        ui_tint(c, r, UI_SELECT, 0);
}

static void draw(ui_app *app, ui_canvas *c, ui_rect area)
{
    int w = area.w >= APP_WIDE ? area.w - 8 : area.w - 2;
    char note[48];
    size_t n = count(app);
    snprintf(note, sizeof note, "%zu entries", n);
    ui_rect in = ui_app_panel_box(c, area, w, area.h < 20 ? area.h : 20, "errors and log", note);
    int whole = in.h > 10 ? 4 : 1, rows = in.h - whole - 2;
    ui_list_hide(&app->errors_list);
    if (rows < 1)
        return;
    ui_input_draw(c, (ui_rect){in.x, in.y, in.w, 1}, &app->items.input, "/ ", app->errors_typing);
    ui_list *l = &app->errors_list;
    ui_list_set(l, n);
    ui_list_place(l, (ui_rect){in.x, in.y + 1, in.w, rows});
    for (size_t i = l->top; i < n && i < l->top + (size_t)rows; i++)
        draw_row(c, ui_list_row(l, i), entry_at(app, i), i == l->at);
    const app_entry *e = entry_at(app, l->at);
    ui_rect below = {in.x, in.y + in.h - whole, in.w, whole};
    parts_lines text = ui_parts_begin(c, below);
    if (e)
        ui_parts_wrap(&text, UI_TEXT, e->text);
    else
        ui_textn(c, in.x, in.y + 1, UI_DIM, 0, "nothing went wrong so far", 25, in.w);
    if (!app->errors_typing) {
        c->cursor_x = in.x;
        c->cursor_y = in.y + 1 + (int)(l->at - l->top);
    }
}

/* --- keys ------------------------------------------------------------------------------------ */

/* The home folder becomes ~; an access token "hf_..." keeps its first letters only. */
static void redact(nb_str *out, const char *s)
{
    const char *home = getenv("HOME");
    size_t n = home ? strlen(home) : 0;
    while (*s) {
        if (n > 1 && strncmp(s, home, n) == 0 && (s[n] == '/' || !s[n])) {
            nb_str_add(out, "~");
            s += n;
        } else if (strncmp(s, "hf_", 3) == 0 && strspn(s + 3, "0123456789abcdefghijklmnopqrstuvwxyz"
                                                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ") > 8) {
            nb_str_add(out, "hf_…");
            s +=
                3 + strspn(s + 3, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
        } else {
            nb_str_addn(out, s++, 1);
        }
    }
}

static void copy(ui_app *app)
{
    const app_entry *e = entry_at(app, app->errors_list.at);
    nb_str text = {0};
    if (!e)
        return;
    redact(&text, e->text);
    if (!text.failed)
        ui_app_copy(app, nb_str_c(&text), text.len);
    nb_str_free(&text);
}

static bool typing(ui_app *app, const ui_key *k)
{
    if (k->code == UI_K_ENTER)
        app->errors_typing = false;
    else if (k->code == UI_K_ESC) {
        app->errors_typing = false;
        ui_input_set(&app->items.input, "");
    } else
        ui_input_key(&app->items.input, k);
    return true;
}

static bool key(ui_app *app, const ui_key *k)
{
    uint32_t none = 0;
    if (app->errors_typing)
        return typing(app, k);
    ui_action a = ui_keymap_find(app->keys, UI_ANY, false, k, &none);
    if (a == UI_ACT_ANY_ESCAPE || a == UI_ACT_ANY_BACK || a == UI_ACT_ANY_ERRORS)
        ui_app_panel_close(app);
    else if (a == UI_ACT_ANY_FILTER)
        app->errors_typing = true;
    else if (k->code == UI_K_CHAR && k->ch == 'y' && !k->ctrl && !k->alt)
        copy(app);
    else
        ui_list_move(&app->errors_list, a, 12);
    return true;
}

/* A press on the filter, which stands above the rows, begins to type. */
static void mouse(ui_app *app, const ui_key *k)
{
    const ui_list *l = &app->errors_list;
    bool press = k->button == 1, beside = k->x < l->area.x || k->x >= l->area.x + l->area.w;
    bool filter = press && !beside && k->y == l->area.y - 1;
    bool row = ui_list_mouse(&app->errors_list, k);
    if (filter || (row && press))
        app->errors_typing = filter;
    if (filter)
        ui_input_press(&app->items.input, k->x, k->y);
}

static const char *hints(const ui_app *app, bool narrow)
{
    if (app->errors_typing)
        return "Enter keep  Esc clear";
    return narrow ? "/ filter  y copy  Esc" : "/ filter  y copy  j k move  Esc close";
}

const app_panel_row ui_app_errors_row = {
    .open = open, .draw = draw, .key = key, .mouse = mouse, .hints = hints};
