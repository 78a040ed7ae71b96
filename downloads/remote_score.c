/* What an endpoint says of a text that it reads: /completions with a prompt, one token generated
 * and dropped. Two dialects carry it, and both are asked for at once:
 *
 *   echo: true, logprobs: K      OpenAI's legacy completions, vLLM, SGLang, llama-cpp-python:
 *                                choices[0].logprobs {tokens, token_logprobs, top_logprobs}
 *   prompt_logprobs: K           vLLM: choices[0].prompt_logprobs [null, {"id": {logprob,
 *                                decoded_token}, ...}, ...], with ids
 *
 * llama.cpp's server answers echo with 400 "Only no echo is supported", Ollama passes both over. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "downloads/net.h"
#include "downloads/remote_own.h"

enum { REPLY_MAX = 256 << 20, LEGACY_TOP = 5 /* OpenAI's limit */ };

void dl_scores_free(dl_scores *s)
{
    free(s->at);
    free(s->top);
    nb_str_free(&s->text);
    *s = (dl_scores){0};
}

/* --- the request ----------------------------------------------------------------------------- */

typedef struct dialect {
    bool echo, prompt_logprobs;
} dialect;
static const dialect dialects[] = {{true, true}, {true, false}, {false, true}};

static void write_request(nb_str *out, const char *name, const char *text, size_t n, int top,
                          const dialect *d)
{
    nb_jout w = nb_jout_make(out);
    nb_jout_object(&w);
    nb_jout_key(&w, "model"), nb_jout_str(&w, name);
    nb_jout_key(&w, "prompt"), nb_jout_strn(&w, text, n);
    nb_jout_key(&w, "max_tokens"), nb_jout_i64(&w, 1); /* older vLLM refuses 0 */
    nb_jout_key(&w, "temperature"), nb_jout_i64(&w, 0);
    if (d->echo) {
        nb_jout_key(&w, "echo"), nb_jout_bool(&w, true);
        nb_jout_key(&w, "logprobs"), nb_jout_i64(&w, top > 0 ? top : 1);
    }
    if (d->prompt_logprobs)
        nb_jout_key(&w, "prompt_logprobs"), nb_jout_i64(&w, top > 0 ? top : 1);
    nb_jout_object_end(&w);
}

/* --- the reply ------------------------------------------------------------------------------- */

typedef struct reader {
    dl_scores *out;
    size_t cap, cap_top;
    bool failed;
} reader;

static void *more(void *at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return at;
    size_t wish = *cap ? 2 * *cap : 256;
    void *grown = realloc(at, wish * size);
    if (grown)
        *cap = wish;
    return grown;
}

static dl_alternative alternative(reader *r, const char *text, int64_t id, double logprob)
{
    dl_alternative a = {.text = r->out->text.len, .len = strlen(text), .id = id};
    a.logprob = logprob < 1e-3 ? logprob : NAN; /* NAN fails too */
    nb_str_add(&r->out->text, text);
    r->failed = r->failed || r->out->text.failed;
    return a;
}

static void add_top(reader *r, dl_alternative a)
{
    dl_alternative *top = more(r->out->top, r->out->n_top, &r->cap_top, sizeof *top);
    if (!top) {
        r->failed = true;
        return;
    }
    r->out->top = top;
    if (!isnan(a.logprob))
        top[r->out->n_top++] = a;
}

static void add_score(reader *r, const dl_score *s)
{
    dl_score *at = more(r->out->at, r->out->n, &r->cap, sizeof *at);
    if (!at) {
        r->failed = true;
        return;
    }
    r->out->at = at;
    at[r->out->n++] = *s;
}

static int by_logprob(const void *a, const void *b)
{
    const dl_alternative *x = a, *y = b;
    return x->logprob > y->logprob ? -1 : x->logprob < y->logprob;
}

static void sort_top(reader *r, dl_score *s)
{
    s->n_top = r->out->n_top - s->top;
    if (s->n_top > 1)
        qsort(r->out->top + s->top, s->n_top, sizeof *r->out->top, by_logprob);
}

static double number_of(const nb_jval *v)
{
    double d;
    return nb_jnum(v, &d) ? d : NAN;
}

/* {"tokens": [..], "token_logprobs": [null, ..], "top_logprobs": [null, {text: logprob}, ..]} */
static void read_echo(reader *r, const nb_jval *logprobs, size_t n)
{
    const nb_jval *token = nb_jfirst(nb_jget(logprobs, "tokens"));
    const nb_jval *value = nb_jfirst(nb_jget(logprobs, "token_logprobs"));
    const nb_jval *top = nb_jfirst(nb_jget(logprobs, "top_logprobs"));
    for (size_t i = 0; i < n && token && !r->failed; i++) {
        const char *text = "";
        nb_jstr(token, &text);
        dl_score s = {.token = alternative(r, text, -1, number_of(value)), .top = r->out->n_top};
        for (const nb_jval *a = nb_jfirst(top); a && nb_jkind_of(top) == NB_JOBJECT;
             a = nb_jnext(a))
            add_top(r, alternative(r, nb_jkey(a), -1, number_of(a)));
        sort_top(r, &s);
        add_score(r, &s);
        token = nb_jnext(token);
        value = value ? nb_jnext(value) : NULL;
        top = top ? nb_jnext(top) : NULL;
    }
}

static int64_t id_of_key(const nb_jval *v)
{
    int64_t id;
    return nb_parse_i64(nb_jkey(v), &id) && id >= 0 ? id : -1;
}

/* The token that stands there goes before the likeliest ones, and JSON keeps the order (vLLM's
 * gather_logprobs puts the target first). Which it is gets checked where it matters. */
static void read_prompt(reader *r, const nb_jval *list)
{
    for (const nb_jval *e = nb_jfirst(list); e && !r->failed; e = nb_jnext(e)) {
        dl_score s = {.token = {.id = -1, .logprob = NAN}, .top = r->out->n_top};
        const nb_jval *mine = nb_jkind_of(e) == NB_JOBJECT ? nb_jfirst(e) : NULL;
        for (const nb_jval *a = mine ? nb_jfirst(e) : NULL; a; a = nb_jnext(a)) {
            const char *text = "";
            nb_jstr(nb_jget(a, "decoded_token"), &text);
            dl_alternative alt =
                alternative(r, text, id_of_key(a), number_of(nb_jget(a, "logprob")));
            if (a == mine)
                s.token = alt;
            add_top(r, alt);
        }
        sort_top(r, &s);
        add_score(r, &s);
    }
}

/* Tokens of the prompt among those of the echo: as the server counts, else all but the one made. */
static size_t prompt_count(const nb_jval *root, size_t n)
{
    int64_t told;
    bool known = nb_jint(nb_jget(nb_jget(root, "usage"), "prompt_tokens"), &told) && told > 0;
    if (known && (uint64_t)told <= n)
        return (size_t)told;
    return n > 0 ? n - 1 : 0;
}

/* False when nothing is told of the prompt. */
static bool read_scores(reader *r, const nb_jval *root)
{
    const nb_jval *choice = nb_jfirst(nb_jget(root, "choices"));
    const nb_jval *list = nb_jget(choice, "prompt_logprobs");
    const nb_jval *logprobs = nb_jget(choice, "logprobs"), *tokens = nb_jget(logprobs, "tokens");
    if (nb_jkind_of(list) != NB_JARRAY)
        list = nb_jget(root, "prompt_logprobs");
    if (nb_jkind_of(list) == NB_JARRAY && nb_jlen(list) > 1)
        read_prompt(r, list);
    else if (nb_jkind_of(tokens) == NB_JARRAY && nb_jlen(tokens) > 2)
        read_echo(r, logprobs, prompt_count(root, nb_jlen(tokens)));
    size_t told = 0;
    for (size_t i = 0; i < r->out->n; i++)
        told += !isnan(r->out->at[i].token.logprob);
    return told > 0 || r->failed;
}

/* --- asking ---------------------------------------------------------------------------------- */

static nb_status one_dialect(dl_remote *r, const char *name, const char *text, size_t n, int top,
                             const dialect *d, dl_reply *reply, const nb_hooks *hooks, nb_err *err)
{
    nb_str json = {0};
    *reply = (dl_reply){0};
    write_request(&json, name, text, n, top, d);
    nb_status st = json.failed
                       ? nb_fail(err, NB_NOMEM, "%s: no memory for a request", name)
                       : dl_remote_post(r, "/completions", &json, NULL, NULL, reply, hooks, err);
    nb_str_free(&json);
    return st;
}

nb_status dl_scores_read(dl_scores *out, bool *told, const char *json, size_t n, const char *what,
                         nb_err *err)
{
    nb_json *doc = NULL;
    reader rd = {.out = out};
    *told = false;
    NB_TRY(nb_json_parse(&doc, json, n, REPLY_MAX, what, err));
    *told = read_scores(&rd, nb_json_root(doc));
    nb_json_close(&doc);
    if (*told && !rd.failed)
        return NB_OK;
    dl_scores_free(out);
    if (rd.failed)
        return nb_fail(err, NB_NOMEM, "%s: no memory for what is told of a prompt", what);
    return NB_OK;
}

nb_status dl_remote_score(dl_remote *r, const char *text, size_t n, int top, dl_scores *out,
                          const nb_hooks *hooks, nb_err *err)
{
    char name[sizeof r->name];
    nb_status st = NB_UNSUPPORTED;
    *out = (dl_scores){0};
    NB_TRY(dl_remote_need_name(r, name, hooks, err));
    top = r->score_top && r->score_top < top ? r->score_top : top;
    for (size_t i = r->dialect; i < countof(dialects); i++) {
        dl_reply reply;
        bool told = true;
        st = one_dialect(r, name, text, n, top, &dialects[i], &reply, hooks, err);
        bool refused = st == NB_NETWORK && (reply.status == 400 || reply.status == 422);
        bool fewer = refused && top > LEGACY_TOP && !strcasestr(nb_str_c(&reply.body), "echo");
        if (st == NB_OK)
            st = dl_scores_read(out, &told, nb_str_c(&reply.body), reply.body.len, name, err);
        dl_reply_free(&reply);
        if (st == NB_OK && told) {
            r->dialect = i; /* remembered, with how many it tells */
            r->score_top = top;
        }
        if (!refused && (told || st != NB_OK))
            return st;
        if (fewer && i + 1 == countof(dialects)) {
            top = LEGACY_TOP;
            i = SIZE_MAX; /* all dialects once more */
        }
    }
    return nb_fail(err, NB_UNSUPPORTED,
                   "%.60s: %.60s tells no log probabilities of a prompt, which perplexity "
                   "and KL need; vLLM and SGLang do, llama.cpp's server and Ollama do not",
                   name, r->host);
}
