/* tests/golden/hf/NAME.txt: what a Hugging Face repository stores and what llama.cpp's converter
 * makes of it, written down from the converter's source. Lines:
 *   config JSON · layers N ('*' in names) · stack N ('#')
 *   stored TYPE NAME DIM...             Hugging Face order; values are hf_golden_value
 *   key NAME VALUE                      without the architecture: all keys it has
 *   tensor TYPE NAME DIM... HOW FROM    GGUF order; TYPE as written when nothing quantizes
 * HOW: same, plus1, permuted:HEADS, half:0|1, every:0|1, turned, turned-every:0|1, stacked,
 * falcon:HEADS:KV, ternary; made VALUES has no FROM. */
#ifndef NIBBLE_TEST_HF_GOLDEN_H
#define NIBBLE_TEST_HF_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

typedef struct hf_line {
    char type[8], name[128], how[32], from[128];
    uint64_t dim[4]; /* of the line, 1 where absent */
    int n_dims;
} hf_line;

typedef struct hf_golden {
    char config[2048], arch[32];
    hf_line *stored, *tensor; /* with names written out: no '*', but '#' in stacks */
    size_t n_stored, n_tensor;
    char (*key)[2][128]; /* name, value */
    size_t n_key;
    int stack;
} hf_golden;

hf_golden hf_golden_read(const char *name);
void hf_golden_free(hf_golden *g);
/* tmpdir/NAME with everything stored; the string stays valid. */
const char *hf_golden_folder(const hf_golden *g, const char *name);
/* Element i of a stored tensor: a multiple of 1/64 in -2..2, exact in every float type. */
float hf_golden_value(const char *stored, uint64_t i);
/* What element i of a tensor must be: formulas of HOW on whole arrays, not rows. */
void hf_golden_expect(const hf_golden *g, const hf_line *tensor, float *out, uint64_t n);

#endif
