/* An answer's forced scores as JSON: the same members from the screen and from eval --chat. */
#ifndef NIBBLE_FORCED_OUT_H
#define NIBBLE_FORCED_OUT_H

#include "core/base/json.h"
#include "core/eval/forced.h"
#include "tui/transcript.h"

/* Members of the object open in w: scored, kld {mean, stderr, max, max_token}, same_top {value, lo,
 * hi}, tokens [{id, text, kl, p, p_reference, same_top}]. point [n_token of m]. */
void ui_forced_json(nb_jout *w, const ui_message *m, const nb_kld_point *point);
/* What a token added to its message's text: [len of it], borrowed; "" where it only continues a
 * character. */
const char *ui_forced_piece(const ui_message *m, size_t i, size_t *n);

#endif
