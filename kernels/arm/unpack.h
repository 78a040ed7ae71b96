/* How blocks of 16 rows come into a panel of gemm.h on arm64, written once for every level: codes
 * are signed bytes, offsets taken off. Lines are of four weights or, where SMMLA takes two rows of
 * eight at once, of eight. Included by files that have a product for them. */
#ifndef NIBBLE_ARM_UNPACK_H
#define NIBBLE_ARM_UNPACK_H

#if defined(__aarch64__)

#include "kernels/arm/dot.h"
#include "kernels/gemm.h"

enum {
    QUADS = NK_PANEL_ROWS / 4, /* of rows */
    BLOCK_LINES = NK_LEN / 4,
};

#if defined(__ARM_FEATURE_MATMUL_INT8)
/* Sixteen codes of row r and of the one below it to two lines. */
NK_INLINE void to_eights(nk_panel *p, size_t line, int r, int8x16_t a, int8x16_t b)
{
    int64x2_t x = vreinterpretq_s64_s8(a), y = vreinterpretq_s64_s8(b);
    vst1q_u8(p->q8[line][r], vreinterpretq_u8_s64(vzip1q_s64(x, y)));
    vst1q_u8(p->q8[line + 1][r], vreinterpretq_u8_s64(vzip2q_s64(x, y)));
}

/* Block b of 32 codes of each of four rows. */
NK_INLINE void codes_to_lines(nk_panel *p, size_t b, int quad, const codes c[4])
{
    for (int i = 0; i < 4; i += 2) {
        to_eights(p, b * NK_LEN / 8, 4 * quad + i, c[i].lo, c[i + 1].lo);
        to_eights(p, b * NK_LEN / 8 + 2, 4 * quad + i, c[i].hi, c[i + 1].hi);
    }
}
#else
/* Sixteen codes of each of four rows to four lines from `line` on. */
NK_INLINE void to_lanes(nk_panel *p, size_t line, int quad, const int8x16_t q[4])
{
    int32x4_t r[4], t[4];
    for (int i = 0; i < 4; i++)
        r[i] = vreinterpretq_s32_s8(q[i]);
    t[0] = vtrn1q_s32(r[0], r[1]);
    t[1] = vtrn2q_s32(r[0], r[1]);
    t[2] = vtrn1q_s32(r[2], r[3]);
    t[3] = vtrn2q_s32(r[2], r[3]);
    for (int i = 0; i < 4; i++) {
        int64x2_t a = vreinterpretq_s64_s32(t[i % 2]), b = vreinterpretq_s64_s32(t[2 + i % 2]);
        int64x2_t v = i < 2 ? vtrn1q_s64(a, b) : vtrn2q_s64(a, b);
        vst1q_u8(p->q[line + (size_t)i][4 * quad], vreinterpretq_u8_s64(v));
    }
}

/* Block b of 32 codes of each of four rows. */
NK_INLINE void codes_to_lines(nk_panel *p, size_t b, int quad, const codes c[4])
{
    const int8x16_t lo[4] = {c[0].lo, c[1].lo, c[2].lo, c[3].lo};
    const int8x16_t hi[4] = {c[0].hi, c[1].hi, c[2].hi, c[3].hi};
    to_lanes(p, b * BLOCK_LINES, quad, lo);
    to_lanes(p, b * BLOCK_LINES + BLOCK_LINES / 2, quad, hi);
}
#endif

NK_INLINE void unpack_simple(const simple_type t, const void *const row[NK_PANEL_ROWS], size_t n,
                             nk_panel *p)
{
    for (size_t b = 0; b < n / NK_LEN; b++)
        for (int quad = 0; quad < QUADS; quad++) {
            codes c[4];
            for (int r = 0; r < 4; r++) {
                const void *w = row[4 * quad + r];
                c[r] = t.codes(w, b);
                p->d[b][4 * quad + r] = t.scale(w, b, 0);
                p->m[b][4 * quad + r] = t.halves ? t.scale(w, b, 1) : simple_min(t, w, b);
            }
            codes_to_lines(p, b, quad, c);
        }
}

/* Small scales and mins of one row: of types that have the same for pairs of 16 one for both. */
NK_INLINE void scales_to_lanes(const super_type t, const super_scales *s, int r, nk_panel *p)
{
    const int step = t.per32 ? 2 : 1;
    for (int g = 0; g < 16 / step; g++)
        p->scale[g][r][0] = p->scale[g][r][1] = s->scale[step * g];
    for (int i = 0; t.has_min && i < 8 / step; i++) {
        p->min[i][r][0] = s->min[2 * step * i];
        p->min[i][r][1] = s->min[2 * step * i + step];
    }
    p->d[0][r] = s->d;
    p->m[0][r] = t.has_min ? s->dmin : 0;
}

/* How codes of super-blocks lie in a panel: as they are, or times their small scale where that fits
 * one byte: q2_K to 45; q3_K, whose products are -124..128, less 1. */
enum folding { AS_THEY_ARE, FOLDED, FOLDED_LESS_1 };

NK_INLINE codes fold(const enum folding f, codes c, const super_scales *s, int g)
{
    if (f == AS_THEY_ARE)
        return c;
    c.lo = vmulq_s8(c.lo, vdupq_n_s8((int8_t)s->scale[2 * g]));
    c.hi = vmulq_s8(c.hi, vdupq_n_s8((int8_t)s->scale[2 * g + 1]));
    return f == FOLDED_LESS_1 ? minus(c, 1) : c;
}

NK_INLINE void unpack_super(const super_type t, const enum folding f,
                            const void *const row[NK_PANEL_ROWS], nk_panel *p)
{
    for (int quad = 0; quad < QUADS; quad++) {
        const void *const *w = row + 4 * quad;
        super_scales s[4];
        for (int r = 0; r < 4; r++) {
            t.scales(w[r], &s[r]);
            scales_to_lanes(t, &s[r], 4 * quad + r, p);
        }
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++) {
            codes c[4];
            for (int r = 0; r < 4; r++)
                c[r] = fold(f, t.codes(w[r], g), &s[r], g);
            codes_to_lines(p, (size_t)g, quad, c);
        }
    }
}

/* A type's nk_unpack_fn. */
#define UNPACK_SIMPLE(sym)                                                                         \
    static void unpack_##sym(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)          \
    {                                                                                              \
        unpack_simple(sym, row, n, p);                                                             \
    }
#define UNPACK_SUPER(sym, folding)                                                                 \
    static void unpack_##sym(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)          \
    {                                                                                              \
        (void)n;                                                                                   \
        unpack_super(sym, folding, row, p);                                                        \
    }

#endif
#endif
