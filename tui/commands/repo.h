/* show for a repository that is not on this machine. */
#ifndef NIBBLE_CMD_REPO_H
#define NIBBLE_CMD_REPO_H

#include "tui/commands/cmd.h"

typedef struct ui_repo_look {
    uint32_t ctx;     /* for the memory figure */
    bool files, card; /* every file; the card's text instead */
} ui_repo_look;
/* Whether text may name a repository of the Hub: "org/repo[@revision][:TAG or file]". */
bool ui_is_repo(const char *text);
/* Prints it, or its JSON with ctx->json. With a tag: that model's header, read by ranges. */
nb_status ui_show_repo(ui_ctx *ctx, const char *name, const ui_repo_look *look, nb_err *err);

#endif
