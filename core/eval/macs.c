#include "core/eval/macs.h"

#include <stdatomic.h>

#include "core/base/job.h"

/* --- what a prompt takes -----------------------------------------------------------------------
 */

static void add(nb_macs *sum, const nk_ops *ops, const nk_matrix *w, double share, double columns)
{
    double products = (double)w->rows * (double)w->cols * share * columns;
    if (!w->data || w->rows == 1)
        return;
    const nk_pairs *pairs = &ops->pairs[w->type->id];
    if (pairs->run)
        sum->bf16 += products * pairs->products;
    else if (w->type->dot_with == NK_F32)
        sum->f32 += products;
    else
        sum->int8 += products;
}

/* Tokens that those at depth..depth + n - 1 see, themselves included; window 0: all. */
static double seen(double depth, double n, double window)
{
    double whole = n, first = depth + 1; /* tokens whose window is not full, what the first sees */
    if (window > 0)
        whole = window - depth < 0 ? 0 : window - depth < n ? window - depth : n;
    return whole * (first + first + whole - 1) / 2 + (n - whole) * window;
}

/* Queries with keys, or weights with values. */
static void add_attention(nb_macs *sum, const nk_ops *ops, const nk_type *cache, double products)
{
    if (cache && cache->id == NK_Q8_0 && ops->attn_span != nk_attn_span_c)
        sum->int8 += 2 * products;
    else
        sum->f32 += products;
}

nb_macs nb_macs_of_prompt(const nb_model *m, const nk_ops *ops, const nk_type *k, const nk_type *v,
                          uint32_t depth, uint32_t n)
{
    const nb_hparams *hp = &m->hp;
    nb_macs sum = {0};
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        const nb_layer *l = &m->layer[i];
        bool last = i + 1 == hp->n_layer;
        for (int slot = NB_SLOT_LAYER; slot < NB_SLOT_COUNT; slot++) {
            if (slot == NB_ATTN_QKV) /* read in its parts */
                continue;
            bool kept = slot == NB_ATTN_K || slot == NB_ATTN_V;
            bool experts = nb_slot_of((nb_slot)slot)->side[2] == NB_SIDE_EXPERTS;
            double share = experts ? (double)hp->n_expert_used / hp->n_expert : 1;
            add(&sum, ops, &l->w[slot], share, last && !kept ? 1 : n);
        }
        double tokens =
            last ? seen((double)depth + n - 1, 1, l->window) : seen(depth, n, l->window);
        add_attention(&sum, ops, k, (double)hp->n_head * hp->head_dim * tokens);
        add_attention(&sum, ops, v, (double)hp->n_head * hp->head_dim * tokens);
    }
    add(&sum, ops, &m->global[hp->tied ? NB_TOKEN_EMBD : NB_OUTPUT], 1, 1);
    return sum;
}

/* --- what the machine could do -----------------------------------------------------------------
 */

enum { TURNS = 4096, PIECES = 64 }; /* pieces of some microseconds a thread and pass */
static const double SECONDS = 0.1;

typedef struct burst {
    nk_burst_fn *run;
    atomic_uint_fast64_t done;
} burst;

static void run_some(void *arg, size_t begin, size_t end, int thread)
{
    burst *b = arg;
    (void)thread;
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add(&b->done, b->run(TURNS));
}

static double rate(nk_burst_fn *run, nk_pool *pool)
{
    size_t threads = pool ? (size_t)nk_pool_count(pool) : 1;
    double begin = nb_seconds(), now = begin, best = 0;
    while (now - begin < SECONDS) {
        burst b = {.run = run};
        double start = now;
        nk_parallel(pool, threads * PIECES, 1, run_some, &b);
        now = nb_seconds();
        double r = (double)atomic_load(&b.done) / (now > start ? now - start : 1e-9);
        best = r > best ? r : best;
    }
    return best;
}

nb_macs nb_macs_rate(const nk_ops *ops, nk_pool *pool)
{
    return (nb_macs){.int8 = rate(ops->burst.int8, pool),
                     .f32 = rate(ops->burst.f32, pool),
                     .bf16 = ops->burst.bf16 ? rate(ops->burst.bf16, pool) : 0};
}

double nb_macs_seconds(const nb_macs *work, const nb_macs *rate)
{
    double parts = work->bf16 > 0 ? work->bf16 / rate->bf16 : 0;
    return work->int8 / rate->int8 + work->f32 / rate->f32 + parts;
}
