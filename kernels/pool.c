#include "kernels/pool.h"
#include "kernels/cpu.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum {
    LINE = 64,
    MAX_THREADS = 4096,
    SPIN_MIN_US = 2,      /* always: shorter than putting a thread to sleep and waking it */
    SPIN_MAX_US = 30,     /* while waits keep ending in time */
    PAUSES_PER_CLOCK = 8, /* pauses between two looks at the clock */
};

/* --- one waiter's doorbell: rung by anyone, waited on by its owner -----------------------------
 */

enum { QUIET, RUNG, ASLEEP };

typedef struct bell {
    _Alignas(LINE) atomic_uint state;
    int64_t spin_ns;  /* owner's budget: grows while waits are short, shrinks when it slept */
    int64_t spin_max; /* ns */
#if !defined(__linux__)
    pthread_mutex_t lock;
    pthread_cond_t cond;
#endif
} bell;

#if defined(__linux__)
static void bell_sleep(bell *b)
{
    /* A changed word, a signal or a stray wake return at once; the caller's loop looks again. */
    syscall(SYS_futex, &b->state, FUTEX_WAIT_PRIVATE, ASLEEP, NULL, NULL, 0);
}

static void bell_wake(bell *b)
{
    syscall(SYS_futex, &b->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool bell_open(bell *b)
{
    (void)b;
    return true;
}

static void bell_close(bell *b)
{
    (void)b;
}
#else
static void bell_sleep(bell *b)
{
    pthread_mutex_lock(&b->lock);
    while (atomic_load_explicit(&b->state, memory_order_acquire) == ASLEEP)
        pthread_cond_wait(&b->cond, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

static void bell_wake(bell *b)
{
    pthread_mutex_lock(&b->lock); /* the sleeper is either before its check or in cond_wait */
    pthread_cond_signal(&b->cond);
    pthread_mutex_unlock(&b->lock);
}

static bool bell_open(bell *b)
{
    if (pthread_mutex_init(&b->lock, NULL) != 0)
        return false;
    if (pthread_cond_init(&b->cond, NULL) == 0)
        return true;
    pthread_mutex_destroy(&b->lock);
    return false;
}

static void bell_close(bell *b)
{
    pthread_cond_destroy(&b->cond);
    pthread_mutex_destroy(&b->lock);
}
#endif

static void bell_ring(bell *b)
{
    if (atomic_exchange_explicit(&b->state, RUNG, memory_order_acq_rel) == ASLEEP)
        bell_wake(b);
}

static inline void cpu_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool bell_spin(bell *b)
{
    int64_t end = now_ns() + b->spin_ns;
    do {
        for (int i = 0; i < PAUSES_PER_CLOCK; i++) {
            if (atomic_load_explicit(&b->state, memory_order_acquire) == RUNG)
                return true;
            cpu_pause();
        }
    } while (now_ns() < end);
    return false;
}

/* Returns once the bell has been rung since the last wait, and quiets it. Everything before the
 * ring is visible after. */
static void bell_wait(bell *b)
{
    if (bell_spin(b)) {
        b->spin_ns = b->spin_ns * 2 < b->spin_max ? b->spin_ns * 2 : b->spin_max;
    } else {
        unsigned quiet = QUIET;
        if (atomic_compare_exchange_strong_explicit(&b->state, &quiet, ASLEEP, memory_order_acq_rel,
                                                    memory_order_acquire))
            while (atomic_load_explicit(&b->state, memory_order_acquire) != RUNG)
                bell_sleep(b);
        const int64_t least = SPIN_MIN_US * 1000;
        b->spin_ns = b->spin_ns / 2 > least ? b->spin_ns / 2 : least;
    }
    atomic_exchange_explicit(&b->state, QUIET, memory_order_acq_rel);
}

/* --- the pool ----------------------------------------------------------------------------------
 */

typedef struct part {
    bell bell; /* the caller's: all workers have left; a worker's: there is work, or stop */
    /* Chunks [low half, high half) not yet taken: the owner takes from the front, others from the
     * back, so one compare-and-swap settles both. */
    _Alignas(LINE) atomic_uint_least64_t range;
    nk_pool *pool;
    pthread_t thread;
    int index;
} part;

/* The gate: OPEN while a job may be joined, plus the number of workers inside. A job is over when
 * nothing is left to take, the gate is shut and nobody is inside: a worker that was never
 * scheduled holds nobody up. Job fields are written while the gate is shut and nobody is inside,
 * read only inside. */
enum { OPEN = 1u << 31 };

struct nk_pool {
    part *parts;      /* [count] */
    int count;        /* fixed after open */
    atomic_int limit; /* participants of the next job */
    atomic_bool stop; /* written by close */
    _Alignas(LINE) atomic_uint gate;
    nk_pool_fn *fn; /* job fields, until the next _Alignas */
    void *arg;
    size_t n, grain;
    int active; /* participants of this job */
};

static uint64_t pack(uint64_t begin, uint64_t end)
{
    return begin | end << 32;
}

/* Takes one chunk from the front (own range) or the back (someone else's); false if empty. */
static bool take(part *p, bool front, size_t *chunk)
{
    uint64_t r = atomic_load_explicit(&p->range, memory_order_relaxed);
    for (;;) {
        uint64_t begin = r & UINT32_MAX, end = r >> 32;
        if (begin >= end)
            return false;
        uint64_t next = front ? pack(begin + 1, end) : pack(begin, end - 1);
        if (atomic_compare_exchange_weak_explicit(&p->range, &r, next, memory_order_acq_rel,
                                                  memory_order_relaxed)) {
            *chunk = (size_t)(front ? begin : end - 1);
            return true;
        }
    }
}

static void run_chunk(const nk_pool *pool, size_t chunk, int thread)
{
    size_t begin = chunk * pool->grain;
    size_t left = pool->n - begin;
    pool->fn(pool->arg, begin, begin + (left < pool->grain ? left : pool->grain), thread);
}

static void work(nk_pool *pool, int self)
{
    size_t chunk;
    while (take(&pool->parts[self], true, &chunk))
        run_chunk(pool, chunk, self);
    for (int k = 1; k < pool->active; k++) {
        part *victim = &pool->parts[(self + k) % pool->active];
        while (take(victim, false, &chunk))
            run_chunk(pool, chunk, self);
    }
}

static bool gate_enter(nk_pool *pool)
{
    unsigned g = atomic_load_explicit(&pool->gate, memory_order_relaxed);
    while (g & OPEN)
        if (atomic_compare_exchange_weak_explicit(&pool->gate, &g, g + 1, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static void gate_leave(nk_pool *pool)
{
    if (atomic_fetch_sub_explicit(&pool->gate, 1, memory_order_acq_rel) == 1)
        bell_ring(&pool->parts[0].bell); /* shut, and this was the last one inside */
}

static void *worker(void *arg)
{
    part *self = arg;
    nk_pool *pool = self->pool;
    for (;;) {
        bell_wait(&self->bell);
        if (atomic_load_explicit(&pool->stop, memory_order_acquire))
            return NULL;
        if (!gate_enter(pool))
            continue;
        if (self->index < pool->active) /* rung for an earlier job, before the limit shrank */
            work(pool, self->index);
        gate_leave(pool);
    }
}

/* Workers take no signals: handlers belong to the program's own threads. Except for faults of the
 * worker itself, which kill the process when blocked: SIGBUS has a handler (nb_map_guard). */
static int start_workers(nk_pool *pool, int threads)
{
    sigset_t all, old;
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigfillset(&all);
    for (size_t i = 0; i < countof(faults); i++)
        sigdelset(&all, faults[i]);
    bool masked = pthread_sigmask(SIG_SETMASK, &all, &old) == 0;
    int started = 1;
    while (started < threads &&
           pthread_create(&pool->parts[started].thread, NULL, worker, &pool->parts[started]) == 0)
        started++;
    if (masked)
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    return started;
}

static void *zalloc_lines(size_t size)
{
    size_t whole = (size + LINE - 1) / LINE * LINE;
    void *p = NULL;
    if (posix_memalign(&p, LINE, whole) != 0)
        return NULL;
    memset(p, 0, whole);
    return p;
}

nb_status nk_pool_open(nk_pool **out, int threads, nb_err *err)
{
    *out = NULL;
    threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
    nk_pool *pool = zalloc_lines(sizeof *pool);
    part *parts = zalloc_lines((size_t)threads * sizeof *parts);
    if (!pool || !parts) {
        free(pool);
        free(parts);
        return nb_fail(err, NB_NOMEM, "thread pool: no memory for %d threads", threads);
    }
    pool->parts = parts;
    /* More threads than cores: whoever spins keeps someone with work from running. */
    int64_t spin_max = (threads > nk_cpu_count() ? SPIN_MIN_US : SPIN_MAX_US) * (int64_t)1000;
    int ready = 0;
    for (; ready < threads && bell_open(&parts[ready].bell); ready++) {
        parts[ready].bell.spin_ns = parts[ready].bell.spin_max = spin_max;
        parts[ready].pool = pool;
        parts[ready].index = ready;
    }
    if (ready == 0) {
        free(parts);
        free(pool);
        return nb_fail(err, NB_NOMEM, "thread pool: no memory for a lock");
    }
    pool->count = start_workers(pool, ready);
    for (int i = pool->count; i < ready; i++)
        bell_close(&parts[i].bell);
    atomic_store_explicit(&pool->limit, pool->count, memory_order_relaxed);
    *out = pool;
    return NB_OK;
}

int nk_pool_count(const nk_pool *pool)
{
    return pool->count;
}

void nk_pool_limit(nk_pool *pool, int threads)
{
    threads = threads < 1 ? 1 : threads > pool->count ? pool->count : threads;
    atomic_store_explicit(&pool->limit, threads, memory_order_relaxed);
}

void nk_pool_close(nk_pool **pool)
{
    nk_pool *p = *pool;
    *pool = NULL;
    if (!p)
        return;
    atomic_store_explicit(&p->stop, true, memory_order_release);
    for (int i = 1; i < p->count; i++)
        bell_ring(&p->parts[i].bell);
    for (int i = 1; i < p->count; i++)
        pthread_join(p->parts[i].thread, NULL);
    for (int i = 0; i < p->count; i++)
        bell_close(&p->parts[i].bell);
    free(p->parts);
    free(p);
}

/* Contiguous shares, the first ones larger by one where it does not divide. */
static void deal(nk_pool *pool, size_t chunks)
{
    size_t share = chunks / (size_t)pool->active, extra = chunks % (size_t)pool->active, at = 0;
    for (int i = 0; i < pool->active; i++) {
        size_t end = at + share + ((size_t)i < extra ? 1 : 0);
        atomic_store_explicit(&pool->parts[i].range, pack(at, end), memory_order_relaxed);
        at = end;
    }
}

void nk_parallel(nk_pool *pool, size_t n, size_t grain, nk_pool_fn *fn, void *arg)
{
    if (n == 0)
        return;
    if (grain == 0)
        grain = 1;
    size_t chunks = n / grain + (n % grain != 0);
    int active = pool ? atomic_load_explicit(&pool->limit, memory_order_relaxed) : 1;
    if ((size_t)active > chunks)
        active = (int)chunks;
    if (!pool || active == 1) {
        for (size_t begin = 0; begin < n; begin += n - begin < grain ? n - begin : grain)
            fn(arg, begin, n - begin < grain ? n : begin + grain, 0);
        return;
    }
    while (chunks > UINT32_MAX) { /* a range holds 32-bit chunk numbers */
        grain *= 2;
        chunks = n / grain + (n % grain != 0);
    }
    pool->fn = fn;
    pool->arg = arg;
    pool->n = n;
    pool->grain = grain;
    pool->active = active;
    deal(pool, chunks);
    atomic_store_explicit(&pool->gate, OPEN, memory_order_release);
    for (int i = 1; i < active; i++)
        bell_ring(&pool->parts[i].bell);
    work(pool, 0);
    unsigned g = atomic_fetch_and_explicit(&pool->gate, ~(unsigned)OPEN, memory_order_acq_rel);
    if (g != OPEN)
        bell_wait(&pool->parts[0].bell);
}
