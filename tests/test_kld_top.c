/* KL from a reference of which only the likeliest tokens are known. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/check.h"
#include "tests/util.h"

#include "core/eval/kld_top.h"

enum { VOCAB = 97 };

typedef struct pair {
    float p[VOCAB], q[VOCAB]; /* logits of reference and judged model */
    double log_p[VOCAB], log_q[VOCAB];
} pair;

static void normalise(const float *logits, double *out)
{
    double max = -1e30, sum = 0;
    for (int i = 0; i < VOCAB; i++)
        max = fmax(max, (double)logits[i]);
    for (int i = 0; i < VOCAB; i++)
        sum += exp((double)logits[i] - max);
    for (int i = 0; i < VOCAB; i++)
        out[i] = (double)logits[i] - max - log(sum);
}

static pair make(test_rng *r, float spread, float apart)
{
    pair x;
    for (int i = 0; i < VOCAB; i++) {
        x.p[i] = spread * test_normal(r);
        x.q[i] = x.p[i] + apart * test_normal(r);
    }
    normalise(x.p, x.log_p);
    normalise(x.q, x.log_q);
    return x;
}

static double exact(const pair *x)
{
    double kl = 0;
    for (int i = 0; i < VOCAB; i++)
        kl += exp(x->log_p[i]) * (x->log_p[i] - x->log_q[i]);
    return kl;
}

/* The k likeliest of the reference. */
static size_t top(const pair *x, size_t k, nb_known *out)
{
    bool used[VOCAB] = {false};
    for (size_t n = 0; n < k; n++) {
        int best = -1;
        for (int i = 0; i < VOCAB; i++)
            if (!used[i] && (best < 0 || x->log_p[i] > x->log_p[best]))
                best = i;
        used[best] = true;
        out[n] = (nb_known){best, x->log_p[best]};
    }
    return k;
}

CHECK_TEST(kld_top, is_a_lower_bound_that_more_tokens_bring_closer)
{
    static const size_t ks[] = {1, 2, 5, 8, 20, 60, VOCAB};
    test_rng r = test_rng_make(7);
    for (int round = 0; round < 300; round++) {
        pair x = make(&r, 0.2F + 6 * test_uniform(&r), 3 * test_uniform(&r));
        double kl = exact(&x), before = -1;
        for (size_t i = 0; i < sizeof ks / sizeof ks[0]; i++) {
            nb_known ref[VOCAB];
            nb_kld_top out;
            size_t n = top(&x, ks[i], ref);
            check(nb_kld_top_of(&out, x.q, VOCAB, ref, n), "k %zu is refused", ks[i]);
            check(out.kl <= kl + 1e-9 * (1 + kl), "k %zu: %.17g above %.17g", ks[i], out.kl, kl);
            check(out.kl >= before - 1e-9, "k %zu: %g below %g", ks[i], out.kl, before);
            before = out.kl;
        }
        check(fabs(before - kl) <= 1e-6 * (1 + kl), "all known: %g is not %g", before, kl);
    }
}

CHECK_TEST(kld_top, equals_differ_by_nothing)
{
    test_rng r = test_rng_make(8);
    pair x = make(&r, 2, 0);
    nb_known ref[VOCAB];
    nb_kld_top out;
    check(nb_kld_top_of(&out, x.q, VOCAB, ref, top(&x, 8, ref)), "refused");
    check(out.kl < 1e-9 && out.same_top && fabs(out.rest - out.rest_ref) < 1e-6, "%g %g %g", out.kl,
          out.rest, out.rest_ref);
}

CHECK_TEST(kld_top, knows_two_outcomes_by_hand)
{
    /* reference 3/4 : 1/4, judged 1/2 : 1/2 over four tokens of which the first is known */
    const float q[4] = {logf(3), 0, 0, 0};
    nb_known ref[] = {{0, log(.75)}};
    nb_kld_top out;
    check(nb_kld_top_of(&out, q, 4, ref, 1), "refused");
    double want = .75 * log(.75 / .5) + .25 * log(.25 / .5);
    check(fabs(out.kl - want) < 1e-6, "%g, expected %g", out.kl, want);
    check(fabs(out.rest - .5) < 1e-6 && fabs(out.rest_ref - .25) < 1e-12 && out.same_top, "rest");
    /* rounding of a printed 1.0 is no rest */
    nb_known sure[] = {{0, 1e-6}};
    check(nb_kld_top_of(&out, q, 4, sure, 1) && out.rest_ref == 0, "%g", out.rest_ref);
    check(fabs(out.kl - log(2)) < 1e-5, "%g", out.kl);
}

CHECK_TEST(kld_top, what_is_no_distribution_is_refused)
{
    float q[4] = {0};
    nb_kld_top out;
    nb_known twice[] = {{1, -1}, {1, -2}}, outside[] = {{4, -1}}, negative[] = {{-1, -1}},
             much[] = {{0, -0.1}, {1, -0.1}}, none[] = {{0, NAN}}, good[] = {{0, -1}};
    check(!nb_kld_top_of(&out, q, 4, twice, 2), "one token twice");
    check(!nb_kld_top_of(&out, q, 4, outside, 1), "outside");
    check(!nb_kld_top_of(&out, q, 4, negative, 1), "negative");
    check(!nb_kld_top_of(&out, q, 4, much, 2), "more than all");
    check(!nb_kld_top_of(&out, q, 4, none, 1), "no number");
    check(!nb_kld_top_of(&out, q, 4, good, 0), "nothing");
    q[2] = NAN;
    check(!nb_kld_top_of(&out, q, 4, good, 1), "a logit that is none");
    q[2] = 0;
    check(nb_kld_top_of(&out, q, 4, good, 1), "refused");
}

CHECK_TEST(kld_top, an_average_has_mean_error_and_worst)
{
    nb_average t = {0};
    check(nb_average_of(&t) == 0 && nb_average_err(&t) == 0, "empty");
    for (int i = 1; i <= 4; i++)
        nb_average_add(&t, i);
    check(nb_average_of(&t) == 2.5 && t.max == 4, "%g", nb_average_of(&t));
    check(fabs(nb_average_err(&t) - sqrt(1.25 / 3)) < 1e-12, "%g", nb_average_err(&t));
}
