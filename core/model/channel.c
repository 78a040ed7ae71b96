#include "core/model/channel.h"

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

/* A header is over: a thought begins, or ends with the first message that is none. */
static size_t begin_message(nb_channel *c, const char **text)
{
    bool thinks = c->n_name >= 8 && memcmp(c->name, "analysis", 8) == 0, was = c->thinking;
    c->header = c->naming = false;
    c->thinking = thinks;
    if (thinks == was)
        return show(text, was ? "\n" : "");
    return show(text, thinks ? "<think>\n" : "\n</think>\n\n");
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
        c->n_name = 0;
        return 0;
    }
    if (id == c->channel) {
        c->header = c->naming = true;
        c->n_name = 0;
        return 0;
    }
    if (!c->header)
        return n;
    for (size_t i = 0; c->naming && i < n && c->n_name < sizeof c->name; i++)
        c->name[c->n_name++] = (*text)[i];
    return 0;
}
