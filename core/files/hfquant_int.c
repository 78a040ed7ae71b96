/* Packings of integer codes: weight = scale * (code - zero), a scale and zero per group of columns.
 * Which of ggml's types holds the same codes: quant.md 2.5. */
#include <stdlib.h>
#include <string.h>

#include "core/files/hfquant_rows.h"
#include "kernels/fp.h"

enum { BLOCK = 32 }; /* columns that share a scale in Q4_0, Q4_1, Q8_0 */

uint32_t nb_packed_bits(const uint8_t *words, uint64_t stride, uint64_t at, unsigned bits)
{
    uint32_t low, high = 0;
    uint64_t word = at / 32;
    unsigned shift = (unsigned)(at % 32);
    memcpy(&low, words + word * stride * 4, 4);
    if (shift + bits > 32) /* three bits do not divide a word */
        memcpy(&high, words + (word + 1) * stride * 4, 4);
    uint64_t both = (uint64_t)high << 32 | low;
    return (uint32_t)(both >> shift) & ((1u << bits) - 1);
}

/* --- landing ------------------------------------------------------------------------------------
 */

/* Zeros of all groups are that of a symmetric code, 2^(bits - 1). */
static bool is_symmetric(const nb_packed *p)
{
    const uint64_t groups = (p->cols + p->group - 1) / p->group;
    if (!p->cfg->symmetric)
        return false;
    for (uint64_t r = 0; r < p->rows; r++)
        for (uint64_t g = 0; g < groups; g++)
            if (p->how->zero(p, r, g) != 1 << (p->bits - 1))
                return false;
    return true;
}

/* Columns in the order of their groups. */
static bool is_ordered(const nb_packed *p)
{
    const nb_tensor *t = p->part[NB_PACK_ORDER];
    for (uint64_t c = 0; t && c < p->cols; c++) {
        int32_t group;
        memcpy(&group, t->bytes + c * sizeof group, sizeof group);
        if ((uint64_t)group != c / p->group)
            return false;
    }
    return true;
}

/* Every code less its zero is one that q8_0 has: else nine bits are needed. */
static bool fits_int8(const nb_packed *p)
{
    int code[BLOCK];
    for (uint64_t r = 0; r < p->rows; r++)
        for (uint64_t c = 0; c < p->cols; c += BLOCK) {
            int zero = p->how->zero(p, r, c / p->group);
            p->how->codes(p, r, c, BLOCK, code);
            for (int i = 0; i < BLOCK; i++)
                if (code[i] - zero < -128 || code[i] - zero > 127)
                    return false;
        }
    return true;
}

/* The smallest float type that holds every weight. */
static nk_type_id exact_float(nb_packed *p, nb_err *err)
{
    p->type = NK_F32;
    float *row = nb_alloc(p->cols, sizeof *row, "row", err);
    bool half = row != NULL;
    for (uint64_t r = 0; half && r < p->rows; r++) {
        nb_packed_values(p, r, row);
        for (uint64_t c = 0; half && c < p->cols; c++)
            half = nk_f16_to_f32(nk_f32_to_f16(row[c])) == row[c];
    }
    bool enough = row != NULL;
    free(row);
    return !enough ? NK_TYPE_SLOTS : half ? NK_F16 : NK_F32;
}

/* Codes keep their blocks where a scale covers whole ones; elsewhere, with columns out of order or
 * codes of nine bits, only floats hold the same. */
static nb_status land(nb_packed *p, nb_err *err)
{
    p->scattered = !is_ordered(p);
    bool whole = p->group % BLOCK == 0 && p->cols % BLOCK == 0 && !p->scattered;
    if (whole && p->bits <= 4)
        p->type = is_symmetric(p) ? NK_Q4_0 : NK_Q4_1;
    else if (whole && (is_symmetric(p) || fits_int8(p)))
        p->type = NK_Q8_0;
    else
        p->type = exact_float(p, err);
    return p->type == NK_TYPE_SLOTS ? NB_NOMEM : NB_OK;
}

nk_type_id nb_packed_sorted_type(const nb_packed *p)
{
    if (!p->scattered || p->cols % BLOCK != 0 || p->bits > 8)
        return NK_TYPE_SLOTS;
    bool even = is_symmetric(p);
    return p->bits <= 4 ? (even ? NK_Q4_0 : NK_Q4_1) : even ? NK_Q8_0 : NK_TYPE_SLOTS;
}

nb_status nb_packed_sort(const nb_packed *p, uint64_t segment, uint32_t *order, bool *whole,
                         nb_err *err)
{
    const uint64_t groups = (p->cols + p->group - 1) / p->group;
    *whole = segment > 0 && segment % BLOCK == 0 && p->cols % segment == 0;
    if (!*whole)
        return NB_OK;
    uint32_t *start = nb_alloc(groups + 1, sizeof *start, "groups", err);
    if (!start)
        return NB_NOMEM;
    for (uint64_t first = 0; first < p->cols; first += segment) {
        memset(start, 0, (size_t)(groups + 1) * sizeof *start);
        for (uint64_t c = first; c < first + segment; c++)
            start[nb_packed_group(p, c) + 1]++;
        for (uint64_t g = 0; g < groups; g++) {
            *whole = *whole && start[g + 1] % BLOCK == 0;
            start[g + 1] += start[g];
        }
        for (uint64_t c = first; c < first + segment; c++)
            order[first + start[nb_packed_group(p, c)]++] = (uint32_t)c;
    }
    free(start);
    return NB_OK;
}

static nb_status bad_order(const nb_packed *p, uint64_t groups, nb_err *err)
{
    const nb_tensor *t = p->part[NB_PACK_ORDER];
    if (!t)
        return NB_OK;
    if (t->type != NK_I32 || !nb_packed_is(p, NB_PACK_ORDER, 1, p->cols))
        return nb_packed_wrong(p, NB_PACK_ORDER, 1, p->cols, err);
    for (uint64_t c = 0; c < p->cols; c++) {
        int32_t group;
        memcpy(&group, t->bytes + c * sizeof group, sizeof group);
        if (group < 0 || (uint64_t)group >= groups)
            return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": column %llu is in group %d of %llu",
                           t->name, (unsigned long long)c, group, (unsigned long long)groups);
    }
    return NB_OK;
}

static nb_status bits_known(const nb_packed *p, nb_err *err)
{
    int64_t b = p->cfg->bits;
    return b == 2 || b == 3 || b == 4 || b == 8
               ? NB_OK
               : nb_fail(err, NB_UNSUPPORTED, "tensor \"%.120s\": %s of %lld bits cannot be read",
                         p->name, p->how->name, (long long)b);
}

static bool is_float(const nb_tensor *t)
{
    return t->type == NK_F32 || t->type == NK_F16 || t->type == NK_BF16;
}

/* Group size from the count of groups: the config's may say -1 for "all columns". */
static nb_status set_group(nb_packed *p, uint64_t groups, nb_err *err)
{
    p->group = p->cfg->group > 0 ? (uint64_t)p->cfg->group : p->cols;
    if (p->cfg->mixed && groups && p->cols % groups == 0)
        p->group = p->cols / groups;
    if (groups == 0 || (p->cols + p->group - 1) / p->group != groups)
        return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": %llu groups of %llu for %llu columns",
                       p->name, (unsigned long long)groups, (unsigned long long)p->group,
                       (unsigned long long)p->cols);
    if (!is_float(p->part[NB_PACK_SCALES]))
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%.120s\": scales are no floats",
                       p->part[NB_PACK_SCALES]->name);
    return NB_OK;
}

int nb_no_zero(const nb_packed *p, uint64_t row, uint64_t group)
{
    (void)p, (void)row, (void)group;
    return 0;
}

/* --- GPTQ: codes along the inputs, zeros along the outputs
 * ---------------------------------------- qweight i32 [in * bits / 32][out], qzeros i32
 * [groups][out * bits / 32], scales [groups][out] */

nb_status nb_gptq_open(nb_packed *p, nb_err *err)
{
    const nb_tensor *q = p->part[NB_PACK_CODES];
    NB_TRY(bits_known(p, err));
    p->bits = (unsigned)p->cfg->bits;
    p->rows = nb_tensor_cols(q);
    p->cols = nb_tensor_rows(q) * 32 / p->bits;
    uint64_t groups = nb_tensor_rows(p->part[NB_PACK_SCALES]), zeros = p->rows * p->bits / 32;
    NB_TRY(set_group(p, groups, err));
    if (!nb_packed_is(p, NB_PACK_SCALES, groups, p->rows))
        return nb_packed_wrong(p, NB_PACK_SCALES, groups, p->rows, err);
    if (!nb_packed_is(p, NB_PACK_ZEROS, groups, zeros) || p->part[NB_PACK_ZEROS]->type != NK_I32 ||
        p->rows * p->bits % 32)
        return nb_packed_wrong(p, NB_PACK_ZEROS, groups, zeros, err);
    NB_TRY(bad_order(p, groups, err));
    return land(p, err);
}

void nb_gptq_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out)
{
    const uint8_t *column = p->part[NB_PACK_CODES]->bytes + row * 4;
    for (size_t i = 0; i < n; i++)
        out[i] = (int)nb_packed_bits(column, p->rows, (col + i) * p->bits, p->bits);
}

float nb_gptq_scale(const nb_packed *p, uint64_t row, uint64_t group)
{
    return nb_stored_float(p->part[NB_PACK_SCALES], group * p->rows + row);
}

int nb_gptq_zero(const nb_packed *p, uint64_t row, uint64_t group)
{
    const uint64_t words = p->rows * p->bits / 32;
    const uint8_t *zeros = p->part[NB_PACK_ZEROS]->bytes + group * words * 4;
    return (int)nb_packed_bits(zeros, 1, row * p->bits, p->bits) + (int)p->cfg->zero_bias;
}

/* --- AWQ gemm: eight outputs in a word, in an order of their own
 * ---------------------------------- qweight i32 [in][out / 8], qzeros i32 [groups][out / 8],
 * scales [groups][out] */

static unsigned awq_shift(uint64_t row)
{
    static const uint8_t nibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};
    return nibble[row % 8] * 4u;
}

static int awq_nibble(const nb_tensor *t, uint64_t line, uint64_t row)
{
    uint32_t w;
    memcpy(&w, t->bytes + (line * nb_tensor_cols(t) + row / 8) * 4, 4);
    return (int)(w >> awq_shift(row) & 15);
}

static nb_status four_bits(const nb_packed *p, nb_err *err)
{
    return p->cfg->bits == 4
               ? NB_OK
               : nb_fail(err, NB_UNSUPPORTED, "tensor \"%.120s\": %s of %lld bits cannot be read",
                         p->name, p->how->name, (long long)p->cfg->bits);
}

nb_status nb_awq_open(nb_packed *p, nb_err *err)
{
    const nb_tensor *q = p->part[NB_PACK_CODES];
    NB_TRY(four_bits(p, err));
    p->bits = 4;
    p->rows = nb_tensor_cols(q) * 8;
    p->cols = nb_tensor_rows(q);
    uint64_t groups = nb_tensor_rows(p->part[NB_PACK_SCALES]);
    NB_TRY(set_group(p, groups, err));
    if (!nb_packed_is(p, NB_PACK_SCALES, groups, p->rows))
        return nb_packed_wrong(p, NB_PACK_SCALES, groups, p->rows, err);
    if (!nb_packed_is(p, NB_PACK_ZEROS, groups, p->rows / 8) ||
        p->part[NB_PACK_ZEROS]->type != NK_I32)
        return nb_packed_wrong(p, NB_PACK_ZEROS, groups, p->rows / 8, err);
    return land(p, err);
}

void nb_awq_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = awq_nibble(p->part[NB_PACK_CODES], col + i, row);
}

int nb_awq_zero(const nb_packed *p, uint64_t row, uint64_t group)
{
    return awq_nibble(p->part[NB_PACK_ZEROS], group, row);
}

/* --- AWQ gemv: rows as they are, groups padded
 * ---------------------------------------------------- qweight i32 [out][in / 8], qzeros i32
 * [out][>= groups / 8], scales [out][>= groups] */

nb_status nb_gemv_open(nb_packed *p, nb_err *err)
{
    const nb_tensor *q = p->part[NB_PACK_CODES], *s = p->part[NB_PACK_SCALES],
                    *z = p->part[NB_PACK_ZEROS];
    NB_TRY(four_bits(p, err));
    p->bits = 4;
    p->rows = nb_tensor_rows(q);
    p->cols = nb_tensor_cols(q) * 8;
    p->group = p->cfg->group > 0 ? (uint64_t)p->cfg->group : p->cols;
    uint64_t groups = (p->cols + p->group - 1) / p->group;
    NB_TRY(set_group(p, groups, err));
    if (nb_tensor_rows(s) != p->rows || nb_tensor_cols(s) < groups)
        return nb_packed_wrong(p, NB_PACK_SCALES, p->rows, groups, err);
    if (nb_tensor_rows(z) != p->rows || nb_tensor_cols(z) * 8 < groups || z->type != NK_I32)
        return nb_packed_wrong(p, NB_PACK_ZEROS, p->rows, (groups + 7) / 8, err);
    return land(p, err);
}

void nb_gemv_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out)
{
    const nb_tensor *q = p->part[NB_PACK_CODES];
    const uint8_t *words = q->bytes + row * nb_tensor_cols(q) * 4;
    for (size_t i = 0; i < n; i++)
        out[i] = (int)nb_packed_bits(words, 1, (col + i) * p->bits, p->bits);
}

float nb_gemv_scale(const nb_packed *p, uint64_t row, uint64_t group)
{
    const nb_tensor *s = p->part[NB_PACK_SCALES];
    return nb_stored_float(s, row * nb_tensor_cols(s) + group);
}

int nb_gemv_zero(const nb_packed *p, uint64_t row, uint64_t group)
{
    const nb_tensor *z = p->part[NB_PACK_ZEROS];
    return (int)nb_packed_bits(z->bytes + row * nb_tensor_cols(z) * 4, 1, group * 4, 4);
}

/* --- compressed-tensors pack-quantized
 * ------------------------------------------------------------ weight_packed i32 [out][in * bits /
 * 32], weight_scale [out][groups], codes offset by 2^(bits - 1); weight_zero_point i32 [out * bits
 * / 32][groups] with the same offset */

/* Width and bits as weight_shape has them; where it is absent as config.json has the bits. */
static nb_status ct_width(nb_packed *p, nb_err *err)
{
    const nb_tensor *shape = p->part[NB_PACK_STATE];
    const uint64_t words = nb_tensor_cols(p->part[NB_PACK_CODES]);
    int64_t size[2] = {0, 0}, bits = p->cfg->bits;
    if (shape && (shape->type != NK_I64 || nb_tensor_count(shape) != 2))
        return nb_packed_wrong(p, NB_PACK_STATE, 1, 2, err);
    if (shape)
        memcpy(size, shape->bytes, sizeof size);
    if (shape && p->cfg->mixed && size[1] > 0)
        bits = (int64_t)(words * 32 / (uint64_t)size[1]);
    if (bits != 4 && bits != 8)
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%.120s\": %s of %lld bits cannot be read",
                       p->name, p->how->name, (long long)bits);
    p->bits = (unsigned)bits;
    p->cols = words * 32 / p->bits;
    if (shape && (size[0] < 1 || (uint64_t)size[0] != p->rows || size[1] < 1 ||
                  (uint64_t)size[1] != p->cols))
        return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": %lld x %lld, its codes are %llu x %llu",
                       shape->name, (long long)size[0], (long long)size[1],
                       (unsigned long long)p->rows, (unsigned long long)p->cols);
    return NB_OK;
}

nb_status nb_ct_open(nb_packed *p, nb_err *err)
{
    const nb_tensor *q = p->part[NB_PACK_CODES], *z = p->part[NB_PACK_ZEROS];
    p->rows = nb_tensor_rows(q);
    NB_TRY(ct_width(p, err));
    uint64_t groups = nb_tensor_cols(p->part[NB_PACK_SCALES]);
    NB_TRY(set_group(p, groups, err));
    if (!nb_packed_is(p, NB_PACK_SCALES, p->rows, groups))
        return nb_packed_wrong(p, NB_PACK_SCALES, p->rows, groups, err);
    if (z && (!nb_packed_is(p, NB_PACK_ZEROS, p->rows * p->bits / 32, groups) ||
              p->rows * p->bits % 32 || z->type != NK_I32))
        return nb_packed_wrong(p, NB_PACK_ZEROS, p->rows * p->bits / 32, groups, err);
    NB_TRY(bad_order(p, groups, err));
    return land(p, err);
}

int nb_ct_zero(const nb_packed *p, uint64_t row, uint64_t group)
{
    const nb_tensor *z = p->part[NB_PACK_ZEROS];
    if (!z)
        return 1 << (p->bits - 1);
    return (int)nb_packed_bits(z->bytes + group * 4, nb_tensor_cols(z), row * p->bits, p->bits);
}

/* --- plain int8: bitsandbytes, compressed-tensors int-quantized
 * ----------------------------------- weight i8 [out][in]; SCB f32 [out], w = q * SCB / 127; or
 * weight_scale [out][groups] or [1] */

nb_status nb_int8_open(nb_packed *p, nb_err *err)
{
    const nb_tensor *q = p->part[NB_PACK_CODES], *s = p->part[NB_PACK_SCALES];
    p->bits = 8;
    p->rows = nb_tensor_rows(q);
    p->cols = nb_tensor_cols(q);
    bool listed = s->n_dims == 1 && nb_tensor_cols(s) == p->rows;
    bool single = nb_tensor_count(s) == 1;
    uint64_t groups = listed || single ? 1 : nb_tensor_cols(s);
    if (!is_float(s) || (!listed && !single && nb_tensor_rows(s) != p->rows) ||
        p->cols % groups != 0)
        return nb_packed_wrong(p, NB_PACK_SCALES, p->rows, groups, err);
    p->group = p->cols / groups;
    p->type = p->group % BLOCK == 0 ? NK_Q8_0 : NK_F32;
    return NB_OK;
}

void nb_int8_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out)
{
    const uint8_t *at = p->part[NB_PACK_CODES]->bytes + row * p->cols + col;
    for (size_t i = 0; i < n; i++)
        out[i] = (int)(at[i] ^ 0x80u) - 0x80; /* as signed */
}

float nb_int8_scale(const nb_packed *p, uint64_t row, uint64_t group)
{
    const nb_tensor *s = p->part[NB_PACK_SCALES];
    uint64_t groups = p->cols / p->group;
    return nb_stored_float(s, nb_tensor_count(s) == 1 ? 0 : row * groups + group);
}

float nb_scb_scale(const nb_packed *p, uint64_t row, uint64_t group)
{
    return nb_int8_scale(p, row, group) / 127.0f;
}

/* --- BitNet: ternary, four rows in a byte (transformers @ 2c4914f, integrations/bitnet.py)
 * ------------------- weight u8 [out / 4][in]: row k * out / 4 + r in bits 2k of row r, code minus
 * 1; weight_scale [1], by which BitLinear divides and AutoBitLinear multiplies */

nb_status nb_bitnet_open(nb_packed *p, nb_err *err)
{
    const nb_tensor *q = p->part[NB_PACK_CODES], *s = p->part[NB_PACK_SCALES];
    p->bits = 2;
    p->rows = nb_tensor_rows(q) * 4;
    p->cols = p->group = nb_tensor_cols(q);
    if (nb_tensor_count(s) != 1 || !is_float(s))
        return nb_packed_wrong(p, NB_PACK_SCALES, 1, 1, err);
    p->type = p->cols % 256 == 0 ? NK_TQ2_0 : p->cols % BLOCK == 0 ? NK_Q4_0 : NK_F32;
    return NB_OK;
}

void nb_bitnet_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out)
{
    const uint64_t quarter = p->rows / 4;
    const unsigned shift = 2 * (unsigned)(row / quarter);
    const uint8_t *at = p->part[NB_PACK_CODES]->bytes + row % quarter * p->cols + col;
    for (size_t i = 0; i < n; i++)
        out[i] = at[i] >> shift & 3;
}

float nb_bitnet_scale(const nb_packed *p, uint64_t row, uint64_t group)
{
    (void)row, (void)group;
    float s = nb_stored_float(p->part[NB_PACK_SCALES], 0);
    return p->cfg->multiplies ? s : 1 / s;
}

int nb_bitnet_zero(const nb_packed *p, uint64_t row, uint64_t group)
{
    (void)p, (void)row, (void)group;
    return 1;
}
