/* Attention of several queries that share one KV head: the query heads of its group and, in a
 * prompt, neighbouring positions too. Cached positions come in spans of NK_ATTN_SPAN, counted from
 * position 0. Each span is unpacked once for all queries and gives every one of them a partial
 * result (largest score, sum of exponentials, values weighted by them); partial results are joined
 * in the order of spans. That order is the same whether spans are done one after the other or by
 * several threads, and a query's numbers never depend on who is beside it, so prompt and decode
 * agree to the bit. Milakov, Gimelshein 2018 (arXiv 1805.02867) has the joining of partial
 * softmaxes.
 *
 * A query's row is number r = t * group + g: position t of n_query, head g of group. */
#ifndef NIBBLE_ATTN_H
#define NIBBLE_ATTN_H

#include "kernels/type.h"

enum {
    NK_ATTN_BLOCK = 32, /* a head of a cache in blocks consists of this many values, several times
                         */
    NK_ATTN_CODE = 127 * 256 + 127, /* the greatest code: two digits with signs */
    NK_ATTN_SPAN = 128,             /* positions */
    NK_ATTN_LANES = 16,             /* rows of scratch are whole multiples of this long */
};

typedef struct nk_ops nk_ops;

/* A block of a query as it meets keys of q8_0: products of codes are summed exactly, one fma by
 * step * d adds the block to the score. 16 bits, since the keys' own 8 are error enough. Of every
 * four values the second and third trade places: signed bytes become 16 bits as even and odd ones.
 */
typedef struct nk_attn_code {
    float step;
    int16_t code[NK_ATTN_BLOCK];
} nk_attn_code;

typedef struct nk_attn {
    const float *q;    /* row (t, g) at q + t*q_stride + g*head_dim: [head_dim] floats, or what
                          nk_attn_encode made of them where keys are q8_0 */
    float *out;        /* likewise, with out_stride */
    size_t q_stride;   /* floats */
    size_t out_stride; /* floats */
    const void *k;     /* position p at k + p*k_stride: [head_dim] of k_type, this KV head */
    const void *v;     /* likewise */
    size_t k_stride;   /* bytes */
    size_t v_stride;   /* bytes */
    nk_type_id k_type; /* any type that decodes; head_dim is a multiple of its blocks */
    nk_type_id v_type; /* likewise */
    size_t head_dim, group, n_query;
    size_t pos;    /* of the first query; the t-th sees positions up to and with pos + t */
    size_t window; /* it sees no more than that many of them, the last ones; 0: all */
    float scale;
    float cap;          /* scores become cap * tanh(score / cap); 0: as they are */
    const float *sink;  /* [group] one more score that no value answers to; NULL: none */
    size_t turn, turns; /* spans go one by one, this KV head's turn at each is the turn-th of so
                           many, one for every head that a row has; turns 0: all spans of this one
                           follow each other. Only what is read ahead depends on it. */
} nk_attn;

/* Partial results of rows 0.. side by side. A row that has seen nothing has max -INFINITY, sum 0;
 * what mix holds does not matter then. */
typedef struct nk_attn_state {
    float *max;    /* [rows] largest score */
    float *sum;    /* [rows] of e^(score - max) */
    float *mix;    /* [rows, stride] values, each times its e^(score - max) */
    size_t stride; /* floats */
} nk_attn_state;

/* Adds what one span gives to the rows it is visible to. scratch: nk_attn_span_scratch floats. */
typedef void nk_attn_span_fn(const nk_ops *ops, const nk_attn *a, size_t span, nk_attn_state *into,
                             float *scratch);
/* Joins later positions (from) to earlier ones (into), n rows of dim values. */
typedef void nk_attn_join_fn(nk_attn_state *into, const nk_attn_state *from, size_t n, size_t dim);

static inline size_t nk_attn_padded(size_t head_dim)
{
    return (head_dim + NK_ATTN_LANES - 1) / NK_ATTN_LANES * NK_ATTN_LANES;
}

/* Positions [*from, *to) of a span that row r sees, counted from the span's first; false: none. */
static inline bool nk_attn_sees(const nk_attn *a, size_t r, size_t span, size_t *from, size_t *to)
{
    size_t start = span * NK_ATTN_SPAN, end = a->pos + r / a->group + 1;
    size_t first = a->window && end > a->window ? end - a->window : 0;
    *from = first > start ? first - start : 0;
    *to = end > start ? end - start : 0;
    *to = *to < NK_ATTN_SPAN ? *to : NK_ATTN_SPAN;
    return *from < *to;
}

/* Rows of queries, n values in all, into blocks: in place, each row of head_dim floats begins where
 * it did. Only where keys are q8_0. */
void nk_attn_encode(float *q, size_t n, size_t head_dim);
/* Spans [*from, *to) that any row sees. */
void nk_attn_spans(const nk_attn *a, size_t *from, size_t *to);
/* Floats of a state of so many rows, and of scratch for nk_attn_run with at most so many rows. */
size_t nk_attn_state_floats(size_t head_dim, size_t rows);
size_t nk_attn_scratch(size_t head_dim, size_t rows);
/* The whole of it: out of every row. */
void nk_attn_run(const nk_ops *ops, const nk_attn *a, float *scratch);
/* The same in parts, for threads that share one query's spans. Span s leaves its state in
 * parts + s * nk_attn_state_floats(head_dim, n_query * group); finish joins those of all spans
 * there are and writes out. scratch as for run. */
void nk_attn_part(const nk_ops *ops, const nk_attn *a, size_t span, float *parts, float *scratch);
void nk_attn_finish(const nk_ops *ops, const nk_attn *a, float *parts, float *scratch);

/* The C reference, for nk_ops_init. */
nk_attn_span_fn nk_attn_span_c;
nk_attn_join_fn nk_attn_join_c;

#endif
