/* AMX tiles in C, for machines without them, after Intel's SDM (vol. 1, chapter 18; vol. 2, the
 * instructions): eight tiles of a thread, each as wide and high as LDTILECFG last said. What the
 * hardware answers with an exception - no configuration, operands whose shapes do not fit, a
 * reserved field that is set - ends the program here. Floats are TDPBF16PS's (vol. 2, its
 * Operation); the order in which it adds is all that decides its bits. As in the hardware a store
 * is the only way out of a tile, and rows past its height read as zero. */
#ifndef NIBBLE_TEST_EMULATE_AMX_H
#define NIBBLE_TEST_EMULATE_AMX_H

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/x86/emulate_pairs.h"

enum { EMU_TILES = 8, EMU_ROWS = 16, EMU_BYTES = 64 };

typedef struct emu_tile {
    unsigned rows, bytes; /* 0: not configured */
    _Alignas(64) unsigned char data[EMU_ROWS][EMU_BYTES];
} emu_tile;

static _Thread_local emu_tile emu_tiles[EMU_TILES];

static inline void emu_need(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "AMX emulation: %s\n", what);
    abort();
}

static inline emu_tile *emu_at(unsigned t)
{
    emu_need(t < EMU_TILES && emu_tiles[t].rows > 0, "a tile that is not configured");
    return &emu_tiles[t];
}

static inline void emu_loadconfig(const void *config)
{
    unsigned char c[64];
    memcpy(c, config, sizeof c);
    emu_need(c[0] == 1, "palette is not 1");
    for (int i = 1; i < 16; i++)
        emu_need(c[i] == 0, "start row or reserved bytes are set");
    memset(emu_tiles, 0, sizeof emu_tiles);
    for (unsigned t = 0; t < 16; t++) {
        unsigned bytes = c[16 + 2 * t] | (unsigned)c[17 + 2 * t] << 8, rows = c[48 + t];
        emu_need(rows <= EMU_ROWS && bytes <= EMU_BYTES, "a tile larger than 16 x 64");
        emu_need((rows == 0) == (bytes == 0), "a tile of rows without bytes");
        emu_need(t < EMU_TILES || rows == 0, "a ninth tile");
        if (t < EMU_TILES) {
            emu_tiles[t].rows = rows;
            emu_tiles[t].bytes = bytes;
        }
    }
}

static inline void emu_release(void)
{
    memset(emu_tiles, 0, sizeof emu_tiles);
}

static inline bool emu_idle(void)
{
    for (int t = 0; t < EMU_TILES; t++)
        if (emu_tiles[t].rows)
            return false;
    return true;
}

static inline void emu_loadd(unsigned t, const void *p, size_t stride)
{
    emu_tile *tile = emu_at(t);
    memset(tile->data, 0, sizeof tile->data);
    for (unsigned r = 0; r < tile->rows; r++)
        memcpy(tile->data[r], (const char *)p + r * stride, tile->bytes);
}

static inline void emu_stored(unsigned t, void *p, size_t stride)
{
    const emu_tile *tile = emu_at(t);
    for (unsigned r = 0; r < tile->rows; r++)
        memcpy((char *)p + r * stride, tile->data[r], tile->bytes);
}

static inline void emu_zero(unsigned t)
{
    memset(emu_at(t)->data, 0, sizeof emu_at(t)->data);
}

static inline void emu_need_shapes(unsigned to, unsigned left, unsigned right)
{
    const emu_tile *c = emu_at(to), *a = emu_at(left), *b = emu_at(right);
    emu_need(a->rows == c->rows && b->bytes == c->bytes && a->bytes == 4 * b->rows,
             "operands of different shapes");
    emu_need(to != left && to != right && left != right, "one tile twice");
}

/* Bytes 0 and 2, or 1 and 3, of every four as 16 bits. */
static inline __m256i emu_bytes(__m256i v, bool odd, bool is_signed)
{
    v = odd ? v : _mm256_slli_epi16(v, 8);
    return is_signed ? _mm256_srai_epi16(v, 8) : _mm256_srli_epi16(v, 8);
}

/* C[m][n] += the four products of A[m][k] and B[k][n], for every group k of four bytes; B's bytes
 * signed or not. */
static inline void emu_dp_bytes(unsigned to, unsigned left, unsigned right, bool is_signed)
{
    emu_tile *c = emu_at(to);
    const emu_tile *a = emu_at(left), *b = emu_at(right);
    emu_need_shapes(to, left, right);
    for (unsigned m = 0; m < c->rows; m++)
        for (unsigned n = 0; n < c->bytes; n += 32) {
            __m256i sum = _mm256_load_si256((const void *)&c->data[m][n]);
            for (unsigned k = 0; k < b->rows; k++) {
                int32_t four;
                memcpy(&four, &a->data[m][4 * k], sizeof four);
                __m256i x = _mm256_set1_epi32(four);
                __m256i w = _mm256_load_si256((const void *)&b->data[k][n]);
                for (int odd = 0; odd < 2; odd++)
                    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(emu_bytes(x, odd, true),
                                                                  emu_bytes(w, odd, is_signed)));
            }
            _mm256_store_si256((void *)&c->data[m][n], sum);
        }
}

static inline void emu_dpbssd(unsigned to, unsigned left, unsigned right)
{
    emu_dp_bytes(to, left, right, true);
}

static inline void emu_dpbsud(unsigned to, unsigned left, unsigned right)
{
    emu_dp_bytes(to, left, right, false);
}

/* TDPBF16PS: temp1.fp32[2n] and [2n + 1] begin at 0 and get the products of the first and of the
 * second elements of the pairs, k after k, by fma; then C[m][n] += temp1[2n] + temp1[2n + 1]. All
 * to the nearest even, DAZ = FTZ = 1. Tests leave MXCSR at its default, which the hardware does not
 * ask. */
static inline void emu_dpbf16ps(unsigned to, unsigned left, unsigned right)
{
    emu_tile *c = emu_at(to);
    const emu_tile *a = emu_at(left), *b = emu_at(right);
    emu_need_shapes(to, left, right);
    for (unsigned m = 0; m < c->rows; m++)
        for (unsigned n = 0; n < c->bytes; n += 32) {
            __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
            for (unsigned k = 0; k < b->rows; k++) {
                int32_t two;
                memcpy(&two, &a->data[m][4 * k], sizeof two);
                __m256i x = _mm256_set1_epi32(two);
                __m256i w = _mm256_load_si256((const void *)&b->data[k][n]);
                for (int second = 0; second < 2; second++)
                    sum[second] = emu_flush(_mm256_fmadd_ps(emu_of_pairs(x, second),
                                                            emu_of_pairs(w, second), sum[second]));
            }
            float *at = (float *)&c->data[m][n];
            __m256 both = emu_flush(_mm256_add_ps(sum[0], sum[1]));
            _mm256_store_ps(at, emu_flush(_mm256_add_ps(emu_flush(_mm256_load_ps(at)), both)));
        }
}

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbssd
#undef _tile_dpbsud
#undef _tile_dpbf16ps
#define _tile_loadconfig emu_loadconfig
#define _tile_release    emu_release
#define _tile_loadd      emu_loadd
#define _tile_stored     emu_stored
#define _tile_zero       emu_zero
#define _tile_dpbssd     emu_dpbssd
#define _tile_dpbsud     emu_dpbsud
#define _tile_dpbf16ps   emu_dpbf16ps

#endif
#endif
