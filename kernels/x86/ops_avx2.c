#include "kernels/x86/lanes_avx2.h"
#include "kernels/x86/math_lanes.h"
#include "kernels/x86/x86.h"

#include <math.h>

/* Sums that can be long run in double or in blocks, as the reference's do; rope and the products of
 * the norms are rounded like the reference's, so they are equal to it bit for bit. */

/* Lanes 0..n-1 set, n <= 8. */
NK_INLINE __m256i first_lanes(size_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}

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

/* (x - mean) scale in double, rounded once: as the reference's. */
NK_INLINE __m128 centred4(const float *x, __m256d mean, __m256d scale)
{
    __m256d v = _mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(x)), mean);
    return _mm256_cvtpd_ps(_mm256_mul_pd(v, scale));
}

static void layernorm(float *y, const float *x, const float *w, const float *b, size_t n, float eps)
{
    const size_t whole = n / 4 * 4;
    __m256d sum = _mm256_setzero_pd(), squares = sum;
    double total = 0, spread = 0;
    for (size_t i = 0; i < whole; i += 4)
        sum = _mm256_add_pd(sum, _mm256_cvtps_pd(_mm_loadu_ps(x + i)));
    for (size_t i = whole; i < n; i++)
        total += (double)x[i];
    const double mean = (total + hsum_pd(sum)) / (double)n;
    const __m256d mean4 = _mm256_set1_pd(mean);
    for (size_t i = 0; i < whole; i += 4) {
        __m256d v = _mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(x + i)), mean4);
        squares = _mm256_fmadd_pd(v, v, squares);
    }
    for (size_t i = whole; i < n; i++)
        spread += ((double)x[i] - mean) * ((double)x[i] - mean);
    const double scale = 1.0 / sqrt((spread + hsum_pd(squares)) / (double)n + (double)eps);
    const __m256d scale4 = _mm256_set1_pd(scale);
    for (size_t i = 0; i < whole; i += 4) {
        __m128 v = _mm_mul_ps(centred4(x + i, mean4, scale4), _mm_loadu_ps(w + i));
        _mm_storeu_ps(y + i, b ? _mm_add_ps(v, _mm_loadu_ps(b + i)) : v);
    }
    for (size_t i = whole; i < n; i++) {
        float v = (float)(((double)x[i] - mean) * scale) * w[i];
        y[i] = b ? v + b[i] : v;
    }
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
        __m256 e = lanes_exp(_mm256_sub_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), s), most));
        _mm256_storeu_ps(y + i, e);
        sum = add_as_doubles(sum, e);
    }
    if (whole < n) {
        __m256 e = lanes_exp(_mm256_sub_ps(last, most));
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
    __m256 e = lanes_exp(_mm256_xor_ps(g, _mm256_set1_ps(-0.0f)));
    return _mm256_div_ps(g, _mm256_add_ps(one, e));
}

/* 1 + tanh z = 2 / (1 + e^-2z) */
NK_INLINE __m256 gelu8(__m256 x)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    const __m256 twice_root = _mm256_set1_ps(-1.59576912160573071176f); /* -2 sqrt(2 / pi) */
    __m256 cube = _mm256_mul_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(0.044715f));
    __m256 z = _mm256_mul_ps(_mm256_mul_ps(x, twice_root), _mm256_add_ps(one, cube));
    return _mm256_div_ps(x, _mm256_add_ps(one, lanes_exp(z)));
}

/* 1 - erf a within 1.5e-7 for a >= 0 (Abramowitz and Stegun, 7.1.26): t p(t) e^(-a^2), with
 * t = 1 / (1 + 0.3275911 a). */
NK_INLINE __m256 erfc8(__m256 a)
{
    static const float coef[] = {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f};
    const __m256 one = _mm256_set1_ps(1.0f);
    __m256 t = _mm256_div_ps(one, _mm256_fmadd_ps(a, _mm256_set1_ps(0.3275911f), one));
    __m256 p = _mm256_set1_ps(1.061405429f);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(coef[i]));
    __m256 square = _mm256_mul_ps(a, _mm256_xor_ps(a, _mm256_set1_ps(-0.0f)));
    return _mm256_mul_ps(_mm256_mul_ps(p, t), lanes_exp_neg(square));
}

/* Half of x (1 + erf(x / sqrt 2)): with c = erfc |x / sqrt 2|, x c / 2 on the left, x - x c / 2 on
 * the right of 0. */
NK_INLINE __m256 gelu_erf8(__m256 x)
{
    __m256 a = _mm256_mul_ps(x, _mm256_set1_ps(0.70710678118654752440f));
    __m256 c = erfc8(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a));
    __m256 left = _mm256_mul_ps(_mm256_mul_ps(x, _mm256_set1_ps(0.5f)), c);
    return _mm256_blendv_ps(_mm256_sub_ps(x, left), left, x);
}

/* The limits take the value second, so that NaN passes. */
NK_INLINE __m256 oai8(__m256 x)
{
    x = _mm256_min_ps(_mm256_set1_ps(7.0f), x);
    __m256 e = lanes_exp(_mm256_mul_ps(x, _mm256_set1_ps(-1.702f)));
    return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1.0f), e));
}

NK_INLINE __m256 oai_up8(__m256 u)
{
    u = _mm256_max_ps(_mm256_set1_ps(-7.0f), _mm256_min_ps(_mm256_set1_ps(7.0f), u));
    return _mm256_add_ps(u, _mm256_set1_ps(1.0f));
}

NK_INLINE __m256 same8(__m256 u)
{
    return u;
}

typedef __m256 eight_fn(__m256 x);

/* y = act(gate) side(up); without up act(gate). */
NK_INLINE void glu(float *y, const float *gate, const float *up, size_t n, eight_fn act,
                   eight_fn side)
{
    size_t i = 0;
    if (!up) {
        for (; i + 8 <= n; i += 8)
            _mm256_storeu_ps(y + i, act(_mm256_loadu_ps(gate + i)));
        if (i < n) {
            __m256i rest = first_lanes(n - i);
            _mm256_maskstore_ps(y + i, rest, act(_mm256_maskload_ps(gate + i, rest)));
        }
        return;
    }
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(
            y + i, _mm256_mul_ps(act(_mm256_loadu_ps(gate + i)), side(_mm256_loadu_ps(up + i))));
    if (i < n) {
        __m256i rest = first_lanes(n - i);
        __m256 g = _mm256_maskload_ps(gate + i, rest), u = _mm256_maskload_ps(up + i, rest);
        _mm256_maskstore_ps(y + i, rest, _mm256_mul_ps(act(g), side(u)));
    }
}

static void silu(float *y, const float *gate, const float *up, size_t n)
{
    glu(y, gate, up, n, silu8, same8);
}

static void gelu(float *y, const float *gate, const float *up, size_t n)
{
    glu(y, gate, up, n, gelu8, same8);
}

static void gelu_erf(float *y, const float *gate, const float *up, size_t n)
{
    glu(y, gate, up, n, gelu_erf8, same8);
}

static void swiglu_oai(float *y, const float *gate, const float *up, size_t n)
{
    glu(y, gate, up, n, oai8, oai_up8);
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
    ops->layernorm = layernorm;
    ops->glu[NK_GLU_SILU] = silu;
    ops->glu[NK_GLU_GELU] = gelu;
    ops->glu[NK_GLU_GELU_ERF] = gelu_erf;
    ops->glu[NK_GLU_OAI] = swiglu_oai;
    ops->add = add;
}
