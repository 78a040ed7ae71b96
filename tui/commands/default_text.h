/* What is read where no --file says: the demo's questions with their answers, as prose. */
#ifndef NIBBLE_DEFAULT_TEXT_H
#define NIBBLE_DEFAULT_TEXT_H

#include "core/files/weights.h"
#include "tui/commands/cmd.h"

typedef struct ui_corpus {
    char *at; /* owned */
    size_t len;
    char sha256[65];
    const char *name; /* borrowed: a path, or constant */
} ui_corpus;

/* file NULL: the default. NB_USAGE when there is none. */
nb_status ui_text_open(ui_corpus *out, const nb_config *cfg, const char *file, nb_err *err);
void ui_text_close(ui_corpus *t);
/* Whether these weights bear the demo's name: one of its precisions. */
bool ui_is_demo(const nb_weights *w);
/* The demo's questions as they lie in its folder; false: the demo is not there. */
bool ui_demo_questions(ui_corpus *out, const nb_config *cfg);

#endif
