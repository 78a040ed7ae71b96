#include "kernels/x86/avx2.h"
#include "kernels/x86/x86.h"

/* sum += v, in double. */
NK_INLINE void add_lanes(double sum[8], __m256 v)
{
    __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
    __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
    _mm256_storeu_pd(sum, _mm256_add_pd(_mm256_loadu_pd(sum), low));
    _mm256_storeu_pd(sum + 4, _mm256_add_pd(_mm256_loadu_pd(sum + 4), high));
}

/* The same eight lanes as measure.c. */
static void measure(const float *src, const float *dec, size_t n, nk_measure_lanes *t)
{
    __m256 lo = _mm256_loadu_ps(t->min), hi = _mm256_loadu_ps(t->max);
    __m256 err = _mm256_loadu_ps(t->err), w1 = _mm256_setzero_ps(), w2 = w1, w4 = w1;
    __m256 e1 = w1, e2 = w1;
    __m256i zero = load32(t->zero);
    for (size_t i = 0; i < n; i += 8) {
        __m256 w = _mm256_loadu_ps(src + i), square = _mm256_mul_ps(w, w);
        __m256 e = _mm256_sub_ps(_mm256_loadu_ps(dec + i), w);
        __m256 same = _mm256_cmp_ps(w, _mm256_setzero_ps(), _CMP_EQ_OQ);
        lo = _mm256_min_ps(w, lo);
        hi = _mm256_max_ps(w, hi);
        err = _mm256_max_ps(magnitude(e), err);
        zero = _mm256_sub_epi32(zero, _mm256_castps_si256(same));
        w1 = _mm256_add_ps(w1, w);
        w2 = _mm256_add_ps(w2, square);
        w4 = _mm256_add_ps(w4, _mm256_mul_ps(square, square));
        e1 = _mm256_add_ps(e1, e);
        e2 = _mm256_add_ps(e2, _mm256_mul_ps(e, e));
    }
    _mm256_storeu_ps(t->min, lo);
    _mm256_storeu_ps(t->max, hi);
    _mm256_storeu_ps(t->err, err);
    _mm256_storeu_si256((__m256i_u *)t->zero, zero);
    add_lanes(t->w, w1);
    add_lanes(t->w2, w2);
    add_lanes(t->w4, w4);
    add_lanes(t->e, e1);
    add_lanes(t->e2, e2);
}

NK_INLINE __m256i unfinite(__m256i bits)
{
    const __m256i exponent = _mm256_set1_epi32(0x7f800000);
    return _mm256_cmpeq_epi32(_mm256_and_si256(bits, exponent), exponent);
}

static bool all_finite(const float *v, size_t n)
{
    __m256i bad = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        bad = _mm256_or_si256(bad, unfinite(load32(v + i)));
    return _mm256_testz_si256(bad, bad) && nk_all_finite(v + i, n - i);
}

static bool finite_halves(const void *v, size_t n, uint16_t exponent)
{
    const uint8_t *at = v;
    const __m256i all = _mm256_set1_epi16((short)exponent);
    __m256i bad = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i bits = _mm256_and_si256(load32(at + 2 * i), all);
        bad = _mm256_or_si256(bad, _mm256_cmpeq_epi16(bits, all));
    }
    return _mm256_testz_si256(bad, bad) && nk_finite_halves(at + 2 * i, n - i, exponent);
}

typedef struct far_group {
    __m256 lo, hi, err; /* of the decoded values in this lane, of their errors */
} far_group;

NK_INLINE far_group look_far(const float *src, const float *dec, size_t group)
{
    far_group g = {_mm256_loadu_ps(dec), _mm256_loadu_ps(dec), _mm256_setzero_ps()};
    for (size_t i = 0; i < group; i += 8) {
        __m256 d = _mm256_loadu_ps(dec + i);
        g.lo = _mm256_min_ps(g.lo, d);
        g.hi = _mm256_max_ps(g.hi, d);
        g.err = _mm256_max_ps(magnitude(_mm256_sub_ps(d, _mm256_loadu_ps(src + i))), g.err);
    }
    return g;
}

NK_INLINE __m256 swap_halves(__m256 v)
{
    return _mm256_permute2f128_ps(v, v, 1);
}

/* Spreads of two lanes together are at most the group's: an error beyond the share of that is
 * beyond the share of some pair's, and mostly none is. */
NK_INLINE bool may_be_far(const far_group *g, float share)
{
    __m256 hi = _mm256_max_ps(g->hi, swap_halves(g->hi));
    __m256 lo = _mm256_min_ps(g->lo, swap_halves(g->lo));
    __m256 limit = _mm256_mul_ps(_mm256_set1_ps(share), _mm256_sub_ps(hi, lo));
    return _mm256_movemask_ps(_mm256_cmp_ps(g->err, limit, _CMP_GT_OQ)) != 0;
}

static size_t find_far(const float *src, const float *dec, size_t from, size_t n, size_t group,
                       float share)
{
    for (; from < n; from += group) {
        far_group g = look_far(src + from, dec + from, group);
        if (!may_be_far(&g, share))
            continue;
        float least = -max_of(_mm256_xor_ps(g.lo, _mm256_set1_ps(-0.0f)));
        if (max_of(g.err) > share * (max_of(g.hi) - least))
            return from;
    }
    return n;
}

void nk_x86_measure_avx2(nk_ops *ops)
{
    ops->measure = measure;
    ops->all_finite = all_finite;
    ops->finite_halves = finite_halves;
    ops->find_far = find_far;
}
