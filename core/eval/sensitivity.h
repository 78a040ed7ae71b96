/* Sensitivity: what quantizing one tensor alone does to the whole model (its damage: KL divergence
 * from the untouched model), tensor by tensor, as a table of layers and kinds. The weights are what
 * decode gives of what encode made, so nothing but the type's own loss is seen; activations stay
 * exact.
 *
 * A screen draws the table, a solver reads damage per tensor and type; what was measured once is in
 * the stored runs (runs.h), so a broken run goes on where it was. */
#ifndef NIBBLE_SENSITIVITY_H
#define NIBBLE_SENSITIVITY_H

#include "core/eval/runs.h"
#include "core/files/weights.h"
#include "core/quant/imatrix.h"

typedef struct nb_sense_row {
    const nb_view *view; /* borrowed: weights */
    int layer;           /* -1: outside layers */
    uint32_t kind;       /* index of its name without the layer */
    uint64_t weights;
    bool known;       /* damage holds */
    const char *skip; /* why it cannot be measured; NULL = it can */
    nb_damage damage;
} nb_sense_row;

enum { NB_SENSE_KINDS = 64 };

typedef struct nb_sense_table {
    const nk_type *type;
    char with[8];      /* print of the importance matrix the type is made with; "" = without one */
    nb_sense_row *row; /* [n] owned: every tensor a quantizer may touch, in the weights' order */
    size_t n;
    uint32_t n_layer;
    char kind[NB_SENSE_KINDS][NB_MAX_NAME + 1]; /* "attn_q", in order of first appearance */
    uint32_t n_kind;
} nb_sense_table;

nb_status nb_sense_table_open(nb_sense_table *out, const nb_weights *w, const nk_type *type,
                              nb_err *err);
void nb_sense_table_close(nb_sense_table *t);
/* A few hexadecimal digits that tell importance matrices apart. */
void nb_sense_with(nb_sense_table *t, const nb_imatrix *im);
/* Importance of row i's columns, as nb_sense_measure takes it; NULL: the matrix has none for it.
 * NB_FORMAT when the entry does not fit the tensor. */
nb_status nb_sense_importance(const float **out, const nb_sense_table *t, size_t i,
                              const nb_imatrix *im, nb_err *err);
/* The key of a tensor's run: all of `like` (model, text, protocol, n_ctx, chunks) and the two. */
nb_run_key nb_sense_key(const nb_run_key *like, const nb_sense_table *t, size_t i);
/* Takes what is stored under these keys; returns how many rows are known then. */
size_t nb_sense_look(nb_sense_table *t, const nb_runs *runs, const nb_run_key *like);
/* The row of a layer and kind; NULL where the model has no such tensor. */
const nb_sense_row *nb_sense_at(const nb_sense_table *t, int layer, uint32_t kind);
/* Greatest and sum of the known damages. */
double nb_sense_most(const nb_sense_table *t);
double nb_sense_sum(const nb_sense_table *t);

/* At work: a copy of the model whose matrices are exchanged one at a time, and the states of the
 * untouched one. rd and m are borrowed. */
typedef struct nb_sense nb_sense;
nb_status nb_sense_open(nb_sense **out, const nb_model *m, const nk_ops *ops, nk_pool *pool,
                        const nb_reading *rd, const nb_hooks *hooks, nb_err *err);
void nb_sense_close(nb_sense **s);
/* importance [depth of v][columns], or NULL. NB_UNSUPPORTED when the type cannot be given to this
 * tensor, NB_FORMAT when a weight is not finite. */
nb_status nb_sense_measure(nb_sense *s, const nb_view *v, const nk_type *type,
                           const float *importance, nb_damage *out, const nb_hooks *hooks,
                           nb_err *err);

#endif
