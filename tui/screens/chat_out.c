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

void ui_chat_copy(chat *c, ui_action a)
{
    const chat_pane *p = &c->pane[c->focus];
    const ui_message *m = ui_chat_answer(c, c->focus, NULL);
    nb_str s = {0};
    if (a == UI_ACT_ANY_COPY_COMMAND) {
        nb_str_add(&s, "nibble chat");
        for (int i = 0; i < ui_chat_panes(c); i++)
            nb_str_addf(&s, " '%s'", c->pane[i].path);
    } else if (a == UI_ACT_ANY_COPY_URL) {
        nb_str_add(&s, p->path);
    } else if (m) {
        nb_safe_text(&s, nb_str_c(&m->text), m->text.len, 0);
    }
    if (s.len)
        ui_app_copy(c->app, s.at, s.len);
    nb_str_free(&s);
}

void ui_chat_editor(chat *c)
{
    nb_err err = {0};
    char *text = ui_app_edit(c->app, nb_str_c(&c->input.text), &err);
    if (text)
        ui_input_set(&c->input, text);
    else if (err.status != NB_OK)
        ui_app_say(c->app, "%s", err.msg);
    free(text);
}
