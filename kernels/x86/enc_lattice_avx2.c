#include "kernels/x86/enc_lattice.h"

/* Eight tries. */
NK_INLINE void weigh_eight(const group *g, const int dim, int from, float *qx, float *qq)
{
    __m256 sx = _mm256_setzero_ps(), sq = _mm256_setzero_ps();
    for (int k = 0; k < g->points; k++) {
        __m256i code = load32(&g->code[k][from]);
#pragma GCC unroll 8
        for (int i = 0; i < dim; i++) {
            int at = dim == 8 ? 32 * k + level_table(i) : 8 * (4 * k + i);
            __m256i c = _mm256_srli_epi32(code, (dim == 8 ? 2 : 3) * i);
            if (dim == 8) {
                sx = _mm256_add_ps(sx, _mm256_permutevar_ps(load_levels(g->qx + at), c));
                sq = _mm256_add_ps(sq, _mm256_permutevar_ps(load_levels(g->qq + at), c));
            } else {
                sx = _mm256_add_ps(sx, _mm256_permutevar8x32_ps(_mm256_load_ps(g->qx + at), c));
                sq = _mm256_add_ps(sq, _mm256_permutevar8x32_ps(_mm256_load_ps(g->qq + at), c));
            }
        }
    }
    _mm256_storeu_ps(qx, sx);
    _mm256_storeu_ps(qq, sq);
}

NK_INLINE void weigh_tries(const group *g, const int dim, int n, float *qx, float *qq)
{
    for (int t = 0; t < n; t += 8)
        weigh_eight(g, dim, t, qx + t, qq + t);
}

/* All numbers first: whether one needs a search, which cannot be foretold, is then known early. */
NK_INLINE void snap_tries(group *g, const int dim, const float *inverse, const float *scale, int n)
{
    for (int k = 0; k < g->l->group; k += 8)
        for (int t = 0; t < n; t++) {
            int point[2];
            if (dim == 8) {
                g->code[k / 8][t] = (uint32_t)point_of_8(g, k, inverse[t]);
                continue;
            }
            points_of_4(g, k, inverse[t], point);
            g->code[k / 4][t] = (uint32_t)point[0];
            g->code[k / 4 + 1][t] = (uint32_t)point[1];
        }
    for (int k = 0; k < g->points; k++) {
        g->off_grid[k] = 0;
        for (int t = 0; t < n; t++) {
            bool off;
            g->code[k][t] = snap(g, dim, dim * k, (int)g->code[k][t], scale[t], &off);
            g->off_grid[k] |= (uint32_t)off << t;
        }
    }
}

static const trying by_eight = {snap_tries, weigh_tries};

static void fit_8(const nk_lattice *l, const float *x, const float *importance, float sigma2,
                  nk_lattice_group *out)
{
    fit_group(l, 8, by_eight, x, importance, sigma2, out);
}

static void fit_4(const nk_lattice *l, const float *x, const float *importance, float sigma2,
                  nk_lattice_group *out)
{
    fit_group(l, 4, by_eight, x, importance, sigma2, out);
}

LATTICE_TYPES(ENCODE)

void nk_x86_enc_lattice_avx2(nk_ops *ops)
{
    LATTICE_TYPES(ENCODE_SET)
}
