#include "tests/check.h"
#include "tests/util.h"

#include "core/model/sched.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>

static nb_sched *sched(int cores)
{
    nb_sched *s = NULL;
    nb_err err;
    check(nb_sched_open(&s, cores, &err) == NB_OK, "open: %s", err.msg);
    return s;
}

static nb_lease *lease(nb_sched *s, nb_work work, int want)
{
    nb_lease *l = NULL;
    nb_err err;
    check(nb_lease_take(&l, s, work, want, &err) == NB_OK, "take: %s", err.msg);
    return l;
}

/* Different threads that take part in a parallel call: its active width, as far as work allows. */
typedef struct meet {
    atomic_int inside, most;
    atomic_uint seen; /* bit per participant */
} meet;

static void visit(void *arg, size_t begin, size_t end, int thread)
{
    meet *m = arg;
    (void)begin;
    (void)end;
    atomic_fetch_or(&m->seen, 1u << thread);
    int now = atomic_fetch_add(&m->inside, 1) + 1, most = atomic_load(&m->most);
    while (now > most && !atomic_compare_exchange_weak(&m->most, &most, now))
        ;
    for (int i = 0; i < 20; i++)
        sched_yield();
    atomic_fetch_sub(&m->inside, 1);
}

/* Participants of the lease's pool: `want` of them turn up (on a busy machine after a while), and
 * never one more. */
static bool is_width(nb_lease *l, int want)
{
    meet m = {0};
    nk_pool *pool = nb_lease_pool(l);
    for (int i = 0; i < 20000; i++) {
        nk_parallel(pool, 64, 1, visit, &m);
        unsigned seen = atomic_load(&m.seen);
        if (seen >> want)
            return false;
        if (i >= 8 && seen == (1u << want) - 1)
            return true;
    }
    return false;
}

CHECK_TEST(sched, one_lease_has_every_core_or_what_it_wants)
{
    nb_sched *s = sched(4);
    nb_lease *l = lease(s, NB_WORK_EVAL, 0);
    check(is_width(l, 4), "width is not 4");
    nb_lease_return(&l);
    check(!l, "returned leases are NULL");
    l = lease(s, NB_WORK_EVAL, 2);
    check(is_width(l, 2), "width is not 2");
    nb_lease_return(&l);
    l = lease(s, NB_WORK_CHAT, 99);
    check(is_width(l, 4), "width is not 4");
    nb_lease_return(&l);
    nb_lease_return(&l);
    nb_sched_close(&s);
    nb_sched_close(&s);
}

CHECK_TEST(sched, chat_comes_before_quantize_before_eval)
{
    nb_sched *s = sched(6);
    nb_lease *eval = lease(s, NB_WORK_EVAL, 0), *quantize, *chat;
    check(is_width(eval, 6), "alone");
    quantize = lease(s, NB_WORK_QUANTIZE, 0);
    check(is_width(quantize, 1), "eval still holds the rest");
    check(is_width(eval, 1) && is_width(quantize, 5), "quantize before eval");
    chat = lease(s, NB_WORK_CHAT, 3);
    check(is_width(eval, 1) && is_width(quantize, 2) && is_width(chat, 3),
          "chat takes what it wants");
    nb_lease_return(&chat);
    check(is_width(eval, 1) && is_width(quantize, 5), "given back to quantize");
    nb_lease_return(&quantize);
    check(is_width(eval, 6), "given back to eval");
    nb_lease_return(&eval);
    nb_sched_close(&s);
}

CHECK_TEST(sched, equals_share_evenly_and_nobody_starves)
{
    nb_sched *s = sched(5);
    nb_lease *a = lease(s, NB_WORK_CHAT, 0), *b = lease(s, NB_WORK_CHAT, 0);
    nb_lease_pool(a);
    nb_lease_pool(b);
    check(is_width(a, 3) && is_width(b, 2), "three and two");
    nb_lease *more[6];
    for (int i = 0; i < 6; i++)
        more[i] = lease(s, NB_WORK_EVAL, 0);
    check(is_width(a, 1) && is_width(b, 1), "more leases than cores");
    for (int i = 0; i < 6; i++) {
        check(is_width(more[i], 1), "at least one each");
        nb_lease_return(&more[i]);
    }
    nb_lease_return(&a);
    nb_lease_return(&b);
    nb_sched_close(&s);
}

/* Many jobs on their own threads: widths in use never exceed the cores as long as there are no
 * more jobs than cores, counting a newcomer's one. */
enum { CORES = 4, JOBS = 4, TURNS = 30 };

typedef struct job {
    nb_sched *s;
    meet *m;
    unsigned seed;
    atomic_int *failed;
} job;

static void *run_job(void *arg)
{
    job *j = arg;
    test_rng rng = test_rng_make(j->seed);
    for (int i = 0; i < TURNS; i++) {
        nb_lease *l = NULL;
        nb_err err;
        if (nb_lease_take(&l, j->s, (nb_work)test_below(&rng, 3), (int)test_below(&rng, 6), &err)) {
            atomic_fetch_add(j->failed, 1);
            return NULL;
        }
        for (int k = 0; k < 3; k++)
            nk_parallel(nb_lease_pool(l), 8, 1, visit, j->m);
        nb_lease_return(&l);
    }
    return NULL;
}

CHECK_TEST(sched, jobs_on_many_threads_keep_within_the_cores_A28)
{
    nb_sched *s = sched(CORES);
    meet m = {0};
    atomic_int failed = 0;
    job jobs[JOBS];
    pthread_t thread[JOBS];
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i] = (job){s, &m, i + 1, &failed};
        check(pthread_create(&thread[i], NULL, run_job, &jobs[i]) == 0, "thread");
    }
    for (int i = 0; i < JOBS; i++)
        pthread_join(thread[i], NULL);
    check(atomic_load(&failed) == 0, "%d leases failed", atomic_load(&failed));
    /* a newcomer's one core stands beside widths granted before it came */
    check(atomic_load(&m.most) <= CORES + JOBS - 1, "%d threads at once", atomic_load(&m.most));
    nb_sched_close(&s);
}
