/* Few queries and keys, sixteen rows at once. Keys of q8_0 are turned and multiplied in registers:
 * queries come as two digits of eight bits each, keys less -128 as bytes without a sign. Floats of
 * 16 bits are turned and widened where they are multiplied. Included by attn_avx512.c alone. */
#ifndef NIBBLE_X86_ATTN_FEW_AVX512_H
#define NIBBLE_X86_ATTN_FEW_AVX512_H

#if defined(NK_ATTN_STRIPS) && defined(__AVX512VNNI__)

/* Where the first n of sixteen rows are; the last of them stands in for the others. */
NK_INLINE __m512i places(size_t stride, size_t n)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i j = _mm512_min_epi32(lane, _mm512_set1_epi32(n < LANES ? (int)n - 1 : LANES - 1));
    return _mm512_mullo_epi32(j, _mm512_set1_epi32((int)stride));
}

/* The scales of the blocks of q8_0 there: a gather takes two codes along. */
NK_INLINE __m512 scales_there(bytes *block, __m512i at)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_i32gather_epi32(at, block, 1)));
}

/* Scales of positions [low, high) of a span, from an even one, to d, and what is read soon. */
static void scales_by_block(bytes *row, size_t stride, size_t low, size_t high, size_t blocks,
                            float *d, uint16_t *spare, ahead *soon)
{
    size_t n = LANES - low % LANES; /* up to a strip's end */
    (void)spare;
    for (size_t p = low; p < high; p += n, row += n * stride, n = LANES) {
        __m512i at = places(stride, high - p < n ? high - p : n);
        ask_for(soon, LANES / 2);
        for (size_t b = 0; b < blocks; b++) {
            __mmask16 in = (__mmask16)((1u << n) - 1);
            _mm512_mask_storeu_ps(d + b * SPAN + p, in,
                                  scales_there(row + b * sizeof(nk_block_q8_0), at));
        }
    }
}

/* A block of a query: code = 256 high + low. */
typedef struct query_digits {
    int8_t high[NK_LEN], low[NK_LEN];
    int32_t less; /* -128 times the sum of codes */
    float step;
} query_digits;

static void digits_of(const nk_attn_code *c, query_digits *to)
{
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15));
    __m512i q = _mm512_loadu_si512(c->code);
    __m512i sum = _mm512_madd_epi16(q, _mm512_set1_epi16(1));
    __m512i high = _mm512_srai_epi16(_mm512_add_epi16(q, _mm512_set1_epi16(128)), 8);
    store32(to->low, _mm256_shuffle_epi8(_mm512_cvtepi16_epi8(q), order));
    store32(to->high, _mm256_shuffle_epi8(_mm512_cvtepi16_epi8(high), order));
    to->less = -128 * _mm512_reduce_add_epi32(sum);
    to->step = c->step;
}

NK_INLINE __m512i four_digits(const int8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
}

/* One block of sixteen keys as words less -128: added to their scores. */
NK_INLINE void score_block(const query_digits *q, const __m512i word[8], __m512 scale, bool first,
                           float score[LANES])
{
    __m512i low = _mm512_set1_epi32(q->less), high = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int w = 0; w < 8; w++) {
        low = _mm512_dpbusd_epi32(low, word[w], four_digits(q->low + 4 * w));
        high = _mm512_dpbusd_epi32(high, word[w], four_digits(q->high + 4 * w));
    }
    __m512 sum = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(high, 8), low));
    __m512 before = first ? _mm512_setzero_ps() : _mm512_loadu_ps(score);
    scale = _mm512_mul_ps(scale, _mm512_set1_ps(q->step));
    _mm512_storeu_ps(score, _mm512_fmadd_ps(sum, scale, before));
}

/* Scores of n queries at q with positions [begin, high) of a span, to weight [n, SPAN]. */
static void score_q8_0(const nk_ops *ops, const nk_attn *a, size_t first, const float *const *q,
                       size_t n, size_t begin, size_t high, float *weight, float *keys,
                       float *plain)
{
    const size_t dim = a->head_dim, blocks = dim / NK_LEN, each = LANES / (2 * blocks);
    query_digits *digits = (query_digits *)(void *)keys;
    ahead soon = rows_behind(a, first + begin, true);
    for (size_t k = 0; k < n; k++)
        for (size_t b = 0; b < blocks; b++)
            digits_of((const nk_attn_code *)(const void *)q[k] + b, digits + k * blocks + b);
    for (size_t p = begin; p < high; p += LANES) {
        size_t stride;
        bytes *row = rows_at(ops, a, (bytes *)a->k + first * a->k_stride, p, high, plain, &stride);
        __m512i at = places(stride, LANES);
        sixteen r = sixteen_rows(row + offsetof(nk_block_q8_0, qs), stride);
        for (size_t b = 0; b < blocks; b++) {
            NK_UNSET __m512i word[8];
#pragma GCC unroll 2
            for (int h = 0; h < 2; h++) {
                ask_for(&soon, each);
                turn_words(&r, word + 4 * h);
                skip(&r, h ? sizeof(nk_block_q8_0) - 16 : 16);
            }
#pragma GCC unroll 8
            for (int w = 0; w < 8; w++)
                word[w] = _mm512_xor_si512(word[w], _mm512_set1_epi8(-128));
            __m512 scale = scales_there(row + b * sizeof(nk_block_q8_0), at);
            for (size_t k = 0; k < n; k++)
                score_block(digits + k * blocks + b, word, scale, b == 0, weight + k * SPAN + p);
        }
        ask_for(&soon, LANES - 2 * blocks * each);
    }
}

/* --- floats of 16 bits -------------------------------------------------------------------------
 */

enum { FEW_ROWS = 4, FEW_STRIPS = 4 };

/* Chains of sums as in product() of attn_lanes.h. Half of the rows that are asked for are asked for
 * here, so that memory has no less to do than while keys are turned. */
NK_INLINE void half_product(const float *const *q, const uint16_t *keys, size_t dim, float *out,
                            ahead *soon, const int rows, const int strips, const int mode)
{
    const size_t asks = (size_t)strips * LANES / 2;
    size_t asked = 0;
    NK_UNSET __m512 sum[FEW_ROWS][FEW_STRIPS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int x = 0; x < strips; x++)
            sum[r][x] = _mm512_setzero_ps();
    for (size_t i = 0; i < dim; i++, keys += WIDE) {
        NK_UNSET __m512 column[FEW_STRIPS];
        if (asked * dim < asks * (i + 1)) {
            ask_for_next(soon);
            asked++;
        }
#pragma GCC unroll 4
        for (int x = 0; x < strips; x++)
            column[x] = kv_floats((bytes *)(keys + (size_t)x * WIDE * dim), 0, mode);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            __m512 one = _mm512_set1_ps(q[r][i]);
#pragma GCC unroll 4
            for (int x = 0; x < strips; x++)
                sum[r][x] = _mm512_fmadd_ps(one, column[x], sum[r][x]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int x = 0; x < strips; x++)
            _mm512_storeu_ps(out + r * SPAN + x * WIDE, sum[r][x]);
}

NK_INLINE void half_rows(const float *const *q, size_t n, const uint16_t *keys, size_t dim,
                         float *out, ahead *soon, const int strips, const int mode)
{
    for (; n >= 4; n -= 4, q += 4, out += 4 * SPAN)
        half_product(q, keys, dim, out, soon, 4, strips, mode);
    if (n == 3)
        half_product(q, keys, dim, out, soon, 3, strips, mode);
    else if (n == 2)
        half_product(q, keys, dim, out, soon, 2, strips, mode);
    else if (n == 1)
        half_product(q, keys, dim, out, soon, 1, strips, mode);
}

/* As score_q8_0. */
NK_INLINE void score_halves(const nk_ops *ops, const nk_attn *a, size_t first,
                            const float *const *q, size_t n, size_t begin, size_t high,
                            float *weight, float *keys, float *plain, const int mode)
{
    const size_t dim = a->head_dim, strip = WIDE * dim;
    uint16_t *half = (uint16_t *)(void *)keys;
    bytes *k = (bytes *)a->k + first * a->k_stride;
    ahead soon = rows_behind(a, first + begin, true);
    for (size_t p = begin; p < high; p += FEW_STRIPS * WIDE) {
        size_t left = (high - p + WIDE - 1) / WIDE, count = left < FEW_STRIPS ? left : FEW_STRIPS;
        for (size_t s = 0; s < count; s++) {
            size_t stride;
            bytes *row = rows_at(ops, a, k, p + s * WIDE, high, plain, &stride);
            turned_halves(row, stride, dim, half + s * strip, &soon, LANES / 2);
        }
        if (count == FEW_STRIPS)
            half_rows(q, n, half, dim, weight + p, &soon, FEW_STRIPS, mode);
        for (size_t s = 0; s < count && count < FEW_STRIPS; s++)
            half_rows(q, n, half + s * strip, dim, weight + p + s * WIDE, &soon, 1, mode);
    }
}

/* False: keys of this type are to be unpacked first. */
static bool score_directly(const nk_ops *ops, const nk_attn *a, size_t first, const float *const *q,
                           size_t n, size_t begin, size_t high, float *weight, float *keys,
                           float *plain)
{
    const int mode = kv_mode(a->k_type);
    if (mode == KV_Q8_0)
        score_q8_0(ops, a, first, q, n, begin, high, weight, keys, plain);
    else if (mode == KV_F16)
        score_halves(ops, a, first, q, n, begin, high, weight, keys, plain, KV_F16);
    else if (mode == KV_BF16)
        score_halves(ops, a, first, q, n, begin, high, weight, keys, plain, KV_BF16);
    else
        return false;
    return true;
}

#endif
#endif
