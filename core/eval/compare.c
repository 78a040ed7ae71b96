#include "core/eval/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/files/weights.h"
#include "core/quant/fit.h"

/* --- files -------------------------------------------------------------------------------------
 */

static void dominant_type(nb_compare_row *r, const nb_weights *w)
{
    uint64_t bytes[NK_TYPE_SLOTS] = {0};
    uint32_t most = 0;
    for (size_t i = 0; i < nb_weights_count(w); i++) {
        const nb_tensor *t = &nb_weights_at(w, i)->t;
        r->bytes += t->nbytes;
        r->params += nb_tensor_count(t);
        bytes[t->type] += t->nbytes;
        most = bytes[t->type] > bytes[most] ? t->type : most;
    }
    const nk_type *type = nk_type_get(most);
    snprintf(r->type_name, sizeof r->type_name, "%s", type ? type->name : "");
    r->bpw = r->params ? 8.0 * (double)r->bytes / (double)r->params : 0;
}

/* Nothing for an architecture that does not run here. */
static void memory_need(nb_compare_row *r, const nb_weights *w)
{
    nb_hparams hp;
    if (nb_hparams_read(&hp, nb_weights_kvs(w), NULL) != NB_OK)
        return;
    r->ram_ctx =
        hp.n_ctx_train && hp.n_ctx_train < NB_COMPARE_CTX ? hp.n_ctx_train : NB_COMPARE_CTX;
    r->ram = nb_fit_of(&hp, nb_weights_file_bytes(w), r->ram_ctx, false, 0).total;
}

static nb_status open_row(nb_compare_row *r, const char *path, nb_err *err)
{
    nb_weights *w = NULL;
    if (strlen(path) >= sizeof r->path)
        return nb_fail(err, NB_USAGE, "%.60s...: the path is too long", path);
    NB_TRY(nb_weights_open(&w, path, err));
    snprintf(r->path, sizeof r->path, "%s", path);
    nb_short(r->name, sizeof r->name, nb_path_base(path));
    r->model = nb_weights_fingerprint(w);
    dominant_type(r, w);
    memory_need(r, w);
    nb_weights_close(&w);
    return NB_OK;
}

static void swap_first(nb_compare *c, size_t i)
{
    nb_compare_row t = c->row[0];
    c->row[0] = c->row[i];
    c->row[i] = t;
}

nb_status nb_compare_open(nb_compare *out, const char *const *paths, size_t n,
                          const char *reference, nb_err *err)
{
    nb_compare c = {0};
    size_t best = 0;
    if (n == 0)
        return nb_fail(err, NB_USAGE, "no files to compare");
    c.row = nb_alloc((uint64_t)n + 1, sizeof *c.row, "table of files", err);
    if (!c.row)
        return NB_NOMEM;
    nb_status st = reference ? open_row(&c.row[c.n++], reference, err) : NB_OK;
    for (size_t i = 0; i < n && st == NB_OK; i++) {
        st = open_row(&c.row[c.n], paths[i], err);
        bool again = reference && st == NB_OK && c.row[c.n].model == c.row[0].model;
        if (again)
            memset(&c.row[c.n], 0, sizeof *c.row);
        c.n += !again;
    }
    for (size_t i = 1; i < c.n && !reference; i++)
        best = c.row[i].bpw > c.row[best].bpw ? i : best;
    if (st != NB_OK) {
        nb_compare_close(&c);
        return st;
    }
    if (best)
        swap_first(&c, best);
    c.row[0].is_reference = true;
    c.key.reference = c.row[0].model;
    *out = c;
    return NB_OK;
}

void nb_compare_close(nb_compare *c)
{
    free(c->row);
    *c = (nb_compare){0};
}

const char *nb_compare_reference(const nb_compare *c)
{
    return c->row[0].path;
}

/* --- figures -----------------------------------------------------------------------------------
 */

void nb_compare_put_kld(nb_compare *c, size_t i, const nb_kld *k)
{
    nb_compare_row *r = &c->row[i];
    r->has_kld = r->has_ppl = true;
    r->kld = *k;
    r->ppl = k->ppl;
    r->ppl_err = k->ppl_err;
    if (c->row[0].is_reference && !c->row[0].has_ppl) { /* every divergence tells the reference's */
        c->row[0].has_ppl = true;
        c->row[0].ppl = k->base_ppl;
        c->row[0].ppl_err = k->base_ppl_err;
    }
}

void nb_compare_put_facts(nb_compare *c, size_t i, const nb_task_score *s)
{
    c->row[i].has_facts = true;
    c->row[i].facts = *s;
}

nb_status nb_compare_ask(nb_compare *c, const char *json, size_t n, const char *sha256, nb_err *err)
{
    nb_tasks *t = NULL;
    NB_TRY(nb_tasks_open(&t, NB_TASK_QA, json, n, 0, "questions", err));
    c->qa_key = (nb_run_key){.chunks = (uint32_t)nb_tasks_count(t)};
    nb_tasks_close(&t);
    snprintf(c->qa_key.text, sizeof c->qa_key.text, "%s", sha256);
    snprintf(c->qa_key.protocol, sizeof c->qa_key.protocol, "%s", nb_task_name(NB_TASK_QA));
    return NB_OK;
}

static void look_row(nb_compare *c, size_t i, const nb_runs *runs)
{
    nb_compare_row *r = &c->row[i];
    nb_run_key key = c->key, qa = c->qa_key;
    nb_task_score facts;
    nb_kld k;
    nb_ppl p;
    key.model = qa.model = r->model;
    if (c->key.text[0] && !r->is_reference && nb_runs_find(runs, NB_RUN_KLD, &key, &k))
        nb_compare_put_kld(c, i, &k);
    key.reference = 0;
    if (c->key.text[0] && !r->has_ppl && nb_runs_find(runs, NB_RUN_PPL, &key, &p)) {
        r->has_ppl = true;
        r->ppl = p.perplexity;
        r->ppl_err = p.stderr_;
    }
    if (c->qa_key.text[0] && nb_runs_find(runs, NB_RUN_FACTS, &qa, &facts))
        nb_compare_put_facts(c, i, &facts);
    r->has_speed = nb_runs_speed(runs, r->model, &r->pp_tok_s, &r->tg_tok_s);
}

void nb_compare_look(nb_compare *c, const nb_runs *runs)
{
    for (size_t i = 0; i < c->n; i++)
        look_row(c, i, runs);
}

static size_t files_with(const nb_compare *c, const nb_runs *runs, const nb_run_key *like)
{
    size_t n = 0;
    for (size_t i = 1; i < c->n; i++) {
        nb_run_key key = *like;
        nb_kld k;
        key.model = c->row[i].model;
        n += nb_runs_find(runs, NB_RUN_KLD, &key, &k);
    }
    return n;
}

bool nb_compare_guess(nb_compare *c, const nb_runs *runs)
{
    size_t most = 0;
    for (size_t i = nb_runs_count(runs); i > 0; i--) { /* of equal ones the latest */
        const nb_run_key *key;
        const void *record;
        if (nb_runs_at(runs, i - 1, &key, &record) != NB_RUN_KLD ||
            key->reference != c->row[0].model)
            continue;
        size_t n = files_with(c, runs, key);
        if (n > most) {
            most = n;
            c->key = *key;
            c->key.model = 0;
        }
    }
    return most > 0;
}

/* --- axes --------------------------------------------------------------------------------------
 */

static const char *const axis_name[NB_AXIS_COUNT] = {
    [NB_AXIS_BYTES] = "size",       [NB_AXIS_BPW] = "bits per weight",
    [NB_AXIS_RAM] = "memory",       [NB_AXIS_KLD] = "KL divergence",
    [NB_AXIS_PPL] = "perplexity",   [NB_AXIS_TOP1] = "changed top tokens",
    [NB_AXIS_FACTS] = "facts lost", [NB_AXIS_SPEED] = "time per token",
};

const char *nb_axis_name(nb_compare_axis a)
{
    return axis_name[a];
}

bool nb_compare_value(const nb_compare_row *r, nb_compare_axis a, double *value, double *err)
{
    const struct {
        bool known;
        double value, err;
    } of[NB_AXIS_COUNT] = {
        [NB_AXIS_BYTES] = {r->bytes > 0, (double)r->bytes, 0},
        [NB_AXIS_BPW] = {r->bpw > 0, r->bpw, 0},
        [NB_AXIS_RAM] = {r->ram > 0, (double)r->ram, 0},
        [NB_AXIS_KLD] = {r->has_kld, r->kld.kld.mean, r->kld.kld.err},
        [NB_AXIS_PPL] = {r->has_ppl, r->ppl, r->ppl_err},
        [NB_AXIS_TOP1] = {r->has_kld, 1 - r->kld.same_top, r->kld.same_top_err},
        [NB_AXIS_FACTS] = {r->has_facts, 1 - r->facts.score, (r->facts.hi - r->facts.lo) / 3.92},
        [NB_AXIS_SPEED] = {r->has_speed && r->tg_tok_s > 0, r->tg_tok_s > 0 ? 1 / r->tg_tok_s : 0,
                           0},
    };
    *value = of[a].value;
    *err = of[a].err;
    return of[a].known;
}

bool nb_compare_beats(const nb_compare_row *a, const nb_compare_row *b, nb_compare_axis x,
                      nb_compare_axis y)
{
    double ax, ay, bx, by, err;
    if (!nb_compare_value(a, x, &ax, &err) || !nb_compare_value(a, y, &ay, &err) ||
        !nb_compare_value(b, x, &bx, &err) || !nb_compare_value(b, y, &by, &err))
        return false;
    return ax <= bx && ay <= by && (ax < bx || ay < by);
}

void nb_compare_front(nb_compare *c, nb_compare_axis x, nb_compare_axis y)
{
    for (size_t i = 0; i < c->n; i++) {
        double v, err;
        nb_compare_row *r = &c->row[i];
        r->front = nb_compare_value(r, x, &v, &err) && nb_compare_value(r, y, &v, &err);
        for (size_t k = 0; k < c->n && r->front; k++)
            r->front = !nb_compare_beats(&c->row[k], r, x, y);
    }
}
