#include "tui/remote.h"

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
