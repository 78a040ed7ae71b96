/* A question to an endpoint: the conversation as JSON, the answer as it comes. Which options who
 * takes: https://platform.openai.com's reference; vLLM, SGLang and llama.cpp's server add the rows
 * marked so; one that an endpoint refuses with 400 or 422 is left out from then on.
 *
 *     temperature, top_p, seed, max_tokens          all
 *     logprobs, top_logprobs, stream_options        all but some proxies
 *     top_k, min_p                                  vLLM, SGLang, llama.cpp
 *     repetition_penalty / repeat_penalty           vLLM, SGLang / llama.cpp, Ollama
 *     max_completion_tokens instead of max_tokens   OpenAI's reasoning models
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/job.h"
#include "downloads/net.h"
#include "downloads/remote_own.h"

/* --- the request ----------------------------------------------------------------------------- */

static void add_message(nb_jout *w, const nb_message *m)
{
    static const char *const role[] = {"system", "user", "assistant"};
    nb_thought t;
    size_t from = 0;
    if (m->role == NB_ASSISTANT && nb_chat_thought(m->text, m->len, &t))
        from = t.answer; /* what was thought is no part of a conversation */
    nb_jout_object(w);
    nb_jout_key(w, "role"), nb_jout_str(w, role[m->role]);
    nb_jout_key(w, "content"), nb_jout_strn(w, m->text + from, m->len - from);
    nb_jout_object_end(w);
}

/* The shortest decimal that is this float. */
static void add_float(nb_jout *w, const char *key, float v)
{
    char text[32];
    double d = (double)v;
    snprintf(text, sizeof text, "%.7g", d); /* LC_NUMERIC is C (cmd.c) */
    nb_jout_key(w, key);
    nb_jout_double(w, nb_parse_double(text, &d) && (float)d == v ? d : (double)v);
}

/* Only what is not as everywhere in nibble: a server has its own defaults for the rest. */
static void add_extras(nb_jout *w, const nb_sampling *s)
{
    const nb_sampling usual = nb_sampling_default();
    if (s->temp > 0 && s->top_k != usual.top_k)
        nb_jout_key(w, "top_k"), nb_jout_i64(w, s->top_k > 0 ? s->top_k : -1);
    if (s->temp > 0 && s->min_p != usual.min_p)
        add_float(w, "min_p", s->min_p);
    if (s->repeat_penalty != usual.repeat_penalty) {
        add_float(w, "repetition_penalty", s->repeat_penalty);
        add_float(w, "repeat_penalty", s->repeat_penalty);
    }
}

static void add_options(nb_jout *w, const nb_ask *ask, unsigned without)
{
    const nb_sampling *s = &ask->sampling;
    add_float(w, "temperature", s->temp > 0 ? s->temp : 0);
    if (s->temp > 0)
        add_float(w, "top_p", s->top_p);
    if (!(without & DL_WITH_SEED)) /* vLLM takes 64 bits, llama.cpp 32 */
        nb_jout_key(w, "seed"), nb_jout_u64(w, s->seed & INT32_MAX);
    if (ask->max_tokens) {
        nb_jout_key(w, without & DL_RENAMED_MAX ? "max_completion_tokens" : "max_tokens");
        nb_jout_u64(w, ask->max_tokens);
    }
    if (!(without & DL_WITH_EXTRAS))
        add_extras(w, s);
    if (!(without & DL_WITH_LOGPROBS)) {
        nb_jout_key(w, "logprobs"), nb_jout_bool(w, true);
        nb_jout_key(w, "top_logprobs"), nb_jout_u64(w, NB_TOP);
    }
    if (!(without & DL_WITH_USAGE)) {
        nb_jout_key(w, "stream_options"), nb_jout_object(w);
        nb_jout_key(w, "include_usage"), nb_jout_bool(w, true);
        nb_jout_object_end(w);
    }
}

static void write_request(nb_str *out, const char *name, const nb_ask *ask, unsigned without)
{
    nb_jout w = nb_jout_make(out);
    nb_jout_object(&w);
    nb_jout_key(&w, "model"), nb_jout_str(&w, name);
    nb_jout_key(&w, "messages"), nb_jout_array(&w);
    for (size_t i = 0; i < ask->n_messages; i++)
        add_message(&w, &ask->messages[i]);
    nb_jout_array_end(&w);
    nb_jout_key(&w, "stream"), nb_jout_bool(&w, true);
    add_options(&w, ask, without);
    nb_jout_object_end(&w);
}

/* --- the answer, between the net thread and the asking one ------------------------------------ */

typedef struct turn {
    dl_remote *r;
    const nb_hooks *hooks; /* the asker's */
    pthread_mutex_t lock;
    nb_str come; /* under the lock: bytes not yet looked at */
    nb_str look; /* the asking thread's, from here on */
    dl_sse sse;
    dl_answer answer;
    nb_err bad;     /* status NB_OK: nothing is wrong with what came */
    double done_at; /* dl_clock when [DONE] was seen */
} turn;

/* Net thread. */
static bool on_bytes(void *ud, const void *bytes, size_t n)
{
    turn *t = ud;
    pthread_mutex_lock(&t->lock);
    nb_str_addn(&t->come, bytes, n);
    bool good = !t->come.failed;
    pthread_mutex_unlock(&t->lock);
    return good;
}

/* Asking thread: what came since becomes tokens. */
static void pump(turn *t)
{
    char *data;
    size_t n;
    pthread_mutex_lock(&t->lock);
    nb_str swap = t->come;
    t->come = t->look;
    t->look = swap;
    pthread_mutex_unlock(&t->lock);
    bool lost = t->look.failed;
    dl_sse_push(&t->sse, nb_str_c(&t->look), t->look.len);
    nb_str_clear(&t->look);
    while (t->bad.status == NB_OK && !t->answer.done && dl_sse_next(&t->sse, &data, &n)) {
        dl_net_hide_token(t->r->net, data, n); /* it may be sent back, and answers are kept */
        dl_answer_take(&t->answer, data, n, &t->bad);
    }
    if (t->answer.done && t->done_at == 0)
        t->done_at = dl_clock();
    if (t->bad.status == NB_OK && t->sse.over)
        nb_fail(&t->bad, NB_REFUSED, "%s: an event beyond %d MiB", t->answer.subject,
                DL_EVENT_MAX >> 20);
    if (t->bad.status == NB_OK && (lost || t->sse.in.failed || t->sse.data.failed))
        nb_fail(&t->bad, NB_NOMEM, "%s: no memory for the answer", t->answer.subject);
}

static void on_progress(void *ud, const nb_progress *p)
{
    turn *t = ud;
    pump(t);
    if (!t->answer.spoke) /* then each token tells */
        nb_report(t->hooks, p);
}

static const double LINGER = .5; /* s a connection may stay open behind [DONE], to be used again */

static bool on_canceled(void *ud)
{
    const turn *t = ud;
    bool over = t->answer.done && dl_clock() > t->done_at + LINGER;
    return over || t->bad.status != NB_OK || nb_canceled(t->hooks);
}

/* --- what to do without ---------------------------------------------------------------------- */

typedef struct option_row {
    const char *word; /* in the server's complaint */
    unsigned bit;
} option_row;
static const option_row option_rows[] = {
    {"max_completion_tokens", DL_RENAMED_MAX},
    {"logprob", DL_WITH_LOGPROBS},
    {"stream_options", DL_WITH_USAGE},
    {"include_usage", DL_WITH_USAGE},
    {"top_k", DL_WITH_EXTRAS},
    {"min_p", DL_WITH_EXTRAS},
    {"repetition_penalty", DL_WITH_EXTRAS},
    {"repeat_penalty", DL_WITH_EXTRAS},
    {"seed", DL_WITH_SEED},
};

static bool says(const dl_reply *reply, const char *word)
{
    return strcasestr(nb_str_c(&reply->body), word) != NULL;
}

/* The words of vLLM ("maximum context length"), OpenAI (context_length_exceeded) and llama.cpp's
 * server (exceed_context_size_error). */
static bool is_too_long(const dl_reply *reply)
{
    return reply->status == 400 &&
           (says(reply, "context length") || says(reply, "context_length") ||
            says(reply, "context size") || says(reply, "context_size"));
}

/* What to leave out after a refusal: what it names, else all at once; 0 = nothing helps. */
static unsigned to_leave_out(const dl_reply *reply, unsigned without)
{
    unsigned named = 0;
    if (reply->status != 400 && reply->status != 422)
        return 0;
    for (size_t i = 0; i < countof(option_rows); i++)
        if (says(reply, option_rows[i].word))
            named |= option_rows[i].bit;
    named &= ~without;
    return named ? named : DL_WITH_ALL & ~without;
}

/* --- asking ---------------------------------------------------------------------------------- */

/* How the answer went: a call that ended well may still be no whole answer. */
static nb_status verdict(turn *t, nb_status st, nb_err *err)
{
    const dl_answer *a = &t->answer;
    if (t->bad.status != NB_OK) {
        if (err)
            *err = t->bad;
        return t->bad.status;
    }
    if (st != NB_OK)
        return st;
    if (a->finished && a->stop == NB_STOP_FAIL)
        return nb_fail(err, NB_NETWORK, "%s: the server gave the answer up", a->subject);
    if (a->finished || (a->done && a->spoke))
        return NB_OK;
    if (!a->spoke)
        return nb_fail(err, NB_NETWORK, "%s: an empty answer, and no reason given", a->subject);
    return nb_fail(err, NB_NETWORK, "%s: the answer was cut: the connection ended after %u tokens",
                   a->subject, a->n_token);
}

static nb_status one_try(turn *t, const char *name, const nb_ask *ask, unsigned without,
                         dl_reply *reply, nb_err *err)
{
    const nb_hooks hooks = {.progress = on_progress, .canceled = on_canceled, .ud = t};
    nb_str json = {0};
    write_request(&json, name, ask, without);
    nb_status st = json.failed ? nb_fail(err, NB_NOMEM, "%s: no memory for the question", name)
                               : dl_remote_post(t->r, "/chat/completions", &json, on_bytes, t,
                                                reply, &hooks, err);
    nb_str_free(&json);
    dl_sse_end(&t->sse);
    pump(t);
    return st == NB_CANCELED && t->answer.done ? NB_OK : st;
}

static void fill_stats(nb_turn_stats *stats, const dl_answer *a, double start)
{
    stats->n_prompt = a->n_prompt > 0 ? (uint32_t)a->n_prompt : 0;
    stats->n_answer = a->n_answer >= 0 ? (uint32_t)a->n_answer : a->n_token;
    stats->ttft = a->spoke ? a->first - start : 0;
    if (stats->n_answer > 1 && a->last > a->first)
        stats->tok_per_s = (stats->n_answer - 1) / (a->last - a->first);
    stats->stop = a->finished || a->done ? a->stop : NB_STOP_FAIL;
}

static nb_status ask_named(turn *t, const char *name, const nb_ask *ask, nb_turn_stats *stats,
                           nb_err *err)
{
    dl_remote *r = t->r;
    unsigned without = r->without;
    for (;;) {
        dl_reply reply;
        nb_status st = one_try(t, name, ask, without, &reply, err);
        atomic_store(&r->trouble, (int)reply.trouble);
        unsigned more =
            st == NB_NETWORK && !is_too_long(&reply) ? to_leave_out(&reply, without) : 0;
        bool full = st == NB_NETWORK && is_too_long(&reply);
        dl_reply_free(&reply);
        if (more && !t->answer.spoke) {
            without |= more;
            dl_sse_free(&t->sse);
            continue;
        }
        if (st == NB_OK)
            r->without = without; /* remembered: it was that, and it helped */
        if (full) {
            stats->stop = NB_STOP_CONTEXT;
            if (err)
                err->status = NB_REFUSED;
            return NB_REFUSED;
        }
        return verdict(t, st, err);
    }
}

nb_status dl_remote_ask(nb_responder *who, const nb_ask *ask, nb_turn_stats *stats,
                        const nb_hooks *hooks, nb_err *err)
{
    dl_remote *r = (dl_remote *)(void *)who;
    char name[sizeof r->name];
    double start = nb_now();
    *stats = (nb_turn_stats){.stop = NB_STOP_FAIL};
    atomic_store(&r->trouble, DL_OK);
    if (ask->n_messages == 0)
        return nb_fail(err, NB_USAGE, "nothing to answer");
    turn *t = nb_alloc(1, sizeof *t, "answer", err);
    if (!t)
        return NB_NOMEM;
    nb_err why = {.status = NB_OK};
    nb_status st = dl_remote_need_name(r, name, hooks, &why);
    t->r = r;
    t->hooks = hooks;
    t->answer = (dl_answer){.words = &r->words, .ask = ask, .subject = name};
    t->answer.n_prompt = t->answer.n_answer = -1;
    pthread_mutex_init(&t->lock, NULL);
    if (st == NB_OK) {
        st = ask_named(t, name, ask, stats, &why);
        nb_stop stop = stats->stop;
        fill_stats(stats, &t->answer, start);
        stats->stop = st == NB_OK ? stats->stop : st == NB_REFUSED ? stop : NB_STOP_FAIL;
    }
    if (st == NB_CANCELED)
        stats->stop = NB_STOP_CANCEL;
    pthread_mutex_destroy(&t->lock);
    dl_answer_free(&t->answer);
    dl_sse_free(&t->sse);
    nb_str_free(&t->come);
    nb_str_free(&t->look);
    free(t);
    if (st != NB_OK && err)
        *err = why;
    return st;
}
