/* Packings whose codes stand for floats: fp8 with block scales, bitsandbytes' 4-bit maps. */
#include <math.h>
#include <string.h>

#include "core/files/hfquant_rows.h"
#include "kernels/fp.h"

float nb_stored_float(const nb_tensor *t, uint64_t i)
{
    float f = 0;
    uint16_t h = 0;
    if (t->type == NK_F32)
        memcpy(&f, t->bytes + i * sizeof f, sizeof f);
    else if (t->type == NK_F16 || t->type == NK_BF16)
        memcpy(&h, t->bytes + i * sizeof h, sizeof h);
    return t->type == NK_F32 ? f : t->type == NK_F16 ? nk_f16_to_f32(h) : nk_bf16_to_f32(h);
}

/* --- fp8: e4m3 codes, a scale per block of rows and columns
 * ---------------------------------------- weight [out][in]; scales [ceil(out / block)][ceil(in /
 * block)], or one per row, or one */

/* p->group: columns of a scale; p->bits: 0 = one scale for all, 1 = one per row, else blocks. */
enum { ONE, PER_ROW, PER_BLOCK };

static uint64_t blocks(uint64_t n, int64_t block)
{
    return (n + (uint64_t)block - 1) / (uint64_t)block;
}

nb_status nb_fp8_open(nb_packed *p, nb_err *err)
{
    const nb_tensor *q = p->part[NB_PACK_CODES], *s = p->part[NB_PACK_SCALES];
    const int64_t *block = p->cfg->block;
    p->rows = nb_tensor_rows(q);
    p->cols = nb_tensor_cols(q);
    p->group = p->cols;
    p->type = NK_BF16;
    if (s->type != NK_F32 && s->type != NK_BF16 && s->type != NK_F16)
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%.120s\": scales are no floats", s->name);
    if (nb_tensor_count(s) == 1) {
        p->bits = ONE;
        return NB_OK;
    }
    if (nb_tensor_count(s) == p->rows && (s->n_dims == 1 || nb_tensor_cols(s) == 1)) {
        p->bits = PER_ROW;
        return NB_OK;
    }
    bool sane = block[0] > 0 && block[1] > 0 && block[0] <= 1 << 20 && block[1] <= 1 << 20;
    uint64_t down = sane ? blocks(p->rows, block[0]) : 0,
             across = sane ? blocks(p->cols, block[1]) : 0;
    if (!sane || !nb_packed_is(p, NB_PACK_SCALES, down, across))
        return nb_packed_wrong(p, NB_PACK_SCALES, down, across, err);
    p->bits = PER_BLOCK;
    p->group = (uint64_t)block[1];
    return NB_OK;
}

static float fp8_scale(const nb_packed *p, uint64_t row, uint64_t group)
{
    const nb_tensor *s = p->part[NB_PACK_SCALES];
    if (p->bits != PER_BLOCK)
        return nb_stored_float(s, p->bits == ONE ? 0 : row);
    return nb_stored_float(s, row / (uint64_t)p->cfg->block[0] * nb_tensor_cols(s) + group);
}

void nb_fp8_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out)
{
    const uint8_t *at = p->part[NB_PACK_CODES]->bytes + row * p->cols + col;
    uint64_t group = UINT64_MAX;
    float scale = 0;
    for (size_t i = 0; i < n; i++) {
        if ((col + i) / p->group != group) {
            group = (col + i) / p->group;
            scale = fp8_scale(p, row, group);
        }
        out[i] = nk_e4m3_to_f32(at[i]) * scale;
    }
}

/* --- bitsandbytes 4 bit: a map of 16 values, blocks of the flattened weight
 * ------------------------- weight u8 [n / 2][1], the first of two in the high nibble; absmax f32
 * [n / block], or u8 through a map of 256 times nested_absmax f32 [.. / 256], plus an offset */

enum { NESTED_BLOCK = 256, MAX_STATE = 1 << 16 };

static nb_status read_state(nb_packed *p, nb_err *err)
{
    const nb_tensor *t = p->part[NB_PACK_STATE];
    nb_json *doc;
    int64_t rows = 0, cols = 0, block = 64, nested = NESTED_BLOCK;
    double offset = 0;
    NB_TRY(nb_json_parse(&doc, (const char *)t->bytes, (size_t)t->nbytes, MAX_STATE, t->name, err));
    const nb_jval *root = nb_json_root(doc), *shape = nb_jfirst(nb_jget(root, "shape"));
    nb_status st = nb_jopt_int(doc, root, "blocksize", 32, 4096, &block, err);
    if (st == NB_OK)
        st = nb_jopt_num(doc, root, "nested_offset", -1e30, 1e30, &offset, err);
    if (st == NB_OK)
        st = nb_jopt_int(doc, root, "nested_blocksize", NESTED_BLOCK, NESTED_BLOCK, &nested, err);
    if (st == NB_OK && (!nb_jint(shape, &rows) || !nb_jint(nb_jnext(shape), &cols) || rows < 1 ||
                        cols < 1 || rows > 1 << 30 || cols > 1 << 30))
        st = nb_fail(err, NB_FORMAT, "tensor \"%.120s\": shape is no two sizes", t->name);
    nb_json_close(&doc);
    p->rows = (uint64_t)rows;
    p->cols = (uint64_t)cols;
    p->group = (uint64_t)block; /* of the flattened weight */
    p->offset = offset;
    return st;
}

nb_status nb_bnb4_open(nb_packed *p, nb_err *err)
{
    const nb_tensor *q = p->part[NB_PACK_CODES], *s = p->part[NB_PACK_SCALES];
    const nb_tensor *map = p->part[NB_PACK_MAP], *nested = p->part[NB_PACK_NESTED];
    NB_TRY(read_state(p, err));
    uint64_t n = p->rows * p->cols, groups = (n + p->group - 1) / p->group;
    if (nb_tensor_count(q) != (n + 1) / 2)
        return nb_packed_wrong(p, NB_PACK_CODES, (n + 1) / 2, 1, err);
    if (nb_tensor_count(s) != groups || s->type != (nested ? NK_I8 : NK_F32))
        return nb_packed_wrong(p, NB_PACK_SCALES, 1, groups, err);
    if (nb_tensor_count(map) != 16 || map->type != NK_F32)
        return nb_packed_wrong(p, NB_PACK_MAP, 1, 16, err);
    if (nested && (nb_tensor_count(nested) != (groups + NESTED_BLOCK - 1) / NESTED_BLOCK ||
                   nested->type != NK_F32))
        return nb_packed_wrong(p, NB_PACK_NESTED, 1, (groups + NESTED_BLOCK - 1) / NESTED_BLOCK,
                               err);
    const nb_tensor *values = p->part[NB_PACK_NESTED_MAP];
    if (nested && (!values || nb_tensor_count(values) != 256 || values->type != NK_F32))
        return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": its scales' map has no 256 values",
                       p->name);
    p->type = p->cols % 32 == 0 ? NK_Q8_0 : NK_F32;
    return NB_OK;
}

static float absmax(const nb_packed *p, uint64_t group)
{
    const nb_tensor *s = p->part[NB_PACK_SCALES], *nested = p->part[NB_PACK_NESTED];
    if (!nested)
        return nb_stored_float(s, group);
    float code = nb_stored_float(p->part[NB_PACK_NESTED_MAP], s->bytes[group]);
    return code * nb_stored_float(nested, group / NESTED_BLOCK) + (float)p->offset;
}

void nb_bnb4_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out)
{
    const uint8_t *bytes = p->part[NB_PACK_CODES]->bytes;
    uint64_t group = UINT64_MAX;
    float scale = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t at = row * p->cols + col + i;
        if (at / p->group != group) {
            group = at / p->group;
            scale = absmax(p, group);
        }
        unsigned code = at % 2 ? bytes[at / 2] & 15u : bytes[at / 2] >> 4;
        out[i] = nb_stored_float(p->part[NB_PACK_MAP], code) * scale;
    }
}

/* FP4's values are twelfths of the largest: a block of Q8_0 whose step is that twelfth holds all
 * but the smallest, a sixteenth of a step (quant.md 2.5). */
nb_status nb_fp4_open(nb_packed *p, nb_err *err)
{
    NB_TRY(nb_bnb4_open(p, err));
    if (p->cols % p->group != 0)
        p->type = NK_F32; /* scales that cross rows */
    return NB_OK;
}

void nb_fp4_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out)
{
    const uint8_t *bytes = p->part[NB_PACK_CODES]->bytes;
    for (size_t i = 0; i < n; i++) {
        uint64_t at = row * p->cols + col + i;
        unsigned code = at % 2 ? bytes[at / 2] & 15u : bytes[at / 2] >> 4;
        float value = nb_stored_float(p->part[NB_PACK_MAP], code) * 12;
        out[i] = value >= -12.5f && value <= 12.5f ? (int)lrintf(value) : 0;
    }
}

float nb_fp4_scale(const nb_packed *p, uint64_t row, uint64_t group)
{
    return absmax(p, row * (p->cols / p->group) + group) / 12;
}
