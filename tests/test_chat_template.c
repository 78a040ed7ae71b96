/* Models whose chat template is not the demo's: its own is used, or named with the reason. */
#include "tests/check.h"
#include "tests/demo_model.h"
#include "tests/run_child.h"
#include "tests/util.h"
#include "tests/workbench.h"

#include "core/model/channel.h"
#include "core/model/chat.h"
#include "kernels/cpu.h"
#include "tui/screens/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An answer's events: their text, and how many there were before the first token. */
typedef struct heard {
    nb_str text;
    int before, tokens;
} heard;

static void hear(void *arg, const nb_token_event *e)
{
    heard *h = arg;
    nb_str_addn(&h->text, e->text, e->len);
    h->before += e->id < 0 && h->tokens == 0;
    h->tokens += e->id >= 0;
}

static nb_status ask(const char *dir, const nb_message *msg, size_t n, heard *h, nb_err *err)
{
    nk_ops ops;
    nb_local *l = NULL;
    nb_turn_stats stats;
    nk_ops_init(&ops, nk_cpu_detect());
    NB_TRY(nb_local_open(&l, dir, &ops, NULL, 0, NULL, err));
    nb_responder *r = nb_local_responder(l);
    nb_ask a = {.messages = msg,
                .n_messages = n,
                .max_tokens = 4,
                .token = hear,
                .arg = h,
                .sampling = nb_sampling_greedy()};
    nb_status st = r->ask(r, &a, &stats, NULL, err);
    nb_local_close(&l);
    return st;
}

CHECK_TEST(chat_template, a_thought_that_the_prompt_opened_is_shown)
{
    const char *dir =
        demo_model("opened", "{{ bos_token }}<|user|>{{ messages[-1].content }}<|end|>"
                             "<|assistant|><think>{{ '\n' }}");
    nb_message msg[] = {{NB_USER, "What is Q4_K?", 13}};
    heard h = {0};
    nb_err err;
    check(ask(dir, msg, 1, &h, &err) == NB_OK, "%s", err.msg);
    check(h.before == 1 && h.tokens == 4, "%d before %d tokens", h.before, h.tokens);
    check(strncmp(nb_str_c(&h.text), "<think>\n", 8) == 0, "%s", nb_str_c(&h.text));
    nb_str_free(&h.text);
}

CHECK_TEST(chat_template, a_refusal_reaches_the_asker_in_its_words)
{
    const char *dir = demo_model("refusing", "{% if messages[0].role == 'system' %}"
                                             "{{ raise_exception('System role not supported') }}"
                                             "{% endif %}{{ messages[0].content }}");
    nb_message msg[] = {{NB_SYSTEM, "Be brief.", 9}, {NB_USER, "hi", 2}};
    heard h = {0};
    nb_err err;
    check(ask(dir, msg, 2, &h, &err) == NB_UNSUPPORTED, "refused");
    check(strcmp(err.msg, "the chat template refuses: System role not supported") == 0, "%s",
          err.msg);
    check(ask(dir, msg + 1, 1, &h, &err) == NB_OK && h.tokens > 0, "without a system message");
    nb_str_free(&h.text);
}

CHECK_TEST(chat_template, the_command_names_one_that_cannot_run)
{
    char dir[1024];
    snprintf(dir, sizeof dir, "%s", demo_model("included", "Hi.\n{% include 'x' %}"));
    child c = child_run(&(child_how){.args = {"chat", dir, "-p", "Hi", "-n", "4"}});
    check(c.code == 0, "%d: %s", c.code, c.err);
    check(strstr(c.err, "the model's own chat template cannot be run (chat template line 2: tag "
                        "\"include\" is not supported); using chatml"),
          "%s", c.err);
    child_free(&c);
    snprintf(dir, sizeof dir, "%s", demo_model("plain", "{{ messages[0].content }}"));
    c = child_run(&(child_how){.args = {"chat", dir, "-p", "Hi", "-n", "4"}});
    check(c.code == 0 && !strstr(c.err, "template"), "%d: %s", c.code, c.err);
    child_free(&c);
}

/* For as long as the pane is there its border names the fallback, and until the first answer the
 * line under it the reason. */
CHECK_TEST(chat_template, the_pane_names_one_that_cannot_run)
{
    nk_ops ops;
    nb_err err = {0};
    void *self = NULL;
    ui_app *app = workbench_app();
    ui_canvas canvas = {0};
    nb_str text = {0};
    nk_ops_init(&ops, nk_cpu_detect());
    check(ui_workspace_open(&app->ws, NULL, &err) == NB_OK, "%s", err.msg);
    check(ui_screen_chat.open(&self, app, &err) == NB_OK, "%s", err.msg);
    chat_pane *pane = &((chat *)self)->pane[0];
    pane->used = true;
    check(nb_local_open(&pane->local, demo_model("pane", "Hi.\n{{ messages | frob }}"), &ops, NULL,
                        0, NULL, &err) == NB_OK,
          "%s", err.msg);
    pane->tmpl = nb_chat_template(nb_local_chat(pane->local), &pane->tmpl_problem);
    check(ui_canvas_resize(&canvas, 80, 24, &err) == NB_OK, "%s", err.msg);
    ui_screen_chat.draw(self, &canvas, (ui_rect){0, 0, 80, 24});
    ui_canvas_text(&canvas, &text, false);
    check(strstr(text.at, "chatml is used: its chat template line 2: no filter named 'frob'"), "%s",
          text.at);
    check(strstr(text.at, " chatml \xe2\x94\x80\xe2\x94\x90"), "not in the border:\n%s", text.at);
    nb_str_free(&text);
    ui_canvas_free(&canvas);
    ui_screen_chat.close(&self);
    ui_workspace_close(&app->ws);
    workbench_drop(app);
}

/* gpt-oss: <|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>.
 */
CHECK_TEST(chat_template, channels_are_told_as_thoughts)
{
    enum { START = 1, CHANNEL, MESSAGE, END, TEXT };
    static const struct {
        int32_t id;
        const char *text;
    } tokens[] = {{CHANNEL, ""},       {TEXT, "ana"},   {TEXT, "lysis"},    {MESSAGE, ""},
                  {TEXT, "2 + 2"},     {TEXT, " is 4"}, {END, ""},          {START, ""},
                  {TEXT, "assistant"}, {CHANNEL, ""},   {TEXT, "analysis"}, {MESSAGE, ""},
                  {TEXT, "sure"},      {END, ""},       {START, ""},        {TEXT, "assistant"},
                  {CHANNEL, ""},       {TEXT, "final"}, {MESSAGE, ""},      {TEXT, "Four"},
                  {TEXT, "."}};
    nb_channel c = {.start = START,
                    .channel = CHANNEL,
                    .message = MESSAGE,
                    .end = END,
                    .on = true,
                    .header = true};
    nb_str all = {0};
    nb_thought t;
    for (size_t i = 0; i < countof(tokens); i++) {
        const char *text = tokens[i].text;
        size_t n = nb_channel_piece(&c, tokens[i].id, &text, strlen(text));
        nb_str_addn(&all, text, n);
    }
    check(strcmp(all.at, "<think>\n2 + 2 is 4\nsure\n</think>\n\nFour.") == 0, "%s", all.at);
    check(nb_chat_thought(all.at, all.len, &t) && t.done && strcmp(all.at + t.answer, "Four.") == 0,
          "%s", all.at);
    const char *none = "";
    check(nb_channel_close(&c, &none) == 0, "nothing was open: %s", none);
    nb_channel off = {.start = -1, .channel = -1, .message = -1, .end = -1};
    const char *text = "as it is";
    check(nb_channel_piece(&off, TEXT, &text, 8) == 8 && strcmp(text, "as it is") == 0, "%s", text);
    nb_str_free(&all);
}

/* A call's name stands in the header, before or behind the channel's; <|call|> ends the answer. */
CHECK_TEST(chat_template, calls_in_channels_are_told_as_calls)
{
    enum { START = 1, CHANNEL, MESSAGE, END, TEXT };
    typedef struct token {
        int32_t id;
        const char *text;
    } token;
    static const token rows[][12] = {
        {{CHANNEL, ""},
         {TEXT, "analysis"},
         {MESSAGE, ""},
         {TEXT, "hm"},
         {END, ""},
         {START, ""},
         {TEXT, "assistant to=functions.f"},
         {CHANNEL, ""},
         {TEXT, "commentary json"},
         {MESSAGE, ""},
         {TEXT, "{\"a\": 1}"}},
        {{CHANNEL, ""},
         {TEXT, "commentary to=fun"},
         {TEXT, "ctions.g-2.x <"},
         {TEXT, "json"},
         {MESSAGE, ""},
         {TEXT, "[]"}},
        {{CHANNEL, ""}, {TEXT, "commentary to=functions.\"}"}, {MESSAGE, ""}, {TEXT, "x"}}};
    static const char *const want[] = {
        ("<think>\nhm\n</think>\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n"
         "</tool_call>\n"),
        "<tool_call>\n{\"name\": \"g-2.x\", \"arguments\": []}\n</tool_call>\n", "x"};
    for (size_t i = 0; i < countof(rows); i++) {
        nb_channel c = {.start = START,
                        .channel = CHANNEL,
                        .message = MESSAGE,
                        .end = END,
                        .on = true,
                        .header = true};
        nb_str all = {0};
        const char *text;
        for (const token *t = rows[i]; t->id; t++) {
            text = t->text;
            size_t n = nb_channel_piece(&c, t->id, &text, strlen(text));
            nb_str_addn(&all, text, n);
        }
        size_t n = nb_channel_close(&c, &text);
        nb_str_addn(&all, text, n);
        check(strcmp(nb_str_c(&all), want[i]) == 0, "row %zu: %s", i, nb_str_c(&all));
        nb_str_free(&all);
    }
    nb_channel c = {.start = START, .channel = CHANNEL, .message = MESSAGE, .end = END, .on = true};
    char wide[300];
    const char *text = wide;
    memset(wide, 'w', sizeof wide);
    memcpy(wide, "to=functions.", 13);
    nb_channel_piece(&c, START, &text, 0);
    text = wide;
    check(nb_channel_piece(&c, TEXT, &text, sizeof wide) == 0, "a header is not shown");
    size_t n = nb_channel_piece(&c, MESSAGE, &text, 0);
    check(n > 100 && n < sizeof c.open && strlen(text) == n, "%zu: %s", n, text);
}
