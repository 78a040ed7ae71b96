/* A target: a size, bits per weight or memory to meet. A job measures every type on a sample of
 * each tensor; the front of sizes against damage that follows is shown before any time is spent on
 * quantizing, and one of its points becomes the recipe. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/screens/quantize.h"
#include "tui/widgets/w_dots.h"

enum { AXIS_W = 9, PLOT_W = 240, PLOT_H = 12 };

bool ui_quantize_has_front(const quantize *q)
{
    const quantize_target *t = &q->target;
    return q->source && t->solve.n_front && t->source == q->source &&
           t->imatrix == q->recipe.imatrix;
}

static void drop_work(struct quantize_measure *w)
{
    nb_solve_close(&w->solve);
    if (w->source)
        nb_plan_free(&w->plan);
    ui_quantize_release(&w->source);
    *w = (struct quantize_measure){0};
}

static void drop_front(quantize_target *t)
{
    nb_solve_close(&t->solve);
    if (t->source)
        nb_plan_free(&t->plan);
    ui_quantize_release(&t->source);
    t->met = false;
}

void ui_quantize_drop_target(quantize *q)
{
    drop_front(&q->target);
    drop_work(&q->target.work);
}

/* --- taking a point ----------------------------------------------------------------------------
 */

static bool take(quantize *q, uint64_t bytes, nb_err *err)
{
    quantize_target *t = &q->target;
    nb_recipe r;
    nb_front_point p;
    if (nb_solve_pick(&t->solve, bytes, &p, err) != NB_OK ||
        nb_solve_recipe(&t->solve, &r, err) != NB_OK)
        return false;
    t->took = p;
    t->met = true;
    ui_quantize_remember(q);
    ui_quantize_put(q, &r);
    ui_quantize_clear_patterns(q); /* the solver knows nothing of them */
    size_t n;
    if (nb_methods(&n)[q->method]->preset) { /* it writes one type alone */
        q->method = 0;
        q->knobs = nb_method_knobs(nb_methods(&n)[0]);
    }
    return true;
}

/* The budget's answer, from what was measured. */
static void answer(quantize *q)
{
    quantize_target *t = &q->target;
    nb_err err = {0};
    t->met = false;
    if (nb_budget_bytes(&t->budget, &t->plan, &t->bytes, &err) == NB_OK && take(q, t->bytes, &err))
        t->error[0] = '\0';
    else
        snprintf(t->error, sizeof t->error, "%s", err.msg);
    ui_quantize_plan(q);
}

void ui_quantize_take_point(quantize *q, size_t front)
{
    quantize_target *t = &q->target;
    if (!ui_quantize_has_front(q) || front >= t->solve.n_front)
        return;
    t->budget = (nb_budget){.kind = NB_BUDGET_SIZE, .bytes = t->solve.front[front].bytes};
    answer(q);
}

/* The point of the front that what was taken is, or comes next to it. */
static size_t point_taken(const quantize_target *t)
{
    size_t i = 0;
    while (i + 1 < t->solve.n_front && t->solve.front[i + 1].bytes <= t->took.bytes)
        i++;
    return i;
}

void ui_quantize_step_target(quantize *q, int step)
{
    quantize_target *t = &q->target;
    if (!ui_quantize_has_front(q)) {
        ui_app_say(q->app, "Enter names a target: 4 MB, 4.5 bpw, 8 GB ram");
        return;
    }
    size_t at = point_taken(t);
    if (!t->met)
        at = step > 0 ? 0 : t->solve.n_front - 1;
    else if (step > 0 ? at + 1 < t->solve.n_front : at > 0)
        at += step > 0 ? 1 : (size_t)-1;
    ui_quantize_take_point(q, at);
}

size_t ui_quantize_front_rows(const quantize *q, size_t *out, size_t most)
{
    size_t n = q->target.solve.n_front, k = n < most ? n : most;
    for (size_t i = 0; i < k; i++)
        out[i] = k < 2 || n <= most ? i : i * (n - 1) / (k - 1);
    return k;
}

/* --- measuring ---------------------------------------------------------------------------------
 */

static nb_status measure(nb_job *job, void *arg, nb_err *err)
{
    struct quantize_measure *w = arg;
    nb_lease *lease = NULL;
    nb_hooks hooks = nb_job_hooks(job);
    NB_TRY(nb_lease_take(&lease, w->sched, NB_WORK_QUANTIZE, w->threads, err));
    nb_status st = nb_solve_measure(&w->solve, w->ops, nb_lease_pool(lease), &hooks, err);
    nb_lease_return(&lease);
    return st;
}

/* Q4_0 encodes every tensor, so that each has its importance. Quantized sources are measured too:
 * whether they may be used is for the run to say. */
static nb_status prepare(quantize *q, struct quantize_measure *w, nb_err *err)
{
    nb_recipe r;
    nb_recipe_init(&r, nb_preset_find("Q4_0"));
    r.imatrix = q->recipe.imatrix;
    r.edits = q->recipe.edits;
    *w = (struct quantize_measure){.imatrix = r.imatrix,
                                   .sched = ui_app_sched(q->app),
                                   .ops = ui_app_ops(q->app),
                                   .threads = q->threads};
    NB_TRY(nb_plan_make(&w->plan, &r, q->source->weights, true, err));
    w->source = q->source;
    w->source->users++;
    return nb_solve_open(&w->solve, &w->plan, NULL, 0, err);
}

static void start(quantize *q)
{
    quantize_target *t = &q->target;
    nb_err err = {0};
    t->error[0] = '\0';
    t->stale = false;
    if (prepare(q, &t->work, &err) == NB_OK &&
        ui_app_job(q->app, &t->job, UI_QUANTIZE, "measure", q->source->name, measure, &t->work,
                   &err) == NB_OK)
        return;
    drop_work(&t->work);
    snprintf(t->error, sizeof t->error, "%s", err.msg);
}

void ui_quantize_measured(quantize *q, const nb_event *e)
{
    quantize_target *t = &q->target;
    struct quantize_measure *w = &t->work;
    t->job = NULL;
    bool wanted = w->source == q->source && w->imatrix == q->recipe.imatrix;
    if (t->stale || (e->err.status == NB_OK && !wanted)) {
        drop_work(w);
        if (q->source && t->budget.kind)
            start(q);
        return;
    }
    if (e->err.status != NB_OK) {
        drop_work(w);
        t->budget = (nb_budget){0};
        snprintf(t->error, sizeof t->error, "%s",
                 e->err.status == NB_CANCELED ? "cancelled; Enter asks again" : e->err.msg);
        return;
    }
    drop_front(t);
    t->solve = w->solve;
    t->plan = w->plan;
    t->solve.plan = &t->plan;
    t->source = w->source;
    t->imatrix = w->imatrix;
    *w = (struct quantize_measure){0};
    if (t->budget.kind)
        answer(q);
}

static void aim(quantize *q, nb_budget b)
{
    quantize_target *t = &q->target;
    t->budget = b;
    t->error[0] = '\0';
    t->met = false;
    if (b.kind && t->job) {
        t->stale = t->work.source != q->source || t->work.imatrix != q->recipe.imatrix;
        if (t->stale)
            nb_job_cancel(t->job);
    } else if (b.kind && ui_quantize_has_front(q)) {
        answer(q);
    } else if (b.kind) {
        start(q);
    } else if (t->job) {
        nb_job_cancel(t->job);
    }
}

void ui_quantize_aim_again(quantize *q)
{
    if (q->target.budget.kind && q->source)
        aim(q, q->target.budget);
}

bool ui_quantize_aim(quantize *q, const char *text)
{
    nb_budget b;
    nb_err err = {0};
    if (nb_budget_read(&b, text, &err) != NB_OK || (b.kind && !q->source)) {
        snprintf(q->input_error, sizeof q->input_error, "%s",
                 err.msg[0] ? err.msg : "choose a model first: Q in Models");
        return false;
    }
    aim(q, b);
    return true;
}

/* --- the front ---------------------------------------------------------------------------------
 */

static void draw_rows(const quantize *q, ui_canvas *c, ui_rect r)
{
    enum { MOST = 24 };
    size_t row[MOST], n = ui_quantize_front_rows(q, row, (size_t)(r.h < MOST ? r.h : MOST));
    size_t here = q->target.met ? point_taken(&q->target) : SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        const nb_front_point *f = &q->target.solve.front[row[i]];
        char size[16], bpw[48], damage[48];
        bool taken = row[i] <= here && (i + 1 == n || row[i + 1] > here) && here != SIZE_MAX;
        ui_textf(c, r.x, r.y + (int)i, taken ? UI_MARK : UI_TEXT, "%c %9s  %6s bpw  damage %s",
                 taken ? '*' : ' ', nb_human_bytes(size, f->bytes), nb_fmt_fixed(bpw, f->bpw, 2),
                 nb_fmt_fixed(damage, f->damage, f->damage < 0.1 ? 5 : 3));
    }
}

void ui_quantize_front_draw(const quantize *q, ui_canvas *c, ui_rect r)
{
    const quantize_target *t = &q->target;
    const nb_solve *s = &t->solve;
    char num[48], lo[16], hi[16];
    uint8_t cells[PLOT_W * PLOT_H];
    int room = r.w - AXIS_W - 1, plot_h = r.h > 2 * PLOT_H ? PLOT_H : r.h / 2;
    ui_dots d = {.w = room < PLOT_W ? room : PLOT_W, .h = plot_h, .cell = cells};
    if (d.w < 8 || d.h < 3) {
        draw_rows(q, c, r);
        return;
    }
    size_t n = ui_dots_front(&d, s->front, s->n_front);
    ui_dots_draw(c, r.x + AXIS_W, r.y, &d, UI_PLOT_FRONTIER);
    int here = t->met ? ui_dots_front_cell(&d, s->front, s->n_front, point_taken(t)) : -1;
    if (here >= 0)
        ui_text(c, r.x + AXIS_W + here % d.w, r.y + here / d.w, UI_MARK, "@");
    if (n) {
        double top = s->front[0].damage, low = s->front[n - 1].damage;
        ui_textf(c, r.x, r.y, UI_PLOT_AXIS, "%8s", nb_fmt_fixed(num, top, top < 0.1 ? 5 : 3));
        ui_textf(c, r.x, r.y + plot_h - 1, UI_PLOT_AXIS, "%8s",
                 nb_fmt_fixed(num, low, low < 0.1 ? 5 : 3));
        ui_text(c, r.x, r.y + plot_h, UI_PLOT_AXIS, "damage");
        nb_human_bytes(lo, s->front[0].bytes);
        nb_human_bytes(hi, s->front[n - 1].bytes);
        ui_text(c, r.x + AXIS_W, r.y + plot_h, UI_PLOT_AXIS, lo);
        ui_text(c, r.x + AXIS_W + d.w - (int)strlen(hi), r.y + plot_h, UI_PLOT_AXIS, hi);
    }
    draw_rows(q, c, (ui_rect){r.x, r.y + plot_h + 2, r.w, r.h - plot_h - 2});
}
