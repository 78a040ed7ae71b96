/* Small packed checkpoints: a llama of one layer whose only linear the test writes in a published
 * layout. */
#ifndef NIBBLE_TEST_PACK_RIG_H
#define NIBBLE_TEST_PACK_RIG_H

#include "core/base/str.h"
#include "core/files/weights.h"
#include "tests/hf_folder.h"

/* Of the linear: [out][in]. */
enum { PACK_ROWS = 64, PACK_COLS = 128 };
enum { PACK_GROUP = 64, PACK_GROUPS = PACK_COLS / PACK_GROUP }; /* columns that share a scale */

/* What is packed: weight = scale (code - zero). */
typedef struct pack_plain {
    int code[PACK_ROWS][PACK_COLS], zero[PACK_ROWS][PACK_GROUPS];
    float scale[PACK_ROWS][PACK_GROUPS];
    int group[PACK_COLS]; /* of a column */
} pack_plain;

typedef struct pack_rig {
    char dir[600];
    nb_str json, data;
} pack_rig;

/* tmpdir/name; quantization: the JSON of quantization_config. */
pack_rig pack_rig_make(const char *name, const char *quantization);
void pack_rig_put(pack_rig *r, const char *name, const char *dtype, const char *shape,
                  const void *bytes, size_t n);
/* Writes model.safetensors, once, and opens the folder. */
nb_status pack_rig_open(pack_rig *r, nb_weights **w, nb_err *err);
nb_weights *pack_rig_opened(pack_rig *r);

/* A checkpoint that tests/reference wrote, tests/data/packed/NAME, as a folder. */
hf_folder packed_folder(const char *name);
/* tests/data/FOLDER/NAME + suffix, whole; owned by the caller. */
char *packed_slurp(const char *folder, const char *name, const char *suffix, size_t *n);

/* sym: zero is 2^(bits - 1); scales are F16 values. */
pack_plain pack_plain_make(unsigned bits, bool sym, uint64_t seed);
double pack_plain_value(const pack_plain *p, int r, int c);
/* AutoGPTQ, qlinear_cuda_old.py pack(): codes down the inputs, zeros - bias along the outputs. */
void pack_put_gptq(pack_rig *r, const char *stem, const pack_plain *p, unsigned bits, int bias,
                   bool order);
/* "[a,b]"; the last four stay valid. */
const char *pack_shape2(size_t a, size_t b);

#endif
