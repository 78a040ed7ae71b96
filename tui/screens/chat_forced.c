/* Forced scoring (F): a job gives A's answer to the models of the other panes, in the context in
 * which A wrote it; what they held likely at each of its tokens is kept as long as it is shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/screens/chat.h"

/* --- what can be scored ------------------------------------------------------------------------
 */

static uint32_t vocabulary_of(const chat_pane *p)
{
    return nb_session_model(nb_local_session(p->local))->hp.n_vocab;
}

/* Why a pane's model cannot score A's answer; false: it can, as far as is known. */
static bool pane_why_not(const chat *c, int p, const ui_message *m, char *out, size_t cap)
{
    const chat_pane *pane = &c->pane[p], *a = &c->pane[0];
    size_t need = m->n_prompt + m->n_token;
    out[0] = '\0';
    if (ui_chat_is_remote(pane))
        snprintf(out, cap, "remote: an endpoint tells its likeliest tokens only");
    else if (ui_transcript_other_vocabulary(c->log, p))
        snprintf(out, cap, "another vocabulary: A's tokens mean other text in it");
    else if (pane->local && a->local && vocabulary_of(pane) != vocabulary_of(a))
        snprintf(out, cap, "%u logits for each token, A has %u", vocabulary_of(pane),
                 vocabulary_of(a));
    else if (pane->local && need > pane->ctx)
        snprintf(out, cap, "its context holds %u tokens, the answer needs %zu: P changes that",
                 pane->ctx, need);
    else if (!pane->local && pane->problem[0])
        snprintf(out, cap, "%.150s", pane->problem);
    return out[0] != '\0';
}

/* Of A's answer alone. */
static const char *answer_why_not(const chat *c, const ui_message *m)
{
    if (ui_chat_panes(c) < 2)
        return "needs two panes: A adds one";
    if (ui_chat_is_remote(&c->pane[0]))
        return "A, the reference, is remote: its answer has no token ids here";
    if (!m || !m->n_token)
        return "needs an answer of A, the reference";
    if (!m->done || m->stop == NB_STOP_FAIL || !m->n_prompt)
        return "A's answer was interrupted: r asks again";
    if (m->n_dropped)
        return "A's answer outgrew its context: what it followed is partly forgotten";
    return NULL;
}

const char *ui_chat_forced_why_not(const chat *c)
{
    static const char *const reasons[] = {"no pane has a model here with A's vocabulary"};
    char why[160];
    if (ui_chat_busy(c))
        return ui_chat_busy_words(c);
    const ui_message *m = ui_chat_answer(c, 0, NULL);
    const char *no = answer_why_not(c, m);
    for (int p = 1; !no && p < ui_chat_panes(c); p++)
        if (!pane_why_not(c, p, m, why, sizeof why) || !c->pane[p].local)
            return NULL;
    return no ? no : reasons[0];
}

/* --- the job -----------------------------------------------------------------------------------
 */

/* Between slices: its share of the cores may have changed. */
static void on_progress(void *ud, const nb_progress *p)
{
    const struct chat_forced_work *k = ud;
    nb_lease_pool(k->lease);
    nb_report(&k->hooks, p);
}

static bool on_canceled(void *ud)
{
    const struct chat_forced_work *k = ud;
    return nb_canceled(&k->hooks);
}

/* The context in which A wrote, then its answer; malloc'd. */
static nb_status context(const struct chat_forced_work *k, int32_t **out, nb_err *err)
{
    size_t all = k->n_prompt + k->n_answer;
    nb_prompt p = {0};
    int32_t *ids = nb_alloc(all, sizeof *ids, "conversation", err);
    if (!ids)
        return NB_NOMEM;
    nb_status st = nb_chat_encode(nb_local_chat(k->reference), k->messages, k->n_messages, &k->vars,
                                  ids, k->n_prompt, &p, err);
    if (st == NB_OK && p.n != k->n_prompt)
        st = nb_fail(err, NB_REFUSED,
                     "A's answer followed %u tokens, with the present settings it would follow %zu",
                     k->n_prompt, p.n);
    if (st != NB_OK) {
        free(ids);
        return st;
    }
    memcpy(ids + k->n_prompt, k->answer, k->n_answer * sizeof *ids);
    *out = ids;
    return NB_OK;
}

static void use_pool(const struct chat_forced_work *k, nk_pool *pool)
{
    nb_session_use_pool(nb_local_session(k->reference), pool);
    for (size_t i = 0; i < k->n; i++)
        nb_session_use_pool(nb_local_session(k->local[i]), pool);
}

static nb_status score(nb_job *job, void *arg, nb_err *err)
{
    struct chat_forced_work *k = arg;
    const nb_hooks hooks = {on_progress, on_canceled, k};
    nb_forced_model with[UI_PANES];
    int32_t *ids = NULL;
    k->hooks = nb_job_hooks(job);
    NB_TRY(context(k, &ids, err));
    for (size_t i = 0; i < k->n; i++)
        with[i] = (nb_forced_model){nb_local_session(k->local[i]), k->name[i], k->point[i]};
    nb_status st = nb_lease_take(&k->lease, k->sched, NB_WORK_EVAL, k->threads, err);
    if (st == NB_OK) {
        const nb_forced_text t = {ids, k->n_prompt, k->n_answer};
        use_pool(k, nb_lease_pool(k->lease));
        st = nb_forced_run(&t, nb_local_session(k->reference), with, k->n, nb_lease_pool(k->lease),
                           &hooks, err);
        use_pool(k, NULL);
        nb_lease_return(&k->lease);
    }
    free(ids);
    return st;
}

/* --- starting ----------------------------------------------------------------------------------
 */

static void clear_work(struct chat_forced_work *k)
{
    for (size_t i = 0; i < UI_PANES; i++)
        free(k->point[i]);
    free(k->messages);
    free(k->answer);
    *k = (struct chat_forced_work){0};
}

void ui_chat_forced_forget(chat *c)
{
    chat_forced *f = &c->forced;
    for (int p = 0; p < UI_PANES; p++) {
        free(f->score[p].point);
        f->score[p] = (chat_score){0};
    }
    f->message = -1;
    f->n = 0;
    f->wanted = false;
    if (!f->job)
        clear_work(&f->work);
    if (c->metric == CHAT_METRIC_KL)
        c->metric = CHAT_METRIC_OFF;
}

/* The conversation that A's answer ended, and the answer. */
static void take_answer(chat *c, struct chat_forced_work *k, int message)
{
    const ui_message *m = ui_transcript_at(c->log, message);
    k->messages = ui_chat_gather(c, m->parent, &k->n_messages);
    k->vars = (nb_chat_vars){.think = c->think, .tools = c->tools, .tools_len = c->tools_len};
    k->n_prompt = m->n_prompt;
    k->message = message;
    k->n_answer = m->n_token;
    k->answer = ui_xcalloc(m->n_token, sizeof *k->answer);
    for (size_t i = 0; i < m->n_token; i++)
        k->answer[i] = m->token[i].id;
}

static void start(chat *c, int message)
{
    struct chat_forced_work *k = &c->forced.work;
    const ui_message *m = ui_transcript_at(c->log, message);
    nb_err err = {0};
    ui_chat_forced_forget(c);
    for (int p = 1; p < ui_chat_panes(c); p++) {
        if (pane_why_not(c, p, m, c->forced.score[p].why, sizeof c->forced.score[p].why))
            continue;
        k->local[k->n] = c->pane[p].local;
        k->pane[k->n] = p;
        snprintf(k->name[k->n], sizeof k->name[0], "%s", c->pane[p].label);
        k->point[k->n++] = ui_xcalloc(m->n_token, sizeof **k->point);
    }
    if (!k->n) {
        ui_app_say(c->app, "B: %s", c->forced.score[1].why);
        return;
    }
    k->reference = c->pane[0].local;
    k->sched = ui_app_sched(c->app);
    k->threads = ui_app_threads(c->app);
    take_answer(c, k, message);
    if (ui_app_job(c->app, &c->forced.job, UI_CHAT, "score", "A's answer", score, k, &err) != NB_OK)
        ui_app_error(c->app, err.msg, "nothing was scored", "F tries again");
}

/* Loads who is not there yet; false: nobody is being loaded. */
static bool load_missing(chat *c)
{
    bool loading = false;
    for (int p = 0; p < ui_chat_panes(c); p++) {
        chat_pane *pane = &c->pane[p];
        bool remote = ui_chat_is_remote(pane), other = ui_transcript_other_vocabulary(c->log, p);
        if (!pane->local && !pane->job && !pane->problem[0] && !remote && !other)
            ui_chat_load(c, p);
        loading = loading || pane->job;
    }
    return loading;
}

void ui_chat_forced_next(chat *c)
{
    int message;
    if (!c->forced.wanted || load_missing(c))
        return;
    c->forced.wanted = false;
    const ui_message *m = ui_chat_answer(c, 0, &message);
    const char *no = answer_why_not(c, m);
    if (!no && !c->pane[0].local)
        no = c->pane[0].problem[0] ? c->pane[0].problem : "A's model is not loaded";
    if (no)
        ui_app_say(c->app, "%s", no);
    else
        start(c, message);
}

void ui_chat_forced_ask(chat *c)
{
    const char *no =
        ui_chat_busy(c) ? ui_chat_busy_words(c) : answer_why_not(c, ui_chat_answer(c, 0, NULL));
    if (no) {
        ui_app_say(c->app, "%s", no);
        return;
    }
    for (int p = 0; p < ui_chat_panes(c); p++)
        if (!ui_chat_loaded(&c->pane[p]))
            c->pane[p].problem[0] = '\0'; /* what failed to load is tried again */
    c->forced.wanted = true;
    ui_chat_forced_next(c);
}

void ui_chat_forced_done(chat *c, const nb_err *err)
{
    chat_forced *f = &c->forced;
    struct chat_forced_work *k = &f->work;
    f->job = NULL;
    if (err->status == NB_CANCELED) {
        ui_app_say(c->app, "cancelled: nothing was scored");
    } else if (err->status != NB_OK) {
        ui_app_error(c->app, err->msg, "nothing was scored", "r asks A anew, F scores its answer");
    } else {
        f->message = k->message;
        f->n = k->n_answer;
        c->metric = CHAT_METRIC_KL;
        for (size_t i = 0; i < k->n; i++) {
            chat_score *s = &f->score[k->pane[i]];
            s->point = k->point[i];
            s->sum = nb_forced_sum_of(s->point, f->n);
            k->point[i] = NULL;
        }
    }
    clear_work(k);
}

/* --- what is known -----------------------------------------------------------------------------
 */

bool ui_chat_forced_shown(const chat *c)
{
    int message;
    return c->forced.message >= 0 && ui_chat_answer(c, 0, &message) && message == c->forced.message;
}

const chat_score *ui_chat_forced_score(const chat *c, int pane)
{
    return ui_chat_forced_shown(c) && c->forced.score[pane].point ? &c->forced.score[pane] : NULL;
}

long ui_chat_forced_token(const chat *c)
{
    int message;
    const ui_message *m = ui_chat_answer(c, c->focus, &message);
    if (!ui_chat_forced_shown(c) || c->token < 0 || !m || (size_t)c->token >= c->forced.n)
        return -1;
    long d = ui_chat_difference(c, c->focus, message);
    bool comparable = c->focus == 0 || c->forced.score[c->focus].point;
    return comparable && (d < 0 || c->token <= d) ? c->token : -1;
}

double ui_chat_forced_kl(const chat *c, int pane, int message, size_t i, long diff)
{
    int shown;
    double most = -1;
    if (!ui_chat_forced_shown(c) || i >= c->forced.n || !ui_chat_answer(c, pane, &shown) ||
        shown != message || (pane != 0 && diff >= 0 && (long)i > diff))
        return -1;
    for (int p = 1; p < UI_PANES; p++) {
        const nb_kld_point *point = c->forced.score[p].point;
        if (point && (pane == 0 || p == pane) && point[i].kld > most)
            most = point[i].kld;
    }
    return most;
}
