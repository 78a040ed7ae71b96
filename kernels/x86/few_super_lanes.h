/* A few columns of K types: the part of few_lanes.h, which includes this, that is about
 * super-blocks. */
#ifndef NIBBLE_X86_FEW_SUPER_LANES_H
#define NIBBLE_X86_FEW_SUPER_LANES_H

#if defined(NK_VECTORS)

enum { RAW = 24 }; /* vectors of bytes that a type keeps over several groups */

/* Reads what group g of 32 codes is the first to need; then word k of its eight. */
typedef void raw_fn(const char *const w[FV_LEN], size_t at, int g, iv raw[RAW]);
typedef iv word_fn(const iv raw[RAW], int g, int k);

NK_INLINE void raw_q2_k(const char *const w[FV_LEN], size_t at, int g, iv raw[RAW])
{
    if (g % 4 == 0)
        words_of_32(w, at + offsetof(nk_block_q2_k, qs) + (size_t)g / 4 * 32, raw);
}

NK_INLINE iv word_q2_k(const iv raw[RAW], int g, int k)
{
    return bits(raw[k], g % 4 * 2, 2, 0);
}

NK_INLINE void raw_q3_k(const char *const w[FV_LEN], size_t at, int g, iv raw[RAW])
{
    if (g % 4 == 0)
        words_of_32(w, at + offsetof(nk_block_q3_k, qs) + (size_t)g / 4 * 32, raw);
    if (g == 0)
        words_of_32(w, at + offsetof(nk_block_q3_k, hmask), raw + 8);
}

NK_INLINE iv word_q3_k(const iv raw[RAW], int g, int k)
{
    return iv_or(bits(raw[k], g % 4 * 2, 2, 0), bits(raw[8 + k], g, 1, 2));
}

NK_INLINE void raw_q4_k(const char *const w[FV_LEN], size_t at, int g, iv raw[RAW])
{
    if (g % 2 == 0)
        words_of_32(w, at + offsetof(nk_block_q4_k, qs) + (size_t)g / 2 * 32, raw);
}

NK_INLINE iv word_q4_k(const iv raw[RAW], int g, int k)
{
    return bits(raw[k], g % 2 * 4, 4, 0);
}

NK_INLINE void raw_q5_k(const char *const w[FV_LEN], size_t at, int g, iv raw[RAW])
{
    if (g % 2 == 0)
        words_of_32(w, at + offsetof(nk_block_q5_k, qs) + (size_t)g / 2 * 32, raw);
    if (g == 0)
        words_of_32(w, at + offsetof(nk_block_q5_k, qh), raw + 8);
}

NK_INLINE iv word_q5_k(const iv raw[RAW], int g, int k)
{
    return iv_or(bits(raw[k], g % 2 * 4, 4, 0), bits(raw[8 + k], g, 1, 4));
}

NK_INLINE void raw_q6_k(const char *const w[FV_LEN], size_t at, int g, iv raw[RAW])
{
    if (g % 4 > 0)
        return;
    words_of_32(w, at + (size_t)g / 4 * 64, raw);
    words_of_32(w, at + (size_t)g / 4 * 64 + 32, raw + 8);
    words_of_32(w, at + offsetof(nk_block_q6_k, qh) + (size_t)g / 4 * 32, raw + 16);
}

NK_INLINE iv word_q6_k(const iv raw[RAW], int g, int k)
{
    return iv_or(bits(raw[g % 2 * 8 + k], g % 4 / 2 * 4, 4, 0), bits(raw[16 + k], g % 4 * 2, 2, 4));
}

/* What super-blocks hold besides codes: small scales as words of 16 bits, twice or with VNNI under
 * a zero; mins or what takes their place in pairs of two groups. */
typedef struct side {
    iv scale[NK_CHUNK / 16], min[NK_CHUNK / 32];
    fv d, dmin;
} side;

enum { NO = 0x80 }; /* a zero of iv_bytes */

/* Byte b of each lane as a small scale. */
NK_INLINE iv scale_byte(iv v, const uint32_t b, const bool is_signed)
{
    const uint32_t other = IN_32 ? NO : b;
    return is_signed ? iv_right16_signed(iv_bytes(v, NO | b << 8 | NO << 16 | other << 24), 8)
                     : iv_bytes(v, b | NO << 8 | other << 16 | (uint32_t)NO << 24);
}

/* Bytes b and b + 1 of each lane. */
NK_INLINE iv min_bytes(iv v, const uint32_t b, const bool is_signed)
{
    const uint32_t two = b | (b + 1) << 16;
    return is_signed ? iv_right16_signed(iv_bytes(v, NO | NO << 16 | two << 8), 8)
                     : iv_bytes(v, two | NO << 8 | (uint32_t)NO << 24);
}

typedef void side_fn(const char *const w[FV_LEN], size_t at, side *s);

NK_INLINE void side_six_bits(const char *const w[FV_LEN], size_t at, side *s)
{
    iv v[4], scale[2], min[2];
    words_of_rows(w, at, false, v);
    two_f16(v[0], &s->d, &s->dmin);
    six_bits(v, scale, min);
#pragma GCC unroll 8
    for (uint32_t g = 0; g < 8; g++)
        s->scale[g] = scale_byte(scale[g / 4], g % 4, false);
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; i++)
        s->min[i] = min_bytes(min[i / 2], i % 2 * 2, false);
}

/* 16 small scales and, of the same sign, mins, a byte each. */
NK_INLINE void side_bytes(const iv scale[4], const iv min[4], const bool is_signed, side *s)
{
#pragma GCC unroll 16
    for (uint32_t g = 0; g < 16; g++)
        s->scale[g] = scale_byte(scale[g / 4], g % 4, is_signed);
#pragma GCC unroll 8
    for (uint32_t i = 0; i < 8; i++)
        s->min[i] = min_bytes(min[i / 2], i % 2 * 2, is_signed);
}

NK_INLINE void side_q2_k(const char *const w[FV_LEN], size_t at, side *s)
{
    iv v[4], scale[4], min[4];
    words_of_rows(w, at + offsetof(nk_block_q2_k, scales), false, v);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        scale[k] = bits(v[k], 0, 4, 0);
        min[k] = bits(v[k], 4, 4, 0);
    }
    side_bytes(scale, min, false, s);
    two_f16(word_of_rows(w, at + offsetof(nk_block_q2_k, d)), &s->d, &s->dmin);
}

NK_INLINE void side_q3_k(const char *const w[FV_LEN], size_t at, side *s)
{
    iv v[4], scale[4];
    words_of_rows(w, at + offsetof(nk_block_q3_k, scales) - 2, true, v);
    six_bits_q3_k(v, scale);
    side_bytes(scale, scale, true, s);
    two_f16(v[3], &s->d, &s->dmin);
}

NK_INLINE void side_q6_k(const char *const w[FV_LEN], size_t at, side *s)
{
    iv v[4];
    fv before;
    words_of_rows(w, at + offsetof(nk_block_q6_k, scales), false, v);
    side_bytes(v, v, true, s);
    two_f16(word_of_rows(w, at + sizeof(nk_block_q6_k) - 4), &before, &s->d);
}

typedef struct super_few {
    raw_fn *raw;
    word_fn *word;
    side_fn *side;
    size_t block_size;
    int group;  /* words under one small scale, 4 or 8 */
    int run;    /* words added up in 16 bits; ... */
    int part;   /* ... with VNNI, words whose sum fits 16 bits; 0: multiplied in 32 */
    int less;   /* codes are too large by 1 << less; 0: mins */
    bool less8; /* with VNNI: each part's sum begins at nk_columns.less8, in place of mins */
} super_few;

#define SUPER_FEW(sym, ...)                                                                        \
    static const super_few few_of_##sym = {raw_##sym, word_##sym, __VA_ARGS__};
SUPER_FEW(q2_k, side_q2_k, sizeof(nk_block_q2_k), 4, 4, 4, 0, false)
SUPER_FEW(q3_k, side_q3_k, sizeof(nk_block_q3_k), 4, 4, 4, 2, false)
SUPER_FEW(q4_k, side_six_bits, sizeof(nk_block_q4_k), 8, 8, 4, 0, false)
SUPER_FEW(q5_k, side_six_bits, sizeof(nk_block_q5_k), 8, 4, 0, 0, false)
SUPER_FEW(q6_k, side_q6_k, sizeof(nk_block_q6_k), 4, 2, 2, 5, true)

/* Words that are added up before they are scaled. */
NK_INLINE int run_of(const super_few t)
{
    return !IN_32 ? t.run : t.part ? t.part : t.group;
}

/* What sums of line k and those after it begin with. */
NK_INLINE void begin_sums(const super_few t, iv sum[NK_FEW], const nk_columns *x, size_t k,
                          const int nc)
{
    if (!IN_32)
        return;
#pragma GCC unroll 6
    for (int c = 0; c < nc; c++)
        sum[c] = t.less8 ? iv_four(&x[c / NK_GROUP].less8[k / 2][c % NK_GROUP]) : iv_zero();
}

NK_INLINE void scale_sums(const super_few t, iv acc[NK_FEW], const iv sum[NK_FEW], iv scale,
                          const int nc)
{
#pragma GCC unroll 6
    for (int c = 0; c < nc; c++)
#if defined(NK_LANES_VNNI)
        acc[c] = iv_hold(t.part ? iv_dpwssd(acc[c], sum[c], scale)
                                : iv_add(acc[c], iv_mul(sum[c], scale)));
#else
        acc[c] = iv_hold(iv_dpwssd(acc[c], sum[c], scale));
    (void)t;
#endif
}

/* The integer sums of super-blocks. */
NK_INLINE void super_sums(const super_few t, const char *const w[FV_LEN], size_t at, const side *s,
                          const nk_columns *x, const char *next, iv acc[NK_FEW], const int nc)
{
    const int run = run_of(t);
    NK_UNSET iv raw[RAW];
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        t.raw(w, at, g, raw);
        /* the next rows, a few lines at a time: many at once keep loads waiting */
        const size_t part = FV_LEN / 8 * t.block_size;
#pragma GCC unroll 8
        for (size_t k = (size_t)g * part; k < (size_t)(g + 1) * part; k += LINE)
            _mm_prefetch(next + k, _MM_HINT_T0);
        NK_UNSET iv sum[NK_FEW];
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++) {
            const size_t line = (size_t)(8 * g + k);
            if (k % run == 0)
                begin_sums(t, sum, x, line, nc);
            add_codes(sum, t.word(raw, g, k), x, line, k % run == 0, nc);
            if ((k + 1) % run == 0)
                scale_sums(t, acc, sum, s->scale[line / (size_t)t.group], nc);
        }
    }
}

/* What the mins, or what codes are too large by, add to them. */
NK_INLINE iv super_mins(const super_few t, const side *s, const nk_columns *x, const int c)
{
    iv min = iv_zero();
    const int pairs = NK_CHUNK / 8 / t.group;
#pragma GCC unroll 8
    for (int i = 0; i < pairs; i++)
        min = iv_dpwssd(min, s->min[i], iv_four(t.group == 4 ? x->sum16[i][c] : x->sum32[i][c]));
    return min;
}

/* Adds the super-blocks' sums of column c to y. */
NK_INLINE fv super_end(const super_few t, const side *s, const nk_columns *x, const int c, iv acc,
                       fv y)
{
    fv dx = fv_set(x->d[0][c]);
    if (IN_32 && t.less8)
        return fv_fma(fv_of(acc), fv_mul(s->d, dx), y);
    iv min = super_mins(t, s, x, c);
    if (t.less)
        return fv_fma(fv_of(iv_sub(acc, iv_shift(min, t.less))), fv_mul(s->d, dx), y);
    return fv_fma(fv_fnma(fv_of(min), s->dmin, fv_mul(fv_of(acc), s->d)), dx, y);
}

NK_INLINE void super_rows(const super_few t, const nk_few *p, const char *const w[FV_LEN],
                          fv y[NK_FEW], const int nc)
{
    const nk_columns *x = p->x;
    const char *next = w[0] + FV_LEN * p->row_size;
    size_t at = 0;
    for (size_t i = 0; i < p->n / NK_SUPER_LEN; i++, at += t.block_size) {
        NK_UNSET side s;
        NK_UNSET iv acc[NK_FEW];
        t.side(w, at, &s);
        __asm__("" : "+m"(s.scale), "+m"(s.min));
#pragma GCC unroll 6
        for (int c = 0; c < nc; c++)
            acc[c] = iv_zero();
        super_sums(t, w, at, &s, x, next, acc, nc);
        next += FV_LEN * t.block_size;
#pragma GCC unroll 6
        for (int c = 0; c < nc; c++)
            y[c] = super_end(t, &s, x + c / NK_GROUP, c % NK_GROUP, acc[c], y[c]);
        x = (const nk_columns *)(const void *)((const char *)x + p->x_step);
    }
}

#endif
#endif
