/* An opened model: a GGUF file (split files too: open any shard, all are found and checked), a
 * single .safetensors file, or a Hugging Face directory, all seen the same way: GGUF keys and GGUF
 * tensor names. Owns the mappings; immutable and shareable after open; everything is validated
 * before it returns.
 *
 * A Hugging Face tensor may be seen in another form than it lies in (quant.md 2.2): rows reordered,
 * experts stacked, a fused one split, a transposed one turned, a norm raised by one. Readers take
 * rows through nb_weights_row, which hands out the mapping's own bytes wherever they serve. */
#ifndef NIBBLE_WEIGHTS_H
#define NIBBLE_WEIGHTS_H

#include <stdatomic.h>

#include "core/base/file.h"
#include "core/files/kv.h"
#include "core/files/tensor.h"

typedef struct nb_weights nb_weights;

typedef enum nb_container { NB_GGUF, NB_SAFETENSORS, NB_HF_DIR } nb_container;

/* How output row r is found in the stored tensor. */
typedef enum nb_row_order {
    NB_ROWS_PLAIN,
    NB_ROWS_QK,     /* llama q/k: reshape(n_head, 2, hd/2) -> swap: HF half-split to interleaved */
    NB_ROWS_LISTED, /* as rows[] of the view says */
    NB_ROWS_FALCON_QKV, /* groups of q.. k v -> all q, all k, all v */
} nb_row_order;

typedef enum nb_change {
    NB_KEEP,
    NB_PLUS_ONE, /* Gemma's norms: the row is F32 */
    NB_TERNARY,  /* BitNet: round(w / mean|w|) in -1..1, times mean|w| */
} nb_change;

/* Where the elements of a view lie that are not simply its rows one after another: part p gives
 * `part_rows` rows, and element c of its row l is stored element first + l * row_step + c * stride
 * of that part. */
typedef struct nb_gather {
    const void *const *part; /* [parts] where each begins, or a nb_packed; NULL: part_bytes apart */
    uint64_t part_bytes, part_rows;
    uint64_t first, row_step, stride; /* elements */
    uint64_t part_elems;              /* stored in each part */
    nk_type_id stored;
    nb_change change;
    struct nb_mean *mean;           /* NB_TERNARY: owned by the model */
    const struct nb_packed *packed; /* codes of another quantizer: of the only, or the first part */
} nb_gather;

typedef struct nb_view {
    nb_tensor t; /* GGUF name, type and shape as seen; bytes: where the stored tensor begins */
    nb_row_order order;
    uint32_t heads, heads_kv; /* NB_ROWS_QK: of this tensor; NB_ROWS_FALCON_QKV: of both kinds */
    const uint32_t *rows;    /* NB_ROWS_LISTED: stored row, or element of a vector, within its part;
                                borrowed: the model */
    const nb_gather *gather; /* NULL: rows lie one after another; borrowed: the model */
    const char *stored_name; /* name in the file; equals t.name for GGUF */
    const char *beside;      /* of a factor: the packed weight whose rows leave it out, while
                                nb_weights_exact has it in; NULL */
    nk_type_id out_type;     /* the type it converts to without quantizing: F32 for norms and 1-d
                                (HF), t.type otherwise */
} nb_view;

/* path: file or directory. Fails NB_NOTFOUND, NB_FORMAT, NB_UNSUPPORTED, NB_IO, NB_NOMEM; a git-LFS
 * pointer or an HTML page is named as such. */
nb_status nb_weights_open(nb_weights **out, const char *path, nb_err *err);
void nb_weights_close(nb_weights **w);

nb_container nb_weights_container(const nb_weights *w);
const char *nb_weights_path(const nb_weights *w);
uint64_t nb_weights_file_bytes(const nb_weights *w); /* all files together */
const nb_kvs *nb_weights_kvs(const nb_weights *w);
size_t nb_weights_count(const nb_weights *w);
/* GGUF files: file order. HF: order of llama.cpp's converter is not kept; sorted like the writer
 * does (non-block tensors first, then by layer number, then name; quant.md 1.1). */
const nb_view *nb_weights_at(const nb_weights *w, size_t i);
const nb_view *nb_weights_find(const nb_weights *w, const char *name); /* O(1); NULL */
/* Bytes that nb_weights_row needs for rows of v; 0 when all of them lie in the mapping. */
size_t nb_weights_scratch(const nb_view *v);
/* Row r as t.type has it: the mapping's own bytes, or made in scratch (aligned for floats,
 * nb_weights_scratch bytes, NULL when that is 0). Any thread. */
const uint8_t *nb_weights_row(const nb_view *v, uint64_t r, void *scratch);
/* Row r as the packing of a checkpoint defines it, factor and all, where t.type need not hold it
 * exactly: true; all others, and NULL out: only tells. */
bool nb_weights_exact(const nb_view *v, uint64_t r, float *out);
/* What row r as t.type has it is to be multiplied by: a packing's factor that stands in a tensor of
 * its own; else 1. */
float nb_weights_factor(const nb_view *v, uint64_t r);
/* What a packed weight loses on its way to a type, "steps are rounded to float16"; NULL: nothing by
 * construction, or it is not packed. */
const char *nb_weights_loss(const nb_view *v, nk_type_id to);
/* Whether rows or columns are in another order than the checkpoint's, those of the weights they
 * meet too, so that codes of act-order could be kept: the layer computes the same. */
bool nb_weights_sorted(const nb_view *v);
/* "gptq", "awq" ...; NULL: not packed. */
const char *nb_weights_packing(const nb_view *v);
/* All rows, one after another: as t.type has them (t.nbytes), or as floats (a type that decodes and
 * is no wider than they are). */
void nb_weights_unpack(const nb_view *v, uint8_t *out);
void nb_weights_floats(const nb_view *v, float *out);
/* True once a mapped file was cut or written to under us: contents are not to be believed (A19).
 * One fstat per file: for once a token or a tile, not once a row. */
bool nb_weights_lost(const nb_weights *w);
/* Enters what is in memory of the files into the page tables, until all is done or *stop: beside
 * other work, so that the first pass over the weights is not held up by it. */
void nb_weights_enter(const nb_weights *w, const atomic_bool *stop);
/* 64-bit identity for stored results. */
uint64_t nb_weights_fingerprint(const nb_weights *w);
/* True if path names (by inode) one of the files this model is mapped from: a writer must refuse
 * it (A17). */
bool nb_weights_is_source(const nb_weights *w, const char *path);
/* Regular files of the model, for listings: count and path of each. */
size_t nb_weights_files(const nb_weights *w, const char *const **paths);

#endif
