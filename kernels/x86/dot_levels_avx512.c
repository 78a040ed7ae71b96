#include "kernels/dot_rows.h"
#include "kernels/x86/side_avx2.h"
#include "kernels/x86/wide_avx512.h"
#include "kernels/x86/x86.h"

/* nvfp4 and q1_0 with AVX-512 and VNNI, in the order of gemm.h, eight rows side by side and 64
 * weights, two blocks of x, a vector: half as many sums to reduce. Beside a third of the vector
 * units of some CPUs that is still the shorter way. */

enum { LESS = 12 };

/* Two blocks of x. */
NK_INLINE __m512i two_blocks(const nk_block_q8_0 *a)
{
    return two_halves(load32(a[0].qs), load32(a[1].qs));
}

NK_INLINE __m256i quarters(__m512i v, const int which)
{
    return _mm512_castsi512_si256(which == 0 ? _mm512_shuffle_i64x2(v, v, 0x08)
                                             : _mm512_shuffle_i64x2(v, v, 0x0d));
}

/* --- nvfp4 --------------------------------------------------------------------------------------
 */

/* Levels, LESS higher: of each group of 16 the first eight, in order of groups, then the rest. */
NK_INLINE __m512i levels_nvfp4(const char *block)
{
    const __m512i shift = _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4);
    __m512i levels = _mm512_broadcast_i32x4(load16(nk_levels_fp4));
    levels = _mm512_add_epi8(levels, _mm512_set1_epi8(LESS));
    __m512i v = _mm512_broadcast_i64x4(load32(((const nk_block_nvfp4 *)(const void *)block)->qs));
    v = _mm512_and_si512(_mm512_srlv_epi64(v, shift), _mm512_set1_epi8(15));
    return _mm512_shuffle_epi8(levels, v);
}

/* Scales of eight rows and of x, of groups 0, 2 and 1, 3: four rows of either, then the others. */
NK_INLINE void scales_nvfp4_by_2(const char *const w[SIDE], size_t at, __m512 dx, __m512 d[2])
{
    const __m256i by_group = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, 12, 2, 6, 10, 14, 1, 5, 9, 13, 3, 7, 11, 15));
    __m256i v = word_of_8(w, at);
    v = _mm256_andnot_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(0x7f)), v);
    v = _mm256_shuffle_epi8(_mm256_and_si256(v, _mm256_set1_epi8(0x7f)), by_group);
    __m512i half = _mm512_slli_epi16(_mm512_cvtepu8_epi16(_mm256_permute4x64_epi64(v, 0xd8)), 7);
    /* f16 has e4m3's subnormals too, 2^8 smaller, and normals 2^8 smaller: times 128 is exact */
    dx = _mm512_mul_ps(dx, _mm512_set1_ps(128.0f));
    d[0] = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_castsi512_si256(half)), dx);
    d[1] = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_extracti64x4_epi64(half, 1)), dx);
}

NK_INLINE __m256 nvfp4_side(size_t n, const char *const w[SIDE], size_t row_size, const char *x)
{
    const __m512i by_half = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    const nk_block_q8_0 *a = (const void *)x;
    const char *next = w[0] + SIDE * row_size;
    const size_t size = sizeof(nk_block_nvfp4);
    __m256 acc = _mm256_setzero_ps();
    for (size_t at = 0; at < n / NK_NVFP4_LEN * size; at += size, a += 2) {
        NK_UNSET __m512i sum[SIDE];
        NK_UNSET __m512 d[2];
        ask_ahead(next, 0, SIDE * size, false);
        next += SIDE * size;
        __m512i v = _mm512_permutexvar_epi64(by_half, two_blocks(a)), zero = _mm512_setzero_si512();
        __m512i less = _mm512_dpbusd_epi32(zero, _mm512_set1_epi8(LESS), v);
        less = _mm512_sub_epi32(zero, less);
#pragma GCC unroll 8
        for (int r = 0; r < SIDE; r++)
            sum[r] = _mm512_dpbusd_epi32(less, levels_nvfp4(w[r] + at), v);
#pragma GCC unroll 4
        for (int r = 0; r < SIDE / 2; r++)
            sum[r] = halves_added(sum[r], sum[r + SIDE / 2]);
        __m512 p = _mm512_castsi512_ps(neighbours_512(sum[0], sum[1]));
        __m512 q = _mm512_castsi512_ps(neighbours_512(sum[2], sum[3]));
        __m512i whole[2] = {_mm512_castps_si512(_mm512_shuffle_ps(p, q, 0x88)),
                            _mm512_castps_si512(_mm512_shuffle_ps(p, q, 0xdd))};
        __m512 dx =
            _mm512_insertf32x8(_mm512_castps256_ps512(f16_all(&a[0].d)), f16_all(&a[1].d), 1);
        dx = _mm512_shuffle_f32x4(dx, dx, 0x88);
        scales_nvfp4_by_2(w, at, dx, d);
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++) {
            __m256i one = quarters(whole[g % 2], g / 2);
            __m256i scale = quarters(_mm512_castps_si512(d[g % 2]), g / 2);
            acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(one), _mm256_castsi256_ps(scale), acc);
        }
    }
    return acc;
}

NK_SIDE_PAIR(nvfp4_side, nvfp4)

/* --- q1_0 ---------------------------------------------------------------------------------------
 */

/* Twice the x where a bit is set, less all of them. */
NK_INLINE __m512i signs_of_64(const uint8_t *bits, __m512i x, __m512i less)
{
    uint64_t set;
    memcpy(&set, bits, sizeof set);
    x = _mm512_maskz_mov_epi8(_cvtu64_mask64(set), x);
    return _mm512_dpbusd_epi32(less, _mm512_set1_epi8(2), x);
}

NK_INLINE __m256 signs_side(size_t n, const char *const w[SIDE], size_t row_size, const char *x)
{
    const nk_block_q8_0 *a = (const void *)x;
    const char *next = w[0] + SIDE * row_size;
    const size_t size = sizeof(nk_block_q1_0);
    __m256 acc = _mm256_setzero_ps();
    for (size_t at = 0; at < n / NK_Q1_0_LEN * size; at += size) {
        __m256 d = f16_of_8(w, at);
        ask_ahead(next, 0, SIDE * size, false);
        next += SIDE * size;
#pragma GCC unroll 2
        for (size_t k = 0; k < NK_Q1_0_LEN / 64; k++, a += 2) {
            NK_UNSET __m512i sum[SIDE];
            __m512i v = two_blocks(a), zero = _mm512_setzero_si512();
            __m512i less = _mm512_dpbusd_epi32(zero, _mm512_set1_epi8(1), v);
            less = _mm512_sub_epi32(zero, less);
#pragma GCC unroll 8
            for (int r = 0; r < SIDE; r++) {
                const nk_block_q1_0 *b = (const void *)(w[r] + at);
                sum[r] = signs_of_64(b->qs + 8 * k, v, less);
            }
            __m512i p = sums_of_4(sum), q = sums_of_4(sum + 4);
            __m512i both = _mm512_add_epi32(_mm512_shuffle_i64x2(p, q, 0x88),
                                            _mm512_shuffle_i64x2(p, q, 0xdd));
#pragma GCC unroll 2
            for (int h = 0; h < 2; h++) {
                __m256 scale = _mm256_mul_ps(d, f16_all(&a[h].d));
                acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(quarters(both, h)), scale, acc);
            }
        }
    }
    return acc;
}

NK_SIDE_PAIR(signs_side, q1_0)

void nk_x86_dot_levels_avx512(nk_ops *ops)
{
    NK_ROWS_SET(NVFP4, nvfp4)
    NK_ROWS_SET(Q1_0, q1_0)
}
