#include "tests/check.h"
#include "tests/util.h"

#include "kernels/cpu.h"
#include "kernels/pool.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static nk_pool *open_pool(int threads)
{
    nk_pool *pool;
    nb_err err = {0};
    check(nk_pool_open(&pool, threads, &err) == NB_OK, "%s", err.msg);
    return pool;
}

enum { MAX_ITEMS = 1100 };

/* Plain bytes on purpose: TSan sees it if two threads ever get the same item. */
typedef struct tally {
    unsigned char seen[MAX_ITEMS];
    size_t n, grain;
    int threads; /* numbers allowed: 0..threads-1 */
    atomic_int bad;
} tally;

static void count_items(void *arg, size_t begin, size_t end, int thread)
{
    tally *t = arg;
    if (begin >= end || end > t->n || end - begin > t->grain || thread < 0 || thread >= t->threads)
        atomic_fetch_add(&t->bad, 1);
    for (size_t i = begin; i < end && i < MAX_ITEMS; i++)
        t->seen[i]++;
}

static void check_tally(nk_pool *pool, tally *t, size_t n, size_t grain)
{
    memset(t->seen, 0, sizeof t->seen);
    t->n = n;
    t->grain = grain;
    nk_parallel(pool, n, grain, count_items, t);
    check(atomic_load(&t->bad) == 0, "n %zu grain %zu: bad range or thread", n, grain);
    for (size_t i = 0; i < MAX_ITEMS; i++)
        check(t->seen[i] == (i < n), "n %zu grain %zu: item %zu ran %d times", n, grain, i,
              t->seen[i]);
}

CHECK_TEST(pool, runs_every_item_once)
{
    static const size_t grains[] = {1, 3, 16, 1000, 5000};
    for (int threads = 1; threads <= 8; threads++) {
        nk_pool *pool = open_pool(threads);
        check(nk_pool_count(pool) == threads, "count %d", nk_pool_count(pool));
        tally t = {.threads = threads};
        for (size_t n = 0; n <= 1000; n += n < 40 ? 1 : 37)
            for (size_t g = 0; g < countof(grains); g++)
                check_tally(pool, &t, n, grains[g]);
        nk_pool_close(&pool);
        check(!pool, "close leaves a pointer");
    }
    tally t = {.threads = 1};
    check_tally(NULL, &t, 1000, 7); /* no pool: the caller alone */
    nk_pool *none = NULL;
    nk_pool_close(&none);
}

CHECK_TEST(pool, every_length_up_to_1000)
{
    nk_pool *pool = open_pool(3);
    tally t = {.threads = 3};
    for (size_t n = 0; n <= 1000; n++)
        check_tally(pool, &t, n, 1 + n % 5);
    nk_pool_close(&pool);
}

/* A28: 500 cycles here, 10,000 in the long form (NB_TEST_LONG). */
CHECK_TEST(pool, starts_and_stops_500_times)
{
    int cycles = getenv("NB_TEST_LONG") ? 10000 : 500;
    for (int i = 0; i < cycles; i++) {
        nk_pool *pool = open_pool(2 + i % 4);
        tally t = {.threads = 2 + i % 4};
        if (i % 3)
            check_tally(pool, &t, (size_t)i % 50, 1);
        nk_pool_close(&pool);
    }
}

CHECK_TEST(pool, limit_leaves_threads_out)
{
    nk_pool *pool = open_pool(6);
    tally t = {0};
    static const int limits[] = {6, 1, 3, 2, 6, 0, -5, 99};
    for (size_t i = 0; i < countof(limits); i++) {
        nk_pool_limit(pool, limits[i]);
        t.threads = limits[i] < 1 ? 1 : limits[i] > 6 ? 6 : limits[i];
        for (int k = 0; k < 50; k++)
            check_tally(pool, &t, 100, 1);
    }
    /* threads woken for a job that ended without them must not join the next, smaller one */
    for (int k = 0; k < 500; k++) {
        nk_pool_limit(pool, 6);
        t.threads = 6;
        check_tally(pool, &t, 6, 1);
        nk_pool_limit(pool, 2);
        t.threads = 2;
        check_tally(pool, &t, 200, 1);
    }
    nk_pool_close(&pool);
}

typedef struct nest {
    nk_pool *inner[4];
    atomic_long sum;
} nest;

static void add_items(void *arg, size_t begin, size_t end, int thread)
{
    (void)thread;
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add((atomic_long *)arg, (long)i);
}

static void run_inner(void *arg, size_t begin, size_t end, int thread)
{
    nest *n = arg;
    for (size_t i = begin; i < end; i++)
        nk_parallel(n->inner[thread], 100, 3, add_items, &n->sum);
}

CHECK_TEST(pool, different_pools_nest)
{
    nk_pool *outer = open_pool(4);
    nest n = {0};
    for (size_t i = 0; i < countof(n.inner); i++)
        n.inner[i] = open_pool(3);
    nk_parallel(outer, 40, 1, run_inner, &n);
    check(atomic_load(&n.sum) == 40 * 4950, "sum %ld", atomic_load(&n.sum));
    for (size_t i = 0; i < countof(n.inner); i++)
        nk_pool_close(&n.inner[i]);
    nk_pool_close(&outer);
}

typedef struct blockade {
    atomic_int arrived;
    int wanted;
    bool met;
} blockade;

/* Item 0 waits, for a second at most, until every other item has run somewhere else. */
static void wait_for_others(void *arg, size_t begin, size_t end, int thread)
{
    blockade *b = arg;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        if (i != 0) {
            atomic_fetch_add(&b->arrived, 1);
            continue;
        }
        double until = seconds() + 1.0;
        while (atomic_load(&b->arrived) < b->wanted && seconds() < until)
            ;
        b->met = atomic_load(&b->arrived) == b->wanted;
    }
}

CHECK_TEST(pool, others_steal_the_share_of_a_stuck_thread)
{
    nk_pool *pool = open_pool(2);
    blockade b = {.wanted = 99};
    nk_parallel(pool, 100, 1, wait_for_others, &b);
    check(b.met, "%d of 99 items done around the stuck one", atomic_load(&b.arrived));
    nk_pool_close(&pool);
}

static void burn(void *arg, size_t begin, size_t end, int thread)
{
    (void)thread;
    float *out = arg;
    for (size_t i = begin; i < end; i++) {
        float v = (float)i;
        for (int k = 0; k < 300; k++)
            v = v * 0.999f + 1.0f;
        out[i] = v;
    }
}

static double burn_time(int threads, float *out, size_t n)
{
    nk_pool *pool = open_pool(threads);
    double best = 1e9;
    for (int k = 0; k < 5; k++) {
        double t = seconds();
        for (int j = 0; j < 40; j++)
            nk_parallel(pool, n, 16, burn, out);
        t = seconds() - t;
        best = t < best ? t : best;
    }
    nk_pool_close(&pool);
    return best;
}

/* A28: four threads for each core stay within 4x of one thread for each. */
CHECK_TEST(pool, oversubscription_does_not_collapse)
{
    float out[512];
    int cores = nk_cpu_count();
    double each = burn_time(cores, out, countof(out)),
           four = burn_time(4 * cores, out, countof(out));
    check(four < 4 * each + 0.02, "%d threads %.4f s, %d threads %.4f s", 4 * cores, four, cores,
          each);
}

/* The system's pthread_create, refusing from the n-th call on while armed. Sanitizers bring their
 * own definition, so there the test skips itself. */
#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) ||                               \
    HAS_FEATURE(thread_sanitizer) || HAS_FEATURE(address_sanitizer) ||                             \
    HAS_FEATURE(memory_sanitizer)
CHECK_TEST(pool, works_with_the_threads_the_system_grants)
{
    check_skip("pthread_create belongs to the sanitizer here");
}
#else
static int creates_left = -1; /* -1 = no refusal */

int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    void *sym = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&real, &sym, sizeof real);
    if (creates_left == 0)
        return 11; /* EAGAIN */
    if (creates_left > 0)
        creates_left--;
    return real(t, attr, fn, arg);
}

CHECK_TEST(pool, works_with_the_threads_the_system_grants)
{
    for (int granted = 0; granted < 4; granted++) {
        creates_left = granted;
        nk_pool *pool = open_pool(8);
        creates_left = -1;
        check(nk_pool_count(pool) == granted + 1, "count %d, granted %d", nk_pool_count(pool),
              granted);
        tally t = {.threads = granted + 1};
        check_tally(pool, &t, 500, 2);
        nk_pool_close(&pool);
    }
}
#endif
