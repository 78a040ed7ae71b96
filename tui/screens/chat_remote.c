/* Panes whose model is behind an address. They are opened like any other, which asks nobody; what
 * the endpoint does not tell is said so. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/remote.h"
#include "tui/screens/chat.h"

bool ui_chat_is_remote(const chat_pane *p)
{
    return nb_is_remote(p->path);
}

bool ui_chat_loaded(const chat_pane *p)
{
    return p->local || p->remote;
}

nb_status ui_chat_open_remote(struct chat_work *k, nb_err *err)
{
    return ui_remote_open(&k->made_remote, k->settings, k->offline, k->path, err);
}

/* The name behind '#', else the rest of the address. */
void ui_chat_name_remote(chat_pane *p)
{
    const char *name = strchr(p->path, '#');
    if (!name || !name[1])
        name = strstr(p->path, "://") + 2;
    nb_short(p->label, sizeof p->label, name + 1);
}

void ui_chat_opened_remote(chat *c, chat_pane *p)
{
    p->remote = p->work.made_remote;
    p->work.made_remote = NULL;
    p->ctx = 0;
    p->vocabulary = 0;
    int pane = (int)(p - c->pane);
    nb_short(p->label, sizeof p->label, dl_remote_responder(p->remote)->label);
    ui_app_log(c->app, "chat asks %s at %s", p->label, dl_remote_host(p->remote));
    char warning[400];
    const char *path = p->path;
    if (ui_remote_warning(warning, sizeof warning, &path, 1)) {
        ui_app_log(c->app, "%s", warning);
        ui_app_say(c->app, "%s", warning);
    }
    ui_transcript_set_vocabulary(c->log, pane, 0);
    ui_transcript_name_pane(c->log, pane, p->label, p->path);
}

void ui_chat_remote_problem(chat_pane *p, const nb_err *err)
{
    const char *remedy = dl_remote_remedy(dl_remote_trouble(p->remote));
    if (err->status == NB_OK || err->status == NB_CANCELED)
        return;
    snprintf(p->problem, sizeof p->problem, "%.160s%s%.70s", err->msg, *remedy ? "; " : "", remedy);
}

bool ui_chat_untold(const ui_message *m)
{
    for (size_t i = 0; i < m->n_token; i++)
        if (!isnan(m->token[i].logprob))
            return false;
    return m->n_token > 0;
}

bool ui_chat_take_over(chat_pane *pane, chat_pane before[UI_PANES], const char *path)
{
    for (int p = 0; p < UI_PANES; p++) {
        chat_pane *b = &before[p];
        if (!b->used || !ui_chat_loaded(b) || strcmp(b->path, path) != 0)
            continue;
        free(b->work.messages);
        *pane = *b;
        *b = (chat_pane){.answer = -1};
        pane->work = (struct chat_work){0};
        pane->pending = false;
        pane->problem[0] = '\0';
        return true;
    }
    return false;
}

void ui_chat_add_remote(chat *c, const char *model)
{
    const char *paths[UI_PANES + 1] = {NULL};
    char path[UI_PANES][1024];
    int n = ui_chat_panes(c);
    if (n == UI_PANES) {
        ui_app_say(c->app, "a chat has %d panes: X closes one", UI_PANES);
        return;
    }
    for (int p = 0; p < n; p++) {
        memcpy(path[p], c->pane[p].path, sizeof path[p]);
        paths[p] = path[p];
    }
    paths[n] = model;
    ui_chat_want(c, paths);
}
