/* Panels of gemm.h for levels with VNNI, from the words of few_lanes.h, which is included before:
 * transposed rows are stored instead of multiplied. Codes of a whole byte come 128 higher, small
 * scales under a zero, so that products need not make them so for every group of columns. */
#ifndef NIBBLE_X86_PANEL_LANES_H
#define NIBBLE_X86_PANEL_LANES_H

#if defined(NK_VECTORS) && defined(NK_LANES_VNNI)

/* power: scales are e8m0. */
NK_INLINE void unpack_words_simple(const simple_few t, const bool power,
                                   const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    for (size_t r = 0; r < NK_PANEL_ROWS; r += FV_LEN) {
        const char *w[FV_LEN];
        for (size_t i = 0; i < FV_LEN; i++)
            w[i] = row[r + i];
        for (size_t b = 0; b < n / NK_LEN; b++) {
            const size_t at = b * t.block_size;
            NK_UNSET iv raw[RAW_SIMPLE];
            t.raw(w, at + t.codes, raw);
#pragma GCC unroll 8
            for (int k = 0; k < 8; k++) {
                iv q = t.word(raw, k);
                iv_store(p->q[8 * b + (size_t)k][r], t.run ? q : iv_flip(q));
            }
            fv_store(&p->d[b][r], power ? e8m0_of_rows(w, at) : f16_of_rows(w, at));
            if (t.has_m)
                fv_store(&p->m[b][r], f16_of_rows(w, at + 2));
        }
    }
}

/* Small scales; mins or scales times the codes' offset; of types whose codes are centred (gemm.h)
 * scales in pairs, times the centre, where a type with 16 of them has the others. */
NK_INLINE void unpack_side(const super_few t, const int centre, const side *s, size_t r,
                           nk_panel *p)
{
    const int scales = NK_CHUNK / 4 / t.group;
#pragma GCC unroll 16
    for (int g = 0; g < scales; g++)
        iv_store(p->scale[g][r], s->scale[g]);
#pragma GCC unroll 8
    for (int i = 0; i < scales / 2; i++)
        iv_store(p->min[i][r], t.less ? iv_left16(s->min[i], t.less) : s->min[i]);
#pragma GCC unroll 4
    for (int i = 0; centre && i < 4; i++) {
        iv pair = iv_or(s->scale[2 * i], iv_shift(s->scale[2 * i + 1], 16));
        iv_store(p->scale[NK_PAIRED + i][r], iv_left16(pair, centre));
    }
    fv_store(&p->d[0][r], s->d);
    if (!t.less)
        fv_store(&p->m[0][r], s->dmin);
}

NK_INLINE void unpack_words_super(const super_few t, const int centre,
                                  const void *const row[NK_PANEL_ROWS], nk_panel *p)
{
    for (size_t r = 0; r < NK_PANEL_ROWS; r += FV_LEN) {
        const char *w[FV_LEN];
        NK_UNSET side s;
        NK_UNSET iv raw[RAW];
        for (size_t i = 0; i < FV_LEN; i++)
            w[i] = row[r + i];
        t.side(w, 0, &s);
        unpack_side(t, centre, &s, r, p);
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++) {
            t.raw(w, 0, g, raw);
#pragma GCC unroll 8
            for (int k = 0; k < 8; k++)
                iv_store(p->q[8 * g + k][r], t.word(raw, g, k));
        }
    }
}

/* Levels of a byte each, signed. */
NK_INLINE iv word_levels(const iv raw[RAW_SIMPLE], int k)
{
    return iv_look_up(iv_table(nk_levels_iq4), word_nibbles(raw, k));
}
SIMPLE_FEW(iq4_nl, raw_nibbles, word_levels, sizeof(nk_block_iq4_nl), 2, 0, 0, false)

/* Levels of e2m1, 16 higher. */
NK_INLINE iv levels_fp4(iv codes)
{
    return iv_look_up(iv_sub8(iv_table(nk_levels_fp4), iv_set8(-16)), codes);
}

NK_INLINE iv word_fp4(const iv raw[RAW_SIMPLE], int k)
{
    return levels_fp4(word_nibbles(raw, k));
}
SIMPLE_FEW(mxfp4, raw_nibbles, word_fp4, sizeof(nk_block_mxfp4), offsetof(nk_block_mxfp4, qs), 4, 4,
           false)

static void unpack_mxfp4(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    unpack_words_simple(few_of_mxfp4, true, row, n, p);
}

/* Two words are a group of 16, its first eight weights low nibbles. */
static void unpack_nvfp4(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    for (size_t r = 0; r < NK_PANEL_ROWS; r += FV_LEN) {
        const char *w[FV_LEN];
        for (size_t i = 0; i < FV_LEN; i++)
            w[i] = row[r + i];
        for (size_t b = 0; b < n / NK_NVFP4_LEN; b++) {
            const size_t at = b * sizeof(nk_block_nvfp4);
            NK_UNSET iv raw[8];
            NK_UNSET fv d[4];
            scales_nvfp4_of_rows(w, at, d);
            words_of_32(w, at + offsetof(nk_block_nvfp4, qs), raw);
#pragma GCC unroll 4
            for (size_t g = 0; g < 4; g++) {
                fv_store(g % 2 ? &p->m[2 * b + g / 2][r] : &p->d[2 * b + g / 2][r], d[g]);
#pragma GCC unroll 4
                for (size_t k = 0; k < 4; k++) {
                    iv codes = bits(raw[2 * g + k % 2], (int)(k / 2 * 4), 4, 0);
                    iv_store(p->q[16 * b + 4 * g + k][r], levels_fp4(codes));
                }
            }
        }
    }
}

/* The eight scales of iq4_xs from a block's first words: of groups 0, 2, 4, 6 a byte each, of the
 * others. */
NK_INLINE void scales_iq4_xs_of_rows(const iv v[2], iv scale[2])
{
    const iv low4 = iv_set8(15), first = iv_set(0x00300030), then = iv_set(0x30003000);
    iv top = iv_bytes(v[0], 0x03030202);
    scale[0] = iv_or(iv_and(iv_left16(top, 4), first), iv_and(top, then));
    scale[1] = iv_or(iv_and(iv_left16(top, 2), first), iv_and(iv_right16(top, 2), then));
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) {
        iv low = iv_and(k ? iv_right16(v[1], 4) : v[1], low4);
        scale[k] = iv_sub8(iv_or(scale[k], low), iv_set8(32));
    }
}

/* Signed levels, not 128 higher, and scales twice, as dot_lattice_avx2.c has them. */
static void unpack_iq4_xs(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    (void)n;
    for (size_t r = 0; r < NK_PANEL_ROWS; r += FV_LEN) {
        const char *w[FV_LEN];
        NK_UNSET iv v[4], scale[2], raw[RAW_SIMPLE];
        NK_UNSET fv d, other;
        for (size_t i = 0; i < FV_LEN; i++)
            w[i] = row[r + i];
        words_of_rows(w, 0, false, v);
        two_f16(v[0], &d, &other);
        fv_store(&p->d[0][r], d);
        scales_iq4_xs_of_rows(v, scale);
#pragma GCC unroll 8
        for (uint32_t g = 0; g < 8; g++) {
            const uint32_t b = g / 2;
            iv one = iv_bytes(scale[g % 2], NO | b << 8 | NO << 16 | b << 24);
            iv_store(p->scale[g][r], iv_right16_signed(one, 8));
            raw_nibbles(w, offsetof(nk_block_iq4_xs, qs) + 16 * (size_t)g, raw);
#pragma GCC unroll 8
            for (int k = 0; k < 8; k++)
                iv_store(p->q[8 * g + (uint32_t)k][r], word_levels(raw, k));
        }
    }
}

/* X(enum suffix, symbol); the second with the shift that makes a code its centre */
#define NK_WORD_PANELS(X)                                                                          \
    X(Q4_0, q4_0) X(Q4_1, q4_1) X(Q5_0, q5_0) X(Q5_1, q5_1) X(Q8_0, q8_0) X(IQ4_NL, iq4_nl)
#define NK_WORD_PANELS_SUPER(X)                                                                    \
    X(Q2_K, q2_k, 0) X(Q3_K, q3_k, 0) X(Q4_K, q4_k, 3) X(Q5_K, q5_k, 4) X(Q6_K, q6_k, 0)
#define NK_UNPACK_WORDS(ID, sym)                                                                   \
    static void unpack_##sym(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)          \
    {                                                                                              \
        unpack_words_simple(few_of_##sym, false, row, n, p);                                       \
    }
#define NK_UNPACK_WORDS_SUPER(ID, sym, centre)                                                     \
    static void unpack_##sym(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)          \
    {                                                                                              \
        (void)n;                                                                                   \
        unpack_words_super(few_of_##sym, centre, row, p);                                          \
    }
NK_WORD_PANELS(NK_UNPACK_WORDS)
NK_WORD_PANELS_SUPER(NK_UNPACK_WORDS_SUPER)

NK_INLINE void set_panels(nk_ops *ops)
{
#define NK_SET_WORDS(ID, sym)               ops->gemm[NK_##ID].unpack = unpack_##sym;
#define NK_SET_WORDS_SUPER(ID, sym, centre) NK_SET_WORDS(ID, sym)
    NK_WORD_PANELS(NK_SET_WORDS)
    NK_WORD_PANELS_SUPER(NK_SET_WORDS_SUPER)
    NK_SET_WORDS(MXFP4, mxfp4)
    NK_SET_WORDS(NVFP4, nvfp4)
    NK_SET_WORDS(IQ4_XS, iq4_xs)
    ops->gemm[NK_IQ4_XS].slow_unpack = false;
}

#endif
#endif
