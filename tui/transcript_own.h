/* What transcript.c (tree and writing) and transcript_load.c (reading back) share. */
#ifndef NIBBLE_TRANSCRIPT_OWN_H
#define NIBBLE_TRANSCRIPT_OWN_H

#include <sys/types.h>

#include "tui/transcript.h"

enum { UI_LABEL_CAP = 160, UI_PATH_CAP = 1024 };

struct ui_transcript {
    ui_message *message; /* [n] owned */
    size_t n, cap;
    int leaf[UI_PANES];
    char label[UI_PANES][UI_LABEL_CAP];
    char path[UI_PANES][UI_PATH_CAP];
    uint64_t vocabulary[UI_PANES];
    char dir[UI_PATH_CAP];  /* "" = memory only */
    char file[UI_PATH_CAP]; /* "" until the first message */
    int number;
    int fd;      /* -1 = not open */
    off_t whole; /* bytes that are whole lines */
    bool unsynced;
    nb_str line; /* scratch */
    nb_err problem;
};

nb_status ui_transcript_make(ui_transcript **out, nb_err *err);
/* 14 of "chat-0014.jsonl"; 0 = not the name of a chat. */
int ui_transcript_number_of(const char *name);
/* Adds to the tree alone; nothing is written. */
nb_status ui_transcript_append(ui_transcript *t, int pane, int parent, nb_role role, nb_err *err);
nb_status ui_transcript_append_token(ui_message *m, const nb_token_event *e, nb_err *err);
void ui_transcript_finish(ui_message *m, const nb_turn_stats *stats);

#endif
