/* Blocks of 32 against q8_0 or q8_1 with AVX-512 and VNNI, in the order of gemm.h: four blocks go
 * side by side, one in each 128 bits. Two loads hold them, what lies a block apart is brought
 * together by permutations, scales too, and the sums of eight rows are reduced for four blocks at
 * once. Blocks behind the last four are rows_simple_avx2.h's. Included only by files compiled for
 * AVX-512. */
#ifndef NIBBLE_X86_FOURS_AVX512_H
#define NIBBLE_X86_FOURS_AVX512_H

#include "kernels/x86/rows_simple_avx2.h"
#include "kernels/x86/wide_avx512.h"

#if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

enum { FOUR = 4, WORDS = 32 /* of a vector */ };

/* Four blocks of one row: their first 64 bytes and their last. */
typedef struct four {
    __m512i first, last;
} four;

/* Codes 0..15 of four blocks, then 16..31, unsigned. */
typedef void four_codes_fn(four v, __m512i q[2]);
/* Of eight rows the scales of blocks 0 and 1, of 2 and 3. */
typedef void four_d_fn(const four v[SIDE], __m512 d[2]);

typedef struct four_type {
    const row_type *rows;
    four_codes_fn *codes;
    four_d_fn *d;
} four_type;

NK_INLINE four load_four(const char *w, const size_t block_size)
{
    return (four){_mm512_loadu_si512(w), _mm512_loadu_si512(w + FOUR * block_size - 64)};
}

/* Where word i of four blocks is. */
NK_INLINE int place(const int i, const int block_words)
{
    return i < WORDS ? i : i + 2 * WORDS - FOUR * block_words;
}

/* Words of which the first is word `at` of block k in 128 bits k, `step` 1 those that follow, 0 the
 * same one. */
NK_INLINE __m512i words_at(const int at, const int step, const int words)
{
    __m128i v[FOUR];
#pragma GCC unroll 4
    for (int k = 0; k < FOUR; k++) {
        int w[8];
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            w[i] = place(k * words + at + i * step, words);
        v[k] = _mm_setr_epi16((short)w[0], (short)w[1], (short)w[2], (short)w[3], (short)w[4],
                              (short)w[5], (short)w[6], (short)w[7]);
    }
    return four_quarters(v[0], v[1], v[2], v[3]);
}

/* f16 `at` words into each block of eight rows: of block k row r's in word 8k + r. */
NK_INLINE __m512i scales_of_8(const four v[SIDE], const int at, const int words)
{
    const __m512i from = words_at(at, 0, words);
    __m512i all = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int r = 0; r < SIDE; r++)
        if ((FOUR - 1) * words + at < WORDS)
            all = _mm512_mask_permutexvar_epi16(all, 0x01010101u << r, from, v[r].first);
        else
            all = _mm512_mask_blend_epi16(0x01010101u << r, all,
                                          _mm512_permutex2var_epi16(v[r].first, from, v[r].last));
    return all;
}

/* Two blocks of eight rows from their f16. */
NK_INLINE __m512 two_blocks(__m512i v, const int h)
{
    return _mm512_cvtph_ps(h ? _mm512_extracti64x4_epi64(v, 1) : _mm512_castsi512_si256(v));
}

/* A type whose scales are a block's first word. */
#define FOUR_HALVES(sym)                                                                           \
    NK_INLINE void d_##sym(const four v[SIDE], __m512 d[2])                                        \
    {                                                                                              \
        __m512i scales = scales_of_8(v, 0, sizeof(nk_block_##sym) / 2);                            \
        d[0] = two_blocks(scales, 0);                                                              \
        d[1] = two_blocks(scales, 1);                                                              \
    }                                                                                              \
    static const four_type four_##sym = {&row_##sym, four_codes_##sym, d_##sym};

/* Four blocks of x: codes as codes_of has them, what sums begin with, scales, sums. */
typedef struct four_x {
    __m512i q[2], begin;
    __m512 d[2]; /* of blocks 0 and 1, of 2 and 3, eight times each */
    const char *at;
} four_x;

NK_INLINE void read_four(const row_type t, const char *x, four_x *f)
{
    const size_t qs = t.kind == WITH_MIN ? 4 : 2;
#pragma GCC unroll 2
    for (size_t h = 0; h < 2; h++)
        f->q[h] = four_quarters(load16(x + qs + 16 * h), load16(x + t.x_size + qs + 16 * h),
                                load16(x + 2 * t.x_size + qs + 16 * h),
                                load16(x + 3 * t.x_size + qs + 16 * h));
    f->begin = _mm512_setzero_si512();
    if (t.less) {
        const __m512i less = _mm512_set1_epi8((char)t.less);
        __m512i sum = _mm512_dpbusd_epi32(f->begin, less, f->q[0]);
        f->begin = _mm512_sub_epi32(f->begin, _mm512_dpbusd_epi32(sum, less, f->q[1]));
    }
    f->at = x;
#pragma GCC unroll 2
    for (size_t h = 0; h < 2; h++, x += 2 * t.x_size)
        f->d[h] = _mm512_insertf32x8(_mm512_castps256_ps512(f16_all(x)), f16_all(x + t.x_size), 1);
}

NK_INLINE __m256 half_of(__m512 v, const int k)
{
    return k ? _mm512_extractf32x8_ps(v, 1) : _mm512_castps512_ps256(v);
}

NK_INLINE __m256 four_blocks(const four_type t, const char *const w[SIDE], size_t at,
                             const char *next, const four_x *x, __m256 acc)
{
    const row_type one = *t.rows;
    const int words = (int)one.block_size / 2;
    const size_t size = FOUR * one.block_size;
    NK_UNSET four v[SIDE];
    NK_UNSET __m512i sum[SIDE];
    NK_UNSET __m512 scale[2];
#pragma GCC unroll 8
    for (int r = 0; r < SIDE; r++) {
        __m512i q[2];
        ask_ahead(next, (size_t)r * size, (size_t)(r + 1) * size, false);
        v[r] = load_four(w[r] + at, one.block_size);
        t.codes(v[r], q);
        sum[r] = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(x->begin, q[0], x->q[0]), q[1], x->q[1]);
    }
    __m512i a = sums_of_4(sum), b = sums_of_4(sum + 4), mins = a;
    t.d(v, scale);
    if (one.kind == WITH_MIN)
        mins = scales_of_8(v, 1, words);
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        const __m512i rows = h ? _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15)
                               : _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
        __m512 total = _mm512_cvtepi32_ps(_mm512_permutex2var_epi64(a, rows, b));
        __m512 d = _mm512_mul_ps(scale[h], x->d[h]);
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
            acc = _mm256_fmadd_ps(half_of(total, k), half_of(d, k), acc);
            if (one.kind == WITH_MIN)
                acc = _mm256_fmadd_ps(half_of(two_blocks(mins, h), k),
                                      f16_all(x->at + (size_t)(2 * h + k) * one.x_size + 2), acc);
        }
    }
    return acc;
}

NK_INLINE __m256 four_side(const four_type t, size_t n, const char *const w[SIDE], size_t row_size,
                           const char *x)
{
    const row_type one = *t.rows;
    const char *next = w[0] + SIDE * row_size;
    __m256 acc = _mm256_setzero_ps();
    size_t blocks = n / NK_LEN, fours = blocks / FOUR * FOUR;
    for (size_t i = 0; i < fours; i += FOUR, next += SIDE * FOUR * one.block_size) {
        NK_UNSET four_x f;
        read_four(one, x + i * one.x_size, &f);
        acc = four_blocks(t, w, i * one.block_size, next, &f, acc);
    }
    return simple_blocks(one, fours, blocks, w, row_size, x, acc);
}

NK_INLINE void four_rows(const four_type t, size_t n, const void *w, size_t row_size, size_t rows,
                         const void *x, float *y)
{
    NK_EACH_SIDE(four_side(t, n, at, row_size, x));
}

#define FOUR_ROWS(ID, sym) NK_ROWS_PAIR(four_rows, four_##sym, sym)

#endif
#endif
