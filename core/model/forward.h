/* Private to forward.c and session.c: the session in memory and the one decoder pass over it.
 * Per position everything is computed from that position's own column and the cache, in an order
 * that knows neither thread count nor chunk, so no split of the work changes a bit. */
#ifndef NIBBLE_FORWARD_H
#define NIBBLE_FORWARD_H

#include "core/model/lora.h"
#include "core/model/session.h"

enum {
    NB_HEAD_ROWS = NB_MAX_TRY, /* positions whose logits are computed together */
    NB_ATTN_SLOTS = 32, /* parts the attention of a chunk is dealt to; each has its scratch */
    NB_ATTN_ROWS = 192, /* query heads beside each other on one KV head's cache, at most */
    NB_ATTN_SHARES = 8, /* tasks for every thread, of half as many if need be */
};

/* An expert a column was sent to, and how much of it is taken. */
typedef struct nb_routed {
    uint32_t expert, column;
    float weight;
} nb_routed;

/* Where a column of a pass belongs. */
typedef struct nb_column {
    uint32_t seq, pos;
} nb_column;

/* Columns of a pass whose attention is done together. */
typedef struct nb_tile {
    uint32_t first, n;
} nb_tile;

/* One of a session's timelines. */
typedef struct nb_seq {
    int32_t *ids;   /* [n_ctx] tokens in the cache */
    float *logits;  /* [n_vocab] after the last token */
    size_t n;       /* tokens in the cache */
    size_t touched; /* rows of the cache that nb_touch has been told of */
    bool has_logits;
} nb_seq;

typedef struct nb_session_lora {
    const nb_lora *lora; /* borrowed */
    float scale;
} nb_session_lora;

struct nb_session {
    const nb_model *model; /* borrowed */
    const nk_ops *ops;     /* borrowed */
    nk_pool *pool;         /* borrowed, may be NULL */
    uint32_t n_ctx, n_batch;
    nk_type_id k_type, v_type;
    size_t k_row, v_row; /* bytes of one position of one layer: [n_head_kv, head_dim] */
    uint8_t *kv;       /* [n_seq][n_layer]{K [n_ctx][k_row], V [n_ctx][v_row]}: a row begins with a
                          line of memory where its length allows it */
    void *cache;       /* owned; kv points into it */
    void *scratch;     /* owned; everything below points into it */
    float *x;          /* [n_batch, n_embd] residual stream */
    float *norm;       /* [n_batch, n_embd] normed input of a block, then the dense ffn's output */
    float *out;        /* [n_batch, n_embd] output of attention and experts; where no block needs
                          both, it is norm */
    float *q, *att;    /* [n_batch, n_head, head_dim] */
    float *k, *v;      /* [n_batch, n_head_kv, head_dim] */
    float *gate, *up;  /* [n_batch, widest ffn] */
    float *cs[2];      /* [n_batch, n_rot/2, 2] cos, sin: main, local; NULL: no layer needs it */
    float *attn;       /* [NB_ATTN_SLOTS, attn_row] scratch of attention */
    float *parts;      /* [n_head_kv, parts_row] one column's spans, before they are joined */
    nb_tile *tile;     /* [n_batch] of the pass under way */
    float *logits;     /* [NB_HEAD_ROWS, n_vocab] of one pass */
    float *kept;       /* [n_seq, n_vocab] of each sequence; NULL with one: row 0 above */
    int32_t *ids;      /* [n_seq, n_ctx] */
    nb_column *column; /* [n_batch] of the pass under way */
    void *matmul;      /* nk_matmul_scratch */
    /* A mixture's own, else NULL */
    float *route;               /* [n_batch, n_expert] */
    nb_routed *routed;          /* [n_batch, n_expert_used] each column's choice, then by expert */
    nb_routed *by_expert;       /* likewise */
    uint32_t *start;            /* [n_expert + 1] where each expert's begin */
    float *taken, *given;       /* [n_batch, n_embd] one expert's columns: input, output */
    size_t attn_row, parts_row; /* floats */
    const float *freq[2];       /* [n_rot/2] main, local: borrowed, the model's for this context */
    float gain[2];
    nb_session_lora lora[NB_MAX_LORA];
    uint32_t n_lora;
    nb_tap_fn *tap; /* NULL: nobody listens */
    void *tap_ud;
    float *thin, *wide;  /* A x and B A x of an adapter; thin owned, NULL without one */
    uint32_t n_seq, now; /* the sequence that calls speak of */
    nb_seq seq[NB_MAX_SEQ];
    size_t tried_at, tried; /* tokens on trial: where they begin, how many */
    const float *hidden;    /* into norm: of the position that a caller is shown now; else NULL */
    uint64_t kv_bytes, scratch_bytes;
};

/* Position 0 of a layer's keys or values in a sequence's cache. */
static inline uint8_t *nb_kv_of(const nb_session *s, size_t seq, size_t layer, bool values)
{
    size_t keys = s->n_ctx * s->k_row, both = keys + s->n_ctx * s->v_row;
    return s->kv + (seq * s->model->hp.n_layer + layer) * both + (values ? keys : 0);
}

/* What a block gave and the residual stream has not got yet. */
typedef struct nb_owed {
    float *y;                      /* [n_batch, n_embd]; changed when it is paid */
    const float *bias, *post_norm; /* in this order; may be NULL */
} nb_owed;

/* What the workers of one step see. */
typedef struct nb_step {
    nb_session *s;
    const nb_layer *l;
    uint32_t layer;
    const int32_t *ids;
    size_t m;     /* columns */
    size_t reach; /* positions of the longest look back */
    size_t first; /* columns before it end with their K and V: no more is asked of them */
    nb_owed owed[2];
    const float *weight, *bias; /* of the norm */
    size_t k_at, v_at;          /* this layer's cache within a sequence's */
    size_t seq_size;            /* bytes of a sequence's cache */
    size_t tasks, slots, spans;
    bool placing; /* attention's threads fill the cache */
    uint32_t expert;
} nb_step;

/* Evaluates m <= n_batch tokens in the places s->column[0..m): their K and V go into the cache, the
 * last hidden states of columns want..m stay in x; of the others the last layer computes no more
 * than K and V. Reports layers. NB_CANCELED within one matmul of the wish, NB_FORMAT when the file
 * was changed under us; what the sequences hold is the caller's to say. */
nb_status nb_forward(nb_session *s, const int32_t *ids, size_t m, size_t want,
                     const nb_hooks *hooks, nb_err *err);
/* Logits of columns first..first+count of the last pass, first >= its want, count <= NB_HEAD_ROWS,
 * into s->logits. */
nb_status nb_forward_head(nb_session *s, size_t first, size_t count, nb_err *err);

/* Blocks of a layer, private to forward.c. From s->norm; attention's output goes to s->out, the
 * dense ffn's to s->norm, the experts' to s->out: columns first..m. */
void nb_attention_block(nb_step *p);
void nb_ffn_up(nb_step *p); /* what nb_ffn_down takes then */
void nb_ffn_down(nb_step *p);
void nb_experts_block(nb_step *p);
/* What a session does beside y [m, rows] = W x, x [m, columns]: tells its tap, and adds what its
 * adapters have for this slot. nb_tap_rows: the tap alone. */
static inline void nb_tap_rows(const nb_session *s, uint32_t layer, nb_slot slot, uint32_t expert,
                               const float *x, size_t m)
{
    if (s->tap)
        s->tap(s->tap_ud, slot, layer, expert, x, m);
}
void nb_adapt(nb_session *s, uint32_t layer, nb_slot slot, float *y, size_t stride, const float *x,
              size_t m);
/* Shared by them: n items on the pool, or on this thread when the work is small. */
void nb_step_run(const nb_session *s, size_t n, size_t work, nk_pool_fn *fn, void *arg);
/* y = norm(x), n long, in place allowed; rms or layer as the architecture has it. bias may be
 * NULL. */
void nb_norm_row(const nb_session *s, float *y, const float *x, const float *weight,
                 const float *bias, size_t n);

#endif
