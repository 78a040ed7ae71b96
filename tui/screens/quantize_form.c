/* The recipe and its dry run: every change is planned again at once. */
#include "tui/screens/quantize.h"

#include <stdio.h>
#include <string.h>

#include "core/base/file.h"

enum { FOLDED = QF_RUN - QF_MORE - 1 };

size_t ui_quantize_rows(const quantize *q)
{
    return QF_FIELDS + q->recipe.n_rules - (q->more ? 0 : FOLDED);
}

int ui_quantize_at(const quantize *q)
{
    int row = (int)q->form.at;
    return row <= QF_MORE || q->more ? row : row + FOLDED;
}

void ui_quantize_go(quantize *q, int field)
{
    if (field > QF_MORE && field < QF_RUN)
        q->more = true;
    int row = field <= QF_MORE || q->more ? field : field - FOLDED;
    ui_list_set(&q->form, ui_quantize_rows(q));
    q->form.at = (size_t)row < q->form.n ? (size_t)row : q->form.n - 1;
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

void ui_quantize_free_name(char *out, size_t cap, const char *stem, const char *ext)
{
    nb_str path = {0};
    nb_str_addf(&path, "%s%s", stem, ext);
    for (int i = 2; nb_exists(nb_str_c(&path)) && i < 10000; i++) {
        nb_str_clear(&path);
        nb_str_addf(&path, "%s-%d%s", stem, i, ext);
    }
    if (path.len < cap)
        memcpy(out, nb_str_c(&path), path.len + 1);
    nb_str_free(&path);
}

/* A typed name lies beside nibble's other models unless it is a path; the workbench never
 * overwrites, it counts up. */
static void typed_name(quantize *q, const char *text)
{
    nb_str stem = {0};
    size_t n = strlen(text);
    if (!strchr(text, '/')) {
        char dir[1040];
        models_dir(q, dir, sizeof dir);
        nb_str_addf(&stem, "%s/", dir);
    }
    nb_str_addn(&stem, text, nb_has_suffix(text, ".gguf") ? n - 5 : n);
    ui_quantize_free_name(q->output, sizeof q->output, nb_str_c(&stem), ".gguf");
    nb_str_free(&stem);
}

void ui_quantize_name_output(quantize *q)
{
    char dir[1040], label[32];
    if (q->named || !q->source)
        return;
    models_dir(q, dir, sizeof dir);
    /* A mix found for a target is none of the preset it began with. */
    if (q->target.met)
        snprintf(label, sizeof label, "%.2fbpw", q->target.took.bpw);
    else
        snprintf(label, sizeof label, "%s", q->recipe.preset->name);
    if (nb_output_name(q->output, sizeof q->output, dir, q->source->weights, label, NULL) != NB_OK)
        q->output[0] = '\0';
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

/* --- dry run --------------------------------------------------------------------------------- */

void ui_quantize_plan(quantize *q)
{
    if (q->planned)
        nb_plan_free(&q->plan);
    q->planned = false;
    q->plan_err = (nb_err){0};
    q->modified = ui_quantize_modified(q);
    if (!q->source)
        return;
    ui_quantize_name_output(q);
    q->planned = nb_plan_make(&q->plan, &q->recipe, q->source->weights, q->requantize,
                              &q->plan_err) == NB_OK;
    ui_list_set(&q->table_list, q->planned ? q->plan.n : 0);
    q->disk_free = ui_parts_free(q->app, q->output);
    ui_parts_memory(q->app, &q->available, &q->total);
    ui_quantize_predict(q);
}

void ui_quantize_put(quantize *q, const nb_recipe *r)
{
    nb_recipe now = *r;
    now.imatrix = q->recipe.imatrix;
    now.edits = q->recipe.edits;
    now.patterns = q->recipe.patterns;
    now.keep_split = q->recipe.keep_split;
    q->recipe = now;
    q->preset = preset_index(now.preset);
    q->chosen = true;
    ui_quantize_go(q, ui_quantize_at(q));
}

/* --- undo ------------------------------------------------------------------------------------ */

void ui_quantize_remember(quantize *q)
{
    if (q->n_undo == QUANTIZE_UNDO)
        memmove(q->undo, q->undo + 1, --q->n_undo * sizeof *q->undo);
    q->undo[q->n_undo++] = q->recipe;
    q->n_redo = 0;
}

static double bits_of_source(const nb_weights *w)
{
    double n = 0;
    for (size_t i = 0; i < nb_weights_count(w); i++)
        n += (double)nb_tensor_count(&nb_weights_at(w, i)->t);
    return n > 0 ? 8 * (double)nb_weights_file_bytes(w) / n : 0;
}

/* For a model to be used Q4_K_M is the usual balance (quant.md 1.5); of one that has about as few
 * bits already, what makes it smaller. A mix takes some more bits than its base type. */
static const nb_preset *usual_of(const nb_weights *w)
{
    static const char *const down[] = {"Q4_K_M", "Q3_K_M", "Q2_K"};
    const double have = 0.85 * bits_of_source(w);
    size_t i = 0;
    for (; i + 1 < countof(down); i++) {
        const nk_type *base = nk_type_get((uint32_t)nb_preset_find(down[i])->base);
        if (base && nk_type_bpw(base) < have)
            break;
    }
    return nb_preset_find(down[i]);
}

/* The demo's few weights lose words at 2 bits, so that one sees what quantizing costs. */
void ui_quantize_usual_preset(quantize *q)
{
    const char *demo = ui_app_config(q->app)->demo_dir;
    bool is_demo = q->source && demo[0] && strcmp(q->source->path, demo) == 0;
    if (q->chosen)
        return;
    q->recipe.preset = !q->source ? nb_preset_find("Q4_K_M")
                       : is_demo  ? nb_preset_find("Q2_K")
                                  : usual_of(q->source->weights);
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

static void step_method(quantize *q, int step)
{
    size_t n;
    nb_methods(&n);
    q->method = step_index(q->method, n, step);
    q->knobs = nb_method_knobs(nb_methods(&n)[q->method]);
    method_types(q);
}

static void step_preset(quantize *q, int step)
{
    size_t n;
    const nb_preset *all = nb_presets(&n);
    ui_quantize_remember(q);
    q->preset = step_index(q->preset, n, step);
    q->recipe.preset = &all[q->preset];
    q->chosen = true;
}

static void step_threads(quantize *q, int step)
{
    int all = ui_app_threads(q->app);
    q->threads = q->threads + step < 1 ? all : q->threads + step > all ? 1 : q->threads + step;
}

void ui_quantize_change(quantize *q, int step)
{
    int field = ui_quantize_at(q);
    switch (field) {
    case QF_RECIPE:
        ui_quantize_step_recipe(q, step);
        return; /* it has planned */
    case QF_TARGET:
        ui_quantize_step_target(q, step);
        return;
    case QF_METHOD:
        step_method(q, step);
        break;
    case QF_TYPE:
        step_preset(q, step);
        break;
    case QF_IMATRIX:
        ui_quantize_step_imatrix(q, step);
        break;
    case QF_THREADS:
        step_threads(q, step);
        break;
    case QF_AGAIN:
        q->requantize = !q->requantize;
        break;
    case QF_CHAT:
        q->after_chat = !q->after_chat;
        return;
    case QF_MORE:
        q->more = !q->more;
        ui_list_set(&q->form, ui_quantize_rows(q));
        return;
    default:
        if (field > QF_MORE && field < QF_RUN)
            ui_quantize_change_more(q, field, step);
        else if (field >= QF_FIELDS && (size_t)(field - QF_FIELDS) < q->recipe.n_rules)
            step_rule(q, (size_t)(field - QF_FIELDS), step);
    }
    ui_quantize_plan(q);
}

/* --- input ----------------------------------------------------------------------------------- */

/* What the input begins with; false: the field takes no text. */
static bool edit_text(const quantize *q, int field, char *text, size_t cap)
{
    size_t n, rule = (size_t)(field - QF_FIELDS);
    const nb_method *m = nb_methods(&n)[q->method];
    const nk_type *t = NULL;
    int type;
    text[0] = '\0';
    switch (field) {
    case QF_OUTPUT:
        snprintf(text, cap, "%s", nb_path_base(q->output));
        return true;
    case QF_IMATRIX:
        snprintf(text, cap, "%s", q->recipe.imatrix ? q->recipe.imatrix->path : "");
        return true;
    case QF_COLLECT:
        snprintf(text, cap, "%s", q->collect.typed ? q->collect.text : "");
        return !q->collect.job;
    case QF_TARGET:
        if (q->target.budget.kind)
            nb_budget_text(&q->target.budget, text, cap);
        return true;
    case QF_METHOD:
        if (m->knobs)
            nb_method_text(m, &q->knobs, text, cap);
        return m->knobs != 0;
    case QF_OUT_TYPE:
    case QF_EMBD_TYPE:
        type = field == QF_OUT_TYPE ? q->recipe.output_type : q->recipe.embd_type;
        t = type >= 0 ? nk_type_get((uint32_t)type) : NULL;
        snprintf(text, cap, "%s", t ? t->name : "");
        return true;
    case QF_PATTERNS:
    case QF_KEYS:
    case QF_PRUNE:
        snprintf(text, cap, "%s", ui_quantize_extra_text(q, field));
        return true;
    default:
        if (field < QF_FIELDS)
            return false;
        if (rule < q->recipe.n_rules) {
            t = nk_type_get((uint32_t)q->recipe.rule[rule].type);
            snprintf(text, cap, "%s=%s", q->recipe.rule[rule].pattern, t ? t->name : "?");
        }
        return true;
    }
}

bool ui_quantize_edit(quantize *q, int field)
{
    char text[1100];
    if (!edit_text(q, field, text, sizeof text))
        return false;
    ui_input_set(&q->input, text);
    q->editing = field;
    q->saving = false;
    q->input_error[0] = '\0';
    ui_quantize_go(q, field);
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
    ui_quantize_go(q, QF_FIELDS + (int)rule);
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

/* False: refused, with a sentence in input_error or beside the field. */
static bool accept(quantize *q, int field, const char *text)
{
    switch (field) {
    case QF_OUTPUT:
        q->named = *text != '\0';
        if (q->named)
            typed_name(q, text);
        return true;
    case QF_IMATRIX:
        ui_quantize_use_imatrix(q, text);
        return true;
    case QF_COLLECT:
        ui_quantize_collect(q, text);
        return true;
    case QF_TARGET:
        return ui_quantize_aim(q, text);
    case QF_METHOD:
        return accept_method(q, text);
    default:
        if (field > QF_MORE && field < QF_RUN)
            return ui_quantize_accept_more(q, field, text);
        return !*text || accept_rule(q, (size_t)(field - QF_FIELDS), text);
    }
}

/* A change of the recipe that leaves no plan where there was one is refused where it was typed. */
static bool still_plans(quantize *q, int field, bool planned, const nb_recipe *before)
{
    bool recipe = field == QF_METHOD || field > QF_MORE;
    ui_quantize_plan(q);
    if (!recipe || !planned || q->planned || q->plan_err.status == NB_REFUSED)
        return true;
    snprintf(q->input_error, sizeof q->input_error, "%s", q->plan_err.msg);
    q->recipe = *before;
    q->n_undo -= q->n_undo > 0; /* what accepting it remembered */
    q->preset = preset_index(q->recipe.preset);
    ui_list_set(&q->form, ui_quantize_rows(q));
    ui_quantize_plan(q);
    return false;
}

void ui_quantize_accept(quantize *q)
{
    const char *text = nb_str_c(&q->input.text);
    nb_recipe before = q->recipe;
    bool planned = q->planned;
    if (q->saving ? !ui_quantize_save_recipe(q, text)
                  : !accept(q, q->editing, text) || !still_plans(q, q->editing, planned, &before))
        return; /* the input stays, with its error beside it */
    q->editing = -1;
    q->saving = false;
}

/* --- rules ----------------------------------------------------------------------------------- */

bool ui_quantize_rule_action(quantize *q, ui_action a)
{
    long rule = (long)ui_quantize_at(q) - QF_FIELDS, n = (long)q->recipe.n_rules;
    if (a == UI_ACT_QUANTIZE_ADD)
        return ui_quantize_edit(q, QF_FIELDS + (int)n);
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
        ui_quantize_go(q, QF_FIELDS + (int)to);
    }
    ui_list_set(&q->form, ui_quantize_rows(q));
    ui_quantize_plan(q);
    return true;
}
