/* The products of simple blocks, K types and trits, and which type takes which. Included after the
 * vectors of gemm_lanes.h by one file of each level that has them. */
#ifndef NIBBLE_X86_GEMM_PRODUCTS_H
#define NIBBLE_X86_GEMM_PRODUCTS_H

#if defined(NK_GEMM_LANES)

static const product_type upto15_less8 = {.run = 8, .shift = 3},
                          upto15_min = {.run = 8, .has_m = 1};
static const product_type upto31_less16 = {.run = 4, .shift = 4},
                          upto31_min = {.run = 4, .has_m = 1};
static const product_type upto31_halves = {.run = 4, .shift = 4, .halves = true};
static const product_type signed_bytes = {.run = 0};
static const product_type k_upto3 = {.run = 4, .group = 4, .min = NK_CHUNK / 32, .part = 4};
static const product_type k_upto7 = {
    .run = 4, .group = 4, .min = NK_CHUNK / 32, .offset = true, .part = 4, .less = 2};
#if defined(NK_FOUR_PORTS)
static const product_type k_upto15 = {.run = 8, .group = 8, .min = NK_CHUNK / 64, .part = 4};
#else
static const product_type k_upto15 = {
    .run = 8, .group = 8, .min = NK_CHUNK / 64, .part = 8, .centre = 3};
#endif
static const product_type k_upto31 = {
    .run = 4, .group = 8, .min = NK_CHUNK / 64, .part = 4, .centre = 4};
static const product_type k_upto63 = {
    .run = 2, .group = 4, .min = NK_CHUNK / 32, .offset = true, .part = 2, .less8 = true};
static const product_type trits = {
    .run = 8, .group = 8, .min = NK_CHUNK / 64, .offset = true, .part = 8, .twice = true};

NK_PRODUCT(simple, upto15_less8)
NK_PRODUCT(simple, upto15_min)
NK_PRODUCT(simple, upto31_less16)
NK_PRODUCT(simple, upto31_min)
NK_PRODUCT(simple, upto31_halves)
NK_PRODUCT(simple, signed_bytes)
NK_PRODUCT(super, k_upto3)
NK_PRODUCT(super, trits)
NK_PRODUCT(super, k_upto7)
NK_PRODUCT(super, k_upto15)
NK_PRODUCT(super, k_upto31)
NK_PRODUCT(super, k_upto63)

/* X(enum suffix, symbol, product, offset of unsigned codes) */
#define SIMPLE_PANELS(X)                                                                           \
    X(Q4_0, q4_0, upto15_less8, 8)                                                                 \
    X(Q4_1, q4_1, upto15_min, 0)                                                                   \
    X(Q5_0, q5_0, upto31_less16, 16)                                                               \
    X(Q5_1, q5_1, upto31_min, 0)                                                                   \
    X(Q8_0, q8_0, signed_bytes, 0)                                                                 \
    X(IQ4_NL, iq4_nl, signed_bytes, 0)                                                             \
    X(MXFP4, mxfp4, upto31_less16, 16) /* levels to +-12 */
#define HALVED_PANELS(X) X(NVFP4, nvfp4, upto31_halves, 16)
/* X(enum suffix, symbol, product) */
#define SUPER_PANELS(X)                                                                            \
    X(Q2_K, q2_k, k_upto3)                                                                         \
    X(Q3_K, q3_k, k_upto7)                                                                         \
    X(Q4_K, q4_k, k_upto15)                                                                        \
    X(Q5_K, q5_k, k_upto31)                                                                        \
    X(Q6_K, q6_k, k_upto63)                                                                        \
    X(TQ1_0, tq1_0, trits)                                                                         \
    X(TQ2_0, tq2_0, trits)

#endif
#endif
