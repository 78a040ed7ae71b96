/* A first pass for methods whose scale is one for a whole tensor: its range, and of clipped ones
 * the share of it with the least squared error. Tensor by tensor; sums are taken tile by tile and
 * added in their order, so that any number of threads finds the same. */
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/quant/run.h"

typedef struct survey {
    nb_run *run;
    size_t tensor;
    const nb_method *method;
    uint64_t end;                   /* tile behind the tensor's last */
    double (*error)[NB_CLIP_STEPS]; /* [n_tiles]; NULL while the range is looked for */
} survey;

typedef struct look {
    const survey *s;
    nb_encode_job job;
    nb_range range;
    double *error;
} look;

static void see_range(void *arg, const float *src, size_t n)
{
    nb_range *r = &((look *)arg)->range;
    for (size_t i = 0; i < n; i++) {
        r->lo = src[i] < r->lo ? src[i] : r->lo;
        r->hi = src[i] > r->hi ? src[i] : r->hi;
    }
}

static void see_error(void *arg, const float *src, size_t n)
{
    look *l = arg;
    l->s->method->survey(&l->job, &l->range, src, n, l->error);
}

static void work(void *arg, size_t begin, size_t end, int thread)
{
    survey *s = arg;
    nb_run *run = s->run;
    uint64_t first = run->cut[s->tensor].first_tile;
    look l = {
        .s = s,
        .job = {.ops = run->ops, .type = run->plan->tensor[s->tensor].type, .knobs = &run->knobs}};
    (void)begin;
    (void)end;
    for (;;) {
        uint64_t i = atomic_fetch_add(&run->next, 1);
        if (i >= s->end)
            break;
        if (s->error) {
            l.range = run->range[s->tensor];
            l.error = s->error[i - first];
        }
        if (!nb_tile_each(run, &run->space[thread], i, s->error ? see_error : see_range, &l))
            return;
    }
    if (s->error)
        return;
    pthread_mutex_lock(&run->lock);
    nb_range *r = &run->range[s->tensor];
    r->lo = l.range.lo < r->lo ? l.range.lo : r->lo;
    r->hi = l.range.hi > r->hi ? l.range.hi : r->hi;
    pthread_mutex_unlock(&run->lock);
}

static void pass(survey *s, nk_pool *pool, int threads)
{
    atomic_store(&s->run->next, s->run->cut[s->tensor].first_tile);
    nk_parallel(pool, (size_t)threads, 1, work, s);
}

static nb_status clip(survey *s, nk_pool *pool, int threads, nb_err *err)
{
    uint64_t n = s->run->cut[s->tensor].n_tiles;
    double sum[NB_CLIP_STEPS] = {0};
    size_t best = 0;
    s->error = nb_alloc(n, sizeof *s->error, "tile sums", err);
    if (!s->error)
        return NB_NOMEM;
    pass(s, pool, threads);
    for (uint64_t i = 0; i < n; i++)
        for (size_t k = 0; k < NB_CLIP_STEPS; k++)
            sum[k] += s->error[i][k];
    for (size_t k = 1; k < NB_CLIP_STEPS; k++)
        best = sum[k] < sum[best] ? k : best;
    nb_range *r = &s->run->range[s->tensor];
    float share = 1.0f - (float)best / 100.0f;
    *r = (nb_range){r->lo * share, r->hi * share};
    free(s->error);
    s->error = NULL;
    return NB_OK;
}

nb_status nb_run_survey(nb_run *run, nk_pool *pool, int threads, nb_err *err)
{
    if (run->knobs.group != NB_GROUP_TENSOR)
        return NB_OK;
    for (size_t i = 0; i < run->plan->n && !atomic_load(&run->stop); i++) {
        const nb_planned *p = &run->plan->tensor[i];
        survey s = {.run = run,
                    .tensor = i,
                    .method = nb_run_method(run, i),
                    .end = run->cut[i].first_tile + run->cut[i].n_tiles};
        if (run->kept[i] || p->src_type == p->type->id || !s.method->survey)
            continue;
        pass(&s, pool, threads);
        if (run->knobs.mse)
            NB_TRY(clip(&s, pool, threads, err));
    }
    return NB_OK;
}
