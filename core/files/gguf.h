/* GGUF v2 and v3, read and written (gguf.cpp @ d99724f; layout in quant.md 1.1).
 *
 * Reading trusts no byte: magic, version, counts, lengths, types, dims, alignment, offsets (exactly
 * the running padded sum), overlap and end of data are checked before anything is allocated from
 * them; limits of reliability.md 4 apply; duplicate keys and names are refused; linear time. A file
 * cut short fails with "needs X bytes, has Y".
 *
 * Writing plans every offset first: header bytes are built in memory, data ranges are then filled
 * in any order by positioned writes, padding stays zero. */
#ifndef NIBBLE_GGUF_H
#define NIBBLE_GGUF_H

#include "core/base/str.h"
#include "core/files/kv.h"
#include "core/files/tensor.h"

typedef struct nb_gguf_info {
    uint32_t version;
    uint32_t alignment;
    uint64_t data_offset; /* of the data section in the file */
    size_t n_tensors;
    nb_tensor *tensors; /* owned; names owned by `names` */
    char *names;        /* owned */
    nb_kvs *kvs;        /* owned; strings borrowed from the parsed bytes */
} nb_gguf_info;

/* bytes[n]: the file's start; file_len: its whole length (n < file_len allowed for header-only
 * reads: then NB_MORE tells to bring more). Tensor bytes
 * are set to bytes + offset when they lie inside n, else NULL. name: for messages. */
nb_status nb_gguf_parse(nb_gguf_info *out, const uint8_t *bytes, uint64_t n, uint64_t file_len,
                        const char *name, nb_err *err);
void nb_gguf_free(nb_gguf_info *info);
/* "dir/name-00002-of-00005.gguf": length of "dir/name", shard 2 of 5; false for other names. */
bool nb_gguf_split_name(const char *path, size_t *prefix, uint32_t *no, uint32_t *count);

/* Header bytes of a file with these keys and tensors (name, type, n_dims, shape): appended to out
 * with padding up to the data section; each tensor's offset (from the start of the FILE) and nbytes
 * are set. *file_len is the exact final length. Keys in table order; tensors in given order. */
nb_status nb_gguf_layout(nb_str *out, const nb_kvs *kvs, nb_tensor *tensors, size_t n_tensors,
                         uint32_t alignment, uint64_t *file_len, nb_err *err);

#endif
