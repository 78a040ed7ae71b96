/* The Hub's list on Models: a query that is asked while it is typed, pages as the cursor comes to
 * their end, the last answer when nobody answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tui/screens/models.h"

enum { PAGE = 50 };                /* rows asked at once */
static const double DEBOUNCE = .3; /* seconds a query rests before it is asked */

const dl_model *ui_models_hub_current(const models *m)
{
    const models_hub *h = &m->hub;
    return h->focus && h->list.at < h->n ? &h->at[h->list.at] : NULL;
}

const char *ui_models_hub_order(const models *m)
{
    static const char *const word[] = {"trending", "downloads", "likes", "updated", "created"};
    return word[m->hub.order];
}

bool ui_models_hub_fit(const models *m, const dl_model *row, nb_fit_word *out)
{
    if (!row->params)
        return false;
    double bits = row->gguf ? 4.85 : 16; /* Q4_K_M, or the source as it is */
    nb_entry none = {.n_layer = 0};
    nb_hparams hp = nb_fit_hparams(&none);
    *out = nb_fit_of(&hp, (uint64_t)((double)row->params * bits / 8), 0, false, m->available).word;
    return true;
}

/* --- the query -----------------------------------------------------------------------------------
 */

static void take(char *out, size_t cap, const char *s, size_t n)
{
    snprintf(out, cap, "%.*s", (int)n, s);
}

static bool named(const char *w, size_t n, const char *name)
{
    return strlen(name) == n && strncasecmp(w, name, n) == 0;
}

/* One word: author:x task:x lic:x params:<4b params:>1b gated:no gguf, or text. */
static void add_word(models_ask *a, const char *w, size_t n)
{
    const char *colon = memchr(w, ':', n);
    size_t name = colon ? (size_t)(colon - w) : n, left = colon ? n - name - 1 : 0;
    const char *v = colon ? colon + 1 : w;
    double count;
    if (colon && named(w, name, "author")) {
        take(a->author, sizeof a->author, v, left);
    } else if (colon && named(w, name, "task")) {
        take(a->task, sizeof a->task, v, left);
    } else if (colon && (named(w, name, "lic") || named(w, name, "license"))) {
        take(a->license, sizeof a->license, v, left);
    } else if (colon && named(w, name, "gated")) {
        a->q.gated = left && (v[0] == 'n' || v[0] == 'N') ? 0 : 1;
    } else if (colon && named(w, name, "params") && left > 1 &&
               ui_models_amount(v + 1, left - 1, &count)) {
        if (v[0] == '<')
            a->q.params_max = (uint64_t)count;
        else if (v[0] == '>')
            a->q.params_min = (uint64_t)count;
    } else if (named(w, n, "gguf")) {
        a->q.gguf_only = true;
    } else {
        size_t used = strlen(a->text);
        snprintf(a->text + used, sizeof a->text - used, "%s%.*s", used ? " " : "", (int)n, w);
    }
}

static void read_query(models_ask *a, const char *p)
{
    a->q = (dl_search){.gated = -1, .limit = PAGE};
    while (*p) {
        size_t skip = strspn(p, " "), n = strcspn(p + skip, " ");
        if (n)
            add_word(a, p + skip, n);
        p += skip + n;
    }
    a->q.text = a->text;
    a->q.author = a->author;
    a->q.task = a->task;
    a->q.license = a->license;
}

/* --- asking --------------------------------------------------------------------------------------
 */

static nb_status search(nb_job *job, void *arg, nb_err *err)
{
    models_ask *a = arg;
    nb_hooks hooks = nb_job_hooks(job);
    return dl_hub_search(a->net, a->cache_dir, &a->q, a->next[0] ? a->next : NULL, &a->page,
                         &a->trouble, &hooks, err);
}

static void ask(models *m, bool more)
{
    models_hub *h = &m->hub;
    nb_err err = {.status = NB_OK};
    if (h->job) {
        if (!more) { /* the one on its way is about an older query */
            nb_job_cancel(h->job);
            h->again = true;
        }
        return;
    }
    dl_net *net = ui_app_net(m->app, &err);
    h->problem[0] = '\0';
    h->again = false;
    h->more = more;
    h->due = -1;
    h->asked_at = ui_app_now(m->app);
    h->ask = ui_xcalloc(1, sizeof *h->ask);
    h->ask->net = net;
    snprintf(h->ask->cache_dir, sizeof h->ask->cache_dir, "%s", ui_app_config(m->app)->cache_dir);
    read_query(h->ask, nb_str_c(&h->query.text));
    h->ask->q.order = h->order;
    if (more)
        memcpy(h->ask->next, h->next, sizeof h->next);
    if (!net ||
        ui_app_job(m->app, &h->job, UI_MODELS, "hub", "search", search, h->ask, &err) != NB_OK) {
        snprintf(h->problem, sizeof h->problem, "%s", err.msg);
        free(h->ask);
        h->ask = NULL;
    }
}

/* A further page goes behind the others; an id that is there already (the ranking moved) is not
 * shown twice. */
static void append(models_hub *h, const dl_page *page)
{
    dl_model *all = ui_xcalloc(h->n + page->n + 1, sizeof *all);
    size_t n = h->n;
    if (n)
        memcpy(all, h->at, n * sizeof *all);
    for (size_t i = 0; i < page->n; i++) {
        bool known = false;
        for (size_t k = 0; k < h->n && !known; k++)
            known = strcmp(all[k].id, page->at[i].id) == 0;
        if (!known)
            all[n++] = page->at[i];
    }
    free(h->at);
    h->at = all;
    h->n = n;
}

static void take_page(models *m, dl_page *page)
{
    models_hub *h = &m->hub;
    if (!h->more) {
        h->n = 0;
        h->dropped = 0;
        h->list.at = h->list.top = 0;
    }
    append(h, page);
    h->dropped += page->dropped;
    h->cached = page->cached;
    h->age = page->age;
    memcpy(h->next, page->next, sizeof h->next);
    ui_list_set(&h->list, h->n);
}

bool ui_models_hub_event(models *m, const nb_event *e)
{
    models_hub *h = &m->hub;
    if (!h->job || e->job != h->job)
        return false;
    if (e->kind != NB_EVENT_DONE)
        return true;
    h->job = NULL;
    h->took = ui_app_now(m->app) - h->asked_at;
    if (e->err.status == NB_OK)
        take_page(m, &h->ask->page);
    else if (e->err.status != NB_CANCELED)
        snprintf(h->problem, sizeof h->problem, "%s", e->err.msg);
    h->trouble = h->ask->trouble;
    h->offline = dl_net_offline(h->ask->net);
    dl_page_free(&h->ask->page);
    free(h->ask);
    h->ask = NULL;
    if (h->again)
        ask(m, false);
    return true;
}

double ui_models_hub_tick(models *m, double now)
{
    models_hub *h = &m->hub;
    if (h->due >= 0 && now >= h->due)
        ask(m, false);
    return h->due >= 0 ? h->due - now : h->job ? 0.25 : -1;
}

/* --- actions -------------------------------------------------------------------------------------
 */

static void set_view(models *m, models_view view)
{
    models_hub *h = &m->hub;
    h->view = view;
    h->focus = view != MODELS_LOCAL;
    h->typing = false;
    bool carried = h->focus && !m->n_row && m->filter.text.len && !h->query.text.len;
    if (carried) /* what is not here is asked of the Hub */
        ui_input_set(&h->query, nb_str_c(&m->filter.text));
    if (h->focus && ((!h->n && !h->job) || carried))
        ask(m, false);
}

/* The rows are an older search's than the one that was typed. */
static bool outdated(const models_hub *h)
{
    return h->due >= 0 || (h->job && (!h->more || h->again));
}

static void open_row(models *m, const char *note)
{
    const dl_model *row = ui_models_hub_current(m);
    if (!row)
        return;
    if (outdated(&m->hub)) {
        ui_app_say(m->app, "the Hub is still being asked: these rows are the last answer's");
        return;
    }
    const char *paths[] = {row->id, NULL};
    ui_app_show(m->app, UI_DETAIL, paths, NULL);
    if (note)
        ui_app_say(m->app, "%s", note);
}

static void copy(models *m, ui_action a)
{
    const dl_model *row = ui_models_hub_current(m);
    nb_str text = {0};
    nb_err err;
    dl_net *net = ui_app_net(m->app, &err);
    if (!row || !net)
        return;
    if (a == UI_ACT_ANY_COPY_URL)
        nb_str_addf(&text, "%s/%s", dl_net_env(net)->endpoint, row->id);
    else if (a == UI_ACT_ANY_COPY_COMMAND)
        nb_str_addf(&text, "nibble show %s --remote", row->id);
    else
        nb_str_add(&text, row->id);
    ui_app_copy(m->app, text.at, text.len);
    nb_str_free(&text);
}

/* The cursor came near the end: the next page. */
static bool move(models *m, ui_action a)
{
    models_hub *h = &m->hub;
    bool used = ui_list_move(&h->list, a, 10);
    if (used && h->n && h->list.at + 5 >= h->n && h->next[0] && !h->job)
        ask(m, true);
    return used;
}

static bool in_text(models *m, ui_action a)
{
    models_hub *h = &m->hub;
    if (a != UI_ACT_ANY_OPEN && a != UI_ACT_ANY_ESCAPE)
        return false;
    h->typing = false;
    if (h->due >= 0) /* Enter does not wait */
        ask(m, false);
    return true;
}

static bool on_list(models *m, ui_action a)
{
    models_hub *h = &m->hub;
    switch (a) {
    case UI_ACT_ANY_FILTER:
        h->typing = true;
        return true;
    case UI_ACT_ANY_OPEN:
    case UI_ACT_MODELS_IMPORT:
        open_row(m, NULL);
        return true;
    case UI_ACT_MODELS_GET:
        open_row(m, "choose a file: d downloads it");
        return true;
    case UI_ACT_MODELS_QUANTIZE:
    case UI_ACT_MODELS_TALK:
        ui_app_say(m->app, "it is not here yet: Enter opens it, d downloads");
        return true;
    case UI_ACT_ANY_SORT:
        h->order = (h->order + 1) % (DL_BY_CREATED + 1);
        ask(m, false);
        return true;
    case UI_ACT_MODELS_RESCAN:
        ask(m, false);
        return true;
    case UI_ACT_ANY_COPY_ROW:
    case UI_ACT_ANY_COPY_URL:
    case UI_ACT_ANY_COPY_COMMAND:
        copy(m, a);
        return true;
    case UI_ACT_ANY_ESCAPE:
        if (h->query.text.len) {
            ui_input_set(&h->query, "");
            ask(m, false);
        } else {
            set_view(m, MODELS_LOCAL);
        }
        return true;
    default:
        return move(m, a);
    }
}

bool ui_models_hub_action(models *m, ui_action a)
{
    models_hub *h = &m->hub;
    if (h->typing)
        return in_text(m, a);
    if (a == UI_ACT_MODELS_HUB) {
        set_view(m, (h->view + 1) % (MODELS_BOTH + 1));
        return true;
    }
    bool pane = a == UI_ACT_ANY_NEXT_PANE || a == UI_ACT_ANY_PREV_PANE;
    if (pane && h->view != MODELS_LOCAL) {
        h->focus = !h->focus;
        if (h->view == MODELS_HUB) /* one list at a time: the other one is the local one */
            set_view(m, h->focus ? MODELS_HUB : MODELS_LOCAL);
        return true;
    }
    return h->focus && on_list(m, a);
}

bool ui_models_hub_key(models *m, const ui_key *k)
{
    models_hub *h = &m->hub;
    if (k->code == UI_K_UP || k->code == UI_K_DOWN)
        return move(m, k->code == UI_K_UP ? UI_ACT_ANY_UP : UI_ACT_ANY_DOWN);
    size_t before = h->query.text.len;
    if (!ui_input_key(&h->query, k))
        return false;
    if (h->query.text.len != before || k->code == UI_K_CHAR)
        h->due = ui_app_now(m->app) + DEBOUNCE;
    return true;
}

bool ui_models_hub_mouse(models *m, const ui_key *k)
{
    models_hub *h = &m->hub;
    if (ui_list_mouse(&h->list, k)) {
        h->focus = true;
        h->typing = false;
        if (k->button == 2)
            open_row(m, NULL);
        return true;
    }
    if (k->button == 1 && ui_spots_hit(&m->spots, k->x, k->y) == MODELS_SPOT_QUERY) {
        h->focus = h->typing = true;
        return true;
    }
    if (k->button <= 2 && ui_list_hit(&m->list, k->x, k->y) != SIZE_MAX)
        h->focus = h->typing = false;
    return false;
}

/* --- life ----------------------------------------------------------------------------------------
 */

void ui_models_hub_open(models *m)
{
    const char *view = ui_workspace_get(ui_app_workspace(m->app), "models.view");
    m->hub.due = -1;
    if (view && strcmp(view, "both") == 0) /* the list itself is asked for when it is looked at */
        m->hub.view = MODELS_BOTH;
}

void ui_models_hub_close(models *m)
{
    models_hub *h = &m->hub;
    ui_workspace_set(ui_app_workspace(m->app), "models.view",
                     h->view == MODELS_BOTH ? "both" : "local");
    if (h->ask) {
        dl_page_free(&h->ask->page);
        free(h->ask);
    }
    free(h->at);
    ui_input_free(&h->query);
}
