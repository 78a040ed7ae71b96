/* Asking a local model: conversation -> ids -> session -> tokens -> whole characters, one answer or
 * several side by side. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/job.h"
#include "core/base/str.h"
#include "core/model/channel.h"
#include "core/model/local.h"

/* One answer under way. */
typedef struct lane {
    nb_local *l;
    const nb_ask *ask;
    nb_turn_stats *stats;
    nb_sampler *sampler;
    uint32_t seq, answer;
    bool over;
    double start, first, last;
    uint32_t dropped; /* tokens forgotten since the last one was told */
    nb_channel channel;
    bool strip;       /* the space that stands for the start of text is still to come */
    size_t n_pending; /* bytes of an unfinished character, then of a piece too long for one event */
    char pending[sizeof((nb_token_event *)0)->text];
} lane;

/* All answers to one question. */
typedef struct turn {
    nb_local *l;
    const nb_ask *ask;
    nb_lease *lease;
    lane lane[NB_MAX_SEQ];
    uint32_t n;
    size_t n_ids;    /* of the conversation, in l->ids */
    size_t dropped;  /* of it, because it was too long */
    size_t keep;     /* ids that a shift leaves at the beginning; */
    bool knows_keep; /*   found out when one is needed */
    bool thinking;
} turn;

/* --- what is told ------------------------------------------------------------------------------
 */

static void emit(lane *a, nb_token_event *e, size_t len)
{
    e->answer = a->answer;
    e->len = (uint16_t)len;
    memcpy(e->text, a->pending, len);
    a->n_pending -= len;
    memmove(a->pending, a->pending + len, a->n_pending);
    if (a->ask->token)
        a->ask->token(a->ask->arg, e);
}

/* Tells the caller of a token and of its text as far as characters are whole. A piece longer than
 * an event goes out in several, all but the first without an id. */
static void tell(lane *a, const nb_choice *c)
{
    nb_token_event e = {.id = c->id,
                        .index = a->stats->n_answer,
                        .dropped = a->dropped,
                        .logprob = c->logprob,
                        .entropy = c->entropy};
    memcpy(e.top_id, c->top_id, sizeof e.top_id);
    memcpy(e.top_logprob, c->top_logprob, sizeof e.top_logprob);
    a->dropped = 0;
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
        e.dropped = 0;
    } while (n);
}

static nb_token_event no_token(const lane *a)
{
    nb_token_event e = {.id = -1, .index = a->stats->n_answer, .answer = a->answer};
    for (int i = 0; i < NB_TOP; i++)
        e.top_id[i] = -1;
    return e;
}

/* Bytes of a character that never got whole, and what closes an answer that came to its end. */
static void tell_rest(lane *a)
{
    nb_token_event e = no_token(a);
    const char *text;
    if (a->n_pending)
        emit(a, &e, a->n_pending);
    a->n_pending = a->stats->stop == NB_STOP_END ? nb_channel_close(&a->channel, &text) : 0;
    if (!a->n_pending)
        return;
    memcpy(a->pending, text, a->n_pending);
    emit(a, &e, a->n_pending);
}

/* The prompt has opened a thought: the answer that goes on with it is shown whole. */
static void tell_thinking(const lane *a)
{
    static const char open[] = "<think>\n";
    nb_token_event e = no_token(a);
    e.len = sizeof open - 1;
    memcpy(e.text, open, sizeof open - 1);
    if (a->ask->token)
        a->ask->token(a->ask->arg, &e);
}

/* --- room --------------------------------------------------------------------------------------
 */

/* Ids in front of the first question: what two conversations that differ in it alone have in
 * common, at most cap. */
static nb_status before_question(const turn *t, size_t cap, size_t *n, nb_err *err)
{
    const nb_ask *ask = t->ask;
    size_t n_msg = 0, len[2];
    while (n_msg < ask->n_messages && ask->messages[n_msg].role == NB_SYSTEM)
        n_msg++;
    nb_message *msg = nb_alloc(n_msg + 1, sizeof *msg, "conversation", err);
    int32_t *ids = nb_alloc(2 * (uint64_t)cap, sizeof *ids, "conversation", err);
    nb_status st = msg && ids ? NB_OK : NB_NOMEM;
    for (size_t i = 0; st == NB_OK && i < n_msg; i++)
        msg[i] = ask->messages[i];
    for (int k = 0; st == NB_OK && k < 2; k++) {
        nb_prompt p;
        msg[n_msg] = (nb_message){NB_USER, k ? "b" : "a", 1};
        st = nb_chat_encode(t->l->chat, msg, n_msg + 1, ask->vars, ids + (size_t)k * cap, cap, &p,
                            err);
        len[k] = st == NB_OK && p.n < cap ? p.n : cap;
    }
    *n = 0;
    while (st == NB_OK && *n < len[0] && *n < len[1] && ids[*n] == ids[cap + *n])
        ++*n;
    free(msg);
    free(ids);
    return st;
}

/* How many tokens one shift forgets: always the same, so that a conversation which was shifted
 * while it was answered is cut at the same places when it is read anew, and its cache is found
 * again. */
static nb_status step_of(turn *t, size_t *step, nb_err *err)
{
    size_t ctx = nb_session_ctx(t->l->session);
    if (!t->knows_keep)
        NB_TRY(before_question(t, ctx, &t->keep, err));
    t->knows_keep = true;
    *step = (ctx - t->keep) / 2;
    if (*step == 0)
        return nb_fail(err, NB_REFUSED,
                       "context full: what comes before the first question takes %zu of %zu tokens",
                       t->keep, ctx);
    return NB_OK;
}

static nb_status make_room(turn *t, lane *a, nb_err *err)
{
    size_t step;
    nb_status st = step_of(t, &step, err);
    if (st == NB_OK)
        st = nb_session_shift(t->l->session, t->keep, step, err);
    if (st == NB_REFUSED || st == NB_UNSUPPORTED)
        a->stats->stop = NB_STOP_CONTEXT;
    if (st != NB_OK)
        return st;
    a->dropped += (uint32_t)step;
    a->stats->n_dropped += (uint32_t)step;
    return NB_OK;
}

/* The conversation as ids, all of them fit into cap. */
static nb_status encode(turn *t, int32_t *ids, size_t cap, size_t *n, nb_err *err)
{
    const nb_ask *ask = t->ask;
    nb_prompt p;
    NB_TRY(
        nb_chat_encode(t->l->chat, ask->messages, ask->n_messages, ask->vars, ids, cap, &p, err));
    if (p.n > UINT32_MAX)
        return nb_fail(err, NB_REFUSED, "the conversation is too long");
    *n = p.n;
    t->thinking = p.thinking;
    return NB_OK;
}

/* Of n ids, more than the context holds, those before the question and the newest. */
static nb_status cut(turn *t, size_t n, nb_err *err)
{
    size_t ctx = nb_session_ctx(t->l->session), step, again;
    NB_TRY(step_of(t, &step, err));
    t->dropped = (n - ctx + step - 1) / step * step;
    int32_t *all = nb_alloc(n, sizeof *all, "conversation", err);
    if (!all)
        return NB_NOMEM;
    nb_status st = encode(t, all, n, &again, err);
    if (st == NB_OK && again != n) /* its template tells the time */
        st = nb_fail(err, NB_REFUSED, "the conversation changed while it was read");
    t->n_ids = n - t->dropped;
    if (st == NB_OK) {
        memcpy(t->l->ids, all, t->keep * sizeof *all);
        memcpy(t->l->ids + t->keep, all + t->keep + t->dropped, (t->n_ids - t->keep) * sizeof *all);
    }
    free(all);
    return st;
}

static nb_status read_conversation(turn *t, nb_err *err)
{
    uint32_t ctx = nb_session_ctx(t->l->session);
    NB_TRY(encode(t, t->l->ids, ctx, &t->n_ids, err));
    for (uint32_t i = 0; i < t->n; i++)
        t->lane[i].stats->n_prompt = (uint32_t)t->n_ids;
    if (t->n_ids == 0)
        return nb_fail(err, NB_USAGE, "nothing to answer");
    if (t->n_ids <= ctx)
        return NB_OK;
    for (uint32_t i = 0; i < t->n; i++)
        t->lane[i].stats->stop = NB_STOP_CONTEXT;
    if (!t->ask->shift)
        return nb_fail(err, NB_REFUSED,
                       "context full: the conversation is %zu tokens long, room for %u", t->n_ids,
                       ctx);
    NB_TRY(cut(t, t->n_ids, err));
    for (uint32_t i = 0; i < t->n; i++) {
        t->lane[i].stats->stop = NB_STOP_FAIL;
        t->lane[i].dropped = t->lane[i].stats->n_dropped = (uint32_t)t->dropped;
    }
    return NB_OK;
}

/* --- answering ---------------------------------------------------------------------------------
 */

/* The sequence that has most of the conversation evaluated. */
static uint32_t nearest(const turn *t)
{
    nb_session *s = t->l->session;
    uint32_t best = 0;
    size_t most = 0;
    for (uint32_t i = 0; i < nb_session_sequences(s); i++) {
        size_t n, same = 0;
        nb_session_use_seq(s, i);
        const int32_t *ids = nb_session_tokens(s, &n);
        while (same < n && same < t->n_ids && ids[same] == t->l->ids[same])
            same++;
        if (same > most) {
            most = same;
            best = i;
        }
    }
    return best;
}

/* The conversation is evaluated once; the other answers begin with a copy. */
static nb_status feed(turn *t, const nb_hooks *hooks, nb_err *err)
{
    nb_local *l = t->l;
    uint32_t base = nearest(t);
    size_t reused = 0;
    nb_session_use_seq(l->session, base);
    NB_TRY(nb_session_feed(l->session, l->ids, t->n_ids, &reused, hooks, err));
    for (uint32_t i = 0; i < t->n; i++) {
        lane *a = &t->lane[i];
        nb_sampling set = t->ask->sampling;
        set.seed += i;
        a->seq = (base + i) % nb_session_sequences(l->session);
        a->sampler = l->sampler[i];
        a->channel = nb_channel_open(l->tok, l->ids, t->n_ids);
        a->strip = nb_tok_space_follows(l->tok, l->ids[t->n_ids - 1]);
        a->stats->n_reused = (uint32_t)(i ? t->n_ids : reused);
        nb_session_use_seq(l->session, a->seq);
        nb_session_copy_seq(l->session, base);
        nb_sampler_reset(a->sampler, &set);
        if (t->thinking)
            tell_thinking(a);
    }
    return NB_OK;
}

/* Tokens of an answer at most; 0: as long as there is room. */
static uint32_t limit_of(const turn *t)
{
    uint32_t trained = t->l->model->hp.n_ctx_train;
    return t->ask->max_tokens ? t->ask->max_tokens : t->ask->shift ? trained : 0;
}

static void end(lane *a, nb_stop why)
{
    a->stats->stop = why;
    a->over = true;
}

/* The lane's next token is chosen and told; over when nothing comes behind it. */
static nb_status choose(turn *t, lane *a, int32_t *id, nb_err *err)
{
    nb_local *l = t->l;
    nb_turn_stats *st = a->stats;
    nb_choice c;
    size_t n;
    nb_session_use_seq(l->session, a->seq);
    const int32_t *ids = nb_session_tokens(l->session, &n);
    NB_TRY(nb_sampler_pick(a->sampler, nb_session_logits(l->session), ids, n, &c, err));
    a->last = nb_now();
    if (st->n_answer == 0) {
        a->first = a->last;
        st->ttft = a->first - a->start;
    }
    if (nb_tok_is_end(l->tok, c.id)) {
        end(a, NB_STOP_END);
        return NB_OK;
    }
    tell(a, &c);
    st->n_answer++;
    *id = c.id;
    if (st->n_answer == limit_of(t))
        end(a, NB_STOP_LIMIT);
    else if (n == nb_session_ctx(l->session) && !t->ask->shift)
        end(a, NB_STOP_CONTEXT);
    else if (n == nb_session_ctx(l->session))
        NB_TRY(make_room(t, a, err));
    return NB_OK;
}

/* The chosen token `id` is evaluated, with what is guessed to follow it. What is chosen then is
 * told as far as it was guessed, and one token further: *id, not evaluated, when *more; else the
 * next is chosen from the logits there are. */
static nb_status go_on(turn *t, lane *a, int32_t *id, bool *more, const nb_hooks *hooks,
                       nb_err *err)
{
    nb_session *s = t->l->session;
    nb_draft *d = t->l->draft;
    int32_t ids[NB_MAX_TRY];
    size_t n, count = 0, right = 0, room = nb_session_most_tried(s) - 1;
    const int32_t *text = nb_session_tokens(s, &n);
    size_t left = nb_session_ctx(s) - n - 1;
    *more = false;
    if (left < room)
        room = left;
    NB_TRY(nb_draft_next(d, text, n, *id, a->sampler, ids + 1, room, &count, hooks, err));
    if (count == 0)
        return nb_session_append_each(s, &a->seq, 1, id, hooks, err);
    ids[0] = *id;
    NB_TRY(nb_session_try(s, ids, count + 1, hooks, err));
    a->stats->n_drafted += (uint32_t)count;
    nb_session_keep(s, 1);
    while (right < count && !a->over) {
        NB_TRY(choose(t, a, id, err));
        *more = !a->over && *id != ids[right + 1];
        if (*more || a->over)
            break;
        a->stats->n_accepted++;
        nb_session_keep(s, ++right + 1);
    }
    nb_draft_judge(d, count, right);
    return NB_OK;
}

/* One answer, with guesses. */
static nb_status generate_drafted(turn *t, const nb_hooks *hooks, nb_err *err)
{
    lane *a = &t->lane[0];
    int32_t id = 0;
    bool more = false;
    nb_draft_reset(t->l->draft);
    for (;;) {
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        if (!more && !a->over)
            NB_TRY(choose(t, a, &id, err));
        if (a->over)
            return NB_OK;
        if (t->lease) {
            nb_session_use_pool(t->l->session, nb_lease_pool(t->lease));
            nb_draft_use_pool(t->l->draft, nb_lease_pool(t->lease));
        }
        NB_TRY(go_on(t, a, &id, &more, hooks, err));
    }
}

static nb_status generate(turn *t, const nb_hooks *hooks, nb_err *err)
{
    if (t->l->draft && t->n == 1)
        return generate_drafted(t, hooks, err);
    for (;;) {
        uint32_t seq[NB_MAX_SEQ], n = 0;
        int32_t ids[NB_MAX_SEQ];
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        for (uint32_t i = 0; i < t->n; i++) {
            lane *a = &t->lane[i];
            if (a->over)
                continue;
            NB_TRY(choose(t, a, &ids[n], err));
            if (!a->over)
                seq[n++] = a->seq;
        }
        if (n == 0)
            return NB_OK;
        if (t->lease)
            nb_session_use_pool(t->l->session, nb_lease_pool(t->lease));
        NB_TRY(nb_session_append_each(t->l->session, seq, n, ids, hooks, err));
    }
}

static nb_status answer(turn *t, const nb_hooks *hooks, nb_err *err)
{
    nb_local *l = t->l;
    NB_TRY(read_conversation(t, err));
    if (l->sched) {
        NB_TRY(nb_lease_take(&t->lease, l->sched, NB_WORK_CHAT, l->threads, err));
        nb_session_use_pool(l->session, nb_lease_pool(t->lease));
    }
    NB_TRY(feed(t, hooks, err));
    return generate(t, hooks, err);
}

nb_status nb_local_ask_each(nb_local *l, const nb_ask *ask, uint32_t n, nb_turn_stats *stats,
                            const nb_hooks *hooks, nb_err *err)
{
    turn t = {.l = l, .ask = ask, .n = n};
    uint32_t most = nb_session_sequences(l->session);
    double start = nb_now();
    nb_local_end_warming(l);
    if (n < 1 || n > most)
        return nb_fail(err, NB_USAGE, "%u answers at once: the session has %u sequences", n, most);
    for (uint32_t i = 0; i < n; i++) {
        stats[i] = (nb_turn_stats){.stop = NB_STOP_FAIL, .tools = ask->vars && ask->vars->tools};
        t.lane[i] = (lane){.l = l, .ask = ask, .stats = &stats[i], .answer = i, .start = start};
    }
    nb_status status = answer(&t, hooks, err);
    nb_session_use_pool(l->session, NULL);
    if (l->draft)
        nb_draft_use_pool(l->draft, NULL); /* the lease goes */
    nb_session_use_seq(l->session, t.lane[0].seq);
    nb_lease_return(&t.lease);
    for (uint32_t i = 0; i < n; i++) {
        lane *a = &t.lane[i];
        tell_rest(a);
        if (status == NB_CANCELED && !a->over)
            stats[i].stop = NB_STOP_CANCEL;
        if (stats[i].n_answer > 1 && a->last > a->first)
            stats[i].tok_per_s = (stats[i].n_answer - 1) / (a->last - a->first);
    }
    return status;
}
