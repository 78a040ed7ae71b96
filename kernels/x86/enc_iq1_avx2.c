#include "kernels/quant/iq1_fit.h"
#include "kernels/x86/lattice_fit_avx2.h"
#include "kernels/x86/x86.h"

/* The split search of iq1_s and iq1_m with eight second cuts side by side. Nearly none beats the
 * best so far, so eight are looked at one by one only where one of them does; and a few cuts where
 * the best usually lies tell beforehand what need not be looked at. */

/* Each weight goes where as many lie as are less, or equal and before it: the C reference's order.
 */
static void sort(nk_iq1_order *o)
{
    const int n = o->n;
    _Alignas(32) int32_t rank[32];
    __m256 x[4];
    __m256i r[4], lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (int v = 0; v < n / 8; v++) {
        x[v] = _mm256_loadu_ps(o->x + 8 * v);
        r[v] = _mm256_setzero_si256();
    }
    for (int j = 0; j < n; j++) {
        __m256 one = _mm256_set1_ps(o->x[j]);
        for (int v = 0; v < n / 8; v++) {
            __m256i later = _mm256_cmpgt_epi32(lane, _mm256_set1_epi32(j - 8 * v));
            __m256 less = _mm256_cmp_ps(one, x[v], _CMP_LT_OQ);
            __m256 equal =
                _mm256_and_ps(_mm256_cmp_ps(one, x[v], _CMP_EQ_OQ), _mm256_castsi256_ps(later));
            r[v] = _mm256_sub_epi32(r[v], _mm256_castps_si256(_mm256_or_ps(less, equal)));
        }
    }
    for (int v = 0; v < n / 8; v++)
        _mm256_store_si256((__m256i *)(rank + 8 * v), r[v]);
    memset(o->at, 0, sizeof o->at);
    for (int k = 0; k < n; k++)
        o->at[rank[k]] = (uint8_t)k;
}

/* Second cuts b .. b + 7 under `count` choices of shifts. */
typedef struct cuts {
    __m256 qx[4], qq[4];
    int a, b;
    const uint8_t *minus; /* [count] */
} cuts;

/* The search so far. What does not beat `floor`, a little less than some cut reaches, is passed by:
 * the reference may take it for a while, yet from the first cut that clearly beats the floor on
 * both have the same best. */
typedef struct search {
    nk_iq1_split *best;
    float score, floor;
    int n;
} search;

NK_INLINE __m256 ratios(const cuts *c, int k)
{
    return _mm256_div_ps(_mm256_mul_ps(c->qx[k], c->qx[k]), c->qq[k]);
}

/* Raises *most to the greatest (sum w x q)^2 / sum w q^2 of these cuts. */
NK_INLINE void estimate(const cuts *c, const int count, int n, __m256 *most)
{
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256 inside = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n - c->b + 1), lane));
    for (int k = 0; k < count; k++)
        *most = _mm256_max_ps(_mm256_and_ps(ratios(c, k), inside), *most);
}

/* The floor below an estimate; none where rounding is not small beside it (subnormal products). */
static float floor_below(__m256 most, float sum_w)
{
    const float tiny = 1e-15f, huge = 1e15f;
    __m128 v = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
    v = _mm_max_ps(v, _mm_movehl_ps(v, v));
    float top = _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
    bool sound = top > tiny && top < huge && sum_w > tiny && sum_w < huge;
    return sound ? top * (1 - 0x1p-11f) : -FLT_MAX;
}

/* Lane by lane, choice by choice, those that beat the score as it was. A score may come out lower
 * by a rounding: then all that follow are looked at. */
static void judge_lanes(const cuts *c, const int count, const unsigned pass[4], unsigned lanes,
                        search *s)
{
    _Alignas(32) float qx[4][8], qq[4][8];
    unsigned left = 0;
    bool all = false;
    for (int k = 0; k < count; k++) {
        _mm256_store_ps(qx[k], c->qx[k]);
        _mm256_store_ps(qq[k], c->qq[k]);
        left |= pass[k];
    }
    for (; left; left &= left - 1) {
        int lane = __builtin_ctz(left);
        for (int k = 0; k < count; k++) {
            float before = s->score;
            if (!all && !(pass[k] >> lane & 1))
                continue;
            nk_iq1_judge(s->best, &s->score, qx[k][lane], qq[k][lane], c->a, c->b + lane,
                         c->minus[k]);
            if (s->score < before) {
                all = true;
                left |= lanes & ~0u << lane;
            }
        }
    }
}

NK_INLINE void judge_cuts(const cuts *c, const int count, search *s)
{
    const __m256 least = _mm256_set1_ps(s->score > s->floor ? s->score : s->floor);
    __m256 beats[4], any = _mm256_setzero_ps();
#pragma GCC unroll 4
    for (int k = 0; k < count; k++) {
        beats[k] = _mm256_cmp_ps(_mm256_mul_ps(c->qx[k], c->qx[k]), _mm256_mul_ps(least, c->qq[k]),
                                 _CMP_GT_OQ);
        any = _mm256_or_ps(any, beats[k]);
    }
    const unsigned lanes = s->n - c->b >= 7 ? 0xff : (1u << (s->n - c->b + 1)) - 1;
    if (!((unsigned)_mm256_movemask_ps(any) & lanes))
        return;
    unsigned pass[4];
    for (int k = 0; k < count; k++)
        pass[k] = (unsigned)_mm256_movemask_ps(beats[k]) & lanes;
    judge_lanes(c, count, pass, lanes, s);
}

/* --- iq1_s ------------------------------------------------------------------------------------ */

/* What the weights above the second cut add under either shift. */
typedef struct upper_sums {
    _Alignas(32) float qx[2][40], qq[2][40];
} upper_sums;

static void add_upper(const nk_iq1_sums *s, int n, upper_sums *u)
{
    for (int b = 0; b <= n; b += 8)
        for (int m = 0; m < 2; m++) {
            const __m256 q = _mm256_set1_ps(nk_iq1_levels[m][2]);
            __m256 x = _mm256_sub_ps(_mm256_set1_ps(s->wx[n]), _mm256_loadu_ps(s->wx + b));
            __m256 w = _mm256_sub_ps(_mm256_set1_ps(s->w[n]), _mm256_loadu_ps(s->w + b));
            _mm256_store_ps(u->qx[m] + b, _mm256_mul_ps(x, q));
            _mm256_store_ps(u->qq[m] + b, _mm256_mul_ps(_mm256_mul_ps(w, q), q));
        }
}

NK_INLINE void cut_s(const nk_iq1_sums *s, const upper_sums *u, int a, int b, cuts *c)
{
    __m256 x = _mm256_sub_ps(_mm256_loadu_ps(s->wx + b), _mm256_set1_ps(s->wx[a]));
    __m256 w = _mm256_sub_ps(_mm256_loadu_ps(s->w + b), _mm256_set1_ps(s->w[a]));
    c->a = a;
    c->b = b;
#pragma GCC unroll 2
    for (int m = 0; m < 2; m++) {
        const float q0 = nk_iq1_levels[m][0];
        const __m256 q1 = _mm256_set1_ps(nk_iq1_levels[m][1]);
        c->qx[m] = _mm256_add_ps(_mm256_add_ps(_mm256_set1_ps(s->wx[a] * q0), _mm256_mul_ps(x, q1)),
                                 _mm256_loadu_ps(u->qx[m] + b));
        c->qq[m] = _mm256_add_ps(_mm256_add_ps(_mm256_set1_ps(s->w[a] * q0 * q0),
                                               _mm256_mul_ps(_mm256_mul_ps(w, q1), q1)),
                                 _mm256_loadu_ps(u->qq[m] + b));
    }
}

static void split_s(nk_iq1_order *o, nk_iq1_split *best)
{
    static const uint8_t minus[2] = {0, 1};
    const int n = o->n;
    search find = {.best = best, .score = -FLT_MAX, .n = n};
    nk_iq1_sums s;
    upper_sums u;
    cuts c = {.minus = minus};
    __m256 most = _mm256_setzero_ps();
    *best = (nk_iq1_split){.found = false};
    sort(o);
    nk_iq1_sum(o, &s);
    add_upper(&s, n, &u);
    for (int a = n / 4; a < n / 2; a += n / 8)
        for (int b = n / 2; b <= n; b += 8) {
            cut_s(&s, &u, a, b, &c);
            estimate(&c, 2, n, &most);
        }
    find.floor = floor_below(most, s.w[n]);
    for (int a = 0; a <= n; a++)
        for (int b = a; b <= n; b += 8) {
            cut_s(&s, &u, a, b, &c);
            judge_cuts(&c, 2, &find);
        }
}

/* --- iq1_m ------------------------------------------------------------------------------------ */

/* By half and shift: what the first cut adds, a number, and the second, eight side by side. */
typedef struct cut_sums {
    float total[4]; /* of w x, times the greatest level */
    float first[4][24];
    _Alignas(32) float second[4][32];
} cut_sums;

static void add_cuts(const nk_iq1_sums half[2], int n, cut_sums *u)
{
    for (int k = 0; k < 4; k++) {
        const float *q = nk_iq1_levels[k & 1], *w = half[k >> 1].w;
        const float low = q[0] * q[0] - q[1] * q[1], high = q[1] * q[1] - q[2] * q[2];
        u->total[k] = half[k >> 1].wx[n] * q[2];
        for (int i = 0; i <= n; i++)
            u->first[k][i] = w[n] * q[2] * q[2] + w[i] * low;
        for (int i = 0; i < 32; i += 8)
            _mm256_store_ps(u->second[k] + i,
                            _mm256_mul_ps(_mm256_loadu_ps(w + i), _mm256_set1_ps(high)));
    }
}

NK_INLINE void cut_m(const nk_iq1_sums half[2], const cut_sums *u, int a, int b, cuts *c)
{
    __m256 qx[4], qq[4]; /* half, shift */
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        const float *x = half[k >> 1].wx;
        __m256 sum = _mm256_add_ps(_mm256_set1_ps(x[a]), _mm256_loadu_ps(x + b));
        qx[k] = _mm256_sub_ps(_mm256_set1_ps(u->total[k]), sum);
        qq[k] = _mm256_add_ps(_mm256_set1_ps(u->first[k][a]), _mm256_loadu_ps(u->second[k] + b));
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        c->qx[k] = _mm256_add_ps(qx[k >> 1], qx[2 + (k & 1)]);
        c->qq[k] = _mm256_add_ps(qq[k >> 1], qq[2 + (k & 1)]);
    }
    c->a = a;
    c->b = b;
}

static void split_m(nk_iq1_order *o, nk_iq1_split *best)
{
    static const uint8_t minus[4] = {0, 2, 1, 3}; /* ++, +-, -+, -- */
    const int n = o->n;
    search find = {.best = best, .score = -FLT_MAX, .n = n};
    nk_iq1_sums half[2];
    cut_sums u;
    cuts c = {.minus = minus};
    __m256 most = _mm256_setzero_ps();
    *best = (nk_iq1_split){.found = false};
    sort(o);
    nk_iq1_sum_halves(o, half);
    add_cuts(half, n, &u);
    for (int a = n / 4; a < n / 2; a++) {
        cut_m(half, &u, a, n / 2, &c);
        estimate(&c, 4, n, &most);
    }
    find.floor = floor_below(most, half[0].w[n] + half[1].w[n]);
    for (int a = 0; a <= n; a++)
        for (int b = a; b <= n; b += 8) {
            cut_m(half, &u, a, b, &c);
            judge_cuts(&c, 4, &find);
        }
}

static uint16_t nearest(const nk_grid *g, int point, const float *x, const float *w, float scale,
                        const float *level)
{
    const float q[3] = {scale * level[0], scale * level[1], scale * level[2]};
    return (uint16_t)nearest_of_8(g, point, _mm256_loadu_ps(x), _mm256_loadu_ps(w), q);
}

static void fit_s(const nk_lattice *l, const float *x, const float *importance, float sigma2,
                  nk_lattice_group *out)
{
    float w[32];
    weigh_group(l, x, importance, sigma2, w);
    nk_iq1_fit(l, 1, split_s, nearest, x, w, out);
}

static void fit_m(const nk_lattice *l, const float *x, const float *importance, float sigma2,
                  nk_lattice_group *out)
{
    float w[32];
    weigh_group(l, x, importance, sigma2, w);
    nk_iq1_fit(l, 2, split_m, nearest, x, w, out);
}

static void encode_iq1_s(const float *src, void *dst, size_t nrows, size_t ncols,
                         const float *importance)
{
    nk_lattice_encode(&nk_lattice_iq1_s, fit_s, src, dst, nrows, ncols, importance);
}

static void encode_iq1_m(const float *src, void *dst, size_t nrows, size_t ncols,
                         const float *importance)
{
    nk_lattice_encode(&nk_lattice_iq1_m, fit_m, src, dst, nrows, ncols, importance);
}

void nk_x86_enc_iq1_avx2(nk_ops *ops)
{
    ops->encode[NK_IQ1_S] = encode_iq1_s;
    ops->encode[NK_IQ1_M] = encode_iq1_m;
}
