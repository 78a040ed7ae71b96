/* Stored tensors of a Hugging Face model -> views under GGUF names: which rows, parts, halves and
 * types, as the class's name rows say (hf_names.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/files/weights_private.h"

enum { NAME = NB_MAX_NAME + 1 };

typedef struct mapper {
    nb_weights *w;
    const nb_hf_class *class;
    nb_index stacks; /* views that several stored tensors make */
    size_t n_parts, cap_parts;
    size_t cap; /* views */
    uint32_t heads, heads_kv, experts;
    uint64_t vocab;          /* tokens */
    const nb_packed *packed; /* what the tensor at hand stands for; NULL: itself */
    nb_err *err;
} mapper;

/* --- what the keys say --------------------------------------------------------------------------
 */

static uint32_t key_of(const mapper *m, const char *suffix)
{
    char key[96];
    uint64_t v = 0;
    snprintf(key, sizeof key, "%s.%s", m->class->gguf, suffix);
    return nb_kvs_uint(m->w->kvs, key, &v) && v <= UINT32_MAX ? (uint32_t)v : 0;
}

static void read_keys(mapper *m)
{
    const nb_kv *tokens = nb_kvs_find(m->w->kvs, "tokenizer.ggml.tokens");
    m->heads = key_of(m, "attention.head_count");
    m->heads_kv = key_of(m, "attention.head_count_kv");
    m->heads_kv = m->heads_kv ? m->heads_kv : m->heads;
    m->experts = key_of(m, "expert_count");
    m->vocab = tokens ? tokens->n : 0;
}

/* --- shape and order of one view ----------------------------------------------------------------
 */

static nb_status wrong_shape(const mapper *m, const nb_view *v, const char *why)
{
    return nb_fail(m->err, NB_FORMAT, "tensor \"%.120s\": %llu x %llu %s", v->stored_name,
                   (unsigned long long)nb_tensor_rows(&v->t),
                   (unsigned long long)nb_tensor_cols(&v->t), why);
}

/* Rows of q and k, or the elements of their biases, by heads. */
static nb_status order_heads(const mapper *m, nb_view *v, unsigned how)
{
    bool falcon = how & NB_HF_FALCON;
    if (!falcon && (!(m->class->flags & NB_HF_PERMUTES) || !(how & (NB_HF_Q | NB_HF_K))))
        return NB_OK;
    uint64_t rows = v->t.n_dims == 1 ? nb_tensor_cols(&v->t) : nb_tensor_rows(&v->t);
    v->order = falcon ? NB_ROWS_FALCON_QKV : NB_ROWS_QK;
    v->heads = how & NB_HF_K ? m->heads_kv : m->heads;
    v->heads_kv = m->heads_kv;
    uint64_t groups = falcon ? v->heads + 2ull * v->heads_kv : 2ull * v->heads;
    if (v->heads == 0 || rows % groups != 0)
        return nb_fail(m->err, NB_FORMAT, "tensor \"%s\": %llu rows do not divide into %u heads",
                       v->stored_name, (unsigned long long)rows, v->heads);
    if (v->t.n_dims == 1 && falcon)
        return nb_fail(m->err, NB_UNSUPPORTED, "tensor \"%s\": a fused bias is not supported",
                       v->stored_name);
    return NB_OK;
}

/* Swaps rows and columns of every matrix of the tensor. */
static nb_status turn(const mapper *m, nb_view *v, nb_gather *g)
{
    uint64_t cols = v->t.shape[0];
    if (v->t.n_dims == 1)
        return NB_OK; /* a bias beside it */
    if (v->t.n_dims > 3)
        return wrong_shape(m, v, "has too many dimensions");
    g->row_step = 1;
    g->stride = cols;
    g->part_rows = cols;
    v->t.shape[0] = v->t.shape[1];
    v->t.shape[1] = cols;
    return NB_OK;
}

/* Which rows of each matrix: a half, or every second one; of a bias [experts][out] the columns. */
static nb_status pick(const mapper *m, nb_view *v, nb_gather *g, unsigned how)
{
    const unsigned halves = NB_HF_FIRST | NB_HF_SECOND, turns = NB_HF_EVEN | NB_HF_ODD;
    if (!(how & (halves | turns)))
        return NB_OK;
    bool columns = (how & turns) && !(how & NB_HF_TURNED) && !m->packed;
    uint64_t *dim = &v->t.shape[columns ? 0 : 1], n = *dim / 2;
    uint64_t *step = columns ? &g->stride : &g->row_step;
    if (*dim % 2 || n == 0)
        return wrong_shape(m, v, "does not divide into two");
    if (how & NB_HF_SECOND)
        g->first = n * *step;
    if (how & NB_HF_ODD)
        g->first = *step;
    if (how & turns)
        *step *= 2;
    *dim = n;
    if (!columns)
        g->part_rows = n;
    return NB_OK;
}

/* Type a view's rows have, and the one it is written in when nothing quantizes it: vectors, norms
 * and routers are F32 (llama.cpp, conversion/base.py prepare_tensors). */
static void settle_types(const mapper *m, nb_view *v, nb_gather *g, unsigned how)
{
    size_t n = strlen(v->t.name);
    bool norm = n >= 12 && strcmp(v->t.name + n - 12, "_norm.weight") == 0;
    bool weight = n >= 7 && strcmp(v->t.name + n - 7, ".weight") == 0;
    const char *stored = v->stored_name;
    size_t len = strlen(stored);
    if ((m->class->flags & NB_HF_NORM_PLUS_1) && len >= 11 &&
        strcmp(stored + len - 11, "norm.weight") == 0)
        g->change = NB_PLUS_ONE;
    if ((m->class->flags & NB_HF_IS_TERNARY) && (how & NB_HF_LINEAR) && weight)
        g->change = NB_TERNARY;
    v->t.type = g->change == NB_PLUS_ONE ? NK_F32 : g->stored;
    v->out_type =
        v->t.n_dims == 1 || norm || !weight || (how & NB_HF_ALWAYS_F32) ? NK_F32 : v->t.type;
}

static nb_status count_bytes(const mapper *m, nb_view *v)
{
    uint64_t row, total;
    if (!nk_row_size(nk_type_get(v->t.type), v->t.shape[0], &row) ||
        !nb_mul(row, nb_tensor_rows(&v->t), &total))
        return wrong_shape(m, v, "is too large");
    v->t.nbytes = total;
    return NB_OK;
}

/* Whether the view is its stored tensor, row after row: then it needs no gather. */
static bool is_plain(const nb_gather *g, const nb_view *v, const nb_tensor *stored)
{
    return !g->part && !g->packed && g->stride == 1 && g->row_step == stored->shape[0] &&
           g->first == 0 && g->change == NB_KEEP &&
           (v->t.n_dims > 1 || v->order == NB_ROWS_PLAIN) &&
           memcmp(v->t.shape, stored->shape, sizeof stored->shape) == 0;
}

static nb_status shape_view(const mapper *m, nb_view *v, nb_gather *g, const nb_tensor *stored,
                            unsigned how)
{
    const nk_type *type = nk_type_get(stored->type);
    if (m->packed)
        how &= ~(unsigned)NB_HF_TURNED; /* packers turn Conv1D themselves */
    else if (stored->dtype != NB_DTYPE_GGML)
        return nb_fail(m->err, NB_UNSUPPORTED, "tensor \"%.120s\": its bytes are of no known use",
                       stored->name);
    else if (stored->type != NK_F32 && stored->type != NK_F16 && stored->type != NK_BF16)
        return nb_fail(m->err, NB_UNSUPPORTED, "tensor \"%.120s\": stored as %s, not as floats",
                       stored->name, type->name);
    uint64_t matrix = stored->n_dims > 1 ? stored->shape[0] * stored->shape[1] : stored->shape[0];
    *g = (nb_gather){.part_bytes = matrix * type->block_size,
                     .part_rows = stored->shape[1],
                     .part_elems = matrix,
                     .row_step = stored->shape[0],
                     .stride = 1,
                     .stored = stored->type,
                     .packed = m->packed};
    if (how & NB_HF_TURNED)
        NB_TRY(turn(m, v, g));
    NB_TRY(pick(m, v, g, how));
    NB_TRY(order_heads(m, v, how));
    bool trims = (m->class->flags & NB_HF_TRIMS) && (how & NB_HF_VOCAB) && v->t.n_dims == 2;
    if (trims && m->vocab && m->vocab < v->t.shape[1])
        v->t.shape[1] = g->part_rows = m->vocab;
    settle_types(m, v, g, how);
    return count_bytes(m, v);
}

/* --- views --------------------------------------------------------------------------------------
 */

/* A view under its name, still without shape. */
static nb_view *new_view(mapper *m, const nb_tensor *stored, uint32_t shard, const nb_hf_place *p)
{
    nb_weights *w = m->w;
    size_t i = w->n++;
    char *name = w->names + i * NAME;
    nb_view *v = &w->views[i];
    memcpy(name, p->name, NAME);
    *v = (nb_view){.t = *stored, .stored_name = stored->name};
    v->t.name = name;
    v->t.shard = shard;
    return v;
}

static nb_status add_single(mapper *m, const nb_tensor *stored, uint32_t shard,
                            const nb_hf_place *p)
{
    nb_view *v = new_view(m, stored, shard, p);
    nb_gather *g = &m->w->gathers[v - m->w->views];
    NB_TRY(shape_view(m, v, g, stored, p->how));
    if (g->change == NB_TERNARY) {
        if (v->t.n_dims != 2)
            return wrong_shape(m, v, "is no matrix");
        g->mean = &m->w->means[v - m->w->views];
    }
    if (!is_plain(g, v, stored))
        v->gather = g;
    return NB_OK;
}

typedef struct wanted {
    const mapper *m;
    const char *name;
} wanted;

static bool same_name(const void *arg, size_t item)
{
    const wanted *s = arg;
    return strcmp(s->m->w->views[item].t.name, s->name) == 0;
}

/* The first tensor of a stack: its shape is everyone's. */
static nb_status open_stack(mapper *m, const nb_tensor *stored, uint32_t shard,
                            const nb_hf_place *p, size_t *item)
{
    nb_view *v = new_view(m, stored, shard, p);
    nb_gather *g = &m->w->gathers[v - m->w->views];
    uint32_t n = p->how & NB_HF_STACK_HEADS      ? m->heads
                 : p->how & NB_HF_STACK_KV_HEADS ? m->heads_kv
                                                 : m->experts;
    NB_TRY(shape_view(m, v, g, stored, p->how));
    if (n == 0 || v->t.n_dims > 2 || n > m->cap_parts - m->n_parts)
        return nb_fail(m->err, NB_FORMAT, "tensor \"%.120s\": one of %u, but not all are here",
                       stored->name, n);
    g->part = &m->w->parts[m->n_parts];
    m->n_parts += n;
    v->t.shape[v->t.n_dims++] = n;
    v->gather = g;
    settle_types(m, v, g, p->how); /* no vector any more */
    NB_TRY(count_bytes(m, v));
    *item = (size_t)(v - m->w->views);
    return nb_index_add(&m->stacks, v->t.name, strlen(v->t.name), *item, m->err);
}

static nb_status add_to_stack(mapper *m, const nb_tensor *stored, uint32_t shard,
                              const nb_hf_place *p)
{
    wanted s = {m, p->name};
    size_t item = nb_index_find(&m->stacks, p->name, strlen(p->name), same_name, &s);
    if (item == SIZE_MAX)
        NB_TRY(open_stack(m, stored, shard, p, &item));
    nb_view *v = &m->w->views[item];
    const nb_gather *g = v->gather;
    uint64_t n = v->t.shape[v->t.n_dims - 1];
    uint64_t elems = stored->shape[0] * stored->shape[1];
    bool fits = p->index < n && stored->type == g->stored && elems == g->part_elems &&
                stored->n_dims + 1 == v->t.n_dims && stored->shape[0] == g->row_step &&
                !m->packed == !g->packed;
    if (!fits)
        return nb_fail(m->err, NB_FORMAT, "tensor \"%.120s\" does not fit among its %llu",
                       stored->name, (unsigned long long)n);
    const void **slot = m->w->parts + (g->part - m->w->parts) + p->index;
    if (*slot)
        return nb_fail(m->err, NB_FORMAT, "tensor \"%.120s\" stands twice", stored->name);
    *slot = m->packed ? (const void *)m->packed : stored->bytes;
    return NB_OK;
}

static nb_status check_stacks(const mapper *m)
{
    for (size_t i = 0; i < m->w->n; i++) {
        const nb_view *v = &m->w->views[i];
        uint64_t n = v->gather && v->gather->part ? v->t.shape[v->t.n_dims - 1] : 0;
        for (uint64_t k = 0; k < n; k++)
            if (!v->gather->part[k])
                return nb_fail(m->err, NB_FORMAT, "tensor \"%s\": part %llu of %llu is missing",
                               v->t.name, (unsigned long long)k, (unsigned long long)n);
    }
    return NB_OK;
}

static nb_status map_tensor(mapper *m, const nb_tensor *stored, uint32_t shard)
{
    nb_hf_place place[NB_HF_PLACES];
    size_t n;
    NB_TRY(nb_hf_places(m->class, stored->name, place, &n, m->err));
    for (size_t i = 0; i < n; i++) {
        bool stack = place[i].index != UINT32_MAX;
        NB_TRY((stack ? add_to_stack : add_single)(m, stored, shard, &place[i]));
    }
    return NB_OK;
}

/* Every packed weight is a stored tensor of the type it lands in. */
static nb_status map_packs(mapper *m)
{
    nb_packs *packs = &m->w->packs;
    NB_TRY(nb_packs_settle(packs, m->err));
    for (size_t i = 0; i < packs->n; i++) {
        const nb_packed *p = &packs->at[i];
        uint64_t n = p->matrices ? p->matrices : 1;
        nb_tensor t = {.name = p->name,
                       .type = p->type,
                       .n_dims = p->matrices ? 3 : 2,
                       .shape = {p->cols, p->rows / n, n, 1},
                       .bytes = p->part[NB_PACK_CODES]->bytes};
        m->packed = p;
        NB_TRY(map_tensor(m, &t, p->shard));
        m->packed = NULL;
    }
    return NB_OK;
}

static nb_status map_stored(mapper *m, const nb_tensor *t, uint32_t shard)
{
    bool taken;
    NB_TRY(nb_packs_take(&m->w->packs, t, shard, &taken, m->err));
    return taken ? NB_OK : map_tensor(m, t, shard);
}

/* Tensors that config.json holds as numbers. */
static void add_made(nb_weights *w)
{
    for (size_t i = 0; i < w->made.n; i++) {
        char *name = w->names + w->n * NAME;
        snprintf(name, NAME, "%s", w->made.tensor[i].name);
        w->views[w->n++] = (nb_view){
            .t = {.name = name,
                  .type = NK_F32,
                  .n_dims = 1,
                  .shape = {w->made.tensor[i].len, 1, 1, 1},
                  .bytes = (const uint8_t *)w->made.tensor[i].at,
                  .nbytes = w->made.tensor[i].len * sizeof(float)},
            .stored_name = name,
            .out_type = NK_F32,
        };
    }
}

static nb_status map_all(mapper *m)
{
    nb_weights *w = m->w;
    w->views = nb_alloc(m->cap, sizeof *w->views, "tensor views", m->err);
    w->names = nb_alloc(m->cap, NAME, "tensor names", m->err);
    w->gathers = nb_alloc(m->cap, sizeof *w->gathers, "tensor views", m->err);
    w->means = nb_alloc(m->cap, sizeof *w->means, "tensor views", m->err);
    w->parts = nb_alloc(m->cap_parts, sizeof *w->parts, "tensor views", m->err);
    if (!w->views || !w->names || !w->gathers || !w->means || !w->parts)
        return NB_NOMEM;
    for (size_t i = 0; i < w->n_files; i++)
        for (size_t k = 0; k < w->files[i].safetensors.n_tensors; k++)
            NB_TRY(map_stored(m, &w->files[i].safetensors.tensors[k], (uint32_t)i));
    NB_TRY(map_packs(m));
    NB_TRY(check_stacks(m));
    NB_TRY(nb_weights_fold(w, m->heads, m->heads_kv, m->err));
    NB_TRY(nb_weights_add_beside(w, m->err)); /* a stored factor is one of cap as its weight is */
    add_made(w);
    return NB_OK;
}

nb_status nb_weights_map(nb_weights *w, const nb_hf_config *c, nb_err *err)
{
    mapper m = {.w = w, .class = c->class, .err = err};
    for (size_t i = 0; i < w->n_files; i++)
        m.cap += NB_HF_PLACES * w->files[i].safetensors.n_tensors;
    NB_TRY(nb_packs_open(&w->packs, c, m.cap / NB_HF_PLACES, err));
    m.cap_parts = m.cap + 1; /* every part of a stack is a stored tensor */
    m.cap += NB_MADE_MAX;
    read_keys(&m);
    nb_status st = map_all(&m);
    nb_index_free(&m.stacks);
    return st;
}
