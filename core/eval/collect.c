#include "core/eval/collect.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/job.h"
#include "core/base/str.h"

enum { SLICE = 256, ALONE_BELOW = 32768 }; /* columns; values not worth other threads */

/* Where the rows of one slot go; sum2 NULL: nowhere. */
typedef struct sink {
    float *sum2;    /* [n_mat, cols] borrowed: im */
    int64_t *count; /* [n_mat] */
    size_t cols, n_mat;
} sink;

typedef struct collector {
    const nb_model *model;
    nk_pool *pool;
    sink *slot; /* [n_layer, NB_SLOT_COUNT] owned */
    sink output;
} collector;

/* --- the tap -----------------------------------------------------------------------------------
 */

typedef struct batch {
    float *sum2;
    const float *x;
    size_t cols, m;
} batch;

/* Threads share columns out, so each sum is taken in the order of rows. */
static void add_squares(void *arg, size_t begin, size_t end, int thread)
{
    const batch *b = arg;
    size_t from = begin * SLICE, to = end * SLICE < b->cols ? end * SLICE : b->cols;
    (void)thread;
    for (size_t j = 0; j < b->m; j++) {
        const float *x = b->x + j * b->cols;
        for (size_t c = from; c < to; c++)
            b->sum2[c] += x[c] * x[c];
    }
}

static void see(void *ud, nb_slot slot, uint32_t layer, uint32_t expert, const float *x, size_t m)
{
    collector *k = ud;
    const sink *to =
        slot == NB_OUTPUT ? &k->output : &k->slot[(size_t)layer * NB_SLOT_COUNT + (size_t)slot];
    if (!to->sum2 || expert >= to->n_mat)
        return;
    batch b = {to->sum2 + expert * to->cols, x, to->cols, m};
    to->count[expert] += (int64_t)m;
    nk_parallel(m * b.cols < ALONE_BELOW ? NULL : k->pool, (b.cols + SLICE - 1) / SLICE, 1,
                add_squares, &b);
}

/* --- which weights -----------------------------------------------------------------------------
 */

/* What the forward pass reads of a slot; a fused tensor is counted with its keys alone. */
static const nb_view *view_of(const nb_model *m, nb_slot slot, uint32_t layer)
{
    char name[NB_MAX_NAME + 1];
    if (slot == NB_ATTN_K && (m->hp.features & NB_ARCH_FUSED_QKV))
        slot = NB_ATTN_QKV;
    else if (!nb_slot_exists(slot, m->hp.features))
        return NULL;
    nb_slot_name(slot, layer, name);
    return nb_weights_find(m->weights, name);
}

static bool is_read(nb_slot slot)
{
    static const nb_slot slots[] = {NB_ATTN_Q,      NB_ATTN_K,    NB_ATTN_V,     NB_ATTN_OUT,
                                    NB_FFN_GATE,    NB_FFN_UP,    NB_FFN_DOWN,   NB_MOE_ROUTER,
                                    NB_MOE_GATE,    NB_MOE_UP,    NB_MOE_DOWN,   NB_SHARED_ROUTER,
                                    NB_SHARED_GATE, NB_SHARED_UP, NB_SHARED_DOWN};
    for (size_t i = 0; i < countof(slots); i++)
        if (slots[i] == slot)
            return true;
    return false;
}

static uint64_t matrices(const nb_model *m, nb_slot slot)
{
    return nb_slot_of(slot)->side[2] == NB_SIDE_EXPERTS ? m->hp.n_expert : 1;
}

static nb_status make_room(nb_imatrix *im, const nb_view *v, uint64_t n_mat, nb_err *err)
{
    return nb_imatrix_add(im, v->t.name, nb_tensor_cols(&v->t) * n_mat, n_mat, err);
}

static void point(sink *to, const nb_imatrix *im, const nb_view *v)
{
    const nb_imatrix_entry *e = nb_imatrix_find(im, v->t.name);
    *to = (sink){.sum2 = e->sum2,
                 .count = e->count,
                 .cols = (size_t)(e->n / e->n_mat),
                 .n_mat = (size_t)e->n_mat};
}

/* Entries move while more are made: first all of them, then pointers. */
static nb_status connect(collector *k, nb_imatrix *im, bool output, nb_err *err)
{
    const nb_model *m = k->model;
    const nb_view *out = output ? nb_weights_find(m->weights, "output.weight") : NULL;
    if (out)
        NB_TRY(make_room(im, out, 1, err));
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t l = 0; l < m->hp.n_layer; l++)
            for (int s = NB_SLOT_LAYER; s < NB_SLOT_COUNT; s++) {
                const nb_view *v = is_read((nb_slot)s) ? view_of(m, (nb_slot)s, l) : NULL;
                if (v && pass == 0)
                    NB_TRY(make_room(im, v, matrices(m, (nb_slot)s), err));
                else if (v)
                    point(&k->slot[(size_t)l * NB_SLOT_COUNT + (size_t)s], im, v);
            }
        nb_imatrix_order(im);
    }
    if (out)
        point(&k->output, im, out);
    return NB_OK;
}

static nb_status collector_open(collector *k, nb_imatrix *im, nb_session *s, nk_pool *pool,
                                bool output, nb_err *err)
{
    k->model = nb_session_model(s);
    k->pool = pool;
    k->slot = nb_alloc(k->model->hp.n_layer, NB_SLOT_COUNT * sizeof *k->slot, "collector", err);
    if (!k->slot)
        return NB_NOMEM;
    NB_TRY(connect(k, im, output, err));
    nb_session_tap(s, see, k);
    return NB_OK;
}

static void collector_close(collector *k, nb_session *s)
{
    nb_session_tap(s, NULL, NULL);
    free(k->slot);
}

/* --- the text ----------------------------------------------------------------------------------
 */

static nb_status token_ids(int32_t **out, nb_collected *c, const nb_tok *tok, const char *text,
                           size_t len, const nb_collect_options *opt, nb_err *err)
{
    unsigned flags = NB_TOK_BOS | (opt->special ? NB_TOK_SPECIAL : 0u);
    size_t n = nb_tok_encode(tok, text, len, flags, NULL, 0);
    uint64_t whole = n / opt->n_ctx;
    int32_t *ids = NULL;
    c->tokens = n;
    if (n == SIZE_MAX)
        return nb_fail(err, NB_NOMEM, "tokens of the text: out of memory");
    if (whole < 2 || whole <= opt->from_chunk)
        return nb_fail(err, NB_REFUSED,
                       "the text has %zu tokens: %llu chunks of %u, at least %llu are needed", n,
                       (unsigned long long)whole, opt->n_ctx,
                       (unsigned long long)(opt->from_chunk < 1 ? 2 : opt->from_chunk + 1));
    c->of = whole - opt->from_chunk;
    if (opt->max_chunks && c->of > opt->max_chunks)
        c->of = opt->max_chunks;
    if (!out)
        return NB_OK;
    ids = nb_alloc(n, sizeof *ids, "tokens of the text", err);
    if (!ids)
        return NB_NOMEM;
    nb_tok_encode(tok, text, len, flags, ids, n);
    *out = ids;
    return NB_OK;
}

nb_status nb_collect_count(nb_collected *out, const nb_tok *tok, const char *text, size_t len,
                           const nb_collect_options *opt, nb_err *err)
{
    *out = (nb_collected){0};
    return token_ids(NULL, out, tok, text, len, opt, err);
}

/* --- running -----------------------------------------------------------------------------------
 */

typedef struct teller {
    const nb_hooks *hooks;
    nb_collected *c;
    uint32_t n_ctx;
} teller;

static void tell(void *ud, const nb_progress *p)
{
    const teller *t = ud;
    nb_report(t->hooks, &(nb_progress){.what = "imatrix",
                                       .done = t->c->chunks * t->n_ctx + p->done,
                                       .total = t->c->of * t->n_ctx,
                                       .detail = t->c});
}

static bool canceled(void *ud)
{
    const teller *t = ud;
    return nb_canceled(t->hooks);
}

static nb_status run_chunks(nb_collected *c, nb_imatrix *im, nb_session *s, const nb_tok *tok,
                            const int32_t *ids, const nb_collect_options *opt,
                            const nb_hooks *hooks, nb_err *err)
{
    teller t = {hooks, c, opt->n_ctx};
    nb_hooks own = {.progress = tell, .canceled = canceled, .ud = &t};
    double start = nb_seconds();
    int32_t bos;
    bool wants_bos = nb_tok_encode(tok, "", 0, NB_TOK_BOS, &bos, 1) == 1;
    int32_t *chunk = nb_alloc(opt->n_ctx, sizeof *chunk, "chunk", err);
    nb_status st = chunk ? NB_OK : NB_NOMEM;
    while (st == NB_OK && c->chunks < c->of) {
        memcpy(chunk, ids + (opt->from_chunk + c->chunks) * opt->n_ctx, opt->n_ctx * sizeof *chunk);
        if (wants_bos)
            chunk[0] = bos;
        st = nb_session_watch(s, chunk, opt->n_ctx, opt->output, &own, err);
        if (st != NB_OK)
            break;
        c->chunks++;
        c->seconds = nb_seconds() - start;
        nb_imatrix_count_chunks(im);
        if (opt->chunk)
            st = opt->chunk(opt->arg, im, c->chunks, err);
    }
    free(chunk);
    return st;
}

nb_status nb_collect(nb_collected *out, nb_imatrix *im, nb_session *s, nk_pool *pool,
                     const nb_tok *tok, const char *text, size_t len, const nb_collect_options *opt,
                     const nb_hooks *hooks, nb_err *err)
{
    collector k = {0};
    nb_collected c = {0};
    int32_t *ids = NULL;
    if (opt->n_ctx < 1 || opt->n_ctx > nb_session_ctx(s))
        return nb_fail(err, NB_REFUSED, "chunks of %u tokens, the session holds %u", opt->n_ctx,
                       nb_session_ctx(s));
    NB_TRY(token_ids(&ids, &c, tok, text, len, opt, err));
    nb_status st = collector_open(&k, im, s, pool, opt->output, err);
    if (st == NB_OK)
        st = run_chunks(&c, im, s, tok, ids, opt, hooks, err);
    collector_close(&k, s);
    free(ids);
    *out = c;
    return st;
}

nb_status nb_collect_ids(nb_imatrix *im, nb_session *s, nk_pool *pool, const int32_t *ids, size_t n,
                         bool output, const nb_hooks *hooks, nb_err *err)
{
    collector k = {0};
    nb_status st = collector_open(&k, im, s, pool, output, err);
    if (st == NB_OK)
        st = nb_session_watch(s, ids, n, output, hooks, err);
    nb_imatrix_count_chunks(im);
    collector_close(&k, s);
    return st;
}
