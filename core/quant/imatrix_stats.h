/* What an importance matrix is worth: llama-imatrix's --show-statistics (llama.cpp PR 12718,
 * tools/imatrix/imatrix.cpp @ de3ff81) and its health. Squares are those of what a weight reads,
 * averaged over rows: act² below. */
#ifndef NIBBLE_IMATRIX_STATS_H
#define NIBBLE_IMATRIX_STATS_H

#include "core/quant/imatrix.h"

typedef struct nb_imatrix_stats {
    const char *name;                     /* borrowed: the matrix */
    int layer;                            /* -1 outside layers */
    char tensor[NB_MAX_NAME + 1];         /* the part before ".weight": "attn_q" */
    uint64_t n;                           /* columns of the matrices that saw rows */
    double total, mean, min, max, stddev; /* of act² */
    double active;                        /* share of columns above 1e-5 */
    double entropy;                       /* bits, of act² as shares of its total */
    double entropy_norm;                  /* over log2(n): 1 = all columns alike */
    double z_density;       /* share of columns more than a standard deviation above the mean */
    double cosine;          /* of the sums with the layer before; NaN: there is none */
    uint64_t n_mat, n_seen; /* matrices; those that saw rows */
    int64_t count_min, count_max; /* rows of the seen ones */
    uint64_t n_zero;              /* columns of seen matrices whose sum is 0 */
    uint64_t n_bad;               /* values replaced on reading */
} nb_imatrix_stats;

/* out[im->n], in llama-imatrix's order: by tensor, then from the largest total on. */
void nb_imatrix_describe(nb_imatrix_stats *out, const nb_imatrix *im);

/* Averages of a layer's entries weighted by their columns. */
typedef struct nb_layer_stats {
    int layer;
    double total, z_density, cosine;
} nb_layer_stats;
/* out[at least the number of layers <= n]; returns how many, by layer. */
size_t nb_imatrix_layers(nb_layer_stats *out, const nb_imatrix_stats *s, size_t n);

#endif
