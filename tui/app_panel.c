/* What lies over a screen: the panels' common parts and the question that waits for an answer. */
#include "tui/app_private.h"
#include "tui/screens/parts.h"

#include <stdlib.h>
#include <string.h>

static const app_panel_row *const panels[APP_PANELS] = {
    [APP_PALETTE] = &ui_app_palette_row, [APP_HELP] = &ui_app_help_row,
    [APP_JOBS_PANEL] = &ui_app_jobs_row, [APP_ERRORS] = &ui_app_errors_row,
    [APP_ACCOUNT] = &ui_app_account_row, [APP_FIRST] = &ui_app_first_row,
};

const app_panel_row *ui_app_panel_row_of(app_panel panel)
{
    return panels[panel];
}

void ui_app_panel_open(ui_app *app, app_panel panel)
{
    ui_app_panel_close(app);
    if (!panels[panel])
        return;
    app->panel = panel;
    app->prefix = 0;
    panels[panel]->open(app);
    ui_app_dirty(app);
}

void ui_app_panel_close(ui_app *app)
{
    app_panel was = app->panel;
    app->panel = APP_NO_PANEL;
    if (was != APP_NO_PANEL && panels[was]->close)
        panels[was]->close(app);
    ui_app_dirty(app);
}

ui_rect ui_app_panel_box(ui_canvas *c, ui_rect area, int w, int h, const char *title,
                         const char *note)
{
    if (w > area.w - 2)
        w = area.w - 2;
    if (h > area.h)
        h = area.h;
    ui_rect r = {area.x + (area.w - w) / 2, area.y + (area.h - h) / 2, w, h};
    ui_fill(c, r, UI_TEXT, " ");
    ui_box(c, r, title, note, true);
    ui_rect in = ui_inside(r);
    return (ui_rect){in.x + 1, in.y, in.w > 2 ? in.w - 2 : 0, in.h};
}

/* --- the question ---------------------------------------------------------------------------- */

void ui_app_confirm_draw(ui_app *app, ui_canvas *c, ui_rect area)
{
    const app_confirm *q = &app->confirm;
    ui_row *rows = NULL;
    size_t n = 0, cap = 0;
    int w = area.w < 64 ? area.w - 2 : 64;
    if (ui_wrap(q->question, strlen(q->question), w - 4, &rows, &n, &cap, NULL) != NB_OK)
        n = 0;
    ui_rect in = ui_app_panel_box(c, area, w, (int)n + 4, q->quitting ? "quit" : "sure?", NULL);
    parts_lines l = ui_parts_begin(c, (ui_rect){in.x, in.y, in.w, in.h > 1 ? in.h - 1 : 0});
    ui_parts_wrap(&l, UI_TEXT, q->question);
    const char *keys = q->quitting ? "c cancels them and quits   Esc stays" : "y yes   n, Esc no";
    ui_textn(c, in.x, in.y + in.h - 1, UI_KEY, 0, keys, strlen(keys), in.w);
    free(rows);
    c->cursor_x = in.x;
    c->cursor_y = in.y + in.h - 1;
}

/* Everything but a clear yes is a no; other keys do nothing. */
void ui_app_confirm_key(ui_app *app, const ui_key *k)
{
    app_confirm *q = &app->confirm;
    uint32_t ch = k->code == UI_K_CHAR && !k->ctrl && !k->alt ? k->ch : 0;
    bool no = k->code == UI_K_ESC || k->code == UI_K_ENTER || ch == 'n' || ch == 'N' || ch == 'q';
    bool yes = q->quitting ? ch == 'c' : ch == 'y' || ch == 'Y';
    if (!yes && !no)
        return;
    app_confirm was = *q;
    *q = (app_confirm){0};
    if (was.quitting)
        app->quit = yes || app->quit;
    else if (was.done)
        was.done(was.arg, yes);
}
