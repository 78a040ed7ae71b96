/* A random model of a named shape, written straight to a GGUF of any preset or type: for
 * benchmarks, fits and speed estimates without a download. Weights are seeded N(0, 0.02)-like;
 * values are meaningless, shapes and types are real. */
#ifndef NIBBLE_SYNTH_H
#define NIBBLE_SYNTH_H

#include "core/quant/recipe.h"
#include "kernels/ops.h"

typedef struct nb_shape {
    const char *name; /* "llama-1.1b" */
    const char *arch;
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab, n_ctx;
    float rope_base, rms_eps;
    bool tied;
    uint32_t n_expert, n_expert_used, n_expert_ff; /* 0: no mixture */
} nb_shape;

const nb_shape *nb_shapes(size_t *count);
const nb_shape *nb_shape_find(const char *name);
/* Weights of the model; 0 without memory. */
uint64_t nb_shape_params(const nb_shape *s);
/* Same disk rules as quantize. Streams: memory does not grow with the model. *file_bytes out. */
nb_status nb_synth_write(const nb_shape *shape, const nb_recipe *r, uint64_t seed, const char *path,
                         bool force, const nk_ops *ops, nk_pool *pool, uint64_t *file_bytes,
                         const nb_hooks *hooks, nb_err *err);

#endif
