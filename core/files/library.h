/* The models on this machine, found without opening more than headers: given paths, the current
 * directory, nibble's own models folder, the bundled demo, and, read-only, the Hugging Face cache
 * and the stores of Ollama and LM Studio. Scanning 500 files takes well under 150 ms (tui row 1):
 * headers only, no weights touched. */
#ifndef NIBBLE_LIBRARY_H
#define NIBBLE_LIBRARY_H

#include "core/base/config.h"
#include "core/files/gguf.h"

typedef struct nb_library nb_library;

enum { NB_DEPTH_GIVEN = 2, NB_DEPTH_HERE = 1, NB_DEPTH_OWN = 3 }; /* folders below */

typedef enum nb_store {
    NB_STORE_DEMO,
    NB_STORE_GIVEN,
    NB_STORE_HERE,
    NB_STORE_OWN,
    NB_STORE_HF,
    NB_STORE_OLLAMA, /* named "ollama: llama3.2:3b" */
    NB_STORE_LMSTUDIO
} nb_store;

typedef struct nb_entry {
    char path[1024]; /* openable: file or directory */
    char name[128];  /* shown: general.name, repo id or file name; sanitise before printing */
    char file[128];  /* base name */
    char arch[32];
    char type_name[24]; /* dominant type or preset from general.file_type: "Q4_K_M", "bf16" */
    char source[128];   /* name of the model it was made from; "" = a source itself */
    nb_store store;
    uint64_t params, bytes; /* weights; file bytes */
    uint64_t tensor_bytes;
    double bpw;
    uint64_t n_layer, n_ctx, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab;
    /* 0 = the header does not say: a value follows from the others, or there is no such thing */
    uint64_t n_rot, n_expert, n_expert_used, n_expert_ff, n_shared_ff, window;
    bool tied, is_dir;
    bool unsupported;  /* listed but nibble cannot run it */
    char problem[160]; /* why unsupported or broken; "" = fine */
} nb_entry;

/* paths[n]: given on the command line (files or directories to look in). */
nb_status nb_library_scan(nb_library **out, const nb_config *cfg, const char *const *paths,
                          size_t n, const nb_hooks *hooks, nb_err *err);
size_t nb_library_count(const nb_library *lib);
/* Sources first, each followed by what was made from it. */
const nb_entry *nb_library_at(const nb_library *lib, size_t i);
/* Index of the model that entry i was made from, or i itself. */
size_t nb_library_source(const nb_library *lib, size_t i);
/* Whether two entries are one model in different types: of one source, here or only named. */
bool nb_library_family(const nb_library *lib, size_t a, size_t b);
void nb_library_close(nb_library **lib);

/* The same row for a model that is not on this machine: from the header of its GGUF file (file: its
 * name; bytes: of the tensors), or from the text of its config.json (no weights known: params,
 * bytes and bpw stay 0). path and store stay empty. */
void nb_entry_from_gguf(nb_entry *out, const nb_gguf_info *info, const char *file);
nb_status nb_entry_from_config(nb_entry *out, const char *json, size_t n, const char *what,
                               nb_err *err);

/* MODEL is an address, of a model that another machine serves. */
bool nb_is_remote(const char *model);
/* MODEL argument -> path: a file, a directory, "demo", or a name in the library's stores:
 * "org/repo[:TAG]" in the HF cache or LM Studio's, "ollama:NAME[:TAG]". NB_NOTFOUND tells where it
 * looked; NB_USAGE: a remote model, which has no file. */
nb_status nb_library_resolve(const nb_config *cfg, const char *model, char *path, size_t cap,
                             nb_err *err);

/* Calls fn for each name that ends with `suffix` in the folders models are written to: those of
 * paths[n], this one and nibble's own, as deep as a scan looks; a file of paths[n] too. The same
 * file may come twice. Not NB_OK from fn ends it. */
typedef nb_status nb_path_fn(void *arg, const char *path, nb_err *err);
nb_status nb_library_each(const nb_config *cfg, const char *const *paths, size_t n,
                          const char *suffix, nb_path_fn *fn, void *arg, nb_err *err);

#endif
