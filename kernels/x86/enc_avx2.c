#include "kernels/fp.h"
#include "kernels/x86/avx2.h"
#include "kernels/x86/x86.h"

/* Encoders of activations, of the float types and of blocks of 32. Bytes equal the C reference's
 * for every finite input: the same operations per value in the same rounding, only eight at a time;
 * conversions that overflow keep their low byte, as the C casts do. */

/* nk_nearest of scale.h, bit for bit, then at most 127. */
NK_INLINE __m256i nearest(__m256 v)
{
    __m256i bits = _mm256_castps_si256(_mm256_add_ps(v, _mm256_set1_ps(12582912.0f)));
    bits = _mm256_and_si256(bits, _mm256_set1_epi32(0x007fffff));
    bits = _mm256_sub_epi32(bits, _mm256_set1_epi32(0x00400000));
    return _mm256_min_epi32(bits, _mm256_set1_epi32(127));
}

/* Sums of four adjacent codes. */
NK_INLINE __m256i sums_of_four(__m256i codes)
{
    return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), codes),
                             _mm256_set1_epi16(1));
}

/* Codes of 32 values under a scale that maps the greatest magnitude to 127; its inverse. */
NK_INLINE __m256i rounded_codes(const float *x, float inverse)
{
    __m256i q[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        q[i] = round_away(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), _mm256_set1_ps(inverse)));
    return low_bytes(q);
}

/* 32 values -> codes; *d their scale. */
NK_INLINE __m256i byte_codes(const float *x, float *d)
{
    __m256 most = _mm256_setzero_ps();
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        most = _mm256_max_ps(most, magnitude(_mm256_loadu_ps(x + 8 * i)));
    *d = max_of(most) / 127.0f;
    return rounded_codes(x, *d != 0 ? 1.0f / *d : 0.0f);
}

/* --- blocks side by side: what is one number of a block is one lane of eight -------------------
 */

enum { SIDE = 8 };

NK_INLINE __m256 extreme(__m256 a, __m256 b, const bool least)
{
    return least ? _mm256_min_ps(a, b) : _mm256_max_ps(a, b);
}

/* Lane k: the greatest, or the least, lane of v[k]. */
NK_INLINE __m256 extremes(const __m256 v[SIDE], const bool least)
{
    __m256 pair[4], four[2];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        pair[i] = extreme(_mm256_unpacklo_ps(v[2 * i], v[2 * i + 1]),
                          _mm256_unpackhi_ps(v[2 * i], v[2 * i + 1]), least);
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m256d a = _mm256_castps_pd(pair[2 * i]), b = _mm256_castps_pd(pair[2 * i + 1]);
        four[i] = extreme(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)),
                          _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)), least);
    }
    return extreme(_mm256_permute2f128_ps(four[0], four[1], 0x20),
                   _mm256_permute2f128_ps(four[0], four[1], 0x31), least);
}

/* 1 / d, 0 where d is 0, of every lane; to d[] as f16. */
NK_INLINE void inverses(__m256 d, float inverse[SIDE], uint16_t half[SIDE])
{
    __m256 some = _mm256_cmp_ps(d, _mm256_setzero_ps(), _CMP_NEQ_UQ);
    _mm256_storeu_ps(inverse, _mm256_and_ps(some, _mm256_div_ps(_mm256_set1_ps(1), d)));
    _mm_storeu_si128((__m128i_u *)half, _mm256_cvtps_ph(d, _MM_FROUND_TO_NEAREST_INT));
}

NK_INLINE void encode_q8_0_side(const float *x, nk_block_q8_0 *b)
{
    __m256 most[SIDE];
    float inverse[SIDE];
    uint16_t d[SIDE];
#pragma GCC unroll 8
    for (int k = 0; k < SIDE; k++) {
        const float *v = x + k * NK_LEN;
        most[k] = _mm256_max_ps(
            _mm256_max_ps(magnitude(_mm256_loadu_ps(v)), magnitude(_mm256_loadu_ps(v + 8))),
            _mm256_max_ps(magnitude(_mm256_loadu_ps(v + 16)), magnitude(_mm256_loadu_ps(v + 24))));
    }
    inverses(_mm256_div_ps(extremes(most, false), _mm256_set1_ps(127)), inverse, d);
    for (int k = 0; k < SIDE; k++) {
        _mm256_storeu_si256((__m256i_u *)b[k].qs, rounded_codes(x + k * NK_LEN, inverse[k]));
        b[k].d = d[k];
    }
}

static void encode_q8_0(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    (void)importance;
    nk_block_q8_0 *b = dst;
    size_t n = nrows * ncols / NK_LEN, i = 0;
    for (; i + SIDE <= n; i += SIDE)
        encode_q8_0_side(src + i * NK_LEN, b + i);
    for (; i < n; i++) {
        float d;
        _mm256_storeu_si256((__m256i_u *)b[i].qs, byte_codes(src + i * NK_LEN, &d));
        b[i].d = _cvtss_sh(d, _MM_FROUND_TO_NEAREST_INT);
    }
}

static void encode_q8_1(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    (void)importance;
    nk_block_q8_1 *b = dst;
    for (size_t i = 0; i < nrows * ncols / NK_LEN; i++) {
        float d;
        __m256i q = byte_codes(src + i * NK_LEN, &d), four = sums_of_four(q);
        __m128i sum =
            _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
        sum = _mm_hadd_epi32(sum, sum);
        sum = _mm_hadd_epi32(sum, sum);
        _mm256_storeu_si256((__m256i_u *)b[i].qs, q);
        b[i].d = _cvtss_sh(d, _MM_FROUND_TO_NEAREST_INT);
        b[i].s = _cvtss_sh((float)_mm_cvtsi128_si32(sum) * d, _MM_FROUND_TO_NEAREST_INT);
    }
}

/* The value of greatest magnitude, the first one on ties; 0 if all are zero. */
NK_INLINE float signed_max(const float *x, const int n)
{
    __m256 most = _mm256_setzero_ps();
#pragma GCC unroll 4
    for (int i = 0; i < n; i += 8)
        most = _mm256_max_ps(most, magnitude(_mm256_loadu_ps(x + i)));
    float amax = max_of(most);
    for (int i = 0; i < n && amax > 0; i += 32) {
        unsigned same = 0;
#pragma GCC unroll 4
        for (int k = 0; k < 32; k += 8) {
            __m256 v = magnitude(_mm256_loadu_ps(x + i + k));
            v = _mm256_cmp_ps(v, _mm256_set1_ps(amax), _CMP_EQ_OQ);
            same |= (unsigned)_mm256_movemask_ps(v) << k;
        }
        if (same)
            return x[i + __builtin_ctz(same)];
    }
    return 0;
}

/* Sums of 16 for 128 codes: four registers of codes -> eight int16. */
NK_INLINE __m128i sums_of_sixteen(const __m256i q[4])
{
    __m256i ab = _mm256_hadd_epi32(sums_of_four(q[0]), sums_of_four(q[1]));
    __m256i cd = _mm256_hadd_epi32(sums_of_four(q[2]), sums_of_four(q[3]));
    __m256i all = _mm256_hadd_epi32(ab, cd); /* low lane: first 16 of each register, high: second */
    __m128i lo = _mm256_castsi256_si128(all), hi = _mm256_extracti128_si256(all, 1);
    return _mm_packs_epi32(_mm_unpacklo_epi32(lo, hi), _mm_unpackhi_epi32(lo, hi));
}

static void encode_super(const float *x, nk_block_q8_k *b)
{
    float max = signed_max(x, NK_SUPER_LEN);
    if (max == 0) {
        memset(b, 0, sizeof *b);
        return;
    }
    float iscale = -127.0f / max;
    __m256 scale = _mm256_set1_ps(iscale);
    for (int half = 0; half < 2; half++) {
        __m256i q[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            __m256i v[4];
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
                v[i] = nearest(_mm256_mul_ps(scale, _mm256_loadu_ps(x + 32 * k + 8 * i)));
            q[k] = low_bytes(v);
            _mm256_storeu_si256((__m256i_u *)(b->qs + 128 * half + 32 * k), q[k]);
        }
        _mm_storeu_si128((__m128i_u *)((char *)b + offsetof(nk_block_q8_k, bsums)) + half,
                         sums_of_sixteen(q));
        x += 128;
    }
    b->d = 1 / iscale;
}

static void encode_q8_k(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    (void)importance;
    nk_block_q8_k *b = dst;
    for (size_t i = 0; i < nrows * ncols / NK_SUPER_LEN; i++)
        encode_super(src + i * NK_SUPER_LEN, &b[i]);
}

static void encode_f16(const float *src, void *dst, size_t nrows, size_t ncols,
                       const float *importance)
{
    (void)importance;
    uint16_t *out = dst;
    size_t n = nrows * ncols, i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i_u *)(out + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; i++) {
        uint16_t h = _cvtss_sh(src[i], _MM_FROUND_TO_NEAREST_INT);
        memcpy(out + i, &h, sizeof h);
    }
}

static void encode_bf16(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    (void)importance;
    char *out = dst;
    const __m256i one = _mm256_set1_epi32(1), half = _mm256_set1_epi32(0x7fff);
    size_t n = nrows * ncols, i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_loadu_ps(src + i);
        __m256i u = _mm256_castps_si256(v), top = _mm256_srli_epi32(u, 16);
        __m256i even = _mm256_add_epi32(half, _mm256_and_si256(top, one));
        __m256i near = _mm256_srli_epi32(_mm256_add_epi32(u, even), 16);
        __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        near = _mm256_blendv_epi8(near, _mm256_or_si256(top, _mm256_set1_epi32(64)), nan);
        __m128i low = _mm256_castsi256_si128(near), high = _mm256_extracti128_si256(near, 1);
        _mm_storeu_si128((__m128i_u *)(out + 2 * i), _mm_packus_epi32(low, high));
    }
    for (; i < n; i++) {
        uint16_t h = nk_f32_to_bf16(src[i]);
        memcpy(out + 2 * i, &h, sizeof h);
    }
}

/* --- blocks of 32 without importance ---------------------------------------------------------- */

/* nk_byte_code of 32 values (x - min) * id + half. */
NK_INLINE __m256i small_codes(const float *x, float min, float id, float half, char most)
{
    __m256i q[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m256 v = _mm256_sub_ps(_mm256_loadu_ps(x + 8 * i), _mm256_set1_ps(min));
        v = _mm256_add_ps(_mm256_mul_ps(v, _mm256_set1_ps(id)), _mm256_set1_ps(half));
        q[i] = _mm256_cvttps_epi32(v);
    }
    return _mm256_min_epi8(low_bytes(q), _mm256_set1_epi8(most));
}

NK_INLINE void store_fifth(uint8_t qh[4], __m256i codes)
{
    int bits = _mm256_movemask_epi8(_mm256_slli_epi16(codes, 3)); /* bit 4 becomes bit 7 */
    memcpy(qh, &bits, sizeof bits);
}

/* Codes -nmax..nmax-1 with nmax added, under the scale with that inverse. */
NK_INLINE __m256i symmetric_codes_by(const float *x, int nmax, float inverse)
{
    return small_codes(x, 0, inverse, (float)nmax + 0.5f, (char)(2 * nmax - 1));
}

/* The same where the greatest magnitude becomes -nmax; *d the scale. */
NK_INLINE __m256i symmetric_codes(const float *x, int nmax, float *d)
{
    *d = signed_max(x, NK_LEN) / (float)-nmax;
    return symmetric_codes_by(x, nmax, *d != 0 ? 1.0f / *d : 0.0f);
}

/* v; if it is zero, with the sign of the first zero among x. */
NK_INLINE float first_equal(const __m256 x[4], float v)
{
    for (int i = 0; i < 4 && v == 0; i++) {
        int mask = _mm256_movemask_ps(_mm256_cmp_ps(x[i], _mm256_set1_ps(v), _CMP_EQ_OQ));
        if (mask)
            return ((const float *)&x[i])[__builtin_ctz((unsigned)mask)];
    }
    return v;
}

/* Codes 0..nmax from the least value to the greatest. */
NK_INLINE __m256i affine_codes(const float *x, int nmax, float *d, float *min)
{
    __m256 v[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        v[i] = _mm256_loadu_ps(x + 8 * i);
    __m256 most = _mm256_max_ps(_mm256_max_ps(v[0], v[1]), _mm256_max_ps(v[2], v[3]));
    __m256 low = _mm256_min_ps(_mm256_min_ps(v[0], v[1]), _mm256_min_ps(v[2], v[3]));
    *min = first_equal(v, -max_of(_mm256_xor_ps(low, _mm256_set1_ps(-0.0f))));
    *d = (first_equal(v, max_of(most)) - *min) / (float)nmax;
    return small_codes(x, *min, *d != 0 ? 1.0f / *d : 0.0f, 0.5f, (char)nmax);
}

NK_INLINE nk_f16 to_f16(float v)
{
    return _cvtss_sh(v, _MM_FROUND_TO_NEAREST_INT);
}

/* Scales of symmetric_codes for SIDE blocks. Where both ends are as far, the one met first counts.
 */
NK_INLINE void symmetric_scales(const float *x, int nmax, float inverse[SIDE], uint16_t d[SIDE])
{
    __m256 high[SIDE], low[SIDE];
    float max[SIDE];
#pragma GCC unroll 8
    for (int k = 0; k < SIDE; k++) {
        const float *at = x + k * NK_LEN;
        __m256 v[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            v[i] = _mm256_loadu_ps(at + 8 * i);
        high[k] = _mm256_max_ps(_mm256_max_ps(v[0], v[1]), _mm256_max_ps(v[2], v[3]));
        low[k] = _mm256_min_ps(_mm256_min_ps(v[0], v[1]), _mm256_min_ps(v[2], v[3]));
    }
    __m256 top = extremes(high, false), bottom = extremes(low, true);
    __m256 depth = _mm256_xor_ps(bottom, _mm256_set1_ps(-0.0f));
    __m256 ends = _mm256_blendv_ps(top, bottom, _mm256_cmp_ps(top, depth, _CMP_LT_OQ));
    unsigned level = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(top, depth, _CMP_EQ_OQ));
    _mm256_storeu_ps(max, ends);
    for (; level; level &= level - 1) {
        int k = __builtin_ctz(level);
        max[k] = signed_max(x + k * NK_LEN, NK_LEN);
    }
    inverses(_mm256_div_ps(_mm256_loadu_ps(max), _mm256_set1_ps((float)-nmax)), inverse, d);
}

typedef void store_fn(void *block, __m256i codes, uint16_t d);

NK_INLINE void store_q4_0(void *block, __m256i codes, uint16_t d)
{
    nk_block_q4_0 *b = block;
    store_nibbles(b->qs, codes);
    b->d = d;
}

NK_INLINE void store_q5_0(void *block, __m256i codes, uint16_t d)
{
    nk_block_q5_0 *b = block;
    store_nibbles(b->qs, codes);
    store_fifth(b->qh, codes);
    b->d = d;
}

/* n blocks of so many bytes. */
NK_INLINE void plain_symmetric(const float *x, char *block, const size_t size, size_t n,
                               const int nmax, store_fn *store)
{
    for (; n >= SIDE; n -= SIDE) {
        float inverse[SIDE];
        uint16_t d[SIDE];
        symmetric_scales(x, nmax, inverse, d);
        for (int k = 0; k < SIDE; k++, x += NK_LEN, block += size)
            store(block, symmetric_codes_by(x, nmax, inverse[k]), d[k]);
    }
    for (; n > 0; n--, x += NK_LEN, block += size) {
        float d;
        __m256i codes = symmetric_codes(x, nmax, &d);
        store(block, codes, to_f16(d));
    }
}

void nk_x86_plain_q4_0(const float *src, void *dst, size_t nrows, size_t ncols)
{
    plain_symmetric(src, dst, sizeof(nk_block_q4_0), nrows * ncols / NK_LEN, 8, store_q4_0);
}

void nk_x86_plain_q5_0(const float *src, void *dst, size_t nrows, size_t ncols)
{
    plain_symmetric(src, dst, sizeof(nk_block_q5_0), nrows * ncols / NK_LEN, 16, store_q5_0);
}

void nk_x86_plain_q4_1(const float *src, void *dst, size_t nrows, size_t ncols)
{
    nk_block_q4_1 *b = dst;
    for (size_t i = 0; i < nrows * ncols / NK_LEN; i++) {
        float d, min;
        store_nibbles(b[i].qs, affine_codes(src + i * NK_LEN, 15, &d, &min));
        b[i].d = to_f16(d);
        b[i].m = to_f16(min);
    }
}

void nk_x86_plain_q5_1(const float *src, void *dst, size_t nrows, size_t ncols)
{
    nk_block_q5_1 *b = dst;
    for (size_t i = 0; i < nrows * ncols / NK_LEN; i++) {
        float d, min;
        __m256i codes = affine_codes(src + i * NK_LEN, 31, &d, &min);
        store_nibbles(b[i].qs, codes);
        store_fifth(b[i].qh, codes);
        b[i].d = to_f16(d);
        b[i].m = to_f16(min);
    }
}

void nk_x86_enc_avx2(nk_ops *ops)
{
    ops->encode[NK_Q8_0] = encode_q8_0;
    ops->encode[NK_Q8_1] = encode_q8_1;
    ops->encode[NK_Q8_K] = encode_q8_k;
    ops->encode[NK_F16] = encode_f16;
    ops->encode[NK_BF16] = encode_bf16;
}
