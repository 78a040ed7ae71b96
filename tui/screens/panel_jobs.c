/* Jobs (J): what runs and what ran, newest first; cancel, pause, go to the screen that started it.
 */
#include <stdio.h>
#include <string.h>

#include "tui/app_private.h"

static app_job *row_at(ui_app *app, size_t i)
{
    return i < app->n_job ? &app->job[app->n_job - 1 - i] : NULL;
}

static void open(ui_app *app)
{
    for (size_t i = 0; i < app->n_job; i++)
        app->job[i].seen = app->job[i].seen || !app->job[i].job;
    app->jobs_list = (ui_list){0};
}

/* --- drawing --------------------------------------------------------------------------------- */

static void draw_row(ui_canvas *c, ui_rect r, const app_job *j, bool here)
{
    char words[96], text[160];
    bool failed = !j->job && j->result.status != NB_OK && j->result.status != NB_CANCELED;
    ui_app_job_words(j, words, sizeof words);
    snprintf(text, sizeof text, "%s %s", j->kind, j->label);
    int right = ui_width(c, words, strlen(words)), room = r.w - 14 - right - 1;
    ui_text(c, r.x, r.y, failed ? UI_ERR : UI_TEXT, here ? ">" : failed ? "!" : " ");
    ui_textn(c, r.x + 2, r.y,
             failed   ? UI_ERR
             : j->job ? UI_BUSY
                      : UI_DIM,
             0, ui_app_job_state(j), strlen(ui_app_job_state(j)), 11);
    if (room > 0)
        ui_textn(c, r.x + 13, r.y, UI_TEXT, 0, text, strlen(text), room);
    if (j->job)
        ui_text_right(c, r.x + r.w, r.y, UI_TEXT, words);
    if (here)
        ui_tint(c, r, UI_SELECT, 0);
}

static void draw_detail(ui_canvas *c, ui_rect r, const app_job *j)
{
    char took[16], text[400];
    const nb_job_view *v = &j->view;
    bool failed = !j->job && j->result.msg[0];
    nb_human_time(took, v->elapsed);
    snprintf(text, sizeof text, "started by %s, %s %s%s%s", ui_app_scope_title(j->owner),
             j->job ? "for" : "took", took, v->what[0] ? ", at " : "", v->what);
    ui_textn(c, r.x, r.y, UI_DIM, 0, text, strlen(text), r.w);
    if (failed)
        ui_textn(c, r.x, r.y + 1, UI_ERR, 0, j->result.msg, strlen(j->result.msg), r.w);
    else if (j->job && v->total)
        ui_progress_draw(c, r.x, r.y + 1, r.w, (double)v->done / (double)v->total, UI_BUSY);
}

static void draw(ui_app *app, ui_canvas *c, ui_rect area)
{
    int w = area.w >= APP_WIDE ? 96 : area.w - 4, h = area.h < 18 ? area.h : 18;
    char note[32];
    snprintf(note, sizeof note, "%zu running", ui_app_running(app));
    ui_rect in = ui_app_panel_box(c, area, w, h, "jobs", note);
    ui_list *l = &app->jobs_list;
    ui_list_set(l, app->n_job);
    ui_list_hide(l);
    int rows = in.h - 3;
    if (rows < 1)
        return;
    ui_list_place(l, (ui_rect){in.x, in.y, in.w, rows});
    const app_job *j;
    for (size_t i = l->top; i < l->top + (size_t)rows && (j = row_at(app, i)); i++)
        draw_row(c, ui_list_row(l, i), j, i == l->at);
    j = row_at(app, l->at);
    if (!j) {
        ui_textn(c, in.x, in.y, UI_DIM, 0, "no job was started yet", 22, in.w);
        return;
    }
    draw_detail(c, (ui_rect){in.x, in.y + in.h - 2, in.w, 2}, j);
    c->cursor_x = in.x;
    c->cursor_y = in.y + (int)(l->at - l->top);
}

/* --- keys ------------------------------------------------------------------------------------ */

static void pause_job(ui_app *app, const app_job *j)
{
    if (!j->job)
        return;
    bool pause = !nb_job_paused(j->job);
    nb_job_pause(j->job, pause);
    ui_app_say(app, "%s %s: %s", j->kind, j->label, pause ? "paused, p goes on" : "goes on");
}

static void go(ui_app *app, const app_job *j)
{
    ui_scope owner = j->owner;
    ui_app_panel_close(app);
    ui_app_show(app, owner, NULL, NULL);
}

static void mouse(ui_app *app, const ui_key *k)
{
    const app_job *j = ui_list_mouse(&app->jobs_list, k) ? row_at(app, app->jobs_list.at) : NULL;
    if (j && k->button == 2)
        go(app, j);
}

static bool key(ui_app *app, const ui_key *k)
{
    uint32_t none = 0;
    ui_action a = ui_keymap_find(app->keys, UI_ANY, false, k, &none);
    app_job *j = row_at(app, app->jobs_list.at);
    uint32_t ch = k->code == UI_K_CHAR && !k->ctrl && !k->alt ? k->ch : 0;
    if (a == UI_ACT_ANY_ESCAPE || a == UI_ACT_ANY_BACK || a == UI_ACT_ANY_JOBS) {
        ui_app_panel_close(app);
    } else if (a == UI_ACT_ANY_OPEN && j) {
        go(app, j);
    } else if (ch == 'x' && j) {
        ui_app_job_cancel(app, j);
    } else if (ch == 'p' && j) {
        pause_job(app, j);
    } else {
        ui_list_move(&app->jobs_list, a, 12);
    }
    return true;
}

static const char *hints(const ui_app *app, bool narrow)
{
    (void)app;
    return narrow ? "x cancel  p pause  Enter go"
                  : "x cancel  p pause or go on  Enter its screen  Esc close";
}

const app_panel_row ui_app_jobs_row = {
    .open = open, .draw = draw, .key = key, .mouse = mouse, .hints = hints};
