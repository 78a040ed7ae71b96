#include "kernels/x86/float_avx2.h"
#include "kernels/x86/vectors_avx512.h"
#include "kernels/x86/x86.h"

/* A few columns of floats with AVX-512: two rows in a vector, as in gemm_float_avx512.c, eight side
 * by side, all columns at once. */

enum { VEC_ROWS = 2, SIDE_F = 8, VECS_F = SIDE_F / VEC_ROWS, TILE_COLUMNS = NK_FEW };
#define TILES(X) X(2) X(3) X(4) X(5) X(6)

typedef fv rows_fn(const char *const w[VEC_ROWS], size_t i);

/* 16 bytes of one row and of the next. */
NK_INLINE __m256i two_of_16(const char *const w[VEC_ROWS], size_t at)
{
    return _mm256_setr_m128i(load16(w[0] + at), load16(w[1] + at));
}

NK_INLINE fv fv_eights(const __m256 v[VEC_ROWS])
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(v[0]), v[1], 1);
}

NK_INLINE fv rows_f32(const char *const w[VEC_ROWS], size_t i)
{
    const __m256 v[VEC_ROWS] = {eight_f32(w[0], i), eight_f32(w[1], i)};
    return fv_eights(v);
}

NK_INLINE fv rows_f16(const char *const w[VEC_ROWS], size_t i)
{
    return _mm512_cvtph_ps(two_of_16(w, 2 * i));
}

NK_INLINE fv rows_bf16(const char *const w[VEC_ROWS], size_t i)
{
    __m512i v = _mm512_cvtepu16_epi32(two_of_16(w, 2 * i));
    return _mm512_castsi512_ps(_mm512_slli_epi32(v, 16));
}

NK_INLINE fv fv_eight_all(const float *x)
{
    return _mm512_broadcast_f32x8(_mm256_load_ps(x));
}

NK_INLINE void tile_sums(fv acc[TILE_COLUMNS][VECS_F], __m128 part[TILE_COLUMNS][SIDE_F / 4],
                         const int nc)
{
#pragma GCC unroll 6
    for (int c = 0; c < nc; c++)
#pragma GCC unroll 2
        for (int k = 0; k < SIDE_F / 4; k++)
            part[c][k] = hsums8(_mm512_castps512_ps256(acc[c][2 * k]),
                                _mm512_extractf32x8_ps(acc[c][2 * k], 1),
                                _mm512_castps512_ps256(acc[c][2 * k + 1]),
                                _mm512_extractf32x8_ps(acc[c][2 * k + 1], 1));
}

#define NK_FEW_FLOATS
#include "kernels/x86/few_float_lanes.h"

void nk_x86_few_float_avx512(nk_ops *ops)
{
    set_few_floats(ops);
}
