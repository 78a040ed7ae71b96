/* Del and z on Models: a repository of the Hugging Face cache to the trash and back. */
#include <stdio.h>
#include <string.h>

#include "downloads/cache.h"
#include "tui/screens/models.h"

/* "ns/name" of a model inside the Hugging Face cache. */
static bool repo_of(const models *m, const nb_entry *e, dl_cache *cache, char repo[256])
{
    nb_err err;
    dl_net *net = ui_app_net(m->app, &err);
    if (!net || e->store != NB_STORE_HF || dl_cache_open(cache, dl_net_env(net), &err) != NB_OK)
        return false;
    size_t n = strlen(cache->hub);
    const char *at = strncmp(e->path, cache->hub, n) == 0 ? strstr(e->path + n, "models--") : NULL;
    if (!at)
        return false;
    size_t used = 0;
    for (at += strlen("models--"); *at && *at != '/' && used < 254; at++) {
        bool dashes = at[0] == '-' && at[1] == '-';
        repo[used++] = dashes ? '/' : *at;
        at += dashes;
    }
    repo[used] = '\0';
    return true;
}

static void trashed(void *arg, bool yes)
{
    models *m = arg;
    const nb_entry *e = ui_models_current(m);
    dl_cache cache;
    char repo[256], size[16];
    nb_err err = {.status = NB_OK};
    uint64_t bytes = 0;
    if (!yes || !e || !repo_of(m, e, &cache, repo))
        return;
    if (dl_store_trash(&cache, repo, NULL, NULL, false, &bytes, &err) != NB_OK) {
        ui_app_error(m->app, err.msg, "nothing was moved", "E shows all of it");
        return;
    }
    ui_app_say(m->app, "%s is in the trash: z brings it back, nibble gc frees %s", repo,
               nb_human_bytes(size, bytes));
    ui_models_scan(m);
}

void ui_models_trash(models *m)
{
    const nb_entry *e = ui_models_current(m);
    dl_cache cache;
    char repo[256], question[400], size[16];
    if (!e || ui_app_read_only(m->app))
        return;
    if (!repo_of(m, e, &cache, repo)) {
        ui_app_say(m->app, "only models of the Hugging Face cache are deleted from here");
        return;
    }
    snprintf(question, sizeof question, "Move %s (all its files, %s shown) to the trash?", repo,
             nb_human_bytes(size, e->bytes));
    ui_app_confirm(m->app, question, trashed, m);
}

void ui_models_restore(models *m)
{
    dl_cache cache;
    char what[256];
    nb_err err = {.status = NB_OK};
    dl_net *net = ui_app_net(m->app, &err);
    if (!net || dl_cache_open(&cache, dl_net_env(net), &err) != NB_OK ||
        dl_store_restore(&cache, what, sizeof what, &err) != NB_OK) {
        ui_app_say(m->app, "%s", err.msg);
        return;
    }
    ui_app_say(m->app, "%s is back", what);
    ui_models_scan(m);
}
