/* A chat as it is kept: every pane's messages as a tree, so that regenerating and editing add a
 * branch and lose nothing; one JSON line per event, appended as it happens.
 *
 * File: data_dir/chats/chat-NNNN.jsonl, made at the first message. A token is written when it is
 * shown (it survives the death of the program), the turn is fsynced once when it ends (it survives
 * the death of the machine). A last line cut short is dropped on loading and cut off before the
 * next append (A15, A16). When the disk refuses a line the chat goes on in memory and
 * ui_transcript_problem tells why. Lines:
 *     {"nibble_chat":1}
 *     {"pane":0,"label":"nibble-demo q4_K","path":"/models/x.gguf","vocab":"9f0c.."}
 *     {"n":0,"parent":-1,"pane":0,"role":"user","text":"..."}
 *     {"n":1,"id":17,"text":"Quant","logprob":-0.1,"entropy":0.4}      a token of message 1; with
 *                             "dropped":128 when so many were forgotten before it (context shift)
 *     {"n":1,"stop":"end","tok_per_s":80,"ttft":0.02,"prompt":31,"reused":20}   "tools":true where
 *                             the model was told of tools
 *     {"pane":0,"leaf":1}                                              the branch shown */
#ifndef NIBBLE_TRANSCRIPT_H
#define NIBBLE_TRANSCRIPT_H

#include "core/base/json.h"
#include "core/model/chat.h"
#include "core/model/tools.h"

enum { UI_PANES = 4, UI_CALLS = 16 }; /* calls of tools told of an answer */

typedef struct ui_token {
    int32_t id;
    float logprob, entropy; /* natural log, nats */
    uint32_t start, len;    /* its bytes in the message; len 0: it only continued a character */
    uint32_t dropped;       /* context shift: tokens forgotten right before it */
    int32_t top_id[NB_TOP]; /* -1 in a chat read back from disk */
    float top_logprob[NB_TOP];
} ui_token;

typedef struct ui_message {
    int parent; /* message index, -1 = first of its pane */
    int pane;
    nb_role role;
    nb_str text;
    ui_token *token; /* [n_token] of an answer; owned */
    size_t n_token, cap_token;
    bool done; /* false: running, or interrupted by the end of the program */
    nb_stop stop;
    double tok_per_s, ttft;
    uint32_t n_prompt, n_reused, n_dropped, n_drafted, n_accepted; /* nb_turn_stats */
    bool tools;
} ui_message;

typedef struct ui_transcript ui_transcript;

/* A new chat. dir: the chats folder, made when needed; NULL = nothing is written. */
nb_status ui_transcript_open(ui_transcript **out, const char *dir, nb_err *err);
/* An earlier one, to be continued. *skipped (may be NULL): lines that made no sense. NB_FORMAT when
 * it is no chat at all. */
nb_status ui_transcript_load(ui_transcript **out, const char *path, size_t *skipped, nb_err *err);
/* The same to be looked at: the file is left alone, as is who may be writing it. */
nb_status ui_transcript_read(ui_transcript **out, const char *path, size_t *skipped, nb_err *err);
void ui_transcript_close(ui_transcript **t);

int ui_transcript_number(const ui_transcript *t);       /* of the file; 0 = none yet */
const char *ui_transcript_file(const ui_transcript *t); /* "" = none yet */
/* First failure to write, NULL = all is on disk. */
const nb_err *ui_transcript_problem(const ui_transcript *t);

/* Who answers in a pane. */
void ui_transcript_name_pane(ui_transcript *t, int pane, const char *label, const char *path);
/* The print of a vocabulary, never 0: equal for files of one model, whatever their precision. */
uint64_t ui_transcript_vocabulary(const nb_tok *tok);
/* What tells one vocabulary from another, 0 = unknown; written with the next name. Token ids of
 * panes with other vocabularies mean other things: they are not compared. */
void ui_transcript_set_vocabulary(ui_transcript *t, int pane, uint64_t print);
bool ui_transcript_other_vocabulary(const ui_transcript *t, int pane); /* than pane A's */
/* Pane A or this one is remote: ids mean nothing across them, texts are compared. */
bool ui_transcript_by_text(const ui_transcript *t, int pane);
bool ui_transcript_remote(const ui_transcript *t, int pane);
const char *ui_transcript_label(const ui_transcript *t, int pane); /* "" = unknown */
const char *ui_transcript_model(const ui_transcript *t, int pane); /* its path, "" = unknown */

/* Appends a message under parent (-1: a root) and makes it the pane's leaf. NB_NOMEM adds nothing.
 */
nb_status ui_transcript_add(ui_transcript *t, int pane, int parent, nb_role role, const char *text,
                            size_t n, int *index, nb_err *err);
nb_status ui_transcript_token(ui_transcript *t, int message, const nb_token_event *e, nb_err *err);
void ui_transcript_end(ui_transcript *t, int message, const nb_turn_stats *stats);
void ui_transcript_sync(ui_transcript *t); /* once per turn */

size_t ui_transcript_count(const ui_transcript *t);
/* Valid until the next add; NULL out of range. */
const ui_message *ui_transcript_at(const ui_transcript *t, int message);
int ui_transcript_leaf(const ui_transcript *t, int pane); /* -1 = empty */
/* Shows the branch through message, down its newest children. */
void ui_transcript_select(ui_transcript *t, int message);
/* Shows the branch only down to message: what follows is added beside what was there. */
void ui_transcript_rewind(ui_transcript *t, int message);
/* Messages from the root to the pane's leaf; returns their number (snprintf style). */
size_t ui_transcript_path(const ui_transcript *t, int pane, int *out, size_t cap);
/* Alternatives of a message, oldest first: its place 0.. and their number. */
void ui_transcript_branch(const ui_transcript *t, int message, int *at, int *of);
int ui_transcript_sibling(const ui_transcript *t, int message, int step); /* -1 = none */
/* First token index at which two answers differ by id; -1 while they agree. Where one has ended by
 * itself and the other went on, that is where they differ (only once both are done). */
long ui_transcript_first_difference(const ui_message *a, const ui_message *b);
/* Where two answers part: a token of each, -1 while they agree. by_text: as bytes, whatever tokens
 * they are cut into; the token that holds the first other byte, or the number of tokens at an
 * answer's end. */
typedef struct ui_parting {
    long a, b;
    size_t at; /* byte of both, by text */
} ui_parting;
ui_parting ui_transcript_part(const ui_message *a, const ui_message *b, bool by_text);
/* The same of a pane's last answer against A's; -1 also where they cannot be compared. */
long ui_transcript_difference(const ui_transcript *t, int pane);

/* The branches now shown, pane after pane. */
void ui_transcript_markdown(const ui_transcript *t, nb_str *out);
/* Members of the object open in w. */
void ui_transcript_json(const ui_transcript *t, nb_jout *w);
/* What `chat --json` says, as members of the object open in w: prompt, answers [],
 * first_difference. each: not the answers shown alone but all alternatives of theirs, compared with
 * the first. */
void ui_transcript_answers_json(const ui_transcript *t, bool each, nb_jout *w);
/* The calls of tools in an answer, places in its text (nb_tool_calls). */
size_t ui_transcript_calls(const ui_message *m, nb_tool_call *out, size_t cap);
/* Where an answer's context was shifted: " · shifted at 30, 49"; "" = nowhere. */
void ui_transcript_shifts(const ui_message *m, char *out, size_t cap);

const char *ui_role_word(nb_role r);
const char *ui_stop_word(nb_stop s); /* "end", "limit", "context", "cancel", "fail" */

#endif
