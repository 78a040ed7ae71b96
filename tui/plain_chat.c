/* Chat in lines: a message goes to every pane, answers come line by line as they are made, then
 * where each parts from the first. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/plain.h"
#include "tui/screens/chat.h"

/* How much of each pane's answer was said. */
typedef struct stream {
    chat *c;
    size_t from; /* messages from here on are new */
    int message[UI_PANES];
    size_t said[UI_PANES];
    bool ended[UI_PANES];
} stream;

static chat *chat_of(ui_plain *p)
{
    return ui_app_page_of(p->app, UI_CHAT)->self;
}

static bool busy(const void *arg)
{
    return ui_chat_busy(arg);
}

/* --- answers -----------------------------------------------------------------------------------
 */

static void say_piece(ui_plain *p, const chat *c, int pane, const char *text, size_t n)
{
    if (ui_chat_panes(c) > 1)
        ui_plain_say(p, "%c: %.*s", 'A' + pane, (int)n, text);
    else
        ui_plain_say(p, "%.*s", (int)n, text);
}

static void say_lines(ui_plain *p, stream *s, int pane, const ui_message *m)
{
    const char *text = nb_str_c(&m->text), *end;
    while ((end = memchr(text + s->said[pane], '\n', m->text.len - s->said[pane]))) {
        size_t n = (size_t)(end - text) - s->said[pane];
        say_piece(p, s->c, pane, text + s->said[pane], n);
        s->said[pane] += n + 1;
    }
    if (!m->done || s->ended[pane])
        return;
    if (m->text.len > s->said[pane])
        say_piece(p, s->c, pane, text + s->said[pane], m->text.len - s->said[pane]);
    char rate[48];
    ui_plain_say(p, "%c, %s: %zu tokens, %s tok/s, %s", 'A' + pane, s->c->pane[pane].label,
                 m->n_token, nb_fmt_fixed(rate, m->tok_per_s, 1), ui_stop_word(m->stop));
    s->said[pane] = m->text.len;
    s->ended[pane] = true;
}

static void follow(ui_plain *p, void *arg)
{
    stream *s = arg;
    for (int pane = 0; pane < ui_chat_panes(s->c); pane++) {
        int index;
        const ui_message *m = ui_chat_answer(s->c, pane, &index);
        if (!m || (size_t)index < s->from)
            continue;
        if (index != s->message[pane]) {
            s->message[pane] = index;
            s->said[pane] = 0;
            s->ended[pane] = false;
        }
        say_lines(p, s, pane, m);
    }
}

static void say_partings(ui_plain *p, const chat *c)
{
    for (int pane = 1; pane < ui_chat_panes(c); pane++) {
        int index;
        char piece[64];
        const ui_message *m = ui_chat_answer(c, pane, &index);
        if (!m)
            continue;
        long at = ui_chat_difference(c, pane, index);
        if (at < 0) {
            ui_plain_say(p, "%c says what A says", 'A' + pane);
            continue;
        }
        piece[0] = '\0';
        if ((size_t)at < m->n_token)
            ui_chat_piece(c, pane, m->token[at].id, piece, sizeof piece);
        ui_plain_say(p, "%c parts from A at token %ld%s%s", 'A' + pane, at, piece[0] ? ": " : "",
                     piece);
    }
}

static void run(ui_plain *p, chat *c, size_t from)
{
    stream *s = ui_xcalloc(1, sizeof *s);
    *s = (stream){.c = c, .from = from};
    for (int pane = 0; pane < UI_PANES; pane++)
        s->message[pane] = -1;
    p->news = follow;
    p->news_arg = s;
    bool going = ui_plain_wait(p, busy, c);
    p->news = NULL;
    p->news_arg = NULL;
    free(s);
    for (int pane = 0; pane < ui_chat_panes(c); pane++)
        if (c->pane[pane].problem[0])
            ui_plain_say(p, "%c, %s: %s", 'A' + pane, c->pane[pane].label, c->pane[pane].problem);
    if (going)
        say_partings(p, c);
}

/* --- choices -----------------------------------------------------------------------------------
 */

static void again(ui_plain *p, chat *c)
{
    size_t from = ui_transcript_count(c->log);
    for (int pane = 0; pane < ui_chat_panes(c); pane++)
        ui_chat_again(c, pane);
    run(p, c, from);
}

static void differences(ui_plain *p, chat *c)
{
    const char *no = ui_chat_diff_why_not(c);
    if (no)
        ui_plain_say(p, "%s", no);
    for (int pane = 1; !no && pane < ui_chat_panes(c); pane++) {
        nb_str text = {0};
        ui_plain_say(p, "A against %c: [-only in A-] {+only in %c+}", 'A' + pane, 'A' + pane);
        if (!ui_chat_diff_text(c, pane, &text))
            ui_plain_say(p, "no answer to compare");
        for (char *line = text.at, *end; line && *line; line = end) {
            end = line + strcspn(line, "\n");
            bool more = *end == '\n';
            *end = '\0';
            ui_plain_say(p, "%s", line);
            end += more;
        }
        nb_str_free(&text);
    }
}

/* --- forced scoring ----------------------------------------------------------------------------
 */

static void say_tokens(ui_plain *p, const chat *c, int pane)
{
    const chat_score *s = &c->forced.score[pane];
    const ui_message *a = ui_chat_answer(c, 0, NULL);
    char kl[48], mine[48], of_a[48], piece[64];
    for (size_t i = 0; i < c->forced.n; i++) {
        const nb_kld_point *k = &s->point[i];
        ui_chat_piece(c, 0, a->token[i].id, piece, sizeof piece);
        ui_plain_say(p, "%c token %zu %s: KL %s, A %s, %c %s%s", 'A' + pane, i, piece,
                     ui_parts_num(kl, k->kld), ui_parts_percent(of_a, exp(-k->base_nll)),
                     'A' + pane, ui_parts_percent(mine, exp(-k->nll)),
                     k->same_top ? "" : ", another likeliest token");
    }
}

/* What each pane's model thinks of A's answer; then of single tokens, as long as asked. */
static void score(ui_plain *p, chat *c)
{
    char words[200], piece[64];
    ui_chat_forced_ask(c);
    if (!ui_plain_wait(p, busy, c) || !ui_chat_forced_shown(c))
        return;
    ui_plain_say(p, "A is the reference, its answer has %zu tokens", c->forced.n);
    for (int pane = 1; pane < ui_chat_panes(c); pane++) {
        const chat_score *s = &c->forced.score[pane];
        ui_chat_forced_words(c, pane, words, sizeof words);
        ui_plain_say(p, "%c, %s: %s", 'A' + pane, c->pane[pane].label, words);
        if (!s->point)
            continue;
        const ui_message *a = ui_chat_answer(c, 0, NULL);
        ui_chat_piece(c, 0, a->token[s->sum.max_at].id, piece, sizeof piece);
        ui_plain_say(p, "%c, most at token %zu: %s, KL %s", 'A' + pane, (size_t)s->sum.max_at,
                     piece, ui_parts_num(words, s->sum.kld_max));
    }
    for (int at; (at = ui_plain_choose(p, ui_chat_panes(c), 0,
                                       "token by token: number of a pane (2 is B), 0 goes back"));)
        if (at > 1 && ui_chat_forced_score(c, at - 1))
            say_tokens(p, c, at - 1);
        else
            ui_plain_say(p, "%c was not scored", 'A' + at - 1);
}

static void system_prompt(ui_plain *p, chat *c)
{
    const char *text = ui_plain_ask(p, "system prompt, an empty line takes it away");
    if (!text)
        return;
    free(c->system);
    c->system = *text ? ui_xstrdup(text) : NULL;
}

static bool models(ui_plain *p, chat *c)
{
    const char *path[UI_PANES + 1] = {NULL};
    if (!ui_plain_models(p, path, UI_PANES, "chat"))
        return ui_chat_panes(c) > 0;
    ui_app_show(p->app, UI_CHAT, path, NULL);
    run(p, c, ui_transcript_count(c->log));
    return !p->app->signal;
}

/* False: back to the root. */
static bool choices(ui_plain *p, chat *c)
{
    static const char *const text[] = {"the answer again",
                                       "differences, word by word",
                                       "other models",
                                       "a new chat",
                                       "system prompt",
                                       "write the chat to a file",
                                       "score A's answer in the other panes: KL at every token"};
    for (size_t i = 0; i < countof(text); i++)
        ui_plain_say(p, "%zu. %s", i + 1, text[i]);
    int at = ui_plain_choose(p, countof(text), -1,
                             "chat: number, an empty line goes on chatting, 0 goes back");
    if (at == 1)
        again(p, c);
    else if (at == 2)
        differences(p, c);
    else if (at == 3)
        return models(p, c);
    else if (at == 4)
        ui_chat_new(c);
    else if (at == 5)
        system_prompt(p, c);
    else if (at == 6)
        ui_chat_export(c);
    else if (at == 7)
        score(p, c);
    return at != 0;
}

/* What was said before, when an earlier chat goes on. */
static void say_history(ui_plain *p, const chat *c)
{
    enum { MOST = 64 };
    int path[MOST];
    for (int pane = 0; pane < ui_chat_panes(c); pane++) {
        size_t n = ui_transcript_path(c->log, pane, path, MOST);
        for (size_t i = 0; i < n && i < MOST; i++) {
            const ui_message *m = ui_transcript_at(c->log, path[i]);
            ui_plain_say(p, "%c, %s: %s%s", 'A' + pane, ui_role_word(m->role), nb_str_c(&m->text),
                         m->role == NB_ASSISTANT && !m->done ? " (interrupted)" : "");
        }
    }
}

void ui_plain_chat(ui_plain *p)
{
    const char *none[] = {NULL};
    ui_app_show(p->app, UI_CHAT, none, NULL);
    chat *c = chat_of(p);
    if (!c)
        return;
    if (!ui_chat_panes(c) && !models(p, c))
        return;
    say_history(p, c);
    ui_plain_wait(p, busy, c);
    for (;;) {
        const char *text = ui_plain_ask(p, "your message; an empty line has other choices");
        if (!text)
            return;
        if (!*text) {
            if (!choices(p, c))
                return;
            continue;
        }
        size_t from = ui_transcript_count(c->log);
        ui_chat_send(c, text, strlen(text));
        run(p, c, from);
    }
}
