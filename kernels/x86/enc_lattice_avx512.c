/* Sixteen scales tried side by side; neighbours of two of them, eight of each. */
#include "kernels/x86/enc_lattice.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

enum { LANES = 16, HALF = 8 };

/* The levels of eight lanes as they stand in a code: of points of 8 four tables of three. */
static const float levels_of_8[LANES] = {1, 3, 5, 0, 1, 3, 5, 0, 1, 3, 5, 0, 1, 3, 5, 0};
static const float levels_of_4[LANES] = {1, 3, 5, 7, 9, 11, 13, 15, 1, 3, 5, 7, 9, 11, 13, 15};
static const int32_t upper_half[LANES] = {0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8};
static const int32_t place_in_half[LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7};

NK_INLINE __m512i code_of_weight(const int dim, __m512i code, int i)
{
    return _mm512_srli_epi32(code, (unsigned)((dim == 8 ? 2 : 3) * i));
}

/* By sixteen codes of weight i out of what make_tables has of point k. */
NK_INLINE __m512 look_up(const float *table, const int dim, int k, __m512i code, int i)
{
    const __m512i c = code_of_weight(dim, code, i);
    const float *at = table + 32 * k + (dim == 8 ? level_table(i) : 8 * i);
    if (dim == 8)
        return _mm512_permutevar_ps(_mm512_broadcast_f32x4(_mm_load_ps(at)), c);
    return _mm512_permutexvar_ps(c, _mm512_broadcast_f32x8(_mm256_load_ps(at)));
}

NK_INLINE void weigh_tries(const group *g, const int dim, int n, float *qx, float *qq)
{
    for (int t = 0; t < n; t += LANES) {
        __m512 sx = _mm512_setzero_ps(), sq = _mm512_setzero_ps();
        for (int k = 0; k < g->points; k++) {
            const __m512i code = _mm512_loadu_si512(&g->code[k][t]);
#pragma GCC unroll 8
            for (int i = 0; i < dim; i++) {
                sx = _mm512_add_ps(sx, look_up(g->qx, dim, k, code, i));
                sq = _mm512_add_ps(sq, look_up(g->qq, dim, k, code, i));
            }
        }
        _mm512_storeu_ps(qx + t, sx);
        _mm512_storeu_ps(qq + t, sq);
    }
}

/* --- neighbours --------------------------------------------------------------------------------
 */

/* Two tries of one point: lists of neighbours, and by level what each weight adds to the error, for
 * the second in the upper half. */
typedef struct pair {
    const uint16_t *list[2];
    __m512 term[NK_GRID_DIM];
} pair;

NK_INLINE void set_terms(pair *p, const int dim, const float *x, const float *w, float a, float b)
{
    const __m512 level = _mm512_loadu_ps(dim == 8 ? levels_of_8 : levels_of_4);
    const __m512 scale = _mm512_mask_blend_ps(0xff00, _mm512_set1_ps(a), _mm512_set1_ps(b));
    const __m512 q = _mm512_mul_ps(scale, level);
#pragma GCC unroll 8
    for (int i = 0; i < dim; i++) {
        const __m512 d = _mm512_sub_ps(q, _mm512_set1_ps(x[i]));
        p->term[i] = _mm512_mul_ps(_mm512_mul_ps(_mm512_set1_ps(w[i]), d), d);
    }
}

/* Errors of eight neighbours each, from place k of the lists on. Where one list has ended its
 * first eight come again: they are not less than themselves. */
NK_INLINE __m512 pair_errors(const pair *p, const int dim, int k)
{
    const uint16_t *a = p->list[0], *b = p->list[1];
    const __m512i code = _mm512_cvtepu16_epi32(
        _mm256_setr_m128i(load16(a + 1 + (k < a[0] ? k : 0)), load16(b + 1 + (k < b[0] ? k : 0))));
    const __m512i seven = _mm512_set1_epi32(7), half = _mm512_loadu_si512(upper_half);
    __m512 sum = _mm512_setzero_ps();
#pragma GCC unroll 8
    for (int i = 0; i < dim; i++) {
        const __m512i c = code_of_weight(dim, code, i);
        const __m512 term =
            dim == 8 ? _mm512_permutevar_ps(p->term[i], c)
                     : _mm512_permutexvar_ps(_mm512_or_si512(_mm512_and_si512(c, seven), half),
                                             p->term[i]);
        sum = i ? _mm512_add_ps(sum, term) : term;
    }
    return sum;
}

/* The lanes that hold the least of their eight. */
NK_INLINE __mmask16 lanes_of_least_halves(__m512 v)
{
    __m512 m = _mm512_min_ps(v, _mm512_shuffle_f32x4(v, v, 0xb1));
    m = _mm512_min_ps(m, _mm512_shuffle_ps(m, m, 0x4e));
    m = _mm512_min_ps(m, _mm512_shuffle_ps(m, m, 0xb1));
    return _mm512_cmp_ps_mask(v, m, _CMP_EQ_OQ);
}

/* The first of the places in those lanes. */
NK_INLINE int first_place(const int32_t place[HALF], unsigned lanes)
{
    int first = INT32_MAX;
    for (; lanes; lanes &= lanes - 1) {
        const int at = place[__builtin_ctz(lanes)];
        first = at < first ? at : first;
    }
    return first;
}

/* As nk_grid_nearest, of both. */
NK_INLINE void nearest_two(const pair *p, const int dim, uint32_t out[2])
{
    const uint16_t *a = p->list[0], *b = p->list[1];
    const int most = a[0] > b[0] ? a[0] : b[0];
    NK_UNSET int32_t place[LANES];
    __m512 least = _mm512_min_ps(pair_errors(p, dim, 0), _mm512_set1_ps(FLT_MAX));
    __m512i at = _mm512_loadu_si512(place_in_half), best = at;
    for (int k = HALF; k < most; k += HALF) {
        const __m512 error = pair_errors(p, dim, k);
        const __mmask16 less = _mm512_cmp_ps_mask(error, least, _CMP_LT_OQ);
        at = _mm512_add_epi32(at, _mm512_set1_epi32(HALF));
        least = _mm512_mask_blend_ps(less, least, error);
        best = _mm512_mask_blend_epi32(less, best, at);
    }
    const unsigned lanes = lanes_of_least_halves(least), low = lanes & 0xff, high = lanes >> HALF;
    if (most <= HALF) {
        out[0] = a[1 + __builtin_ctz(low)];
        out[1] = b[1 + __builtin_ctz(high)];
        return;
    }
    _mm512_storeu_si512(place, best);
    out[0] = a[1 + first_place(place, low)];
    out[1] = b[1 + first_place(place + HALF, high)];
}

/* --- snapping ----------------------------------------------------------------------------------
 */

/* Numbers of the point that weights x[dim] have under sixteen inverse scales. */
NK_INLINE __m512i points_of(const int dim, const float *x, __m512 inverse)
{
    const __m512i zero = _mm512_set1_epi32(0x00400000), mask = _mm512_set1_epi32(0x007fffff);
    __m512i point = _mm512_setzero_si512();
    for (int i = dim - 1; i >= 0; i--) {
        __m512 v = _mm512_sub_ps(_mm512_mul_ps(inverse, _mm512_set1_ps(x[i])), _mm512_set1_ps(1));
        v = _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(0.5f), v), _mm512_set1_ps(12582912.0f));
        __m512i l = _mm512_and_si512(_mm512_castps_si512(v), mask); /* nearest_biased */
        l = _mm512_sub_epi32(_mm512_max_epi32(l, zero), zero);
        l = _mm512_min_epi32(l, _mm512_set1_epi32(dim == 8 ? 2 : 7));
        const __m512i others = dim == 8 ? _mm512_add_epi32(point, _mm512_add_epi32(point, point))
                                        : _mm512_slli_epi32(point, 3);
        point = _mm512_add_epi32(others, l);
    }
    return point;
}

/* Point k of all tries. Which lie beside the grid cannot be foretold: they are listed first. */
NK_INLINE void snap_point(group *g, const int dim, int k, const float *inverse, const float *scale,
                          int n)
{
    const nk_grid *grid = g->grid;
    const float *x = g->x + dim * k, *root = g->root + dim * k;
    NK_UNSET int32_t point[TRIES];
    NK_UNSET uint8_t beside[TRIES + 1];
    int m = 0;
    g->off_grid[k] = 0;
    for (int t = 0; t < n; t += LANES)
        _mm512_storeu_si512(point + t, points_of(dim, x, _mm512_loadu_ps(inverse + t)));
    for (int t = 0; t < n; t++) {
        const int index = grid->index[point[t]], off = index < 0;
        beside[m] = (uint8_t)t;
        m += off;
        g->off_grid[k] |= (uint32_t)off << t;
        g->code[k][t] = grid->code[off ? 0 : index];
    }
    beside[m] = beside[m ? m - 1 : 0]; /* with itself where they are odd */
    for (int i = 0; i < m; i += 2) {
        const int a = beside[i], b = beside[i + 1];
        NK_UNSET pair p;
        uint32_t code[2];
        p.list[0] = grid->near + grid->first[point[a]];
        p.list[1] = grid->near + grid->first[point[b]];
        set_terms(&p, dim, x, root, scale[a], scale[b]);
        nearest_two(&p, dim, code);
        g->code[k][a] = code[0];
        g->code[k][b] = code[1];
    }
}

NK_INLINE void snap_tries(group *g, const int dim, const float *inverse, const float *scale, int n)
{
    for (int k = 0; k < g->points; k++)
        snap_point(g, dim, k, inverse, scale, n);
}

static const trying by_sixteen = {snap_tries, weigh_tries};

static void fit_8(const nk_lattice *l, const float *x, const float *importance, float sigma2,
                  nk_lattice_group *out)
{
    fit_group(l, 8, by_sixteen, x, importance, sigma2, out);
}

static void fit_4(const nk_lattice *l, const float *x, const float *importance, float sigma2,
                  nk_lattice_group *out)
{
    fit_group(l, 4, by_sixteen, x, importance, sigma2, out);
}

LATTICE_TYPES(ENCODE)

void nk_x86_enc_lattice_avx512(nk_ops *ops)
{
    LATTICE_TYPES(ENCODE_SET)
}

#endif
