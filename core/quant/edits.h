/* What else a quantized file may differ in from its model: keys set by hand (--override-kv) and
 * layers left out (--prune-layers), as llama-quantize does it (llama-quant.cpp, common.cpp @
 * de3ff81). Keys set count for the plan too (block_count, head counts). */
#ifndef NIBBLE_EDITS_H
#define NIBBLE_EDITS_H

#include "core/files/kv.h"

enum { NB_MAX_PRUNED = 1024 };

typedef struct nb_edits {
    nb_kvs *set; /* owned; NULL = none. In order: a key set twice counts where it came last */
    uint32_t pruned[NB_MAX_PRUNED]; /* layers, ascending */
    size_t n_pruned;
} nb_edits;

/* "llama.context_length=int:4096": int (written as u32, 0..4294967295), float (f32), bool, str (at
 * most 127 bytes). The keys the writer sets itself are refused. */
nb_status nb_edits_set(nb_edits *e, const char *text, nb_err *err);
/* "0,3,17" */
nb_status nb_edits_prune(nb_edits *e, const char *text, nb_err *err);
void nb_edits_free(nb_edits *e);

/* Puts the keys that are set at the end of k, where they replace their like; strings are borrowed:
 * e. e may be NULL. */
nb_status nb_edits_apply(nb_kvs *k, const nb_edits *e, nb_err *err);
/* Of arrays with one element per layer ("arch.*", n_layer long) those of the layers that stay:
 * llama-quantize leaves them as they are, and its file then cannot be opened. */
nb_status nb_edits_cut_arrays(nb_kvs *k, const nb_edits *e, const char *arch, uint32_t n_layer,
                              nb_err *err);
bool nb_edits_prunes(const nb_edits *e, int layer); /* e may be NULL */
/* The layer of "blk.N." wherever it stands in name, and where its number lies; -1 = none. */
int nb_edits_layer(const char *name, size_t *at, size_t *len);

#endif
