#include "kernels/x86/avx2.h"
#include "kernels/x86/x86.h"

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
    ops->all_finite = all_finite;
    ops->find_far = find_far;
}
