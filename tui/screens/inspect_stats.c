/* Reading tensors in a job: sums, histogram, outliers, error against another file; and the table's
 * rows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tui/screens/inspect.h"

enum { EVENT_TENSOR = 1 };

/* --- the job --------------------------------------------------------------------------------- */

/* What the event carries: the result changes hands with it. */
typedef struct found {
    size_t i;
    inspect_result *result;
} found;

static const nk_type *type_of(const nb_view *v)
{
    return nk_type_get((uint32_t)v->t.type);
}

static nb_status count_outliers(inspect_result *out, const nb_view *v, const nk_ops *ops,
                                nb_job *job, nb_err *err)
{
    size_t cols = (size_t)nb_tensor_cols(&v->t);
    double bound = 6 * nb_stats_std(&out->d.stats);
    float *row = nb_alloc(cols, 2 * sizeof *row, "a row", err); /* and room to make its bytes */
    if (!row)
        return NB_NOMEM;
    nb_status st = NB_OK;
    for (uint64_t r = 0; r < nb_tensor_rows(&v->t) && st == NB_OK; r++) {
        if (nb_job_canceled(job))
            st = nb_fail(err, NB_CANCELED, "cancelled");
        ops->decode[v->t.type](nb_weights_row(v, r, row + cols), row, cols);
        for (size_t i = 0; i < cols; i++)
            out->outliers += fabs((double)row[i]) > bound;
    }
    free(row);
    return st;
}

static nb_status visit(const inspect_work *k, size_t i, inspect_result **made, nb_job *job,
                       nb_err *err)
{
    const nb_view *v = nb_weights_at(k->weights, i), *o = nb_diff_twin(k->other, v, NULL);
    nb_hooks quiet = {NULL, nb_job_hooks(job).canceled, job};
    inspect_result *out = nb_alloc(1, sizeof *out, "figures of a tensor", err);
    if (!out)
        return NB_NOMEM;
    nb_status st = NB_OK;
    out->readable = type_of(v) && type_of(v)->decode;
    if (out->readable)
        st = nb_diff_read(&out->d, v, o, k->ops, &quiet, err);
    if (st == NB_OK && out->readable)
        st = count_outliers(out, v, k->ops, job, err);
    if (st == NB_OK && (nb_weights_lost(k->weights) || (k->other && nb_weights_lost(k->other))))
        st = nb_fail(err, NB_IO, "the file was changed while it was read");
    if (st == NB_OK)
        *made = out;
    else
        free(out);
    return st;
}

static nb_status look(nb_job *job, void *arg, nb_err *err)
{
    const inspect_work *k = arg;
    nb_hooks hooks = nb_job_hooks(job);
    size_t n = nb_weights_count(k->weights);
    for (size_t j = 0; j < k->count; j++) {
        size_t i = (k->first + j) % n;
        nb_report(&hooks, &(nb_progress){.what = nb_weights_at(k->weights, i)->t.name,
                                         .done = j,
                                         .total = k->count});
        found f = {.i = i};
        if (k->have[i])
            continue;
        NB_TRY(visit(k, i, &f.result, job, err));
        nb_job_post(job, NB_EVENT_DATA, EVENT_TENSOR, &f, sizeof f);
    }
    return NB_OK;
}

void ui_inspect_look(inspect *s)
{
    size_t i;
    nb_err err = {0};
    if (!ui_inspect_current(s, &i) || s->job || s->opening || s->wanted[0])
        return; /* the files may be about to change */
    bool missing = !s->result[i];
    for (size_t k = 0; s->other && k < s->n_tensors; k++)
        missing = missing || !s->result[k];
    if (!missing || s->problem[0])
        return;
    free(s->work.have);
    s->work = (inspect_work){.ops = ui_app_ops(s->app),
                             .weights = s->weights,
                             .other = s->other,
                             .have = ui_xcalloc(s->n_tensors + 1, sizeof *s->work.have),
                             .first = i,
                             .count = s->other ? s->n_tensors : 1};
    for (size_t k = 0; k < s->n_tensors; k++)
        s->work.have[k] = s->result[k] != NULL;
    if (ui_app_job(s->app, &s->job, UI_INSPECT, "read", nb_weights_at(s->weights, i)->t.name, look,
                   &s->work, &err) != NB_OK)
        memcpy(s->problem, err.msg, sizeof s->problem);
}

void ui_inspect_looked(inspect *s, const nb_event *e)
{
    found f;
    if (e->kind == NB_EVENT_DATA && e->code == EVENT_TENSOR && e->len == sizeof f) {
        memcpy(&f, e->text, sizeof f);
        free(s->result[f.i]);
        s->result[f.i] = f.result;
    }
    if (e->kind != NB_EVENT_DONE)
        return;
    s->job = NULL;
    if (e->err.status != NB_OK && e->err.status != NB_CANCELED)
        memcpy(s->problem, e->err.msg, sizeof s->problem);
    if (s->sort == INSPECT_REL)
        ui_inspect_arrange(s);
}

void ui_inspect_forget(inspect *s)
{
    for (size_t i = 0; i < s->n_tensors; i++)
        free(s->result[i]);
    free(s->result);
    s->result = NULL;
    s->n_tensors = 0;
    s->n_row = 0;
}

static void list_missing(const nb_weights *of, const nb_weights *in, nb_str *names, size_t *n)
{
    nb_str_free(names);
    *n = 0;
    for (size_t i = 0; of && in && i < nb_weights_count(of); i++) {
        const char *name = nb_weights_at(of, i)->t.name;
        if (nb_weights_find(in, name))
            continue;
        nb_str_addf(names, "%s%.*s", *n ? ", " : "", ui_parts_short(name), name);
        ++*n;
    }
}

void ui_inspect_only(inspect *s)
{
    list_missing(s->weights, s->other, &s->only_here, &s->n_here);
    list_missing(s->other, s->weights, &s->only_there, &s->n_there);
}

/* --- rows ------------------------------------------------------------------------------------ */

const nb_view *ui_inspect_current(const inspect *s, size_t *index)
{
    if (!s->weights || s->list.at >= s->n_row)
        return NULL;
    if (index)
        *index = s->row[s->list.at];
    return nb_weights_at(s->weights, s->row[s->list.at]);
}

static double rel_of(const inspect *s, size_t i)
{
    const inspect_result *r = s->result[i];
    return r && r->d.compared ? nb_stats_rel_rmse(&r->d.stats) : -1;
}

static int compare(const void *pa, const void *pb, void *arg)
{
    const inspect *s = arg;
    size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
    const nb_tensor *x = &nb_weights_at(s->weights, a)->t, *y = &nb_weights_at(s->weights, b)->t;
    double u = 0, v = 0;
    int c = 0;
    switch (s->sort) {
    case INSPECT_NAME:
        c = strcmp(x->name, y->name);
        break;
    case INSPECT_BYTES:
        u = (double)y->nbytes;
        v = (double)x->nbytes;
        break;
    case INSPECT_TYPE:
        u = x->type;
        v = y->type;
        break;
    case INSPECT_REL:
        u = rel_of(s, b);
        v = rel_of(s, a);
        break;
    default:
        break;
    }
    if (!c)
        c = u < v ? -1 : u > v;
    if (!c)
        c = a < b ? -1 : a > b;
    return s->reverse ? -c : c;
}

static bool contains(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (; *text; text++)
        if (strncasecmp(text, word, n) == 0)
            return true;
    return n == 0;
}

void ui_inspect_arrange(inspect *s)
{
    size_t keep = SIZE_MAX;
    if (!s->weights)
        return;
    ui_inspect_current(s, &keep);
    free(s->row);
    s->row = ui_xcalloc(s->n_tensors + 1, sizeof *s->row);
    s->n_row = 0;
    for (size_t i = 0; i < s->n_tensors; i++) {
        const nb_view *v = nb_weights_at(s->weights, i);
        const char *word = nb_str_c(&s->filter.text);
        if (contains(v->t.name, word) || (type_of(v) && contains(type_of(v)->name, word)))
            s->row[s->n_row++] = i;
    }
    qsort_r(s->row, s->n_row, sizeof *s->row, compare, s);
    ui_list_set(&s->list, s->n_row);
    for (size_t i = 0; i < s->n_row; i++)
        if (s->row[i] == keep)
            s->list.at = i;
}
