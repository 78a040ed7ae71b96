/* The recipe and its dry run: every change is planned again at once. */
#include "tui/screens/quantize.h"

#include <stdio.h>
#include <string.h>

#include "core/base/file.h"

size_t ui_quantize_rows(const quantize *q)
{
    return QF_FIELDS + q->recipe.n_rules;
}

bool ui_quantize_is_quantized(const nb_planned *t)
{
    return !t->type->is_float;
}

/* --- output name ----------------------------------------------------------------------------- */

static void models_dir(const quantize *q, char *out, size_t cap)
{
    snprintf(out, cap, "%s/models", ui_app_config(q->app)->data_dir);
}

/* A typed name lies beside nibble's other models unless it is a path; the workbench never
 * overwrites, it counts up. */
static void typed_name(quantize *q, const char *text)
{
    nb_str stem = {0}, path = {0};
    size_t n = strlen(text);
    if (!strchr(text, '/')) {
        char dir[1040];
        models_dir(q, dir, sizeof dir);
        nb_str_addf(&stem, "%s/", dir);
    }
    nb_str_addn(&stem, text, n > 5 && strcmp(text + n - 5, ".gguf") == 0 ? n - 5 : n);
    nb_str_addf(&path, "%s.gguf", nb_str_c(&stem));
    for (int i = 2; nb_exists(nb_str_c(&path)) && i < 10000; i++) {
        nb_str_clear(&path);
        nb_str_addf(&path, "%s-%d.gguf", nb_str_c(&stem), i);
    }
    if (path.len < sizeof q->output)
        memcpy(q->output, nb_str_c(&path), path.len + 1);
    nb_str_free(&stem);
    nb_str_free(&path);
}

void ui_quantize_name_output(quantize *q)
{
    char dir[1040];
    if (q->named || !q->source)
        return;
    models_dir(q, dir, sizeof dir);
    if (nb_output_name(q->output, sizeof q->output, dir, q->source->weights, q->recipe.preset,
                       NULL) != NB_OK)
        q->output[0] = '\0';
}

/* --- dry run --------------------------------------------------------------------------------- */

void ui_quantize_plan(quantize *q)
{
    if (q->planned)
        nb_plan_free(&q->plan);
    q->planned = false;
    q->plan_err = (nb_err){0};
    if (!q->source)
        return;
    ui_quantize_name_output(q);
    q->planned = nb_plan_make(&q->plan, &q->recipe, q->source->weights, q->requantize,
                              &q->plan_err) == NB_OK;
    ui_list_set(&q->table_list, q->planned ? q->plan.n : 0);
    q->disk_free = ui_parts_free(q->app, q->output);
    ui_parts_memory(q->app, &q->available, &q->total);
}

/* --- undo ------------------------------------------------------------------------------------ */

void ui_quantize_remember(quantize *q)
{
    if (q->n_undo == QUANTIZE_UNDO)
        memmove(q->undo, q->undo + 1, --q->n_undo * sizeof *q->undo);
    q->undo[q->n_undo++] = q->recipe;
    q->n_redo = 0;
}

static size_t preset_index(const nb_preset *p)
{
    size_t n;
    const nb_preset *all = nb_presets(&n);
    for (size_t i = 0; i < n; i++)
        if (&all[i] == p)
            return i;
    return 0;
}

/* The demo's few weights lose words at 2 bits, so that one sees what quantizing costs; for a model
 * to be used Q4_K_M is the usual balance (quant.md 1.5). */
void ui_quantize_usual_preset(quantize *q)
{
    const char *demo = ui_app_config(q->app)->demo_dir;
    bool is_demo = q->source && demo[0] && strcmp(q->source->path, demo) == 0;
    if (q->chosen)
        return;
    q->recipe.preset = nb_preset_find(is_demo ? "Q2_K" : "Q4_K_M");
    q->preset = preset_index(q->recipe.preset);
}

bool ui_quantize_undo(quantize *q, bool redo)
{
    if (redo ? !q->n_redo : !q->n_undo)
        return false;
    size_t slot = redo ? q->n_undo : q->n_undo - 1;
    nb_recipe now = q->recipe;
    q->recipe = q->undo[slot];
    q->undo[slot] = now;
    q->n_undo += redo ? 1 : (size_t)-1;
    q->n_redo += redo ? (size_t)-1 : 1;
    q->preset = preset_index(q->recipe.preset);
    ui_list_set(&q->form, ui_quantize_rows(q));
    ui_quantize_plan(q);
    return true;
}

/* --- fields ---------------------------------------------------------------------------------- */

static size_t step_index(size_t at, size_t n, int step)
{
    return n ? (at + n + (size_t)step) % n : 0;
}

/* The type of a rule walks over what quantize can write. */
static void step_rule(quantize *q, size_t rule, int step)
{
    size_t n;
    const nk_type *const *all = nk_type_all(&n);
    size_t i = 0;
    while (i < n && all[i]->id != q->recipe.rule[rule].type)
        i++;
    do
        i = step_index(i, n, step);
    while (!all[i]->encode || all[i]->activation_only || all[i]->wants_imatrix);
    ui_quantize_remember(q);
    q->recipe.rule[rule].type = all[i]->id;
}

/* A method that writes types of its own brings them: every tensor that can gets them. */
static void method_types(quantize *q)
{
    size_t n;
    const nb_method *m = nb_methods(&n)[q->method];
    if (!m->preset)
        return;
    ui_quantize_remember(q);
    q->recipe.preset = nb_preset_find(m->preset(&q->knobs));
    q->recipe.pure = true;
    q->preset = preset_index(q->recipe.preset);
    q->chosen = true;
}

void ui_quantize_change(quantize *q, int step)
{
    size_t n;
    int row = (int)q->form.at;
    switch (row) {
    case QF_METHOD:
        nb_methods(&n);
        q->method = step_index(q->method, n, step);
        q->knobs = nb_method_knobs(nb_methods(&n)[q->method]);
        method_types(q);
        break;
    case QF_TYPE: {
        const nb_preset *all = nb_presets(&n);
        ui_quantize_remember(q);
        q->preset = step_index(q->preset, n, step);
        q->recipe.preset = &all[q->preset];
        q->chosen = true;
        break;
    }
    case QF_IMATRIX:
        ui_quantize_step_imatrix(q, step);
        break;
    case QF_PURE:
        ui_quantize_remember(q);
        q->recipe.pure = !q->recipe.pure;
        break;
    case QF_THREADS: {
        int all = ui_app_threads(q->app);
        q->threads = q->threads + step < 1 ? all : q->threads + step > all ? 1 : q->threads + step;
        break;
    }
    case QF_AGAIN:
        q->requantize = !q->requantize;
        break;
    case QF_CHAT:
        q->after_chat = !q->after_chat;
        break;
    default:
        if (row >= QF_FIELDS && (size_t)(row - QF_FIELDS) < q->recipe.n_rules)
            step_rule(q, (size_t)(row - QF_FIELDS), step);
    }
    ui_quantize_plan(q);
}

/* --- input ----------------------------------------------------------------------------------- */

bool ui_quantize_edit(quantize *q, int row)
{
    char text[224] = "";
    size_t n;
    if (row == QF_OUTPUT) {
        ui_input_set(&q->input, nb_path_base(q->output));
    } else if (row == QF_IMATRIX) {
        ui_input_set(&q->input, q->recipe.imatrix ? q->recipe.imatrix->path : "");
    } else if (row == QF_METHOD && nb_methods(&n)[q->method]->knobs) {
        nb_method_text(nb_methods(&n)[q->method], &q->knobs, text, sizeof text);
        ui_input_set(&q->input, text);
    } else if (row >= QF_FIELDS) {
        size_t rule = (size_t)(row - QF_FIELDS);
        if (rule < q->recipe.n_rules) {
            const nb_rule *r = &q->recipe.rule[rule];
            const nk_type *t = nk_type_get((uint32_t)r->type);
            snprintf(text, sizeof text, "%s=%s", r->pattern, t ? t->name : "?");
        }
        ui_input_set(&q->input, text);
    } else {
        return false;
    }
    q->editing = row;
    q->input_error[0] = '\0';
    q->form.at = (size_t)row < ui_quantize_rows(q) ? (size_t)row : ui_quantize_rows(q) - 1;
    return true;
}

static bool accept_rule(quantize *q, size_t rule, const char *text)
{
    nb_recipe one;
    nb_err err = {0};
    nb_recipe_init(&one, q->recipe.preset);
    if (nb_recipe_add(&one, text, &err) != NB_OK) {
        snprintf(q->input_error, sizeof q->input_error, "%s", err.msg);
        return false;
    }
    if (rule >= NB_MAX_RULES) {
        snprintf(q->input_error, sizeof q->input_error, "at most %d rules", NB_MAX_RULES);
        return false;
    }
    ui_quantize_remember(q);
    q->recipe.rule[rule] = one.rule[0];
    if (rule == q->recipe.n_rules)
        q->recipe.n_rules++;
    ui_list_set(&q->form, ui_quantize_rows(q));
    q->form.at = QF_FIELDS + rule;
    return true;
}

static bool accept_method(quantize *q, const char *text)
{
    const nb_method *m;
    size_t n;
    nb_err err = {0};
    if (nb_method_read(&m, &q->knobs, text, &err) != NB_OK) {
        snprintf(q->input_error, sizeof q->input_error, "%s", err.msg);
        return false;
    }
    for (q->method = 0; nb_methods(&n)[q->method] != m;)
        q->method++;
    method_types(q);
    return true;
}

void ui_quantize_accept(quantize *q)
{
    const char *text = nb_str_c(&q->input.text);
    int row = q->editing;
    if (row == QF_OUTPUT) {
        q->named = *text != '\0';
        if (q->named)
            typed_name(q, text);
    } else if (row == QF_IMATRIX) {
        ui_quantize_use_imatrix(q, text);
    } else if (row == QF_METHOD) {
        if (!accept_method(q, text))
            return;
    } else if (*text && !accept_rule(q, (size_t)(row - QF_FIELDS), text)) {
        return; /* the input stays, with its error beside it */
    }
    q->editing = -1;
    ui_quantize_plan(q);
}

/* --- rules ----------------------------------------------------------------------------------- */

bool ui_quantize_rule_action(quantize *q, ui_action a)
{
    long rule = (long)q->form.at - QF_FIELDS, n = (long)q->recipe.n_rules;
    if (a == UI_ACT_QUANTIZE_ADD)
        return ui_quantize_edit(q, (int)ui_quantize_rows(q));
    if (rule < 0 || rule >= n)
        return false;
    nb_rule *r = q->recipe.rule;
    long to = rule + (a == UI_ACT_QUANTIZE_LATER ? 1 : -1);
    if (a == UI_ACT_QUANTIZE_DELETE) {
        ui_quantize_remember(q);
        memmove(&r[rule], &r[rule + 1], (size_t)(n - rule - 1) * sizeof *r);
        q->recipe.n_rules--;
        ui_app_say(q->app, "rule dropped; z brings it back");
    } else if (to >= 0 && to < n) {
        ui_quantize_remember(q);
        nb_rule moved = r[rule];
        r[rule] = r[to];
        r[to] = moved;
        q->form.at = (size_t)(QF_FIELDS + to);
    }
    ui_list_set(&q->form, ui_quantize_rows(q));
    ui_quantize_plan(q);
    return true;
}
