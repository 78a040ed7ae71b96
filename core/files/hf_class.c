/* The classes of Hugging Face models that nibble knows: one row each. Facts: llama.cpp's converter
 * (conversion/NAME.py @ 2bbcf7f, before 2026 convert_hf_to_gguf.py) and transformers' configuration
 * classes for what a config.json leaves out. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/files/hf_private.h"

/* --- keys of one family -------------------------------------------------------------------------
 */

static const nb_hf_key granite_keys[] = {
    {"attention.scale", "attention_multiplier", NB_HF_F32, NB_HF_TRUTHY, 0, 1e6},
    {"embedding_scale", "embedding_multiplier", NB_HF_F32, NB_HF_TRUTHY, 0, 1e6},
    {"residual_scale", "residual_multiplier", NB_HF_F32, NB_HF_TRUTHY, 0, 1e6},
    {"logit_scale", "logits_scaling", NB_HF_F32, NB_HF_TRUTHY, 0, 1e6},
    {"expert_shared_feed_forward_length", "shared_intermediate_size", NB_HF_U32, NB_HF_TRUTHY, 0,
     1 << 20},
    {0}};
static const nb_hf_key qwen_moe_keys[] = {
    {"expert_feed_forward_length", "moe_intermediate_size", NB_HF_U32, NB_HF_MAY, 1, 1 << 20},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size", NB_HF_U32, NB_HF_MAY,
     1, 1 << 20},
    {0}};
static const nb_hf_key gemma2_keys[] = {
    {"attn_logit_softcapping", "attn_logit_softcapping", NB_HF_F32, NB_HF_NEED, 1e-3, 1e6},
    {"final_logit_softcapping", "final_logit_softcapping", NB_HF_F32, NB_HF_NEED, 1e-3, 1e6},
    {"attention.sliding_window", "sliding_window", NB_HF_U32, NB_HF_NEED, 0, 1 << 30},
    {0}};
static const nb_hf_key gemma3_keys[] = {
    {"final_logit_softcapping", "final_logit_softcapping", NB_HF_F32, NB_HF_TRUTHY, 0, 1e6}, {0}};
static const nb_hf_key cohere_keys[] = {
    {"logit_scale", "logit_scale", NB_HF_F32, NB_HF_NEED, 1e-9, 1e6}, {0}};
static const nb_hf_key gpt_oss_keys[] = {
    {"attention.sliding_window", "sliding_window", NB_HF_U32, NB_HF_NEED, 0, 1 << 30},
    {"expert_feed_forward_length", "intermediate_size", NB_HF_U32, NB_HF_NEED, 1, 1 << 20},
    {0}};

/* --- what configuration classes assume -----------------------------------------------------------
 */

static const nb_hf_default llama_defaults[] = {{"rms_norm_eps", 1e-6}, {"rope_theta", 1e4}, {0}};
static const nb_hf_default mistral_defaults[] = {
    {"rms_norm_eps", 1e-6}, {"rope_theta", 1e4}, {"num_key_value_heads", 8}, {0}};
static const nb_hf_default mixtral_defaults[] = {
    {"rms_norm_eps", 1e-5},   {"rope_theta", 1e6},        {"num_key_value_heads", 8},
    {"num_local_experts", 8}, {"num_experts_per_tok", 2}, {0}};
static const nb_hf_default smollm3_defaults[] = {
    {"rms_norm_eps", 1e-6}, {"rope_theta", 2e6}, {"num_key_value_heads", 4}, {0}};
static const nb_hf_default granite_moe_defaults[] = {{"rms_norm_eps", 1e-6},
                                                     {"rope_theta", 1e4},
                                                     {"num_local_experts", 8},
                                                     {"num_experts_per_tok", 2},
                                                     {0}};
static const nb_hf_default qwen2_defaults[] = {
    {"rms_norm_eps", 1e-6}, {"rope_theta", 1e4}, {"num_key_value_heads", 32}, {0}};
static const nb_hf_default qwen2_moe_defaults[] = {{"rms_norm_eps", 1e-6},
                                                   {"rope_theta", 1e4},
                                                   {"num_key_value_heads", 16},
                                                   {"num_experts", 60},
                                                   {"num_experts_per_tok", 4},
                                                   {"moe_intermediate_size", 1408},
                                                   {"shared_expert_intermediate_size", 5632},
                                                   {0}};
static const nb_hf_default qwen3_defaults[] = {{"rms_norm_eps", 1e-6},
                                               {"rope_theta", 1e4},
                                               {"num_key_value_heads", 32},
                                               {"head_dim", 128},
                                               {0}};
static const nb_hf_default qwen3_moe_defaults[] = {{"rms_norm_eps", 1e-6},
                                                   {"rope_theta", 1e4},
                                                   {"num_key_value_heads", 4},
                                                   {"num_experts", 128},
                                                   {"num_experts_per_tok", 8},
                                                   {"moe_intermediate_size", 768},
                                                   {0}};
static const nb_hf_default gemma_defaults[] = {
    {"rms_norm_eps", 1e-6}, {"rope_theta", 1e4}, {"head_dim", 256}, {0}};
static const nb_hf_default gemma2_defaults[] = {{"rms_norm_eps", 1e-6},
                                                {"rope_theta", 1e4},
                                                {"head_dim", 256},
                                                {"num_key_value_heads", 4},
                                                {"attn_logit_softcapping", 50},
                                                {"final_logit_softcapping", 30},
                                                {"sliding_window", 4096},
                                                {0}};
static const nb_hf_default gemma3_defaults[] = {
    {"rms_norm_eps", 1e-6},        {"rope_theta", 1e6},        {"head_dim", 256},
    {"num_key_value_heads", 4},    {"num_attention_heads", 8}, {"max_position_embeddings", 131072},
    {"rope_local_base_freq", 1e4}, {"sliding_window", 4096},   {"hidden_size", 2304},
    {"intermediate_size", 9216},   {"num_hidden_layers", 26},  {0}};
static const nb_hf_default phi3_defaults[] = {{"rms_norm_eps", 1e-5},
                                              {"rope_theta", 1e4},
                                              {"partial_rotary_factor", 1},
                                              {"original_max_position_embeddings", 4096},
                                              {0}};
static const nb_hf_default olmo2_defaults[] = {{"rms_norm_eps", 1e-5}, {"rope_theta", 1e4}, {0}};
static const nb_hf_default gpt2_defaults[] = {{"layer_norm_epsilon", 1e-5}, {"n_ctx", 1024}, {0}};
static const nb_hf_default stablelm_defaults[] = {
    {"layer_norm_eps", 1e-5}, {"rope_theta", 1e4}, {"partial_rotary_factor", 0.25}, {0}};
static const nb_hf_default starcoder2_defaults[] = {
    {"norm_epsilon", 1e-5}, {"rope_theta", 1e4}, {"num_key_value_heads", 2}, {0}};
static const nb_hf_default falcon_defaults[] = {
    {"layer_norm_epsilon", 1e-5}, {"rope_theta", 1e4}, {"max_position_embeddings", 2048}, {0}};
static const nb_hf_default cohere_defaults[] = {
    {"layer_norm_eps", 1e-5}, {"rope_theta", 1e4}, {"logit_scale", 0.0625}, {0}};
static const nb_hf_default gpt_oss_defaults[] = {{"rms_norm_eps", 1e-5},
                                                 {"rope_theta", 150000},
                                                 {"num_key_value_heads", 8},
                                                 {"head_dim", 64},
                                                 {"num_local_experts", 128},
                                                 {"num_experts_per_tok", 4},
                                                 {"sliding_window", 128},
                                                 {"max_position_embeddings", 131072},
                                                 {0}};
static const nb_hf_default bitnet_defaults[] = {{"rms_norm_eps", 1e-5}, {"rope_theta", 1e4}, {0}};

/* --- classes ------------------------------------------------------------------------------------
 */

enum {
    LLAMA = NB_HF_PERMUTES | NB_HF_ROPE_DIMS,
    GEMMA = NB_HF_NORM_PLUS_1 | NB_HF_HEAD_DIM | NB_HF_NO_SPACE,
};

static const nb_hf_class classes[] = {
    {"LlamaForCausalLM|LLaMAForCausalLM",
     "llama",
     LLAMA | NB_HF_HEAD_DIM,
     NULL,
     llama_defaults,
     {nb_hf_names_llama},
     NULL},
    {"MistralForCausalLM",
     "llama",
     LLAMA | NB_HF_HEAD_DIM,
     NULL,
     mistral_defaults,
     {nb_hf_names_llama},
     nb_hf_extra_window},
    {"MixtralForCausalLM",
     "llama",
     LLAMA,
     NULL,
     mixtral_defaults,
     {nb_hf_names_mixtral, nb_hf_names_llama},
     nb_hf_extra_window},
    {"SmolLM3ForCausalLM",
     "smollm3",
     LLAMA,
     NULL,
     smollm3_defaults,
     {nb_hf_names_llama},
     nb_hf_extra_smollm3},
    {"GraniteForCausalLM",
     "granite",
     LLAMA | NB_HF_NO_HEAD_DIM,
     granite_keys,
     llama_defaults,
     {nb_hf_names_llama},
     nb_hf_extra_granite},
    {"GraniteMoeForCausalLM",
     "granitemoe",
     LLAMA | NB_HF_NO_HEAD_DIM,
     granite_keys,
     granite_moe_defaults,
     {nb_hf_names_granite_moe, nb_hf_names_llama},
     nb_hf_extra_granite},
    {"Qwen2ForCausalLM", "qwen2", 0, NULL, qwen2_defaults, {nb_hf_names_llama}, NULL},
    {"Qwen2MoeForCausalLM",
     "qwen2moe",
     0,
     qwen_moe_keys,
     qwen2_moe_defaults,
     {nb_hf_names_qwen_moe, nb_hf_names_llama},
     NULL},
    {"Qwen3ForCausalLM", "qwen3", 0, NULL, qwen3_defaults, {nb_hf_names_llama}, NULL},
    {"Qwen3MoeForCausalLM",
     "qwen3moe",
     0,
     qwen_moe_keys,
     qwen3_moe_defaults,
     {nb_hf_names_qwen_moe, nb_hf_names_llama},
     NULL},
    {"GemmaForCausalLM",
     "gemma",
     GEMMA | NB_HF_BASE_IMPLIED | NB_HF_CODE_GEMMA,
     NULL,
     gemma_defaults,
     {nb_hf_names_gemma, nb_hf_names_llama},
     NULL},
    {"Gemma2ForCausalLM",
     "gemma2",
     GEMMA | NB_HF_BASE_IMPLIED,
     gemma2_keys,
     gemma2_defaults,
     {nb_hf_names_gemma, nb_hf_names_post_norm, nb_hf_names_llama},
     NULL},
    {"Gemma3ForCausalLM|Gemma3ForConditionalGeneration",
     "gemma3",
     GEMMA | NB_HF_TRIMS,
     gemma3_keys,
     gemma3_defaults,
     {nb_hf_names_gemma, nb_hf_names_post_norm, nb_hf_names_llama},
     nb_hf_extra_gemma3},
    {"Phi3ForCausalLM",
     "phi3",
     NB_HF_OWN_ROPE | NB_HF_PLAIN_ADDED,
     NULL,
     phi3_defaults,
     {nb_hf_names_phi3, nb_hf_names_llama},
     nb_hf_extra_phi3},
    {"Olmo2ForCausalLM",
     "olmo2",
     0,
     NULL,
     olmo2_defaults,
     {nb_hf_names_post_norm, nb_hf_names_llama},
     NULL},
    {"GPT2LMHeadModel",
     "gpt2",
     NB_HF_OWN_ROPE | NB_HF_FOURFOLD,
     NULL,
     gpt2_defaults,
     {nb_hf_names_gpt2},
     nb_hf_extra_gpt2},
    {"StableLmForCausalLM",
     "stablelm",
     NB_HF_BASE_IMPLIED,
     NULL,
     stablelm_defaults,
     {nb_hf_names_stablelm, nb_hf_names_llama},
     nb_hf_extra_stablelm},
    {"StableLMEpochForCausalLM",
     "stablelm",
     NB_HF_BASE_IMPLIED,
     NULL,
     stablelm_defaults,
     {nb_hf_names_stablelm, nb_hf_names_llama},
     nb_hf_extra_stablelm_epoch},
    {"Starcoder2ForCausalLM",
     "starcoder2",
     0,
     NULL,
     starcoder2_defaults,
     {nb_hf_names_starcoder2, nb_hf_names_llama},
     nb_hf_extra_window},
    {"FalconForCausalLM|RWForCausalLM",
     "falcon",
     NB_HF_BASE_IMPLIED | NB_HF_FOURFOLD,
     NULL,
     falcon_defaults,
     {nb_hf_names_falcon},
     nb_hf_extra_falcon},
    {"CohereForCausalLM",
     "command-r",
     0,
     cohere_keys,
     cohere_defaults,
     {nb_hf_names_llama},
     nb_hf_extra_cohere},
    {"GptOssForCausalLM",
     "gpt-oss",
     0,
     gpt_oss_keys,
     gpt_oss_defaults,
     {nb_hf_names_gpt_oss, nb_hf_names_llama},
     NULL},
    /* Microsoft's 2B4T, squared relu: the name its own GGUF files bear */
    {"BitNetForCausalLM",
     "bitnet-b1.58",
     NB_HF_IS_TERNARY,
     NULL,
     bitnet_defaults,
     {nb_hf_names_bitnet, nb_hf_names_llama},
     nb_hf_extra_bitnet},
    {"BitnetForCausalLM",
     "bitnet",
     NB_HF_IS_TERNARY,
     NULL,
     bitnet_defaults,
     {nb_hf_names_bitnet, nb_hf_names_llama},
     nb_hf_extra_bitnet},
};

/* Whether "a|b|c" has the word. */
static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = words; *at; at += *at == '|') {
        size_t len = strcspn(at, "|");
        if (len == n && memcmp(at, word, n) == 0)
            return true;
        at += len;
    }
    return false;
}

const nb_hf_class *nb_hf_class_find(const char *class_name)
{
    for (size_t i = 0; i < countof(classes); i++)
        if (has_word(classes[i].classes, class_name))
            return &classes[i];
    return NULL;
}

const nb_hf_class *nb_hf_class_of_arch(const char *gguf_arch)
{
    for (size_t i = 0; i < countof(classes); i++)
        if (strcmp(classes[i].gguf, gguf_arch) == 0)
            return &classes[i];
    return NULL;
}

bool nb_hf_runs(const char *gguf_arch)
{
    static const char *const only_gguf[] = {"bitnet-25", "bitnet-b1.58"}; /* Microsoft's files */
    for (size_t i = 0; i < countof(only_gguf); i++)
        if (strcmp(only_gguf[i], gguf_arch) == 0)
            return true;
    return nb_hf_class_of_arch(gguf_arch) != NULL;
}

/* "Llama" of "LlamaForCausalLM|LLaMAForCausalLM": what people call it. */
static size_t family_length(const char *names)
{
    static const char *const tail[] = {"ForCausalLM", "LMHeadModel"};
    size_t n = strcspn(names, "|");
    for (size_t i = 0; i < countof(tail); i++) {
        const char *at = strstr(names, tail[i]);
        if (at && (size_t)(at - names) < n)
            n = (size_t)(at - names);
    }
    return n;
}

/* "Qwen2Moe" after "Qwen2" tells nothing new, "Gemma2" after "Gemma" does. */
static bool is_variant(const char *names, const char *of)
{
    size_t n = family_length(of);
    return strncasecmp(names, of, n) == 0 && !isdigit((unsigned char)names[n]);
}

void nb_hf_class_list(char *out, size_t cap)
{
    const char *last = NULL;
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < countof(classes) && n < cap; i++) {
        const char *names = classes[i].classes;
        if (last && is_variant(names, last))
            continue;
        n += (size_t)snprintf(out + n, cap - n, "%s%.*s", last ? " " : "",
                              (int)family_length(names), names);
        last = names;
    }
}
