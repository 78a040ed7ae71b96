/* Measuring now: divergence from the reference and, for the demo, facts, of the file under the
 * cursor or the marked ones, by the text, context and protocol of the group on screen where that
 * text is at hand. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/eval/judge.h"
#include "tui/commands/default_text.h"
#include "tui/screens/compare.h"

enum { N_CTX = 512, TOKENS_PER_FACT = 24 }; /* the latter for the share that is done, no more */

/* --- the job -----------------------------------------------------------------------------------
 */

/* Steps of unlike length as one progress that never runs backwards, in tokens. */
typedef struct meter {
    nb_hooks outer;
    const char *what; /* file at work */
    uint64_t base, span, total;
} meter;

static void on_progress(void *ud, const nb_progress *p)
{
    const meter *m = ud;
    char what[96];
    nb_short(what, sizeof what, m->what);
    uint64_t done = p->total ? m->span * p->done / p->total : 0;
    nb_report(&m->outer, &(nb_progress){.what = what, .done = m->base + done, .total = m->total});
}

static bool on_cancel(void *ud)
{
    const meter *m = ud;
    return nb_canceled(&m->outer);
}

static void step(meter *m, const char *what, uint64_t span)
{
    m->base += m->span;
    m->span = span;
    m->what = what;
}

typedef struct bench {
    compare_measure *m;
    nb_compare table;
    nb_runs *runs;
    ui_corpus text, qa;
    bool demo;
    nb_lease *lease;
    nb_judge *judge;
} bench;

static void bench_close(bench *b)
{
    nb_judge_close(&b->judge);
    nb_lease_return(&b->lease);
    nb_runs_close(&b->runs);
    nb_compare_close(&b->table);
    ui_text_close(&b->text);
    ui_text_close(&b->qa);
}

static nb_status open_text(bench *b, nb_err *err)
{
    nb_weights *w = NULL;
    const char *file = b->m->text[0] ? b->m->text : NULL;
    nb_status st = ui_text_open(&b->text, b->m->cfg, file, err);
    if (st != NB_OK && err)
        b->m->text_err = *err;
    if (st == NB_OK)
        st = nb_weights_open(&w, b->m->reference, err);
    if (st == NB_OK)
        b->demo = ui_is_demo(w) && ui_demo_questions(&b->qa, b->m->cfg);
    nb_weights_close(&w);
    return st;
}

/* As the group was read, where this is its text: only then can a new run join it. */
static nb_reading_options reading_of(const bench *b)
{
    const nb_run_key *like = &b->m->like;
    nb_protocol p = nb_protocol_find(like->protocol);
    if (strcmp(like->text, b->text.sha256) == 0 && p < NB_PROTOCOL_STRIDED)
        return (nb_reading_options){
            .protocol = p, .n_ctx = like->n_ctx, .max_chunks = like->chunks};
    return (nb_reading_options){.protocol = NB_PROTOCOL_LLAMA, .n_ctx = N_CTX};
}

static nb_status open_judge(bench *b, const nb_hooks *hooks, nb_err *err)
{
    const nb_judge_options opt = {.reference = b->m->reference,
                                  .text = b->text.at,
                                  .len = b->text.len,
                                  .text_sha256 = b->text.sha256,
                                  .reading = reading_of(b),
                                  .qa = b->demo ? b->qa.at : NULL,
                                  .qa_len = b->qa.len,
                                  .qa_sha256 = b->qa.sha256};
    NB_TRY(nb_lease_take(&b->lease, b->m->sched, NB_WORK_EVAL, b->m->threads, err));
    NB_TRY(nb_judge_open(&b->judge, &opt, b->m->ops, nb_lease_pool(b->lease), hooks, err));
    if (b->demo)
        NB_TRY(nb_compare_ask(&b->table, b->qa.at, b->qa.len, b->qa.sha256, err));
    nb_run_key key = nb_judge_key(b->judge);
    nb_compare_use(&b->table, &key, b->runs);
    return NB_OK;
}

static uint64_t work_of(const bench *b, size_t i, uint64_t tokens)
{
    const nb_compare_row *r = &b->table.row[i];
    return (r->is_reference || r->has_kld ? 0 : tokens) +
           (b->demo && !r->has_facts ? (uint64_t)b->table.qa_key.chunks * TOKENS_PER_FACT : 0);
}

/* One file: its divergence, then its facts, as two steps. */
static nb_status measure_file(bench *b, size_t i, meter *m, nb_err *err)
{
    nb_hooks hooks = {on_progress, on_cancel, m};
    nb_compare_row *r = &b->table.row[i];
    uint64_t tokens = (uint64_t)b->table.key.chunks * b->table.key.n_ctx;
    uint64_t facts = work_of(b, i, 0);
    if (!r->is_reference && !r->has_kld) {
        step(m, r->name, tokens);
        bool asked = r->has_facts;
        r->has_facts = true; /* not in this step */
        nb_status st = nb_judge_row(b->judge, &b->table, i, b->runs, &b->m->measured, &hooks, err);
        r->has_facts = asked;
        NB_TRY(st);
    }
    if (!facts)
        return NB_OK;
    step(m, r->name, facts);
    return nb_judge_row(b->judge, &b->table, i, b->runs, &b->m->measured, &hooks, err);
}

static nb_status measure_files(bench *b, const nb_hooks *outer, nb_err *err)
{
    meter m = {.outer = *outer};
    nb_hooks hooks = {on_progress, on_cancel, &m};
    uint64_t tokens = (uint64_t)b->table.key.chunks * b->table.key.n_ctx;
    bool divergence = false;
    for (size_t i = 0; i < b->table.n; i++) {
        m.total += work_of(b, i, tokens);
        divergence = divergence || (!b->table.row[i].is_reference && !b->table.row[i].has_kld);
    }
    m.total += divergence ? tokens : 0;
    if (divergence) {
        step(&m, "reference", tokens);
        NB_TRY(nb_judge_ready(b->judge, &hooks, err));
    }
    for (size_t i = b->table.n; i-- > 0;) /* the reference, first in the table, is asked last */
        NB_TRY(measure_file(b, i, &m, err));
    return NB_OK;
}

static nb_status measure(nb_job *job, void *arg, nb_err *err)
{
    compare_measure *m = arg;
    bench b = {.m = m};
    const char *paths[COMPARE_FILES];
    nb_hooks hooks = nb_job_hooks(job);
    for (size_t i = 0; i < m->n_path; i++)
        paths[i] = m->path[i];
    nb_status st = open_text(&b, err);
    if (st == NB_OK)
        st = nb_compare_open(&b.table, paths, m->n_path, m->reference, err);
    if (st == NB_OK)
        st = nb_runs_open(&b.runs, m->cfg, err);
    if (st == NB_OK)
        st = open_judge(&b, &hooks, err);
    if (st == NB_OK)
        st = measure_files(&b, &hooks, err);
    bench_close(&b);
    return st;
}

const char *ui_compare_text(const compare *s)
{
    return s->text[0] ? nb_path_base(s->text) : "the demo's questions";
}

/* --- how long ----------------------------------------------------------------------------------
 */

/* A weight of a token takes about so long before this machine has measured anything, one thread. */
static const double GUESS = 1 / 2e10; /* s */
enum { BYTES_PER_TOKEN = 4 };
static const char speed[] = "compare.speed"; /* in the workspace: weights times tokens a second */

static double tokens_of(const compare *s)
{
    struct stat st;
    if (s->text[0])
        return stat(s->text, &st) == 0 ? (double)st.st_size / BYTES_PER_TOKEN : 0;
    return (double)s->work.like.chunks * s->work.like.n_ctx; /* 0: the demo's few */
}

/* Passes of the reference and of each file over the text. */
static double work_of_all(const compare *s, size_t reference)
{
    double params = (double)s->table.row[reference].params;
    for (size_t i = 0; i < s->table.n; i++)
        for (size_t k = 0; k < s->work.n_path && i != reference; k++)
            if (strcmp(s->work.path[k], s->table.row[i].path) == 0)
                params += (double)s->table.row[i].params;
    return params * tokens_of(s);
}

static double estimate(const compare *s)
{
    const char *kept = ui_workspace_get(ui_app_workspace(s->app), speed);
    uint64_t rate;
    if (kept && nb_parse_u64(kept, &rate) && rate)
        return s->work.weights / (double)rate;
    int threads = s->work.threads < 1 ? 1 : s->work.threads;
    return s->work.weights * GUESS / threads;
}

static void remember_speed(compare *s)
{
    char text[32];
    double took = ui_app_now(s->app) - s->work.began, rate = took > 0 ? s->work.weights / took : 0;
    if (!(rate >= 1) || !(rate < 1e18) || ui_app_scripted(s->app))
        return;
    snprintf(text, sizeof text, "%" PRIu64, (uint64_t)rate);
    ui_workspace_set(ui_app_workspace(s->app), speed, text);
}

/* --- asking for it ------------------------------------------------------------------------------
 */

/* The marked files, or the one under the cursor. */
static size_t chosen(const compare *s, compare_measure *m)
{
    const nb_compare_row *at = ui_compare_current(s);
    m->n_path = 0;
    for (size_t i = 0; i < s->table.n; i++)
        if (ui_compare_marked(s, s->table.row[i].path))
            snprintf(m->path[m->n_path++], sizeof m->path[0], "%s", s->table.row[i].path);
    if (!m->n_path && at)
        snprintf(m->path[m->n_path++], sizeof m->path[0], "%s", at->path);
    return m->n_path;
}

static void name_work(const compare *s, char label[96])
{
    if (s->work.n_path == 1)
        nb_short(label, 96, nb_path_base(s->work.path[0]));
    else
        snprintf(label, 96, "%zu files", s->work.n_path);
}

static void begin(void *arg, bool yes)
{
    compare *s = arg;
    char label[96];
    nb_err err = {0};
    if (!yes || s->measuring)
        return;
    name_work(s, label);
    s->work.began = ui_app_now(s->app);
    if (ui_app_job(s->app, &s->measuring, UI_COMPARE, "measure", label, measure, &s->work, &err) !=
        NB_OK)
        ui_app_error(s->app, err.msg, "nothing was measured", "m tries again");
}

void ui_compare_start(compare *s)
{
    char label[96], text[64], time[16], question[320];
    size_t ref = ui_compare_reference(s);
    if (s->measuring) {
        ui_app_say(s->app, "a measuring runs already: x cancels it");
        return;
    }
    if (ui_app_read_only(s->app)) {
        ui_app_say(s->app, "started with --read-only: nothing is stored");
        return;
    }
    if (ref >= s->table.n) {
        ui_app_say(s->app, "these runs have a reference that is no file of this list: [ ] shows "
                           "another group");
        return;
    }
    s->work = (compare_measure){.cfg = ui_app_config(s->app),
                                .ops = ui_app_ops(s->app),
                                .sched = ui_app_sched(s->app),
                                .threads = ui_app_threads(s->app),
                                .like = s->table.key};
    if (!chosen(s, &s->work))
        return;
    memcpy(s->work.reference, s->table.row[ref].path, sizeof s->work.reference);
    memcpy(s->work.text, s->text, sizeof s->work.text);
    s->work.weights = work_of_all(s, ref);
    double seconds = estimate(s);
    if (seconds <= UI_PARTS_LONG) {
        begin(s, true);
        return;
    }
    name_work(s, label);
    snprintf(question, sizeof question, "Measure %s on %s: about %s?", label,
             nb_short(text, sizeof text, ui_compare_text(s)), nb_human_time(time, seconds));
    ui_app_confirm(s->app, question, begin, s);
}

void ui_compare_measured(compare *s, const nb_event *e)
{
    const compare_measure *m = &s->work;
    s->measuring = NULL;
    if (e->err.status == NB_OK && m->text[0] && m->measured >= m->n_path)
        remember_speed(s);
    if (e->err.status == NB_CANCELED && m->measured)
        ui_app_say(s->app, "cancelled: %zu results are kept", m->measured);
    else if (e->err.status == NB_CANCELED)
        ui_app_say(s->app, "cancelled: nothing was measured yet");
    else if (m->text_err.status != NB_OK)
        ui_app_error(s->app, m->text_err.msg, "nothing was measured", "e chooses another text");
    else if (e->err.status != NB_OK)
        ui_app_error(s->app, e->err.msg,
                     m->measured ? "what was measured before is kept" : "nothing was measured",
                     "e chooses another text, m tries again");
    else if (!m->measured)
        ui_app_say(s->app, "measured already, on %s: nothing is missing", ui_compare_text(s));
    if (m->measured)
        ui_app_rescan(s->app);
    ui_compare_load(s);
}
