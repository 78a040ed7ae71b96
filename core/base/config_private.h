/* What config.c and hub_env.c share of reading the environment. Private to the two. */
#ifndef NIBBLE_CONFIG_PRIVATE_H
#define NIBBLE_CONFIG_PRIVATE_H

#include "kernels/nb.h"

/* NULL when unset or empty: both mean the same everywhere here. */
const char *nb_env(const char *name);
/* The user's home folder without trailing slash into out, or "" when there is none. */
void nb_env_home(char *out, size_t cap);
/* The environment holds a key of an endpoint. */
bool nb_api_key_there(void);
/* Hugging Face's folders by its own rules (hub.md 2): $HF_HOME and the cache, "" = none. */
void nb_hub_folders(char home[1024], char hub[1024]);

#endif
