/* An opened model: a GGUF file (split files too: open any shard, all are found and checked), a
 * single .safetensors file, or a Hugging Face directory, all seen the same way: GGUF keys and GGUF
 * tensor names. Owns the mappings; immutable and shareable after open; everything is validated
 * before it returns.
 *
 * A Hugging Face tensor may need its rows reordered (q/k of llama-family models, quant.md 2.2):
 * then `rows` of the view is set and readers go through nb_weights_row. */
#ifndef NIBBLE_WEIGHTS_H
#define NIBBLE_WEIGHTS_H

#include "core/base/file.h"
#include "core/files/kv.h"
#include "core/files/tensor.h"

typedef struct nb_weights nb_weights;

typedef enum nb_container { NB_GGUF, NB_SAFETENSORS, NB_HF_DIR } nb_container;

/* How output row r is found in the stored tensor. */
typedef enum nb_row_order {
    NB_ROWS_PLAIN,
    NB_ROWS_QK, /* llama q/k: reshape(n_head, 2, hd/2) -> swap: HF half-split to interleaved */
} nb_row_order;

typedef struct nb_view {
    nb_tensor t; /* GGUF name, type and shape; bytes of the stored tensor */
    nb_row_order order;
    uint32_t heads;          /* NB_ROWS_QK */
    const char *stored_name; /* name in the file; equals t.name for GGUF */
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
/* Pointer to the bytes of output row r (order applied); borrowed from the mapping. */
const uint8_t *nb_weights_row(const nb_view *v, uint64_t r);
/* True once a mapped file was cut or written to under us: contents are not to be believed (A19).
 * One fstat per file: for once a token or a tile, not once a row. */
bool nb_weights_lost(const nb_weights *w);
/* 64-bit identity for stored results. */
uint64_t nb_weights_fingerprint(const nb_weights *w);
/* True if path names (by inode) one of the files this model is mapped from: a writer must refuse
 * it (A17). */
bool nb_weights_is_source(const nb_weights *w, const char *path);
/* Regular files of the model, for listings: count and path of each. */
size_t nb_weights_files(const nb_weights *w, const char *const **paths);

#endif
