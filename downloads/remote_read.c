/* Events of /chat/completions as tokens. What servers tell of a token: its bytes, its logprob, the
 * likeliest others (OpenAI's logprobs.content; llama.cpp adds id). The text is the delta's own; the
 * tokens say where it is cut, as far as they spell it. A thought comes apart from the answer
 * (reasoning_content of vLLM, SGLang, llama.cpp and DeepSeek; reasoning of newer vLLM and Ollama)
 * and goes back into <think>, where chats look for it. */
#include <math.h>
#include <string.h>

#include "core/base/job.h"
#include "downloads/remote_own.h"

void dl_answer_free(dl_answer *a)
{
    nb_str_free(&a->said);
}

/* --- what a token is ------------------------------------------------------------------------- */

/* A log probability; NAN for what is none: not told, above 0 but for rounding, not a number. */
static float logprob_of(const nb_jval *v)
{
    double p;
    return nb_jnum(v, &p) && p < 1e-3 ? (float)p : NAN;
}

/* Its bytes where the server lists them, else its spelling. Appends to out. */
static void add_piece(nb_str *out, const nb_jval *token)
{
    const nb_jval *bytes = nb_jget(token, "bytes");
    const char *text = "";
    size_t start = out->len;
    int64_t v;
    for (const nb_jval *b = nb_jfirst(bytes); b; b = nb_jnext(b)) {
        unsigned char byte;
        if (nb_jkind_of(bytes) != NB_JARRAY || !nb_jint(b, &v) || v < 0 || v > 255) {
            out->len = start; /* no list of bytes */
            break;
        }
        byte = (unsigned char)v;
        nb_str_addn(out, &byte, 1);
    }
    if (out->len == start && nb_jstr(nb_jget(token, "token"), &text))
        nb_str_add(out, text);
}

static int32_t id_of(dl_answer *a, const nb_jval *token)
{
    nb_str piece = {0};
    add_piece(&piece, token);
    int32_t id = dl_words_id(a->words, nb_str_c(&piece), piece.len);
    nb_str_free(&piece);
    return id;
}

static nb_token_event blank(const dl_answer *a)
{
    nb_token_event e = {.id = -1, .index = a->n_token, .logprob = NAN, .entropy = NAN};
    for (int i = 0; i < NB_TOP; i++) {
        e.top_id[i] = -1;
        e.top_logprob[i] = NAN;
    }
    return e;
}

static void take_top(dl_answer *a, nb_token_event *e, const nb_jval *list)
{
    int n = 0;
    if (nb_jkind_of(list) != NB_JARRAY)
        return;
    for (const nb_jval *t = nb_jfirst(list); t && n < NB_TOP; t = nb_jnext(t)) {
        float p = logprob_of(nb_jget(t, "logprob"));
        int32_t id = isnan(p) ? -1 : id_of(a, t);
        if (id < 0)
            continue;
        e->top_id[n] = id;
        e->top_logprob[n++] = p;
    }
}

/* --- telling --------------------------------------------------------------------------------- */

/* The event with its text; what does not fit follows in events without an id. */
static void tell(dl_answer *a, nb_token_event *e, const char *text, size_t n)
{
    if (e->id >= 0)
        a->n_token++;
    do {
        size_t k = n <= sizeof e->text ? n : nb_utf8_whole(text, sizeof e->text);
        e->len = (uint16_t)k;
        memcpy(e->text, text, k);
        if (a->ask->token)
            a->ask->token(a->ask->arg, e);
        text += k;
        n -= k;
        *e = blank(a);
    } while (n);
}

static void tell_text(dl_answer *a, const char *text)
{
    nb_token_event e = blank(a);
    tell(a, &e, text, strlen(text));
}

/* Bytes of text that this token spells: all that is left for the last one. */
static size_t spelled(const nb_jval *token, const char *text, size_t n)
{
    nb_str piece = {0};
    add_piece(&piece, token);
    size_t k = piece.len;
    bool fits = k <= n && memcmp(text, nb_str_c(&piece), k) == 0 && nb_utf8_whole(text, k) == k;
    nb_str_free(&piece);
    return !nb_jnext(token) ? n : fits ? k : 0;
}

/* A delta's text, cut as its tokens say; without any it is one piece. */
static void tell_piece(dl_answer *a, const char *text, const nb_jval *tokens)
{
    size_t n = strlen(text);
    const nb_jval *t = nb_jkind_of(tokens) == NB_JARRAY ? nb_jfirst(tokens) : NULL;
    if (!t && n) {
        nb_token_event e = blank(a);
        e.id = dl_words_id(a->words, text, n);
        tell(a, &e, text, n);
    }
    for (; t; t = nb_jnext(t)) {
        size_t k = spelled(t, text, n);
        nb_token_event e = blank(a);
        e.id = id_of(a, t);
        e.logprob = logprob_of(nb_jget(t, "logprob"));
        take_top(a, &e, nb_jget(t, "top_logprobs"));
        tell(a, &e, text, k);
        text += k;
        n -= k;
    }
    a->last = nb_now();
    a->first = a->spoke ? a->first : a->last;
    a->spoke = true;
}

/* --- one event ------------------------------------------------------------------------------- */

static void think(dl_answer *a, bool begin)
{
    if (a->thinking == begin)
        return;
    tell_text(a, begin ? "<think>\n" : "\n</think>\n\n");
    a->thinking = begin;
}

static void take_reason(dl_answer *a, const nb_jval *reason)
{
    static const struct {
        const char *word;
        nb_stop stop;
    } rows[] = {{"stop", NB_STOP_END},
                {"length", NB_STOP_LIMIT},
                {"abort", NB_STOP_FAIL}, /* vLLM and SGLang: the request was ended there */
                {"error", NB_STOP_FAIL}};
    const char *word;
    if (!nb_jstr(reason, &word))
        return;
    a->finished = true;
    a->stop = NB_STOP_END; /* content_filter, tool_calls, eos: it is over */
    for (size_t i = 0; i < countof(rows); i++)
        if (strcmp(rows[i].word, word) == 0)
            a->stop = rows[i].stop;
    if (a->stop == NB_STOP_LIMIT && a->ask->max_tokens == 0)
        a->stop = NB_STOP_CONTEXT; /* no other limit was asked for */
}

static void take_choice(dl_answer *a, const nb_jval *choice)
{
    const nb_jval *delta = nb_jget(choice, "delta"), *logprobs = nb_jget(choice, "logprobs");
    const nb_jval *tokens = nb_jget(logprobs, "content");
    const char *thought = "", *text = "";
    if (!delta)
        delta = nb_jget(choice, "message");
    if (!nb_jstr(nb_jget(delta, "reasoning_content"), &thought))
        nb_jstr(nb_jget(delta, "reasoning"), &thought);
    nb_jstr(nb_jget(delta, "content"), &text);
    if (*thought) {
        think(a, true);
        tell_piece(a, thought, *text ? NULL : tokens);
    }
    if (*text) {
        think(a, false);
        tell_piece(a, text, tokens);
    }
    take_reason(a, nb_jget(choice, "finish_reason"));
}

static void take_usage(dl_answer *a, const nb_jval *usage)
{
    int64_t n;
    if (nb_jint(nb_jget(usage, "prompt_tokens"), &n) && n >= 0 && n < INT32_MAX)
        a->n_prompt = n;
    if (nb_jint(nb_jget(usage, "completion_tokens"), &n) && n >= 0 && n < INT32_MAX)
        a->n_answer = n;
}

/* {"error": {"message": s}} or {"error": s}; vLLM's {"object": "error", "message": s}; llama.cpp's
 * {"code": n, "message": s} on an error line. */
static bool is_error(dl_answer *a, const nb_jval *root)
{
    const nb_jval *error = nb_jget(root, "error");
    const char *text = "";
    bool bare = !nb_jget(root, "choices") && nb_jstr(nb_jget(root, "message"), &text);
    if (nb_jkind_of(error) == NB_JNULL && !bare)
        return false;
    if (!bare && !nb_jstr(nb_jget(error, "message"), &text))
        nb_jstr(error, &text);
    nb_str_clear(&a->said);
    nb_safe_text(&a->said, text, strlen(text), NB_SAFE_ONE_LINE);
    return true;
}

nb_status dl_answer_take(dl_answer *a, const char *json, size_t n, nb_err *err)
{
    nb_json *doc = NULL;
    if (n == 6 && memcmp(json, "[DONE]", 6) == 0) {
        a->done = true;
        return NB_OK;
    }
    if (n > 0 && *json == '<')
        return nb_fail(err, NB_NETWORK, "%s: a page came where an answer was expected", a->subject);
    NB_TRY(nb_json_parse(&doc, json, n, DL_EVENT_MAX, a->subject, err));
    const nb_jval *root = nb_json_root(doc), *choices = nb_jget(root, "choices");
    nb_status st = NB_OK;
    if (is_error(a, root)) {
        st = nb_fail(err, NB_NETWORK, "%s: the server ended the answer: %.160s", a->subject,
                     nb_str_c(&a->said));
    } else if (nb_jkind_of(root) != NB_JOBJECT ||
               (!choices && !nb_jget(root, "usage") && !nb_jget(root, "object"))) {
        st = nb_fail(err, NB_FORMAT, "%s: JSON came that is no part of an answer", a->subject);
    } else {
        if (nb_jkind_of(choices) == NB_JARRAY && nb_jfirst(choices))
            take_choice(a, nb_jfirst(choices));
        take_usage(a, nb_jget(root, "usage"));
    }
    nb_json_close(&doc);
    return st;
}
