#include "core/model/arch.h"

#include <stdio.h>
#include <string.h>

#include "core/files/tensor.h"

static const nb_arch archs[] = {
#define NB_ARCH(...) {__VA_ARGS__},
#include "core/model/archs.def"
#undef NB_ARCH
};

/* Names a file may bear that no row runs, by what they begin with; longer ones first. */
static const struct {
    const char *prefix, *kind;
} others[] = {
    {"clip", "the vision half of a model (mmproj)"},
    {"mamba", "a state-space model"},
    {"falcon-h1", "a hybrid of attention and state-space layers"},
    {"granitehybrid", "a hybrid of attention and state-space layers"},
    {"nemotron_h", "a hybrid of attention and state-space layers"},
    {"jamba", "a hybrid of attention and state-space layers"},
    {"lfm2", "a hybrid of attention and convolution layers"},
    {"plamo2", "a hybrid of attention and state-space layers"},
    {"qwen3next", "a hybrid of attention and linear attention"},
    {"qwen35", "a hybrid of attention and linear attention"},
    {"kimi-linear", "a hybrid of attention and linear attention"},
    {"rwkv", "a recurrent model"},
    {"arwkv", "a recurrent model"},
    {"t5", "an encoder-decoder"},
    {"bert", "an encoder for embeddings"},
    {"modern-bert", "an encoder for embeddings"},
    {"nomic-bert", "an encoder for embeddings"},
    {"neo-bert", "an encoder for embeddings"},
    {"jina-bert", "an encoder for embeddings"},
    {"eurobert", "an encoder for embeddings"},
    {"gemma-embedding", "an encoder for embeddings"},
    {"gemma3n", "a decoder with per-layer embeddings"},
    {"gemma4", "a decoder with per-layer embeddings"},
    {"deepseek2", "a decoder with multi-head latent attention"},
    {"deepseek3", "a decoder with multi-head latent attention"},
    {"minicpm3", "a decoder with multi-head latent attention"},
    {"qwen2vl", "a model for text and pictures"},
    {"qwen3vl", "a model for text and pictures"},
    {"llama4", "a model for text and pictures"},
    {"bloom", "a decoder with ALiBi positions"},
    {"mpt", "a decoder with ALiBi positions"},
    {"refact", "a decoder with ALiBi positions"},
    {"llada", "a diffusion model"},
    {"dream", "a diffusion model"},
    {"wavtokenizer", "a decoder of sound"},
};

static const nb_slot_row slots[NB_SLOT_COUNT] = {
#define NB_SLOT(symbol, name, cols, rows, depth, vector, any, unless, optional)                    \
    [NB_##symbol] = {                                                                              \
        name, {NB_SIDE_##cols, NB_SIDE_##rows, NB_SIDE_##depth}, vector, any, unless, optional},
#include "core/model/slots.def"
#undef NB_SLOT
};

const nb_arch *nb_arch_find(const char *gguf_name)
{
    for (size_t i = 0; i < countof(archs); i++)
        if (strcmp(archs[i].name, gguf_name) == 0)
            return &archs[i];
    return NULL;
}

const nb_arch *nb_arch_all(size_t *count)
{
    *count = countof(archs);
    return archs;
}

const char *nb_arch_kind(const char *gguf_name)
{
    for (size_t i = 0; i < countof(others); i++)
        if (strncmp(others[i].prefix, gguf_name, strlen(others[i].prefix)) == 0)
            return others[i].kind;
    return NULL;
}

const nb_slot_row *nb_slot_of(nb_slot slot)
{
    return &slots[slot];
}

bool nb_slot_exists(nb_slot slot, int features)
{
    const nb_slot_row *r = &slots[slot];
    return (r->any == NB_ALWAYS || (r->any & features)) && !(r->unless & features);
}

bool nb_slot_required(nb_slot slot, int features)
{
    int optional = slots[slot].optional;
    return nb_slot_exists(slot, features) && optional != NB_ALWAYS && !(optional & features);
}

bool nb_slot_is_linear(nb_slot slot)
{
    return !slots[slot].is_vector && slot != NB_TOKEN_EMBD && slot != NB_POSITION_EMBD &&
           slot != NB_MOE_ROUTER;
}

void nb_slot_name(nb_slot slot, uint32_t layer, char *out)
{
    const char *name = slots[slot].name, *number = strchr(name, '%');
    if (!number) {
        snprintf(out, NB_MAX_NAME + 1, "%s", name);
        return;
    }
    snprintf(out, NB_MAX_NAME + 1, "%.*s%u%s", (int)(number - name), name, layer, number + 2);
}
