/* One function table per CPU. nk_ops_init fills the C reference first, then each level the flags
 * allow overrides what it does better, upward; flags 0 = pure C. No globals: tests hold several
 * tables at once and compare them.
 *
 * Shapes are in comments, row-major, f32 unless said. Each output element is computed whole by one
 * call in a fixed order, so results never depend on how rows are split over threads. */
#ifndef NIBBLE_OPS_H
#define NIBBLE_OPS_H

#include "kernels/attn.h"
#include "kernels/burst.h"
#include "kernels/flat.h"
#include "kernels/gemm.h"
#include "kernels/measure.h"
#include "kernels/pairs.h"
#include "kernels/pool.h"
#include "kernels/type.h"

typedef enum nk_rope_kind {
    NK_ROPE_NORM, /* pairs (2i, 2i+1): llama */
    NK_ROPE_NEOX, /* pairs (i, i + n_rot/2) */
} nk_rope_kind;

/* What stands between two halves of a feed-forward block: y = act(gate) * up. */
typedef enum nk_glu_kind {
    NK_GLU_SILU,     /* x / (1 + e^-x) */
    NK_GLU_GELU,     /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    NK_GLU_GELU_ERF, /* 0.5 x (1 + erf(x / sqrt 2)) */
    NK_GLU_RELU2,    /* max(x, 0)^2 */
    NK_GLU_OAI,      /* gpt-oss: x / (1 + e^-1.702x) * (up + 1), x <= 7, |up| <= 7 */
    NK_GLU_COUNT,
} nk_glu_kind;

/* y[n] = act(gate[n]) * up[n], in place allowed; up NULL: without it. */
typedef void nk_glu_fn(float *y, const float *gate, const float *up, size_t n);

/* Four dot products of one row: y[j] = dot(w, x + j*x_stride), x_stride in bytes. Unpacks w once;
 * each result has the bits of the same table's dot. */
typedef void nk_dot4_fn(size_t n, const void *w, const void *x, size_t x_stride, float y[4]);

typedef enum nk_half_kind { NK_HALF_F16, NK_HALF_BF16 } nk_half_kind;
/* n halves, whole blocks, at any address -> blocks: the bytes that decoding them and encoding the
 * floats without importance gives. False: a half, a scale or one's inverse is not finite; floats
 * tell what it is then, and what dst holds does not matter. */
typedef bool nk_encode_halves_fn(const void *src, void *dst, size_t n, nk_half_kind kind);

struct nk_ops {
    unsigned flags; /* CPU flags in use */
    nk_dot_fn *dot[NK_TYPE_SLOTS];
    nk_dot4_fn *dot4[NK_TYPE_SLOTS]; /* NULL: call dot four times */
    nk_rows_fn *rows[NK_TYPE_SLOTS]; /* NULL: call dot for each row */
    nk_few_fn *few[NK_TYPE_SLOTS];   /* for two to NK_FEW columns in place of gemm; NULL: none */
    nk_gemm gemm[NK_TYPE_SLOTS];     /* for two columns and more; the bits of dot */
    nk_columns_fn *columns_pack;     /* what every gemm's run of a block type takes */
    nk_wide wide[NK_TYPE_SLOTS];     /* in place of gemm's run for NK_WIDE_FROM and more */
    nk_pairs pairs[NK_TYPE_SLOTS];   /* in place of all of these, with bits of its own */
    nk_encode_fn *encode[NK_TYPE_SLOTS];
    nk_encode_halves_fn *encode_halves[NK_TYPE_SLOTS]; /* NULL: decode, then encode */
    nk_decode_fn *decode[NK_TYPE_SLOTS];
    nk_flatten_fn *flatten[NK_TYPE_SLOTS]; /* by the type it reads; NULL: no flat copy of it */
    /* y[n] = x / sqrt(mean(x^2) + eps) * w */
    void (*rmsnorm)(float *y, const float *x, const float *w, size_t n, float eps);
    /* y[n] = (x - mean(x)) / sqrt(variance(x) + eps) * w + b, in place allowed; b NULL: 0 */
    void (*layernorm)(float *y, const float *x, const float *w, const float *b, size_t n,
                      float eps);
    /* In place on x [n_head, head_dim]; cs [n_rot/2][2] = cos, sin of this position. */
    void (*rope)(float *x, size_t n_head, size_t head_dim, const float *cs, size_t n_rot,
                 nk_rope_kind kind);
    /* y = softmax(x * scale), in place allowed; max subtracted first. */
    void (*softmax)(float *y, const float *x, size_t n, float scale);
    nk_glu_fn *glu[NK_GLU_COUNT];
    void (*add)(float *y, const float *x, size_t n); /* y += x */
    nk_attn_span_fn *attn_span; /* called through nk_attn_run and nk_attn_part */
    nk_attn_join_fn *attn_join;
    /* measure.h; results equal the C reference's bit for bit */
    nk_measure_fn *measure;
    nk_finite_fn *all_finite;
    nk_halves_fn *finite_halves;
    nk_far_fn *find_far;
    nk_bursts burst; /* of this level, for `bench` */
};

void nk_ops_init(nk_ops *ops, unsigned cpu_flags);
/* Adds products whose activations are of one part (pairs.h), where the CPU makes them quicker: for
 * answers, and nothing that measures a model. */
void nk_ops_one_part(nk_ops *ops);
/* Overrides of one architecture; a build for another one does nothing. */
void nk_ops_init_x86(nk_ops *ops, unsigned cpu_flags);
void nk_ops_one_part_x86(nk_ops *ops);
void nk_ops_init_arm(nk_ops *ops, unsigned cpu_flags);

/* A weight matrix as it lies in the file: rows x cols of one type. */
typedef struct nk_matrix {
    const void *data; /* borrowed: weights; row r at data + r*row_size */
    const nk_type *type;
    size_t rows, cols;
    size_t row_size;    /* bytes */
    const float *scale; /* borrowed: every product is multiplied by it; NULL: by nothing */
} nk_matrix;

/* Bytes of scratch nk_matmul needs for m columns of `cols` (encoded activations). */
size_t nk_matmul_scratch(size_t cols, size_t m);
/* y[m, w->rows] = x[m, cols] * w^T. x is encoded once to w->type->dot_with in scratch. Column j of
 * y has the same bits whatever m and the thread count: prefill and decode agree. pool may be
 * NULL. y row stride is y_stride floats. */
void nk_matmul(const nk_ops *ops, nk_pool *pool, float *y, size_t y_stride, const nk_matrix *w,
               const float *x, size_t m, void *scratch);
/* As nk_matmul for several matrices that share x (q,k,v; gate,up): activations are encoded once
 * where dot_with agrees, and all rows form one work list. */
void nk_matmul_many(const nk_ops *ops, nk_pool *pool, float *const *y, const size_t *y_stride,
                    const nk_matrix *const *w, size_t count, const float *x, size_t m,
                    void *scratch);

#endif
