/* What the command imatrix prints of a matrix, as tables and as JSON. */
#ifndef NIBBLE_IMATRIX_OUT_H
#define NIBBLE_IMATRIX_OUT_H

#include "core/base/json.h"
#include "core/eval/collect.h"

/* llama-imatrix's tables and what is unsound in the matrix. file: shown; owned by the caller. */
nb_status ui_imatrix_statistics(const nb_imatrix *im, const char *file, bool json, nb_err *err);
/* One line a thing that a user should know before quantizing with it; nothing when all is well.
 * NB_NOMEM alone fails. */
nb_status ui_imatrix_health(const nb_imatrix *im, nb_err *err);
/* Keys common to all answers: format, datasets, chunks, chunk_size, entries, replaced, unseen. */
void ui_imatrix_keys(nb_jout *w, const nb_imatrix *im);

#endif
