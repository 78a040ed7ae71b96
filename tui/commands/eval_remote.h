/* eval where one side is a remote model: perplexity by what an endpoint tells of a prompt, and a
 * file's divergence from it. */
#ifndef NIBBLE_EVAL_REMOTE_H
#define NIBBLE_EVAL_REMOTE_H

#include "core/model/session.h"
#include "tui/commands/cmd.h"

typedef struct ui_eval_remote {
    const char *model;          /* an address; with ref, a file or a name of the library's */
    const char *ref;            /* an address; NULL = perplexity of model */
    const char *file;           /* the text */
    uint32_t ctx;               /* tokens a piece, about: it is cut by bytes */
    uint32_t chunks;            /* pieces at most; 0 = all */
    nb_session_options session; /* of the local side */
    bool plain;                 /* its results may be stored: nothing changes them but the key */
} ui_eval_remote;

nb_status ui_eval_remote_run(ui_ctx *ctx, const ui_eval_remote *what, nb_err *err);

#endif
