/* nk_fit_positive for 32 values and codes 0..4, the scale alone: the first step of iq2_xxs. Eight
 * tried scales are added up side by side; of eight codes that might move one at a time does, as in
 * the C reference. Included only by files compiled for AVX2 and above. */
#ifndef NIBBLE_X86_POSITIVE_AVX2_H
#define NIBBLE_X86_POSITIVE_AVX2_H

#include "kernels/x86/lattice_fit_avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

enum { POSITIVE_LEN = 32, POSITIVE_MAX = 4 };

typedef struct positive_fit {
    const float *x, *w;                      /* aligned to 32 */
    float lx, l2;                            /* sum w x code, sum w code^2 */
    _Alignas(32) int32_t code[POSITIVE_LEN]; /* bytes: a negative code wraps */
} positive_fit;

NK_INLINE __m256i nearest_8(__m256 v)
{
    return _mm256_sub_epi32(nearest_biased(v), _mm256_set1_epi32(0x00400000));
}

NK_INLINE __m256i at_most_4(__m256i l)
{
    return _mm256_min_epi32(l, _mm256_set1_epi32(POSITIVE_MAX));
}

NK_INLINE float sum_32(const float *v)
{
    float sum = 0;
    for (int i = 0; i < POSITIVE_LEN; i++)
        sum += v[i];
    return sum;
}

/* Of the first scale, whose codes are bytes and not cut. */
NK_INLINE float first_error(const positive_fit *p, float inverse)
{
    _Alignas(32) float term[POSITIVE_LEN];
    const __m256 scale = _mm256_set1_ps(1 / inverse);
    for (int i = 0; i < POSITIVE_LEN; i += 8) {
        __m256 x = _mm256_load_ps(p->x + i);
        __m256i l = nearest_8(_mm256_mul_ps(_mm256_set1_ps(inverse), x));
        l = _mm256_and_si256(l, _mm256_set1_epi32(255));
        __m256 e = _mm256_sub_ps(x, _mm256_mul_ps(scale, _mm256_cvtepi32_ps(l)));
        _mm256_store_ps(term + i, _mm256_mul_ps(_mm256_mul_ps(_mm256_load_ps(p->w + i), e), e));
    }
    return sum_32(term);
}

/* Of eight scales. */
NK_INLINE __m256 trial_errors(const positive_fit *p, __m256 inverse)
{
    const __m256 scale = _mm256_div_ps(_mm256_set1_ps(1), inverse);
    __m256 sum = _mm256_setzero_ps();
    for (int i = 0; i < POSITIVE_LEN; i++) {
        __m256 x = _mm256_set1_ps(p->x[i]);
        __m256i l = at_most_4(nearest_8(_mm256_mul_ps(inverse, x)));
        __m256 e = _mm256_sub_ps(x, _mm256_mul_ps(scale, _mm256_cvtepi32_ps(l)));
        sum = _mm256_add_ps(sum, _mm256_mul_ps(_mm256_mul_ps(_mm256_set1_ps(p->w[i]), e), e));
    }
    return sum;
}

NK_INLINE void start_codes(positive_fit *p, float inverse)
{
    _Alignas(32) float lx[POSITIVE_LEN], l2[POSITIVE_LEN];
    for (int i = 0; i < POSITIVE_LEN; i += 8) {
        __m256 x = _mm256_load_ps(p->x + i), w = _mm256_load_ps(p->w + i);
        __m256i l = at_most_4(nearest_8(_mm256_mul_ps(_mm256_set1_ps(inverse), x)));
        __m256 f = _mm256_cvtepi32_ps(l);
        _mm256_store_ps(lx + i, _mm256_mul_ps(_mm256_mul_ps(w, x), f));
        _mm256_store_ps(l2 + i, _mm256_mul_ps(_mm256_mul_ps(w, f), f));
        _mm256_store_si256((__m256i *)(p->code + i), _mm256_and_si256(l, _mm256_set1_epi32(255)));
    }
    p->lx = sum_32(lx);
    p->l2 = sum_32(l2);
}

/* Moves the first of the lanes from `from` on whose code is better elsewhere; its lane, or 8. */
NK_INLINE int move_one(positive_fit *p, int i, int from)
{
    const __m256 x = _mm256_load_ps(p->x + i), w = _mm256_load_ps(p->w + i), zero = {0};
    const __m256i code = _mm256_load_si256((const __m256i *)(p->code + i));
    const __m256 wx = _mm256_mul_ps(w, x), old = _mm256_cvtepi32_ps(code);
    __m256 lx = _mm256_sub_ps(_mm256_set1_ps(p->lx), _mm256_mul_ps(wx, old));
    __m256 l2 = _mm256_sub_ps(_mm256_set1_ps(p->l2), _mm256_mul_ps(_mm256_mul_ps(w, old), old));
    __m256 sound =
        _mm256_and_ps(_mm256_cmp_ps(lx, zero, _CMP_GT_OQ), _mm256_cmp_ps(l2, zero, _CMP_GT_OQ));
    __m256i l = at_most_4(nearest_8(_mm256_div_ps(_mm256_mul_ps(x, l2), lx)));
    __m256 f = _mm256_cvtepi32_ps(l), same = _mm256_castsi256_ps(_mm256_cmpeq_epi32(l, code));
    lx = _mm256_add_ps(lx, _mm256_mul_ps(wx, f));
    l2 = _mm256_add_ps(l2, _mm256_mul_ps(_mm256_mul_ps(w, f), f));
    __m256 better = _mm256_cmp_ps(_mm256_mul_ps(_mm256_mul_ps(lx, lx), _mm256_set1_ps(p->l2)),
                                  _mm256_mul_ps(_mm256_set1_ps(p->lx * p->lx), l2), _CMP_GT_OQ);
    better = _mm256_andnot_ps(same, _mm256_and_ps(better, sound));
    unsigned mask = (unsigned)_mm256_movemask_ps(better) & ~0u << from;
    if (!mask)
        return 8;
    int lane = __builtin_ctz(mask);
    _Alignas(32) float all_lx[8], all_l2[8];
    _Alignas(32) int32_t all_l[8];
    _mm256_store_ps(all_lx, lx);
    _mm256_store_ps(all_l2, l2);
    _mm256_store_si256((__m256i *)all_l, l);
    p->lx = all_lx[lane];
    p->l2 = all_l2[lane];
    p->code[i + lane] = all_l[lane] & 255;
    return lane;
}

NK_INLINE bool sweep(positive_fit *p)
{
    bool moved = false;
    for (int i = 0; i < POSITIVE_LEN; i += 8)
        for (int lane = move_one(p, i, 0); lane < 8;) {
            moved = true;
            lane = lane < 7 ? move_one(p, i, lane + 1) : 8;
        }
    return moved;
}

/* x, w [32] aligned to 32; max: the greatest x, above 0. */
NK_INLINE float fit_positive(const float *x, const float *w, float max)
{
    positive_fit p = {.x = x, .w = w};
    _Alignas(32) float inverse[8], error[8];
    float chosen = (float)POSITIVE_MAX / max, best = first_error(&p, chosen);
    for (int k = 0; k < 8; k++)
        inverse[k] = (0.1f * (float)(k < 4 ? k - 4 : k - 3) + (float)POSITIVE_MAX) / max;
    _mm256_store_ps(error, trial_errors(&p, _mm256_load_ps(inverse)));
    for (int k = 0; k < 8; k++)
        if (error[k] < best) {
            best = error[k];
            chosen = inverse[k];
        }
    start_codes(&p, chosen);
    for (int k = 0; k < 5 && sweep(&p); k++)
        ;
    return p.l2 > 0 ? p.lx / p.l2 : 0.0f;
}

#endif
#endif
