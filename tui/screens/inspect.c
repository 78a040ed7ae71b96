#include "tui/screens/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"

/* --- opening --------------------------------------------------------------------------------- */

static nb_status open_files(nb_job *job, void *arg, nb_err *err)
{
    struct inspect_opening *o = arg;
    (void)job;
    NB_TRY(nb_weights_open(&o->made, o->path, err));
    if (o->other[0] && nb_weights_open(&o->made_other, o->other, &o->other_err) != NB_OK)
        o->made_other = NULL;
    return NB_OK;
}

/* Opens what is wanted once no job reads the present files. */
static void open_wanted(inspect *s)
{
    nb_err err = {0};
    if (!s->wanted[0] || s->opening)
        return;
    if (s->job) {
        nb_job_cancel(s->job);
        return;
    }
    s->open_arg = (struct inspect_opening){0};
    memcpy(s->open_arg.path, s->wanted, sizeof s->open_arg.path);
    memcpy(s->open_arg.other, s->wanted_other, sizeof s->open_arg.other);
    s->wanted[0] = '\0';
    s->problem[0] = '\0';
    if (ui_app_job(s->app, &s->opening, UI_INSPECT, "open", nb_path_base(s->open_arg.path),
                   open_files, &s->open_arg, &err) != NB_OK)
        memcpy(s->problem, err.msg, sizeof s->problem);
}

static void close_files(inspect *s)
{
    ui_inspect_forget(s);
    nb_weights_close(&s->weights);
    nb_weights_close(&s->other);
}

/* For the next start; the log says it too. */
static void remember(const inspect *s)
{
    ui_workspace *w = ui_app_workspace(s->app);
    ui_workspace_set(w, "inspect.path", s->path);
    ui_workspace_set(w, "inspect.other", s->other ? s->other_path : "");
    ui_app_log(s->app, s->other ? "opened %s to inspect against %s" : "opened %s to inspect",
               s->path, s->other_path);
}

static void opened(inspect *s, const nb_event *e)
{
    s->opening = NULL;
    if (e->err.status != NB_OK) {
        if (s->weights)
            ui_app_error(s->app, e->err.msg, "the file shown stays", "choose another in Models");
        else
            memcpy(s->problem, e->err.msg, sizeof s->problem);
        return;
    }
    bool same = strcmp(s->path, s->open_arg.path) == 0;
    close_files(s);
    s->weights = s->open_arg.made;
    s->other = s->open_arg.made_other;
    s->open_arg.made = s->open_arg.made_other = NULL;
    s->block_of = SIZE_MAX;
    memcpy(s->path, s->open_arg.path, sizeof s->path);
    memcpy(s->other_path, s->open_arg.other, sizeof s->other_path);
    remember(s);
    if (s->open_arg.other[0] && !s->other)
        ui_app_say(s->app, "not compared: %s", s->open_arg.other_err.msg);
    s->n_tensors = nb_weights_count(s->weights);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a list of pointers */
    s->result = ui_xcalloc(s->n_tensors + 1, sizeof *s->result);
    if (!same) {
        s->list = s->meta = (ui_list){0};
        s->block = 0;
        s->block_view = false;
        ui_input_set(&s->filter, "");
    }
    ui_inspect_only(s);
    ui_inspect_arrange(s);
    ui_inspect_look(s);
}

static void event(void *self, const nb_event *e)
{
    inspect *s = self;
    if (e->job == s->opening && e->kind == NB_EVENT_DONE)
        opened(s, e);
    else if (e->job == s->job)
        ui_inspect_looked(s, e);
    open_wanted(s);
    ui_inspect_look(s);
}

static void want(inspect *s, const char *path, const char *other)
{
    snprintf(s->wanted, sizeof s->wanted, "%s", path);
    snprintf(s->wanted_other, sizeof s->wanted_other, "%s", other ? other : "");
    open_wanted(s);
}

/* --- input ----------------------------------------------------------------------------------- */

static void ask(inspect *s, inspect_ask what)
{
    if (!s->weights)
        return;
    s->ask = what;
    if (what != INSPECT_ASK_FILTER)
        ui_input_set(&s->input, "");
}

static void answer(inspect *s)
{
    const char *text = nb_str_c(&s->input.text);
    char path[1024];
    nb_err err = {0};
    uint64_t block;
    inspect_ask asked = s->ask;
    s->ask = INSPECT_NO_INPUT;
    if (asked == INSPECT_ASK_BLOCK && *text) {
        if (nb_parse_u64(text, &block)) {
            ui_inspect_go(s, block);
            s->block_view = true;
        } else {
            ui_app_say(s->app, "a block is a whole number");
        }
    } else if (asked == INSPECT_ASK_FILE && *text) {
        if (nb_library_resolve(ui_app_config(s->app), text, path, sizeof path, &err) == NB_OK)
            want(s, s->path, path);
        else
            ui_app_say(s->app, "%s", err.msg);
    }
}

/* --- actions --------------------------------------------------------------------------------- */

static bool escape(inspect *s)
{
    if (s->ask != INSPECT_NO_INPUT)
        s->ask = INSPECT_NO_INPUT;
    else if (s->block_view)
        s->block_view = false;
    else if (s->zoom)
        s->zoom = false;
    else if (s->filter.text.len) {
        ui_input_set(&s->filter, "");
        ui_inspect_arrange(s);
    } else
        return false;
    return true;
}

/* The figures of the tensor under the cursor, and the block being looked at. */
static void add_command(const inspect *s, const nb_view *v, nb_str *out)
{
    nb_str_add(out, "nibble inspect");
    ui_parts_path(out, s->path);
    ui_parts_word(out, v->t.name);
    if (s->other) {
        nb_str_add(out, " --against");
        ui_parts_path(out, s->other_path);
    }
    if (s->block_view)
        nb_str_addf(out, " --block %llu", (unsigned long long)s->block);
}

static void copy(inspect *s, ui_action a)
{
    const nb_view *v = ui_inspect_current(s, NULL);
    nb_str t = {0};
    if (a == UI_ACT_ANY_COPY_URL)
        nb_str_add(&t, s->path);
    else if (a == UI_ACT_ANY_COPY_COMMAND && v)
        add_command(s, v, &t);
    else if (v)
        nb_str_add(&t, v->t.name);
    if (t.len)
        ui_app_copy(s->app, t.at, t.len);
    nb_str_free(&t);
}

static void write_table(inspect *s)
{
    nb_str text = {0};
    ui_inspect_json(s, &text);
    ui_parts_export(s->app, "inspect", "json", &text);
    nb_str_free(&text);
}

/* The cursor may be on another tensor now. */
static void moved(inspect *s, size_t before)
{
    if (s->list.at == before)
        return;
    if (s->job && !s->result[s->row[s->list.at]])
        nb_job_cancel(s->job); /* starts again with what is looked at */
    ui_inspect_look(s);
}

static bool list_action(inspect *s, ui_action a)
{
    size_t before = s->list.at;
    if (s->block_view)
        return ui_inspect_block_action(s, a);
    if (s->focus == INSPECT_META)
        return ui_list_move(&s->meta, a, 10);
    if (!ui_list_move(&s->list, a, 10))
        return false;
    moved(s, before);
    return true;
}

static bool switches(inspect *s, ui_action a)
{
    switch (a) {
    case UI_ACT_INSPECT_LOG_SCALE:
        s->logy = !s->logy;
        return true;
    case UI_ACT_INSPECT_HEX:
        s->hex = s->block_view ? !s->hex : true;
        s->block_view = true;
        return true;
    case UI_ACT_ANY_ZOOM:
        s->zoom = !s->zoom;
        return true;
    case UI_ACT_ANY_SORT:
        s->sort = (s->sort + 1) % INSPECT_SORTS;
        ui_inspect_arrange(s);
        return true;
    case UI_ACT_ANY_SORT_REVERSE:
        s->reverse = !s->reverse;
        ui_inspect_arrange(s);
        return true;
    case UI_ACT_ANY_NEXT_PANE:
    case UI_ACT_ANY_PREV_PANE:
        s->focus = (s->focus + 1) % INSPECT_PANES;
        s->block_view = false;
        return true;
    default:
        return false;
    }
}

static bool action(void *self, ui_action a)
{
    inspect *s = self;
    if (a == UI_ACT_ANY_ESCAPE)
        return escape(s);
    if (s->ask != INSPECT_NO_INPUT) {
        if (a == UI_ACT_ANY_OPEN)
            answer(s);
        return a == UI_ACT_ANY_OPEN;
    }
    if (!s->weights)
        return false;
    switch (a) {
    case UI_ACT_ANY_OPEN:
        s->block_view = ui_inspect_current(s, NULL) != NULL;
        s->hex = false;
        return true;
    case UI_ACT_ANY_FILTER:
        ask(s, INSPECT_ASK_FILTER);
        return true;
    case UI_ACT_INSPECT_GOTO_BLOCK:
        ask(s, INSPECT_ASK_BLOCK);
        return true;
    case UI_ACT_ANY_DIFF:
        ask(s, INSPECT_ASK_FILE);
        return true;
    case UI_ACT_ANY_COPY_ROW:
    case UI_ACT_ANY_COPY_URL:
    case UI_ACT_ANY_COPY_COMMAND:
        copy(s, a);
        return true;
    case UI_ACT_ANY_WRITE:
        write_table(s);
        return true;
    default:
        return switches(s, a) || list_action(s, a);
    }
}

static bool text_mode(const void *self)
{
    return ((const inspect *)self)->ask != INSPECT_NO_INPUT;
}

static bool key(void *self, const ui_key *k)
{
    inspect *s = self;
    bool filter = s->ask == INSPECT_ASK_FILTER;
    if (s->ask == INSPECT_NO_INPUT || !ui_input_key(filter ? &s->filter : &s->input, k))
        return false;
    if (filter)
        ui_inspect_arrange(s);
    ui_inspect_look(s);
    return true;
}

/* --- mouse ----------------------------------------------------------------------------------- */

/* The column again turns the order round. */
static void sort_by(inspect *s, inspect_sort by)
{
    if (by == INSPECT_FILE)
        return;
    s->reverse = by == s->sort && !s->reverse;
    s->sort = by;
    ui_inspect_arrange(s);
}

/* The wheel moves what is under it, a press the focus too. */
static bool mouse_lists(inspect *s, const ui_key *k)
{
    size_t before = s->list.at;
    bool tensors = ui_list_mouse(&s->list, k), meta = !tensors && ui_list_mouse(&s->meta, k);
    bool values = !tensors && !meta && ui_list_mouse(&s->values, k);
    if (!tensors && !meta && !values)
        return false;
    if (k->button < 4) {
        s->ask = INSPECT_NO_INPUT;
        s->focus = meta ? INSPECT_META : INSPECT_TENSORS;
        s->block_view = values || (tensors && k->button == 2);
        s->hex = s->hex && values;
    }
    moved(s, before);
    return true;
}

static bool mouse(void *self, const ui_key *k)
{
    inspect *s = self;
    int column = ui_table_hit(&s->list, k->x, k->y);
    int spot = ui_spots_hit(&s->spots, k->x, k->y);
    if (mouse_lists(s, k))
        return true;
    if (k->button != 1)
        return false;
    if (column >= 0)
        sort_by(s, ui_inspect_sort_of(column));
    else if (spot == INSPECT_SPOT_PLOT)
        s->logy = !s->logy;
    else if (spot == INSPECT_SPOT_INPUT && s->ask == INSPECT_NO_INPUT)
        ask(s, INSPECT_ASK_FILTER);
    else if (spot == INSPECT_SPOT_INPUT)
        ui_input_press(s->ask == INSPECT_ASK_FILTER ? &s->filter : &s->input, k->x, k->y);
    return column >= 0 || spot >= 0;
}

static const char *why_not(const void *self, ui_action a)
{
    const inspect *s = self;
    bool here = ui_keyrow_of(a)->scope == UI_INSPECT || a == UI_ACT_ANY_DIFF;
    return here && !s->weights ? "needs a model: Enter in Models" : NULL;
}

static const char *hints(const void *self, bool narrow)
{
    const inspect *s = self;
    if (s->ask != INSPECT_NO_INPUT)
        return narrow ? "Enter accept  Esc leave" : "Enter accepts  Esc leaves";
    if (!s->weights)
        return narrow ? "1 Models" : "1 Models: Enter on a model brings it here";
    if (s->block_view)
        return narrow ? "j k  h l block  H  Esc"
                      : "j k weight  h l block  gb go to  H hex  Esc back";
    return narrow ? "Enter block  L  =  Tab"
                  : "Enter block  / filter  s sort  L log  = compare with  Tab metadata";
}

static double tick(void *self, double now)
{
    const inspect *s = self;
    (void)now;
    return s->job ? 0.2 : -1;
}

static int busy(const void *self)
{
    const inspect *s = self;
    return (s->job || s->opening) ? 1 : 0;
}

static void show(void *self, const char *const *paths, const char *note)
{
    inspect *s = self;
    (void)note;
    if (!paths || !paths[0])
        return;
    if (s->weights && strcmp(s->path, paths[0]) == 0 && !paths[1])
        return;
    want(s, paths[0], paths[1]);
}

static bool empty(const void *self)
{
    const inspect *s = self;
    return !s->weights && !s->opening && !s->problem[0];
}

/* --- life ------------------------------------------------------------------------------------ */

/* The last file comes back when it is still there, unless other models were asked for now. */
static void restore(inspect *s)
{
    const ui_workspace *w = ui_app_workspace(s->app);
    const char *path = ui_workspace_get(w, "inspect.path");
    const char *other = ui_workspace_get(w, "inspect.other");
    if (path && !ui_app_options_of(s->app)->n_paths && nb_exists(path))
        want(s, path, other && *other && nb_exists(other) ? other : NULL);
}

static nb_status open(void **self, ui_app *app, nb_err *err)
{
    (void)err;
    inspect *s = ui_xcalloc(1, sizeof *s);
    s->app = app;
    s->logy = true;
    *self = s;
    restore(s);
    return NB_OK;
}

static void close_screen(void **self)
{
    inspect *s = *self;
    if (!s)
        return;
    close_files(s);
    nb_weights_close(&s->open_arg.made);
    nb_weights_close(&s->open_arg.made_other);
    free(s->work.have);
    free(s->row);
    free(s->mine);
    free(s->theirs);
    nb_str_free(&s->only_here);
    nb_str_free(&s->only_there);
    ui_input_free(&s->input);
    ui_input_free(&s->filter);
    free(s);
    *self = NULL;
}

const ui_screen ui_screen_inspect = {
    .name = "inspect",
    .title = "Inspect",
    .title_narrow = "Insp",
    .scope = UI_INSPECT,
    .open = open,
    .close = close_screen,
    .draw = ui_inspect_draw,
    .action = action,
    .text_mode = text_mode,
    .key = key,
    .mouse = mouse,
    .event = event,
    .why_not = why_not,
    .hints = hints,
    .tick = tick,
    .busy = busy,
    .json = ui_inspect_json,
    .show = show,
    .empty = empty,
    .from_models = UI_ACT_MODELS_IMPORT,
};
