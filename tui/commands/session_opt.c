#include "tui/commands/session_opt.h"

static nb_status cache_type(const nk_type **out, const ui_arg *arg, const char *option, nb_err *err)
{
    if (!arg->set)
        return NB_OK;
    const nk_type *t = nb_session_kv_type(arg->text);
    if (!t)
        return nb_fail(err, NB_USAGE, "--%s: \"%.40s\" is no type of a cache: %s", option,
                       arg->text, UI_CACHE_TYPES);
    *out = t;
    return NB_OK;
}

nb_status ui_cache_types(nb_session_options *out, const ui_arg *k, const ui_arg *v, nb_err *err)
{
    NB_TRY(cache_type(&out->k_type, k, "cache-type-k", err));
    return cache_type(&out->v_type, v, "cache-type-v", err);
}
