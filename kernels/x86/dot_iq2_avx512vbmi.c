#include "kernels/dot_rows.h"
#include "kernels/x86/panel_grid_avx512vbmi.h"
#include "kernels/x86/x86.h"

#include <pthread.h>

/* One column's products of the IQ2 and IQ1 types with AVX-512, VBMI and GFNI: a super-block of two
 * rows is the 64 lanes of a vector, a point of eight weights a lane. Integers are exact and may be
 * summed in any order; floats stand in the order of gemm.h.
 *
 * Under scales of 32 weights, four points, weights j of all points are multiplied by the same of x:
 * sums of 32 lie in eight lanes of each row. Under scales of 16 the points' two halves stand side
 * by side first, in two vectors: points 0-7 and 16-23 of both rows, and the others. */

enum { LEVELS = 64, RAISE_IQ2 = 43, RAISE_IQ1 = 9 };

/* Tables, written once: four levels of two bits a byte, of the lower and of the upper half of a
 * point; level at bits 0 and 1 and sign at bit 2 + j -> weight. A shift of IQ1 is at bit 2. */
typedef struct iq2_tables {
    uint8_t xxs[2][2 * PART], xs[2][4 * PART], s[2][8 * PART], iq1[2][16 * PART];
    uint8_t iq2_weight[4][LEVELS], iq1_weight[4][LEVELS];
} iq2_tables;
static _Alignas(64) iq2_tables tables;
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make_codes(uint8_t *low, uint8_t *high, nk_grid_id id, size_t n)
{
    const uint64_t *grid = nk_grid_values(id);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 8; k++) {
            int value = (int8_t)(grid[i] >> 8 * k); /* 8, 25, 43 or -1, 0, 1 */
            unsigned level = (unsigned)(id == NK_GRID_IQ1 ? value + 1 : value >> 4);
            (k < 4 ? low : high)[i] |= (uint8_t)(level << k % 4 * 2);
        }
}

static void make_tables(void)
{
    static const uint8_t size[4] = {8, 25, 43};
    make_codes(tables.xxs[0], tables.xxs[1], NK_GRID_IQ2_XXS, 2 * PART);
    make_codes(tables.xs[0], tables.xs[1], NK_GRID_IQ2_XS, 4 * PART);
    make_codes(tables.s[0], tables.s[1], NK_GRID_IQ2_S, 8 * PART);
    make_codes(tables.iq1[0], tables.iq1[1], NK_GRID_IQ1, 16 * PART);
    for (int j = 0; j < 4; j++)
        for (int i = 0; i < LEVELS; i++) {
            int one = size[i & 3], eighths = 8 * ((i & 3) - 1);
            tables.iq2_weight[j][i] = (uint8_t)(RAISE_IQ2 + (i >> (2 + j) & 1 ? -one : one));
            tables.iq1_weight[j][i] = (uint8_t)(RAISE_IQ1 + eighths + (i & 4 ? -1 : 1));
        }
}

/* --- x ------------------------------------------------------------------------------------------
 */

typedef struct taken_apart {
    __m512i x[2][4]; /* of weights j of either half of points, or of either vector of halves */
    __m512i less[2]; /* sums times what weights are raised by, negative */
} taken_apart;

/* For sums of 32: weights j of either half of 32 points, twice. */
NK_INLINE void take_points_apart(const nk_block_q8_k *a, const int raise, taken_apart *t)
{
    __m512i i = every_8th();
    __m512i v[4] = {load64(a->qs), load64(a->qs + 64), load64(a->qs + 128), load64(a->qs + 192)};
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m512i first = _mm512_permutex2var_epi8(v[0], i, v[1]);
        __m512i then = _mm512_permutex2var_epi8(v[2], i, v[3]);
        __m512i x01 = _mm512_shuffle_i64x2(first, then, 0x44);
        __m512i x23 = _mm512_shuffle_i64x2(first, then, 0xee);
        t->x[h][0] = _mm512_shuffle_i64x2(x01, x01, 0x88);
        t->x[h][1] = _mm512_shuffle_i64x2(x01, x01, 0xdd);
        t->x[h][2] = _mm512_shuffle_i64x2(x23, x23, 0x88);
        t->x[h][3] = _mm512_shuffle_i64x2(x23, x23, 0xdd);
        i = _mm512_add_epi8(i, _mm512_set1_epi8(4));
    }
    __m256i less = _mm256_madd_epi16(load32(a->bsums), _mm256_set1_epi16((short)-raise));
    t->less[0] = _mm512_broadcast_i64x4(less);
}

/* For sums of 16: weights j of the halves of points 0-7 and 16-23, twice, and of the others. */
NK_INLINE void take_halves_apart(const nk_block_q8_k *a, const int raise, taken_apart *t)
{
    __m512i i = every_4th();
    __m512i v[4] = {load64(a->qs), load64(a->qs + 64), load64(a->qs + 128), load64(a->qs + 192)};
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) {
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            __m512i x = _mm512_permutex2var_epi8(v[h], i, v[h + 2]);
            t->x[h][2 * k] = _mm512_shuffle_i64x2(x, x, 0x44);
            t->x[h][2 * k + 1] = _mm512_shuffle_i64x2(x, x, 0xee);
        }
        i = _mm512_add_epi8(i, _mm512_set1_epi8(2));
    }
    __m512i less =
        _mm512_mullo_epi32(_mm512_cvtepi16_epi32(load32(a->bsums)), _mm512_set1_epi32(-raise));
    t->less[0] = _mm512_shuffle_i64x2(less, less, 0x88);
    t->less[1] = _mm512_shuffle_i64x2(less, less, 0xdd);
}

/* --- a super-block of two rows ------------------------------------------------------------------
 */

typedef struct points {
    __m512i index;   /* bits 0-7 of the points' */
    __m512i part;    /* the bits from 7 on; with 4 parts bit 8 at bit 0; unused with 2 */
    __m512i sign[2]; /* of a point's lower half at bits 2-5, of its upper half */
} points;
typedef struct two_rows {
    points p;
    __m512i scale[2]; /* of 32, or of 16 for either vector */
} two_rows;

/* (v & bits) | 1 */
NK_INLINE __m512i odd_scale(__m512i v, const int bits)
{
    return _mm512_ternarylogic_epi32(v, _mm512_set1_epi32(bits), _mm512_set1_epi32(1), 0xea);
}

/* Eight bytes of each row; at: where scales of 16 lie in them, less one bit, of the first vector's
 * 16 lanes. Those of the other stand 16 bits above. */
NK_INLINE void scales_of_16(const void *a, const void *b, __m512i at, const int bits, two_rows *p)
{
    __m512i v = two_halves(eight_bytes_all(a), eight_bytes_all(b));
    p->scale[0] = odd_scale(_mm512_multishift_epi64_epi8(at, v), bits);
    at = _mm512_add_epi32(at, _mm512_set1_epi32(16));
    p->scale[1] = odd_scale(_mm512_multishift_epi64_epi8(at, v), bits);
}

NK_INLINE __m512i nibbles_at(void)
{
    return _mm512_broadcast_i64x4(
        _mm256_setr_epi32(0x3f, 0x03, 0x07, 0x0b, 0x1f, 0x23, 0x27, 0x2b));
}

/* Output bits 2-5: the signs of the lower half or of the upper. */
NK_INLINE void signs_to(__m512i v, const long long lower, const long long upper, two_rows *p)
{
    p->p.sign[0] = _mm512_gf2p8affine_epi64_epi8(v, _mm512_set1_epi64(lower), 0);
    p->p.sign[1] = _mm512_gf2p8affine_epi64_epi8(v, _mm512_set1_epi64(upper), 0);
}

NK_INLINE void read_iq2_xxs(const char *row, const char *other, two_rows *p)
{
    const nk_block_iq2_xxs *a = (const void *)row, *b = (const void *)other;
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    const __m512i every_7th = _mm512_set1_epi64(0x352e2720150e0700);
    __m512i v = held(load64(a->qs)), u = held(load64(b->qs));
    p->p.index = _mm512_permutex2var_epi32(v, even, u);
    v = _mm512_permutex2var_epi32(v, odd, u);
    p->scale[0] = _mm512_or_si512(_mm512_srli_epi32(v, 27), _mm512_set1_epi32(1));
    signs_to(_mm512_multishift_epi64_epi8(every_7th, v), 0x0000010204080000, 0x00001020407f0000, p);
}

NK_INLINE void read_iq2_xs(const char *row, const char *other, two_rows *p)
{
    const nk_block_iq2_xs *a = (const void *)row, *b = (const void *)other;
    const __m512i even = every_2nd();
    __m512i v = held(load64(a->qs)), u = held(load64(b->qs));
    p->p.index = _mm512_permutex2var_epi8(v, even, u);
    v = _mm512_permutex2var_epi8(v, _mm512_add_epi8(even, _mm512_set1_epi8(1)), u);
    p->p.part = v;
    signs_to(v, 0x0000020408100000, 0x0000204080fe0000, p);
    scales_of_16(a->scales, b->scales, nibbles_at(), 0x1e, p);
}

NK_INLINE void read_iq2_s(const char *row, const char *other, two_rows *p)
{
    const nk_block_iq2_s *a = (const void *)row, *b = (const void *)other;
    const __m512i to_bit1 = _mm512_set1_epi64(0x0d0b09070503013f);
    const __m512i bit7 = _mm512_set1_epi64((long long)0x8000000000000000u);
    p->p.index = two_halves(load32(a->qs), load32(b->qs));
    __m128i high = _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i_u *)a->qh),
                                      _mm_loadl_epi64((const __m128i_u *)b->qh));
    __m512i top = _mm512_multishift_epi64_epi8(to_bit1, _mm512_cvtepu16_epi64(high));
    p->p.part =
        bits_from(_mm512_set1_epi8(6), top, _mm512_gf2p8affine_epi64_epi8(p->p.index, bit7, 0));
    signs_to(two_halves(load32(a->signs), load32(b->signs)), 0x0000010204080000, 0x0000102040800000,
             p);
    scales_of_16(a->scales, b->scales, nibbles_at(), 0x1e, p);
}

/* Bits 7-10 of the index: bits 1-3 of top and bit 7 of index, which is in place. */
NK_INLINE void parts_of_iq1(__m512i top, two_rows *p)
{
    const __m512i bit7 = _mm512_set1_epi64((long long)0x8000000000000000u);
    p->p.part =
        bits_from(_mm512_set1_epi8(14), top, _mm512_gf2p8affine_epi64_epi8(p->p.index, bit7, 0));
}

NK_INLINE void read_iq1_s(const char *row, const char *other, two_rows *p)
{
    const nk_block_iq1_s *a = (const void *)row, *b = (const void *)other;
    const __m512i to_bit1 = _mm512_set1_epi64(0x1815120f0805023f);
    const __m512i shift_to_bit2 = _mm512_set1_epi64(0x1d1d1d1d0d0d0d0d);
    __m256i words = _mm256_setr_m128i(load16(a->qh), load16(b->qh));
    __m512i v = _mm512_cvtepu32_epi64(words);
    p->p.index = two_halves(load32(a->qs), load32(b->qs));
    parts_of_iq1(_mm512_multishift_epi64_epi8(to_bit1, v), p);
    p->p.sign[0] = p->p.sign[1] = _mm512_multishift_epi64_epi8(shift_to_bit2, v);
    p->scale[0] = odd_scale(_mm512_srli_epi32(_mm512_cvtepu16_epi32(words), 11), 14);
}

NK_INLINE void read_iq1_m(const char *row, const char *other, two_rows *p)
{
    const nk_block_iq1_m *a = (const void *)row, *b = (const void *)other;
    const __m512i to_bit1 = _mm512_set1_epi64(0x1b17130f0b07033f);
    const __m512i shift_to_bit2 = _mm512_set1_epi64(0x1d1915110d090501);
    const __m256i threes_at = _mm256_setr_epi32(0x3f, 0x02, 0x05, 0x08, 0x1f, 0x22, 0x25, 0x28);
    __m512i v = _mm512_cvtepu32_epi64(_mm256_setr_m128i(load16(a->qh), load16(b->qh)));
    p->p.index = two_halves(load32(a->qs), load32(b->qs));
    parts_of_iq1(_mm512_multishift_epi64_epi8(to_bit1, v), p);
    p->p.sign[0] = p->p.sign[1] = _mm512_multishift_epi64_epi8(shift_to_bit2, v);
    scales_of_16(a->scales, b->scales, _mm512_broadcast_i64x4(threes_at), 14, p);
}

/* --- eight rows ---------------------------------------------------------------------------------
 */

typedef void read_two_fn(const char *row, const char *other, two_rows *p);
typedef void take_apart_fn(const nk_block_q8_k *a, const int raise, taken_apart *t);
typedef struct side_type {
    read_two_fn *read;
    take_apart_fn *take_apart;
    d_of_8_fn *d;
    size_t block_size;
    const uint8_t *low, *high; /* tables of codes */
    int parts;
    bool per_16;
    const uint8_t *weight;
    int raise, in_panel; /* what weights are raised by, in panels too */
} side_type;

enum { PAIRS = SIDE / 2 };

typedef struct in_registers {
    __m512i low[8], high[8]; /* tables of 2 or 4 parts */
    __m512i weight[4];
} in_registers;

NK_INLINE void look_up_64(const side_type t, const in_registers *r, const points *p,
                          __m512i code[2])
{
    __mmask64 bit7 = _mm512_movepi8_mask(p->index), bit8 = 0;
    if (t.parts == 4)
        bit8 = _mm512_test_epi8_mask(p->part, _mm512_set1_epi8(1));
    code[0] = looked_up(r->low, p->index, bit7, bit8, t.parts);
    code[1] = looked_up(r->high, p->index, bit7, bit8, t.parts);
}

/* Of larger tables a part is read once for four times as many. */
NK_INLINE void look_up_all(const side_type t, const points p[PAIRS], __m512i code[PAIRS][2])
{
    __m512i which = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int i = 0; i < PAIRS; i++)
        code[i][0] = code[i][1] = p[i].index;
#pragma GCC unroll 1
    for (int k = 0; k < t.parts * PART; k += PART) {
        __m512i a = load64(t.low + k), b = load64(t.low + k + PART / 2);
        __m512i c = load64(t.high + k), d = load64(t.high + k + PART / 2);
#pragma GCC unroll 4
        for (int i = 0; i < PAIRS; i++) {
            __mmask64 here = _mm512_cmpeq_epi8_mask(p[i].part, which);
            code[i][0] = _mm512_mask2_permutex2var_epi8(a, code[i][0], here, b);
            code[i][1] = _mm512_mask2_permutex2var_epi8(c, code[i][1], here, d);
        }
        which = _mm512_add_epi8(which, _mm512_set1_epi8(1));
    }
}

/* Weight j of 64 halves of points, their signs beside them. */
NK_INLINE __m512i weights_of_64(const __m512i weight[4], __m512i code, __m512i sign, const int j)
{
    __m512i i = j ? _mm512_srli_epi16(code, 2 * j) : code;
    return _mm512_permutexvar_epi8(bits_from(_mm512_set1_epi8(3), i, sign), weight[j]);
}

/* What they add to sum. */
NK_INLINE __m512i add_halves(__m512i sum, const __m512i weight[4], const __m512i x[4], __m512i code,
                             __m512i sign)
{
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        sum = _mm512_dpbusd_epi32(sum, weights_of_64(weight, code, sign, j), x[j]);
    return sum;
}

NK_INLINE __m512i sums_of_two(const side_type t, const __m512i weight[4], const taken_apart *x,
                              const two_rows *p, const __m512i code[2])
{
    if (!t.per_16) {
        __m512i low = add_halves(x->less[0], weight, x->x[0], code[0], p->p.sign[0]);
        __m512i high = add_halves(_mm512_setzero_si512(), weight, x->x[1], code[1], p->p.sign[1]);
        return _mm512_mullo_epi32(_mm512_add_epi32(low, high), p->scale[0]);
    }
    __m512i first = add_halves(x->less[0], weight, x->x[0], _mm512_unpacklo_epi8(code[0], code[1]),
                               _mm512_unpacklo_epi8(p->p.sign[0], p->p.sign[1]));
    __m512i then = add_halves(x->less[1], weight, x->x[1], _mm512_unpackhi_epi8(code[0], code[1]),
                              _mm512_unpackhi_epi8(p->p.sign[0], p->p.sign[1]));
    return _mm512_add_epi32(_mm512_mullo_epi32(first, p->scale[0]),
                            _mm512_mullo_epi32(then, p->scale[1]));
}

NK_INLINE __m256i sums_of_side(const side_type t, const in_registers *r, const char *const w[SIDE],
                               size_t at, const char *next, const taken_apart *x)
{
    NK_UNSET two_rows p[PAIRS];
    NK_UNSET points all[PAIRS];
    NK_UNSET __m512i code[PAIRS][2], sum[PAIRS];
    if (t.parts > 4) {
#pragma GCC unroll 4
        for (int i = 0; i < PAIRS; i++) {
            t.read(w[i] + at, w[i + PAIRS] + at, &p[i]);
            all[i] = p[i].p;
        }
        look_up_all(t, all, code);
    }
#pragma GCC unroll 4
    for (int i = 0; i < PAIRS; i++) {
        ask_for_row(next, t.block_size, 2 * i);
        ask_for_row(next, t.block_size, 2 * i + 1);
        if (t.parts <= 4) {
            t.read(w[i] + at, w[i + PAIRS] + at, &p[i]);
            look_up_64(t, r, &p[i].p, code[i]);
        }
        sum[i] = sums_of_two(t, r->weight, x, &p[i], code[i]);
    }
    return sums_of_4_twice(sum);
}

NK_INLINE __m256 grid_side_512(const side_type t, size_t n, const char *const w[SIDE],
                               size_t row_size, const nk_block_q8_k *a)
{
    NK_UNSET in_registers r;
    if (t.parts <= 4) {
        hold(t.low, t.parts, r.low);
        hold(t.high, t.parts, r.high);
    }
    hold(t.weight, 2, r.weight);
    const char *next = w[0] + SIDE * row_size;
    __m256 acc = _mm256_setzero_ps();
    size_t at = 0;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, a++, at += t.block_size) {
        NK_UNSET taken_apart apart;
        t.take_apart(a, t.raise, &apart);
        const taken_apart *x = &apart;
        __asm__("" : "+r"(x) : : "memory");
        __m256i sum = sums_of_side(t, &r, w, at, next, x);
        next += SIDE * t.block_size;
        __m256 scale = _mm256_mul_ps(t.d(w, at), _mm256_set1_ps(a->d));
        acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, acc);
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

/* Two rows taken apart. */
typedef struct pair {
    struct {
        _Alignas(64) uint8_t at[2][NK_SUPER_LEN / 8];
    } index, part, sign[2];
    uint8_t scale[NK_SUPER_LEN / 8];
} pair;

NK_INLINE void take_rows_apart(const side_type t, const void *const row[NK_PANEL_ROWS],
                               pair to[NK_PANEL_ROWS / 2])
{
    for (int i = 0; i < NK_PANEL_ROWS / 2; i++) {
        NK_UNSET two_rows v;
        t.read(row[2 * i], row[2 * i + 1], &v);
        _mm512_store_si512(&to[i].index, v.p.index);
        if (t.parts > 2)
            _mm512_store_si512(&to[i].part, v.p.part);
        _mm512_store_si512(&to[i].sign[0], v.p.sign[0]);
        _mm512_store_si512(&to[i].sign[1], v.p.sign[1]);
        if (t.per_16) {
            __m512i scale = _mm512_packs_epi32(v.scale[0], v.scale[1]);
            _mm256_store_si256((__m256i *)(void *)to[i].scale, _mm512_cvtepi16_epi8(scale));
        } else {
            _mm_store_si128((__m128i *)(void *)to[i].scale, _mm512_cvtepi32_epi8(v.scale[0]));
        }
    }
}

NK_INLINE void unpack_grid(const side_type t, const void *const row[NK_PANEL_ROWS], nk_panel *p)
{
    NK_UNSET pair apart[NK_PANEL_ROWS / 2];
    const void *at[NK_PANEL_ROWS], *scales[NK_PANEL_ROWS];
    NK_UNSET in_registers h;
    NK_UNSET __m512i scale[4];
    pthread_once(&made, make_tables);
    if (t.parts <= 4) {
        hold(t.low, t.parts, h.low);
        hold(t.high, t.parts, h.high);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        h.weight[j] = held(raised_to(t.weight + j * LEVELS, t.raise, t.in_panel));
    put_d(p, row, t.d);
    take_rows_apart(t, row, apart);
#pragma GCC unroll 16
    for (int r = 0; r < NK_PANEL_ROWS; r++) {
        at[r] = apart[r / 2].index.at[r % 2];
        scales[r] = apart[r / 2].scale + r % 2 * (t.per_16 ? 16 : 8);
    }
    bytes_of_16_rows(scales, 0, scale);
    put_scales(p, scale, t.per_16, t.in_panel == 16);
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; half++) {
        NK_UNSET __m512i index[4], part[4], sign[2][4], code[4][2];
        NK_UNSET points all[4];
        bytes_of_16_rows(at, 16 * half, index);
        if (t.parts > 2)
            bytes_of_16_rows(at, offsetof(pair, part) + 16 * half, part);
        bytes_of_16_rows(at, offsetof(pair, sign[0]) + 16 * half, sign[0]);
        bytes_of_16_rows(at, offsetof(pair, sign[1]) + 16 * half, sign[1]);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            all[k] = (points){index[k], part[k], {sign[0][k], sign[1][k]}};
        if (t.parts > 4)
            look_up_all(t, all, code);
#pragma GCC unroll 4
        for (size_t k = 0; k < 4; k++) {
            if (t.parts <= 4)
                look_up_64(t, &h, &all[k], code[k]);
#pragma GCC unroll 2
            for (size_t i = 0; i < 2; i++) {
                NK_UNSET __m512i w[4];
#pragma GCC unroll 4
                for (int j = 0; j < 4; j++)
                    w[j] = weights_of_64(h.weight, code[k][i], all[k].sign[i], j);
                put_lines(p, 32 * half + 8 * k + i, 2, w);
            }
        }
    }
}

#define SIDE_TYPE(sym, d, table, parts, take, per_16, kin, RAISE, in_panel)                        \
    static const side_type side_##sym = {                                                          \
        read_##sym,      take,  d,      sizeof(nk_block_##sym), tables.table[0],                   \
        tables.table[1], parts, per_16, tables.kin##_weight[0], RAISE,                             \
        in_panel};                                                                                 \
    NK_GRID_PAIR(sym)
SIDE_TYPE(iq2_xxs, eighth_of_8, xxs, 2, take_points_apart, false, iq2, RAISE_IQ2, 0)
SIDE_TYPE(iq2_xs, eighth_of_8, xs, 4, take_halves_apart, true, iq2, RAISE_IQ2, 0)
SIDE_TYPE(iq2_s, eighth_of_8, s, 8, take_halves_apart, true, iq2, RAISE_IQ2, 0)
SIDE_TYPE(iq1_s, eighth_of_8, iq1, 16, take_points_apart, false, iq1, RAISE_IQ1, 16)
SIDE_TYPE(iq1_m, iq1_m_of_8, iq1, 16, take_halves_apart, true, iq1, RAISE_IQ1, 16)

void nk_x86_dot_iq2_avx512vbmi(nk_ops *ops)
{
    NK_GRID_SET(IQ2_XXS, iq2_xxs)
    NK_GRID_SET(IQ2_XS, iq2_xs)
    NK_GRID_SET(IQ2_S, iq2_s)
}

/* A grid of 2048 points is 32 lookups for 64 of them. Where each is three steps, two of them of the
 * one port for shuffles, loads of points take less. */
void nk_x86_dot_iq1_avx512vbmi(nk_ops *ops)
{
    NK_GRID_SET(IQ1_S, iq1_s)
    NK_GRID_SET(IQ1_M, iq1_m)
}
