#include "kernels/x86/attn_kv_avx2.h"

#include "kernels/x86/math_lanes.h"
#include "kernels/x86/x86.h"

/* Lanes whose positions i.. are in [from, to). */
NK_INLINE lane_mask seen(size_t i, size_t from, size_t to)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i p = _mm256_add_epi32(lane, _mm256_set1_epi32((int)i));
    __m256i in = _mm256_and_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32((int)to), p),
                                  _mm256_cmpgt_epi32(p, _mm256_set1_epi32((int)from - 1)));
    return _mm256_castsi256_ps(in);
}

NK_INLINE float largest(lanes v)
{
    return max_of(v);
}

/* Of a strip. */
NK_INLINE float sum_of(const lanes v[2])
{
    return hsum8(_mm256_add_ps(v[0], v[1]));
}

NK_INLINE lanes pair(float a, float b)
{
    return _mm256_setr_ps(a, b, 0, 0, 0, 0, 0, 0);
}

/* Sixteen registers: few rows take several strips at once, so that sums do not wait for each other.
 */
#define NK_ATTN_STRIPS(rows) ((rows) == 1 ? 4 : (rows) == 2 ? 2 : 1)
#define NK_ATTN_VALUES(rows) ((rows) <= 2 ? 4 : 2)
#define NK_ATTN_MIXED        6
#define NK_ATTN_SHORT        64
#include "kernels/x86/attn_lanes.h"

void nk_x86_attn_avx2(nk_ops *ops)
{
    ops->attn_span = attend;
    ops->attn_join = join;
}
