/* Forced scoring in Chat: pane A's answer, token by token, in every other pane's model. Part of
 * chat.h. */
#ifndef NIBBLE_SCREEN_CHAT_FORCED_H
#define NIBBLE_SCREEN_CHAT_FORCED_H

#include "core/base/job.h"
#include "core/eval/forced.h"
#include "core/model/chat.h"
#include "tui/transcript.h"

/* Of one pane, for the answer that was scored. */
typedef struct chat_score {
    nb_kld_point *point; /* [n] owned; NULL = was not scored */
    nb_forced_sum sum;
    char why[160]; /* not scored, why; "" = it was, or is no pane */
} chat_score;

/* A strip of the last frame, so that the mouse finds its tokens. */
typedef struct chat_strip {
    int x, y, pane;
    size_t cells, per; /* tokens a cell */
    long mark;         /* the cell that the mark stands before; -1 = none */
} chat_strip;

typedef struct chat_forced {
    nb_job *job; /* owns the panes' nb_local while it runs */
    bool wanted; /* starts once the models are there */
    int message; /* A's answer that was scored, -1 = none */
    size_t n;    /* its tokens */
    chat_score score[UI_PANES];
    chat_strip strip[UI_PANES];
    size_t n_strip;
    /* What the job's thread reads and writes: */
    struct chat_forced_work {
        nb_local *reference;
        nb_local *local[UI_PANES];
        int pane[UI_PANES];
        nb_kld_point *point[UI_PANES]; /* [n_answer] owned */
        char name[UI_PANES][96];
        size_t n; /* of those */
        nb_sched *sched;
        int threads;
        nb_message *messages; /* owned; texts borrowed from the transcript */
        size_t n_messages;
        nb_chat_vars vars; /* borrowed from the chat */
        int32_t *answer;   /* [n_answer] owned */
        size_t n_answer;
        uint32_t n_prompt; /* tokens before it when it was written */
        int message;
        nb_lease *lease;
        nb_hooks hooks;
    } work;
} chat_forced;

#endif
