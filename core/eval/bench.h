/* Speed with its limit beside it (perf.md 3.2): prefill and decode rates, and in the same run what
 * the instructions alone could multiply and the read bandwidth over the same mapped pages. */
#ifndef NIBBLE_BENCH_H
#define NIBBLE_BENCH_H

#include "core/eval/macs.h"
#include "core/model/chat.h"

typedef struct nb_bench {
    uint32_t n_prompt, n_gen, threads;
    uint32_t depth;          /* tokens in the cache before the prompt */
    double pp_tok_s, pp_err; /* median, half width of the middle half over rounds */
    double tg_tok_s, tg_err;
    nb_macs pp_macs;       /* multiply-adds of the whole prompt */
    nb_macs mac_rate;      /* of each kind the most that these threads do in a second */
    double pp_limit_tok_s; /* one kind after the other at that rate */
    double pp_fraction;    /* pp / limit */
    double bandwidth;      /* bytes/s, read over the mapped weights, same threads */
    double kv_bytes;       /* of the cache read for a generated token, on average */
    double limit_tok_s;    /* bandwidth / (weights + KV) bytes per token */
    double fraction;       /* tg / limit */
    double load_ms;        /* opening a session and one token: the first touch of every page */
    double ttft_ms;        /* median time of the whole prompt, up to the first logits */
    uint64_t weight_bytes, rss;
    uint64_t flat_bytes; /* of a flat copy that was read instead of the file's weights; 0: none */
    char level[16], cpu[96];
} nb_bench;

typedef struct nb_bench_how {
    uint32_t depth, n_prompt, n_gen, rounds;
    const nk_type *k_type, *v_type; /* of the cache; NULL: F16 */
} nb_bench_how;

/* Evaluates n_prompt tokens behind `depth` others, then n_gen one by one, `rounds` times with
 * nothing but those at depth reused between rounds. Token values are seeded: work does not depend
 * on them. NB_USAGE for zeros, but for depth. */
nb_status nb_bench_run(nb_bench *out, const nb_model *m, const nk_ops *ops, nk_pool *pool,
                       const nb_bench_how *how, const nb_hooks *hooks, nb_err *err);

/* What guessing ahead (draft.h) gives: the same greedy answer to one question without and with. */
typedef struct nb_bench_draft {
    uint32_t n_answer, n_drafted, n_accepted;
    double alone_tok_s, draft_tok_s;
} nb_bench_draft;

/* how: as nb_local_draft takes it; stays in force. At most n_gen tokens. */
nb_status nb_bench_drafted(nb_bench_draft *out, nb_local *l, const char *how, uint32_t n_gen,
                           const nb_hooks *hooks, nb_err *err);

#endif
