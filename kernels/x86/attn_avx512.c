#include "kernels/x86/attn_kv_avx512.h"

#include "kernels/x86/math_lanes.h"
#include "kernels/x86/x86.h"

/* Lanes whose positions i.. are in [from, to). */
NK_INLINE lane_mask seen(size_t i, size_t from, size_t to)
{
    unsigned below_to = to < i + LANES ? 0xffffu >> (i + LANES - to) : 0xffff;
    unsigned below_from = from > i ? (1u << (from - i)) - 1 : 0;
    return (lane_mask)(below_to & ~below_from);
}

NK_INLINE float largest(lanes v)
{
    return max_of(_mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1)));
}

/* Of a strip, in AVX2's order. */
NK_INLINE float sum_of(const lanes v[1])
{
    return hsum8(_mm256_add_ps(_mm512_castps512_ps256(v[0]), _mm512_extractf32x8_ps(v[0], 1)));
}

NK_INLINE lanes pair(float a, float b)
{
    return _mm512_zextps128_ps512(_mm_setr_ps(a, b, 0, 0));
}

#define NK_ATTN_STRIPS(rows) 4
#define NK_ATTN_VALUES(rows) ((rows) <= 6 ? 4 : 2)
#define NK_ATTN_MIXED        8
#define NK_ATTN_SHORT        128
#include "kernels/x86/attn_lanes.h"

void nk_x86_attn_avx512(nk_ops *ops)
{
    ops->attn_span = attend;
    ops->attn_join = join;
}
