/* What quantizing a quantized source costs: sampled by a job, so that the form stays quick, and
 * asked anew whenever the plan is another. */
#include <stdio.h>
#include <string.h>

#include "tui/screens/quantize.h"

static nb_status predict(nb_job *job, void *arg, nb_err *err)
{
    struct quantize_predict *w = arg;
    (void)job;
    return nb_plan_requantized(&w->plan, w->ops, w->row, &w->n, err);
}

static void drop_work(struct quantize_predict *w)
{
    if (w->source)
        nb_plan_free(&w->plan);
    ui_quantize_release(&w->source);
    w->n = 0;
}

void ui_quantize_drop_predict(quantize *q)
{
    drop_work(&q->again.work);
}

void ui_quantize_predict(quantize *q)
{
    quantize_again *a = &q->again;
    struct quantize_predict *w = &a->work;
    nb_err err = {0};
    a->known = false;
    if (a->job) {
        a->stale = true;
        return;
    }
    if (q->planned ? !q->plan.n_requantized : q->plan_err.status != NB_REFUSED)
        return;
    w->ops = ui_app_ops(q->app);
    if (nb_plan_make(&w->plan, &q->recipe, q->source->weights, true, &err) != NB_OK)
        return; /* the form's own plan says why */
    w->source = q->source;
    w->source->users++;
    if (ui_app_job(q->app, &a->job, UI_QUANTIZE, "predict", q->source->name, predict, w, &err) !=
        NB_OK) {
        drop_work(w);
        ui_app_log(q->app, "%s", err.msg);
    }
}

void ui_quantize_predicted(quantize *q, const nb_event *e)
{
    quantize_again *a = &q->again;
    a->job = NULL;
    if (e->err.status == NB_OK && !a->stale) {
        memcpy(a->row, a->work.row, sizeof a->row);
        a->n = a->work.n;
        a->known = true;
    }
    drop_work(&a->work);
    if (a->stale) {
        a->stale = false;
        ui_quantize_predict(q);
    }
}

void ui_quantize_again_line(const nb_requantized *r, char *out, size_t cap)
{
    char step[48], both[48];
    snprintf(out, cap, "%zu tensor%s from %s to %s: adds %s%% of error, expect %s%%", r->tensors,
             r->tensors == 1 ? "" : "s", r->from->name, r->to->name,
             nb_fmt_fixed(step, 100 * r->step, 1), nb_fmt_fixed(both, 100 * r->expected, 1));
}
