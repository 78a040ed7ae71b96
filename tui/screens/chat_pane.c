/* Panes: which there are, turns run by jobs, tokens arriving from them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/eval/runs.h"
#include "tui/screens/chat.h"

enum { EVENT_TOKEN = 1 };

int ui_chat_panes(const chat *c)
{
    int n = 0;
    while (n < UI_PANES && c->pane[n].used)
        n++;
    return n;
}

static bool any_job(const chat *c)
{
    for (int p = 0; p < UI_PANES; p++)
        if (c->pane[p].job)
            return true;
    return c->forced.job != NULL;
}

bool ui_chat_busy(const chat *c)
{
    for (int p = 0; p < UI_PANES; p++)
        if (c->pane[p].pending)
            return true;
    return any_job(c);
}

const char *ui_chat_busy_words(const chat *c)
{
    bool loading = false;
    for (int p = 0; p < UI_PANES; p++)
        loading = loading || (c->pane[p].job && c->pane[p].loading);
    return c->forced.job ? "an answer is being scored: Ctrl-C stops it"
           : loading     ? "a model is being loaded: Ctrl-C stops it"
                         : "an answer is being written: Ctrl-C stops it";
}

const ui_message *ui_chat_answer(const chat *c, int pane, int *index)
{
    int i = ui_transcript_leaf(c->log, pane);
    const ui_message *m = ui_transcript_at(c->log, i);
    while (m && m->role != NB_ASSISTANT) {
        i = m->parent;
        m = ui_transcript_at(c->log, i);
    }
    if (index)
        *index = m ? i : -1;
    return m;
}

/* --- which panes ----------------------------------------------------------------------------- */

static void name_pane(chat_pane *pane, const char *path)
{
    enum { LABEL = 71 }; /* the type comes behind it */
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    snprintf(pane->path, sizeof pane->path, "%.*s", (int)n, path);
    if (nb_is_remote(path)) {
        ui_chat_name_remote(pane);
        return;
    }
    const char *base = nb_path_base(pane->path);
    size_t len = strlen(base);
    if (len > 5 && strcmp(base + len - 5, ".gguf") == 0)
        len -= 5;
    nb_elide(pane->label, LABEL, snprintf(pane->label, LABEL, "%.*s", (int)len, base));
}

static void clear_pane(chat_pane *pane)
{
    nb_local_close(&pane->local);
    dl_remote_close(&pane->remote);
    free(pane->work.messages);
    *pane = (chat_pane){.answer = -1};
}

static void fresh_log(chat *c)
{
    const nb_config *cfg = ui_app_config(c->app);
    char dir[1040];
    nb_err err;
    snprintf(dir, sizeof dir, "%s/chats", cfg->data_dir);
    bool keep = cfg->writable && !ui_app_read_only(c->app);
    ui_transcript_close(&c->log);
    if (ui_transcript_open(&c->log, keep ? dir : NULL, &err) != NB_OK)
        ui_xmalloc((size_t)-1); /* out of memory: the one way out */
    c->told_problem = false;
    c->editing = c->token = -1;
    for (int p = 0; p < UI_PANES; p++) {
        c->pane[p].answer = -1;
        c->pane[p].scroll = 0;
        c->pane[p].ctx_used = 0;
        ui_transcript_set_vocabulary(c->log, p, c->pane[p].vocabulary);
        if (c->pane[p].used)
            ui_transcript_name_pane(c->log, p, c->pane[p].label, c->pane[p].path);
    }
    ui_chat_forced_forget(c);
    ui_chat_forget_rows(c);
}

/* The panes asked for, once no job holds the present ones. */
static void apply_wanted(chat *c)
{
    if (!c->n_wanted || any_job(c))
        return;
    chat_pane before[UI_PANES];
    memcpy(before, c->pane, sizeof before);
    for (int p = 0; p < UI_PANES; p++) {
        bool wanted = p < c->n_wanted;
        c->pane[p] = (chat_pane){.answer = -1};
        if (!wanted || ui_chat_take_over(&c->pane[p], before, c->wanted[p]))
            continue;
        char path[sizeof c->wanted[p]];
        memcpy(path, c->wanted[p], sizeof path);
        c->pane[p].used = true;
        name_pane(&c->pane[p], path);
    }
    for (int p = 0; p < UI_PANES; p++)
        clear_pane(&before[p]);
    c->n_wanted = 0;
    c->focus = 0;
    fresh_log(c);
    c->typing = true;
    for (int p = 0; p < ui_chat_panes(c); p++)
        if (!ui_chat_loaded(&c->pane[p]))
            ui_chat_load(c, p);
}

void ui_chat_want(chat *c, const char *const *paths)
{
    bool same = true;
    int n = 0;
    nb_err err;
    for (int i = 0; i < UI_PANES && paths[i]; i++) /* before it is shown or written anywhere */
        if (nb_is_remote(paths[i]) &&
            dl_remote_check(paths[i], ui_app_config(c->app)->remote_http == 1, &err) != NB_OK) {
            ui_app_say(c->app, "%s", err.msg);
            return;
        }
    for (; n < UI_PANES && paths[n]; n++) {
        snprintf(c->wanted[n], sizeof c->wanted[n], "%s", paths[n]);
        same = same && c->pane[n].used && strcmp(c->pane[n].path, paths[n]) == 0 &&
               (ui_chat_loaded(&c->pane[n]) || c->pane[n].job);
    }
    if (!n)
        return;
    if (same && ui_chat_panes(c) == n) {
        c->typing = true;
        return;
    }
    c->n_wanted = n;
    ui_chat_stop(c);
    apply_wanted(c);
}

void ui_chat_close_pane(chat *c, int p)
{
    const char *left[UI_PANES + 1] = {NULL};
    char path[UI_PANES][1024];
    int n = 0;
    for (int i = 0; i < ui_chat_panes(c); i++)
        if (i != p) {
            memcpy(path[n], c->pane[i].path, sizeof path[n]);
            left[n] = path[n];
            n++;
        }
    if (n)
        ui_chat_want(c, left);
    else
        ui_app_say(c->app, "the last pane stays; q goes back");
}

void ui_chat_new(chat *c)
{
    if (ui_chat_busy(c))
        ui_chat_stop(c);
    else
        fresh_log(c);
}

void ui_chat_reload(chat *c)
{
    for (int p = 0; p < ui_chat_panes(c); p++)
        if (!c->pane[p].job && !ui_chat_is_remote(&c->pane[p])) {
            nb_local_close(&c->pane[p].local);
            ui_chat_load(c, p);
        }
}

/* --- turns ----------------------------------------------------------------------------------- */

static void on_token(void *arg, const nb_token_event *e)
{
    struct chat_work *k = arg;
    nb_hooks hooks = nb_job_hooks(k->job);
    if (e->id >= 0)
        nb_report(&hooks, &(nb_progress){.what = "answer", .done = ++k->said});
    nb_job_post(k->job, NB_EVENT_DATA, EVENT_TOKEN, e, sizeof *e);
}

/* How far the question is read; of the answer each token tells. */
static void on_reading(void *ud, const nb_progress *p)
{
    struct chat_work *k = ud;
    nb_hooks hooks = nb_job_hooks(k->job);
    if (!k->said)
        nb_report(&hooks, p);
}

static bool on_canceled(void *ud)
{
    return nb_job_canceled(((struct chat_work *)ud)->job);
}

/* What an answer given alone took is a measurement: Models shows it. One that cannot be kept is
 * only not shown. */
static void keep_speed(struct chat_work *k)
{
    nb_runs *runs = NULL;
    k->kept = false;
    if (!k->cfg || k->stats[0].stop == NB_STOP_FAIL || nb_runs_open(&runs, k->cfg, NULL) != NB_OK)
        return;
    nb_runs_add_chat(runs, k->fingerprint, k->stats[0].n_answer, (uint32_t)k->threads,
                     k->stats[0].tok_per_s, &k->kept, NULL);
    nb_runs_close(&runs);
}

static nb_status turn(nb_job *job, void *arg, nb_err *err)
{
    struct chat_work *k = arg;
    nb_hooks hooks = {.progress = on_reading, .canceled = on_canceled, .ud = k};
    k->job = job;
    k->said = 0;
    const nb_ask ask = {.messages = k->messages,
                        .n_messages = k->n_messages,
                        .sampling = k->sampling,
                        .max_tokens = k->max_tokens,
                        .shift = k->shift,
                        .vars = &k->vars,
                        .token = on_token,
                        .arg = k};
    nb_status st = k->local ? nb_local_draft(k->local, k->draft, &hooks, err) : NB_OK;
    if (st == NB_OK)
        st = k->n_answers > 1
                 ? nb_local_ask_each(k->local, &ask, k->n_answers, k->stats, &hooks, err)
                 : k->who->ask(k->who, &ask, k->stats, &hooks, err);
    for (uint32_t i = 0; i < k->n_answers && k->pinned; i++) {
        k->stats[i].tok_per_s = 100; /* a script's screens do not depend on the machine */
        k->stats[i].ttft = 0.01;
    }
    keep_speed(k);
    return st;
}

nb_message *ui_chat_gather(const chat *c, int message, size_t *n)
{
    bool system = c->system && *c->system;
    size_t count = system, at;
    for (int i = message; i >= 0; i = ui_transcript_at(c->log, i)->parent)
        count++;
    nb_message *out = ui_xcalloc(count + 1, sizeof *out);
    if (system)
        out[0] = (nb_message){NB_SYSTEM, c->system, strlen(c->system)};
    at = count;
    for (int i = message; i >= 0; i = ui_transcript_at(c->log, i)->parent) {
        const ui_message *m = ui_transcript_at(c->log, i);
        out[--at] = (nb_message){m->role, nb_str_c(&m->text), m->text.len};
    }
    *n = count;
    return out;
}

/* The conversation up to the question: texts stay where they are while the turn runs. */
static void gather(chat *c, int p)
{
    struct chat_work *k = &c->pane[p].work;
    free(k->messages);
    k->messages = ui_chat_gather(c, ui_transcript_leaf(c->log, p), &k->n_messages);
}

/* A regenerated answer draws with the next seed, so that sampling gives another one. */
static uint64_t seed_of(const chat *c, int message)
{
    int at, of;
    ui_transcript_branch(c->log, message, &at, &of);
    return c->sampling.seed + (uint64_t)at;
}

/* Nobody else computes: a rate taken now is the model's own. */
static bool alone(const chat *c)
{
    return !(c->together && ui_chat_panes(c) > 1) && !ui_app_busy(c->app);
}

/* Empty answers to the pane's question, side by side; the first is shown. */
static nb_status add_answers(chat *c, int p, uint32_t n, nb_err *err)
{
    int question = ui_transcript_leaf(c->log, p), *first = &c->pane[p].answer, next;
    NB_TRY(ui_transcript_add(c->log, p, question, NB_ASSISTANT, NULL, 0, first, err));
    for (uint32_t i = 1; i < n; i++)
        NB_TRY(ui_transcript_add(c->log, p, question, NB_ASSISTANT, NULL, 0, &next, err));
    if (n > 1)
        ui_transcript_select(c->log, *first);
    return NB_OK;
}

static void start_turn(chat *c, int p)
{
    chat_pane *pane = &c->pane[p];
    nb_err err = {0};
    uint32_t n = c->answers && !pane->remote ? c->answers : 1;
    gather(c, p);
    pane->pending = false;
    pane->problem[0] = '\0';
    if (add_answers(c, p, n, &err) == NB_OK) {
        pane->work.who =
            pane->remote ? dl_remote_responder(pane->remote) : nb_local_responder(pane->local);
        pane->work.local = pane->local;
        pane->work.n_answers = n;
        pane->work.sampling = c->sampling;
        pane->work.sampling.seed = seed_of(c, pane->answer);
        pane->work.max_tokens = c->max_tokens;
        pane->work.shift = c->shift;
        snprintf(pane->work.draft, sizeof pane->work.draft, "%s", ui_chat_drafter(c, p));
        pane->work.vars =
            (nb_chat_vars){.think = c->think, .tools = c->tools, .tools_len = c->tools_len};
        for (uint32_t i = 0; i < n; i++)
            pane->work.stats[i] = (nb_turn_stats){.stop = NB_STOP_FAIL};
        pane->work.pinned = ui_app_scripted(c->app);
        /* several share each pass, guesses leave some out, a copy is quicker: not its own speed */
        bool measures = !pane->remote && !pane->work.flat_bytes && alone(c) && n == 1 &&
                        c->draft == CHAT_GUESS_OFF && !ui_app_read_only(c->app);
        pane->work.cfg = measures ? ui_app_config(c->app) : NULL;
        pane->shared = !pane->remote && c->together && ui_chat_panes(c) > 1;
        pane->started = ui_app_now(c->app);
        pane->ttft_live = -1;
        pane->scroll = 0;
        ui_app_job(c->app, &pane->job, UI_CHAT, "chat", pane->label, turn, &pane->work, &err);
    }
    if (!pane->job)
        snprintf(pane->problem, sizeof pane->problem, "%s", err.msg);
}

/* Panes that compute here take turns; a remote one costs this machine nothing and goes at once. */
void ui_chat_next(chat *c)
{
    bool running = false, earlier = false; /* a pane before this one still waits */
    for (int p = 0; p < ui_chat_panes(c); p++)
        running = running || (c->pane[p].job && !c->pane[p].loading && !c->pane[p].remote);
    for (int p = 0; p < ui_chat_panes(c); p++) {
        chat_pane *pane = &c->pane[p];
        if (!pane->pending)
            continue;
        if (!ui_chat_loaded(pane) && !pane->job)
            ui_chat_load(c, p);
        else if (!pane->job && (c->together || pane->remote || (!running && !earlier)))
            start_turn(c, p);
        running = running || (pane->job && !pane->loading && !pane->remote);
        earlier = earlier || (pane->pending && !pane->remote);
    }
    ui_chat_forced_next(c);
}

void ui_chat_send(chat *c, const char *text, size_t n)
{
    nb_err err = {0};
    bool edit = c->editing >= 0;
    int place = -1; /* of the edited message among its pane's, to edit the same turn everywhere */
    const ui_message *old = edit ? ui_transcript_at(c->log, c->editing) : NULL;
    for (const ui_message *m = old; m; m = ui_transcript_at(c->log, m->parent))
        place++;
    for (int p = 0; p < ui_chat_panes(c); p++) {
        int parent = ui_transcript_leaf(c->log, p);
        size_t len = ui_transcript_path(c->log, p, NULL, 0);
        for (size_t i = len; edit && (int)i > place && parent >= 0; i--)
            parent = ui_transcript_at(c->log, parent)->parent;
        if (ui_transcript_add(c->log, p, parent, NB_USER, text, n, NULL, &err) != NB_OK) {
            ui_app_error(c->app, err.msg, "the message was not sent", "close other programs");
            return;
        }
        c->pane[p].pending = true;
        c->pane[p].answer = -1;
    }
    ui_transcript_sync(c->log);
    ui_workspace_set(ui_app_workspace(c->app), "chat.file", ui_transcript_file(c->log));
    ui_workspace_save(ui_app_workspace(c->app), NULL); /* a crash brings this chat back */
    c->editing = c->token = -1;
    ui_chat_next(c);
}

void ui_chat_again(chat *c, int p)
{
    int answer;
    const ui_message *m = ui_chat_answer(c, p, &answer);
    chat_pane *pane = &c->pane[p];
    if (pane->job || pane->pending)
        return;
    int leaf = ui_transcript_leaf(c->log, p);
    if (leaf >= 0 && ui_transcript_at(c->log, leaf)->role == NB_USER) {
        pane->pending = true; /* the question never got its answer */
    } else if (m && m->parent >= 0) {
        ui_transcript_rewind(c->log, m->parent);
        pane->pending = true;
    }
    ui_chat_next(c);
}

void ui_chat_stop(chat *c)
{
    for (int p = 0; p < UI_PANES; p++) {
        c->pane[p].pending = false;
        if (c->pane[p].job)
            nb_job_cancel(c->pane[p].job);
    }
    c->forced.wanted = false;
    if (c->forced.job)
        nb_job_cancel(c->forced.job);
}

static void turn_done(chat *c, chat_pane *pane, const nb_err *err)
{
    nb_turn_stats *s = pane->work.stats;
    c->measured = c->measured || pane->work.kept;
    pane->ctx_used = s->n_prompt + s->n_answer - s->n_dropped;
    if (pane->ctx && pane->ctx_used > pane->ctx) /* the last token of a full one has no place */
        pane->ctx_used = pane->ctx;
    if (pane->remote) {
        ui_chat_remote_problem(pane, err);
    } else if (err->status == NB_FORMAT) { /* its file was written to, or it never was sound */
        nb_local_close(&pane->local);
        snprintf(pane->problem, sizeof pane->problem, "%.200s: r loads it anew", err->msg);
    } else if (err->status != NB_OK && err->status != NB_CANCELED) {
        snprintf(pane->problem, sizeof pane->problem, "%s", err->msg);
    }
    for (int i = 0; pane->answer >= 0 && i < (int)pane->work.n_answers; i++) {
        if (err->status == NB_CANCELED && s[i].stop == NB_STOP_FAIL)
            s[i].stop = NB_STOP_CANCEL; /* before it was asked */
        ui_transcript_end(c->log, pane->answer + i, &s[i]);
    }
    ui_transcript_sync(c->log);
    pane->answer = -1;
    const nb_err *problem = ui_transcript_problem(c->log);
    if (problem && !c->told_problem) {
        c->told_problem = true;
        ui_app_error(c->app, problem->msg, "this chat stays in memory only",
                     "w writes it elsewhere");
    }
}

void ui_chat_event(void *self, const nb_event *e)
{
    chat *c = self;
    if (e->job && e->job == c->forced.job && e->kind == NB_EVENT_DONE) {
        ui_chat_forced_done(c, &e->err);
        apply_wanted(c);
        ui_chat_next(c);
        return;
    }
    for (int p = 0; p < UI_PANES; p++) {
        chat_pane *pane = &c->pane[p];
        if (pane->job != e->job || !e->job)
            continue;
        if (e->kind == NB_EVENT_DATA && e->code == EVENT_TOKEN &&
            e->len == sizeof(nb_token_event)) {
            nb_token_event t;
            memcpy(&t, e->text, sizeof t);
            if (pane->answer >= 0)
                ui_transcript_token(c->log, pane->answer + (int)t.answer, &t, NULL);
            if (pane->ttft_live < 0)
                pane->ttft_live = ui_app_now(c->app) - pane->started;
        }
        if (e->kind != NB_EVENT_DONE)
            return;
        pane->job = NULL;
        if (pane->loading)
            ui_chat_load_done(c, pane, &e->err);
        else
            turn_done(c, pane, &e->err);
        apply_wanted(c);
        ui_chat_next(c);
        if (c->measured && !ui_chat_busy(c)) { /* not beside the next pane's turn */
            c->measured = false;
            ui_app_rescan(c->app);
        }
        return;
    }
}

void ui_chat_release(chat *c)
{
    for (int p = 0; p < UI_PANES; p++) {
        nb_local_close(&c->pane[p].work.made);
        dl_remote_close(&c->pane[p].work.made_remote);
        clear_pane(&c->pane[p]);
    }
    ui_chat_forced_forget(c);
    ui_transcript_close(&c->log);
}
