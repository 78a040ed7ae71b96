/* The inside of nb_weights, shared by weights*.c. */
#ifndef NIBBLE_WEIGHTS_PRIVATE_H
#define NIBBLE_WEIGHTS_PRIVATE_H

#include <limits.h>
#include <stdatomic.h>

#include "core/files/gguf.h"
#include "core/files/hf_private.h"
#include "core/files/hfquant.h"
#include "core/files/index.h"
#include "core/files/safetensors.h"
#include "core/files/weights.h"

typedef struct nb_file_slot {
    nb_map map;
    nb_gguf_info gguf;               /* NB_GGUF */
    nb_safetensors_info safetensors; /* the others */
} nb_file_slot;

/* mean|w| of a tensor, found when first asked for: bits of the float, 0 = not yet. */
struct nb_mean {
    _Atomic uint32_t bits;
};

struct nb_weights {
    nb_container container;
    char *path;         /* as given */
    char dir[PATH_MAX]; /* NB_HF_DIR */
    nb_file_slot *files;
    char **paths;
    size_t n_files;
    nb_kvs *kvs; /* borrowed from files[0] for GGUF, else owned */
    nb_view *views;
    size_t n;
    nb_index index;
    /* NB_HF_DIR: what the views borrow */
    char *names;           /* [n][NB_MAX_NAME + 1] */
    nb_gather *gathers;    /* [n] */
    struct nb_mean *means; /* [n] */
    const void **parts;    /* of all stacks, one after another */
    nb_packs packs;        /* of a checkpoint that is quantized */
    uint32_t *orders;      /* of columns of its weights, and of the rows that meet them */
    float *factors;        /* of its weights, beside them */
    nb_made made;          /* tensors made from config.json */
};

/* Maps one more file. */
nb_status nb_weights_add_file(nb_weights *w, const char *path, nb_err *err);
/* Builds the name index; refuses twins. */
nb_status nb_weights_index(nb_weights *w, nb_err *err);
/* NB_FORMAT or NB_UNSUPPORTED with a sentence for an empty file, a git-LFS pointer, an HTML page, a
 * pickle, a file older than GGUF. */
nb_status nb_weights_impostor(const nb_map *m, const char *path, nb_err *err);
nb_status nb_weights_open_hf(nb_weights *w, const char *dir, nb_err *err);
/* Keeps codes of act-order where columns can be sorted; views are not sorted yet. */
nb_status nb_weights_fold(nb_weights *w, uint64_t heads, uint64_t heads_kv, nb_err *err);
/* Views of the factors that packed weights leave out; there is room for them. */
nb_status nb_weights_add_beside(nb_weights *w, nb_err *err);
/* Views of all stored tensors as the class sees them, unsorted. */
nb_status nb_weights_map(nb_weights *w, const nb_hf_config *c, nb_err *err);

#endif
