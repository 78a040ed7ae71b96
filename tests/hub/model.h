/* Headers of models that were never trained: what a preview of a remote file reads. */
#ifndef NIBBLE_TEST_HUB_MODEL_H
#define NIBBLE_TEST_HUB_MODEL_H

#include "core/base/str.h"

/* Appends the header of a model of a shape of core/eval/shapes.def: a GGUF in a preset's types, or
 * with preset "safetensors" a BF16 safetensors file under Hugging Face's names. *file_size: with
 * the tensors behind it. Of `shards` equal parts the header is that of part `shard` (from 1);
 * shards 0 = one file. */
nb_status model_header(nb_str *out, uint64_t *file_size, const char *shape, const char *preset,
                       unsigned shard, unsigned shards, nb_err *err);

#endif
