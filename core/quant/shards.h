/* A model written as the shards of its source (--keep-split), as one: every shard is written to
 * its OUT.part and read back before the first gets its name, and the names are given so that the
 * set under final names opens as a whole only when all of it is of one run. The first shard is what
 * a reader begins with: an old one goes before the first rename, the new one is named last.
 *
 * Journals stay until all names are given. The next run with the same model, plan and options takes
 * up a set whose naming was cut off: a shard that has its name already and is, byte for byte, what
 * its journal says is not written again. Until that run nothing opens, but nothing is lost. */
#ifndef NIBBLE_SHARDS_H
#define NIBBLE_SHARDS_H

#include "core/quant/quantize.h"

typedef struct nb_shards nb_shards;

/* plan[n] as nb_plan_shards made them, borrowed until close. Takes room for all of them. Each shard
 * keeps two descriptors open. Errors as nb_run_open's; what an earlier run left stays then. */
nb_status nb_shards_open(nb_shards **out, const nb_plan *plan, size_t n, const char *path,
                         const nb_quantize_options *opt, nb_err *err);
/* Runs one after the other, then names all; call once. As nb_run_go: failure or cancel leave
 * nothing, unless names were being given: then everything stays for the next run. */
nb_status nb_shards_go(nb_shards *s, const nk_ops *ops, nb_lease *lease, const nb_hooks *hooks,
                       nb_err *err);
/* The run of shard i < n, borrowed. */
nb_run *nb_shards_run(const nb_shards *s, size_t i);
void nb_shards_close(nb_shards **s);

/* "out.gguf" or "out", shard 1 of 3 -> "out-00001-of-00003.gguf", as llama_split_path writes it
 * (llama.cpp @ de3ff81). NB_USAGE when it does not fit. */
nb_status nb_shard_path(char *out, size_t cap, const char *path, size_t no, size_t count,
                        nb_err *err);

#endif
