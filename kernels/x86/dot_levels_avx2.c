#include "kernels/dot_rows.h"
#include "kernels/x86/side_avx2.h"
#include "kernels/x86/x86.h"

/* nvfp4: levels with four scales a block, in the order of gemm.h, eight rows side by side. Levels
 * are taken 12 higher, so that they are unsigned bytes; 12 times the sums of x come off again.
 * maddubs pairs are within 2 * 24 * 127. */

enum { LESS = 12 };

/* Both groups of half h, LESS higher: eight of the first, eight of the second, then the rest of
 * both, as nibbles have them. */
NK_INLINE __m256i levels_nvfp4(const char *block, int h)
{
    __m256i levels = _mm256_broadcastsi128_si256(load16(nk_levels_fp4));
    levels = _mm256_add_epi8(levels, _mm256_set1_epi8(LESS));
    return _mm256_shuffle_epi8(levels,
                               nibbles(((const nk_block_nvfp4 *)(const void *)block)->qs + 16 * h));
}

/* Group g's two of every four lanes of each vector added up: row r in lane r. */
NK_INLINE __m256i sums_of_group(const __m256i pairs[4], const int g)
{
    __m256 v[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        v[i] = _mm256_castsi256_ps(pairs[i]);
    __m256 a = g ? _mm256_shuffle_ps(v[0], v[1], 0xdd) : _mm256_shuffle_ps(v[0], v[1], 0x88);
    __m256 b = g ? _mm256_shuffle_ps(v[2], v[3], 0xdd) : _mm256_shuffle_ps(v[2], v[3], 0x88);
    __m256i x = _mm256_castps_si256(a), y = _mm256_castps_si256(b);
    return _mm256_add_epi32(_mm256_permute2x128_si256(x, y, 0x20),
                            _mm256_permute2x128_si256(x, y, 0x31));
}

NK_INLINE __m256 nvfp4_side(size_t n, const char *const w[SIDE], size_t row_size, const char *x)
{
    const __m256i ones = _mm256_set1_epi16(1), offset = _mm256_set1_epi8(LESS);
    const nk_block_q8_0 *a = (const void *)x;
    const char *next = w[0] + SIDE * row_size;
    const size_t size = sizeof(nk_block_nvfp4);
    __m256 acc = _mm256_setzero_ps();
    for (size_t at = 0; at < n / NK_NVFP4_LEN * size; at += size) {
        NK_UNSET __m256 d[4];
        ask_ahead(next, 0, SIDE * size, false);
        next += SIDE * size;
        scales_nvfp4_of_8(w, at, d);
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++, a++) {
            __m256i v = _mm256_permute4x64_epi64(load32(a->qs), 0xd8);
            NK_UNSET __m256i sum[SIDE], pairs[4];
#pragma GCC unroll 8
            for (int r = 0; r < SIDE; r++) {
                __m256i p = _mm256_maddubs_epi16(levels_nvfp4(w[r] + at, h), v);
                sum[r] = _mm256_madd_epi16(p, ones);
            }
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
                pairs[i] = neighbours(sum[2 * i], sum[2 * i + 1]);
            /* first group, first, second, second, and again */
            __m256i less = _mm256_madd_epi16(_mm256_maddubs_epi16(offset, v), ones);
            less = _mm256_add_epi32(less, _mm256_permute2x128_si256(less, less, 1));
            less = _mm256_add_epi32(less, _mm256_shuffle_epi32(less, 0xb1));
            __m256 dx = f16_all(&a->d);
            __m256i whole =
                _mm256_sub_epi32(sums_of_group(pairs, 0), _mm256_unpacklo_epi64(less, less));
            acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), _mm256_mul_ps(d[2 * h], dx), acc);
            whole = _mm256_sub_epi32(sums_of_group(pairs, 1), _mm256_unpackhi_epi64(less, less));
            acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), _mm256_mul_ps(d[2 * h + 1], dx), acc);
        }
    }
    return acc;
}

NK_SIDE_PAIR(nvfp4_side, nvfp4)

void nk_x86_dot_levels_avx2(nk_ops *ops)
{
    NK_ROWS_SET(NVFP4, nvfp4)
}
