/* A local model as a responder: conversation -> ids -> session -> tokens -> whole characters. */
#include "core/model/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/job.h"
#include "core/base/str.h"
#include "core/model/channel.h"
#include "core/model/lora.h"

struct nb_local {
    nb_responder responder;
    nb_weights *weights;
    nb_model *model;
    nb_tok *tok;
    nb_session *session;
    nb_sampler *sampler;
    nb_weights *adapter[NB_MAX_LORA];
    nb_lora *lora[NB_MAX_LORA];
    const nk_ops *ops; /* borrowed */
    nb_sched *sched;   /* borrowed, may be NULL: one thread */
    int threads;
    nb_chat *chat;
    int32_t *ids; /* [n_ctx] conversation and answer */
    char label[128];
};

/* One answer under way. */
typedef struct answer {
    nb_local *l;
    const nb_ask *ask;
    nb_turn_stats *stats;
    nb_lease *lease;
    size_t n; /* ids in l->ids */
    double start, first, last;
    nb_channel channel;
    bool strip;       /* the space that stands for the start of text is still to come */
    size_t n_pending; /* bytes of an unfinished character, then of a piece too long for one event */
    char pending[sizeof((nb_token_event *)0)->text];
} answer;

static void emit(answer *a, nb_token_event *e, size_t len)
{
    e->len = (uint16_t)len;
    memcpy(e->text, a->pending, len);
    a->n_pending -= len;
    memmove(a->pending, a->pending + len, a->n_pending);
    if (a->ask->token)
        a->ask->token(a->ask->arg, e);
}

/* Tells the caller of a token and of its text as far as characters are whole. A piece longer than
 * an event goes out in several, all but the first without an id. */
static void tell(answer *a, const nb_choice *c)
{
    nb_token_event e = {
        .id = c->id, .index = a->stats->n_answer, .logprob = c->logprob, .entropy = c->entropy};
    memcpy(e.top_id, c->top_id, sizeof e.top_id);
    memcpy(e.top_logprob, c->top_logprob, sizeof e.top_logprob);
    const char *piece;
    size_t n = nb_tok_piece(a->l->tok, c->id, false, &piece);
    n = nb_channel_piece(&a->channel, c->id, &piece, n);
    bool follows = nb_tok_space_follows(a->l->tok, c->id);
    size_t skip = a->strip && !follows && n && piece[0] == ' ';
    piece += skip;
    n -= skip;
    if (follows || n + skip)
        a->strip = follows;
    do {
        size_t room = sizeof a->pending - a->n_pending, k = n < room ? n : room;
        memcpy(a->pending + a->n_pending, piece, k);
        a->n_pending += k;
        piece += k;
        n -= k;
        emit(a, &e, nb_utf8_whole(a->pending, a->n_pending));
        e.id = -1;
    } while (n);
}

/* Bytes of a character that never got whole. */
static void tell_rest(answer *a)
{
    nb_token_event e = {.id = -1, .index = a->stats->n_answer};
    for (int i = 0; i < NB_TOP; i++)
        e.top_id[i] = -1;
    if (a->n_pending)
        emit(a, &e, a->n_pending);
}

/* The prompt has opened a thought: the answer that goes on with it is shown whole. */
static void tell_thinking(const answer *a)
{
    static const char open[] = "<think>\n";
    nb_token_event e = {.id = -1, .len = sizeof open - 1};
    memcpy(e.text, open, sizeof open - 1);
    for (int i = 0; i < NB_TOP; i++)
        e.top_id[i] = -1;
    if (a->ask->token)
        a->ask->token(a->ask->arg, &e);
}

static nb_status generate(answer *a, const nb_hooks *hooks, nb_err *err)
{
    nb_local *l = a->l;
    nb_turn_stats *st = a->stats;
    uint32_t ctx = nb_session_ctx(l->session);
    for (;;) {
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        nb_choice c;
        NB_TRY(nb_sampler_pick(l->sampler, nb_session_logits(l->session), l->ids, a->n, &c, err));
        a->last = nb_now();
        if (st->n_answer == 0) {
            a->first = a->last;
            st->ttft = a->first - a->start;
        }
        if (nb_tok_is_end(l->tok, c.id)) {
            st->stop = NB_STOP_END;
            return NB_OK;
        }
        tell(a, &c);
        st->n_answer++;
        if (st->n_answer == a->ask->max_tokens || a->n == ctx) {
            st->stop = st->n_answer == a->ask->max_tokens ? NB_STOP_LIMIT : NB_STOP_CONTEXT;
            return NB_OK;
        }
        l->ids[a->n++] = c.id;
        if (a->lease)
            nb_session_use_pool(l->session, nb_lease_pool(a->lease));
        NB_TRY(nb_session_feed(l->session, l->ids, a->n, NULL, hooks, err));
    }
}

static nb_status answer_ask(answer *a, const nb_hooks *hooks, nb_err *err)
{
    nb_local *l = a->l;
    const nb_ask *ask = a->ask;
    uint32_t ctx = nb_session_ctx(l->session);
    nb_prompt prompt;
    NB_TRY(nb_chat_encode(l->chat, ask->messages, ask->n_messages, l->ids, ctx, &prompt, err));
    a->n = prompt.n;
    if (a->n > UINT32_MAX)
        return nb_fail(err, NB_REFUSED, "the conversation is too long");
    a->stats->n_prompt = (uint32_t)a->n;
    if (a->n > ctx) {
        a->stats->stop = NB_STOP_CONTEXT;
        return nb_fail(err, NB_REFUSED,
                       "context full: the conversation is %zu tokens long, room for %u", a->n, ctx);
    }
    if (a->n == 0)
        return nb_fail(err, NB_USAGE, "nothing to answer");
    a->channel = nb_channel_open(l->tok, l->ids, a->n);
    a->strip = nb_tok_space_follows(l->tok, l->ids[a->n - 1]);
    if (l->sched) {
        NB_TRY(nb_lease_take(&a->lease, l->sched, NB_WORK_CHAT, l->threads, err));
        nb_session_use_pool(l->session, nb_lease_pool(a->lease));
    }
    size_t reused = 0;
    NB_TRY(nb_session_feed(l->session, l->ids, a->n, &reused, hooks, err));
    a->stats->n_reused = (uint32_t)reused;
    nb_sampler_reset(l->sampler, &ask->sampling);
    if (prompt.thinking)
        tell_thinking(a);
    return generate(a, hooks, err);
}

static nb_status local_ask(nb_responder *r, const nb_ask *ask, nb_turn_stats *stats,
                           const nb_hooks *hooks, nb_err *err)
{
    answer a = {.l = (nb_local *)(void *)r, .ask = ask, .stats = stats, .start = nb_now()};
    *stats = (nb_turn_stats){.stop = NB_STOP_FAIL};
    nb_status status = answer_ask(&a, hooks, err);
    tell_rest(&a);
    nb_session_use_pool(a.l->session, NULL);
    nb_lease_return(&a.lease);
    if (status == NB_CANCELED)
        stats->stop = NB_STOP_CANCEL;
    if (stats->n_answer > 1 && a.last > a.first)
        stats->tok_per_s = (stats->n_answer - 1) / (a.last - a.first);
    return status;
}

static void local_responder_close(nb_responder *r)
{
    nb_local *l = (nb_local *)(void *)r;
    nb_local_close(&l);
}

static nb_status load(nb_local *l, const char *path, const nb_session_options *opt, nb_err *err)
{
    nb_sampling greedy = nb_sampling_greedy();
    NB_TRY(nb_weights_open(&l->weights, path, err));
    NB_TRY(nb_model_open(&l->model, l->weights, err));
    NB_TRY(nb_tok_open(&l->tok, nb_weights_kvs(l->weights), err));
    NB_TRY(nb_session_open(&l->session, l->model, l->ops, NULL, opt, err));
    NB_TRY(nb_sampler_open(&l->sampler, &greedy, l->model->hp.n_vocab, err));
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
    l->ops = ops;
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
    nb_sampler_close(&l->sampler);
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
