#include "core/model/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

enum { ALIGN = 64 };

/* Fills *m with a view's place in the file, its shape and type checked. Of experts, rows counts all
 * together. */
static nb_status check_view(nk_matrix *m, const nb_view *v, const nb_hparams *hp, nb_slot slot,
                            nb_err *err)
{
    const nb_tensor *t = &v->t;
    const nb_slot_row *row = nb_slot_of(slot);
    uint64_t side[3], row_size, total;
    bool fits = t->shape[3] == 1;
    for (int i = 0; i < 3; i++) {
        side[i] = nb_hparams_side(hp, row->side[i]);
        fits &= t->shape[i] == side[i];
    }
    uint64_t cols = side[0], rows = side[1] * side[2];
    if (!fits && side[2] == 1)
        return nb_fail(err, NB_FORMAT,
                       "tensor \"%s\": %" PRIu64 " x %" PRIu64 ", the model's keys say %" PRIu64
                       " x %" PRIu64,
                       t->name, nb_tensor_cols(t), nb_tensor_rows(t), cols, rows);
    if (!fits)
        return nb_fail(err, NB_FORMAT,
                       "tensor \"%s\": %" PRIu64 " x %" PRIu64 " x %" PRIu64
                       ", the model's keys say %" PRIu64 " x %" PRIu64 " x %" PRIu64,
                       t->name, t->shape[0], t->shape[1], t->shape[2], cols, side[1], side[2]);
    const nk_type *type = nk_type_get(t->type);
    if (!type || !type->decode || (!row->is_vector && !type->dot))
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\": type %s does not run here yet", t->name,
                       type ? type->name : "unknown");
    if (!nk_row_size(type, cols, &row_size) || !nb_mul(row_size, rows, &total) ||
        total != t->nbytes || !t->bytes)
        return nb_fail(err, NB_FORMAT,
                       "tensor \"%s\": %" PRIu64 " bytes do not hold %" PRIu64 " x %" PRIu64 " %s",
                       t->name, t->nbytes, cols, rows, type->name);
    *m = (nk_matrix){.data = t->bytes,
                     .type = type,
                     .rows = (size_t)rows,
                     .cols = (size_t)cols,
                     .row_size = (size_t)row_size};
    return NB_OK;
}

/* Bytes the tensor needs outside the mapping: rows in another order, vectors that are not F32 yet,
 * floats at odd addresses. 0: used in place. */
static uint64_t copy_size(const nb_view *v, const nk_matrix *m, nb_slot slot)
{
    bool odd = m->type->is_float && (uintptr_t)m->data % m->type->block_size;
    bool made = v->order != NB_ROWS_PLAIN || v->gather;
    if (nb_slot_of(slot)->is_vector && (m->type->id != NK_F32 || odd || made))
        return (uint64_t)m->rows * m->cols * sizeof(float);
    if (made || odd)
        return (uint64_t)m->rows * m->row_size;
    return 0;
}

/* The view's rows as it is seen, in memory: *m then lies there. */
static void unpack(nk_matrix *m, const nb_view *v, nb_slot slot, uint8_t *copy)
{
    if (nb_slot_of(slot)->is_vector) {
        nb_weights_floats(v, (float *)(void *)copy);
        m->type = nk_type_get(NK_F32);
        m->row_size = m->cols * sizeof(float);
    } else {
        nb_weights_unpack(v, copy);
    }
    m->data = copy;
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
    if (size && m->unpacked)
        unpack(&w, v, slot, (uint8_t *)m->unpacked + start);
    *into = w;
    return NB_OK;
}

/* "X.weight" -> "X.scale" or what else stands beside it. */
static void name_beside(const char *weight, const char *tail, char out[NB_MAX_NAME + 1])
{
    size_t stem = strlen(weight) - strlen("weight");
    snprintf(out, NB_MAX_NAME + 1, "%.*s%s", (int)stem, weight, tail);
}

/* The factor of a linear's products, if there is one; called twice as place is. */
static nb_status place_scale(nb_model *m, nk_matrix *into, const char *weight, nb_slot slot,
                             uint64_t *at, nb_err *err)
{
    char name[NB_MAX_NAME + 1];
    name_beside(weight, "scale", name);
    const nb_view *v = nb_slot_is_linear(slot) ? nb_weights_find(m->weights, name) : NULL;
    if (!v)
        return NB_OK;
    uint64_t n = nb_slot_of(slot)->side[2] == NB_SIDE_EXPERTS ? m->hp.n_expert : 1;
    if (v->t.type != NK_F32 || v->t.shape[0] != n || nb_tensor_count(&v->t) != n || !v->t.bytes)
        return nb_fail(err, NB_FORMAT,
                       "tensor \"%s\": %" PRIu64 " of %s, expected %" PRIu64 " of f32", name,
                       nb_tensor_count(&v->t), nk_type_get(v->t.type)->name, n);
    if ((uintptr_t)v->t.bytes % sizeof(float) == 0) {
        into->scale = (const float *)(const void *)v->t.bytes;
        return NB_OK;
    }
    uint8_t *copy = m->unpacked ? (uint8_t *)m->unpacked + *at : NULL;
    if (copy)
        memcpy(copy, v->t.bytes, n * sizeof(float));
    into->scale = (const float *)(const void *)copy;
    return nb_add(*at, n * sizeof(float), at) && nb_align_up(*at, ALIGN, at)
               ? NB_OK
               : nb_fail(err, NB_FORMAT, "tensor \"%s\": too large", name);
}

static nb_status place_all(nb_model *m, uint64_t *at, nb_err *err)
{
    char name[NB_MAX_NAME + 1];
    for (uint32_t layer = 0; layer <= m->hp.n_layer; layer++) { /* the last round: outside layers */
        bool outside = layer == m->hp.n_layer;
        int slot = outside ? 0 : NB_SLOT_LAYER, end = outside ? NB_SLOT_LAYER : NB_SLOT_COUNT;
        for (; slot < end; slot++) {
            nk_matrix *into = outside ? &m->global[slot] : &m->layer[layer].w[slot];
            if (!nb_slot_exists((nb_slot)slot, m->hp.features))
                continue;
            nb_slot_name((nb_slot)slot, layer, name);
            const nb_view *v = nb_weights_find(m->weights, name);
            if (!v && nb_slot_required((nb_slot)slot, m->hp.features))
                return nb_fail(err, NB_FORMAT, "%.140s: tensor \"%s\" is missing",
                               nb_path_base(nb_weights_path(m->weights)), name);
            if (v)
                NB_TRY(place(m, into, v, (nb_slot)slot, at, err));
            if (v)
                NB_TRY(place_scale(m, into, name, (nb_slot)slot, at, err));
        }
    }
    return NB_OK;
}

/* A slot's own tensor, or what may stand beside one that is there. */
static bool belongs_to(const nb_model *m, nb_slot slot, uint32_t layer, const char *have)
{
    static const char *const beside[] = {"scale", "input_scale"};
    char weight[NB_MAX_NAME + 1], name[NB_MAX_NAME + 1];
    nb_slot_name(slot, layer, weight);
    if (!nb_slot_exists(slot, m->hp.features))
        return false;
    if (strcmp(weight, have) == 0)
        return true;
    for (size_t i = 0; i < countof(beside) && nb_slot_is_linear(slot); i++) {
        name_beside(weight, beside[i], name);
        if (strcmp(name, have) == 0)
            return nb_weights_find(m->weights, weight) != NULL;
    }
    return false;
}

/* A tensor that no slot reads would be left out of the computation silently. */
static nb_status refuse_strangers(const nb_model *m, nb_err *err)
{
    for (size_t i = 0; i < nb_weights_count(m->weights); i++) {
        const char *have = nb_weights_at(m->weights, i)->t.name;
        uint32_t layer = 0;
        bool inside = strncmp(have, "blk.", 4) == 0, known = false;
        for (const char *c = have + 4; inside && *c >= '0' && *c <= '9' && layer < m->hp.n_layer;
             c++)
            layer = layer * 10 + (uint32_t)(*c - '0'); /* at most 10 times 1,024 layers */
        int slot = inside ? NB_SLOT_LAYER : 0, end = inside ? NB_SLOT_COUNT : NB_SLOT_LAYER;
        for (; slot < end && !known && layer < m->hp.n_layer; slot++)
            known = belongs_to(m, (nb_slot)slot, layer, have);
        if (!known)
            return nb_fail(err, NB_UNSUPPORTED,
                           "tensor \"%s\" has no place in a %s model of %u layers", have,
                           m->hp.arch->name, m->hp.n_layer);
    }
    return NB_OK;
}

/* Slots that keep a tensor which others, those that are read, hold in parts or under another name.
 */
static bool read_elsewhere(const nb_hparams *hp, nb_slot slot)
{
    return slot == NB_ATTN_QKV || slot == NB_ATTN_QKV_BIAS ||
           (slot == NB_FFN_LATE_NORM && (hp->features & NB_ARCH_LATE_FFN_NORM));
}

/* Weights, or biases, of which a token reads those of the experts it goes to. */
static bool is_of_experts(nb_slot slot)
{
    const nb_slot_row *row = nb_slot_of(slot);
    return row->side[row->is_vector ? 1 : 2] == NB_SIDE_EXPERTS;
}

void nb_model_quicken(const nb_model *m, nk_ops *ops)
{
    const uint64_t large = 64 << 20; /* bytes of weights that are worth some precision */
    if (m->weight_bytes >= large)
        nk_ops_one_part(ops);
}

void nb_model_count_bytes(nb_model *m)
{
    const nk_matrix *out = &m->global[m->hp.tied ? NB_TOKEN_EMBD : NB_OUTPUT];
    m->weight_bytes = (uint64_t)out->rows * out->row_size;
    for (uint32_t layer = 0; layer < m->hp.n_layer; layer++)
        for (int slot = NB_SLOT_LAYER; slot < NB_SLOT_COUNT; slot++) {
            const nk_matrix *w = &m->layer[layer].w[slot];
            uint64_t rows = w->rows;
            if (read_elsewhere(&m->hp, (nb_slot)slot))
                continue;
            if (rows && is_of_experts((nb_slot)slot))
                rows = rows / m->hp.n_expert * m->hp.n_expert_used;
            m->weight_bytes += rows * w->row_size;
        }
}

/* *part = rows [first, first + rows) of whole; of a vector with one row, its columns. */
static void cut(nk_matrix *part, const nk_matrix *whole, size_t first, size_t rows)
{
    if (!whole->data)
        return;
    *part = *whole;
    bool vector = whole->rows == 1;
    size_t step = vector ? sizeof(float) : whole->row_size;
    part->data = (const uint8_t *)whole->data + first * step;
    *(vector ? &part->cols : &part->rows) = rows;
    part->row_size = vector ? rows * step : step;
}

/* Gives the tensors that hold several matrices, or bear another name, the slots the forward pass
 * reads. */
static void split_fused(nb_layer *l, const nb_hparams *hp)
{
    size_t q = (size_t)hp->n_head * hp->head_dim, kv = (size_t)hp->n_head_kv * hp->head_dim;
    for (int bias = 0; bias < 2 && (hp->features & NB_ARCH_FUSED_QKV); bias++) {
        const nk_matrix *all = &l->w[bias ? NB_ATTN_QKV_BIAS : NB_ATTN_QKV];
        cut(&l->w[bias ? NB_ATTN_Q_BIAS : NB_ATTN_Q], all, 0, q);
        cut(&l->w[bias ? NB_ATTN_K_BIAS : NB_ATTN_K], all, q, kv);
        cut(&l->w[bias ? NB_ATTN_V_BIAS : NB_ATTN_V], all, q + kv, kv);
    }
    if (hp->features & NB_ARCH_FUSED_GATE) {
        nk_matrix both = l->w[NB_FFN_UP];
        cut(&l->w[NB_FFN_GATE], &both, 0, hp->n_ff);
        cut(&l->w[NB_FFN_UP], &both, hp->n_ff, hp->n_ff);
    }
    if (hp->features & NB_ARCH_LATE_FFN_NORM)
        l->w[NB_FFN_NORM] = l->w[NB_FFN_LATE_NORM];
}

/* Which layers look back only so far, and how they turn. */
static void set_reach(nb_model *m)
{
    const nb_hparams *hp = &m->hp;
    char key[128];
    snprintf(key, sizeof key, "%s.attention.sliding_window_pattern", hp->arch->name);
    const nb_kv *pattern = nb_kvs_find(nb_weights_kvs(m->weights), key);
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        nb_layer *l = &m->layer[i];
        double windowed = hp->window_every == 1 || (i + 1) % (hp->window_every + !hp->window_every);
        if (pattern && pattern->type == NB_KV_ARRAY)
            nb_kv_elem_num(pattern, i, &windowed);
        l->window = windowed > 0 ? hp->window : 0;
        bool still = hp->n_rot == 0 || hp->rope.off ||
                     (hp->arch->rope_every && (i + 1) % hp->arch->rope_every == 0);
        bool local = l->window && (hp->features & NB_ARCH_LOCAL_ROPE);
        l->turn = still ? NB_TURN_NONE : local ? NB_TURN_LOCAL : NB_TURN_MAIN;
    }
}

/* GGUF files of other things say so in general.type (gguf-py, GGUFType), and safetensors alone say
 * nothing of the model they belong to. */
static nb_status refuse_kind(const nb_weights *w, nb_err *err)
{
    static const struct {
        const char *type, *is;
    } kinds[] = {
        {"adapter", "a LoRA adapter, no model: give it to chat or eval with --lora"},
        {"imatrix", "an importance matrix, no model: give it to quantize with --imatrix"},
    };
    const char *type, *file = nb_path_base(nb_weights_path(w));
    size_t n;
    if (nb_weights_container(w) == NB_SAFETENSORS)
        return nb_fail(
            err, NB_UNSUPPORTED,
            "%.140s: weights alone: the config.json that tells their model is not beside", file);
    for (size_t i = 0;
         nb_kvs_str(nb_weights_kvs(w), "general.type", &type, &n) && i < countof(kinds); i++)
        if (strlen(kinds[i].type) == n && memcmp(kinds[i].type, type, n) == 0)
            return nb_fail(err, NB_UNSUPPORTED, "%.140s: %s", file, kinds[i].is);
    return NB_OK;
}

static nb_status load(nb_model *m, nb_err *err)
{
    if (!nb_weights_count(m->weights))
        return nb_fail(err, NB_UNSUPPORTED, "%.140s: keys alone, no weights that could run",
                       nb_path_base(nb_weights_path(m->weights)));
    NB_TRY(refuse_kind(m->weights, err));
    NB_TRY(nb_hparams_read(&m->hp, nb_weights_kvs(m->weights), err));
    if (nb_weights_find(m->weights, "blk.0.attn_qkv.weight"))
        m->hp.features |= NB_ARCH_FUSED_QKV;
    m->layer = nb_alloc(m->hp.n_layer, sizeof *m->layer, "model", err);
    if (!m->layer)
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
    m->head = m->global[m->hp.tied ? NB_TOKEN_EMBD : NB_OUTPUT];
    for (uint32_t i = 0; i < m->hp.n_layer; i++)
        split_fused(&m->layer[i], &m->hp);
    nb_model_count_bytes(m);
    set_reach(m);
    return m->hp.n_rot ? nb_rope_fill(m, err) : NB_OK;
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
    free(m->rope_freq[NB_TURNS_MAIN]);
    free(m->unpacked);
    free(m->flat);
    free(m);
    *mp = NULL;
}
