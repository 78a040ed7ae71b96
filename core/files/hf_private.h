/* What the files of core/files share about Hugging Face directories. */
#ifndef NIBBLE_HF_PRIVATE_H
#define NIBBLE_HF_PRIVATE_H

#include "core/base/json.h"
#include "core/files/hf.h"

/* A Hugging Face class and the GGUF architecture it becomes. */
typedef struct nb_hf_arch {
    const char *class_name, *gguf;
    bool permute_qk;
} nb_hf_arch;
const nb_hf_arch *nb_hf_arch_find(const char *class_name); /* NULL: not supported */
/* Whether a GGUF architecture is one of those the table's classes become. */
bool nb_hf_runs(const char *gguf_arch);
void nb_hf_arch_list(char *out, size_t cap);

/* File names of the weights, each once, in the index's order; all lie in the folder itself. */
typedef struct nb_hf_shards {
    char (*name)[256]; /* [n] owned */
    size_t n;
} nb_hf_shards;
nb_status nb_hf_shards_open(nb_hf_shards *out, const char *dir, nb_err *err);
void nb_hf_shards_close(nb_hf_shards *s);

/* general.*: architecture, type, name, and what README.md's front matter tells of licence, origin,
 * tags and languages. config: root of config.json. */
nb_status nb_hf_identity(nb_kvs *kvs, const char *dir, const nb_jval *config, const char *arch,
                         nb_err *err);
/* The same from a model card's text alone; what cannot be read is left out. */
nb_status nb_hf_card(nb_kvs *kvs, const char *text, size_t n, nb_err *err);
/* general.size_label from the count of weights, "5.8M", unless the card gave one. */
nb_status nb_hf_size_label(nb_kvs *kvs, uint64_t params, nb_err *err);

/* Frequency factors of rope_scaling type llama3 (quant.md 2.1), [*n] = head_dim / 2, malloc'd;
 * *out NULL when the model has none. */
nb_status nb_hf_rope_freqs(const char *dir, float **out, size_t *n, nb_err *err);

#endif
