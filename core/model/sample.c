#include "core/model/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "kernels/fp.h"

typedef struct cand {
    float logit; /* after penalties */
    int32_t id;
} cand;

struct nb_sampler {
    nb_sampling set;
    uint32_t n_vocab;
    uint64_t rng;
    cand *cand;      /* [n_vocab] */
    double *weight;  /* [n_vocab] of the candidates left to draw from */
    uint32_t *stamp; /* [n_vocab] epoch of the last pick that penalised the token */
    uint32_t epoch;
};

nb_sampling nb_sampling_default(void)
{
    return (nb_sampling){.temp = 0.8f,
                         .top_k = 40,
                         .top_p = 0.95f,
                         .min_p = 0.05f,
                         .repeat_penalty = 1.0f,
                         .repeat_last = 64};
}

nb_sampling nb_sampling_greedy(void)
{
    nb_sampling s = nb_sampling_default();
    s.temp = 0;
    return s;
}

/* True if *v lay in [min, max]; otherwise it is moved there, NaN to `fallback`. */
static bool fix(float *v, float min, float max, float fallback)
{
    if (*v >= min && *v <= max)
        return true;
    *v = isnan(*v) ? fallback : *v < min ? min : max;
    return false;
}

bool nb_sampling_fix(nb_sampling *s)
{
    nb_sampling d = nb_sampling_default();
    bool ok = fix(&s->temp, 0, INFINITY, d.temp);
    ok = fix(&s->top_p, 0, 1, d.top_p) && ok;
    ok = fix(&s->min_p, 0, 1, d.min_p) && ok;
    ok = fix(&s->repeat_penalty, 0.01f, 100, 1) && ok;
    if (s->top_k < 0 || s->repeat_last < 0)
        ok = false;
    s->top_k = s->top_k < 0 ? 0 : s->top_k;
    s->repeat_last = s->repeat_last < 0 ? 0 : s->repeat_last;
    return ok;
}

nb_status nb_sampler_open(nb_sampler **out, const nb_sampling *set, uint32_t n_vocab, nb_err *err)
{
    nb_sampler *s = nb_alloc(1, sizeof *s, "sampler", err);
    if (!s)
        return NB_NOMEM;
    s->n_vocab = n_vocab;
    s->cand = nb_alloc(n_vocab, sizeof *s->cand, "sampler", err);
    s->weight = s->cand ? nb_alloc(n_vocab, sizeof *s->weight, "sampler", err) : NULL;
    s->stamp = s->weight ? nb_alloc(n_vocab, sizeof *s->stamp, "sampler", err) : NULL;
    if (!s->stamp) {
        nb_sampler_close(&s);
        return NB_NOMEM;
    }
    nb_sampler_reset(s, set);
    *out = s;
    return NB_OK;
}

void nb_sampler_reset(nb_sampler *s, const nb_sampling *set)
{
    s->set = *set;
    nb_sampling_fix(&s->set);
    s->rng = set->seed;
}

void nb_sampler_follow(nb_sampler *s, const nb_sampler *other)
{
    s->set = other->set;
    s->rng = other->rng;
}

void nb_sampler_close(nb_sampler **sp)
{
    nb_sampler *s = *sp;
    if (!s)
        return;
    free(s->cand);
    free(s->weight);
    free(s->stamp);
    free(s);
    *sp = NULL;
}

/* splitmix64 (Steele, Lea, Flood 2014): any seed is a good seed. */
static double uniform(nb_sampler *s)
{
    uint64_t z = s->rng += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* e^x for x <= 0 in plain IEEE double arithmetic, relative error < 1e-14: unlike libm's it has the
 * same bits on every machine, and so has the token that is drawn with it. */
static double exp_neg(double x)
{
    if (!(x > -700))
        return 0;
    double n = (double)(int64_t)(x * 1.4426950408889634 - 0.5);
    double r = x - n * 0x1.62e42fee00000p-1 - n * 0x1.a39ef35793c76p-33; /* |r| <= ln(2)/2 */
    double p = 1.0 / 6227020800;
    static const double inverse_factorial[] = {1.0 / 479001600,
                                               1.0 / 39916800,
                                               1.0 / 3628800,
                                               1.0 / 362880,
                                               1.0 / 40320,
                                               1.0 / 5040,
                                               1.0 / 720,
                                               1.0 / 120,
                                               1.0 / 24,
                                               1.0 / 6,
                                               1.0 / 2,
                                               1,
                                               1};
    for (size_t i = 0; i < countof(inverse_factorial); i++)
        p = p * r + inverse_factorial[i];
    uint64_t bits = (uint64_t)(1023 + (int64_t)n) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

/* Puts (id, logit) into the list of the most likely, best first; earlier ids stay in front. */
static void top_insert(nb_choice *c, int *n, int32_t id, float logit)
{
    int at = *n;
    while (at > 0 && c->top_logprob[at - 1] < logit)
        at--;
    if (at >= NB_TOP)
        return;
    if (*n < NB_TOP)
        (*n)++;
    for (int i = *n - 1; i > at; i--) {
        c->top_id[i] = c->top_id[i - 1];
        c->top_logprob[i] = c->top_logprob[i - 1];
    }
    c->top_id[at] = id;
    c->top_logprob[at] = logit;
}

/* Log of the sum of e^logit, and with it entropy and the top list; logits that are not finite have
 * no part. False when none is finite. */
static bool describe(const float *logits, uint32_t n_vocab, nb_choice *c, double *log_sum)
{
    int n_top = 0;
    for (uint32_t i = 0; i < n_vocab; i++)
        if (isfinite(logits[i]) && (n_top < NB_TOP || logits[i] > c->top_logprob[NB_TOP - 1]))
            top_insert(c, &n_top, (int32_t)i, logits[i]);
    if (n_top == 0)
        return false;
    double max = (double)c->top_logprob[0], sum = 0, moment = 0;
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (!isfinite(logits[i]))
            continue;
        double d = (double)logits[i] - max, e = exp_neg(d);
        sum += e;
        moment += e * d;
    }
    double spread = sum > 1 ? log(sum) : 0; /* the best alone adds 1 */
    *log_sum = max + spread;
    c->entropy = (float)(spread - moment / sum);
    if (c->entropy < 0)
        c->entropy = 0;
    for (int i = 0; i < NB_TOP; i++) {
        c->top_id[i] = i < n_top ? c->top_id[i] : -1;
        c->top_logprob[i] = i < n_top ? (float)((double)c->top_logprob[i] - *log_sum) : -INFINITY;
    }
    return true;
}

/* Fills cand with the finite logits after the repeat penalty (llama.cpp: positive logits are
 * divided by it, negative multiplied; each token once). */
static uint32_t gather(nb_sampler *s, const float *logits, const int32_t *recent, size_t n_recent)
{
    if (++s->epoch == 0) {
        memset(s->stamp, 0, s->n_vocab * sizeof *s->stamp);
        s->epoch = 1;
    }
    size_t last = (size_t)s->set.repeat_last;
    if (s->set.repeat_penalty != 1)
        for (size_t i = n_recent > last ? n_recent - last : 0; i < n_recent; i++)
            if (recent[i] >= 0 && (uint32_t)recent[i] < s->n_vocab)
                s->stamp[recent[i]] = s->epoch;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_vocab; i++) {
        float logit = logits[i];
        if (!isfinite(logit))
            continue;
        if (s->stamp[i] == s->epoch)
            logit = logit > 0 ? logit / s->set.repeat_penalty : logit * s->set.repeat_penalty;
        s->cand[n++] = (cand){logit, (int32_t)i};
    }
    return n;
}

static bool before(cand a, cand b) /* a is more likely; ties go to the lower id */
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

/* Heap with the most likely on top (sign 1) or the least likely (sign -1). */
static void sift(cand *h, uint32_t n, uint32_t at, int sign)
{
    cand v = h[at];
    for (uint32_t kid; (kid = 2 * at + 1) < n; at = kid) {
        if (kid + 1 < n && before(h[kid + 1], h[kid]) == (sign > 0))
            kid++;
        if (before(v, h[kid]) == (sign > 0))
            break;
        h[at] = h[kid];
    }
    h[at] = v;
}

/* Moves the k most likely candidates, in no order, to the front. */
static void keep_top_k(cand *c, uint32_t n, uint32_t k)
{
    for (uint32_t i = k / 2; i-- > 0;)
        sift(c, k, i, -1);
    for (uint32_t i = k; i < n; i++)
        if (before(c[i], c[0])) {
            c[0] = c[i];
            sift(c, k, 0, -1);
        }
}

/* Top-p and min-p: pops a heap until the kept mass reaches top_p or the next candidate is below
 * min_p of the best, so no more is sorted than is kept. Leaves them in front, best first; returns
 * how many. */
static uint32_t cut_by_mass(const nb_sampling *set, cand *c, uint32_t n, double max)
{
    double total = 0, mass = 0;
    for (uint32_t i = 0; i < n; i++)
        total += exp_neg((double)c[i].logit - max);
    for (uint32_t i = n / 2; i-- > 0;)
        sift(c, n, i, 1);
    uint32_t left = n;
    while (left > 0) {
        cand best = c[0];
        double w = exp_neg((double)best.logit - max);
        if (left < n && w < (double)set->min_p)
            break;
        mass += w;
        left--;
        c[0] = c[left];
        sift(c, left, 0, 1);
        c[left] = best;
        if (mass >= (double)set->top_p * total)
            break;
    }
    for (uint32_t i = left, j = n - 1; i < j; i++, j--) {
        cand swap = c[i];
        c[i] = c[j];
        c[j] = swap;
    }
    memmove(c, c + left, (n - left) * sizeof *c);
    return n - left;
}

/* Min-p alone needs no order. */
static uint32_t cut_by_best(const nb_sampling *set, cand *c, uint32_t n, double max)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if ((double)c[i].logit >= max || exp_neg((double)c[i].logit - max) >= (double)set->min_p)
            c[kept++] = c[i];
    return kept;
}

static int32_t draw(nb_sampler *s, uint32_t n, double max)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        s->weight[i] = exp_neg(((double)s->cand[i].logit - max) / (double)s->set.temp);
        sum += s->weight[i];
    }
    double u = uniform(s) * sum;
    uint32_t i = 0;
    while (i + 1 < n && u >= s->weight[i])
        u -= s->weight[i++];
    return s->cand[i].id;
}

nb_status nb_sampler_pick(nb_sampler *s, const float *logits, const int32_t *recent,
                          size_t n_recent, nb_choice *out, nb_err *err)
{
    nb_choice c = {.id = -1};
    double log_sum;
    if (!describe(logits, s->n_vocab, &c, &log_sum))
        return nb_fail(err, NB_FORMAT, "no logit is finite: the weights hold NaN or Inf");
    uint32_t n = gather(s, logits, recent, n_recent);
    cand best = s->cand[0];
    for (uint32_t i = 1; i < n; i++)
        if (before(s->cand[i], best))
            best = s->cand[i];
    c.id = best.id;
    if (s->set.temp > 0) {
        double max = (double)best.logit;
        if (s->set.top_k > 0 && (uint32_t)s->set.top_k < n) {
            keep_top_k(s->cand, n, (uint32_t)s->set.top_k);
            n = (uint32_t)s->set.top_k;
        }
        n = s->set.top_p < 1 ? cut_by_mass(&s->set, s->cand, n, max)
                             : cut_by_best(&s->set, s->cand, n, max);
        c.id = draw(s, n, max);
    }
    c.logprob = (float)((double)logits[c.id] - log_sum);
    *out = c;
    return NB_OK;
}
