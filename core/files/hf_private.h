/* What the files of core/files share about Hugging Face directories. */
#ifndef NIBBLE_HF_PRIVATE_H
#define NIBBLE_HF_PRIVATE_H

#include "core/base/json.h"
#include "core/files/hf.h"

/* --- tables: one row per class, per key, per name (hf_class.c, hf_names.c, hf_config.c) ------- */

/* config.json's number under one of `names` ("a|b": the first that is there) -> a GGUF key of the
 * architecture. */
typedef struct nb_hf_key {
    const char *gguf, *names;
    enum { NB_HF_U32, NB_HF_F32, NB_HF_BOOL } type;
    enum { NB_HF_NEED, NB_HF_MAY, NB_HF_TRUTHY } how; /* TRUTHY: 0 counts as absent */
    double min, max;
} nb_hf_key;

/* What transformers' configuration class has where config.json is silent. */
typedef struct nb_hf_default {
    const char *name;
    double value;
} nb_hf_default;

enum {                        /* how a stored tensor becomes GGUF's: bits of a name row */
       NB_HF_Q = 1 << 0,      /* heads permuted where the class permutes */
       NB_HF_K = 1 << 1,      /* the same by key/value heads */
       NB_HF_FALCON = 1 << 2, /* groups of q.. k v parted */
       NB_HF_TURNED = 1 << 3, /* stored [in, out] */
       NB_HF_FIRST = 1 << 4,  /* of two halves of the output axis */
       NB_HF_SECOND = 1 << 5,
       NB_HF_EVEN = 1 << 6, /* of two interleaved along the output axis */
       NB_HF_ODD = 1 << 7,
       NB_HF_WHOLE = 1 << 8, /* the row's names are complete: no .weight or .bias follows */
       NB_HF_ALWAYS_F32 = 1 << 9,
       NB_HF_VOCAB = 1 << 10,          /* rows are tokens */
       NB_HF_LINEAR = 1 << 11,         /* ternary where the class is */
       NB_HF_DROP = 1 << 12,           /* not carried over */
       NB_HF_STACK_HEADS = 1 << 13,    /* '#' counts heads, not experts */
       NB_HF_STACK_KV_HEADS = 1 << 14, /* or key/value heads */
};
/* '%' stands for the layer's number, '#' for the place in a stack. */
typedef struct nb_hf_name {
    const char *hf, *gguf;
    unsigned how;
} nb_hf_name;

enum {                             /* flags of a class */
       NB_HF_PERMUTES = 1 << 0,    /* rows of q and k: llama.cpp rotates pairs (2i, 2i + 1) there */
       NB_HF_NORM_PLUS_1 = 1 << 1, /* norms are stored minus one */
       NB_HF_TRIMS = 1 << 2,       /* embedding rows past the token list are cut */
       NB_HF_IS_TERNARY = 1 << 3,
       NB_HF_OWN_ROPE = 1 << 4,     /* its extra function writes all about rope */
       NB_HF_BASE_IMPLIED = 1 << 5, /* rope.freq_base is written only if it is not 10000 */
       NB_HF_ROPE_DIMS = 1 << 6, /* rope.dimension_count = head_dim, and vocab_size, are written */
       NB_HF_HEAD_DIM = 1 << 7,  /* key and value lengths are written even if implied */
       NB_HF_NO_HEAD_DIM = 1 << 8,  /* head_dim of the file is not heeded */
       NB_HF_NO_SPACE = 1 << 9,     /* SentencePiece without a leading space */
       NB_HF_PLAIN_ADDED = 1 << 10, /* added tokens are control only when marked so */
       NB_HF_FOURFOLD = 1 << 12,    /* an absent feed-forward width is four times the model's */
       NB_HF_CODE_GEMMA = 1 << 11,  /* prefix, suffix, middle and eot at fixed ids */
};

typedef struct nb_hf_config nb_hf_config;
typedef nb_status nb_hf_extra_fn(nb_hf_config *c);
enum { NB_HF_TABLES = 3 };
typedef struct nb_hf_class {
    const char *classes; /* "LlamaForCausalLM|LLaMAForCausalLM" */
    const char *gguf;    /* architecture */
    unsigned flags;
    const nb_hf_key *keys; /* its own, after the common ones; ends with gguf NULL; or NULL */
    const nb_hf_default *defaults;         /* ends with name NULL; or NULL */
    const nb_hf_name *names[NB_HF_TABLES]; /* searched in turn; each ends with hf NULL */
    nb_hf_extra_fn *extra;                 /* what rows cannot say; NULL */
} nb_hf_class;

const nb_hf_class *nb_hf_class_find(const char *class_name);   /* NULL: not supported */
const nb_hf_class *nb_hf_class_of_arch(const char *gguf_arch); /* first of that architecture */
/* Whether a GGUF architecture is one of those the table's classes become. */
bool nb_hf_runs(const char *gguf_arch);
/* "Llama Mistral ...": what people call the families, as much as fits. */
void nb_hf_class_list(char *out, size_t cap);

extern const nb_hf_name nb_hf_names_llama[], nb_hf_names_post_norm[], nb_hf_names_gemma[],
    nb_hf_names_qwen_moe[], nb_hf_names_mixtral[], nb_hf_names_granite_moe[], nb_hf_names_phi3[],
    nb_hf_names_gpt2[], nb_hf_names_stablelm[], nb_hf_names_starcoder2[], nb_hf_names_falcon[],
    nb_hf_names_gpt_oss[], nb_hf_names_bitnet[];

/* One GGUF tensor that a stored one gives, or is a part of. */
typedef struct nb_hf_place {
    char name[NB_MAX_NAME + 1];
    unsigned how;
    uint32_t index; /* of '#'; UINT32_MAX: no stack */
} nb_hf_place;
enum { NB_HF_PLACES = 2 };
/* Finds the places of a stored name; n 0: dropped. NB_UNSUPPORTED names what has none. */
nb_status nb_hf_places(const nb_hf_class *c, const char *stored, nb_hf_place out[NB_HF_PLACES],
                       size_t *n, nb_err *err);

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
    nb_hf_extra_bitnet, nb_hf_extra_granite;

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

/* general.*: architecture, type, name, and what README.md's front matter tells of licence, origin,
 * tags and languages. config: root of config.json. */
nb_status nb_hf_identity(nb_kvs *kvs, const char *dir, const nb_jval *config, const char *arch,
                         nb_err *err);
/* The same from a model card's text alone; what cannot be read is left out. */
nb_status nb_hf_card(nb_kvs *kvs, const char *text, size_t n, nb_err *err);
/* general.size_label from the count of weights, "5.8M", or per expert, "8x7B", unless the card gave
 * one. experts 0: dense. */
nb_status nb_hf_size_label(nb_kvs *kvs, uint64_t params, uint64_t experts, nb_err *err);

#endif
