/* safetensors: u64 header length, JSON header, data (quant.md 2.1). The header is read by the pull
 * parser; duplicates, holes, overlap, trailing bytes, wrong spans, non-integer offsets and unknown
 * dtypes are refused with the tensor's name (reliability A3). */
#ifndef NIBBLE_SAFETENSORS_H
#define NIBBLE_SAFETENSORS_H

#include "core/files/tensor.h"

typedef struct nb_safetensors_info {
    size_t n_tensors;
    nb_tensor *tensors; /* owned, in file order; shape reversed to GGUF order */
    char *names;        /* owned */
} nb_safetensors_info;

/* Same calling rules as nb_gguf_parse. dtypes without a ggml type (F8, U8, U16, U32, U64, BOOL)
 * are refused with NB_UNSUPPORTED naming the tensor and dtype. 0-d tensors become one element. */
nb_status nb_safetensors_parse(nb_safetensors_info *out, const uint8_t *bytes, uint64_t n,
                               uint64_t file_len, const char *name, nb_err *err);
/* The same, but those dtypes are taken as integers of their width and told in nb_tensor.dtype: for
 * readers of packed checkpoints. */
nb_status nb_safetensors_parse_packed(nb_safetensors_info *out, const uint8_t *bytes, uint64_t n,
                                      uint64_t file_len, const char *name, nb_err *err);
void nb_safetensors_free(nb_safetensors_info *info);

/* weight_map of a *.index.json: tensor name -> file name (one component, checked: no '/', "..",
 * control bytes). Calls fn per entry; stops when it fails. */
typedef nb_status nb_index_fn(void *arg, const char *tensor, const char *file, nb_err *err);
nb_status nb_safetensors_index(const char *path, nb_index_fn *fn, void *arg, nb_err *err);

#endif
