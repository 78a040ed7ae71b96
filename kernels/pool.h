/* A small thread pool. Work is n items; each participant takes its own contiguous range in steps
 * and then steals from the tails of the others. Which thread runs an item never changes a result:
 * callers write each output element whole, in a fixed order.
 *
 * Waiting: spin a few microseconds, then sleep on a futex (condition variable elsewhere), so that
 * more threads than cores cannot hang or collapse (reliability A28). The caller's thread is
 * participant 0. One nk_parallel at a time per pool; different pools are independent. */
#ifndef NIBBLE_POOL_H
#define NIBBLE_POOL_H

#include "kernels/nb.h"

typedef struct nk_pool nk_pool;

/* threads >= 1 counts the caller. If the system refuses threads, fewer are used: see count. On
 * failure (memory) *out is NULL. */
nb_status nk_pool_open(nk_pool **out, int threads, nb_err *err);
int nk_pool_count(const nk_pool *pool);
/* Participants used from the next nk_parallel on, 1..count: how a background job makes room. */
void nk_pool_limit(nk_pool *pool, int threads);
/* Joins the threads, frees, NULLs. Accepts a pointer to NULL. */
void nk_pool_close(nk_pool **pool);

/* fn(arg, begin, end, thread): items [begin, end), thread in 0..count-1 for per-thread scratch. */
typedef void nk_pool_fn(void *arg, size_t begin, size_t end, int thread);
/* Runs items 0..n-1, `grain` at a time (>= 1); returns when all are done. pool may be NULL: runs
 * on the caller alone. */
void nk_parallel(nk_pool *pool, size_t n, size_t grain, nk_pool_fn *fn, void *arg);

#endif
