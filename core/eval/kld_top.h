/* KL divergence from a reference of which only the likeliest tokens are known, as an endpoint tells
 * them: everything else is one bucket. Joining outcomes never raises a divergence (the
 * data-processing inequality, Cover and Thomas 2.8), so what comes out is a lower bound of the KL
 * over the whole vocabulary, and more known tokens only bring it closer. */
#ifndef NIBBLE_KLD_TOP_H
#define NIBBLE_KLD_TOP_H

#include "kernels/nb.h"

typedef struct nb_known {
    int32_t id; /* of the judged model's vocabulary */
    double logprob;
} nb_known;

typedef struct nb_kld_top {
    double kl;             /* nats, >= 0 */
    double rest_ref, rest; /* what the bucket holds in the reference and in the judged model */
    bool same_top;         /* both find the same token likeliest; among equals the lowest id */
} nb_kld_top;

/* logits [n_vocab] of the judged model; ref[n], ids in any order, sorted here. False, and *out
 * untouched, when that is no part of a distribution: no token, one twice, one outside, a sum beyond
 * 1 but for rounding, a logit or logprob that is no number. */
bool nb_kld_top_of(nb_kld_top *out, const float *logits, uint32_t n_vocab, nb_known *ref, size_t n);

/* Mean and one standard error of what was added. */
typedef struct nb_average {
    uint64_t n;
    double sum, sum2, max;
} nb_average;
void nb_average_add(nb_average *t, double v);
double nb_average_of(const nb_average *t);  /* 0 when empty */
double nb_average_err(const nb_average *t); /* 0 below two */

#endif
