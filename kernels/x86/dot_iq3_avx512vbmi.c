#include "kernels/dot_rows.h"
#include "kernels/x86/panel_grid_avx512vbmi.h"
#include "kernels/x86/x86.h"

#include <pthread.h>

/* One column's products of the IQ3 types with AVX-512, VBMI and GFNI: a super-block of one row is
 * the 64 lanes of a vector, a point a lane; weights j of all points are multiplied by the same of
 * x, which is taken apart once for eight rows. Sums of 16 weights then lie in 16 lanes. Integers
 * are exact and may be summed in any order; floats stand in the order of gemm.h. */

enum { POINTS = NK_SUPER_LEN / 4, LEVELS = 64, RAISE_XXS = 62, RAISE_S = 15 };

/* Tables, written once: two bytes of levels a point, two of three bits each, at bits 0 and 5 where
 * there is room for two signs between them; level and sign -> weight, for the lower and the upper
 * of a byte. */
typedef struct grid_tables {
    uint8_t code[2][4 * PART];
    uint8_t weight[2][LEVELS];
} grid_tables;
static _Alignas(64) grid_tables iq3_xxs, iq3_s;
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make_one(grid_tables *t, nk_grid_id id, size_t n, const uint8_t size[8], int raise)
{
    const uint64_t *grid = nk_grid_values(id);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 4; k++) {
            unsigned level = 0;
            while (size[level] != (grid[i] >> 8 * k & 0xff))
                level++;
            t->code[k / 2][i] |= (uint8_t)(level << k % 2 * 5);
        }
    for (unsigned i = 0; i < LEVELS; i++) {
        int low = size[i & 7], high = size[i >> 1 & 7];
        t->weight[0][i] = (uint8_t)(raise + (i & 8 ? -low : low));
        t->weight[1][i] = (uint8_t)(raise + (i & 1 ? -high : high));
    }
}

static void make_tables(void)
{
    static const uint8_t of_xxs[8] = {4, 12, 20, 28, 36, 44, 52, 62};
    static const uint8_t of_s[8] = {1, 3, 5, 7, 9, 11, 13, 15};
    make_one(&iq3_xxs, NK_GRID_IQ3_XXS, 2 * PART, of_xxs, RAISE_XXS);
    make_one(&iq3_s, NK_GRID_IQ3_S, 4 * PART, of_s, RAISE_S);
}

/* --- x ------------------------------------------------------------------------------------------
 */

typedef struct taken_apart {
    __m512i x[4]; /* of weights 4k + j */
    __m512i less; /* sums of 16 times what weights are raised by, negative */
} taken_apart;

NK_INLINE void take_apart(const nk_block_q8_k *a, const int raise, taken_apart *t)
{
    __m512i i = every_4th();
    __m512i v[4] = {load64(a->qs), load64(a->qs + 64), load64(a->qs + 128), load64(a->qs + 192)};
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) {
        __m512i lo = _mm512_permutex2var_epi8(v[0], i, v[1]);
        __m512i hi = _mm512_permutex2var_epi8(v[2], i, v[3]);
        t->x[2 * k] = _mm512_shuffle_i64x2(lo, hi, 0x44);
        t->x[2 * k + 1] = _mm512_shuffle_i64x2(lo, hi, 0xee);
        i = _mm512_add_epi8(i, _mm512_set1_epi8(2));
    }
    t->less =
        _mm512_mullo_epi32(_mm512_cvtepi16_epi32(load32(a->bsums)), _mm512_set1_epi32(-raise));
}

/* --- a super-block of a row ---------------------------------------------------------------------
 */

typedef struct in_registers {
    __m512i code[2][8];
    const uint8_t *weight;
} in_registers;

/* Weights of 64 points, raised, weights j in w[j]; signs: where to_sign[k] finds those of weights
 * 2k and 2k + 1 of each point for bits 3 and 4 of its byte. */
NK_INLINE void weights_of_64(const in_registers *r, __m512i index, __mmask64 bit8,
                             const int parts_of, const __m512i to_sign[2], __m512i signs,
                             __m512i w[4])
{
    const __m512i bits34 = _mm512_set1_epi8(0x18);
    __mmask64 bit7 = _mm512_movepi8_mask(index);
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) {
        __m512i code = looked_up(r->code[k], index, bit7, bit8, parts_of);
        code = bits_from(bits34, _mm512_multishift_epi64_epi8(to_sign[k], signs), code);
        w[2 * k] = _mm512_permutexvar_epi8(code, load64(r->weight));
        code = _mm512_srli_epi16(code, 4);
        w[2 * k + 1] = _mm512_permutexvar_epi8(code, load64(r->weight + LEVELS));
    }
}

/* signs: of 32 weights in the low half of each 64 bits. Points 8k to 8k + 7 lie in 64 bits k too.
 */
NK_INLINE __m512i sums_of_16(const in_registers *r, const taken_apart *a, __m512i index,
                             __mmask64 bit8, const int parts_of, __m512i signs)
{
    const __m512i to_sign[2] = {_mm512_set1_epi64(0x1915110d0905013d),
                                _mm512_set1_epi64(0x1b17130f0b07033f)};
    NK_UNSET __m512i w[4];
    weights_of_64(r, index, bit8, parts_of, to_sign, signs, w);
    __m512i low = _mm512_dpbusd_epi32(a->less, w[0], a->x[0]);
    __m512i high = _mm512_dpbusd_epi32(_mm512_setzero_si512(), w[2], a->x[2]);
    low = _mm512_dpbusd_epi32(low, w[1], a->x[1]);
    high = _mm512_dpbusd_epi32(high, w[3], a->x[3]);
    return _mm512_add_epi32(low, high);
}

/* Of half the weights of sixteen rows: signs of points 8k to 8k + 7 in sign[k], small scales. */
typedef void signs_fn(const void *const row[NK_PANEL_ROWS], size_t half, __m512i sign[4],
                      __m512i *scale);
typedef __m512i row_fn(const char *block, const in_registers *r, const taken_apart *a);
typedef struct side_type {
    row_fn *row;
    signs_fn *signs;
    const grid_tables *tables;
    int parts;
    d_of_8_fn *d;
    size_t block_size;
    int raise, in_panel; /* what weights are raised by, in panels too */
} side_type;

NK_INLINE __m512i row_iq3_xxs(const char *block, const in_registers *r, const taken_apart *a)
{
    const nk_block_iq3_xxs *b = (const void *)block;
    const __m256i every_7th = _mm256_set1_epi64x(0x352e2720150e0700);
    const __m256i even = _mm256_set1_epi64x(even_of_low);
    __m512i index = load64(b->qs);
    __m256i words = load32(b->signs);
    __m256i signs = _mm256_multishift_epi64_epi8(every_7th, words);
    signs = _mm256_gf2p8affine_epi64_epi8(signs, even, 0);
    __m512i scale = _mm512_srli_epi64(_mm512_cvtepu32_epi64(words), 27);
    scale = _mm512_or_si512(_mm512_shuffle_epi32(scale, 0xa0), _mm512_set1_epi32(1));
    __m512i sum = sums_of_16(r, a, index, 0, 2, _mm512_cvtepu32_epi64(signs));
    return _mm512_mullo_epi32(sum, scale);
}

NK_INLINE __m512i row_iq3_s(const char *block, const in_registers *r, const taken_apart *a)
{
    const nk_block_iq3_s *b = (const void *)block;
    const __m512i to_bit1 =
        _mm512_setr_epi64(0x3f0000003f, 0x0300000003, 0x0700000007, 0x0b0000000b, 0x0f0000000f,
                          0x1300000013, 0x1700000017, 0x1b0000001b);
    __m512i index = load64(b->qs);
    uint64_t bit8;
    memcpy(&bit8, b->qh, sizeof bit8);
    __m512i scale =
        _mm512_multishift_epi64_epi8(to_bit1, _mm512_set1_epi32((int)load_u32(b->scales)));
    /* (scale & 0x1e) | 1 */
    scale = _mm512_ternarylogic_epi32(scale, _mm512_set1_epi32(0x1e), _mm512_set1_epi32(1), 0xea);
    __m512i signs = _mm512_cvtepu32_epi64(load32(b->signs));
    __m512i sum = sums_of_16(r, a, index, _cvtu64_mask64(bit8), 4, signs);
    return _mm512_mullo_epi32(sum, scale);
}

NK_INLINE __m256 grid_side_512(const side_type t, size_t n, const char *const w[SIDE],
                               size_t row_size, const nk_block_q8_k *a)
{
    NK_UNSET in_registers h;
    hold(t.tables->code[0], t.parts, h.code[0]);
    hold(t.tables->code[1], t.parts, h.code[1]);
    h.weight = t.tables->weight[0];
    const char *next = w[0] + SIDE * row_size;
    __m256 acc = _mm256_setzero_ps();
    size_t at = 0;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, a++, at += t.block_size) {
        NK_UNSET taken_apart apart;
        take_apart(a, t.raise, &apart);
        const taken_apart *x = &apart;
        __asm__("" : "+r"(x) : : "memory");
        NK_UNSET __m512i sum[SIDE];
#pragma GCC unroll 8
        for (int r = 0; r < SIDE; r++) {
            ask_for_row(next, t.block_size, r);
            sum[r] = t.row(w[r] + at, &h, x);
        }
        next += SIDE * t.block_size;
        __m256 scale = _mm256_mul_ps(t.d(w, at), _mm256_set1_ps(a->d));
        acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums_of_8_wide(sum)), scale, acc);
    }
    return acc;
}

NK_INLINE void grid_rows_512(const side_type t, size_t n, const void *w, size_t row_size,
                             size_t rows, const void *x, float *y)
{
    pthread_once(&made, make_tables);
    NK_EACH_SIDE(grid_side_512(t, n, at, row_size, x));
}

/* --- panels -------------------------------------------------------------------------------------
 */

/* Four bytes of rows side by side in a quarter, or of one row, one after the other -> the other of
 * these. */
NK_INLINE __m512i bytes_turned(__m512i v)
{
    const __m128i every_4th = _mm_setr_epi32(0x0c080400, 0x0d090501, 0x0e0a0602, 0x0f0b0703);
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(every_4th));
}

NK_INLINE void signs_iq3_xxs(const void *const row[NK_PANEL_ROWS], size_t half, __m512i sign[4],
                             __m512i *scale)
{
    const __m512i every_7th = _mm512_set1_epi64(0x352e2720150e0700);
    const __m512i even = _mm512_set1_epi64(even_of_low);
    bytes_of_16_rows(row, offsetof(nk_block_iq3_xxs, signs) + 16 * half, sign);
    __m512i top = _mm512_unpackhi_epi64(_mm512_unpackhi_epi32(sign[0], sign[1]),
                                        _mm512_unpackhi_epi32(sign[2], sign[3]));
    *scale = odd_scales(_mm512_srli_epi16(top, 3));
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        __m512i v = _mm512_multishift_epi64_epi8(every_7th, bytes_turned(sign[k]));
        sign[k] = bytes_turned(_mm512_gf2p8affine_epi64_epi8(v, even, 0));
    }
}

NK_INLINE void signs_iq3_s(const void *const row[NK_PANEL_ROWS], size_t half, __m512i sign[4],
                           __m512i *scale)
{
    NK_UNSET __m512i last[4]; /* the scales are the block's last four bytes */
    bytes_of_16_rows(row, sizeof(nk_block_iq3_s) - 16, last);
    __m512i low = odd_scales(_mm512_slli_epi16(last[3], 1));
    __m512i high = odd_scales(_mm512_srli_epi16(last[3], 3));
    *scale = half ? _mm512_unpackhi_epi32(low, high) : _mm512_unpacklo_epi32(low, high);
    bytes_of_16_rows(row, offsetof(nk_block_iq3_s, signs) + 16 * half, sign);
}

/* Bit 8 of the indices of four points, a nibble of byte `which` of the row's four. */
NK_INLINE __mmask64 bits_8(__m512i bytes, const int which, const int nibble)
{
    const __m512i bit =
        _mm512_broadcast_i32x4(_mm_setr_epi32(0x01010101, 0x02020202, 0x04040404, 0x08080808));
    const __m512i of_all[4] = {_mm512_shuffle_epi32(bytes, 0x00), _mm512_shuffle_epi32(bytes, 0x55),
                               _mm512_shuffle_epi32(bytes, 0xaa),
                               _mm512_shuffle_epi32(bytes, 0xff)};
    return _mm512_test_epi8_mask(of_all[which], nibble ? _mm512_slli_epi16(bit, 4) : bit);
}

NK_INLINE void unpack_grid(const side_type t, const void *const row[NK_PANEL_ROWS], nk_panel *p)
{
    const __m512i to_sign[2] = {_mm512_set1_epi64(0x19110901150d053d),
                                _mm512_set1_epi64(0x1b130b03170f073f)};
    const bool less16 = t.in_panel == 16;
    _Alignas(64) NK_UNSET uint8_t weight[2][LEVELS];
    NK_UNSET in_registers h;
    NK_UNSET __m512i high[4], scale[2];
    pthread_once(&made, make_tables);
    hold(t.tables->code[0], t.parts, h.code[0]);
    hold(t.tables->code[1], t.parts, h.code[1]);
    h.weight = weight[0];
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++)
        _mm512_store_si512(weight[k], raised_to(t.tables->weight[k], t.raise, t.in_panel));
    put_d(p, row, t.d);
    if (t.parts == 4)
        bytes_of_16_rows(row, offsetof(nk_block_iq3_s, qh), high);
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; half++) {
        NK_UNSET __m512i sign[4], index[4];
        t.signs(row, half, sign, &scale[half]);
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++) {
            if (k % 4 == 0)
                bytes_of_16_rows(row, offsetof(nk_block_iq3_s, qs) + 32 * half + 4 * (size_t)k,
                                 index);
            __mmask64 bit8 = t.parts == 4 ? bits_8(high[half], k / 2, k % 2) : 0;
            __m512i s = sign[k / 2];
            s = k % 2 ? _mm512_unpackhi_epi32(s, s) : _mm512_unpacklo_epi32(s, s);
            NK_UNSET __m512i w[4];
            weights_of_64(&h, index[k % 4], bit8, t.parts, to_sign, s, w);
            put_lines(p, 32 * half + 4 * (size_t)k, 1, w);
        }
    }
    put_scales(p, scale, false, less16);
}
_Static_assert(offsetof(nk_block_iq3_s, qs) == offsetof(nk_block_iq3_xxs, qs), "indices");

#define SIDE_TYPE(sym, parts, d, raise, in_panel)                                                  \
    static const side_type side_##sym = {                                                          \
        row_##sym, signs_##sym, &sym, parts, d, sizeof(nk_block_##sym), raise, in_panel};          \
    NK_GRID_PAIR(sym)
SIDE_TYPE(iq3_xxs, 2, quarter_of_8, RAISE_XXS, 0)
SIDE_TYPE(iq3_s, 4, first_of_8, RAISE_S, 16)

void nk_x86_dot_iq3_avx512vbmi(nk_ops *ops)
{
    NK_GRID_SET(IQ3_XXS, iq3_xxs)
    NK_GRID_SET(IQ3_S, iq3_s)
}
