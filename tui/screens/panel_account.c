/* Account (A): whose token is used, where it comes from, and storing another. The token is typed or
 * pasted, never shown, and goes to the endpoint only (hub.md 5). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/app_private.h"
#include "tui/screens/parts.h"

/* What the job brings; the worker's until DONE. */
struct asking {
    dl_net *net;
    dl_account who;
    dl_trouble trouble;
};
typedef struct asking asking;

static nb_status ask(nb_job *job, void *arg, nb_err *err)
{
    asking *a = arg;
    nb_hooks hooks = nb_job_hooks(job);
    return dl_hub_whoami(a->net, &a->who, &a->trouble, &hooks, err);
}

static void start(ui_app *app)
{
    app_account *s = &app->account;
    nb_err err = {.status = NB_OK};
    dl_net *net = ui_app_net(app, &err);
    if (s->job)
        return;
    s->again = s->known = false;
    s->problem[0] = '\0';
    if (!net || !dl_net_env(net)->token_from[0]) {
        snprintf(s->problem, sizeof s->problem, "%s", net ? "" : err.msg);
        return;
    }
    asking *a = ui_xcalloc(1, sizeof *a);
    a->net = net;
    s->asking = a;
    if (ui_app_job(app, &s->job, UI_ANY, "hub", "whoami", ask, a, &err) != NB_OK) {
        snprintf(s->problem, sizeof s->problem, "%s", err.msg);
        free(a);
        s->asking = NULL;
    }
}

void ui_app_account_done(ui_app *app, const nb_err *err)
{
    app_account *s = &app->account;
    asking *a = s->asking;
    s->job = NULL;
    s->asking = NULL;
    s->known = err->status == NB_OK && !s->again;
    if (s->known)
        s->who = a->who;
    else
        snprintf(s->problem, sizeof s->problem, "%s", err->msg);
    free(a);
    if (s->again)
        start(app);
}

static void open(ui_app *app)
{
    ui_input_set(&app->account.token, "");
    start(app);
}

/* The typed secret does not stay in memory. */
static void wipe(app_account *s)
{
    if (s->token.text.at)
        explicit_bzero(s->token.text.at, s->token.text.cap);
    ui_input_set(&s->token, "");
}

static void close_panel(ui_app *app)
{
    wipe(&app->account);
}

/* text "" removes the stored one. */
static void store(ui_app *app, const char *text)
{
    app_account *s = &app->account;
    nb_err err = {.status = NB_OK};
    dl_net *net = ui_app_net(app, &err);
    nb_hub_env *env = ui_xcalloc(1, sizeof *env);
    if (app->opt.read_only) {
        snprintf(s->problem, sizeof s->problem, "read-only: no token is stored");
        free(env);
        return;
    }
    nb_hub_env_load(env, NULL);
    if (!net || nb_hub_env_save_token(env, text, &err) != NB_OK) {
        snprintf(s->problem, sizeof s->problem, "%s", err.msg);
    } else {
        dl_net_token(net, env->token, env->token_from);
        wipe(s);
        s->again = s->job != NULL; /* that one asks whose the old token was */
        if (s->job)
            nb_job_cancel(s->job);
        start(app);
    }
    nb_hub_env_wipe(env);
    free(env);
}

/* --- drawing -------------------------------------------------------------------------------------
 */

static int line(ui_canvas *c, ui_rect in, int y, ui_role role, const char *text)
{
    if (y < in.h)
        ui_textn(c, in.x, in.y + y, role, 0, text, strlen(text), in.w);
    return y + 1;
}

static int draw_who(const ui_app *app, ui_canvas *c, ui_rect in, int y)
{
    const app_account *s = &app->account;
    char text[1400];
    const nb_hub_env *env = app->net.net ? dl_net_env(app->net.net) : NULL;
    snprintf(text, sizeof text, "endpoint  %s", env ? env->endpoint : "?");
    y = line(c, in, y, UI_TEXT, text);
    if (env && env->token_from[0]) {
        snprintf(text, sizeof text, "token     from %s", env->token_from);
        y = line(c, in, y, UI_TEXT, text);
    } else {
        y = line(c, in, y, UI_DIM, "token     none: public repositories only");
    }
    if (s->job) {
        y = line(c, in, y, UI_DIM, "asking whose it is");
    } else if (s->known) {
        snprintf(text, sizeof text, "you are   %s%s%s%s, role %s%s", s->who.name,
                 s->who.fullname[0] ? " (" : "", s->who.fullname, s->who.fullname[0] ? ")" : "",
                 s->who.role[0] ? s->who.role : "unknown", s->who.pro ? ", PRO" : "");
        y = line(c, in, y, UI_OK, text);
        for (size_t i = 0; i < s->who.n_org; i++) {
            snprintf(text, sizeof text, "%s%s", i ? "          " : "member of ", s->who.org[i]);
            y = line(c, in, y, UI_DIM, text);
        }
    }
    return y;
}

static void draw(ui_app *app, ui_canvas *c, ui_rect area)
{
    const app_account *s = &app->account;
    int w = area.w >= APP_WIDE ? 92 : area.w - 4, h = area.h < 14 ? area.h : 14;
    ui_rect in = ui_app_panel_box(c, area, w, h, "Hugging Face account", "Esc");
    int y = draw_who(app, c, in, 0);
    parts_lines l = ui_parts_begin(c, in);
    l.y = y;
    if (s->problem[0])
        ui_parts_wrap(&l, UI_ERR, s->problem);
    ui_parts_skip(&l);
    ui_parts_wrap(&l, UI_DIM,
                  "paste a token to store it (huggingface.co/settings/tokens); it is not shown");
    y = l.y;
    if (y < in.h) {
        size_t n = nb_str_c(&s->token.text)[0] ? s->token.text.len : 0;
        int x = in.x + ui_text(c, in.x, in.y + y, UI_TEXT, "> ");
        for (size_t i = 0; i < n && x < in.x + in.w - 1; i++)
            x += ui_text(c, x, in.y + y, UI_TEXT, "*");
        c->cursor_x = x;
        c->cursor_y = in.y + y;
    }
}

static void removed(void *arg, bool yes)
{
    if (yes)
        store(arg, "");
}

static const char *hints(const ui_app *app, bool narrow)
{
    (void)app;
    return narrow ? "Enter store  Del remove  Esc close"
                  : "Enter stores what is pasted  Del removes the stored one  Esc closes";
}

static bool key(ui_app *app, const ui_key *k)
{
    app_account *s = &app->account;
    if (k->code == UI_K_ESC)
        ui_app_panel_close(app);
    else if (k->code == UI_K_ENTER && s->token.text.len)
        store(app, s->token.text.at);
    else if (k->code == UI_K_DEL && !s->token.text.len)
        ui_app_confirm(app, "Remove the stored Hugging Face token?", removed, app);
    else
        ui_input_key(&s->token, k);
    ui_app_dirty(app);
    return true;
}

static void mouse(ui_app *app, const ui_key *k)
{
    (void)app;
    (void)k;
}

const app_panel_row ui_app_account_row = {
    .open = open, .draw = draw, .key = key, .mouse = mouse, .hints = hints, .close = close_panel};
