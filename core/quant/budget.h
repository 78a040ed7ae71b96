/* What a model may take, in the words of a person: bytes of the file, bits per weight, or memory to
 * run it in. The recipe command and the form's target read it alike; solve.h finds the types. */
#ifndef NIBBLE_BUDGET_H
#define NIBBLE_BUDGET_H

#include "core/quant/recipe.h"

typedef enum nb_budget_kind {
    NB_BUDGET_NONE,
    NB_BUDGET_SIZE,
    NB_BUDGET_BPW,
    NB_BUDGET_RAM
} nb_budget_kind;

typedef struct nb_budget {
    nb_budget_kind kind;
    uint64_t bytes; /* SIZE: of the file; RAM: of weights, KV cache and buffers together */
    double bpw;     /* BPW: of the tensors' data */
    uint32_t ctx;   /* RAM: tokens; 0 = the session's default */
} nb_budget;

/* "4MB", "7.5 GB", "512MiB", "3500000": k, M, G, T are powers of 1000, with an i of 1024. */
bool nb_size_read(const char *text, uint64_t *out);
/* "4 MB", "fits 4 MB", "<= 4MB"; "4.5 bpw"; "8 GB ram", "8 GB ram ctx 8192"; "" and "none". Case
 * does not matter. NB_USAGE for anything else. */
nb_status nb_budget_read(nb_budget *out, const char *text, nb_err *err);
/* The same words: reads back as the budget. */
void nb_budget_text(const nb_budget *b, char *out, size_t cap);
/* Bytes the file may have. plan: of the model, any types; its weights are read for RAM alone.
 * NB_NOTFOUND when KV cache and buffers leave no room for any weights. */
nb_status nb_budget_bytes(const nb_budget *b, const nb_plan *plan, uint64_t *bytes, nb_err *err);

#endif
