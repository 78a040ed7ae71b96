/* Products of the IQ types for levels with VNNI, on the vectors of gemm_lanes.h. Small values come
 * unsigned, 16 higher, as those of K types do. The others are signed: they are taken 128 higher,
 * and each small scale's sum begins at -128 times the sum of its activations instead of 0. The
 * integers are the same ones. */
#ifndef NIBBLE_X86_GEMM_SIGNED_H
#define NIBBLE_X86_GEMM_SIGNED_H

#if defined(NK_GEMM_LANES) && defined(NK_LANES_VNNI)

#include "kernels/ops.h"

/* `lines` lines under one small scale: 4 or 8, a constant. */
typedef int signed_type;
static const signed_type k_signed16 = 4, k_signed32 = 8;

/* -128 times the activations' sum of group g. */
NK_INLINE iv begin_at(const nk_columns *x, const signed_type lines, size_t g, int c)
{
    return lines == 4 ? iv_four(&x->less16[g][c])
                      : iv_add(iv_four(&x->less16[2 * g][c]), iv_four(&x->less16[2 * g + 1][c]));
}

static const product_type signed_lines = {.run = 0, .flip = true};

NK_INLINE void signed_step(const signed_type lines, const nk_product *p, const nk_panel *w,
                           float *y, const int nv, const int nc)
{
    const nk_columns *x = p->x;
    const begins from = begins_of(p, y);
    sums acc;
    clear(&acc, nv, nc);
    for (size_t g = 0; g < NK_CHUNK / 4 / (size_t)lines; g++) {
        sums part;
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            iv begin = begin_at(x, lines, g, c);
#pragma GCC unroll 4
            for (int v = 0; v < nv; v++)
                part.v[v][c] = begin;
        }
        add_products(signed_lines, &part, w, x, g * (size_t)lines, lines, nv, nc);
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++) {
            iv s = iv_upper(iv_load(of_vec(w->scale[g], v)));
#pragma GCC unroll 4
            for (int c = 0; c < nc; c++)
                acc.v[v][c] = iv_add(acc.v[v][c], iv_mul(part.v[v][c], s));
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++) {
        fv d = fv_load(of_vec(w->d[0], v));
#pragma GCC unroll 4
        for (int c = 0; c < nc; c++) {
            float *at = y + (size_t)c * p->y_stride + v * FV_LEN;
            fv sum = fv_load(from.at + (size_t)c * from.stride + v * FV_LEN);
            fv_store(at, fv_fma(fv_of(acc.v[v][c]), fv_mul(d, fv_set(x->d[0][c])), sum));
        }
    }
}

NK_PRODUCT(signed, k_signed16)
NK_PRODUCT(signed, k_signed32)

static const product_type k_less16 = {.group = 4,
                                      .min = NK_CHUNK / 32,
                                      .offset = true,
                                      .run = 4,
                                      .part = 4,
                                      .less = 4,
                                      .twice = true};
NK_PRODUCT(super, k_less16)

/* X(enum suffix, product): the types whose panels dot_lattice_avx2.c makes */
#define SIGNED_PANELS(X)                                                                           \
    X(IQ4_XS, k_signed32)                                                                          \
    X(IQ1_S, k_less16)                                                                             \
    X(IQ1_M, k_less16)                                                                             \
    X(IQ2_XXS, k_signed32)                                                                         \
    X(IQ2_XS, k_signed16)                                                                          \
    X(IQ2_S, k_signed16)                                                                           \
    X(IQ3_XXS, k_signed32)                                                                         \
    X(IQ3_S, k_less16)                                                                             \
    X(Q1_0, upto15_less8)                                                                          \
    X(FLAT_IQ1, k_less16)                                                                          \
    X(FLAT_IQ2, k_signed16)                                                                        \
    X(FLAT_IQ3_XXS, k_signed32)                                                                    \
    X(FLAT_IQ3_S, k_less16)

#define SET_SIMPLE(ID, sym, product, less) ops->gemm[NK_##ID].run = gemm_##product;
#define SET_SUPER(ID, sym, product)        ops->gemm[NK_##ID].run = gemm_##product;
#define SET_SIGNED(ID, product)            ops->gemm[NK_##ID].run = gemm_##product;

NK_INLINE void set_products(nk_ops *ops)
{
    SIMPLE_PANELS(SET_SIMPLE)
    HALVED_PANELS(SET_SIMPLE)
    SUPER_PANELS(SET_SUPER)
    SIGNED_PANELS(SET_SIGNED)
}

#endif
#endif
