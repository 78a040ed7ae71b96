#include "kernels/repack.h"

#include "kernels/blocks.h"
#include "kernels/fp.h"
#include "kernels/quant/levels.h"
#include "kernels/quant/pack.h"

#include <math.h>

/* --- the cost --------------------------------------------------------------------------------- */

/* What the source says weight i of the row is. */
typedef double meant_fn(const void *source, size_t i);

static void weigh(const nk_type *t, const void *blocks, size_t cols, meant_fn *meant,
                  const void *source, nk_loss *loss)
{
    const char *b = blocks;
    for (size_t first = 0; first < cols; first += t->block_len, b += t->block_size) {
        float w[NK_SUPER_LEN];
        t->decode(b, w, t->block_len);
        for (size_t i = 0; i < t->block_len; i++) {
            double d = fabs((double)w[i] - meant(source, first + i));
            d = isnan(d) ? INFINITY : d;
            loss->differ += d != 0;
            if (d > loss->max) {
                loss->max = d;
                loss->at = loss->next + first + i;
            }
        }
    }
    loss->next += cols;
}

void nk_loss_merge(nk_loss *into, const nk_loss *from)
{
    if (from->max > into->max || (from->max == into->max && from->at < into->at)) {
        into->max = from->max;
        into->at = from->at;
    }
    into->differ += from->differ;
    into->next = from->next > into->next ? from->next : into->next;
}

/* --- integers --------------------------------------------------------------------------------- */

static double meant_int(const void *source, size_t i)
{
    const nk_int_row *r = source;
    size_t g = i / r->group;
    return (double)r->scale[g] * ((double)r->code[i] - (double)r->zero[g]);
}

const nk_type *nk_repack_int_type(int bits, bool symmetric, bool whole_zeros)
{
    if (bits < 1 || bits > 8)
        return NULL;
    if (bits <= 3 && whole_zeros)
        return &nk_type_q4_0;
    if (bits <= 4)
        return symmetric && whole_zeros ? &nk_type_q4_0 : &nk_type_q4_1;
    return symmetric && whole_zeros ? &nk_type_q8_0 : NULL;
}

/* How 32 codes of a row go into one block. */
typedef struct int_target {
    const nk_type *type;
    int lo, hi; /* of code - zero; of code where the type has a min */
    bool has_min;
    void (*put)(void *block, const uint8_t code[NK_LEN], nk_f16 d, nk_f16 m);
} int_target;

static void put_q4_0(void *block, const uint8_t code[NK_LEN], nk_f16 d, nk_f16 m)
{
    nk_block_q4_0 *b = block;
    (void)m;
    b->d = d;
    nk_pack_nibbles(b->qs, code, NK_LEN / 2);
}

static void put_q4_1(void *block, const uint8_t code[NK_LEN], nk_f16 d, nk_f16 m)
{
    nk_block_q4_1 *b = block;
    b->d = d;
    b->m = m;
    nk_pack_nibbles(b->qs, code, NK_LEN / 2);
}

static void put_q5_0(void *block, const uint8_t code[NK_LEN], nk_f16 d, nk_f16 m)
{
    nk_block_q5_0 *b = block;
    (void)m;
    b->d = d;
    nk_pack_nibbles(b->qs, code, NK_LEN / 2);
    nk_pack_fifth(b->qh, code);
}

static void put_q5_1(void *block, const uint8_t code[NK_LEN], nk_f16 d, nk_f16 m)
{
    nk_block_q5_1 *b = block;
    b->d = d;
    b->m = m;
    nk_pack_nibbles(b->qs, code, NK_LEN / 2);
    nk_pack_fifth(b->qh, code);
}

static void put_q8_0(void *block, const uint8_t code[NK_LEN], nk_f16 d, nk_f16 m)
{
    nk_block_q8_0 *b = block;
    (void)m;
    b->d = d;
    for (int j = 0; j < NK_LEN; j++)
        b->qs[j] = (int8_t)(code[j] - 128);
}

static const int_target int_targets[] = {
    {&nk_type_q4_0, -8, 7, false, put_q4_0},     {&nk_type_q4_1, 0, 15, true, put_q4_1},
    {&nk_type_q5_0, -16, 15, false, put_q5_0},   {&nk_type_q5_1, 0, 31, true, put_q5_1},
    {&nk_type_q8_0, -128, 127, false, put_q8_0},
};

/* Every code lies within the type's ends; without a min the zeros are whole. */
static bool fits(const int_target *t, const nk_int_row *r)
{
    for (size_t g = 0; g < r->cols / r->group; g++) {
        float zero = t->has_min ? 0 : r->zero[g];
        if (zero != floorf(zero) || fabsf(zero) > 1024)
            return false;
        for (size_t i = g * r->group; i < (g + 1) * r->group; i++) {
            int v = r->code[i] - (int)zero;
            if (v < t->lo || v > t->hi)
                return false;
        }
    }
    return true;
}

bool nk_repack_int(const nk_type *t, const nk_int_row *row, void *dst, nk_loss *loss)
{
    const int_target *to = NULL;
    for (size_t i = 0; i < countof(int_targets); i++)
        to = int_targets[i].type == t ? &int_targets[i] : to;
    if (!to || !row->group || row->group % NK_LEN != 0 || row->cols % row->group != 0 ||
        !fits(to, row))
        return false;
    char *b = dst;
    for (size_t i = 0; i < row->cols; i += NK_LEN, b += t->block_size) {
        size_t g = i / row->group;
        uint8_t code[NK_LEN];
        int offset = to->has_min ? 0 : (int)row->zero[g] + to->lo;
        for (size_t j = 0; j < NK_LEN; j++)
            code[j] = (uint8_t)(row->code[i + j] - offset);
        to->put(b, code, nk_f32_to_f16(row->scale[g]),
                nk_f32_to_f16(-row->zero[g] * row->scale[g]));
    }
    weigh(t, dst, row->cols, meant_int, row, loss);
    return true;
}

/* --- 4-bit floats ----------------------------------------------------------------------------- */

typedef struct fp4_row {
    const uint8_t *packed, *scale;
    size_t group;
    float (*scale_of)(uint8_t);
} fp4_row;

static uint8_t fp4_code(const uint8_t *packed, size_t i)
{
    return packed[i / 2] >> (i % 2 * 4) & 15;
}

/* e2m1 by its definition: sign, two exponent bits of bias 1, one of mantissa. */
static double meant_fp4(const void *source, size_t i)
{
    const fp4_row *r = source;
    int code = fp4_code(r->packed, i), exp = code >> 1 & 3, man = code & 1;
    double v = exp ? ldexp(1 + 0.5 * man, exp - 1) : 0.5 * man;
    return (code & 8 ? -v : v) * (double)r->scale_of(r->scale[i / r->group]);
}

/* Adjacent pairs -> halves of a group: weight j and j + half share a byte. */
static void split_pairs(const uint8_t *packed, uint8_t *qs, size_t half)
{
    for (size_t j = 0; j < half; j++)
        qs[j] = (uint8_t)(fp4_code(packed, j) | fp4_code(packed, j + half) << 4);
}

bool nk_repack_mxfp4(const uint8_t *packed, const uint8_t *scale, size_t cols, void *dst,
                     nk_loss *loss)
{
    nk_block_mxfp4 *b = dst;
    for (size_t i = 0; i < cols / NK_LEN; i++)
        if (scale[i] == 255)
            return false;
    for (size_t i = 0; i < cols / NK_LEN; i++) {
        b[i].e = scale[i];
        split_pairs(packed + i * NK_LEN / 2, b[i].qs, NK_LEN / 2);
    }
    fp4_row row = {packed, scale, NK_LEN, nk_e8m0_to_f32};
    weigh(&nk_type_mxfp4, dst, cols, meant_fp4, &row, loss);
    return true;
}

bool nk_repack_nvfp4(const uint8_t *packed, const uint8_t *scale, size_t cols, void *dst,
                     nk_loss *loss)
{
    enum { GROUP = NK_NVFP4_GROUP, GROUPS = NK_NVFP4_LEN / GROUP };
    nk_block_nvfp4 *b = dst;
    for (size_t g = 0; g < cols / GROUP; g++)
        if (scale[g] >= 0x7f)
            return false;
    for (size_t g = 0; g < cols / GROUP; g++) {
        nk_block_nvfp4 *to = &b[g / GROUPS];
        to->d[g % GROUPS] = scale[g];
        split_pairs(packed + g * GROUP / 2, to->qs + g % GROUPS * (GROUP / 2), GROUP / 2);
    }
    fp4_row row = {packed, scale, GROUP, nk_e4m3_to_f32};
    weigh(&nk_type_nvfp4, dst, cols, meant_fp4, &row, loss);
    return true;
}

/* --- ternary ---------------------------------------------------------------------------------- */

typedef struct trit_row {
    const uint8_t *packed;
    int shift;
    float scale;
} trit_row;

static int trit(const trit_row *r, size_t i)
{
    return (r->packed[i] >> r->shift & 3) - 1;
}

static double meant_trit(const void *source, size_t i)
{
    const trit_row *r = source;
    return (double)r->scale * trit(r, i);
}

bool nk_repack_trits(const nk_type *t, const uint8_t *packed, int plane, float scale, size_t cols,
                     void *dst, nk_loss *loss)
{
    trit_row row = {packed, 2 * plane, scale};
    if (t != &nk_type_tq1_0 && t != &nk_type_tq2_0)
        return false;
    for (size_t i = 0; i < cols; i++)
        if (trit(&row, i) == 2)
            return false;
    char *b = dst;
    for (size_t i = 0; i < cols; i += NK_SUPER_LEN, b += t->block_size) {
        float x[NK_SUPER_LEN]; /* their encoders round -scale, 0 and scale to themselves */
        for (size_t j = 0; j < NK_SUPER_LEN; j++)
            x[j] = (float)trit(&row, i + j) * scale;
        t->encode(x, b, 1, NK_SUPER_LEN, NULL);
    }
    weigh(t, dst, cols, meant_trit, &row, loss);
    return true;
}

/* --- floats ----------------------------------------------------------------------------------- */

static double meant_float(const void *source, size_t i)
{
    return (double)((const float *)source)[i];
}

bool nk_repack_steps(const float *x, const float *step, size_t cols, void *dst, nk_loss *loss)
{
    nk_block_q8_0 *b = dst;
    for (size_t i = 0; i < cols; i++)
        if (step[i / NK_LEN] != 0 && !(fabsf(roundf(x[i] / step[i / NK_LEN])) <= 127))
            return false;
    for (size_t i = 0; i < cols; i++) {
        float s = step[i / NK_LEN];
        b[i / NK_LEN].d = nk_f32_to_f16(s);
        b[i / NK_LEN].qs[i % NK_LEN] = (int8_t)(s != 0 ? roundf(x[i] / s) : 0);
    }
    weigh(&nk_type_q8_0, dst, cols, meant_float, x, loss);
    return true;
}

void nk_repack_floats(const nk_type *t, const float *x, size_t cols, void *dst, nk_loss *loss)
{
    t->encode(x, dst, 1, cols, NULL);
    weigh(t, dst, cols, meant_float, x, loss);
}
