#include "kernels/x86/math_avx2.h"
#include "kernels/x86/x86.h"

#include <math.h>

/* Sums that can be long run in double or in blocks, as the reference's do; rope and the products of
 * rmsnorm are rounded like the reference's, so they are equal to it bit for bit. */

/* Four running sums in double. */
NK_INLINE __m256d add_as_doubles(__m256d sum, __m256 v)
{
    sum = _mm256_add_pd(sum, _mm256_cvtps_pd(_mm256_castps256_ps128(v)));
    return _mm256_add_pd(sum, _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)));
}

NK_INLINE double hsum_pd(__m256d v)
{
    __m128d s = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

static void rmsnorm(float *y, const float *x, const float *w, size_t n, float eps)
{
    __m256d sum = _mm256_setzero_pd(), sum2 = _mm256_setzero_pd();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256d lo = _mm256_cvtps_pd(_mm_loadu_ps(x + i));
        __m256d hi = _mm256_cvtps_pd(_mm_loadu_ps(x + i + 4));
        sum = _mm256_fmadd_pd(lo, lo, sum);
        sum2 = _mm256_fmadd_pd(hi, hi, sum2);
    }
    double total = hsum_pd(_mm256_add_pd(sum, sum2));
    for (; i < n; i++)
        total += (double)x[i] * (double)x[i];
    float scale = (float)(1.0 / sqrt(total / (double)n + (double)eps));
    __m256 s = _mm256_set1_ps(scale);
    for (i = 0; i + 8 <= n; i += 8) {
        __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i), s);
        _mm256_storeu_ps(y + i, _mm256_mul_ps(v, _mm256_loadu_ps(w + i)));
    }
    for (; i < n; i++)
        y[i] = x[i] * scale * w[i];
}

NK_INLINE void rotate(float *a, float *b, float c, float s)
{
    float x = *a, y = *b;
    *a = x * c - y * s;
    *b = x * s + y * c;
}

static void rope_norm(float *x, const float *cs, size_t n_rot)
{
    size_t i = 0;
    for (; i + 8 <= n_rot; i += 8) { /* four pairs */
        __m256 v = _mm256_loadu_ps(x + i), t = _mm256_loadu_ps(cs + i);
        __m256 swapped = _mm256_permute_ps(v, 0xb1);
        __m256 straight = _mm256_mul_ps(v, _mm256_moveldup_ps(t));
        __m256 crossed = _mm256_mul_ps(swapped, _mm256_movehdup_ps(t));
        _mm256_storeu_ps(x + i, _mm256_addsub_ps(straight, crossed));
    }
    for (; i + 2 <= n_rot; i += 2)
        rotate(&x[i], &x[i + 1], cs[i], cs[i + 1]);
}

static void rope_neox(float *x, const float *cs, size_t n_rot)
{
    size_t half = n_rot / 2, i = 0;
    for (; i + 8 <= half; i += 8) {
        __m256 t0 = _mm256_loadu_ps(cs + 2 * i), t1 = _mm256_loadu_ps(cs + 2 * i + 8);
        __m256d even = _mm256_castps_pd(_mm256_shuffle_ps(t0, t1, 0x88));
        __m256d odd = _mm256_castps_pd(_mm256_shuffle_ps(t0, t1, 0xdd));
        __m256 c = _mm256_castpd_ps(_mm256_permute4x64_pd(even, 0xd8));
        __m256 s = _mm256_castpd_ps(_mm256_permute4x64_pd(odd, 0xd8));
        __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + i + half);
        _mm256_storeu_ps(x + i, _mm256_sub_ps(_mm256_mul_ps(a, c), _mm256_mul_ps(b, s)));
        _mm256_storeu_ps(x + i + half, _mm256_add_ps(_mm256_mul_ps(a, s), _mm256_mul_ps(b, c)));
    }
    for (; i < half; i++)
        rotate(&x[i], &x[i + half], cs[2 * i], cs[2 * i + 1]);
}

static void rope(float *x, size_t n_head, size_t head_dim, const float *cs, size_t n_rot,
                 nk_rope_kind kind)
{
    for (size_t h = 0; h < n_head; h++, x += head_dim)
        (kind == NK_ROPE_NORM ? rope_norm : rope_neox)(x, cs, n_rot);
}

static void softmax(float *y, const float *x, size_t n, float scale)
{
    __m256 s = _mm256_set1_ps(scale), low = _mm256_set1_ps(-INFINITY), most = low;
    size_t whole = n / 8 * 8;
    __m256i rest = first_lanes(n - whole);
    for (size_t i = 0; i < whole; i += 8)
        most = _mm256_max_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), s), most);
    __m256 last = _mm256_mul_ps(_mm256_maskload_ps(x + whole, rest), s);
    last = _mm256_blendv_ps(low, last, _mm256_castsi256_ps(rest));
    most = _mm256_max_ps(last, most);
    most = _mm256_max_ps(most, _mm256_permute2f128_ps(most, most, 1));
    most = _mm256_max_ps(most, _mm256_permute_ps(most, 0x4e));
    most = _mm256_max_ps(most, _mm256_permute_ps(most, 0xb1));

    __m256d sum = _mm256_setzero_pd();
    for (size_t i = 0; i < whole; i += 8) {
        __m256 e = exp8(_mm256_sub_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), s), most));
        _mm256_storeu_ps(y + i, e);
        sum = add_as_doubles(sum, e);
    }
    if (whole < n) {
        __m256 e = exp8(_mm256_sub_ps(last, most));
        e = _mm256_and_ps(e, _mm256_castsi256_ps(rest));
        _mm256_maskstore_ps(y + whole, rest, e);
        sum = add_as_doubles(sum, e);
    }
    float inv = (float)(1.0 / hsum_pd(sum));
    size_t i = 0;
    for (; i < whole; i += 8)
        _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_loadu_ps(y + i), _mm256_set1_ps(inv)));
    for (; i < n; i++)
        y[i] *= inv;
}

NK_INLINE __m256 silu8(__m256 g)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    __m256 e = exp8(_mm256_xor_ps(g, _mm256_set1_ps(-0.0f)));
    return _mm256_div_ps(g, _mm256_add_ps(one, e));
}

static void silu(float *y, const float *gate, const float *up, size_t n)
{
    size_t i = 0;
    if (!up) {
        for (; i + 8 <= n; i += 8)
            _mm256_storeu_ps(y + i, silu8(_mm256_loadu_ps(gate + i)));
        if (i < n) {
            __m256i rest = first_lanes(n - i);
            _mm256_maskstore_ps(y + i, rest, silu8(_mm256_maskload_ps(gate + i, rest)));
        }
        return;
    }
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i,
                         _mm256_mul_ps(silu8(_mm256_loadu_ps(gate + i)), _mm256_loadu_ps(up + i)));
    if (i < n) {
        __m256i rest = first_lanes(n - i);
        __m256 g = _mm256_maskload_ps(gate + i, rest), u = _mm256_maskload_ps(up + i, rest);
        _mm256_maskstore_ps(y + i, rest, _mm256_mul_ps(silu8(g), u));
    }
}

static void add(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_add_ps(_mm256_loadu_ps(y + i), _mm256_loadu_ps(x + i)));
    for (; i < n; i++)
        y[i] += x[i];
}

void nk_x86_ops_avx2(nk_ops *ops)
{
    ops->rmsnorm = rmsnorm;
    ops->rope = rope;
    ops->softmax = softmax;
    ops->glu[NK_GLU_SILU] = silu;
    ops->add = add;
}
