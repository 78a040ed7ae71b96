/* An opened model, ready to run: hyper-parameters read and checked, every required tensor present
 * with the right shape and a runnable type. Immutable and shareable between sessions and threads.
 * Borrows the weights: they outlive the model.
 *
 * The engine's boundary (see session.h): model = immutable, session = one mutable timeline. */
#ifndef NIBBLE_MODEL_H
#define NIBBLE_MODEL_H

#include "core/files/weights.h"
#include "core/model/arch.h"
#include "kernels/ops.h"

typedef struct nb_hparams {
    const nb_arch *arch;
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab, n_rot;
    uint32_t n_ctx_train;
    float rms_eps;
    float rope_base, rope_scale; /* position scale: 1 / linear factor */
    bool tied;                   /* output reuses token_embd */
} nb_hparams;

typedef struct nb_layer {
    nk_matrix w[NB_SLOT_COUNT]; /* data NULL where absent; norms are F32 vectors with rows 1 */
} nb_layer;

typedef struct nb_model {
    nb_hparams hp;
    const nb_weights *weights; /* borrowed */
    nk_matrix global[NB_SLOT_LAYER];
    nb_layer *layer;       /* [hp.n_layer] owned */
    float *rope_freq;      /* [n_rot/2] angle per position and pair, scaling folded in; owned */
    void *unpacked;        /* rows that cannot be used in place (HF order), owned; NULL for GGUF */
    uint64_t weight_bytes; /* read per token: all matrices, embedding row excluded */
} nb_model;

/* For GGUF all matrices point into the mapping (zero copy). For a Hugging Face directory the few
 * reordered matrices (q, k) are copied row by row, everything else is mapped. Norm vectors in
 * BF16/F16 are widened. NB_UNSUPPORTED names architecture, tensor or type that cannot run. */
nb_status nb_model_open(nb_model **out, const nb_weights *w, nb_err *err);
void nb_model_close(nb_model **m);

/* Reads and validates hyper-parameters alone (for listings, fit and plans). */
nb_status nb_hparams_read(nb_hparams *out, const nb_kvs *kvs, nb_err *err);

#endif
