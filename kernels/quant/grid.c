#include "kernels/quant/grid.h"
#include "kernels/nb.h"
#include "kernels/quant/grid_bits.h"

#include <pthread.h>
#include <stdatomic.h>

/* One grid as the formats define it. */
typedef struct grid_shape {
    const uint64_t *bits;
    int dim, levels, code_bits, n;
    int distances; /* how many of the least distances make up a list of neighbours */
    int8_t value[8];
} grid_shape;

#define IQ2_VALUES                                                                                 \
    {                                                                                              \
        8, 25, 43                                                                                  \
    }
#define OF_8(sym) .bits = nk_grid_bits_##sym, .dim = 8, .levels = 3, .code_bits = 2
#define OF_4(sym) .bits = nk_grid_bits_##sym, .dim = 4, .levels = 8, .code_bits = 3

/* Values: iq2xxs_grid, iq2xs_grid, iq2s_grid, iq1s_grid, iq3xxs_grid, iq3s_grid of ggml-common.h;
 * distances: nwant of iq2xs_init_impl and iq3xs_init_impl of ggml-quants.c, both @ 050ee92. */
static const grid_shape shapes[NK_GRID_COUNT] = {
    [NK_GRID_IQ2_XXS] = {OF_8(iq2_xxs), .n = 256, .distances = 2, .value = IQ2_VALUES},
    [NK_GRID_IQ2_XS] = {OF_8(iq2_xs), .n = 512, .distances = 2, .value = IQ2_VALUES},
    [NK_GRID_IQ2_S] = {OF_8(iq2_s), .n = 1024, .distances = 1, .value = IQ2_VALUES},
    [NK_GRID_IQ1] = {OF_8(iq1), .n = 2048, .distances = 3, .value = {-1, 0, 1}},
    [NK_GRID_IQ3_XXS] = {OF_4(iq3_xxs), .n = 256, .distances = 2,
                         .value = {4, 12, 20, 28, 36, 44, 52, 62}},
    [NK_GRID_IQ3_S] = {OF_4(iq3_s), .n = 512, .distances = 3, .value = {1, 3, 5, 7, 9, 11, 13, 15}},
};

static int points_of(const grid_shape *s)
{
    int n = 1;
    for (int i = 0; i < s->dim; i++)
        n *= s->levels;
    return n;
}

static bool on_grid(const grid_shape *s, int point)
{
    return s->bits[point / 64] >> point % 64 & 1;
}

static uint16_t code_of(const grid_shape *s, int point)
{
    unsigned code = 0;
    for (int i = 0; i < s->dim; i++, point /= s->levels)
        code |= (unsigned)(point % s->levels) << s->code_bits * i;
    return (uint16_t)code;
}

/* --- values: one table for all, 33 KB ----------------------------------------------------------
 */

static uint64_t values[NK_GRID_COUNT][NK_GRID_MAX]; /* written once, by make_values */
static pthread_once_t values_once = PTHREAD_ONCE_INIT;

static void make_values(void)
{
    for (int g = 0; g < NK_GRID_COUNT; g++) {
        const grid_shape *s = &shapes[g];
        int n = 0;
        for (int p = 0; p < points_of(s); p++) {
            if (!on_grid(s, p))
                continue;
            uint64_t word = 0;
            for (int i = 0, rest = p; i < s->dim; i++, rest /= s->levels)
                word |= (uint64_t)(uint8_t)s->value[rest % s->levels] << 8 * i;
            values[g][n++] = word;
        }
    }
}

const uint64_t *nk_grid_values(nk_grid_id id)
{
    pthread_once(&values_once, make_values);
    return values[id];
}

/* --- what encoders look up ---------------------------------------------------------------------
 */

/* Entries of all lists of a grid, counts and fill included: what the builder ends at
 * (tests/test_grid.c). */
enum {
    NEAR_IQ2_XXS = 141665,
    NEAR_IQ2_XS = 209425,
    NEAR_IQ2_S = 74601,
    NEAR_IQ1 = 347817,
    NEAR_IQ3_XXS = 38144,
    NEAR_IQ3_S = 40040,
};

typedef struct grid_tables {
    int16_t index[NK_GRID_POINTS];
    uint32_t first[NK_GRID_POINTS];
    uint16_t code[NK_GRID_MAX];
} grid_tables;

/* Written once each, by make_grid under `lock`; `made` says so. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool made[NK_GRID_COUNT];
static grid_tables tables[NK_GRID_COUNT];
static nk_grid grids[NK_GRID_COUNT];
static uint16_t near_iq2_xxs[NEAR_IQ2_XXS], near_iq2_xs[NEAR_IQ2_XS], near_iq2_s[NEAR_IQ2_S],
    near_iq1[NEAR_IQ1], near_iq3_xxs[NEAR_IQ3_XXS], near_iq3_s[NEAR_IQ3_S];
static const struct {
    uint16_t *list;
    size_t cap;
} near[NK_GRID_COUNT] = {
    [NK_GRID_IQ2_XXS] = {near_iq2_xxs, NEAR_IQ2_XXS}, [NK_GRID_IQ2_XS] = {near_iq2_xs, NEAR_IQ2_XS},
    [NK_GRID_IQ2_S] = {near_iq2_s, NEAR_IQ2_S},       [NK_GRID_IQ1] = {near_iq1, NEAR_IQ1},
    [NK_GRID_IQ3_XXS] = {near_iq3_xxs, NEAR_IQ3_XXS}, [NK_GRID_IQ3_S] = {near_iq3_s, NEAR_IQ3_S},
};

/* Squared distances, in levels, of a point from all of the grid: the sum of what either half of the
 * code contributes. */
static void distances_from(const grid_shape *s, const uint16_t *grid, uint16_t code,
                           uint8_t distance[NK_GRID_MAX])
{
    const int half = s->dim / 2 * s->code_bits, mask = (1 << half) - 1;
    const unsigned one = (1u << s->code_bits) - 1;
    uint8_t part[2][256];
    for (int h = 0; h < 2; h++)
        for (int c = 0; c <= mask; c++) {
            int sum = 0;
            for (int i = 0; i < half; i += s->code_bits) {
                int d =
                    (int)((unsigned)c >> i & one) - (int)((unsigned)code >> (h * half + i) & one);
                sum += d * d;
            }
            part[h][c] = (uint8_t)sum;
        }
    for (int k = 0; k < s->n; k++)
        distance[k] = (uint8_t)(part[0][grid[k] & mask] + part[1][grid[k] >> half]);
}

/* The list of one point at `out`, its count first; returns its end. */
static uint16_t *list_neighbours(const grid_shape *s, const uint16_t *grid, uint16_t code,
                                 uint16_t *out)
{
    uint8_t distance[NK_GRID_MAX];
    uint16_t count[256] = {0}, *at = out + 1;
    distances_from(s, grid, code, distance);
    for (int k = 0; k < s->n; k++)
        count[distance[k]]++;
    for (int d = 0, seen = 0; seen < s->distances && d < 256; d++) {
        if (count[d] == 0)
            continue;
        for (int k = 0; k < s->n; k++)
            if (distance[k] == d)
                *at++ = grid[k];
        seen++;
    }
    *out = (uint16_t)(at - out - 1);
    for (; (at - out - 1) % NK_GRID_LANES != 0; at++)
        *at = at[-1];
    return at;
}

static void make_grid(nk_grid_id id)
{
    const grid_shape *s = &shapes[id];
    grid_tables *t = &tables[id];
    uint16_t *at = near[id].list;
    int points = points_of(s), n = 0;
    for (int p = 0; p < points; p++) {
        t->index[p] = on_grid(s, p) ? (int16_t)n : -1;
        if (on_grid(s, p))
            t->code[n++] = code_of(s, p);
    }
    for (int p = 0; p < points; p++) {
        if (t->index[p] >= 0)
            continue;
        t->first[p] = (uint32_t)(at - near[id].list);
        at = list_neighbours(s, t->code, code_of(s, p), at);
    }
    grids[id] = (nk_grid){.dim = s->dim,
                          .levels = s->levels,
                          .bits = s->code_bits,
                          .n = n,
                          .index = t->index,
                          .first = t->first,
                          .near = near[id].list,
                          .code = t->code};
}

const nk_grid *nk_grid_get(nk_grid_id id)
{
    if (!atomic_load_explicit(&made[id], memory_order_acquire)) {
        pthread_mutex_lock(&lock);
        if (!atomic_load_explicit(&made[id], memory_order_relaxed))
            make_grid(id);
        atomic_store_explicit(&made[id], true, memory_order_release);
        pthread_mutex_unlock(&lock);
    }
    return &grids[id];
}

size_t nk_grid_bytes(nk_grid_id id)
{
    return (size_t)points_of(&shapes[id]) * (sizeof(int16_t) + sizeof(uint32_t)) +
           (size_t)shapes[id].n * sizeof(uint16_t) + near[id].cap * sizeof(uint16_t);
}
