#include "tui/screens/downloads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "tui/hub_out.h"

static const double LOOK = 0.25; /* seconds between looks while something runs */

const dl_item *ui_downloads_current(const downloads *d)
{
    return d->list.at < d->n ? &d->item[d->list.at] : NULL;
}

const char *ui_downloads_word(const dl_item *it)
{
    static const char *const state[] = {"queued", "get", "paused", "stopped", "done"};
    static const char *const stage[] = {"ask", "wait", "resume", "get", "verify", "land"};
    return it->state == DL_RUNNING ? stage[it->view.stage] : state[it->state];
}

bool ui_downloads_may_insist(const downloads *d, const dl_item *it)
{
    return it->state == DL_STOPPED && it->trouble == DL_DISK_FULL && it->view.stage == DL_ASK &&
           d->checked == it->id;
}

/* --- copies --------------------------------------------------------------------------------------
 */

static void look(downloads *d)
{
    dl_queue *q = ui_app_queue_now(d->app);
    nb_err err;
    size_t n = q ? dl_queue_count(q) : 0, before = d->n;
    if (n > d->cap) {
        free(d->item);
        d->item = ui_xcalloc(n, sizeof *d->item);
        d->cap = n;
    }
    memset(d->count, 0, sizeof d->count);
    for (d->n = 0; d->n < n && dl_queue_look(q, d->n, &d->item[d->n]); d->n++)
        d->count[d->item[d->n].state]++;
    if (d->n < before)
        ui_downloads_left_scan(d);
    ui_list_set(&d->list, d->n);
    for (size_t i = 0; i < d->n; i++)
        if (d->item[i].id == d->at)
            d->list.at = i;
    const dl_item *it = ui_downloads_current(d);
    d->at = it ? it->id : 0;
    dl_net *net = ui_app_net(d->app, &err);
    if (net)
        dl_net_look(net, &d->net);
}

static void know_places(downloads *d)
{
    nb_err err;
    dl_net *net = ui_app_net(d->app, &err);
    if (!net)
        return;
    snprintf(d->endpoint, sizeof d->endpoint, "%s", dl_net_env(net)->endpoint);
    snprintf(d->hub, sizeof d->hub, "%s", dl_net_env(net)->hub);
}

/* --- actions -------------------------------------------------------------------------------------
 */

static void moved(downloads *d)
{
    const dl_item *it = ui_downloads_current(d);
    d->at = it ? it->id : 0;
}

static void removed(void *arg, bool yes)
{
    downloads *d = arg;
    dl_queue *q = ui_app_queue_now(d->app);
    if (yes && q)
        dl_queue_cancel(q, d->dropping, true);
    look(d);
}

static void cancel(downloads *d, const dl_item *it)
{
    char question[300], size[16];
    if (it->state == DL_DONE || it->view.have == 0) {
        dl_queue_cancel(ui_app_queue_now(d->app), it->id, true);
        return;
    }
    snprintf(question, sizeof question, "Drop %.120s and the %s that are here?",
             nb_path_base(it->path), nb_human_bytes(size, it->view.have));
    d->dropping = it->id;
    ui_app_confirm(d->app, question, removed, d);
}

static void retry(downloads *d, const dl_item *it)
{
    dl_queue *q = ui_app_queue_now(d->app);
    bool again = ui_downloads_may_insist(d, it);
    d->checked = it->trouble == DL_DISK_FULL ? it->id : 0;
    dl_queue_retry(q, it->id, again);
}

static void copy(downloads *d, ui_action a)
{
    const dl_item *it = ui_downloads_current(d);
    nb_str text = {0};
    if (!it)
        return;
    if (a == UI_ACT_ANY_COPY_COMMAND)
        nb_str_addf(&text, "nibble pull %s@%s:%s", it->repo, it->commit, it->path);
    else if (a == UI_ACT_ANY_COPY_URL && it->trouble != DL_OK)
        nb_str_addf(&text, "%s/%s", d->endpoint, it->repo); /* where terms are accepted */
    else if (a == UI_ACT_ANY_COPY_URL)
        nb_str_addf(&text, "%s/%s/resolve/%s/%s", d->endpoint, it->repo, it->commit, it->path);
    else
        nb_str_addf(&text, "%s\t%s\t%llu\t%s", it->repo, it->path, (unsigned long long)it->size,
                    ui_downloads_word(it));
    ui_app_copy(d->app, nb_str_c(&text), text.len);
    nb_str_free(&text);
}

/* The folder of a checkpoint, the file itself otherwise. */
static void hand_over(downloads *d, ui_scope screen)
{
    const dl_item *it = ui_downloads_current(d);
    char path[1024];
    if (!it || it->state != DL_DONE) {
        ui_app_say(d->app, "that file is not whole yet");
        return;
    }
    snprintf(path, sizeof path, "%s", it->landed);
    if (!nb_has_suffix(path, ".gguf"))
        snprintf(path, sizeof path, "%.*s", (int)(nb_path_base(it->landed) - it->landed - 1),
                 it->landed);
    const char *paths[] = {path, NULL};
    ui_app_show(d->app, screen, paths, NULL);
}

static void set_limit(downloads *d)
{
    nb_err err;
    uint64_t bytes = 0;
    const char *text = nb_str_c(&d->limit.text);
    bool none = !*text || strcmp(text, "none") == 0 || strcmp(text, "0") == 0;
    dl_net *net = ui_app_net(d->app, &err);
    if (!net || (!none && (!ui_parse_size(text, &bytes) || bytes < 1000))) {
        snprintf(d->limit_error, sizeof d->limit_error, "such as 2M, 500k, none");
        return;
    }
    dl_net_limit(net, none ? 0 : bytes);
    d->typing = false;
    d->limit_error[0] = '\0';
    look(d);
}

static bool on_item(downloads *d, ui_action a)
{
    const dl_item *it = ui_downloads_current(d);
    dl_queue *q = ui_app_queue_now(d->app);
    if (!it || !q)
        return false;
    switch (a) {
    case UI_ACT_DOWNLOADS_PAUSE:
        dl_queue_pause(q, it->id, it->state != DL_PAUSED);
        break;
    case UI_ACT_DOWNLOADS_AGAIN:
        retry(d, it);
        break;
    case UI_ACT_DOWNLOADS_CANCEL:
        cancel(d, it);
        break;
    case UI_ACT_DOWNLOADS_EARLIER:
    case UI_ACT_DOWNLOADS_LATER:
        dl_queue_move(q, it->id, a == UI_ACT_DOWNLOADS_EARLIER ? -1 : 1);
        break;
    case UI_ACT_DOWNLOADS_QUANTIZE:
        hand_over(d, UI_QUANTIZE);
        return true;
    case UI_ACT_DOWNLOADS_TALK:
        hand_over(d, UI_CHAT);
        return true;
    case UI_ACT_ANY_OPEN:
        hand_over(d, UI_INSPECT);
        return true;
    default:
        return false;
    }
    look(d);
    return true;
}

static bool action(void *self, ui_action a)
{
    downloads *d = self;
    if (d->typing) {
        if (a != UI_ACT_ANY_OPEN && a != UI_ACT_ANY_ESCAPE)
            return false;
        if (a == UI_ACT_ANY_OPEN)
            set_limit(d);
        else
            d->typing = false;
        return true;
    }
    look(d); /* the key is about the list as it is now */
    switch (a) {
    case UI_ACT_DOWNLOADS_LIMIT:
        ui_input_set(&d->limit, "");
        d->limit_error[0] = '\0';
        d->typing = true;
        return true;
    case UI_ACT_DOWNLOADS_ACCOUNT:
        ui_app_account(d->app);
        return true;
    case UI_ACT_DOWNLOADS_FORGET:
        if (ui_app_queue_now(d->app))
            dl_queue_forget_done(ui_app_queue_now(d->app));
        look(d);
        return true;
    case UI_ACT_ANY_COPY_ROW:
    case UI_ACT_ANY_COPY_URL:
    case UI_ACT_ANY_COPY_COMMAND:
        copy(d, a);
        return true;
    default:
        break;
    }
    if (on_item(d, a))
        return true;
    bool used = ui_list_move(&d->list, a, 10);
    moved(d);
    return used;
}

static bool text_mode(const void *self)
{
    return ((const downloads *)self)->typing;
}

static bool key(void *self, const ui_key *k)
{
    downloads *d = self;
    return d->typing && ui_input_key(&d->limit, k);
}

static bool mouse(void *self, const ui_key *k)
{
    downloads *d = self;
    if (ui_list_mouse(&d->list, k)) {
        moved(d);
        if (k->button == 2)
            action(d, UI_ACT_ANY_OPEN);
        return true;
    }
    bool limit = k->button == 1 && ui_spots_hit(&d->spots, k->x, k->y) == DOWNLOADS_SPOT_LIMIT;
    if (limit)
        action(d, UI_ACT_DOWNLOADS_LIMIT);
    return limit;
}

static const char *why_not(const void *self, ui_action a)
{
    const downloads *d = self;
    const dl_item *it = ui_downloads_current(d);
    if (ui_keyrow_of(a)->scope != UI_DOWNLOADS || a == UI_ACT_DOWNLOADS_LIMIT ||
        a == UI_ACT_DOWNLOADS_ACCOUNT)
        return NULL;
    if (!it)
        return "needs a download in the list";
    bool here = a == UI_ACT_DOWNLOADS_QUANTIZE || a == UI_ACT_DOWNLOADS_TALK;
    if (here && it->state != DL_DONE)
        return "that file is not whole yet";
    if (a == UI_ACT_DOWNLOADS_PAUSE && (it->state == DL_DONE || it->state == DL_STOPPED))
        return "it does not run";
    if (a == UI_ACT_DOWNLOADS_AGAIN && it->state != DL_STOPPED && it->state != DL_PAUSED)
        return "nothing went wrong with it";
    return NULL;
}

static const char *hints(const void *self, bool narrow)
{
    const downloads *d = self;
    if (d->typing)
        return narrow ? "Enter set  Esc leave" : "Enter sets the limit  Esc leaves it";
    if (!d->n)
        return narrow ? "L limit  A account" : "L limit  A account  1 finds models";
    return narrow ? "p pause  r again  x drop  < >  L"
                  : "p pause  r again  x drop  < > order  L limit  Q quantize  t chat  yu copy URL";
}

static double tick(void *self, double now)
{
    downloads *d = self;
    (void)now;
    look(d);
    return d->count[DL_RUNNING] ? LOOK : 5;
}

/* --- life ----------------------------------------------------------------------------------------
 */

static nb_status open(void **self, ui_app *app, nb_err *err)
{
    (void)err;
    downloads *d = ui_xcalloc(1, sizeof *d);
    d->app = app;
    know_places(d);
    look(d);
    ui_downloads_left_scan(d);
    *self = d;
    return NB_OK;
}

static void close_screen(void **self)
{
    downloads *d = *self;
    if (!d)
        return;
    ui_downloads_left_close(d);
    free(d->item);
    ui_input_free(&d->limit);
    free(d);
    *self = NULL;
}

const ui_screen ui_screen_downloads = {
    .name = "downloads",
    .title = "Downloads",
    .title_narrow = "Down",
    .scope = UI_DOWNLOADS,
    .open = open,
    .close = close_screen,
    .draw = ui_downloads_draw,
    .action = action,
    .text_mode = text_mode,
    .key = key,
    .mouse = mouse,
    .event = ui_downloads_left_event,
    .why_not = why_not,
    .hints = hints,
    .tick = tick,
    .json = ui_downloads_json,
};
