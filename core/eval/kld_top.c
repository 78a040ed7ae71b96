#include "core/eval/kld_top.h"

#include <math.h>
#include <stdlib.h>

static const double ROUNDING = 1e-3; /* of printed logprobs, over twenty of them */

static int by_id(const void *a, const void *b)
{
    const nb_known *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool is_part(const nb_known *ref, size_t n, uint32_t n_vocab, double *sum)
{
    *sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (ref[i].id < 0 || (uint32_t)ref[i].id >= n_vocab || !(ref[i].logprob < ROUNDING) ||
            (i > 0 && ref[i].id == ref[i - 1].id))
            return false;
        *sum += exp(ref[i].logprob);
    }
    return n > 0 && *sum <= 1 + ROUNDING;
}

static int32_t likeliest(const nb_known *ref, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = ref[i].logprob > ref[best].logprob ? i : best;
    return ref[best].id;
}

/* p log(p/q): nothing where the reference holds nothing, much where only the other does. */
static double term(double p, double log_p, double q)
{
    static const double least = 1e-300; /* below every probability of a float's logits */
    return p > 0 ? p * (log_p - log(q > least ? q : least)) : 0;
}

bool nb_kld_top_of(nb_kld_top *out, const float *logits, uint32_t n_vocab, nb_known *ref, size_t n)
{
    double known, whole = 0, rest = 0;
    uint32_t top = 0;
    qsort(ref, n, sizeof *ref, by_id);
    if (n_vocab == 0 || !is_part(ref, n, n_vocab, &known))
        return false;
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (!isfinite(logits[i]))
            return false;
        top = logits[i] > logits[top] ? i : top;
    }
    double max = (double)logits[top];
    size_t next = 0; /* of ref */
    for (uint32_t i = 0; i < n_vocab; i++) {
        double e = exp((double)logits[i] - max);
        bool listed = next < n && (uint32_t)ref[next].id == i;
        next += listed;
        whole += e;
        rest += listed ? 0 : e; /* summed, not 1 - the others: it may be tiny */
    }
    double scale = known > 1 ? known : 1, kl = 0; /* more than all is rounding */
    for (size_t i = 0; i < n; i++) {
        double p = exp(ref[i].logprob) / scale, q = exp((double)logits[ref[i].id] - max) / whole;
        kl += term(p, ref[i].logprob - log(scale), q);
    }
    double rest_ref = known < 1 && n < n_vocab ? 1 - known : 0;
    kl += term(rest_ref, rest_ref > 0 ? log(rest_ref) : 0, rest / whole);
    *out = (nb_kld_top){.kl = kl > 0 ? kl : 0,
                        .rest_ref = rest_ref,
                        .rest = rest / whole,
                        .same_top = likeliest(ref, n) == (int32_t)top};
    return true;
}

void nb_average_add(nb_average *t, double v)
{
    t->max = t->n == 0 || v > t->max ? v : t->max;
    t->n++;
    t->sum += v;
    t->sum2 += v * v;
}

double nb_average_of(const nb_average *t)
{
    return t->n ? t->sum / (double)t->n : 0;
}

double nb_average_err(const nb_average *t)
{
    double mean = nb_average_of(t);
    double var = t->n > 1 ? t->sum2 / (double)t->n - mean * mean : 0;
    return var > 0 ? sqrt(var / (double)(t->n - 1)) : 0;
}
