/* Private to forward.c and session.c: the session in memory and the one decoder pass over it.
 * Per position everything is computed from that position's own column and the cache, in an order
 * that knows neither thread count nor chunk, so no split of the work changes a bit. */
#ifndef NIBBLE_FORWARD_H
#define NIBBLE_FORWARD_H

#include "core/model/session.h"

enum {
    NB_HEAD_ROWS = 16,  /* positions whose logits are computed together when scoring */
    NB_ATTN_SLOTS = 64, /* parts the heads of a chunk are dealt to; each has its score row */
};

struct nb_session {
    const nb_model *model; /* borrowed */
    const nk_ops *ops;     /* borrowed */
    nk_pool *pool;         /* borrowed, may be NULL */
    uint32_t n_ctx, n_batch;
    nk_type_id kv_type;
    size_t kv_row;    /* bytes of one position of one layer's K (or V): [n_head_kv, head_dim] */
    uint8_t *kv;      /* [n_layer][K, V][n_ctx][kv_row]; owned */
    void *scratch;    /* owned; everything below points into it */
    float *x;         /* [n_batch, n_embd] residual stream */
    float *norm;      /* [n_batch, n_embd] normed input of a matmul, then its output */
    float *q, *att;   /* [n_batch, n_head, head_dim] */
    float *k, *v;     /* [n_batch, n_head_kv, head_dim] */
    float *gate, *up; /* [n_batch, n_ff] */
    float *cs;        /* [n_batch, n_rot/2, 2] cos, sin */
    float *score;     /* [NB_ATTN_SLOTS, n_ctx] */
    float *logits;    /* [NB_HEAD_ROWS, n_vocab]; row 0 = after the last token */
    int32_t *ids;     /* [n_ctx] tokens in the cache */
    void *matmul;     /* nk_matmul_scratch */
    size_t n;         /* tokens in the cache */
    bool has_logits;
    uint64_t kv_bytes, scratch_bytes;
};

/* Evaluates m <= n_batch tokens at positions at..at+m: their K and V go into the cache, the last
 * hidden states of columns want..m stay in x; of the others the last layer computes no more than K
 * and V. NB_CANCELED within one matmul of the wish, NB_FORMAT when the file was changed under us;
 * s->n is the caller's to move. */
nb_status nb_forward(nb_session *s, const int32_t *ids, size_t m, size_t at, size_t want,
                     const nb_hooks *hooks, nb_err *err);
/* Logits of columns first..first+count of the last pass, first >= its want, count <= NB_HEAD_ROWS,
 * into s->logits. */
nb_status nb_forward_head(nb_session *s, size_t first, size_t count, nb_err *err);

#endif
