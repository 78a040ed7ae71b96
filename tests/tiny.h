/* Small models for engine tests: a random one of any shape and type, and a copy of an opened model
 * in another type, both written as GGUF. */
#ifndef NIBBLE_TEST_TINY_H
#define NIBBLE_TEST_TINY_H

#include "core/files/weights.h"

typedef struct tiny {
    const char *arch; /* GGUF name */
    uint32_t n_layer, n_embd, n_head, n_head_kv, n_ff, n_vocab, n_ctx;
    nk_type_id type; /* of the matrices; vectors are F32 */
    bool tied, rope_freqs;
    bool rope_lengths;         /* rope factors for short and for long contexts */
    bool optional;             /* with every tensor the architecture may have */
    bool fused_qkv;            /* attn_qkv instead of attn_q, attn_k, attn_v */
    bool scales;               /* every linear "X.weight" with its "X.scale": tiny_scale */
    void (*keys)(nb_kvs *kvs); /* the architecture's own keys; may be NULL */
    float spread;              /* standard deviation of matrices; 0 = 0.08 */
    uint64_t seed;
} tiny;

tiny tiny_default(void); /* 2 layers of 256, 4 heads on 2, 300 tokens, F32: 1.1 M parameters */
/* Last chance to spoil keys or weights before they are written; any may be NULL. */
typedef struct tiny_hooks {
    void (*keys)(void *arg, nb_kvs *kvs);
    /* May change values, the shape (never growing it) and the name; false leaves the tensor out. */
    bool (*tensor)(void *arg, nb_tensor *t, float *values);
    void *arg;
} tiny_hooks;
/* The factor such a model has for one of its linears, a power of two; expert 0 of what is no stack.
 */
float tiny_scale(const char *weight, uint64_t expert);
void tiny_write(const char *path, const tiny *t, const tiny_hooks *hooks);
/* Matrices of the model at `source` (path or directory) as `type`. */
void tiny_convert(const char *path, const char *source, nk_type_id type);

#endif
