#include "tui/screens/quantize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"

static const double PROGRESS = 0.1; /* s between looks at a job that only a row tells of */

/* --- the source, opened by a job ------------------------------------------------------------- */

static void describe(quantize_source *s, const char *path)
{
    const nb_kvs *kvs = nb_weights_kvs(s->weights);
    const char *name;
    size_t n;
    snprintf(s->path, sizeof s->path, "%s", path);
    if (nb_kvs_str(kvs, "general.name", &name, &n) && n)
        nb_elide(s->name, sizeof s->name,
                 snprintf(s->name, sizeof s->name, "%.*s", (int)(n < 1024 ? n : 1024), name));
    else
        nb_short(s->name, sizeof s->name, nb_path_base(path));
    ui_parts_type(s->weights, s->type);
    s->runs = nb_hparams_read(&s->hp, kvs, NULL) == NB_OK;
}

static nb_status open_source(nb_job *job, void *arg, nb_err *err)
{
    struct quantize_opening *o = arg;
    quantize_source *s = nb_alloc(1, sizeof *s, "source", err);
    if (!s)
        return NB_NOMEM;
    nb_status st = nb_weights_open(&s->weights, o->path, err);
    if (st != NB_OK) {
        free(s);
        return st;
    }
    (void)job;
    s->users = 1;
    describe(s, o->path);
    o->made = s;
    return NB_OK;
}

static void choose(quantize *q, const char *model)
{
    nb_err err = {0};
    if (q->opening) { /* the last choice wins, when the one being opened is there */
        snprintf(q->wanted, sizeof q->wanted, "%s", model);
        return;
    }
    q->problem[0] = '\0';
    q->wanted[0] = '\0';
    q->open_arg.made = NULL;
    if (nb_library_resolve(ui_app_config(q->app), model, q->open_arg.path, sizeof q->open_arg.path,
                           &err) == NB_OK)
        ui_app_job(q->app, &q->opening, UI_QUANTIZE, "open", nb_path_base(q->open_arg.path),
                   open_source, &q->open_arg, &err);
    if (!q->opening)
        snprintf(q->problem, sizeof q->problem, "%s", err.msg);
}

static void opened(quantize *q, const nb_event *e)
{
    char next[sizeof q->wanted];
    q->opening = NULL;
    if (q->wanted[0]) {
        ui_quantize_release(&q->open_arg.made);
        memcpy(next, q->wanted, sizeof next);
        choose(q, next);
        return;
    }
    if (e->err.status != NB_OK) {
        snprintf(q->problem, sizeof q->problem, "%s", e->err.msg);
        return;
    }
    if (q->planned)
        nb_plan_free(&q->plan);
    q->planned = false;
    ui_quantize_release(&q->source);
    q->source = q->open_arg.made;
    q->open_arg.made = NULL;
    q->named = q->requantize = false;
    q->recipe.imatrix = NULL; /* it is of the model before, as keys and layers are */
    q->recipe.edits = NULL;
    q->recipe.patterns = NULL;
    q->target.budget = (nb_budget){0};
    q->target.met = false;
    q->matrix_error[0] = q->target.error[0] = q->collect.error[0] = '\0';
    ui_workspace_set(ui_app_workspace(q->app), "quantize.source", q->source->path);
    ui_app_log(q->app, "opened %s to quantize", q->source->path);
    ui_quantize_usual_preset(q);
    ui_quantize_plan(q);
}

static void event(void *self, const nb_event *e)
{
    quantize *q = self;
    if (e->job == q->collect.job)
        ui_quantize_collected(q, e);
    else if (e->kind != NB_EVENT_DONE)
        return;
    else if (e->job == q->target.job)
        ui_quantize_measured(q, e);
    else if (e->job == q->again.job)
        ui_quantize_predicted(q, e);
    else if (e->job == q->opening)
        opened(q, e);
    else if (e->job == q->reading)
        ui_quantize_read(q, e);
    else if (e->job == q->live.job)
        ui_quantize_finished(q, e);
}

/* --- actions --------------------------------------------------------------------------------- */

static void talk(quantize *q)
{
    const char *paths[3] = {NULL};
    if (q->live.state == QUANTIZE_DONE) {
        q->live.replay = false;
        paths[0] = q->live.source->path;
        paths[1] = q->live.out;
    } else if (q->source) {
        paths[0] = q->source->path;
    }
    if (paths[0])
        ui_app_show(q->app, UI_CHAT, paths, NULL);
}

/* Enter: starts an input where there is text, a list where there is one, the run on the button,
 * else the next choice. */
static void enter(quantize *q)
{
    int field = ui_quantize_at(q);
    const char *none[] = {NULL};
    if (field == QF_SOURCE)
        ui_app_show(q->app, UI_MODELS, none, NULL);
    else if (field == QF_RUN)
        ui_quantize_start(q);
    else if (field == QF_TYPE || field == QF_RECIPE)
        ui_quantize_pick_open(q, field == QF_TYPE ? QUANTIZE_PRESETS : QUANTIZE_RECIPES);
    else if (!ui_quantize_edit(q, field))
        ui_quantize_change(q, 1);
}

static bool escape(quantize *q)
{
    if (q->editing >= 0)
        q->editing = -1;
    else if (q->picking)
        ui_quantize_pick_close(q);
    else if (q->table)
        q->table = false;
    else if (q->zoom)
        q->zoom = false;
    else if (q->live.replay)
        q->live.replay = false;
    else
        return false;
    q->saving = false;
    return true;
}

/* The one that p and x are about: the run, else what is collected or measured for one. */
static nb_job *job_of(const quantize *q)
{
    return q->live.job ? q->live.job : q->collect.job ? q->collect.job : q->target.job;
}

static bool job_action(quantize *q, ui_action a)
{
    nb_job *job = job_of(q);
    if (!job)
        return false;
    if (a == UI_ACT_QUANTIZE_PAUSE)
        nb_job_pause(job, !nb_job_paused(job));
    else
        nb_job_cancel(job);
    return true;
}

/* What Ctrl-R would do, as a command that does the same. */
static void copy_command(quantize *q)
{
    size_t n;
    nb_str s = {0}, dir = {0};
    if (!q->source)
        return;
    nb_str_addn(&dir, q->output, (size_t)(nb_path_base(q->output) - q->output));
    if (dir.len && !nb_is_dir(dir.at)) {
        nb_str_add(&s, "mkdir -p");
        ui_parts_path(&s, dir.at);
        nb_str_add(&s, " && ");
    }
    nb_str_add(&s, "nibble quantize");
    ui_parts_path(&s, q->source->path);
    nb_str_addf(&s, " -t %s -o", q->recipe.preset->name);
    ui_parts_path(&s, q->output);
    if (q->method) {
        char method[96];
        nb_method_text(nb_methods(&n)[q->method], &q->knobs, method, sizeof method);
        nb_str_add(&s, " --method");
        ui_parts_word(&s, method);
    }
    if (q->recipe.imatrix) {
        nb_str_add(&s, " --imatrix");
        ui_parts_path(&s, q->recipe.imatrix->path);
    }
    ui_quantize_more_command(q, &s);
    for (size_t i = 0; i < q->recipe.n_rules; i++) {
        char rule[160];
        snprintf(rule, sizeof rule, "%s=%s", q->recipe.rule[i].pattern,
                 nk_type_get((uint32_t)q->recipe.rule[i].type)->name);
        nb_str_add(&s, " --rule");
        ui_parts_word(&s, rule);
    }
    if (q->requantize)
        nb_str_add(&s, " --allow-requantize");
    if (q->threads != ui_app_threads(q->app))
        nb_str_addf(&s, " --threads %d", q->threads);
    ui_app_copy(q->app, nb_str_c(&s), s.len);
    nb_str_free(&dir);
    nb_str_free(&s);
}

static bool action_here(quantize *q, ui_action a)
{
    switch (a) {
    case UI_ACT_QUANTIZE_RUN:
        ui_quantize_start(q);
        return true;
    case UI_ACT_QUANTIZE_DRY_RUN:
        ui_quantize_pick_close(q);
        q->table = !q->table && q->planned;
        return true;
    case UI_ACT_QUANTIZE_ADD:
    case UI_ACT_QUANTIZE_DELETE:
    case UI_ACT_QUANTIZE_EARLIER:
    case UI_ACT_QUANTIZE_LATER:
        return ui_quantize_rule_action(q, a);
    case UI_ACT_QUANTIZE_EDIT:
        return ui_quantize_edit(q, ui_quantize_at(q));
    case UI_ACT_QUANTIZE_PAUSE:
    case UI_ACT_QUANTIZE_CANCEL:
        return job_action(q, a);
    case UI_ACT_QUANTIZE_HEAT_ALL:
        q->heat_all = !q->heat_all;
        return true;
    case UI_ACT_QUANTIZE_TALK:
        talk(q);
        return true;
    case UI_ACT_QUANTIZE_PREV_VALUE:
    case UI_ACT_QUANTIZE_NEXT_VALUE:
        ui_quantize_walk(q, a == UI_ACT_QUANTIZE_NEXT_VALUE ? 1 : -1);
        return true;
    default:
        return false;
    }
}

static void write_report(quantize *q)
{
    nb_str text = {0};
    ui_quantize_json(q, &text);
    ui_parts_export(q->app, "quantize", "json", &text);
    nb_str_free(&text);
}

/* On the form w saves its recipe; over the dry run's table, or a run at full size, the report. */
static void write_out(quantize *q)
{
    if (q->table || q->zoom) {
        write_report(q);
        return;
    }
    ui_input_set(&q->input, q->recipe_name);
    q->editing = QF_RECIPE;
    q->saving = true;
    q->input_error[0] = '\0';
    ui_quantize_go(q, QF_RECIPE);
}

static bool pick_action(quantize *q, ui_action a)
{
    if (a == UI_ACT_ANY_OPEN)
        ui_quantize_pick_take(q, q->pick_list.at);
    else if (a == UI_ACT_ANY_ESCAPE || a == UI_ACT_ANY_LEFT)
        ui_quantize_pick_close(q);
    else
        return ui_list_move(&q->pick_list, a, 10);
    return true;
}

static bool action(void *self, ui_action a)
{
    quantize *q = self;
    if (q->picking && q->editing < 0 && pick_action(q, a))
        return true;
    if (q->editing >= 0) {
        if (a == UI_ACT_ANY_OPEN)
            ui_quantize_accept(q);
        else if (a == UI_ACT_ANY_ESCAPE)
            escape(q);
        else
            return false;
        return true;
    }
    switch (a) {
    case UI_ACT_ANY_OPEN:
        enter(q);
        return true;
    case UI_ACT_ANY_LEFT:
    case UI_ACT_ANY_RIGHT:
    case UI_ACT_ANY_MARK:
        ui_quantize_change(q, a == UI_ACT_ANY_LEFT ? -1 : 1);
        return true;
    case UI_ACT_ANY_ESCAPE:
        return escape(q);
    case UI_ACT_ANY_UNDO:
    case UI_ACT_ANY_REDO:
        return ui_quantize_undo(q, a == UI_ACT_ANY_REDO);
    case UI_ACT_ANY_COPY_COMMAND:
        copy_command(q);
        return true;
    case UI_ACT_ANY_WRITE:
        write_out(q);
        return true;
    case UI_ACT_ANY_ZOOM:
        q->zoom = !q->zoom;
        return true;
    default:
        return action_here(q, a) || ui_list_move(q->table ? &q->table_list : &q->form, a, 10);
    }
}

static bool text_mode(const void *self)
{
    return ((const quantize *)self)->editing >= 0;
}

static bool key(void *self, const ui_key *k)
{
    quantize *q = self;
    if (q->editing < 0 || !ui_input_key(&q->input, k))
        return false;
    q->input_error[0] = '\0';
    return true;
}

/* --- mouse ----------------------------------------------------------------------------------- */

/* Cells of the error map are tensors; the wheel walks them. */
static void mouse_live(quantize *q, const ui_key *k, int spot)
{
    size_t tensor = ui_quantize_strip_hit(q, k->x, k->y);
    if (k->button >= 4)
        ui_quantize_walk(q, k->button == 5 ? 1 : -1);
    else if (tensor != SIZE_MAX)
        ui_quantize_walk_to(q, tensor);
    else if (k->button == 1 && spot == QUANTIZE_SPOT_LEGEND)
        q->heat_all = !q->heat_all;
}

/* A press on the dry run beside the form makes it the table with the cursor there. */
static bool mouse_look(quantize *q, const ui_key *k)
{
    size_t row = ui_list_hit(&q->look, k->x, k->y);
    if (row == SIZE_MAX || k->button >= 4)
        return false;
    q->table = true;
    q->table_list.at = row;
    return true;
}

static bool mouse(void *self, const ui_key *k)
{
    quantize *q = self;
    int spot = ui_spots_hit(&q->spots, k->x, k->y);
    bool press = k->button < 4;
    if (ui_list_mouse(&q->pick_list, k)) {
        if (k->button == 2)
            ui_quantize_pick_take(q, q->pick_list.at);
    } else if (ui_list_mouse(&q->table_list, k) || mouse_look(q, k)) {
        q->editing = press ? -1 : q->editing;
    } else if (ui_list_mouse(&q->form, k)) {
        q->editing = press ? -1 : q->editing; /* as Esc leaves it */
        q->table = q->table && !press;
        if (press)
            ui_quantize_pick_close(q);
        if (k->button == 2)
            enter(q);
    } else if (spot == QUANTIZE_SPOT_INPUT) {
        ui_input_press(&q->input, k->x, k->y);
    } else if (spot >= 0) {
        mouse_live(q, k, spot);
    } else {
        return false;
    }
    return true;
}

static const char *why_not(const void *self, ui_action a)
{
    const quantize *q = self;
    bool job = job_of(q) != NULL;
    switch (a) {
    case UI_ACT_QUANTIZE_RUN:
        return q->live.job   ? "a quantize runs already"
               : !q->planned ? "needs a model to quantize"
                             : NULL;
    case UI_ACT_QUANTIZE_DRY_RUN:
        return q->planned ? NULL : "needs a model to quantize";
    case UI_ACT_QUANTIZE_PAUSE:
    case UI_ACT_QUANTIZE_CANCEL:
        return job ? NULL : "nothing runs";
    case UI_ACT_QUANTIZE_EDIT:
    case UI_ACT_QUANTIZE_DELETE:
    case UI_ACT_QUANTIZE_EARLIER:
    case UI_ACT_QUANTIZE_LATER:
        return ui_quantize_at(q) >= QF_FIELDS ? NULL : "needs the cursor on a rule";
    case UI_ACT_QUANTIZE_PREV_VALUE:
    case UI_ACT_QUANTIZE_NEXT_VALUE:
    case UI_ACT_QUANTIZE_HEAT_ALL:
        return q->live.run ? NULL : "nothing has run yet";
    case UI_ACT_QUANTIZE_TALK:
        return q->source ? NULL : "needs a model";
    default:
        return NULL;
    }
}

static const char *hints(const void *self, bool narrow)
{
    const quantize *q = self;
    if (q->editing >= 0)
        return narrow ? "Enter accept  Esc leave" : "Enter accepts  Esc leaves it as it was";
    if (q->picking)
        return narrow ? "Enter take  Esc" : "Enter takes it  Esc leaves it as it was  j k move";
    if (q->table)
        return narrow ? "D back  j k" : "D or Esc back to the recipe  j k move";
    if (q->live.state == QUANTIZE_RUNNING)
        return narrow ? "p pause  x cancel  [ ]"
                      : "p pause  x cancel  [ ] walk the tensors  H all rows";
    if (job_of(q))
        return narrow ? "x cancel  h l  Enter"
                      : "x cancels what is measured  h l change  Enter edit";
    if (q->live.state == QUANTIZE_DONE)
        return narrow ? "t chat  [ ] walk  ^R"
                      : "t chat against the source  [ ] walk the tensors  Ctrl-R again";
    return narrow ? "^R run  h l  D  a"
                  : "Ctrl-R run  h l change  Enter edit  a rule  D dry run  w save";
}

static double tick(void *self, double now)
{
    quantize *q = self;
    double next = ui_quantize_follow(q, now);
    bool moves = q->target.job || q->collect.job; /* their rows say how far they are */
    return moves && (next < 0 || next > PROGRESS) ? PROGRESS : next;
}

static int busy(const void *self)
{
    return job_of(self) ? 1 : 0;
}

static void show(void *self, const char *const *paths, const char *note)
{
    if (paths && paths[0] && note && strcmp(note, "recipe") == 0)
        ui_quantize_load(self, paths[0]);
    else if (paths && paths[0])
        choose(self, paths[0]);
}

static bool empty(const void *self)
{
    const quantize *q = self;
    return !q->source && !q->opening && !q->problem[0];
}

/* --- life ------------------------------------------------------------------------------------ */

/* What was asked for now, else what the last run was about, if it is still there. */
static void choose_first(quantize *q)
{
    const ui_app_options *opt = ui_app_options_of(q->app);
    const char *kept = ui_workspace_get(ui_app_workspace(q->app), "quantize.source");
    if (opt->start && strcmp(opt->start, "quantize") == 0 && opt->n_paths)
        choose(q, opt->paths[0]);
    else if (!opt->n_paths && kept && nb_exists(kept))
        choose(q, kept);
}

static nb_status open(void **self, ui_app *app, nb_err *err)
{
    (void)err;
    quantize *q = ui_xcalloc(1, sizeof *q);
    q->app = app;
    size_t n;
    q->editing = -1;
    q->words = ui_xcalloc(1, sizeof *q->words);
    q->knobs = nb_method_knobs(nb_methods(&n)[0]);
    q->threads = ui_app_threads(app);
    nb_recipe_init(&q->recipe, nb_preset_find("Q4_K_M"));
    ui_quantize_usual_preset(q);
    ui_list_set(&q->form, ui_quantize_rows(q));
    ui_quantize_go(q, QF_TYPE);
    *self = q;
    choose_first(q);
    return NB_OK;
}

static void close_screen(void **self)
{
    quantize *q = *self;
    if (!q)
        return;
    ui_quantize_drop_run(q);
    if (q->planned)
        nb_plan_free(&q->plan);
    ui_quantize_release(&q->source);
    ui_quantize_release(&q->open_arg.made);
    ui_quantize_drop_target(q);
    ui_quantize_drop_predict(q);
    ui_quantize_release(&q->collect.work.source);
    ui_quantize_drop_matrices(q);
    ui_quantize_drop_extras(q);
    nb_str_free(&q->recipe_text);
    free(q->pick);
    free(q->words);
    ui_input_free(&q->input);
    free(q);
    *self = NULL;
}

const ui_screen ui_screen_quantize = {
    .name = "quantize",
    .title = "Quantize",
    .title_narrow = "Quant",
    .scope = UI_QUANTIZE,
    .open = open,
    .close = close_screen,
    .draw = ui_quantize_draw,
    .action = action,
    .text_mode = text_mode,
    .key = key,
    .mouse = mouse,
    .event = event,
    .why_not = why_not,
    .hints = hints,
    .tick = tick,
    .busy = busy,
    .json = ui_quantize_json,
    .show = show,
    .empty = empty,
    .from_models = UI_ACT_MODELS_QUANTIZE,
};
