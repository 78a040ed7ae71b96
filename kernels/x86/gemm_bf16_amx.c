#include "kernels/x86/pairs_lanes.h"
#include "kernels/x86/x86.h"

/* Products of f16 and bf16 weights with AMX tiles of bf16 pairs (kernels/pairs.h): columns are
 * the rows of the left operand, a panel's lines those of the right one, so that sums lie as y does
 * and tiles are loaded from it and stored to it. Per element and NK_DEEP weights TDPBF16PS adds the
 * even products and the odd ones each from 0 in the order of k by fma, then even + odd, then that
 * to the sum; it rounds to the nearest even, takes subnormals as zero in and out, and asks nothing
 * of MXCSR (Intel SDM vol. 2, TDPBF16PS). Neither the columns of a tile nor its rows change that.
 *
 * Counted for 16 columns by 16 rows by 32 deep, 16 cycles a TDPBF16PS at best: two of them for bf16
 * weights leave 256 of the unit's 512 products a cycle, three for f16 leave 170; 16-lane FMA on two
 * ports makes 32. Four panels side by side are four independent sums, more than the 52 cycles of
 * its latency hold; they load 6 tiles for 8 products (f16: 10 for 12). Unpacking 1 KB takes 64
 * shuffles on one port (f16: 96 of 256 operations on two), which one column pays alone: 16 and 8
 * bytes a cycle. Four panels of f16 are 64 KB, more than L1 holds: L2 brings up to 10 KB for these
 * 12 products. What of this the hardware keeps is for `bench --tune` to tell.
 *
 * The compiler knows of no memory that tile loads read and stores write, hence the fences. */

#include <immintrin.h>

enum {
    SIDE = 4, /* panels; tiles 0..3 are their sums, 4 and 5 columns, 6 and 7 weights */
    TILES = 8,
    OF_COLUMNS = 6, /* tiles whose rows are columns: all but the weights */
};

NK_INLINE void fence(const void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

/* --- tiles -------------------------------------------------------------------------------------
 */

/* What LDTILECFG reads (Intel SDM vol. 1, 18.2.2): palette, start row, bytes a row and rows of each
 * tile. */
static void enter(size_t width)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    _Static_assert(sizeof config == 64, "LDTILECFG");
    for (int i = 0; i < TILES; i++) {
        config.row_bytes[i] = LINE_BYTES;
        config.rows[i] = i < OF_COLUMNS ? (uint8_t)width : DEEP_LINES;
    }
    fence(&config); /* or the stores would be dropped */
    _tile_loadconfig(&config);
}

static void leave(void)
{
    _tile_release();
}

/* What one call of multiply works on. */
typedef struct job {
    const nk_panel *w; /* [live] */
    const char *x;     /* a group */
    size_t n, width;
    char *y;       /* [width][live * NK_PANEL_ROWS] */
    size_t stride; /* bytes */
    bool first;
} job;

/* Sums 0 and 1 or 2 and 3, of two panels or of the first alone, get block b's products. A macro,
 * because tile numbers are part of the instruction. */
#define ADD_BLOCK(one, two, w, both)                                                               \
    do {                                                                                           \
        _tile_loadd(6, (w)[0].pair[0][b * DEEP_LINES], LINE_BYTES);                                \
        if (both)                                                                                  \
            _tile_loadd(7, (w)[1].pair[0][b * DEEP_LINES], LINE_BYTES);                            \
        _tile_dpbf16ps(one, 4, 6);                                                                 \
        if (both)                                                                                  \
            _tile_dpbf16ps(two, 4, 7);                                                             \
        _tile_dpbf16ps(one, 5, 6);                                                                 \
        if (both)                                                                                  \
            _tile_dpbf16ps(two, 5, 7);                                                             \
        if (!low)                                                                                  \
            break;                                                                                 \
        _tile_loadd(6, (w)[0].pair[1][b * DEEP_LINES], LINE_BYTES);                                \
        if (both)                                                                                  \
            _tile_loadd(7, (w)[1].pair[1][b * DEEP_LINES], LINE_BYTES);                            \
        _tile_dpbf16ps(one, 4, 6);                                                                 \
        if (both)                                                                                  \
            _tile_dpbf16ps(two, 4, 7);                                                             \
    } while (0)

NK_INLINE void load_sums(const job *j, size_t live)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (j->first)
        return;
    _tile_loadd(0, j->y, j->stride);
    if (live > 1)
        _tile_loadd(1, j->y + LINE_BYTES, j->stride);
    if (live > 2)
        _tile_loadd(2, j->y + 2 * LINE_BYTES, j->stride);
    if (live > 3)
        _tile_loadd(3, j->y + 3 * LINE_BYTES, j->stride);
}

NK_INLINE void store_sums(const job *j, size_t live)
{
    _tile_stored(0, j->y, j->stride);
    if (live > 1)
        _tile_stored(1, j->y + LINE_BYTES, j->stride);
    if (live > 2)
        _tile_stored(2, j->y + 2 * LINE_BYTES, j->stride);
    if (live > 3)
        _tile_stored(3, j->y + 3 * LINE_BYTES, j->stride);
}

NK_INLINE void multiply(const job *j, size_t live, const bool low)
{
    const size_t part = j->width * LINE_BYTES;
    fence(j);
    load_sums(j, live);
    for (size_t b = 0; b * NK_DEEP < j->n; b++) {
        _tile_loadd(4, j->x + 2 * b * part, LINE_BYTES);
        _tile_loadd(5, j->x + (2 * b + 1) * part, LINE_BYTES);
        ADD_BLOCK(0, 1, j->w, live > 1);
        if (live > 2)
            ADD_BLOCK(2, 3, j->w + 2, live > 3);
    }
    store_sums(j, live);
    fence(j);
}

/* A last group that lacks columns, by way of a whole one beside y. */
NK_INLINE void multiply_edge(const nk_product *p, job j, size_t live, float *y, const bool low)
{
    _Alignas(64) NK_UNSET float whole[NK_WIDE][SIDE * NK_PANEL_ROWS];
    const size_t bytes = live * LINE_BYTES;
    for (size_t c = 0; !p->first && c < p->nc; c++)
        memcpy(whole[c], y + c * p->y_stride, bytes);
    j.y = (char *)whole;
    j.stride = sizeof whole[0];
    multiply(&j, live, low);
    for (size_t c = 0; c < p->nc; c++)
        memcpy(y + c * p->y_stride, whole[c], bytes);
}

NK_INLINE void product(const nk_product *p, const bool low)
{
    for (size_t i = 0; i < p->panels; i += SIDE) {
        size_t live = p->panels - i < SIDE ? p->panels - i : SIDE;
        float *y = p->y + i * NK_PANEL_ROWS;
        job j = {.w = p->w + i,
                 .x = p->x,
                 .n = p->n,
                 .width = p->width,
                 .y = (char *)y,
                 .stride = p->y_stride * sizeof *y,
                 .first = p->first};
        if (p->nc == p->width)
            multiply(&j, live, low);
        else
            multiply_edge(p, j, live, y, low);
    }
}

static void product_bf16(const nk_product *p)
{
    product(p, false);
}

static void product_f16(const nk_product *p)
{
    product(p, true);
}

/* --- operands ----------------------------------------------------------------------------------
 */

static void unpack_bf16(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    unpack_lines(row, n, p, true);
}

/* word[k] gets element k of every row. */
NK_INLINE void store_words(const __m512i row[NK_PANEL_ROWS], uint16_t (*word)[NK_PANEL_ROWS])
{
    NK_UNSET __m512i two[16], four[16], eight[16];
#pragma GCC unroll 8
    for (int r = 0; r < 16; r += 2) {
        two[r] = _mm512_unpacklo_epi16(row[r], row[r + 1]);
        two[r + 1] = _mm512_unpackhi_epi16(row[r], row[r + 1]);
    }
#pragma GCC unroll 4
    for (int r = 0; r < 16; r += 4)
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            four[r + 2 * h] = _mm512_unpacklo_epi32(two[r + h], two[r + 2 + h]);
            four[r + 2 * h + 1] = _mm512_unpackhi_epi32(two[r + h], two[r + 2 + h]);
        }
#pragma GCC unroll 2
    for (int r = 0; r < 16; r += 8)
#pragma GCC unroll 4
        for (int h = 0; h < 4; h++) {
            eight[r + 2 * h] = _mm512_unpacklo_epi64(four[r + h], four[r + 4 + h]);
            eight[r + 2 * h + 1] = _mm512_unpackhi_epi64(four[r + h], four[r + 4 + h]);
        }
    const __m512i first = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
    const __m512i second = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
#pragma GCC unroll 8
    for (int c = 0; c < 8;
         c++) { /* eight[c] holds elements c, 8 + c, 16 + c, 24 + c of rows 0..7 */
        _mm512_store_si512(word[2 * c], _mm512_permutex2var_epi64(eight[c], first, eight[8 + c]));
        _mm512_store_si512(word[16 + 2 * c],
                           _mm512_permutex2var_epi64(eight[c], second, eight[8 + c]));
    }
}

/* Where store_words puts element k: c and 8 + c of 16 side by side. */
NK_INLINE size_t word_at(size_t k)
{
    return k / 16 * 16 + k % 8 * 2 + k / 8 % 2;
}

/* The upper halves of a and b, pair by pair; b's lower ones are 0, or a NaN's, as a row of NaN may
 * be. */
NK_INLINE __m512i pairs_of(__m512i a, __m512i b)
{
    return _mm512_or_si512(_mm512_srli_epi32(a, 16), b);
}

/* The 11 bits of f16 weights k and k + 1 of every row as their first 8 and what those leave, which
 * is a bf16 too: f16 has no number below 2^-24. Infinity leaves NaN. */
NK_INLINE void split_f16(const uint16_t (*word)[NK_PANEL_ROWS], size_t k, uint16_t (*high)[2],
                         uint16_t (*low)[2])
{
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000);
    __m512 a = _mm512_cvtph_ps(load32(word[word_at(k)]));
    __m512 b = _mm512_cvtph_ps(load32(word[word_at(k + 1)]));
    __m512i a_high = _mm512_and_si512(_mm512_castps_si512(a), upper);
    __m512i b_high = _mm512_and_si512(_mm512_castps_si512(b), upper);
    a = _mm512_sub_ps(a, _mm512_castsi512_ps(a_high));
    b = _mm512_sub_ps(b, _mm512_castsi512_ps(b_high));
    _mm512_store_si512(high, pairs_of(a_high, b_high));
    _mm512_store_si512(low, pairs_of(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}

static void unpack_f16(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    for (size_t k = 0; k < n; k += NK_DEEP) {
        _Alignas(64) NK_UNSET uint16_t word[NK_DEEP][NK_PANEL_ROWS];
        NK_UNSET __m512i line[NK_PANEL_ROWS];
        NK_UNSET uint16_t last[NK_DEEP];
#pragma GCC unroll 16
        for (int r = 0; r < NK_PANEL_ROWS; r++) {
            ask_for_next(row[r], k);
            line[r] = _mm512_loadu_si512(weights_at(row[r], k, n, last));
        }
        store_words(line, word);
        fence(word); /* loads are free where taking registers apart is not */
#pragma GCC unroll 16
        for (size_t i = 0; i < NK_DEEP; i += 2)
            split_f16(word, i, p->pair[0][(k + i) / 2], p->pair[1][(k + i) / 2]);
    }
}

/* x to the nearest bf16, and what that leaves of it. */
NK_INLINE __m256i round_bf16(__m512 *x)
{
    __m256i high = (__m256i)_mm512_cvtneps_pbh(*x);
    __m512i bits = _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16);
    *x = _mm512_sub_ps(*x, _mm512_castsi512_ps(bits));
    return high;
}

static void pack(void *group, size_t width, size_t c, const float *x, size_t n)
{
    uint16_t *to = (uint16_t *)group + c * NK_DEEP;
    const size_t part = width * NK_DEEP;
    for (size_t k = 0; k < n; k += NK_DEEP, to += 2 * part) {
        NK_UNSET float last[NK_DEEP];
        const float *from = activations_at(x, k, n, last);
        for (size_t i = 0; i < NK_DEEP; i += NK_DEEP / 2) {
            __m512 v = _mm512_loadu_ps(from + i);
            store32(to + i, round_bf16(&v));
            store32(to + part + i, (__m256i)_mm512_cvtneps_pbh(v));
        }
    }
}

/* Two whole tiles by two, kernels/burst.h. */
static uint64_t burst(size_t turns)
{
    enter(NK_WIDE);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (size_t i = 0; i < turns; i++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    leave();
    return (uint64_t)turns * SIDE * NK_WIDE * NK_PANEL_ROWS * NK_DEEP;
}

void nk_x86_gemm_bf16_amx(nk_ops *ops)
{
    ops->pairs[NK_BF16] = (nk_pairs){.unpack = unpack_bf16,
                                     .run = product_bf16,
                                     .pack = pack,
                                     .enter = enter,
                                     .leave = leave,
                                     .asks = true,
                                     .parts = 2,
                                     .products = 2};
    ops->pairs[NK_F16] = ops->pairs[NK_BF16];
    ops->pairs[NK_F16].unpack = unpack_f16;
    ops->pairs[NK_F16].run = product_f16;
    ops->pairs[NK_F16].products = 3;
    ops->burst.bf16 = burst;
}
