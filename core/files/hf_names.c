/* Hugging Face tensor names -> GGUF names and what becomes of the rows (quant.md 2.2; llama.cpp @
 * 2bbcf7f, gguf-py/gguf/tensor_mapping.py and conversion/NAME.py). One table per family of
 * spellings; a class names those it uses, the narrower first. */
#include "core/files/hf_private.h"

#include <stdio.h>
#include <string.h>

#define IN "model.layers.%."
#define H  "transformer.h.%."
#define B  "blk.%."

/* Llama's spelling, which most families share. */
const nb_hf_name nb_hf_names_llama[] = {{"model.embed_tokens", "token_embd", NB_HF_VOCAB},
                                        {"model.norm", "output_norm", 0},
                                        {"lm_head", "output", 0},
                                        {IN "input_layernorm", B "attn_norm", 0},
                                        {IN "self_attn.q_proj", B "attn_q", NB_HF_Q | NB_HF_LINEAR},
                                        {IN "self_attn.k_proj", B "attn_k", NB_HF_K | NB_HF_LINEAR},
                                        {IN "self_attn.v_proj", B "attn_v", NB_HF_LINEAR},
                                        {IN "self_attn.o_proj", B "attn_output", NB_HF_LINEAR},
                                        {IN "self_attn.q_norm", B "attn_q_norm", 0},
                                        {IN "self_attn.k_norm", B "attn_k_norm", 0},
                                        {IN "post_attention_layernorm", B "ffn_norm", 0},
                                        {IN "mlp.gate_proj", B "ffn_gate", NB_HF_LINEAR},
                                        {IN "mlp.up_proj", B "ffn_up", NB_HF_LINEAR},
                                        {IN "mlp.down_proj", B "ffn_down", NB_HF_LINEAR},
                                        {0}};

const nb_hf_name nb_hf_names_mixtral[] = {
    {IN "block_sparse_moe.gate", B "ffn_gate_inp", NB_HF_ALWAYS_F32},
    {IN "block_sparse_moe.experts.#.w1", B "ffn_gate_exps", 0},
    {IN "block_sparse_moe.experts.#.w2", B "ffn_down_exps", 0},
    {IN "block_sparse_moe.experts.#.w3", B "ffn_up_exps", 0},
    {0}};

/* Experts one by one, or stacked with gate and up fused (transformers 5). */
const nb_hf_name nb_hf_names_qwen_moe[] = {
    {IN "mlp.gate", B "ffn_gate_inp", NB_HF_ALWAYS_F32},
    {IN "mlp.experts.#.gate_proj", B "ffn_gate_exps", 0},
    {IN "mlp.experts.#.up_proj", B "ffn_up_exps", 0},
    {IN "mlp.experts.#.down_proj", B "ffn_down_exps", 0},
    {IN "mlp.experts.gate_up_proj", B "ffn_gate_exps.weight", NB_HF_WHOLE | NB_HF_FIRST},
    {IN "mlp.experts.gate_up_proj", B "ffn_up_exps.weight", NB_HF_WHOLE | NB_HF_SECOND},
    {IN "mlp.experts.down_proj", B "ffn_down_exps.weight", NB_HF_WHOLE},
    {IN "mlp.shared_expert.gate_proj", B "ffn_gate_shexp", 0},
    {IN "mlp.shared_expert.up_proj", B "ffn_up_shexp", 0},
    {IN "mlp.shared_expert.down_proj", B "ffn_down_shexp", 0},
    {IN "mlp.shared_expert_gate", B "ffn_gate_inp_shexp", NB_HF_ALWAYS_F32},
    {0}};

const nb_hf_name nb_hf_names_granite_moe[] = {
    {IN "block_sparse_moe.router.layer", B "ffn_gate_inp", NB_HF_ALWAYS_F32},
    {IN "block_sparse_moe.input_linear", B "ffn_gate_exps", NB_HF_FIRST},
    {IN "block_sparse_moe.input_linear", B "ffn_up_exps", NB_HF_SECOND},
    {IN "block_sparse_moe.output_linear", B "ffn_down_exps", 0},
    {IN "shared_mlp.input_linear", B "ffn_gate_shexp", NB_HF_FIRST},
    {IN "shared_mlp.input_linear", B "ffn_up_shexp", NB_HF_SECOND},
    {IN "shared_mlp.output_linear", B "ffn_down_shexp", 0},
    {0}};

/* The output is tied, a stored copy of it is left out. */
const nb_hf_name nb_hf_names_gemma[] = {{"lm_head", "", NB_HF_DROP}, {0}};

/* Norms behind attention and feed-forward. */
const nb_hf_name nb_hf_names_post_norm[] = {
    {IN "post_attention_layernorm", B "post_attention_norm", 0},
    {IN "pre_feedforward_layernorm", B "ffn_norm", 0},
    {IN "post_feedforward_layernorm", B "post_ffw_norm", 0},
    {0}};

const nb_hf_name nb_hf_names_phi3[] = {
    {IN "self_attn.qkv_proj", B "attn_qkv", 0}, {IN "mlp.gate_up_proj", B "ffn_up", 0}, {0}};

/* Linear layers are Conv1D, stored [in, out]; older files have no "transformer.". */
const nb_hf_name nb_hf_names_gpt2[] = {
    {"transformer.wte", "token_embd", NB_HF_VOCAB},
    {"transformer.wpe", "position_embd", NB_HF_ALWAYS_F32},
    {"transformer.ln_f", "output_norm", 0},
    {"lm_head", "output", 0},
    {H "ln_1", B "attn_norm", 0},
    {H "attn.c_attn", B "attn_qkv", NB_HF_TURNED},
    {H "attn.c_proj", B "attn_output", NB_HF_TURNED},
    {H "ln_2", B "ffn_norm", 0},
    {H "mlp.c_fc", B "ffn_up", NB_HF_TURNED},
    {H "mlp.c_proj", B "ffn_down", NB_HF_TURNED},
    {H "attn.bias", "", NB_HF_DROP | NB_HF_WHOLE}, /* the causal mask */
    {H "attn.masked_bias", "", NB_HF_DROP | NB_HF_WHOLE},
    {0}};

/* Norms of q and k, one per head, become one tensor. */
const nb_hf_name nb_hf_names_stablelm[] = {
    {IN "self_attn.q_layernorm.norms.#", B "attn_q_norm", NB_HF_STACK_HEADS},
    {IN "self_attn.k_layernorm.norms.#", B "attn_k_norm", NB_HF_STACK_KV_HEADS},
    {0}};

const nb_hf_name nb_hf_names_starcoder2[] = {
    {IN "mlp.c_fc", B "ffn_up", 0}, {IN "mlp.c_proj", B "ffn_down", 0}, {0}};

/* 7B has input_layernorm, 40B ln_mlp and ln_attn. */
const nb_hf_name nb_hf_names_falcon[] = {
    {"transformer.word_embeddings", "token_embd", NB_HF_VOCAB},
    {"transformer.ln_f", "output_norm", 0},
    {"lm_head", "output", 0},
    {H "input_layernorm", B "attn_norm", 0},
    {H "ln_mlp", B "attn_norm", 0},
    {H "ln_attn", B "attn_norm_2", 0},
    {H "self_attention.query_key_value", B "attn_qkv", NB_HF_FALCON},
    {H "self_attention.dense", B "attn_output", 0},
    {H "mlp.dense_h_to_4h", B "ffn_up", 0},
    {H "mlp.dense_4h_to_h", B "ffn_down", 0},
    {0}};

/* Experts stacked, stored [in, out], gate and up in turns. */
const nb_hf_name nb_hf_names_gpt_oss[] = {
    {IN "post_attention_layernorm", B "post_attention_norm", 0},
    {IN "self_attn.sinks", B "attn_sinks.weight", NB_HF_WHOLE},
    {IN "mlp.router", B "ffn_gate_inp", NB_HF_ALWAYS_F32},
    {IN "mlp.experts.gate_up_proj", B "ffn_gate_exps.weight",
     NB_HF_WHOLE | NB_HF_TURNED | NB_HF_EVEN},
    {IN "mlp.experts.gate_up_proj", B "ffn_up_exps.weight", NB_HF_WHOLE | NB_HF_TURNED | NB_HF_ODD},
    {IN "mlp.experts.down_proj", B "ffn_down_exps.weight", NB_HF_WHOLE | NB_HF_TURNED},
    {IN "mlp.experts.gate_up_proj_bias", B "ffn_gate_exps.bias",
     NB_HF_WHOLE | NB_HF_EVEN | NB_HF_ALWAYS_F32},
    {IN "mlp.experts.gate_up_proj_bias", B "ffn_up_exps.bias",
     NB_HF_WHOLE | NB_HF_ODD | NB_HF_ALWAYS_F32},
    {IN "mlp.experts.down_proj_bias", B "ffn_down_exps.bias", NB_HF_WHOLE | NB_HF_ALWAYS_F32},
    {0}};

/* Spelled by 1bitLLM's code and by transformers'. */
const nb_hf_name nb_hf_names_bitnet[] = {{IN "self_attn.inner_attn_ln", B "attn_sub_norm", 0},
                                         {IN "self_attn.attn_sub_norm", B "attn_sub_norm", 0},
                                         {IN "mlp.ffn_layernorm", B "ffn_sub_norm", 0},
                                         {IN "mlp.ffn_sub_norm", B "ffn_sub_norm", 0},
                                         {0}};

/* --- matching -----------------------------------------------------------------------------------
 */

typedef struct numbers {
    uint32_t layer, index; /* UINT32_MAX: not in the name */
} numbers;

/* Up to five digits at *s. */
static bool take_number(const char **s, const char *end, uint32_t *out)
{
    uint32_t n = 0, digits = 0;
    for (; *s < end && **s >= '0' && **s <= '9' && digits < 5; (*s)++, digits++)
        n = n * 10 + (uint32_t)(**s - '0');
    *out = n;
    return digits > 0;
}

static bool matches(const char *pattern, const char *s, const char *end, numbers *n)
{
    *n = (numbers){UINT32_MAX, UINT32_MAX};
    for (; *pattern; pattern++) {
        if (*pattern == '%' || *pattern == '#') {
            if (!take_number(&s, end, *pattern == '%' ? &n->layer : &n->index))
                return false;
        } else if (s == end || *s++ != *pattern) {
            return false;
        }
    }
    return s == end;
}

/* Writes a GGUF name with its layer, of five digits at most, and suffix: far below NB_MAX_NAME. */
static void spell(char out[NB_MAX_NAME + 1], const char *gguf, uint32_t layer, const char *suffix)
{
    const char *at = strchr(gguf, '%');
    if (at)
        snprintf(out, NB_MAX_NAME + 1, "%.*s%u%s%s", (int)(at - gguf), gguf, layer, at + 1, suffix);
    else
        snprintf(out, NB_MAX_NAME + 1, "%s%s", gguf, suffix);
}

/* Ends of names that no GGUF file holds, and towers of models that see and hear (llama.cpp,
 * conversion/base.py filter_tensors). */
static bool is_left_out(const char *name)
{
    static const char *const start[] = {"vision_tower.", "multi_modal_projector.",
                                        "model.vision_tower.", "model.multi_modal_projector."};
    static const char *const tail[] = {".attention.masked_bias", ".attention.bias",
                                       ".rotary_emb.inv_freq"};
    size_t n = strlen(name);
    for (size_t i = 0; i < countof(start); i++)
        if (strncmp(name, start[i], strlen(start[i])) == 0)
            return true;
    for (size_t i = 0; i < countof(tail); i++)
        if (n > strlen(tail[i]) && strcmp(name + n - strlen(tail[i]), tail[i]) == 0)
            return true;
    return false;
}

/* The name as a text model has it: "language_model.model.x" and "model.language_model.x" are
 * model.x, "h.0.x" and "wte" of old GPT-2 files transformer.h.0.x. False: too long. */
static bool plain_name(const nb_hf_class *c, const char *name, char *out, size_t cap)
{
    static const char inner[] = "language_model.";
    static const char *const bare[] = {"h.", "wte.", "wpe.", "ln_f."};
    const char *at = strstr(name, inner), *prefix = "";
    size_t head = at ? (size_t)(at - name) : 0;
    for (size_t i = 0; i < countof(bare) && c->names[0] == nb_hf_names_gpt2; i++)
        if (strncmp(name, bare[i], strlen(bare[i])) == 0)
            prefix = "transformer.";
    int n =
        snprintf(out, cap, "%s%.*s%s", prefix, (int)head, name, at ? at + sizeof inner - 1 : name);
    return n >= 0 && (size_t)n < cap;
}

typedef struct found {
    nb_hf_place *at; /* [NB_HF_PLACES] */
    size_t n;
    bool drop;
} found;

/* All rows of one table that the name fits. */
static void search(const nb_hf_name *row, const char *name, found *f)
{
    const char *end = name + strlen(name), *dot = strrchr(name, '.');
    bool suffix = dot && (strcmp(dot, ".weight") == 0 || strcmp(dot, ".bias") == 0);
    for (; row->hf; row++) {
        numbers n;
        bool whole = row->how & NB_HF_WHOLE;
        /* a complete name may end in .weight all the same */
        if (!(whole && matches(row->hf, name, end, &n)) &&
            !(suffix && (!whole || strcmp(dot, ".weight") == 0) && matches(row->hf, name, dot, &n)))
            continue;
        if (row->how & NB_HF_DROP) {
            f->drop = true;
            return;
        }
        nb_hf_place *p = &f->at[f->n];
        spell(p->name, row->gguf, n.layer, whole ? "" : dot);
        p->how = row->how;
        p->index = n.index;
        if (++f->n == NB_HF_PLACES)
            return;
    }
}

nb_status nb_hf_places(const nb_hf_class *c, const char *stored, nb_hf_place out[NB_HF_PLACES],
                       size_t *n, nb_err *err)
{
    char name[512];
    found f = {.at = out};
    *n = 0;
    if (is_left_out(stored))
        return NB_OK;
    if (!plain_name(c, stored, name, sizeof name))
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%.80s...\" has no place in a %s model",
                       stored, c->gguf);
    for (size_t i = 0; i < NB_HF_TABLES && c->names[i] && f.n == 0 && !f.drop; i++)
        search(c->names[i], name, &f);
    if (f.n == 0 && !f.drop)
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%.120s\" has no place in a %s model", stored,
                       c->gguf);
    *n = f.n;
    return NB_OK;
}
