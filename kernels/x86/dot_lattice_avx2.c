#include "kernels/x86/lattice_avx2.h"
#include "kernels/dot_rows.h"
#include "kernels/x86/x86.h"

/* IQ types on grids against q8_K, q1_0 against q8_0. Values are signed and never -128: |x| * (value
 * with the sign of x), pair sums within 2 * 62 * 128 < 2^15. Columns share the unpacking. */

NK_INLINE __m256i value_pairs(__m256i v, const int8_t *x)
{
    __m256i q = load32(x);
    return _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(v, q));
}

NK_INLINE void lattice_dot(const lattice_type t, size_t n, const void *w, const void *x,
                           size_t stride, float *y, const int nc)
{
    const uint64_t *grid = nk_grid_values(t.grid);
    __m256 acc[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                     _mm256_setzero_ps()};
    const char *b = w, *a = x;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, b += t.block_size, a += sizeof(nk_block_q8_k)) {
        uint8_t sc[16];
        __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                          _mm256_setzero_si256()};
        t.scales(b, sc);
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++) {
            __m256i v = t.values(b, grid, g);
            __m256i s = _mm256_setr_m128i(_mm_set1_epi16(sc[2 * g]), _mm_set1_epi16(sc[2 * g + 1]));
#pragma GCC unroll 4
            for (int c = 0; c < nc; c++) {
                const nk_block_q8_k *col = (const void *)(a + (size_t)c * stride);
                __m256i pair = value_pairs(v, col->qs + NK_LEN * g);
                sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(pair, s));
            }
        }
        float d = t.d(b);
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            const nk_block_q8_k *col = (const void *)(a + (size_t)c * stride);
            acc[c] =
                _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[c]), _mm256_set1_ps(d * col->d), acc[c]);
        }
    }
    for (int c = 0; c < nc; c++)
        y[c] = hsum8(acc[c]);
}

NK_INLINE void q1_0_dot(size_t n, const void *w, const void *x, size_t stride, float *y,
                        const int nc)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256 acc[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                     _mm256_setzero_ps()};
    const nk_block_q1_0 *b = w;
    const char *a = x;
    for (size_t i = 0; i < n / NK_Q1_0_LEN; i++, b++) {
        __m256 d = f16_all(&b->d);
#pragma GCC unroll 4
        for (int g = 0; g < NK_Q1_0_LEN / NK_LEN; g++, a += sizeof(nk_block_q8_0)) {
            __m256i v = values_q1_0(b, g);
#pragma GCC unroll 4
            for (int c = 0; c < nc; c++) {
                const nk_block_q8_0 *col = (const void *)(a + (size_t)c * stride);
                __m256i sum = _mm256_madd_epi16(value_pairs(v, col->qs), ones);
                acc[c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum),
                                         _mm256_mul_ps(d, f16_all(&col->d)), acc[c]);
            }
        }
    }
    for (int c = 0; c < nc; c++)
        y[c] = hsum8(acc[c]);
}

static float dot_q1_0(size_t n, const void *w, const void *x)
{
    float y;
    q1_0_dot(n, w, x, 0, &y, 1);
    return y;
}

static void dot4_q1_0(size_t n, const void *w, const void *x, size_t x_stride, float y[4])
{
    q1_0_dot(n, w, x, x_stride, y, 4);
}

NK_LATTICE_TYPES(NK_LATTICE_TYPE)

#define LATTICE_PAIR(ID, sym, d_of, grid_of)                                                       \
    static float dot_##sym(size_t n, const void *w, const void *x)                                 \
    {                                                                                              \
        float y;                                                                                   \
        lattice_dot(lattice_##sym, n, w, x, 0, &y, 1);                                             \
        return y;                                                                                  \
    }                                                                                              \
    static void dot4_##sym(size_t n, const void *w, const void *x, size_t x_stride, float y[4])    \
    {                                                                                              \
        lattice_dot(lattice_##sym, n, w, x, x_stride, y, 4);                                       \
    }
NK_LATTICE_TYPES(LATTICE_PAIR)

#define LATTICE_SET(ID, sym, d_of, grid_of) NK_DOT_SET(ID, sym)
void nk_x86_dot_lattice_avx2(nk_ops *ops)
{
    NK_LATTICE_TYPES(LATTICE_SET)
    NK_DOT_SET(Q1_0, q1_0)
}
