/* Panels of bf16 weights in pairs (kernels/pairs.h): lines of two weights of 16 rows. Included only
 * by files compiled for AVX-512. */
#ifndef NIBBLE_X86_PAIRS_LANES_H
#define NIBBLE_X86_PAIRS_LANES_H

#include "kernels/pairs.h"
#include "kernels/x86/avx2.h"

#if defined(__AVX512BW__)

enum { LINE_BYTES = NK_PANEL_ROWS * 4, DEEP_LINES = NK_DEEP / 2 };
_Static_assert(NK_DEEP * sizeof(uint16_t) == LINE_BYTES, "all lines are whole");

/* NK_DEEP weights of a row, or in `last` those that are left of n, zero-filled. */
NK_INLINE const uint16_t *weights_at(const void *row, size_t k, size_t n, uint16_t last[NK_DEEP])
{
    const uint16_t *w = (const uint16_t *)row + k;
    if (k + NK_DEEP <= n)
        return w;
    memset(last, 0, NK_DEEP * sizeof *w);
    return memcpy(last, w, (n - k) * sizeof *w);
}

/* What follows a chunk later. One by one: a column alone waits for memory, and no prefetcher of the
 * hardware follows so many rows. */
NK_INLINE void ask_for_next(const void *row, size_t k)
{
    _mm_prefetch((const char *)((const uint16_t *)row + k + NK_CHUNK), _MM_HINT_T1);
}

/* four[c] gets elements c, 4 + c, 8 + c, 12 + c, each of four rows. */
NK_INLINE void turn_fours(const __m512i row[4], __m512i four[4])
{
    __m512i a = _mm512_unpacklo_epi32(row[0], row[1]), b = _mm512_unpacklo_epi32(row[2], row[3]);
    four[0] = _mm512_unpacklo_epi64(a, b);
    four[1] = _mm512_unpackhi_epi64(a, b);
    a = _mm512_unpackhi_epi32(row[0], row[1]), b = _mm512_unpackhi_epi32(row[2], row[3]);
    four[2] = _mm512_unpacklo_epi64(a, b);
    four[3] = _mm512_unpackhi_epi64(a, b);
}

/* Lines c, 4 + c, 8 + c, 12 + c from the fours c of rows 0, 4, 8 and 12: element k of every row is
 * line k. */
NK_INLINE void join_fours(__m512i r0, __m512i r4, __m512i r8, __m512i r12, __m512i line[4])
{
    __m512i a = _mm512_shuffle_i32x4(r0, r4, 0x88), b = _mm512_shuffle_i32x4(r8, r12, 0x88);
    line[0] = _mm512_shuffle_i32x4(a, b, 0x88);
    line[2] = _mm512_shuffle_i32x4(a, b, 0xdd);
    a = _mm512_shuffle_i32x4(r0, r4, 0xdd), b = _mm512_shuffle_i32x4(r8, r12, 0xdd);
    line[1] = _mm512_shuffle_i32x4(a, b, 0x88);
    line[3] = _mm512_shuffle_i32x4(a, b, 0xdd);
}

/* Four rows at a time, whole lines of which lie in the panel till all rows have come: sixteen rows
 * whose sizes are a multiple of 4 KB have one place in L1, which holds twelve lines. */
NK_INLINE void unpack_lines(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p,
                            const bool asks)
{
    for (size_t r = 0; r < NK_PANEL_ROWS; r += 4)
        for (size_t k = 0; k < n; k += NK_DEEP) {
            NK_UNSET __m512i w[4], four[4];
            NK_UNSET uint16_t last[NK_DEEP];
#pragma GCC unroll 4
            for (size_t i = 0; i < 4; i++) {
                if (asks)
                    ask_for_next(row[r + i], k);
                w[i] = _mm512_loadu_si512(weights_at(row[r + i], k, n, last));
            }
            turn_fours(w, four);
#pragma GCC unroll 4
            for (size_t c = 0; c < 4; c++)
                _mm512_store_si512(p->pair[0][k / 2 + r + c], four[c]);
        }
    for (size_t k = 0; k < n; k += NK_DEEP) {
        NK_UNSET __m512i f[NK_PANEL_ROWS], line[4];
#pragma GCC unroll 16
        for (size_t i = 0; i < NK_PANEL_ROWS; i++)
            f[i] = _mm512_load_si512(p->pair[0][k / 2 + i]);
#pragma GCC unroll 4
        for (size_t c = 0; c < 4; c++) {
            join_fours(f[c], f[4 + c], f[8 + c], f[12 + c], line);
#pragma GCC unroll 4
            for (size_t i = 0; i < 4; i++)
                _mm512_store_si512(p->pair[0][k / 2 + c + 4 * i], line[i]);
        }
    }
}

/* NK_DEEP activations, or in `last` those that are left of n, zero-filled. */
NK_INLINE const float *activations_at(const float *x, size_t k, size_t n, float last[NK_DEEP])
{
    if (k + NK_DEEP <= n)
        return x + k;
    memset(last, 0, NK_DEEP * sizeof *x);
    return memcpy(last, x + k, (n - k) * sizeof *x);
}

#endif
#endif
