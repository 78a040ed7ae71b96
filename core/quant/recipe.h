/* From wishes to an exact plan: a preset (ordered rules over tensor kinds, quant.md 1.5) plus the
 * user's own rules becomes, before any work, the type, bytes and file offset of every tensor. The
 * predicted size is the written size to the byte. */
#ifndef NIBBLE_RECIPE_H
#define NIBBLE_RECIPE_H

#include "core/base/str.h"
#include "core/files/weights.h"
#include "core/quant/edits.h"
#include "core/quant/imatrix.h"
#include "core/quant/patterns.h"

typedef struct nb_preset {
    const char *name; /* "Q4_K_M" */
    int file_type;    /* general.file_type; -1 = COPY: tensors and file type stay as they are */
    nk_type_id base;
    const char *help; /* one line: what it is for */
} nb_preset;

const nb_preset *nb_preset_find(
    const char *name); /* case ignored; "Q3_K" = Q3_K_M, "Q4_K" = Q4_K_M, "Q5_K" = Q5_K_M, "15" =
                          the one with that file type, "COPY" = none of the list */
const nb_preset *nb_presets(size_t *count);

typedef struct nb_rule {
    /* Glob over the tensor name, ".weight" and a leading "*." understood; then may follow "@" and
     * layers between commas: "3", "0-7", "more" (the first and last eighth and every third layer
     * between, as Q4_K_M chooses them), "first/8", "last/8" (a share of all). */
    char pattern[192];
    nk_type_id type;
} nb_rule;

enum { NB_MAX_RULES = 64 };
typedef struct nb_recipe {
    const nb_preset *preset;
    bool pure; /* base type everywhere it can (llama-quantize --pure) */
    int output_type,
        embd_type; /* nk_type_id or -1 (--output-tensor-type, --token-embedding-type) */
    nb_rule
        rule[NB_MAX_RULES]; /* first match wins; beats the preset, not the never-quantize list */
    size_t n_rules;
    bool leave_output;           /* output.weight stays as it is (--leave-output-tensor) */
    bool keep_split;             /* order and shards of the source (--keep-split): nb_plan_shards */
    const nb_patterns *patterns; /* borrowed; NULL = none (--tensor-type) */
    const nb_edits *edits;       /* borrowed by recipe and plan; NULL = none */
    const nb_imatrix *imatrix;   /* borrowed by recipe and plan; NULL = none */
} nb_recipe;

void nb_recipe_init(nb_recipe *r, const nb_preset *preset);
/* "ffn_down=q6_K", "blk.*.attn_v.weight=q8_0" or "ffn_down@first/8,20-23=q6_K": one rule from text.
 */
nb_status nb_recipe_add(nb_recipe *r, const char *text, nb_err *err);
/* A type that can be written, by its name. */
nb_status nb_recipe_type(const char *name, nk_type_id *out, nb_err *err);

typedef struct nb_planned {
    const nb_view *src;  /* borrowed: weights; NULL when planned from shapes alone */
    const nk_type *type; /* of the output */
    nk_type_id src_type; /* as stored; planned from shapes: F32 */
    uint64_t offset;     /* in the output file */
    uint64_t nbytes;
    uint64_t n;      /* weights */
    const char *why; /* "preset", "rule ffn_down", "never quantized", "width 640: q4_K -> q5_0" */
    bool fallback;   /* the width forced another type */
    /* [shape[2], shape[0]] mean x² per matrix and input column; borrowed: the recipe's imatrix;
     * NULL where it has none and where nothing is encoded */
    const float *importance;
    int rule, pattern; /* index of the recipe's rule or pattern that decided; -1 = another did */
} nb_planned;

typedef struct nb_plan {
    const nb_weights *weights; /* borrowed */
    const nb_preset *preset;
    const nb_imatrix *imatrix; /* borrowed; NULL = none */
    size_t n;
    nb_planned *tensor;  /* in output order (quant.md 1.1: non-block tensors first, ...) */
    nb_str header;       /* finished GGUF header bytes */
    uint64_t file_bytes; /* exact */
    uint64_t tensor_bytes, params;
    uint64_t source_bytes;
    double bpw; /* of tensor data */
    size_t n_fallback, n_requantized;
    size_t n_unweighted; /* encoded as if without the recipe's imatrix: it lacks them */
    nb_tensor *layout;   /* [n] names and shapes as written */
    char *notes;         /* texts behind `why`, owned */
    char *names;         /* behind layout, where layers were renumbered; NULL or owned */
    nb_kvs *keys;        /* as written, owned */
} nb_plan;

/* No I/O beyond what weights already hold. NB_UNSUPPORTED names a source type that cannot be
 * decoded and a type that needs importance the recipe has not, NB_REFUSED a quantized source
 * without allow_requantize, NB_FORMAT an imatrix of another model. */
nb_status nb_plan_make(nb_plan *out, const nb_recipe *r, const nb_weights *w, bool allow_requantize,
                       nb_err *err);
void nb_plan_free(nb_plan *p);
/* --keep-split: the plans of the files that a plan with keep_split is written to, one per shard of
 * the model, (*shards)[*n]; nb_plans_free frees them, nb_shards_go writes them. The first has the
 * keys, tensors lie where the model's lie. One shard: one plan, the whole. */
nb_status nb_plan_shards(nb_plan **shards, size_t *n, const nb_plan *whole, nb_err *err);
void nb_plans_free(nb_plan **shards, size_t n);
/* The same from keys and shapes alone, for models that do not exist yet (synth): t[n] in any order,
 * their type = the type where nothing quantizes; names and kvs are borrowed until free. */
nb_status nb_plan_make_shapes(nb_plan *out, const nb_recipe *r, const nb_kvs *kvs,
                              const nb_tensor *t, size_t n, nb_err *err);

/* The preset's choice from shapes alone, for tests and remote listings: types[n] out. */
typedef struct nb_shape_info {
    const char *arch;
    uint32_t n_layer, n_head, n_head_kv, n_expert;
    bool has_output;
} nb_shape_info;
nb_status nb_preset_types(const nb_recipe *r, const nb_shape_info *info, const nb_tensor *t,
                          size_t n, nk_type_id *types, nb_err *err);

#endif
