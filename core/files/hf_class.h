/* The tables that tell how a class of Hugging Face models becomes GGUF: one row per class, per key,
 * per tensor name (hf_class.c, hf_config.c, hf_names.c). */
#ifndef NIBBLE_HF_CLASS_H
#define NIBBLE_HF_CLASS_H

#include "core/files/tensor.h"

/* config.json's number under one of `names` ("a|b": the first that is there) -> a GGUF key of the
 * architecture. */
typedef struct nb_hf_key {
    const char *gguf, *names;
    enum { NB_HF_U32, NB_HF_F32 } type;
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
       NB_HF_CODE_GEMMA = 1 << 11,  /* eot at a fixed id */
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
/* Whether a GGUF architecture is one of those the table's classes become, or one that runs and that
 * no class becomes. */
bool nb_hf_runs(const char *gguf_arch);
/* "Llama Mistral ...": what people call the families, their variants left out,
 * as much as fits. */
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

#endif
