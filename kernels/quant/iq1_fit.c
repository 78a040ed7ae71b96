/* quantize_row_iq1_s_impl, quantize_row_iq1_m_impl and iq1_find_best_neighbour2 of ggml-quants.c,
 * told anew; see lattice_fit.h. */
#include "kernels/quant/iq1_fit.h"
#include "kernels/scale.h"

#include <float.h>
#include <math.h>

#define SHIFT 0.125f
const float nk_iq1_levels[2][3] = {{-1 + SHIFT, SHIFT, 1 + SHIFT}, {-1 - SHIFT, -SHIFT, 1 - SHIFT}};

static void sort(nk_iq1_order *o)
{
    for (int k = 0; k < o->n; k++) {
        int j = k;
        for (; j > 0 && o->x[k] < o->x[o->at[j - 1]]; j--)
            o->at[j] = o->at[j - 1];
        o->at[j] = (uint8_t)k;
    }
}

void nk_iq1_sum(const nk_iq1_order *o, nk_iq1_sums *s)
{
    *s = (nk_iq1_sums){{0}, {0}};
    for (int k = 0; k < o->n; k++) {
        int i = o->at[k];
        s->wx[k + 1] = s->wx[k] + o->w[i] * o->x[i];
        s->w[k + 1] = s->w[k] + o->w[i];
    }
}

void nk_iq1_sum_halves(const nk_iq1_order *o, nk_iq1_sums s[2])
{
    s[0] = s[1] = (nk_iq1_sums){{0}, {0}};
    for (int k = 0; k < o->n; k++) {
        int i = o->at[k], in = i < o->n / 2 ? 0 : 1;
        s[in].wx[k + 1] = s[in].wx[k] + o->w[i] * o->x[i];
        s[in].w[k + 1] = s[in].w[k] + o->w[i];
        s[1 - in].wx[k + 1] = s[1 - in].wx[k];
        s[1 - in].w[k + 1] = s[1 - in].w[k];
    }
}

void nk_iq1_judge(nk_iq1_split *best, float *score, float qx, float qq, int first, int second,
                  unsigned minus)
{
    if (!(qq > 0 && qx * qx > *score * qq))
        return;
    best->scale = qx / qq;
    *score = best->scale * qx;
    best->first = first;
    best->second = second;
    best->minus = (uint8_t)minus;
    best->found = true;
}

void nk_iq1_split_s(nk_iq1_order *o, nk_iq1_split *best)
{
    nk_iq1_sums s;
    float score = -FLT_MAX;
    const int n = o->n;
    *best = (nk_iq1_split){.found = false};
    sort(o);
    nk_iq1_sum(o, &s);
    for (int a = 0; a <= n; a++)
        for (int b = a; b <= n; b++)
            for (unsigned minus = 0; minus < 2; minus++) {
                const float *q = nk_iq1_levels[minus], *sx = s.wx, *sw = s.w;
                float qx = sx[a] * q[0] + (sx[b] - sx[a]) * q[1] + (sx[n] - sx[b]) * q[2];
                float qq = sw[a] * q[0] * q[0] + (sw[b] - sw[a]) * q[1] * q[1] +
                           (sw[n] - sw[b]) * q[2] * q[2];
                nk_iq1_judge(best, &score, qx, qq, a, b, minus);
            }
}

/* Levels lie one apart, hence sum w x q = T q2 - S(first) - S(second). */
void nk_iq1_split_m(nk_iq1_order *o, nk_iq1_split *best)
{
    nk_iq1_sums half[2];
    float score = -FLT_MAX;
    const int n = o->n;
    *best = (nk_iq1_split){.found = false};
    sort(o);
    nk_iq1_sum_halves(o, half);
    for (int a = 0; a <= n; a++)
        for (int b = a; b <= n; b++) {
            float qx[2][2], qq[2][2]; /* [half][shift] */
            for (int h = 0; h < 2; h++)
                for (int m = 0; m < 2; m++) {
                    const float *q = nk_iq1_levels[m], *x = half[h].wx, *w = half[h].w;
                    const float low = q[0] * q[0] - q[1] * q[1], high = q[1] * q[1] - q[2] * q[2];
                    qx[h][m] = x[n] * q[2] - (x[a] + x[b]);
                    qq[h][m] = w[n] * q[2] * q[2] + w[a] * low + w[b] * high;
                }
            for (int k = 0; k < 4; k++) { /* ++, +-, -+, -- */
                int m0 = k >> 1, m1 = k & 1;
                nk_iq1_judge(best, &score, qx[0][m0] + qx[1][m1], qq[0][m0] + qq[1][m1], a, b,
                             (unsigned)(m0 | m1 << 1));
            }
        }
}

/* The levels that a split gives, 0..2, mirrored under a negative scale. */
static void level_all(const nk_iq1_order *o, nk_iq1_split *s, int parts, uint8_t level[32])
{
    for (int k = 0; k < o->n; k++)
        level[o->at[k]] = (uint8_t)(k < s->first ? 0 : k < s->second ? 1 : 2);
    if (!(s->scale < 0))
        return;
    for (int i = 0; i < o->n; i++)
        level[i] = (uint8_t)(2 - level[i]);
    s->scale = -s->scale;
    s->minus = (uint8_t)(~s->minus & ((1 << parts) - 1));
}

/* Least squares for the points found, each under its shift. */
static float refit(const nk_iq1_order *o, const nk_grid *grid, const uint16_t *index,
                   const float *const levels[4], float scale)
{
    float qx = 0, qq = 0;
    for (int i = 0; i < o->n; i++) {
        unsigned code = grid->code[index[i / 8]];
        float q = levels[i / 8][code >> i % 8 * 2 & 3];
        qx += o->w[i] * q * o->x[i];
        qq += o->w[i] * q * q;
    }
    return qx > 0 && qq > 0 ? qx / qq : scale;
}

void nk_iq1_fit(const nk_lattice *l, int parts, nk_iq1_split_fn *split, nk_grid_nearest_fn *nearest,
                const float *x, const float *w, nk_lattice_group *out)
{
    const nk_grid *grid = nk_grid_get(l->grid);
    const float *levels[4];
    float max = fabsf(x[0]);
    uint8_t level[32] = {0};
    nk_iq1_split s;
    bool all_on_grid = true;
    *out = (nk_lattice_group){.empty = true};
    for (int i = 1; i < l->group; i++)
        max = max > fabsf(x[i]) ? max : fabsf(x[i]);
    if (max < l->eps)
        return;
    nk_iq1_order o = {.x = x, .w = w, .n = l->group};
    split(&o, &s);
    if (!s.found)
        return;
    level_all(&o, &s, parts, level);
    for (int k = 0; k < l->group / 8; k++) {
        unsigned code = 0;
        levels[k] = nk_iq1_levels[s.minus >> (parts == 1 ? 0 : k) & 1];
        for (int i = 0; i < 8; i++)
            code |= (unsigned)level[8 * k + i] << 2 * i;
        int point = nk_grid_point(grid, code);
        if (grid->index[point] < 0) {
            all_on_grid = false;
            code = nearest(grid, point, x + 8 * k, w + 8 * k, s.scale, levels[k]);
            point = nk_grid_point(grid, code);
        }
        out->index[k] = (uint16_t)grid->index[point];
    }
    out->empty = false;
    out->minus = s.minus;
    out->scale = all_on_grid ? s.scale : refit(&o, grid, out->index, levels, s.scale);
}
