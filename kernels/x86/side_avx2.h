/* What kernels of super-blocks share that take eight rows side by side: their sums are reduced
 * together, and a vector holds one number of each. Included only by files compiled for AVX2 and
 * above. */
#ifndef NIBBLE_X86_SIDE_AVX2_H
#define NIBBLE_X86_SIDE_AVX2_H

#include "kernels/x86/avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

enum { SIDE = 8, LINE = 64 };

/* Words 0, 2, 4, ... before 1, 3, 5, ... */
NK_INLINE __m256i even_words_first(__m256i v)
{
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    return _mm256_permute4x64_epi64(_mm256_shuffle_epi8(v, order), 0xd8);
}

NK_INLINE __m128i even_bytes_first(__m128i v)
{
    const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    return _mm_shuffle_epi8(v, order);
}

NK_INLINE __m256i pair_all(const int16_t p[2])
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}

/* The 32 bits at w[r] + at in lane r. */
NK_INLINE __m256i word_of_8(const char *const w[SIDE], size_t at)
{
    __m128i v[SIDE];
#pragma GCC unroll 8
    for (int r = 0; r < SIDE; r++) {
        int32_t one;
        memcpy(&one, w[r] + at, sizeof one);
        v[r] = _mm_cvtsi32_si128(one);
    }
#pragma GCC unroll 4
    for (int r = 0; r < SIDE; r += 2)
        v[r] = _mm_unpacklo_epi32(v[r], v[r + 1]);
    return _mm256_setr_m128i(_mm_unpacklo_epi64(v[0], v[2]), _mm_unpacklo_epi64(v[4], v[6]));
}

/* The scales of nvfp4 blocks at w[r] + at, group by group of 16, as scales_nvfp4 has them. */
NK_INLINE void scales_nvfp4_of_8(const char *const w[SIDE], size_t at, __m256 d[4])
{
    const __m256i by_group = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    __m256i v = word_of_8(w, at);
    v = _mm256_andnot_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(0x7f)), v);
    v = _mm256_shuffle_epi8(_mm256_and_si256(v, _mm256_set1_epi8(0x7f)), by_group);
    v = _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    __m128i half[2] = {_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)};
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        __m128i one = g % 2 ? _mm_srli_si128(half[g / 2], 8) : half[g / 2];
        __m256 f = _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(one), 7));
        d[g] = _mm256_mul_ps(f, _mm256_set1_ps(128.0f));
    }
}

/* mxfp4's, as e8m0_of_blocks has them. */
NK_INLINE __m256 e8m0_of_8(const char *const w[SIDE], size_t at)
{
    uint64_t all = 0;
#pragma GCC unroll 8
    for (int r = 0; r < SIDE; r++)
        all |= (uint64_t)(unsigned char)w[r][at] << (8 * r);
    __m256i e = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)all));
    __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    __m256i tiny = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    __m256i is_tiny = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, tiny, is_tiny));
}

/* Of two f16 in each lane the first, then the second. */
NK_INLINE void floats_of(__m256i v, __m256 *first, __m256 *second)
{
    v = even_words_first(v);
    *first = _mm256_cvtph_ps(_mm256_castsi256_si128(v));
    *second = _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1));
}

/* The f16 at w[r] + at of eight rows. Gathered by the scalar ports: the vector ports are what these
 * kernels wait for. */
NK_INLINE __m256 f16_of_8(const char *const w[SIDE], size_t at)
{
    uint64_t half[2] = {0, 0};
#pragma GCC unroll 8
    for (int r = 0; r < SIDE; r++) {
        uint16_t h;
        memcpy(&h, w[r] + at, sizeof h);
        half[r / 4] |= (uint64_t)h << (16 * (r % 4));
    }
    return _mm256_cvtph_ps(_mm_set_epi64x((long long)half[1], (long long)half[0]));
}

/* Words k = 0..3 of 32 bits, from 16 bytes at w[r] + at, less the first two if they are another
 * field's: v[k] has row r's in lane r. */
NK_INLINE void words_of_8(const char *const w[SIDE], size_t at, const bool less_2, __m256i v[4])
{
    __m256i t[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        t[k] = _mm256_setr_m128i(load16(w[k] + at), load16(w[k + 4] + at));
        if (less_2)
            t[k] = _mm256_srli_si256(t[k], 2);
    }
    __m256i a = _mm256_unpacklo_epi32(t[0], t[1]), b = _mm256_unpacklo_epi32(t[2], t[3]);
    __m256i c = _mm256_unpackhi_epi32(t[0], t[1]), d = _mm256_unpackhi_epi32(t[2], t[3]);
    v[0] = _mm256_unpacklo_epi64(a, b);
    v[1] = _mm256_unpackhi_epi64(a, b);
    v[2] = _mm256_unpacklo_epi64(c, d);
    v[3] = _mm256_unpackhi_epi64(c, d);
}

/* The compiler may not look through these: it would keep x, which every row reads, in registers it
 * then lacks, put off additions until their terms are spilled, and take scales out of the vectors
 * they were stored from, all of which costs more than the loads and stores asked for. */
NK_INLINE const int8_t *read_again(const int8_t *p)
{
    __asm__("" : "+r"(p));
    return p;
}

NK_INLINE __m256i add_now(__m256i a, __m256i b)
{
    a = _mm256_add_epi32(a, b);
    __asm__("" : "+x"(a));
    return a;
}

/* Asks for bytes from..end-1 of the next eight rows: hardware prefetchers stop at page ends. To L2
 * more lines can be under way at once than to L1, which pays where reading takes longer than
 * computing. A few lines at a time, each where it stands: with many at once loads wait for a place
 * in the queue, and Zen 3 forgets what finds none. */
NK_INLINE void ask_ahead(const char *next, const size_t from, const size_t end, const bool to_l2)
{
#pragma GCC unroll 32
    for (size_t k = (from + LINE - 1) / LINE * LINE; k < end; k += LINE)
        if (to_l2)
            _mm_prefetch(next + k, _MM_HINT_T1);
        else
            _mm_prefetch(next + k, _MM_HINT_T0);
    __asm__ volatile("" ::: "memory");
}

/* Row r's part of the next super-blocks of eight rows. */
NK_INLINE void ask_for_row(const char *next, const size_t block_size, const int r)
{
    const size_t from = (size_t)r * block_size;
    ask_ahead(next, from, from + block_size, block_size >= sizeof(nk_block_q4_k));
}

/* The scale of 16 weights, of group g the first and the second 16, out of 16 words, the even ones
 * first. */
NK_INLINE __m256i scale_of_group(__m256i scale, const int g)
{
    return _mm256_shuffle_epi8(scale, _mm256_set1_epi16((short)(0x0100 + 0x0202 * g)));
}

/* The sums of eight rows, of which `rows` exist. */
NK_INLINE void store_side(float *y, size_t rows, __m256 v)
{
    if (rows >= SIDE) {
        _mm256_storeu_ps(y, v);
        return;
    }
    float out[SIDE];
    _mm256_storeu_ps(out, v);
    memcpy(y, out, rows * sizeof *y);
}

/* The body of an nk_rows_fn: `sums`, an expression of at[SIDE], gives those of eight rows. */
#define NK_EACH_SIDE(sums)                                                                         \
    do                                                                                             \
        for (size_t r = 0; r < rows; r += SIDE) {                                                  \
            const char *at[SIDE];                                                                  \
            rows_side_by_side(at, SIDE, w, row_size, r, rows);                                     \
            store_side(y + r, rows - r, sums);                                                     \
        }                                                                                          \
    while (0)

/* nk_rows_fn and nk_dot_fn of a type by itself: side(n, at, row_size, x). */
#define NK_SIDE_PAIR(side, sym)                                                                    \
    static void rows_##sym(size_t n, const void *w, size_t row_size, size_t rows, const void *x,   \
                           float *y)                                                               \
    {                                                                                              \
        NK_EACH_SIDE(side(n, at, row_size, x));                                                    \
    }                                                                                              \
    static float dot_##sym(size_t n, const void *w, const void *x)                                 \
    {                                                                                              \
        float y;                                                                                   \
        rows_##sym(n, w, 0, 1, x, &y);                                                             \
        return y;                                                                                  \
    }

#endif
#endif
