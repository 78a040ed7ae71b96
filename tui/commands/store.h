/* What the commands about models on disk share. */
#ifndef NIBBLE_CMD_STORE_H
#define NIBBLE_CMD_STORE_H

#include "core/quant/leftover.h"
#include "downloads/cache.h"
#include "tui/commands/cmd.h"

/* The user's cache; nothing is made. */
nb_status ui_cache_open(dl_cache *out, nb_err *err);
/* Prints and frees it. */
void ui_print_json(nb_str *text);
/* "3d", "5h", "12m", "8s": the largest unit that fits. */
const char *ui_age_text(char out[24], double seconds);
/* Leftovers of both kinds and the trash's size. older: seconds from which on gc takes a dead one;
 * < 0 = none. */
void ui_print_leftovers(const dl_store *s, const nb_leftovers *runs, double older);

#endif
