#include "tui/commands/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

static void warn(const char *text)
{
    nb_str safe = {0};
    nb_safe_text(&safe, text, strlen(text), NB_SAFE_ONE_LINE);
    fprintf(stderr, "nibble: %s\n", nb_str_c(&safe));
    nb_str_free(&safe);
}

nb_status ui_net_open(dl_net **out, const ui_ctx *ctx, uint64_t limit, int connections, nb_err *err)
{
    nb_err odd = {.status = NB_OK};
    dl_options *opt = nb_alloc(1, sizeof *opt, "network", err);
    if (!opt)
        return NB_NOMEM;
    if (nb_hub_env_load(&opt->env, &odd) != NB_OK && !ctx->quiet)
        warn(odd.msg);
    opt->limit = limit;
    opt->connections = connections;
    nb_status st = dl_net_open(out, opt, err);
    nb_hub_env_wipe(&opt->env);
    free(opt);
    return st;
}

nb_status ui_net_fail(ui_ctx *ctx, nb_status st, dl_trouble trouble)
{
    const char *remedy = dl_trouble_remedy(trouble);
    ctx->remedy = *remedy ? remedy : NULL;
    return st;
}
