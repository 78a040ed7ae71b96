#include "core/model/lora.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/model/forward.h"

/* --- opening -----------------------------------------------------------------------------------
 */

/* The slot whose matrix has this name, and its layer; false: none that is a single matrix. */
static bool find_slot(const nb_hparams *hp, const char *base, nb_slot *slot, uint32_t *layer)
{
    char name[NB_MAX_NAME + 1];
    *layer = 0;
    if (strncmp(base, "blk.", 4) == 0)
        for (const char *c = base + 4; *c >= '0' && *c <= '9' && *layer < hp->n_layer; c++)
            *layer = *layer * 10 + (uint32_t)(*c - '0');
    for (int i = 0; i < NB_SLOT_COUNT && *layer < hp->n_layer; i++) {
        const nb_slot_row *row = nb_slot_of((nb_slot)i);
        bool single = nb_slot_is_linear((nb_slot)i) && row->side[2] == NB_SIDE_ONE;
        if (!single || !nb_slot_exists((nb_slot)i, hp->features))
            continue;
        nb_slot_name((nb_slot)i, *layer, name);
        *slot = (nb_slot)i;
        if (strcmp(name, base) == 0)
            return true;
    }
    return false;
}

static nb_status check_part(nk_matrix *m, const nb_tensor *t, uint64_t cols, uint64_t rows,
                            nb_err *err)
{
    const nk_type *type = nk_type_get(t->type);
    uint64_t row_size, total;
    bool fits = t->shape[2] == 1 && t->shape[3] == 1 && (!cols || t->shape[0] == cols) &&
                (!rows || t->shape[1] == rows);
    if (!fits)
        return nb_fail(err, NB_FORMAT,
                       "tensor \"%s\": %" PRIu64 " x %" PRIu64 " does not fit the model", t->name,
                       t->shape[0], t->shape[1]);
    if (!type || !type->dot)
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\": type %s does not run here yet", t->name,
                       type ? type->name : "unknown");
    if (!nk_row_size(type, t->shape[0], &row_size) || !nb_mul(row_size, t->shape[1], &total) ||
        total != t->nbytes || !t->bytes ||
        (type->is_float && (uintptr_t)t->bytes % type->block_size))
        return nb_fail(err, NB_FORMAT, "tensor \"%s\": its bytes do not hold it", t->name);
    *m = (nk_matrix){.data = t->bytes,
                     .type = type,
                     .rows = (size_t)t->shape[1],
                     .cols = (size_t)t->shape[0],
                     .row_size = (size_t)row_size};
    return NB_OK;
}

static nb_lora_pair part_of(const nb_lora_pair *whole, size_t first, size_t rows)
{
    nb_lora_pair p = *whole;
    p.b.data = (const uint8_t *)whole->b.data + first * whole->b.row_size;
    p.b.rows = rows;
    return p;
}

/* As the model's own fused tensors are split. */
static void place(nb_lora *l, nb_slot slot, uint32_t layer, const nb_lora_pair *p)
{
    const nb_hparams *hp = &l->model->hp;
    size_t q = (size_t)hp->n_head * hp->head_dim, kv = (size_t)hp->n_head_kv * hp->head_dim;
    nb_lora_pair *pair = l->pair + (size_t)layer * NB_SLOT_COUNT;
    if (slot == NB_OUTPUT) {
        l->output = *p;
    } else if (slot == NB_ATTN_QKV) {
        pair[NB_ATTN_Q] = part_of(p, 0, q);
        pair[NB_ATTN_K] = part_of(p, q, kv);
        pair[NB_ATTN_V] = part_of(p, q + kv, kv);
    } else if (slot == NB_FFN_UP && (hp->features & NB_ARCH_FUSED_GATE)) {
        pair[NB_FFN_GATE] = part_of(p, 0, hp->n_ff);
        pair[NB_FFN_UP] = part_of(p, hp->n_ff, hp->n_ff);
    } else {
        pair[slot] = *p;
    }
}

static nb_status add_pair(nb_lora *l, const nb_tensor *a, nb_err *err)
{
    const nb_hparams *hp = &l->model->hp;
    char base[NB_MAX_NAME + 1], other[NB_MAX_NAME + 8];
    nb_lora_pair p;
    nb_slot slot;
    uint32_t layer;
    snprintf(base, sizeof base, "%.*s", (int)(strlen(a->name) - strlen(".lora_a")), a->name);
    snprintf(other, sizeof other, "%s.lora_b", base);
    const nb_view *b = nb_weights_find(l->weights, other);
    if (!b)
        return nb_fail(err, NB_FORMAT, "tensor \"%s\" is missing", other);
    if (!find_slot(hp, base, &slot, &layer))
        return nb_fail(err, NB_UNSUPPORTED, "an adapter of \"%s\" does not run on this model",
                       base);
    const nb_slot_row *row = nb_slot_of(slot);
    NB_TRY(check_part(&p.a, a, nb_hparams_side(hp, row->side[0]), 0, err));
    NB_TRY(check_part(&p.b, &b->t, p.a.rows, nb_hparams_side(hp, row->side[1]), err));
    if (p.a.rows > hp->n_embd)
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\": rank %zu of %u columns", a->name,
                       p.a.rows, hp->n_embd);
    l->rank = p.a.rows > l->rank ? p.a.rows : l->rank;
    place(l, slot, layer, &p);
    return NB_OK;
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n > k && strcmp(name + n - k, end) == 0;
}

static nb_status check_keys(nb_lora *l, nb_err *err)
{
    const nb_kvs *kvs = nb_weights_kvs(l->weights);
    const char *s = "", *arch = l->model->hp.arch->name;
    size_t n = 0;
    double alpha = 0;
    if (!nb_kvs_str(kvs, "adapter.type", &s, &n) || n != 4 || memcmp(s, "lora", 4) != 0)
        return nb_fail(err, NB_FORMAT, "adapter.type: \"%.*s\", expected lora",
                       n > 40 ? 40 : (int)n, s);
    if (!nb_kvs_str(kvs, "general.architecture", &s, &n) || n != strlen(arch) ||
        memcmp(s, arch, n) != 0)
        return nb_fail(err, NB_FORMAT, "an adapter for \"%.*s\", but the model is %s",
                       n > 40 ? 40 : (int)n, s, arch);
    nb_kvs_float(kvs, "adapter.lora.alpha", &alpha);
    if (!(alpha >= -1e6 && alpha <= 1e6))
        return nb_fail(err, NB_FORMAT, "adapter.lora.alpha: %g", alpha);
    l->alpha = (float)alpha;
    return NB_OK;
}

static nb_status load(nb_lora *l, nb_err *err)
{
    NB_TRY(check_keys(l, err));
    l->pair = nb_alloc(l->model->hp.n_layer, NB_SLOT_COUNT * sizeof *l->pair, "adapter", err);
    if (!l->pair)
        return NB_NOMEM;
    size_t pairs = 0, n = nb_weights_count(l->weights);
    for (size_t i = 0; i < n; i++) {
        const nb_tensor *t = &nb_weights_at(l->weights, i)->t;
        if (ends_with(t->name, ".lora_a")) {
            NB_TRY(add_pair(l, t, err));
            pairs++;
        } else if (!ends_with(t->name, ".lora_b")) {
            return nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\" has no place in an adapter",
                           t->name);
        }
    }
    if (pairs == 0 || 2 * pairs != n)
        return nb_fail(err, NB_FORMAT, "an adapter of %zu tensors in %zu pairs", n, pairs);
    return NB_OK;
}

nb_status nb_lora_open(nb_lora **out, const nb_model *m, const nb_weights *adapter, nb_err *err)
{
    nb_lora *l = nb_alloc(1, sizeof *l, "adapter", err);
    if (!l)
        return NB_NOMEM;
    l->model = m;
    l->weights = adapter;
    nb_status st = load(l, err);
    if (st != NB_OK) {
        nb_lora_close(&l);
        return st;
    }
    *out = l;
    return NB_OK;
}

void nb_lora_close(nb_lora **lp)
{
    nb_lora *l = *lp;
    if (!l)
        return;
    free(l->pair);
    free(l);
    *lp = NULL;
}

/* --- running -----------------------------------------------------------------------------------
 */

nb_status nb_session_add_lora(nb_session *s, const nb_lora *l, float scale, nb_err *err)
{
    const nb_hparams *hp = &s->model->hp;
    if (l->model != s->model)
        return nb_fail(err, NB_USAGE, "the adapter was opened for another model");
    if (s->n_lora == NB_MAX_LORA)
        return nb_fail(err, NB_REFUSED, "%d adapters at most", NB_MAX_LORA);
    /* B A x of a whole chunk: the widest projection is the vocabulary's, of few rows */
    size_t m = s->n_batch > NB_HEAD_ROWS ? s->n_batch : NB_HEAD_ROWS;
    uint64_t q = nb_hparams_side(hp, NB_SIDE_QKV), ff = 2 * (uint64_t)hp->n_ff + hp->n_shared_ff;
    uint64_t wide = m * (q > ff ? q : ff), embd = m * (uint64_t)hp->n_embd,
             head = (uint64_t)NB_HEAD_ROWS * hp->n_vocab;
    wide = wide > embd ? wide : embd;
    wide = wide > head ? wide : head;
    float *thin = nb_alloc(embd + wide, sizeof *thin, "adapter", err);
    if (!thin)
        return NB_NOMEM;
    free(s->thin);
    s->thin = thin;
    s->wide = thin + embd;
    s->lora[s->n_lora++] = (nb_session_lora){l, scale};
    for (uint32_t i = 0; i < s->n_seq; i++) {
        s->seq[i].n = 0;
        s->seq[i].has_logits = false;
    }
    return NB_OK;
}

static void add_rows(const nb_session *s, float *y, size_t stride, size_t rows, size_t m,
                     float scale)
{
    for (size_t j = 0; j < m; j++)
        for (size_t i = 0; i < rows; i++)
            y[j * stride + i] += scale * s->wide[j * rows + i];
}

void nb_adapt(nb_session *s, uint32_t layer, nb_slot slot, float *y, size_t stride, const float *x,
              size_t m)
{
    for (uint32_t i = 0; i < s->n_lora; i++) {
        const nb_lora *l = s->lora[i].lora;
        const nb_lora_pair *p =
            slot == NB_OUTPUT ? &l->output : &l->pair[(size_t)layer * NB_SLOT_COUNT + (size_t)slot];
        if (!p->a.data)
            continue;
        float scale = s->lora[i].scale;
        if (l->alpha < 0 || l->alpha > 0)
            scale *= l->alpha / (float)p->a.rows;
        nk_matmul(s->ops, s->pool, s->thin, p->a.rows, &p->a, x, m, s->matmul);
        nk_matmul(s->ops, s->pool, s->wide, p->b.rows, &p->b, s->thin, m, s->matmul);
        add_rows(s, y, stride, p->b.rows, m, scale);
    }
}
