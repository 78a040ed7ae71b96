/* Architectures as table rows: GGUF name, flags, the tensor slots a layer must or may have. */
#ifndef NIBBLE_ARCH_H
#define NIBBLE_ARCH_H

#include "kernels/nb.h"

enum {                             /* flags of an architecture */
       NB_ARCH_ROPE_NORM = 1 << 0, /* rotate pairs (2i, 2i+1) */
       NB_ARCH_ROPE_NEOX = 1 << 1,
};

/* Tensors outside the layers, then one layer's. Name templates: arch.c. */
typedef enum nb_slot {
    NB_TOKEN_EMBD,
    NB_OUTPUT_NORM,
    NB_OUTPUT,
    NB_ROPE_FREQS,
    NB_ATTN_NORM,
    NB_ATTN_Q,
    NB_ATTN_K,
    NB_ATTN_V,
    NB_ATTN_OUT,
    NB_FFN_NORM,
    NB_FFN_GATE,
    NB_FFN_UP,
    NB_FFN_DOWN,
    NB_SLOT_COUNT,
    NB_SLOT_LAYER = NB_ATTN_NORM, /* first slot that repeats per layer */
} nb_slot;

typedef struct nb_slot_row {
    const char *name; /* "token_embd.weight", "blk.%u.attn_q.weight" */
    bool required;
} nb_slot_row;

typedef struct nb_arch {
    const char *name; /* GGUF: "llama" */
    unsigned flags;
} nb_arch;

const nb_arch *nb_arch_find(const char *gguf_name); /* NULL: not supported */
const nb_arch *nb_arch_all(size_t *count);
const nb_slot_row *nb_slot_of(nb_slot slot);
/* The tensor's GGUF name for a layer (ignored outside layers); out has NB_MAX_NAME + 1 bytes. */
void nb_slot_name(nb_slot slot, uint32_t layer, char *out);

#endif
