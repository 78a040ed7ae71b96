/* A model's weights on grids in flat blocks: kernels/flat.h. */
#include "core/model/model.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

enum { SLAB = 4 << 20 }; /* bytes of the file between two looks at `canceled` */

/* A matrix, and what it becomes. */
typedef struct change {
    nk_matrix *w;
    const nk_type *type;
    size_t row_size;
} change;

static bool becomes(change *c, nk_matrix *w)
{
    const nk_type *flat = w->data ? nk_flat_of(w->type) : NULL;
    if (flat)
        *c = (change){w, flat, w->cols / flat->block_len * flat->block_size};
    return flat;
}

/* The next matrix from *i on that has a flat form, of those that products read, the output last.
 * Fused ones lie in the slots they were split into. */
static bool next(nb_model *m, size_t *i, change *c)
{
    size_t per_layer = NB_SLOT_COUNT - NB_SLOT_LAYER, inside = m->hp.n_layer * per_layer;
    for (; *i < inside; ++*i) {
        nb_slot slot = (nb_slot)(NB_SLOT_LAYER + *i % per_layer);
        if (!nb_slot_of(slot)->is_vector && slot != NB_ATTN_QKV &&
            becomes(c, &m->layer[*i / per_layer].w[slot])) {
            ++*i;
            return true;
        }
    }
    return (*i)++ == inside && becomes(c, &m->global[m->hp.tied ? NB_TOKEN_EMBD : NB_OUTPUT]);
}

uint64_t nb_model_flat_plan(const nb_weights *w)
{
    uint64_t sum = 0;
    bool own = nb_weights_find(w, "output.weight");
    for (size_t i = 0; i < nb_weights_count(w); i++) {
        const nb_tensor *t = &nb_weights_at(w, i)->t;
        const nk_type *type = nk_type_get(t->type), *flat = type ? nk_flat_of(type) : NULL;
        if (flat && !(own && strcmp(t->name, "token_embd.weight") == 0))
            sum += nb_tensor_count(t) / flat->block_len * flat->block_size;
    }
    return sum;
}

typedef struct slab {
    const change *c;
    nk_flatten_fn *flatten;
    uint8_t *out; /* row `first` */
    size_t first;
} slab;

static void flatten_rows(void *arg, size_t begin, size_t end, int thread)
{
    const slab *s = arg;
    const nk_matrix *w = s->c->w;
    (void)thread;
    for (size_t r = begin; r < end; r++)
        s->flatten((const uint8_t *)w->data + (s->first + r) * w->row_size,
                   s->out + r * s->c->row_size, w->cols);
}

static nb_status flatten(const change *c, uint8_t *out, const nk_ops *ops, nk_pool *pool,
                         nb_progress *p, const nb_hooks *hooks, nb_err *err)
{
    size_t rows = c->w->rows, step = SLAB / c->w->row_size + 1;
    slab s = {.c = c, .flatten = ops->flatten[c->w->type->id], .out = out};
    for (; s.first < rows; s.first += step) {
        size_t n = rows - s.first < step ? rows - s.first : step;
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        nk_parallel(pool, n, 1, flatten_rows, &s);
        s.out += n * c->row_size;
        p->done += n * c->row_size;
        nb_report(hooks, p);
    }
    return NB_OK;
}

static void take(const change *c, const void *data)
{
    c->w->data = data;
    c->w->type = c->type;
    c->w->row_size = c->row_size;
}

nb_status nb_model_flatten(nb_model *m, const nk_ops *ops, nk_pool *pool, uint64_t room,
                           const nb_hooks *hooks, nb_err *err)
{
    nb_progress p = {.what = "flat copy"};
    char need[16], have[16];
    change c;
    for (size_t i = 0; next(m, &i, &c);)
        p.total += c.w->rows * c.row_size;
    if (m->flat || !p.total)
        return NB_OK;
    if (p.total > room)
        return nb_fail(err, NB_NOMEM, "the flat copy of %.100s needs %s, %s are free",
                       nb_path_base(nb_weights_path(m->weights)), nb_human_bytes(need, p.total),
                       nb_human_bytes(have, room));
    uint8_t *flat = nb_alloc(p.total, 1, "flat copy", err), *at = flat;
    if (!flat)
        return NB_NOMEM;
    for (size_t i = 0; next(m, &i, &c); at += c.w->rows * c.row_size) {
        nb_status st = flatten(&c, at, ops, pool, &p, hooks, err);
        if (st != NB_OK) {
            free(flat);
            return st;
        }
    }
    at = flat;
    for (size_t i = 0; next(m, &i, &c); at += c.w->rows * c.row_size)
        take(&c, at);
    m->flat = flat;
    m->flat_bytes = p.total;
    nb_model_count_bytes(m);
    return NB_OK;
}
