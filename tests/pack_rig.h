/* Small packed checkpoints: a llama of one layer whose only linear the test writes in a published
 * layout. */
#ifndef NIBBLE_TEST_PACK_RIG_H
#define NIBBLE_TEST_PACK_RIG_H

#include "core/base/str.h"
#include "core/files/weights.h"
#include "tests/hf_folder.h"

/* Of the linear: [out][in]. */
enum { PACK_ROWS = 64, PACK_COLS = 128 };

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

#endif
