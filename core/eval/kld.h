/* KL divergence of a model from a reference, position by position, with every statistic that
 * llama-perplexity --kl-divergence prints. Whoever gives the reference's distributions stands
 * behind nb_reference: a second model that runs chunk by chunk beside the first, a base file
 * (base_file.h, logits_file.h), or states held in memory (nb_held).
 *
 * Memory is bounded: logits of a slice of positions of both, and two floats per position for exact
 * percentiles. Each position is measured whole by one thread and added in order: the same bits for
 * any thread count. */
#ifndef NIBBLE_KLD_H
#define NIBBLE_KLD_H

#include "core/eval/reading.h"
#include "core/eval/stat.h"
#include "core/model/session.h"

typedef struct nb_kld {
    uint32_t n_ctx, chunks;
    uint64_t scored;
    double ppl, ppl_err; /* of the model, of the reference; _err: one standard error */
    double base_ppl, base_ppl_err;
    double cor;                                                      /* of ln PPL of both, -1..1 */
    double ln_ratio, ln_ratio_err, ratio, ratio_err, diff, diff_err; /* of PPL: model, reference */
    nb_spread kld;                                                   /* nats */
    nb_spread dp; /* p(model) - p(reference) of the text's token, -1..1 */
    double rms_dp, rms_dp_err;
    uint64_t n_same_top;
    double same_top, same_top_err, same_top_lo, same_top_hi; /* share; Wilson's 95 % */
    double seconds, tok_per_s;
} nb_kld;

typedef struct nb_reference {
    /* Logits [n, n_vocab] after each of positions from..from+n-1 of chunk c, whose tokens are
     * ids[0..n_ctx); called for chunks and positions in order. */
    nb_status (*rows)(struct nb_reference *r, uint32_t chunk, const int32_t *ids, uint32_t from,
                      uint32_t n, float *out, const nb_hooks *hooks, nb_err *err);
    bool coded; /* rows are log-probabilities as llama.cpp codes them: those above -16 count */
    uint32_t n_vocab;
} nb_reference;

/* Another model at work. Its session is borrowed and holds the reading's context. */
typedef struct nb_live {
    nb_reference ref;
    nb_session *session;
} nb_live;
void nb_live_init(nb_live *out, nb_session *s);

/* From hidden states to logits: what a model's last step needs. */
typedef struct nb_head {
    nk_matrix w;
    float scale, cap; /* of logits; cap 0: none */
    const nk_ops *ops;
    nk_pool *pool;
    void *scratch; /* owned */
} nb_head;
enum { NB_HEAD_BATCH = 128 }; /* states at once */
nb_status nb_head_init(nb_head *out, const nk_matrix *w, float scale, float cap, const nk_ops *ops,
                       nk_pool *pool, nb_err *err);
/* The output matrix of a model, its scale and cap. */
void nb_head_of(const nb_model *m, nk_matrix *w, float *scale, float *cap);
/* out [n, w.rows] from x [n, w.cols], n <= NB_HEAD_BATCH. */
void nb_head_logits(const nb_head *h, const float *x, size_t n, float *out);
void nb_head_free(nb_head *h);

/* A reference's hidden states of a whole reading, kept: many models against one reference cost its
 * pass once. chunks * count * n_embd floats. */
typedef struct nb_held {
    nb_reference ref;
    nb_head head;
    float *state; /* owned */
    uint32_t first, count;
} nb_held;
nb_status nb_held_open(nb_held *out, nb_session *s, const nk_ops *ops, nk_pool *pool,
                       const nb_reading *rd, const nb_hooks *hooks, nb_err *err);
void nb_held_close(nb_held *h);

/* fn per chunk (may be NULL) sees the running figures: means and errors, no percentiles yet.
 * NB_REFUSED when vocabularies differ in size or the session's context is too small; NB_CANCELED
 * within a slice of the wish. */
typedef void nb_kld_fn(void *arg, const nb_kld *so_far);
nb_status nb_kld_run(nb_kld *out, nb_session *s, nb_reference *ref, nk_pool *pool,
                     const nb_reading *rd, nb_kld_fn *fn, void *arg, const nb_hooks *hooks,
                     nb_err *err);

/* One position, for tests and other callers: both rows [n] of logits; base as nb_reference says. */
typedef struct nb_kld_point {
    double nll, base_nll, kld, dp;
    bool same_top;
} nb_kld_point;
nb_kld_point nb_kld_measure(const float *logits, const float *base, bool coded, uint32_t n,
                            int32_t target);

#endif
