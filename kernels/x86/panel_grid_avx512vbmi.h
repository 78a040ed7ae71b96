/* Panels of IQ types (gemm.h) from grids in registers: a vector of 64 points holds four of each of
 * sixteen rows. Its quarter l is of rows 4l to 4l + 3: their first points side by side, then their
 * second ones, and so on. Bytes of blocks come into this order, and the points' weights from it to
 * the lines of a panel, within quarters. Included only by files compiled for AVX-512 with VBMI and
 * GFNI. */
#ifndef NIBBLE_X86_PANEL_GRID_AVX512VBMI_H
#define NIBBLE_X86_PANEL_GRID_AVX512VBMI_H

#include "kernels/gemm.h"
#include "kernels/x86/grid_avx512vbmi.h"

#if defined(__AVX512VBMI__) && defined(__GFNI__)

/* Bytes of four vectors in turn, within quarters: those of bytes 0 to 3, 4 to 7, and so on. */
NK_INLINE void in_turn(const __m512i from[4], __m512i to[4])
{
    __m512i low01 = _mm512_unpacklo_epi8(from[0], from[1]);
    __m512i low23 = _mm512_unpacklo_epi8(from[2], from[3]);
    __m512i high01 = _mm512_unpackhi_epi8(from[0], from[1]);
    __m512i high23 = _mm512_unpackhi_epi8(from[2], from[3]);
    to[0] = _mm512_unpacklo_epi16(low01, low23);
    to[1] = _mm512_unpackhi_epi16(low01, low23);
    to[2] = _mm512_unpacklo_epi16(high01, high23);
    to[3] = _mm512_unpackhi_epi16(high01, high23);
}

/* Of 16 bytes at row[r] + at, a point each, those of points 4k to 4k + 3 in v[k]. */
NK_INLINE void bytes_of_16_rows(const void *const row[NK_PANEL_ROWS], size_t at, __m512i v[4])
{
    NK_UNSET __m512i w[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) {
        const char *a = row[r], *b = row[r + 4], *c = row[r + 8], *d = row[r + 12];
        w[r] = four_quarters(load16(a + at), load16(b + at), load16(c + at), load16(d + at));
    }
    in_turn(w, v);
}

/* Weights j of 64 points of four weights in w[j] -> lines of a panel, every `step`-th. */
NK_INLINE void put_lines(nk_panel *p, size_t line, size_t step, const __m512i w[4])
{
    NK_UNSET __m512i v[4];
    in_turn(w, v);
#pragma GCC unroll 4
    for (size_t k = 0; k < 4; k++)
        _mm512_store_si512(p->q[line + k * step], v[k]);
}

/* (v & 0x1e) | 1 in every byte. */
NK_INLINE __m512i odd_scales(__m512i v)
{
    return _mm512_ternarylogic_epi32(v, _mm512_set1_epi8(0x1e), _mm512_set1_epi8(1), 0xea);
}

/* scale[k]: small scales of groups 4k to 4k + 3, groups of 16 or 32 weights; with `less16` what
 * weights are raised by, 16, times them, too. */
NK_INLINE void put_scales(nk_panel *p, const __m512i scale[], const bool per_16, const bool less16)
{
    /* low and high byte of both words of a row */
    const __m512i zeros = _mm512_set1_epi32((int)0x80008000);
    const __m512i row =
        _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x00010001, 0x00020002, 0x00030003));
    const __m512i twice = _mm512_or_si512(zeros, row);
    const __m512i pair = _mm512_add_epi32(twice, _mm512_set1_epi32(4 << 16));
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) {
        if (g >= 8 && !per_16)
            break;
        __m512i at = _mm512_set1_epi16((short)(g % 4 * 4));
        __m512i v = _mm512_shuffle_epi8(scale[g / 4], _mm512_add_epi16(twice, at));
        if (per_16) {
            _mm512_store_si512(p->scale[g], v);
            if (less16 && g % 2 == 0)
                v = _mm512_shuffle_epi8(scale[g / 4], _mm512_add_epi16(pair, at));
        } else if (!less16) {
            _mm512_store_si512(p->scale[g], v);
        } else {
            _mm512_store_si512(p->scale[2 * g], v);
            _mm512_store_si512(p->scale[2 * g + 1], v);
        }
        if (less16 && !(per_16 && g % 2))
            _mm512_store_si512(p->min[per_16 ? g / 2 : g], _mm512_slli_epi16(v, 4));
    }
}

/* A table of weights that are raised by so much, in panels by `to`. */
NK_INLINE __m512i raised_to(const uint8_t *weight, const int by, const int to)
{
    return _mm512_add_epi8(load64(weight), _mm512_set1_epi8((char)(to - by)));
}

/* d of sixteen rows. */
NK_INLINE void put_d(nk_panel *p, const void *const row[NK_PANEL_ROWS], d_of_8_fn *d)
{
#pragma GCC unroll 2
    for (int r = 0; r < NK_PANEL_ROWS; r += SIDE)
        _mm256_store_ps(p->d[0] + r, d((const char *const *)row + r, 0));
}

/* A type's row kernels (dot_rows.h) and its panels: unpack_grid(side_##sym, row, p). */
#define NK_GRID_PAIR(sym)                                                                          \
    NK_ROWS_PAIR(grid_rows_512, side_##sym, sym)                                                   \
    static void unpack_##sym(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)          \
    {                                                                                              \
        (void)n;                                                                                   \
        unpack_grid(side_##sym, row, p);                                                           \
    }
#define NK_GRID_SET(ID, sym)                                                                       \
    NK_ROWS_SET(ID, sym)                                                                           \
    ops->gemm[NK_##ID].unpack = unpack_##sym;                                                      \
    ops->gemm[NK_##ID].slow_unpack = false;

#endif
#endif
