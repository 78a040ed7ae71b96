#include "core/model/chat.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/model/tok.h"

/* One piece of a template: special-token spellings and text. %s stands for the role's name. */
typedef struct form {
    bool bos;                         /* always; otherwise when the model asks for it */
    bool skip_system;                 /* the template ignores system messages */
    const char *before[3], *after[3]; /* of a turn, in pieces; NULL ends */
    const char *opening[3];           /* of the assistant's turn */
    const char *between;              /* text between turns */
} form;

static const form forms[NB_TEMPLATE_COUNT] = {
    [NB_TEMPLATE_DEMO] = {.bos = true,
                          .skip_system = true,
                          .before = {"<|%s|>"},
                          .after = {"<|end|>"},
                          .opening = {"<|assistant|>"}},
    [NB_TEMPLATE_CHATML] = {.before = {"<|im_start|>", "%s\n"},
                            .after = {"<|im_end|>", "\n"},
                            .opening = {"<|im_start|>", "assistant\n"}},
    [NB_TEMPLATE_FALLBACK] = {.before = {"<|im_start|>", "%s\n"},
                              .after = {"<|im_end|>", "\n"},
                              .opening = {"<|im_start|>", "assistant\n"}},
    [NB_TEMPLATE_PLAIN] = {.between = "\n"},
};

static const char *const names[NB_TEMPLATE_COUNT] = {
#define NB_TEMPLATE(sym, name, mark) name,
#include "core/model/templates.def"
#undef NB_TEMPLATE
};

static const char *const marks[NB_TEMPLATE_COUNT] = {
#define NB_TEMPLATE(sym, name, mark) mark,
#include "core/model/templates.def"
#undef NB_TEMPLATE
};

static const char *const role_names[] = {
    [NB_SYSTEM] = "system", [NB_USER] = "user", [NB_ASSISTANT] = "assistant"};

const char *nb_template_name(nb_template t)
{
    return names[t];
}

nb_template nb_template_for(const nb_kvs *kvs, const nb_tok *tok, bool *fallback)
{
    const char *own;
    size_t n;
    *fallback = false;
    if (!nb_kvs_str(kvs, "tokenizer.chat_template", &own, &n)) {
        bool chatml = nb_tok_special(tok, "<|im_start|>") >= 0;
        return chatml ? NB_TEMPLATE_CHATML : NB_TEMPLATE_PLAIN;
    }
    for (int t = 0; t < NB_TEMPLATE_COUNT; t++)
        if (marks[t] && memmem(own, n, marks[t], strlen(marks[t])))
            return (nb_template)t;
    *fallback = true;
    return NB_TEMPLATE_FALLBACK;
}

/* Ids so far and the text since the last special token: text is encoded in one stretch, the way
 * the whole rendered template would be. */
typedef struct build {
    const nb_tok *tok;
    int32_t *out;
    size_t cap, n;
    nb_str text;
    bool failed;
} build;

static void flush(build *b)
{
    size_t room = b->n < b->cap ? b->cap - b->n : 0;
    size_t n = nb_tok_encode(b->tok, nb_str_c(&b->text), b->text.len, 0,
                             room ? b->out + b->n : NULL, room);
    b->failed = b->failed || b->text.failed || n == SIZE_MAX;
    b->n += n;
    nb_str_clear(&b->text);
}

static void put_id(build *b, int32_t id)
{
    flush(b);
    if (b->n < b->cap)
        b->out[b->n] = id;
    b->n++;
}

/* Template pieces: a spelling the vocabulary has becomes its token, anything else text. */
static void put_pieces(build *b, const char *const pieces[3], const char *role)
{
    for (int i = 0; i < 3 && pieces[i]; i++) {
        const char *at = strstr(pieces[i], "%s");
        nb_str s = {0};
        nb_str_addn(&s, pieces[i], at ? (size_t)(at - pieces[i]) : strlen(pieces[i]));
        if (at) {
            nb_str_add(&s, role);
            nb_str_add(&s, at + 2);
        }
        b->failed = b->failed || s.failed;
        int32_t id = nb_tok_special(b->tok, nb_str_c(&s));
        if (id >= 0)
            put_id(b, id);
        else
            nb_str_addn(&b->text, nb_str_c(&s), s.len);
        nb_str_free(&s);
    }
}

size_t nb_chat_encode(nb_template t, const nb_tok *tok, const nb_message *msg, size_t n,
                      int32_t *out, size_t cap)
{
    const form *f = &forms[t];
    build b = {.tok = tok, .out = out, .cap = cap};
    int32_t bos = -1;
    if (f->bos)
        bos = nb_tok_bos(tok);
    else
        nb_tok_encode(tok, "", 0, NB_TOK_BOS, &bos, 1);
    if (bos >= 0)
        put_id(&b, bos);
    for (size_t i = 0; i < n; i++) {
        if (f->skip_system && msg[i].role == NB_SYSTEM)
            continue;
        if (f->between && i > 0)
            nb_str_add(&b.text, f->between);
        put_pieces(&b, f->before, role_names[msg[i].role]);
        nb_str_addn(&b.text, msg[i].text, msg[i].len);
        put_pieces(&b, f->after, role_names[msg[i].role]);
    }
    put_pieces(&b, f->opening, role_names[NB_ASSISTANT]);
    flush(&b);
    nb_str_free(&b.text);
    return b.failed ? SIZE_MAX : b.n;
}
