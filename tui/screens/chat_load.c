/* A pane's model, loaded by a job. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/screens/chat.h"

/* Refuses before loading what would not fit (tui 28). */
static const double COSTLY = 0.8; /* of the free memory: asked about (tui.md 4.7) */

static nb_status check_memory(struct chat_work *k, nb_err *err)
{
    nb_weights *w;
    nb_hparams hp;
    char need[16], kv[16], room[16];
    NB_TRY(nb_weights_open(&w, k->path, err));
    ui_parts_type(w, k->type);
    k->fingerprint = nb_weights_fingerprint(w);
    nb_status st = nb_hparams_read(&hp, nb_weights_kvs(w), err);
    if (st == NB_OK) {
        uint32_t usual = hp.n_ctx_train < 4096 ? hp.n_ctx_train : 4096;
        nb_session_options opt = {.n_ctx = k->ctx ? k->ctx : usual,
                                  .n_seq = k->n_seq,
                                  .k_type = k->k_type,
                                  .v_type = k->v_type};
        uint64_t flat = k->flat ? nb_model_flat_plan(w) : 0;
        nb_fit f = nb_fit_session(&hp, nb_weights_file_bytes(w), flat, &opt, k->available);
        k->costly = f.total <= k->available && (double)f.total > COSTLY * (double)k->available;
        if (f.total > k->available || (k->costly && !k->agreed))
            st = nb_fail(err, k->costly ? NB_REFUSED : NB_NOMEM,
                         "needs %s (KV %s at ctx %u), %s are free", nb_human_bytes(need, f.total),
                         nb_human_bytes(kv, f.kv), f.ctx, nb_human_bytes(room, k->available));
    }
    nb_weights_close(&w);
    return st;
}

static nb_status load(nb_job *job, void *arg, nb_err *err)
{
    struct chat_work *k = arg;
    const nb_hooks hooks = nb_job_hooks(job);
    if (nb_is_remote(k->path))
        return ui_chat_open_remote(k, err);
    NB_TRY(check_memory(k, err));
    const nb_session_options opt = {
        .n_ctx = k->ctx, .n_seq = k->n_seq, .k_type = k->k_type, .v_type = k->v_type};
    NB_TRY(nb_local_open(&k->made, k->path, k->ops, k->sched, k->threads, &opt, err));
    nb_status st = *k->lora ? nb_local_add_lora(k->made, k->lora, k->lora_scale, err) : NB_OK;
    if (st == NB_OK && k->flat)
        st = nb_local_flatten(k->made, k->available, &k->flat_bytes, &hooks, err);
    if (st != NB_OK) {
        nb_local_close(&k->made);
        return st;
    }
    k->vocabulary = ui_transcript_vocabulary(nb_local_tok(k->made));
    return NB_OK;
}

void ui_chat_load(chat *c, int p)
{
    chat_pane *pane = &c->pane[p];
    nb_err err = {0};
    uint64_t total;
    pane->problem[0] = '\0';
    struct chat_work *k = &pane->work;
    free(k->messages); /* of the last turn, when a model is loaded anew */
    *k = (struct chat_work){.ops = ui_app_ops(c->app),
                            .sched = ui_app_sched(c->app),
                            .threads = ui_app_threads(c->app),
                            .ctx = c->ctx,
                            .settings = ui_app_config(c->app),
                            .offline = ui_app_options_of(c->app)->offline,
                            .n_seq = c->answers,
                            .agreed = pane->agreed};
    ui_chat_params_load(c, k);
    memcpy(k->path, pane->path, sizeof k->path);
    ui_parts_memory(c->app, &k->available, &total);
    pane->loading = true;
    if (ui_app_job(c->app, &pane->job, UI_CHAT, "load", pane->label, load, k, &err) != NB_OK) {
        pane->loading = pane->pending = false;
        snprintf(pane->problem, sizeof pane->problem, "%s", err.msg);
    }
}

/* To whatever pane was asked about, if it still waits for the answer. */
static void agreed(void *arg, bool yes)
{
    chat *c = arg;
    for (int p = 0; yes && p < ui_chat_panes(c); p++)
        if (c->pane[p].asked && !c->pane[p].local && !c->pane[p].job) {
            c->pane[p].agreed = true;
            ui_chat_load(c, p);
        }
    for (int p = 0; p < UI_PANES; p++)
        c->pane[p].asked = false;
}

static void ask_memory(chat *c, chat_pane *pane, const nb_err *err)
{
    char question[420];
    pane->asked = true;
    snprintf(pane->problem, sizeof pane->problem, "%.200s: Enter asks again", err->msg);
    snprintf(question, sizeof question, "Load %.90s? It %.200s.", pane->label, err->msg);
    ui_app_confirm(c->app, question, agreed, c);
}

void ui_chat_load_done(chat *c, chat_pane *pane, const nb_err *err)
{
    pane->loading = false;
    if (err->status != NB_OK) {
        snprintf(pane->problem, sizeof pane->problem, "%s", err->msg);
        pane->pending = false;
        if (err->status == NB_REFUSED && pane->work.costly)
            ask_memory(c, pane, err);
        return;
    }
    if (pane->work.made_remote) {
        ui_chat_opened_remote(c, pane);
        return;
    }
    char copy[16];
    ui_app_log(c->app, "loaded %s to chat", pane->path);
    if (pane->work.flat_bytes)
        ui_app_log(c->app, "flat copy: %s", nb_human_bytes(copy, pane->work.flat_bytes));
    pane->local = pane->work.made;
    pane->work.made = NULL;
    pane->ctx = nb_local_ctx(pane->local);
    pane->tmpl = nb_chat_template(nb_local_chat(pane->local), &pane->tmpl_problem);
    memcpy(pane->type, pane->work.type, sizeof pane->type);
    if (!strstr(pane->label, pane->work.type)) {
        char label[sizeof pane->label];
        snprintf(label, sizeof label, "%.70s %s", pane->label, pane->work.type);
        memcpy(pane->label, label, sizeof label);
    }
    int p = (int)(pane - c->pane);
    pane->vocabulary = pane->work.vocabulary;
    ui_transcript_set_vocabulary(c->log, p, pane->vocabulary);
    ui_transcript_name_pane(c->log, p, pane->label, pane->path);
}
