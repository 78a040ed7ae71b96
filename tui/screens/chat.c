#include "tui/screens/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double QUIT_WITHIN = 2.0; /* s between two Ctrl-C */
static const char nothing_folded[] = "no paste is folded, no thought";

/* --- sending --------------------------------------------------------------------------------- */

static bool blank(const char *s)
{
    return s[strspn(s, " \t\n")] == '\0';
}

static void send(chat *c)
{
    if (!ui_chat_panes(c))
        return;
    if (ui_chat_busy(c)) {
        ui_app_say(c->app, "%s", ui_chat_busy_words(c));
        return;
    }
    nb_str text = {0};
    ui_input_whole(&c->input, &text);
    bool empty = text.failed || blank(nb_str_c(&text));
    if (!empty) {
        free(c->last_sent);
        c->last_sent = ui_xstrdup(text.at);
    }
    nb_str_free(&text);
    if (empty)
        return;
    ui_input_set(&c->input, "");
    ui_workspace_set(ui_app_workspace(c->app), "chat.draft", "");
    ui_chat_send(c, c->last_sent, strlen(c->last_sent));
}

/* Of the focused pane's conversation, the newest question. */
static int last_question(const chat *c)
{
    int i = ui_transcript_leaf(c->log, c->focus);
    while (i >= 0 && ui_transcript_at(c->log, i)->role != NB_USER)
        i = ui_transcript_at(c->log, i)->parent;
    return i;
}

static void edit(chat *c)
{
    int i = last_question(c);
    if (i < 0)
        return;
    if (ui_chat_busy(c)) {
        ui_app_say(c->app, "%s", ui_chat_busy_words(c));
        return;
    }
    ui_input_set(&c->input, nb_str_c(&ui_transcript_at(c->log, i)->text));
    c->editing = i;
    c->typing = true;
}

static void again(chat *c, bool all)
{
    if (ui_chat_busy(c)) {
        ui_app_say(c->app, "%s", ui_chat_busy_words(c));
        return;
    }
    if (!(c->sampling.temp > 0))
        ui_app_say(c->app, c->answers > 1 ? "temp 0: all answers are the same; P changes that"
                                          : "temp 0: the same answer again; P changes that");
    for (int p = 0; p < ui_chat_panes(c); p++)
        if (all || p == c->focus)
            ui_chat_again(c, p);
}

/* A question was asked in all panes: all show the same one of its alternatives. */
static void select_in_all(chat *c, int message)
{
    int at, of, depth = 0;
    ui_transcript_branch(c->log, message, &at, &of);
    for (int i = ui_transcript_at(c->log, message)->parent; i >= 0;
         i = ui_transcript_at(c->log, i)->parent)
        depth++;
    for (int p = 0; p < ui_chat_panes(c); p++) {
        int i = ui_transcript_leaf(c->log, p), have, all;
        for (int n = (int)ui_transcript_path(c->log, p, NULL, 0) - 1; n > depth && i >= 0; n--)
            i = ui_transcript_at(c->log, i)->parent;
        if (i < 0)
            continue;
        for (ui_transcript_branch(c->log, i, &have, &all); have != at && i >= 0;
             have += have < at ? 1 : -1)
            i = ui_transcript_sibling(c->log, i, at - have);
        if (i >= 0)
            ui_transcript_select(c->log, i);
    }
}

/* The newest message of the focused pane that has alternatives. */
static void branch(chat *c, int step)
{
    if (ui_chat_busy(c))
        return;
    for (int i = ui_transcript_leaf(c->log, c->focus); i >= 0;
         i = ui_transcript_at(c->log, i)->parent) {
        int at, of, to = ui_transcript_sibling(c->log, i, step);
        ui_transcript_branch(c->log, i, &at, &of);
        if (of < 2)
            continue;
        if (to >= 0 && ui_transcript_at(c->log, to)->role == NB_USER)
            select_in_all(c, to);
        else if (to >= 0)
            ui_transcript_select(c->log, to);
        c->token = -1;
        return;
    }
    ui_app_say(c->app, "no branches yet: r and e make them");
}

static void leave(void *arg, bool yes)
{
    if (yes)
        ui_app_do(((chat *)arg)->app, UI_ACT_ANY_QUIT);
}

static void stop(chat *c)
{
    double now = ui_app_now(c->app);
    if (ui_chat_busy(c)) {
        ui_chat_stop(c);
        c->stop_at = now;
    } else if (c->stop_at >= 0 && now - c->stop_at < QUIT_WITHIN) {
        c->stop_at = -1;
        ui_app_confirm(c->app, "Quit nibble? The chat is kept.", leave, c);
    } else {
        c->stop_at = now;
        ui_app_say(c->app, "Ctrl-C again asks to quit");
    }
}

/* --- moving ---------------------------------------------------------------------------------- */

static void focus(chat *c, int step)
{
    int n = ui_chat_panes(c);
    if (n)
        c->focus = (c->focus + n + step) % n;
    c->token = -1;
}

static bool scroll(chat *c, ui_action a)
{
    static const struct {
        ui_action a;
        int rows;
    } row[] = {{UI_ACT_ANY_UP, 1},          {UI_ACT_ANY_DOWN, -1},
               {UI_ACT_ANY_HALF_UP, 10},    {UI_ACT_ANY_HALF_DOWN, -10},
               {UI_ACT_ANY_FIRST, 1 << 20}, {UI_ACT_ANY_LAST, -(1 << 20)}};
    for (size_t i = 0; i < countof(row); i++) {
        if (row[i].a != a)
            continue;
        if (c->diff.open)
            c->diff.top -= row[i].rows; /* from its beginning, not from the newest */
        int *s = &c->pane[c->focus].scroll;
        *s += c->diff.open ? 0 : row[i].rows; /* drawing brings it into range */
        if (*s < 0)
            *s = 0;
        return true;
    }
    return false;
}

/* h and l walk the tokens of the focused pane's answer. */
static void move_token(chat *c, int step)
{
    const ui_message *m = ui_chat_answer(c, c->focus, NULL);
    int n = m ? (int)m->n_token : 0;
    if (!n)
        return;
    if (c->token < 0)
        c->token = step > 0 ? 0 : n - 1;
    else if (c->token + step >= 0 && c->token + step < n)
        c->token += step;
}

/* n and N: the next pane with a first difference, with the cursor on that token. */
static void next_difference(chat *c, int step)
{
    int n = ui_chat_panes(c);
    for (int i = 1; i <= n; i++) {
        int p = (c->focus + (step > 0 ? i : n - i) + n) % n, index;
        const ui_message *m = ui_chat_answer(c, p, &index);
        long d = m ? ui_chat_difference(c, p, index) : -1;
        if (d < 0)
            continue;
        c->focus = p;
        c->token = (size_t)d < m->n_token ? (int)d : -1;
        return;
    }
    ui_app_say(c->app, "no difference to go to");
}

static bool escape(chat *c)
{
    if (c->top)
        c->top = false;
    else if (c->editing >= 0) {
        c->editing = -1;
        ui_input_set(&c->input, "");
    } else if (c->typing)
        c->typing = false;
    else if (c->diff.open)
        c->diff.open = false;
    else if (c->token >= 0)
        c->token = -1;
    else if (c->zoom)
        c->zoom = false;
    else
        return false;
    return true;
}

/* --- keys ------------------------------------------------------------------------------------ */

/* Chords that work while writing too. */
static bool always(chat *c, ui_action a)
{
    switch (a) {
    case UI_ACT_CHAT_STOP:
        stop(c);
        return true;
    case UI_ACT_CHAT_EDITOR:
        ui_chat_editor(c);
        return true;
    case UI_ACT_CHAT_NEW_CHAT:
        ui_chat_new(c);
        return true;
    case UI_ACT_CHAT_SEND:
        send(c);
        return true;
    case UI_ACT_CHAT_UNFOLD:
        if (ui_input_unfold(&c->input))
            return true;
        if (!ui_chat_has_thought(c))
            ui_app_say(c->app, "%s", nothing_folded);
        c->thoughts = !c->thoughts;
        return true;
    default:
        return false;
    }
}

void ui_chat_next_metric(chat *c)
{
    c->metric = (c->metric + 1) % CHAT_METRICS;
    if (c->metric == CHAT_METRIC_KL && !ui_chat_forced_shown(c))
        c->metric = CHAT_METRIC_OFF;
}

static bool pane_action(chat *c, ui_action a)
{
    const char *none[] = {NULL};
    switch (a) {
    case UI_ACT_CHAT_AGAIN:
    case UI_ACT_CHAT_AGAIN_ALL:
        again(c, a == UI_ACT_CHAT_AGAIN_ALL);
        return true;
    case UI_ACT_CHAT_EDIT:
        edit(c);
        return true;
    case UI_ACT_CHAT_METRIC:
        ui_chat_next_metric(c);
        return true;
    case UI_ACT_CHAT_FORCED:
        ui_chat_forced_ask(c);
        return true;
    case UI_ACT_CHAT_TOGETHER:
        c->together = !c->together;
        ui_app_say(c->app, c->together ? "panes run together: tok/s is marked (shared)"
                                       : "panes run one after another");
        return true;
    case UI_ACT_CHAT_FORMAT:
        c->raw = !c->raw;
        ui_app_say(c->app, c->raw ? "answers as written" : "answers as Markdown");
        return true;
    case UI_ACT_CHAT_PARAMS:
        ui_chat_params_open(c);
        return true;
    case UI_ACT_CHAT_ADD_PANE:
        ui_app_show(c->app, UI_MODELS, none, NULL);
        ui_app_say(c->app, "mark up to four with Space, then t; :remote URL adds an endpoint");
        return true;
    case UI_ACT_CHAT_CLOSE_PANE:
        ui_chat_close_pane(c, c->focus);
        return true;
    case UI_ACT_CHAT_PREV_VALUE:
    case UI_ACT_CHAT_NEXT_VALUE:
        branch(c, a == UI_ACT_CHAT_NEXT_VALUE ? 1 : -1);
        return true;
    default:
        return false;
    }
}

static bool move(chat *c, ui_action a)
{
    switch (a) {
    case UI_ACT_ANY_NEXT_PANE:
    case UI_ACT_ANY_PREV_PANE:
        focus(c, a == UI_ACT_ANY_NEXT_PANE ? 1 : -1);
        return true;
    case UI_ACT_ANY_NEXT_MATCH:
    case UI_ACT_ANY_PREV_MATCH:
        next_difference(c, a == UI_ACT_ANY_NEXT_MATCH ? 1 : -1);
        return true;
    case UI_ACT_ANY_LEFT:
    case UI_ACT_ANY_RIGHT:
        move_token(c, a == UI_ACT_ANY_RIGHT ? 1 : -1);
        return true;
    case UI_ACT_ANY_DIFF:
        if (ui_chat_diff_why_not(c))
            ui_app_say(c->app, "%s", ui_chat_diff_why_not(c));
        else
            c->diff.open = !c->diff.open;
        return true;
    case UI_ACT_ANY_ZOOM:
        c->zoom = !c->zoom;
        return true;
    default:
        return scroll(c, a);
    }
}

/* Enter: sends while writing; on a token opens its alternatives; else begins to write. */
static void enter(chat *c)
{
    if (c->typing)
        send(c);
    else if (c->token >= 0)
        c->top = !c->top;
    else
        c->typing = true;
}

static bool action(void *self, ui_action a)
{
    chat *c = self;
    if (!ui_chat_panes(c))
        return false;
    if (always(c, a))
        return true;
    if (c->params)
        return ui_chat_params_action(c, a);
    if (a == UI_ACT_ANY_OPEN) {
        enter(c);
        return true;
    }
    if (a == UI_ACT_ANY_ESCAPE)
        return escape(c);
    if (c->typing)
        return false;
    switch (a) {
    case UI_ACT_CHAT_INSERT:
        c->typing = true;
        return true;
    case UI_ACT_ANY_WRITE:
        ui_chat_export(c);
        return true;
    case UI_ACT_ANY_COPY_ROW:
    case UI_ACT_ANY_COPY_URL:
    case UI_ACT_ANY_COPY_COMMAND:
        ui_chat_copy(c, a);
        return true;
    default:
        return pane_action(c, a) || move(c, a);
    }
}

static bool text_mode(const void *self)
{
    const chat *c = self;
    return ui_chat_panes(c) && (c->params ? c->params_edit >= 0 : c->typing);
}

static bool key(void *self, const ui_key *k)
{
    chat *c = self;
    if (c->params)
        return ui_chat_params_key(c, k);
    if (!c->typing)
        return false;
    if (k->code == UI_K_TAB || k->code == UI_K_BACKTAB) {
        focus(c, k->code == UI_K_TAB ? 1 : -1);
        return true;
    }
    if (k->code == UI_K_PGUP || k->code == UI_K_PGDN)
        return scroll(c, k->code == UI_K_PGUP ? UI_ACT_ANY_HALF_UP : UI_ACT_ANY_HALF_DOWN);
    if (k->code == UI_K_UP && !c->input.text.len && c->last_sent) {
        ui_input_set(&c->input, c->last_sent);
        return true;
    }
    return ui_input_key(&c->input, k);
}

static const char *why_not(const void *self, ui_action a)
{
    const chat *c = self;
    const ui_keyrow *row = ui_keyrow_of(a);
    if (a == UI_ACT_ANY_DIFF)
        return ui_chat_diff_why_not(c);
    if (row->scope != UI_CHAT)
        return NULL;
    if (!ui_chat_panes(c))
        return "needs a model: t in Models";
    if (a == UI_ACT_CHAT_FORCED)
        return ui_chat_forced_why_not(c);
    if (a == UI_ACT_CHAT_UNFOLD && !ui_input_folded(&c->input) && !ui_chat_has_thought(c))
        return nothing_folded;
    bool changes = a == UI_ACT_CHAT_AGAIN || a == UI_ACT_CHAT_AGAIN_ALL || a == UI_ACT_CHAT_EDIT;
    if (changes && ui_chat_busy(c))
        return ui_chat_busy_words(c);
    if (changes && last_question(c) < 0)
        return "nothing was asked yet";
    return NULL;
}

static const char *hints(const void *self, bool narrow)
{
    const chat *c = self;
    if (!ui_chat_panes(c))
        return narrow ? "1 Models  3 Quant" : "1 Models  3 Quantize";
    if (ui_chat_busy(c))
        return narrow ? "^C stop  Esc keys" : "Ctrl-C stop  Tab pane  Esc keys";
    if (c->typing && ui_input_folded(&c->input))
        return narrow ? "Enter send  ^O show paste  Esc keys"
                      : "Enter send  Ctrl-O shows the paste  Ctrl-J newline  Esc for keys";
    if (c->typing)
        return narrow ? "Enter send  ^J line  Esc keys"
                      : "Enter send  Ctrl-J newline  Ctrl-G editor  Tab pane  Esc for keys";
    if (ui_chat_panes(c) < 2)
        return narrow ? "i write  r e m P [ ]"
                      : "i write  r again  e edit  m metric  P sampling  w write";
    return narrow ? "i write  r e m F P [ ] n ="
                  : "i write  r again  e edit  m metric  F score  P sampling  n = differences";
}

static double tick(void *self, double now)
{
    chat *c = self;
    (void)now;
    ui_workspace *w = ui_app_workspace(c->app);
    nb_str draft = {0};
    ui_input_whole(&c->input, &draft);
    ui_workspace_set(w, "chat.draft", nb_str_c(&draft));
    nb_str_free(&draft);
    if (ui_transcript_file(c->log)[0])
        ui_workspace_set(w, "chat.file", ui_transcript_file(c->log));
    return ui_chat_busy(c) ? 0.1 : -1;
}

static int busy(const void *self)
{
    int n = 0;
    for (int p = 0; p < UI_PANES; p++)
        n += ((const chat *)self)->pane[p].job != NULL;
    return n + (((const chat *)self)->forced.job != NULL);
}

static void json(const void *self, nb_str *out)
{
    ui_chat_json(self, out);
}

static void show(void *self, const char *const *paths, const char *note)
{
    if (paths && note && strcmp(note, "add") == 0)
        ui_chat_add_remote(self, paths[0]);
    else if (paths)
        ui_chat_want(self, paths);
}

static bool empty(const void *self)
{
    return !ui_chat_panes(self);
}

/* --- life ------------------------------------------------------------------------------------ */

/* The last chat comes back to be read and continued; its models load with the next question. */
static bool restore(chat *c, const char *file)
{
    if (!file || ui_app_read_only(c->app) || ui_transcript_load(&c->log, file, NULL, NULL) != NB_OK)
        return false;
    for (int p = 0; p < UI_PANES && ui_transcript_model(c->log, p)[0]; p++) {
        c->pane[p].used = true;
        snprintf(c->pane[p].path, sizeof c->pane[p].path, "%s", ui_transcript_model(c->log, p));
        nb_short(c->pane[p].label, sizeof c->pane[p].label, ui_transcript_label(c->log, p));
    }
    c->typing = true; /* as where a chat is opened */
    return true;
}

static void close_screen(void **self)
{
    chat *c = *self;
    if (!c)
        return;
    ui_chat_release(c);
    ui_chat_diff_free(&c->diff);
    ui_chat_forget_rows(c);
    for (size_t i = 0; i < c->n_rows; i++) {
        nb_str_free(&c->rows[i].text);
        free(c->rows[i].row);
        free(c->rows[i].thought.row);
    }
    free(c->rows);
    free(c->seen);
    ui_input_free(&c->input);
    ui_input_free(&c->params_input);
    free(c->last_sent);
    free(c->system);
    free(c->lora);
    free(c->tools_path);
    free(c->tools);
    free(c);
    *self = NULL;
}

static nb_status open(void **self, ui_app *app, nb_err *err)
{
    chat *c = ui_xcalloc(1, sizeof *c);
    const ui_workspace *w = ui_app_workspace(app);
    const char *draft = ui_workspace_get(w, "chat.draft");
    c->app = app;
    c->editing = c->token = c->params_edit = c->forced.message = -1;
    c->stop_at = -1;
    c->sampling = nb_sampling_greedy();
    c->sampling.seed = 7;
    c->answers = 1;
    c->flat = -1;
    c->lora_scale = 1;
    c->input.multiline = c->input.folds = true;
    for (int p = 0; p < UI_PANES; p++)
        c->pane[p].answer = -1;
    if (draft)
        ui_input_set(&c->input, draft);
    nb_status st = ui_chat_params_given(c, err); /* while no pane could be loaded anew for it */
    if (st == NB_OK &&
        !restore(c, ui_workspace_foreign(w) ? NULL : ui_workspace_get(w, "chat.file")))
        st = ui_transcript_open(&c->log, NULL, err);
    *self = c;
    if (st != NB_OK)
        close_screen(self);
    return st;
}

const ui_screen ui_screen_chat = {
    .name = "chat",
    .title = "Chat",
    .title_narrow = "Chat",
    .scope = UI_CHAT,
    .open = open,
    .close = close_screen,
    .draw = ui_chat_draw,
    .action = action,
    .text_mode = text_mode,
    .key = key,
    .mouse = ui_chat_mouse,
    .event = ui_chat_event,
    .why_not = why_not,
    .hints = hints,
    .tick = tick,
    .rate = 8000,
    .busy = busy,
    .json = json,
    .show = show,
    .empty = empty,
    .from_models = UI_ACT_MODELS_TALK,
};
