/* Lists to choose from, beside the form: presets by size class with what each would make of this
 * model, and saved recipes. Saving is here too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/quant/recipe_file.h"
#include "tui/screens/quantize.h"

/* --- rows --------------------------------------------------------------------------------------
 */

/* Size and bits per weight this recipe would come to. */
static void predict(const quantize *q, const nb_recipe *r, quantize_pick *p)
{
    nb_plan plan;
    nb_err err = {0};
    p->possible = true;
    if (!q->source)
        return;
    if (nb_plan_make(&plan, r, q->source->weights, true, &err) != NB_OK) {
        p->possible = false;
        snprintf(p->why, sizeof p->why, "%.150s", err.msg);
        return;
    }
    p->bytes = plan.file_bytes;
    p->bpw = plan.bpw;
    nb_plan_free(&plan);
}

static int by_size(const void *a, const void *b)
{
    const quantize_pick *x = a, *y = b;
    double bx = x->bpw > 0 ? x->bpw : x->bits, by = y->bpw > 0 ? y->bpw : y->bits;
    if (x->bits != y->bits)
        return x->bits < y->bits ? -1 : 1;
    return bx < by ? -1 : bx > by ? 1 : strcmp(x->name, y->name);
}

/* A preset in place of a solver's choice: its rules go with the target. */
static nb_recipe plain_recipe(const quantize *q)
{
    nb_recipe r = q->recipe;
    if (q->target.budget.kind) {
        r.n_rules = 0;
        r.pure = false;
    }
    return r;
}

/* The number in a type's name: q4_K and mxfp4 are of 4 bits, bf16 of 16. */
static int bits_of(const char *type)
{
    uint64_t n;
    char digits[4];
    type += strcspn(type, "0123456789");
    snprintf(digits, sizeof digits, "%.*s", (int)strspn(type, "0123456789"), type);
    return nb_parse_u64(digits, &n) ? (int)n : 0;
}

static void add_presets(quantize *q)
{
    size_t n;
    const nb_preset *all = nb_presets(&n);
    nb_recipe r = plain_recipe(q);
    for (size_t i = 0; i < n && q->n_pick < QUANTIZE_MOST_PICKS; i++) {
        quantize_pick *p = &q->pick[q->n_pick++];
        const nk_type *t = nk_type_get((uint32_t)all[i].base);
        snprintf(p->name, sizeof p->name, "%s", all[i].name);
        snprintf(p->why, sizeof p->why, "%s", all[i].help);
        p->bits = t ? bits_of(t->name) : 0;
        r.preset = &all[i];
        predict(q, &r, p);
    }
    qsort(q->pick, q->n_pick, sizeof *q->pick, by_size);
}

static void recipe_kept(const quantize *q, nb_recipe *r)
{
    r->imatrix = q->recipe.imatrix;
    r->edits = q->recipe.edits;
    r->keep_split = q->recipe.keep_split;
}

static void add_recipe(void *ud, const char *name)
{
    quantize *q = ud;
    nb_recipe r;
    nb_err err = {0};
    if (q->n_pick == QUANTIZE_MOST_PICKS || strlen(name) >= sizeof q->pick->name)
        return;
    quantize_pick *p = &q->pick[q->n_pick++];
    memcpy(p->name, name, strlen(name) + 1);
    if (nb_recipe_load(&r, ui_app_config(q->app), name, &err) != NB_OK) {
        snprintf(p->why, sizeof p->why, "%.150s", err.msg);
        return;
    }
    snprintf(p->why, sizeof p->why, "%s, %zu rule%s", r.preset->name, r.n_rules,
             r.n_rules == 1 ? "" : "s");
    recipe_kept(q, &r);
    predict(q, &r, p);
}

static nb_status fill(quantize *q, quantize_list what, nb_err *err)
{
    q->n_pick = 0;
    if (!q->pick)
        q->pick = ui_xcalloc(QUANTIZE_MOST_PICKS, sizeof *q->pick);
    memset(q->pick, 0, QUANTIZE_MOST_PICKS * sizeof *q->pick);
    if (what == QUANTIZE_RECIPES)
        return nb_recipe_each(ui_app_config(q->app), add_recipe, q, err);
    add_presets(q);
    return NB_OK;
}

void ui_quantize_pick_open(quantize *q, quantize_list what)
{
    nb_err err = {0};
    const char *now = what == QUANTIZE_PRESETS ? q->recipe.preset->name : q->recipe_name;
    if (fill(q, what, &err) != NB_OK) {
        ui_app_say(q->app, "%s", err.msg);
        return;
    }
    if (!q->n_pick) {
        ui_app_say(q->app, "no recipes yet: w saves this one by name");
        return;
    }
    q->picking = what;
    q->table = false;
    q->pick_list = (ui_list){.n = q->n_pick};
    for (size_t i = 0; i < q->n_pick; i++)
        if (strcmp(q->pick[i].name, now) == 0)
            q->pick_list.at = i;
}

void ui_quantize_pick_close(quantize *q)
{
    q->picking = QUANTIZE_NO_LIST;
}

/* --- taking one --------------------------------------------------------------------------------
 */

static void named(quantize *q, const char *name)
{
    snprintf(q->recipe_name, sizeof q->recipe_name, "%s", name);
    nb_str_clear(&q->recipe_text);
    nb_recipe_print(&q->recipe, &q->recipe_text);
    q->modified = false;
}

bool ui_quantize_load(quantize *q, const char *name)
{
    nb_recipe r;
    nb_err err = {0};
    if (!q->source) {
        ui_app_say(q->app, "choose a model first: Q in Models");
        return false;
    }
    if (nb_recipe_load(&r, ui_app_config(q->app), name, &err) != NB_OK) {
        ui_app_say(q->app, "%s", err.msg);
        return false;
    }
    ui_quantize_remember(q);
    ui_quantize_put(q, &r);
    named(q, name);
    ui_quantize_plan(q);
    return true;
}

bool ui_quantize_pick_take(quantize *q, size_t row)
{
    if (row >= q->n_pick)
        return false;
    const quantize_pick *p = &q->pick[row];
    bool ok = p->possible;
    if (!ok) {
        ui_app_say(q->app, "%s", p->why);
    } else if (p->bits || q->picking == QUANTIZE_PRESETS) {
        nb_recipe r = plain_recipe(q);
        r.preset = nb_preset_find(p->name);
        ui_quantize_remember(q);
        ui_quantize_put(q, &r);
        q->target.budget = (nb_budget){0};
        q->target.met = false;
        ui_quantize_plan(q);
    } else {
        ok = ui_quantize_load(q, p->name);
    }
    if (ok)
        ui_quantize_pick_close(q);
    return ok;
}

void ui_quantize_step_recipe(quantize *q, int step)
{
    nb_err err = {0};
    size_t at = q->n_pick;
    if (fill(q, QUANTIZE_RECIPES, &err) != NB_OK || !q->n_pick) {
        ui_app_say(q->app, "%s", err.msg[0] ? err.msg : "no recipes yet: w saves this one by name");
        return;
    }
    for (size_t i = 0; i < q->n_pick; i++)
        if (strcmp(q->pick[i].name, q->recipe_name) == 0)
            at = i;
    if (at >= q->n_pick)
        at = step > 0 ? q->n_pick - 1 : 0; /* none yet: the first, or the last */
    ui_quantize_load(q, q->pick[(at + q->n_pick + (size_t)step) % q->n_pick].name);
}

/* --- saving ------------------------------------------------------------------------------------
 */

bool ui_quantize_modified(const quantize *q)
{
    nb_str now = {0};
    nb_recipe_print(&q->recipe, &now);
    bool same = now.len == q->recipe_text.len &&
                memcmp(nb_str_c(&now), nb_str_c(&q->recipe_text), now.len) == 0;
    nb_str_free(&now);
    return !same;
}

/* Its own name is taken by itself: saved over. Any other that is taken is refused. */
bool ui_quantize_save_recipe(quantize *q, const char *name)
{
    nb_err err = {0};
    bool own = q->recipe_name[0] && strcmp(name, q->recipe_name) == 0;
    if (ui_app_read_only(q->app))
        nb_fail(&err, NB_REFUSED, "started with --read-only: nothing is written");
    else if (strlen(name) >= sizeof q->recipe_name)
        nb_fail(&err, NB_USAGE, "the name has %zu bytes, at most %zu", strlen(name),
                sizeof q->recipe_name - 1);
    else if (nb_recipe_save(&q->recipe, ui_app_config(q->app), name, own, &err) == NB_OK) {
        named(q, name);
        ui_app_say(q->app,
                   q->recipe.patterns || q->recipe.edits
                       ? "recipe %s saved, without the options that are not part of one"
                       : "recipe %s saved",
                   name);
        return true;
    }
    snprintf(q->input_error, sizeof q->input_error, "%s", err.msg);
    return false;
}

/* --- drawing -----------------------------------------------------------------------------------
 */

enum { COL_NAME, COL_CLASS, COL_BPW, COL_SIZE, COL_WHY, COLS };

static void cell(const void *arg, size_t row, size_t col, char *buf, size_t cap, ui_role *role)
{
    const quantize *q = arg;
    const quantize_pick *p = &q->pick[row];
    char num[48];
    *role = p->possible ? UI_TEXT : UI_DIM;
    if (col == COL_NAME)
        snprintf(buf, cap, "%s", p->name);
    else if (col == COL_CLASS && p->bits)
        snprintf(buf, cap, "%d bit", p->bits);
    else if (col == COL_BPW && p->bpw > 0)
        snprintf(buf, cap, "%s", nb_fmt_fixed(num, p->bpw, 2));
    else if (col == COL_SIZE && p->bytes)
        snprintf(buf, cap, "%s", nb_human_bytes(num, p->bytes));
    else if (col == COL_WHY) {
        snprintf(buf, cap, "%s", p->why);
        *role = UI_DIM;
    } else {
        buf[0] = '\0';
    }
}

void ui_quantize_pick_draw(quantize *q, ui_canvas *c, ui_rect r)
{
    static const ui_column preset[COLS] = {
        {"PRESET", 9, false, 0}, {"CLASS", 6, true, 3}, {"BPW", 5, true, 2},
        {"SIZE", 8, true, 1},    {"FOR", 0, false, 4},
    };
    static const ui_column recipe[COLS] = {
        {"RECIPE", 20, false, 0}, {"", 1, false, 5},   {"BPW", 5, true, 2},
        {"SIZE", 8, true, 1},     {"IS", 0, false, 4},
    };
    bool presets = q->picking == QUANTIZE_PRESETS;
    ui_table t = {.col = presets ? preset : recipe, .n_col = COLS, .cell = cell, .arg = q};
    ui_box(c, r, presets ? "presets by size" : "saved recipes", "Enter takes it", true);
    ui_table_draw(c, ui_inside(r), &t, &q->pick_list, true);
}
