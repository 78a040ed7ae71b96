#include "kernels/dot_rows.h"
#include "kernels/x86/side_avx2.h"
#include "kernels/x86/wide_avx512.h"
#include "kernels/x86/x86.h"

/* nvfp4 and q1_0 with AVX-512 and VNNI, in the order of gemm.h, eight rows side by side and 64
 * weights, two blocks of x, a vector: half as many sums to reduce. Beside a third of the vector
 * units of some CPUs that is still the shorter way. Of nvfp4 two blocks go side by side where there
 * are two: two loads hold those of a row, scales too. */

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

/* One block of eight rows. */
NK_INLINE __m256 one_nvfp4(const char *const w[SIDE], size_t at, const nk_block_q8_0 *a, __m256 acc)
{
    const __m512i by_half = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    NK_UNSET __m512i sum[SIDE];
    NK_UNSET __m512 d[2];
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
    __m512 dx = _mm512_insertf32x8(_mm512_castps256_ps512(f16_all(&a[0].d)), f16_all(&a[1].d), 1);
    dx = _mm512_shuffle_f32x4(dx, dx, 0x88);
    scales_nvfp4_by_2(w, at, dx, d);
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        __m256i one = quarters(whole[g % 2], g / 2);
        __m256i scale = quarters(_mm512_castps_si512(d[g % 2]), g / 2);
        acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(one), _mm256_castsi256_ps(scale), acc);
    }
    return acc;
}

/* x of two blocks: the first eight weights of every group, the last, what sums begin with. */
typedef struct two_x {
    __m512i q[2], begin;
    __m512 d[2]; /* times 128, of groups 0 to 3: twice, eight times each; of groups 4 to 7 */
} two_x;

NK_INLINE void read_two(const nk_block_q8_0 *a, two_x *x)
{
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    const __m512i less = _mm512_set1_epi8(LESS), zero = _mm512_setzero_si512();
    __m512i first = two_blocks(a), then = two_blocks(a + 2);
    x->q[0] = _mm512_permutex2var_epi64(first, even, then);
    x->q[1] = _mm512_permutex2var_epi64(first, odd, then);
    __m512i sum = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(zero, less, x->q[0]), less, x->q[1]);
    x->begin = _mm512_sub_epi32(zero, sum);
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++, a += 2) {
        __m512 d =
            _mm512_insertf32x8(_mm512_castps256_ps512(f16_all(&a[0].d)), f16_all(&a[1].d), 1);
        x->d[h] = _mm512_mul_ps(d, _mm512_set1_ps(128.0f)); /* as scales_nvfp4_by_2 has it */
    }
}

/* Scales of row r's blocks in lanes r and r + 8, a byte a group -> of groups 0 and 2, 4 and 6, 1
 * and 3, 5 and 7, eight rows each. */
NK_INLINE void scales_of_two(__m512i v, const two_x *x, __m512 d[4])
{
    const __m512i by_group =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 2, 6, 10, 14, 1, 5, 9, 13, 3, 7, 11, 15));
    const __m512i rows = _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    v = _mm512_maskz_mov_epi8(~_mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(0x7f)), v);
    v = _mm512_and_si512(v, _mm512_set1_epi8(0x7f));
    v = _mm512_permutexvar_epi32(rows, _mm512_shuffle_epi8(v, by_group));
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m256i bytes = h ? _mm512_extracti64x4_epi64(v, 1) : _mm512_castsi512_si256(v);
        __m512i half = _mm512_slli_epi16(_mm512_cvtepu8_epi16(bytes), 7);
        d[h] = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_castsi512_si256(half)), x->d[h]);
        d[2 + h] = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_extracti64x4_epi64(half, 1)), x->d[h]);
    }
}

NK_INLINE __m256 half_of(__m512 v, const int k)
{
    return k ? _mm512_extractf32x8_ps(v, 1) : _mm512_castps512_ps256(v);
}

/* The sums of groups, in the order of scales_of_two. */
NK_INLINE void groups_of_two(const __m512i sum[SIDE], __m512 total[4])
{
    const __m512i by_rows[2] = {_mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                                _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15)};
    NK_UNSET __m512 pair[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        pair[k] = _mm512_castsi512_ps(neighbours_512(sum[2 * k], sum[2 * k + 1]));
    __m512i four[2][2] = {{_mm512_castps_si512(_mm512_shuffle_ps(pair[0], pair[1], 0x88)),
                           _mm512_castps_si512(_mm512_shuffle_ps(pair[2], pair[3], 0x88))},
                          {_mm512_castps_si512(_mm512_shuffle_ps(pair[0], pair[1], 0xdd)),
                           _mm512_castps_si512(_mm512_shuffle_ps(pair[2], pair[3], 0xdd))}};
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        total[k] = _mm512_cvtepi32_ps(
            _mm512_permutex2var_epi64(four[k / 2][0], by_rows[k % 2], four[k / 2][1]));
}

/* Two blocks of eight rows. */
NK_INLINE __m256 two_nvfp4(const char *const w[SIDE], size_t at, const char *next,
                           const nk_block_q8_0 *a, __m256 acc)
{
    /* words of both blocks' scales, and of their codes, in the first 64 bytes and the last */
    const __m512i scales = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9);
    const __m512i codes = _mm512_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 30, 31);
    const __m512i low4 = _mm512_set1_epi8(15);
    const size_t size = 2 * sizeof(nk_block_nvfp4);
    __m512i levels = _mm512_broadcast_i32x4(load16(nk_levels_fp4));
    levels = _mm512_add_epi8(levels, _mm512_set1_epi8(LESS));
    NK_UNSET __m512i sum[SIDE];
    NK_UNSET __m512 total[4], d[4];
    NK_UNSET two_x x;
    __m512i all = _mm512_setzero_si512();
    read_two(a, &x);
#pragma GCC unroll 8
    for (int r = 0; r < SIDE; r++) {
        ask_ahead(next, (size_t)r * size, (size_t)(r + 1) * size, false);
        __m512i first = load64(w[r] + at), last = load64(w[r] + at + size - 64);
        all = _mm512_mask_blend_epi32((__mmask16)(0x0101 << r), all,
                                      _mm512_permutexvar_epi32(scales, first));
        __m512i low = _mm512_permutex2var_epi32(first, codes, last);
        __m512i high = _mm512_and_si512(_mm512_srli_epi16(low, 4), low4);
        low = _mm512_shuffle_epi8(levels, _mm512_and_si512(low, low4));
        sum[r] = _mm512_dpbusd_epi32(x.begin, low, x.q[0]);
        sum[r] = _mm512_dpbusd_epi32(sum[r], _mm512_shuffle_epi8(levels, high), x.q[1]);
    }
    scales_of_two(all, &x, d);
    groups_of_two(sum, total);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        const int k = g % 2 * 2 + g / 4, h = g / 2 % 2;
        acc = _mm256_fmadd_ps(half_of(total[k], h), half_of(d[k], h), acc);
    }
    return acc;
}

NK_INLINE __m256 nvfp4_side(size_t n, const char *const w[SIDE], size_t row_size, const char *x)
{
    const nk_block_q8_0 *a = (const void *)x;
    const char *next = w[0] + SIDE * row_size;
    const size_t size = sizeof(nk_block_nvfp4), blocks = n / NK_NVFP4_LEN;
    __m256 acc = _mm256_setzero_ps();
    size_t at = 0;
    for (size_t i = 0; i < blocks / 2; i++, at += 2 * size, a += 4, next += 2 * SIDE * size)
        acc = two_nvfp4(w, at, next, a, acc);
    return blocks % 2 ? one_nvfp4(w, at, a, acc) : acc;
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
