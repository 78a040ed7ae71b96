#include "core/eval/sensitivity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/quant/presets.h"

/* --- the table ---------------------------------------------------------------------------------
 */

/* "blk.3.attn_q.weight" -> "attn_q". */
static void kind_name(char out[NB_MAX_NAME + 1], const char *name)
{
    const char *from = name;
    if (nb_layer_of(name) >= 0) {
        from = strchr(name + 4, '.');
        from = from ? from + 1 : name;
    }
    size_t n = strlen(from), tail = strlen(".weight");
    if (n > tail && strcmp(from + n - tail, ".weight") == 0)
        n -= tail;
    snprintf(out, NB_MAX_NAME + 1, "%.*s", (int)n, from);
}

/* Index of the name among the kinds, added when there is room; n_kind when there is none. */
static uint32_t kind_of(nb_sense_table *t, const char *name)
{
    char kind[NB_MAX_NAME + 1];
    kind_name(kind, name);
    uint32_t i = 0;
    while (i < t->n_kind && strcmp(t->kind[i], kind) != 0)
        i++;
    if (i == t->n_kind && i < NB_SENSE_KINDS)
        memcpy(t->kind[t->n_kind++], kind, sizeof kind);
    return i;
}

static const char *why_not(const nb_view *v, const nk_type *type)
{
    uint64_t bytes;
    const nk_type *from = nk_type_get(v->t.type);
    if (!from || !from->decode)
        return "its own type cannot be decoded";
    if (!nk_row_size(type, nb_tensor_cols(&v->t), &bytes))
        return "its rows do not divide into blocks";
    return NULL;
}

nb_status nb_sense_table_open(nb_sense_table *out, const nb_weights *w, const nk_type *type,
                              nb_err *err)
{
    nb_sense_table t = {.type = type};
    size_t n = nb_weights_count(w);
    t.row = nb_alloc(n ? n : 1, sizeof *t.row, "table of tensors", err);
    if (!t.row)
        return NB_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const nb_view *v = nb_weights_at(w, i);
        int layer = nb_layer_of(v->t.name);
        if (!nb_quantizable(&v->t))
            continue;
        t.n_layer = layer >= (int)t.n_layer ? (uint32_t)layer + 1 : t.n_layer;
        t.row[t.n++] = (nb_sense_row){.view = v,
                                      .layer = layer,
                                      .kind = kind_of(&t, v->t.name),
                                      .weights = nb_tensor_count(&v->t),
                                      .skip = why_not(v, type)};
    }
    *out = t;
    return NB_OK;
}

void nb_sense_table_close(nb_sense_table *t)
{
    free(t->row);
    *t = (nb_sense_table){0};
}

nb_run_key nb_sense_key(const nb_run_key *like, const nb_sense_table *t, size_t i)
{
    nb_run_key key = *like;
    snprintf(key.tensor, sizeof key.tensor, "%s", t->row[i].view->t.name);
    snprintf(key.type, sizeof key.type, "%s%s%s", t->type->name, t->with[0] ? "+" : "", t->with);
    return key;
}

void nb_sense_with(nb_sense_table *t, const nb_imatrix *im)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a of names and values */
    for (size_t i = 0; i < im->n; i++) {
        const nb_imatrix_entry *e = &im->entry[i];
        for (const char *p = e->name; *p; p++)
            h = (h ^ (unsigned char)*p) * 0x100000001b3u;
        for (uint64_t k = 0; k < e->n; k++) {
            uint32_t bits;
            memcpy(&bits, &e->importance[k], sizeof bits);
            h = (h ^ bits) * 0x100000001b3u;
        }
    }
    snprintf(t->with, sizeof t->with, "%07x", (unsigned)(h >> 36));
}

nb_status nb_sense_importance(const float **out, const nb_sense_table *t, size_t i,
                              const nb_imatrix *im, nb_err *err)
{
    const nb_tensor *v = &t->row[i].view->t;
    const nb_imatrix_entry *e = im ? nb_imatrix_find(im, v->name) : NULL;
    bool fits = e && v->shape[3] == 1 && e->n == v->shape[0] * v->shape[2];
    *out = NULL;
    if (e && !fits && strcmp(v->name, "token_embd.weight") != 0) /* old files always have one */
        return nb_fail(err, NB_FORMAT,
                       "imatrix entry \"%s\" has %llu values, the tensor %llu x %llu columns: it "
                       "is of another model",
                       v->name, (unsigned long long)e->n, (unsigned long long)v->shape[2],
                       (unsigned long long)v->shape[0]);
    *out = fits ? e->importance : NULL;
    return NB_OK;
}

size_t nb_sense_look(nb_sense_table *t, const nb_runs *runs, const nb_run_key *like)
{
    size_t known = 0;
    for (size_t i = 0; i < t->n; i++) {
        nb_run_key key = nb_sense_key(like, t, i);
        t->row[i].known |= nb_runs_find(runs, NB_RUN_DAMAGE, &key, &t->row[i].damage);
        known += t->row[i].known;
    }
    return known;
}

const nb_sense_row *nb_sense_at(const nb_sense_table *t, int layer, uint32_t kind)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->row[i].layer == layer && t->row[i].kind == kind)
            return &t->row[i];
    return NULL;
}

double nb_sense_most(const nb_sense_table *t)
{
    double most = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->row[i].known && t->row[i].damage.kld > most)
            most = t->row[i].damage.kld;
    return most;
}

double nb_sense_sum(const nb_sense_table *t)
{
    double sum = 0;
    for (size_t i = 0; i < t->n; i++)
        sum += t->row[i].known ? t->row[i].damage.kld : 0;
    return sum;
}

/* --- at work -----------------------------------------------------------------------------------
 */

struct nb_sense {
    nb_model model;    /* a copy; its matrices may be exchanged, all else is borrowed */
    nb_layer *layer;   /* the copy's, owned */
    const nb_model *m; /* borrowed */
    const nk_ops *ops;
    nk_pool *pool;
    const nb_reading *rd;
    nb_session *session; /* of the copy */
    nb_held held;
};

nb_status nb_sense_open(nb_sense **out, const nb_model *m, const nk_ops *ops, nk_pool *pool,
                        const nb_reading *rd, const nb_hooks *hooks, nb_err *err)
{
    nb_sense *s = nb_alloc(1, sizeof *s, "sensitivity", err);
    if (!s)
        return NB_NOMEM;
    *s = (nb_sense){.model = *m, .m = m, .ops = ops, .pool = pool, .rd = rd};
    s->layer = nb_alloc(m->hp.n_layer, sizeof *s->layer, "sensitivity", err);
    nb_status st = s->layer ? NB_OK : NB_NOMEM;
    if (st == NB_OK) {
        memcpy(s->layer, m->layer, m->hp.n_layer * sizeof *s->layer);
        s->model.layer = s->layer;
        nb_session_options opt = {.n_ctx = rd->n_ctx};
        st = nb_session_open(&s->session, &s->model, ops, pool, &opt, err);
    }
    if (st == NB_OK)
        st = nb_held_open(&s->held, s->session, ops, pool, rd, hooks, err);
    if (st != NB_OK)
        nb_sense_close(&s);
    else
        *out = s;
    return st;
}

void nb_sense_close(nb_sense **s)
{
    if (!*s)
        return;
    nb_session_close(&(*s)->session);
    nb_held_close(&(*s)->held);
    free((*s)->layer);
    free(*s);
    *s = NULL;
}

/* --- one tensor --------------------------------------------------------------------------------
 */

typedef struct rounder {
    const nk_type *type;
    const nk_ops *ops;
    float *weight; /* [rows, cols] in, out */
    size_t rows, cols, row_size, per_depth;
    const float *importance;
    float *before;      /* [threads, cols] */
    uint8_t *block;     /* [threads, row_size] */
    double *sum, *err2; /* [rows] of squares */
    bool *finite;       /* [rows] */
} rounder;

static void round_rows(void *arg, size_t begin, size_t end, int thread)
{
    rounder *r = arg;
    nk_encode_fn *encode =
        r->ops->encode[r->type->id] ? r->ops->encode[r->type->id] : r->type->encode;
    nk_decode_fn *decode = r->ops->decode[r->type->id];
    float *before = r->before + (size_t)thread * r->cols;
    uint8_t *block = r->block + (size_t)thread * r->row_size;
    for (size_t row = begin; row < end; row++) {
        float *w = r->weight + row * r->cols;
        const float *importance =
            r->importance ? r->importance + row / r->per_depth * r->cols : NULL;
        r->finite[row] = r->ops->all_finite(w, r->cols);
        if (!r->finite[row])
            continue;
        memcpy(before, w, r->cols * sizeof *w);
        encode(before, block, 1, r->cols, importance);
        decode(block, w, r->cols);
        for (size_t i = 0; i < r->cols; i++) {
            double x = (double)before[i], e = (double)w[i] - x;
            r->sum[row] += x * x;
            r->err2[row] += e * e;
        }
    }
}

static nb_status sum_rows(const rounder *r, const char *name, nb_damage *out, nb_err *err)
{
    double sum = 0, err2 = 0;
    for (size_t i = 0; i < r->rows; i++) {
        if (!r->finite[i])
            return nb_fail(err, NB_FORMAT, "tensor \"%s\": row %zu holds NaN or Inf", name, i);
        sum += r->sum[i];
        err2 += r->err2[i];
    }
    out->rmse = sum > 0 ? sqrt(err2 / sum) : 0;
    return NB_OK;
}

/* weight[rows * cols] becomes what the type makes of it. */
static nb_status round_all(const nb_sense *s, float *weight, const nb_view *v, const nk_type *type,
                           const float *importance, nb_damage *out, nb_err *err)
{
    uint64_t row_size, threads = s->pool ? (uint64_t)nk_pool_count(s->pool) : 1;
    rounder r = {.type = type,
                 .ops = s->ops,
                 .weight = weight,
                 .rows = (size_t)nb_tensor_rows(&v->t),
                 .cols = (size_t)nb_tensor_cols(&v->t),
                 .per_depth = (size_t)v->t.shape[1],
                 .importance = importance};
    if (!type->encode || !nk_row_size(type, r.cols, &row_size))
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\": rows of %zu cannot be made %s",
                       v->t.name, r.cols, type->name);
    if (type->wants_imatrix && !importance)
        return nb_fail(err, NB_UNSUPPORTED,
                       "tensor \"%s\": %s cannot be made without an importance matrix", v->t.name,
                       type->name);
    r.row_size = (size_t)row_size;
    nb_status st = NB_NOMEM;
    if ((r.before = nb_alloc(threads * r.cols, sizeof *r.before, "row", err)) &&
        (r.block = nb_alloc(threads, row_size, "blocks", err)) &&
        (r.sum = nb_alloc(2 * (uint64_t)r.rows, sizeof *r.sum, "sums", err)) &&
        (r.finite = nb_alloc(r.rows, sizeof *r.finite, "rows", err))) {
        r.err2 = r.sum + r.rows;
        nk_parallel(s->pool, r.rows, 4, round_rows, &r);
        out->bytes = (uint64_t)r.rows * row_size;
        st = sum_rows(&r, v->t.name, out, err);
    }
    free(r.before);
    free(r.block);
    free(r.sum);
    free(r.finite);
    return st;
}

/* --- exchange ----------------------------------------------------------------------------------
 */

/* w shows rows of `whole` at base: it shows the same ones of made. */
static bool exchange(nk_matrix *w, const uint8_t *base, uint64_t bytes, const float *made)
{
    const uint8_t *at = w->data;
    if (!at || at < base || at >= base + bytes || w->rows * w->row_size > bytes)
        return false;
    size_t row = (size_t)(at - base) / w->row_size;
    *w = (nk_matrix){.data = made + row * w->cols,
                     .type = nk_type_get(NK_F32),
                     .rows = w->rows,
                     .cols = w->cols,
                     .row_size = w->cols * sizeof(float)};
    return true;
}

/* Where the tensor's rows begin in the model: a fused one is seen through its first part. */
static const uint8_t *place_of(const nb_model *m, const char *name, int layer)
{
    char slot_name[NB_MAX_NAME + 1];
    const nk_matrix *w = layer < 0 ? m->global : m->layer[layer].w;
    int slot = layer < 0 ? 0 : NB_SLOT_LAYER, end = layer < 0 ? NB_SLOT_LAYER : NB_SLOT_COUNT;
    for (; slot < end; slot++) {
        nb_slot_name((nb_slot)slot, layer < 0 ? 0 : (uint32_t)layer, slot_name);
        if (!nb_slot_exists((nb_slot)slot, m->hp.features) || strcmp(slot_name, name) != 0)
            continue;
        bool fused = slot == NB_FFN_UP && (m->hp.features & NB_ARCH_FUSED_GATE);
        return w[fused ? NB_FFN_GATE : slot].data;
    }
    return NULL;
}

static bool exchange_all(nb_sense *s, const nb_view *v, int layer, const float *made)
{
    const uint8_t *base = place_of(s->m, v->t.name, layer);
    bool any = false;
    if (!base)
        return false;
    for (int slot = 0; layer < 0 && slot < NB_SLOT_LAYER; slot++)
        any |= exchange(&s->model.global[slot], base, v->t.nbytes, made);
    for (int slot = NB_SLOT_LAYER; layer >= 0 && slot < NB_SLOT_COUNT; slot++)
        any |= exchange(&s->layer[layer].w[slot], base, v->t.nbytes, made);
    return any;
}

static void put_back(nb_sense *s, int layer)
{
    memcpy(s->model.global, s->m->global, sizeof s->model.global);
    if (layer >= 0)
        s->layer[layer] = s->m->layer[layer];
}

static nb_status measure(nb_sense *s, nb_damage *out, const nb_hooks *hooks, nb_err *err)
{
    nb_kld k;
    nb_session_reset(s->session); /* its cache came from other weights */
    NB_TRY(nb_kld_run(&k, s->session, &s->held.ref, s->pool, s->rd, NULL, NULL, hooks, err));
    out->n_ctx = k.n_ctx;
    out->chunks = k.chunks;
    out->scored = k.scored;
    out->kld = k.kld.mean;
    out->kld_err = k.kld.err;
    out->same_top = k.same_top;
    out->ln_ratio = k.ln_ratio;
    return NB_OK;
}

nb_status nb_sense_measure(nb_sense *s, const nb_view *v, const nk_type *type,
                           const float *importance, nb_damage *out, const nb_hooks *hooks,
                           nb_err *err)
{
    nb_damage d = {0};
    int layer = nb_layer_of(v->t.name);
    if (layer >= (int)s->m->hp.n_layer)
        return nb_fail(err, NB_FORMAT, "tensor \"%s\": the model has %u layers", v->t.name,
                       s->m->hp.n_layer);
    float *made = nb_alloc(nb_tensor_count(&v->t), sizeof *made, v->t.name, err);
    if (!made)
        return NB_NOMEM;
    nb_weights_floats(v, made);
    nb_status st = round_all(s, made, v, type, importance, &d, err);
    if (st == NB_OK && !exchange_all(s, v, layer, made))
        st = nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\": no step of the model reads it alone",
                     v->t.name);
    if (st == NB_OK)
        st = measure(s, &d, hooks, err);
    put_back(s, layer);
    free(made);
    if (st == NB_OK)
        *out = d;
    return st;
}
