/* A LoRA adapter (GGUF, general.type "adapter"): beside a matrix W two thin ones, so that
 * y = W x + scale alpha / rank B (A x). Nothing is merged: the model stays as it lies on disk and
 * sessions with and without the adapter share it. Names and scale: src/llama-adapter.cpp of
 * llama.cpp @ c392e50: BASE.lora_a [columns, rank], BASE.lora_b [rank, rows], adapter.lora.alpha.
 */
#ifndef NIBBLE_LORA_H
#define NIBBLE_LORA_H

#include "core/model/session.h"

enum { NB_MAX_LORA = 4 }; /* adapters of one session */

typedef struct nb_lora_pair {
    nk_matrix a, b; /* data NULL: this slot is left as it is */
} nb_lora_pair;

/* Immutable after open, shareable. Borrows model and weights. */
typedef struct nb_lora {
    const nb_model *model;
    const nb_weights *weights; /* the adapter's file */
    nb_lora_pair output;
    nb_lora_pair *pair; /* [n_layer, NB_SLOT_COUNT] owned; fused tensors split as the model's are */
    float alpha;        /* 0: scale alone */
    size_t rank;        /* the largest */
} nb_lora;

/* NB_FORMAT: no adapter, or shapes that do not fit the model; NB_UNSUPPORTED names what it adapts
 * that is not adapted here: embeddings, norms, experts. */
nb_status nb_lora_open(nb_lora **out, const nb_model *m, const nb_weights *adapter, nb_err *err);
void nb_lora_close(nb_lora **l);

/* From now on with this adapter too, scaled; all sequences start anew. NB_REFUSED for one too many,
 * NB_USAGE for another model's, NB_NOMEM leaves the session as it was. l outlives the session. */
nb_status nb_session_add_lora(nb_session *s, const nb_lora *l, float scale, nb_err *err);

#endif
