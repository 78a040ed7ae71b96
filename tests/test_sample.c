#include "tests/check.h"
#include "tests/util.h"

#include "core/model/sample.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static nb_sampler *sampler(nb_sampling set, uint32_t n)
{
    nb_sampler *s = NULL;
    nb_err err;
    check(nb_sampler_open(&s, &set, n, &err) == NB_OK, "open: %s", err.msg);
    return s;
}

static int32_t pick(nb_sampler *s, const float *logits, nb_choice *c)
{
    nb_err err;
    check(nb_sampler_pick(s, logits, NULL, 0, c, &err) == NB_OK, "pick: %s", err.msg);
    return c->id;
}

/* The chain written plainly: sort everything, cut, weigh. weight[id] = probability. */
typedef struct ranked {
    float logit;
    int id;
} ranked;

static int by_rank(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->id - y->id;
}

static void plain_chain(const nb_sampling *set, const float *logits, int n, double *weight)
{
    ranked *r = malloc((size_t)n * sizeof *r);
    double total = 0, mass = 0, sum = 0;
    for (int i = 0; i < n; i++) {
        r[i] = (ranked){logits[i], i};
        weight[i] = 0;
    }
    qsort(r, (size_t)n, sizeof *r, by_rank);
    int k = set->top_k > 0 && set->top_k < n ? set->top_k : n, kept = 0;
    for (int i = 0; i < k; i++)
        total += exp((double)r[i].logit - r[0].logit);
    while (kept < k) {
        double w = exp((double)r[kept].logit - r[0].logit);
        if (kept > 0 && w < (double)set->min_p)
            break;
        mass += w;
        kept++;
        if (set->top_p < 1 && mass >= (double)set->top_p * total)
            break;
    }
    for (int i = 0; i < kept; i++)
        sum += weight[r[i].id] = exp(((double)r[i].logit - r[0].logit) / (double)set->temp);
    for (int i = 0; i < n; i++)
        weight[i] /= sum;
    free(r);
}

CHECK_TEST(sample, cuts_are_exactly_top_k_top_p_min_p)
{
    enum { N = 60, DRAWS = 4000 };
    static const nb_sampling sets[] = {
        {.temp = 1, .top_k = 0, .top_p = 1, .min_p = 0, .repeat_penalty = 1},
        {.temp = 1, .top_k = 7, .top_p = 1, .min_p = 0, .repeat_penalty = 1},
        {.temp = 0.8f, .top_k = 0, .top_p = 0.6f, .min_p = 0, .repeat_penalty = 1},
        {.temp = 1.5f, .top_k = 0, .top_p = 1, .min_p = 0.2f, .repeat_penalty = 1},
        {.temp = 0.7f, .top_k = 20, .top_p = 0.9f, .min_p = 0.05f, .repeat_penalty = 1},
        {.temp = 1, .top_k = 1, .top_p = 0.5f, .min_p = 0.5f, .repeat_penalty = 1},
        {.temp = 2, .top_k = 1000, .top_p = 0.99f, .min_p = 1, .repeat_penalty = 1},
    };
    test_rng rng = test_rng_make(11);
    for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
        float logits[N];
        double want[N];
        int seen[N] = {0};
        for (int i = 0; i < N; i++)
            logits[i] = floorf(test_normal(&rng) * 6) / 3; /* many ties */
        plain_chain(&sets[k], logits, N, want);
        nb_sampling set = sets[k];
        set.seed = 77 + k;
        nb_sampler *s = sampler(set, N);
        nb_choice c;
        for (int d = 0; d < DRAWS; d++)
            seen[pick(s, logits, &c)]++;
        for (int i = 0; i < N; i++) {
            double got = (double)seen[i] / DRAWS, slack = 5 * sqrt(want[i] / DRAWS) + 1e-9;
            check(want[i] > 0 || seen[i] == 0, "set %zu: token %d was cut but drawn", k, i);
            check(fabs(got - want[i]) < slack, "set %zu token %d: %g, expected %g", k, i, got,
                  want[i]);
        }
        nb_sampler_close(&s);
    }
}

CHECK_TEST(sample, same_seed_draws_the_same_tokens)
{
    float logits[500];
    test_rng rng = test_rng_make(3);
    for (int i = 0; i < 500; i++)
        logits[i] = 2 * test_normal(&rng);
    nb_sampling set = nb_sampling_default();
    set.seed = 42;
    nb_sampler *a = sampler(set, 500), *b = sampler(set, 500);
    nb_choice x, y;
    int first[16], differ = 0;
    for (int i = 0; i < 16; i++) {
        first[i] = pick(a, logits, &x);
        check(first[i] == pick(b, logits, &y), "draw %d", i);
    }
    nb_sampler_reset(a, &set);
    set.seed = 43;
    nb_sampler_reset(b, &set);
    for (int i = 0; i < 16; i++) {
        check(pick(a, logits, &x) == first[i], "draw %d after reset", i);
        differ += pick(b, logits, &y) != first[i];
    }
    check(differ > 0, "another seed drew the same");
    nb_sampler_close(&a);
    nb_sampler_close(&b);
}

/* Pinned, from splitmix64 and the chain in Python: the same on every machine. */
CHECK_TEST(sample, draws_are_the_same_on_every_machine)
{
    static const int pinned[] = {48, 5, 62, 31, 10, 36, 60, 10, 12, 57, 12, 22, 12, 12, 62, 38};
    float logits[64];
    for (int i = 0; i < 64; i++)
        logits[i] = (float)(i * 37 % 64) / 16;
    nb_sampling set = {.temp = 0.75f,
                       .top_k = 30,
                       .top_p = 0.875f,
                       .min_p = 0.03125f,
                       .repeat_penalty = 1,
                       .seed = 2026};
    nb_sampler *s = sampler(set, 64);
    nb_choice c;
    for (size_t i = 0; i < sizeof pinned / sizeof *pinned; i++)
        check(pick(s, logits, &c) == pinned[i], "draw %zu: %d", i, c.id);
    nb_sampler_close(&s);
}

CHECK_TEST(sample, greedy_takes_the_lowest_id_of_a_tie)
{
    const float logits[] = {1, 3, -2, 3, 3};
    nb_sampler *s = sampler(nb_sampling_greedy(), 5);
    nb_choice c;
    check(pick(s, logits, &c) == 1, "id %d", c.id);
    nb_sampler_close(&s);
}

CHECK_TEST(sample, tells_the_models_own_probabilities)
{
    enum { N = 20 };
    float logits[N];
    for (int i = 0; i < N; i++)
        logits[i] = (float)((i * 7) % N) * 0.25f;
    double sum = 0, entropy = 0;
    for (int i = 0; i < N; i++)
        sum += exp((double)logits[i]);
    for (int i = 0; i < N; i++)
        entropy -= exp((double)logits[i]) / sum * ((double)logits[i] - log(sum));
    nb_sampling set = nb_sampling_greedy();
    set.repeat_penalty = 2; /* changes the choice, not what is told */
    nb_sampler *s = sampler(set, N);
    nb_choice c;
    nb_err err;
    const int32_t recent[] = {17, 17, -1, 999}; /* 17 is the best; strangers are ignored */
    check((17 * 7) % N == N - 1, "setup");
    check(nb_sampler_pick(s, logits, recent, 4, &c, &err) == NB_OK, "%s", err.msg);
    check(c.id == 14, "penalty is applied once: id %d", c.id);
    check(fabs((double)c.entropy - entropy) < 1e-5, "entropy %g, expected %g", c.entropy, entropy);
    check(fabs((double)c.logprob - ((double)logits[14] - log(sum))) < 1e-5, "logprob %g",
          c.logprob);
    check(c.top_id[0] == 17 && c.top_id[1] == 14, "top %d %d", c.top_id[0], c.top_id[1]);
    for (int i = 1; i < NB_TOP; i++)
        check(c.top_logprob[i] < c.top_logprob[i - 1], "order at %d", i);
    nb_sampler_close(&s);
}

CHECK_TEST(sample, repeat_penalty_looks_back_only_so_far)
{
    const float logits[] = {4, 3, -1, -1.5f};
    nb_sampling set = nb_sampling_greedy();
    set.repeat_penalty = 2;
    set.repeat_last = 2;
    nb_sampler *s = sampler(set, 4);
    nb_choice c;
    const int32_t old[] = {0, 1, 1}, now[] = {1, 0, 1};
    check(nb_sampler_pick(s, logits, old, 3, &c, NULL) == NB_OK && c.id == 0, "id %d", c.id);
    check(nb_sampler_pick(s, logits, now, 3, &c, NULL) == NB_OK && c.id == 0, "id %d", c.id);
    const float low[] = {-1, -1.5f, -9, -9}; /* negative logits get more negative */
    check(nb_sampler_pick(s, low, now + 1, 1, &c, NULL) == NB_OK && c.id == 1, "id %d", c.id);
    nb_sampler_close(&s);
}

/* A25: what is not a number never decides, and never loops. */
CHECK_TEST(sample, survives_any_logits_and_settings_A25)
{
    const float special[] = {NAN, INFINITY, -INFINITY, 0, -0.0f, FLT_MAX, -FLT_MAX, 1e-45f, 65504};
    const float temps[] = {0, 1e-9f, 1e-45f, 1, INFINITY, NAN, -1};
    const int ks[] = {0, 1, 3, -5, 1000000};
    test_rng rng = test_rng_make(5);
    enum { N = 9 };
    nb_sampler *s = sampler(nb_sampling_default(), N);
    for (int round = 0; round < 3000; round++) {
        float logits[N];
        bool finite = false;
        for (int i = 0; i < N; i++) {
            logits[i] = special[test_below(&rng, 9)];
            finite = finite || isfinite(logits[i]);
        }
        nb_sampling set = {.temp = temps[test_below(&rng, 7)],
                           .top_k = ks[test_below(&rng, 5)],
                           .top_p = temps[test_below(&rng, 7)],
                           .min_p = temps[test_below(&rng, 7)],
                           .repeat_penalty = temps[test_below(&rng, 7)],
                           .repeat_last = ks[test_below(&rng, 5)],
                           .seed = test_u64(&rng)};
        nb_sampler_reset(s, &set);
        const int32_t recent[] = {0, 3, 5};
        nb_choice c = {.id = -7};
        nb_err err;
        nb_status status = nb_sampler_pick(s, logits, recent, 3, &c, &err);
        check(status == (finite ? NB_OK : NB_FORMAT), "round %d: status %d", round, status);
        check(finite ? c.id >= 0 && c.id < N && isfinite(logits[c.id]) : c.id == -7,
              "round %d: id %d", round, c.id);
        check(!finite || (isfinite(c.entropy) && c.entropy >= 0), "entropy %g", c.entropy);
    }
    nb_sampler_close(&s);
}

CHECK_TEST(sample, temperature_near_zero_is_greedy_and_infinite_is_flat)
{
    const float logits[] = {1, 1.25f, 0.5f, 1};
    nb_sampling set = {.temp = 1e-9f, .top_p = 1, .repeat_penalty = 1};
    nb_sampler *s = sampler(set, 4);
    nb_choice c;
    for (int i = 0; i < 50; i++)
        check(pick(s, logits, &c) == 1, "id %d", c.id);
    set.temp = INFINITY;
    nb_sampler_reset(s, &set);
    int seen[4] = {0};
    for (int i = 0; i < 400; i++)
        seen[pick(s, logits, &c)]++;
    for (int i = 0; i < 4; i++)
        check(seen[i] > 60 && seen[i] < 140, "token %d drawn %d times of 400", i, seen[i]);
    nb_sampler_close(&s);
}

CHECK_TEST(sample, settings_out_of_range_are_moved_into_it)
{
    nb_sampling s = nb_sampling_default(), d = s;
    check(nb_sampling_fix(&s) && memcmp(&s, &d, sizeof s) == 0, "defaults are fine");
    s = (nb_sampling){.temp = NAN, .top_k = -1, .top_p = 7, .min_p = -1, .repeat_penalty = 0};
    check(!nb_sampling_fix(&s), "must be told");
    check(s.temp == d.temp && s.top_k == 0 && s.top_p == 1 && s.min_p == 0, "values");
    check(s.repeat_penalty > 0, "a penalty of 0 would divide by it");
}
