#include "core/model/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/str.h"
#include "core/model/jinja.h"
#include "core/model/tok.h"
#include "core/model/tools.h"

enum { CHATML, PLAIN };

static const struct row {
    const char *name, *text;
} rows[] = {
#define NB_TEMPLATE(sym, name, text) [sym] = {name, text},
#include "core/model/templates.def"
#undef NB_TEMPLATE
};

struct nb_chat {
    const nb_tok *tok; /* borrowed */
    nb_jinja *template;
    nb_jinja *with_tools; /* the model's own for conversations with tools; NULL: the same */
    const char *name;     /* of the template in use */
    nb_err problem;       /* why the model's own does not run; NB_OK = no such thing */
    const char *thought;  /* key under which the template takes a thought; NULL = in the content */
};

/* --- the template ---------------------------------------------------------------------------- */

static const char tool_use[] = "tokenizer.chat_template.tool_use";

static bool own_template(const nb_kvs *kvs, const char **text, size_t *n)
{
    static const char *const keys[] = {"tokenizer.chat_template", "tokenizer.chat_template.default",
                                       tool_use};
    for (size_t i = 0; i < countof(keys); i++)
        if (nb_kvs_str(kvs, keys[i], text, n))
            return true;
    return false;
}

static nb_status render(const nb_chat *c, const nb_message *msg, size_t n, const nb_chat_vars *vars,
                        nb_jinja_text *out, nb_err *err);

/* Compiles text and answers "hi" with it; a template that refuses that much runs all the same. */
static nb_status try_template(nb_chat *c, const char *text, size_t n, nb_err *err)
{
    static const nb_message hi = {NB_USER, "hi", 2};
    nb_jinja_text said;
    NB_TRY(nb_jinja_open(&c->template, text, n, "chat template", NULL, err));
    c->thought = nb_jinja_uses(c->template, "reasoning_content") ? "reasoning_content"
                 : nb_jinja_uses(c->template, "thinking")        ? "thinking"
                                                                 : NULL;
    nb_status st = render(c, &hi, 1, NULL, &said, err);
    if (st == NB_OK)
        nb_jinja_text_free(&said);
    return st == NB_REFUSED ? NB_OK : st;
}

/* A model may have another template for conversations with tools (Command R, Hermes). One that
 * cannot be compiled is as good as none: the other takes them, or says that it does not. */
static nb_status open_with_tools(nb_chat *c, const nb_kvs *kvs, const char *chosen, nb_err *err)
{
    const char *text;
    size_t n;
    nb_err why = {0};
    if (!nb_kvs_str(kvs, tool_use, &text, &n) || text == chosen)
        return NB_OK;
    nb_status st = nb_jinja_open(&c->with_tools, text, n, "chat template tool_use", NULL, &why);
    if (st == NB_NOMEM && err)
        *err = why;
    return st == NB_NOMEM ? st : NB_OK;
}

static nb_status choose(nb_chat *c, const nb_kvs *kvs, nb_err *err)
{
    const char *text;
    size_t n;
    bool chatml = nb_tok_special(c->tok, "<|im_start|>") >= 0;
    if (own_template(kvs, &text, &n)) {
        nb_err why = {0};
        c->name = "own";
        nb_status st = try_template(c, text, n, &why);
        if (st == NB_NOMEM && err)
            *err = why;
        if (st == NB_OK)
            return open_with_tools(c, kvs, text, err);
        if (st == NB_NOMEM)
            return st;
        nb_jinja_close(&c->template);
        c->problem = why;
        chatml = true;
    }
    const struct row *row = &rows[chatml ? CHATML : PLAIN];
    c->name = row->name;
    return try_template(c, row->text, strlen(row->text), err);
}

nb_status nb_chat_open(nb_chat **out, const nb_kvs *kvs, const nb_tok *tok, nb_err *err)
{
    nb_chat *c = nb_alloc(1, sizeof *c, "chat template", err);
    if (!c)
        return NB_NOMEM;
    c->tok = tok;
    nb_status st = choose(c, kvs, err);
    if (st != NB_OK) {
        nb_chat_close(&c);
        return st;
    }
    *out = c;
    return NB_OK;
}

void nb_chat_close(nb_chat **c)
{
    if (!*c)
        return;
    nb_jinja_close(&(*c)->template);
    nb_jinja_close(&(*c)->with_tools);
    free(*c);
    *c = NULL;
}

const char *nb_chat_template(const nb_chat *c, const char **problem)
{
    if (problem)
        *problem = c->problem.status == NB_OK ? NULL : c->problem.msg;
    return c->name;
}

static const char *const think_words[] = {"enable_thinking", "thinking"}; /* Qwen; Granite */

bool nb_chat_can_think(const nb_chat *c)
{
    for (size_t i = 0; i < countof(think_words); i++)
        if (nb_jinja_names(c->template, think_words[i]))
            return true;
    return false;
}

/* --- thoughts -------------------------------------------------------------------------------- */

static size_t skip(const char *text, size_t at, size_t len, const char *what)
{
    while (at < len && text[at] && strchr(what, text[at]))
        at++;
    return at;
}

bool nb_chat_thought(const char *text, size_t len, nb_thought *out)
{
    static const char open[] = "<think>", close[] = "</think>";
    enum { OPEN = sizeof open - 1, CLOSE = sizeof close - 1 };
    size_t at = skip(text, 0, len, " \t\r\n");
    if (len - at < OPEN || memcmp(text + at, open, OPEN) != 0)
        return false;
    at = skip(text, at + OPEN, len, "\n");
    const char *end = memmem(text + at, len - at, close, CLOSE);
    size_t stop = end ? (size_t)(end - text) : len;
    size_t answer = end ? skip(text, stop + CLOSE, len, "\n") : len, kept = 0;
    for (size_t i = at; i < stop && i < len; i++)
        if (text[i] != '\n' || !end)
            kept = i + 1 - at;
    *out = (nb_thought){.start = at, .len = kept, .answer = answer, .done = end != NULL};
    return true;
}

/* --- encoding -------------------------------------------------------------------------------- */

static void put_message(const nb_chat *c, nb_jinja_input *in, const nb_message *m)
{
    static const char *const names[] = {
        [NB_SYSTEM] = "system", [NB_USER] = "user", [NB_ASSISTANT] = "assistant"};
    const char *text = m->text ? m->text : "";
    size_t from = 0;
    nb_thought t;
    nb_jinja_begin_map(in, NULL);
    nb_jinja_put_str(in, "role", names[m->role], strlen(names[m->role]), NB_JINJA_TEMPLATE);
    if (c->thought && m->role == NB_ASSISTANT && nb_chat_thought(text, m->len, &t)) {
        nb_jinja_put_str(in, c->thought, text + t.start, t.len, NB_JINJA_USER);
        from = t.answer;
    }
    nb_jinja_put_str(in, "content", text + from, m->len - from, NB_JINJA_USER);
    nb_jinja_end(in);
}

static void put_special(const nb_chat *c, nb_jinja_input *in, const char *key, int32_t id)
{
    const char *bytes;
    size_t n = nb_tok_piece(c->tok, id, true, &bytes);
    nb_jinja_put_str(in, key, bytes, n, NB_JINJA_TEMPLATE);
}

static nb_jinja_clock local_clock(void)
{
    time_t now = time(NULL);
    struct tm t = {0};
    localtime_r(&now, &t);
    return (nb_jinja_clock){t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                            t.tm_hour,        t.tm_min,     t.tm_sec};
}

/* The caller's own variables. What the conversation is made of is not among them. */
static nb_status put_args(nb_jinja_input *in, const nb_chat_vars *v, nb_err *err)
{
    static const char *const ours[] = {"messages", "tools", "bos_token", "eos_token",
                                       "add_generation_prompt"};
    for (size_t i = 0; i < v->n_arg; i++) {
        const char *name = v->arg[i].name, *json = v->arg[i].json;
        for (size_t k = 0; k < countof(ours); k++)
            if (strcmp(name, ours[k]) == 0)
                return nb_fail(err, NB_USAGE, "template variable %s: set by the conversation",
                               name);
        NB_TRY(nb_jinja_put_json(in, name, json, strlen(json), NB_JINJA_USER, err));
    }
    return NB_OK;
}

static nb_status put_vars(nb_jinja_input *in, const nb_jinja *t, const nb_chat_vars *v, nb_err *err)
{
    for (size_t i = 0; i < countof(think_words) && v->think != NB_THINK_AUTO; i++)
        if (nb_jinja_names(t, think_words[i]))
            nb_jinja_put_bool(in, think_words[i], v->think == NB_THINK_ON);
    if (v->tools && !nb_jinja_names(t, "tools"))
        return nb_fail(err, NB_UNSUPPORTED, "the model's chat template takes no tools");
    if (v->tools) {
        NB_TRY(nb_tools_check(v->tools, v->tools_len, "tools", err));
        NB_TRY(nb_jinja_put_json(in, "tools", v->tools, v->tools_len, NB_JINJA_USER, err));
    }
    return put_args(in, v, err);
}

static nb_status render(const nb_chat *c, const nb_message *msg, size_t n, const nb_chat_vars *vars,
                        nb_jinja_text *out, nb_err *err)
{
    nb_jinja_input *in = NULL;
    nb_jinja_clock now = local_clock();
    const nb_jinja *template = vars && vars->tools && c->with_tools ? c->with_tools : c->template;
    NB_TRY(nb_jinja_input_open(&in, err));
    put_special(c, in, "bos_token", nb_tok_bos(c->tok));
    put_special(c, in, "eos_token", nb_tok_eos(c->tok));
    nb_jinja_put_bool(in, "add_generation_prompt", true);
    nb_jinja_begin_list(in, "messages");
    for (size_t i = 0; i < n; i++)
        put_message(c, in, &msg[i]);
    nb_jinja_end(in);
    nb_err why = {0};
    nb_status st = vars ? put_vars(in, template, vars, err) : NB_OK;
    if (st != NB_OK) {
        nb_jinja_input_close(&in);
        return st;
    }
    st = nb_jinja_render(template, in, &now, out, &why);
    nb_jinja_input_close(&in);
    if (st == NB_REFUSED)
        return nb_fail(err, st, "the chat template refuses: %.200s", why.msg);
    if (st == NB_FORMAT) /* of this conversation, not of the file */
        return nb_fail(err, NB_UNSUPPORTED, "%s", why.msg);
    if (st != NB_OK && err)
        *err = why;
    return st;
}

/* Whether the template itself ends with an opened thought. */
static bool ends_thinking(const nb_jinja_text *t)
{
    static const char open[] = "<think>";
    size_t n = t->len;
    if (!t->n_run || t->run[t->n_run - 1].owner != NB_JINJA_TEMPLATE)
        return false;
    while (n && (t->at[n - 1] == '\n' || t->at[n - 1] == ' '))
        n--;
    return n >= sizeof open - 1 &&
           memcmp(t->at + n - (sizeof open - 1), open, sizeof open - 1) == 0;
}

static nb_status to_ids(const nb_chat *c, const nb_jinja_text *text, int32_t *out, size_t cap,
                        size_t *n, nb_err *err)
{
    int32_t bos = -1, first = -1;
    nb_tok_span *span = nb_alloc(text->n_run, sizeof *span, "conversation", err);
    if (!span)
        return NB_NOMEM;
    for (size_t i = 0; i < text->n_run; i++)
        span[i] = (nb_tok_span){text->run[i].end, text->run[i].owner == NB_JINJA_TEMPLATE};
    /* The template mostly writes BOS itself; where the model wants one, there is exactly one. */
    nb_tok_encode(c->tok, "", 0, NB_TOK_BOS, &bos, 1);
    nb_tok_encode_spans(c->tok, text->at, span, text->n_run ? 1 : 0, 0, &first, 1);
    unsigned flags = bos >= 0 && bos != first ? NB_TOK_BOS : 0;
    *n = nb_tok_encode_spans(c->tok, text->at, span, text->n_run, flags, out, cap);
    free(span);
    if (*n == SIZE_MAX)
        return nb_fail(err, NB_NOMEM, "not enough memory to encode the conversation");
    return NB_OK;
}

nb_status nb_chat_encode(const nb_chat *c, const nb_message *msg, size_t n,
                         const nb_chat_vars *vars, int32_t *out, size_t cap, nb_prompt *prompt,
                         nb_err *err)
{
    nb_jinja_text text;
    nb_prompt p = {0};
    nb_status st = render(c, msg, n, vars, &text, err);
    if (st == NB_REFUSED && err) /* nothing is protected by it: this model cannot do that */
        err->status = NB_UNSUPPORTED;
    if (st != NB_OK)
        return st == NB_REFUSED ? NB_UNSUPPORTED : st;
    p.thinking = ends_thinking(&text);
    st = to_ids(c, &text, out, cap, &p.n, err);
    nb_jinja_text_free(&text);
    if (st == NB_OK)
        *prompt = p;
    return st;
}
