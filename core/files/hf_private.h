/* What the files of core/files share about Hugging Face directories. */
#ifndef NIBBLE_HF_PRIVATE_H
#define NIBBLE_HF_PRIVATE_H

#include "core/base/json.h"
#include "core/files/hf.h"
#include "core/files/hf_class.h"

/* --- config.json ------------------------------------------------------------------------------ */

struct nb_hf_config {
    const char *dir;
    const nb_hf_class *class;
    nb_json *doc;
    const nb_jval *root, *text; /* text: its text_config, or root */
    nb_kvs *kvs;                /* NULL: nothing is written */
    int64_t vocab;              /* 0: as many as the tokenizer has */
    int64_t width, layers, context, heads, heads_kv, head_dim;
    nb_err *err;
};
/* Finds class and sizes. On failure nothing is left to close. */
nb_status nb_hf_config_open(nb_hf_config *out, const char *dir, nb_err *err);
/* The same of a document that stays the caller's: not to be closed. dir: for messages. */
nb_status nb_hf_config_of(nb_hf_config *out, nb_json *doc, const char *dir, nb_err *err);
void nb_hf_config_close(nb_hf_config *c);
/* Member `name` of text_config or root; NULL if absent or null. */
const nb_jval *nb_hf_get(const nb_hf_config *c, const char *name);
/* Number under one of "a|b"; false: absent everywhere, defaults too. Fails outside min..max. */
nb_status nb_hf_number(const nb_hf_config *c, const char *names, double min, double max,
                       double *out, bool *found);
/* All keys of the folder: what nb_hf_keys gives, for a config that is open. */
nb_status nb_hf_keys_of_folder(nb_hf_config *c, nb_kvs *kvs);
nb_status nb_hf_keys_of_config(nb_hf_config *c);
nb_status nb_hf_put_u32(nb_hf_config *c, const char *suffix, int64_t v);
nb_status nb_hf_put_f32(nb_hf_config *c, const char *suffix, double v);
nb_status nb_hf_put_str(nb_hf_config *c, const char *suffix, const char *v);
/* rope.freq_base and rope.scaling.* (hf_rope.c). */
nb_status nb_hf_keys_of_rope(nb_hf_config *c);
nb_hf_extra_fn nb_hf_extra_smollm3, nb_hf_extra_gemma3, nb_hf_extra_phi3, nb_hf_extra_gpt2,
    nb_hf_extra_stablelm, nb_hf_extra_stablelm_epoch, nb_hf_extra_falcon, nb_hf_extra_cohere,
    nb_hf_extra_bitnet, nb_hf_extra_granite, nb_hf_extra_window;

/* Pieces of a SentencePiece model; what is no model has none. */
size_t nb_spm_count(const uint8_t *bytes, size_t n);
/* Tokenizer keys (hf_tokens.c); sets c->vocab when it was 0. */
nb_status nb_hf_keys_of_tokens(nb_hf_config *c);

/* Tensors that a model's config.json holds as numbers: rope_freqs, rope_factors_long and _short. */
enum { NB_MADE_MAX = 2 };
typedef struct nb_made {
    size_t n;
    struct {
        const char *name; /* GGUF; static */
        float *at;        /* [len] owned */
        size_t len;
    } tensor[NB_MADE_MAX];
} nb_made;
nb_status nb_hf_make_tensors(nb_made *out, const nb_hf_config *c);
void nb_made_close(nb_made *m);

/* --- the rest of the folder ------------------------------------------------------------------- */

/* File names of the weights, each once, in the index's order; all lie in the folder itself. */
typedef struct nb_hf_shards {
    char (*name)[256]; /* [n] owned */
    size_t n;
} nb_hf_shards;
nb_status nb_hf_shards_open(nb_hf_shards *out, const char *dir, nb_err *err);
void nb_hf_shards_close(nb_hf_shards *s);

/* general.*: architecture, type, sampling, name, and what README.md's front matter tells of
 * licence, origin, tags and languages. config: root of config.json. */
nb_status nb_hf_identity(nb_kvs *kvs, const char *dir, const nb_jval *config, const char *arch,
                         nb_err *err);
/* general.sampling.* from dir/generation_config.json, where there is one. */
nb_status nb_hf_sampling(nb_kvs *kvs, const char *dir, nb_err *err);
/* What the model's id or the folder's name tells beyond the card: general.basename, finetune,
 * version, size_label, organization. params: how many weights, 0 if not known. */
nb_status nb_hf_names(nb_kvs *kvs, const char *dir, const nb_jval *config, uint64_t params,
                      nb_err *err);
nb_status nb_hf_name_parts(nb_kvs *kvs, const char *id, uint64_t params, nb_err *err);
/* The same from a model card's text alone; what cannot be read is left out. */
nb_status nb_hf_card(nb_kvs *kvs, const char *text, size_t n, nb_err *err);
/* general.size_label from the count of weights, "5.8M", or per expert, "8x7B", unless the card gave
 * one. experts 0: dense. */
nb_status nb_hf_size_label(nb_kvs *kvs, uint64_t params, uint64_t experts, nb_err *err);

#endif
