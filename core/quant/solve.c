#include "core/quant/solve.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/quant/presets.h"
#include "core/quant/sample.h"

enum { ALIGNMENT = 32, MAX_JSON = 16 << 20 };

/* Fast to encode and good for their size; the rest only with importance, which they need. */
static const nk_type_id usual[] = {NK_Q2_K, NK_Q3_K, NK_IQ4_XS, NK_Q4_K, NK_Q5_K,
                                   NK_Q6_K, NK_Q8_0, NK_IQ4_NL, NK_Q5_0, NK_Q5_1};
static const nk_type_id low_bits[] = {NK_IQ1_S, NK_IQ1_M,   NK_IQ2_XXS, NK_IQ2_XS,
                                      NK_IQ2_S, NK_IQ3_XXS, NK_IQ3_S};

/* --- items -------------------------------------------------------------------------------------
 */

static uint64_t padded(uint64_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void add_choice(nb_solve_item *it, const nb_plan *p, nk_type_id id)
{
    const nb_tensor *t = &p->layout[it->tensor];
    const nk_type *type = nk_type_get(id);
    uint64_t row;
    if (!type || !type->encode || !type->decode || it->n == NB_MAX_CHOICES ||
        !nk_row_size(type, nb_tensor_cols(t), &row) ||
        (type->wants_imatrix && !p->tensor[it->tensor].importance))
        return;
    for (size_t i = 0; i < it->n; i++)
        if (it->choice[i].type == id)
            return;
    it->choice[it->n++] = (nb_type_cost){.type = id, .bytes = padded(row * nb_tensor_rows(t))};
}

static void add_choices(nb_solve_item *it, const nb_plan *p, const nk_type_id *types, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_choice(it, p, types[i]);
    if (n)
        return;
    for (size_t i = 0; i < countof(usual); i++)
        add_choice(it, p, usual[i]);
    for (size_t i = 0; i < countof(low_bits); i++)
        add_choice(it, p, low_bits[i]);
}

nb_status nb_solve_open(nb_solve *out, const nb_plan *plan, const nk_type_id *types, size_t n_types,
                        nb_err *err)
{
    nb_solve s = {.plan = plan, .fixed = plan->file_bytes};
    s.item = nb_alloc(plan->n + 1, sizeof *s.item, "choices", err);
    if (!s.item)
        return NB_NOMEM;
    for (size_t i = 0; i < plan->n; i++) {
        nb_solve_item *it = &s.item[s.n];
        if (!nb_quantizable(&plan->layout[i]))
            continue;
        *it = (nb_solve_item){.tensor = i, .sensitivity = 1};
        add_choices(it, plan, types, n_types);
        if (!it->n) /* a width that nothing fits: as it would be anyway */
            continue;
        s.fixed -= padded(plan->tensor[i].nbytes);
        s.n++;
    }
    if (!s.n) {
        nb_solve_close(&s);
        return nb_fail(err, NB_UNSUPPORTED, "no tensor of this model can have one of these types");
    }
    *out = s;
    return NB_OK;
}

void nb_solve_close(nb_solve *s)
{
    free(s->item);
    free(s->front);
    *s = (nb_solve){0};
}

/* --- sensitivity -------------------------------------------------------------------------------
 */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Damage per squared relative error of one measured row; 0 = it says nothing. */
static double slope_of(const nb_jval *row)
{
    double kld, error;
    if (!nb_jnum(nb_jget(row, "kld"), &kld) || !nb_jnum(nb_jget(row, "weight_error"), &error) ||
        !(kld > 0) || !(error > 0))
        return 0;
    return kld / (error * error);
}

/* Tensors that were not measured take the middle of those that were. */
static nb_status apply_sensitivity(nb_solve *s, const nb_json *doc, const char *path, nb_err *err)
{
    const nb_jval *rows = nb_jget(nb_json_root(doc), "tensors");
    size_t known = 0;
    double *slope = nb_alloc(s->n, sizeof *slope, "sensitivity", err);
    double *sorted = slope ? nb_alloc(s->n, sizeof *sorted, "sensitivity", err) : NULL;
    if (!sorted) {
        free(slope);
        return NB_NOMEM;
    }
    for (const nb_jval *row = nb_jfirst(rows); row; row = nb_jnext(row)) {
        const char *name;
        if (!nb_jstr(nb_jget(row, "name"), &name))
            continue;
        for (size_t i = 0; i < s->n; i++)
            if (slope[i] == 0 && strcmp(s->plan->layout[s->item[i].tensor].name, name) == 0) {
                slope[i] = slope_of(row);
                sorted[known] = slope[i];
                known += slope[i] > 0;
            }
    }
    qsort(sorted, known, sizeof *sorted, ascending);
    for (size_t i = 0; i < s->n && known; i++)
        s->item[i].sensitivity = slope[i] > 0 ? slope[i] : sorted[known / 2];
    free(slope);
    free(sorted);
    return known ? NB_OK
                 : nb_fail(err, NB_FORMAT,
                           "%s: tensors: no name with kld and weight_error is one of this model's",
                           path);
}

nb_status nb_solve_sensitivity(nb_solve *s, const char *path, nb_err *err)
{
    nb_json *doc;
    NB_TRY(nb_json_load(&doc, path, MAX_JSON, err));
    nb_status st = apply_sensitivity(s, doc, path, err);
    nb_json_close(&doc);
    return st;
}

/* --- measuring ---------------------------------------------------------------------------------
 */

typedef struct measure {
    nb_solve *s;
    const nk_ops *ops;
    const nb_hooks *hooks;
    pthread_mutex_t lock; /* of what follows, and hooks */
    size_t done, total;
    nb_err fail;
    bool stop;
} measure;

static bool report(measure *m, size_t tensor, const nb_err *failed)
{
    pthread_mutex_lock(&m->lock);
    m->done++;
    if (failed && m->fail.status == NB_OK)
        m->fail = *failed;
    if (!m->stop && nb_canceled(m->hooks))
        nb_fail(&m->fail, NB_CANCELED, "cancelled");
    m->stop |= m->fail.status != NB_OK;
    nb_report(m->hooks, &(nb_progress){.what = m->s->plan->layout[tensor].name,
                                       .done = m->done,
                                       .total = m->total});
    bool go_on = !m->stop;
    pthread_mutex_unlock(&m->lock);
    return go_on;
}

static void measure_items(void *arg, size_t begin, size_t end, int thread)
{
    measure *m = arg;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        nb_solve_item *it = &m->s->item[i];
        const nb_planned *p = &m->s->plan->tensor[it->tensor];
        for (size_t k = 0; k < it->n; k++) {
            nb_err err = {0};
            nb_sample sample;
            const nk_type *to = nk_type_get(it->choice[k].type);
            nb_status st = nb_sample_type(&sample, p->src, to, p->importance, m->ops, &err);
            if (st == NB_OK)
                it->choice[k].damage = it->sensitivity * nb_sample_share(&sample);
            if (!report(m, it->tensor, st == NB_OK ? NULL : &err))
                return;
        }
    }
}

nb_status nb_solve_measure(nb_solve *s, const nk_ops *ops, nk_pool *pool, const nb_hooks *hooks,
                           nb_err *err)
{
    measure m = {.s = s, .ops = ops, .hooks = hooks};
    for (size_t i = 0; i < s->n; i++)
        m.total += s->item[i].n;
    pthread_mutex_init(&m.lock, NULL);
    nk_parallel(pool, s->n, 1, measure_items, &m);
    pthread_mutex_destroy(&m.lock);
    if (m.fail.status != NB_OK) {
        if (err)
            *err = m.fail;
        return m.fail.status;
    }
    return nb_solve_front(s, err);
}

/* --- the front ---------------------------------------------------------------------------------
 */

static int by_bytes(const void *a, const void *b)
{
    const nb_type_cost *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return x->damage < y->damage ? -1 : x->damage > y->damage;
}

static double saving(const nb_type_cost *from, const nb_type_cost *to)
{
    return (from->damage - to->damage) / (double)(to->bytes - from->bytes);
}

/* Sorts the choices and keeps those on the lower convex hull. */
static void hull(nb_solve_item *it)
{
    size_t n = 0;
    qsort(it->choice, it->n, sizeof *it->choice, by_bytes);
    for (size_t i = 0; i < it->n; i++) {
        nb_type_cost c = it->choice[i];
        if (n && (c.bytes == it->choice[n - 1].bytes || c.damage >= it->choice[n - 1].damage))
            continue; /* no smaller and no better */
        while (n > 1 &&
               saving(&it->choice[n - 2], &it->choice[n - 1]) <= saving(&it->choice[n - 1], &c))
            n--;
        it->choice[n++] = c;
    }
    it->n = n;
    it->taken = 0;
}

/* The item whose next step saves most per byte and fits into room; SIZE_MAX = none. Of equals the
 * first. */
static size_t best_step(const nb_solve *s, uint64_t room)
{
    size_t best = SIZE_MAX;
    double most = 0;
    for (size_t i = 0; i < s->n; i++) {
        const nb_solve_item *it = &s->item[i];
        if (it->taken + 1 >= it->n)
            continue;
        const nb_type_cost *from = &it->choice[it->taken], *to = from + 1;
        double save = saving(from, to);
        if (to->bytes - from->bytes <= room && save > most) {
            most = save;
            best = i;
        }
    }
    return best;
}

static nb_front_point point_of(const nb_solve *s)
{
    nb_front_point p = {.bytes = s->fixed};
    uint64_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        const nb_type_cost *c = &s->item[i].choice[s->item[i].taken];
        p.bytes += c->bytes;
        p.damage += c->damage;
    }
    kept = p.bytes - s->plan->header.len;
    p.bpw = s->plan->params ? 8.0 * (double)kept / (double)s->plan->params : 0;
    return p;
}

static void start_smallest(nb_solve *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->item[i].taken = 0;
}

nb_status nb_solve_front(nb_solve *s, nb_err *err)
{
    size_t steps = 1, i;
    for (i = 0; i < s->n; i++) {
        hull(&s->item[i]);
        steps += s->item[i].n - 1;
    }
    free(s->front);
    s->n_front = 0;
    s->front = nb_alloc(steps, sizeof *s->front, "front", err);
    if (!s->front)
        return NB_NOMEM;
    start_smallest(s);
    s->front[s->n_front++] = point_of(s);
    while ((i = best_step(s, UINT64_MAX)) != SIZE_MAX) {
        s->item[i].taken++;
        s->front[s->n_front++] = point_of(s);
    }
    start_smallest(s);
    return NB_OK;
}

nb_status nb_solve_pick(nb_solve *s, uint64_t bytes, nb_front_point *out, nb_err *err)
{
    size_t i;
    start_smallest(s);
    nb_front_point p = point_of(s);
    if (p.bytes > bytes)
        return nb_fail(err, NB_NOTFOUND,
                       "no choice of these types fits %llu bytes: the smallest file has %llu",
                       (unsigned long long)bytes, (unsigned long long)p.bytes);
    while ((i = best_step(s, bytes - p.bytes)) != SIZE_MAX) {
        s->item[i].taken++;
        p = point_of(s);
    }
    *out = p;
    return NB_OK;
}
