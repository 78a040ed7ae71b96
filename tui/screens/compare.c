#include "tui/screens/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "tui/twin.h"

/* --- rows ------------------------------------------------------------------------------------- */

const nb_compare_row *ui_compare_current(const compare *s)
{
    return s->list.at < s->n_row ? &s->table.row[s->row[s->list.at]] : NULL;
}

bool ui_compare_marked(const compare *s, const char *path)
{
    for (size_t i = 0; i < s->n_mark; i++)
        if (strcmp(s->mark[i], path) == 0)
            return true;
    return false;
}

size_t ui_compare_reference(const compare *s)
{
    for (size_t i = 0; i < s->table.n; i++)
        if (s->table.row[i].is_reference)
            return i;
    return SIZE_MAX;
}

static void set_mark(compare *s, const char *path, bool on)
{
    size_t i = 0;
    while (i < s->n_mark && strcmp(s->mark[i], path) != 0)
        i++;
    if (on && i == s->n_mark && i < COMPARE_FILES)
        snprintf(s->mark[s->n_mark++], sizeof s->mark[0], "%s", path);
    else if (!on && i < s->n_mark)
        memmove(s->mark[i], s->mark[--s->n_mark], sizeof s->mark[0]);
}

const struct compare_order ui_compare_sorts[COMPARE_SORTS] = {
    [COMPARE_BY_FILE] = {"file", NB_AXIS_COUNT},   [COMPARE_BY_BPW] = {"bpw", NB_AXIS_BPW},
    [COMPARE_BY_SIZE] = {"size", NB_AXIS_BYTES},   [COMPARE_BY_KLD] = {"KL", NB_AXIS_KLD},
    [COMPARE_BY_TOP1] = {"top-1", NB_AXIS_TOP1},   [COMPARE_BY_PPL] = {"PPL", NB_AXIS_PPL},
    [COMPARE_BY_FACTS] = {"facts", NB_AXIS_FACTS}, [COMPARE_BY_SPEED] = {"tok/s", NB_AXIS_SPEED},
    [COMPARE_BY_RAM] = {"RAM", NB_AXIS_RAM},
};

/* What a column orders by: better first, unknown last. */
static bool order_value(const compare *s, const nb_compare_row *r, double *v)
{
    double err;
    return nb_compare_value(r, ui_compare_sorts[s->sort].axis, v, &err);
}

static int compare_rows(const void *pa, const void *pb, void *arg)
{
    const compare *s = arg;
    size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
    double u = 0, v = 0;
    int c = 0;
    if (s->sort != COMPARE_BY_FILE) {
        bool x = order_value(s, &s->table.row[a], &u), y = order_value(s, &s->table.row[b], &v);
        if (x != y)
            return x ? -1 : 1;
        c = !x || u == v ? 0 : u < v ? -1 : 1;
    }
    if (!c)
        c = a < b ? -1 : a > b;
    return s->reverse ? -c : c;
}

void ui_compare_arrange(compare *s)
{
    char keep[1024] = "";
    const nb_compare_row *at = ui_compare_current(s);
    if (at)
        snprintf(keep, sizeof keep, "%s", at->path);
    nb_compare_front(&s->table, s->x, s->y);
    s->n_row = 0;
    for (size_t i = 0; i < s->table.n && i < COMPARE_FILES; i++)
        if (!s->front_only || s->table.row[i].front)
            s->row[s->n_row++] = i;
    qsort_r(s->row, s->n_row, sizeof *s->row, compare_rows, s);
    ui_list_set(&s->list, s->n_row);
    for (size_t i = 0; i < s->n_row; i++)
        if (strcmp(s->table.row[s->row[i]].path, keep) == 0)
            s->list.at = i;
}

/* --- what leads elsewhere ----------------------------------------------------------------------
 */

/* The marked files in the table's order, at most cap. */
static size_t marked_paths(const compare *s, const char **out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < s->table.n && n < cap; i++)
        if (ui_compare_marked(s, s->table.row[i].path))
            out[n++] = s->table.row[i].path;
    return n;
}

static size_t marked_count(const compare *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->table.n; i++)
        n += ui_compare_marked(s, s->table.row[i].path);
    return n;
}

/* The marked ones, else the file under the cursor against the reference. */
static void lead(compare *s, ui_scope screen, size_t most)
{
    enum { MOST = 4 };
    const char *paths[MOST + 1] = {NULL};
    const nb_compare_row *at = ui_compare_current(s);
    size_t n = marked_paths(s, paths, most), ref = ui_compare_reference(s);
    if (!at)
        return;
    if (n < 2) {
        const nb_compare_row *r = ref < s->table.n ? &s->table.row[ref] : NULL;
        n = 0;
        if (r && r != at)
            paths[n++] = r->path;
        paths[n++] = at->path;
        paths[n] = NULL;
    }
    if (screen == UI_INSPECT && n == 2) { /* the second is looked at against the first */
        const char *t = paths[0];
        paths[0] = paths[1];
        paths[1] = t;
    }
    ui_app_show(s->app, screen, paths, NULL);
    if (marked_count(s) > most)
        ui_app_say(s->app, "%zu are marked: the first %zu of the list are taken", marked_count(s),
                   most);
}

static void copy(compare *s, ui_action a)
{
    const nb_compare_row *at = ui_compare_current(s);
    size_t ref = ui_compare_reference(s);
    nb_str t = {0};
    if (!at)
        return;
    if (a == UI_ACT_ANY_COPY_COMMAND) {
        nb_str_add(&t, "nibble compare");
        for (size_t i = 0; i < s->table.n; i++)
            if (i != ref)
                ui_parts_path(&t, s->table.row[i].path);
        if (ref < s->table.n) {
            nb_str_add(&t, " --ref");
            ui_parts_path(&t, s->table.row[ref].path);
        }
    } else {
        nb_str_add(&t, a == UI_ACT_ANY_COPY_URL ? at->path : at->advice);
    }
    ui_app_copy(s->app, nb_str_c(&t), t.len);
    nb_str_free(&t);
}

/* Keys of `nibble compare --json`, and the axes the front is of. */
static void json(const void *self, nb_str *out)
{
    const compare *s = self;
    nb_jout w = nb_jout_make(out);
    nb_jout_object(&w);
    nb_jout_key(&w, "x"), nb_jout_str(&w, nb_axis_name(s->x));
    nb_jout_key(&w, "y"), nb_jout_str(&w, nb_axis_name(s->y));
    nb_jout_key(&w, "groups"), nb_jout_u64(&w, s->n_group);
    nb_jout_key(&w, "selected");
    if (ui_compare_current(s))
        nb_jout_str(&w, ui_compare_current(s)->path);
    else
        nb_jout_null(&w);
    if (s->table.n)
        ui_twin_compare(&w, &s->table, s->pick, s->why);
    nb_jout_object_end(&w);
}

static void write_table(compare *s)
{
    nb_str text = {0};
    json(s, &text);
    ui_parts_export(s->app, "compare", "json", &text);
    nb_str_free(&text);
}

/* --- actions -----------------------------------------------------------------------------------
 */

static void next_axis(compare *s, nb_compare_axis *axis, nb_compare_axis other)
{
    do
        *axis = (nb_compare_axis)((*axis + 1) % NB_AXIS_COUNT);
    while (*axis == other);
    ui_compare_arrange(s);
}

static bool mark(compare *s, ui_action a)
{
    const nb_compare_row *at = ui_compare_current(s);
    bool all = true;
    if (!at)
        return false;
    if (a == UI_ACT_ANY_MARK) {
        set_mark(s, at->path, !ui_compare_marked(s, at->path));
        ui_list_move(&s->list, UI_ACT_ANY_DOWN, 1);
        return true;
    }
    for (size_t i = 0; i < s->n_row; i++)
        all = all && ui_compare_marked(s, s->table.row[s->row[i]].path);
    for (size_t i = 0; i < s->n_row; i++)
        set_mark(s, s->table.row[s->row[i]].path, !all);
    return true;
}

static void step_value(compare *s, bool next)
{
    if (s->map && s->n_map > 1) {
        ui_compare_map(s, (s->at_map + (next ? 1 : s->n_map - 1)) % s->n_map);
    } else if (!s->map && s->n_group > 1) {
        ui_compare_show_group(s, (s->at_group + (next ? 1 : s->n_group - 1)) % s->n_group);
    } else {
        ui_app_say(s->app, s->map ? "there is one sensitivity map" : "all runs are of one group");
    }
}

static void toggle_map(compare *s)
{
    if (!s->map && !s->n_map) {
        ui_app_say(s->app,
                   "no sensitivity is stored: nibble sensitivity MODEL -t TYPE measures it");
        return;
    }
    s->map = s->on_map = !s->map;
    if (s->map)
        ui_compare_map(s, s->at_map);
}

static bool escape(compare *s)
{
    if (s->asking)
        s->asking = false;
    else if (s->card || s->zoom)
        s->card = s->zoom = false;
    else if (s->map)
        s->map = s->on_map = false;
    else if (s->front_only) {
        s->front_only = false;
        ui_compare_arrange(s);
    } else
        return false;
    return true;
}

static void answer(compare *s)
{
    const char *text = nb_str_c(&s->input.text);
    s->asking = false;
    if (*text && !nb_exists(text)) {
        ui_app_say(s->app, "%s: no such file", text);
        return;
    }
    snprintf(s->text, sizeof s->text, "%s", text);
    ui_workspace_set(ui_app_workspace(s->app), "compare.text", s->text);
}

static bool own_action(compare *s, ui_action a)
{
    switch (a) {
    case UI_ACT_COMPARE_AXIS_X:
        next_axis(s, &s->x, s->y);
        return true;
    case UI_ACT_COMPARE_AXIS_Y:
        next_axis(s, &s->y, s->x);
        return true;
    case UI_ACT_COMPARE_MEASURE:
        ui_compare_start(s);
        return true;
    case UI_ACT_COMPARE_CANCEL:
        if (s->measuring)
            nb_job_cancel(s->measuring);
        return s->measuring != NULL;
    case UI_ACT_COMPARE_TALK:
        lead(s, UI_CHAT, 4);
        return true;
    case UI_ACT_COMPARE_FRONT:
        s->front_only = !s->front_only;
        ui_compare_arrange(s);
        return true;
    case UI_ACT_COMPARE_EDIT:
        s->asking = true;
        ui_input_set(&s->input, s->text);
        return true;
    case UI_ACT_COMPARE_HEAT:
        toggle_map(s);
        return true;
    case UI_ACT_COMPARE_PREV_VALUE:
    case UI_ACT_COMPARE_NEXT_VALUE:
        step_value(s, a == UI_ACT_COMPARE_NEXT_VALUE);
        return true;
    case UI_ACT_COMPARE_AGAIN:
        ui_compare_load(s);
        return true;
    default:
        return false;
    }
}

static bool global_action(compare *s, ui_action a)
{
    switch (a) {
    case UI_ACT_ANY_OPEN:
        s->card = !s->card;
        return true;
    case UI_ACT_ANY_ZOOM:
        s->zoom = !s->zoom;
        return true;
    case UI_ACT_ANY_NEXT_PANE:
    case UI_ACT_ANY_PREV_PANE:
        s->on_map = s->map && !s->on_map;
        return s->map;
    case UI_ACT_ANY_SORT:
        s->sort = (s->sort + 1) % COMPARE_SORTS;
        ui_compare_arrange(s);
        return true;
    case UI_ACT_ANY_SORT_REVERSE:
        s->reverse = !s->reverse;
        ui_compare_arrange(s);
        return true;
    case UI_ACT_ANY_MARK:
    case UI_ACT_ANY_MARK_ALL:
        return mark(s, a);
    case UI_ACT_ANY_COPY_ROW:
    case UI_ACT_ANY_COPY_URL:
    case UI_ACT_ANY_COPY_COMMAND:
        copy(s, a);
        return true;
    case UI_ACT_ANY_WRITE:
        write_table(s);
        return true;
    case UI_ACT_ANY_DIFF:
        lead(s, UI_INSPECT, 2);
        return true;
    default:
        return s->map && s->on_map ? ui_heat_move(&s->heat, a) : ui_list_move(&s->list, a, 5);
    }
}

static bool action(void *self, ui_action a)
{
    compare *s = self;
    if (a == UI_ACT_ANY_ESCAPE)
        return escape(s);
    if (s->asking) {
        if (a == UI_ACT_ANY_OPEN)
            answer(s);
        return a == UI_ACT_ANY_OPEN;
    }
    if (!s->table.n) {
        if (a == UI_ACT_COMPARE_AGAIN)
            ui_compare_load(s);
        return a == UI_ACT_COMPARE_AGAIN;
    }
    return own_action(s, a) || global_action(s, a);
}

static bool text_mode(const void *self)
{
    return ((const compare *)self)->asking;
}

static bool key(void *self, const ui_key *k)
{
    compare *s = self;
    return s->asking && ui_input_key(&s->input, k);
}

/* --- mouse -------------------------------------------------------------------------------------
 */

static void select_row(compare *s, size_t row)
{
    for (size_t i = 0; i < s->n_row; i++)
        if (s->row[i] == row)
            s->list.at = i;
}

static void press_spot(compare *s, int spot, const ui_key *k)
{
    if (spot == COMPARE_SPOT_X)
        next_axis(s, &s->x, s->y);
    else if (spot == COMPARE_SPOT_Y)
        next_axis(s, &s->y, s->x);
    else if (spot == COMPARE_SPOT_INPUT)
        ui_input_press(&s->input, k->x, k->y);
    else
        select_row(s, (size_t)(spot - COMPARE_SPOT_ROW));
}

static void sort_by(compare *s, compare_sort by)
{
    if (by == COMPARE_SORTS)
        return;
    s->reverse = by == s->sort && !s->reverse;
    s->sort = by;
    ui_compare_arrange(s);
}

static bool mouse(void *self, const ui_key *k)
{
    compare *s = self;
    int column = ui_table_hit(&s->list, k->x, k->y), spot = ui_spots_hit(&s->spots, k->x, k->y);
    size_t cell = s->map ? ui_heat_hit(&s->heat, k->x, k->y) : SIZE_MAX;
    if (ui_list_mouse(&s->list, k)) {
        s->on_map = s->on_map && k->button >= 4;
        if (k->button == 2)
            s->card = !s->card;
        return true;
    }
    if (k->button != 1)
        return false;
    if (cell != SIZE_MAX) {
        s->heat.at = cell;
        s->on_map = true;
    } else if (column >= 0) {
        sort_by(s, ui_compare_sort_of(column));
    } else if (spot >= 0) {
        press_spot(s, spot, k);
    } else {
        return false;
    }
    return true;
}

/* --- words -------------------------------------------------------------------------------------
 */

static const char *why_not(const void *self, ui_action a)
{
    const compare *s = self;
    bool here = ui_keyrow_of(a)->scope == UI_COMPARE || a == UI_ACT_ANY_DIFF;
    if (here && !s->table.n)
        return "needs files: c on a model in Models";
    if (a == UI_ACT_COMPARE_CANCEL && !s->measuring)
        return "nothing is being measured";
    if (a == UI_ACT_COMPARE_HEAT && !s->n_map)
        return "no sensitivity is stored: nibble sensitivity measures it";
    return NULL;
}

static const char *hints(const void *self, bool narrow)
{
    const compare *s = self;
    if (s->asking)
        return narrow ? "Enter accept  Esc leave" : "Enter accepts  Esc leaves  empty: the demo's";
    if (!s->table.n)
        return narrow ? "1 Models" : "1 Models: c on a model brings it and what was made from it";
    if (s->measuring)
        return narrow ? "x cancel  X Y Space"
                      : "x cancels the measuring  X Y axes  Space mark  Enter card";
    if (s->map && s->on_map)
        return narrow ? "h j k l  [ ]  Tab  H" : "h j k l tensor  [ ] type  Tab table  H plot";
    return narrow
               ? "X Y  m  Space  t  f  =  Enter"
               : "X Y axes  m measure  Space mark  t chat  f frontier  = diff  H map  Enter card";
}

/* --- life --------------------------------------------------------------------------------------
 */

static void event(void *self, const nb_event *e)
{
    compare *s = self;
    if (e->kind != NB_EVENT_DONE)
        return;
    if (e->job == s->loading)
        ui_compare_loaded(s, e);
    else if (e->job == s->measuring)
        ui_compare_measured(s, e);
}

static double tick(void *self, double now)
{
    compare *s = self;
    ui_compare_watch(s, now);
    return s->measuring || s->loading ? 0.2 : s->n_path ? 1 : -1;
}

static int busy(const void *self)
{
    const compare *s = self;
    return s->loading || s->measuring ? 1 : 0;
}

/* For the next start. */
static void remember(const compare *s)
{
    ui_workspace *w = ui_app_workspace(s->app);
    ui_workspace_clear(w, "compare.paths");
    for (size_t i = 0; i < s->n_path; i++)
        ui_workspace_add(w, "compare.paths", s->path[i]);
    ui_workspace_set(w, "compare.family", s->family ? "yes" : "");
}

/* note "family": the first and what was made from it; else just these. */
static void show(void *self, const char *const *paths, const char *note)
{
    compare *s = self;
    s->n_path = 0;
    for (size_t i = 0; paths[i] && s->n_path < COMPARE_FILES; i++)
        snprintf(s->path[s->n_path++], sizeof s->path[0], "%s", paths[i]);
    s->family = note && strcmp(note, "family") == 0;
    s->problem[0] = '\0';
    remember(s);
    ui_compare_load(s);
}

static bool empty(const void *self)
{
    const compare *s = self;
    return !s->table.n && !s->loading && !s->problem[0];
}

static nb_status open(void **self, ui_app *app, nb_err *err)
{
    (void)err;
    compare *s = ui_xcalloc(1, sizeof *s);
    const ui_workspace *w = ui_app_workspace(app);
    const char *text = ui_workspace_get(w, "compare.text");
    const char *family = ui_workspace_get(w, "compare.family");
    s->app = app;
    s->x = NB_AXIS_BYTES;
    s->y = NB_AXIS_KLD;
    s->sort = COMPARE_BY_SIZE;
    s->reverse = true; /* the largest first, as Models lists them */
    s->pick = s->heat.at = SIZE_MAX;
    if (text && *text && nb_exists(text))
        snprintf(s->text, sizeof s->text, "%s", text);
    s->family = family && *family;
    bool asked = ui_app_options_of(app)->n_paths > 0;
    for (size_t i = 0; !asked && i < ui_workspace_count(w, "compare.paths"); i++) {
        const char *path = ui_workspace_item(w, "compare.paths", i);
        if (nb_exists(path) && s->n_path < COMPARE_FILES)
            snprintf(s->path[s->n_path++], sizeof s->path[0], "%s", path);
    }
    *self = s;
    ui_compare_load(s);
    return NB_OK;
}

static void close_screen(void **self)
{
    compare *s = *self;
    if (!s)
        return;
    ui_compare_drop(s);
    nb_compare_close(&s->load.table);
    nb_runs_close(&s->load.runs);
    nb_weights_close(&s->load.mapped);
    ui_input_free(&s->input);
    free(s);
    *self = NULL;
}

const ui_screen ui_screen_compare = {
    .name = "compare",
    .title = "Compare",
    .title_narrow = "Comp",
    .scope = UI_COMPARE,
    .open = open,
    .close = close_screen,
    .draw = ui_compare_draw,
    .action = action,
    .text_mode = text_mode,
    .key = key,
    .mouse = mouse,
    .event = event,
    .why_not = why_not,
    .hints = hints,
    .tick = tick,
    .busy = busy,
    .json = json,
    .show = show,
    .empty = empty,
    .from_models = UI_ACT_MODELS_COMPARE,
};
