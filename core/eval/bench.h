/* Speed with its limit beside it (perf.md 3.2): prefill and decode rates, and in the same run the
 * read bandwidth over the same mapped pages. */
#ifndef NIBBLE_BENCH_H
#define NIBBLE_BENCH_H

#include "core/model/session.h"

typedef struct nb_bench {
    uint32_t n_prompt, n_gen, threads;
    double pp_tok_s, pp_err; /* median, half width of the middle half over rounds */
    double tg_tok_s, tg_err;
    double bandwidth;   /* bytes/s, read over the mapped weights, same threads */
    double limit_tok_s; /* bandwidth / (weights + KV) bytes per token */
    double fraction;    /* tg / limit */
    double load_ms;     /* opening a session and one token: the first touch of every page */
    double ttft_ms;     /* median time of the whole prompt, up to the first logits */
    uint64_t weight_bytes, rss;
    char level[16], cpu[96];
} nb_bench;

/* Evaluates n_prompt tokens, then n_gen one by one, `rounds` times with nothing reused between
 * rounds. Token values are seeded: work does not depend on them. NB_USAGE for zeros. */
nb_status nb_bench_run(nb_bench *out, const nb_model *m, const nk_ops *ops, nk_pool *pool,
                       uint32_t n_prompt, uint32_t n_gen, uint32_t rounds, const nb_hooks *hooks,
                       nb_err *err);

#endif
