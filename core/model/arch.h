/* Architectures as table rows: GGUF name, flags, and the tensors that follow from them. forward.c
 * reads flags and tensors, never names: a new dense architecture is one row in archs.def. */
#ifndef NIBBLE_ARCH_H
#define NIBBLE_ARCH_H

#include "kernels/nb.h"
#include "kernels/ops.h"

typedef enum nb_position_kind {
    NB_POS_LEARNED, /* position_embd is added to the embedding; nothing turns */
    NB_POS_NORM,    /* rope over pairs (2i, 2i+1) */
    NB_POS_NEOX,    /* rope over pairs (i, i + n_rot/2) */
} nb_position_kind;

/* Features: a row's own, then those a file's keys or tensors add. */
enum {
    NB_ARCH_LAYER_NORM = 1 << 0,    /* norms take the mean away; else root mean square only */
    NB_ARCH_NORM_BIAS = 1 << 1,     /* norms have biases */
    NB_ARCH_NO_PRE_NORM = 1 << 2,   /* blocks read the residual stream as it is */
    NB_ARCH_POST_NORM = 1 << 3,     /* what a block gives is normed before it is added */
    NB_ARCH_LATE_FFN_NORM = 1 << 4, /* the norm before the ffn is named post_attention_norm */
    NB_ARCH_SUB_NORM = 1 << 5,      /* norms before attn_output and ffn_down */
    NB_ARCH_QK_NORM = 1 << 6,       /* q and k normed head by head, one weight for all heads */
    NB_ARCH_QK_NORM_EACH = 1 << 7,  /* may be: every head with a weight of its own */
    NB_ARCH_QK_NORM_ALL = 1 << 8,   /* all heads as one vector */
    NB_ARCH_QKV_BIAS = 1 << 9,
    NB_ARCH_OUT_BIAS = 1 << 10,
    NB_ARCH_FFN_BIAS = 1 << 11,
    NB_ARCH_MAY_BIAS = 1 << 12,     /* projections may have biases */
    NB_ARCH_FUSED_GATE = 1 << 13,   /* ffn_up holds the rows of gate, then those of up */
    NB_ARCH_NO_GATE = 1 << 14,      /* act(up) alone */
    NB_ARCH_PARALLEL = 1 << 15,     /* attention and ffn both read the layer's input */
    NB_ARCH_MAY_PARALLEL = 1 << 16, /* layers without ffn_norm do */
    NB_ARCH_MAY_NOT_TURN = 1 << 17, /* rope.scaling.finetuned = false: positions do not turn */
    NB_ARCH_ROUTE_NORM = 1 << 18,   /* may be a mixture; the chosen weights sum to 1 then */
    NB_ARCH_ROUTE_LATE = 1 << 19,   /* softmax over the chosen, not over all */
    NB_ARCH_SHARED_GATE = 1 << 20,  /* the shared expert counts as much as its own gate says */
    NB_ARCH_SINKS = 1 << 21,        /* a score per head that no position answers to */
    NB_ARCH_EMBD_SQRT = 1 << 22,    /* embeddings times sqrt(n_embd) */
    NB_ARCH_SOFT_CAPS = 1 << 23,    /* scores and logits are capped even if no key says so */
    NB_ARCH_LOCAL_ROPE = 1 << 24,   /* layers with a window turn by rope.freq_base_swa, unscaled */
    NB_ARCH_MOE_BIAS = 1 << 25,     /* router and experts have biases */
    NB_ARCH_LOGIT_TIMES = 1 << 26,  /* logits times logit_scale; else divided by it */
    NB_ARCH_EXPERTS = 1 << 27,      /* a mixture of experts */
    NB_ARCH_SHARED = 1 << 28,       /* added by keys: an expert that sees every token */
    NB_ARCH_FUSED_QKV = 1 << 29,    /* added by tensors: attn_qkv holds q, k and v */
    NB_ARCH_LEARNED = 1 << 30,      /* added by the row's positions */
};

/* Tensors outside the layers, then one layer's. Names and shapes: slots.def. */
typedef enum nb_slot {
#define NB_SLOT(symbol, ...) NB_##symbol,
#include "core/model/slots.def"
#undef NB_SLOT
    NB_SLOT_COUNT,
    NB_SLOT_LAYER = NB_ATTN_NORM, /* first slot that repeats per layer */
} nb_slot;

/* A side of a tensor in the model's own figures. */
typedef enum nb_side {
    NB_SIDE_ONE,
    NB_SIDE_EMBD,
    NB_SIDE_VOCAB,
    NB_SIDE_CTX,     /* positions trained on */
    NB_SIDE_TURNS,   /* n_rot / 2 */
    NB_SIDE_Q,       /* n_head * head_dim */
    NB_SIDE_KV,      /* n_head_kv * head_dim */
    NB_SIDE_QKV,     /* all three */
    NB_SIDE_HEADS,   /* n_head */
    NB_SIDE_Q_NORM,  /* columns of a norm of q; of k below */
    NB_SIDE_Q_NORMS, /* its rows */
    NB_SIDE_K_NORM,
    NB_SIDE_K_NORMS,
    NB_SIDE_FF,
    NB_SIDE_FF_UP, /* twice n_ff when fused */
    NB_SIDE_EXPERT_FF,
    NB_SIDE_SHARED_FF,
    NB_SIDE_EXPERTS,
} nb_side;

enum { NB_ALWAYS = -1 }; /* whatever the features */

typedef struct nb_slot_row {
    const char *name; /* "token_embd.weight", "blk.%u.attn_q.weight" */
    nb_side side[3];  /* columns, rows, depth */
    bool is_vector;   /* read as F32: norms, biases, factors */
    int any;          /* there if one of these features is */
    int unless;       /* but not with one of these */
    int optional;     /* may be missing with one of these */
} nb_slot_row;

typedef struct nb_arch {
    const char *name; /* GGUF: "llama" */
    nb_position_kind position;
    nk_glu_kind act;
    int flags;
    uint32_t window_every; /* layers 0..n-2 of every n have the window of the keys, the n-th sees
                              all; 1: every layer; 0: windows are not used */
    uint32_t rope_every;   /* each n-th layer does not turn; 0: all do */
    uint32_t wide_layers;  /* with this many layers scores are scaled by 1/sqrt(n_embd/n_head) */
} nb_arch;

const nb_arch *nb_arch_find(const char *gguf_name); /* NULL: not supported */
const nb_arch *nb_arch_all(size_t *count);
/* What a known architecture that does not run here is: "a state-space model"; NULL: never heard. */
const char *nb_arch_kind(const char *gguf_name);
const nb_slot_row *nb_slot_of(nb_slot slot);
bool nb_slot_exists(nb_slot slot, int features);
bool nb_slot_required(nb_slot slot, int features);
/* Whether activations are multiplied by it: such a tensor "X.weight" may come with "X.scale", one
 * factor for all it gives, one per expert of a stack, and with "X.input_scale", which is for
 * runtimes that round activations to fp4 and not used here (load_tensors of src/llama-model.cpp @
 * de3ff81). */
bool nb_slot_is_linear(nb_slot slot);
/* The tensor's GGUF name for a layer (ignored outside layers); out has NB_MAX_NAME + 1 bytes. */
void nb_slot_name(nb_slot slot, uint32_t layer, char *out);

#endif
