/* A tensor as it lies in a mapped file: a view, it never owns bytes. */
#ifndef NIBBLE_TENSOR_H
#define NIBBLE_TENSOR_H

#include "kernels/type.h"

enum { NB_MAX_DIMS = 4, NB_MAX_NAME = 63 };

/* What a safetensors file stores that no ggml type has: `type` is then an integer of its width. */
typedef enum nb_dtype {
    NB_DTYPE_GGML, /* as type says */
    NB_DTYPE_U8,
    NB_DTYPE_F8_E4M3,
    NB_DTYPE_F8_E5M2,
    NB_DTYPE_OTHER, /* U16, U32, U64, BOOL, F8_E8M0 */
} nb_dtype;

/* shape[0] is the contiguous dimension (a row's length), as in GGUF; safetensors shapes are
 * reversed on reading. Unused dims are 1. */
typedef struct nb_tensor {
    const char *name; /* borrowed: its container */
    nk_type_id type;
    nb_dtype dtype;
    uint32_t n_dims;
    uint64_t shape[NB_MAX_DIMS];
    const uint8_t *bytes; /* borrowed: mapping; NULL when only planned */
    uint64_t nbytes;
    uint32_t shard;  /* file the bytes lie in */
    uint64_t offset; /* of bytes in that file */
} nb_tensor;

/* Row count and length: everything past shape[0] counts as rows. */
static inline uint64_t nb_tensor_cols(const nb_tensor *t)
{
    return t->shape[0];
}
static inline uint64_t nb_tensor_rows(const nb_tensor *t)
{
    return t->shape[1] * t->shape[2] * t->shape[3];
}
static inline uint64_t nb_tensor_count(const nb_tensor *t)
{
    return nb_tensor_cols(t) * nb_tensor_rows(t);
}

#endif
