/* Forced scoring: the tokens that one model (the reference) answered with, given to others in the
 * same context, and at each token the KL divergence of their distribution from the reference's.
 * Answers that are written freely have other contexts from their first difference on, so only this
 * compares whole answers token by token.
 *
 * All models go through the answer side by side in slices, so memory is the logits of one slice of
 * two of them. What a session's cache holds of the text is kept: right after an answer no prompt is
 * evaluated again. A point depends on its two distributions alone: the same bits for any thread
 * count. */
#ifndef NIBBLE_FORCED_H
#define NIBBLE_FORCED_H

#include "core/eval/kld.h"

typedef struct nb_forced_text {
    const int32_t *ids;    /* [prompt + answer] borrowed */
    size_t prompt, answer; /* both >= 1 */
} nb_forced_text;

/* One that is held against the reference. */
typedef struct nb_forced_model {
    nb_session *session; /* borrowed */
    const char *name;    /* in messages */
    nb_kld_point *point; /* [answer] out; of the distributions from which each token was chosen */
} nb_forced_model;

/* pool may be NULL; sessions keep the pools they have. Progress counts tokens of all models.
 * NB_REFUSED when vocabularies differ in size or a context is too small, NB_FORMAT when a token or
 * a figure is none, NB_CANCELED within a layer of the wish; points are not whole then. */
nb_status nb_forced_run(const nb_forced_text *t, nb_session *ref, const nb_forced_model *with,
                        size_t n, nk_pool *pool, const nb_hooks *hooks, nb_err *err);

/* What is said of an answer as a whole. */
typedef struct nb_forced_sum {
    uint64_t n;          /* tokens */
    double kld, kld_err; /* nats: mean, one standard error (0 of ten tokens or fewer) */
    double kld_max;
    uint64_t max_at;               /* the token with it */
    uint64_t n_same;               /* both find the same token likeliest */
    double same, same_lo, same_hi; /* share; Wilson's 95 % */
} nb_forced_sum;
nb_forced_sum nb_forced_sum_of(const nb_kld_point *p, size_t n);

#endif
