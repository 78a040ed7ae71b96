/* The search of iq1_s and iq1_m, in steps, so that a SIMD level can bring its own split search. */
#ifndef NIBBLE_QUANT_IQ1_FIT_H
#define NIBBLE_QUANT_IQ1_FIT_H

#include "kernels/quant/lattice_fit.h"

/* What -1, 0, 1 stand for: shift[0] by +1/8, shift[1] by -1/8. */
extern const float nk_iq1_levels[2][3];

/* Weights in ascending order, equal ones as they come: ggml's qsort is the C library's, whose merge
 * sort keeps their order (quant.md 1.4). at[k]: where the k-th lies. */
typedef struct nk_iq1_order {
    const float *x, *w; /* [n] as they lie */
    int n;              /* 32 of iq1_s, 16 of iq1_m */
    uint8_t at[32];
} nk_iq1_order;

/* Where the ascending weights are cut: [0, first) are -1, [first, second) 0, the rest 1. */
typedef struct nk_iq1_split {
    float scale; /* least squares; may be negative */
    int first, second;
    uint8_t minus; /* bit h: shift of part h; iq1_s has one part, iq1_m two of 8 weights */
    bool found;
} nk_iq1_split;

/* Sums up to the k-th weight in order, of iq1_m those of either half's weights. */
typedef struct nk_iq1_sums {
    float wx[33 + 7], w[33 + 7]; /* [n + 1]; the rest is for SIMD to read */
} nk_iq1_sums;
void nk_iq1_sum(const nk_iq1_order *o, nk_iq1_sums *s);
void nk_iq1_sum_halves(const nk_iq1_order *o, nk_iq1_sums s[2]);
/* Takes the cut if it beats *score, starting at -FLT_MAX: the greatest scale * sum w x q so far. */
void nk_iq1_judge(nk_iq1_split *best, float *score, float qx, float qq, int first, int second,
                  unsigned minus);

typedef void nk_iq1_split_fn(nk_iq1_order *o, nk_iq1_split *best);
typedef uint16_t nk_grid_nearest_fn(const nk_grid *g, int point, const float *x, const float *w,
                                    float scale, const float *level);

/* Sorts, then of all cuts and shifts takes the one with the greatest (sum w x q)^2 / sum w q^2, the
 * first of equals. */
nk_iq1_split_fn nk_iq1_split_s, nk_iq1_split_m;
/* A group under weights w[l->group], given both searches. parts: 1 or 2. */
void nk_iq1_fit(const nk_lattice *l, int parts, nk_iq1_split_fn *split, nk_grid_nearest_fn *nearest,
                const float *x, const float *w, nk_lattice_group *out);

#endif
