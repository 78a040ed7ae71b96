/* The left side, the recipe with its dry run; before a run the right side is the dry run by type.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "tui/screens/quantize.h"
#include "tui/twin.h"

enum { LABEL_W = 10, NARROW = 100 };
enum { AGAIN_MOST = 2 }; /* the coarsest come first */

/* --- form ------------------------------------------------------------------------------------ */

/* What a second quantizing does to the weights, whether it is allowed yet or not. */
static void draw_again(const quantize *q, parts_lines *l)
{
    char line[160];
    for (size_t i = 0; q->again.known && i < q->again.n && i < AGAIN_MOST; i++) {
        ui_quantize_again_line(&q->again.row[i], line, sizeof line);
        ui_parts_wrap(l, UI_WARN, line);
    }
}

/* Whether the plan is held against a target now. */
static bool has_target(const quantize *q)
{
    return q->target.budget.kind && !q->target.job && q->target.bytes;
}

static void draw_target(const quantize *q, parts_lines *l)
{
    const quantize_target *t = &q->target;
    uint64_t is = q->plan.file_bytes;
    char limit[16], rest[16];
    if (!has_target(q))
        return;
    bool met = is <= t->bytes;
    ui_parts_pair(l, LABEL_W, "target", met ? UI_OK : UI_WARN, "%s %s by %s",
                  met ? "within" : "over", nb_human_bytes(limit, t->bytes),
                  nb_human_bytes(rest, met ? t->bytes - is : is - t->bytes));
}

static void draw_dry_run(const quantize *q, parts_lines *l)
{
    char a[16], b[16], num[48], share[48];
    if (!q->planned) {
        if (q->plan_err.status != NB_OK)
            ui_parts_wrap(l, UI_WARN, q->plan_err.msg);
        draw_again(q, l);
        return;
    }
    if (q->recipe.imatrix) {
        char line[160];
        ui_role role;
        ui_quantize_imatrix_line(q, line, sizeof line, &role);
        ui_parts_pair(l, LABEL_W, "imatrix", role, "%s", line);
    }
    const nb_plan *p = &q->plan;
    double change = p->source_bytes ? (double)p->file_bytes / (double)p->source_bytes - 1 : 0;
    ui_parts_pair(l, LABEL_W, "dry run", UI_TEXT, "%s  %s bpw  %s",
                  nb_human_bytes(a, p->file_bytes), nb_fmt_fixed(num, p->bpw, 2),
                  ui_parts_percent(share, change));
    draw_target(q, l);
    bool room = q->disk_free >= p->file_bytes;
    ui_parts_pair(l, LABEL_W, "disk", room ? UI_OK : UI_ERR, "%s of %s free: %s",
                  nb_human_bytes(a, p->file_bytes), nb_human_bytes(b, q->disk_free),
                  room ? "ok" : "not enough");
    if (q->source->runs) {
        uint32_t most = q->source->hp.n_ctx_train, ctx = most < 4096 ? most : 4096;
        nb_fit f = nb_fit_of(&q->source->hp, p->file_bytes, ctx, false, q->available);
        ui_parts_pair(l, LABEL_W, "to run", ui_parts_fit_role(f.word), "%s  %s of %s, ctx %u",
                      nb_fit_name(f.word), nb_human_bytes(a, f.total),
                      nb_human_bytes(b, f.available), f.ctx);
    }
    draw_again(q, l);
    if (p->n_fallback)
        ui_parts_pair(l, LABEL_W, "widths", UI_WARN, "%zu tensors take another type (D)",
                      p->n_fallback);
}

static void draw_input(quantize *q, parts_lines *l)
{
    if (ui_parts_left(l) < 1)
        return;
    ui_rect r = {l->r.x, l->r.y + l->y++, l->r.w, 1};
    ui_spots_add(&q->spots, r, QUANTIZE_SPOT_INPUT);
    ui_input_draw(l->c, r, &q->input, ui_quantize_prompt(q), true);
    if (q->input_error[0])
        ui_parts_wrap(l, UI_ERR, q->input_error);
}

/* Lines that the dry run, an input or an error take below the form: the form has all others. */
static int tail_rows(const quantize *q, const char *error, int width)
{
    if (q->editing >= 0)
        error = q->input_error[0] ? q->input_error : NULL;
    int n = (q->editing >= 0) + (error ? ui_parts_rows_of(error, width) : 0);
    size_t again = q->again.known ? q->again.n : 0;
    n += (int)(again < AGAIN_MOST ? again : AGAIN_MOST);
    if (!q->planned)
        return n + 3;
    return n + 2 + q->source->runs + has_target(q) + (q->recipe.imatrix != NULL) +
           (q->plan.n_fallback > 0);
}

static void form_title(const quantize *q, char *out, size_t cap)
{
    if (q->recipe_name[0])
        snprintf(out, cap, "Recipe %s", q->recipe_name);
    else
        snprintf(out, cap, "Recipe");
}

static void draw_form(quantize *q, ui_canvas *c, ui_rect r)
{
    ui_field field[QF_FIELDS + NB_MAX_RULES];
    char title[80];
    bool edited = q->recipe_name[0] ? q->modified : q->recipe.n_rules || q->recipe.pure;
    form_title(q, title, sizeof title);
    ui_box(c, r, title, edited ? "modified" : q->recipe_name[0] ? NULL : "Ctrl-R runs it", true);
    ui_rect in = ui_inside(r), top, rest;
    in = (ui_rect){in.x + 1, in.y, in.w - 1, in.h};
    size_t n = ui_quantize_fields(q, q->words, field, NULL);
    const char *error = field[q->form.at].error; /* constant, or of q */
    int tail = tail_rows(q, error, in.w), rows = (int)n;
    if (rows > in.h - tail)
        rows = in.h - tail > 3 ? in.h - tail : in.h;
    ui_parts_rows(in, rows, &top, &rest);
    ui_form_draw(c, top, field, n, &q->form, LABEL_W, q->editing < 0 && !q->table && !q->picking);
    parts_lines l = ui_parts_begin(c, rest);
    if (q->editing >= 0)
        draw_input(q, &l);
    else if (error)
        ui_parts_wrap(&l, UI_ERR, error); /* its row has no room for all of it */
    else if (ui_parts_left(&l) > 6)
        ui_parts_line(&l, UI_DIM,
                      q->recipe.n_rules ? "a add  e edit  Del drop  < > order  z undo"
                                        : "a adds a rule: ffn_down=q6_K");
    if (ui_parts_left(&l) > 5)
        ui_parts_skip(&l);
    draw_dry_run(q, &l);
    const char *help = ui_quantize_help(q, ui_quantize_at(q));
    if (ui_parts_left(&l) > 2 && help) {
        ui_parts_skip(&l);
        ui_parts_wrap(&l, UI_DIM, help);
    }
}

/* --- dry run, tensor by tensor --------------------------------------------------------------- */

enum { COL_TENSOR, COL_SHAPE, COL_FROM, COL_TO, COL_BYTES, COL_WHY, COLS };

static void plan_cell(const void *arg, size_t row, size_t col, char *buf, size_t cap, ui_role *role)
{
    const quantize *q = arg;
    const nb_planned *t = &q->plan.tensor[row];
    const nb_tensor *as = &q->plan.layout[row];
    const nk_type *from = nk_type_get((uint32_t)t->src_type);
    char size[16];
    switch (col) {
    case COL_TENSOR:
        snprintf(buf, cap, "%.*s", ui_parts_short(as->name), as->name);
        break;
    case COL_SHAPE:
        ui_parts_shape(as, buf, cap);
        break;
    case COL_FROM:
        snprintf(buf, cap, "%s", from ? from->name : "?");
        break;
    case COL_TO:
        snprintf(buf, cap, "%s", t->type->name);
        break;
    case COL_BYTES:
        snprintf(buf, cap, "%s", nb_human_bytes(size, t->nbytes));
        break;
    default:
        snprintf(buf, cap, "%s", t->why ? t->why : "");
        *role = t->fallback ? UI_WARN : UI_DIM;
    }
}

static void plan_table(const quantize *q, ui_canvas *c, ui_rect r, ui_list *list, bool focused)
{
    static const ui_column col[COLS] = {
        {"TENSOR", 0, false, 0}, {"SHAPE", 9, true, 5}, {"FROM", 4, true, 4},
        {"TO", 5, true, 1},      {"BYTES", 8, true, 2}, {"WHY", 16, false, 3},
    };
    ui_table t = {.col = col, .n_col = COLS, .cell = plan_cell, .arg = q};
    ui_table_draw(c, r, &t, list, focused);
}

static void draw_table(quantize *q, ui_canvas *c, ui_rect r)
{
    char title[64], note[64], size[16], num[48];
    snprintf(title, sizeof title, "dry run: %zu tensors", q->plan.n);
    snprintf(note, sizeof note, "%s  %s bpw", nb_human_bytes(size, q->plan.file_bytes),
             nb_fmt_fixed(num, q->plan.bpw, 2));
    ui_box(c, r, title, note, true);
    plan_table(q, c, ui_inside(r), &q->table_list, true);
}

/* --- before a run: where the bytes will be ---------------------------------------------------- */

static void draw_types(const quantize *q, parts_lines *l)
{
    uint64_t bytes[NK_TYPE_SLOTS] = {0};
    unsigned count[NK_TYPE_SLOTS] = {0};
    for (size_t i = 0; i < q->plan.n; i++) {
        bytes[q->plan.tensor[i].type->id] += q->plan.tensor[i].nbytes;
        count[q->plan.tensor[i].type->id]++;
    }
    for (size_t t = 0; t < NK_TYPE_SLOTS; t++) {
        char size[16];
        if (!count[t] || !ui_parts_left(l))
            continue;
        int y = l->r.y + l->y, w = l->r.w - 32;
        double share = (double)bytes[t] / (double)(q->plan.tensor_bytes + !q->plan.tensor_bytes);
        ui_textf(l->c, l->r.x, y, UI_TEXT, "%-6s %4u tensors %9s", nk_type_get((uint32_t)t)->name,
                 count[t], nb_human_bytes(size, bytes[t]));
        if (w > 4)
            ui_progress_draw(l->c, l->r.x + 30, y, w, share, UI_PLOT_A);
        l->y++;
    }
}

/* Sizes against damage, before any time is spent: a step along it is a step of the target. */
static void draw_front(quantize *q, ui_canvas *c, ui_rect r)
{
    ui_rect in = ui_inside(r);
    ui_box(c, r, "sizes against damage", "h l on target walk it", false);
    in = (ui_rect){in.x + 1, in.y, in.w - 2, in.h};
    if (in.h < 3)
        return;
    ui_text(c, in.x, in.y, UI_DIM,
            in.w < 60 ? "estimated on a sample"
                      : "estimated on samples; @ is the recipe, Ctrl-R "
                        "quantizes it");
    ui_quantize_front_draw(q, c, (ui_rect){in.x, in.y + 2, in.w, in.h - 2});
}

/* After a run the front comes back with the cursor on the target. */
static bool walks_front(const quantize *q)
{
    return ui_quantize_at(q) == QF_TARGET && q->live.state != QUANTIZE_RUNNING && !q->live.replay &&
           ui_quantize_has_front(q);
}

static void draw_idle(quantize *q, ui_canvas *c, ui_rect r)
{
    static const char *const none[] = {"nothing to quantize yet", "",
                                       "Q on a model in Models brings it here", NULL};
    static const char *const opening[] = {"opening the model", "", NULL};
    if (ui_quantize_has_front(q)) {
        draw_front(q, c, r);
        return;
    }
    ui_box(c, r, "what it will be", q->planned ? "D tensor by tensor" : NULL, false);
    ui_rect in = ui_inside(r);
    if (!q->planned) {
        ui_parts_empty(c, in, q->opening ? opening : none);
        return;
    }
    parts_lines l = ui_parts_begin(c, (ui_rect){in.x + 1, in.y, in.w - 2, in.h});
    q->look = (ui_list){.n = q->plan.n}; /* only a look: D gives it a cursor */
    draw_types(q, &l);
    ui_parts_line(&l, UI_TITLE, "Ctrl-R quantizes it, and this side shows it happen");
    ui_parts_skip(&l);
    if (ui_parts_left(&l) > 4)
        plan_table(q, c, (ui_rect){in.x, in.y + l.y, in.w, ui_parts_left(&l) - 1}, &q->look, false);
}

static void forget_places(quantize *q)
{
    q->spots.n = 0;
    q->live.strip = (ui_rect){0};
    ui_list_hide(&q->form);
    ui_list_hide(&q->table_list);
    ui_list_hide(&q->look);
    ui_list_hide(&q->pick_list);
}

void ui_quantize_draw(void *self, ui_canvas *c, ui_rect r)
{
    quantize *q = self;
    ui_rect form, right;
    bool narrow = r.w < NARROW, live = q->live.run != NULL;
    forget_places(q);
    if (q->table && q->planned && (narrow || q->zoom)) {
        draw_table(q, c, r);
        return;
    }
    if (q->picking && (narrow || q->zoom)) {
        ui_quantize_pick_draw(q, c, r);
        return;
    }
    if (q->zoom && ui_quantize_has_front(q) && (!live || walks_front(q))) {
        draw_front(q, c, r);
        return;
    }
    if (q->zoom && live) {
        ui_quantize_draw_live(q, c, r, false);
        return;
    }
    if (narrow && r.h < 18) {
        if (live && q->editing < 0)
            ui_quantize_draw_live(q, c, r, true);
        else
            draw_form(q, c, r);
        return;
    }
    if (narrow && live && q->editing >= 0) { /* the input needs its rows */
        draw_form(q, c, r);
        return;
    }
    if (narrow)
        ui_parts_rows(r, live ? r.h - 12 : r.h - 7, &form, &right);
    else
        ui_parts_columns(r, r.w >= 160 ? 60 : 46, &form, &right);
    draw_form(q, c, form);
    if (q->picking)
        ui_quantize_pick_draw(q, c, right);
    else if (q->table && q->planned)
        draw_table(q, c, right);
    else if (live && !walks_front(q))
        ui_quantize_draw_live(q, c, right, narrow);
    else
        draw_idle(q, c, right);
}

/* --- the same as JSON, keys of `nibble quantize --json` ----------------------------------------
 */

void ui_quantize_json(const void *self, nb_str *out)
{
    const quantize *q = self;
    const quantize_live *l = &q->live;
    nb_jout w = nb_jout_make(out);
    nb_tensor_report *report = l->run ? ui_xcalloc(1, sizeof *report) : NULL;
    double seconds = ui_app_scripted(q->app) ? 0.1 : l->view.elapsed;
    nb_jout_object(&w);
    if (l->run)
        ui_twin_quantize(&w, &l->plan, l->out, l->run, seconds, report);
    else if (q->planned)
        ui_twin_quantize(&w, &q->plan, q->output, NULL, 0, NULL);
    else {
        nb_jout_key(&w, "source");
        nb_jout_str(&w, q->source ? q->source->path : "");
    }
    nb_jout_object_end(&w);
    free(report);
}
