#include "kernels/x86/avx2.h"
#include "kernels/x86/x86.h"

#include <math.h>

/* Sums that can be long run in double or in blocks, as the reference's do; rope and the products of
 * rmsnorm are rounded like the reference's, so they are equal to it bit for bit. */

/* Lanes 0..n-1 set, n <= 8. */
NK_INLINE __m256i first_lanes(size_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}

/* e^x within 2 ulp, 0 and Inf at the ends, NaN kept. x = k ln 2 + r with |r| <= ln 2 / 2; Taylor to
 * r^7 leaves 6e-9. 2^k goes in by halves, so that results may be subnormal or infinite. */
NK_INLINE __m256 exp8(__m256 x)
{
    x = _mm256_max_ps(_mm256_set1_ps(-104.0f), _mm256_min_ps(_mm256_set1_ps(89.0f), x));
    __m256 k = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(0x1.715476p+0f)),
                               _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(k, _mm256_set1_ps(0x1.62e4p-1f), x); /* 16 bits: exact product */
    r = _mm256_fnmadd_ps(k, _mm256_set1_ps(0x1.7f7d1cp-20f), r);
    static const float coef[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
    __m256 p = _mm256_set1_ps(1.0f / 5040);
#pragma GCC unroll 7
    for (int i = 0; i < 7; i++)
        p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(coef[i]));
    __m256i n = _mm256_cvtps_epi32(k), half = _mm256_srai_epi32(n, 1);
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i rest = _mm256_sub_epi32(n, half);
    __m256 a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    __m256 b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(p, a), b);
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

/* --- attention -------------------------------------------------------------------------------- */

typedef const unsigned char bytes;

/* How a cached row is read: floats are widened in registers, anything else is decoded by its type
 * a block at a time. */
enum { KV_F32, KV_F16, KV_BF16, KV_BLOCKS };

static int kv_mode(nk_type_id type)
{
    return type == NK_F32    ? KV_F32
           : type == NK_F16  ? KV_F16
           : type == NK_BF16 ? KV_BF16
                             : KV_BLOCKS;
}

/* Elements i..i+7 of a row of floats. */
NK_INLINE __m256 kv8(bytes *row, size_t i, const int mode)
{
    if (mode == KV_F16)
        return _mm256_cvtph_ps(load16(row + 2 * i));
    if (mode == KV_BF16)
        return _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(row + 2 * i)), 16));
    return _mm256_loadu_ps((const float *)(const void *)(row + 4 * i));
}

/* Elements i..n-1, fewer than 8, zero-filled. */
NK_INLINE __m256 kv_rest(bytes *row, size_t i, size_t n, const int mode)
{
    unsigned char last[32] = {0};
    size_t size = mode == KV_F32 ? 4 : 2;
    memcpy(last, row + i * size, (n - i) * size);
    return kv8(last, 0, mode);
}

NK_INLINE float kv_dot(const float *q, bytes *k, size_t n, const int mode)
{
    __m256 even = _mm256_setzero_ps(), odd = even;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        even = _mm256_fmadd_ps(_mm256_loadu_ps(q + i), kv8(k, i, mode), even);
        odd = _mm256_fmadd_ps(_mm256_loadu_ps(q + i + 8), kv8(k, i + 8, mode), odd);
    }
    for (; i + 8 <= n; i += 8)
        even = _mm256_fmadd_ps(_mm256_loadu_ps(q + i), kv8(k, i, mode), even);
    if (i < n)
        odd = _mm256_fmadd_ps(_mm256_maskload_ps(q + i, first_lanes(n - i)), kv_rest(k, i, n, mode),
                              odd);
    return hsum8(_mm256_add_ps(even, odd));
}

/* n a multiple of NK_ATTN_BLOCK. */
static float block_dot(const float *q, bytes *k, size_t n, const nk_type *t)
{
    __m256 even = _mm256_setzero_ps(), odd = even;
    size_t step = NK_ATTN_BLOCK / t->block_len * t->block_size;
    for (size_t i = 0; i < n; i += NK_ATTN_BLOCK, k += step) {
        float part[NK_ATTN_BLOCK];
        t->decode(k, part, NK_ATTN_BLOCK);
        for (size_t j = 0; j < NK_ATTN_BLOCK; j += 16) {
            even = _mm256_fmadd_ps(_mm256_loadu_ps(q + i + j), _mm256_loadu_ps(part + j), even);
            odd =
                _mm256_fmadd_ps(_mm256_loadu_ps(q + i + j + 8), _mm256_loadu_ps(part + j + 8), odd);
        }
    }
    return hsum8(_mm256_add_ps(even, odd));
}

enum { POSITIONS = 128 }; /* summed in one go, so that rounding grows with n / 128 + 128 */

/* out[i..i+8*nv) = sum over positions of score * v, nv registers of 8 elements wide. */
NK_INLINE void mix_values(const nk_attn *a, size_t i, const int nv, const int mode,
                          const nk_type *t)
{
    __m256 total[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                       _mm256_setzero_ps()};
    for (size_t from = 0; from < a->n_pos; from += POSITIONS) {
        size_t to = a->n_pos - from < POSITIONS ? a->n_pos : from + POSITIONS;
        __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                         _mm256_setzero_ps()};
        for (size_t p = from; p < to; p++) {
            bytes *v = (bytes *)a->v + p * a->v_stride;
            __m256 s = _mm256_set1_ps(a->score[p]);
            float part[NK_ATTN_BLOCK];
            if (mode == KV_BLOCKS)
                t->decode(v + i / t->block_len * t->block_size, part, NK_ATTN_BLOCK);
#pragma GCC unroll 4
            for (int k = 0; k < nv; k++)
                sum[k] = _mm256_fmadd_ps(s,
                                         mode == KV_BLOCKS ? _mm256_loadu_ps(part + 8 * k)
                                                           : kv8(v, i + 8 * (size_t)k, mode),
                                         sum[k]);
        }
#pragma GCC unroll 4
        for (int k = 0; k < nv; k++)
            total[k] = _mm256_add_ps(total[k], sum[k]);
    }
#pragma GCC unroll 4
    for (int k = 0; k < nv; k++)
        _mm256_storeu_ps(a->out + i + 8 * k, total[k]);
}

NK_INLINE void mix_rest(const nk_attn *a, size_t i, const int mode)
{
    __m256 total = _mm256_setzero_ps();
    for (size_t p = 0; p < a->n_pos; p++) {
        bytes *v = (bytes *)a->v + p * a->v_stride;
        total =
            _mm256_fmadd_ps(_mm256_set1_ps(a->score[p]), kv_rest(v, i, a->head_dim, mode), total);
    }
    _mm256_maskstore_ps(a->out + i, first_lanes(a->head_dim - i), total);
}

NK_INLINE void scores(const nk_attn *a, const int mode)
{
    for (size_t p = 0; p < a->n_pos; p++)
        a->score[p] = kv_dot(a->q, (bytes *)a->k + p * a->k_stride, a->head_dim, mode);
}

static void block_scores(const nk_attn *a)
{
    const nk_type *t = nk_type_get(a->k_type);
    for (size_t p = 0; p < a->n_pos; p++)
        a->score[p] = block_dot(a->q, (bytes *)a->k + p * a->k_stride, a->head_dim, t);
}

NK_INLINE void mix(const nk_attn *a, const int mode)
{
    size_t i = 0;
    for (; i + 32 <= a->head_dim; i += 32)
        mix_values(a, i, 4, mode, NULL);
    for (; i + 8 <= a->head_dim; i += 8)
        mix_values(a, i, 1, mode, NULL);
    if (i < a->head_dim)
        mix_rest(a, i, mode);
}

static void block_mix(const nk_attn *a)
{
    const nk_type *t = nk_type_get(a->v_type);
    for (size_t i = 0; i < a->head_dim; i += NK_ATTN_BLOCK)
        mix_values(a, i, 4, KV_BLOCKS, t);
}

static void attention(const nk_attn *a)
{
    switch (kv_mode(a->k_type)) {
    case KV_F32:
        scores(a, KV_F32);
        break;
    case KV_F16:
        scores(a, KV_F16);
        break;
    case KV_BF16:
        scores(a, KV_BF16);
        break;
    default:
        block_scores(a);
    }
    bool bent = a->cap > 0 || a->sink;
    size_t n = bent ? nk_attn_bend(a) : a->n_pos;
    softmax(a->score, a->score, n, bent ? 1.0f : a->scale);
    switch (kv_mode(a->v_type)) {
    case KV_F32:
        mix(a, KV_F32);
        break;
    case KV_F16:
        mix(a, KV_F16);
        break;
    case KV_BF16:
        mix(a, KV_BF16);
        break;
    default:
        block_mix(a);
    }
}

void nk_x86_ops_avx2(nk_ops *ops)
{
    ops->rmsnorm = rmsnorm;
    ops->rope = rope;
    ops->softmax = softmax;
    ops->glu[NK_GLU_SILU] = silu;
    ops->add = add;
    ops->attention = attention;
}
