#include "kernels/x86/lattice_avx2.h"
#include "kernels/x86/gemm_avx2.h"
#include "kernels/x86/x86.h"

/* Panels of IQ types on grids, their flat blocks, iq4_xs and q1_0. Values are signed and never
 * -128: products take |value| * (x with the sign of value), pair sums within 2 * 127 * 127 < 2^15.
 */

/* Values up to +-15 (iq1, iq3_s) are taken unsigned, 16 higher, and the mins take that off again:
 * nearly twice as fast. To +-62 and 127 it would not be. */
static const product_type upto15_less8 = {.run = 8, .shift = 3};
static const product_type k_signed16 = {.run = 0, .group = 4}, k_signed32 = {.run = 0, .group = 8};
static const product_type k_less16 = {.run = 4, .group = 4, .min = NK_CHUNK / 32, .offset = true};
NK_PRODUCT(simple, upto15_less8)
NK_PRODUCT(super, k_signed16)
NK_PRODUCT(super, k_signed32)
NK_PRODUCT(super, k_less16)

enum {
    less16_iq2_xxs = 0,
    less16_iq2_xs = 0,
    less16_iq2_s = 0,
    less16_iq3_xxs = 0,
    less16_iq3_s = 1,
    less16_iq1_s = 1,
    less16_iq1_m = 1,
    less16_flat_iq1 = 1,
    less16_flat_iq2 = 0,
    less16_flat_iq3_xxs = 0,
    less16_flat_iq3_s = 1,
    /* scales of signed values are of 32 */
    by32_iq2_xxs = 1,
    by32_iq2_xs = 0,
    by32_iq2_s = 0,
    by32_iq3_xxs = 1,
    by32_iq3_s = 0,
    by32_iq1_s = 0,
    by32_iq1_m = 0,
    by32_flat_iq1 = 0,
    by32_flat_iq2 = 0,
    by32_flat_iq3_xxs = 1,
    by32_flat_iq3_s = 0,
};

NK_INLINE void unpack_lattice(const lattice_type t, const bool less16, const bool by32,
                              const void *const row[NK_PANEL_ROWS], nk_panel *p)
{
    const __m256i less = _mm256_set1_epi8(less16 ? 16 : 0);
    const uint64_t *grid = grid_of(t.grid);
    for (int half = 0; half < 2; half++) {
        const void *const *w = row + 8 * half;
        NK_UNSET __m256i scale[8], min[8];
        for (int r = 0; r < 8; r++) {
            NK_UNSET uint8_t sc[16];
            t.scales(w[r], sc);
            scale[r] = _mm256_cvtepu8_epi16(load16(sc));
            min[r] = _mm256_slli_epi16(scale[r], 4);
            p->d[0][8 * half + r] = t.d(w[r]);
        }
        scales_to_lanes(p, half, by32, scale);
        if (less16)
            mins_to_lanes(p, half, false, min);
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++) {
            NK_UNSET __m256i q[8];
            for (int r = 0; r < 8; r++)
                q[r] = _mm256_add_epi8(t.values(w[r], grid, g), less);
            to_lanes(p, (size_t)g * NK_LEN / 4, half, q);
        }
    }
}

static void unpack_iq4_xs(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    (void)n;
    for (int half = 0; half < 2; half++) {
        const nk_block_iq4_xs *const *w = (const nk_block_iq4_xs *const *)row + 8 * half;
        NK_UNSET __m256i scale[8];
        for (int r = 0; r < 8; r++) {
            NK_UNSET int16_t sc[8];
            scales_iq4_xs(w[r], sc);
            __m128i v = load16(sc);
            scale[r] = _mm256_setr_m128i(_mm_unpacklo_epi16(v, v), _mm_unpackhi_epi16(v, v));
            p->d[0][8 * half + r] = f16_one(w[r]->d);
        }
        scales_to_lanes(p, half, true, scale);
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++) {
            NK_UNSET __m256i q[8];
            for (int r = 0; r < 8; r++)
                q[r] = codes_iq4_xs(w[r], g);
            to_lanes(p, (size_t)g * NK_LEN / 4, half, q);
        }
    }
}

static void unpack_q1_0(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)
{
    for (size_t i = 0; i < n / NK_LEN; i++) {
        const size_t block = i * NK_LEN / NK_Q1_0_LEN * sizeof(nk_block_q1_0);
        for (int half = 0; half < 2; half++) {
            NK_UNSET __m256i q[8];
            for (int r = 0; r < 8; r++) {
                const nk_block_q1_0 *b = (const void *)((const char *)row[8 * half + r] + block);
                q[r] = _mm256_add_epi8(values_q1_0(b, (int)(i % (NK_Q1_0_LEN / NK_LEN))),
                                       _mm256_set1_epi8(8));
                p->d[i][8 * half + r] = f16_one(b->d);
            }
            to_lanes(p, i * NK_LEN / 4, half, q);
        }
    }
}

NK_LATTICE_TYPES(NK_LATTICE_TYPE)
NK_FLAT_TYPES(NK_LATTICE_TYPE)

#define LATTICE_UNPACK(ID, sym, d_of, grid_of)                                                     \
    static void unpack_##sym(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p)          \
    {                                                                                              \
        (void)n;                                                                                   \
        unpack_lattice(lattice_##sym, less16_##sym, by32_##sym, row, p);                           \
    }
NK_LATTICE_TYPES(LATTICE_UNPACK)
NK_FLAT_TYPES(LATTICE_UNPACK)

#define SET(ID, sym, product, slow)                                                                \
    ops->gemm[NK_##ID] = (nk_gemm){unpack_##sym, gemm_##product, slow};
#define LATTICE_PRODUCT(sym)                                                                       \
    (less16_##sym ? gemm_k_less16 : by32_##sym ? gemm_k_signed32 : gemm_k_signed16)
#define LATTICE_SET(ID, sym, d_of, grid_of)                                                        \
    ops->gemm[NK_##ID] = (nk_gemm){unpack_##sym, LATTICE_PRODUCT(sym), true};
#define FLAT_SET(ID, sym, d_of, grid_of)                                                           \
    ops->gemm[NK_##ID] = (nk_gemm){unpack_##sym, LATTICE_PRODUCT(sym), false};

void nk_x86_dot_lattice_avx2(nk_ops *ops)
{
    NK_LATTICE_TYPES(LATTICE_SET)
    NK_FLAT_TYPES(FLAT_SET)
    SET(IQ4_XS, iq4_xs, k_signed32, true)
    SET(Q1_0, q1_0, upto15_less8, false)
}
