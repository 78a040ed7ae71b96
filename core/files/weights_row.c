/* One row of a view: borrowed from the mapping where it lies there as it is seen, else made. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "core/files/weights_private.h"
#include "kernels/fp.h"

/* Stored row of output row r, within one tensor of `rows` rows. */
static uint64_t stored_row(const nb_view *v, uint64_t r, uint64_t rows)
{
    if (v->order == NB_ROWS_QK) {
        /* stored [head][2][half]: output row 2j + k of a head is stored row k * half + j */
        uint64_t dim = rows / v->heads, half = dim / 2, in = r % dim;
        return r - in + (in % 2) * half + in / 2;
    }
    if (v->order == NB_ROWS_LISTED)
        return v->rows[r];
    if (v->order == NB_ROWS_FALCON_QKV) {
        /* stored [heads_kv][q x per, k, v][dim]; seen [q x heads, k x heads_kv, v x heads_kv][dim]
         * (llama.cpp @ 2bbcf7f, conversion/falcon.py) */
        uint64_t dim = rows / (v->heads + 2ull * v->heads_kv), per = v->heads / v->heads_kv;
        uint64_t head = r / dim, in = r % dim, kv = head - v->heads;
        bool q = head < v->heads, k = !q && kv < v->heads_kv;
        uint64_t group = q ? head / per : k ? kv : kv - v->heads_kv;
        return (group * (per + 2) + (q ? head % per : k ? per : per + 1)) * dim + in;
    }
    return r;
}

/* The same of row r of all parts, within its own. */
static uint64_t part_row(const nb_view *v, uint64_t r, uint64_t part_rows)
{
    return v->order == NB_ROWS_LISTED ? v->rows[r] : stored_row(v, r % part_rows, part_rows);
}

/* --- elements ------------------------------------------------------------------------------------
 */

static float element(nk_type_id type, const uint8_t *at)
{
    float f;
    uint16_t h;
    if (type == NK_F32) {
        memcpy(&f, at, sizeof f);
        return f;
    }
    memcpy(&h, at, sizeof h);
    return type == NK_F16 ? nk_f16_to_f32(h) : nk_bf16_to_f32(h);
}

static void put_element(nk_type_id type, float f, uint8_t *at)
{
    uint16_t h = type == NK_F16 ? nk_f32_to_f16(f) : nk_f32_to_bf16(f);
    if (type == NK_F32)
        memcpy(at, &f, sizeof f);
    else
        memcpy(at, &h, sizeof h);
}

/* mean|w|, as BitNet's own code has it (llama.cpp @ 2bbcf7f, conversion/bitnet.py);
 * computed by whoever asks first, or by several, who all find the same. */
static float mean_of(const nb_view *v, const nb_gather *g)
{
    uint32_t bits = atomic_load_explicit(&g->mean->bits, memory_order_relaxed);
    if (bits)
        return nk_bits_f32(bits);
    const uint64_t size = nk_type_get(g->stored)->block_size;
    double sum = 0;
    for (uint64_t i = 0; i < g->part_elems; i++)
        sum += fabs((double)element(g->stored, v->t.bytes + i * size));
    float mean = (float)(sum / (double)g->part_elems);
    mean = mean > 1e-5f ? mean : 1e-5f;
    atomic_store_explicit(&g->mean->bits, nk_f32_bits(mean), memory_order_relaxed);
    return mean;
}

/* PyTorch adds in the stored type: the sum of an F16 norm is rounded to F16 before it becomes F32;
 * BF16 ones are F32 by then (llama.cpp @ 2bbcf7f, conversion/base.py prepare_tensors). */
static float plus_one(nk_type_id stored, float f)
{
    return stored == NK_F16 ? nk_f16_to_f32(nk_f32_to_f16(f + 1.0f)) : f + 1.0f;
}

static float ternary(float w, float inverse)
{
    float q = rintf(w * inverse);
    return (q > 1 ? 1 : q < -1 ? -1 : q) / inverse;
}

/* Elements of one row that lies at `at`: every stride'th, in the order of the view if elements are
 * what it orders. */
static void make_row(const nb_view *v, const nb_gather *g, const uint8_t *at, uint8_t *out)
{
    const uint64_t from = nk_type_get(g->stored)->block_size, cols = nb_tensor_cols(&v->t);
    const uint64_t to = nk_type_get(v->t.type)->block_size;
    const bool by_element = v->t.n_dims == 1 && v->order != NB_ROWS_PLAIN;
    float inverse = g->change == NB_TERNARY ? 1 / mean_of(v, g) : 0;
    for (uint64_t c = 0; c < cols; c++) {
        const uint8_t *src = at + (by_element ? stored_row(v, c, cols) : c) * g->stride * from;
        if (g->change == NB_KEEP)
            memcpy(out + c * to, src, to);
        else if (g->change == NB_PLUS_ONE)
            put_element(v->t.type, plus_one(g->stored, element(g->stored, src)), out + c * to);
        else
            put_element(v->t.type, ternary(element(g->stored, src), inverse), out + c * to);
    }
}

static bool lies_as_seen(const nb_view *v)
{
    const nb_gather *g = v->gather;
    if (g && g->packed)
        return false;
    return !g || (g->stride == 1 && g->change == NB_KEEP &&
                  (v->t.n_dims > 1 || v->order == NB_ROWS_PLAIN));
}

/* --- rows ----------------------------------------------------------------------------------------
 */

size_t nb_weights_scratch(const nb_view *v)
{
    return lies_as_seen(v) ? 0 : (size_t)(v->t.nbytes / nb_tensor_rows(&v->t));
}

/* Row r of a packed view: whose, and which of its rows. */
static const nb_packed *packed_row(const nb_view *v, uint64_t r, uint64_t *stored)
{
    const nb_gather *g = v->gather;
    uint64_t l = part_row(v, r, g->part_rows);
    const nb_packed *p = g->part ? g->part[r / g->part_rows] : g->packed;
    uint64_t before = g->part ? 0 : r / g->part_rows * (g->part_elems / p->cols);
    *stored = before + (g->first + l * g->row_step) / p->cols;
    return p;
}

bool nb_weights_exact(const nb_view *v, uint64_t r, float *out)
{
    uint64_t stored;
    if (!v->gather || !v->gather->packed)
        return false;
    if (out) {
        const nb_packed *p = packed_row(v, r, &stored);
        nb_packed_values(p, stored, out);
    }
    return true;
}

float nb_weights_factor(const nb_view *v, uint64_t r)
{
    uint64_t stored;
    return v->gather && v->gather->packed ? packed_row(v, r, &stored)->factor : 1;
}

const char *nb_weights_packing(const nb_view *v)
{
    return v->gather && v->gather->packed ? v->gather->packed->how->name : NULL;
}

bool nb_weights_sorted(const nb_view *v)
{
    const nb_gather *g = v->gather;
    return v->order == NB_ROWS_LISTED || (g && g->packed && g->packed->columns);
}

const char *nb_weights_loss(const nb_view *v, nk_type_id to)
{
    return v->gather && v->gather->packed ? nb_packed_loss(v->gather->packed, to) : NULL;
}

const uint8_t *nb_weights_row(const nb_view *v, uint64_t r, void *scratch)
{
    const uint64_t rows = nb_tensor_rows(&v->t);
    const nb_gather *g = v->gather;
    if (!g)
        return v->t.bytes + stored_row(v, r, rows) * (v->t.nbytes / rows);
    if (g->packed) {
        uint64_t stored;
        const nb_packed *packed = packed_row(v, r, &stored);
        nb_packed_row(packed, stored, scratch);
        return scratch;
    }
    uint64_t p = r / g->part_rows, l = r % g->part_rows;
    if (v->t.n_dims > 1)
        l = part_row(v, r, g->part_rows);
    const uint8_t *at = g->part ? (const uint8_t *)g->part[p] : v->t.bytes + p * g->part_bytes;
    at += (g->first + l * g->row_step) * nk_type_get(g->stored)->block_size;
    if (lies_as_seen(v))
        return at;
    make_row(v, g, at, scratch);
    return scratch;
}

void nb_weights_unpack(const nb_view *v, uint8_t *out)
{
    const uint64_t rows = nb_tensor_rows(&v->t), size = v->t.nbytes / rows;
    for (uint64_t r = 0; r < rows; r++, out += size) {
        const uint8_t *row = nb_weights_row(v, r, out);
        if (row != out)
            memcpy(out, row, size);
    }
}

void nb_weights_floats(const nb_view *v, float *out)
{
    const uint64_t rows = nb_tensor_rows(&v->t), cols = nb_tensor_cols(&v->t);
    const size_t size = (size_t)(v->t.nbytes / rows);
    for (uint64_t r = 0; r < rows; r++, out += cols) {
        if (nb_weights_exact(v, r, out))
            continue;
        /* made at the row's end: widening goes forward and never runs into what it reads */
        uint8_t *tail = (uint8_t *)out + cols * sizeof *out - size;
        const uint8_t *row = nb_weights_row(v, r, tail);
        if (row != tail)
            nk_type_get(v->t.type)->decode(row, out, cols);
        for (uint64_t c = 0; row == tail && c < cols; c++)
            out[c] = element(v->t.type, row + c * (size / cols));
    }
}
