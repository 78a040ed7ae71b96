/* The statistics behind printed figures: an interval for a share, a mean with its standard error,
 * exact percentiles. */
#ifndef NIBBLE_STAT_H
#define NIBBLE_STAT_H

#include "kernels/nb.h"

/* Wilson's 95 % interval of the share k of n, as llama-perplexity prints it for HellaSwag: unlike
 * p +- 2 sigma it stays inside 0..1 and says something when k is 0 or n. n 0: 0..1. */
void nb_wilson(uint64_t k, uint64_t n, double *lo, double *hi);

/* Running sums of a pair of figures, added in a fixed order. */
typedef struct nb_sums {
    uint64_t n;
    double a, aa, b, bb, ab;
} nb_sums;
void nb_sums_add(nb_sums *s, double a, double b);
/* Means, their standard errors sqrt(var / (n - 1)) and the covariance of the means; all errors are
 * 0 for ten figures or fewer, which say nothing about their spread. */
typedef struct nb_means {
    double a, a_err, b, b_err, cov;
} nb_means;
nb_means nb_sums_means(const nb_sums *s);

/* How figures are spread: linear between neighbours, as llama-perplexity does. */
typedef struct nb_spread {
    double mean, err; /* one standard error of the mean */
    double max, p999, p99, p95, p90, p75, median, p25, p10, p5, p1, p01, min;
} nb_spread;
/* Sorts v[n]. mean and err are left alone. */
void nb_spread_of(nb_spread *out, float *v, size_t n);

#endif
