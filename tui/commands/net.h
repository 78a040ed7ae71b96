/* The network for a command. */
#ifndef NIBBLE_CMD_NET_H
#define NIBBLE_CMD_NET_H

#include "downloads/dl.h"
#include "tui/commands/cmd.h"

/* Reads the environment and opens the net; what is odd about the environment is one warning on
 * stderr. limit (bytes/s) and connections as in dl_options, 0 = default. */
nb_status ui_net_open(dl_net **out, const ui_ctx *ctx, uint64_t limit, int connections,
                      nb_err *err);
/* The failure's sentence will end in the trouble's remedy. Returns st. */
nb_status ui_net_fail(ui_ctx *ctx, nb_status st, dl_trouble trouble);

#endif
