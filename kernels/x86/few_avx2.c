#include "kernels/x86/side_avx2.h"
#include "kernels/x86/super_avx2.h"
#include "kernels/x86/x86.h"

/* A few columns of block types at once (nk_few), in the order of gemm.h. Eight rows lie in the
 * lanes of a vector, four codes of each, which costs no more than two shuffles a vector, once for
 * all columns: 16 bytes of eight rows are transposed before codes are taken out of them. So
 * products of many codes are added up in 16 bits before they are widened and scaled, and no sum
 * crosses lanes. A panel (gemm_avx2.c) does the same with what it has written to memory and reads
 * again. */

/* Four activations of one column for all lanes, of 8 bits or two of 16. */
NK_INLINE __m256i four_all(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}

/* v, which the compiler computes here: it would else regroup long sums and run out of registers. */
NK_INLINE __m256i now(__m256i v)
{
    __asm__("" : "+x"(v));
    return v;
}

/* 32 bytes of eight rows as eight words of each. */
NK_INLINE void words_of_32(const char *const w[SIDE], size_t at, __m256i v[8])
{
    words_of_8(w, at, false, v);
    words_of_8(w, at + 16, false, v + 4);
}

/* Four unsigned codes of each row times line k of each column, added up in 16 bits. */
NK_INLINE void add_codes(__m256i sum[NK_FEW], __m256i q, const nk_columns *x, size_t k,
                         const bool first, const int nc)
{
#pragma GCC unroll 6
    for (int c = 0; c < nc; c++) {
        __m256i p = _mm256_maddubs_epi16(q, four_all(x[c / NK_GROUP].q[k][c % NK_GROUP]));
        sum[c] = now(first ? p : _mm256_add_epi16(sum[c], p));
    }
}

/* --- super-blocks -------------------------------------------------------------------------------
 */

enum { RAW = 24 }; /* vectors of bytes that a type keeps over several groups */

/* Reads what group g of 32 codes is the first to need; then word k of its eight. */
typedef void raw_fn(const char *const w[SIDE], size_t at, int g, __m256i raw[RAW]);
typedef __m256i word_fn(const __m256i raw[RAW], int g, int k);

NK_INLINE void raw_q4_k(const char *const w[SIDE], size_t at, int g, __m256i raw[RAW])
{
    if (g % 2 == 0)
        words_of_32(w, at + offsetof(nk_block_q4_k, qs) + (size_t)g / 2 * 32, raw);
}

NK_INLINE __m256i word_q4_k(const __m256i raw[RAW], int g, int k)
{
    return bits_of(raw[k], g % 2 * 4, 4, 0);
}

NK_INLINE void raw_q5_k(const char *const w[SIDE], size_t at, int g, __m256i raw[RAW])
{
    if (g % 2 == 0)
        words_of_32(w, at + offsetof(nk_block_q5_k, qs) + (size_t)g / 2 * 32, raw);
    if (g == 0)
        words_of_32(w, at + offsetof(nk_block_q5_k, qh), raw + 8);
}

NK_INLINE __m256i word_q5_k(const __m256i raw[RAW], int g, int k)
{
    return _mm256_or_si256(bits_of(raw[k], g % 2 * 4, 4, 0), bits_of(raw[8 + k], g, 1, 4));
}

NK_INLINE void raw_q6_k(const char *const w[SIDE], size_t at, int g, __m256i raw[RAW])
{
    if (g % 4 > 0)
        return;
    words_of_32(w, at + (size_t)g / 4 * 64, raw);
    words_of_32(w, at + (size_t)g / 4 * 64 + 32, raw + 8);
    words_of_32(w, at + offsetof(nk_block_q6_k, qh) + (size_t)g / 4 * 32, raw + 16);
}

NK_INLINE __m256i word_q6_k(const __m256i raw[RAW], int g, int k)
{
    return _mm256_or_si256(bits_of(raw[g % 2 * 8 + k], g % 4 / 2 * 4, 4, 0),
                           bits_of(raw[16 + k], g % 4 * 2, 2, 4));
}

/* What eight super-blocks hold besides codes: small scales in pairs of 16 bits, each twice; mins or
 * what takes their place in pairs of two groups. */
typedef struct side {
    __m256i scale[NK_CHUNK / 16], min[NK_CHUNK / 32];
    __m256 d, dmin;
} side;

/* Of four bytes in each lane number b and number c as words, unsigned or signed. */
NK_INLINE __m256i two_bytes(__m256i v, int b, int c, const bool is_signed)
{
    const int two = c << 16 | b, at = is_signed ? two << 8 | 0x00800080 : two | (int)0x80008000;
    const int next = is_signed ? 0x04000400 : 0x00040004;
    const __m256i order = _mm256_setr_epi32(at, at + next, at + 2 * next, at + 3 * next, at,
                                            at + next, at + 2 * next, at + 3 * next);
    v = _mm256_shuffle_epi8(v, order);
    return is_signed ? _mm256_srai_epi16(v, 8) : v;
}

typedef void side_fn(const char *const w[SIDE], size_t at, side *s);

NK_INLINE void side_six_bits(const char *const w[SIDE], size_t at, side *s)
{
    __m256i v[4], scale[2], min[2];
    words_of_8(w, at, false, v);
    floats_of(v[0], &s->d, &s->dmin);
    six_bits_of_8(v, scale, min);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        s->scale[g] = two_bytes(scale[g / 4], g % 4, g % 4, false);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        s->min[i] = two_bytes(min[i / 2], i % 2 * 2, i % 2 * 2 + 1, false);
}

NK_INLINE void side_q6_k(const char *const w[SIDE], size_t at, side *s)
{
    __m256i v[4];
    __m256 before;
    words_of_8(w, at + offsetof(nk_block_q6_k, scales), false, v);
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++)
        s->scale[g] = two_bytes(v[g / 4], g % 4, g % 4, true);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        s->min[i] = two_bytes(v[i / 2], i % 2 * 2, i % 2 * 2 + 1, true);
    floats_of(word_of_8(w, at + sizeof(nk_block_q6_k) - 4), &before, &s->d);
}

typedef struct super_few {
    raw_fn *raw;
    word_fn *word;
    side_fn *side;
    size_t block_size;
    int run;  /* words added up in 16 bits */
    int less; /* codes are too large by 1 << less; 0: mins */
} super_few;

static const super_few q4_k = {raw_q4_k, word_q4_k, side_six_bits, sizeof(nk_block_q4_k), 8, 0};
static const super_few q5_k = {raw_q5_k, word_q5_k, side_six_bits, sizeof(nk_block_q5_k), 4, 0};
static const super_few q6_k = {raw_q6_k, word_q6_k, side_q6_k, sizeof(nk_block_q6_k), 2, 5};

/* The integer sums of eight super-blocks. */
NK_INLINE void super_sums(const super_few t, const char *const w[SIDE], size_t at, const side *s,
                          const nk_columns *x, const char *next, __m256i acc[NK_FEW], const int nc)
{
    NK_UNSET __m256i raw[RAW];
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        t.raw(w, at, g, raw);
        /* the next eight rows, a few lines at a time: many at once keep loads waiting */
#pragma GCC unroll 4
        for (size_t k = (size_t)g * t.block_size; k < (size_t)(g + 1) * t.block_size; k += LINE)
            _mm_prefetch(next + k, _MM_HINT_T0);
        NK_UNSET __m256i sum[NK_FEW];
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++) {
            add_codes(sum, t.word(raw, g, k), x, (size_t)(8 * g + k), k % t.run == 0, nc);
            if ((k + 1) % t.run > 0)
                continue;
            __m256i scale = s->scale[t.less ? 2 * g + k / 4 : g];
#pragma GCC unroll 6
            for (int c = 0; c < nc; c++) {
                __m256i p = _mm256_madd_epi16(sum[c], scale);
                acc[c] = now(g > 0 || k >= t.run ? _mm256_add_epi32(acc[c], p) : p);
            }
        }
    }
}

/* What the mins, or what codes are too large by, add to them. */
NK_INLINE __m256i super_mins(const super_few t, const side *s, const nk_columns *x, const int c)
{
    __m256i min = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        if (!t.less && i >= 4)
            break;
        __m256i sums = pair_all(t.less ? x->sum16[i][c] : x->sum32[i][c]);
        min = _mm256_add_epi32(min, _mm256_madd_epi16(s->min[i], sums));
    }
    return min;
}

NK_INLINE void super_side(const super_few t, const nk_few *p, const char *const w[SIDE],
                          const nk_columns *x, __m256 y[NK_FEW], const int nc)
{
    const char *next = w[0] + SIDE * p->row_size;
    size_t at = 0;
    for (size_t i = 0; i < p->n / NK_SUPER_LEN; i++, at += t.block_size) {
        NK_UNSET side s;
        NK_UNSET __m256i acc[NK_FEW];
        t.side(w, at, &s);
        __asm__("" : "+m"(s.scale), "+m"(s.min));
        super_sums(t, w, at, &s, x, next, acc, nc);
        next += SIDE * t.block_size;
#pragma GCC unroll 6
        for (int c = 0; c < nc; c++) {
            __m256i min = super_mins(t, &s, x + c / NK_GROUP, c % NK_GROUP);
            __m256 dx = _mm256_broadcast_ss(&x[c / NK_GROUP].d[0][c % NK_GROUP]);
            if (t.less) {
                __m256i whole = _mm256_sub_epi32(acc[c], _mm256_slli_epi32(min, t.less));
                y[c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), _mm256_mul_ps(s.d, dx), y[c]);
            } else {
                __m256 part = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[c]), s.d);
                part = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(min), s.dmin, part);
                y[c] = _mm256_fmadd_ps(part, dx, y[c]);
            }
        }
        x = (const nk_columns *)(const void *)((const char *)x + p->x_step);
    }
}

/* --- blocks of 32 ------------------------------------------------------------------------------
 */

/* Of block b of a chunk. */
typedef void block_fn(const char *const w[SIDE], size_t at, const nk_columns *x, size_t b,
                      __m256i acc[NK_FEW], const int nc);

/* 16 bytes of nibbles. */
NK_INLINE void sums_nibbles(const char *const w[SIDE], size_t at, const nk_columns *x, size_t b,
                            __m256i acc[NK_FEW], const int nc)
{
    NK_UNSET __m256i v[4], sum[NK_FEW];
    words_of_8(w, at, false, v);
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++)
        add_codes(sum, bits_of(v[k % 4], k / 4 * 4, 4, 0), x, 8 * b + (size_t)k, k == 0, nc);
#pragma GCC unroll 6
    for (int c = 0; c < nc; c++)
        acc[c] = _mm256_madd_epi16(sum[c], _mm256_set1_epi16(1));
}

/* Of four signed bytes in each lane the even ones as words, then the odd ones. */
NK_INLINE void even_and_odd(__m256i v, __m256i half[2])
{
    half[0] = _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8);
    half[1] = _mm256_srai_epi16(v, 8);
}

/* 32 signed bytes, whose products do not add up in 16 bits: both sides as words. */
NK_INLINE void sums_bytes(const char *const w[SIDE], size_t at, const nk_columns *x, size_t b,
                          __m256i acc[NK_FEW], const int nc)
{
    NK_UNSET __m256i v[8];
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
    words_of_32(w, at, v);
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) {
        NK_UNSET __m256i half[2];
        even_and_odd(v[k], half);
#pragma GCC unroll 2
        for (int odd = 0; odd < 2; odd++)
#pragma GCC unroll 6
            for (int c = 0; c < nc; c++) {
                const int16_t *two = wide[c / NK_GROUP][k / 2][odd][k % 2][c % NK_GROUP];
                __m256i p = _mm256_madd_epi16(half[odd], four_all(two));
                acc[c] = now(k + odd ? _mm256_add_epi32(acc[c], p) : p);
            }
    }
}

typedef struct simple_few {
    block_fn *sums;
    size_t block_size, codes; /* bytes, and where the codes begin */
    int less;                 /* codes are too large by 1 << less; 0: by nothing */
    bool has_m;
} simple_few;

static const simple_few q4_0 = {sums_nibbles, sizeof(nk_block_q4_0), 2, 3, false};
static const simple_few q4_1 = {sums_nibbles, sizeof(nk_block_q4_1), 4, 0, true};
static const simple_few q8_0 = {sums_bytes, sizeof(nk_block_q8_0), 2, 0, false};

NK_INLINE void simple_side(const simple_few t, const nk_few *p, const char *const w[SIDE],
                           const nk_columns *x, __m256 y[NK_FEW], const int nc)
{
    const char *next = w[0] + SIDE * p->row_size;
    size_t at = 0;
    for (size_t i = 0; i < p->n / NK_LEN; i++, at += t.block_size) {
        const size_t b = i % NK_PARTS;
        NK_UNSET __m256i acc[NK_FEW];
        if (i > 0 && b == 0)
            x = (const nk_columns *)(const void *)((const char *)x + p->x_step);
        next = ask_ahead(next, t.block_size);
        t.sums(w, at + t.codes, x, b, acc, nc);
        __m256 d = f16_of_8(w, at), m = t.has_m ? f16_of_8(w, at + 2) : d;
#pragma GCC unroll 6
        for (int c = 0; c < nc; c++) {
            const nk_columns *group = x + c / NK_GROUP;
            const int k = c % NK_GROUP;
            __m256i total = acc[c];
            if (t.less) {
                __m256i less = _mm256_slli_epi32(_mm256_set1_epi32(group->less[b][k]), t.less);
                total = _mm256_add_epi32(total, less);
            }
            __m256 scale = _mm256_mul_ps(d, _mm256_broadcast_ss(&group->d[b][k]));
            y[c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(total), scale, y[c]);
            if (t.has_m)
                y[c] = _mm256_fmadd_ps(m, _mm256_broadcast_ss(&group->s[b][k]), y[c]);
        }
    }
}

/* --- types --------------------------------------------------------------------------------------
 */

/* A function per type, its columns chosen once for eight rows. */
#define FEW_COLUMNS(kernel, type, nc)                                                              \
    case nc:                                                                                       \
        kernel(type, p, at, p->x, sum, nc);                                                        \
        break;
#define FEW(ID, kernel, type)                                                                      \
    static void few_##type(const nk_few *p)                                                        \
    {                                                                                              \
        for (size_t r = 0; r < p->rows; r += SIDE) {                                               \
            const char *at[SIDE];                                                                  \
            __m256 sum[NK_FEW] = {0};                                                              \
            rows_side_by_side(at, SIDE, p->w, p->row_size, r, p->rows);                            \
            switch (p->m) {                                                                        \
                FEW_COLUMNS(kernel, type, 2)                                                       \
                FEW_COLUMNS(kernel, type, 3)                                                       \
                FEW_COLUMNS(kernel, type, 4)                                                       \
                FEW_COLUMNS(kernel, type, 5)                                                       \
            default:                                                                               \
                kernel(type, p, at, p->x, sum, NK_FEW);                                            \
            }                                                                                      \
            for (size_t c = 0; c < p->m; c++)                                                      \
                store_side(p->y + c * p->y_stride + r, p->rows - r, sum[c]);                       \
        }                                                                                          \
    }
#define FEW_TYPES(X)                                                                               \
    X(Q4_0, simple_side, q4_0)                                                                     \
    X(Q4_1, simple_side, q4_1)                                                                     \
    X(Q8_0, simple_side, q8_0)                                                                     \
    X(Q4_K, super_side, q4_k)                                                                      \
    X(Q5_K, super_side, q5_k)                                                                      \
    X(Q6_K, super_side, q6_k)
FEW_TYPES(FEW)

#define FEW_SET(ID, kernel, type) ops->few[NK_##ID] = few_##type;

void nk_x86_few_avx2(nk_ops *ops)
{
    FEW_TYPES(FEW_SET)
}
