#include "kernels/x86/float_avx2.h"
#include "kernels/x86/vectors_avx2.h"
#include "kernels/x86/x86.h"

/* A few columns of floats with AVX2: four rows, up to three columns at once. */

enum { VEC_ROWS = 1, SIDE_F = 4, VECS_F = SIDE_F, TILE_COLUMNS = 3 };
#define TILES(X) X(1) X(2) X(3)

typedef fv rows_fn(const char *const w[VEC_ROWS], size_t i);

NK_INLINE fv rows_f32(const char *const w[VEC_ROWS], size_t i)
{
    return eight_f32(w[0], i);
}

NK_INLINE fv rows_f16(const char *const w[VEC_ROWS], size_t i)
{
    return eight_f16(w[0], i);
}

NK_INLINE fv rows_bf16(const char *const w[VEC_ROWS], size_t i)
{
    return eight_bf16(w[0], i);
}

NK_INLINE fv fv_eights(const __m256 v[VEC_ROWS])
{
    return v[0];
}

NK_INLINE fv fv_eight_all(const float *x)
{
    return _mm256_load_ps(x);
}

NK_INLINE void tile_sums(fv acc[TILE_COLUMNS][VECS_F], __m128 part[TILE_COLUMNS][1], const int nc)
{
    if (nc > 1) {
        __m256 two = sums_of_two(acc[0][0], acc[0][1], acc[0][2], acc[0][3], acc[1][0], acc[1][1],
                                 acc[1][2], acc[1][3]);
        part[0][0] = _mm256_castps256_ps128(two);
        part[1][0] = _mm256_extractf128_ps(two, 1);
    }
    if (nc != 2) {
        const __m256 *last = acc[nc - 1];
        part[nc - 1][0] = sums_of_one(last[0], last[1], last[2], last[3]);
    }
}

#define NK_FEW_FLOATS
#include "kernels/x86/few_float_lanes.h"

void nk_x86_few_float_avx2(nk_ops *ops)
{
    set_few_floats(ops);
}
