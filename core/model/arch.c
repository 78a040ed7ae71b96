#include "core/model/arch.h"

#include <stdio.h>
#include <string.h>

#include "core/files/tensor.h"

static const nb_arch archs[] = {
#define NB_ARCH(sym, name, flags) {name, flags},
#include "core/model/archs.def"
#undef NB_ARCH
};

/* Names: gguf-py/gguf/constants.py of llama.cpp, TENSOR_NAMES (quant.md 2.2). */
static const nb_slot_row slots[NB_SLOT_COUNT] = {
    [NB_TOKEN_EMBD] = {"token_embd.weight", true},
    [NB_OUTPUT_NORM] = {"output_norm.weight", true},
    [NB_OUTPUT] = {"output.weight", false}, /* absent: tied to token_embd */
    [NB_ROPE_FREQS] = {"rope_freqs.weight", false},
    [NB_ATTN_NORM] = {"blk.%u.attn_norm.weight", true},
    [NB_ATTN_Q] = {"blk.%u.attn_q.weight", true},
    [NB_ATTN_K] = {"blk.%u.attn_k.weight", true},
    [NB_ATTN_V] = {"blk.%u.attn_v.weight", true},
    [NB_ATTN_OUT] = {"blk.%u.attn_output.weight", true},
    [NB_FFN_NORM] = {"blk.%u.ffn_norm.weight", true},
    [NB_FFN_GATE] = {"blk.%u.ffn_gate.weight", true},
    [NB_FFN_UP] = {"blk.%u.ffn_up.weight", true},
    [NB_FFN_DOWN] = {"blk.%u.ffn_down.weight", true},
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

const nb_slot_row *nb_slot_of(nb_slot slot)
{
    return &slots[slot];
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
