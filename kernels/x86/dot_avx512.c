#include "kernels/x86/avx2.h"
#include "kernels/dot_rows.h"
#include "kernels/x86/x86.h"

/* dot_avx2.c for the simple types with two blocks at a time: VNNI multiplies unsigned codes by
 * signed ones and adds them up in one step. Signed codes go in as |w|, with x negated where w is
 * negative; activations hold no -128 (see dot_avx2.c). */

/* Codes of two adjacent blocks, or of one and zeros. */
typedef __m512i codes_fn(const void *first, const void *second);

typedef struct simple_type {
    codes_fn *codes;
    size_t block_size, x_size; /* bytes of a block on each side */
    bool is_signed;            /* codes, and then no min */
} simple_type;

/* The nibbles of two blocks; second NULL: of one and zeros. */
NK_INLINE __m512i two_nibbles(const void *first, const void *second)
{
    __m512i v = _mm512_zextsi256_si512(_mm256_broadcastsi128_si256(load16(first)));
    if (second)
        v = _mm512_inserti64x4(v, _mm256_broadcastsi128_si256(load16(second)), 1);
    v = _mm512_srlv_epi64(v, _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4));
    return _mm512_and_si512(v, _mm512_set1_epi8(15));
}

/* Fifth bits of two blocks, one per code. */
NK_INLINE __mmask64 two_fifths(const void *first, const void *second)
{
    uint32_t lo, hi = 0;
    memcpy(&lo, first, sizeof lo);
    if (second)
        memcpy(&hi, second, sizeof hi);
    return _cvtu64_mask64((uint64_t)hi << 32 | lo);
}

NK_INLINE const void *after(const void *block, size_t bytes)
{
    return block ? (const char *)block + bytes : NULL;
}

/* Codes of a missing block come out as -8 or -16; its activations are zero. */
NK_INLINE __m512i two_q4_0(const void *first, const void *second)
{
    return _mm512_sub_epi8(two_nibbles(after(first, 2), after(second, 2)), _mm512_set1_epi8(8));
}

NK_INLINE __m512i two_q4_1(const void *first, const void *second)
{
    return two_nibbles(after(first, 4), after(second, 4));
}

NK_INLINE __m512i two_q5_0(const void *first, const void *second)
{
    __mmask64 set = two_fifths(after(first, 2), after(second, 2));
    __m512i v = two_nibbles(after(first, 6), after(second, 6));
    return _mm512_mask_sub_epi8(v, _knot_mask64(set), v, _mm512_set1_epi8(16));
}

NK_INLINE __m512i two_q5_1(const void *first, const void *second)
{
    __mmask64 set = two_fifths(after(first, 4), after(second, 4));
    __m512i v = two_nibbles(after(first, 8), after(second, 8));
    return _mm512_mask_add_epi8(v, set, v, _mm512_set1_epi8(16));
}

/* 32 bytes of each, the second's place zero if it is missing. */
NK_INLINE __m512i two_loads(const void *first, const void *second)
{
    __m512i v = _mm512_zextsi256_si512(load32(first));
    return second ? _mm512_inserti64x4(v, load32(second), 1) : v;
}

NK_INLINE __m512i two_q8_0(const void *first, const void *second)
{
    return two_loads(after(first, 2), after(second, 2));
}

/* nb blocks (1 or 4) against nc columns; min[c] gathers m * s. */
NK_INLINE void blocks_dot(const simple_type t, const char *b, const char *x, size_t stride,
                          __m512 *acc, __m128 *min, const int nb, const int nc)
{
    const size_t head = t.is_signed ? 2 : 4;
    __m512 scale[4];
    __m128 d = f16_of_blocks(b, t.block_size, nb);
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++) {
        const char *a = x + (size_t)c * stride;
        scale[c] = _mm512_castps128_ps512(_mm_mul_ps(d, f16_of_blocks(a, t.x_size, nb)));
        if (!t.is_signed)
            min[c] = _mm_fmadd_ps(f16_of_blocks(b + 2, t.block_size, nb),
                                  f16_of_blocks(a + 2, t.x_size, nb), min[c]);
    }
#pragma GCC unroll 2
    for (int k = 0; k < nb; k += 2) {
        const char *first = b + (size_t)k * t.block_size;
        __m512i q = t.codes(first, nb > 1 ? first + t.block_size : NULL);
        __m512i size = t.is_signed ? _mm512_abs_epi8(q) : q;
        __mmask64 negative = t.is_signed ? _mm512_movepi8_mask(q) : 0;
        const __m512i zero = _mm512_setzero_si512();
        const __m512i lane = _mm512_setr_epi32(k, k, k, k, k, k, k, k, k + 1, k + 1, k + 1, k + 1,
                                               k + 1, k + 1, k + 1, k + 1);
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            const char *a = x + (size_t)c * stride + (size_t)k * t.x_size + head;
            __m512i v = two_loads(a, nb > 1 ? a + t.x_size : NULL);
            if (t.is_signed)
                v = _mm512_mask_sub_epi8(v, negative, zero, v);
            __m512 sum = _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(zero, size, v));
            acc[c] = _mm512_fmadd_ps(sum, _mm512_permutexvar_ps(lane, scale[c]), acc[c]);
        }
    }
}

NK_INLINE void simple_dot(const simple_type t, size_t n, const void *w, const void *x,
                          size_t stride, float *y, const int nc)
{
    __m512 acc[4];
    __m128 min[4];
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++) {
        acc[c] = _mm512_setzero_ps();
        min[c] = _mm_setzero_ps();
    }
    const char *b = w, *a = x;
    size_t left = n / NK_LEN;
    for (; left >= 4; left -= 4) {
        blocks_dot(t, b, a, stride, acc, min, 4, nc);
        b += 4 * t.block_size;
        a += 4 * t.x_size;
    }
    for (; left > 0; left--) {
        blocks_dot(t, b, a, stride, acc, min, 1, nc);
        b += t.block_size;
        a += t.x_size;
    }
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++) {
        __m256 both =
            _mm256_add_ps(_mm512_castps512_ps256(acc[c]), _mm512_extractf32x8_ps(acc[c], 1));
        y[c] = hsum8(both) + (t.is_signed ? 0 : hsum4(min[c]));
    }
}

static const simple_type q4_0 = {two_q4_0, sizeof(nk_block_q4_0), sizeof(nk_block_q8_0), true};
static const simple_type q4_1 = {two_q4_1, sizeof(nk_block_q4_1), sizeof(nk_block_q8_1), false};
static const simple_type q5_0 = {two_q5_0, sizeof(nk_block_q5_0), sizeof(nk_block_q8_0), true};
static const simple_type q5_1 = {two_q5_1, sizeof(nk_block_q5_1), sizeof(nk_block_q8_1), false};
static const simple_type q8_0 = {two_q8_0, sizeof(nk_block_q8_0), sizeof(nk_block_q8_0), true};

NK_SIMPLE_TYPES(NK_SIMPLE_PAIR)

void nk_x86_dot_avx512(nk_ops *ops)
{
    NK_SIMPLE_TYPES(NK_DOT_SET)
}
