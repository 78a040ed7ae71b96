/* What quantizing did to values: histograms binned by sign, exponent and three mantissa bits (no
 * range needed beforehand; integer counts merge in any order), and sums. Sums are doubles merged in
 * tile order, so figures do not depend on threads. */
#ifndef NIBBLE_HIST_H
#define NIBBLE_HIST_H

#include "kernels/ops.h"

enum {
    NB_HIST_EXP_MIN = -40, /* below 2^-40: the zero bin */
    NB_HIST_EXP_MAX = 23,
    NB_HIST_SIDE = (NB_HIST_EXP_MAX - NB_HIST_EXP_MIN + 1) * 8, /* bins per sign */
    NB_HIST_BINS = 2 * NB_HIST_SIDE + 1,                        /* negative | zero | positive */
};

typedef struct nb_hist {
    uint64_t count[NB_HIST_BINS]; /* ascending value; middle = zero */
    uint64_t total;
} nb_hist;

static inline size_t nb_hist_bin(float v);
void nb_hist_add(nb_hist *h, const float *v, size_t n);

/* Three histograms side by side, bins of one magnitude together: what a few values touch of them
 * lies in a page or two. All zero = empty. */
enum { NB_HIST_PLACES = 2 * (NB_HIST_SIDE + 1) }; /* zero, then a bin of each sign after another */
typedef struct nb_hist_trio {
    uint64_t count[NB_HIST_PLACES][3];
} nb_hist_trio;
void nb_hist_places(uint16_t *place, const float *v, size_t n);
void nb_hist_trio_add(nb_hist_trio *t, size_t which, const uint16_t *place, size_t n);
/* Adds one of the three to an nb_hist. */
void nb_hist_trio_read(const nb_hist_trio *t, size_t which, nb_hist *out);

/* Values on their way into a histogram, counted by sign, exponent and three mantissa bits: the top
 * 12 bits of the float decide a bin. Several tables, so that neighbours of equal value do not wait
 * for each other's store. All zero = empty. */
enum { NB_HIST_TABLES = 4, NB_HIST_KEYS = 1 << 12 };
typedef struct nb_hist_keys {
    uint16_t count[NB_HIST_TABLES][NB_HIST_KEYS];
    size_t held;
    uint64_t met; /* bit p: some of the p-th 64th of the keys were counted */
} nb_hist_keys;
enum { NB_HIST_HELD = NB_HIST_TABLES * (UINT16_MAX - 1) }; /* values at most, between two flushes */
void nb_hist_keys_add(nb_hist_keys *t, const float *v, size_t n);
void nb_hist_keys_flush(nb_hist_keys *t, nb_hist *h); /* t is empty after it */

void nb_hist_merge(nb_hist *into, const nb_hist *from);
/* Lower edge of a bin; bin NB_HIST_BINS gives the upper end. */
double nb_hist_edge(size_t bin);
/* Redistributes onto `cols` equal columns over [lo, hi] (a bin wider than a column is spread
 * evenly); values outside are added to *below, *above. out[cols]. */
void nb_hist_columns(const nb_hist *h, double lo, double hi, double *out, size_t cols,
                     double *below, double *above);
/* Smallest symmetric |x| that holds `share` (e.g. 0.9999) of the counts: a plot's axis. */
double nb_hist_reach(const nb_hist *h, double share);

/* Sums over the weights of a tensor that were measured: all of them, or a sample of `looks`, short
 * runs of neighbours. What the looks differ by among each other tells how good the sample is. */
typedef struct nb_stats {
    uint64_t n, n_zero, n_nan, n_inf;
    uint64_t n_clip; /* quantized types: |error| > 1.5 steps of the weight's own group, of a table
                        of levels its widest. Inside the grid's reach an error is at most half a
                        step, so a clipped weight lies at least one whole step beyond the grid's
                        end. */
    double sum, sum2, sum4;
    double sum_err, sum_err2;
    float min, max;
    float max_err;       /* signed error (decoded - source) of largest magnitude */
    uint64_t max_err_at; /* its element index in the tensor; of equal ones the first */
    /* Of a sample; 0 where all weights are in. E and W of a look: its sums of err^2 and w^2. */
    uint64_t n_looks;
    double look_ee, look_ew, look_ww; /* sums over looks of E*E, E*W, W*W */
} nb_stats;

void nb_stats_clear(nb_stats *s);
/* src, dec [n], element index of src[0] in the tensor. NaN and Inf are counted and stay out of the
 * sums. ops NULL = the C reference; the figures are the same. */
void nb_stats_add(nb_stats *s, const nk_ops *ops, const float *src, const float *dec, size_t n,
                  uint64_t at);
/* Counts n_clip of one encoded block: v spells it out, src and dec [v->len]. */
void nb_stats_add_clips(nb_stats *s, const nk_block_view *v, const float *src, const float *dec);
void nb_stats_merge(nb_stats *into, const nb_stats *from); /* in tile order */
/* One look of a sample, as nb_stats_add. */
void nb_stats_add_look(nb_stats *s, const nk_ops *ops, const float *src, const float *dec, size_t n,
                       uint64_t at);
/* What the sample s says of a tensor of n weights: counts and sums as if all had been measured, so
 * that those of several tensors merge. n == s->n: s without its look_ sums. Extremes stay those
 * met. */
nb_stats nb_stats_expand(const nb_stats *s, uint64_t n);
/* Standard error of nb_stats_rel_rmse, from expanded sums, merged or not: of a ratio of two sums
 * over looks drawn one from each stratum, taken as a simple random sample (Cochran, Sampling
 * Techniques, 6.9 and 6.10: the combined ratio). 0 where everything was measured. */
double nb_stats_rel_rmse_error(const nb_stats *s);
double nb_stats_rel_rmse(const nb_stats *s); /* rms(err) / rms(weight); 0 for all-zero tensors */
double nb_stats_sqnr_db(const nb_stats *s);  /* 10 log10(sum w^2 / sum err^2); +inf when exact */
double nb_stats_std(const nb_stats *s);
double nb_stats_kurtosis(const nb_stats *s); /* about zero; a normal distribution has 3 */

/* Of the float with these bits, by masks instead of branches: signs are random. */
static inline int32_t nb_hist_place(int32_t bits)
{
    int32_t k = (bits >> 20 & 0x7ff) - 8 * (NB_HIST_EXP_MIN + 127) + 1;
    k &= -(k > 0); /* 0: too small for a bin */
    int32_t beyond = -(k > NB_HIST_SIDE);
    k = (k & ~beyond) | (beyond & NB_HIST_SIDE);
    return 2 * k + (bits < 0);
}

static inline size_t nb_hist_bin(float v)
{
    int32_t bits;
    __builtin_memcpy(&bits, &v, sizeof bits);
    size_t place = (size_t)nb_hist_place(bits);
    return place % 2 ? NB_HIST_SIDE - place / 2 : NB_HIST_SIDE + place / 2;
}

#endif
