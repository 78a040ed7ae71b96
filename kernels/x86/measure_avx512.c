#include "kernels/x86/avx2.h"
#include "kernels/x86/x86.h"

/* The same eight lanes as measure.c, one register of doubles. */
static void measure(const float *src, const float *dec, size_t n, nk_measure_lanes *t)
{
    __m512d w1 = _mm512_loadu_pd(t->w), w2 = _mm512_loadu_pd(t->w2), w4 = _mm512_loadu_pd(t->w4);
    __m512d e1 = _mm512_loadu_pd(t->e), e2 = _mm512_loadu_pd(t->e2);
    __m256 lo = _mm256_loadu_ps(t->min), hi = _mm256_loadu_ps(t->max);
    __m256 err = _mm256_loadu_ps(t->err), sign = _mm256_set1_ps(-0.0f);
    __m256i zero = load32(t->zero);
    for (size_t i = 0; i < n; i += 8) {
        __m256 w = _mm256_loadu_ps(src + i), d = _mm256_loadu_ps(dec + i);
        __m256 same = _mm256_cmp_ps(w, _mm256_setzero_ps(), _CMP_EQ_OQ);
        lo = _mm256_min_ps(w, lo);
        hi = _mm256_max_ps(w, hi);
        err = _mm256_max_ps(_mm256_andnot_ps(sign, _mm256_sub_ps(d, w)), err);
        zero = _mm256_sub_epi32(zero, _mm256_castps_si256(same));
        __m512d wide = _mm512_cvtps_pd(w), e = _mm512_sub_pd(_mm512_cvtps_pd(d), wide);
        __m512d square = _mm512_mul_pd(wide, wide);
        w1 = _mm512_add_pd(w1, wide);
        w2 = _mm512_add_pd(w2, square);
        w4 = _mm512_add_pd(w4, _mm512_mul_pd(square, square));
        e1 = _mm512_add_pd(e1, e);
        e2 = _mm512_add_pd(e2, _mm512_mul_pd(e, e));
    }
    _mm512_storeu_pd(t->w, w1);
    _mm512_storeu_pd(t->w2, w2);
    _mm512_storeu_pd(t->w4, w4);
    _mm512_storeu_pd(t->e, e1);
    _mm512_storeu_pd(t->e2, e2);
    _mm256_storeu_ps(t->min, lo);
    _mm256_storeu_ps(t->max, hi);
    _mm256_storeu_ps(t->err, err);
    _mm256_storeu_si256((__m256i_u *)t->zero, zero);
}

static bool all_finite(const float *v, size_t n)
{
    const __m512i exponent = _mm512_set1_epi32(0x7f800000);
    __mmask16 bad = 0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512i bits = _mm512_and_si512(_mm512_loadu_si512(v + i), exponent);
        bad |= _mm512_cmpeq_epi32_mask(bits, exponent);
    }
    return !bad && nk_all_finite(v + i, n - i);
}

/* Groups of 16 or 32: one or two registers. */
static size_t find_far(const float *src, const float *dec, size_t from, size_t n, size_t group,
                       float share)
{
    for (; from < n; from += group) {
        __m512 d = _mm512_loadu_ps(dec + from), hi = d, lo = d;
        __m512 err = _mm512_abs_ps(_mm512_sub_ps(d, _mm512_loadu_ps(src + from)));
        if (group == 32) {
            d = _mm512_loadu_ps(dec + from + 16);
            hi = _mm512_max_ps(hi, d);
            lo = _mm512_min_ps(lo, d);
            d = _mm512_sub_ps(d, _mm512_loadu_ps(src + from + 16));
            err = _mm512_max_ps(_mm512_abs_ps(d), err);
        }
        float spread = _mm512_reduce_max_ps(hi) - _mm512_reduce_min_ps(lo);
        if (_mm512_reduce_max_ps(err) > share * spread)
            return from;
    }
    return n;
}

void nk_x86_measure_avx512(nk_ops *ops)
{
    ops->measure = measure;
    ops->all_finite = all_finite;
    ops->find_far = find_far;
}
