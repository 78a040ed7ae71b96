/* show --diff: two files of one model, tensor by tensor and key by key. */
#ifndef NIBBLE_SHOW_DIFF_H
#define NIBBLE_SHOW_DIFF_H

#include "core/files/weights.h"
#include "tui/commands/cmd.h"

/* Prints how b differs from a; JSON keys are documented with show. */
nb_status ui_show_diff(ui_ctx *ctx, const nb_weights *a, const nb_weights *b, nb_err *err);

#endif
