#include "core/eval/stat.h"

#include <math.h>
#include <stdlib.h>

void nb_wilson(uint64_t k, uint64_t n, double *lo, double *hi)
{
    *lo = 0;
    *hi = 1;
    if (n == 0)
        return;
    const double za = 1.959963984540054; /* 97.5 % of a normal distribution lie below */
    double count = (double)n, p = (double)k / count, z = za * za / count;
    double half = z * sqrt(count * (4 * p * (1 - p) + z)) / (2 * za);
    double low = (p + z / 2 - half) / (1 + z), high = (p + z / 2 + half) / (1 + z);
    *lo = low > 0 ? low : 0;
    *hi = high < 1 ? high : 1;
}

void nb_sums_add(nb_sums *s, double a, double b)
{
    s->n++;
    s->a += a;
    s->aa += a * a;
    s->b += b;
    s->bb += b * b;
    s->ab += a * b;
}

static double error_of(double mean, double square, double n)
{
    double var = square / n - mean * mean;
    return var > 0 && n > 10 ? sqrt(var / (n - 1)) : 0;
}

nb_means nb_sums_means(const nb_sums *s)
{
    nb_means m = {0};
    double n = (double)s->n;
    if (s->n == 0)
        return m;
    m.a = s->a / n;
    m.b = s->b / n;
    m.a_err = error_of(m.a, s->aa, n);
    m.b_err = error_of(m.b, s->bb, n);
    m.cov = s->n > 10 ? (s->ab / n - m.a * m.b) / (n - 1) : 0;
    return m;
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double at_share(const float *v, size_t n, double share)
{
    double place = share * (double)(n - 1);
    size_t i = (size_t)place, next = i + 1 < n ? i + 1 : i;
    double part = place - (double)i;
    return (1 - part) * (double)v[i] + part * (double)v[next];
}

void nb_spread_of(nb_spread *out, float *v, size_t n)
{
    if (n == 0)
        return;
    qsort(v, n, sizeof *v, ascending);
    const struct {
        double *to;
        double share;
    } row[] = {
        {&out->max, 1},   {&out->p999, .999}, {&out->p99, .99}, {&out->p95, .95}, {&out->p90, .90},
        {&out->p75, .75}, {&out->median, .5}, {&out->p25, .25}, {&out->p10, .10}, {&out->p5, .05},
        {&out->p1, .01},  {&out->p01, .001},  {&out->min, 0},
    };
    for (size_t i = 0; i < countof(row); i++)
        *row[i].to = at_share(v, n, row[i].share);
}
