/* An opened model, ready to run: hyper-parameters read and checked, every required tensor present
 * with the right shape and a runnable type. Immutable but for nb_model_flatten and shareable
 * between sessions and threads. Borrows the weights: they outlive the model.
 *
 * The engine's boundary (see session.h): model = immutable, session = one mutable timeline. */
#ifndef NIBBLE_MODEL_H
#define NIBBLE_MODEL_H

#include "core/files/weights.h"
#include "core/model/arch.h"
#include "kernels/ops.h"

/* What rope.* keys say; angle per position of pair i: see rope.c. */
typedef struct nb_rope_keys {
    float base, scale;          /* position scale: 1 / factor */
    float local_base;           /* of layers with a window, which are not scaled (LOCAL_ROPE) */
    float stretch;              /* yarn: share of pairs left unscaled at the fast end; 0: linear */
    float beta_fast, beta_slow; /* yarn: turns within n_ctx_orig where the ramp begins and ends */
    float attn_factor;          /* times cos and sin */
    uint32_t n_ctx_orig;        /* context before scaling */
    bool off;                   /* no layer turns */
} nb_rope_keys;

typedef struct nb_hparams {
    const nb_arch *arch;
    int features; /* NB_ARCH_*: the row's and what the keys add */
    nk_glu_kind act;
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab, n_rot;
    uint32_t n_expert, n_expert_used, n_expert_ff, n_shared_ff; /* 0: no such thing */
    uint32_t n_ctx_train;
    uint32_t window, window_every; /* positions a layer sees, itself included; 0: all */
    float norm_eps;
    float attn_scale, attn_cap;    /* of scores; cap 0: none */
    float embd_scale, block_scale; /* of embeddings, of what a block adds */
    float logit_scale, logit_cap;
    float expert_scale; /* of the chosen experts' weights */
    nb_rope_keys rope;
    bool tied; /* output reuses token_embd */
} nb_hparams;

typedef enum nb_turn { NB_TURN_NONE, NB_TURN_MAIN, NB_TURN_LOCAL } nb_turn;

typedef struct nb_layer {
    nk_matrix w[NB_SLOT_COUNT]; /* data NULL where absent; vectors are F32. Fused tensors are split
                                   here: attn_q, attn_k, ffn_gate ... point into them. Of experts,
                                   rows counts all together */
    uint32_t window;            /* positions seen; 0: all */
    nb_turn turn;
} nb_layer;

typedef enum nb_turns { NB_TURNS_MAIN, NB_TURNS_LONG, NB_TURNS_LOCAL, NB_TURNS_COUNT } nb_turns;

typedef struct nb_model {
    nb_hparams hp;
    const nb_weights *weights; /* borrowed */
    nk_matrix global[NB_SLOT_LAYER];
    nb_layer *layer;                  /* [hp.n_layer] owned */
    float *rope_freq[NB_TURNS_COUNT]; /* [n_rot/2] angle per position and pair, scaling folded in;
                                         NULL: as MAIN; they lie in one block, owned by the first */
    float rope_gain[NB_TURNS_COUNT];  /* times cos and sin */
    void *unpacked;        /* rows that cannot be used in place (HF order), owned; NULL for GGUF */
    void *flat;            /* what nb_model_flatten made, owned; NULL: nothing */
    uint64_t flat_bytes;   /* of it */
    nk_matrix head;        /* the output matrix as the file has it */
    uint64_t weight_bytes; /* read per token: all matrices, embedding row and idle experts out */
} nb_model;

/* For GGUF all matrices point into the mapping (zero copy). For a Hugging Face directory the few
 * reordered matrices (q, k) are copied row by row, everything else is mapped. Norm vectors in
 * BF16/F16 are widened. NB_UNSUPPORTED names architecture, tensor or type that cannot run. */
nb_status nb_model_open(nb_model **out, const nb_weights *w, nb_err *err);
void nb_model_close(nb_model **m);

/* Re-encodes the matrices on grids, IQ1, IQ2 and IQ3, in memory: the model then reads the copy, of
 * flat_bytes, more for each token and yet faster (kernels/flat.h), with the same bits. A model that
 * has none of them, or has its copy, stays as it is. To be called while no session of the model
 * runs. hooks (may be NULL): progress in bytes of the copy. NB_NOMEM: it takes more than `room`
 * bytes; on this and on NB_CANCELED the model is as before. */
nb_status nb_model_flatten(nb_model *m, const nk_ops *ops, nk_pool *pool, uint64_t room,
                           const nb_hooks *hooks, nb_err *err);
/* flat_bytes of that copy, told by the file alone. */
uint64_t nb_model_flat_plan(const nb_weights *w);
/* ops as answers of a model take them: where it is large, with activations of one part
 * (nk_ops_one_part). Small ones are quick anyway. */
void nb_model_quicken(const nb_model *m, nk_ops *ops);
/* Sets weight_bytes: after matrices have changed. */
void nb_model_count_bytes(nb_model *m);

/* Reads and validates hyper-parameters alone (for listings, fit and plans). */
nb_status nb_hparams_read(nb_hparams *out, const nb_kvs *kvs, nb_err *err);
/* A side of the model's tensors, in elements. */
uint64_t nb_hparams_side(const nb_hparams *hp, nb_side side);
/* Angles and gains of an opened model's rope; fails when the file's factors are no factors. */
nb_status nb_rope_fill(nb_model *m, nb_err *err);

#endif
