/* How the IQ types on grids are encoded: for each group a scale and the points nearest to its
 * weights, then the scales of a block coded under one d. The operation order is ggml's
 * (quantize_row_iq*_impl of ggml-quants.c @ 050ee92, MIT, compiled as scale.h says), so are the
 * bytes. One description per type, one search for iq2 and iq3, one for IQ1; a SIMD level brings
 * searches of its own and gives them to nk_lattice_encode. */
#ifndef NIBBLE_QUANT_LATTICE_FIT_H
#define NIBBLE_QUANT_LATTICE_FIT_H

#include "kernels/quant/lattice.h"

#include <stdbool.h>

/* What is found for a group of 16 or 32 weights. */
typedef struct nk_lattice_group {
    float scale; /* of levels 1, 3, 5 ..; of IQ1 of -1, 0, 1 */
    bool empty;  /* too small to be looked at: index, sign and minus are 0 */
    uint16_t index[NK_LATTICE_POINTS];
    uint8_t sign[4]; /* a byte per 8 weights, bit set: minus; the type may keep only seven */
    uint8_t minus;   /* IQ1: bit h set: the shift of part h is a minus */
} nk_lattice_group;

typedef struct nk_lattice nk_lattice;

/* x[group]; importance[group] or NULL; sigma2: the block's mean square times l->sigma. */
typedef void nk_lattice_fit_fn(const nk_lattice *l, const float *x, const float *importance,
                               float sigma2, nk_lattice_group *out);

struct nk_lattice {
    nk_grid_id grid;
    int group;         /* 16 or 32 */
    size_t block_size; /* bytes */
    nk_lattice_fit_fn *fit;
    /* A whole block from its groups, their scale codes s and d; of IQ1_M d comes from refit. */
    void (*pack)(const nk_lattice_group *g, const uint8_t *s, nk_f16 d, void *block);
    float sigma;     /* in the weights: importance * sqrt(sigma * mean x^2 + x^2) */
    float eps;       /* a group below it is empty */
    int scale_max;   /* s is 0..scale_max: d = greatest scale / (2 * scale_max + 1) */
    float fudge;     /* d is stored times this */
    bool zero_wipes; /* all scales 0: the block is zeros; else points and signs stay */
    /* d anew by least squares once s is known (IQ1_M), or NULL */
    float (*refit)(const nk_lattice *l, const float *x, const float *importance, float sigma2,
                   const nk_lattice_group *g, const uint8_t *s, float d);
    /* Weights of a group without importance. */
    void (*plain_weights)(const float *x, float sigma2, float *w, int n);

    /* For nk_lattice_fit: scales max / (ends + step * k), k = -tries..tries, ends the highest level
     * 2 * levels - 1. */
    int tries;
    float step;
    bool even_signs;     /* seven signs are kept: the least important value gives way */
    bool positive_first; /* "max" is that of a fit to levels 0..4 */
    enum { NK_REFINE_OFF_GRID, NK_REFINE_IF_ANY, NK_REFINE_ALL } refine;
};

/* The C reference of the search for iq2 and iq3. */
nk_lattice_fit_fn nk_lattice_fit;

/* nk_encode_fn for a type, through this search: l->fit or a faster one with the same results. */
void nk_lattice_encode(const nk_lattice *l, nk_lattice_fit_fn *fit, const float *src, void *dst,
                       size_t nrows, size_t ncols, const float *importance);

/* w[l->group]. */
void nk_lattice_weights(const nk_lattice *l, const float *x, const float *importance, float sigma2,
                        float *w);
/* Code of the point in the list of `point`, which is no point of the grid, that is nearest to
 * x / scale under w; level[levels]: what the levels stand for. The first where no distance is a
 * number. */
uint16_t nk_grid_nearest(const nk_grid *g, int point, const float *x, const float *w, float scale,
                         const float *level);
/* The number of the point with this code. */
int nk_grid_point(const nk_grid *g, unsigned code);

extern const nk_lattice nk_lattice_iq2_xxs, nk_lattice_iq2_xs, nk_lattice_iq2_s, nk_lattice_iq3_xxs,
    nk_lattice_iq3_s, nk_lattice_iq1_s, nk_lattice_iq1_m;

#endif
