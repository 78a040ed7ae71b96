/* What leaves a chat: exports, copies, the trip to $EDITOR. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/forced_out.h"
#include "tui/screens/chat.h"

/* --- files -------------------------------------------------------------------------------------
 */

/* What forced scoring found of A's last answer; null where that was not scored. */
static void forced_json(const chat *c, nb_jout *w)
{
    const ui_message *a = ui_chat_answer(c, 0, NULL);
    nb_jout_key(w, "forced");
    if (!ui_chat_forced_shown(c)) {
        nb_jout_null(w);
        return;
    }
    nb_jout_object(w);
    nb_jout_key(w, "reference"), nb_jout_str(w, c->pane[0].path);
    nb_jout_key(w, "prompt_tokens"), nb_jout_u64(w, a->n_prompt);
    nb_jout_key(w, "panes");
    nb_jout_array(w);
    for (int p = 1; p < ui_chat_panes(c); p++) {
        const chat_score *s = &c->forced.score[p];
        nb_jout_object(w);
        nb_jout_key(w, "pane"), nb_jout_i64(w, p);
        nb_jout_key(w, "model"), nb_jout_str(w, c->pane[p].path);
        if (s->point)
            ui_forced_json(w, a, s->point);
        else
            nb_jout_key(w, "not_scored"), nb_jout_str(w, s->why);
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
    nb_jout_object_end(w);
}

void ui_chat_json(const chat *c, nb_str *out)
{
    nb_jout w = nb_jout_make(out);
    uint64_t flat = 0;
    for (int p = 0; p < ui_chat_panes(c); p++)
        flat += c->pane[p].work.flat_bytes;
    nb_jout_object(&w);
    nb_jout_key(&w, "flat_bytes"), nb_jout_u64(&w, flat);
    ui_transcript_json(c->log, &w);
    forced_json(c, &w);
    nb_jout_object_end(&w);
}

static void forced_markdown(const chat *c, nb_str *out)
{
    char line[200];
    for (int p = 1; ui_chat_forced_shown(c) && p < ui_chat_panes(c); p++) {
        ui_chat_forced_words(c, p, line, sizeof line);
        nb_str_addf(out, "%c along A's answer: ", 'A' + p);
        nb_safe_text(out, line, strlen(line), NB_SAFE_ONE_LINE);
        nb_str_add(out, "\n\n");
    }
}

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
    forced_markdown(c, &md);
    ui_chat_json(c, &json);
    ui_parts_export(c->app, name, "json", &json);
    ui_parts_export(c->app, name, "md", &md);
    nb_str_free(&md);
    nb_str_free(&json);
}

/* --- commands ----------------------------------------------------------------------------------
 */

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

/* What the template is told besides the conversation. */
static void add_told(const chat *c, nb_str *out)
{
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
    ui_chat_params_loaded(c, out);
    const char *draft = ui_chat_drafter(c, c->focus);
    if (strcmp(draft, "off") != 0) {
        nb_str_add(out, " --draft");
        ui_parts_path(out, draft);
    }
    add_told(c, out);
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

/* The focused pane's scores, or B's, computed by the command from the chat's file. */
static bool add_score_command(const chat *c, nb_str *out)
{
    int p = c->focus ? c->focus : 1;
    const char *file = ui_transcript_file(c->log);
    if (c->metric != CHAT_METRIC_KL || !ui_chat_forced_score(c, p) || !*file)
        return false;
    nb_str_add(out, "nibble eval");
    ui_parts_path(out, c->pane[p].path);
    nb_str_add(out, " --ref");
    ui_parts_path(out, c->pane[0].path);
    nb_str_add(out, " --chat");
    ui_parts_path(out, file);
    add_told(c, out);
    return true;
}

void ui_chat_copy(chat *c, ui_action a)
{
    const chat_pane *p = &c->pane[c->focus];
    const ui_message *m = ui_chat_answer(c, c->focus, NULL);
    nb_str s = {0};
    bool whole = true;
    if (a == UI_ACT_ANY_COPY_COMMAND) {
        whole = add_score_command(c, &s) || add_command(c, &s);
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
