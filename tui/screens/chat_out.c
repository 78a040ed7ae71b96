/* What leaves a chat: exports, copies, the trip to $EDITOR. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/screens/chat.h"

void ui_chat_export(chat *c)
{
    nb_str md = {0}, json = {0};
    char name[32];
    if (!ui_transcript_count(c->log)) {
        ui_app_say(c->app, "nothing said yet");
        return;
    }
    snprintf(name, sizeof name, "chat-%04d", ui_transcript_number(c->log));
    ui_transcript_markdown(c->log, &md);
    ui_transcript_json(c->log, &json);
    ui_parts_export(c->app, name, "json", &json);
    ui_parts_export(c->app, name, "md", &md);
    nb_str_free(&md);
    nb_str_free(&json);
}

/* Shortest decimal that is the same float again. */
static void add_float(nb_str *out, const char *option, float v)
{
    char text[48];
    double back;
    for (int decimals = 0; decimals < 20; decimals++)
        if (nb_parse_double(nb_fmt_fixed(text, (double)v, decimals), &back) && (float)back == v)
            break;
    nb_str_addf(out, " --%s %s", option, text);
}

/* As far as it matters: a greedy answer asks for no share of the tail. */
static void add_sampling(const chat *c, nb_str *out)
{
    const nb_sampling *s = &c->sampling;
    add_float(out, "temp", s->temp);
    if (s->temp > 0) {
        nb_str_addf(out, " --seed %llu --top-k %d", (unsigned long long)s->seed, s->top_k);
        add_float(out, "top-p", s->top_p);
        add_float(out, "min-p", s->min_p);
    }
    if (s->repeat_penalty != 1)
        add_float(out, "repeat-penalty", s->repeat_penalty);
    if (c->max_tokens)
        nb_str_addf(out, " --predict %u", c->max_tokens);
    if (c->ctx)
        nb_str_addf(out, " --ctx %u", c->ctx);
    if (c->answers > 1 && ui_chat_panes(c) == 1)
        nb_str_addf(out, " --parallel %u", c->answers);
    if (c->shift)
        nb_str_add(out, " --context-shift");
    const char *draft = ui_chat_drafter(c, c->focus);
    if (strcmp(draft, "off") != 0) {
        nb_str_add(out, " --draft");
        ui_parts_path(out, draft);
    }
    if (c->think != NB_THINK_AUTO)
        nb_str_addf(out, " --think %s", c->think == NB_THINK_ON ? "on" : "off");
    if (c->tools_path) {
        nb_str_add(out, " --tools");
        ui_parts_path(out, c->tools_path);
    }
    if (c->system) {
        nb_str_add(out, " --system");
        ui_parts_word(out, c->system);
    }
}

/* The focused pane's last question to all panes; before any question, the chat itself. False when
 * turns came before it, which no command takes. */
static bool add_command(const chat *c, nb_str *out)
{
    int i = ui_transcript_leaf(c->log, c->focus);
    while (i >= 0 && ui_transcript_at(c->log, i)->role != NB_USER)
        i = ui_transcript_at(c->log, i)->parent;
    nb_str_add(out, "nibble chat");
    for (int p = 0; p < ui_chat_panes(c); p++)
        ui_parts_path(out, c->pane[p].path);
    if (i < 0)
        return true;
    add_sampling(c, out);
    nb_str_add(out, " --prompt");
    ui_parts_word(out, nb_str_c(&ui_transcript_at(c->log, i)->text));
    return ui_transcript_at(c->log, i)->parent < 0;
}

void ui_chat_copy(chat *c, ui_action a)
{
    const chat_pane *p = &c->pane[c->focus];
    const ui_message *m = ui_chat_answer(c, c->focus, NULL);
    nb_str s = {0};
    bool whole = true;
    if (a == UI_ACT_ANY_COPY_COMMAND) {
        whole = add_command(c, &s);
    } else if (a == UI_ACT_ANY_COPY_URL) {
        nb_str_add(&s, p->path);
    } else if (m) {
        nb_safe_text(&s, nb_str_c(&m->text), m->text.len, 0);
    }
    if (s.len)
        ui_app_copy(c->app, s.at, s.len);
    if (!whole)
        ui_app_say(c->app, "copied: it asks the last question without the turns before it");
    nb_str_free(&s);
}

void ui_chat_editor(chat *c)
{
    nb_err err = {0};
    nb_str draft = {0};
    ui_input_whole(&c->input, &draft);
    char *text = ui_app_edit(c->app, nb_str_c(&draft), &err);
    nb_str_free(&draft);
    if (text)
        ui_input_set(&c->input, text);
    else if (err.status != NB_OK)
        ui_app_say(c->app, "%s", err.msg);
    free(text);
}
