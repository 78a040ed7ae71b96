#include "kernels/quant/lattice_fit.h"
#include "kernels/scale.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MAX_GROUP = 32 };

static const float odd_levels[8] = {1, 3, 5, 7, 9, 11, 13, 15};

/* --- points ------------------------------------------------------------------------------------
 */

static unsigned level_at(const nk_grid *g, unsigned code, int i)
{
    return code >> g->bits * i & ((1u << g->bits) - 1);
}

int nk_grid_point(const nk_grid *g, unsigned code)
{
    int point = 0;
    for (int i = g->dim; i-- > 0;)
        point = point * g->levels + (int)level_at(g, code, i);
    return point;
}

uint16_t nk_grid_nearest(const nk_grid *g, int point, const float *x, const float *w, float scale,
                         const float *level)
{
    const uint16_t *list = g->near + g->first[point];
    uint16_t best = list[1];
    float least = FLT_MAX;
    for (int k = 1; k <= list[0]; k++) {
        float d2 = 0;
        for (int i = 0; i < g->dim; i++) {
            float diff = scale * level[level_at(g, list[k], i)] - x[i];
            d2 += w[i] * diff * diff;
        }
        if (d2 < least) {
            least = d2;
            best = list[k];
        }
    }
    return best;
}

/* Each value to the nearest level by itself. */
static unsigned round_levels(const nk_grid *g, const float *x, float inverse)
{
    unsigned code = 0;
    for (int i = 0; i < g->dim; i++) {
        int l = nk_clamp(nk_nearest(0.5f * (inverse * x[i] - 1)), 0, g->levels - 1);
        code |= (unsigned)l << g->bits * i;
    }
    return code;
}

/* --- one group ---------------------------------------------------------------------------------
 */

typedef struct group {
    const nk_lattice *l;
    const nk_grid *grid;
    float x[MAX_GROUP], w[MAX_GROUP], root[MAX_GROUP]; /* x without signs; sqrt(w) */
    uint16_t code[NK_LATTICE_POINTS];                  /* the best so far */
    bool on_grid[NK_LATTICE_POINTS];                   /* its values rounded to a grid point */
} group;

void nk_lattice_weights(const nk_lattice *l, const float *x, const float *importance, float sigma2,
                        float *w)
{
    if (importance)
        nk_importance_weights(x, importance, sigma2, w, (size_t)l->group);
    else
        l->plain_weights(x, sigma2, w, l->group);
}

/* The values whose w x^2 is least takes the wrong sign where their signs are odd in number. */
static uint8_t even_out(const float *x, const float *w, float *folded)
{
    int at = 0;
    float least = w[0] * x[0] * x[0];
    for (int i = 1; i < 8; i++) {
        float cost = w[i] * x[i] * x[i];
        if (cost < least) {
            least = cost;
            at = i;
        }
    }
    folded[at] = -folded[at];
    return (uint8_t)(1 << at);
}

static void fold_signs(group *g, const float *x, uint8_t sign[4])
{
    for (int k = 0; k < g->l->group; k += 8) {
        unsigned s = 0, odd = 0;
        for (int i = 0; i < 8; i++) {
            bool minus = !(x[k + i] >= 0);
            g->x[k + i] = minus ? -x[k + i] : x[k + i];
            s |= (unsigned)minus << i;
            odd ^= minus;
        }
        if (odd && g->l->even_signs)
            s ^= even_out(x + k, g->w + k, g->x + k);
        sign[k / 8] = (uint8_t)s;
    }
}

/* sum w x q and sum w q^2 over the levels of these points */
static void weigh(const group *g, const uint16_t *code, float *qx, float *qq)
{
    *qx = *qq = 0;
    for (int i = 0; i < g->l->group; i++) {
        int dim = g->grid->dim;
        float q = odd_levels[level_at(g->grid, code[i / dim], i % dim)];
        *qx += g->w[i] * g->x[i] * q;
        *qq += g->w[i] * q * q;
    }
}

/* Point k at this scale. */
static uint16_t snap(const group *g, int k, float inverse, float scale, bool *on_grid)
{
    const nk_grid *grid = g->grid;
    const float *x = g->x + k * grid->dim, *root = g->root + k * grid->dim;
    unsigned code = round_levels(grid, x, inverse);
    int point = nk_grid_point(grid, code);
    *on_grid = grid->index[point] >= 0;
    return *on_grid ? (uint16_t)code : nk_grid_nearest(grid, point, x, root, scale, odd_levels);
}

/* Least squares for the points each tried scale gives; the best scale and its points stay, `scale`
 * where none is any good. */
static float try_scales(group *g, float max, float scale)
{
    const int points = g->l->group / g->grid->dim;
    const float end = (float)(2 * g->grid->levels - 1);
    float best = 0;
    for (int t = -g->l->tries; t <= g->l->tries; t++) {
        float inverse = (end + (float)t * g->l->step) / max, qx, qq;
        uint16_t code[NK_LATTICE_POINTS];
        bool on_grid[NK_LATTICE_POINTS];
        for (int k = 0; k < points; k++)
            code[k] = snap(g, k, inverse, 1 / inverse, &on_grid[k]);
        weigh(g, code, &qx, &qq);
        if (!(qq > 0 && qx * qx > best * qq))
            continue;
        scale = qx / qq;
        best = scale * qx;
        memcpy(g->code, code, sizeof code);
        memcpy(g->on_grid, on_grid, sizeof on_grid);
    }
    return scale;
}

/* Points anew at the scale found, then the scale at these points. */
static float refine(group *g, float scale)
{
    const int points = g->l->group / g->grid->dim;
    bool any = g->l->refine == NK_REFINE_ALL, ignored;
    for (int k = 0; k < points; k++)
        any |= !g->on_grid[k];
    if (!any || !(scale > 0))
        return scale;
    for (int k = 0; k < points; k++)
        if (g->l->refine != NK_REFINE_OFF_GRID || !g->on_grid[k])
            g->code[k] = snap(g, k, 1 / scale, scale, &ignored);
    float qx, qq;
    weigh(g, g->code, &qx, &qq);
    return qq > 0 ? qx / qq : scale;
}

void nk_lattice_fit(const nk_lattice *l, const float *x, const float *importance, float sigma2,
                    nk_lattice_group *out)
{
    group g = {.l = l, .grid = nk_grid_get(l->grid)};
    nk_lattice_group found = {.scale = 0};
    uint8_t ignored[MAX_GROUP];
    *out = (nk_lattice_group){.empty = true};
    nk_lattice_weights(l, x, importance, sigma2, g.w);
    for (int i = 0; i < l->group; i++)
        g.root[i] = sqrtf(g.w[i]);
    fold_signs(&g, x, found.sign);
    float max = g.x[0];
    for (int i = 1; i < l->group; i++)
        max = max > g.x[i] ? max : g.x[i];
    if (max < l->eps)
        return;
    float first = max / (float)(2 * g.grid->levels - 1);
    if (l->positive_first) {
        first = nk_fit_positive(g.x, g.w, l->group, g.grid->levels + 1, ignored);
        max = first * (float)g.grid->levels;
        if (max <= 0)
            return;
    }
    for (int k = 0; k < NK_LATTICE_POINTS; k++)
        g.on_grid[k] = l->refine == NK_REFINE_OFF_GRID;
    float scale = refine(&g, try_scales(&g, max, first));
    bool flip = scale < 0;
    for (int k = 0; k < l->group / g.grid->dim; k++)
        found.index[k] = (uint16_t)g.grid->index[nk_grid_point(g.grid, g.code[k])];
    for (int k = 0; k < 4; k++)
        found.sign[k] = (uint8_t)(flip ? ~found.sign[k] : found.sign[k]);
    found.scale = flip ? -scale : scale;
    *out = found;
}

/* --- blocks and rows ---------------------------------------------------------------------------
 */

static void encode_block(const nk_lattice *l, nk_lattice_fit_fn *fit, const float *x,
                         const float *importance, void *block)
{
    const int groups = NK_SUPER_LEN / l->group;
    nk_lattice_group g[NK_LATTICE_GROUPS];
    uint8_t s[NK_LATTICE_GROUPS] = {0};
    float sigma2 = l->sigma * nk_sum_squares(x, NK_SUPER_LEN) / NK_SUPER_LEN, max = 0;
    for (int k = 0; k < groups; k++) {
        fit(l, x + k * l->group, importance ? importance + k * l->group : NULL, sigma2, &g[k]);
        max = max > g[k].scale ? max : g[k].scale;
    }
    if (max == 0) {
        memset(block, 0, l->block_size);
        for (int k = 0; k < groups; k++)
            g[k].minus = 0;
        if (!l->zero_wipes)
            l->pack(g, s, 0, block);
        return;
    }
    float d = max / (float)(2 * l->scale_max + 1), inverse = 1 / d;
    for (int k = 0; k < groups; k++)
        s[k] = (uint8_t)nk_clamp(nk_nearest(0.5f * (inverse * g[k].scale - 1)), 0, l->scale_max);
    if (l->refit)
        d = l->refit(l, x, importance, sigma2, g, s, d);
    l->pack(g, s, nk_f32_to_f16(d * l->fudge), block);
}

void nk_lattice_encode(const nk_lattice *l, nk_lattice_fit_fn *fit, const float *src, void *dst,
                       size_t nrows, size_t ncols, const float *importance)
{
    char *b = dst;
    for (size_t r = 0; r < nrows; r++, src += ncols)
        for (size_t c = 0; c < ncols; c += NK_SUPER_LEN, b += l->block_size)
            encode_block(l, fit, src + c, importance ? importance + c : NULL, b);
}
