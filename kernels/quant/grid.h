/* The grids of the IQ types. A grid is a set of points; a point stands for `dim` neighbouring
 * weights, each at one of a few levels, so that an index of 8 to 11 bits says what 8 weights are
 * (4 for iq3). Fewer points than there could be, hence fewer bits.
 *
 * The source holds a bit per point there could be (grid_bits.h); tables are made of it once, on
 * first use, by any thread, and never change again. They lie in static memory: 98 KB of values; for
 * the encoders of one grid 100 to 740 KB more (nk_grid_bytes). */
#ifndef NIBBLE_QUANT_GRID_H
#define NIBBLE_QUANT_GRID_H

#include <stddef.h>
#include <stdint.h>

typedef enum nk_grid_id {
    NK_GRID_IQ2_XXS,
    NK_GRID_IQ2_XS,
    NK_GRID_IQ2_S,
    NK_GRID_IQ1, /* of both IQ1 types */
    NK_GRID_IQ3_XXS,
    NK_GRID_IQ3_S,
    NK_GRID_COUNT
} nk_grid_id;

enum {
    NK_GRID_DIM = 8,       /* weights of a point, at most */
    NK_GRID_MAX = 2048,    /* points of a grid */
    NK_GRID_POINTS = 6561, /* points there could be: 3^8, or 8^4 = 4096 */
};

/* Values of the points of one grid by index, byte i = weight i, signed: iq2 8, 25, 43; iq1 -1, 0,
 * 1; iq3_xxs 4 to 62; iq3_s 1, 3, .. 15. Of points of 4 weights the upper half is 0. */
const uint64_t *nk_grid_values(nk_grid_id id);

/* For encoders. A point there could be is numbered by its levels: p = sum of level[i] * levels^i.
 * Its code packs the levels, `bits` each, level 0 lowest. */
typedef struct nk_grid {
    int dim, levels, bits, n; /* 8, 3, 2 or 4, 8, 3; n points belong to the grid */
    /* [points] index of a point, or -1 */
    const int16_t *index;
    /* [points] of a point outside: where in `near` its list starts */
    const uint32_t *first;
    /* Lists: how many, then the codes of the nearest points of the grid, those of the one, two or
     * three least distances, nearer first, then by index; filled up to a multiple of NK_GRID_LANES
     * with the last one again. */
    const uint16_t *near;
    const uint16_t *code; /* [n] by index */
} nk_grid;
enum { NK_GRID_LANES = 8 };

const nk_grid *nk_grid_get(nk_grid_id id);
/* Bytes that nk_grid_get's tables of this grid take. */
size_t nk_grid_bytes(nk_grid_id id);

#endif
