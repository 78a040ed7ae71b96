/* iq3_xxs, iq3_s: four weights are a point of eight levels from a grid of 256 or 512, with signs.
 * 3.0625 and 3.4375 bits per weight. */
#include "kernels/fp.h"
#include "kernels/quant/lattice_fit.h"

#include <string.h>

enum {
    POINTS = NK_SUPER_LEN / 4, /* of a block */
    GROUP = 32,
    GROUPS = NK_SUPER_LEN / GROUP,
    END_XXS = 62, /* levels 4, 12, 20, 28, 36, 44, 52, 62 */
    STEP_XXS = 10,
    END_S = 15, /* levels 1, 3, .. 15 */
    STEP_S = 2,
};
#define FACTOR_XXS 0.25f /* of d: scales are (s + 1/2) / 2 */

/* Signs of point k are one half of the byte that two points share. */
static void put_point(nk_lattice_block *a, int k, uint64_t point, uint8_t signs)
{
    for (int i = 0; i < 4; i++) {
        int v = (int)(point >> 8 * i & 255);
        a->value[4 * k + i] = (int8_t)(signs >> (k % 2 * 4 + i) & 1 ? -v : v);
    }
}

static void plain_weights(const float *x, float sigma2, float *w, int n)
{
    (void)sigma2;
    for (int i = 0; i < n; i++)
        w[i] = x[i] * x[i];
}

/* --- iq3_xxs ---------------------------------------------------------------------------------- */

static void unpack_xxs(const void *block, nk_lattice_block *a)
{
    const nk_block_iq3_xxs *b = block;
    const uint64_t *grid = nk_grid_values(NK_GRID_IQ3_XXS);
    a->d = nk_f16_to_f32(b->d) * FACTOR_XXS;
    for (int g = 0; g < GROUPS; g++) {
        uint32_t bits;
        memcpy(&bits, b->signs + 4 * g, sizeof bits);
        a->sc[g] = (uint8_t)((bits >> 28) * 2 + 1);
        for (int k = 0; k < 8; k++)
            put_point(a, 8 * g + k, grid[b->qs[8 * g + k]], nk_even_signs(bits >> k / 2 * 7));
    }
}

static void pack_xxs(const nk_lattice_group *g, const uint8_t *s, nk_f16 d, void *block)
{
    nk_block_iq3_xxs *b = block;
    b->d = d;
    for (int j = 0; j < GROUPS; j++) {
        uint32_t bits = (uint32_t)s[j] << 28;
        for (int k = 0; k < 8; k++)
            b->qs[8 * j + k] = (uint8_t)g[j].index[k];
        for (int k = 0; k < 4; k++)
            bits |= (g[j].sign[k] & 127u) << 7 * k;
        memcpy(b->signs + 4 * j, &bits, sizeof bits);
    }
}

const nk_lattice nk_lattice_iq3_xxs = {
    .grid = NK_GRID_IQ3_XXS,
    .group = GROUP,
    .block_size = sizeof(nk_block_iq3_xxs),
    .fit = nk_lattice_fit,
    .pack = pack_xxs,
    .sigma = 2,
    .eps = 1e-8f,
    .scale_max = 15,
    .fudge = 1.0125f,
    .zero_wipes = true,
    .plain_weights = plain_weights,
    .tries = 15,
    .step = 0.2f,
    .even_signs = true,
    .refine = NK_REFINE_OFF_GRID,
};

static void decode_xxs(const void *src, float *dst, size_t n)
{
    nk_lattice_decode(unpack_xxs, sizeof(nk_block_iq3_xxs), GROUP, src, dst, n);
}

static void encode_xxs(const float *src, void *dst, size_t nrows, size_t ncols,
                       const float *importance)
{
    nk_lattice_encode(&nk_lattice_iq3_xxs, nk_lattice_fit, src, dst, nrows, ncols, importance);
}

static float dot_xxs(size_t n, const void *w, const void *x)
{
    return nk_lattice_dot(unpack_xxs, sizeof(nk_block_iq3_xxs), GROUP, n, w, x);
}

static void explain_xxs(const void *block, nk_block_view *v)
{
    nk_lattice_view(unpack_xxs, GROUP, END_XXS, STEP_XXS, block, v);
}

const nk_type nk_type_iq3_xxs = {
    .name = "iq3_xxs",
    .id = NK_IQ3_XXS,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_iq3_xxs),
    .decode = decode_xxs,
    .encode = encode_xxs,
    .dot = dot_xxs,
    .explain = explain_xxs,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.265f,
    .max_dot_err = 0.0595f,
    .wants_imatrix = true,
};

/* --- iq3_s ------------------------------------------------------------------------------------ */

static void unpack_s(const void *block, nk_lattice_block *a)
{
    const nk_block_iq3_s *b = block;
    const uint64_t *grid = nk_grid_values(NK_GRID_IQ3_S);
    a->d = nk_f16_to_f32(b->d);
    for (int g = 0; g < GROUPS; g++)
        a->sc[g] = (uint8_t)((b->scales[g / 2] >> g % 2 * 4 & 15) * 2 + 1);
    for (int k = 0; k < POINTS; k++) {
        unsigned index = b->qs[k] | (b->qh[k / 8] >> k % 8 & 1u) << 8;
        put_point(a, k, grid[index], b->signs[k / 2]);
    }
}

/* ggml steps to the next group's bytes only behind a group it looked at: of blocks with groups of
 * zeros the later groups' index bytes and signs lie one group too early for each, their ninth bits
 * and scales where they belong (quantize_row_iq3_s_impl). Kept: bytes are to be equal. */
static void pack_s(const nk_lattice_group *g, const uint8_t *s, nk_f16 d, void *block)
{
    nk_block_iq3_s *b = block;
    memset(b, 0, sizeof *b);
    b->d = d;
    for (int j = 0, at = 0; j < GROUPS; j++) {
        unsigned high = 0;
        b->scales[j / 2] = (uint8_t)(b->scales[j / 2] | s[j] << j % 2 * 4);
        if (g[j].empty)
            continue;
        for (int k = 0; k < 8; k++) {
            b->qs[8 * at + k] = (uint8_t)g[j].index[k];
            high |= (unsigned)g[j].index[k] >> 8 << k;
        }
        b->qh[j] = (uint8_t)high;
        memcpy(b->signs + 4 * at++, g[j].sign, 4);
    }
}

const nk_lattice nk_lattice_iq3_s = {
    .grid = NK_GRID_IQ3_S,
    .group = GROUP,
    .block_size = sizeof(nk_block_iq3_s),
    .fit = nk_lattice_fit,
    .pack = pack_s,
    .sigma = 2,
    .eps = 0x1p-149f, /* only zeros are below */
    .scale_max = 15,
    .fudge = 1.033f,
    .plain_weights = plain_weights,
    .tries = 9,
    .step = 0.2f,
    .refine = NK_REFINE_IF_ANY,
};

static void decode_s(const void *src, float *dst, size_t n)
{
    nk_lattice_decode(unpack_s, sizeof(nk_block_iq3_s), GROUP, src, dst, n);
}

static void encode_s(const float *src, void *dst, size_t nrows, size_t ncols,
                     const float *importance)
{
    nk_lattice_encode(&nk_lattice_iq3_s, nk_lattice_fit, src, dst, nrows, ncols, importance);
}

static float dot_s(size_t n, const void *w, const void *x)
{
    return nk_lattice_dot(unpack_s, sizeof(nk_block_iq3_s), GROUP, n, w, x);
}

static void explain_s(const void *block, nk_block_view *v)
{
    nk_lattice_view(unpack_s, GROUP, END_S, STEP_S, block, v);
}

const nk_type nk_type_iq3_s = {
    .name = "iq3_s",
    .id = NK_IQ3_S,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_iq3_s),
    .decode = decode_s,
    .encode = encode_s,
    .dot = dot_s,
    .explain = explain_s,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.206f,
    .max_dot_err = 0.0479f,
};
