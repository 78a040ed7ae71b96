#include "tests/arch_rows.h"

#include "tests/check.h"

#include <stdio.h>
#include <string.h>

enum { N_VOCAB = 300, N_BYTES = 256, N_SPECIAL = 3, N_CTX = 128 };

/* --- a vocabulary that spells every byte
 * -----------------------------------------------------------------
 */

static void put_vocabulary(nb_kvs *kvs)
{
    static const char *const special[N_SPECIAL] = {"<unk>", "<s>", "</s>"};
    nb_str pieces = {0};
    int32_t type[N_VOCAB];
    float score[N_VOCAB];
    for (int i = 0; i < N_VOCAB; i++) {
        char text[16];
        int letter = i - N_SPECIAL - N_BYTES;
        if (i < N_SPECIAL)
            snprintf(text, sizeof text, "%s", special[i]);
        else if (letter < 0)
            snprintf(text, sizeof text, "<0x%02X>", (unsigned)(i - N_SPECIAL));
        else
            snprintf(text, sizeof text, "%c%c", 'a' + letter % 26, 'a' + letter / 26);
        nb_kv_add_str(&pieces, text, strlen(text));
        type[i] = i == 0 ? 2 : i < N_SPECIAL ? 3 : letter < 0 ? 6 : 1;
        score[i] = (float)-i;
    }
    nb_kvs_put_str(kvs, "tokenizer.ggml.model", "llama", 5, NULL);
    nb_kvs_put_str(kvs, "tokenizer.ggml.pre", "default", 7, NULL);
    nb_kvs_put_strs(kvs, "tokenizer.ggml.tokens", &pieces, N_VOCAB, NULL);
    nb_kvs_put_f32s(kvs, "tokenizer.ggml.scores", score, N_VOCAB, NULL);
    nb_kvs_put_i32s(kvs, "tokenizer.ggml.token_type", type, N_VOCAB, NULL);
    nb_kvs_put_u32(kvs, "tokenizer.ggml.bos_token_id", 1, NULL);
    nb_kvs_put_u32(kvs, "tokenizer.ggml.eos_token_id", 2, NULL);
    nb_kvs_put_u32(kvs, "tokenizer.ggml.unknown_token_id", 0, NULL);
    nb_str_free(&pieces);
}

/* --- keys of their own
 * -----------------------------------------------------------------------------------
 */

static void llama_linear(nb_kvs *k)
{
    nb_kvs_put_str(k, "llama.rope.scaling.type", "linear", 6, NULL);
    nb_kvs_put_f32(k, "llama.rope.scaling.factor", 4, NULL);
}

static void llama_yarn(nb_kvs *k)
{
    nb_kvs_put_str(k, "llama.rope.scaling.type", "yarn", 4, NULL);
    nb_kvs_put_f32(k, "llama.rope.scaling.factor", 4, NULL);
    nb_kvs_put_u32(k, "llama.rope.scaling.original_context_length", 32, NULL);
    nb_kvs_put_f32(k, "llama.rope.freq_base", 500, NULL);
}

static void mixtral(nb_kvs *k)
{
    nb_kvs_put_u32(k, "llama.expert_count", 4, NULL);
    nb_kvs_put_u32(k, "llama.expert_used_count", 2, NULL);
}

static void granite(nb_kvs *k)
{
    nb_kvs_put_f32(k, "granite.attention.scale", 0.4f, NULL);
    nb_kvs_put_f32(k, "granite.embedding_scale", 12, NULL);
    nb_kvs_put_f32(k, "granite.residual_scale", 0.22f, NULL);
    nb_kvs_put_f32(k, "granite.logit_scale", 8, NULL);
}

static void granite_still(nb_kvs *k)
{
    granite(k);
    nb_kvs_put_bool(k, "granite.rope.scaling.finetuned", false, NULL);
}

static void granitemoe(nb_kvs *k)
{
    nb_kvs_put_f32(k, "granitemoe.residual_scale", 0.3f, NULL);
    nb_kvs_put_f32(k, "granitemoe.logit_scale", 6, NULL);
    nb_kvs_put_u32(k, "granitemoe.expert_count", 6, NULL);
    nb_kvs_put_u32(k, "granitemoe.expert_used_count", 2, NULL);
}

static void granitemoe_shared(nb_kvs *k)
{
    granitemoe(k);
    nb_kvs_put_u32(k, "granitemoe.expert_shared_feed_forward_length", 64, NULL);
}

static void qwen2moe(nb_kvs *k)
{
    nb_kvs_put_u32(k, "qwen2moe.expert_count", 8, NULL);
    nb_kvs_put_u32(k, "qwen2moe.expert_used_count", 3, NULL);
    nb_kvs_put_u32(k, "qwen2moe.expert_feed_forward_length", 32, NULL);
    nb_kvs_put_u32(k, "qwen2moe.expert_shared_feed_forward_length", 64, NULL);
}

static void qwen3(nb_kvs *k)
{
    nb_kvs_put_u32(k, "qwen3.attention.key_length", 32, NULL);
    nb_kvs_put_u32(k, "qwen3.attention.value_length", 32, NULL);
    nb_kvs_put_f32(k, "qwen3.rope.freq_base", 1e6f, NULL);
}

static void qwen3moe(nb_kvs *k)
{
    nb_kvs_put_u32(k, "qwen3moe.expert_count", 8, NULL);
    nb_kvs_put_u32(k, "qwen3moe.expert_used_count", 2, NULL);
    nb_kvs_put_u32(k, "qwen3moe.expert_feed_forward_length", 64, NULL);
    nb_kvs_put_u32(k, "qwen3moe.attention.key_length", 32, NULL);
    nb_kvs_put_u32(k, "qwen3moe.attention.value_length", 32, NULL);
}

static void gemma(nb_kvs *k)
{
    nb_kvs_put_u32(k, "gemma.attention.key_length", 32, NULL);
    nb_kvs_put_u32(k, "gemma.attention.value_length", 32, NULL);
}

static void gemma2(nb_kvs *k)
{
    nb_kvs_put_u32(k, "gemma2.attention.key_length", 32, NULL);
    nb_kvs_put_u32(k, "gemma2.attention.value_length", 32, NULL);
    nb_kvs_put_u32(k, "gemma2.attention.sliding_window", 9, NULL);
    nb_kvs_put_f32(k, "gemma2.attn_logit_softcapping", 4, NULL);
    nb_kvs_put_f32(k, "gemma2.final_logit_softcapping", 6, NULL);
}

static void gemma3(nb_kvs *k)
{
    nb_kvs_put_u32(k, "gemma3.attention.key_length", 32, NULL);
    nb_kvs_put_u32(k, "gemma3.attention.value_length", 32, NULL);
    nb_kvs_put_u32(k, "gemma3.attention.sliding_window", 7, NULL);
    nb_kvs_put_f32(k, "gemma3.rope.freq_base", 1e6f, NULL);
    nb_kvs_put_str(k, "gemma3.rope.scaling.type", "linear", 6, NULL);
    nb_kvs_put_f32(k, "gemma3.rope.scaling.factor", 8, NULL);
}

static void phi3_window(nb_kvs *k)
{
    nb_kvs_put_u32(k, "phi3.attention.sliding_window", 9, NULL);
}

static void phi3(nb_kvs *k)
{
    nb_kvs_put_u32(k, "phi3.attention.sliding_window", 1000, NULL);
}

/* Part of each head turns, as in phi-4-mini; the context is longer than the first training's. */
static void phi3_longrope(nb_kvs *k)
{
    phi3(k);
    nb_kvs_put_u32(k, "phi3.rope.dimension_count", 12, NULL);
    nb_kvs_put_str(k, "phi3.rope.scaling.type", "longrope", 8, NULL);
    nb_kvs_put_f32(k, "phi3.rope.scaling.attn_factor", 1.19f, NULL);
    nb_kvs_put_u32(k, "phi3.rope.scaling.original_context_length", 32, NULL);
}

static void phi3_shortrope(nb_kvs *k)
{
    phi3_longrope(k);
    nb_kvs_put_u32(k, "phi3.rope.scaling.original_context_length", 4096, NULL);
}

static void olmo3(nb_kvs *k)
{
    nb_kvs_put_u32(k, "olmo2.attention.sliding_window", 9, NULL);
    nb_kvs_put_str(k, "olmo2.rope.scaling.type", "yarn", 4, NULL);
    nb_kvs_put_f32(k, "olmo2.rope.scaling.factor", 4, NULL);
    nb_kvs_put_u32(k, "olmo2.rope.scaling.original_context_length", 32, NULL);
}

static void stablelm(nb_kvs *k)
{
    nb_kvs_put_u32(k, "stablelm.rope.dimension_count", 4, NULL);
}

static void command_r(nb_kvs *k)
{
    nb_kvs_put_f32(k, "command-r.logit_scale", 0.0625f, NULL);
}

static void gpt_oss(nb_kvs *k)
{
    nb_kvs_put_u32(k, "gpt-oss.attention.sliding_window", 9, NULL);
    nb_kvs_put_u32(k, "gpt-oss.expert_count", 4, NULL);
    nb_kvs_put_u32(k, "gpt-oss.expert_used_count", 2, NULL);
    nb_kvs_put_u32(k, "gpt-oss.expert_feed_forward_length", 64, NULL);
    nb_kvs_put_u32(k, "gpt-oss.attention.key_length", 32, NULL);
    nb_kvs_put_u32(k, "gpt-oss.attention.value_length", 32, NULL);
    nb_kvs_put_f32(k, "gpt-oss.rope.freq_base", 150000, NULL);
    nb_kvs_put_str(k, "gpt-oss.rope.scaling.type", "yarn", 4, NULL);
    nb_kvs_put_f32(k, "gpt-oss.rope.scaling.factor", 32, NULL);
    nb_kvs_put_u32(k, "gpt-oss.rope.scaling.original_context_length", 16, NULL);
}

static void bitnet_relu2(nb_kvs *k)
{
    nb_kvs_put_str(k, "bitnet.hidden_activation", "relu2", 5, NULL);
}

/* --- the rows
 * -------------------------------------------------------------------------------------
 */

#define MODEL(name, layers, kv, ...)                                                               \
    {                                                                                              \
        .arch = name, .n_layer = layers, .n_embd = 64, .n_head = 4, .n_head_kv = kv, .n_ff = 96,   \
        .n_vocab = N_VOCAB, .n_ctx = N_CTX, .seed = 7, .spread = 0.2f, __VA_ARGS__                 \
    }

static const arch_row rows[] = {
    {"llama", MODEL("llama", 2, 2), false},
    {"llama-biases", MODEL("llama", 2, 4, .optional = true, .tied = true), false},
    {"llama-factors", MODEL("llama", 2, 2, .rope_freqs = true), false},
    {"llama-linear", MODEL("llama", 2, 2, .keys = llama_linear), false},
    {"llama-yarn", MODEL("llama", 2, 2, .keys = llama_yarn), false},
    {"mixtral", MODEL("llama", 2, 2, .keys = mixtral), false},
    {"smollm3", MODEL("smollm3", 5, 2, .tied = true), false},
    {"granite", MODEL("granite", 2, 2, .keys = granite), false},
    {"granite-still", MODEL("granite", 2, 2, .keys = granite_still), false},
    {"granitemoe", MODEL("granitemoe", 2, 2, .keys = granitemoe), false},
    {"granitemoe-shared", MODEL("granitemoe", 2, 2, .keys = granitemoe_shared), false},
    {"qwen2", MODEL("qwen2", 2, 2, .tied = true), false},
    {"qwen2moe", MODEL("qwen2moe", 2, 4, .keys = qwen2moe), false},
    {"qwen3", MODEL("qwen3", 2, 2, .keys = qwen3), false},
    {"qwen3moe", MODEL("qwen3moe", 2, 2, .keys = qwen3moe), false},
    {"gemma", MODEL("gemma", 2, 1, .keys = gemma, .tied = true), false},
    {"gemma2", MODEL("gemma2", 3, 2, .keys = gemma2, .tied = true), false},
    {"gemma3", MODEL("gemma3", 7, 2, .keys = gemma3, .tied = true), false},
    {"phi3", MODEL("phi3", 2, 2, .keys = phi3, .fused_qkv = true), false},
    {"phi3-window", MODEL("phi3", 2, 2, .keys = phi3_window, .fused_qkv = true), true},
    {"phi3-longrope",
     MODEL("phi3", 2, 2, .keys = phi3_longrope, .rope_lengths = true, .fused_qkv = true), false},
    {"phi3-shortrope",
     MODEL("phi3", 2, 2, .keys = phi3_shortrope, .rope_lengths = true, .fused_qkv = true), false},
    {"olmo2", MODEL("olmo2", 2, 2), false},
    {"olmo3", MODEL("olmo2", 4, 2, .keys = olmo3), false},
    {"gpt2", MODEL("gpt2", 2, 4, .fused_qkv = true, .optional = true, .tied = true), false},
    {"stablelm", MODEL("stablelm", 2, 2, .keys = stablelm, .optional = true), false},
    {"stablelm-parallel", MODEL("stablelm", 2, 4, .keys = stablelm), false},
    {"starcoder2", MODEL("starcoder2", 2, 2, .tied = true), false},
    {"falcon", MODEL("falcon", 2, 1, .fused_qkv = true), false},
    {"falcon-two-norms", MODEL("falcon", 2, 2, .fused_qkv = true, .optional = true), false},
    {"command-r", MODEL("command-r", 2, 2, .keys = command_r, .tied = true), false},
    {"command-r-plus", MODEL("command-r", 64, 2, .keys = command_r, .tied = true, .optional = true),
     false},
    {"gpt-oss", MODEL("gpt-oss", 3, 2, .keys = gpt_oss), false},
    {"bitnet", MODEL("bitnet", 2, 2, .tied = true), false},
    {"bitnet-scales", MODEL("bitnet", 2, 2, .tied = true, .scales = true), false},
    {"bitnet-relu2", MODEL("bitnet", 2, 2, .tied = true, .keys = bitnet_relu2), true},
    {"bitnet-25", MODEL("bitnet-25", 2, 2, .tied = true), true},
    {"bitnet-b1.58", MODEL("bitnet-b1.58", 2, 2, .tied = true), true},
};
#undef MODEL

size_t arch_rows(const arch_row **out)
{
    *out = rows;
    return countof(rows);
}

static void add_vocabulary(void *arg, nb_kvs *kvs)
{
    (void)arg;
    put_vocabulary(kvs);
}

static bool keep(void *arg, nb_tensor *t, float *values)
{
    const arch_row *row = arg;
    (void)values;
    if (strcmp(row->model.arch, "command-r") == 0) /* no biases; q and k norms from 64 layers on */
        return !strstr(t->name, ".bias") && !strstr(t->name, "norm_2");
    if (strcmp(row->model.arch, "falcon") == 0)
        return !strstr(t->name, "attn_qkv.bias");
    if (strcmp(row->model.arch, "stablelm") == 0) /* only q, k and v may have biases */
        return !strstr(t->name, "_output.bias") && !strstr(t->name, "gate.bias") &&
               !strstr(t->name, "up.bias") && !strstr(t->name, "down.bias");
    return true;
}

void arch_row_write(const char *path, const arch_row *row, nk_type_id type)
{
    arch_row copy = *row;
    tiny_hooks hooks = {.keys = add_vocabulary, .tensor = keep, .arg = &copy};
    copy.model.type = type;
    tiny_write(path, &copy.model, &hooks);
}
