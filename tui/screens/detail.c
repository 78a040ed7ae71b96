#include "tui/screens/detail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "downloads/cache.h"
#include "tui/hub_out.h"

enum { CTX_MIN = 512, CTX_MAX = 1 << 20 };

const dl_choice *ui_detail_current(const detail *d)
{
    return d->list.at < d->n_row ? &d->choices.at[d->row[d->list.at]] : NULL;
}

size_t ui_detail_header_file(const dl_choice *c)
{
    return c->file[c->kind == DL_CHOICE_CHECKPOINT ? c->n_file - 1 : 0];
}

/* Largest first: the most precise on top, as people look for what still fits. */
static int by_size(const void *a, const void *b, void *arg)
{
    const dl_choices *cs = arg;
    const dl_choice *x = &cs->at[*(const size_t *)a], *y = &cs->at[*(const size_t *)b];
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->bytes != y->bytes && x->kind != DL_CHOICE_FILE)
        return x->bytes > y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

void ui_detail_arrange(detail *d)
{
    size_t keep = d->list.at < d->n_row ? d->row[d->list.at] : SIZE_MAX;
    free(d->row);
    d->row = ui_xcalloc(d->choices.n + 1, sizeof *d->row);
    d->n_row = 0;
    for (size_t i = 0; i < d->choices.n; i++)
        if (d->all_files || d->choices.at[i].kind != DL_CHOICE_FILE)
            d->row[d->n_row++] = i;
    qsort_r(d->row, d->n_row, sizeof *d->row, by_size, &d->choices);
    ui_list_set(&d->list, d->n_row);
    for (size_t i = 0; i < d->n_row; i++)
        if (d->row[i] == keep)
            d->list.at = i;
}

/* --- getting -------------------------------------------------------------------------------------
 */

static bool get_one(detail *d, const dl_choice *c)
{
    if (c->complete)
        return ui_app_get(d->app, &d->repo, d->revision, c);
    ui_app_say(d->app, "%s: part %u of %u is not in the repository", c->name, c->missing_no,
               c->missing_of);
    return false;
}

/* What is marked, else the row under the cursor. */
static void get(detail *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->choices.n; i++)
        if (d->marked[i]) {
            n++;
            if (!get_one(d, &d->choices.at[i]))
                return;
            d->marked[i] = false;
        }
    const dl_choice *c = ui_detail_current(d);
    if (!n && c)
        get_one(d, c);
}

/* Where the choice lies when it is here whole: the file, or a checkpoint's folder. */
static bool landed(const detail *d, const dl_choice *c, char path[1024])
{
    dl_cache cache;
    nb_err err;
    dl_net *net = ui_app_net(d->app, &err);
    if (!net || dl_cache_open(&cache, dl_net_env(net), &err) != NB_OK)
        return false;
    for (size_t i = 0; i < c->n_file; i++) {
        const dl_file *f = &d->repo.file[c->file[c->n_file - 1 - i]]; /* ends with the first */
        if (!dl_cache_find(&cache, d->repo.model.id, d->repo.commit, f->path, f->size, path, 1024))
            return false;
    }
    if (c->kind == DL_CHOICE_CHECKPOINT)
        *strrchr(path, '/') = '\0';
    return true;
}

static void hand_over(detail *d, ui_scope screen)
{
    char path[1024];
    const dl_choice *c = ui_detail_current(d);
    if (!c)
        return;
    if (!landed(d, c, path)) {
        ui_app_say(d->app, "%s is not here yet: d downloads it", c->name);
        return;
    }
    const char *paths[] = {path, NULL};
    ui_app_show(d->app, screen, paths, NULL);
}

/* --- actions -------------------------------------------------------------------------------------
 */

static void page_url(const detail *d, nb_str *out)
{
    nb_err err;
    dl_net *net = ui_app_net(d->app, &err);
    nb_str_addf(out, "%s/%s", net ? dl_net_env(net)->endpoint : "", d->id);
}

static void copy(detail *d, ui_action a)
{
    nb_str text = {0};
    const dl_choice *c = ui_detail_current(d);
    if (a == UI_ACT_ANY_COPY_URL)
        page_url(d, &text);
    else if (a == UI_ACT_ANY_COPY_COMMAND && c)
        nb_str_addf(&text, "nibble pull %s:%s", d->id,
                    c->kind == DL_CHOICE_FILE ? d->repo.file[c->file[0]].path : c->name);
    else if (a == UI_ACT_ANY_COPY_COMMAND)
        nb_str_addf(&text, "nibble show %s --remote", d->id);
    else if (c)
        nb_str_addf(&text, "%s\t%s\t%llu", d->id, c->name, (unsigned long long)c->bytes);
    if (text.len)
        ui_app_copy(d->app, text.at, text.len);
    nb_str_free(&text);
}

static void open_browser(detail *d)
{
    nb_str url = {0};
    page_url(d, &url);
    if (!ui_app_browse(d->app, nb_str_c(&url)))
        ui_app_copy(d->app, nb_str_c(&url), url.len);
    nb_str_free(&url);
}

static void show_pane(detail *d, enum detail_pane pane)
{
    bool again = d->pane == pane && d->on_right;
    d->pane = pane;
    d->on_right = !again;
    if (pane == DETAIL_TENSORS && d->on_right)
        ui_detail_peek(d);
}

static void change_ctx(detail *d, bool more)
{
    if (more ? d->ctx < CTX_MAX : d->ctx > CTX_MIN)
        d->ctx = more ? d->ctx * 2 : d->ctx / 2;
}

static void mark(detail *d, ui_action a)
{
    if (!d->n_row)
        return;
    if (a == UI_ACT_ANY_MARK) {
        size_t at = d->row[d->list.at];
        d->marked[at] = !d->marked[at];
        ui_list_move(&d->list, UI_ACT_ANY_DOWN, 1);
        return;
    }
    bool all = true;
    for (size_t i = 0; i < d->n_row; i++)
        all = all && d->marked[d->row[i]];
    for (size_t i = 0; i < d->n_row; i++)
        d->marked[d->row[i]] = !all;
}

/* j, k, Ctrl-D on the right side scroll it. */
static bool scroll(detail *d, ui_action a)
{
    if (d->pane == DETAIL_TENSORS)
        return ui_list_move(&d->tensors, a, 10);
    ui_list as = {.n = ui_md_rows(d->md), .at = d->card_top};
    bool used = ui_list_move(&as, a, 10);
    d->card_top = as.at;
    return used;
}

static bool escape(detail *d)
{
    if (d->zoom)
        d->zoom = false;
    else if (d->on_right)
        d->on_right = false;
    else
        return false;
    return true;
}

static bool action_here(detail *d, ui_action a)
{
    switch (a) {
    case UI_ACT_DETAIL_GET:
        get(d);
        return true;
    case UI_ACT_DETAIL_QUANTIZE:
        hand_over(d, UI_QUANTIZE);
        return true;
    case UI_ACT_DETAIL_TALK:
        hand_over(d, UI_CHAT);
        return true;
    case UI_ACT_DETAIL_CARD:
        show_pane(d, DETAIL_CARD);
        return true;
    case UI_ACT_DETAIL_TENSORS:
        show_pane(d, DETAIL_TENSORS);
        return true;
    case UI_ACT_DETAIL_FILES:
        d->all_files = !d->all_files;
        ui_detail_arrange(d);
        return true;
    case UI_ACT_DETAIL_BROWSER:
        open_browser(d);
        return true;
    case UI_ACT_DETAIL_ACCOUNT:
        ui_app_account(d->app);
        return true;
    case UI_ACT_DETAIL_AGAIN:
        if (!d->job && !d->more_job && !d->peek_job && d->id[0])
            ui_detail_ask(d);
        return true;
    case UI_ACT_DETAIL_KV_TYPE:
        d->kv_f32 = !d->kv_f32;
        return true;
    case UI_ACT_DETAIL_PREV_VALUE:
    case UI_ACT_DETAIL_NEXT_VALUE:
        change_ctx(d, a == UI_ACT_DETAIL_NEXT_VALUE);
        return true;
    default:
        return false;
    }
}

static bool action(void *self, ui_action a)
{
    detail *d = self;
    if (action_here(d, a))
        return true;
    switch (a) {
    case UI_ACT_ANY_ESCAPE:
        return escape(d);
    case UI_ACT_ANY_OPEN: /* Enter: what one does with it next */
        show_pane(d, DETAIL_TENSORS);
        return true;
    case UI_ACT_ANY_NEXT_PANE:
    case UI_ACT_ANY_PREV_PANE:
        d->on_right = !d->on_right;
        return true;
    case UI_ACT_ANY_MARK:
    case UI_ACT_ANY_MARK_ALL:
        mark(d, a);
        return true;
    case UI_ACT_ANY_ZOOM:
        d->zoom = !d->zoom;
        return true;
    case UI_ACT_ANY_COPY_ROW:
    case UI_ACT_ANY_COPY_URL:
    case UI_ACT_ANY_COPY_COMMAND:
        copy(d, a);
        return true;
    default:
        return d->on_right ? scroll(d, a) : ui_list_move(&d->list, a, 10);
    }
}

static bool mouse(void *self, const ui_key *k)
{
    detail *d = self;
    if (ui_list_mouse(&d->list, k)) {
        d->on_right = d->on_right && k->button >= 4;
        if (k->button == 2)
            action(d, UI_ACT_ANY_OPEN);
        return true;
    }
    if (ui_list_mouse(&d->tensors, k)) {
        d->on_right = true;
        return true;
    }
    if (ui_spots_hit(&d->spots, k->x, k->y) != DETAIL_SPOT_RIGHT)
        return false;
    if (k->button < 4)
        d->on_right = true;
    for (int i = 0; k->button >= 4 && i < 3; i++)
        scroll(d, k->button == 4 ? UI_ACT_ANY_UP : UI_ACT_ANY_DOWN);
    return true;
}

static const char *why_not(const void *self, ui_action a)
{
    const detail *d = self;
    if (ui_keyrow_of(a)->scope != UI_DETAIL || a == UI_ACT_DETAIL_ACCOUNT)
        return NULL;
    if (!d->id[0])
        return "needs a repository: open one on Models";
    if (a == UI_ACT_DETAIL_AGAIN || a == UI_ACT_DETAIL_BROWSER)
        return d->job ? "is asking already" : NULL;
    if (!d->loaded)
        return "the repository is not loaded";
    if (!ui_detail_current(d) && a != UI_ACT_DETAIL_FILES && a != UI_ACT_DETAIL_CARD)
        return "needs a file in the list";
    return NULL;
}

static const char *hints(const void *self, bool narrow)
{
    const detail *d = self;
    if (!d->loaded)
        return narrow ? "r again  O page  A account" : "r asks again  O opens the page  A account";
    if (d->on_right)
        return narrow ? "j k scroll  Esc back" : "j k scroll  + larger  Esc back to the files";
    return narrow ? "d get  Space  T tensors  C card  [ ]"
                  : "d download  Space mark  T tensors  C card  f all files  [ ] ctx  O page";
}

static double tick(void *self, double now)
{
    detail *d = self;
    (void)now;
    ui_parts_memory(d->app, &d->available, &d->total);
    return d->job || d->more_job || d->peek_job ? 0.25 : 5;
}

static int busy(const void *self)
{
    const detail *d = self;
    return d->job || d->more_job || d->peek_job ? 1 : 0;
}

/* paths[0]: "org/repo" or "org/repo@revision". */
static void show(void *self, const char *const *paths, const char *note)
{
    detail *d = self;
    dl_name name;
    (void)note;
    if (dl_name_parse(&name, paths[0], NULL) != NB_OK ||
        (d->loaded && !d->leave_after && strcmp(name.repo, d->id) == 0 &&
         strcmp(name.revision, d->revision) == 0))
        return;
    snprintf(d->next_id, sizeof d->next_id, "%s", name.repo);
    snprintf(d->next_revision, sizeof d->next_revision, "%s", name.revision);
    d->leave_after = true;
    d->on_right = d->zoom = false;
    d->pane = DETAIL_CARD;
    nb_job *jobs[] = {d->job, d->more_job, d->peek_job};
    bool running = false;
    for (size_t i = 0; i < countof(jobs); i++)
        if (jobs[i]) {
            nb_job_cancel(jobs[i]);
            running = true;
        }
    if (running)
        return; /* the last DONE goes on */
    ui_detail_turn(d);
}

static bool empty(const void *self)
{
    return ((const detail *)self)->id[0] == '\0';
}

/* --- life ----------------------------------------------------------------------------------------
 */

static nb_status open(void **self, ui_app *app, nb_err *err)
{
    (void)err;
    detail *d = ui_xcalloc(1, sizeof *d);
    const nb_config *cfg = ui_app_config(app);
    d->app = app;
    d->ctx = cfg->ctx >= CTX_MIN && cfg->ctx <= CTX_MAX ? (uint32_t)cfg->ctx : 4096;
    ui_parts_memory(app, &d->available, &d->total);
    *self = d;
    return NB_OK;
}

static void close_screen(void **self)
{
    detail *d = *self;
    if (!d)
        return;
    ui_detail_drop(d);
    ui_detail_drop_kept(d);
    dl_choices_free(&d->load.choices);
    dl_repo_free(&d->load.repo);
    dl_header_free(&d->peek.header);
    nb_str_free(&d->more.card);
    free(d);
    *self = NULL;
}

const ui_screen ui_screen_detail = {
    .name = "detail",
    .title = "Model",
    .title_narrow = "Model",
    .scope = UI_DETAIL,
    .open = open,
    .close = close_screen,
    .draw = ui_detail_draw,
    .action = action,
    .mouse = mouse,
    .event = ui_detail_event,
    .why_not = why_not,
    .hints = hints,
    .tick = tick,
    .busy = busy,
    .json = ui_detail_json,
    .show = show,
    .empty = empty,
};
