/* The product kernels of gemm.h for block types, in whatever vectors the including file has: it
 * defines the types fv (floats) and iv (integers) of FV_LEN 32-bit lanes and the operations fv_*,
 * iv_* below before it includes this. Rows lie in lanes, four weights of each; activations come as
 * four values for all lanes. So no sum ever crosses lanes.
 *
 * Unsigned codes: u8 * s8 products, added up in 16 bits for as long as they cannot overflow (`run`
 * lines of four weights: 8 for codes up to 15, 4 up to 31, 2 up to 63, with activations down to
 * -128), then widened and multiplied by the small scale in one madd. Signed codes of a whole byte:
 * |w| * (x with the sign of w), widened at once; activations hold no -128 (rows_simple_avx2.h).
 * Where signed codes are small, unpacking shifts them up and they go as unsigned ones with an
 * offset.
 *
 * With NK_LANES_VNNI, where one instruction adds four such products in 32 bits: a line is one of
 * them, a small scale multiplies the sum; signed codes are taken 128 higher, and 128 times the sum
 * of the activations off again. Of codes less half their range as many more fit 16 bits: 32 of
 * those up to 15, or 16 up to 31, of activations that reach 127; pairs of scales times that half
 * make up for it. The integers are the same ones.
 *
 * With NK_FOUR_PORTS, for CPUs whose shifts and blends take no turns of the multipliers, two such
 * sums go side by side into one madd. 16 codes up to 15 fit as they are then, no more costly than
 * 32 less half their range. */
#ifndef NIBBLE_X86_GEMM_LANES_H
#define NIBBLE_X86_GEMM_LANES_H

#if defined(NK_GEMM_LANES)

#include "kernels/gemm.h"

/* Several vectors of rows go side by side, so that sums enough are under way to keep the
 * multipliers busy: the halves of a panel, or where one vector holds a panel, panels. More of these
 * of simple blocks, whose sums of floats may wait in memory; of the others not all would find a
 * register. Where a product has a result after four cycles instead of five, two panels are enough
 * for these too, and all sums stay in registers. */
enum {
    PANEL_VECS = NK_PANEL_ROWS / FV_LEN,
#if defined(NK_FOUR_PORTS)
    simple_panels = 2,
#else
    simple_panels = PANEL_VECS == 1 ? 4 : 1,
#endif
    super_panels = PANEL_VECS == 1 ? 2 : 1,
    signed_panels = super_panels,
    VECS = simple_panels * PANEL_VECS,
    PARTS = PANEL_VECS == 1 ? 2 : 1, /* of super-blocks at once */
    NEXT_VEC = PANEL_VECS == 1 ? sizeof(nk_panel) : FV_LEN * 4,
};

/* Vector v's part of any field of a panel. */
NK_INLINE const void *of_vec(const void *field, int v)
{
    return (const char *)field + (size_t)v * NEXT_VEC;
}

/* What of a type makes up its product; all constants. */
typedef struct product_type {
    int run;     /* lines of four weights added up in 16 bits; 0: signed codes */
    int group;   /* super-blocks: lines under one small scale, 4 or 8 */
    int min;     /* super-blocks: pairs of mins, NK_CHUNK / 32 or NK_CHUNK / 64; 0: none */
    bool offset; /* super-blocks: min is part of the integer sum */
    int shift;   /* simple blocks: codes are offset by 1 << shift; 0: by nothing */
    bool has_m;  /* simple blocks: with a min */
    bool halves; /* simple blocks: a scale for each 16, d and m */
    int part;    /* super-blocks with VNNI: lines whose sum fits 16 bits */
    bool less8;  /* with VNNI: each part's sum begins at nk_columns.less8, in place of mins */
    int less;    /* with VNNI: each part's, of 16, at -1 << less times that of the activations, in
                    place of mins: 2 or 4; 0: not */
    int centre;  /* with VNNI: each part's sum is of codes less 1 << centre, which its scales
                    make up for; 0: of the codes */
    bool flip;   /* with VNNI: signed codes are not yet 128 higher */
    bool twice;  /* with VNNI: small scales are not under a zero */
} product_type;

typedef struct sums {
    iv v[VECS][NK_GROUP];
} sums;

/* What a step's sums of floats begin with, laid out as y is: zeros or what is there. A choice of
 * addresses, since sums of integers would change registers for branches. */
typedef struct begins {
    const float *at;
    size_t stride;
} begins;

NK_INLINE begins begins_of(const nk_product *p, const float *y)
{
    static const float zeros[VECS * FV_LEN];
    return p->first ? (begins){zeros, 0} : (begins){y, p->y_stride};
}

NK_INLINE void clear(sums *s, const int nv, const int nc)
{
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++)
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++)
            s->v[v][c] = iv_zero();
}

/* A sum that stays in its register: the compiler would move it about, which where there are enough
 * of them only costs time. */
NK_INLINE iv in_place(iv v)
{
    return PANEL_VECS == 1 ? iv_hold(v) : v;
}

#if defined(NK_LANES_VNNI)
/* Adds line i to s. */
NK_INLINE void add_line(const product_type t, sums *s, const nk_panel *w, const nk_columns *x,
                        size_t i, const int nv, const int nc)
{
    iv line[VECS];
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++) {
        line[v] = iv_load(of_vec(w->q[i], v));
        line[v] = t.flip ? iv_flip(line[v]) : line[v];
    }
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++) {
        iv four = iv_four(x->q[i][c]);
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++)
            s->v[v][c] = in_place(iv_dpbusd(s->v[v][c], line[v], four));
    }
}

/* Adds lines i..i+n-1 to s. */
NK_INLINE void add_products(const product_type t, sums *s, const nk_panel *w, const nk_columns *x,
                            size_t i, const int n, const int nv, const int nc)
{
#pragma GCC unroll 8
    for (int k = 0; k < n; k++)
        add_line(t, s, w, x, i + (size_t)k, nv, nc);
}

/* What the sum of a part that starts at line i begins with. */
NK_INLINE iv begin_part(const product_type t, const nk_columns *x, size_t i, int c)
{
    return t.less8                        ? iv_four(&x->less8[i / 2][c])
           : t.less == 2                  ? iv_right_signed(iv_four(&x->half16[i / 4][c]), 2)
           : t.centre == 3                ? iv_four(&x->less32[i / 8][c])
           : t.centre == 4 || t.less == 4 ? iv_four(&x->half16[i / 4][c])
                                          : iv_zero();
}

/* Adds to acc what parts from group g on add up to, times their scales. With NK_FOUR_PORTS two of
 * them go side by side, so that one multiplication takes both. */
NK_INLINE void scale_parts(const product_type t, sums *acc, const sums part[PARTS],
                           const nk_panel *w, size_t g, const int nv, const int nc)
{
#if defined(NK_FOUR_PORTS)
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++) {
        iv scale = iv_pair(iv_load(of_vec(w->scale[g], v)),
                           iv_load(of_vec(w->scale[g + (size_t)(t.part / t.group)], v)));
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            iv both = iv_pair(part[0].v[v][c], part[1].v[v][c]);
            acc->v[v][c] = in_place(iv_dpwssd(acc->v[v][c], both, scale));
        }
    }
#else
#pragma GCC unroll 2
    for (int k = 0; k < PARTS; k++)
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++) {
            iv scale = iv_load(of_vec(w->scale[g + (size_t)(k * t.part / t.group)], v));
            scale = t.twice ? iv_lower(scale) : scale;
#pragma GCC unroll 4
            for (int c = 0; c < nc; c++)
                acc->v[v][c] = in_place(iv_dpwssd(acc->v[v][c], part[k].v[v][c], scale));
        }
#endif
}

/* Two parts from line i on, or one, each under one small scale, the first under that of group g.
 * Lines of two parts take turns, since as many sums as there are in one are too few to keep the
 * multipliers busy. */
NK_INLINE void add_parts(const product_type t, sums *acc, const nk_panel *w, const nk_columns *x,
                         size_t g, size_t i, const int nv, const int nc)
{
    const size_t lines = (size_t)t.part;
    NK_UNSET sums part[PARTS];
#pragma GCC unroll 2
    for (size_t k = 0; k < PARTS; k++)
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++)
#pragma GCC unroll 4
            for (int v = 0; v < nv; v++)
                part[k].v[v][c] = begin_part(t, x, i + k * lines, c);
#pragma GCC unroll 8
    for (size_t j = 0; j < lines; j++)
#pragma GCC unroll 2
        for (size_t k = 0; k < PARTS; k++)
            add_line(t, &part[k], w, x, i + k * lines + j, nv, nc);
    scale_parts(t, acc, part, w, g, nv, nc);
}

/* All lines of a super-block. */
NK_INLINE void add_codes_of(const product_type t, sums *acc, const nk_panel *w, const nk_columns *x,
                            const int nv, const int nc)
{
    const size_t at_once = (size_t)(PARTS * t.part);
    for (size_t i = 0; i < NK_CHUNK / 4; i += at_once)
        add_parts(t, acc, w, x, i / (size_t)t.group, i, nv, nc);
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++)
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++)
            acc->v[v][c] = in_place(acc->v[v][c]); /* one place in all rounds */
}
#else
/* Lines i..i+n-1 of unsigned codes in 16 bits, scaled and added to acc, which they begin if
 * `first`. Eight sums of 16 bits leave no registers for those of 32. */
NK_INLINE void add_run(sums *acc, const nk_panel *w, const nk_columns *x, size_t i, const int n,
                       const void *scale, const bool first, const int nv, const int nc)
{
    NK_UNSET sums t;
#pragma GCC unroll 8
    for (int k = 0; k < n; k++) {
        NK_UNSET iv line[VECS];
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++)
            line[v] = iv_hold(iv_load(of_vec(w->q[i + (size_t)k], v)));
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            iv four = iv_four(x->q[i + (size_t)k][c]);
#pragma GCC unroll 4
            for (int v = 0; v < nv; v++) {
                iv p = iv_maddubs(line[v], four);
                t.v[v][c] = iv_hold(k ? iv_add16(t.v[v][c], p) : p);
            }
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++) {
        iv s = scale ? iv_load(of_vec(scale, v)) : iv_ones();
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            iv p = iv_madd(t.v[v][c], s);
            acc->v[v][c] = first ? p : iv_add(acc->v[v][c], p);
            if (scale)
                iv_put_away(&acc->v[v][c]);
        }
    }
}

/* Lines i..i+n-1 of signed codes. */
NK_INLINE void add_signed(sums *acc, const nk_panel *w, const nk_columns *x, size_t i, const int n,
                          const void *scale, const int nv, const int nc)
{
    for (size_t k = i; k < i + (size_t)n; k++) {
        NK_UNSET iv line[VECS], size[VECS];
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++) {
            line[v] = iv_hold(iv_load(of_vec(w->q[k], v)));
            size[v] = iv_hold(iv_abs(line[v]));
        }
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            iv four = iv_four(x->q[k][c]);
#pragma GCC unroll 4
            for (int v = 0; v < nv; v++) {
                iv s = scale ? iv_load(of_vec(scale, v)) : iv_ones();
                iv p = iv_madd(iv_maddubs(size[v], iv_sign(four, line[v])), s);
                acc->v[v][c] = iv_hold(iv_add(acc->v[v][c], p));
            }
        }
    }
}

/* n lines under one small scale. */
NK_INLINE void add_lines(const product_type t, sums *acc, const nk_panel *w, const nk_columns *x,
                         size_t i, const int n, const void *scale, const int nv, const int nc)
{
    if (t.run == 0) {
        add_signed(acc, w, x, i, n, scale, nv, nc);
        return;
    }
    for (int k = 0; k < n; k += t.run)
        add_run(acc, w, x, i + (size_t)k, t.run, scale, !scale && k == 0, nv, nc);
}

/* All lines of a super-block. */
NK_INLINE void add_codes_of(const product_type t, sums *acc, const nk_panel *w, const nk_columns *x,
                            const int nv, const int nc)
{
    for (size_t g = 0; g < NK_CHUNK / 4 / (size_t)t.group; g++)
        add_lines(t, acc, w, x, g * (size_t)t.group, t.group, w->scale[g], nv, nc);
}
#endif

/* Whether a super-block's mins are added up on their own. */
NK_INLINE bool has_mins(const product_type t)
{
#if defined(NK_LANES_VNNI)
    return !t.less8 && !t.less;
#else
    (void)t;
    return true;
#endif
}

/* Pairs of a panel's fields against pairs of the activations' sums. */
NK_INLINE void add_pairs(sums *acc, const int16_t (*pairs)[NK_PANEL_ROWS][2],
                         const int16_t (*sum)[NK_GROUP][2], const int n, const int nv, const int nc)
{
    for (int i = 0; i < n; i++)
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            iv pair = iv_four(sum[i][c]);
#pragma GCC unroll 4
            for (int v = 0; v < nv; v++)
                acc->v[v][c] =
                    in_place(iv_dpwssd(acc->v[v][c], iv_load(of_vec(pairs[i], v)), pair));
        }
}

NK_INLINE void super_step(const product_type t, const nk_product *p, const nk_panel *w, float *y,
                          const int nv, const int nc)
{
    const nk_columns *x = p->x;
    const begins from = begins_of(p, y);
    NK_UNSET sums acc, min;
    clear(&acc, nv, nc);
#if defined(NK_LANES_VNNI)
    if (t.centre)
        add_pairs(&acc, w->scale + NK_PAIRED, x->sum32, NK_CHUNK / 64, nv, nc);
#endif
    add_codes_of(t, &acc, w, x, nv, nc);
    clear(&min, nv, nc);
    if (has_mins(t))
        add_pairs(&min, w->min, t.min == NK_CHUNK / 32 ? x->sum16 : x->sum32, t.min, nv, nc);
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++) {
        fv d = fv_load(of_vec(w->d[0], v)), m = fv_load(of_vec(w->m[0], v));
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            float *at = y + (size_t)c * p->y_stride + v * FV_LEN;
            fv sum = fv_load(from.at + (size_t)c * from.stride + v * FV_LEN);
            fv dx = fv_set(x->d[0][c]);
            if (t.min && !t.offset) {
                fv part = fv_mul(fv_of(acc.v[v][c]), d);
                sum = fv_fma(fv_fnma(fv_of(min.v[v][c]), m, part), dx, sum);
            } else {
                iv whole = t.offset && has_mins(t) ? iv_sub(acc.v[v][c], min.v[v][c]) : acc.v[v][c];
                sum = fv_fma(fv_of(whole), fv_mul(d, dx), sum);
            }
            fv_store(at, sum);
        }
    }
}

#if defined(NK_LANES_VNNI)
/* The sums of one scale of a simple block. */
NK_INLINE void add_simple(const product_type t, sums *acc, const nk_panel *w, const nk_columns *x,
                          size_t b, size_t h, const int nv, const int nc)
{
    const int shift = t.run ? t.shift : 7;
    const size_t lines = NK_LEN / 4 / (t.halves ? 2 : 1);
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++) {
        int32_t half = -x->sum16[b][c][h];
        iv less = shift ? iv_shift(iv_four(t.halves ? &half : &x->less[b][c]), shift) : iv_zero();
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++)
            acc->v[v][c] = less;
    }
    add_products(t, acc, w, x, b * NK_LEN / 4 + h * lines, (int)lines, nv, nc);
}
#else
NK_INLINE void add_simple(const product_type t, sums *acc, const nk_panel *w, const nk_columns *x,
                          size_t b, size_t h, const int nv, const int nc)
{
    const size_t lines = NK_LEN / 4 / (t.halves ? 2 : 1);
    clear(acc, nv, nc);
    add_lines(t, acc, w, x, b * NK_LEN / 4 + h * lines, (int)lines, NULL, nv, nc);
    if (!t.shift)
        return;
#pragma GCC unroll 4
    for (int c = 0; c < nc; c++) {
        int32_t half = -x->sum16[b][c][h];
        iv less = iv_shift(iv_four(t.halves ? &half : &x->less[b][c]), t.shift);
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++)
            acc->v[v][c] = iv_add(acc->v[v][c], less);
    }
}
#endif

NK_INLINE void simple_step(const product_type t, const nk_product *p, const nk_panel *w, float *y,
                           const int nv, const int nc)
{
    const nk_columns *x = p->x;
    const begins from = begins_of(p, y);
    NK_UNSET fv sum[VECS][NK_GROUP];
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++)
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++)
            sum[v][c] = fv_load(from.at + (size_t)c * from.stride + v * FV_LEN);
    const size_t parts = t.halves ? 2 : 1;
    for (size_t b = 0; b < p->n / NK_LEN; b++)
#pragma GCC unroll 2
        for (size_t h = 0; h < parts; h++) {
            NK_UNSET sums acc;
            const float *d = h ? w->m[b] : w->d[b];
            add_simple(t, &acc, w, x, b, h, nv, nc);
#pragma GCC unroll 4
            for (int c = 0; c < nc; c++) {
                fv dx = fv_set(x->d[b][c]), sx = fv_set(x->s[b][c]);
#pragma GCC unroll 4
                for (int v = 0; v < nv; v++) {
                    fv scale = fv_mul(fv_load(of_vec(d, v)), dx);
                    sum[v][c] = fv_fma(fv_of(acc.v[v][c]), scale, sum[v][c]);
                    if (t.has_m)
                        sum[v][c] = fv_fma(fv_load(of_vec(w->m[b], v)), sx, sum[v][c]);
                    if (t.run < NK_LEN / 4) /* more than one run a block */
                        fv_put_away(&sum[v][c]);
                }
            }
        }
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++)
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++)
            fv_store(y + (size_t)c * p->y_stride + v * FV_LEN, sum[v][c]);
}

/* One function per type, its columns chosen once per call. Last panels may have none beside
 * them. */
#define NK_STEP(kind, type, nc)                                                                    \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i + kind##_panels <= p->panels; i += kind##_panels)                                 \
            kind##_step(type, p, p->w + i, p->y + i * NK_PANEL_ROWS, kind##_panels * PANEL_VECS,   \
                        nc);                                                                       \
        for (; i < p->panels; i++)                                                                 \
            kind##_step(type, p, p->w + i, p->y + i * NK_PANEL_ROWS, PANEL_VECS, nc);              \
    } while (0)
#define NK_PRODUCT(kind, type)                                                                     \
    static void gemm_##type(const nk_product *p)                                                   \
    {                                                                                              \
        if (p->nc == 4)                                                                            \
            NK_STEP(kind, type, 4);                                                                \
        else if (p->nc == 3)                                                                       \
            NK_STEP(kind, type, 3);                                                                \
        else if (p->nc == 2)                                                                       \
            NK_STEP(kind, type, 2);                                                                \
        else                                                                                       \
            NK_STEP(kind, type, 1);                                                                \
    }

#endif
#endif
