/* Packings of 4-bit floats (e2m1), 32 under a power of two or 16 under an 8-bit float: ggml has
 * types for both, so that codes and scales are only rearranged. */
#include <math.h>
#include <string.h>

#include "core/files/hfquant_rows.h"
#include "kernels/blocks.h"
#include "kernels/fp.h"

static float e2m1(unsigned code)
{
    static const float value[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    return code & 8 ? -value[code & 7] : value[code & 7];
}

/* --- MXFP4 (OCP microscaling; openai/gpt-oss, torch/weights.py)
 * ----------------------------------- _blocks u8 [experts][out][in / 32][16], e2m1 pairs, the first
 * in the low nibble; _scales u8 [experts][out][in / 32], exponent + 127 */

enum { MX_BLOCK = 32, MX_BYTES = 16 };

nb_status nb_mxfp4_open(nb_packed *p, nb_err *err)
{
    const nb_tensor *q = p->part[NB_PACK_CODES], *s = p->part[NB_PACK_SCALES];
    if (q->n_dims != 4 || q->shape[0] != MX_BYTES)
        return nb_packed_wrong(p, NB_PACK_CODES, nb_tensor_rows(q), MX_BYTES, err);
    p->cols = q->shape[1] * MX_BLOCK;
    p->matrices = q->shape[3];
    p->rows = q->shape[2] * p->matrices;
    p->group = MX_BLOCK;
    p->type = NK_MXFP4;
    if (nb_tensor_count(s) != p->rows * q->shape[1] || s->type != NK_I8)
        return nb_packed_wrong(p, NB_PACK_SCALES, p->rows, q->shape[1], err);
    return NB_OK;
}

/* The block that holds (row, col). */
static uint64_t mx_block(const nb_packed *p, uint64_t row, uint64_t col)
{
    return row * (p->cols / MX_BLOCK) + col / MX_BLOCK;
}

static unsigned mx_code(const nb_packed *p, uint64_t block, uint64_t i)
{
    uint8_t b = p->part[NB_PACK_CODES]->bytes[block * MX_BYTES + i / 2];
    return i % 2 ? b >> 4 : b & 15;
}

void nb_mxfp4_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t block = mx_block(p, row, col + i);
        float v = e2m1(mx_code(p, block, (col + i) % MX_BLOCK));
        out[i] = ldexpf(v, (int)p->part[NB_PACK_SCALES]->bytes[block] - 127);
    }
}

/* The same codes, pairs apart: ggml keeps [j] and [j + 16] in a byte. */
void nb_mxfp4_block(const nb_packed *p, uint64_t row, uint64_t col, uint8_t *out)
{
    nk_block_mxfp4 *b = (nk_block_mxfp4 *)(void *)out;
    uint64_t block = mx_block(p, row, col);
    b->e = p->part[NB_PACK_SCALES]->bytes[block];
    for (uint64_t j = 0; j < MX_BYTES; j++)
        b->qs[j] = (uint8_t)(mx_code(p, block, j) | mx_code(p, block, j + MX_BYTES) << 4);
}

/* --- NVFP4 (NVIDIA ModelOpt, modelopt/torch/quantization/qtensor/nvfp4_tensor.py; llama.cpp @
 * de3ff81, conversion/base.py _nvfp4_pack)
 * ------------------------------------------------------------------- weight u8 [out][in / 2], e2m1
 * pairs, the first in the low nibble; weight_scale e4m3 [out][in / 16]; weight_scale_2 f32 [1]
 * times all. compressed-tensors stores its reciprocal. */

enum { NV_GROUP = 16, NV_LEN = 64 };

/* A factor that is stored, or one over it; 1 where it is not. */
static nb_status read_factor(const nb_packed *p, int role, bool inverse, float *out, nb_err *err)
{
    const nb_tensor *t = p->part[role];
    if (!t)
        return NB_OK;
    float f = nb_tensor_count(t) == 1 ? nb_stored_float(t, 0) : 0;
    *out = inverse ? 1.0f / f : f;
    return f > 0 && isfinite(f) && isfinite(*out)
               ? NB_OK
               : nb_fail(err, NB_FORMAT, "tensor \"%.120s\": %llu of %s, %g: no factor", t->name,
                         (unsigned long long)nb_tensor_count(t), nk_type_get(t->type)->name,
                         (double)f);
}

static nb_status open_nvfp4(nb_packed *p, bool inverse, nb_err *err)
{
    const nb_tensor *q = p->part[NB_PACK_CODES], *s = p->part[NB_PACK_SCALES];
    p->rows = nb_tensor_rows(q);
    p->cols = nb_tensor_cols(q) * 2;
    p->group = NV_GROUP;
    if (q->n_dims != 2 || s->dtype != NB_DTYPE_F8_E4M3 || p->cols % NV_GROUP != 0 ||
        !nb_packed_is(p, NB_PACK_SCALES, p->rows, p->cols / NV_GROUP))
        return nb_packed_wrong(p, NB_PACK_SCALES, p->rows, p->cols / NV_GROUP, err);
    p->whole = 1;
    NB_TRY(read_factor(p, NB_PACK_FACTOR, inverse, &p->whole, err));
    NB_TRY(read_factor(p, NB_PACK_INPUT, inverse, &p->input, err));
    p->type = p->cols % NV_LEN == 0 ? NK_NVFP4 : NK_F32;
    p->factor = p->type == NK_NVFP4 ? p->whole : 1;
    return NB_OK;
}

nb_status nb_nvfp4_open(nb_packed *p, nb_err *err)
{
    return open_nvfp4(p, false, err);
}

nb_status nb_nvfp4_inverse_open(nb_packed *p, nb_err *err)
{
    return open_nvfp4(p, true, err);
}

static unsigned nv_code(const nb_packed *p, uint64_t row, uint64_t col)
{
    uint8_t b = p->part[NB_PACK_CODES]->bytes[row * (p->cols / 2) + col / 2];
    return col % 2 ? b >> 4 : b & 15;
}

static uint8_t nv_scale(const nb_packed *p, uint64_t row, uint64_t col)
{
    return p->part[NB_PACK_SCALES]->bytes[row * (p->cols / NV_GROUP) + col / NV_GROUP];
}

void nb_nvfp4_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] =
            e2m1(nv_code(p, row, col + i)) * nk_e4m3_to_f32(nv_scale(p, row, col + i)) * p->whole;
}

/* Half a block: ggml keeps [j] and [j + 8] of a group in a byte. Its scales have no sign: the codes
 * take it over. */
void nb_nvfp4_block(const nb_packed *p, uint64_t row, uint64_t col, uint8_t *out)
{
    nk_block_nvfp4 *b = (nk_block_nvfp4 *)(void *)out;
    for (uint64_t g = 0; g < 2; g++, col += NV_GROUP) {
        uint64_t at = col % NV_LEN / NV_GROUP;
        uint8_t scale = nv_scale(p, row, col), *qs = b->qs + at * NV_GROUP / 2;
        unsigned flip = scale & 0x80 ? 0x88 : 0;
        b->d[at] = scale & 0x7f;
        for (uint64_t j = 0; j < NV_GROUP / 2; j++)
            qs[j] = (uint8_t)((nv_code(p, row, col + j) | nv_code(p, row, col + NV_GROUP / 2 + j)
                                                              << 4) ^
                              flip);
    }
}
