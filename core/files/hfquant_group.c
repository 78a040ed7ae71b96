/* Packings whose matrix is cut into rows of one group each, two halves of them in one byte's
 * nibbles, with zeros that are no integers: HQQ (mobiusml/hqq, core/quantize.py and bitpack.py) and
 * optimum-quanto (tensor/weights/qbits.py, tensor/packed.py). */
#include <string.h>

#include "core/files/hfquant_rows.h"

/* Groups of the whole weight. */
static uint64_t groups_of(const nb_packed *p)
{
    return p->rows * (p->cols / p->group);
}

static uint64_t group_at(const nb_packed *p, uint64_t row, uint64_t group)
{
    return row * (p->cols / p->group) + group;
}

/* What open has found is there: groups within rows, their scales and offsets, codes of all. */
static nb_status check_parts(nb_packed *p, uint64_t bytes, nb_err *err)
{
    if (p->group == 0 || p->cols % p->group != 0 || (p->cfg->axis && groups_of(p) % 2 != 0))
        return nb_fail(err, NB_UNSUPPORTED,
                       "tensor \"%.120s\": %llu x %llu in groups of %llu cannot be read", p->name,
                       (unsigned long long)p->rows, (unsigned long long)p->cols,
                       (unsigned long long)p->group);
    if (nb_tensor_count(p->part[NB_PACK_CODES]) != bytes)
        return nb_packed_wrong(p, NB_PACK_CODES, bytes / p->group, p->group, err);
    for (int role = NB_PACK_SCALES; role <= NB_PACK_ZEROS; role++) {
        const nb_tensor *t = p->part[role];
        if (nb_tensor_count(t) != groups_of(p) || !nk_type_get(t->type)->is_float)
            return nb_packed_wrong(p, role, groups_of(p), 1, err);
    }
    p->type = p->cfg->axis && p->group % 32 == 0 && p->bits == 4 ? NK_Q4_1 : NK_F32;
    return NB_OK;
}

/* Code of element i of a group: groups of the first half high, of the second low, or the other way.
 */
static int nibble(const nb_packed *p, uint64_t group, uint64_t i, bool first_is_high)
{
    uint64_t half = groups_of(p) / 2;
    bool second = group >= half;
    uint8_t b = p->part[NB_PACK_CODES]->bytes[(group - (second ? half : 0)) * p->group + i];
    return second == first_is_high ? b & 15 : b >> 4;
}

/* --- HQQ: W_q, scale, zero, shape; w = (q - zero) scale ------------------------------------------
 */

nb_status nb_hqq_open(nb_packed *p, nb_err *err)
{
    const nb_tensor *shape = p->part[NB_PACK_STATE];
    int64_t size[2];
    if (shape->type != NK_I64 || nb_tensor_count(shape) != 2)
        return nb_packed_wrong(p, NB_PACK_STATE, 1, 2, err);
    memcpy(size, shape->bytes, sizeof size);
    if (size[0] < 1 || size[1] < 1 || size[0] > 1 << 30 || size[1] > 1 << 30)
        return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": %lld x %lld is no size", shape->name,
                       (long long)size[0], (long long)size[1]);
    p->rows = (uint64_t)size[0];
    p->cols = (uint64_t)size[1];
    p->bits = (unsigned)p->cfg->bits;
    p->group = p->cfg->group > 0 ? (uint64_t)p->cfg->group : p->cols;
    if (p->bits == 4 && !p->cfg->axis && p->group % 2 != 0)
        return nb_packed_wrong(p, NB_PACK_CODES, p->group, p->rows * p->cols / p->group, err);
    return check_parts(p, p->rows * p->cols * p->bits / 8, err);
}

/* Along axis 0 the matrix is cut into as many rows as a group has members, and these rows lie in
 * halves: weight `at` of the whole is member at / groups of group at % groups. */
static int code_across(const nb_packed *p, uint64_t at)
{
    const uint8_t *bytes = p->part[NB_PACK_CODES]->bytes;
    uint64_t half = p->rows * p->cols / 2;
    if (p->bits == 8)
        return bytes[at];
    return at < half ? bytes[at] >> 4 : bytes[at - half] & 15;
}

void nb_hqq_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t at = row * p->cols + col + i;
        out[i] = p->bits == 8 || !p->cfg->axis ? code_across(p, at)
                                               : nibble(p, at / p->group, at % p->group, true);
    }
}

float nb_hqq_scale(const nb_packed *p, uint64_t row, uint64_t group)
{
    return nb_stored_float(p->part[NB_PACK_SCALES], group_at(p, row, group));
}

static float hqq_zero(const nb_packed *p, uint64_t row, uint64_t group)
{
    return nb_stored_float(p->part[NB_PACK_ZEROS], group_at(p, row, group));
}

float nb_hqq_offset(const nb_packed *p, uint64_t row, uint64_t group)
{
    return -hqq_zero(p, row, group) * nb_hqq_scale(p, row, group);
}

void nb_hqq_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t at = row * p->cols + col + i, groups = groups_of(p);
        uint64_t g = p->cfg->axis ? at / p->group : at % groups;
        int code;
        nb_hqq_codes(p, row, col + i, 1, &code);
        out[i] = ((float)code - nb_stored_float(p->part[NB_PACK_ZEROS], g)) *
                 nb_stored_float(p->part[NB_PACK_SCALES], g);
    }
}

/* --- Quanto: _data, _scale, _shift; w = scale q - shift
 * -------------------------------------------
 */

static bool ends_with(const char *name, const char *tail)
{
    size_t n = strlen(name), len = strlen(tail);
    return n >= len && strcmp(name + n - len, tail) == 0;
}

/* The codes' matrix has a group for a row, so the weight's own width is config.json's to tell. */
nb_status nb_quanto_open(nb_packed *p, nb_err *err)
{
    const nb_tensor *q = p->part[NB_PACK_CODES];
    int64_t cols = ends_with(p->name, ".o_proj.weight")      ? p->cfg->heads_width
                   : ends_with(p->name, ".down_proj.weight") ? p->cfg->ff
                                                             : p->cfg->width;
    uint64_t n = nb_tensor_count(q) * 2;
    if (cols < 1 || n % (uint64_t)cols != 0)
        return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": %llu weights in rows of %lld", p->name,
                       (unsigned long long)n, (long long)cols);
    p->bits = 4;
    p->cols = (uint64_t)cols;
    p->rows = n / p->cols;
    p->group = nb_tensor_cols(q);
    return check_parts(p, n / 2, err);
}

void nb_quanto_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t at = row * p->cols + col + i;
        out[i] = nibble(p, at / p->group, at % p->group, false);
    }
}

float nb_quanto_offset(const nb_packed *p, uint64_t row, uint64_t group)
{
    return -nb_stored_float(p->part[NB_PACK_ZEROS], group_at(p, row, group));
}

void nb_quanto_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t g = (col + i) / p->group;
        int code;
        nb_quanto_codes(p, row, col + i, 1, &code);
        out[i] = nb_hqq_scale(p, row, g) * (float)code + nb_quanto_offset(p, row, g);
    }
}
