#include "kernels/x86/super_types_avx2.h"
#include "kernels/x86/x86.h"

/* Super-blocks, K types and trits, against q8_K. Codes are unsigned bytes, so one maddubs gives
 * exact int16 pair sums (at most 2 * 63 * 128), one madd by the int16 scale gives int32; nothing is
 * rounded before the float products of a super-block, which stand in the order of gemm.h. Four rows
 * go side by side: their sums are reduced together and their floats are one vector. */

enum { SIDE = 4 };

/* Group g of 32 weights: its two scales, eight int16 each. */
NK_INLINE __m256i group_scale(__m256i lo, __m256i hi, int g)
{
    const short a = (short)(0x0100 + g % 4 * 0x0404), b = (short)(a + 0x0202);
    const __m256i pick = _mm256_setr_epi16(a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b);
    return _mm256_shuffle_epi8(g < 4 ? lo : hi, pick);
}

/* The integer sums of one super-block in eight lanes, its mins' apart. */
NK_INLINE void super_block(const super_type t, const void *block, const nk_block_q8_k *a,
                           __m256i *sum, __m256i *min, float *d, float *dmin)
{
    super_scales s = t.scales(block);
    __m256i lo = _mm256_permute2x128_si256(s.scale, s.scale, 0x00);
    __m256i hi = _mm256_permute2x128_si256(s.scale, s.scale, 0x11);
    __m256i even = _mm256_setzero_si256(), odd = even;
#pragma GCC unroll 4
    for (int g = 0; g < 8; g += 2) {
        __m256i p = _mm256_maddubs_epi16(t.codes(block, g), load32(a->qs + 32 * g));
        __m256i q = _mm256_maddubs_epi16(t.codes(block, g + 1), load32(a->qs + 32 * g + 32));
        even = _mm256_add_epi32(even, _mm256_madd_epi16(p, group_scale(lo, hi, g)));
        odd = _mm256_add_epi32(odd, _mm256_madd_epi16(q, group_scale(lo, hi, g + 1)));
    }
    *sum = _mm256_add_epi32(even, odd);
    *min = _mm256_madd_epi16(s.min, load32(a->bsums));
    if (!t.has_min)
        *sum = _mm256_sub_epi32(*sum, *min);
    *d = s.d;
    *dmin = s.dmin;
}

/* Asks for the block of the row SIDE further on, past the ends of pages. */
NK_INLINE void ask(const super_type t, const char *p)
{
    for (size_t i = 0; i < t.block_size; i += 64)
        _mm_prefetch(p + i, _MM_HINT_T0);
}

NK_INLINE __m128 super_side(const super_type t, size_t n, const char *const w[SIDE],
                            size_t row_size, const nk_block_q8_k *a)
{
    __m128 acc = _mm_setzero_ps();
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, a++) {
        __m256i sum[SIDE], min[SIDE];
        float d[SIDE], dmin[SIDE];
#pragma GCC unroll 4
        for (int r = 0; r < SIDE; r++) {
            const char *block = w[r] + i * t.block_size;
            ask(t, block + SIDE * row_size);
            super_block(t, block, a, &sum[r], &min[r], &d[r], &dmin[r]);
        }
        __m128 part = _mm_cvtepi32_ps(sums_of_4(sum)), dw = _mm_setr_ps(d[0], d[1], d[2], d[3]);
        __m128 dx = _mm_set1_ps(a->d);
        if (t.has_min) {
            __m128 m = _mm_setr_ps(dmin[0], dmin[1], dmin[2], dmin[3]);
            part = _mm_mul_ps(part, dw);
            part = _mm_fnmadd_ps(_mm_cvtepi32_ps(sums_of_4(min)), m, part);
            acc = _mm_fmadd_ps(part, dx, acc);
        } else {
            acc = _mm_fmadd_ps(part, _mm_mul_ps(dw, dx), acc);
        }
    }
    return acc;
}

NK_INLINE void super_rows(const super_type t, size_t n, const void *w, size_t row_size, size_t rows,
                          const void *x, float *y)
{
    for (size_t r = 0; r < rows; r += SIDE) {
        const char *at[SIDE];
        float out[SIDE];
        rows_side_by_side(at, SIDE, w, row_size, r, rows);
        __m128 sums = super_side(t, n, at, row_size, x);
        if (r + SIDE <= rows) {
            _mm_storeu_ps(y + r, sums);
            continue;
        }
        _mm_storeu_ps(out, sums);
        memcpy(y + r, out, (rows - r) * sizeof *y);
    }
}

#define SUPER_ROWS(ID, sym) NK_ROWS_PAIR(super_rows, sym)
NK_SUPER_TYPES(SUPER_ROWS)
NK_TRIT_TYPES(SUPER_ROWS)

void nk_x86_dot_k_avx2(nk_ops *ops)
{
    NK_SUPER_TYPES(NK_ROWS_SET)
    NK_TRIT_TYPES(NK_ROWS_SET)
}
