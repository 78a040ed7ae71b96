/* What the workbench keeps: the chat, written token by token, and the workspace (A13, A15). */
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "tests/faults/faults.h"
#include "tests/util.h"
#include "tui/transcript.h"
#include "tui/workspace.h"

enum { TOKENS = 40 };

static char chat_file[4096];

static const char *chats(void)
{
    return test_path(test_tmpdir(), "chats");
}

static void no_chats(void)
{
    if (chat_file[0])
        unlink(chat_file);
    chat_file[0] = '\0';
    fault_check(nb_mkdirs(chats(), NULL) == NB_OK, "mkdirs");
}

static nb_status say(ui_transcript *t, nb_err *err)
{
    int user, answer;
    nb_token_event e = {.id = 7, .len = 3, .text = "abc"};
    nb_turn_stats stats = {.n_answer = TOKENS, .stop = NB_STOP_END};
    ui_transcript_name_pane(t, 0, "demo", "/models/demo");
    NB_TRY(ui_transcript_add(t, 0, -1, NB_USER, "hello", 5, &user, err));
    NB_TRY(ui_transcript_add(t, 0, user, NB_ASSISTANT, "", 0, &answer, err));
    for (uint32_t i = 0; i < TOKENS; i++) {
        e.index = i;
        NB_TRY(ui_transcript_token(t, answer, &e, err));
    }
    ui_transcript_end(t, answer, &stats);
    ui_transcript_sync(t);
    fault_check(ui_transcript_at(t, answer)->text.len == 3 * TOKENS, "the answer in memory");
    return NB_OK;
}

static nb_status keep_chat(nb_err *err)
{
    ui_transcript *t = NULL;
    NB_TRY(ui_transcript_open(&t, chats(), err));
    nb_status status = say(t, err);
    const nb_err *problem = ui_transcript_problem(t);
    if (status == NB_OK && problem) {
        *err = *problem;
        status = problem->status;
    }
    snprintf(chat_file, sizeof chat_file, "%s", ui_transcript_file(t));
    ui_transcript_close(&t);
    return status;
}

/* What is on disk is the beginning of what was said. */
static void chat_is_a_prefix(nb_status status)
{
    ui_transcript *t = NULL;
    nb_err err = {0};
    size_t skipped = 0;
    if (!chat_file[0] || !nb_exists(chat_file)) {
        fault_check(status != NB_OK, "no file");
        return;
    }
    nb_status loaded = ui_transcript_load(&t, chat_file, &skipped, &err);
    fault_check(loaded == NB_OK || status != NB_OK, "%s", err.msg);
    if (loaded != NB_OK)
        return;
    size_t n = ui_transcript_count(t);
    const ui_message *m = n == 2 ? ui_transcript_at(t, 1) : NULL;
    fault_check(skipped <= 1 && n <= 2, "%zu skipped, %zu messages", skipped, n);
    fault_check(status != NB_OK || (m && m->done && m->n_token == TOKENS), "the turn is whole");
    for (size_t i = 0; m && i < m->n_token; i++)
        fault_check(m->token[i].id == 7 && m->token[i].start == 3 * i, "token %zu", i);
    ui_transcript_close(&t);
}
FAULT_SCENARIO(chat_save, no_chats, keep_chat, chat_is_a_prefix);

/* --- the workspace --- */

static const char *state(void)
{
    return test_path(test_tmpdir(), "state");
}

static const char before_json[] = "{\"screen\":\"models\",\"later\":[\"kept\"]}";

static void old_workspace(void)
{
    fault_check(nb_mkdirs(state(), NULL) == NB_OK, "mkdirs");
    test_spit(test_path(state(), "workspace.json"), before_json, sizeof before_json - 1);
}

/* open tells by *err alone of a file or lock it could not have: then nothing is kept. */
static nb_status keep_workspace(nb_err *err)
{
    ui_workspace *w = NULL;
    NB_TRY(ui_workspace_open(&w, state(), err));
    nb_status status = err->status;
    if (status == NB_OK) {
        ui_workspace_set(w, "screen", "chat");
        status = ui_workspace_save(w, err);
    }
    ui_workspace_close(&w);
    return status;
}

/* The old file or the new one; a text that could not be set (no memory) leaves the old. */
static void workspace_is_whole(nb_status status)
{
    size_t n;
    char *text = test_slurp(test_path(state(), "workspace.json"), &n);
    bool old = text && strcmp(text, before_json) == 0;
    bool new = text &&strstr(text, "\"screen\":\"chat\"") && strstr(text, "kept");
    fault_check(new || old, "after %s: %s", nb_status_text(status), text ? text : "(gone)");
    free(text);
    fault_check(!nb_exists(test_path(state(), "workspace.bad")), "a sound file was set aside");
}
FAULT_SCENARIO(workspace_save, old_workspace, keep_workspace, workspace_is_whole);
