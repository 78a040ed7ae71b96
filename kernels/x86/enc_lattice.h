/* Encoders of the IQ types on grids but IQ1: nk_lattice_fit for iq2 (points of 8 in 3 levels) and
 * iq3 (points of 4 in 8 levels); bytes equal the C reference's. How scales are tried is the
 * level's own: it gives both functions of `trying` to fit_group. Included only by files compiled
 * for AVX2 and above. */
#ifndef NIBBLE_X86_ENC_LATTICE_H
#define NIBBLE_X86_ENC_LATTICE_H

#include "kernels/x86/positive_avx2.h"
#include "kernels/x86/x86.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

enum {
    GROUP = 32,
    TRIES = 32, /* 31 of iq3_xxs */
};

typedef struct group {
    const nk_lattice *l;
    const nk_grid *grid;
    int points;
    _Alignas(32) float x[GROUP], w[GROUP], root[GROUP];
    /* What a level of a weight adds to sum w x q and sum w q^2: per weight a table of `levels`,
     * four floats (points of 8: where level_table says) or eight. */
    _Alignas(32) float qx[GROUP * 8], qq[GROUP * 8];
    uint32_t code[NK_LATTICE_POINTS][TRIES];
    uint32_t off_grid[NK_LATTICE_POINTS]; /* bit t: try t fell beside the grid there */
    uint16_t best[NK_LATTICE_POINTS];
    uint32_t best_off; /* bit k: point k fell beside the grid */
} group;

/* --- signs and tables --------------------------------------------------------------------------
 */

static int least_cost(const float *x, const float *w)
{
    _Alignas(32) float cost[8];
    int at = 0;
    __m256 v = _mm256_loadu_ps(x);
    _mm256_store_ps(cost, _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(w), v), v));
    for (int i = 1; i < 8; i++)
        at = cost[i] < cost[at] ? i : at;
    return at;
}

/* Values without signs; returns the greatest. */
NK_INLINE float fold_signs(group *g, const float *x, uint8_t sign[4])
{
    __m256 max = _mm256_set1_ps(-FLT_MAX);
    for (int k = 0; k < g->l->group; k += 8) {
        __m256 v = _mm256_loadu_ps(x + k);
        __m256 minus = _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NGE_UQ);
        unsigned s = (unsigned)_mm256_movemask_ps(minus);
        _mm256_store_ps(g->x + k, _mm256_xor_ps(v, _mm256_and_ps(minus, _mm256_set1_ps(-0.0f))));
        if (g->l->even_signs && __builtin_popcount(s) % 2) {
            int at = least_cost(x + k, g->w + k);
            g->x[k + at] = -g->x[k + at];
            s ^= 1u << at;
        }
        sign[k / 8] = (uint8_t)s;
    }
    for (int k = 0; k < g->l->group; k += 8)
        max = _mm256_max_ps(max, _mm256_load_ps(g->x + k));
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(max), _mm256_extractf128_ps(max, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

/* (w x) q and (w q) q of every level */
NK_INLINE void make_tables(group *g, const int dim)
{
    for (int k = 0; dim == 8 && k < g->l->group; k += 8) {
        __m256 w = _mm256_load_ps(g->w + k), wx = _mm256_mul_ps(w, _mm256_load_ps(g->x + k));
        __m256 three = _mm256_set1_ps(3), five = _mm256_set1_ps(5);
        store_levels(wx, _mm256_mul_ps(wx, three), _mm256_mul_ps(wx, five), g->qx + 4 * k);
        store_levels(w, _mm256_mul_ps(_mm256_mul_ps(w, three), three),
                     _mm256_mul_ps(_mm256_mul_ps(w, five), five), g->qq + 4 * k);
    }
    for (int i = 0; dim == 4 && i < g->l->group; i++) {
        __m256 w = _mm256_set1_ps(g->w[i]), q = odd_levels();
        _mm256_store_ps(g->qx + 8 * i, _mm256_mul_ps(_mm256_set1_ps(g->w[i] * g->x[i]), q));
        _mm256_store_ps(g->qq + 8 * i, _mm256_mul_ps(_mm256_mul_ps(w, q), q));
    }
}

/* --- snapping to the grid ----------------------------------------------------------------------
 */

NK_INLINE __m256 level_of(__m256 x, float inverse)
{
    __m256 v = _mm256_sub_ps(_mm256_mul_ps(_mm256_set1_ps(inverse), x), _mm256_set1_ps(1));
    return _mm256_mul_ps(_mm256_set1_ps(0.5f), v);
}

/* The number of the point of eight weights from k on. */
NK_INLINE int point_of_8(const group *g, int k, float inverse)
{
    __m256i l = nearest_biased(level_of(_mm256_load_ps(g->x + k), inverse));
    __m256i above0 = _mm256_cmpgt_epi32(l, _mm256_set1_epi32(0x00400000));
    __m256i above1 = _mm256_cmpgt_epi32(l, _mm256_set1_epi32(0x00400001));
    return point_of_masks((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(above0)),
                          (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(above1)));
}

/* Both points of four, from weight k on. */
NK_INLINE void points_of_4(const group *g, int k, float inverse, int point[2])
{
    const __m256i zero = _mm256_set1_epi32(0x00400000);
    __m256i l = nearest_biased(level_of(_mm256_load_ps(g->x + k), inverse));
    l = _mm256_sub_epi32(_mm256_max_epi32(l, zero), zero);
    l = _mm256_min_epi32(l, _mm256_set1_epi32(7));
    l = _mm256_sllv_epi32(l, _mm256_setr_epi32(0, 3, 6, 9, 0, 3, 6, 9));
    l = _mm256_or_si256(l, _mm256_shuffle_epi32(l, 0x4e));
    l = _mm256_or_si256(l, _mm256_shuffle_epi32(l, 0xb1));
    point[0] = _mm256_extract_epi32(l, 0);
    point[1] = _mm256_extract_epi32(l, 4);
}

/* The code of the point of the grid for point number `point` of the weights from k on. */
NK_INLINE unsigned snap(const group *g, const int dim, int k, int point, float scale, bool *off)
{
    int index = g->grid->index[point];
    *off = index < 0;
    if (index >= 0)
        return g->grid->code[index];
    if (dim == 4)
        return nearest_of_4(g->grid, point, g->x + k, g->root + k, scale);
    const float q[3] = {scale, scale * 3, scale * 5};
    return nearest_of_8(g->grid, point, _mm256_load_ps(g->x + k), _mm256_load_ps(g->root + k), q);
}

/* --- trying scales -----------------------------------------------------------------------------
 */

/* Points for `n` tried scales and their inverses: codes to g->code[k][t], and off_grid. */
typedef void snap_tries_fn(group *g, const int dim, const float *inverse, const float *scale,
                           int n);
/* sum w x q and sum w q^2 of tries 0..n - 1; more may be written, TRIES at most. */
typedef void weigh_tries_fn(const group *g, const int dim, int n, float *qx, float *qq);
typedef struct trying {
    snap_tries_fn *snap;
    weigh_tries_fn *weigh;
} trying;

/* Those sums of the best points. */
NK_INLINE void weigh_best(const group *g, const int dim, float *qx, float *qq)
{
    *qx = *qq = 0;
    for (int k = 0; k < g->points; k++)
        for (int i = 0; i < dim; i++) {
            int at = dim == 8 ? 32 * k + level_table(i) + (g->best[k] >> 2 * i & 3)
                              : 8 * (4 * k + i) + (g->best[k] >> 3 * i & 7);
            *qx += g->qx[at];
            *qq += g->qq[at];
        }
}

NK_INLINE float try_scales(group *g, const int dim, const trying by, float max, float scale)
{
    const int n = 2 * g->l->tries + 1;
    const float end = dim == 8 ? 5 : 15;
    _Alignas(32) float inverse[TRIES], scales[TRIES], qx[TRIES], qq[TRIES];
    float best = 0;
    int at = -1;
    for (int t = 0; t < TRIES; t++)
        inverse[t] = (end + (float)(t - g->l->tries) * g->l->step) / max;
    for (int t = 0; t < TRIES; t++)
        scales[t] = 1 / inverse[t];
    by.snap(g, dim, inverse, scales, n);
    by.weigh(g, dim, n, qx, qq);
    for (int t = 0; t < n; t++)
        if (qq[t] > 0 && qx[t] * qx[t] > best * qq[t]) {
            scale = qx[t] / qq[t];
            best = scale * qx[t];
            at = t;
        }
    g->best_off = at < 0 && g->l->refine != NK_REFINE_OFF_GRID ? ~0u : 0;
    for (int k = 0; k < g->points; k++) {
        g->best[k] = (uint16_t)(at < 0 ? 0 : g->code[k][at]);
        if (at >= 0)
            g->best_off |= (g->off_grid[k] >> at & 1) << k;
    }
    return scale;
}

NK_INLINE float refine(group *g, const int dim, float scale)
{
    const uint32_t all = (1u << g->points) - 1;
    uint32_t redo = g->l->refine == NK_REFINE_ALL ? all : g->best_off & all;
    if (!redo || !(scale > 0))
        return scale;
    if (g->l->refine == NK_REFINE_IF_ANY)
        redo = all;
    for (int k = 0; k < g->points; k++) {
        int point[2];
        bool off;
        if (!(redo >> k & 1))
            continue;
        if (dim == 8)
            point[0] = point_of_8(g, 8 * k, 1 / scale);
        else
            points_of_4(g, k / 2 * 8, 1 / scale, point);
        const int at = dim == 8 ? 0 : k % 2;
        g->best[k] = (uint16_t)snap(g, dim, dim * k, point[at], scale, &off);
    }
    float qx, qq;
    weigh_best(g, dim, &qx, &qq);
    return qq > 0 ? qx / qq : scale;
}

/* --- one group ---------------------------------------------------------------------------------
 */

NK_INLINE void fit_group(const nk_lattice *l, const int dim, const trying by, const float *x,
                         const float *importance, float sigma2, nk_lattice_group *out)
{
    group g;
    g.l = l;
    g.grid = nk_grid_get(l->grid);
    g.points = l->group / dim;
    nk_lattice_group found = {.scale = 0};
    *out = (nk_lattice_group){.empty = true};
    weigh_group(l, x, importance, sigma2, g.w);
    float max = fold_signs(&g, x, found.sign);
    if (max < l->eps)
        return;
    float first = max / (dim == 8 ? 5.0f : 15.0f);
    if (l->positive_first) {
        first = fit_positive(g.x, g.w, max);
        max = first * 3;
        if (max <= 0)
            return;
    }
    for (int k = 0; k < l->group; k += 8)
        _mm256_store_ps(g.root + k, _mm256_sqrt_ps(_mm256_load_ps(g.w + k)));
    make_tables(&g, dim);
    float scale = refine(&g, dim, try_scales(&g, dim, by, max, first));
    bool flip = scale < 0;
    for (int k = 0; k < g.points; k++)
        found.index[k] =
            (uint16_t)g.grid->index[dim == 8 ? nk_grid_point(g.grid, g.best[k]) : g.best[k]];
    for (int k = 0; k < 4; k++)
        found.sign[k] = (uint8_t)(flip ? ~found.sign[k] : found.sign[k]);
    found.scale = flip ? -scale : scale;
    *out = found;
}

/* --- the types ---------------------------------------------------------------------------------
 */

/* X(enum suffix, symbol, fit) */
#define LATTICE_TYPES(X)                                                                           \
    X(IQ2_XXS, iq2_xxs, fit_8)                                                                     \
    X(IQ2_XS, iq2_xs, fit_8)                                                                       \
    X(IQ2_S, iq2_s, fit_8)                                                                         \
    X(IQ3_XXS, iq3_xxs, fit_4)                                                                     \
    X(IQ3_S, iq3_s, fit_4)

#define ENCODE(ID, sym, fit)                                                                       \
    static void encode_##sym(const float *src, void *dst, size_t nrows, size_t ncols,              \
                             const float *importance)                                              \
    {                                                                                              \
        nk_lattice_encode(&nk_lattice_##sym, fit, src, dst, nrows, ncols, importance);             \
    }
#define ENCODE_SET(ID, sym, fit) ops->encode[NK_##ID] = encode_##sym;

#endif
#endif
