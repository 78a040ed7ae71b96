/* Importance collected from the form: the model reads a text, after every chunk the form learns how
 * much of the model it has seen, and what comes out is written beside nibble's models and chosen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/eval/collect.h"
#include "tui/commands/default_text.h"
#include "tui/screens/quantize.h"

enum { CHUNK = 512, COVERAGE = 1 /* code of the event */ };

typedef struct collecting {
    ui_corpus text;
    nb_tok *tok;
    nb_model *model;
    nb_lease *lease;
    nb_session *session;
    nb_imatrix *im;
} collecting;

/* --- on the job's thread ------------------------------------------------------------------------
 */

static void cover(quantize_coverage *c, const nb_imatrix *im)
{
    for (size_t i = 0; i < im->n; i++) {
        const nb_imatrix_entry *e = &im->entry[i];
        uint64_t cols = e->n / (e->n_mat ? e->n_mat : 1);
        c->matrices += e->n_mat;
        for (uint64_t m = 0; m < e->n_mat; m++) {
            if (e->count[m] <= 0) {
                c->unseen++;
                continue;
            }
            c->columns += cols;
            for (uint64_t j = 0; j < cols; j++)
                c->zero += !(e->sum2[m * cols + j] > 0);
        }
    }
    c->weights = im->n;
}

static void tell(struct quantize_collecting *w, const nb_imatrix *im, uint64_t done)
{
    quantize_coverage c = {.chunks = done, .of = w->of};
    cover(&c, im);
    nb_job_post(w->job, NB_EVENT_DATA, COVERAGE, &c, sizeof c);
}

static nb_status after_chunk(void *arg, nb_imatrix *im, uint64_t done, nb_err *err)
{
    (void)err;
    tell(arg, im, done);
    return NB_OK;
}

static nb_status open_all(collecting *c, struct quantize_collecting *w, uint32_t n_ctx, nb_err *err)
{
    nb_session_options opt = {.n_ctx = n_ctx};
    NB_TRY(ui_text_open(&c->text, w->cfg, w->text, err));
    NB_TRY(nb_tok_open(&c->tok, nb_weights_kvs(w->source->weights), err));
    NB_TRY(nb_model_open(&c->model, w->source->weights, err));
    NB_TRY(nb_lease_take(&c->lease, w->sched, NB_WORK_EVAL, w->threads, err));
    NB_TRY(nb_session_open(&c->session, c->model, w->ops, nb_lease_pool(c->lease), &opt, err));
    NB_TRY(nb_imatrix_new(&c->im, n_ctx, err));
    return nb_imatrix_add_dataset(c->im, c->text.name, strlen(c->text.name), err);
}

static nb_status run(collecting *c, struct quantize_collecting *w, uint32_t n_ctx, nb_hooks *hooks,
                     nb_err *err)
{
    nb_collect_options opt = {.n_ctx = n_ctx, .chunk = after_chunk, .arg = w};
    nb_collected got = {0};
    size_t len = c->text.len;
    len -= len && c->text.at[len - 1] == '\n'; /* as the command reads a text */
    NB_TRY(nb_collect_count(&got, c->tok, c->text.at, len, &opt, err));
    w->of = got.of;
    tell(w, c->im, 0);
    NB_TRY(nb_collect(&got, c->im, c->session, nb_lease_pool(c->lease), c->tok, c->text.at, len,
                      &opt, hooks, err));
    return nb_imatrix_write(c->im, w->out, NB_IMATRIX_GGUF, err);
}

static nb_status collect(nb_job *job, void *arg, nb_err *err)
{
    struct quantize_collecting *w = arg;
    collecting c = {0};
    nb_hooks hooks = nb_job_hooks(job);
    uint32_t most = w->source->hp.n_ctx_train, n_ctx = most && most < CHUNK ? most : CHUNK;
    w->job = job;
    nb_status st = open_all(&c, w, n_ctx, err);
    if (st == NB_OK)
        st = run(&c, w, n_ctx, &hooks, err);
    nb_session_close(&c.session);
    nb_lease_return(&c.lease);
    nb_model_close(&c.model);
    nb_tok_close(&c.tok);
    nb_imatrix_close(&c.im);
    ui_text_close(&c.text);
    return st;
}

/* --- on the form --------------------------------------------------------------------------------
 */

static const char *why_not(const quantize *q)
{
    return !q->source                 ? "choose a model first: Q in Models"
           : q->collect.job           ? "a collection runs already"
           : !q->source->runs         ? "nibble does not run this architecture"
           : ui_app_read_only(q->app) ? "started with --read-only: nothing is written"
                                      : NULL;
}

/* Beside nibble's models: "NAME-imatrix.gguf", found there by the field above. */
static bool name_output(quantize *q)
{
    quantize_collect *k = &q->collect;
    char stem[1180], name[128];
    nb_str safe = {0};
    nb_err err = {0};
    snprintf(stem, sizeof stem, "%s/models", ui_app_config(q->app)->data_dir);
    if (nb_mkdirs(stem, &err) != NB_OK) {
        snprintf(k->error, sizeof k->error, "%s", err.msg);
        return false;
    }
    for (const char *p = q->source->name; *p; p++)
        nb_str_addn(&safe, strchr(" /\\:", *p) || (unsigned char)*p < ' ' ? "-" : p, 1);
    nb_short(name, sizeof name, nb_str_c(&safe));
    nb_str_free(&safe);
    size_t n = strlen(stem);
    snprintf(stem + n, sizeof stem - n, "/%s-imatrix", name);
    ui_quantize_free_name(k->out, sizeof k->out, stem, ".gguf");
    return k->out[0] != '\0';
}

void ui_quantize_collect(quantize *q, const char *text)
{
    quantize_collect *k = &q->collect;
    nb_err err = {0};
    const char *no = why_not(q);
    k->error[0] = '\0';
    if (no || strlen(text) >= sizeof k->text) {
        snprintf(k->error, sizeof k->error, "%s", no ? no : "the path is too long");
        return;
    }
    if (!name_output(q))
        return;
    memcpy(k->text, text, strlen(text) + 1);
    k->typed = *text != '\0';
    k->seen = (quantize_coverage){0};
    k->work = (struct quantize_collecting){.cfg = ui_app_config(q->app),
                                           .text = k->typed ? k->text : NULL,
                                           .out = k->out,
                                           .source = q->source,
                                           .sched = ui_app_sched(q->app),
                                           .ops = ui_app_ops(q->app),
                                           .threads = q->threads};
    q->source->users++;
    if (ui_app_job(q->app, &k->job, UI_QUANTIZE, "imatrix", q->source->name, collect, &k->work,
                   &err) == NB_OK)
        return;
    ui_quantize_release(&k->work.source);
    snprintf(k->error, sizeof k->error, "%s", err.msg);
}

void ui_quantize_collected(quantize *q, const nb_event *e)
{
    quantize_collect *k = &q->collect;
    if (e->kind == NB_EVENT_DATA && e->code == COVERAGE && e->len == sizeof k->seen)
        memcpy(&k->seen, e->text, sizeof k->seen);
    if (e->kind != NB_EVENT_DONE)
        return;
    bool same = k->work.source == q->source;
    k->job = NULL;
    ui_quantize_release(&k->work.source);
    if (e->err.status == NB_CANCELED) {
        ui_app_say(q->app, "cancelled; no importance matrix was written");
        return;
    }
    if (e->err.status != NB_OK) {
        snprintf(k->error, sizeof k->error, "%s", e->err.msg);
        return;
    }
    ui_app_log(q->app, "importance matrix written to %s", k->out);
    ui_app_say(q->app, "importance matrix written to %s", nb_path_base(k->out));
    if (same)
        ui_quantize_use_imatrix(q, k->out);
}

void ui_quantize_collect_line(const quantize *q, char *out, size_t cap)
{
    const quantize_collect *k = &q->collect;
    const quantize_coverage *s = &k->seen;
    char rate[48] = "", left[16], share[48];
    nb_job_view v;
    if (!k->job) {
        nb_short(out, cap, k->typed ? nb_path_base(k->text) : "from the bundled text");
        return;
    }
    nb_job_look(k->job, &v);
    bool pinned = ui_app_scripted(q->app); /* figures that depend on the machine stay out */
    if (!s->of) {
        snprintf(out, cap, "reading the text");
        return;
    }
    if (v.rate > 0 && !pinned)
        snprintf(rate, sizeof rate, "  %.0f tok/s  %s", v.rate, nb_human_time(left, v.eta));
    double seen = s->columns ? 1 - (double)s->zero / (double)s->columns : 0;
    int n = snprintf(out, cap, "%llu of %llu chunks%s", (unsigned long long)s->chunks,
                     (unsigned long long)s->of, rate);
    if (s->weights && n > 0 && (size_t)n < cap)
        snprintf(out + n, cap - (size_t)n, "  %s of columns seen%s", ui_parts_percent(share, seen),
                 s->unseen ? ", experts missing" : "");
}
