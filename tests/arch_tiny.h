/* Tiny models of every architecture in Hugging Face layout, with the logits that an independent
 * program expects of them (tests/reference). A model is tests/data/arch/NAME.json, its config.json,
 * and NAME.tensors, the list of what its safetensors hold; weights follow one rule, said in
 * tests/reference/weights.py, so that C and Python make the same bits. */
#ifndef NIBBLE_TEST_ARCH_TINY_H
#define NIBBLE_TEST_ARCH_TINY_H

#include "core/files/tensor.h"

enum { ARCH_TINY_TENSORS = 256, ARCH_TINY_TOKENS = 64 };

/* One stored tensor: name and dimensions as Hugging Face writes them. */
typedef struct arch_tiny_row {
    char name[NB_MAX_NAME + 1];
    int offset, shift;
    uint32_t n_dims;
    uint64_t dim[NB_MAX_DIMS]; /* row-major, last one contiguous */
    uint64_t count;            /* product of dim */
} arch_tiny_row;

typedef struct arch_tiny {
    uint64_t seed;
    size_t n;
    arch_tiny_row row[ARCH_TINY_TENSORS];
} arch_tiny;

/* All names, sorted; they stay valid. */
size_t arch_tiny_names(const char *const **names);
void arch_tiny_list(arch_tiny *out, const char *name);
/* Values of one tensor into out [row->count]. */
void arch_tiny_values(const arch_tiny_row *row, uint64_t seed, float *out);
/* Writes config.json, tokenizer.model and model.safetensors into dir, which is created. */
void arch_tiny_make(const char *dir, const char *name);

/* What tests/golden/arch knows of a model. */
typedef struct arch_golden {
    int32_t token[ARCH_TINY_TOKENS];
    size_t n, n_vocab;
    size_t n_first, n_last; /* tokens with Q8_0 logits, at both ends of the text */
    double scale;           /* largest |logit| of the F32 model */
    double q8_shift;        /* largest change that Q8_0 weights make, in units of scale */
    char sha256[65];        /* of all tensors' bytes in order */
    float *logits;          /* [n, n_vocab] owned */
    float *q8;              /* [n_first + n_last, n_vocab] within logits */
} arch_golden;

void arch_golden_open(arch_golden *out, const char *name);
void arch_golden_close(arch_golden *g);

#endif
