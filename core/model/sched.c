#include "core/model/sched.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/base/str.h"

struct nb_lease {
    nb_sched *sched; /* borrowed */
    nk_pool *pool;   /* owned while leased */
    nb_work work;
    int want;   /* 1..cores */
    int active; /* width in effect; under sched's mutex */
    nb_lease *next;
};

struct nb_sched {
    int cores;
    pthread_mutex_t mutex; /* guards everything below and each lease's active */
    nb_lease *leases;      /* oldest first */
    nk_pool **spare;       /* pools of returned leases, for the next ones; owned */
    size_t n_spare, cap_spare;
};

nb_status nb_sched_open(nb_sched **out, int cores, nb_err *err)
{
    nb_sched *s = nb_alloc(1, sizeof *s, "scheduler", err);
    if (!s)
        return NB_NOMEM;
    s->cores = cores < 1 ? 1 : cores;
    if (pthread_mutex_init(&s->mutex, NULL) != 0) {
        free(s);
        return nb_fail(err, NB_NOMEM, "scheduler: no mutex");
    }
    *out = s;
    return NB_OK;
}

void nb_sched_close(nb_sched **sp)
{
    nb_sched *s = *sp;
    if (!s)
        return;
    for (size_t i = 0; i < s->n_spare; i++)
        nk_pool_close(&s->spare[i]);
    free(s->spare);
    pthread_mutex_destroy(&s->mutex);
    free(s);
    *sp = NULL;
}

/* A spare pool, or NULL. Pools are all `cores` wide; the lease's limit narrows them. */
static nk_pool *take_spare(nb_sched *s)
{
    pthread_mutex_lock(&s->mutex);
    nk_pool *pool = s->n_spare ? s->spare[--s->n_spare] : NULL;
    pthread_mutex_unlock(&s->mutex);
    return pool;
}

/* Room for every lease's pool to come back, made when the lease is taken so that giving back
 * cannot fail. Under the mutex. */
static bool reserve_spare(nb_sched *s)
{
    size_t leases = 1;
    for (const nb_lease *l = s->leases; l; l = l->next)
        leases++;
    if (s->n_spare + leases <= s->cap_spare)
        return true;
    size_t cap = s->n_spare + leases + 4;
    nk_pool **grown = realloc(s->spare, cap * sizeof *grown);
    if (!grown)
        return false;
    s->spare = grown;
    s->cap_spare = cap;
    return true;
}

nb_status nb_lease_take(nb_lease **out, nb_sched *s, nb_work work, int want, nb_err *err)
{
    nb_lease *l = nb_alloc(1, sizeof *l, "lease", err);
    if (!l)
        return NB_NOMEM;
    *l = (nb_lease){.sched = s, .work = work, .active = 1};
    l->want = want < 1 || want > s->cores ? s->cores : want;
    l->pool = take_spare(s);
    nb_status status = l->pool ? NB_OK : nk_pool_open(&l->pool, s->cores, err);
    if (status != NB_OK) {
        free(l);
        return status;
    }
    pthread_mutex_lock(&s->mutex);
    bool room = reserve_spare(s);
    if (room) {
        nb_lease **tail = &s->leases;
        while (*tail)
            tail = &(*tail)->next;
        *tail = l;
    }
    pthread_mutex_unlock(&s->mutex);
    if (!room) {
        nk_pool_close(&l->pool);
        free(l);
        return nb_fail(err, NB_NOMEM, "lease: not enough memory");
    }
    nk_pool_limit(l->pool, 1);
    *out = l;
    return NB_OK;
}

/* What the lease is due: one core each first, then the rest by priority; within one kind of work
 * in equal parts, earlier leases taking the odd core. Under the mutex. */
static int due(const nb_sched *s, const nb_lease *me)
{
    int left = s->cores;
    for (const nb_lease *l = s->leases; l; l = l->next)
        left -= 1;
    int mine = 1;
    for (int work = NB_WORK_CHAT; work <= NB_WORK_EVAL && left > 0; work++) {
        for (int width = 2; width <= s->cores && left > 0; width++)
            for (const nb_lease *l = s->leases; l && left > 0; l = l->next)
                if ((int)l->work == work && l->want >= width) {
                    left--;
                    if (l == me)
                        mine = width;
                }
    }
    return mine;
}

nk_pool *nb_lease_pool(nb_lease *me)
{
    nb_sched *s = me->sched;
    pthread_mutex_lock(&s->mutex);
    int room = s->cores; /* others narrow only at their own next call */
    for (const nb_lease *l = s->leases; l; l = l->next)
        if (l != me)
            room -= l->active;
    int width = due(s, me);
    if (width > room)
        width = room;
    me->active = width < 1 ? 1 : width;
    width = me->active;
    pthread_mutex_unlock(&s->mutex);
    nk_pool_limit(me->pool, width);
    return me->pool;
}

void nb_lease_return(nb_lease **lp)
{
    nb_lease *me = *lp;
    if (!me)
        return;
    nb_sched *s = me->sched;
    pthread_mutex_lock(&s->mutex);
    nb_lease **at = &s->leases;
    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
    s->spare[s->n_spare++] = me->pool;
    pthread_mutex_unlock(&s->mutex);
    free(me);
    *lp = NULL;
}
