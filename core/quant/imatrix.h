/* Importance matrices: per weight the sum over calibration rows of x² for every input column, as
 * llama-imatrix writes them (tools/imatrix/imatrix.cpp, common/imatrix-loader.cpp @ de3ff81;
 * quant.md 1.2). A weight of several matrices (experts) has one row of sums, and usually one count,
 * for each. importance = sum2 / count is the mean x² that encoders weigh errors with.
 *
 * Reading trusts no byte. Values that cannot be sums of squares (NaN, infinite, negative) are
 * replaced by the mean of their matrix's sound ones and counted; a bad count becomes 0. A matrix
 * that saw no row has importance 1 everywhere, as llama-quantize takes it. */
#ifndef NIBBLE_IMATRIX_H
#define NIBBLE_IMATRIX_H

#include "core/files/tensor.h"

typedef enum nb_imatrix_format { NB_IMATRIX_GGUF, NB_IMATRIX_DAT } nb_imatrix_format;

typedef struct nb_imatrix_entry {
    char name[NB_MAX_NAME + 1]; /* of the weight: "blk.0.attn_q.weight" */
    uint64_t n;                 /* values: columns times matrices */
    uint64_t n_mat;             /* counts kept; the legacy form has one for all matrices */
    float *sum2;                /* [n_mat, n / n_mat] owned; legacy: mean x² times count */
    float *importance;          /* [n] owned; of nb_imatrix_settle */
    int64_t *count;             /* [n_mat] rows seen, legacy: chunks; owned */
    uint64_t n_bad;             /* values and counts that were replaced */
} nb_imatrix_entry;

typedef struct nb_imatrix {
    char *path; /* as it was given; owned */
    nb_imatrix_format format;
    nb_imatrix_entry *entry; /* [n] by name, each once; owned */
    size_t n, cap;
    size_t n_ordered; /* entries that nb_imatrix_find knows: all but those added since */
    char **dataset;   /* [n_datasets] calibration texts' names as stored, owned */
    size_t n_datasets;
    uint32_t n_chunks, chunk_size; /* 0 = not told */
    uint64_t n_bad;                /* over all entries */
    float floor;                   /* of nb_imatrix_floor */
} nb_imatrix;

/* Both forms; told apart by the magic. NB_FORMAT says what is wrong, also of a file that is a
 * model. */
nb_status nb_imatrix_open(nb_imatrix **out, const char *path, nb_err *err);
/* The same from bytes; name: for messages and ->path. Nothing of bytes is kept. */
nb_status nb_imatrix_parse(nb_imatrix **out, const uint8_t *bytes, size_t n, const char *name,
                           nb_err *err);
void nb_imatrix_close(nb_imatrix **im);

/* An empty one to collect or merge into; chunk_size: tokens, at least 1. */
nb_status nb_imatrix_new(nb_imatrix **out, uint32_t chunk_size, nb_err *err);
/* Makes room for a weight unless it has an entry; sizes must agree, but a single count becomes
 * n_mat of them, as llama-imatrix does for old files. Pointers to entries do not outlive it;
 * nb_imatrix_find knows the entry after nb_imatrix_order. */
nb_status nb_imatrix_add(nb_imatrix *im, const char *name, uint64_t n, uint64_t n_mat, nb_err *err);
void nb_imatrix_order(nb_imatrix *im);
nb_status nb_imatrix_add_dataset(nb_imatrix *im, const char *name, size_t len, nb_err *err);
/* Adds from's sums, counts and data sets; legacy counts are chunks of into->chunk_size tokens. */
nb_status nb_imatrix_merge(nb_imatrix *into, const nb_imatrix *from, nb_err *err);
/* n_chunks = the highest count in chunks, as llama-imatrix tells it. */
void nb_imatrix_count_chunks(nb_imatrix *im);
/* importance from sums and counts; bad values are replaced. Open and parse have done it. */
nb_status nb_imatrix_settle(nb_imatrix *im, nb_err *err);
/* Entries that counted nothing are left out. NB_FORMAT for sums that are not finite: nothing is
 * written then. */
nb_status nb_imatrix_write(const nb_imatrix *im, const char *path, nb_imatrix_format format,
                           nb_err *err);
/* Mixes importance with what all matrices of the weight saw together (one matrix: with its own mean
 * column): share 0..1 of that, all of it for a matrix that saw no row. llama-quantize has no such
 * thing; share 0 changes nothing. */
void nb_imatrix_floor(nb_imatrix *im, float share);

/* NULL when the weight has no entry. */
const nb_imatrix_entry *nb_imatrix_find(const nb_imatrix *im, const char *name);
static inline nb_imatrix_entry *nb_imatrix_at(nb_imatrix *im, const char *name)
{
    const nb_imatrix_entry *e = nb_imatrix_find(im, name);
    return e ? &im->entry[e - im->entry] : NULL;
}
/* llama-quantize's --include-weights and --exclude-weights: entries whose name holds one of the
 * words stay, or go; no words = no change. */
void nb_imatrix_keep(nb_imatrix *im, const char *const *words, size_t n, bool include);

#endif
