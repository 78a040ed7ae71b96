#include "kernels/x86/burst.h"
#include "kernels/x86/pairs_lanes.h"
#include "kernels/x86/x86.h"

/* Products of bf16 weights with VDPBF16PS (kernels/pairs.h), activations in one part. VDPBF16PS
 * adds the second product of a pair, then the first, each by fma to the nearest even, takes
 * subnormals as zero in and out, and asks nothing of MXCSR (Intel SDM vol. 2, VDPBF16PS); two
 * million random pairs have those bits on Zen 5 too.
 *
 * Measured there: two a cycle, 64 products, where FMA makes 32; a sum waits six cycles for the one
 * before. In panels a lane is a row, and every fourth line belongs to one of its four sums: SIDE
 * panels by COLUMNS are 16 at a time, more than two times six, and load 8 times for 16 products.
 * Zen 4 makes one a cycle in 512 bits, as its FMA does of half as many products. On Sapphire Rapids
 * two take as long as their 64 products by FMA (LLVM's X86SchedSapphireRapids.td @ 0f79242):
 * Intel's CPUs keep f32's products or AMX.
 *
 * A few columns take no panels: lanes are four rows' four sums, for which 128 bits of four rows
 * come together by eight shuffles for 256 bytes. Lines of sixteen rows would be turned by as many
 * for each of their bytes, but rows whose sizes are a multiple of 4 KB share few places in L1: so
 * read, one core reads 40 GB/s from L2, eight rows side by side 102. */

enum {
    SIDE = 4,    /* panels */
    COLUMNS = 4, /* that they meet at once */
    SIDE_F = 8,  /* rows that meet a few columns */
    FOUR = 4,    /* sums of a row */
};

/* --- many columns ------------------------------------------------------------------------------
 */

/* What every fourth pair of weights, from number `which` on, of `live` panels gives nc columns. */
NK_INLINE void one_of_four(const nk_product *p, const nk_panel *w, size_t which, const char *x,
                           float *y, const int live, const int nc)
{
    const size_t deep = p->width * LINE_BYTES;
    const bool first = p->first && which == 0;
    const char *line = (const char *)w->pair[0][which];
    x += which * sizeof(int32_t);
    __m512 sum[COLUMNS][SIDE];
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++)
#pragma GCC unroll 4
        for (int i = 0; i < live; i++)
            sum[c][i] = _mm512_setzero_ps();
    for (size_t k = 0; k < p->n; k += NK_DEEP, x += deep)
#pragma GCC unroll 4
        for (size_t i = 0; i < DEEP_LINES; i += FOUR) {
            NK_UNSET __m512i q[SIDE];
#pragma GCC unroll 4
            for (int s = 0; s < live; s++)
                q[s] = _mm512_load_si512(line + (size_t)s * sizeof *w + (k / 2 + i) * LINE_BYTES);
#pragma GCC unroll 4
            for (int c = 0; c < nc; c++) {
                int32_t pair;
                memcpy(&pair, x + (size_t)c * LINE_BYTES + i * sizeof pair, sizeof pair);
                __m512i v = _mm512_set1_epi32(pair);
#pragma GCC unroll 4
                for (int s = 0; s < live; s++)
                    sum[c][s] = _mm512_dpbf16_ps(sum[c][s], (__m512bh)q[s], (__m512bh)v);
            }
        }
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++)
#pragma GCC unroll 4
        for (int i = 0; i < live; i++) {
            float *to = y + (size_t)c * p->y_stride + (size_t)i * NK_PANEL_ROWS;
            __m512 before = first ? _mm512_setzero_ps() : _mm512_loadu_ps(to);
            _mm512_storeu_ps(to, _mm512_add_ps(before, sum[c][i]));
        }
}

NK_INLINE void multiply(const nk_product *p, const nk_panel *w, const char *x, float *y,
                        const int live, const int nc)
{
    for (size_t which = 0; which < FOUR; which++)
        one_of_four(p, w, which, x, y, live, nc);
}

/* Panels from number i on against all columns. */
NK_INLINE void all_columns(const nk_product *p, size_t i, const int live)
{
    const char *x = p->x;
    float *y = p->y + i * NK_PANEL_ROWS;
    size_t c = 0;
    for (; c + COLUMNS <= p->nc; c += COLUMNS)
        multiply(p, p->w + i, x + c * LINE_BYTES, y + c * p->y_stride, live, COLUMNS);
    x += c * LINE_BYTES;
    y += c * p->y_stride;
    switch (p->nc - c) {
    case 3:
        multiply(p, p->w + i, x, y, live, 3);
        break;
    case 2:
        multiply(p, p->w + i, x, y, live, 2);
        break;
    case 1:
        multiply(p, p->w + i, x, y, live, 1);
        break;
    default:
        break;
    }
}

static void product(const nk_product *p)
{
    size_t i = 0;
    for (; i + SIDE <= p->panels; i += SIDE)
        all_columns(p, i, SIDE);
    for (; i < p->panels; i++)
        all_columns(p, i, 1);
}

/* --- a few columns ------------------------------------------------------------------------------
 */

/* NK_DEEP weights of four rows, those that `set` has: of every row eight in line[0], eight in
 * line[1] and so on. */
NK_INLINE void load_fours(const char *const w[FOUR], size_t at, __mmask32 set, __m512i line[FOUR])
{
    __m512i a = _mm512_maskz_loadu_epi16(set, w[0] + at);
    __m512i b = _mm512_maskz_loadu_epi16(set, w[1] + at);
    __m512i c = _mm512_maskz_loadu_epi16(set, w[2] + at);
    __m512i d = _mm512_maskz_loadu_epi16(set, w[3] + at);
    __m512i ab = _mm512_shuffle_i32x4(a, b, 0x44), cd = _mm512_shuffle_i32x4(c, d, 0x44);
    line[0] = _mm512_shuffle_i32x4(ab, cd, 0x88);
    line[1] = _mm512_shuffle_i32x4(ab, cd, 0xdd);
    ab = _mm512_shuffle_i32x4(a, b, 0xee), cd = _mm512_shuffle_i32x4(c, d, 0xee);
    line[2] = _mm512_shuffle_i32x4(ab, cd, 0x88);
    line[3] = _mm512_shuffle_i32x4(ab, cd, 0xdd);
}

/* NK_DEEP weights of SIDE_F rows against nc columns; lanes are four rows' four sums. */
NK_INLINE void add_deep(const char *const w[SIDE_F], size_t at, __mmask32 set, const char *x,
                        __m512 sum[NK_FEW][SIDE_F / FOUR], const int nc)
{
#pragma GCC unroll 2
    for (int g = 0; g < SIDE_F / FOUR; g++) {
        NK_UNSET __m512i line[FOUR];
        load_fours(w + FOUR * g, at, set, line);
#pragma GCC unroll 4
        for (int q = 0; q < FOUR; q++)
#pragma GCC unroll 6
            for (int c = 0; c < nc; c++) {
                __m512i v = _mm512_broadcast_i32x4(load16(x + c * LINE_BYTES + q * 16));
                sum[c][g] = _mm512_dpbf16_ps(sum[c][g], (__m512bh)line[q], (__m512bh)v);
            }
    }
}

/* s and the four sums of every row, in turn, where the first is. */
NK_INLINE __m512 add_fours(__m512 s, __m512 four)
{
    s = _mm512_add_ps(s, four);
    s = _mm512_add_ps(s, _mm512_permute_ps(four, 0x55));
    s = _mm512_add_ps(s, _mm512_permute_ps(four, 0xaa));
    return _mm512_add_ps(s, _mm512_permute_ps(four, 0xff));
}

NK_INLINE void put_fours(__m512 s, float *y, size_t rows)
{
    NK_UNSET float out[FOUR][FOUR];
    _mm512_storeu_ps(out, s);
    for (size_t r = 0; r < FOUR && r < rows; r++)
        y[r] = out[r][0];
}

/* SIDE_F rows, or the `rows` that are left, against nc columns. Those behind them are asked for as
 * they lie. */
NK_INLINE void few_side(const nk_few *p, const char *const w[SIDE_F], size_t rows, float *y,
                        const int nc)
{
    const char *next = w[0] + SIDE_F * p->row_size, *x = p->x;
    const size_t deep = (size_t)nc * LINE_BYTES;
    __m512 s[NK_FEW][SIDE_F / FOUR];
#pragma GCC unroll 6
    for (int c = 0; c < nc; c++)
#pragma GCC unroll 2
        for (int g = 0; g < SIDE_F / FOUR; g++)
            s[c][g] = _mm512_setzero_ps();
    for (size_t from = 0; from < p->n; from += NK_CHUNK) {
        const size_t end = p->n - from < NK_CHUNK ? p->n : from + NK_CHUNK;
        __m512 sum[NK_FEW][SIDE_F / FOUR];
#pragma GCC unroll 6
        for (int c = 0; c < nc; c++)
#pragma GCC unroll 2
            for (int g = 0; g < SIDE_F / FOUR; g++)
                sum[c][g] = _mm512_setzero_ps();
        size_t k = from;
        for (; k + NK_DEEP <= end; k += NK_DEEP, x += deep) {
#pragma GCC unroll 8
            for (int r = 0; r < SIDE_F; r++)
                _mm_prefetch(next + 2 * k * SIDE_F + r * LINE_BYTES, _MM_HINT_T0);
            add_deep(w, 2 * k, 0xffffffff, x, sum, nc);
        }
        if (k < end)
            add_deep(w, 2 * k, (1u << (end - k)) - 1, x, sum, nc);
#pragma GCC unroll 6
        for (int c = 0; c < nc; c++)
#pragma GCC unroll 2
            for (int g = 0; g < SIDE_F / FOUR; g++)
                s[c][g] = add_fours(s[c][g], sum[c][g]);
    }
#pragma GCC unroll 6
    for (int c = 0; c < nc; c++)
        for (size_t g = 0; g < SIDE_F / FOUR && FOUR * g < rows; g++)
            put_fours(s[c][g], y + (size_t)c * p->y_stride + FOUR * g, rows - FOUR * g);
}

#define SIDE_OF(nc)                                                                                \
    case nc:                                                                                       \
        few_side(p, at, left, p->y + r, nc);                                                       \
        break;

/* Chunks of x lie one behind the other: x_step is their size. */
static void few_bf16(const nk_few *p)
{
    for (size_t r = 0; r < p->rows; r += SIDE_F) {
        const char *at[SIDE_F];
        const size_t left = p->rows - r < SIDE_F ? p->rows - r : SIDE_F;
        rows_side_by_side(at, SIDE_F, p->w, p->row_size, r, p->rows);
        switch (p->m) {
            SIDE_OF(1)
            SIDE_OF(2)
            SIDE_OF(3)
            SIDE_OF(4)
            SIDE_OF(5)
            SIDE_OF(6)
        }
    }
}

/* --- operands ----------------------------------------------------------------------------------
 */

static void unpack_bf16(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    unpack_lines(row, n, p, false);
}

static void pack(void *group, size_t width, size_t c, const float *x, size_t n)
{
    uint16_t *to = (uint16_t *)group + c * NK_DEEP;
    for (size_t k = 0; k < n; k += NK_DEEP, to += width * NK_DEEP) {
        NK_UNSET float last[NK_DEEP];
        const float *from = activations_at(x, k, n, last);
#pragma GCC unroll 2
        for (size_t i = 0; i < NK_DEEP; i += NK_DEEP / 2)
            store32(to + i, (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from + i)));
    }
}

BURST(burst, __m512, _mm512_setzero_ps(), __m512i a = _mm512_set1_epi16(0x3f80);
      const __m512i b = _mm512_set1_epi16(0x3580),
      sum[k] = _mm512_dpbf16_ps(sum[k], (__m512bh)a, (__m512bh)b), NK_DEEP)

void nk_x86_gemm_bf16_avx512bf16(nk_ops *ops)
{
    ops->pairs[NK_BF16] = (nk_pairs){.unpack = unpack_bf16,
                                     .run = product,
                                     .few = few_bf16,
                                     .pack = pack,
                                     .parts = 1,
                                     .products = 1};
    ops->burst.bf16 = burst;
}
