/* What is often found where a model should be, told by its first bytes. */
#include <string.h>

#include "core/files/weights_private.h"

#define NO_PICKLE                                                                                  \
    ", which is never read because it can run code: take the model's safetensors or GGUF files"
#define NO_GGML ", older than GGUF: take a GGUF file or the original model"

/* Zip: APPNOTE 4.3.7. Pickle: the magic number torch.save wrote before 1.6 (torch/serialization.py
 * MAGIC_NUMBER). GGML: llama.cpp's convert_llama_ggml_to_gguf.py @ de3ff81. */
static const struct {
    const char *bytes;
    size_t n;
    nb_status status;
    const char *is;
} impostors[] = {
    {"version https://git-lfs", 23, NB_FORMAT,
     "is a git-LFS pointer, not the model: fetch it with git lfs pull"},
    {"<", 1, NB_FORMAT, "is an HTML page, not a model"},
    {"PK\3\4", 4, NB_UNSUPPORTED, "is a zip archive, as PyTorch's pickles are" NO_PICKLE},
    {"\x80\2\x8a\nl\xfc\x9c\x46", 8, NB_UNSUPPORTED, "is a pickle of PyTorch" NO_PICKLE},
    {"lmgg", 4, NB_UNSUPPORTED, "is a GGML file" NO_GGML},
    {"fmgg", 4, NB_UNSUPPORTED, "is a GGML file" NO_GGML},
    {"tjgg", 4, NB_UNSUPPORTED, "is a GGML file" NO_GGML},
};

/* A safetensors header of 60 bytes begins with '<': it is none of these. */
static bool has_header(const nb_map *m)
{
    uint64_t n = 0;
    for (size_t i = 0; i < 8 && m->len > 8; i++)
        n |= (uint64_t)m->at[i] << (8 * i);
    return m->len > 8 && n <= m->len - 8 && m->at[8] == '{';
}

nb_status nb_weights_impostor(const nb_map *m, const char *path, nb_err *err)
{
    if (m->len == 0)
        return nb_fail(err, NB_FORMAT, "%s: file is empty", path);
    for (size_t i = 0; i < countof(impostors) && !has_header(m); i++)
        if (m->len >= impostors[i].n && memcmp(m->at, impostors[i].bytes, impostors[i].n) == 0)
            return nb_fail(err, impostors[i].status, "%s: %s", path, impostors[i].is);
    return NB_OK;
}
