/* A local model as a responder: everything it consists of, opened and closed together. */
#include "core/model/local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/job.h"
#include "core/base/str.h"
#include "kernels/cpu.h"

static nb_status local_ask(nb_responder *r, const nb_ask *ask, nb_turn_stats *stats,
                           const nb_hooks *hooks, nb_err *err)
{
    return nb_local_ask_each((nb_local *)(void *)r, ask, 1, stats, hooks, err);
}

static void local_responder_close(nb_responder *r)
{
    nb_local *l = (nb_local *)(void *)r;
    nb_local_close(&l);
}

static void *warm(void *arg)
{
    const nb_local *l = arg;
    nb_weights_enter(l->weights, &l->warmed);
    return NULL;
}

void nb_local_end_warming(nb_local *l)
{
    atomic_store(&l->warmed, true);
    if (l->warming)
        pthread_join(l->warmer, NULL);
    l->warming = false;
}

static nb_status load(nb_local *l, const char *path, const nb_session_options *opt, nb_err *err)
{
    nb_sampling greedy = nb_sampling_greedy();
    NB_TRY(nb_weights_open(&l->weights, path, err));
    NB_TRY(nb_model_open(&l->model, l->weights, err));
    nb_model_quicken(l->model, &l->ops);
    l->warming = nk_cpu_count() > 1 && nb_thread_start(&l->warmer, warm, l) == 0;
    NB_TRY(nb_tok_open(&l->tok, nb_weights_kvs(l->weights), err));
    NB_TRY(nb_session_open(&l->session, l->model, &l->ops, NULL, opt, err));
    for (uint32_t i = 0; i < nb_session_sequences(l->session); i++)
        NB_TRY(nb_sampler_open(&l->sampler[i], &greedy, l->model->hp.n_vocab, err));
    if (nb_tok_count(l->tok) > l->model->hp.n_vocab)
        return nb_fail(err, NB_FORMAT, "the tokenizer has %u tokens, the model %u",
                       nb_tok_count(l->tok), l->model->hp.n_vocab);
    NB_TRY(nb_chat_open(&l->chat, nb_weights_kvs(l->weights), l->tok, err));
    l->ids = nb_alloc(nb_session_ctx(l->session), sizeof *l->ids, "conversation", err);
    return l->ids ? NB_OK : NB_NOMEM;
}

nb_status nb_local_open(nb_local **out, const char *path, const nk_ops *ops, nb_sched *sched,
                        int threads, const nb_session_options *opt, nb_err *err)
{
    nb_local *l = nb_alloc(1, sizeof *l, "chat", err);
    if (!l)
        return NB_NOMEM;
    l->ops = *ops;
    l->sched = sched;
    l->threads = threads;
    snprintf(l->label, sizeof l->label, "%s", nb_path_base(path));
    l->responder = (nb_responder){local_ask, local_responder_close, l->label, NULL};
    nb_status status = load(l, path, opt, err);
    if (status != NB_OK) {
        nb_local_close(&l);
        return status;
    }
    *out = l;
    return NB_OK;
}

void nb_local_close(nb_local **lp)
{
    nb_local *l = *lp;
    if (!l)
        return;
    nb_local_end_warming(l);
    for (int i = 0; i < NB_MAX_SEQ; i++)
        nb_sampler_close(&l->sampler[i]);
    nb_draft_close(&l->draft);
    nb_local_close(&l->drafter);
    free(l->draft_how);
    nb_session_close(&l->session);
    nb_chat_close(&l->chat);
    for (int i = 0; i < NB_MAX_LORA; i++) {
        nb_lora_close(&l->lora[i]);
        nb_weights_close(&l->adapter[i]);
    }
    nb_tok_close(&l->tok);
    nb_model_close(&l->model);
    nb_weights_close(&l->weights);
    free(l->ids);
    free(l);
    *lp = NULL;
}

nb_responder *nb_local_responder(nb_local *l)
{
    return &l->responder;
}

const nb_tok *nb_local_tok(const nb_local *l)
{
    return l->tok;
}

const nb_chat *nb_local_chat(const nb_local *l)
{
    return l->chat;
}

uint32_t nb_local_ctx(const nb_local *l)
{
    return nb_session_ctx(l->session);
}

nb_session *nb_local_session(nb_local *l)
{
    return l->session;
}

/* A token means the same to both. */
static nb_status check_vocabulary(const nb_local *l, const nb_local *other, nb_err *err)
{
    uint32_t n = nb_tok_count(l->tok), there = nb_tok_count(other->tok);
    if (n != there || l->model->hp.n_vocab != other->model->hp.n_vocab)
        return nb_fail(err, NB_REFUSED, "%s has %u tokens, %s %u: it cannot guess for it",
                       other->label, there, l->label, n);
    for (uint32_t i = 0; i < n; i++) {
        const char *a, *b;
        size_t len = nb_tok_piece(l->tok, (int32_t)i, true, &a);
        if (nb_tok_piece(other->tok, (int32_t)i, true, &b) != len || memcmp(a, b, len) != 0)
            return nb_fail(err, NB_REFUSED, "token %u of %s is another than of %s", i, other->label,
                           l->label);
    }
    return NB_OK;
}

/* Of this model's copy and its drafter's. */
static uint64_t flat_bytes(const nb_local *l)
{
    return l->model->flat_bytes + (l->drafter ? l->drafter->model->flat_bytes : 0);
}

/* A flat copy for `of`, whose work this one does. */
static nb_status flatten(nb_local *l, nb_local *of, const nb_hooks *hooks, nb_err *err)
{
    nb_lease *lease = NULL;
    uint64_t used = flat_bytes(l), left = l->room > used ? l->room - used : 0;
    if (l->sched)
        NB_TRY(nb_lease_take(&lease, l->sched, NB_WORK_CHAT, l->threads, err));
    nb_status st =
        nb_model_flatten(of->model, &l->ops, lease ? nb_lease_pool(lease) : NULL, left, hooks, err);
    nb_lease_return(&lease);
    return st;
}

nb_status nb_local_flatten(nb_local *l, uint64_t room, uint64_t *bytes, const nb_hooks *hooks,
                           nb_err *err)
{
    l->room = room;
    nb_status st = flatten(l, l, hooks, err);
    if (st == NB_OK && l->drafter)
        st = flatten(l, l->drafter, hooks, err);
    if (st != NB_OK)
        l->room = 0;
    else if (bytes)
        *bytes = flat_bytes(l);
    return st;
}

static nb_status open_drafter(nb_local **out, nb_local *l, const char *path, const nb_hooks *hooks,
                              nb_err *err)
{
    nb_session_options opt = {.n_ctx = nb_session_ctx(l->session)};
    NB_TRY(nb_local_open(out, path, &l->ops, NULL, 0, &opt, err));
    nb_status st = check_vocabulary(l, *out, err);
    if (st == NB_OK && l->room)
        st = flatten(l, *out, hooks, err);
    if (st != NB_OK)
        nb_local_close(out);
    return st;
}

/* The guesser itself; *by: the model it asks, if it asks one. */
static nb_status open_draft(nb_local *l, const char *how, nb_draft **out, nb_local **by,
                            const nb_hooks *hooks, nb_err *err)
{
    double mine = (double)l->model->weight_bytes, cost = 0;
    if (strcmp(how, "lookup") != 0) {
        NB_TRY(open_drafter(by, l, how, hooks, err));
        cost = mine > 0 ? (double)(*by)->model->weight_bytes / mine : 1;
    }
    return nb_draft_open(out, *by ? (*by)->session : NULL, cost,
                         nb_draft_column_cost(l->model, &l->ops), nb_session_ctx(l->session), err);
}

nb_status nb_local_draft(nb_local *l, const char *how, const nb_hooks *hooks, nb_err *err)
{
    nb_local *by = NULL;
    nb_draft *draft = NULL;
    char *name = NULL;
    bool off = strcmp(how, "off") == 0;
    if (off ? !l->draft_how : l->draft_how && strcmp(l->draft_how, how) == 0)
        return NB_OK;
    nb_status st = NB_OK;
    if (!off) {
        size_t size = strlen(how) + 1;
        name = nb_alloc(size, 1, "draft", err);
        if (name)
            snprintf(name, size, "%s", how);
        st = name ? open_draft(l, how, &draft, &by, hooks, err) : NB_NOMEM;
    }
    if (st != NB_OK) {
        nb_local_close(&by);
        free(name);
        return st;
    }
    nb_draft_close(&l->draft);
    nb_local_close(&l->drafter);
    free(l->draft_how);
    l->draft = draft;
    l->drafter = by;
    l->draft_how = name;
    return NB_OK;
}

nb_status nb_local_add_lora(nb_local *l, const char *path, float scale, nb_err *err)
{
    int i = 0;
    while (i < NB_MAX_LORA && l->adapter[i])
        i++;
    if (i == NB_MAX_LORA)
        return nb_fail(err, NB_REFUSED, "%d adapters at most", NB_MAX_LORA);
    NB_TRY(nb_weights_open(&l->adapter[i], path, err));
    NB_TRY(nb_lora_open(&l->lora[i], l->model, l->adapter[i], err));
    return nb_session_add_lora(l->session, l->lora[i], scale, err);
}
