/* What the key rows of a class cannot say: arithmetic, and refusals of what GGUF's side of the
 * architecture cannot express (llama.cpp @ 2bbcf7f, conversion/NAME.py and src/models). */
#include <stdio.h>
#include <string.h>

#include "core/files/hf_private.h"

static nb_status put_bool(nb_hf_config *c, const char *suffix, bool v)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", c->class->gguf, suffix);
    return nb_kvs_put_bool(c->kvs, key, v, c->err);
}

static bool is_true(const nb_hf_config *c, const char *name)
{
    bool v = false;
    return nb_jbool(nb_hf_get(c, name), &v) && v;
}

/* Layers without rope are every fourth: the architecture says so, no key does. */
nb_status nb_hf_extra_smollm3(nb_hf_config *c)
{
    const nb_jval *list = nb_hf_get(c, "no_rope_layers");
    double every = 4;
    bool found;
    NB_TRY(nb_hf_number(c, "no_rope_layer_interval", 1, 1024, &every, &found));
    bool usual = list || every == 4;
    int64_t i = 0, rotates;
    for (const nb_jval *v = nb_jfirst(list); v; v = nb_jnext(v))
        usual = usual && nb_jint(v, &rotates) && (rotates != 0) == (++i % 4 != 0);
    if (!usual)
        return nb_fail(c->err, NB_UNSUPPORTED,
                       "%s/config.json: no_rope_layers: only every fourth is supported", c->dir);
    return NB_OK;
}

/* A mixture's experts share what the key rows found; a plain Granite must not name any. */
nb_status nb_hf_extra_granite(nb_hf_config *c)
{
    if (strcmp(c->class->gguf, "granite") == 0 && nb_hf_get(c, "num_local_experts"))
        return nb_fail(c->err, NB_UNSUPPORTED,
                       "%s/config.json: GraniteForCausalLM with experts is not supported", c->dir);
    return NB_OK;
}

/* All layers look back only so far: null is no window, and where the member is missing Mistral's
 * class has one of 4,096 (transformers, configuration_mistral.py, _mixtral.py, _starcoder2.py).
 * llama.cpp's converter leaves the key out and its graphs of these architectures have no window: it
 * passes over the key, and its own files, without it, run here as they do there. */
nb_status nb_hf_extra_window(nb_hf_config *c)
{
    static const char name[] = "sliding_window";
    bool found = nb_jget(c->text, name) || nb_jget(c->root, name);
    double window = found || strcmp(c->class->classes, "MistralForCausalLM") != 0 ? 0 : 4096;
    NB_TRY(nb_hf_number(c, name, 0, 1 << 30, &window, &found));
    return window > 0 ? nb_hf_put_u32(c, "attention.sliding_window", (int64_t)window) : NB_OK;
}

nb_status nb_hf_extra_gemma3(nb_hf_config *c)
{
    double pattern = 6, window = 0;
    bool found;
    if (nb_hf_get(c, "attn_logit_softcapping"))
        return nb_fail(c->err, NB_UNSUPPORTED,
                       "%s/config.json: attn_logit_softcapping is not supported for gemma3",
                       c->dir);
    NB_TRY(nb_hf_number(c, "sliding_window_pattern|_sliding_window_pattern", 1, 1024, &pattern,
                        &found));
    if (pattern == 1)
        return NB_OK;
    NB_TRY(nb_hf_number(c, "sliding_window", 0, 1 << 30, &window, &found));
    return nb_hf_put_u32(c, "attention.sliding_window", (int64_t)window);
}

nb_status nb_hf_extra_gpt2(nb_hf_config *c)
{
    if (is_true(c, "scale_attn_by_inverse_layer_idx"))
        return nb_fail(c->err, NB_UNSUPPORTED,
                       "%s/config.json: scale_attn_by_inverse_layer_idx is not supported", c->dir);
    nb_kvs_drop(c->kvs, "gpt2.attention.head_count_kv"); /* as the converter: never written */
    return NB_OK;
}

static nb_status stablelm(nb_hf_config *c, bool parallel)
{
    double part = 0.25;
    bool found;
    nb_jbool(nb_hf_get(c, "use_parallel_residual"), &parallel);
    NB_TRY(nb_hf_number(c, "partial_rotary_factor|rope_pct", 1e-3, 1, &part, &found));
    NB_TRY(nb_hf_put_u32(c, "rope.dimension_count", (int64_t)(part * (double)c->head_dim)));
    return put_bool(c, "use_parallel_residual", parallel);
}

nb_status nb_hf_extra_stablelm(nb_hf_config *c)
{
    return stablelm(c, false);
}

/* Stability's own code, before transformers had a class: parallel unless told otherwise. */
nb_status nb_hf_extra_stablelm_epoch(nb_hf_config *c)
{
    return stablelm(c, true);
}

/* Multi-query models have one key/value head, whatever num_kv_heads says
 * (transformers, configuration_falcon.py and modeling_falcon.py). */
nb_status nb_hf_extra_falcon(nb_hf_config *c)
{
    bool many = true, found;
    double kv = (double)c->heads;
    nb_jbool(nb_hf_get(c, "multi_query"), &many);
    if (is_true(c, "alibi"))
        return nb_fail(c->err, NB_UNSUPPORTED, "%s/config.json: alibi is not supported for falcon",
                       c->dir);
    if (is_true(c, "new_decoder_architecture") ||
        nb_hf_get(c, "n_head_kv")) /* RWForCausalLM's word */
        NB_TRY(nb_hf_number(c, "num_kv_heads|n_head_kv", 1, (double)c->heads, &kv, &found));
    else if (many)
        kv = 1;
    c->heads_kv = (int64_t)kv;
    if (c->heads % c->heads_kv != 0)
        return nb_fail(c->err, NB_FORMAT, "%s/config.json: %lld heads over %lld key/value heads",
                       c->dir, (long long)c->heads, (long long)c->heads_kv);
    NB_TRY(nb_hf_put_u32(c, "attention.head_count_kv", c->heads_kv));
    return nb_hf_put_str(c, "tensor_data_layout", "jploski"); /* q, k and v parted */
}

/* max_position_embeddings is 8192 in files of models trained on more. */
nb_status nb_hf_extra_cohere(nb_hf_config *c)
{
    double context = (double)c->context;
    bool found;
    NB_TRY(
        nb_hf_number(c, "model_max_length|max_position_embeddings", 1, 1 << 30, &context, &found));
    NB_TRY(nb_hf_put_u32(c, "context_length", (int64_t)context));
    return nb_hf_put_str(c, "rope.scaling.type", "none");
}

nb_status nb_hf_extra_bitnet(nb_hf_config *c)
{
    NB_TRY(nb_hf_put_str(c, "rope.scaling.type", "linear"));
    return nb_hf_put_f32(c, "rope.scaling.factor", 1);
}
