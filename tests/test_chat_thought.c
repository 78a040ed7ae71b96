/* Thoughts in the chat view: folded to a line, shown whole, and what the transcript keeps. */
#include "tests/check.h"
#include "tests/util.h"
#include "tests/workbench.h"

#include "tui/screens/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A chat screen over a transcript, without a model. */
typedef struct thinker {
    ui_app *app;
    chat *c;
    ui_canvas canvas;
    int question, answer;
} thinker;

static thinker thinker_open(int width, int height)
{
    thinker t = {.app = workbench_app()};
    void *self = NULL;
    nb_err err = {0};
    check(ui_workspace_open(&t.app->ws, NULL, &err) == NB_OK, "%s", err.msg);
    check(ui_screen_chat.open(&self, t.app, &err) == NB_OK, "%s", err.msg);
    t.c = self;
    t.c->pane[0].used = true;
    snprintf(t.c->pane[0].label, sizeof t.c->pane[0].label, "thinker q4_K");
    check(ui_canvas_resize(&t.canvas, width, height, &err) == NB_OK, "%s", err.msg);
    static const char ask[] = "Is 91 prime?";
    check(ui_transcript_add(t.c->log, 0, -1, NB_USER, ask, sizeof ask - 1, &t.question, &err) ==
              NB_OK,
          "%s", err.msg);
    check(ui_transcript_add(t.c->log, 0, t.question, NB_ASSISTANT, NULL, 0, &t.answer, &err) ==
              NB_OK,
          "%s", err.msg);
    return t;
}

static void thinker_close(thinker *t)
{
    void *self = t->c;
    ui_canvas_free(&t->canvas);
    ui_screen_chat.close(&self);
    ui_workspace_close(&t->app->ws);
    workbench_drop(t->app);
}

/* One token; id < 0: text that no token stands for. */
static void say(thinker *t, int32_t id, const char *text)
{
    nb_token_event e = {.id = id, .len = (uint16_t)strlen(text)};
    memcpy(e.text, text, e.len);
    for (int i = 0; i < NB_TOP; i++)
        e.top_id[i] = -1;
    check(ui_transcript_token(t->c->log, t->answer, &e, NULL) == NB_OK, "token");
}

static void end(thinker *t, nb_stop stop)
{
    const nb_turn_stats s = {
        .n_prompt = 9, .n_answer = 9, .ttft = 0.01, .tok_per_s = 100, .stop = stop};
    ui_transcript_end(t->c->log, t->answer, &s);
}

/* The screen as text, owned. */
static char *draw(thinker *t)
{
    nb_str out = {0};
    ui_rect all = {0, 0, t->canvas.w, t->canvas.h};
    ui_fill(&t->canvas, all, UI_TEXT, " ");
    ui_screen_chat.draw(t->c, &t->canvas, all);
    ui_canvas_text(&t->canvas, &out, false);
    return out.at;
}

static void shows(thinker *t, const char *text, bool want)
{
    char *screen = draw(t);
    check((strstr(screen, text) != NULL) == want, "%s \"%s\":\n%s", want ? "without" : "with", text,
          screen);
    free(screen);
}

static void golden(thinker *t, const char *name)
{
    char path[1024];
    size_t n;
    char *got = draw(t);
    snprintf(path, sizeof path, "%s/tests/golden/%s-%dx%d.screen", NB_TEST_ROOT, name, t->canvas.w,
             t->canvas.h);
    const char *mode = getenv("NB_GOLDEN");
    if (mode && strcmp(mode, "write") == 0)
        test_spit(path, got, strlen(got));
    char *want = test_slurp(path, &n);
    check(want && strcmp(got, want) == 0, "%s differs from its golden:\n%s", name, got);
    free(got);
    free(want);
}

static const char *const tokens[] = {"<think>", "\n",         "91 = 7", " * 13,",   " both",
                                     " are",    " whole",     ".\n",    "</think>", "\n\n",
                                     "No: ",    "**7 x 13**", "."};

static void think(thinker *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        say(t, (int32_t)i + 10, tokens[i]);
}

CHECK_TEST(chat_thought, folds_to_a_line_and_unfolds)
{
    static const int sizes[][2] = {{120, 40}, {80, 24}};
    for (size_t i = 0; i < countof(sizes); i++) {
        thinker t = thinker_open(sizes[i][0], sizes[i][1]);
        think(&t, countof(tokens));
        end(&t, NB_STOP_END);
        golden(&t, "thought");
        check(ui_screen_chat.why_not(t.c, UI_ACT_CHAT_UNFOLD) == NULL, "can be unfolded");
        check(ui_screen_chat.action(t.c, UI_ACT_CHAT_UNFOLD), "Ctrl-O");
        golden(&t, "thought-open");
        ui_screen_chat.action(t.c, UI_ACT_CHAT_UNFOLD);
        golden(&t, "thought");
        thinker_close(&t);
    }
}

CHECK_TEST(chat_thought, grows_while_it_is_thought)
{
    thinker t = thinker_open(80, 24);
    char line[40];
    for (size_t i = 0; i < countof(tokens); i++) {
        say(&t, (int32_t)i + 10, tokens[i]);
        snprintf(line, sizeof line, "%s %zu token", i < 8 ? "thinking:" : "thought for",
                 i < 9 ? i + 1 : 10);
        shows(&t, line, true);
        shows(&t, "91 = 7", false);
        shows(&t, "No:", i >= 10);
        t.c->thoughts = true; /* rows that grow are as rows laid at once */
        shows(&t, "91 = 7", i >= 2);
        t.c->thoughts = false;
    }
    thinker_close(&t);
}

CHECK_TEST(chat_thought, what_never_ended_is_said)
{
    thinker t = thinker_open(80, 24);
    think(&t, 5);
    end(&t, NB_STOP_CANCEL);
    shows(&t, "thought for 5 tokens, cut short", true);
    thinker_close(&t);
}

/* A prompt that opened the thought is no token of the answer. */
CHECK_TEST(chat_thought, an_opened_thought_counts_the_answers_tokens)
{
    thinker t = thinker_open(80, 24);
    say(&t, -1, "<think>\n");
    say(&t, 11, "short");
    say(&t, 12, "</think>");
    say(&t, 13, "yes");
    end(&t, NB_STOP_END);
    shows(&t, "thought for 2 tokens", true);
    shows(&t, "yes", true);
    shows(&t, "short", false);
    const ui_message *m = ui_transcript_at(t.c->log, t.answer);
    check(strcmp(nb_str_c(&m->text), "<think>\nshort</think>yes") == 0, "kept: %s",
          nb_str_c(&m->text));
    check(m->n_token == 3, "%zu tokens", m->n_token);
    thinker_close(&t);
}

/* A chat read back has its thought, opened by the prompt, still. */
CHECK_TEST(chat_thought, is_kept_on_disk_whole)
{
    ui_transcript *log = NULL;
    nb_err err;
    size_t skipped = 9;
    int message;
    const char *dir = test_path(test_tmpdir(), "thoughts");
    check(ui_transcript_open(&log, dir, &err) == NB_OK, "%s", err.msg);
    check(ui_transcript_add(log, 0, -1, NB_ASSISTANT, NULL, 0, &message, &err) == NB_OK, "%s",
          err.msg);
    static const char *const parts[] = {"<think>\n", "hm", "</think>", "yes"};
    for (int i = 0; i < 4; i++) {
        nb_token_event e = {.id = i - 1, .len = (uint16_t)strlen(parts[i])};
        memcpy(e.text, parts[i], e.len);
        check(ui_transcript_token(log, message, &e, &err) == NB_OK, "%s", err.msg);
    }
    char file[1024];
    snprintf(file, sizeof file, "%s", ui_transcript_file(log));
    ui_transcript_close(&log);
    check(ui_transcript_load(&log, file, &skipped, &err) == NB_OK && skipped == 0, "%zu skipped",
          skipped);
    const ui_message *m = ui_transcript_at(log, message);
    check(strcmp(nb_str_c(&m->text), "<think>\nhm</think>yes") == 0 && m->n_token == 3, "%s, %zu",
          nb_str_c(&m->text), m->n_token);
    ui_transcript_close(&log);
}

CHECK_TEST(chat_thought, text_as_written_is_never_folded)
{
    thinker t = thinker_open(80, 24);
    think(&t, countof(tokens));
    end(&t, NB_STOP_END);
    t.c->raw = true;
    shows(&t, "<think>", true);
    shows(&t, "</think>", true);
    shows(&t, "thought for", false);
    thinker_close(&t);
}

CHECK_TEST(chat_thought, an_answer_without_one_is_as_before)
{
    thinker t = thinker_open(80, 24);
    say(&t, 10, "No <think> here.");
    end(&t, NB_STOP_END);
    shows(&t, "thought for", false);
    check(ui_screen_chat.why_not(t.c, UI_ACT_CHAT_UNFOLD) != NULL, "nothing to unfold");
    thinker_close(&t);
}

/* A first difference inside of a thought marks its line. */
CHECK_TEST(chat_thought, a_difference_in_it_marks_the_line)
{
    thinker t = thinker_open(120, 24);
    int question, other;
    nb_err err;
    think(&t, countof(tokens));
    end(&t, NB_STOP_END);
    t.c->pane[1].used = true;
    check(ui_transcript_add(t.c->log, 1, -1, NB_USER, "Is 91 prime?", 12, &question, &err) == NB_OK,
          "%s", err.msg);
    check(ui_transcript_add(t.c->log, 1, question, NB_ASSISTANT, NULL, 0, &other, &err) == NB_OK,
          "%s", err.msg);
    t.answer = other;
    think(&t, 3);
    say(&t, 99, " odd");
    for (size_t i = 8; i < countof(tokens); i++)
        say(&t, (int32_t)i + 10, tokens[i]);
    end(&t, NB_STOP_END);
    check(ui_chat_difference(t.c, 1, other) == 3, "difference");
    char line[64];
    snprintf(line, sizeof line, "%s + thought for 6 tokens", ui_glyph_text(&t.canvas, UI_G_DIFF));
    shows(&t, line, true);
    thinker_close(&t);
}
