#include "core/eval/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/files/weights.h"

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
    if (!c->row[0].has_ppl) { /* every divergence tells the reference's */
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
    [NB_AXIS_BYTES] = "size",
    [NB_AXIS_BPW] = "bits per weight",
    [NB_AXIS_KLD] = "KL divergence",
    [NB_AXIS_PPL] = "perplexity",
    [NB_AXIS_TOP1] = "changed top tokens",
    [NB_AXIS_FACTS] = "facts lost",
    [NB_AXIS_SPEED] = "time per token",
};

const char *nb_axis_name(nb_compare_axis a)
{
    return axis_name[a];
}

/* A reference diverges from itself by nothing. */
static bool measured(const nb_compare_row *r)
{
    return r->has_kld || r->is_reference;
}

bool nb_compare_value(const nb_compare_row *r, nb_compare_axis a, double *value, double *err)
{
    const struct {
        bool known;
        double value, err;
    } of[NB_AXIS_COUNT] = {
        [NB_AXIS_BYTES] = {r->bytes > 0, (double)r->bytes, 0},
        [NB_AXIS_BPW] = {r->bpw > 0, r->bpw, 0},
        [NB_AXIS_KLD] = {measured(r), r->kld.kld.mean, r->kld.kld.err},
        [NB_AXIS_PPL] = {r->has_ppl, r->ppl, r->ppl_err},
        [NB_AXIS_TOP1] = {measured(r), r->has_kld ? 1 - r->kld.same_top : 0, r->kld.same_top_err},
        [NB_AXIS_FACTS] = {r->has_facts, 1 - r->facts.score, (r->facts.hi - r->facts.lo) / 3.92},
        [NB_AXIS_SPEED] = {r->has_speed && r->tg_tok_s > 0, r->tg_tok_s > 0 ? 1 / r->tg_tok_s : 0,
                           0},
    };
    *value = of[a].value;
    *err = of[a].err;
    return of[a].known;
}

/* Whether file a makes b superfluous: as good on both axes, better on one. */
static bool beats(const nb_compare_row *a, const nb_compare_row *b, nb_compare_axis x,
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
            r->front = !beats(&c->row[k], r, x, y);
    }
}

/* --- advice ------------------------------------------------------------------------------------
 */

/* What a divergence means, from Llama-3-8B's anchors (quant.md 4.5): q6_K .005, q5_K_M .011,
 * q4_K_M .03, q3_K_M .1, q2_K .45. */
static const struct {
    double below;
    const char *word;
    bool freely; /* worth keeping for more than want of room */
} grades[] = {
    {0.002, "next to no loss", true}, {0.015, "hardly a loss", true},
    {0.06, "a small loss", true},     {0.2, "a clear loss", false},
    {0.7, "a heavy loss", false},     {HUGE_VAL, "little is left of the model", false},
};

static size_t grade_of(double kld)
{
    size_t i = 0;
    while (i + 1 < countof(grades) && !(kld < grades[i].below))
        i++;
    return i;
}

/* The smallest gap up in size among files of the front; NULL: r is the largest but the reference.
 */
static const nb_compare_row *next_up(const nb_compare *c, const nb_compare_row *r)
{
    const nb_compare_row *up = NULL;
    for (size_t i = 0; i < c->n; i++) {
        const nb_compare_row *o = &c->row[i];
        if (o->front && !o->is_reference && o->bytes > r->bytes && (!up || o->bytes < up->bytes))
            up = o;
    }
    return up;
}

static const nb_compare_row *best_over(const nb_compare *c, const nb_compare_row *r,
                                       nb_compare_axis y)
{
    const nb_compare_row *best = NULL;
    for (size_t i = 0; i < c->n; i++) {
        const nb_compare_row *o = &c->row[i];
        double a, b, err;
        if (o != r && beats(o, r, NB_AXIS_BYTES, y) && nb_compare_value(o, y, &a, &err) &&
            (!best || (nb_compare_value(best, y, &b, &err) && a < b)))
            best = o;
    }
    return best;
}

/* Two values that lie within two standard errors of their difference cannot be told apart. */
static bool same_within_noise(const nb_compare_row *a, const nb_compare_row *b, nb_compare_axis y)
{
    double va, vb, ea, eb;
    return nb_compare_value(a, y, &va, &ea) && nb_compare_value(b, y, &vb, &eb) &&
           fabs(va - vb) <= 2 * sqrt(ea * ea + eb * eb);
}

static void advise_beaten(nb_compare_row *r, const nb_compare_row *o, nb_compare_axis y)
{
    char size[16], own[16];
    double a = 0, b = 0, err;
    nb_compare_value(o, y, &a, &err);
    nb_compare_value(r, y, &b, &err);
    bool even = same_within_noise(r, o, y);
    nb_human_bytes(size, o->bytes);
    nb_human_bytes(own, r->bytes);
    snprintf(r->advice, sizeof r->advice,
             "drop it: %.60s takes %s instead of %s and %s (%s %.4f, %.4f here)", o->name, size,
             own, even ? "is as good within the noise" : "is better", nb_axis_name(y), a, b);
}

static void advise_front(const nb_compare *c, nb_compare_row *r, nb_compare_axis y)
{
    const nb_compare_row *up = next_up(c, r);
    nb_str s = {0};
    double v = 0, w = 0, err;
    nb_compare_value(r, y, &v, &err);
    if (y == NB_AXIS_KLD)
        nb_str_addf(&s, "keep it%s: %s (KL %.2g) at %.2f bits per weight",
                    grades[grade_of(v)].freely ? "" : " only where nothing larger fits",
                    grades[grade_of(v)].word, v, r->bpw);
    else
        nb_str_addf(&s, "keep it: nothing smaller has a lower perplexity");
    if (up && nb_compare_value(up, y, &w, &err) && w > 0) {
        double share = 100 * (1 - (double)r->bytes / (double)up->bytes);
        if (same_within_noise(r, up, y))
            nb_str_addf(&s, "; %.0f %% smaller than %.60s, as good within the noise", share,
                        up->name);
        else
            nb_str_addf(&s, "; %.0f %% smaller than %.60s for %.2g times its %s", share, up->name,
                        v / w, nb_axis_name(y));
    }
    if (r->has_facts)
        nb_str_addf(&s, "; knows %llu of %llu facts", (unsigned long long)r->facts.right,
                    (unsigned long long)r->facts.asked);
    nb_short(r->advice, sizeof r->advice, nb_str_c(&s));
    nb_str_free(&s);
}

void nb_compare_advise(nb_compare *c)
{
    nb_compare_axis y = NB_AXIS_PPL;
    for (size_t i = 0; i < c->n; i++)
        y = c->row[i].has_kld ? NB_AXIS_KLD : y;
    nb_compare_front(c, NB_AXIS_BYTES, y);
    for (size_t i = 0; i < c->n; i++) {
        nb_compare_row *r = &c->row[i];
        double v, err;
        const nb_compare_row *better = best_over(c, r, y);
        if (r->is_reference)
            snprintf(r->advice, sizeof r->advice,
                     "the reference: keep it to make other files from");
        else if (!nb_compare_value(r, y, &v, &err))
            snprintf(r->advice, sizeof r->advice,
                     "not measured under the same reference, text and context");
        else if (better)
            advise_beaten(r, better, y);
        else
            advise_front(c, r, y);
    }
}
