/* One row of the library, filled from headers alone. Private to core/files. */
#ifndef NIBBLE_LISTING_H
#define NIBBLE_LISTING_H

#include "core/files/library.h"

/* Names a model may be recognised by, most certain first; "" = unused. Letters, digits and dots in
 * lower case, so that "Llama 3.2 1B" and "llama-3.2-1b" are one. */
enum { NB_ENTRY_KEYS = 6 };

typedef struct nb_listing {
    nb_entry e;
    char key[NB_ENTRY_KEYS][96];
    char base[96]; /* key of the model it says it was made from; "" = does not say */
    char base_name[128];
    uint64_t dev, ino; /* of the first weights file: the same model under two names is one row */
    bool is_float;     /* most weights are f32, f16 or bf16: others may be made from it */
    bool skip;         /* a GGUF that is no model: importance matrix, later shard */
    size_t source;     /* index of what it was made from; own index = a source */
} nb_listing;

/* What a model's tensors add up to. */
typedef struct nb_tally {
    uint64_t weights[NK_TYPE_SLOTS]; /* per type, matrices and more only */
    uint64_t params, bytes;
    const nk_type *unrunnable; /* a type without a decoder, or NULL */
} nb_tally;
void nb_tally_add(nb_tally *t, const nb_tensor *at, size_t n); /* of known types */
/* params, bpw, type_name, is_float; file_type UINT64_MAX = not told. */
void nb_tally_finish(nb_listing *l, const nb_tally *t, uint64_t file_type);

/* path: a .gguf file. What is wrong with it goes to e.problem; never fails. */
void nb_listing_gguf(nb_listing *out, const char *path);
/* path: a directory with a config.json, or a single .safetensors file. */
void nb_listing_hf(nb_listing *out, const char *path, bool is_dir);
/* The figures of e->arch's keys; what kvs does not hold stays. */
void nb_listing_hparams(nb_entry *e, const nb_kvs *kvs);
void nb_listing_key(char out[96], const char *text, size_t n);
void nb_listing_add_key(nb_listing *l, const char *text, size_t n);
/* s[n] into out, cut between characters, terminated. */
void nb_listing_copy(char *out, size_t cap, const char *s, size_t n);
/* Marks what this program cannot run; known problems stay. */
void nb_listing_check_arch(nb_entry *e);

/* dir holds config.json and model.safetensors or its index. */
bool nb_is_model_dir(const char *dir);

#endif
