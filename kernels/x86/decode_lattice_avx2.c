#include "kernels/x86/lattice_avx2.h"
#include "kernels/x86/x86.h"

/* Rows of the IQ types on grids, of their flat blocks and of q1_0 to floats; every product is
 * exact, as in the C rows. */

NK_INLINE void store_values(__m256i v, __m256 low, __m256 high, float *dst)
{
    __m128i half[2] = {_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)};
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        __m128i eight = k % 2 ? _mm_srli_si128(half[k / 2], 8) : half[k / 2];
        __m256 f = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight));
        _mm256_storeu_ps(dst + 8 * k, _mm256_mul_ps(f, k < 2 ? low : high));
    }
}

NK_INLINE void lattice_decode(const lattice_type t, const void *src, float *dst, size_t n)
{
    const uint64_t *grid = grid_of(t.grid);
    const char *b = src;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, b += t.block_size) {
        uint8_t sc[16];
        float d = t.d(b);
        t.scales(b, sc);
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++, dst += NK_LEN)
            store_values(t.values(b, grid, g), _mm256_set1_ps(d * (float)sc[2 * g]),
                         _mm256_set1_ps(d * (float)sc[2 * g + 1]), dst);
    }
}

static void decode_q1_0(const void *src, float *dst, size_t n)
{
    const nk_block_q1_0 *b = src;
    for (size_t i = 0; i < n / NK_Q1_0_LEN; i++, b++) {
        __m256 d = f16_all(&b->d);
        for (int g = 0; g < NK_Q1_0_LEN / NK_LEN; g++, dst += NK_LEN)
            store_values(values_q1_0(b, g), d, d, dst);
    }
}

NK_LATTICE_TYPES(NK_LATTICE_TYPE)
NK_FLAT_TYPES(NK_LATTICE_TYPE)

#define LATTICE_DECODE(ID, sym, d_of, grid_of)                                                     \
    static void decode_##sym(const void *src, float *dst, size_t n)                                \
    {                                                                                              \
        lattice_decode(lattice_##sym, src, dst, n);                                                \
    }
NK_LATTICE_TYPES(LATTICE_DECODE)
NK_FLAT_TYPES(LATTICE_DECODE)

#define LATTICE_SET(ID, sym, d_of, grid_of) ops->decode[NK_##ID] = decode_##sym;
void nk_x86_decode_lattice_avx2(nk_ops *ops)
{
    NK_LATTICE_TYPES(LATTICE_SET)
    NK_FLAT_TYPES(LATTICE_SET)
    ops->decode[NK_Q1_0] = decode_q1_0;
}
