#include "core/model/model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

enum { ALIGN = 64 };

/* Shape a slot must have: [cols] for norms, [cols, rows] for matrices. */
static void shape_of(const nb_hparams *hp, nb_slot slot, uint64_t *cols, uint64_t *rows)
{
    uint64_t embd = hp->n_embd, q = (uint64_t)hp->n_head * hp->head_dim,
             kv = (uint64_t)hp->n_head_kv * hp->head_dim;
    const uint64_t shape[NB_SLOT_COUNT][2] = {
        [NB_TOKEN_EMBD] = {embd, hp->n_vocab},
        [NB_OUTPUT_NORM] = {embd, 1},
        [NB_OUTPUT] = {embd, hp->n_vocab},
        [NB_ROPE_FREQS] = {hp->n_rot / 2, 1},
        [NB_ATTN_NORM] = {embd, 1},
        [NB_ATTN_Q] = {embd, q},
        [NB_ATTN_K] = {embd, kv},
        [NB_ATTN_V] = {embd, kv},
        [NB_ATTN_OUT] = {q, embd},
        [NB_FFN_NORM] = {embd, 1},
        [NB_FFN_GATE] = {embd, hp->n_ff},
        [NB_FFN_UP] = {embd, hp->n_ff},
        [NB_FFN_DOWN] = {hp->n_ff, embd},
    };
    *cols = shape[slot][0];
    *rows = shape[slot][1];
}

static bool is_vector(nb_slot slot)
{
    return slot == NB_OUTPUT_NORM || slot == NB_ROPE_FREQS || slot == NB_ATTN_NORM ||
           slot == NB_FFN_NORM;
}

/* Fills *m with a view's place in the file, its shape and type checked. */
static nb_status check_view(nk_matrix *m, const nb_view *v, const nb_hparams *hp, nb_slot slot,
                            nb_err *err)
{
    const nb_tensor *t = &v->t;
    uint64_t cols, rows, row_size, total;
    shape_of(hp, slot, &cols, &rows);
    if (nb_tensor_cols(t) != cols || nb_tensor_rows(t) != rows)
        return nb_fail(err, NB_FORMAT,
                       "tensor \"%s\": %" PRIu64 " x %" PRIu64 ", the model's keys say %" PRIu64
                       " x %" PRIu64,
                       t->name, nb_tensor_cols(t), nb_tensor_rows(t), cols, rows);
    const nk_type *type = nk_type_get(t->type);
    if (!type || !type->decode || (!is_vector(slot) && !type->dot))
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\": type %s does not run here yet", t->name,
                       type ? type->name : "unknown");
    if (!nk_row_size(type, cols, &row_size) || !nb_mul(row_size, rows, &total) ||
        total != t->nbytes || !t->bytes)
        return nb_fail(err, NB_FORMAT,
                       "tensor \"%s\": %" PRIu64 " bytes do not hold %" PRIu64 " x %" PRIu64 " %s",
                       t->name, t->nbytes, cols, rows, type->name);
    *m = (nk_matrix){t->bytes, type, (size_t)rows, (size_t)cols, (size_t)row_size};
    return NB_OK;
}

/* Bytes the tensor needs outside the mapping: rows in another order, vectors that are not F32 yet,
 * floats at odd addresses. 0: used in place. */
static uint64_t copy_size(const nb_view *v, const nk_matrix *m, nb_slot slot)
{
    bool odd = m->type->is_float && (uintptr_t)m->data % m->type->block_size;
    bool made = v->order != NB_ROWS_PLAIN || v->gather;
    if (is_vector(slot) && (m->type->id != NK_F32 || odd || made))
        return m->cols * sizeof(float);
    if (made || odd)
        return (uint64_t)m->rows * m->row_size;
    return 0;
}

/* Called twice: first *at counts the bytes (m->unpacked still NULL), then they are filled. */
static nb_status place(nb_model *m, nk_matrix *into, const nb_view *v, nb_slot slot, uint64_t *at,
                       nb_err *err)
{
    nk_matrix w;
    NB_TRY(check_view(&w, v, &m->hp, slot, err));
    uint64_t size = copy_size(v, &w, slot), start = *at;
    if (size && (!nb_add(start, size, at) || !nb_align_up(*at, ALIGN, at)))
        return nb_fail(err, NB_FORMAT, "tensor \"%s\": too large", v->t.name);
    if (size && m->unpacked) {
        uint8_t *copy = (uint8_t *)m->unpacked + start;
        if (is_vector(slot)) {
            nb_weights_floats(v, (float *)(void *)copy);
            w.type = nk_type_get(NK_F32);
            w.row_size = w.cols * sizeof(float);
        } else {
            nb_weights_unpack(v, copy);
        }
        w.data = copy;
    }
    *into = w;
    return NB_OK;
}

static nb_status place_all(nb_model *m, uint64_t *at, nb_err *err)
{
    char name[NB_MAX_NAME + 1];
    for (uint32_t layer = 0; layer <= m->hp.n_layer; layer++) { /* the last round: outside layers */
        bool outside = layer == m->hp.n_layer;
        int slot = outside ? 0 : NB_SLOT_LAYER, end = outside ? NB_SLOT_LAYER : NB_SLOT_COUNT;
        for (; slot < end; slot++) {
            nk_matrix *into = outside ? &m->global[slot] : &m->layer[layer].w[slot];
            nb_slot_name((nb_slot)slot, layer, name);
            const nb_view *v = nb_weights_find(m->weights, name);
            if (!v && nb_slot_of((nb_slot)slot)->required)
                return nb_fail(err, NB_FORMAT, "tensor \"%s\" is missing", name);
            if (v)
                NB_TRY(place(m, into, v, (nb_slot)slot, at, err));
        }
    }
    return NB_OK;
}

/* A tensor that no slot reads would be left out of the computation silently. */
static nb_status refuse_strangers(const nb_model *m, nb_err *err)
{
    char name[NB_MAX_NAME + 1];
    for (size_t i = 0; i < nb_weights_count(m->weights); i++) {
        const char *have = nb_weights_at(m->weights, i)->t.name;
        uint32_t layer = 0;
        bool inside = strncmp(have, "blk.", 4) == 0, known = false;
        for (const char *c = have + 4; inside && *c >= '0' && *c <= '9' && layer < m->hp.n_layer;
             c++)
            layer = layer * 10 + (uint32_t)(*c - '0'); /* at most 10 times 1,024 layers */
        int slot = inside ? NB_SLOT_LAYER : 0, end = inside ? NB_SLOT_COUNT : NB_SLOT_LAYER;
        for (; slot < end && !known && layer < m->hp.n_layer; slot++) {
            nb_slot_name((nb_slot)slot, layer, name);
            known = strcmp(name, have) == 0;
        }
        if (!known)
            return nb_fail(err, NB_UNSUPPORTED,
                           "tensor \"%s\" has no place in a %s model of %u layers", have,
                           m->hp.arch->name, m->hp.n_layer);
    }
    return NB_OK;
}

/* Angle per position of each rotated pair: base^(-2i/n_rot), scaled, divided by the file's factors
 * where it has them (Llama 3). */
static nb_status fill_rope(nb_model *m, nb_err *err)
{
    const nb_hparams *hp = &m->hp;
    const float *factor = m->global[NB_ROPE_FREQS].data;
    for (uint32_t i = 0; i < hp->n_rot / 2; i++) {
        double f = pow((double)hp->rope_base, -2.0 * i / hp->n_rot) * (double)hp->rope_scale;
        if (factor && !(factor[i] > 0 && factor[i] < INFINITY))
            return nb_fail(err, NB_FORMAT, "tensor \"rope_freqs.weight\": value %u is not positive",
                           i);
        m->rope_freq[i] = (float)(factor ? f / (double)factor[i] : f);
    }
    return NB_OK;
}

static void count_bytes(nb_model *m)
{
    const nk_matrix *out = &m->global[m->hp.tied ? NB_TOKEN_EMBD : NB_OUTPUT];
    m->weight_bytes = (uint64_t)out->rows * out->row_size;
    for (uint32_t layer = 0; layer < m->hp.n_layer; layer++)
        for (int slot = NB_SLOT_LAYER; slot < NB_SLOT_COUNT; slot++)
            m->weight_bytes +=
                (uint64_t)m->layer[layer].w[slot].rows * m->layer[layer].w[slot].row_size;
}

static nb_status load(nb_model *m, nb_err *err)
{
    NB_TRY(nb_hparams_read(&m->hp, nb_weights_kvs(m->weights), err));
    m->layer = nb_alloc(m->hp.n_layer, sizeof *m->layer, "model", err);
    m->rope_freq = nb_alloc(m->hp.n_rot / 2, sizeof *m->rope_freq, "model", err);
    if (!m->layer || !m->rope_freq)
        return NB_NOMEM;
    uint64_t bytes = 0;
    NB_TRY(place_all(m, &bytes, err));
    NB_TRY(refuse_strangers(m, err));
    if (bytes) {
        m->unpacked = nb_alloc(bytes, 1, "reordered weights", err);
        if (!m->unpacked)
            return NB_NOMEM;
        bytes = 0;
        NB_TRY(place_all(m, &bytes, err));
    }
    m->hp.tied = !m->global[NB_OUTPUT].data;
    count_bytes(m);
    return fill_rope(m, err);
}

nb_status nb_model_open(nb_model **out, const nb_weights *w, nb_err *err)
{
    nb_model *m = nb_alloc(1, sizeof *m, "model", err);
    if (!m)
        return NB_NOMEM;
    m->weights = w;
    nb_status status = load(m, err);
    if (status != NB_OK) {
        nb_model_close(&m);
        return status;
    }
    *out = m;
    return NB_OK;
}

void nb_model_close(nb_model **mp)
{
    nb_model *m = *mp;
    if (!m)
        return;
    free(m->layer);
    free(m->rope_freq);
    free(m->unpacked);
    free(m);
    *mp = NULL;
}
