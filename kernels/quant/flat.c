/* Flat blocks of the IQ types on grids: flat.h. */
#include "kernels/flat.h"

#include "kernels/fp.h"
#include "kernels/quant/lattice.h"

#include <string.h>

const int8_t nk_flat_levels_iq1[NK_FLAT_LEVELS] = {-9, -7, -1, 1, 7, 9};
const int8_t nk_flat_levels_iq2[NK_FLAT_LEVELS] = {-43, -25, -8, 8, 25, 43};
const int8_t nk_flat_levels_iq3_xxs[NK_FLAT_LEVELS] = {-62, -52, -44, -36, -28, -20, -12, -4,
                                                       4,   12,  20,  28,  36,  44,  52,  62};
const int8_t nk_flat_levels_iq3_s[NK_FLAT_LEVELS] = {-15, -13, -11, -9, -7, -5, -3, -1,
                                                     1,   3,   5,   7,  9,  11, 13, 15};

/* --- blocks taken apart and put together -------------------------------------------------------
 */

static void unpack_3(const void *block, const int8_t *level, nk_lattice_block *a)
{
    const nk_block_flat3 *b = block;
    const uint8_t *p0 = b->qs, *p1 = p0 + NK_FLAT_PLANE, *p2 = p1 + NK_FLAT_PLANE;
    a->d = nk_f16_to_f32(b->d) * 0.125f;
    for (int g = 0; g < 16; g++)
        a->sc[g] = (uint8_t)((b->scales[g / 2] >> g % 2 * 4 & 15) * 2 + 1);
    for (int j = 0; j < NK_FLAT_PLANE; j++) {
        for (int k = 0; k < 6; k++)
            a->value[32 * k + j] = level[b->qs[k / 2 * NK_FLAT_PLANE + j] >> k % 2 * 3 & 7];
        a->value[192 + j] = level[p0[j] >> 6 | (p2[j] >> 4 & 4)];
        a->value[224 + j] = level[p1[j] >> 6 | (p2[j] >> 5 & 4)];
    }
}

static void unpack_iq1(const void *block, nk_lattice_block *a)
{
    unpack_3(block, nk_flat_levels_iq1, a);
}

static void unpack_iq2(const void *block, nk_lattice_block *a)
{
    unpack_3(block, nk_flat_levels_iq2, a);
}

static void pack_3(const uint8_t q[NK_SUPER_LEN], const uint8_t s[16], nk_f16 d, void *block)
{
    nk_block_flat3 *b = block;
    uint8_t *p0 = b->qs, *p1 = p0 + NK_FLAT_PLANE, *p2 = p1 + NK_FLAT_PLANE;
    b->d = d;
    for (int g = 0; g < 8; g++)
        b->scales[g] = (uint8_t)(s[2 * g] | s[2 * g + 1] << 4);
    for (int j = 0; j < NK_FLAT_PLANE; j++) {
        unsigned u = q[192 + j], v = q[224 + j];
        p0[j] = (uint8_t)(q[j] | q[32 + j] << 3 | (u & 3) << 6);
        p1[j] = (uint8_t)(q[64 + j] | q[96 + j] << 3 | (v & 3) << 6);
        p2[j] = (uint8_t)(q[128 + j] | q[160 + j] << 3 | (u & 4) << 4 | (v & 4) << 5);
    }
}

static void unpack_4(const void *block, const int8_t *level, float factor, nk_lattice_block *a)
{
    const nk_block_flat4 *b = block;
    a->d = nk_f16_to_f32(b->d) * factor;
    for (int g = 0; g < 8; g++)
        a->sc[g] = (uint8_t)((b->scales[g / 2] >> g % 2 * 4 & 15) * 2 + 1);
    for (int j = 0; j < NK_SUPER_LEN; j++)
        a->value[j] = level[b->qs[j / 64 * 32 + j % 32] >> j % 64 / 32 * 4 & 15];
}

static void unpack_iq3_xxs(const void *block, nk_lattice_block *a)
{
    unpack_4(block, nk_flat_levels_iq3_xxs, 0.25f, a);
}

static void unpack_iq3_s(const void *block, nk_lattice_block *a)
{
    unpack_4(block, nk_flat_levels_iq3_s, 1.0f, a);
}

static void pack_4(const uint8_t q[NK_SUPER_LEN], const uint8_t s[16], nk_f16 d, void *block)
{
    nk_block_flat4 *b = block;
    b->d = d;
    for (int g = 0; g < 4; g++)
        b->scales[g] = (uint8_t)(s[2 * g] | s[2 * g + 1] << 4);
    for (int j = 0; j < NK_SUPER_LEN; j += 64)
        for (int k = 0; k < 32; k++)
            b->qs[j / 2 + k] = (uint8_t)(q[j + k] | q[j + 32 + k] << 4);
}

/* --- from a source block -----------------------------------------------------------------------
 */

typedef void pack_fn(const uint8_t q[NK_SUPER_LEN], const uint8_t s[16], nk_f16 d, void *block);

/* What a flat row is made of; group: weights of a small scale. */
typedef struct flat {
    const nk_type *row;
    pack_fn *pack;
    const int8_t *level;
    uint32_t group;
} flat;

/* Every block's first field, but iq1_m's is spread over its scales. */
static nk_f16 d_of(const nk_type *t, const uint8_t *block)
{
    unsigned d = (unsigned)block[0] | (unsigned)block[1] << 8;
    const uint8_t *s = ((const nk_block_iq1_m *)(const void *)block)->scales;
    if (t == &nk_type_iq1_m)
        d = (unsigned)s[1] >> 4 | (s[3] & 0xf0u) | (s[5] & 0xf0u) << 4 | (s[7] & 0xf0u) << 8;
    return (nk_f16)d;
}

/* As screens see a block: all that is asked for stands there as integers. */
static void flatten(const nk_type *t, const flat *f, const void *src, void *dst, size_t n)
{
    uint8_t code[UINT8_MAX + 1] = {0}, q[NK_SUPER_LEN], s[16] = {0};
    for (int c = 0; c < NK_FLAT_LEVELS; c++)
        if (f->level[c])
            code[(uint8_t)f->level[c]] = (uint8_t)c;
    const uint8_t *from = src;
    uint8_t *to = dst;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, from += t->block_size, to += f->row->block_size) {
        nk_block_view v;
        t->explain(from, &v);
        for (uint32_t g = 0; g < NK_SUPER_LEN / f->group; g++)
            s[g] = (uint8_t)(v.scale_code[g * f->group / v.group] / 2);
        for (int j = 0; j < NK_SUPER_LEN; j++)
            q[j] = code[(uint8_t)v.code[j]];
        f->pack(q, s, d_of(t, from), to);
    }
}

/* --- rows --------------------------------------------------------------------------------------
 */

#define FLAT_ROW(sym, ID, block, group)                                                            \
    static void decode_##sym(const void *src, float *dst, size_t n)                                \
    {                                                                                              \
        nk_lattice_decode(unpack_##sym, sizeof(block), group, src, dst, n);                        \
    }                                                                                              \
    static float dot_##sym(size_t n, const void *w, const void *x)                                 \
    {                                                                                              \
        return nk_lattice_dot(unpack_##sym, sizeof(block), group, n, w, x);                        \
    }                                                                                              \
    static const nk_type row_##sym = {                                                             \
        .name = "flat " #sym,                                                                      \
        .id = NK_FLAT_##ID,                                                                        \
        .block_len = NK_SUPER_LEN,                                                                 \
        .block_size = sizeof(block),                                                               \
        .decode = decode_##sym,                                                                    \
        .dot = dot_##sym,                                                                          \
        .dot_with = NK_Q8_K,                                                                       \
    };
FLAT_ROW(iq1, IQ1, nk_block_flat3, 16)
FLAT_ROW(iq2, IQ2, nk_block_flat3, 16)
FLAT_ROW(iq3_xxs, IQ3_XXS, nk_block_flat4, 32)
FLAT_ROW(iq3_s, IQ3_S, nk_block_flat4, 32)

static const flat flat_iq1 = {&row_iq1, pack_3, nk_flat_levels_iq1, 16};
static const flat flat_iq2 = {&row_iq2, pack_3, nk_flat_levels_iq2, 16};
static const flat flat_iq3_xxs = {&row_iq3_xxs, pack_4, nk_flat_levels_iq3_xxs, 32};
static const flat flat_iq3_s = {&row_iq3_s, pack_4, nk_flat_levels_iq3_s, 32};

#define FLATTEN(sym, into)                                                                         \
    static void flatten_##sym(const void *src, void *dst, size_t n)                                \
    {                                                                                              \
        flatten(&nk_type_##sym, &flat_##into, src, dst, n);                                        \
    }
FLATTEN(iq1_s, iq1)
FLATTEN(iq1_m, iq1)
FLATTEN(iq2_xxs, iq2)
FLATTEN(iq2_xs, iq2)
FLATTEN(iq2_s, iq2)
FLATTEN(iq3_xxs, iq3_xxs)
FLATTEN(iq3_s, iq3_s)

static const struct {
    const nk_type *from;
    const nk_type *to;
    nk_flatten_fn *by;
} ways[] = {
    {&nk_type_iq1_s, &row_iq1, flatten_iq1_s},
    {&nk_type_iq1_m, &row_iq1, flatten_iq1_m},
    {&nk_type_iq2_xxs, &row_iq2, flatten_iq2_xxs},
    {&nk_type_iq2_xs, &row_iq2, flatten_iq2_xs},
    {&nk_type_iq2_s, &row_iq2, flatten_iq2_s},
    {&nk_type_iq3_xxs, &row_iq3_xxs, flatten_iq3_xxs},
    {&nk_type_iq3_s, &row_iq3_s, flatten_iq3_s},
};

const nk_type *nk_flat_of(const nk_type *t)
{
    for (size_t i = 0; i < countof(ways); i++)
        if (ways[i].from == t)
            return ways[i].to;
    return NULL;
}

nk_flatten_fn *nk_flatten_of(const nk_type *t)
{
    for (size_t i = 0; i < countof(ways); i++)
        if (ways[i].from == t)
            return ways[i].by;
    return NULL;
}
