/* Tensor element types as table rows. A row says how a run of weights is laid out and how to turn
 * it into floats, back, and into a dot product; its functions are the C reference, obvious before
 * fast, and every SIMD kernel must agree with them (codes and encoded bytes bit for bit, dot
 * products within the tolerance of tests/test_kernels.c).
 *
 * All lengths `n` count weights and are multiples of block_len. Rows are contiguous. */
#ifndef NIBBLE_TYPE_H
#define NIBBLE_TYPE_H

#include "kernels/nb.h"

typedef enum nk_type_id {
#define NK_TYPE(NAME, sym, id) NK_##NAME = id,
#include "kernels/types.def"
#undef NK_TYPE
    /* Made at load and never in a file (flat.h); 42 is GGML_TYPE_COUNT, so no file's id is theirs.
     */
    NK_FLAT_IQ1 = 42,
    NK_FLAT_IQ2,
    NK_FLAT_IQ3_XXS,
    NK_FLAT_IQ3_S,
    NK_TYPE_SLOTS, /* size of tables indexed by id */
} nk_type_id;

/* dst[n] f32 <- n weights at src. No alignment asked of src. */
typedef void nk_decode_fn(const void *src, float *dst, size_t n);

/* nrows * ncols f32 at src, row after row -> encoded rows at dst. importance: [ncols] mean squared
 * activation per column, or NULL. Result depends on the row and importance alone. Equal, byte for
 * byte, to llama-quantize on x86-64. Source values must be finite (caller checks). */
typedef void nk_encode_fn(const float *src, void *dst, size_t nrows, size_t ncols,
                          const float *importance);

/* sum of w[i]*x[i]; w in the row's type, x encoded as the row's dot_with type, n weights. */
typedef float nk_dot_fn(size_t n, const void *w, const void *x);

/* One block of a quantized type spelled out, for people who look inside (screen Inspect) and for
 * code-use statistics. The identity
 *     weight[i] = scale[i / group] * code[i] + offset[i / group]
 * holds bit for bit in f32, product rounded before the sum; see nk_view_weight. Symmetric types
 * have offset -0.0, the float that changes no sum, not even the sign of a zero. */
enum { NK_VIEW_LEN = 256, NK_VIEW_GROUPS = 32 };
typedef struct nk_block_view {
    uint32_t len;                 /* weights in the block = block_len */
    uint32_t group;               /* weights that share scale and offset; len is a multiple */
    int code_min, code_max;       /* what the type can store: q4_0 -8..7, q4_K 0..15 */
    int code_step;                /* widest gap between neighbours: 1, more for tables of levels */
    int16_t code[NK_VIEW_LEN];    /* [len] stored integers, bias removed where decode does so; of a
                                     table of levels the level */
    float scale[NK_VIEW_GROUPS];  /* [len / group] step between codes, may be negative */
    float offset[NK_VIEW_GROUPS]; /* [len / group] weight of code 0; -0.0 if symmetric */
    int32_t
        scale_code[NK_VIEW_GROUPS]; /* [len / group] integer in scale = d * scale_code; 1 if none */
    int16_t min_code[NK_VIEW_GROUPS]; /* [len / group] integer in offset = -(dmin * min_code) */
    float d;                          /* the block's own scale */
    float dmin; /* K types: scale of the mins; q4_1, q5_1: the stored min = offset; else 0 */
} nk_block_view;
/* block: one block, any alignment. */
typedef void nk_explain_fn(const void *block, nk_block_view *view);

typedef struct nk_type {
    const char *name;       /* ggml's spelling: "q4_K" */
    nk_type_id id;          /* GGUF type id */
    uint32_t block_len;     /* weights per block */
    uint32_t block_size;    /* bytes per block */
    nk_decode_fn *decode;   /* NULL: can be shown, not run */
    nk_encode_fn *encode;   /* NULL: not a target of quantize here */
    nk_dot_fn *dot;         /* NULL: not run */
    nk_explain_fn *explain; /* NULL: float types, and types that can only be shown */
    nk_type_id dot_with;    /* type activations are encoded to before dot */
    /* Round trip of N(0,1) weights: upper bound of rms(error)/rms(weight); and of
     * |dot(type) - dot(f32)| / (|w||x|) on unit vectors. Measured, with margin 1.25; checked by
     * tests/test_types.c, quant.md 4.4. */
    float max_rmse, max_dot_err;
    bool is_float;        /* F32, F16, BF16, F64 */
    bool wants_imatrix;   /* refuses to encode without importance */
    bool activation_only; /* Q8_1, Q8_K: never in files */
} nk_type;

/* NULL for an id without a row, and for those that are never in a file. */
const nk_type *nk_type_get(uint32_t id);
/* By ggml's name, case ignored ("q4_k", "Q4_K"); NULL if unknown. */
const nk_type *nk_type_find(const char *name);
/* Rows in id order; *count of them. */
const nk_type *const *nk_type_all(size_t *count);

/* Bytes of one row of ncols weights; false if ncols is no multiple of block_len or on overflow. */
bool nk_row_size(const nk_type *t, uint64_t ncols, uint64_t *bytes);
/* Bits per weight of the type itself: 4.5 for q4_K. */
double nk_type_bpw(const nk_type *t);

/* Weight i of a view: the same bits as decode. */
static inline float nk_view_weight(const nk_block_view *v, uint32_t i)
{
    float product = v->scale[i / v->group] * (float)v->code[i];
    return product + v->offset[i / v->group];
}

#define NK_TYPE(NAME, sym, id) extern const nk_type nk_type_##sym;
#include "kernels/types.def"
#undef NK_TYPE

#endif
