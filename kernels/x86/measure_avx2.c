#include "kernels/x86/avx2.h"
#include "kernels/x86/x86.h"

/* The same eight lanes as measure.c, two registers of doubles each. */

NK_INLINE __m256 magnitude(__m256 v)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

/* Lanes 0-3 (half 0) or 4-7 of all sums. */
NK_INLINE void add_half(const float *src, const float *dec, size_t n, nk_measure_lanes *t,
                        const int half)
{
    __m256d w1 = _mm256_loadu_pd(t->w + half), w2 = _mm256_loadu_pd(t->w2 + half);
    __m256d w4 = _mm256_loadu_pd(t->w4 + half), e1 = _mm256_loadu_pd(t->e + half);
    __m256d e2 = _mm256_loadu_pd(t->e2 + half);
    for (size_t i = (size_t)half; i < n; i += 8) {
        __m256d w = _mm256_cvtps_pd(_mm_loadu_ps(src + i));
        __m256d e = _mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(dec + i)), w);
        __m256d square = _mm256_mul_pd(w, w);
        w1 = _mm256_add_pd(w1, w);
        w2 = _mm256_add_pd(w2, square);
        w4 = _mm256_add_pd(w4, _mm256_mul_pd(square, square));
        e1 = _mm256_add_pd(e1, e);
        e2 = _mm256_add_pd(e2, _mm256_mul_pd(e, e));
    }
    _mm256_storeu_pd(t->w + half, w1);
    _mm256_storeu_pd(t->w2 + half, w2);
    _mm256_storeu_pd(t->w4 + half, w4);
    _mm256_storeu_pd(t->e + half, e1);
    _mm256_storeu_pd(t->e2 + half, e2);
}

static void measure(const float *src, const float *dec, size_t n, nk_measure_lanes *t)
{
    __m256 lo = _mm256_loadu_ps(t->min), hi = _mm256_loadu_ps(t->max);
    __m256 err = _mm256_loadu_ps(t->err);
    __m256i zero = load32(t->zero);
    for (size_t i = 0; i < n; i += 8) {
        __m256 w = _mm256_loadu_ps(src + i);
        __m256 same = _mm256_cmp_ps(w, _mm256_setzero_ps(), _CMP_EQ_OQ);
        lo = _mm256_min_ps(w, lo);
        hi = _mm256_max_ps(w, hi);
        err = _mm256_max_ps(magnitude(_mm256_sub_ps(_mm256_loadu_ps(dec + i), w)), err);
        zero = _mm256_sub_epi32(zero, _mm256_castps_si256(same));
    }
    _mm256_storeu_ps(t->min, lo);
    _mm256_storeu_ps(t->max, hi);
    _mm256_storeu_ps(t->err, err);
    _mm256_storeu_si256((__m256i_u *)t->zero, zero);
    add_half(src, dec, n, t, 0);
    add_half(src, dec, n, t, 4);
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

NK_INLINE float max_of(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

static size_t find_far(const float *src, const float *dec, size_t from, size_t n, size_t group,
                       float share)
{
    for (; from < n; from += group) {
        __m256 hi = _mm256_loadu_ps(dec + from), lo = hi, err = _mm256_setzero_ps();
        for (size_t i = from; i < from + group; i += 8) {
            __m256 d = _mm256_loadu_ps(dec + i);
            lo = _mm256_min_ps(lo, d);
            hi = _mm256_max_ps(hi, d);
            err = _mm256_max_ps(magnitude(_mm256_sub_ps(d, _mm256_loadu_ps(src + i))), err);
        }
        float least = -max_of(_mm256_xor_ps(lo, _mm256_set1_ps(-0.0f)));
        if (max_of(err) > share * (max_of(hi) - least))
            return from;
    }
    return n;
}

void nk_x86_measure_avx2(nk_ops *ops)
{
    ops->measure = measure;
    ops->all_finite = all_finite;
    ops->find_far = find_far;
}
