/* iq1_s, iq1_m: eight weights are a point of three levels from a grid of 2048, all shifted by plus
 * or minus 1/8. 1.5625 and 1.75 bits per weight. */
#include "kernels/fp.h"
#include "kernels/quant/iq1_fit.h"

#include <string.h>

enum {
    POINTS = NK_SUPER_LEN / 8, /* of a block */
    END = 9,                   /* eighths: -9, -7, -1, 1, 7, 9 */
    STEP = 6,
};
#define FACTOR 0.125f /* of d: values are eighths */

static void put_point(nk_lattice_block *a, int k, uint64_t point, bool minus)
{
    for (int i = 0; i < 8; i++) {
        unsigned level = point >> 8 * i & 255;
        int eighths = level == 255 ? -8 : (int)level * 8;
        a->value[8 * k + i] = (int8_t)(eighths + (minus ? -1 : 1));
    }
}

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void plain_weights(const float *x, float sigma2, float *w, int n)
{
    (void)sigma2;
    for (int i = 0; i < n; i++)
        w[i] = x[i] * x[i];
}

/* --- iq1_s ------------------------------------------------------------------------------------ */

static void unpack_s(const void *block, nk_lattice_block *a)
{
    const nk_block_iq1_s *b = block;
    const uint64_t *grid = nk_grid_values(NK_GRID_IQ1);
    a->d = nk_f16_to_f32(b->d) * FACTOR;
    for (int g = 0; g < 8; g++) {
        unsigned h = get16(b->qh + 2 * g);
        a->sc[g] = (uint8_t)((h >> 12 & 7) * 2 + 1);
        for (int k = 0; k < 4; k++)
            put_point(a, 4 * g + k, grid[b->qs[4 * g + k] | (h >> 3 * k & 7) << 8], h >> 15);
    }
}

static void pack_s(const nk_lattice_group *g, const uint8_t *s, nk_f16 d, void *block)
{
    nk_block_iq1_s *b = block;
    b->d = d;
    for (int j = 0; j < 8; j++) {
        unsigned h = (unsigned)s[j] << 12 | (unsigned)g[j].minus << 15;
        for (int k = 0; k < 4; k++) {
            b->qs[4 * j + k] = (uint8_t)g[j].index[k];
            h |= (unsigned)g[j].index[k] >> 8 << 3 * k;
        }
        put16(b->qh + 2 * j, h);
    }
}

static void fit_s(const nk_lattice *l, const float *x, const float *importance, float sigma2,
                  nk_lattice_group *out)
{
    float w[32];
    nk_lattice_weights(l, x, importance, sigma2, w);
    nk_iq1_fit(l, 1, nk_iq1_split_s, nk_grid_nearest, x, w, out);
}

const nk_lattice nk_lattice_iq1_s = {
    .grid = NK_GRID_IQ1,
    .group = 32,
    .block_size = sizeof(nk_block_iq1_s),
    .fit = fit_s,
    .pack = pack_s,
    .sigma = 2,
    .eps = 1e-12f,
    .scale_max = 7,
    .fudge = 1.125f,
    .plain_weights = plain_weights,
};

static void decode_s(const void *src, float *dst, size_t n)
{
    nk_lattice_decode(unpack_s, sizeof(nk_block_iq1_s), 32, src, dst, n);
}

static void encode_s(const float *src, void *dst, size_t nrows, size_t ncols,
                     const float *importance)
{
    nk_lattice_encode(&nk_lattice_iq1_s, fit_s, src, dst, nrows, ncols, importance);
}

static float dot_s(size_t n, const void *w, const void *x)
{
    return nk_lattice_dot(unpack_s, sizeof(nk_block_iq1_s), 32, n, w, x);
}

static void explain_s(const void *block, nk_block_view *v)
{
    nk_lattice_view(unpack_s, 32, END, STEP, block, v);
}

const nk_type nk_type_iq1_s = {
    .name = "iq1_s",
    .id = NK_IQ1_S,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_iq1_s),
    .decode = decode_s,
    .encode = encode_s,
    .dot = dot_s,
    .explain = explain_s,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.791f,
    .max_dot_err = 0.16f,
    .wants_imatrix = true,
};

/* --- iq1_m ------------------------------------------------------------------------------------ */

static void unpack_m(const void *block, nk_lattice_block *a)
{
    const nk_block_iq1_m *b = block;
    const uint64_t *grid = nk_grid_values(NK_GRID_IQ1);
    unsigned d = 0;
    for (int j = 0; j < 4; j++) {
        unsigned s = get16(b->scales + 2 * j);
        d |= s >> 12 << 4 * j;
        for (int k = 0; k < 4; k++)
            a->sc[4 * j + k] = (uint8_t)((s >> 3 * k & 7) * 2 + 1);
    }
    a->d = nk_f16_to_f32((nk_f16)d) * FACTOR;
    for (int k = 0; k < POINTS; k++) {
        unsigned h = b->qh[k / 2] >> k % 2 * 4 & 15u;
        put_point(a, k, grid[b->qs[k] | (h & 7) << 8], h >> 3);
    }
}

static void pack_m(const nk_lattice_group *g, const uint8_t *s, nk_f16 d, void *block)
{
    nk_block_iq1_m *b = block;
    for (int j = 0; j < 4; j++) {
        unsigned bits = (d >> 4 * j & 15u) << 12;
        for (int k = 0; k < 4; k++)
            bits |= (unsigned)s[4 * j + k] << 3 * k;
        put16(b->scales + 2 * j, bits);
    }
    for (int j = 0; j < NK_SUPER_LEN / 16; j++) {
        unsigned h = (g[j].minus & 1u) << 3 | (g[j].minus >> 1 & 1u) << 7;
        for (int k = 0; k < 2; k++) {
            b->qs[2 * j + k] = (uint8_t)g[j].index[k];
            h |= (unsigned)g[j].index[k] >> 8 << 4 * k;
        }
        b->qh[j] = (uint8_t)h;
    }
}

static void fit_m(const nk_lattice *l, const float *x, const float *importance, float sigma2,
                  nk_lattice_group *out)
{
    float w[32];
    nk_lattice_weights(l, x, importance, sigma2, w);
    nk_iq1_fit(l, 2, nk_iq1_split_m, nk_grid_nearest, x, w, out);
}

/* Empty groups count as what they are stored as, the grid's first point. */
static float refit_m(const nk_lattice *l, const float *x, const float *importance, float sigma2,
                     const nk_lattice_group *g, const uint8_t *s, float d)
{
    const nk_grid *grid = nk_grid_get(l->grid);
    float qx = 0, qq = 0;
    for (int j = 0; j < NK_SUPER_LEN / 16; j++, x += 16) {
        float w[16];
        nk_lattice_weights(l, x, importance ? importance + 16 * j : NULL, sigma2, w);
        for (int i = 0; i < 16; i++) {
            unsigned level = grid->code[g[j].index[i / 8]] >> i % 8 * 2 & 3u;
            float q = nk_iq1_levels[g[j].minus >> i / 8 & 1][level] * (float)(2 * s[j] + 1);
            qx += w[i] * q * x[i];
            qq += w[i] * q * q;
        }
    }
    return qq > 0 ? qx / qq : d;
}

const nk_lattice nk_lattice_iq1_m = {
    .grid = NK_GRID_IQ1,
    .group = 16,
    .block_size = sizeof(nk_block_iq1_m),
    .fit = fit_m,
    .pack = pack_m,
    .sigma = 2,
    .eps = 1e-7f,
    .scale_max = 7,
    .fudge = 1.1125f,
    .refit = refit_m,
    .plain_weights = plain_weights,
};

static void decode_m(const void *src, float *dst, size_t n)
{
    nk_lattice_decode(unpack_m, sizeof(nk_block_iq1_m), 16, src, dst, n);
}

static void encode_m(const float *src, void *dst, size_t nrows, size_t ncols,
                     const float *importance)
{
    nk_lattice_encode(&nk_lattice_iq1_m, fit_m, src, dst, nrows, ncols, importance);
}

static float dot_m(size_t n, const void *w, const void *x)
{
    return nk_lattice_dot(unpack_m, sizeof(nk_block_iq1_m), 16, n, w, x);
}

static void explain_m(const void *block, nk_block_view *v)
{
    nk_lattice_view(unpack_m, 16, END, STEP, block, v);
}

const nk_type nk_type_iq1_m = {
    .name = "iq1_m",
    .id = NK_IQ1_M,
    .block_len = NK_SUPER_LEN,
    .block_size = sizeof(nk_block_iq1_m),
    .decode = decode_m,
    .encode = encode_m,
    .dot = dot_m,
    .explain = explain_m,
    .dot_with = NK_Q8_K,
    .max_rmse = 0.73f,
    .max_dot_err = 0.172f,
    .wants_imatrix = true,
};
