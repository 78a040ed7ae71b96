/* Rows of packed weights: as floats, by the packing's own definition, and as blocks of the type
 * they land in. Integer codes keep their codes; floats are encoded as that type's reference does.
 */
#include <string.h>

#include "core/files/hfquant.h"
#include "kernels/blocks.h"
#include "kernels/fp.h"

enum { BLOCK = 32 };

uint64_t nb_packed_group(const nb_packed *p, uint64_t col)
{
    const nb_tensor *order = p->part[NB_PACK_ORDER];
    int32_t group;
    if (!order)
        return col / p->group;
    memcpy(&group, order->bytes + col * sizeof group, sizeof group);
    return (uint64_t)group; /* checked on opening */
}

static uint64_t group_of(const nb_packed *p, uint64_t col)
{
    return nb_packed_group(p, p->columns ? p->columns[col] : col);
}

static void codes_of(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out)
{
    if (!p->columns)
        p->how->codes(p, row, col, n, out);
    for (size_t i = 0; p->columns && i < n; i++)
        p->how->codes(p, row, p->columns[col + i], 1, &out[i]);
}

static void affine_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out)
{
    int code[BLOCK];
    codes_of(p, row, col, n, code);
    for (size_t i = 0; i < n; i++) {
        uint64_t g = group_of(p, col + i);
        out[i] = p->how->scale(p, row, g) * (float)(code[i] - p->how->zero(p, row, g));
    }
}

static void some_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out)
{
    if (p->how->values)
        p->how->values(p, row, col, n, out);
    else if (p->how->codes)
        affine_values(p, row, col, n, out);
}

void nb_packed_values(const nb_packed *p, uint64_t row, float *out)
{
    for (uint64_t c = 0; c < p->cols; c += BLOCK)
        some_values(p, row, c, p->cols - c < BLOCK ? (size_t)(p->cols - c) : BLOCK, out + c);
}

/* What rounding a type does to steps, codes and floats that are given. */
static const char *usual_loss(nk_type_id to)
{
    static const struct {
        nk_type_id to;
        const char *what;
    } row[] = {{NK_Q4_0, "steps are rounded to float16"},
               {NK_Q8_0, "steps are rounded to float16"},
               {NK_TQ1_0, "steps are rounded to float16"},
               {NK_TQ2_0, "steps are rounded to float16"},
               {NK_Q4_1, "steps and offsets are rounded to float16"},
               {NK_F16, "weights are rounded to float16"},
               {NK_BF16, "weights are rounded to bfloat16"}};
    for (size_t i = 0; i < countof(row); i++)
        if (row[i].to == to)
            return row[i].what;
    return NULL; /* f32 holds them, mxfp4 and nvfp4 are the packing's own */
}

const char *nb_packed_loss(const nb_packed *p, nk_type_id to)
{
    bool ternary = p->type == NK_TQ2_0 && to == NK_TQ1_0;
    if (to == p->type && p->how->codes && to == NK_F16)
        return NULL; /* chosen because it holds them */
    if (to == p->type && p->how->loss && to != NK_F32)
        return p->how->loss;
    if (to == p->type || ternary || nk_type_get(to)->is_float)
        return usual_loss(to);
    return p->part[NB_PACK_ORDER] && nk_type_get(p->type)->is_float
               ? "its steps lie apart: codes are chosen anew"
               : "codes are chosen anew";
}

/* --- blocks -------------------------------------------------------------------------------------
 */

static void put_nibbles(const int code[BLOCK], uint8_t qs[BLOCK / 2])
{
    for (int j = 0; j < BLOCK / 2; j++)
        qs[j] = (uint8_t)(code[j] | code[j + BLOCK / 2] << 4);
}

/* w = (q - 8) d */
static void put_q4_0(int code[BLOCK], float scale, int zero, nk_block_q4_0 *b)
{
    b->d = nk_f32_to_f16(scale);
    for (int j = 0; j < BLOCK; j++)
        code[j] += 8 - zero;
    put_nibbles(code, b->qs);
}

/* w = q d + m */
static void put_q4_1(const int code[BLOCK], float scale, float offset, nk_block_q4_1 *b)
{
    b->d = nk_f32_to_f16(scale);
    b->m = nk_f32_to_f16(offset);
    put_nibbles(code, b->qs);
}

/* w = q d */
static void put_q8_0(const int code[BLOCK], float scale, int zero, nk_block_q8_0 *b)
{
    b->d = nk_f32_to_f16(scale);
    for (int j = 0; j < BLOCK; j++)
        b->qs[j] = (int8_t)(code[j] - zero);
}

/* w = (q - 1) d; 32 of the 256: two bits of each byte of a half. */
static void put_tq2_0(const int code[BLOCK], float scale, uint64_t col, nk_block_tq2_0 *b)
{
    const unsigned part = (unsigned)(col % 256 / BLOCK), shift = part % 4 * 2;
    uint8_t *qs = b->qs + part / 4 * BLOCK;
    b->d = nk_f32_to_f16(scale);
    for (int j = 0; j < BLOCK; j++)
        qs[j] = (uint8_t)((shift ? qs[j] : 0) | code[j] << shift);
}

static void code_block(const nb_packed *p, uint64_t row, uint64_t col, uint8_t *out)
{
    int code[BLOCK];
    uint64_t g = group_of(p, col);
    float scale = p->how->scale(p, row, g);
    int zero = p->how->zero ? p->how->zero(p, row, g) : 0;
    codes_of(p, row, col, BLOCK, code);
    if (p->type == NK_TQ2_0)
        put_tq2_0(code, scale, col, (nk_block_tq2_0 *)(void *)out);
    else if (p->type == NK_Q4_0)
        put_q4_0(code, scale, zero, (nk_block_q4_0 *)(void *)out);
    else if (p->type == NK_Q4_1)
        put_q4_1(code, scale, p->how->offset ? p->how->offset(p, row, g) : -(float)zero * scale,
                 (nk_block_q4_1 *)(void *)out);
    else
        put_q8_0(code, scale, zero, (nk_block_q8_0 *)(void *)out);
}

static void float_block(const nb_packed *p, uint64_t row, uint64_t col, size_t n, uint8_t *out)
{
    const nk_type *type = nk_type_get(p->type);
    float v[BLOCK];
    some_values(p, row, col, n, v);
    type->encode(v, out, 1, n, NULL);
}

void nb_packed_row(const nb_packed *p, uint64_t row, uint8_t *out)
{
    const nk_type *type = nk_type_get(p->type);
    bool codes = p->how->codes && !type->is_float;
    for (uint64_t c = 0; c < p->cols; c += BLOCK) {
        size_t n = p->cols - c < BLOCK ? (size_t)(p->cols - c) : BLOCK;
        uint8_t *at = out + c / type->block_len * type->block_size;
        if (p->how->block && !type->is_float)
            p->how->block(p, row, c, at);
        else if (codes)
            code_block(p, row, c, at);
        else
            float_block(p, row, c, n, at);
    }
}
