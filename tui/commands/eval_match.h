/* An endpoint's tokens as a file's: by the id that it tells, where the file spells it alike, else
 * by spelling. */
#ifndef NIBBLE_EVAL_MATCH_H
#define NIBBLE_EVAL_MATCH_H

#include "core/model/tok.h"
#include "downloads/remote.h"

typedef struct ui_match ui_match;

/* The pieces of tok (borrowed) by what they spell. */
nb_status ui_match_open(ui_match **out, const nb_tok *tok, uint32_t n_vocab, nb_err *err);
void ui_match_close(ui_match **m);
/* Its id in the file; -1 = the file has none such, or several. */
int32_t ui_match_id(const ui_match *m, const dl_scores *s, const dl_alternative *a);

typedef struct ui_matched {
    int32_t *ids; /* owned; free() it */
    size_t n;     /* of them, from the first on, are the endpoint's too */
} ui_matched;
/* text[n] as the file cuts it, as far as that is how s cuts it; a BOS is put in or left out as the
 * endpoint does. */
nb_status ui_match_piece(const ui_match *m, const char *text, size_t n, const dl_scores *s,
                         ui_matched *out, nb_err *err);

#endif
