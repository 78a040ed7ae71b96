#include "tui/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

nb_status ui_remote_open(dl_remote **out, const nb_config *cfg, bool offline, const char *model,
                         nb_err *err)
{
    char key[NB_TOKEN_MAX];
    const char *from;
    nb_hub_env *env = nb_alloc(1, sizeof *env, "environment", err);
    if (!env)
        return NB_NOMEM;
    nb_hub_env_load(env, NULL); /* what is odd about it is the Hub's matter */
    nb_status st = nb_api_key(key, sizeof key, &from, err);
    const dl_remote_options opt = {.env = env,
                                   .key = key,
                                   .key_from = from,
                                   .offline = offline,
                                   .http = cfg->remote_http == 1};
    if (st == NB_OK)
        st = dl_remote_open(out, model, &opt, err);
    explicit_bzero(key, sizeof key);
    nb_hub_env_wipe(env);
    free(env);
    return st;
}

bool ui_remote_warning(char *out, size_t cap, const char *const *models, size_t n)
{
    char key[NB_TOKEN_MAX], host[256];
    const char *from;
    bool has = nb_api_key(key, sizeof key, &from, NULL) == NB_OK && key[0];
    explicit_bzero(key, sizeof key);
    for (size_t i = 0; i < n && has; i++)
        if (dl_remote_in_clear(models[i], host)) {
            snprintf(out, cap, "the key in %s travels unencrypted to %s: remote-http is on", from,
                     host);
            return true;
        }
    return false;
}

void ui_remote_say(const char *warning)
{
    nb_str safe = {0};
    nb_safe_text(&safe, warning, strlen(warning), NB_SAFE_ONE_LINE);
    fprintf(stderr, "nibble: %s\n", nb_str_c(&safe));
    nb_str_free(&safe);
}
