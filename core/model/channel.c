#include "core/model/channel.h"

#include <stdio.h>
#include <string.h>

nb_channel nb_channel_open(const nb_tok *tok, const int32_t *prompt, size_t n)
{
    nb_channel c = {.start = nb_tok_special(tok, "<|start|>"),
                    .channel = nb_tok_special(tok, "<|channel|>"),
                    .message = nb_tok_special(tok, "<|message|>"),
                    .end = nb_tok_special(tok, "<|end|>")};
    c.on = c.start >= 0 && c.channel >= 0 && c.message >= 0;
    while (n > 0 && !nb_tok_is_control(tok, prompt[n - 1]))
        n--;
    c.header = c.on && n > 0 && prompt[n - 1] == c.start;
    return c;
}

static size_t show(const char **text, const char *what)
{
    *text = what;
    return strlen(what);
}

/* NAME of "to=functions.NAME" in the header; its length, 0 = it is to nobody. */
static size_t called(const nb_channel *c, const char **name)
{
    static const char to[] = "to=functions.", word[] = "abcdefghijklmnopqrstuvwxyz"
                                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    const char *at = memmem(c->head, c->n_head, to, sizeof to - 1);
    size_t n = 0;
    if (!at)
        return 0;
    *name = at + sizeof to - 1;
    while (*name + n < c->head + c->n_head && memchr(word, (*name)[n], sizeof word - 1))
        n++;
    return n;
}

static const char call_ends[] = "}\n</tool_call>\n", thought_ends[] = "\n</think>\n\n";

/* A header is over: a thought begins, or ends with the first message that is none; or a call. */
static size_t begin_message(nb_channel *c, const char **text)
{
    const char *name;
    size_t n = called(c, &name);
    bool thinks = !n && c->n_name >= 8 && memcmp(c->name, "analysis", 8) == 0, was = c->thinking;
    c->header = c->naming = false;
    c->thinking = thinks;
    c->calling = n > 0;
    if (n) {
        snprintf(c->open, sizeof c->open,
                 "%s<tool_call>\n{\"name\": \"%.*s\", \"arguments\": ", was ? thought_ends : "",
                 (int)n, name);
        return show(text, c->open);
    }
    if (thinks == was)
        return show(text, was ? "\n" : "");
    return show(text, thinks ? "<think>\n" : thought_ends);
}

size_t nb_channel_close(nb_channel *c, const char **text)
{
    bool was = c->calling;
    c->calling = false;
    return show(text, was ? call_ends : "");
}

static void keep(char *into, size_t cap, size_t *n, const char *text, size_t len)
{
    size_t room = cap - *n, k = len < room ? len : room;
    memcpy(into + *n, text, k);
    *n += k;
}

size_t nb_channel_piece(nb_channel *c, int32_t id, const char **text, size_t n)
{
    if (!c->on)
        return n;
    if (id == c->message)
        return begin_message(c, text);
    if (id == c->start || id == c->end) {
        c->header = true;
        c->naming = false;
        c->n_name = c->n_head = 0;
        return nb_channel_close(c, text);
    }
    if (id == c->channel) {
        c->header = c->naming = true;
        c->n_name = 0;
        keep(c->head, sizeof c->head, &c->n_head, " ", 1);
        return 0;
    }
    if (!c->header)
        return n;
    keep(c->head, sizeof c->head, &c->n_head, *text, n);
    if (c->naming)
        keep(c->name, sizeof c->name, &c->n_name, *text, n);
    return 0;
}
