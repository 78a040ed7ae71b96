/* A few columns of block types at once (nk_few), in the order of gemm.h, in whatever vectors the
 * including file has: vectors_avx2.h or vectors_avx512.h, and how words of FV_LEN rows come into
 * them, words_of_rows and so on. Rows lie in the lanes of a vector, four codes of each, which
 * costs no more than two shuffles a vector, once for all columns: 16 bytes of each row are
 * transposed before codes are taken out of them. So no sum crosses lanes. A panel (gemm_lanes.h)
 * does the same with what it has written to memory and reads again.
 *
 * Without VNNI products of many codes are added up in 16 bits before they are widened and scaled;
 * with it one instruction adds four of them in 32 bits, as in gemm_lanes.h. */
#ifndef NIBBLE_X86_FEW_LANES_H
#define NIBBLE_X86_FEW_LANES_H

#if defined(NK_VECTORS)

#include "kernels/ops.h"
#include "kernels/x86/scales_lanes.h"

/* Bits [from, from + width) of every byte, moved to bit `to`; all constants. */
NK_INLINE iv bits(iv v, int from, int width, int to)
{
    iv moved = from > to ? iv_right16(v, from - to) : iv_left16(v, to - from);
    return iv_and(moved, iv_set8(((1 << width) - 1) << to));
}

/* 32 bytes of every row as eight words. */
NK_INLINE void words_of_32(const char *const w[FV_LEN], size_t at, iv v[8])
{
    words_of_rows(w, at, false, v);
    words_of_rows(w, at + 16, false, v + 4);
}

#if defined(NK_LANES_VNNI)
enum { IN_32 = 1 };
#else
enum { IN_32 = 0 };
#endif

/* Four unsigned codes of each row times line k of each column, added to sums; those of 16 bits
 * begin at `first`. */
NK_INLINE void add_codes(iv sum[NK_FEW], iv q, const nk_columns *x, size_t k, const bool first,
                         const int nc)
{
#pragma GCC unroll 6
    for (int c = 0; c < nc; c++) {
        iv four = iv_four(x[c / NK_GROUP].q[k][c % NK_GROUP]);
#if defined(NK_LANES_VNNI)
        (void)first;
        sum[c] = iv_hold(iv_dpbusd(sum[c], q, four));
#else
        iv p = iv_maddubs(q, four);
        sum[c] = iv_hold(first ? p : iv_add16(sum[c], p));
#endif
    }
}

#include "kernels/x86/few_super_lanes.h"

/* --- blocks of 32 ------------------------------------------------------------------------------
 */

enum { RAW_SIMPLE = 9 };

/* The bytes of blocks, of which `at` is where codes begin; then word k of their eight. */
typedef void simple_raw_fn(const char *const w[FV_LEN], size_t at, iv raw[RAW_SIMPLE]);
typedef iv simple_word_fn(const iv raw[RAW_SIMPLE], int k);

NK_INLINE void raw_nibbles(const char *const w[FV_LEN], size_t at, iv raw[RAW_SIMPLE])
{
    words_of_rows(w, at, false, raw);
}

NK_INLINE iv word_nibbles(const iv raw[RAW_SIMPLE], int k)
{
    return bits(raw[k % 4], k / 4 * 4, 4, 0);
}

/* Behind four bytes of a bit for each. */
NK_INLINE void raw_fives(const char *const w[FV_LEN], size_t at, iv raw[RAW_SIMPLE])
{
    words_of_rows(w, at + 4, false, raw);
    iv high = word_of_rows(w, at);
    raw[4] = bits(high, 0, 4, 0);
    raw[5] = bits(high, 4, 4, 0);
}

/* Four bits of a byte, each in a byte of its own, looked up as 16. */
NK_INLINE iv word_fives(const iv raw[RAW_SIMPLE], int k)
{
    static const uint8_t sixteen[16] = {0, 16, 16, 16, 16, 16, 16, 16, 16};
    iv four = iv_bytes(raw[4 + k % 2], (uint32_t)k / 2 * 0x01010101);
    iv one = iv_and(four, iv_set(0x08040201));
    return iv_or(word_nibbles(raw, k), iv_look_up(iv_table(sixteen), one));
}

NK_INLINE void raw_bytes(const char *const w[FV_LEN], size_t at, iv raw[RAW_SIMPLE])
{
    words_of_32(w, at, raw);
}

NK_INLINE iv word_bytes(const iv raw[RAW_SIMPLE], int k)
{
    return raw[k];
}

typedef struct simple_few {
    simple_raw_fn *raw;
    simple_word_fn *word;
    size_t block_size, codes; /* bytes, and where the codes begin */
    int run;                  /* words added up in 16 bits; 0: signed codes of a whole byte */
    int less;                 /* codes are too large by 1 << less; 0: by nothing */
    bool has_m;
} simple_few;

#define SIMPLE_FEW(sym, ...) static const simple_few few_of_##sym = {__VA_ARGS__};
SIMPLE_FEW(q4_0, raw_nibbles, word_nibbles, sizeof(nk_block_q4_0), 2, 8, 3, false)
SIMPLE_FEW(q4_1, raw_nibbles, word_nibbles, sizeof(nk_block_q4_1), 4, 8, 0, true)
SIMPLE_FEW(q5_0, raw_fives, word_fives, sizeof(nk_block_q5_0), 2, 4, 4, false)
SIMPLE_FEW(q5_1, raw_fives, word_fives, sizeof(nk_block_q5_1), 4, 4, 0, true)
SIMPLE_FEW(q8_0, raw_bytes, word_bytes, sizeof(nk_block_q8_0), 2, 0, 0, false)

#if defined(NK_LANES_VNNI)
/* Adds the integer sums of block b of a chunk; signed codes are taken 128 higher. */
NK_INLINE void simple_sums(const simple_few t, const char *const w[FV_LEN], size_t at,
                           const nk_columns *x, size_t b, iv acc[NK_FEW], const int nc)
{
    NK_UNSET iv raw[RAW_SIMPLE];
    t.raw(w, at, raw);
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) {
        iv q = t.word(raw, k);
        add_codes(acc, t.run ? q : iv_flip(q), x, 8 * b + (size_t)k, false, nc);
    }
}

NK_INLINE int less_of(const simple_few t)
{
    return t.run ? t.less : 7;
}
#else
/* Of four signed bytes in each lane the even ones as words, then the odd ones. */
NK_INLINE void even_and_odd(iv v, iv half[2])
{
    half[0] = iv_right16_signed(iv_left16(v, 8), 8);
    half[1] = iv_right16_signed(v, 8);
}

/* Signed codes, whose products do not add up in 16 bits: both sides as words. */
NK_INLINE void signed_sums(const simple_few t, const iv raw[RAW_SIMPLE], const nk_columns *x,
                           size_t b, iv acc[NK_FEW], const int nc)
{
    /* of each group, by twos of lines: even and odd */
    NK_UNSET _Alignas(32) int16_t wide[2][4][2][2][NK_GROUP][2];
#pragma GCC unroll 2
    for (int g = 0; g * NK_GROUP < nc; g++)
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++) {
            NK_UNSET __m256i half[2];
            even_and_odd(load32(x[g].q[8 * b + 2 * i]), half);
            _mm256_store_si256((__m256i *)(void *)wide[g][i][0], half[0]);
            _mm256_store_si256((__m256i *)(void *)wide[g][i][1], half[1]);
        }
    __asm__("" : "+m"(wide));
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) {
        NK_UNSET iv half[2];
        even_and_odd(t.word(raw, k), half);
#pragma GCC unroll 2
        for (int odd = 0; odd < 2; odd++)
#pragma GCC unroll 6
            for (int c = 0; c < nc; c++) {
                const int16_t *two = wide[c / NK_GROUP][k / 2][odd][k % 2][c % NK_GROUP];
                acc[c] = iv_hold(iv_dpwssd(acc[c], half[odd], iv_four(two)));
            }
    }
}

/* Adds the integer sums of block b of a chunk. */
NK_INLINE void simple_sums(const simple_few t, const char *const w[FV_LEN], size_t at,
                           const nk_columns *x, size_t b, iv acc[NK_FEW], const int nc)
{
    NK_UNSET iv raw[RAW_SIMPLE], sum[NK_FEW];
    t.raw(w, at, raw);
    if (t.run == 0) {
        signed_sums(t, raw, x, b, acc, nc);
        return;
    }
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) {
        add_codes(sum, t.word(raw, k), x, 8 * b + (size_t)k, k % t.run == 0, nc);
        if ((k + 1) % t.run > 0)
            continue;
#pragma GCC unroll 6
        for (int c = 0; c < nc; c++)
            acc[c] = iv_dpwssd(acc[c], sum[c], iv_ones());
    }
}

NK_INLINE int less_of(const simple_few t)
{
    return t.less;
}
#endif

NK_INLINE void simple_rows(const simple_few t, const nk_few *p, const char *const w[FV_LEN],
                           fv y[NK_FEW], const int nc)
{
    const nk_columns *x = p->x;
    const char *next = w[0] + FV_LEN * p->row_size;
    const int less = less_of(t);
    size_t at = 0;
    for (size_t i = 0; i < p->n / NK_LEN; i++, at += t.block_size) {
        const size_t b = i % NK_PARTS;
        NK_UNSET iv acc[NK_FEW];
        if (i > 0 && b == 0)
            x = (const nk_columns *)(const void *)((const char *)x + p->x_step);
#pragma GCC unroll 32
        for (size_t k = 0; k < FV_LEN * t.block_size; k += LINE)
            _mm_prefetch(next + k, _MM_HINT_T0);
        next += FV_LEN * t.block_size;
#pragma GCC unroll 6
        for (int c = 0; c < nc; c++)
            acc[c] =
                less ? iv_shift(iv_four(&x[c / NK_GROUP].less[b][c % NK_GROUP]), less) : iv_zero();
        simple_sums(t, w, at + t.codes, x, b, acc, nc);
        fv d = f16_of_rows(w, at), m = t.has_m ? f16_of_rows(w, at + 2) : d;
#pragma GCC unroll 6
        for (int c = 0; c < nc; c++) {
            const nk_columns *group = x + c / NK_GROUP;
            const int k = c % NK_GROUP;
            y[c] = fv_fma(fv_of(acc[c]), fv_mul(d, fv_set(group->d[b][k])), y[c]);
            if (t.has_m)
                y[c] = fv_fma(m, fv_set(group->s[b][k]), y[c]);
        }
    }
}

/* --- types --------------------------------------------------------------------------------------
 */

/* Sums of rows r.. in column order to y. */
NK_INLINE void store_rows(const nk_few *p, size_t r, const fv sum[NK_FEW])
{
    size_t left = p->rows - r;
    for (size_t c = 0; c < p->m; c++) {
        float *y = p->y + c * p->y_stride + r;
        NK_UNSET float out[FV_LEN];
        if (left >= FV_LEN) {
            fv_store(y, sum[c]);
            continue;
        }
        fv_store(out, sum[c]);
        memcpy(y, out, left * sizeof *y);
    }
}

/* A function per type, its columns chosen once for FV_LEN rows. */
#define FEW_COLUMNS(kernel, sym, nc)                                                               \
    case nc:                                                                                       \
        kernel(few_of_##sym, p, at, sum, nc);                                                      \
        break;
#define FEW(ID, kernel, sym)                                                                       \
    static void few_##sym(const nk_few *p)                                                         \
    {                                                                                              \
        for (size_t r = 0; r < p->rows; r += FV_LEN) {                                             \
            const char *at[FV_LEN];                                                                \
            fv sum[NK_FEW];                                                                        \
            for (size_t c = 0; c < NK_FEW; c++)                                                    \
                sum[c] = fv_zero();                                                                \
            rows_side_by_side(at, FV_LEN, p->w, p->row_size, r, p->rows);                          \
            switch (p->m) {                                                                        \
                FEW_COLUMNS(kernel, sym, 2)                                                        \
                FEW_COLUMNS(kernel, sym, 3)                                                        \
                FEW_COLUMNS(kernel, sym, 4)                                                        \
                FEW_COLUMNS(kernel, sym, 5)                                                        \
            default:                                                                               \
                kernel(few_of_##sym, p, at, sum, NK_FEW);                                          \
            }                                                                                      \
            store_rows(p, r, sum);                                                                 \
        }                                                                                          \
    }
#define FEW_TYPES(X)                                                                               \
    X(Q4_0, simple_rows, q4_0)                                                                     \
    X(Q4_1, simple_rows, q4_1)                                                                     \
    X(Q5_0, simple_rows, q5_0)                                                                     \
    X(Q5_1, simple_rows, q5_1)                                                                     \
    X(Q8_0, simple_rows, q8_0)                                                                     \
    X(Q2_K, super_rows, q2_k)                                                                      \
    X(Q3_K, super_rows, q3_k)                                                                      \
    X(Q4_K, super_rows, q4_k)                                                                      \
    X(Q5_K, super_rows, q5_k)                                                                      \
    X(Q6_K, super_rows, q6_k)
FEW_TYPES(FEW)

NK_INLINE void set_few(nk_ops *ops)
{
#define FEW_SET(ID, kernel, sym) ops->few[NK_##ID] = few_##sym;
    FEW_TYPES(FEW_SET)
}

#endif
#endif
