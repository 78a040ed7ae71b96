/* iq2_xxs, iq2_xs, iq2_s: eight weights are a point of three levels from a grid of 256, 512 or
 * 1024, with signs. 2.0625, 2.3125 and 2.5625 bits per weight. */
#include "kernels/fp.h"
#include "kernels/quant/lattice_fit.h"

#include <string.h>

enum {
    POINTS = NK_SUPER_LEN / 8, /* of a block */
    END = 43,                  /* levels 8, 25, 43 */
    STEP = 18,
};
#define FACTOR 0.125f /* of d: scales are (s + 1/2) / 4 */

static void put_point(nk_lattice_block *a, int k, uint64_t point, uint8_t signs)
{
    for (int i = 0; i < 8; i++) {
        int v = (int)(point >> 8 * i & 255);
        a->value[8 * k + i] = (int8_t)(signs >> i & 1 ? -v : v);
    }
}

/* Two nibbles a byte -> 2s + 1 */
static void unpack_scales(const uint8_t nibbles[8], uint8_t sc[16])
{
    for (int g = 0; g < 16; g++)
        sc[g] = (uint8_t)((nibbles[g / 2] >> g % 2 * 4 & 15) * 2 + 1);
}

static void pack_scales(uint8_t nibbles[8], const uint8_t s[16])
{
    for (int g = 0; g < 16; g += 2)
        nibbles[g / 2] = (uint8_t)(s[g] | s[g + 1] << 4);
}

/* 1/4 of the mean square in place of the importance, as IQ2_S of ggml has it. */
static void plain_weights(const float *x, float sigma2, float *w, int n)
{
    for (int i = 0; i < n; i++)
        w[i] = 0.25f * sigma2 + x[i] * x[i];
}

/* --- iq2_xxs ---------------------------------------------------------------------------------- */

static void unpack_xxs(const void *block, nk_lattice_block *a)
{
    const nk_block_iq2_xxs *b = block;
    const uint64_t *grid = nk_grid_values(NK_GRID_IQ2_XXS);
    a->d = nk_f16_to_f32(b->d) * FACTOR;
    for (int g = 0; g < 8; g++) {
        uint32_t bits;
        memcpy(&bits, b->qs + 8 * g + 4, sizeof bits);
        a->sc[g] = (uint8_t)((bits >> 28) * 2 + 1);
        for (int k = 0; k < 4; k++)
            put_point(a, 4 * g + k, grid[b->qs[8 * g + k]], nk_even_signs(bits >> 7 * k));
    }
}

static void pack_xxs(const nk_lattice_group *g, const uint8_t *s, nk_f16 d, void *block)
{
    nk_block_iq2_xxs *b = block;
    b->d = d;
    for (int j = 0; j < 8; j++) {
        uint32_t bits = (uint32_t)s[j] << 28;
        for (int k = 0; k < 4; k++) {
            b->qs[8 * j + k] = (uint8_t)g[j].index[k];
            bits |= (g[j].sign[k] & 127u) << 7 * k;
        }
        memcpy(b->qs + 8 * j + 4, &bits, sizeof bits);
    }
}

const nk_lattice nk_lattice_iq2_xxs = {
    .grid = NK_GRID_IQ2_XXS,
    .group = 32,
    .block_size = sizeof(nk_block_iq2_xxs),
    .fit = nk_lattice_fit,
    .pack = pack_xxs,
    .sigma = 1,
    .eps = 1e-15f,
    .scale_max = 15,
    .fudge = 1,
    .zero_wipes = true,
    .plain_weights = plain_weights,
    .tries = 6,
    .step = 0.1f,
    .even_signs = true,
    .positive_first = true,
    .refine = NK_REFINE_ALL,
};

static void decode_xxs(const void *src, float *dst, size_t n)
{
    nk_lattice_decode(unpack_xxs, sizeof(nk_block_iq2_xxs), 32, src, dst, n);
}

static void encode_xxs(const float *src, void *dst, size_t nrows, size_t ncols,
                       const float *importance)
{
    nk_lattice_encode(&nk_lattice_iq2_xxs, nk_lattice_fit, src, dst, nrows, ncols, importance);
}

static float dot_xxs(size_t n, const void *w, const void *x)
{
    return nk_lattice_dot(unpack_xxs, sizeof(nk_block_iq2_xxs), 32, n, w, x);
}

static void explain_xxs(const void *block, nk_block_view *v)
{
    nk_lattice_view(unpack_xxs, 32, END, STEP, block, v);
}

const nk_type nk_type_iq2_xxs = {
    .name = "iq2_xxs",
    .id = NK_IQ2_XXS,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_iq2_xxs),
    .decode = decode_xxs,
    .encode = encode_xxs,
    .dot = dot_xxs,
    .explain = explain_xxs,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.464f,
    .max_dot_err = 0.102f,
    .wants_imatrix = true,
};

/* --- iq2_xs ----------------------------------------------------------------------------------- */

static void unpack_xs(const void *block, nk_lattice_block *a)
{
    const nk_block_iq2_xs *b = block;
    const uint64_t *grid = nk_grid_values(NK_GRID_IQ2_XS);
    a->d = nk_f16_to_f32(b->d) * FACTOR;
    unpack_scales(b->scales, a->sc);
    for (int k = 0; k < POINTS; k++) {
        unsigned q = (unsigned)b->qs[2 * k] | (unsigned)b->qs[2 * k + 1] << 8;
        put_point(a, k, grid[q & 511], nk_even_signs(q >> 9));
    }
}

static void pack_xs(const nk_lattice_group *g, const uint8_t *s, nk_f16 d, void *block)
{
    nk_block_iq2_xs *b = block;
    b->d = d;
    pack_scales(b->scales, s);
    for (int k = 0; k < POINTS; k++) {
        unsigned q = g[k / 2].index[k % 2] | (g[k / 2].sign[k % 2] & 127u) << 9;
        b->qs[2 * k] = (uint8_t)q;
        b->qs[2 * k + 1] = (uint8_t)(q >> 8);
    }
}

const nk_lattice nk_lattice_iq2_xs = {
    .grid = NK_GRID_IQ2_XS,
    .group = 16,
    .block_size = sizeof(nk_block_iq2_xs),
    .fit = nk_lattice_fit,
    .pack = pack_xs,
    .sigma = 1,
    .eps = 1e-15f,
    .scale_max = 15,
    .fudge = 1,
    .zero_wipes = true,
    .plain_weights = plain_weights,
    .tries = 9,
    .step = 0.1f,
    .even_signs = true,
    .refine = NK_REFINE_OFF_GRID,
};

static void decode_xs(const void *src, float *dst, size_t n)
{
    nk_lattice_decode(unpack_xs, sizeof(nk_block_iq2_xs), 16, src, dst, n);
}

static void encode_xs(const float *src, void *dst, size_t nrows, size_t ncols,
                      const float *importance)
{
    nk_lattice_encode(&nk_lattice_iq2_xs, nk_lattice_fit, src, dst, nrows, ncols, importance);
}

static float dot_xs(size_t n, const void *w, const void *x)
{
    return nk_lattice_dot(unpack_xs, sizeof(nk_block_iq2_xs), 16, n, w, x);
}

static void explain_xs(const void *block, nk_block_view *v)
{
    nk_lattice_view(unpack_xs, 16, END, STEP, block, v);
}

const nk_type nk_type_iq2_xs = {
    .name = "iq2_xs",
    .id = NK_IQ2_XS,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_iq2_xs),
    .decode = decode_xs,
    .encode = encode_xs,
    .dot = dot_xs,
    .explain = explain_xs,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.397f,
    .max_dot_err = 0.094f,
    .wants_imatrix = true,
};

/* --- iq2_s ------------------------------------------------------------------------------------ */

static void unpack_s(const void *block, nk_lattice_block *a)
{
    const nk_block_iq2_s *b = block;
    const uint64_t *grid = nk_grid_values(NK_GRID_IQ2_S);
    a->d = nk_f16_to_f32(b->d) * FACTOR;
    unpack_scales(b->scales, a->sc);
    for (int k = 0; k < POINTS; k++) {
        unsigned index = b->qs[k] | (b->qh[k / 4] >> k % 4 * 2 & 3u) << 8;
        put_point(a, k, grid[index], b->signs[k]);
    }
}

static void pack_s(const nk_lattice_group *g, const uint8_t *s, nk_f16 d, void *block)
{
    nk_block_iq2_s *b = block;
    memset(b->qh, 0, sizeof b->qh);
    b->d = d;
    pack_scales(b->scales, s);
    for (int k = 0; k < POINTS; k++) {
        unsigned index = g[k / 2].index[k % 2];
        b->qs[k] = (uint8_t)index;
        b->qh[k / 4] = (uint8_t)(b->qh[k / 4] | index >> 8 << k % 4 * 2);
        b->signs[k] = g[k / 2].sign[k % 2];
    }
}

const nk_lattice nk_lattice_iq2_s = {
    .grid = NK_GRID_IQ2_S,
    .group = 16,
    .block_size = sizeof(nk_block_iq2_s),
    .fit = nk_lattice_fit,
    .pack = pack_s,
    .sigma = 2,
    .eps = 1e-8f,
    .scale_max = 15,
    .fudge = 0.9875f,
    .plain_weights = plain_weights,
    .tries = 9,
    .step = 0.1f,
    .refine = NK_REFINE_OFF_GRID,
};

static void decode_s(const void *src, float *dst, size_t n)
{
    nk_lattice_decode(unpack_s, sizeof(nk_block_iq2_s), 16, src, dst, n);
}

static void encode_s(const float *src, void *dst, size_t nrows, size_t ncols,
                     const float *importance)
{
    nk_lattice_encode(&nk_lattice_iq2_s, nk_lattice_fit, src, dst, nrows, ncols, importance);
}

static float dot_s(size_t n, const void *w, const void *x)
{
    return nk_lattice_dot(unpack_s, sizeof(nk_block_iq2_s), 16, n, w, x);
}

static void explain_s(const void *block, nk_block_view *v)
{
    nk_lattice_view(unpack_s, 16, END, STEP, block, v);
}

const nk_type nk_type_iq2_s = {
    .name = "iq2_s",
    .id = NK_IQ2_S,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_iq2_s),
    .decode = decode_s,
    .encode = encode_s,
    .dot = dot_s,
    .explain = explain_s,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.329f,
    .max_dot_err = 0.0654f,
    .wants_imatrix = true,
};
