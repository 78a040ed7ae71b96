/* Palette (`:`) and help (`?`): the same rows, filtered by typing, run by Enter. Help holds only
 * what is bound here. Impossible rows stay, greyed, with the reason. */
#include <stdio.h>
#include <string.h>

#include "tui/app_private.h"

/* --- drawing --------------------------------------------------------------------------------- */

static void draw_input(ui_app *app, ui_canvas *c, ui_rect in, const char *prompt)
{
    char count[32];
    snprintf(count, sizeof count, "%zu of %zu", app->items.list.n, app->items.n);
    int w = (int)strlen(count);
    ui_input_draw(c, (ui_rect){in.x, in.y, in.w - w - 2, 1}, &app->items.input, prompt, true);
    ui_text_right(c, in.x + in.w, in.y, UI_DIM, count);
}

/* "> Quantize: dry run   D   quantize.dry   Quantize" */
static void draw_item(ui_app *app, ui_canvas *c, ui_rect r, size_t i, bool verbs)
{
    const app_item *it = ui_app_items_at(app, i);
    bool here = i == app->items.list.at, off = it->why_not[0] != '\0';
    ui_role role = off ? UI_DIM : UI_TEXT;
    int keys_w = verbs ? 12 : 16, scope_w = r.w >= 60 ? 10 : 0;
    int rest = r.w - 2 - keys_w - scope_w, verb_w = verbs && r.w >= 50 ? rest * 2 / 5 : 0;
    int name_w = rest > verb_w + 1 ? rest - verb_w : 1;
    const char *note = off ? it->why_not : verbs ? it->verb : "";
    int x = r.x + 2;
    ui_text(c, r.x, r.y, role, here ? ">" : off ? "-" : " ");
    if (!verbs) {
        ui_textn(c, x, r.y, off ? UI_DIM : UI_KEY, 0, it->keys, strlen(it->keys), keys_w - 1);
        x += keys_w;
    }
    char text[200];
    snprintf(text, sizeof text, "%s%s%s", it->name, !verbs && off ? ": " : "",
             !verbs && off ? it->why_not : "");
    ui_textn(c, x, r.y, role, 0, text, strlen(text), name_w - 1);
    x += name_w;
    if (verbs) {
        ui_textn(c, x, r.y, off ? UI_DIM : UI_KEY, 0, it->keys, strlen(it->keys), keys_w - 1);
        x += keys_w;
        ui_textn(c, x, r.y, UI_DIM, 0, note, strlen(note), verb_w ? verb_w - 1 : 0);
    }
    if (scope_w)
        ui_text_right(c, r.x + r.w, r.y, UI_DIM, ui_app_scope_title(it->scope));
    if (here)
        ui_tint(c, (ui_rect){r.x, r.y, r.w, 1}, UI_SELECT, 0);
}

static void draw_items(ui_app *app, ui_canvas *c, ui_rect r, int columns, bool verbs)
{
    ui_list *l = &app->items.list;
    l->across = columns;
    ui_list_place(l, r);
    for (size_t i = l->top; i < l->n && i < l->top + (size_t)(r.h * columns); i++)
        draw_item(app, c, ui_list_row(l, i), i, verbs);
    if (l->n == 0)
        ui_textn(c, r.x + 2, r.y, UI_DIM, 0, "nothing is called that", 22, r.w - 2);
}

static const char foot_text[] =
    "Tab completes, Ctrl-O binds a key, key:X finds by key, - not possible";

static void palette_draw(ui_app *app, ui_canvas *c, ui_rect area)
{
    int w = area.w >= APP_WIDE ? 96 : area.w - 6, h = area.h < 22 ? area.h : 22;
    ui_rect in = ui_app_panel_box(c, area, w, h, "palette", "Enter runs");
    ui_list_hide(&app->items.list);
    if (in.h < 3)
        return;
    draw_input(app, c, in, ": ");
    bool foot = in.h > 8;
    draw_items(app, c, (ui_rect){in.x, in.y + 2, in.w, in.h - 2 - foot}, 1, true);
    if (foot)
        ui_textn(c, in.x, in.y + in.h - 1, UI_DIM, 0, foot_text, sizeof foot_text - 1, in.w);
}

static void help_draw(ui_app *app, ui_canvas *c, ui_rect area)
{
    char title[64];
    int wide = area.w >= 104, w = wide ? area.w - 4 : area.w - 2;
    snprintf(title, sizeof title, "keys here: %s", ui_app_current(app)->row->title);
    ui_rect in = ui_app_panel_box(c, area, w < 140 ? w : 140, area.h, title, "Enter runs");
    ui_list_hide(&app->items.list);
    if (in.h < 3)
        return;
    draw_input(app, c, in, "/ ");
    draw_items(app, c, (ui_rect){in.x, in.y + 2, in.w, in.h - 2}, wide ? 2 : 1, false);
}

/* --- running --------------------------------------------------------------------------------- */

static void remember(ui_app *app, const char *verb)
{
    int at = APP_RECENT - 1;
    for (int i = 0; i < APP_RECENT; i++)
        if (strcmp(app->recent[i], verb) == 0) {
            at = i;
            break;
        }
    memmove(app->recent[1], app->recent[0], (size_t)at * sizeof app->recent[0]);
    snprintf(app->recent[0], sizeof app->recent[0], "%s", verb);
}

static void run_confirmed(void *arg, bool yes)
{
    ui_app *app = arg;
    if (yes)
        ui_app_action(app, app->asked);
}

static void run_action(ui_app *app, const app_item *it, bool ask)
{
    char question[160];
    ui_action a = it->action;
    const ui_keyrow *row = ui_keyrow_of(a);
    snprintf(question, sizeof question, "Run \"%s\" (%s)?", row->help, row->verb);
    ui_app_panel_close(app);
    if (!ask || row->safe) {
        ui_app_action(app, a);
        return;
    }
    app->asked = a;
    ui_app_confirm(app, question, run_confirmed, app);
}

static void run_line(ui_app *app, const char *line)
{
    char text[1100];
    nb_err err = {0};
    snprintf(text, sizeof text, "%s", line);
    ui_app_panel_close(app);
    if (ui_app_command(app, text, &err) != NB_OK)
        ui_app_say(app, "%s", err.msg);
}

/* A row that takes a value is completed first. */
static void complete(ui_app *app, const app_item *it)
{
    ui_input_set(&app->items.input, it->verb);
    ui_app_items_filter(app, it->verb);
}

static void run_selected(ui_app *app, bool help)
{
    const char *typed = nb_str_c(&app->items.input.text);
    const app_item *it = ui_app_items_at(app, app->items.list.at);
    bool takes_value = strncmp(typed, "set ", 4) == 0 || strncmp(typed, "save-screen ", 12) == 0 ||
                       strncmp(typed, "remote ", 7) == 0;
    if (!help && ((takes_value && typed[strlen(typed) - 1] != ' ') || strcmp(typed, "q") == 0)) {
        run_line(app, typed);
        return;
    }
    if (!it)
        return;
    if (it->why_not[0]) {
        ui_app_say(app, "%s: %s", it->name, it->why_not);
        return;
    }
    if (it->action == UI_ACT_NONE && it->verb[strlen(it->verb) - 1] == ' ') {
        complete(app, it);
        return;
    }
    if (!help)
        remember(app, it->verb);
    if (it->action != UI_ACT_NONE) {
        run_action(app, it, help);
        return;
    }
    app->theme_before[0] = '\0'; /* the previewed theme stays */
    run_line(app, it->verb);
}

/* --- keys ------------------------------------------------------------------------------------ */

/* The theme under the cursor is shown at once; leaving its row brings the old one back. */
static void preview(ui_app *app)
{
    const app_item *it = ui_app_items_at(app, app->items.list.at);
    bool theme = it && it->action == UI_ACT_NONE && strncmp(it->verb, "theme ", 6) == 0;
    const char *want = theme ? it->verb + 6 : app->theme_before;
    if (!*want || strcmp(app->theme.name, want) == 0)
        return;
    if (!app->theme_before[0])
        snprintf(app->theme_before, sizeof app->theme_before, "%s", app->theme.name);
    nb_err err = {0};
    if (ui_app_theme(app, want, &err) != NB_OK)
        ui_app_say(app, "%s", err.msg);
}

static bool move(ui_app *app, const ui_key *k)
{
    static const struct {
        ui_keycode code;
        ui_action action;
    } moves[] = {{UI_K_UP, UI_ACT_ANY_UP},
                 {UI_K_DOWN, UI_ACT_ANY_DOWN},
                 {UI_K_PGUP, UI_ACT_ANY_HALF_UP},
                 {UI_K_PGDN, UI_ACT_ANY_HALF_DOWN}};
    for (size_t i = 0; i < countof(moves); i++)
        if (moves[i].code == k->code)
            return ui_list_move(&app->items.list, moves[i].action, app->h);
    bool next = k->code == UI_K_CHAR && k->ctrl && k->ch == 'n';
    bool previous = k->code == UI_K_CHAR && k->ctrl && k->ch == 'p';
    return (next || previous) &&
           ui_list_move(&app->items.list, next ? UI_ACT_ANY_DOWN : UI_ACT_ANY_UP, 1);
}

static bool list_key(ui_app *app, const ui_key *k, bool help)
{
    const app_item *it = ui_app_items_at(app, app->items.list.at);
    if (app->binding != UI_ACT_NONE) {
        ui_app_bind_key(app, k);
        return true;
    }
    if (k->code == UI_K_CHAR && k->ctrl && k->ch == 'o') {
        if (it)
            ui_app_bind(app, it);
        return true;
    }
    if (k->code == UI_K_ESC) {
        ui_app_panel_close(app);
    } else if (k->code == UI_K_ENTER) {
        run_selected(app, help);
    } else if (k->code == UI_K_TAB) {
        if (it && !help)
            complete(app, it);
    } else if (!move(app, k) && ui_input_key(&app->items.input, k)) {
        ui_app_items_filter(app, nb_str_c(&app->items.input.text));
    }
    if (app->panel == APP_PALETTE)
        preview(app);
    return true;
}

static bool palette_key(ui_app *app, const ui_key *k)
{
    return list_key(app, k, false);
}

static bool help_key(ui_app *app, const ui_key *k)
{
    return list_key(app, k, true);
}

static void list_mouse(ui_app *app, const ui_key *k)
{
    bool help = app->panel == APP_HELP;
    if (app->binding != UI_ACT_NONE)
        return; /* it waits for a key */
    if (!ui_list_mouse(&app->items.list, k)) {
        if (k->button == 1)
            ui_input_press(&app->items.input, k->x, k->y);
        return;
    }
    if (k->button == 2)
        run_selected(app, help);
    if (app->panel == APP_PALETTE)
        preview(app);
}

static void palette_open(ui_app *app)
{
    app->theme_before[0] = '\0';
    ui_app_items_fill(app, false);
}

static void help_open(ui_app *app)
{
    ui_app_items_fill(app, true);
}

static void help_close(ui_app *app)
{
    app->binding = UI_ACT_NONE;
}

static void palette_close(ui_app *app)
{
    app->binding = UI_ACT_NONE;
    if (app->theme_before[0] && strcmp(app->theme_before, app->theme.name) != 0)
        ui_app_theme(app, app->theme_before, NULL);
    app->theme_before[0] = '\0';
}

static const char *hints(const ui_app *app, bool narrow)
{
    if (app->binding != UI_ACT_NONE)
        return "Esc leave it";
    return narrow ? "Enter run  ^O bind  Esc close"
                  : "Enter run  Ctrl-O bind a key  type to filter  Esc close";
}

const app_panel_row ui_app_palette_row = {
    .open = palette_open,
    .draw = palette_draw,
    .key = palette_key,
    .mouse = list_mouse,
    .hints = hints,
    .close = palette_close,
};

const app_panel_row ui_app_help_row = {
    .open = help_open,
    .draw = help_draw,
    .key = help_key,
    .mouse = list_mouse,
    .hints = hints,
    .close = help_close,
};
