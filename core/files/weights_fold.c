/* Act-order: a quantizer that took columns by importance leaves a weight whose columns of one step
 * lie apart, so that no block of ggml's types holds them. Columns of ffn_down are hidden neurons,
 * those of attn_output dimensions of a head: put in the order of their steps, with the rows that
 * feed them in the same order, the layer computes what it did and the codes are kept
 * (quant.md 2.5). Columns that belong to the residual stream stay where they are. */
#include <stdio.h>
#include <string.h>

#include "core/files/weights_private.h"

typedef struct fold {
    const char *to, *from[2]; /* the second may be absent: no gate */
    const char *between;      /* no such norm may stand between them */
    bool by_head;             /* within a head, and only if each has its own k and v */
} fold;

static const fold folds[] = {
    {"ffn_down", {"ffn_up", "ffn_gate"}, "ffn_sub_norm", false},
    {"ffn_down_shexp", {"ffn_up_shexp", "ffn_gate_shexp"}, "ffn_sub_norm", false},
    {"ffn_down_exps", {"ffn_up_exps", "ffn_gate_exps"}, "ffn_sub_norm", false},
    {"attn_output", {"attn_v", NULL}, "attn_sub_norm", true},
};

typedef struct folder {
    nb_weights *w;
    uint64_t heads, heads_kv;
} folder;

/* "blk.N.STEM.TAIL" of the layer that `like` is of. */
static nb_view *beside(const folder *f, const char *like, const char *stem, const char *tail)
{
    char name[2 * NB_MAX_NAME];
    size_t layer = strcspn(like + 4, ".") + 4;
    snprintf(name, sizeof name, "%.*s.%s.%s", (int)layer, like, stem, tail);
    for (size_t i = 0; i < f->w->n; i++)
        if (strcmp(f->w->views[i].t.name, name) == 0)
            return &f->w->views[i];
    return NULL;
}

static const fold *fold_of(const nb_view *v)
{
    const char *at = strncmp(v->t.name, "blk.", 4) == 0 ? strchr(v->t.name + 4, '.') : NULL;
    for (size_t i = 0; at && i < countof(folds); i++) {
        size_t n = strlen(folds[i].to);
        if (strncmp(at + 1, folds[i].to, n) == 0 && strcmp(at + 1 + n, ".weight") == 0)
            return &folds[i];
    }
    return NULL;
}

static uint64_t parts_of(const nb_view *v)
{
    return v->gather->part ? v->t.shape[v->t.n_dims - 1] : 1;
}

static nb_packed *part_of(const nb_weights *w, const nb_view *v, uint64_t i)
{
    const nb_packed *p = v->gather->part ? v->gather->part[i] : v->gather->packed;
    return &w->packs.at[p - w->packs.at];
}

static bool is_scattered(const nb_weights *w, const nb_view *v)
{
    if (!v->gather || !v->gather->packed || v->gather->first || v->order != NB_ROWS_PLAIN)
        return false;
    for (uint64_t i = 0; i < parts_of(v); i++)
        if (!part_of(w, v, i)->scattered)
            return false;
    return true;
}

/* Whether the rows of `from` are the columns of v, one for one. */
static bool feeds(const nb_view *from, const nb_view *v)
{
    return from && from->order == NB_ROWS_PLAIN && from->t.shape[1] == v->t.shape[0] &&
           from->t.shape[2] == v->t.shape[2];
}

static bool can_fold(const folder *f, const fold *how, const nb_view *v)
{
    const char *like = v->t.name;
    if (beside(f, like, how->between, "weight") || (how->by_head && f->heads != f->heads_kv))
        return false;
    for (int i = 0; i < 2 && how->from[i]; i++) {
        const nb_view *from = beside(f, like, how->from[i], "weight");
        const nb_view *bias = beside(f, like, how->from[i], "bias");
        if ((from || i == 0) && !feeds(from, v))
            return false;
        if (bias && (bias->t.n_dims != 1 || bias->order != NB_ROWS_PLAIN ||
                     bias->t.shape[0] != v->t.shape[0]))
            return false;
    }
    return true;
}

static void list_rows(const folder *f, nb_view *v, const uint32_t *rows)
{
    if (!v)
        return;
    v->order = NB_ROWS_LISTED;
    v->rows = rows;
    v->gather = &f->w->gathers[v - f->w->views];
}

/* v's parts in the order of their steps, if that makes whole blocks of all; the rest is theirs too
 * then. */
static nb_status fold_view(const folder *f, const fold *how, nb_view *v, uint32_t *order,
                           nb_err *err)
{
    const uint64_t cols = v->t.shape[0], n = parts_of(v);
    uint64_t segment = how->by_head ? cols / f->heads : cols, row;
    nk_type_id type = nb_packed_sorted_type(part_of(f->w, v, 0));
    bool sorted = type != NK_TYPE_SLOTS;
    for (uint64_t i = 0; i < n && sorted; i++) {
        const nb_packed *p = part_of(f->w, v, i);
        sorted = nb_packed_sorted_type(p) == type;
        if (sorted)
            NB_TRY(nb_packed_sort(p, segment, order + i * cols, &sorted, err));
    }
    if (!sorted || !nk_row_size(nk_type_get(type), cols, &row))
        return NB_OK;
    for (uint64_t i = 0; i < n; i++) {
        nb_packed *p = part_of(f->w, v, i);
        p->columns = order + i * cols;
        p->type = type;
    }
    f->w->gathers[v - f->w->views].stored = type;
    v->t.type = v->out_type = type;
    v->t.nbytes = row * nb_tensor_rows(&v->t); /* fewer bytes than floats had */
    for (int i = 0; i < 2 && how->from[i]; i++) {
        list_rows(f, beside(f, v->t.name, how->from[i], "weight"), order);
        list_rows(f, beside(f, v->t.name, how->from[i], "bias"), order);
    }
    return NB_OK;
}

nb_status nb_weights_fold(nb_weights *w, uint64_t heads, uint64_t heads_kv, nb_err *err)
{
    const folder f = {.w = w, .heads = heads ? heads : 1, .heads_kv = heads_kv};
    uint64_t room = 0;
    for (size_t i = 0; i < w->n; i++)
        if (fold_of(&w->views[i]) && is_scattered(w, &w->views[i]))
            room += w->views[i].t.shape[0] * parts_of(&w->views[i]);
    if (!room)
        return NB_OK;
    w->orders = nb_alloc(room, sizeof *w->orders, "orders of columns", err);
    if (!w->orders)
        return NB_NOMEM;
    uint32_t *order = w->orders;
    for (size_t i = 0; i < w->n; i++) {
        nb_view *v = &w->views[i];
        const fold *how = fold_of(v);
        if (!how || !is_scattered(w, v))
            continue;
        if (can_fold(&f, how, v))
            NB_TRY(fold_view(&f, how, v, order, err));
        order += v->t.shape[0] * parts_of(v);
    }
    return NB_OK;
}
