/* The model store of Ollama, read where it lies and never written (ollama @ fb30760,
 * types/model/name.go and server/manifest.go):
 *
 *     manifests/HOST/NAMESPACE/NAME/TAG   JSON: layers[] of {mediaType, digest, size}
 *     blobs/sha256-<64 hex>               the layer named "application/vnd.ollama.image.model" is a
 *                                         whole GGUF file; projectors, templates, licences are
 * others
 *
 * Names and digests come from files that others write: a digest is 64 hex digits, a name one plain
 * component, or the model is not there (reliability A20). Private to core/files. */
#ifndef NIBBLE_OLLAMA_H
#define NIBBLE_OLLAMA_H

#include "kernels/nb.h"

/* name: as `ollama list` shows it: "llama3.2:3b", "me/tale:latest", "hf.co/org/repo:Q4_K_M". path:
 * its GGUF file. */
typedef nb_status nb_ollama_fn(void *arg, const char *name, const char *path, nb_err *err);
/* Every model whose GGUF file is there, by name. A store that is not there is an empty one. */
nb_status nb_ollama_each(const char *models, nb_ollama_fn *fn, void *arg, nb_err *err);
/* NAME[:TAG] -> its GGUF file. NB_NOTFOUND says which manifest was looked for; NB_FORMAT that it
 * names no model. */
nb_status nb_ollama_find(const char *models, const char *name, char *path, size_t cap, nb_err *err);

#endif
