/* Remote models for commands and screens: the environment's proxies and key, the settings. */
#ifndef NIBBLE_UI_REMOTE_H
#define NIBBLE_UI_REMOTE_H

#include "core/base/config.h"
#include "downloads/remote.h"

/* dl_remote_open with what environment and settings say. Asks nobody. */
nb_status ui_remote_open(dl_remote **out, const nb_config *cfg, bool offline, const char *model,
                         nb_err *err);

/* The sentence to be shown once where the key goes unencrypted to another machine, of the first
 * such among models[n]; false = there is none. */
bool ui_remote_warning(char *out, size_t cap, const char *const *models, size_t n);
/* The same on stderr, as a command's note. */
void ui_remote_say(const char *warning);

#endif
