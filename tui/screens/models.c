#include "tui/screens/models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/files/weights.h"

enum { CTX_MIN = 512, CTX_MAX = 1 << 20 };

/* --- the scan, a job ------------------------------------------------------------------------- */

/* Stored results are keyed by fingerprint, which costs opening a file: only when there are any. */
static void measured(models_scan *s, nb_job *job)
{
    size_t n = nb_library_count(s->lib);
    if (nb_runs_open(&s->runs, s->cfg, NULL) != NB_OK || !nb_runs_count(s->runs))
        return;
    s->speed = nb_alloc(n + 1, sizeof *s->speed, "speeds", NULL);
    for (size_t i = 0; s->speed && i < n && !nb_job_canceled(job); i++) {
        nb_weights *w;
        double pp;
        if (nb_weights_open(&w, nb_library_at(s->lib, i)->path, NULL) != NB_OK)
            continue;
        if (!nb_runs_speed(s->runs, nb_weights_fingerprint(w), &pp, &s->speed[i]))
            s->speed[i] = 0;
        nb_weights_close(&w);
    }
}

static nb_status scan(nb_job *job, void *arg, nb_err *err)
{
    models_scan *s = arg;
    nb_hooks hooks = nb_job_hooks(job);
    NB_TRY(nb_library_scan(&s->lib, s->cfg, s->paths, s->n_paths, &hooks, err));
    measured(s, job);
    return NB_OK;
}

static void drop_scan(models_scan *s)
{
    nb_library_close(&s->lib);
    nb_runs_close(&s->runs);
    free(s->speed);
    s->speed = NULL;
}

void ui_models_scan(models *m)
{
    const ui_app_options *opt = ui_app_options_of(m->app);
    nb_err err = {0};
    if (m->job)
        return;
    /* "nibble demo" names no file; the demo is always looked for. */
    bool demo = opt->n_paths == 1 && strcmp(opt->paths[0], "demo") == 0;
    m->scan = (models_scan){.cfg = ui_app_config(m->app),
                            .paths = demo ? NULL : opt->paths,
                            .n_paths = demo ? 0 : opt->n_paths};
    if (ui_app_job(m->app, &m->job, UI_MODELS, "scan", "models on this machine", scan, &m->scan,
                   &err) != NB_OK)
        ui_app_error(m->app, err.msg, "the list of models stays as it is", "r looks again");
}

static void event(void *self, const nb_event *e)
{
    models *m = self;
    if (ui_models_hub_event(m, e) || e->kind != NB_EVENT_DONE || e->job != m->job)
        return;
    m->job = NULL;
    if (e->err.status != NB_OK) {
        drop_scan(&m->scan);
        if (e->err.status != NB_CANCELED)
            snprintf(m->problem, sizeof m->problem, "%s", e->err.msg);
        return;
    }
    const nb_entry *now = ui_models_current(m);
    if (now && !m->wanted[0])
        snprintf(m->wanted, sizeof m->wanted, "%s", now->path);
    nb_library_close(&m->lib);
    nb_runs_close(&m->runs);
    free(m->speed);
    m->lib = m->scan.lib;
    m->runs = m->scan.runs;
    m->speed = m->scan.speed;
    m->scan = (models_scan){0};
    m->problem[0] = '\0';
    m->n_row = 0;
    ui_models_fits(m);
    ui_models_arrange(m);
    ui_action wanted = m->after_scan;
    m->after_scan = UI_ACT_NONE;
    if (wanted != UI_ACT_NONE)
        ui_screen_models.action(m, wanted);
}

/* --- actions --------------------------------------------------------------------------------- */

/* Before the first scan has ended there is nothing to bring: it is brought when it is there. */
static bool later(models *m, ui_action a)
{
    m->after_scan = !m->lib && m->job ? a : UI_ACT_NONE;
    return m->after_scan != UI_ACT_NONE;
}

static void mark_rows(models *m, size_t from, size_t to, bool on)
{
    if (from > to) {
        size_t t = from;
        from = to;
        to = t;
    }
    for (size_t i = from; i <= to && i < m->n_row; i++)
        ui_models_toggle(m, ui_models_entry(m, i)->path, on);
}

static bool mark(models *m, ui_action a)
{
    const nb_entry *e = ui_models_current(m);
    if (!e)
        return false;
    if (a == UI_ACT_ANY_MARK) {
        ui_models_toggle(m, e->path, !ui_models_marked(m, e->path));
        ui_list_move(&m->list, UI_ACT_ANY_DOWN, 1);
    } else if (a == UI_ACT_ANY_MARK_ALL) {
        bool all = true;
        for (size_t i = 0; i < m->n_row; i++)
            all = all && ui_models_marked(m, ui_models_entry(m, i)->path);
        mark_rows(m, 0, m->n_row - 1, !all);
    } else if (m->range < 0) {
        m->range = (long)m->list.at;
        ui_app_say(m->app, "range: move, then v marks up to here, Esc forgets it");
        return true;
    } else {
        mark_rows(m, (size_t)m->range, m->list.at, true);
    }
    m->range = -1;
    return true;
}

static void change_ctx(models *m, bool more)
{
    if (more ? m->ctx < CTX_MAX : m->ctx > CTX_MIN)
        m->ctx = more ? m->ctx * 2 : m->ctx / 2;
    ui_models_fits(m);
    ui_models_arrange(m);
}

static bool escape(models *m)
{
    if (m->typing)
        m->typing = false;
    else if (m->range >= 0)
        m->range = -1;
    else if (m->zoom)
        m->zoom = false;
    else if (m->filter.text.len) {
        ui_input_set(&m->filter, "");
        ui_models_arrange(m);
    } else
        return false;
    return true;
}

static bool copy(models *m, ui_action a)
{
    const nb_entry *e = ui_models_current(m);
    nb_str text = {0};
    if (!e)
        return false;
    if (a == UI_ACT_ANY_COPY_COMMAND) {
        nb_str_add(&text, "nibble show");
        ui_parts_path(&text, e->path);
        nb_str_addf(&text, " --ctx %u", m->ctx);
    } else if (a == UI_ACT_ANY_COPY_URL) {
        nb_str_add(&text, e->path);
    } else {
        nb_str_addf(&text, "%s\t%s\t%llu\t%s", e->name, e->type_name, (unsigned long long)e->bytes,
                    e->path);
    }
    ui_app_copy(m->app, nb_str_c(&text), text.len);
    nb_str_free(&text);
    return true;
}

static void write_table(models *m)
{
    nb_str text = {0};
    ui_models_json(m, &text);
    ui_parts_export(m->app, "models", "json", &text);
    nb_str_free(&text);
}

static bool action_here(models *m, ui_action a)
{
    bool leads = a == UI_ACT_MODELS_QUANTIZE || a == UI_ACT_MODELS_TALK ||
                 a == UI_ACT_MODELS_IMPORT || a == UI_ACT_MODELS_COMPARE;
    if (leads && later(m, a))
        return true;
    switch (a) {
    case UI_ACT_MODELS_QUANTIZE:
        ui_models_to_screen(m, UI_QUANTIZE);
        return true;
    case UI_ACT_MODELS_TALK:
        ui_models_talk(m);
        return true;
    case UI_ACT_MODELS_COMPARE:
        ui_models_compare(m);
        return true;
    case UI_ACT_ANY_DIFF:
        ui_models_diff(m);
        return true;
    case UI_ACT_ANY_OPEN:
    case UI_ACT_MODELS_IMPORT:
        ui_models_to_screen(m, UI_INSPECT);
        return true;
    case UI_ACT_MODELS_PREV_VALUE:
    case UI_ACT_MODELS_NEXT_VALUE:
        change_ctx(m, a == UI_ACT_MODELS_NEXT_VALUE);
        return true;
    case UI_ACT_MODELS_KV_TYPE:
        m->kv_f32 = !m->kv_f32;
        ui_models_fits(m);
        ui_models_arrange(m);
        return true;
    case UI_ACT_MODELS_RESCAN:
        ui_models_scan(m);
        return true;
    case UI_ACT_MODELS_ACCOUNT:
        ui_app_account(m->app);
        return true;
    case UI_ACT_MODELS_DELETE:
        ui_models_trash(m);
        return true;
    case UI_ACT_ANY_UNDO:
        ui_models_restore(m);
        return true;
    default:
        return false;
    }
}

static bool local_action(void *self, ui_action a)
{
    models *m = self;
    if (m->typing && ui_keyrow_of(a)->scope != UI_MODELS) { /* no letter comes as an action */
        if (a != UI_ACT_ANY_OPEN && a != UI_ACT_ANY_ESCAPE)
            return false;
        m->typing = false;
        return true;
    }
    switch (a) {
    case UI_ACT_ANY_FILTER:
        m->typing = true;
        return true;
    case UI_ACT_ANY_ESCAPE:
        return escape(m);
    case UI_ACT_ANY_SORT:
        m->sort = (m->sort + 1) % MODELS_SORTS;
        ui_models_arrange(m);
        return true;
    case UI_ACT_ANY_SORT_REVERSE:
        m->reverse = !m->reverse;
        ui_models_arrange(m);
        return true;
    case UI_ACT_ANY_MARK:
    case UI_ACT_ANY_MARK_ALL:
    case UI_ACT_ANY_MARK_RANGE:
        return mark(m, a);
    case UI_ACT_ANY_COPY_ROW:
    case UI_ACT_ANY_COPY_URL:
    case UI_ACT_ANY_COPY_COMMAND:
        return copy(m, a);
    case UI_ACT_ANY_WRITE:
        write_table(m);
        return true;
    case UI_ACT_ANY_ZOOM:
        m->zoom = !m->zoom;
        return true;
    default:
        return action_here(m, a) || ui_list_move(&m->list, a, 10);
    }
}

/* While the Hub's list has the keys nothing happens to local models behind it. */
static bool about_both(ui_action a)
{
    static const ui_action both[] = {UI_ACT_ANY_ZOOM, UI_ACT_MODELS_PREV_VALUE,
                                     UI_ACT_MODELS_NEXT_VALUE, UI_ACT_MODELS_KV_TYPE,
                                     UI_ACT_MODELS_ACCOUNT};
    for (size_t i = 0; i < countof(both); i++)
        if (both[i] == a)
            return true;
    return false;
}

static bool action(void *self, ui_action a)
{
    models *m = self;
    if (ui_models_hub_action(m, a))
        return true;
    if (m->hub.typing || (m->hub.focus && !about_both(a)))
        return false;
    return local_action(m, a);
}

static bool text_mode(const void *self)
{
    const models *m = self;
    return m->typing || m->hub.typing;
}

static bool key(void *self, const ui_key *k)
{
    models *m = self;
    if (m->hub.typing)
        return ui_models_hub_key(m, k);
    if (!m->typing)
        return false;
    if (k->code == UI_K_UP || k->code == UI_K_DOWN)
        return ui_list_move(&m->list, k->code == UI_K_UP ? UI_ACT_ANY_UP : UI_ACT_ANY_DOWN, 1);
    if (!ui_input_key(&m->filter, k))
        return false;
    ui_models_arrange(m);
    return true;
}

/* --- mouse ----------------------------------------------------------------------------------- */

/* The column again turns the order round. */
static void sort_by(models *m, int column)
{
    models_sort by = ui_models_sort_of(column);
    m->reverse = by == m->sort && !m->reverse;
    m->sort = by;
    ui_models_arrange(m);
}

/* Only these, or all again. */
static void filter_by(models *m, nb_fit_word word)
{
    const char *name = nb_fit_name(word);
    bool already = nb_same_word(nb_str_c(&m->filter.text), name);
    ui_input_set(&m->filter, already ? "" : name);
    ui_models_arrange(m);
}

static bool mouse(void *self, const ui_key *k)
{
    models *m = self;
    int column = ui_table_hit(&m->list, k->x, k->y);
    int spot = ui_spots_hit(&m->spots, k->x, k->y);
    if (ui_models_hub_mouse(m, k))
        return true;
    if (ui_list_mouse(&m->list, k)) {
        m->typing = m->typing && k->button >= 4;
        if (k->button == 2)
            ui_models_to_screen(m, UI_INSPECT);
    } else if (k->button == 1 && column >= 0) {
        sort_by(m, column);
    } else if (k->button == 1 && spot >= 0) {
        m->typing = spot == MODELS_SPOT_FILTER;
        if (m->typing)
            ui_input_press(&m->filter, k->x, k->y);
        else
            filter_by(m, (nb_fit_word)(spot - MODELS_SPOT_LEGEND));
    } else {
        return false;
    }
    return true;
}

static const char *why_not(const void *self, ui_action a)
{
    const models *m = self;
    const ui_keyrow *row = ui_keyrow_of(a);
    bool about_hub = a == UI_ACT_MODELS_HUB || a == UI_ACT_MODELS_ACCOUNT ||
                     a == UI_ACT_MODELS_GET || a == UI_ACT_MODELS_RESCAN;
    bool needs = row->scope == UI_MODELS && !about_hub;
    if (a == UI_ACT_MODELS_GET && !ui_models_hub_current(m))
        return "needs a repository of the Hub: u shows it";
    if (needs && m->hub.focus)
        return "needs a model that is here: Enter opens this one, d downloads it";
    if (needs && !ui_models_current(m))
        return "needs a model in the list";
    if (a == UI_ACT_MODELS_RESCAN && m->job)
        return "is looking already";
    return NULL;
}

static const char *hints(const void *self, bool narrow)
{
    static const char wide[] = "Enter inspect  Q quantize  t chat  c compare  Space mark  = diff  "
                               "/ filter  [ ] ctx";
    const models *m = self;
    if (m->hub.typing)
        return narrow
                   ? "Enter keep  Esc leave"
                   : "Enter keeps the search  Esc leaves it  author:x task:x lic:x gguf params:<4b";
    if (m->hub.focus)
        return narrow ? "Enter open  / search  s  u"
                      : "Enter open  / search  s sort  Tab local  u view";
    if (m->typing)
        return narrow ? "Enter keep  Esc leave"
                      : "Enter keeps the filter  Esc leaves it  arrows move";
    if (!m->n_row)
        return narrow ? "/ filter  r again" : "/ filter  r look again";
    return narrow ? "Enter look  Q quantize  t chat  Space /" : wide;
}

static double tick(void *self, double now)
{
    models *m = self;
    ui_parts_memory(m->app, &m->available, &m->total);
    double hub = ui_models_hub_tick(m, now), in = m->job ? 0.5 : 5;
    return hub >= 0 && hub < in ? hub : in;
}

static int busy(const void *self)
{
    const models *m = self;
    return m->job || m->hub.job ? 1 : 0;
}

static void show(void *self, const char *const *paths, const char *note)
{
    models *m = self;
    (void)note;
    if (paths && paths[0])
        snprintf(m->wanted, sizeof m->wanted, "%s", paths[0]);
    ui_models_arrange(m);
}

/* --- life ------------------------------------------------------------------------------------ */

static nb_status open(void **self, ui_app *app, nb_err *err)
{
    (void)err;
    models *m = ui_xcalloc(1, sizeof *m);
    const nb_config *cfg = ui_app_config(app);
    const ui_workspace *w = ui_app_workspace(app);
    m->app = app;
    m->range = -1;
    m->ctx = 4096;
    if (cfg->ctx >= CTX_MIN && cfg->ctx <= CTX_MAX)
        m->ctx = (uint32_t)cfg->ctx;
    ui_parts_memory(app, &m->available, &m->total);
    for (size_t i = 0; i < ui_workspace_count(w, "models.marks"); i++)
        ui_models_toggle(m, ui_workspace_item(w, "models.marks", i), true);
    const char *at = ui_workspace_get(w, "models.at");
    const ui_app_options *opt = ui_app_options_of(app);
    if (opt->n_paths || at) /* what was asked for now beats what was looked at last */
        snprintf(m->wanted, sizeof m->wanted, "%s", opt->n_paths ? opt->paths[0] : at);
    *self = m;
    ui_models_hub_open(m);
    ui_models_scan(m);
    return NB_OK;
}

static void remember(models *m)
{
    ui_workspace *w = ui_app_workspace(m->app);
    const nb_entry *e = ui_models_current(m);
    if (e)
        ui_workspace_set(w, "models.at", e->path);
    ui_workspace_clear(w, "models.marks");
    for (size_t i = 0; i < m->n_mark; i++)
        ui_workspace_add(w, "models.marks", m->mark[i]);
}

static void close_screen(void **self)
{
    models *m = *self;
    if (!m)
        return;
    remember(m);
    ui_models_hub_close(m);
    drop_scan(&m->scan);
    nb_library_close(&m->lib);
    nb_runs_close(&m->runs);
    free(m->speed);
    free(m->fit);
    free(m->row);
    free(m->mark);
    ui_input_free(&m->filter);
    free(m);
    *self = NULL;
}

const ui_screen ui_screen_models = {
    .name = "models",
    .title = "Models",
    .title_narrow = "Models",
    .scope = UI_MODELS,
    .open = open,
    .close = close_screen,
    .draw = ui_models_draw,
    .action = action,
    .local = local_action,
    .text_mode = text_mode,
    .key = key,
    .mouse = mouse,
    .event = event,
    .why_not = why_not,
    .hints = hints,
    .tick = tick,
    .busy = busy,
    .json = ui_models_json,
    .show = show,
};
