#include "core/eval/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/str.h"

typedef struct engine {
    nb_weights *weights;
    nb_model *model;
    nb_tok *tok;
    nb_session *session;
} engine;

struct nb_judge {
    nb_judge_options opt;
    const nk_ops *ops;
    nk_pool *pool;
    engine ref;
    nb_reading reading;
    nb_held held;
    nb_live live;
    bool ready, keeps; /* the reference has been evaluated, or runs beside */
    nb_tasks *tasks;
};

static void engine_close(engine *e)
{
    nb_session_close(&e->session);
    nb_tok_close(&e->tok);
    nb_model_close(&e->model);
    nb_weights_close(&e->weights);
}

static nb_status engine_open(engine *e, const char *path, nb_err *err)
{
    NB_TRY(nb_weights_open(&e->weights, path, err));
    NB_TRY(nb_model_open(&e->model, e->weights, err));
    return nb_tok_open(&e->tok, nb_weights_kvs(e->weights), err);
}

static nb_status engine_session(engine *e, const nb_judge *j, uint32_t n_ctx, nb_err *err)
{
    nb_session_options opt = {.n_ctx = n_ctx};
    return nb_session_open(&e->session, e->model, j->ops, j->pool, &opt, err);
}

nb_status nb_judge_open(nb_judge **out, const nb_judge_options *opt, const nk_ops *ops,
                        nk_pool *pool, const nb_hooks *hooks, nb_err *err)
{
    nb_judge *j = nb_alloc(1, sizeof *j, "reference", err);
    if (!j)
        return NB_NOMEM;
    *j = (nb_judge){.opt = *opt, .ops = ops, .pool = pool};
    nb_status st = nb_canceled(hooks) ? nb_fail(err, NB_CANCELED, "cancelled")
                                      : engine_open(&j->ref, opt->reference, err);
    if (st == NB_OK)
        st = nb_reading_open(&j->reading, j->ref.tok, j->ref.model->hp.n_vocab, opt->text, opt->len,
                             &opt->reading, err);
    if (st == NB_OK && opt->qa)
        st = nb_tasks_open(&j->tasks, NB_TASK_QA, opt->qa, opt->qa_len, 0, "questions", err);
    if (st != NB_OK)
        nb_judge_close(&j);
    else
        *out = j;
    return st;
}

void nb_judge_close(nb_judge **j)
{
    if (!*j)
        return;
    nb_held_close(&(*j)->held);
    nb_reading_close(&(*j)->reading);
    nb_tasks_close(&(*j)->tasks);
    engine_close(&(*j)->ref);
    free(*j);
    *j = NULL;
}

nb_run_key nb_judge_key(const nb_judge *j)
{
    nb_run_key key = {.reference = nb_weights_fingerprint(j->ref.weights),
                      .n_ctx = j->reading.n_ctx,
                      .chunks = j->reading.chunks};
    snprintf(key.text, sizeof key.text, "%s", j->opt.text_sha256);
    nb_protocol_text(key.protocol, sizeof key.protocol, &j->reading);
    return key;
}

nb_status nb_judge_ready(nb_judge *j, const nb_hooks *hooks, nb_err *err)
{
    const nb_reading *r = &j->reading;
    uint64_t bytes;
    if (j->ready)
        return NB_OK;
    if (!j->ref.session)
        NB_TRY(engine_session(&j->ref, j, r->n_ctx, err));
    j->keeps = nb_mul((uint64_t)r->chunks * r->count,
                      j->ref.model->hp.n_embd * (uint64_t)sizeof(float), &bytes) &&
               bytes <= NB_JUDGE_KEEP;
    if (j->keeps)
        NB_TRY(nb_held_open(&j->held, j->ref.session, j->ops, j->pool, r, hooks, err));
    else
        nb_live_init(&j->live, j->ref.session);
    j->ready = true;
    return NB_OK;
}

nb_status nb_judge_kld(nb_judge *j, const char *path, nb_kld *out, const nb_hooks *hooks,
                       nb_err *err)
{
    engine e = {0};
    nb_status st = engine_open(&e, path, err);
    if (st == NB_OK)
        st = nb_vocab_same(e.tok, nb_path_base(path), j->ref.tok, nb_path_base(j->opt.reference),
                           err);
    if (st == NB_OK)
        st = nb_judge_ready(j, hooks, err);
    if (st == NB_OK)
        st = engine_session(&e, j, j->reading.n_ctx, err);
    if (st == NB_OK)
        st = nb_kld_run(out, e.session, j->keeps ? &j->held.ref : &j->live.ref, j->pool,
                        &j->reading, NULL, NULL, hooks, err);
    engine_close(&e);
    return st;
}

nb_status nb_judge_facts(nb_judge *j, const char *path, nb_task_score *out, const nb_hooks *hooks,
                         nb_err *err)
{
    engine e = {0};
    nb_chat *chat = NULL;
    uint32_t n_ctx = 0;
    if (!j->tasks)
        return nb_fail(err, NB_USAGE, "no questions to ask");
    nb_status st = engine_open(&e, path, err);
    if (st == NB_OK)
        st = nb_chat_open(&chat, nb_weights_kvs(e.weights), e.tok, err);
    if (st == NB_OK)
        st = nb_tasks_context(&n_ctx, j->tasks, e.tok, chat, err);
    if (st == NB_OK)
        st = engine_session(&e, j, n_ctx, err);
    if (st == NB_OK)
        st = nb_tasks_run(out, j->tasks, e.session, e.tok, chat, NULL, NULL, hooks, err);
    nb_chat_close(&chat);
    engine_close(&e);
    return st;
}

static nb_status keep(nb_runs *runs, nb_run_kind kind, nb_run_key key, uint64_t model,
                      const void *record, nb_err *err)
{
    key.model = model;
    return runs ? nb_runs_add(runs, kind, &key, record, err) : NB_OK;
}

nb_status nb_judge_row(nb_judge *j, nb_compare *c, size_t i, nb_runs *runs, size_t *measured,
                       const nb_hooks *hooks, nb_err *err)
{
    const nb_compare_row *r = &c->row[i];
    nb_kld k;
    nb_task_score facts;
    if (!r->is_reference && !r->has_kld) {
        NB_TRY(nb_judge_kld(j, r->path, &k, hooks, err));
        nb_compare_put_kld(c, i, &k);
        ++*measured;
        NB_TRY(keep(runs, NB_RUN_KLD, c->key, r->model, &k, err));
    }
    if (j->tasks && !r->has_facts) {
        NB_TRY(nb_judge_facts(j, r->path, &facts, hooks, err));
        nb_compare_put_facts(c, i, &facts);
        ++*measured;
        NB_TRY(keep(runs, NB_RUN_FACTS, c->qa_key, r->model, &facts, err));
    }
    return NB_OK;
}
