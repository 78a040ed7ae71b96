/* Packings of 4-bit codes in the order that one GPU kernel reads them: Marlin's tiles (AutoAWQ @
 * 34085ed, awq/modules/linear/marlin.py, and the same layout under other names of AutoGPTQ's
 * qlinear_marlin.py) and AutoAWQ's gemv_fast (@ 0d97169, awq/modules/linear/gemv_fast.py). */
#include <string.h>

#include "core/files/hfquant_rows.h"

enum { BLOCK = 32 };

static nb_status set_groups(nb_packed *p, uint64_t lines, nb_err *err)
{
    p->bits = 4;
    p->group = p->cfg->group > 0 ? (uint64_t)p->cfg->group : p->cols;
    uint64_t groups = (p->cols + p->group - 1) / p->group;
    const nb_tensor *s = p->part[NB_PACK_SCALES];
    if (p->cfg->bits != 4)
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%.120s\": %s of %lld bits cannot be read",
                       p->name, p->how->name, (long long)p->cfg->bits);
    if (!nk_type_get(s->type)->is_float || lines < groups || nb_tensor_cols(s) != p->rows)
        return nb_packed_wrong(p, NB_PACK_SCALES, groups, p->rows, err);
    return NB_OK;
}

/* --- Marlin: tiles of 16 inputs x 64 outputs ----------------------------------------------------
 * codes i32 [in / 16][out * 2], scales f16 [groups][out] in an order of their own, zeros are 8 */

enum { TILE = 16, STRIP = 64 };

nb_status nb_marlin_open(nb_packed *p, nb_err *err)
{
    const nb_tensor *q = p->part[NB_PACK_CODES], *s = p->part[NB_PACK_SCALES];
    p->rows = nb_tensor_cols(q) / 2;
    p->cols = nb_tensor_rows(q) * TILE;
    if (p->rows % STRIP != 0 || nb_tensor_cols(q) % 2 != 0)
        return nb_packed_wrong(p, NB_PACK_CODES, p->cols / TILE, p->rows / STRIP * STRIP * 2, err);
    NB_TRY(set_groups(p, nb_tensor_rows(s), err));
    p->type = p->group % BLOCK == 0 && p->cols % BLOCK == 0 ? NK_Q4_0 : NK_F32;
    return NB_OK;
}

/* Of a strip's 512 bytes word 4 * thread + tile holds, for one of 32 threads and one of four tiles,
 * two outputs of four inputs: nibbles 0..3 are those with even numbers, 4..7 the odd ones. */
void nb_marlin_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out)
{
    const uint8_t *words = p->part[NB_PACK_CODES]->bytes;
    const uint64_t line = p->rows * 2, strip = row / STRIP * 128 + row / TILE % 4, in = row % TILE;
    for (size_t i = 0; i < n; i++) {
        uint64_t k = (col + i) % TILE, thread = in % 8 * 4 + k % 8 / 2;
        uint64_t which = in / 8 * 4 + k / 8 * 2 + k % 2;
        uint64_t nibble = which % 2 * 4 + which / 2;
        uint32_t word;
        memcpy(&word, words + ((col + i) / TILE * line + strip + thread * 4) * sizeof word,
               sizeof word);
        out[i] = (int)(word >> (4 * nibble) & 15);
    }
}

/* Eight by eight turned; one scale for all inputs: pairs of outputs 8 apart side by side. */
float nb_marlin_scale(const nb_packed *p, uint64_t row, uint64_t group)
{
    uint64_t at = row % STRIP % 8 * 8 + row % STRIP / 8 + row / STRIP * STRIP;
    if (p->group == p->cols)
        at = row % 32 % 8 / 2 * 8 + row % 32 / 8 * 2 + row % 2 + row / 32 * 32;
    return nb_stored_float(p->part[NB_PACK_SCALES], group * p->rows + at);
}

int nb_marlin_zero(const nb_packed *p, uint64_t row, uint64_t group)
{
    (void)p, (void)row, (void)group;
    return 8;
}

/* --- gemv_fast: four outputs interleaved ---------------------------------------------------------
 * codes i16 [out / 4][in]; scales and zeros f16 [>= groups][out], w = scale q + zero */

enum { LANES = 4, STRIDE = 64 };

static const nb_tensor *fast_zeros(const nb_packed *p)
{
    return p->part[NB_PACK_ZEROS] ? p->part[NB_PACK_ZEROS] : p->part[NB_PACK_NESTED];
}

nb_status nb_fast_open(nb_packed *p, nb_err *err)
{
    const nb_tensor *q = p->part[NB_PACK_CODES], *s = p->part[NB_PACK_SCALES], *z = fast_zeros(p);
    p->rows = nb_tensor_rows(q) * LANES;
    p->cols = nb_tensor_cols(q);
    if (p->cols % STRIDE != 0)
        return nb_packed_wrong(p, NB_PACK_CODES, p->rows / LANES, p->cols / STRIDE * STRIDE, err);
    NB_TRY(set_groups(p, nb_tensor_rows(s), err));
    if (!z || z->type != s->type || nb_tensor_rows(z) != nb_tensor_rows(s) ||
        nb_tensor_cols(z) != p->rows)
        return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": its zeros are not as its scales",
                       p->name);
    p->type = p->group % BLOCK == 0 ? NK_Q4_1 : NK_F32;
    return NB_OK;
}

/* Of 32 inputs a 8 + b 2 + c comes to b 8 + c 4 + a; of 64 and four outputs, one output's after
 * another's, four neighbours share a word. */
void nb_fast_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out)
{
    const uint8_t *words = p->part[NB_PACK_CODES]->bytes;
    for (size_t i = 0; i < n; i++) {
        uint64_t k = (col + i) % BLOCK, half = (col + i) % STRIDE / BLOCK;
        uint64_t at = row % LANES * STRIDE + half * BLOCK + k % 8 / 2 * 8 + k % 2 * 4 + k / 8;
        uint64_t word = row / LANES * p->cols + (col + i) / STRIDE * STRIDE + at / 4;
        out[i] = words[word * 2 + at % 4 / 2] >> (at % 2 * 4) & 15;
    }
}

float nb_fast_offset(const nb_packed *p, uint64_t row, uint64_t group)
{
    return nb_stored_float(fast_zeros(p), group * p->rows + row);
}

void nb_fast_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t g = (col + i) / p->group;
        int code;
        nb_fast_codes(p, row, col + i, 1, &code);
        out[i] = nb_gptq_scale(p, row, g) * (float)code + nb_fast_offset(p, row, g);
    }
}
