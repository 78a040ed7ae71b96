/* What `chat` tells a template besides the conversation: --think, --tools, --template-arg. */
#ifndef NIBBLE_CHAT_OPT_H
#define NIBBLE_CHAT_OPT_H

#include "core/model/chat.h"
#include "tui/commands/cmd.h"

typedef struct ui_chat_vars {
    nb_chat_vars vars; /* what the rest holds */
    char *tools;       /* owned */
    nb_chat_arg *arg;  /* [vars.n_arg] owned, names too */
} ui_chat_vars;

/* NB_USAGE names a word that --think does not know, or a --template-arg that is not KEY=JSON; a
 * file of tools is read and checked (nb_tools_check). Values stay borrowed from the arguments. On
 * failure nothing is owned. */
nb_status ui_chat_vars_read(ui_chat_vars *out, const ui_arg *think, const ui_arg *tools,
                            const ui_arg *args, nb_err *err);
void ui_chat_vars_free(ui_chat_vars *v);

#endif
