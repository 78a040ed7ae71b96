/* Answers in the Chat screen: as Markdown by default, as written where tokens are looked at or by
 * the key; the marker of the first difference shows in both (tui 27). */
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/screens/chat.h"

typedef struct scene {
    chat chat;
    ui_canvas canvas;
    nb_str text;
} scene;

static int say(scene *s, int pane, int parent, nb_role role, const char *text)
{
    int i = -2;
    nb_err err = {0};
    check(ui_transcript_add(s->chat.log, pane, parent, role, text, strlen(text), &i, &err) == NB_OK,
          "%s", err.msg);
    return i;
}

/* The text word by word; a word's hash is its token. */
static void speak(scene *s, int message, const char *text)
{
    while (*text) {
        size_t n = strcspn(text + 1, " ") + 1;
        nb_token_event e = {.logprob = -0.25F, .entropy = 0.5F, .len = (uint16_t)n};
        check(n <= sizeof e.text, "word of %zu bytes", n);
        memcpy(e.text, text, n);
        for (size_t i = 0; i < n; i++)
            e.id = (e.id * 31 + text[i]) & 0xffffff;
        check(ui_transcript_token(s->chat.log, message, &e, NULL) == NB_OK, "token");
        text += n;
    }
}

static int answer(scene *s, int pane, const char *text)
{
    int question = say(s, pane, -1, NB_USER, "**what**");
    int i = say(s, pane, question, NB_ASSISTANT, "");
    speak(s, i, text);
    ui_transcript_end(s->chat.log, i, &(nb_turn_stats){.stop = NB_STOP_END, .tok_per_s = 80});
    return i;
}

static scene begin(int panes, int width)
{
    scene s = {.chat = {.token = -1, .editing = -1, .params_edit = -1}};
    s.chat.sampling = nb_sampling_greedy();
    nb_err err = {0};
    check(ui_transcript_open(&s.chat.log, NULL, &err) == NB_OK, "%s", err.msg);
    check(ui_canvas_resize(&s.canvas, width, 30, &err) == NB_OK, "%s", err.msg);
    for (int p = 0; p < panes; p++) {
        s.chat.pane[p].used = true;
        s.chat.pane[p].answer = -1;
    }
    return s;
}

static const char *shown(scene *s)
{
    ui_canvas_clear(&s->canvas);
    ui_chat_draw(&s->chat, &s->canvas, (ui_rect){0, 0, s->canvas.w, s->canvas.h});
    nb_str_clear(&s->text);
    ui_canvas_text(&s->canvas, &s->text, false);
    return nb_str_c(&s->text);
}

static void shows(scene *s, const char *want, bool yes)
{
    const char *text = shown(s);
    check((strstr(text, want) != NULL) == yes, "\"%s\" %s in\n%s", want,
          yes ? "is not" : "should not be", text);
}

static void end(scene *s)
{
    ui_chat_forget_rows(&s->chat);
    for (size_t i = 0; i < s->chat.n_rows; i++) {
        nb_str_free(&s->chat.rows[i].text);
        free(s->chat.rows[i].row);
    }
    free(s->chat.rows);
    free(s->chat.seen);
    ui_transcript_close(&s->chat.log);
    ui_canvas_free(&s->canvas);
    nb_str_free(&s->text);
}

CHECK_TEST(answers, are_markdown_and_questions_as_written)
{
    scene s = begin(1, 80);
    answer(&s, 0, "# Head\n\n- one **bold** word\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |");
    shows(&s, "you  **what**", true);
    shows(&s, "│ # Head ", true);
    shows(&s, "│ • one bold word ", true);
    shows(&s, "│ a │ b ", true);
    shows(&s, "│ 1 │ 2 ", true);
    s.chat.raw = true;
    shows(&s, "│ - one **bold** word ", true);
    shows(&s, "│ |---|---| ", true);
    shows(&s, "· raw", true);
    s.chat.raw = false;
    shows(&s, "• one bold word", true);
    shows(&s, "· raw", false);
    end(&s);
}

CHECK_TEST(answers, are_as_written_where_tokens_are_looked_at)
{
    scene s = begin(2, 100);
    answer(&s, 0, "some **bold** word");
    answer(&s, 1, "some **bold** word");
    s.chat.metric = CHAT_METRIC_PROB;
    shows(&s, "**bold**", true);
    s.chat.metric = CHAT_METRIC_OFF;
    shows(&s, "**bold**", false);
    s.chat.token = 1; /* in the focused pane only */
    s.chat.focus = 1;
    const char *text = shown(&s), *at = strstr(text, "**bold**");
    check(at && !strstr(at + 1, "**bold**") && strstr(text, "some bold word"), "%s", text);
    end(&s);
}

/* tui 27 */
CHECK_TEST(answers, tui_27_the_marker_shows_in_markdown)
{
    scene s = begin(2, 100);
    answer(&s, 0, "- one **two** three");
    answer(&s, 1, "- one **four** three");
    shows(&s, "• one two three", true);
    shows(&s, "• one÷ four three", true);
    s.canvas.ascii = true;
    shows(&s, "- one! four three", true);
    s.canvas.ascii = false;
    s.chat.raw = true;
    shows(&s, "- one÷ **four** three", true);
    end(&s);
}

CHECK_TEST(answers, grow_and_turn_into_markdown_as_they_come)
{
    scene s = begin(1, 60);
    int question = say(&s, 0, -1, NB_USER, "what"), i = say(&s, 0, question, NB_ASSISTANT, "");
    speak(&s, i, "one **tw");
    shows(&s, "one **tw", true);
    speak(&s, i, "o**\n\n- a");
    shows(&s, "one two ", true);
    shows(&s, "• a ", true);
    speak(&s, i, " b\n- c");
    shows(&s, "• a b ", true);
    shows(&s, "• c ", true);
    end(&s);
}

/* What is above the screen is not drawn over what is below it. */
CHECK_TEST(answers, scroll_by_the_rows_they_have_as_markdown)
{
    scene s = begin(1, 60);
    char text[64];
    int question = say(&s, 0, -1, NB_USER, "what"), i = say(&s, 0, question, NB_ASSISTANT, "");
    for (int k = 0; k < 60; k++) {
        snprintf(text, sizeof text, "- item%d\n", k);
        speak(&s, i, text);
    }
    shows(&s, "• item59 ", true);
    shows(&s, "• item0 ", false);
    s.chat.pane[0].scroll = 1 << 20;
    shows(&s, "• item0 ", true);
    shows(&s, "• item59 ", false);
    shows(&s, "more below", true);
    end(&s);
}
